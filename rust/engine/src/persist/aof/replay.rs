//! Tells the commands of a file, one after the other.

use std::io;

use smallvec::SmallVec;

use super::read::{Item, LogReader};
use crate::files::File;

/// Why a file was not told to the end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// What the system says.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Bytes that are no command, where a look before found one: somebody else writes to the file.
    #[error("{what} at offset {at}")]
    Bad {
        /// The position.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// What the receiver says.
    #[error("{error} at offset {at}")]
    Refused {
        /// The position of the command.
        at: u64,
        /// What the receiver says.
        error: E,
    },
}

/// Tells all commands between two positions to `apply`, with the position of each. Both must be borders of commands, as
/// [`scan`](super::scan()) finds them.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay<E>(
    file: &dyn File,
    from: u64,
    to: u64,
    mut apply: impl FnMut(u64, &[&[u8]]) -> Result<(), E>,
) -> Result<(), ReplayError<E>> {
    let mut reader = LogReader::new(file, from, to, true);
    loop {
        let at = reader.position();
        match reader.next()? {
            Item::Comment => {}
            Item::Command => {
                let mut words: SmallVec<[&[u8]; 16]> = SmallVec::with_capacity(reader.word_count());
                words.extend(reader.words());
                apply(at, &words).map_err(|error| ReplayError::Refused { at, error })?;
            }
            Item::End => return Ok(()),
            Item::Torn => return Err(ReplayError::Bad { at, what: "the file ends within a command" }),
            Item::Bad(what) => return Err(ReplayError::Bad { at, what }),
        }
    }
}

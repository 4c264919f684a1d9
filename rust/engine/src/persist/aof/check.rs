//! Looks through files of a log without a store: `rkv check`.

use std::io;

use super::manifest::{BYTES_MAX, LogFile, Manifest};
use super::scan::{Scan, scan};
use super::start::set_aside;
use crate::files::Files;

/// What a file of commands was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How much of it is whole, and what is wrong with the rest.
    pub scan: Scan,
    /// Where the damaged bytes were put, if they were cut off.
    pub aside: Option<String>,
}

/// Looks through a file of commands, from the position where they begin. `fix` cuts it where it is not whole any more, and keeps
/// what is cut off in a file beside it; without, nothing is changed.
///
/// # Errors
/// What the system says.
pub fn check(files: &dyn Files, name: &str, from: u64, fix: bool) -> io::Result<Checked> {
    let file = files.open(name)?;
    let found = scan(&*file, from)?;
    let mut aside = None;
    if fix && found.damage.is_some() {
        aside = Some(set_aside(files, &*file, name, found.whole_bytes)?);
    }
    Ok(Checked { scan: found, aside })
}

/// The files that a manifest names, in the order in which they are loaded.
///
/// # Errors
/// What the system says, or what is wrong with the manifest.
pub fn files_of(files: &dyn Files, name: &str) -> io::Result<Vec<LogFile>> {
    let file = files.open(name)?;
    let bytes = file.len()?.min(BYTES_MAX);
    let mut text = vec![0; bytes as usize];
    let mut filled = 0;
    while let Some(place) = text.get_mut(filled..).filter(|place| !place.is_empty()) {
        match file.read_at(filled as u64, place)? {
            0 => break,
            count => filled += count,
        }
    }
    text.truncate(filled);
    let manifest =
        Manifest::parse(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    Ok(manifest.base.into_iter().chain(manifest.incr).collect())
}

//! Commands that pop from the first of several keys: LMPOP, ZMPOP, and those that wait.

use super::{Args, Context, Cursor};
use crate::error::{self, Error};
use crate::number;
use crate::values::Kind;

/// What such a command was asked for, behind its keys.
#[derive(Clone, Copy, Debug)]
pub struct Several<S> {
    /// At which end.
    pub side: S,
    /// How many elements at most.
    pub most: usize,
}

impl<S> Several<S> {
    /// Reads `numkeys key [key ...] side [COUNT count]`; `numkeys` is the word with this index, and `side` reads one word.
    ///
    /// # Errors
    /// A number that is not positive, or a syntax error.
    pub fn read(
        args: Args<'_>,
        index: usize,
        side: impl FnOnce(&mut Cursor<'_>) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        let keys = positive(args.word(index)).ok_or(error::NUMKEYS_NOT_POSITIVE)?;
        let place = index.checked_add(1).and_then(|first| first.checked_add(keys)).ok_or(error::SYNTAX)?;
        let mut rest = args.cursor(place);
        let side = side(&mut rest)?;
        let mut most = None;
        while !rest.is_done() {
            if most.is_some() || !rest.keyword("COUNT") {
                return Err(error::SYNTAX);
            }
            most = Some(positive(rest.expect_word()?).ok_or(error::COUNT_NOT_POSITIVE)?);
        }
        Ok(Self { side, most: most.unwrap_or(1) })
    }
}

/// A word as a positive number.
pub fn positive(word: &[u8]) -> Option<usize> {
    number::parse_i64(word).and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0)
}

/// The number of the first key of the plan that is there.
///
/// # Errors
/// It holds another type.
pub fn first_there(context: &mut Context<'_, '_>, kind: Kind) -> Result<Option<usize>, Error> {
    for (number, key) in context.keys().iter().enumerate() {
        match context.open(*key).map(|entry| entry.value().kind()) {
            None => {}
            Some(found) if found == kind => return Ok(Some(number)),
            Some(_) => return Err(error::WRONG_TYPE),
        }
    }
    Ok(None)
}

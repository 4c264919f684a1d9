//! The options that SET, GETEX and MSETEX share: conditions and times to live.

use crate::error::{self, Error};
use crate::handler::deadline::Unit;
use crate::handler::{Args, Cursor, Deadline};

/// Which command reads its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// SET.
    Set,
    /// GETEX.
    Getex,
    /// MSETEX.
    Msetex,
}

/// When a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Always.
    Always,
    /// If the key does not exist: NX.
    Absent,
    /// If the key exists: XX.
    Present,
    /// If the key holds this string: IFEQ.
    Equal(&'a [u8]),
}

/// What happens to the deadline of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry<'a> {
    /// Nothing was said.
    Unsaid,
    /// It stays: KEEPTTL.
    Keep,
    /// It is removed: PERSIST.
    Persist,
    /// It is set.
    At(Unit, &'a [u8]),
}

/// The options behind key and value.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// NX, XX or IFEQ.
    pub condition: Condition<'a>,
    /// GET: the reply is what was there before.
    pub returns_old: bool,
    /// The deadline.
    pub expiry: Expiry<'a>,
}

impl<'a> Options<'a> {
    /// Reads all words from `index` on. All options but IFEQ may be repeated, then the
    /// last one counts, as in Redis.
    ///
    /// # Errors
    /// A syntax error: an unknown option, one of another command, two that exclude each other, or one without its value.
    pub fn read(reader: Reader, args: Args<'a>, index: usize) -> Result<Self, Error> {
        let mut options = Self { condition: Condition::Always, returns_old: false, expiry: Expiry::Unsaid };
        let mut words = args.cursor(index);
        while let Some(word) = words.next_word() {
            if let Some(unit) = Unit::of(word) {
                options.expire(unit, words.expect_word()?)?;
            } else {
                options.take(reader, word, &mut words)?;
            }
        }
        Ok(options)
    }

    fn expire(&mut self, unit: Unit, time: &'a [u8]) -> Result<(), Error> {
        match self.expiry {
            Expiry::At(before, _) if before != unit => Err(error::SYNTAX),
            Expiry::Keep | Expiry::Persist => Err(error::SYNTAX),
            Expiry::Unsaid | Expiry::At(..) => {
                self.expiry = Expiry::At(unit, time);
                Ok(())
            }
        }
    }

    fn take(&mut self, reader: Reader, word: &[u8], words: &mut Cursor<'a>) -> Result<(), Error> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let stores = reader != Reader::Getex;
        if stores && is("NX") && matches!(self.condition, Condition::Always | Condition::Absent) {
            self.condition = Condition::Absent;
        } else if stores && is("XX") && matches!(self.condition, Condition::Always | Condition::Present) {
            self.condition = Condition::Present;
        } else if reader == Reader::Set && is("IFEQ") && self.condition == Condition::Always {
            self.condition = Condition::Equal(words.expect_word()?);
        } else if reader == Reader::Set && is("GET") {
            self.returns_old = true;
        } else if stores && is("KEEPTTL") && matches!(self.expiry, Expiry::Unsaid | Expiry::Keep) {
            self.expiry = Expiry::Keep;
        } else if !stores && is("PERSIST") && matches!(self.expiry, Expiry::Unsaid | Expiry::Persist) {
            self.expiry = Expiry::Persist;
        } else {
            return Err(error::SYNTAX);
        }
        Ok(())
    }

    /// What becomes of the deadline of a key that is stored. `command` is named in the error.
    ///
    /// # Errors
    /// The time is no integer or out of range.
    pub fn deadline(&self, now_ms: i64, command: &str) -> Result<Deadline, Error> {
        match self.expiry {
            Expiry::Unsaid | Expiry::Persist => Ok(Deadline::Clear),
            Expiry::Keep => Ok(Deadline::Keep),
            Expiry::At(unit, time) => unit.deadline_ms(time, now_ms, command).map(Deadline::At),
        }
    }
}

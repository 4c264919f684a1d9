//! Deadlines as commands of several families name them: units of time, and conditions on what was there before.

use crate::error::{self, Error};
use crate::number::parse_i64;

/// How a time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds from now: EX.
    Seconds,
    /// Milliseconds from now: PX.
    Milliseconds,
    /// Unix seconds: EXAT.
    UnixSeconds,
    /// Unix milliseconds: PXAT.
    UnixMilliseconds,
}

impl Unit {
    const OPTIONS: [(&'static [u8], Self); 4] = [
        (b"EX", Self::Seconds),
        (b"PX", Self::Milliseconds),
        (b"EXAT", Self::UnixSeconds),
        (b"PXAT", Self::UnixMilliseconds),
    ];

    /// The unit that an option names.
    pub fn of(option: &[u8]) -> Option<Self> {
        Self::OPTIONS.iter().find(|(name, _)| option.eq_ignore_ascii_case(name)).map(|(_, unit)| *unit)
    }

    /// The deadline that a time means, in Unix milliseconds. `command` is named in the error.
    ///
    /// # Errors
    /// The time is no integer, not positive, or does not fit.
    pub fn deadline_ms(self, time: &[u8], now_ms: i64, command: &str) -> Result<i64, Error> {
        self.deadline_from_ms(1, time, now_ms, command)
    }

    /// The same with a smallest time: a field, other than a key, may be told to expire at once.
    ///
    /// # Errors
    /// The time is no integer, smaller than `least`, or does not fit.
    pub fn deadline_from_ms(self, least: i64, time: &[u8], now_ms: i64, command: &str) -> Result<i64, Error> {
        let time = parse_i64(time).ok_or(error::NOT_INTEGER)?;
        let time_ms = match self {
            Self::Seconds | Self::UnixSeconds => time.checked_mul(1000),
            Self::Milliseconds | Self::UnixMilliseconds => Some(time),
        };
        let deadline_ms = match self {
            Self::Seconds | Self::Milliseconds => time_ms.and_then(|time_ms| time_ms.checked_add(now_ms)),
            Self::UnixSeconds | Self::UnixMilliseconds => time_ms,
        };
        deadline_ms.filter(|_| time >= least).ok_or_else(|| Error::invalid_expire(command))
    }
}

/// Under which conditions a deadline is changed: a set of bits.
#[derive(Clone, Copy, Debug)]
pub struct Conditions(u8);

impl Conditions {
    const IF_NONE: u8 = 1;
    const IF_ANY: u8 = 1 << 1;
    const IF_LATER: u8 = 1 << 2;
    const IF_EARLIER: u8 = 1 << 3;

    /// Reads NX, XX, GT and LT.
    ///
    /// # Errors
    /// Another word, or conditions that exclude each other.
    pub fn read(words: &[&[u8]]) -> Result<Self, Error> {
        let mut conditions = Self(0);
        for word in words {
            conditions.0 |= match word.to_ascii_lowercase().as_slice() {
                b"nx" => Self::IF_NONE,
                b"xx" => Self::IF_ANY,
                b"gt" => Self::IF_LATER,
                b"lt" => Self::IF_EARLIER,
                _ => return Err(unsupported(word)),
            };
        }
        if conditions.has(Self::IF_NONE) && conditions.0 != Self::IF_NONE {
            return Err(error::EXPIRE_NX);
        }
        if conditions.has(Self::IF_LATER) && conditions.has(Self::IF_EARLIER) {
            return Err(error::EXPIRE_GT_LT);
        }
        Ok(conditions)
    }

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// Whether they hold. Without a deadline a key or field counts as one that expires at the end of time.
    pub fn allow(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        match old_ms {
            None => !self.has(Self::IF_ANY | Self::IF_LATER),
            Some(old_ms) => {
                !self.has(Self::IF_NONE)
                    && (!self.has(Self::IF_LATER) || new_ms > old_ms)
                    && (!self.has(Self::IF_EARLIER) || new_ms < old_ms)
            }
        }
    }
}

#[cold]
fn unsupported(word: &[u8]) -> Error {
    let end = memchr::memchr(0, word).unwrap_or(word.len());
    let word = String::from_utf8_lossy(word.get(..end).unwrap_or_default());
    Error::text(format!("ERR Unsupported option {word}"))
}

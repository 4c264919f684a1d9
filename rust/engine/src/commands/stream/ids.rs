//! Ids, as clients write them.

use crate::error::{self, Error};
use crate::number;
use crate::values::stream::Id;

/// Texts from this length on are no ids.
const TEXT_BYTES_MAX: usize = 128;

/// Half an id. What is no canonical number is read as C does: spaces, a sign and leading zeros may stand before the
/// digits, and a number below zero is taken from the other end.
fn half(text: &[u8]) -> Option<u64> {
    if let Some(number) = number::parse_u64(text) {
        return Some(number);
    }
    if number::parse_i64(text).is_some() {
        return None;
    }
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0B).count();
    let (is_negative, digits) = match text.get(blanks..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let number = match digits.get(zeros..)? {
        [] if zeros > 0 => 0,
        rest => number::parse_u64(rest)?,
    };
    Some(if is_negative { number.wrapping_neg() } else { number })
}

/// Both halves; the second may be missing.
fn halves(word: &[u8]) -> Result<(u64, Option<&[u8]>), Error> {
    // What C reads ends at a byte of value 0.
    let text = word.split(|byte| *byte == 0).next().unwrap_or_default();
    if word.len() >= TEXT_BYTES_MAX {
        return Err(error::INVALID_STREAM_ID);
    }
    let mut parts = text.splitn(2, |byte| *byte == b'-');
    let ms = parts.next().and_then(half).ok_or(error::INVALID_STREAM_ID)?;
    Ok((ms, parts.next()))
}

/// An id; `seq` stands for a second half that is missing.
#[inline]
pub fn id(word: &[u8], seq: u64) -> Result<Id, Error> {
    let (ms, rest) = halves(word)?;
    let seq = rest.map_or(Some(seq), half).ok_or(error::INVALID_STREAM_ID)?;
    Ok(Id::new(ms, seq))
}

/// An id, or `-` for the first and `+` for the last that there can be.
pub fn id_or_end(word: &[u8], seq: u64) -> Result<Id, Error> {
    match word {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => id(word, seq),
    }
}

/// An id, the number of which the server may have to find: `5-*`.
pub fn id_or_time(word: &[u8]) -> Result<(u64, Option<u64>), Error> {
    match halves(word)? {
        (ms, None) => Ok((ms, Some(0))),
        (ms, Some(b"*")) => Ok((ms, None)),
        (ms, Some(rest)) => Ok((ms, Some(half(rest).ok_or(error::INVALID_STREAM_ID)?))),
    }
}

/// The first id of an interval; `(` leaves out the one behind it.
pub fn start(word: &[u8]) -> Result<Id, Error> {
    match word {
        [b'(', rest @ ..] => id(rest, 0)?.next().ok_or(error::INVALID_STREAM_START),
        _ => id_or_end(word, 0),
    }
}

/// The last id of an interval; `(` leaves out the one behind it.
pub fn end(word: &[u8]) -> Result<Id, Error> {
    match word {
        [b'(', rest @ ..] => id(rest, u64::MAX)?.before().ok_or(error::INVALID_STREAM_END),
        _ => id_or_end(word, u64::MAX),
    }
}

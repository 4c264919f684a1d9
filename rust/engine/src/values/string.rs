//! Strings: integers, short bytes, long bytes.

use std::ops::{Deref, Range};

use rkv_collections::bytes::Shared;

use super::{NewValue, ValueRef};
use crate::error::{self, Error};
use crate::number::{Decimal, parse_i64};

/// The longest decimal form of a 64-bit integer.
const DECIMAL_BYTES_MAX: usize = 20;
/// Buffers below this double when they grow; above it they grow by a quarter, so that slack stays a small part of memory.
const DOUBLING_BYTES_MAX: usize = 1 << 20;

/// The stored form of bytes that a client sent: an integer if they are one in canonical form.
#[inline]
pub fn encode(bytes: &[u8]) -> NewValue<'_> {
    if bytes.len() <= DECIMAL_BYTES_MAX
        && let Some(number) = parse_i64(bytes)
    {
        return NewValue::Integer(number);
    }
    NewValue::Bytes(bytes)
}

/// A stored value of this type.
#[derive(Clone, Copy, Debug)]
pub enum StringRef<'a> {
    /// An integer in canonical decimal form.
    Integer(i64),
    /// A short string.
    Bytes(&'a [u8]),
    /// A long string.
    Shared(&'a Shared),
}

impl<'a> StringRef<'a> {
    /// A value as a string.
    ///
    /// # Errors
    /// `WRONGTYPE` if it is of another type.
    #[inline]
    pub const fn of(value: ValueRef<'a>) -> Result<Self, Error> {
        match value {
            ValueRef::Integer(number) => Ok(Self::Integer(number)),
            ValueRef::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            ValueRef::Shared(shared) => Ok(Self::Shared(shared)),
            _ => Err(error::WRONG_TYPE),
        }
    }

    /// Its bytes.
    #[inline]
    pub fn text(self) -> Text<'a> {
        match self {
            Self::Integer(number) => Text::Decimal(Decimal::from(number)),
            Self::Bytes(bytes) => Text::Bytes(bytes),
            Self::Shared(shared) => Text::Bytes(shared),
        }
    }

    /// How many bytes it has.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Integer(number) => Decimal::from(number).len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Shared(shared) => shared.len(),
        }
    }

    /// Whether it has no byte.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The integer that it spells in canonical form, if it does.
    #[inline]
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            Self::Bytes(bytes) => parse_i64(bytes),
            // A string that is long enough to be shared is longer than any integer.
            Self::Shared(_) => None,
        }
    }
}

/// The bytes of a string, not copied where they are stored as bytes.
#[derive(Debug)]
pub enum Text<'a> {
    /// Of an integer.
    Decimal(Decimal),
    /// Of all others.
    Bytes(&'a [u8]),
}

impl Deref for Text<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Decimal(decimal) => decimal,
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// A value that outlives its lock.
pub fn to_owned(value: StringRef<'_>) -> NewValue<'static> {
    match value {
        StringRef::Integer(number) => NewValue::Integer(number),
        StringRef::Bytes(bytes) => NewValue::Shared(Shared::from(bytes)),
        StringRef::Shared(shared) => NewValue::Shared(shared.clone()),
    }
}

/// The bytes from `start` to `end`, both included, of a string of `len` bytes. Negative positions count from its end;
/// what lies outside is cut off, except that an end before the beginning still means the first byte, as in Redis.
pub fn range(len: usize, start: i64, end: i64) -> Range<usize> {
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return 0..0;
    }
    let len_signed = i64::try_from(len).unwrap_or(i64::MAX);
    let position = |index: i64| if index < 0 { (len_signed + index).max(0) } else { index };
    let (start, end) = (position(start), position(end).min(len_signed - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

/// Writes `data` over the bytes at an offset. A shorter string is first filled with zero bytes.
///
/// The caller has checked that offset and data together are no longer than a string may be.
pub fn write_at(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    reserve(bytes, end);
    if bytes.len() <= offset {
        bytes.resize(offset, 0);
        bytes.extend_from_slice(data);
    } else {
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(data);
    }
}

/// Makes room for so many bytes in all, with slack for more to come.
fn reserve(bytes: &mut Vec<u8>, len: usize) {
    if len > bytes.capacity() {
        let slack = if len < DOUBLING_BYTES_MAX { len } else { len / 4 };
        bytes.reserve_exact(len - bytes.len() + slack);
    }
}

/// Fills a shorter string with zero bytes up to a length that the caller has checked; whether it was shorter.
pub fn lengthen(bytes: &mut Vec<u8>, len: usize) -> bool {
    if bytes.len() >= len {
        return false;
    }
    if bytes.is_empty() && len > bytes.capacity() {
        // The system gives zero pages for nothing, so a bit far out costs no writing.
        *bytes = vec![0; len];
    } else {
        reserve(bytes, len);
        bytes.resize(len, 0);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_stored_as_integers_and_nothing_else_is() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
            let NewValue::Integer(number) = encode(text.as_bytes()) else { panic!("{text} is an integer") };
            assert_eq!(&*StringRef::Integer(number).text(), text.as_bytes());
            assert_eq!(StringRef::Integer(number).len(), text.len());
            assert_eq!(StringRef::Bytes(text.as_bytes()).integer(), Some(number));
        }
        for text in ["", "-0", "+1", "01", " 1", "1 ", "1.0", "9223372036854775808", "-9223372036854775809", "1e3"] {
            assert!(matches!(encode(text.as_bytes()), NewValue::Bytes(_)), "{text}");
        }
    }

    /// Walks over all positions instead of computing with them.
    fn range_by_walking(text: &[u8], start: i64, end: i64) -> Vec<u8> {
        let len = text.len() as i128;
        let (mut start, mut end) = (i128::from(start), i128::from(end));
        if start < 0 && end < 0 && start > end {
            return Vec::new();
        }
        start = if start < 0 { (start + len).max(0) } else { start };
        end = if end < 0 { (end + len).max(0) } else { end };
        (0i128..).zip(text).filter(|(at, _)| (start..=end).contains(at)).map(|(_, byte)| *byte).collect()
    }

    proptest! {
        #[test]
        fn ranges_are_cut_where_the_string_ends(
            text in prop::collection::vec(any::<u8>(), 0..12),
            start in prop_oneof![-15i64..15, any::<i64>()], end in prop_oneof![-15i64..15, any::<i64>()],
        ) {
            prop_assert_eq!(&text[range(text.len(), start, end)], range_by_walking(&text, start, end));
        }

        #[test]
        fn writes_land_at_their_offset(
            mut text in prop::collection::vec(any::<u8>(), 0..40), offset in 0usize..60, data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut expected = text.clone();
            for (at, byte) in (offset..).zip(&data) {
                while expected.len() <= at {
                    expected.push(0);
                }
                expected[at] = *byte;
            }
            // Only offsets are padded up to: writing nothing is the caller's business.
            if data.is_empty() && expected.len() < offset {
                expected.resize(offset, 0);
            }
            write_at(&mut text, offset, &data);
            prop_assert_eq!(text, expected);
        }
    }

    #[test]
    fn many_appends_move_a_buffer_a_few_times() {
        let (mut bytes, mut moves) = (Vec::new(), 0);
        while bytes.len() < 16 << 20 {
            let before = bytes.capacity();
            let len = bytes.len();
            write_at(&mut bytes, len, &[7; 1000]);
            moves += usize::from(bytes.capacity() != before);
            assert!(bytes.capacity() <= (2 * bytes.len()).max(2000));
        }
        assert!(moves < 30, "{moves} moves");
        assert!(bytes.capacity() <= bytes.len() * 5 / 4 + 1000);
    }
}

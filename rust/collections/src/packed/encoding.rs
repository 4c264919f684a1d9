//! One entry: its value, its bytes, and how long it is.

use super::TERMINATOR;
use std::fmt;

/// The longest element that is stored, in bytes: 1 GiB.
pub const ELEMENT_BYTES_MAX: usize = 1 << 30;

/// Longest strings with a head of one byte and of two.
const SHORT_MAX: usize = 63;
const MIDDLE_MAX: usize = 4095;

const INT_13: u8 = 0xc0;
const INT_13_LAST: u8 = 0xdf;
const STR_12: u8 = 0xe0;
const STR_12_LAST: u8 = 0xef;
const STR_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// An element as it is stored: a number where its text is the number's only decimal form, otherwise its bytes.
///
/// What rkv and Redis store has one form for each text. A foreign writer may leave digits as a string: where that
/// matters, compare with [`eq_bytes`](Self::eq_bytes), not with `==`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry<'a> {
    /// An integer, whose text is its decimal form.
    Int(i64),
    /// Any other bytes. Given to be stored, they become an integer if they are the decimal form of one.
    Str(&'a [u8]),
}

/// Room for the text of an entry that is a number.
pub struct Digits(itoa::Buffer);

impl Digits {
    /// Empty room.
    #[inline]
    pub fn new() -> Self {
        Self(itoa::Buffer::new())
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digits")
    }
}

impl<'a> From<&'a [u8]> for Entry<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self::Str(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Entry<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Str(bytes)
    }
}

impl From<i64> for Entry<'_> {
    #[inline]
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> Entry<'a> {
    /// The entry's bytes: those stored, or a number's decimal digits, written to `room`.
    #[inline]
    pub fn bytes<'b>(self, room: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(value) => room.0.format(value).as_bytes(),
            Self::Str(bytes) => bytes,
        }
    }

    /// Appends the entry's bytes.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes(&mut Digits::new()));
    }

    /// The entry's bytes, owned.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut Digits::new()).to_vec()
    }

    /// Number of the entry's bytes; of a number, those of its decimal form.
    #[inline]
    pub fn len(&self) -> usize {
        match *self {
            Self::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
                digits + usize::from(value < 0)
            }
            Self::Str(bytes) => bytes.len(),
        }
    }

    /// Whether this is the empty string.
    #[inline]
    pub fn is_empty(&self) -> bool {
        matches!(*self, Self::Str([]))
    }

    /// The number that the entry's bytes are the decimal form of.
    #[inline]
    pub fn integer(&self) -> Option<i64> {
        match *self {
            Self::Int(value) => Some(value),
            Self::Str(bytes) => integer(bytes),
        }
    }

    /// Whether the entry's bytes are these: the number 123 is `123`, and neither `0123` nor `+123`.
    #[inline]
    pub fn eq_bytes(&self, bytes: &[u8]) -> bool {
        match *self {
            Self::Int(value) => integer(bytes) == Some(value),
            Self::Str(own) => own == bytes,
        }
    }
}

/// The number that a text is the one decimal form of: no plus, no leading zero, no `-0`, within an `i64`.
#[inline]
pub fn integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !is_negative => return Some(0),
        // Nineteen digits are below 10^19 and so below 2^64: the sum cannot overflow.
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value = 0_u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if is_negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Size of the back-length that follows `size` bytes of head and payload. The borders are one lower than seven bits a
/// byte would need, because Redis draws them there and every reader must agree.
#[inline]
pub(super) const fn back_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// A back-length: groups of seven bits, the highest first; all but the first byte carry the high bit.
#[inline]
pub(super) fn back_bytes(size: usize) -> ([u8; 5], usize) {
    let count = back_size(size);
    let mut bytes = [0; 5];
    let mut rest = size;
    for (index, byte) in bytes[..count].iter_mut().enumerate().rev() {
        *byte = (rest & 0x7f) as u8 | if index == 0 { 0 } else { 0x80 };
        rest >>= 7;
    }
    (bytes, count)
}

/// Reads the back-length that ends before `end`: size of head and payload, size of the back-length.
#[inline]
pub(super) fn back_before(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let before = bytes.get(..end)?;
    let (&last, rest) = before.split_last()?;
    if last < 0x80 {
        return Some((usize::from(last), 1));
    }
    let mut size = usize::from(last & 0x7f);
    for (index, byte) in rest.iter().rev().take(4).enumerate() {
        // Four groups hold 28 bits, so what a fifth would shift out of 32 is out of every value's length anyway.
        size |= usize::from(byte & 0x7f).checked_shl(7 * (index as u32 + 1))?;
        if *byte < 0x80 {
            return Some((size, index + 2));
        }
    }
    None
}

/// Size of the head and payload that begin here, read from the head alone; nothing proves yet that they are there.
#[inline]
pub(super) fn size_of(rest: &[u8]) -> Option<usize> {
    let &first = rest.first()?;
    if first < 0x80 {
        Some(1)
    } else if first < INT_13 {
        Some(1 + usize::from(first & 0x3f))
    } else {
        size_of_rare(rest)
    }
}

/// The same with the back-length: the step to the next entry. Written out for the two short forms, because a walk costs
/// what stands between one load of a head and the next.
#[inline]
pub(super) fn step_of(rest: &[u8]) -> Option<usize> {
    let &first = rest.first()?;
    if first < 0x80 {
        Some(2)
    } else if first < INT_13 {
        Some(2 + usize::from(first & 0x3f))
    } else {
        step_of_rare(rest)
    }
}

fn step_of_rare(rest: &[u8]) -> Option<usize> {
    let size = size_of_rare(rest)?;
    size.checked_add(back_size(size))
}

fn size_of_rare(rest: &[u8]) -> Option<usize> {
    Some(match *rest {
        [INT_13..=INT_13_LAST, ..] => 2,
        [high @ STR_12..=STR_12_LAST, low, ..] => 2 + (usize::from(high & 0x0f) << 8 | usize::from(low)),
        [STR_32, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize).checked_add(5)?,
        [INT_16, ..] => 3,
        [INT_24, ..] => 4,
        [INT_32, ..] => 5,
        [INT_64, ..] => 9,
        _ => return None,
    })
}

/// The entry that begins here and the step to the next.
#[inline]
pub(super) fn decode(rest: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (&first, tail) = rest.split_first()?;
    if first < 0x80 {
        Some((Entry::Int(i64::from(first)), 2))
    } else if first < INT_13 {
        let size = usize::from(first & 0x3f);
        Some((Entry::Str(tail.get(..size)?), 2 + size))
    } else {
        decode_rare(rest)
    }
}

fn decode_rare(rest: &[u8]) -> Option<(Entry<'_>, usize)> {
    let size = size_of_rare(rest)?;
    let whole = rest.get(..size)?;
    let entry = match *whole {
        [high @ INT_13..=INT_13_LAST, low] => {
            // The sign is the highest of thirteen bits: shifted to the top of sixteen, it is carried down again.
            let bits = u16::from(high & 0x1f) << 8 | u16::from(low);
            Entry::Int(i64::from((bits << 3) as i16 >> 3))
        }
        [STR_12..=STR_12_LAST, _, ref payload @ ..] | [STR_32, _, _, _, _, ref payload @ ..] => Entry::Str(payload),
        [INT_16, a, b] => Entry::Int(i64::from(i16::from_le_bytes([a, b]))),
        [INT_24, a, b, c] => Entry::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)),
        [INT_32, a, b, c, d] => Entry::Int(i64::from(i32::from_le_bytes([a, b, c, d]))),
        [INT_64, ref number @ ..] => Entry::Int(i64::from_le_bytes(*number.first_chunk()?)),
        _ => return None,
    };
    Some((entry, size + back_size(size)))
}

/// An element on its way in: the first byte of its head, up to eight more, of which a number is made, and the payload.
/// Apart from the payload these are plain numbers, so that they stay in registers.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a> {
    first: u8,
    more: u64,
    more_size: usize,
    payload: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Nothing, if the element is longer than [`ELEMENT_BYTES_MAX`].
    #[inline]
    pub(super) fn new(entry: Entry<'a>) -> Option<Self> {
        match entry {
            Entry::Int(value) => Some(Self::int(value)),
            Entry::Str(bytes) => match integer(bytes) {
                Some(value) => Some(Self::int(value)),
                None => Self::str(bytes),
            },
        }
    }

    #[inline]
    fn int(value: i64) -> Self {
        let (first, more_size) = match value {
            0..=127 => (value as u8, 0),
            -4096..=4095 => (INT_13 | (value >> 8) as u8 & 0x1f, 1),
            -0x8000..=0x7fff => (INT_16, 2),
            -0x80_0000..=0x7f_ffff => (INT_24, 3),
            -0x8000_0000..=0x7fff_ffff => (INT_32, 4),
            _ => (INT_64, 8),
        };
        Self { first, more: value as u64, more_size, payload: &[] }
    }

    #[inline]
    fn str(payload: &'a [u8]) -> Option<Self> {
        let size = payload.len();
        let (first, more_size) = if size <= SHORT_MAX {
            (0x80 | size as u8, 0)
        } else if size <= MIDDLE_MAX {
            (STR_12 | (size >> 8) as u8, 1)
        } else if size <= ELEMENT_BYTES_MAX {
            (STR_32, 4)
        } else {
            return None;
        };
        Some(Self { first, more: size as u64, more_size, payload })
    }

    #[inline]
    fn size(&self) -> usize {
        1 + self.more_size + self.payload.len()
    }

    /// Size with the back-length.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.size() + back_size(self.size())
    }

    /// Fills a slice of exactly [`total`](Self::total) bytes.
    #[inline]
    pub(super) fn write(&self, into: &mut [u8]) {
        let (head, rest) = into.split_at_mut(1 + self.more_size);
        let (payload, end) = rest.split_at_mut(self.payload.len());
        head[0] = self.first;
        if self.more_size > 0 {
            head[1..].copy_from_slice(&self.more.to_le_bytes()[..self.more_size]);
        }
        payload.copy_from_slice(self.payload);
        if let [back] = end {
            *back = self.size() as u8;
        } else {
            let (back, back_count) = back_bytes(self.size());
            end.copy_from_slice(&back[..back_count]);
        }
    }

    /// Puts the same bytes in the place of the terminator that ends `out`, and another behind them. Copies of known size
    /// are stores; the payload's is a call.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        if let Some(terminator) = out.last_mut() {
            *terminator = self.first;
        }
        if self.more_size > 0 {
            out.extend_from_slice(&self.more.to_le_bytes()[..self.more_size]);
        }
        if !self.payload.is_empty() {
            out.extend_from_slice(self.payload);
        }
        let size = self.size();
        if size <= 127 {
            out.extend_from_slice(&[size as u8, TERMINATOR]);
        } else {
            let (back, back_count) = back_bytes(size);
            out.extend_from_slice(&back[..back_count]);
            out.push(TERMINATOR);
        }
    }
}

//! Encodings that only old files have: ziplist and zipmap.
//!
//! ```text
//!   ziplist   size (4)  offset of the last entry (4)  entries (2)  { size before (1 or 5)  head  bytes }  ff
//!   zipmap    fields (1)  { length (1 or 5)  name  length (1 or 5)  slack (1)  value  slack bytes }  ff
//! ```

use rkv_collections::packed::Entry;

use super::error::Fault;

const DAMAGED_ZIPLIST: Fault = Fault::Invalid("a ziplist is damaged");
const DAMAGED_ZIPMAP: Fault = Fault::Invalid("a zipmap is damaged");
const END: u8 = 0xff;

/// Entries of a ziplist, each proved before it is given.
#[derive(Debug)]
pub struct Ziplist<'a> {
    rest: &'a [u8],
    /// Bytes of the entry before.
    before: usize,
    /// Offset of the entry that comes next.
    offset: usize,
    last_offset: usize,
    told: u16,
    seen: usize,
}

impl<'a> Ziplist<'a> {
    const HEADER: usize = 10;

    /// Looks at the header.
    ///
    /// # Errors
    /// It does not fit the bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or(DAMAGED_ZIPLIST)?;
        let (last_offset, rest) = rest.split_first_chunk::<4>().ok_or(DAMAGED_ZIPLIST)?;
        let (told, rest) = rest.split_first_chunk::<2>().ok_or(DAMAGED_ZIPLIST)?;
        if u32::from_le_bytes(*size) as usize != bytes.len() {
            return Err(DAMAGED_ZIPLIST);
        }
        let (last_offset, told) = (u32::from_le_bytes(*last_offset) as usize, u16::from_le_bytes(*told));
        Ok(Self { rest, before: 0, offset: Self::HEADER, last_offset, told, seen: 0 })
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// It is not valid, or the end is not where the header tells it.
    pub fn next(&mut self) -> Result<Option<Entry<'a>>, Fault> {
        let (&first, rest) = self.rest.split_first().ok_or(DAMAGED_ZIPLIST)?;
        if first == END {
            let is_count_right = self.told == u16::MAX || usize::from(self.told) == self.seen;
            let last = if self.seen == 0 { Self::HEADER } else { self.offset - self.before };
            let is_whole = rest.is_empty() && last == self.last_offset && is_count_right;
            return if is_whole { Ok(None) } else { Err(DAMAGED_ZIPLIST) };
        }
        let (before, rest) = if first < 254 {
            (usize::from(first), rest)
        } else {
            let (before, rest) = rest.split_first_chunk::<4>().ok_or(DAMAGED_ZIPLIST)?;
            (u32::from_le_bytes(*before) as usize, rest)
        };
        if before != self.before {
            return Err(DAMAGED_ZIPLIST);
        }
        let (entry, rest) = ziplist_entry(rest).ok_or(DAMAGED_ZIPLIST)?;
        self.before = self.rest.len() - rest.len();
        self.offset += self.before;
        self.seen += 1;
        self.rest = rest;
        Ok(Some(entry))
    }
}

fn ziplist_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (&head, rest) = bytes.split_first()?;
    let string =
        |len: usize, rest: &'_ [u8]| -> Option<(usize, usize)> { (len <= rest.len()).then_some((len, rest.len())) };
    let (len, rest) = match head >> 6 {
        0 => (usize::from(head & 0x3f), rest),
        1 => {
            let (low, rest) = rest.split_first()?;
            (usize::from(head & 0x3f) << 8 | usize::from(*low), rest)
        }
        2 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*len) as usize, rest)
        }
        _ => return ziplist_integer(head, rest),
    };
    string(len, rest)?;
    let (text, rest) = rest.split_at_checked(len)?;
    Some((Entry::Str(text), rest))
}

fn ziplist_integer(head: u8, rest: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (number, rest) = match head {
        0xc0 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (i64::from(i16::from_le_bytes(*bytes)), rest)
        }
        0xd0 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (i64::from(i32::from_le_bytes(*bytes)), rest)
        }
        0xe0 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (i64::from_le_bytes(*bytes), rest)
        }
        0xf0 => {
            let ([low, middle, high], rest) = rest.split_first_chunk()?;
            (i64::from(i32::from_le_bytes([0, *low, *middle, *high]) >> 8), rest)
        }
        0xfe => {
            let (byte, rest) = rest.split_first()?;
            (i64::from(*byte as i8), rest)
        }
        0xf1..=0xfd => (i64::from(head & 0x0f) - 1, rest),
        _ => return None,
    };
    Some((Entry::Int(number), rest))
}

/// Fields of a zipmap.
#[derive(Debug)]
pub struct Zipmap<'a> {
    rest: &'a [u8],
    told: u8,
    seen: usize,
}

impl<'a> Zipmap<'a> {
    /// Looks at the header.
    ///
    /// # Errors
    /// There is none.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (&told, rest) = bytes.split_first().ok_or(DAMAGED_ZIPMAP)?;
        Ok(Self { rest, told, seen: 0 })
    }

    /// The next field with its value; `None` at the end.
    ///
    /// # Errors
    /// It is not valid, or the end is not where it should be.
    #[expect(clippy::type_complexity, reason = "a name and a value")]
    pub fn next(&mut self) -> Result<Option<(&'a [u8], &'a [u8])>, Fault> {
        if let [END, behind @ ..] = self.rest {
            let is_count_right = self.told >= 254 || usize::from(self.told) == self.seen;
            return if behind.is_empty() && is_count_right { Ok(None) } else { Err(DAMAGED_ZIPMAP) };
        }
        let (name, value, rest) = zipmap_field(self.rest).ok_or(DAMAGED_ZIPMAP)?;
        self.rest = rest;
        self.seen += 1;
        Ok(Some((name, value)))
    }
}

fn zipmap_field(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name_len, rest) = zipmap_len(bytes)?;
    let (name, rest) = rest.split_at_checked(name_len)?;
    let (value_len, rest) = zipmap_len(rest)?;
    let (&slack, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    let (_, rest) = rest.split_at_checked(usize::from(slack))?;
    Some((name, value, rest))
}

fn zipmap_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=253 => Some((usize::from(first), rest)),
        254 => {
            let (len, rest) = rest.split_first_chunk()?;
            Some((u32::from_le_bytes(*len) as usize, rest))
        }
        _ => None,
    }
}

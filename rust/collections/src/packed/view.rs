//! Reading: every step is bounded by the slice, so that bytes which nobody validated give wrong entries at worst.

use super::encoding::{Entry, back_before, decode, integer, step_of};
use super::{COUNT_UNKNOWN, HEADER_SIZE, Packed, Position};
use std::fmt;

/// A packed collection to be read. Copies are free.
///
/// On bytes that [`validate`](super::validate) passed, it shows what is stored. On any others it ends early or shows
/// entries that nobody stored, without panicking.
#[derive(Clone, Copy)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Reads exactly these bytes, from header to terminator.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All bytes, from header to terminator: what Redis stores in an RDB file.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// A copy to be changed, with room for `spare_bytes` more.
    #[inline]
    pub fn to_packed(self, spare_bytes: usize) -> Packed {
        let mut bytes = Vec::with_capacity(self.0.len() + spare_bytes);
        bytes.extend_from_slice(self.0);
        Packed::from_bytes(bytes)
    }

    /// The number of entries that the header tells: those that reached 65,535 once have to be counted.
    #[inline]
    pub(super) fn count(self) -> Option<usize> {
        match self.0 {
            [_, _, _, _, a, b, ..] => {
                let count = u16::from_le_bytes([*a, *b]);
                (count != COUNT_UNKNOWN).then_some(usize::from(count))
            }
            _ => Some(0),
        }
    }

    /// Number of entries. From 65,535 on they are counted one by one.
    #[inline]
    pub fn len(self) -> usize {
        self.count().unwrap_or_else(|| self.iter().count())
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.end_offset() <= HEADER_SIZE
    }

    #[inline]
    pub(super) fn end_offset(self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// A position, if an entry can begin there.
    #[inline]
    fn position(self, offset: usize) -> Option<Position> {
        (offset < self.end_offset()).then_some(Position(offset as u32))
    }

    /// Where the first entry is.
    #[inline]
    pub fn first(self) -> Option<Position> {
        self.position(HEADER_SIZE)
    }

    /// Where the last entry is.
    #[inline]
    pub fn last(self) -> Option<Position> {
        self.before(self.end_offset())
    }

    /// Behind the last entry: no entry is there, but one can be inserted before it.
    #[inline]
    pub fn end(self) -> Position {
        Position(self.end_offset().max(HEADER_SIZE) as u32)
    }

    /// Where the entry after this one is.
    #[inline]
    pub fn next(self, at: Position) -> Option<Position> {
        self.position(self.after(at.offset())?)
    }

    /// Where the entry before this one, or before the end, is.
    #[inline]
    pub fn prev(self, at: Position) -> Option<Position> {
        self.before(at.offset())
    }

    /// Offset behind the entry at an offset.
    #[inline]
    pub(super) fn after(self, offset: usize) -> Option<usize> {
        step_of(self.0.get(offset..)?)?.checked_add(offset)
    }

    #[inline]
    fn before(self, offset: usize) -> Option<Position> {
        let (size, back) = back_before(self.0, offset)?;
        let start = offset.checked_sub(size)?.checked_sub(back)?;
        if start < HEADER_SIZE || size == 0 {
            return None;
        }
        self.position(start)
    }

    /// Where the entry with this number, counted from 0, is. Walks from the nearer end.
    pub fn seek(self, index: usize) -> Option<Position> {
        if let Some(count) = self.count()
            && index >= count / 2
        {
            let mut at = self.last()?;
            for _ in 0..count.checked_sub(index)?.checked_sub(1)? {
                at = self.prev(at)?;
            }
            return Some(at);
        }
        let mut at = self.first()?;
        for _ in 0..index {
            at = self.next(at)?;
        }
        Some(at)
    }

    /// The entry at a position.
    #[inline]
    pub fn entry(self, at: Position) -> Option<Entry<'a>> {
        Some(decode(self.0.get(at.offset()..)?)?.0)
    }

    /// The entry with this number, counted from 0. Walks from the nearer end.
    #[inline]
    pub fn get(self, index: usize) -> Option<Entry<'a>> {
        self.entry(self.seek(index)?)
    }

    /// All entries, from either end.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { bytes: self.0, front: HEADER_SIZE, back: self.end_offset() }
    }

    /// The entries from this one to the last.
    #[inline]
    pub fn iter_from(self, at: Position) -> Iter<'a> {
        Iter { bytes: self.0, front: at.offset(), back: self.end_offset() }
    }

    /// Where the first entry is that has these bytes, among every `skip + 1`th: 0 looks at all, 1 at the fields
    /// of field and value pairs.
    #[inline]
    pub fn find(self, needle: &[u8], skip: usize) -> Option<Position> {
        self.find_from(Position(HEADER_SIZE as u32), needle, skip)
    }

    /// The same, beginning with the entry at a position.
    pub fn find_from(self, from: Position, needle: &[u8], skip: usize) -> Option<Position> {
        if let Some(number) = integer(needle) {
            // Foreign writers may have left the digits as a string.
            return self.search(from, skip, |rest| match decode(rest) {
                Some((Entry::Int(value), _)) => value == number,
                Some((Entry::Str(bytes), _)) => bytes == needle,
                None => false,
            });
        }
        match needle {
            [] => self.search(from, skip, |rest| matches!(decode(rest), Some((Entry::Str([]), _)))),
            [.., last] if needle.len() < 64 => {
                let (head, size) = (0x80 | needle.len() as u8, needle.len());
                // Names in one collection tend to differ at their ends, which spares most of the calls to compare.
                self.search(from, skip, |rest| {
                    rest[0] == head && rest.get(size) == Some(last) && rest.get(1..=size) == Some(needle)
                        || rest[0] >= 0xe0 && matches!(decode(rest), Some((Entry::Str(bytes), _)) if bytes == needle)
                })
            }
            _ => {
                self.search(from, skip, |rest| matches!(decode(rest), Some((Entry::Str(bytes), _)) if bytes == needle))
            }
        }
    }

    /// Visits every `skip + 1`th entry; `is_it` is given what begins with one, never nothing.
    #[inline]
    fn search(self, from: Position, skip: usize, is_it: impl Fn(&[u8]) -> bool) -> Option<Position> {
        let end = self.end_offset();
        let mut at = from.offset();
        while at < end {
            let rest = &self.0[at..];
            if is_it(rest) {
                return Some(Position(at as u32));
            }
            at = at.checked_add(step_of(rest)?)?;
            for _ in 0..skip {
                at = self.after(at)?;
            }
        }
        None
    }
}

impl<'a> IntoIterator for View<'a> {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for View<'_> {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({} entries, {} bytes)", self.len(), self.0.len())
    }
}

/// Entries of a [`View`], from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl Iter<'_> {
    /// Where the entry is that comes next from the front; behind the last, the end.
    #[inline]
    pub fn position(&self) -> Position {
        Position(self.front as u32)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let Some((entry, step)) = decode(&self.bytes[self.front..]) else {
            self.front = self.back;
            return None;
        };
        self.front += step;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.back.saturating_sub(self.front) / 2))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let start = back_before(self.bytes, self.back)
            .and_then(|(size, back)| self.back.checked_sub(size)?.checked_sub(back))
            .filter(|&start| start >= self.front && start < self.back);
        let entry = start.and_then(|start| decode(&self.bytes[start..]));
        self.back = start.unwrap_or(self.front);
        Some(entry?.0)
    }
}

impl std::iter::FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({}..{})", self.front, self.back)
    }
}

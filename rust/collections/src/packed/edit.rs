//! Changing: one place opens or closes a gap, everything else says where.

use super::encoding::{Encoded, Entry};
use super::view::{Iter, View};
use super::{BYTES_MAX, COUNT_UNKNOWN, HEADER_SIZE, Position, TERMINATOR, TooLarge};
use std::fmt;
use std::ops::Range;

/// A packed collection to be changed, over a vector of its own.
///
/// A method that takes a [`Position`] panics if the position is not one of an entry (or the end, where that is said):
/// positions come from this collection, not from outside. Every change makes all others stale.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// An empty collection: header and terminator.
    #[inline]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty collection with room for entries of so many bytes.
    #[inline]
    pub fn with_capacity(entries_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_SIZE + 1 + entries_bytes);
        bytes.extend_from_slice(&[HEADER_SIZE as u8 + 1, 0, 0, 0, 0, 0, TERMINATOR]);
        Self(bytes)
    }

    /// Takes bytes that this type made or that [`validate`](super::validate) passed, without looking at them.
    ///
    /// # Panics
    /// If there are fewer than seven or more than [`BYTES_MAX`].
    #[inline]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        assert!(bytes.len() > HEADER_SIZE && bytes.len() <= BYTES_MAX, "no header, or more than its length can tell");
        Self(bytes)
    }

    /// The vector, without a copy.
    #[inline]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// All bytes, from header to terminator.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For reading.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::new(&self.0)
    }

    /// Number of entries. From 65,535 on they are counted one by one.
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// All entries, from either end.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    /// Bytes of heap that the collection occupies, slack included.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Gives slack back.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Appends an element.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    #[inline]
    pub fn push_back<'e>(&mut self, element: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        let encoded = self.encode(element.into(), 0)?;
        self.0.reserve(encoded.total());
        encoded.append_to(&mut self.0);
        self.add_count(1);
        Ok(())
    }

    /// Puts an element before all others. Moves them all.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    pub fn push_front<'e>(&mut self, element: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        self.insert_before(Position(HEADER_SIZE as u32), element).map(|_| ())
    }

    /// Puts an element before an entry or at the end and says where it is, which is where that was.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    ///
    /// # Panics
    /// If the position is outside.
    pub fn insert_before<'e>(&mut self, at: Position, element: impl Into<Entry<'e>>) -> Result<Position, TooLarge> {
        let encoded = self.encode(element.into(), 0)?;
        let start = at.offset();
        encoded.write(self.gap(start..start, encoded.total()));
        self.add_count(1);
        Ok(at)
    }

    /// Puts an element after an entry and says where it is.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    ///
    /// # Panics
    /// If no entry is there.
    pub fn insert_after<'e>(&mut self, at: Position, element: impl Into<Entry<'e>>) -> Result<Position, TooLarge> {
        let behind = self.range_at(at).end;
        self.insert_before(Position(behind as u32), element)
    }

    /// Puts an element in the place of an entry, whose position it takes. Where both need the same number of bytes,
    /// nothing moves.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    ///
    /// # Panics
    /// If no entry is there.
    pub fn replace<'e>(&mut self, at: Position, element: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        let old = self.range_at(at);
        let encoded = self.encode(element.into(), old.len())?;
        encoded.write(self.gap(old, encoded.total()));
        Ok(())
    }

    /// Removes up to `count` entries from a position on and says how many. What followed them is at the position now.
    ///
    /// # Panics
    /// If the position is outside.
    pub fn remove(&mut self, at: Position, count: usize) -> usize {
        let (start, end) = (at.offset(), self.view().end_offset());
        let (mut behind, mut removed) = (start, 0);
        while removed < count && behind < end {
            let Some(after) = self.view().after(behind).filter(|&after| after <= end) else { break };
            behind = after;
            removed += 1;
        }
        if removed > 0 {
            self.gap(start..behind, 0);
            self.sub_count(removed);
        }
        removed
    }

    /// Shows the first entry and removes it. Moves all others.
    pub fn pop_front<R>(&mut self, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let at = self.view().first()?;
        let answer = read(self.view().entry(at)?);
        self.remove(at, 1);
        Some(answer)
    }

    /// Shows the last entry and removes it.
    #[inline]
    pub fn pop_back<R>(&mut self, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let at = self.view().last()?;
        let answer = read(self.view().entry(at)?);
        self.cut(at.offset());
        self.sub_count(1);
        Some(answer)
    }

    /// Removes up to `count` entries from the front and says how many.
    pub fn remove_front(&mut self, count: usize) -> usize {
        self.remove(Position(HEADER_SIZE as u32), count)
    }

    /// Removes up to `count` entries from the back and says how many.
    pub fn remove_back(&mut self, count: usize) -> usize {
        let (mut start, mut removed) = (self.view().end(), 0);
        while removed < count
            && let Some(before) = self.view().prev(start)
        {
            start = before;
            removed += 1;
        }
        if removed > 0 {
            self.cut(start.offset());
            self.sub_count(removed);
        }
        removed
    }

    /// Removes the entries for which `keep` says no, in one pass, and says how many.
    pub fn retain(&mut self, mut keep: impl FnMut(Entry<'_>) -> bool) -> usize {
        let end = self.view().end_offset();
        let (mut from, mut to, mut removed) = (HEADER_SIZE, HEADER_SIZE, 0);
        while from < end {
            let view = self.view();
            let Some(behind) = view.after(from).filter(|&behind| behind <= end) else { break };
            if view.entry(Position(from as u32)).is_some_and(&mut keep) {
                if to < from {
                    self.0.copy_within(from..behind, to);
                }
                to += behind - from;
            } else {
                removed += 1;
            }
            from = behind;
        }
        if removed > 0 {
            self.gap(to..from, 0);
            self.sub_count(removed);
        }
        removed
    }

    /// Removes the entries from number `index` on and gives them as a collection of their own.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Self {
        let count = self.len();
        let Some(at) = self.view().seek(index).map(Position::offset) else { return Self::new() };
        let tail = &self.0[at..];
        let mut other = Self::with_capacity(tail.len());
        other.0.pop();
        other.0.extend_from_slice(tail);
        other.set_count(count - index);
        self.cut(at);
        self.set_count(index);
        other
    }

    /// Appends all entries of another collection.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    pub fn append(&mut self, other: View<'_>) -> Result<(), TooLarge> {
        if other.is_empty() {
            return Ok(());
        }
        let entries = &other.as_bytes()[HEADER_SIZE..];
        if entries.len() > BYTES_MAX - self.0.len() {
            return Err(TooLarge);
        }
        self.0.pop();
        self.0.extend_from_slice(entries);
        match other.count() {
            Some(count) => self.add_count(count),
            None => self.set_count(COUNT_UNKNOWN.into()),
        }
        Ok(())
    }

    /// Removes everything, and keeps the room.
    pub fn clear(&mut self) {
        self.cut(HEADER_SIZE);
        self.set_count(0);
    }

    /// The encoded form of an element, if there is room for it once `freed` bytes are gone.
    #[inline]
    fn encode<'e>(&self, element: Entry<'e>, freed: usize) -> Result<Encoded<'e>, TooLarge> {
        let encoded = Encoded::new(element).ok_or(TooLarge)?;
        if encoded.total() > BYTES_MAX - (self.0.len() - freed) { Err(TooLarge) } else { Ok(encoded) }
    }

    /// What the entry at a position occupies, with its back-length.
    fn range_at(&self, at: Position) -> Range<usize> {
        let end = self.view().after(at.offset()).filter(|&end| end <= self.view().end_offset());
        at.offset()..end.expect("a position of an entry of this collection")
    }

    /// Makes a range of entries `size` bytes long, writes the length into the header and gives the range to be filled.
    fn gap(&mut self, range: Range<usize>, size: usize) -> &mut [u8] {
        let Range { start, end } = range;
        let length = self.0.len();
        assert!(HEADER_SIZE <= start && start <= end && end < length, "a position of this collection");
        let behind = start + size;
        if behind > end {
            self.0.resize(length + (behind - end), TERMINATOR);
            self.0.copy_within(end..length, behind);
        } else if behind < end {
            self.0.copy_within(end.., behind);
            self.0.truncate(length - (end - behind));
        }
        self.write_length();
        &mut self.0[start..behind]
    }

    /// Removes everything from an offset on; the length is written with the count.
    #[inline]
    fn cut(&mut self, start: usize) {
        self.0.truncate(start);
        self.0.push(TERMINATOR);
    }

    #[inline]
    fn write_length(&mut self) {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_le_bytes());
    }

    #[inline]
    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.0[4..HEADER_SIZE].copy_from_slice(&count.to_le_bytes());
        self.write_length();
    }

    /// A count that is not known stays so, and one that reaches 65,535 becomes so.
    #[inline]
    fn add_count(&mut self, more: usize) {
        self.set_count(self.view().count().map_or(COUNT_UNKNOWN.into(), |count| count + more));
    }

    /// A count that is not known is found again when there are so few bytes left that it must be below 65,535.
    #[inline]
    fn sub_count(&mut self, fewer: usize) {
        let count = match self.view().count() {
            Some(count) => count.saturating_sub(fewer),
            None if self.0.len() - HEADER_SIZE <= 2 * usize::from(COUNT_UNKNOWN) => self.iter().count(),
            None => COUNT_UNKNOWN.into(),
        };
        self.set_count(count);
    }
}

impl Default for Packed {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> IntoIterator for &'a Packed {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Packed {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} entries, {} bytes)", self.len(), self.0.len())
    }
}

//! A packed collection with room at both ends: the form in which a list's first and last elements come and go.

use super::encoding::{Encoded, Entry};
use super::view::View;
use super::{BYTES_MAX, HEADER_SIZE, Packed, Position, TERMINATOR, TooLarge};
use crate::chunks::Chunk;
use std::fmt;
use std::mem;

/// A packed collection that is pushed to and popped from at either end for the price of one entry.
///
/// ```text
///   [ slack ][ header ][ entries ... ][ff][ spare capacity ]
///            ^ start
/// ```
///
/// From `start` on, the bytes are those of [`Packed`]. An entry at the front is written into the slack, and the header
/// before it. What is changed elsewhere moves everything to the beginning of the buffer first.
#[derive(Clone)]
pub struct Deque {
    buffer: Vec<u8>,
    start: u32,
    /// Entries; the header tells no more than 65,534.
    count: u32,
}

impl Deque {
    /// An empty collection: header and terminator.
    #[inline]
    pub fn new() -> Self {
        Self::from_packed(Packed::new())
    }

    /// An empty collection that takes `bytes` bytes in all before it has to grow, if they come at the end.
    pub fn with_room_behind(bytes: usize) -> Self {
        Self::from_packed(Packed::with_capacity(bytes.saturating_sub(HEADER_SIZE + 1)))
    }

    /// An empty collection that takes `bytes` bytes in all before it has to grow, if they come at the front.
    pub fn with_room_before(bytes: usize) -> Self {
        let start = bytes.saturating_sub(HEADER_SIZE + 1).min(BYTES_MAX - HEADER_SIZE - 1);
        let mut buffer = vec![0; start + HEADER_SIZE + 1];
        buffer[start + HEADER_SIZE] = TERMINATOR;
        let mut deque = Self { buffer, start: start as u32, count: 0 };
        deque.write_header();
        deque
    }

    /// Takes a packed collection.
    #[inline]
    pub fn from_packed(packed: Packed) -> Self {
        let count = packed.len() as u32;
        Self { buffer: packed.into_bytes(), start: 0, count }
    }

    /// The buffer, for another use: it has more in it than the entries.
    #[inline]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// All bytes, from header to terminator.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start as usize..]
    }

    /// How many bytes these are.
    #[inline]
    pub fn used_bytes(&self) -> usize {
        self.buffer.len() - self.start as usize
    }

    /// For reading.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::new(self.as_bytes())
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of heap that the collection occupies, slack included.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Puts an element behind all others. While the collection has less than `most_bytes` it grows by doubling, but not
    /// beyond them.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    #[inline]
    pub fn push_back<'e>(&mut self, element: impl Into<Entry<'e>>, most_bytes: usize) -> Result<(), TooLarge> {
        let encoded = self.encode(element.into())?;
        if self.buffer.capacity() - self.buffer.len() < encoded.total() {
            self.make_room_behind(encoded.total(), most_bytes);
        }
        encoded.append_to(&mut self.buffer);
        self.count += 1;
        self.write_header();
        Ok(())
    }

    /// Puts an element before all others; see [`push_back`](Self::push_back).
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    #[inline]
    pub fn push_front<'e>(&mut self, element: impl Into<Entry<'e>>, most_bytes: usize) -> Result<(), TooLarge> {
        let encoded = self.encode(element.into())?;
        if (self.start as usize) < encoded.total() {
            self.make_room_before(encoded.total(), most_bytes);
        }
        let first = self.start as usize + HEADER_SIZE;
        encoded.write(&mut self.buffer[first - encoded.total()..first]);
        self.start -= encoded.total() as u32;
        self.count += 1;
        self.write_header();
        Ok(())
    }

    /// Shows the first entry and removes it.
    #[inline]
    pub fn pop_front<R>(&mut self, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let view = self.view();
        let answer = read(view.entry(view.first()?)?);
        let step = view.after(HEADER_SIZE)? - HEADER_SIZE;
        self.start += step as u32;
        self.count -= 1;
        self.write_header();
        Some(answer)
    }

    /// Shows the last entry and removes it.
    #[inline]
    pub fn pop_back<R>(&mut self, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let view = self.view();
        let at = view.last()?;
        let answer = read(view.entry(at)?);
        self.cut(at, 1);
        Some(answer)
    }

    /// Removes up to `count` entries from the front and says how many.
    pub fn remove_front(&mut self, count: usize) -> usize {
        let (view, count) = (self.view(), count.min(self.len()));
        let at = view.seek(count).unwrap_or_else(|| view.end());
        self.start += (at.offset() - HEADER_SIZE) as u32;
        self.count -= count as u32;
        self.write_header();
        count
    }

    /// Removes up to `count` entries from the back and says how many.
    pub fn remove_back(&mut self, count: usize) -> usize {
        let count = count.min(self.len());
        if let Some(at) = self.view().seek(self.len() - count) {
            self.cut(at, count);
        }
        count
    }

    /// Puts an element before the entry with this number, or at the end.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    pub fn insert<'e>(&mut self, index: usize, element: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        let element = element.into();
        self.change(element.len() + SPARE_BYTES, |packed| {
            let at = packed.view().seek(index).unwrap_or_else(|| packed.view().end());
            packed.insert_before(at, element).map(|_| ())
        })
    }

    /// Puts an element in the place of the entry with this number; false, and nothing is changed, if there is none.
    ///
    /// # Errors
    /// [`TooLarge`], and nothing is changed.
    pub fn replace<'e>(&mut self, index: usize, element: impl Into<Entry<'e>>) -> Result<bool, TooLarge> {
        let element = element.into();
        let Some(at) = self.view().seek(index) else { return Ok(false) };
        self.change(element.len() + SPARE_BYTES, |packed| packed.replace(at, element).map(|()| true))
    }

    /// Removes the entries for which `keep` says no and says how many.
    pub fn retain(&mut self, keep: impl FnMut(Entry<'_>) -> bool) -> usize {
        self.change(0, |packed| packed.retain(keep))
    }

    /// Removes the entries from number `index` on and gives them as a collection of their own.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Self {
        Self::from_packed(self.change(0, |packed| packed.split_off(index)))
    }

    /// Gives slack back if it is more than an eighth of what is used.
    pub fn trim(&mut self) {
        let used = self.used_bytes();
        if self.buffer.capacity() - used > used / 8 {
            self.buffer = self.as_bytes().to_vec();
            self.start = 0;
        }
    }

    /// Changes it as the packed collection that it is; `room_bytes` are there for what is put in.
    fn change<R>(&mut self, room_bytes: usize, change: impl FnOnce(&mut Packed) -> R) -> R {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.drain(..self.start as usize);
        buffer.reserve_exact(room_bytes);
        let mut packed = Packed::from_bytes(buffer);
        let result = change(&mut packed);
        *self = Self::from_packed(packed);
        result
    }

    #[inline]
    fn encode<'e>(&self, element: Entry<'e>) -> Result<Encoded<'e>, TooLarge> {
        let encoded = Encoded::new(element).ok_or(TooLarge)?;
        if encoded.total() > BYTES_MAX - self.used_bytes() { Err(TooLarge) } else { Ok(encoded) }
    }

    /// Removes the last `count` entries, which begin at a position.
    #[inline]
    fn cut(&mut self, at: Position, count: usize) {
        self.buffer.truncate(self.start as usize + at.offset());
        self.buffer.push(TERMINATOR);
        self.count -= count as u32;
        self.write_header();
    }

    #[inline]
    fn write_header(&mut self) {
        let used = (self.used_bytes() as u32).to_le_bytes();
        let count = u16::try_from(self.count).unwrap_or(u16::MAX).to_le_bytes();
        let start = self.start as usize;
        self.buffer[start..start + HEADER_SIZE]
            .copy_from_slice(&[used[0], used[1], used[2], used[3], count[0], count[1]]);
    }

    /// The size of a new buffer when `more` bytes are to come.
    fn grown(&self, more: usize, most_bytes: usize) -> usize {
        let needed = self.used_bytes() + more;
        needed.max((2 * needed).min(most_bytes))
    }

    #[cold]
    fn make_room_behind(&mut self, more: usize, most_bytes: usize) {
        let (start, used) = (self.start as usize, self.used_bytes());
        // Moving less than what that gives room for costs each push no more than a few bytes.
        if start >= more && start >= used / 2 {
            self.buffer.drain(..start);
        } else {
            let mut buffer = Vec::with_capacity(self.grown(more, most_bytes));
            buffer.extend_from_slice(self.as_bytes());
            self.buffer = buffer;
        }
        self.start = 0;
    }

    #[cold]
    fn make_room_before(&mut self, more: usize, most_bytes: usize) {
        let (start, used, length) = (self.start as usize, self.used_bytes(), self.buffer.len());
        let spare = (self.buffer.capacity() - length).min(BYTES_MAX - length);
        if spare >= more && spare >= used / 2 {
            self.buffer.resize(length + spare, 0);
            self.buffer.copy_within(start..length, start + spare);
            self.start += spare as u32;
        } else {
            let size = self.grown(more, most_bytes);
            let mut buffer = Vec::with_capacity(size);
            buffer.resize(size - used, 0);
            buffer.extend_from_slice(self.as_bytes());
            self.buffer = buffer;
            self.start = (size - used) as u32;
        }
    }
}

/// Head and back-length of an entry, and room for a few more to come.
const SPARE_BYTES: usize = 10 + 118;

impl Default for Deque {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunk for Deque {
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.heap_bytes()
    }
}

impl fmt::Debug for Deque {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deque({} entries, {} bytes)", self.count, self.used_bytes())
    }
}

//! A large list: packed chunks in a counted tree.
//!
//! A chunk at an end grows by doubling, so that a list is never much larger than what is in it; once a list has a few
//! chunks, a new one gets its final size at once. A chunk that another is put before or behind is full, or gives its slack
//! back: 240 elements of 32 bytes, and the 7 bytes of a packed list, are 8,167 of 8,192.

use rkv_collections::chunks::Chunks;
use rkv_collections::packed::{Deque, Entry};

use super::limit::Limit;
use super::needle::Needle;
use super::{ListView, Side};

/// Chunks of a list, and what a snapshot still has to be told of them.
#[derive(Debug, Default)]
pub struct Chunked {
    /// The elements.
    pub chunks: Chunks<Deque>,
    /// Those of the cut that were not told yet.
    pub captured: Option<Chunks<Deque>>,
}

impl Clone for Chunked {
    /// The elements; a snapshot under way is that of the original.
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), captured: None }
    }
}

/// Bytes of a new chunk, unless the list has a few already.
const FIRST_BYTES: usize = 1024;
/// From so many chunks on, a new one gets its final size at once: that is a fifth of the list then.
const MANY_CHUNKS: usize = 4;

impl Chunked {
    /// A list of one chunk.
    pub fn of(mut chunk: Deque) -> Self {
        let mut chunked = Self::default();
        chunk.trim();
        chunked.chunks.push_back_chunk(chunk);
        chunked
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, side: Side, element: &[u8], limit: Limit) {
        let push = |chunk: &mut Deque| {
            limit.has_room(chunk.used_bytes(), chunk.len(), element.len()) && push(chunk, side, element, limit.bytes)
        };
        let pushed = match side {
            Side::Left => self.chunks.edit_first(push),
            Side::Right => self.chunks.edit_last(push),
        };
        if pushed != Some(true) {
            self.push_chunk(side, element, limit);
        }
    }

    /// Adds a chunk with its first element.
    #[cold]
    fn push_chunk(&mut self, side: Side, element: &[u8], limit: Limit) {
        let bytes = if limit.is_large(element.len()) {
            0
        } else if self.chunks.chunks() >= MANY_CHUNKS && limit.is_of_bytes() {
            limit.bytes
        } else {
            FIRST_BYTES.min(limit.bytes)
        };
        match side {
            Side::Left => {
                self.chunks.edit_first(Deque::trim);
                let mut chunk = Deque::with_room_before(bytes);
                push(&mut chunk, side, element, limit.bytes);
                self.chunks.push_front_chunk(chunk);
            }
            Side::Right => {
                self.chunks.edit_last(Deque::trim);
                let mut chunk = Deque::with_room_behind(bytes);
                push(&mut chunk, side, element, limit.bytes);
                self.chunks.push_back_chunk(chunk);
            }
        }
    }

    /// Shows the element at an end and removes it.
    #[inline]
    pub fn pop<R>(&mut self, side: Side, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match side {
            Side::Left => self.chunks.edit_first(|chunk| chunk.pop_front(read)),
            Side::Right => self.chunks.edit_last(|chunk| chunk.pop_back(read)),
        }
        .flatten()
    }

    /// Removes elements at an end.
    pub fn remove(&mut self, side: Side, count: usize) {
        match side {
            Side::Left => {
                let cut = self.chunks.drop_front(count);
                if cut.rest > 0 {
                    self.chunks.edit_first(|chunk| chunk.remove_front(cut.rest));
                }
            }
            Side::Right => {
                let cut = self.chunks.drop_back(count);
                if cut.rest > 0 {
                    self.chunks.edit_last(|chunk| chunk.remove_back(cut.rest));
                }
            }
        }
    }

    /// Puts an element before the one with this number, or behind all.
    pub fn insert(&mut self, index: usize, element: &[u8], limit: Limit) {
        let has_room = |chunk: &Deque| limit.has_room(chunk.used_bytes(), chunk.len(), element.len());
        let (offset, fits) = match self.chunks.get(index) {
            _ if index == 0 => return self.push(Side::Left, element, limit),
            None => return self.push(Side::Right, element, limit),
            Some((chunk, offset)) => (offset, has_room(chunk)),
        };
        if fits {
            self.chunks.edit(index, |chunk, offset| chunk.insert(offset, element));
        } else if offset > 0 {
            let tail = self.chunks.edit(index, |chunk, offset| {
                let tail = chunk.split_off(offset);
                chunk.trim();
                tail
            });
            self.chunks.insert_behind(index - offset, tail.unwrap_or_default());
            self.append(index - 1, element, limit);
        } else {
            self.append(index - 1, element, limit);
        }
    }

    /// Puts an element behind the last of a chunk: into the chunk if there is room, otherwise into one of its own.
    fn append(&mut self, index: usize, element: &[u8], limit: Limit) {
        let has_room = |chunk: &Deque| limit.has_room(chunk.used_bytes(), chunk.len(), element.len());
        if self.chunks.get(index).is_some_and(|(chunk, _)| has_room(chunk)) {
            self.chunks.edit(index, |chunk, _| push(chunk, Side::Right, element, limit.bytes));
        } else {
            self.chunks.insert_behind(index, single(element));
        }
    }

    /// Puts an element in the place of the one with this number; false if there is none.
    pub fn set(&mut self, index: usize, element: &[u8], limit: Limit) -> bool {
        let Some((chunk, offset)) = self.chunks.get(index) else { return false };
        let (first, count) = (index - offset, chunk.len());
        if limit.is_large(element.len()) && count > 1 {
            let tail = self.chunks.edit(index, |chunk, offset| {
                let mut tail = chunk.split_off(offset);
                tail.remove_front(1);
                chunk.trim();
                tail
            });
            let tail = tail.unwrap_or_default();
            // The chunk is gone if the element was its first.
            if offset == 0 {
                self.chunks.insert_before(first, tail);
                self.chunks.insert_before(first, single(element));
            } else {
                self.chunks.insert_behind(first, tail);
                self.chunks.insert_behind(first, single(element));
            }
            return true;
        }
        let half = self.chunks.edit(index, |chunk, offset| {
            let _ = chunk.replace(offset, element);
            let is_too_long = count > 1 && chunk.used_bytes() > 2 * limit.bytes;
            let half = is_too_long.then(|| chunk.split_off(count / 2));
            chunk.trim();
            half
        });
        if let Some(half) = half.flatten() {
            self.chunks.insert_behind(first, half);
        }
        true
    }

    /// Removes up to `most` elements that are equal to another, from one side on; how many.
    pub fn remove_equal(&mut self, needle: Needle<'_>, side: Side, most: usize) -> usize {
        let (mut removed, mut rest) = (0, if matches!(side, Side::Left) { 0 } else { self.chunks.len() });
        while removed < most
            && let Some((start, count)) = self.next_equal(needle, side, rest)
        {
            let here = self.chunks.edit(start, |chunk, _| {
                let here = needle.remove_from(chunk, side, most - removed);
                chunk.trim();
                here
            });
            let here = here.unwrap_or(0);
            removed += here;
            rest = if matches!(side, Side::Left) { start + count - here } else { start };
        }
        removed
    }

    /// The next chunk that has an element equal to another: its first element and how many it has. To the right,
    /// `from` is the first element to look at, to the left the one behind it.
    fn next_equal(&self, needle: Needle<'_>, side: Side, from: usize) -> Option<(usize, usize)> {
        let mut at = from;
        match side {
            Side::Left => self.chunks.iter_from(from).find_map(|(chunk, _)| {
                at += chunk.len();
                needle.is_in(chunk.view()).then_some((at - chunk.len(), chunk.len()))
            }),
            Side::Right => self.chunks.iter_back_from(from.checked_sub(1)?).find_map(|(chunk, _)| {
                at -= chunk.len();
                needle.is_in(chunk.view()).then_some((at, chunk.len()))
            }),
        }
    }

    /// The only chunk, if it is small enough to be the whole list, and no snapshot needs the tree.
    pub fn take_small(&mut self, limit: Limit) -> Option<Deque> {
        if self.captured.is_some() || self.chunks.chunks() != 1 {
            return None;
        }
        let chunk = self.chunks.first()?;
        if !limit.is_small(chunk.used_bytes(), chunk.len()) || limit.is_large(chunk.used_bytes()) {
            return None;
        }
        let mut chunk = self.chunks.pop_front_chunk()?;
        chunk.trim();
        Some(chunk)
    }

    /// What reads it.
    #[inline]
    pub const fn view(&self) -> ListView<'_> {
        ListView::Chunked(&self.chunks)
    }
}

/// Elements are checked before they come here, so that there is no other error.
#[inline]
fn push(chunk: &mut Deque, side: Side, element: &[u8], most_bytes: usize) -> bool {
    match side {
        Side::Left => chunk.push_front(element, most_bytes),
        Side::Right => chunk.push_back(element, most_bytes),
    }
    .is_ok()
}

/// A chunk of one element.
fn single(element: &[u8]) -> Deque {
    let mut chunk = Deque::new();
    push(&mut chunk, Side::Right, element, 0);
    chunk
}

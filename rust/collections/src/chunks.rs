//! A list as a counted tree of chunks, with a chunk at hand at each end, and captures that share what does not change.
//!
//! ```text
//!                  Chunks { head, middle, tail }
//!                     |        |        |
//!    +-------+        |        |        |        +-------+
//!    | chunk | <------+        |        +------> | chunk |      pushed to and popped from without a look at the tree
//!    +-------+                 v                 +-------+
//!                   +----------------------+
//!        inner      | 7020 | 6887 | 7020 ..|                    up to 30 children, each with the number of elements
//!                   +--|------|------|-----+                    below it: 16 + 8 + 30 x (8 + 16) = 744 bytes
//!                      v      v      v
//!                   +----------------------+
//!        leaf       | 234 | 234 | 101 ..   |                    up to 30 chunks, each with its number of elements:
//!                   +--|-----|-----|-------+                    16 + 8 + 30 x (4 + 8) = 384 bytes
//!                      v     v     v
//!                   chunk  chunk  chunk                         some KiB of elements one behind the other: 16 bytes of
//!                                                               counters, then whatever the chunk is
//! ```
//!
//! **What a chunk is** the list does not know; it asks a [`Chunk`] for its elements and its bytes, after every change.
//! A chunk is named by the index of any element in it, because indices are what callers have, and finding one again
//! costs less than keeping places valid while the tree moves. No chunk is empty, so each has such an index.
//!
//! **The ends.** Pushing an element changes the last chunk, which stands in the list itself, and the two figures that
//! are kept beside it: no node is read and no counter on a path mended. When the chunk is full, the caller brings a new
//! one, and the full one goes into the tree: once in 234 pushes of 32 bytes at 8 KiB. When it is empty, the next comes
//! out of the tree.
//!
//! **Finding.** Down from the root, the counts say which child has the element. 5 M elements of 32 bytes in 21,368
//! chunks are three levels of nodes; three levels reach to 6.3 M elements, four to 189 M.
//!
//! **Shape.** A node that is full and gets one more child splits into halves, but at either end of the tree the new
//! child begins a node of its own, so that a list filled from its ends, and a queue, have full nodes. After a child is
//! taken out, its node is merged with a neighbour when both together have at most 22 children. Nodes are merged, never
//! refilled from each other: where chunks go, two neighbours keep more than 22 children, so a node keeps about 11.
//!
//! **Memory.** Beside the chunks: 54 bytes for a chunk of 24 (a pointer, a length, a capacity) where nodes are full, of
//! which 40 are the chunk itself and its counters, 12.8 the leaf and 0.9 the inner nodes. That is 0.23 bytes for an
//! element of 32. Random inserts leave nodes two thirds full: less than 64 bytes. Random removals: less than 80.
//!
//! **Captures.** Nodes, and chunks in the tree, are reference-counted. A capture takes one reference to the root and
//! one to each end, which for that is moved behind a counter. A change makes each node and the chunk on its way its
//! own: it is one uncontended compare-and-swap a level if it already is, and a copy if a capture has it too. So the
//! first change after a capture copies the chunk, at most three nodes of up to 744 bytes, and up to 90 reference
//! counts; a second change of the same chunk copies nothing. A push pays a branch that is never taken. Whole chunks
//! that are put in or cut off are not copied. The capture may be read and dropped on any thread.
//!
//! **Cutting off** n elements at an end takes subtrees off whole, and gives them to the caller, who may free them
//! elsewhere; what is counted is the memory of what was taken off, by a walk over its chunks, except for a tree that
//! goes entirely.
//!
//! **Cost**, on two cores shared with other work, 5 M elements of 35 bytes (`cargo bench --bench chunks`):
//!
//! | what | time |
//! |---|---|
//! | push and pop of an element within the last chunk; the chunk alone | 7 ns; 4 to 6 ns |
//! | push at the front and pop at the end, mean over many chunks | 14 ns |
//! | a chunk out of the tree at the front and into it at the end | 180 ns |
//! | `get` of one place in the middle; of random ones, with a byte of the element | 50 ns; 0.9 us |
//! | `edit` of one place in the middle, nothing shared; of random ones | 85 ns; 0.4 us |
//! | insert in the middle, with moving bytes in the chunk and splits | 250 ns |
//! | a chunk further in a walk | 4 ns |
//! | `capture` and its drop | 20 ns |
//! | the first change of a chunk in the middle after a capture, with its copy of 8 KiB | 2.5 us |
//! | cutting off 2.5 M elements; freeing them | 250 us; 1.6 ms |

mod branch;
mod capture;
mod cut;
mod end;
mod iter;
#[cfg(test)]
mod tests;
mod tree;

use branch::{At, Side};
pub use capture::{Capture, leave_bytes, take_left_bytes};
pub use cut::{Cut, Removed};
use end::End;
pub use iter::{Iter, IterBack};
use std::fmt;
use std::mem;
use std::sync::Arc;
use tree::Tree;

/// What the list needs to know of a chunk. Both figures are asked for after every change: they should cost nothing.
pub trait Chunk: Clone {
    /// Elements in the chunk: fewer than 2^32.
    fn count(&self) -> usize;
    /// Bytes that the chunk owns on the heap; `size_of` the chunk itself is not part of it.
    fn bytes(&self) -> usize;
}

/// A list of elements in chunks, counted: see the head of the module.
///
/// Elements are numbered from 0, and a chunk is named by the index of any of its elements. No chunk is empty: one that
/// a change leaves without elements is taken out, an empty one that is put in is dropped.
///
/// A clone copies the two ends and shares the rest: it, and the original, copy the remainder as they change it.
#[derive(Clone)]
pub struct Chunks<C> {
    /// Empty only if the whole list is.
    head: End<C>,
    /// Empty if `tail` is.
    middle: Tree<C>,
    /// Empty if there is but one chunk.
    tail: End<C>,
}

impl<C> fmt::Debug for Chunks<C> {
    /// No contents: they are user data and never belong in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chunks")
    }
}

impl<C> Default for Chunks<C> {
    fn default() -> Self {
        Chunks { head: End::default(), middle: Tree::default(), tail: End::default() }
    }
}

/// Where an element is.
enum Part {
    Head,
    Middle(usize),
    Tail(usize),
}

impl<C: Chunk> Chunks<C> {
    /// An empty list; allocates nothing.
    pub fn new() -> Self {
        Chunks::default()
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.head.count() + self.middle.len() + self.tail.count()
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// The number of chunks.
    pub fn chunks(&self) -> usize {
        usize::from(!self.head.is_empty()) + self.middle.chunks() + usize::from(!self.tail.is_empty())
    }

    /// Bytes on the heap: of all chunks, of the nodes and of what it takes to share a chunk. What a capture or a clone
    /// has too is counted in full, what only they have is not, nor what the allocator adds.
    pub fn memory_bytes(&self) -> usize {
        self.head.bytes() + self.middle.memory_bytes() + self.tail.bytes()
    }

    /// Whether nobody shares the first chunk.
    pub fn owns_first(&self) -> bool {
        self.head.is_alone()
    }

    /// The first chunk.
    #[inline]
    pub fn first(&self) -> Option<&C> {
        self.head.get()
    }

    /// The last chunk.
    #[inline]
    pub fn last(&self) -> Option<&C> {
        if self.tail.is_empty() { self.head.get() } else { self.tail.get() }
    }

    /// The chunk that holds element `index`, and the element's offset in it.
    pub fn get(&self, index: usize) -> Option<(&C, usize)> {
        match self.part(index)? {
            Part::Head => Some((self.head.get()?, index)),
            Part::Middle(index) => self.middle.find(index).map(|(leaf, slot, offset)| (&**leaf.child(slot), offset)),
            Part::Tail(offset) => Some((self.tail.get()?, offset)),
        }
    }

    /// The chunks before and behind the one that holds element `index`.
    pub fn neighbours(&self, index: usize) -> (Option<&C>, Option<&C>) {
        let Some((chunk, offset)) = self.get(index) else { return (None, None) };
        let start = index - offset;
        let before = start.checked_sub(1).and_then(|last| self.get(last));
        let behind = self.get(start + chunk.count());
        (before.map(|(chunk, _)| chunk), behind.map(|(chunk, _)| chunk))
    }

    /// The number of elements in the chunks that satisfy `left`, all of which stand before all others: the index of the
    /// first element of the first chunk that does not. For lists whose chunks are in order by something.
    pub fn partition(&self, mut left: impl FnMut(&C) -> bool) -> usize {
        match (self.head.get(), self.tail.get()) {
            (Some(head), _) if !left(head) => 0,
            (_, Some(tail)) if !left(tail) => self.head.count() + self.middle.partition(left),
            _ => self.len(),
        }
    }

    /// Changes the first chunk.
    #[inline]
    pub fn edit_first<R>(&mut self, edit: impl FnOnce(&mut C) -> R) -> Option<R> {
        let result = self.head.edit(edit)?;
        if self.head.count() == 0 {
            self.refill_head();
        }
        Some(result)
    }

    /// Changes the last chunk.
    #[inline]
    pub fn edit_last<R>(&mut self, edit: impl FnOnce(&mut C) -> R) -> Option<R> {
        if self.tail.is_empty() {
            return self.edit_first(edit);
        }
        let result = self.tail.edit(edit)?;
        if self.tail.count() == 0 {
            self.refill_tail();
        }
        Some(result)
    }

    /// Changes the chunk that holds element `index`; `edit` is given the chunk and the element's offset in it. None if
    /// there is no such element. Copies the chunk if a capture has it: look with [`get`](Self::get) first whether there
    /// is anything to change.
    pub fn edit<R>(&mut self, index: usize, edit: impl FnOnce(&mut C, usize) -> R) -> Option<R> {
        match self.part(index)? {
            Part::Head => self.edit_first(|chunk| edit(chunk, index)),
            Part::Middle(index) => self.middle.edit(index, edit),
            Part::Tail(offset) => self.edit_last(|chunk| edit(chunk, offset)),
        }
    }

    /// Puts a chunk before all others.
    pub fn push_front_chunk(&mut self, chunk: C) {
        if chunk.count() == 0 {
            return;
        }
        let second = mem::replace(&mut self.head, End::own(chunk));
        if self.tail.is_empty() {
            self.tail = second;
        } else if let Some(second) = second.into_shared() {
            self.middle.push(Side::Front, second);
        }
    }

    /// Puts a chunk behind all others.
    pub fn push_back_chunk(&mut self, chunk: C) {
        if chunk.count() == 0 {
            return;
        }
        if self.is_empty() {
            self.head = End::own(chunk);
        } else if let Some(last) = mem::replace(&mut self.tail, End::own(chunk)).into_shared() {
            self.middle.push(Side::Back, last);
        }
    }

    /// Takes out the first chunk.
    pub fn pop_front_chunk(&mut self) -> Option<C> {
        self.take_head().into_own()
    }

    /// Takes out the last chunk.
    pub fn pop_back_chunk(&mut self) -> Option<C> {
        self.take_tail().into_own()
    }

    /// Puts a chunk before the one that holds element `index`, or behind all if there is no such element.
    pub fn insert_before(&mut self, index: usize, chunk: C) {
        if chunk.count() == 0 {
            return;
        }
        match self.part(index) {
            None => self.push_back_chunk(chunk),
            Some(Part::Head) => self.push_front_chunk(chunk),
            Some(Part::Middle(index)) => self.middle.insert(index, false, chunk),
            Some(Part::Tail(_)) => self.middle.push(Side::Back, Arc::new(chunk)),
        }
    }

    /// Puts a chunk behind the one that holds element `index`, or behind all if there is no such element. To split a
    /// chunk, cut it with [`edit`](Self::edit) and insert what was cut off behind `index - offset`, which is its first
    /// element.
    pub fn insert_behind(&mut self, index: usize, chunk: C) {
        if chunk.count() == 0 {
            return;
        }
        match self.part(index) {
            Some(Part::Head) if !self.tail.is_empty() => self.middle.push(Side::Front, Arc::new(chunk)),
            Some(Part::Middle(index)) => self.middle.insert(index, true, chunk),
            _ => self.push_back_chunk(chunk),
        }
    }

    /// Takes out the chunk that holds element `index`.
    pub fn remove_chunk(&mut self, index: usize) -> Option<C> {
        self.take_chunk(index)?.into_own()
    }

    /// Takes out the chunk behind the one that holds element `index` and shows it to `join`, which appends its elements
    /// to that one. None, and nothing is changed, if there is no chunk behind. Whether two chunks should be one is for
    /// the caller to say: see [`neighbours`](Self::neighbours).
    pub fn join_next<R>(&mut self, index: usize, join: impl FnOnce(&mut C, &C) -> R) -> Option<R> {
        let (chunk, offset) = self.get(index)?;
        let next = self.take_chunk(index - offset + chunk.count())?;
        let next = next.get()?;
        self.edit(index, |chunk, _| join(chunk, next))
    }

    /// Panics unless every figure kept is what a walk over all finds: for tests.
    #[doc(hidden)]
    pub fn check(&self) {
        for end in [&self.head, &self.tail] {
            let found = end.get().map_or((0, 0), |chunk| (chunk.count(), chunk.bytes()));
            assert_eq!(found, (end.count(), end.bytes()));
            assert!(end.is_empty() || end.count() > 0, "an empty chunk");
        }
        assert!(!self.head.is_empty() || self.tail.is_empty(), "a last chunk and no first");
        assert!(!self.tail.is_empty() || self.middle.chunks() == 0, "a middle and no last chunk");
        self.middle.check();
    }

    fn part(&self, index: usize) -> Option<Part> {
        let Some(behind) = index.checked_sub(self.head.count()) else { return Some(Part::Head) };
        match behind.checked_sub(self.middle.len()) {
            None => Some(Part::Middle(behind)),
            Some(offset) => (offset < self.tail.count()).then_some(Part::Tail(offset)),
        }
    }

    fn take_chunk(&mut self, index: usize) -> Option<End<C>> {
        match self.part(index)? {
            Part::Head => Some(self.take_head()),
            Part::Middle(index) => self.middle.remove(At::Index(index)).map(End::shared),
            Part::Tail(_) => Some(self.take_tail()),
        }
    }

    fn take_head(&mut self) -> End<C> {
        let head = mem::take(&mut self.head);
        self.refill_head();
        head
    }

    fn take_tail(&mut self) -> End<C> {
        if self.tail.is_empty() {
            return mem::take(&mut self.head);
        }
        let tail = mem::take(&mut self.tail);
        self.refill_tail();
        tail
    }

    /// Puts the second chunk into the place of the first.
    #[cold]
    fn refill_head(&mut self) {
        self.head = match self.middle.remove(At::First) {
            Some(chunk) => End::shared(chunk),
            None => mem::take(&mut self.tail),
        };
    }

    /// Puts the last chunk but one into the place of the last, unless it is the first.
    #[cold]
    fn refill_tail(&mut self) {
        self.tail = self.middle.remove(At::Last).map_or_else(End::default, End::shared);
    }
}

//! Chunks one after the other, from an element on.

use super::tree::Leaf;
use super::{Chunk, Chunks, Part};
use std::iter::FusedIterator;

/// The chunks from an element on towards the end, each with the offset at which to begin in it: 0 in all but the first.
pub struct Iter<'a, C> {
    list: &'a Chunks<C>,
    /// The next element.
    index: usize,
    /// Where its chunk is, if it is in the middle and stands in the leaf of the one before it.
    place: Option<(&'a Leaf<C>, usize)>,
}

/// The chunks from an element on towards the front, each with the offset at which to begin in it: that of its last
/// element in all but the first.
pub struct IterBack<'a, C> {
    list: &'a Chunks<C>,
    /// How many elements are left: one more than the index of the next.
    left: usize,
    place: Option<(&'a Leaf<C>, usize)>,
}

impl<C: Chunk> Chunks<C> {
    /// All chunks, from the front.
    pub fn iter(&self) -> Iter<'_, C> {
        self.iter_from(0)
    }

    /// The chunks from element `index` on towards the end; nothing if there is no such element.
    pub fn iter_from(&self, index: usize) -> Iter<'_, C> {
        Iter { list: self, index, place: None }
    }

    /// The chunks from element `index` on towards the front; nothing if there is no such element.
    pub fn iter_back_from(&self, index: usize) -> IterBack<'_, C> {
        let left = if index < self.len() { index + 1 } else { 0 };
        IterBack { list: self, left, place: None }
    }
}

impl<'a, C: Chunk> IntoIterator for &'a Chunks<C> {
    type Item = (&'a C, usize);
    type IntoIter = Iter<'a, C>;

    fn into_iter(self) -> Iter<'a, C> {
        self.iter()
    }
}

impl<'a, C: Chunk> Iterator for Iter<'a, C> {
    type Item = (&'a C, usize);

    fn next(&mut self) -> Option<(&'a C, usize)> {
        let list = self.list;
        let part = list.part(self.index)?;
        let Part::Middle(index) = part else {
            let (chunk, offset) = list.get(self.index)?;
            self.index += chunk.count() - offset;
            return Some((chunk, offset));
        };
        let (leaf, slot, offset) = match self.place {
            Some((leaf, slot)) => (leaf, slot, 0),
            None => list.middle.find(index)?,
        };
        self.index += leaf.count(slot) - offset;
        self.place = (slot + 1 < leaf.len()).then_some((leaf, slot + 1));
        Some((&**leaf.child(slot), offset))
    }
}

impl<'a, C: Chunk> Iterator for IterBack<'a, C> {
    type Item = (&'a C, usize);

    fn next(&mut self) -> Option<(&'a C, usize)> {
        let list = self.list;
        let index = self.left.checked_sub(1)?;
        let part = list.part(index)?;
        let Part::Middle(within) = part else {
            let (chunk, offset) = list.get(index)?;
            self.left = index - offset;
            return Some((chunk, offset));
        };
        let (leaf, slot, offset) = match self.place {
            Some((leaf, slot)) => (leaf, slot, leaf.count(slot) - 1),
            None => list.middle.find(within)?,
        };
        self.left = index - offset;
        self.place = slot.checked_sub(1).map(|slot| (leaf, slot));
        Some((&**leaf.child(slot), offset))
    }
}

impl<C: Chunk> FusedIterator for Iter<'_, C> {}
impl<C: Chunk> FusedIterator for IterBack<'_, C> {}

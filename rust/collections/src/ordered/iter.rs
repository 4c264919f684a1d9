//! Entries one after the other, forwards and backwards.

use super::Ordered;
use super::node::Entry;

/// Entries from a rank upwards; see [`Ordered::iter_from`].
pub struct Iter<'a> {
    tree: &'a Ordered,
    /// Of the next entry.
    rank: u64,
    /// The leaf that holds it, unless `at` is its end.
    block: &'a [Entry],
    at: usize,
}

/// Entries from a rank downwards; see [`Ordered::rev_from`].
pub struct Rev<'a> {
    tree: &'a Ordered,
    /// How many entries are still to come.
    left: u64,
    block: &'a [Entry],
    /// How many entries of the block are still to come.
    at: usize,
}

impl Ordered {
    /// Entries in order, beginning with that of `rank`.
    pub fn iter_from(&self, rank: u64) -> Iter<'_> {
        Iter { tree: self, rank, block: &[], at: 0 }
    }

    /// Entries in the opposite order, beginning with that of `rank`, or with the last one if there are not so many.
    pub fn rev_from(&self, rank: u64) -> Rev<'_> {
        Rev { tree: self, left: rank.saturating_add(1).min(self.len()), block: &[], at: 0 }
    }
}

impl Iterator for Iter<'_> {
    type Item = (f64, u32);

    #[inline]
    fn next(&mut self) -> Option<(f64, u32)> {
        if self.at == self.block.len() {
            // A leaf at a time, from the root: it costs less than to keep the way in each iterator.
            (self.block, self.at) = self.tree.leaf_at(self.rank)?;
        }
        let entry = self.block[self.at];
        self.at += 1;
        self.rank += 1;
        Some(entry.parts())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.tree.len().saturating_sub(self.rank) as usize;
        (left, Some(left))
    }
}

impl Iterator for Rev<'_> {
    type Item = (f64, u32);

    #[inline]
    fn next(&mut self) -> Option<(f64, u32)> {
        if self.at == 0 {
            let (block, at) = self.tree.leaf_at(self.left.checked_sub(1)?)?;
            (self.block, self.at) = (block, at + 1);
        }
        self.at -= 1;
        self.left -= 1;
        Some(self.block[self.at].parts())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl ExactSizeIterator for Rev<'_> {}

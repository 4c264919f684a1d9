//! Cutting off what is before or behind an element: whole chunks at once, in whole subtrees where it can.

use super::branch::{At, Side};
use super::capture::leave_bytes;
use super::end::End;
use super::tree::{Piece, Tally};
use super::{Chunk, Chunks};
use std::mem;

/// What a cut did.
pub struct Cut<C> {
    /// Elements that are still to be removed, from the chunk that is now at that end; fewer than are in it.
    pub rest: usize,
    /// The chunks that were taken off.
    pub removed: Removed<C>,
}

/// Chunks that were taken off a list: they are freed when this is dropped, wherever that is.
pub struct Removed<C> {
    pieces: Vec<Piece<C>>,
}

impl<C: Chunk> Removed<C> {
    fn new() -> Self {
        Removed { pieces: Vec::new() }
    }

    fn add(&mut self, end: End<C>) {
        leave_bytes(end.bytes());
        self.pieces.extend(end.into_shared().map(Piece::Chunk));
    }

    /// How many chunks these are; counts by a walk.
    pub fn chunks(&self) -> usize {
        let mut tally = Tally::default();
        self.pieces.iter().for_each(|piece| piece.measure(&mut tally));
        tally.chunks
    }
}

impl<C: Chunk> Chunks<C> {
    /// Takes off, at the front, all chunks that lie within the first `elements` elements. The rest is to be removed
    /// from the first chunk with [`edit_first`](Self::edit_first).
    pub fn drop_front(&mut self, elements: usize) -> Cut<C> {
        let mut removed = Removed::new();
        let mut rest = elements.min(self.len());
        if rest >= self.head.count() {
            rest -= self.head.count();
            removed.add(mem::take(&mut self.head));
            if rest < self.middle.len() {
                rest = self.middle.cut(Side::Front, rest, &mut removed.pieces);
            } else {
                rest -= self.middle.len();
                removed.pieces.extend(self.middle.take());
                if rest == self.tail.count() {
                    rest = 0;
                    removed.add(mem::take(&mut self.tail));
                }
            }
            self.refill_head();
        }
        Cut { rest, removed }
    }

    /// Takes off, at the end, all chunks that lie within the last `elements` elements. The rest is to be removed from
    /// the last chunk with [`edit_last`](Self::edit_last).
    pub fn drop_back(&mut self, elements: usize) -> Cut<C> {
        let mut removed = Removed::new();
        let mut rest = elements.min(self.len());
        if rest == self.len() {
            return self.drop_front(rest);
        }
        if !self.tail.is_empty() && rest >= self.tail.count() {
            rest -= self.tail.count();
            removed.add(mem::take(&mut self.tail));
            if rest < self.middle.len() {
                let kept = self.middle.len() - rest - 1;
                let offset = self.middle.cut(Side::Back, kept, &mut removed.pieces);
                self.tail = self.middle.remove(At::Last).map_or_else(End::default, End::shared);
                rest = self.tail.count() - 1 - offset;
            } else {
                rest -= self.middle.len();
                removed.pieces.extend(self.middle.take());
            }
        }
        Cut { rest, removed }
    }
}

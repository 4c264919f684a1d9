//! The tree between the two ends: every path to a chunk is of one length, and every node knows the counts below it.

use super::Chunk;
use super::branch::{At, Branch, MERGE_MAX, Side};
use super::capture::leave_bytes;
use std::sync::Arc;

pub(super) type Leaf<C> = Branch<Arc<C>, u32>;
pub(super) type Inner<C> = Branch<Link<C>, usize>;

/// The two counters in front of what an `Arc` holds.
const SHARED_BYTES: usize = 2 * size_of::<usize>();

/// A way down to a node, perhaps shared with captures.
#[derive(Clone)]
pub(super) enum Link<C> {
    Leaf(Arc<Leaf<C>>),
    Inner(Arc<Inner<C>>),
}

/// What a tree consists of.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) len: usize,
    pub(super) chunks: usize,
    /// What the chunks own on the heap.
    pub(super) bytes: usize,
    pub(super) leaves: usize,
    pub(super) inners: usize,
}

impl Tally {
    fn add(&mut self, chunk: &impl Chunk) {
        self.len += chunk.count();
        self.chunks += 1;
        self.bytes += chunk.bytes();
    }

    fn subtract(&mut self, chunk: &impl Chunk) {
        self.len -= chunk.count();
        self.chunks -= 1;
        self.bytes -= chunk.bytes();
    }

    pub(super) fn subtract_all(&mut self, other: &Tally) {
        self.len -= other.len;
        self.chunks -= other.chunks;
        self.bytes -= other.bytes;
        self.leaves -= other.leaves;
        self.inners -= other.inners;
    }

    fn forget<C>(&mut self, node: &Link<C>) {
        match node {
            Link::Leaf(_) => self.leaves -= 1,
            Link::Inner(_) => self.inners -= 1,
        }
    }
}

impl<C: Chunk> Link<C> {
    /// The number of children.
    fn len(&self) -> usize {
        match self {
            Link::Leaf(leaf) => leaf.len(),
            Link::Inner(inner) => inner.len(),
        }
    }

    fn elements(&self) -> usize {
        match self {
            Link::Leaf(leaf) => leaf.elements(),
            Link::Inner(inner) => inner.elements(),
        }
    }

    fn first_chunk(&self) -> &C {
        let mut link = self;
        loop {
            match link {
                Link::Leaf(leaf) => return leaf.child(0),
                Link::Inner(inner) => link = inner.child(0),
            }
        }
    }

    /// Takes the children of a right neighbour of the same kind.
    fn append(&mut self, right: Link<C>) {
        match (self, right) {
            (Link::Leaf(left), Link::Leaf(right)) => Arc::make_mut(left).take(&mut Arc::unwrap_or_clone(right), 0),
            (Link::Inner(left), Link::Inner(right)) => Arc::make_mut(left).take(&mut Arc::unwrap_or_clone(right), 0),
            _ => unreachable!("neighbours are of one height"),
        }
    }

    /// Counts what is below, this node included, by a walk.
    pub(super) fn measure(&self, tally: &mut Tally) {
        match self {
            Link::Leaf(leaf) => {
                tally.leaves += 1;
                leaf.children().for_each(|chunk| tally.add(&**chunk));
            }
            Link::Inner(inner) => {
                tally.inners += 1;
                inner.children().for_each(|child| child.measure(tally));
            }
        }
    }

    /// Panics unless the counts are right and all paths of one length; gives that.
    fn check(&self) -> usize {
        assert!(self.len() > 0, "a node without children");
        match self {
            Link::Leaf(leaf) => {
                assert_eq!(leaf.children().count(), leaf.len());
                for (slot, chunk) in leaf.children().enumerate() {
                    assert!(chunk.count() > 0, "an empty chunk");
                    assert_eq!(chunk.count(), leaf.count(slot));
                }
                1
            }
            Link::Inner(inner) => {
                assert_eq!(inner.children().count(), inner.len());
                let height = inner.child(0).check();
                for (slot, child) in inner.children().enumerate() {
                    assert_eq!(child.check(), height);
                    assert_eq!(child.elements(), inner.count(slot));
                }
                height + 1
            }
        }
    }

    /// Runs `change` on the leaf at `at`, with the slot and the offset there, and mends counts and shape on the way
    /// back. Gives the neighbour if this node had to split: on its left for `At::First`, else on its right.
    fn change<R, F>(&mut self, at: At, tally: &mut Tally, change: F) -> (R, Option<Link<C>>)
    where
        F: FnOnce(&mut Leaf<C>, usize, usize, &mut Tally) -> (R, Option<Leaf<C>>),
    {
        match self {
            Link::Leaf(leaf) => {
                let leaf = Arc::make_mut(leaf);
                let (slot, within) = leaf.find_at(at);
                let offset = if let At::Index(offset) = within { offset } else { 0 };
                let (result, split) = change(leaf, slot, offset, tally);
                tally.leaves += usize::from(split.is_some());
                (result, split.map(|leaf| Link::Leaf(Arc::new(leaf))))
            }
            Link::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                let (slot, within) = inner.find_at(at);
                let before = *tally;
                let (result, split) = inner.child_mut(slot).change(within, tally, change);
                let Some(sibling) = split else {
                    inner.set_count(slot, inner.count(slot) + tally.len - before.len);
                    if tally.chunks < before.chunks {
                        settle(inner, slot, tally);
                    }
                    return (result, None);
                };
                inner.set_count(slot, inner.child(slot).elements());
                let beside = if let At::First = at { 0 } else { slot + 1 };
                let elements = sibling.elements();
                let split = inner.place(beside, sibling, elements, at);
                tally.inners += usize::from(split.is_some());
                (result, split.map(|inner| Link::Inner(Arc::new(inner))))
            }
        }
    }

    /// Takes all that is on one side of the chunk with element `border`; gives the element's offset in that chunk.
    fn cut(&mut self, side: Side, border: usize, tally: &mut Tally, pieces: &mut Vec<Piece<C>>) -> usize {
        match self {
            Link::Leaf(leaf) => {
                let leaf = Arc::make_mut(leaf);
                let (slot, offset) = leaf.find(border);
                leaf.shed(side, slot, |chunk| pieces.push(Piece::Chunk(chunk)));
                offset
            }
            Link::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                let (slot, rest) = inner.find(border);
                let offset = inner.child_mut(slot).cut(side, rest, tally, pieces);
                inner.set_count(slot, inner.child(slot).elements());
                inner.shed(side, slot, |child| pieces.push(Piece::Tree(child)));
                settle(inner, if side == Side::Front { 0 } else { slot }, tally);
                offset
            }
        }
    }
}

/// After the child at `slot` has become smaller: removes it when it is empty, and merges it with a neighbour if the two
/// fit well into one.
fn settle<C: Chunk>(inner: &mut Inner<C>, slot: usize, tally: &mut Tally) {
    if inner.child(slot).len() == 0 {
        tally.forget(&inner.remove(slot));
        return;
    }
    for left in slot.saturating_sub(1)..=slot {
        let right = left + 1;
        if right < inner.len() && inner.child(left).len() + inner.child(right).len() <= MERGE_MAX {
            let elements = inner.count(left) + inner.count(right);
            let taken = inner.remove(right);
            tally.forget(&taken);
            inner.child_mut(left).append(taken);
            inner.set_count(left, elements);
            return;
        }
    }
}

/// Something that was cut off.
pub(super) enum Piece<C> {
    Chunk(Arc<C>),
    Tree(Link<C>),
}

impl<C: Chunk> Piece<C> {
    pub(super) fn measure(&self, tally: &mut Tally) {
        match self {
            Piece::Chunk(chunk) => tally.add(&**chunk),
            Piece::Tree(link) => link.measure(tally),
        }
    }
}

/// The chunks between the first and the last.
#[derive(Clone)]
pub(super) struct Tree<C> {
    root: Option<Link<C>>,
    tally: Tally,
}

impl<C> Default for Tree<C> {
    fn default() -> Self {
        Tree { root: None, tally: Tally::default() }
    }
}

impl<C: Chunk> Tree<C> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tally.len
    }

    #[inline]
    pub(super) fn chunks(&self) -> usize {
        self.tally.chunks
    }

    /// All memory behind this tree but for what the allocator adds.
    pub(super) fn memory_bytes(&self) -> usize {
        let tally = &self.tally;
        tally.bytes
            + tally.chunks * (SHARED_BYTES + size_of::<C>())
            + tally.leaves * (SHARED_BYTES + size_of::<Leaf<C>>())
            + tally.inners * (SHARED_BYTES + size_of::<Inner<C>>())
    }

    /// The leaf of an element, its slot there, and its offset in that chunk.
    pub(super) fn find(&self, index: usize) -> Option<(&Leaf<C>, usize, usize)> {
        let mut index = index;
        let mut link = self.root.as_ref().filter(|_| index < self.tally.len)?;
        loop {
            match link {
                Link::Leaf(leaf) => {
                    let (slot, offset) = leaf.find(index);
                    return Some((leaf, slot, offset));
                }
                Link::Inner(inner) => {
                    let (slot, rest) = inner.find(index);
                    link = inner.child(slot);
                    index = rest;
                }
            }
        }
    }

    /// The number of elements in the chunks that satisfy `left`, all of which stand before all others.
    pub(super) fn partition(&self, mut left: impl FnMut(&C) -> bool) -> usize {
        let mut elements = 0;
        let mut link = self.root.as_ref();
        while let Some(node) = link {
            match node {
                Link::Leaf(leaf) => {
                    let slots = leaf.partition(|chunk| left(chunk));
                    return elements + leaf.before(slots);
                }
                Link::Inner(inner) => {
                    let slots = inner.partition(|child| left(child.first_chunk()));
                    // The border is in the last child that begins left of it.
                    link = slots.checked_sub(1).map(|slot| {
                        elements += inner.before(slot);
                        inner.child(slot)
                    });
                }
            }
        }
        elements
    }

    /// Runs `change` on the leaf at `at`; the tree is not empty.
    fn change<R, F>(&mut self, at: At, change: F) -> Option<R>
    where
        F: FnOnce(&mut Leaf<C>, usize, usize, &mut Tally) -> (R, Option<Leaf<C>>),
    {
        let root = self.root.as_mut()?;
        let (result, split) = root.change(at, &mut self.tally, change);
        if let Some(sibling) = split {
            self.grow(sibling, at);
        } else {
            self.shrink();
        }
        Some(result)
    }

    fn grow(&mut self, sibling: Link<C>, at: At) {
        let Some(root) = self.root.take() else { return };
        let mut inner = Inner::new();
        let (left, right) = if let At::First = at { (sibling, root) } else { (root, sibling) };
        for (slot, link) in [left, right].into_iter().enumerate() {
            let elements = link.elements();
            inner.insert(slot, link, elements);
        }
        self.tally.inners += 1;
        self.root = Some(Link::Inner(Arc::new(inner)));
    }

    /// Takes away roots that branch no more.
    fn shrink(&mut self) {
        while let Some(root) = &self.root {
            let below = match root {
                Link::Inner(inner) if inner.len() == 1 => Some(inner.child(0).clone()),
                _ if root.len() == 0 => None,
                _ => return,
            };
            self.tally.forget(root);
            self.root = below;
        }
    }

    /// Puts a chunk before all others or behind them.
    pub(super) fn push(&mut self, side: Side, chunk: Arc<C>) {
        let (at, elements) = (side.at(), chunk.count());
        if self.root.is_none() {
            self.tally.add(&*chunk);
            self.tally.leaves += 1;
            let mut leaf = Leaf::new();
            leaf.insert(0, chunk, elements);
            self.root = Some(Link::Leaf(Arc::new(leaf)));
            return;
        }
        self.change(at, |leaf, slot, _, tally| {
            tally.add(&*chunk);
            let slot = if side == Side::Front { 0 } else { slot + 1 };
            ((), leaf.place(slot, chunk, elements, at))
        });
    }

    /// Inserts a chunk before or behind the one that holds element `index`.
    pub(super) fn insert(&mut self, index: usize, behind: bool, chunk: C) {
        let at = At::Index(index);
        self.change(at, |leaf, slot, _, tally| {
            tally.add(&chunk);
            let elements = chunk.count();
            ((), leaf.place(slot + usize::from(behind), Arc::new(chunk), elements, at))
        });
    }

    /// Takes out a chunk.
    pub(super) fn remove(&mut self, at: At) -> Option<Arc<C>> {
        self.change(at, |leaf, slot, _, tally| {
            let chunk = leaf.remove(slot);
            tally.subtract(&*chunk);
            (chunk, None)
        })
    }

    /// Changes the chunk that holds element `index`; if that empties it, it is taken out.
    pub(super) fn edit<R>(&mut self, index: usize, edit: impl FnOnce(&mut C, usize) -> R) -> Option<R> {
        self.change(At::Index(index), |leaf, slot, offset, tally| {
            let chunk = leaf.child_mut(slot);
            // Before the copy that a capture may ask for: a copy may own fewer bytes.
            let (count, bytes) = (chunk.count(), chunk.bytes());
            if Arc::get_mut(chunk).is_none() {
                leave_bytes(bytes + SHARED_BYTES + size_of::<C>());
            }
            let chunk = Arc::make_mut(chunk);
            let result = edit(chunk, offset);
            let left = chunk.count();
            tally.len = tally.len - count + left;
            tally.bytes = tally.bytes - bytes + chunk.bytes();
            if left == 0 {
                tally.subtract(&*leaf.remove(slot));
            } else {
                leaf.set_count(slot, left);
            }
            (result, None)
        })
    }

    /// Cuts off all chunks on one side of the one with element `border`, which exists; gives its offset there.
    pub(super) fn cut(&mut self, side: Side, border: usize, pieces: &mut Vec<Piece<C>>) -> usize {
        let Some(root) = &mut self.root else { return 0 };
        let begin = pieces.len();
        let offset = root.cut(side, border, &mut self.tally, pieces);
        let mut gone = Tally::default();
        pieces[begin..].iter().for_each(|piece| piece.measure(&mut gone));
        leave_bytes(gone.bytes);
        self.tally.subtract_all(&gone);
        self.shrink();
        offset
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> Option<Piece<C>> {
        leave_bytes(self.tally.bytes);
        self.tally = Tally::default();
        self.root.take().map(Piece::Tree)
    }

    /// Panics unless every count and every shape is what a walk finds.
    pub(super) fn check(&self) {
        let mut tally = Tally::default();
        if let Some(root) = &self.root {
            root.check();
            root.measure(&mut tally);
            assert!(!matches!(root, Link::Inner(inner) if inner.len() == 1), "a root branches");
        }
        assert_eq!(tally, self.tally);
    }

    /// Levels of nodes.
    #[cfg(test)]
    pub(super) fn height(&self) -> usize {
        self.root.as_ref().map_or(0, Link::check)
    }
}

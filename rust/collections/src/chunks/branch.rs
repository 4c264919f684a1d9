//! A node: up to [`WIDTH`] children side by side, and for each how many elements it holds.

/// Children of a node. A leaf is 24 bytes and 12 for each child: with 30 of them 384, a size class of the allocators.
pub(super) const WIDTH: usize = 30;

/// Two neighbours that have together no more children than this become one. A quarter below [`WIDTH`], so that a push
/// right after a merge does not split again.
pub(super) const MERGE_MAX: usize = 22;

/// The width in which a kind of node counts: a chunk has fewer than 2^32 elements, a subtree may have more.
pub(super) trait Count: Copy + Default {
    fn of(elements: usize) -> Self;
    fn elements(self) -> usize;
}

impl Count for u32 {
    #[inline]
    fn of(elements: usize) -> u32 {
        u32::try_from(elements).expect("a chunk holds fewer than 2^32 elements")
    }
    #[inline]
    fn elements(self) -> usize {
        self as usize
    }
}

impl Count for usize {
    #[inline]
    fn of(elements: usize) -> usize {
        elements
    }
    #[inline]
    fn elements(self) -> usize {
        self
    }
}

/// Which element, or which end, a change is for.
#[derive(Clone, Copy)]
pub(super) enum At {
    First,
    Last,
    Index(usize),
}

/// One of the two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Front,
    Back,
}

impl Side {
    pub(super) fn at(self) -> At {
        match self {
            Side::Front => At::First,
            Side::Back => At::Last,
        }
    }
}

/// Children with their counts; slots from `len` on are empty.
#[derive(Clone)]
pub(super) struct Branch<T, N> {
    len: u8,
    counts: [N; WIDTH],
    children: [Option<T>; WIDTH],
}

impl<T, N: Count> Branch<T, N> {
    pub(super) fn new() -> Self {
        Branch { len: 0, counts: [N::default(); WIDTH], children: [const { None }; WIDTH] }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) fn child(&self, slot: usize) -> &T {
        self.children[slot].as_ref().expect("slots below len are filled")
    }

    #[inline]
    pub(super) fn child_mut(&mut self, slot: usize) -> &mut T {
        self.children[slot].as_mut().expect("slots below len are filled")
    }

    #[inline]
    pub(super) fn count(&self, slot: usize) -> usize {
        self.counts[slot].elements()
    }

    #[inline]
    pub(super) fn set_count(&mut self, slot: usize, elements: usize) {
        self.counts[slot] = N::of(elements);
    }

    /// Elements below the first `slots` children.
    pub(super) fn before(&self, slots: usize) -> usize {
        self.counts[..slots].iter().map(|count| count.elements()).sum()
    }

    /// Elements below all children.
    pub(super) fn elements(&self) -> usize {
        self.before(self.len())
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &T> {
        self.children.iter().flatten()
    }

    /// The slot of an element and its index there. The element exists.
    #[inline]
    pub(super) fn find(&self, index: usize) -> (usize, usize) {
        let mut rest = index;
        let last = self.len() - 1;
        for (slot, count) in self.counts[..last].iter().enumerate() {
            let count = count.elements();
            if rest < count {
                return (slot, rest);
            }
            rest -= count;
        }
        (last, rest)
    }

    /// The slot that a change is for, and where in it the change goes on.
    #[inline]
    pub(super) fn find_at(&self, at: At) -> (usize, At) {
        match at {
            At::First => (0, at),
            At::Last => (self.len() - 1, at),
            At::Index(index) => {
                let (slot, rest) = self.find(index);
                (slot, At::Index(rest))
            }
        }
    }

    /// How many children from the left satisfy `left`, of which it is known that they stand left of all others.
    pub(super) fn partition(&self, mut left: impl FnMut(&T) -> bool) -> usize {
        self.children[..self.len()].partition_point(|child| child.as_ref().is_some_and(&mut left))
    }

    /// Inserts in front of `slot`. There is room.
    pub(super) fn insert(&mut self, slot: usize, child: T, elements: usize) {
        let len = self.len();
        self.counts.copy_within(slot..len, slot + 1);
        self.counts[slot] = N::of(elements);
        self.children[slot..=len].rotate_right(1);
        self.children[slot] = Some(child);
        self.len += 1;
    }

    /// Inserts in front of `slot`. A full branch splits, and the part that is given back stands behind this one; but
    /// at an end of the tree the new child begins a branch of its own, before this one at the front: where chunks
    /// come in one after the other, branches stay full.
    pub(super) fn place(&mut self, slot: usize, child: T, elements: usize, at: At) -> Option<Self> {
        if self.len() < WIDTH {
            self.insert(slot, child, elements);
            return None;
        }
        let mut sibling;
        if let At::Index(_) = at {
            sibling = self.split_off(WIDTH / 2);
            if slot <= WIDTH / 2 {
                self.insert(slot, child, elements);
            } else {
                sibling.insert(slot - WIDTH / 2, child, elements);
            }
        } else {
            sibling = Self::new();
            sibling.insert(0, child, elements);
        }
        Some(sibling)
    }

    pub(super) fn remove(&mut self, slot: usize) -> T {
        let len = self.len();
        let child = self.children[slot].take().expect("slots below len are filled");
        self.children[slot..len].rotate_left(1);
        self.counts.copy_within(slot + 1..len, slot);
        self.len -= 1;
        child
    }

    /// Takes all children on one side of `slot`.
    pub(super) fn shed(&mut self, side: Side, slot: usize, mut each: impl FnMut(T)) {
        let len = self.len();
        match side {
            Side::Front => {
                self.children[..slot].iter_mut().filter_map(Option::take).for_each(&mut each);
                self.children[..len].rotate_left(slot);
                self.counts.copy_within(slot..len, 0);
                self.len -= slot as u8;
            }
            Side::Back => {
                self.children[slot + 1..len].iter_mut().filter_map(Option::take).for_each(&mut each);
                self.len = slot as u8 + 1;
            }
        }
    }

    fn split_off(&mut self, slot: usize) -> Self {
        let mut right = Self::new();
        right.take(self, slot);
        right
    }

    /// Moves the children of `from`, from `slot` on, to the end of this one. There is room.
    pub(super) fn take(&mut self, from: &mut Self, slot: usize) {
        let (len, moved) = (self.len(), from.len() - slot);
        self.counts[len..len + moved].copy_from_slice(&from.counts[slot..slot + moved]);
        self.children[len..len + moved].swap_with_slice(&mut from.children[slot..slot + moved]);
        self.len += moved as u8;
        from.len = slot as u8;
    }
}

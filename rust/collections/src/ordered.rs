//! A sorted set's entries in order: a counted B+tree of (score, member), from which rank and range are read.
//!
//! ```text
//!   few: up to 128 entries are one sorted array, without a tree
//!
//!   root               +---------------------------------------------------+   inner node, up to 64 children, 1,288 bytes
//!   height 2           | count of entries below:     1,012 |   987 |   640 |
//!                      | first entry below, score:     -3  |   17  |  920  |
//!                      | first entry below, handle:     8  |    2  |   31  |
//!                      | child:                         |  |    |  |    |  |
//!                      +--------------------------------|-------|-------|--+
//!                                  +--------------------+       v       v
//!                      +-----------v---------------+
//!                      | 110 | 97 | ..             |              its counts are the lengths of leaves
//!                      +--|-----|------------------+
//!                         v     v
//!         +---------------------------+ +---------------------------+
//!         | 12 B: score, handle | ... | | ...                       |  leaf, up to 128 entries, 1,536 bytes
//!         +---------------------------+ +---------------------------+
//! ```
//!
//! **Order** is by score and, where scores are equal, by the bytes of the member's name, which the tree does not have:
//! a handle stands for the member, and [`Members`] gives the name. Scores settle nearly everything; a tree of different
//! scores never asks for the name of an entry in it. In a tree of one score, a walk asks log2(n) names and one or two
//! more a floor. A name can be asked for only as long as its member lives, so the *first entry below* a child is always
//! one that is there: who removes or renames a leaf's first entry corrects the copies above it, of which there is one
//! for each floor until the way up ceases to be that of a first child.
//!
//! **Counts** make ranks: the rank of an entry is the sum of the counts to the left of the way down to it, and the way
//! to a rank subtracts them. A change adds to one count on each floor.
//!
//! **A search in a node** compares every thirty-second score, then every eighth between two of those, then the eight
//! between two of these: at most 3 + 3 + 8 = 14 of a leaf. All comparisons of a pass are independent of each other, and
//! none is a branch that must be guessed.
//!
//! **Memory.** A full leaf first gives half its surplus to a neighbour that has room for eight. If none has, the leaf
//! and its two neighbours divide among four: at least 128 + 121 + 121 = 370 entries, 92 in each, 72 % of a leaf (at
//! either end of a parent two divide among three). So leaves are between that and full, 86 % in the mean, and an entry
//! costs 12 / 0.86 and its share of the parent's slot, 1,288 bytes / 45 children / 110 entries = 0.26: 14.2 bytes, and
//! at the worst number of entries under 16. An entry that goes beyond either end of a full tree takes the last one with
//! it into a new leaf, and the one behind it stays full: what comes in ascending or descending order, or sorted, costs
//! 12 / 0.99 and its share, under 12.8. Removals let a leaf fall to 3 / 8, 48 entries, before it joins or shares with a
//! neighbour; to join, both must fit into 7 / 8, so that an insert does not at once divide them again. Only the first
//! and the last node of each floor may hold less.
//!
//! Nodes are numbered, and live in chunks of 1, 1, 2, 4, .. nodes, at most 32 KiB: 129 entries cost 4.8 KB, growth
//! copies no node, and to drop a tree frees its chunks, 21 leaves each, without a look at what is in them. A chunk
//! without a node in use is given back.
//!
//! **Cost**, with `h` floors of inner nodes: 2 for 100 thousand entries, 3 for a million, at most 7 for as many as
//! there are handles. A node that is read and then written counts twice.
//!
//! | operation | nodes visited |
//! |---|---|
//! | `rank`, `at`, `partition`, the first entry of an iterator and of each further leaf | h + 1 |
//! | `insert` | 2 (h + 1), and at most 10 (h + 1) when nodes divide |
//! | `remove`, `pop_first`, `pop_last` | 2 (h + 1) + 1, and at most 10 (h + 1) when nodes join |
//! | `update` that stays in its leaf | at most 3 (h + 1) |
//! | `remove_range` | as `remove`, for each leaf it touches |
//! | `from_sorted` | each node once |
//! | `clear`, drop | none |

mod change;
mod iter;
mod node;
mod slab;

pub use iter::{Iter, Rev};

use crate::prefetch::prefetch_all;
use node::{Entry, Inner, LEAF, Leaf, Slot, find_handle, place_among};
use slab::Slab;
use std::cmp::Ordering;

/// More floors of inner nodes than 2^32 entries can have.
const HEIGHT_MAX: usize = 8;

/// What the tree needs of the members behind its handles.
pub trait Members {
    /// The member's bytes. Asked only for handles in the tree, or given to the same call, and only about equal scores.
    fn name(&self, handle: u32) -> &[u8];
}

/// Entries (score, handle), ordered by score and, where scores are equal, by the name behind the handle.
///
/// A score is never NaN; -0.0 and 0.0 are equal. A handle is any number but 0 that the caller's [`Members`] resolve.
/// Ranks count from 0 at the lowest entry.
pub struct Ordered {
    /// All entries while there is no tree, which is when `height` is 0.
    few: Vec<Entry>,
    inners: Slab<Inner>,
    leaves: Slab<Leaf>,
    root: u32,
    /// Floors of inner nodes.
    height: usize,
    len: usize,
}

/// One step down.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    slot: usize,
}

/// The way from the root to a leaf.
struct Path {
    steps: [Step; HEIGHT_MAX],
}

impl Path {
    const NEW: Path = Path { steps: [Step { node: 0, slot: 0 }; HEIGHT_MAX] };
}

/// A place in a leaf.
#[derive(Clone, Copy)]
struct Spot {
    leaf: u32,
    /// Entries of that leaf.
    len: usize,
    at: usize,
    /// Whether what was sought is there.
    found: bool,
}

impl Default for Ordered {
    fn default() -> Self {
        Ordered::new()
    }
}

impl Ordered {
    /// No entries, and no memory.
    pub const fn new() -> Self {
        Ordered { few: Vec::new(), inners: Slab::new(), leaves: Slab::new(), root: 0, height: 0, len: 0 }
    }

    /// Entries.
    #[inline]
    pub const fn len(&self) -> u64 {
        self.len as u64
    }

    /// Whether there is no entry.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes, with what is reserved for nodes to come.
    pub fn bytes(&self) -> usize {
        self.few.capacity() * size_of::<Entry>() + self.inners.bytes() + self.leaves.bytes()
    }

    /// Removes all entries. No entry is visited, and the memory is given back.
    pub fn clear(&mut self) {
        *self = Ordered::new();
    }

    /// Adds an entry. The caller has made sure that there is none of this member.
    pub fn insert(&mut self, score: f64, handle: u32, members: &(impl Members + ?Sized)) {
        let name = members.name(handle);
        self.put(Entry { score, handle }, &|other| members.name(other).cmp(name));
    }

    /// Adds an entry that comes after all others: as `insert`, but no name is looked at.
    pub fn push_last(&mut self, score: f64, handle: u32) {
        debug_assert!(self.last().is_none_or(|(last, _)| last <= score));
        self.put(Entry { score, handle }, &|_| Ordering::Less);
    }

    /// Adds an entry that comes before all others: as `insert`, but no name is looked at.
    pub fn push_first(&mut self, score: f64, handle: u32) {
        debug_assert!(self.first().is_none_or(|(first, _)| score <= first));
        self.put(Entry { score, handle }, &|_| Ordering::Greater);
    }

    /// Adds entries that come in order and after all others.
    pub fn extend_sorted(&mut self, entries: impl IntoIterator<Item = (f64, u32)>) {
        if self.is_empty() {
            *self = Ordered::from_sorted(entries);
        } else {
            entries.into_iter().for_each(|(score, handle)| self.push_last(score, handle));
        }
    }

    /// A tree of entries that come in order; every node but the last of each floor is full.
    pub fn from_sorted(entries: impl IntoIterator<Item = (f64, u32)>) -> Self {
        let mut entries = entries.into_iter().map(|(score, handle)| Entry { score, handle }).peekable();
        let mut tree = Ordered::new();
        let mut block: Vec<Entry> = entries.by_ref().take(LEAF).collect();
        tree.len = block.len();
        if entries.peek().is_none() {
            tree.few = block;
            return tree;
        }
        let mut slots = Vec::new();
        while let Some(&key) = block.first() {
            debug_assert!(block.is_sorted_by(|one, next| one.score <= next.score));
            slots.push(Slot { key, count: block.len() as u32, child: tree.leaves.add(Leaf::of(&block)) });
            block.clear();
            block.extend(entries.by_ref().take(LEAF));
            tree.len += block.len();
        }
        while slots.len() > 1 {
            let floor = slots.chunks(node::FANOUT).map(|group| {
                let inner = Inner::of(group);
                Slot { key: inner.key(0), count: inner.total(), child: tree.inners.add(inner) }
            });
            slots = floor.collect();
            tree.height += 1;
        }
        tree.root = slots[0].child;
        tree
    }

    /// Removes the entry of a member; gives its handle, or `None` if there is none with this score and name.
    pub fn remove(&mut self, score: f64, name: &[u8], members: &(impl Members + ?Sized)) -> Option<u32> {
        let mut path = Path::NEW;
        let spot = self.seek(score, &|other| members.name(other).cmp(name), &mut path);
        if !spot.found {
            return None;
        }
        let handle = self.block(spot)[spot.at].handle;
        self.cut(&path, spot, 1);
        Some(handle)
    }

    /// Gives an entry another score. Returns whether it was there; without it nothing changes.
    pub fn update(&mut self, old_score: f64, new_score: f64, handle: u32, members: &(impl Members + ?Sized)) -> bool {
        let name = members.name(handle);
        let order = |other| if other == handle { Ordering::Equal } else { members.name(other).cmp(name) };
        let mut path = Path::NEW;
        let spot = self.seek_handle(old_score, handle, &order, &mut path);
        if !spot.found {
            return false;
        }
        let entry = Entry { score: new_score, handle };
        if !self.move_within(&path, spot, entry, &order) {
            self.cut(&path, spot, 1);
            self.put(entry, &order);
        }
        true
    }

    /// Gives an entry another handle: its member's bytes have moved. Returns whether it was there.
    ///
    /// Only `new` is asked for the name; `old` may be dead.
    pub fn replace_handle(&mut self, score: f64, old: u32, new: u32, members: &(impl Members + ?Sized)) -> bool {
        let name = members.name(new);
        let order = |other| if other == old { Ordering::Equal } else { members.name(other).cmp(name) };
        let mut path = Path::NEW;
        let spot = self.seek_handle(score, old, &order, &mut path);
        if !spot.found {
            return false;
        }
        let entry = &mut self.block_mut(spot)[spot.at];
        entry.handle = new;
        let entry = *entry;
        if spot.at == 0 && self.height > 0 {
            self.renew_key(&path, self.height - 1, entry);
        }
        true
    }

    /// The rank of a member, if it is there with this score.
    pub fn rank(&self, score: f64, name: &[u8], members: &(impl Members + ?Sized)) -> Option<u64> {
        let order = |other| members.name(other).cmp(name);
        let (mut node, mut rank) = (self.root, 0);
        for floor in 0..self.height {
            let inner = self.inners.get(node);
            let slot = inner.toward(score, &order);
            rank += u64::from(inner.count_before(slot));
            node = inner.child(slot);
            if floor + 1 == self.height {
                let (at, found) = place_among(&self.leaf(node)[..inner.count(slot) as usize], score, &order);
                return found.then_some(rank + at as u64);
            }
        }
        let (at, found) = place_among(&self.few, score, &order);
        found.then_some(at as u64)
    }

    /// Score and handle of the entry of a rank.
    pub fn at(&self, rank: u64) -> Option<(f64, u32)> {
        self.leaf_at(rank).map(|(block, at)| block[at].parts())
    }

    /// The lowest entry.
    pub fn first(&self) -> Option<(f64, u32)> {
        self.at(0)
    }

    /// The highest entry.
    pub fn last(&self) -> Option<(f64, u32)> {
        self.at(self.len().checked_sub(1)?)
    }

    /// The rank of the first entry that is not `before` a bound, or the length if all are.
    ///
    /// All entries for which `before` is true must come first, as with a bound by score, or by name where all scores
    /// are equal. It is called O(log n) times. The number of entries between two bounds is the difference of two ranks.
    pub fn partition(&self, mut before: impl FnMut(f64, u32) -> bool) -> u64 {
        let mut before = |entry: Entry| before(entry.score, entry.handle);
        let (mut node, mut rank) = (self.root, 0);
        let mut block = &self.few[..];
        for floor in 0..self.height {
            let inner = self.inners.get(node);
            // The last child whose first entry is before the bound, or the first child.
            let (mut slot, mut end) = (0, inner.len());
            while slot + 1 < end {
                let middle = usize::midpoint(slot, end);
                if before(inner.key(middle)) {
                    slot = middle;
                } else {
                    end = middle;
                }
            }
            rank += u64::from(inner.count_before(slot));
            node = inner.child(slot);
            if floor + 1 == self.height {
                block = &self.leaf(node)[..inner.count(slot) as usize];
            }
        }
        rank + block.partition_point(|&entry| before(entry)) as u64
    }

    /// Removes and gives the lowest entry.
    pub fn pop_first(&mut self) -> Option<(f64, u32)> {
        let mut popped = None;
        self.remove_range(0, 1, |score, handle| popped = Some((score, handle)));
        popped
    }

    /// Removes and gives the highest entry.
    pub fn pop_last(&mut self) -> Option<(f64, u32)> {
        let mut popped = None;
        self.remove_range(self.len().checked_sub(1)?, 1, |score, handle| popped = Some((score, handle)));
        popped
    }

    /// Removes up to `count` entries from rank `first` on, and shows each to `removed`, in order. Gives their number.
    ///
    /// One walk from the root serves all entries that share a leaf.
    pub fn remove_range(&mut self, first: u64, count: u64, mut removed: impl FnMut(f64, u32)) -> u64 {
        let count = count.min(self.len().saturating_sub(first));
        let mut left = count;
        while left > 0 {
            let mut path = Path::NEW;
            let spot = self.seek_rank(first as u32, &mut path);
            let here = ((spot.len - spot.at) as u64).min(left);
            for &entry in &self.block(spot)[spot.at..spot.at + here as usize] {
                removed(entry.score, entry.handle);
            }
            self.cut(&path, spot, here as usize);
            left -= here;
        }
        count
    }

    #[inline]
    fn leaf(&self, number: u32) -> &[Entry; LEAF] {
        &self.leaves.get(number).0
    }

    /// The entries among which a spot is.
    fn block(&self, spot: Spot) -> &[Entry] {
        if self.height == 0 { &self.few } else { &self.leaf(spot.leaf)[..spot.len] }
    }

    fn block_mut(&mut self, spot: Spot) -> &mut [Entry] {
        if self.height == 0 { &mut self.few } else { &mut self.leaves.get_mut(spot.leaf).0[..spot.len] }
    }

    /// The leaf that holds a rank, and where.
    fn leaf_at(&self, rank: u64) -> Option<(&[Entry], usize)> {
        if rank >= self.len() {
            return None;
        }
        let (mut node, mut left, mut len) = (self.root, rank as u32, 0);
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            let slot = inner.toward_rank(&mut left);
            (node, len) = (inner.child(slot), inner.count(slot));
        }
        let block = if self.height == 0 { &self.few[..] } else { &self.leaf(node)[..len as usize] };
        Some((block, left as usize))
    }

    /// Where a key is or belongs.
    #[inline]
    fn seek(&self, score: f64, order: &impl Fn(u32) -> Ordering, path: &mut Path) -> Spot {
        let (leaf, entries) = self.descend(score, order, path);
        let (at, found) = place_among(entries, score, order);
        Spot { leaf, len: entries.len(), at, found }
    }

    /// Where the entry of a handle is. A name is in memory that nothing else here needs, so the handle is looked for first.
    #[inline]
    fn seek_handle(&self, score: f64, handle: u32, order: &impl Fn(u32) -> Ordering, path: &mut Path) -> Spot {
        let (leaf, entries) = self.descend(score, order, path);
        let (at, found) = match find_handle(entries, score, handle) {
            Some(at) => (at, true),
            None => place_among(entries, score, order),
        };
        Spot { leaf, len: entries.len(), at, found }
    }

    /// The leaf to which a key belongs, with its entries.
    #[inline]
    fn descend(&self, score: f64, order: &impl Fn(u32) -> Ordering, path: &mut Path) -> (u32, &[Entry]) {
        debug_assert!(!score.is_nan());
        if self.height == 0 {
            return (0, &self.few);
        }
        let (mut node, mut len) = (self.root, 0);
        for step in &mut path.steps[..self.height] {
            let inner = self.inners.get(node);
            let slot = inner.toward(score, order);
            *step = Step { node, slot };
            (node, len) = (inner.child(slot), inner.count(slot) as usize);
        }
        let entries = &self.leaf(node)[..len];
        // A change moves half of the leaf, so all its lines are asked for at once, instead of one after the other.
        prefetch_all(entries);
        (node, entries)
    }

    /// Where the entry of a rank below the length is.
    fn seek_rank(&self, rank: u32, path: &mut Path) -> Spot {
        let (mut node, mut left, mut len) = (self.root, rank, self.few.len());
        for step in &mut path.steps[..self.height] {
            let inner = self.inners.get(node);
            let slot = inner.toward_rank(&mut left);
            *step = Step { node, slot };
            (node, len) = (inner.child(slot), inner.count(slot) as usize);
        }
        Spot { leaf: node, len, at: left as usize, found: true }
    }

    /// Adds an entry where `order` says.
    #[inline]
    fn put(&mut self, entry: Entry, order: &impl Fn(u32) -> Ordering) {
        debug_assert!(entry.handle != 0);
        if self.height == 0 {
            if self.few.len() < LEAF {
                let (at, _) = place_among(&self.few, entry.score, order);
                self.few.insert(at, entry);
                self.len += 1;
                return;
            }
            self.plant();
        }
        loop {
            let mut path = Path::NEW;
            let spot = self.seek(entry.score, order, &mut path);
            if spot.len < LEAF {
                return self.put_at(&path, spot, entry);
            }
            self.make_room(&path, spot.at);
        }
    }

    /// Adds an entry to a leaf that has room.
    #[inline]
    fn put_at(&mut self, path: &Path, spot: Spot, entry: Entry) {
        let leaf = &mut self.leaves.get_mut(spot.leaf).0;
        leaf.copy_within(spot.at..spot.len, spot.at + 1);
        leaf[spot.at] = entry;
        for step in &path.steps[..self.height] {
            *self.inners.get_mut(step.node).count_mut(step.slot) += 1;
        }
        self.len += 1;
        if spot.at == 0 {
            self.renew_key(path, self.height - 1, entry);
        }
    }

    /// Makes a tree of few entries: one leaf, and a root above it.
    #[cold]
    fn plant(&mut self) {
        let few = std::mem::take(&mut self.few);
        let slot = Slot { key: few[0], count: few.len() as u32, child: self.leaves.add(Leaf::of(&few)) };
        self.root = self.inners.add(Inner::of(&[slot]));
        self.height = 1;
    }

    /// Takes `count` entries of one leaf out.
    fn cut(&mut self, path: &Path, spot: Spot, count: usize) {
        self.len -= count;
        if self.height == 0 {
            self.few.drain(spot.at..spot.at + count);
            return;
        }
        let leaf = &mut self.leaves.get_mut(spot.leaf).0;
        leaf.copy_within(spot.at + count..spot.len, spot.at);
        let key = leaf[0];
        for step in &path.steps[..self.height] {
            *self.inners.get_mut(step.node).count_mut(step.slot) -= count as u32;
        }
        let left = spot.len - count;
        if spot.at == 0 && left > 0 {
            self.renew_key(path, self.height - 1, key);
        }
        if left < change::LEAF_MIN {
            self.mend(path);
        }
    }

    /// Gives the entry at a spot another score, if it then still belongs into the same leaf.
    fn move_within(&mut self, path: &Path, spot: Spot, entry: Entry, order: &impl Fn(u32) -> Ordering) -> bool {
        let block = self.block(spot);
        let old_score = block[spot.at].score;
        // Where it belongs, of the places before and after the one it has; its own order is that of the old score.
        let at = if entry.score < block[0].score {
            0
        } else if entry.score > block[spot.len - 1].score {
            spot.len - 1
        } else if entry.score < old_score {
            place_among(&block[..spot.at], entry.score, order).0
        } else {
            spot.at + place_among(&block[spot.at + 1..], entry.score, order).0
        };
        let stays = self.height == 0
            || (at > 0 || entry.score >= old_score || path.steps[..self.height].iter().all(|step| step.slot == 0))
                && (at + 1 < spot.len || entry.score <= old_score || self.is_below_next(path, entry, order));
        if !stays {
            return false;
        }
        let block = self.block_mut(spot);
        if at < spot.at {
            block.copy_within(at..spot.at, at + 1);
        } else {
            block.copy_within(spot.at + 1..=at, spot.at);
        }
        block[at] = entry;
        let key = block[0];
        if self.height > 0 && (at == 0 || spot.at == 0) {
            self.renew_key(path, self.height - 1, key);
        }
        true
    }

    /// Whether an entry comes before all that is after the leaf at the end of the path.
    #[expect(clippy::float_cmp, reason = "scores are equal or not")]
    fn is_below_next(&self, path: &Path, entry: Entry, order: &impl Fn(u32) -> Ordering) -> bool {
        for step in path.steps[..self.height].iter().rev() {
            let inner = self.inners.get(step.node);
            if step.slot + 1 < inner.len() {
                let next = inner.key(step.slot + 1);
                return entry.score < next.score || (entry.score == next.score && order(next.handle).is_gt());
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;

//! Leaves and inner nodes, and the search within one.

use std::cmp::Ordering;
use std::ops::Range;

/// Most entries of a leaf.
pub(super) const LEAF: usize = 128;
/// Most children of an inner node.
pub(super) const FANOUT: usize = 64;

/// Of every so many scores one is compared first.
const WIDE: usize = 32;
/// Of every so many of those between two of these one is compared then.
const STRIDE: usize = 8;

/// Twelve bytes, which is why it is aligned like its handle.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(super) struct Entry {
    pub(super) score: f64,
    pub(super) handle: u32,
}

impl Entry {
    const NONE: Entry = Entry { score: 0.0, handle: 0 };

    #[inline]
    pub(super) const fn parts(self) -> (f64, u32) {
        (self.score, self.handle)
    }
}

/// Entries in order. How many there are is the count in the parent.
#[derive(Clone, Copy)]
pub(super) struct Leaf(pub(super) [Entry; LEAF]);

impl Leaf {
    pub(super) fn of(entries: &[Entry]) -> Leaf {
        let mut leaf = Leaf([Entry::NONE; LEAF]);
        leaf.0[..entries.len()].copy_from_slice(entries);
        leaf
    }
}

/// What an inner node knows of one child.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// The first entry below the child: always one that is in the tree, because its handle may be asked for its name.
    pub(super) key: Entry,
    /// Entries below the child.
    pub(super) count: u32,
    /// The number of a leaf, on the lowest floor, or of an inner node.
    pub(super) child: u32,
}

/// Slots in order, by column, so that a search reads nothing but scores.
#[derive(Clone, Copy)]
pub(super) struct Inner {
    len: u32,
    counts: [u32; FANOUT],
    scores: [f64; FANOUT],
    handles: [u32; FANOUT],
    children: [u32; FANOUT],
}

impl Inner {
    const EMPTY: Inner =
        Inner { len: 0, counts: [0; FANOUT], scores: [0.0; FANOUT], handles: [0; FANOUT], children: [0; FANOUT] };

    pub(super) fn of(slots: &[Slot]) -> Inner {
        let mut inner = Inner::EMPTY;
        for slot in slots {
            inner.insert(inner.len(), *slot);
        }
        inner
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) const fn child(&self, at: usize) -> u32 {
        self.children[at]
    }

    #[inline]
    pub(super) const fn count(&self, at: usize) -> u32 {
        self.counts[at]
    }

    #[inline]
    pub(super) const fn count_mut(&mut self, at: usize) -> &mut u32 {
        &mut self.counts[at]
    }

    #[inline]
    pub(super) const fn key(&self, at: usize) -> Entry {
        Entry { score: self.scores[at], handle: self.handles[at] }
    }

    pub(super) const fn set_key(&mut self, at: usize, key: Entry) {
        self.scores[at] = key.score;
        self.handles[at] = key.handle;
    }

    pub(super) fn insert(&mut self, at: usize, slot: Slot) {
        let len = self.len();
        self.counts.copy_within(at..len, at + 1);
        self.scores.copy_within(at..len, at + 1);
        self.handles.copy_within(at..len, at + 1);
        self.children.copy_within(at..len, at + 1);
        self.len += 1;
        self.set_key(at, slot.key);
        self.counts[at] = slot.count;
        self.children[at] = slot.child;
    }

    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        self.counts.copy_within(at + 1..len, at);
        self.scores.copy_within(at + 1..len, at);
        self.handles.copy_within(at + 1..len, at);
        self.children.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    /// Takes the slots from `at` on out, into a node of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Inner {
        let mut tail = Inner::EMPTY;
        tail.append(self, at);
        self.len = at as u32;
        tail
    }

    /// Adds the slots of `other` from `from` on.
    pub(super) fn append(&mut self, other: &Inner, from: usize) {
        let (at, more) = (self.len(), other.len() - from);
        self.counts[at..at + more].copy_from_slice(&other.counts[from..from + more]);
        self.scores[at..at + more].copy_from_slice(&other.scores[from..from + more]);
        self.handles[at..at + more].copy_from_slice(&other.handles[from..from + more]);
        self.children[at..at + more].copy_from_slice(&other.children[from..from + more]);
        self.len += more as u32;
    }

    /// Entries below the first `slots` children.
    #[inline]
    pub(super) fn count_before(&self, slots: usize) -> u32 {
        self.counts[..slots].iter().sum()
    }

    /// Entries below all children.
    pub(super) fn total(&self) -> u32 {
        self.count_before(self.len())
    }

    /// The slot that leads to a key: the last one whose own is not above it.
    #[inline]
    pub(super) fn toward(&self, score: f64, order: &impl Fn(u32) -> Ordering) -> usize {
        let scores = &self.scores[..self.len()];
        let count_below = |range: Range<usize>| count(scores[range].iter().map(|other| *other < score));
        let (at, found) = place(scores.len(), |at| scores[at], |at| self.handles[at], count_below, score, order);
        if found { at } else { at.saturating_sub(1) }
    }

    /// The slot that leads to a rank, which becomes the rank below that child.
    #[inline]
    pub(super) fn toward_rank(&self, rank: &mut u32) -> usize {
        let mut at = 0;
        for block in self.counts[..self.len()].chunks(STRIDE) {
            let sum: u32 = block.iter().sum();
            if *rank >= sum {
                *rank -= sum;
                at += block.len();
                continue;
            }
            for &count in block {
                if *rank < count {
                    return at;
                }
                *rank -= count;
                at += 1;
            }
        }
        unreachable!("the rank is below the number of entries");
    }
}

/// Where a key is, or would be, among `len` in order, and whether it is there. `order` compares the name behind a
/// handle with that of the key.
#[inline]
#[expect(clippy::float_cmp, reason = "scores are equal or not")]
pub(super) fn place(
    len: usize,
    score_at: impl Fn(usize) -> f64,
    handle_at: impl Fn(usize) -> u32,
    count_below: impl FnOnce(Range<usize>) -> usize,
    score: f64,
    order: &impl Fn(u32) -> Ordering,
) -> (usize, bool) {
    let low = below(len, &score_at, count_below, score);
    if low == len || score_at(low) != score {
        return (low, false);
    }
    // Among equal scores the names decide. Most often there is but one.
    let (mut from, mut to, mut at) = (low, len, low);
    while from < to {
        let side = if score_at(at) == score { order(handle_at(at)) } else { Ordering::Greater };
        match side {
            Ordering::Less => from = at + 1,
            Ordering::Equal => return (at, true),
            Ordering::Greater => to = at,
        }
        at = from + (to - from) / 2;
    }
    (from, false)
}

/// How many scores are below one. Passes of independent comparisons: over one score of each [`WIDE`], over one of each
/// [`STRIDE`] of what is left, and over one stride. Within a pass no step waits for the one before, and no branch must be
/// guessed but whether the node is full so far. `count_below` counts those of a range that are below the score.
#[inline]
fn below(
    len: usize,
    score_at: &impl Fn(usize) -> f64,
    count_below: impl FnOnce(Range<usize>) -> usize,
    score: f64,
) -> usize {
    // Positions are below the size of a node: nothing here can wrap.
    let pass = |from: usize, stride: usize, end: usize| {
        let (mut at, mut low) = (from.wrapping_add(stride), from);
        while at < end {
            low = low.wrapping_add(if score_at(at) < score { stride } else { 0 });
            at = at.wrapping_add(stride);
        }
        low
    };
    let wide = pass(0, WIDE, len);
    let from = pass(wide, STRIDE, len.min(wide.wrapping_add(WIDE)));
    let end = len.min(from.wrapping_add(STRIDE));
    from.wrapping_add(count_below(from..end))
}

/// How many are true.
#[inline]
fn count(comparisons: impl Iterator<Item = bool>) -> usize {
    comparisons.fold(0usize, |count, is_below| count.wrapping_add(usize::from(is_below)))
}

/// Where a key is, or would be, among entries.
#[inline]
pub(super) fn place_among(entries: &[Entry], score: f64, order: &impl Fn(u32) -> Ordering) -> (usize, bool) {
    place(entries.len(), |at| entries[at].score, |at| entries[at].handle, count_below(entries, score), score, order)
}

/// Where the entry of a handle is, if it is one of the first of its score.
#[inline]
#[expect(clippy::float_cmp, reason = "scores are equal or not")]
pub(super) fn find_handle(entries: &[Entry], score: f64, handle: u32) -> Option<usize> {
    let low = below(entries.len(), &|at| entries[at].score, count_below(entries, score), score);
    let run = entries[low..].iter().take(STRIDE).take_while(|entry| { entry.score } == score);
    run.map(|entry| entry.handle).position(|other| other == handle).map(|at| low + at)
}

/// Counts those of a range that are below a score.
#[inline]
fn count_below(entries: &[Entry], score: f64) -> impl FnOnce(Range<usize>) -> usize {
    move |range| count(entries[range].iter().map(|entry| { entry.score } < score))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_search_compares_no_more_than_the_head_says_and_finds_the_place() {
        let mut most = 0;
        for len in 0..=LEAF {
            for sought in 0..=2 * len + 1 {
                let compared = Cell::new(0);
                // Scores 1, 3, 5 ..; even ones lie between them.
                let score_at = |at: usize| {
                    compared.set(compared.get() + 1);
                    (2 * at + 1) as f64
                };
                let count_below = |range: Range<usize>| count(range.map(|at| score_at(at) < sought as f64));
                assert_eq!(below(len, &score_at, count_below, sought as f64), sought / 2, "{sought} among {len}");
                most = most.max(compared.get());
            }
        }
        assert_eq!(most, 3 + 3 + 8);
    }
}

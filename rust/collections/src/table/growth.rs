//! Growing, splitting, shrinking and merging: one segment at a time, and without reading blobs but when the tags of a
//! segment are renewed.

use super::segment::{
    BUCKETS_MAX, DEPTH_MAX, Lines, SLACK_MAX, Segment, Shape, fitting, larger, limit, smaller, tag_at,
};
use super::{Bucket, Resolve, Table};

/// Entries per directory entry below which the directory does not double: far fewer than even spreading leaves, so only
/// many keys of one prefix come here, and they cannot buy a directory larger than themselves.
const SPARSE: usize = 8;
/// Buddies merge when together they fill no more than these of a full segment's 32 buckets.
const MERGED: usize = 18;
/// One removal merges again and again only up to this many moved entries.
const MERGE_MOVES_MAX: u64 = 512;
/// Buckets whose blobs are asked for ahead while the tags of a segment are renewed.
const AHEAD: usize = 3;

/// All entries of the segment: the tag each has, the one it has from bit `base` on, and the reference.
fn each_from<R: Copy + Eq>(
    lines: Lines<'_, R>,
    base: u32,
    resolve: &impl Resolve<R>,
    mut each: impl FnMut(u16, u16, R),
) {
    if base == lines.shape.base {
        lines.each(|tag, reference| each(tag, tag, reference));
        return;
    }
    let mut ahead = lines.buckets();
    let ask = |bucket: Option<&Bucket<R>>| {
        if let Some(bucket) = bucket {
            bucket.each(bucket.live(), |_, reference| resolve.prefetch(reference));
        }
    };
    for _ in 0..AHEAD {
        ask(ahead.next());
    }
    for bucket in lines.buckets() {
        ask(ahead.next());
        bucket.each(bucket.live(), |tag, reference| each(tag, tag_at(resolve.hash(reference), base), reference));
    }
}

impl<R: Copy + Eq> Table<R> {
    const SLOTS: usize = Bucket::<R>::SLOTS;

    /// Makes room for one more entry in the segment for `hash`, by at most one step of growth; whether there is room.
    #[inline]
    pub(super) fn make_room(&mut self, hash: u64, resolve: &impl Resolve<R>) -> bool {
        let count = self.directory.side(hash).count;
        let shape = self.directory.shape(hash);
        if count < limit(shape.buckets, Self::SLOTS) {
            return true;
        }
        self.grow(hash, resolve)
    }

    #[cold]
    fn grow(&mut self, hash: u64, resolve: &impl Resolve<R>) -> bool {
        let shape = self.directory.shape(hash);
        if let Some(buckets) = larger(shape.buckets) {
            // Tags whose slack is used up are renewed before the next split needs it: half as many, and not together with it.
            let base = if shape.depth - shape.base == SLACK_MAX { shape.depth } else { shape.base };
            self.resize(hash, Shape { buckets, base, ..shape }, resolve);
            return true;
        }
        if shape.depth < DEPTH_MAX && (shape.depth < self.directory.depth() || self.double_directory()) {
            self.split(hash, resolve);
        }
        self.directory.side(hash).count < BUCKETS_MAX * Self::SLOTS
    }

    fn double_directory(&mut self) -> bool {
        let worth = SPARSE << (self.directory.depth() + 1) <= self.len;
        if worth {
            self.directory.double();
        }
        worth
    }

    fn resize(&mut self, hash: u64, shape: Shape, resolve: &impl Resolve<R>) {
        let lines = self.directory.lines(hash);
        lines.prefetch();
        let mut segment = Segment::new(shape);
        each_from(lines, shape.base, resolve, |_, tag, reference| segment.place(tag, reference));
        self.moves += segment.count as u64;
        self.directory.swap(hash, segment, self.epoch);
    }

    fn split(&mut self, hash: u64, resolve: &impl Resolve<R>) {
        let lines = self.directory.lines(hash);
        lines.prefetch();
        let bit = lines.shape.depth;
        let depth = bit + 1;
        // Tags begin at the old depth at the latest: they then still hold the bit that chooses the half.
        let base = if depth - lines.shape.base > SLACK_MAX { bit } else { lines.shape.base };
        // The tags there are reach below the old depth, so the halves are counted before anything is hashed.
        let half_of = |tag: u16| usize::from(tag.wrapping_shl(bit - lines.shape.base) >> 15);
        let mut counts = [0; 2];
        lines.each(|tag, _| counts[half_of(tag)] += 1);
        let mut halves = counts.map(|count| {
            let buckets = fitting(count + 1, Self::SLOTS);
            Segment::new(Shape { buckets, depth, base })
        });
        each_from(lines, base, resolve, |old, tag, reference| halves[half_of(old)].place(tag, reference));
        let count = counts[0] + counts[1];
        self.moves += count as u64;
        self.directory.split(hash, halves, self.epoch);
    }

    /// Gives room back after a removal from the segment for `hash`.
    #[inline]
    pub(super) fn give_room(&mut self, hash: u64, resolve: &impl Resolve<R>) {
        let count = self.directory.side(hash).count;
        let shape = self.directory.shape(hash);
        // Shrinks when the smaller size would be three quarters full.
        let shrinks = smaller(shape.buckets).is_some_and(|buckets| count <= buckets * Self::SLOTS * 3 / 4);
        if shrinks || self.len == 0 {
            self.shrink(hash, resolve);
        }
    }

    #[cold]
    fn shrink(&mut self, hash: u64, resolve: &impl Resolve<R>) {
        if self.len == 0 {
            // What a capture needs was copied when its segment first changed.
            self.directory.clear();
            return;
        }
        let moves = self.moves;
        while self.merge(hash, resolve) && self.moves - moves <= MERGE_MOVES_MAX {}
        let shape = self.directory.shape(hash);
        let count = self.directory.side(hash).count;
        if let Some(buckets) = smaller(shape.buckets).filter(|buckets| count <= buckets * Self::SLOTS * 3 / 4) {
            self.resize(hash, Shape { buckets, ..shape }, resolve);
        }
        self.directory.halve();
    }

    /// Merges the segment for `hash` with its buddy if they are few enough; whether they were.
    fn merge(&mut self, hash: u64, resolve: &impl Resolve<R>) -> bool {
        let shape = self.directory.shape(hash);
        if shape.depth == 0 {
            return false;
        }
        let depth = shape.depth - 1;
        let buddy_hash = hash ^ 1 << 63 >> depth;
        let buddy = self.directory.shape(buddy_hash);
        let count = self.directory.side(hash).count + self.directory.side(buddy_hash).count;
        if buddy.depth != shape.depth || count > MERGED * Self::SLOTS {
            return false;
        }
        self.prepare_write(buddy_hash);
        // A common base that holds the bits below the new prefix: the buddies' own, or one that serves the next splits.
        let base = if shape.base == buddy.base && shape.base <= depth { shape.base } else { depth.saturating_sub(1) };
        let mut merged = Segment::new(Shape { buckets: fitting(count, Self::SLOTS), depth, base });
        for hash in [hash, buddy_hash] {
            let lines = self.directory.lines(hash);
            each_from(lines, base, resolve, |_, tag, reference| merged.place(tag, reference));
        }
        self.moves += merged.count as u64;
        self.directory.merge(hash, merged, self.epoch);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_buddies_do_not_split_again_at_once() {
        assert!(MERGED * 10 < limit(fitting(MERGED * 10, 10), 10));
        assert!(fitting(MERGED * 10, 10) < BUCKETS_MAX);
    }
}

//! Walking the table: by cursor, at random, and whole.

use super::bucket::Bucket;
use super::segment::{BUCKETS_MAX, HOME_BITS, Lines};
use super::{Resolve, Table};

/// Only this many top bits of a cursor are ever set.
pub const SCAN_BITS: u32 = 46;
const _: () = assert!(super::segment::DEPTH_MAX + HOME_BITS <= SCAN_BITS);

/// Draws of [`Table::choose`] before it is content with a sample.
const DRAWS_MAX: usize = 4096;

impl<R: Copy + Eq> Table<R> {
    /// Emits the entries of one bucket's range of hashes, from `cursor` on, and gives the cursor behind them, or `None`
    /// at the end. Cursors are positions in the space of hashes, of which the top [`SCAN_BITS`] bits are used; 0 begins.
    /// Ranges may be empty. An entry that stays from the first call to the last is emitted exactly once, whatever the
    /// table does between the calls.
    pub fn scan(&self, cursor: u64, resolve: &impl Resolve<R>, mut each: impl FnMut(R)) -> Option<u64> {
        if self.directory.is_empty() {
            return None;
        }
        let lines = self.directory.lines(cursor);
        let shape = lines.shape;
        let home = shape.home(cursor);
        let edge = shape.tag(cursor);
        // A cursor from a deeper segment may cut finer than tags do; only then are equal ones resolved.
        let finer = cursor.wrapping_shl(shape.base + 16) != 0;
        lines.each_of_home(home, |tag, reference| {
            if tag > edge || tag == edge && (!finer || resolve.hash(reference) >= cursor) {
                each(reference);
            }
        });
        let end = shape.end_of_bucket(cursor, home);
        self.stashed_between(cursor, end.wrapping_sub(1)).for_each(each);
        (end != 0).then_some(end)
    }

    /// Emits the entries of one bucket, the first not empty one from the position `random` on: at least one entry
    /// unless the table is empty.
    ///
    /// A position is met in proportion to the width of the hashes it stands for, so with a random hash the buckets of
    /// segments of different size are as likely as the entries they may hold; left are two small biases: an entry that
    /// shares its bucket with fewer others is taken more often by who takes one of those emitted, and so is a bucket
    /// behind empty ones.
    pub fn sample(&self, random: u64, mut each: impl FnMut(R)) {
        if self.len == 0 {
            return;
        }
        let mut found = false;
        let mut position = random;
        for _ in 0..=1_u64 << self.directory.depth() {
            let lines = self.directory.lines(position);
            let shape = lines.shape;
            for index in shape.home(position)..shape.buckets {
                let bucket = lines.bucket(index);
                bucket.each(bucket.live(), |_, reference| {
                    found = true;
                    each(reference);
                });
                self.stashed_between(position, shape.end_of_bucket(position, index).wrapping_sub(1)).for_each(
                    |reference| {
                        found = true;
                        each(reference);
                    },
                );
                if found {
                    return;
                }
                position = shape.end_of_bucket(position, index);
            }
        }
    }

    /// An entry, every one as likely as the others; none if the table is empty. `random` gives 64 random bits.
    ///
    /// A draw is a place anywhere in the table, as if every entry of the directory had a segment with all of its buckets;
    /// a place that does not exist or is empty is drawn again. Of a table that grew one draw in about three finds
    /// something. One that lost nearly all of its entries may need many; then, in the end, a bucket is sampled.
    pub fn choose(&self, mut random: impl FnMut() -> u64) -> Option<R> {
        if self.len == 0 {
            return None;
        }
        let depth = self.directory.depth();
        let buckets = if depth == 0 { self.directory.lines(0).shape.buckets } else { BUCKETS_MAX };
        let places = buckets * Bucket::<R>::SLOTS;
        let placed = places << depth;
        let all = placed + self.stash.as_ref().map_or(0, |stash| stash.values().map(Vec::len).sum());
        let mut below = |bound: usize| (u128::from(random()) * bound as u128 >> 64) as usize;
        for _ in 0..DRAWS_MAX {
            let draw = below(all);
            if draw >= placed {
                return self.stashed_between(0, u64::MAX).nth(draw - placed);
            }
            let position = ((draw / places) as u64).checked_shl(64 - depth).unwrap_or(0);
            let (index, slot) = (draw % places / Bucket::<R>::SLOTS, draw % Bucket::<R>::SLOTS);
            let lines = self.directory.lines(position);
            // A segment that stands in the directory several times is met at its first entry only.
            if position << lines.shape.depth == 0 && index < lines.shape.buckets {
                let bucket = lines.bucket(index);
                if bucket.live() >> slot & 1 != 0 {
                    return Some(bucket.get(slot));
                }
            }
        }
        let mut sampled = Vec::new();
        let position = below(usize::MAX) as u64;
        self.sample(position, |reference| sampled.push(reference));
        sampled.get(below(sampled.len())).copied()
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = R> {
        let mut next = (!self.directory.is_empty()).then_some(0);
        let segments = std::iter::from_fn(move || {
            let position = next?;
            let lines = self.directory.lines(position);
            next = lines.shape.last(position).checked_add(1);
            Some(lines)
        });
        let placed = segments.flat_map(Lines::buckets).flat_map(|bucket| {
            let live = bucket.live();
            (0..u32::BITS as usize).filter(move |slot| live >> slot & 1 != 0).map(|slot| bucket.get(slot))
        });
        placed.chain(self.stashed_between(0, u64::MAX))
    }
}

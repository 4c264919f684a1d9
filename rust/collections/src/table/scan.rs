//! Walking the table: by cursor, at random, and whole.

use super::segment::{BUCKETS_MAX, HOME_BITS, Lines};
use super::{Bucket, Resolve, Table};

/// Only this many top bits of a cursor are ever set.
pub const SCAN_BITS: u32 = 46;
const _: () = assert!(super::segment::DEPTH_MAX + HOME_BITS <= SCAN_BITS);

/// How often `pick` draws a slot before it counts entries instead. Three draws in two million or more are as many.
const DRAWS_MAX: usize = 64;

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

    /// One entry, each as likely as every other; `None` if there is none. `random` gives evenly distributed numbers.
    ///
    /// Each entry of the directory stands for as many slots as the largest segment has. One of them is drawn until it is
    /// one that exists and is in use: two or three times, because the segments of a table are of nearly the same depth
    /// and at least half full, before and after removals. Where they are not, when only entries of one prefix
    /// were left, the entries are counted through, which costs a step for each segment and is as even.
    pub fn pick(&self, mut random: impl FnMut() -> u64) -> Option<R> {
        if self.len == 0 {
            return None;
        }
        if self.stash.is_none() {
            for _ in 0..DRAWS_MAX {
                let drawn = self.draw(random());
                if drawn.is_some() {
                    return drawn;
                }
            }
        }
        let number = (u128::from(random()) * self.len as u128) >> 64;
        self.nth(number as usize)
    }

    /// The entry in one of the slots that there are or might be, if it is there. The table is not empty.
    #[inline]
    fn draw(&self, random: u64) -> Option<R> {
        let lines = self.directory.lines(random);
        let shape = lines.shape;
        // A segment of less depth than the directory stands in several of its entries, and has its slots in the first.
        let below = self.directory.depth() - shape.depth;
        if below > 0 && random.wrapping_shl(shape.depth) >> (64 - below) != 0 {
            return None;
        }
        let slots = if self.directory.depth() == 0 { shape.buckets } else { BUCKETS_MAX } * Bucket::<R>::SLOTS;
        // The directory is indexed by the upper half of the number, so the lower half is free.
        let number = (((random & 0xffff_ffff) * slots as u64) >> 32) as usize;
        let (index, slot) = (number / Bucket::<R>::SLOTS, number % Bucket::<R>::SLOTS);
        if index >= shape.buckets {
            return None;
        }
        let bucket = lines.bucket(index);
        (bucket.live() >> slot & 1 != 0).then(|| bucket.get(slot))
    }

    /// The entry with this number in the order of the segments.
    #[cold]
    fn nth(&self, mut number: usize) -> Option<R> {
        let mut next = (!self.directory.is_empty()).then_some(0);
        while let Some(position) = next {
            let count = self.directory.side(position).count;
            let lines = self.directory.lines(position);
            if number < count {
                return lines.buckets().flat_map(Bucket::references).nth(number);
            }
            number -= count;
            next = lines.shape.last(position).checked_add(1);
        }
        self.stashed_between(0, u64::MAX).nth(number)
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
        segments.flat_map(Lines::buckets).flat_map(Bucket::references).chain(self.stashed_between(0, u64::MAX))
    }
}

//! A segment: 1 to 32 buckets that share a prefix of the hash, and where an entry belongs among them.

use super::bucket::Bucket;
use crate::prefetch_read;
use crate::region::Block;
use std::marker::PhantomData;

/// Buckets of the first part; those above it live in a second allocation. Growing from 16 to 32 buckets then leaves the
/// first part's memory as it is, so that a heap whose segments are at different stages has few holes of odd sizes.
pub(super) const MAIN: usize = 16;
/// The most buckets of a segment.
pub(super) const BUCKETS_MAX: usize = 32;
/// The numbers of buckets a segment grows through.
pub(super) const SIZES: [usize; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, BUCKETS_MAX];
/// The most by which a segment's depth may exceed the first bit of its tags.
pub(super) const SLACK_MAX: u32 = 3;
/// Hash bits below the prefix that choose the bucket; with `SLACK_MAX` they fit in a tag.
pub(super) const HOME_BITS: u32 = 12;
/// The deepest prefix: with `HOME_BITS` it fits in a cursor.
pub(super) const DEPTH_MAX: u32 = 31;

/// Where a segment lies in the space of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Buckets.
    pub(super) buckets: usize,
    /// Leading hash bits shared by all entries.
    pub(super) depth: u32,
    /// First hash bit of the tags, at most `depth`.
    pub(super) base: u32,
}

/// 16 bits of the hash from bit `base`, counted from the top.
#[inline]
pub(super) fn tag_at(hash: u64, base: u32) -> u16 {
    (hash.wrapping_shl(base) >> 48) as u16
}

impl Shape {
    #[inline]
    pub(super) fn tag(self, hash: u64) -> u16 {
        tag_at(hash, self.base)
    }

    /// The bucket where an entry with this hash belongs; monotonic in the hash.
    #[inline]
    pub(super) fn home(self, hash: u64) -> usize {
        let bits = (hash.wrapping_shl(self.depth) >> (64 - HOME_BITS)) as usize;
        bits.wrapping_mul(self.buckets) >> HOME_BITS
    }

    /// The same from the tag alone, which holds the bits that choose the bucket.
    #[inline]
    pub(super) fn home_of_tag(self, tag: u16) -> usize {
        let bits = (tag.wrapping_shl(self.depth.wrapping_sub(self.base)) >> (16 - HOME_BITS)) as usize;
        bits.wrapping_mul(self.buckets) >> HOME_BITS
    }

    /// The first hash of the segment that holds `hash`.
    #[inline]
    pub(super) fn start(self, hash: u64) -> u64 {
        hash & !u64::MAX.wrapping_shr(self.depth)
    }

    /// The last hash of the segment that holds `hash`.
    #[inline]
    pub(super) fn last(self, hash: u64) -> u64 {
        hash | u64::MAX.wrapping_shr(self.depth)
    }

    /// The first hash beyond home bucket `bucket` of the segment that holds `hash`; 0 beyond the last hash of all.
    pub(super) fn end_of_bucket(self, hash: u64, bucket: usize) -> u64 {
        let bits = ((bucket + 1) << HOME_BITS).div_ceil(self.buckets) as u64;
        // Two steps: at depth 0 the end of the last bucket is bit 64.
        let offset = (bits << (63 - HOME_BITS - self.depth)).wrapping_shl(1);
        self.start(hash).wrapping_add(offset)
    }
}

/// The most entries of a segment of `buckets` buckets before it grows: seven eighths of its slots.
#[inline]
pub(super) const fn limit(buckets: usize, slots: usize) -> usize {
    if buckets == 1 { slots } else { buckets * slots * 7 / 8 }
}

/// The next larger number of buckets.
pub(super) fn larger(buckets: usize) -> Option<usize> {
    SIZES.iter().copied().find(|&size| size > buckets)
}

/// The next smaller number of buckets.
pub(super) fn smaller(buckets: usize) -> Option<usize> {
    SIZES.iter().copied().rev().find(|&size| size < buckets)
}

/// The smallest number of buckets for `count` entries.
pub(super) fn fitting(count: usize, slots: usize) -> usize {
    SIZES.iter().copied().find(|&size| limit(size, slots) >= count).unwrap_or(BUCKETS_MAX)
}

/// The buckets of a segment.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a, R> {
    pub(super) shape: Shape,
    pub(super) main: &'a [Bucket<R>],
    pub(super) more: &'a [Bucket<R>],
}

impl<'a, R: Copy + Eq> Lines<'a, R> {
    #[inline]
    pub(super) fn buckets(self) -> impl Iterator<Item = &'a Bucket<R>> {
        self.main.iter().chain(self.more)
    }

    #[inline]
    pub(super) fn bucket(self, index: usize) -> &'a Bucket<R> {
        if index < MAIN { &self.main[index] } else { &self.more[index - MAIN] }
    }

    /// Asks the processor for all buckets: they are about to be read, and a short row of lines starts no hardware stream.
    pub(super) fn prefetch(self) {
        self.buckets().for_each(prefetch_read);
    }

    /// Tags and references of all entries.
    #[inline]
    pub(super) fn each(self, mut each: impl FnMut(u16, R)) {
        for bucket in self.buckets() {
            bucket.each(bucket.live(), &mut each);
        }
    }

    /// Tags and references of the entries whose home is bucket `home`.
    pub(super) fn each_of_home(self, home: usize, mut each: impl FnMut(u16, R)) {
        let mut index = home;
        for _ in 0..self.shape.buckets {
            let bucket = self.bucket(index);
            bucket.each(bucket.live(), |tag, reference| {
                if self.shape.home_of_tag(tag) == home {
                    each(tag, reference);
                }
            });
            if bucket.passed() == 0 {
                break;
            }
            index = if index + 1 == self.shape.buckets { 0 } else { index + 1 };
        }
    }
}

/// The buckets of a segment, to be changed.
pub(super) struct LinesMut<'a, R> {
    pub(super) shape: Shape,
    pub(super) main: &'a mut [Bucket<R>],
    pub(super) more: &'a mut [Bucket<R>],
}

impl<R: Copy + Eq> LinesMut<'_, R> {
    #[inline]
    fn bucket(&mut self, index: usize) -> &mut Bucket<R> {
        if index < MAIN { &mut self.main[index] } else { &mut self.more[index - MAIN] }
    }

    #[inline]
    fn after(&self, index: usize) -> usize {
        if index + 1 == self.shape.buckets { 0 } else { index + 1 }
    }

    /// Adds an entry to the first bucket with room at or behind `home`.
    ///
    /// # Panics
    /// If all buckets are full.
    #[inline]
    pub(super) fn place(&mut self, home: usize, tag: u16, reference: R) {
        let mut index = home;
        for _ in 0..self.shape.buckets {
            let bucket = self.bucket(index);
            if !bucket.is_full() {
                bucket.push(tag, reference);
                return;
            }
            bucket.add_passed();
            index = self.after(index);
        }
        panic!("a segment has room for what is placed in it");
    }

    fn locate(&mut self, home: usize, tag: u16, reference: R) -> Option<(usize, usize)> {
        let mut index = home;
        for _ in 0..self.shape.buckets {
            let bucket = self.bucket(index);
            if let Some(slot) = bucket.slot_of(tag, reference) {
                return Some((index, slot));
            }
            if bucket.passed() == 0 {
                return None;
            }
            index = self.after(index);
        }
        None
    }

    /// Takes an entry out; whether it was there.
    pub(super) fn remove(&mut self, home: usize, tag: u16, reference: R) -> bool {
        let Some((index, slot)) = self.locate(home, tag, reference) else {
            return false;
        };
        self.bucket(index).unset(slot);
        let mut passed = home;
        while passed != index {
            self.bucket(passed).remove_passed();
            passed = self.after(passed);
        }
        true
    }

    /// Puts `new` where `old` is; whether it was there.
    pub(super) fn replace(&mut self, home: usize, tag: u16, old: R, new: R) -> bool {
        let Some((index, slot)) = self.locate(home, tag, old) else {
            return false;
        };
        self.bucket(index).set(slot, tag, new);
        true
    }
}

/// A segment that no directory holds yet.
pub(super) struct Segment<R> {
    pub(super) shape: Shape,
    /// Buckets, all initialised.
    pub(super) main: Block,
    pub(super) more: Block,
    pub(super) count: usize,
    buckets: PhantomData<Bucket<R>>,
}

impl<R: Copy + Eq> Segment<R> {
    pub(super) fn new(shape: Shape) -> Segment<R> {
        let [main, more] = [shape.buckets.min(MAIN), shape.buckets.saturating_sub(MAIN)].map(|buckets| {
            let block = Block::new(buckets * size_of::<Bucket<R>>());
            for index in 0..buckets {
                // SAFETY: the block has room for so many buckets, and its alignment is theirs.
                unsafe { block.start::<Bucket<R>>().add(index).write(Bucket::EMPTY) };
            }
            block
        });
        Segment { shape, main, more, count: 0, buckets: PhantomData }
    }

    pub(super) fn lines_mut(&mut self) -> LinesMut<'_, R> {
        let [main, more] = [&self.main, &self.more].map(|block| {
            let buckets = block.len() / size_of::<Bucket<R>>();
            // SAFETY: `new` initialised as many buckets in a block that is the segment's, which is borrowed mutably.
            unsafe { std::slice::from_raw_parts_mut(block.start::<Bucket<R>>(), buckets) }
        });
        LinesMut { shape: self.shape, main, more }
    }

    #[inline]
    pub(super) fn place(&mut self, tag: u16, reference: R) {
        let shape = self.shape;
        self.lines_mut().place(shape.home_of_tag(tag), tag, reference);
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_stays_within_the_bounds_of_the_head() {
        assert_eq!(limit(BUCKETS_MAX, 10), 280);
        for pair in SIZES.windows(2).filter(|pair| pair[0] >= MAIN) {
            let after = limit(pair[0], 10) as f64 / (pair[1] * 10) as f64;
            assert!((0.69..0.875).contains(&after), "{pair:?}");
        }
        assert!([16, 20].contains(&fitting(280 / 2 + 1, 10)));
    }

    #[test]
    fn homes_are_monotonic_and_tags_agree() {
        for buckets in SIZES {
            for slack in 0..=SLACK_MAX {
                for depth in slack..=DEPTH_MAX {
                    let shape = Shape { buckets, depth, base: depth - slack };
                    let mut home = 0;
                    let mut end = 0;
                    for step in 0..1 << HOME_BITS {
                        let hash = (step << (64 - HOME_BITS)) >> depth;
                        assert_eq!(shape.home_of_tag(shape.tag(hash)), shape.home(hash));
                        assert!(shape.home(hash) == home || shape.home(hash) == home + 1 && hash == end);
                        home = shape.home(hash);
                        end = shape.end_of_bucket(hash, home);
                    }
                    assert_eq!(home, buckets - 1);
                    assert_eq!(end, shape.last(0).wrapping_add(1));
                }
            }
        }
    }

    #[test]
    fn removals_take_back_what_was_passed_on() {
        let mut segment = Segment::new(Shape { buckets: 3, depth: 0, base: 0 });
        let tags = |step: u32| [0xffff, 0xfffe, 0x0001][step as usize % 3];
        (0..30).for_each(|step| segment.place(tags(step), step));
        let lines = segment.lines_mut();
        assert!(lines.main.iter().all(Bucket::is_full) && lines.main[2].passed() == 10);
        for step in 0..30 {
            let mut lines = segment.lines_mut();
            let home = lines.shape.home_of_tag(tags(step));
            assert!(lines.remove(home, tags(step), step));
        }
        assert!(segment.lines_mut().main.iter().all(|bucket| bucket.live() == 0 && bucket.passed() == 0));
    }
}

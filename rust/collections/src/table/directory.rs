//! The directory: which segment holds which hash prefix. It owns the segments; the only pointers of the table are here.

use super::bucket::Bucket;
use super::segment::{DEPTH_MAX, Lines, LinesMut, MAIN, SLACK_MAX, Segment, Shape};
use crate::prefetch_read;
use crate::region::Block;

/// A segment as the directory holds it: two pointers to cache lines, whose six low bits each are free for its shape.
///
/// ```text
///   main:  address of up to 16 buckets       | slack bit 0 | buckets - 1, 5 bits |
///   more:  address of the buckets above them | slack bit 1 | depth, 5 bits       |      slack = depth - base
/// ```
struct Entry<R> {
    main: *mut Bucket<R>,
    more: *mut Bucket<R>,
}

impl<R> Clone for Entry<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Entry<R> {}

const LOW: usize = 63;

impl<R: Copy + Eq> Entry<R> {
    fn new(segment: Segment<R>) -> Entry<R> {
        let Shape { buckets, depth, base } = segment.shape;
        let slack = (depth - base) as usize;
        assert!((1..=32).contains(&buckets) && depth <= DEPTH_MAX && slack <= SLACK_MAX as usize);
        assert!(segment.main.len() == buckets.min(MAIN) * size_of::<Bucket<R>>());
        assert!(segment.main.len() + segment.more.len() == buckets * size_of::<Bucket<R>>());
        let main = segment.main.into_raw::<Bucket<R>>();
        let more = segment.more.into_raw::<Bucket<R>>();
        Entry {
            main: main.map_addr(|address| address | (slack & 1) << 5 | (buckets - 1)),
            more: more.map_addr(|address| address | (slack >> 1) << 5 | depth as usize),
        }
    }

    #[inline]
    fn shape(self) -> Shape {
        let (low, high) = (self.main.addr(), self.more.addr());
        let depth = (high & 31) as u32;
        let slack = (low >> 5 & 1 | high >> 4 & 2) as u32;
        Shape { buckets: (low & 31) + 1, depth, base: depth.wrapping_sub(slack) }
    }

    /// The address of a bucket, valid below `shape().buckets`.
    #[inline]
    fn address(self, index: usize) -> *mut Bucket<R> {
        let main = self.main.map_addr(|address| address & !LOW).wrapping_add(index);
        let more = self.more.map_addr(|address| address & !LOW).wrapping_add(index.wrapping_sub(MAIN));
        if index < MAIN { main } else { more }
    }

    fn parts(self) -> (*mut Bucket<R>, usize, *mut Bucket<R>, usize) {
        let buckets = self.shape().buckets;
        (self.address(0), buckets.min(MAIN), self.address(MAIN), buckets.saturating_sub(MAIN))
    }
}

/// What only changes need of a segment.
#[derive(Clone, Copy)]
pub(super) struct Side {
    /// Entries in the buckets.
    pub(super) count: usize,
    /// The capture for which the segment's references were taken already, or which began before the segment.
    pub(super) epoch: u32,
}

#[derive(Clone, Copy)]
struct PackedSide {
    epoch: u32,
    count: u16,
}

/// Segments by the top bits of the hash; a segment whose prefix is shorter stands in several neighbouring entries.
pub(super) struct Directory<R: Copy + Eq> {
    entries: Vec<Entry<R>>,
    /// Valid at the first entry of each segment.
    sides: Vec<PackedSide>,
    /// Hash bits that index `entries`.
    depth: u32,
    /// Segments of that depth.
    deepest: usize,
    /// Buckets of all segments.
    buckets: usize,
}

// SAFETY: the directory owns what its pointers lead to, and gives references to it only as it is borrowed itself.
unsafe impl<R: Copy + Eq + Send> Send for Directory<R> {}
// SAFETY: as above; a shared directory changes nothing.
unsafe impl<R: Copy + Eq + Sync> Sync for Directory<R> {}

impl<R: Copy + Eq> Directory<R> {
    pub(super) const fn new() -> Directory<R> {
        Directory { entries: Vec::new(), sides: Vec::new(), depth: 0, deepest: 0, buckets: 0 }
    }

    /// The first segment of an empty directory, for all hashes.
    pub(super) fn start(&mut self, epoch: u32) {
        assert!(self.entries.is_empty());
        let segment = Segment::new(Shape { buckets: 1, depth: 0, base: 0 });
        self.buckets = 1;
        self.deepest = 1;
        self.entries.reserve_exact(1);
        self.sides.reserve_exact(1);
        self.entries.push(Entry::new(segment));
        self.sides.push(PackedSide { epoch, count: 0 });
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Heap bytes.
    pub(super) fn bytes(&self) -> usize {
        self.buckets * size_of::<Bucket<R>>() + self.own_bytes()
    }

    /// Heap bytes without those of the segments: what doubles at once.
    pub(super) fn own_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<R>>() + self.sides.capacity() * size_of::<PackedSide>()
    }

    /// The entry for a hash. The directory is not empty.
    #[inline]
    fn index(&self, hash: u64) -> usize {
        // Two steps: at depth 0 the shift is 64.
        (hash >> 1).wrapping_shr(63 - self.depth) as usize
    }

    /// The first of the entries of the segment for a hash.
    #[inline]
    fn first(&self, hash: u64) -> usize {
        let index = self.index(hash);
        index & !(self.width(self.entries[index].shape().depth) - 1)
    }

    /// Entries of a segment of that depth.
    #[inline]
    fn width(&self, depth: u32) -> usize {
        1 << (self.depth - depth)
    }

    #[inline]
    pub(super) fn shape(&self, hash: u64) -> Shape {
        self.entries[self.index(hash)].shape()
    }

    /// The address of the cache line where a hash belongs, for a prefetch.
    #[inline]
    pub(super) fn home_address(&self, hash: u64) -> Option<*const u8> {
        let entry = *self.entries.get(self.index(hash))?;
        Some(entry.address(entry.shape().home(hash)).cast())
    }

    /// Asks the processor for what a change needs beside the bucket.
    #[inline]
    pub(super) fn prefetch_side(&self, hash: u64) {
        if let Some(side) = self.sides.get(self.index(hash)) {
            prefetch_read(side);
        }
    }

    /// Buckets from the home of a hash on, as long as entries were passed on; the tag; and the number of buckets seen
    /// at most. Stops when `each` gives true.
    #[inline]
    pub(super) fn probe(&self, hash: u64, mut each: impl FnMut(&Bucket<R>, u16) -> bool) {
        let Some(&entry) = self.entries.get(self.index(hash)) else {
            return;
        };
        let shape = entry.shape();
        let tag = shape.tag(hash);
        let mut index = shape.home(hash);
        for _ in 0..shape.buckets {
            // SAFETY: `index` is below the number of buckets, so this is a bucket that the directory owns, and it is
            // borrowed while the reference lives.
            let bucket = unsafe { &*entry.address(index) };
            if each(bucket, tag) || bucket.passed() == 0 {
                return;
            }
            index = if index.wrapping_add(1) == shape.buckets { 0 } else { index.wrapping_add(1) };
        }
    }

    #[inline]
    pub(super) fn lines(&self, hash: u64) -> Lines<'_, R> {
        let entry = self.entries[self.index(hash)];
        let (main, main_len, more, more_len) = entry.parts();
        // SAFETY: these are the allocations of the segment, which the directory owns and is borrowed for.
        let (main, more) =
            unsafe { (std::slice::from_raw_parts(main, main_len), std::slice::from_raw_parts(more, more_len)) };
        Lines { shape: entry.shape(), main, more }
    }

    #[inline]
    pub(super) fn lines_mut(&mut self, hash: u64) -> LinesMut<'_, R> {
        let entry = self.entries[self.index(hash)];
        let (main, main_len, more, more_len) = entry.parts();
        // SAFETY: as in `lines`; the directory is borrowed mutably, and the two allocations do not overlap.
        let (main, more) =
            unsafe { (std::slice::from_raw_parts_mut(main, main_len), std::slice::from_raw_parts_mut(more, more_len)) };
        LinesMut { shape: entry.shape(), main, more }
    }

    #[inline]
    pub(super) fn side(&self, hash: u64) -> Side {
        let side = self.sides[self.first(hash)];
        Side { count: side.count as usize, epoch: side.epoch }
    }

    #[inline]
    pub(super) fn set_count(&mut self, hash: u64, count: usize) {
        let first = self.first(hash);
        self.sides[first].count = count as u16;
    }

    pub(super) fn set_epoch(&mut self, hash: u64, epoch: u32) {
        let first = self.first(hash);
        self.sides[first].epoch = epoch;
    }

    /// Puts a segment of the same depth in the place of the one for `hash`.
    pub(super) fn swap(&mut self, hash: u64, segment: Segment<R>, epoch: u32) {
        let first = self.first(hash);
        let old = self.entries[first];
        assert_eq!(old.shape().depth, segment.shape.depth);
        self.cover(first, segment, epoch);
        self.release(old);
    }

    /// Puts two segments in the place of the one for `hash`, each one bit deeper.
    pub(super) fn split(&mut self, hash: u64, halves: [Segment<R>; 2], epoch: u32) {
        let first = self.first(hash);
        let old = self.entries[first];
        let depth = old.shape().depth + 1;
        assert!(depth <= self.depth && halves.iter().all(|half| half.shape.depth == depth));
        let width = self.width(depth);
        for (index, half) in halves.into_iter().enumerate() {
            self.cover(first + index * width, half, epoch);
        }
        if depth == self.depth {
            self.deepest += 2;
        }
        self.release(old);
    }

    /// Puts one segment in the place of the one for `hash` and its buddy, one bit less deep.
    pub(super) fn merge(&mut self, hash: u64, segment: Segment<R>, epoch: u32) {
        let depth = segment.shape.depth;
        let width = self.width(depth);
        let first = self.index(hash) & !(width - 1);
        let (low, high) = (self.entries[first], self.entries[first + width / 2]);
        assert!(low.shape().depth == depth + 1 && high.shape().depth == depth + 1);
        if depth + 1 == self.depth {
            self.deepest -= 2;
        }
        self.cover(first, segment, epoch);
        self.release(low);
        self.release(high);
    }

    /// Doubles the entries; no segment is touched.
    pub(super) fn double(&mut self) {
        let mut entries = Vec::with_capacity(self.entries.len() * 2);
        let mut sides = Vec::with_capacity(self.sides.len() * 2);
        for (entry, side) in self.entries.iter().zip(&self.sides) {
            entries.extend([*entry; 2]);
            sides.extend([*side; 2]);
        }
        self.entries = entries;
        self.sides = sides;
        self.depth += 1;
        self.deepest = 0;
    }

    /// Halves the entries while no segment needs them.
    pub(super) fn halve(&mut self) {
        while self.depth > 0 && self.deepest == 0 {
            self.entries = self.entries.iter().step_by(2).copied().collect();
            self.sides = self.sides.iter().step_by(2).copied().collect();
            self.depth -= 1;
            self.deepest = self.entries.iter().filter(|entry| entry.shape().depth == self.depth).count();
        }
    }

    /// Frees all segments.
    pub(super) fn clear(&mut self) {
        let mut index = 0;
        while let Some(&entry) = self.entries.get(index) {
            index += self.width(entry.shape().depth);
            self.release(entry);
        }
        // The length goes to zero with the memory: nothing can reach a segment that was freed.
        self.entries = Vec::new();
        self.sides = Vec::new();
        self.depth = 0;
        self.deepest = 0;
    }

    /// Points the entries of the segment at it, from `first` on.
    fn cover(&mut self, first: usize, segment: Segment<R>, epoch: u32) {
        let width = self.width(segment.shape.depth);
        self.buckets += segment.shape.buckets;
        self.sides[first] = PackedSide { epoch, count: segment.count as u16 };
        self.entries[first..first + width].fill(Entry::new(segment));
    }

    /// Frees a segment that no entry refers to, or will be read through, any more.
    fn release(&mut self, entry: Entry<R>) {
        let (main, main_len, more, more_len) = entry.parts();
        self.buckets -= main_len + more_len;
        for (start, len) in [(main, main_len), (more, more_len)] {
            // SAFETY: both came from `Block::into_raw` in `Entry::new` with these lengths, and every caller has
            // overwritten the entries that held them, or frees each segment once before it drops the entries.
            drop(unsafe { Block::from_raw(start, len * size_of::<Bucket<R>>()) });
        }
    }
}

impl<R: Copy + Eq> Drop for Directory<R> {
    fn drop(&mut self) {
        self.clear();
    }
}

//! A hash table of references, ordered by hash prefix, that never rehashes as a whole.
//!
//! ```text
//!   hash   | prefix: depth d |  home: 12 bits  | ...                                        | (64 bits)
//!                 | tag: 16 bits, from bit T, d - 3 <= T <= d |
//!
//!   directory, indexed by the top D bits            segment, prefix 01, d = 2          bucket: one cache line
//!   +----+  16 bytes an entry: two addresses,       +----------------------+
//!   | 00 |  and in their low bits the number        | bucket 0             |   +---------+------+--------+---------+
//!   +----+  of buckets, d and d - T                 | bucket 1             |-->| 10 tags | live | passed | 10 refs |
//!   | 01 |----------------------------------------> | ...                  |   +---------+------+--------+---------+
//!   +----+                                          | bucket 15            |     20 B      2 B     2 B      40 B
//!   | 10 |--+                                       +----------------------+
//!   +----+  +--> one segment, prefix 1, d = 1       +----------------------+
//!   | 11 |--+                                       | buckets 16 .. 31     |
//!   +----+                                          +----------------------+
//! ```
//!
//! **A lookup** reads a directory entry, which is hot, the line of the home bucket, and the blob: two cache misses. The
//! home is `home bits * buckets >> 12`, monotonic in the hash. A full bucket passes an entry on to the next one of the
//! segment, round the end, and counts it, so that a miss stops at the first bucket that passed nothing on. A removal
//! counts down: there are no tombstones. A tag holds the 12 bits that choose the
//! home and four more, of which up to three are shared by the segment.
//!
//! **Growth.** A segment has 1, 2, .. 8, 10, 12, 14, 16, 20, 24, 28, 32 buckets, and takes the next number when it is
//! seven eighths full; at 32 buckets, 280 entries, it splits into two of usually 16 or 20. Neither reads a blob,
//! because the tag has all bits needed, until d - T would pass 3. A segment in which it has reached 3 renews its tags when
//! it next grows, at usually 140 to 175 entries, and asks [`Resolve`] for their hashes, with prefetches: once in three
//! splits of each line of descent, and half of what it would cost at the split itself. One insert makes one such step: it
//! moves at most one segment. Buckets
//! above the sixteenth are an allocation of their own, so a segment between two splits leaves 1 KiB of its memory as it
//! is: segments are at all stages at once, and a heap in which each left a hole of its former size would be a third holes.
//! A removal takes the way back at three quarters of the smaller size, and merges buddies of together at most 180.
//!
//! **Memory.** Load moves between 70 and 87 % at the sizes that a large table has, so an entry costs 7.3 to 9 bytes; all
//! segments of a table are at nearby stages, and the mean over all sizes is at most 8.3 bytes. The directory doubles when
//! its first segment needs it: 24 bytes for 2 to 3 entries per segment, at most 0.33 bytes an entry, and this copy of
//! 12 KiB at 78,000 entries is all that is ever copied as a whole. 5 M keys of 16 bytes with values of 32 in 64 tables:
//! 54 bytes of blob in a slot of 56, 0.4 of the arena's chunks, 8.3 of table: under 65 bytes.
//!
//! **Many keys of one hash** cannot be split apart. The directory doubles only while it has eight entries of the table for
//! each of its own; then a segment fills to its last slot, and what comes behind goes to the stash, an ordered map from
//! the whole hash. With a keyed hash nobody meets it; without, it costs O(n) for the keys that collide, as in any table.
//!
//! **The cursor** of a scan is a position in the space of hashes. A call emits the entries of the home bucket at the cursor
//! that are not before it, and gives the end of that bucket's range. Segments may grow, split, shrink and merge in
//! between: a position stays what it was, and what is before it has been given. An end is at most d + 12 <= 43 bits
//! long, within [`SCAN_BITS`]; tags tell which entries are before it, and only when a later merge left a coarser tag equal
//! to it is the entry itself asked for its hash.
//!
//! **A capture** gives the entries of one moment, while the table goes on: see `capture`.

mod bucket;
mod capture;
mod directory;
mod growth;
mod scan;
mod segment;

use crate::prefetch::prefetch_line;
use bucket::Bucket;
use capture::Capture;
use directory::Directory;
pub use scan::SCAN_BITS;
use std::collections::BTreeMap;

/// What the table needs of the things behind its references.
pub trait Resolve<R> {
    /// The 64-bit hash of the key behind a reference, the same that the entry was inserted with.
    fn hash(&self, reference: R) -> u64;
    /// Asks the processor for what `hash` will read.
    fn prefetch(&self, reference: R);
}

/// References by the hash of what is behind them: segmented, extendible, and without a moment that touches it all.
pub struct Table<R: Copy + Eq> {
    directory: Directory<R>,
    len: usize,
    /// Entries for which their segment had no room and could not split: many keys of one hash.
    stash: Option<BTreeMap<u64, Vec<R>>>,
    capture: Option<Box<Capture<R>>>,
    /// The number of captures begun.
    epoch: u32,
    moves: u64,
}

impl<R: Copy + Eq> Default for Table<R> {
    fn default() -> Self {
        Table::new()
    }
}

impl<R: Copy + Eq> Table<R> {
    /// An empty table, which holds no memory.
    pub const fn new() -> Self {
        Table { directory: Directory::new(), len: 0, stash: None, capture: None, epoch: 0, moves: 0 }
    }

    /// Entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes of the table, without those of a capture.
    pub fn bytes(&self) -> usize {
        let stash = self.stash.as_ref().map_or(0, |stash| {
            stash.values().map(|entries| 16 + size_of::<Vec<R>>() + entries.capacity() * size_of::<R>()).sum()
        });
        self.directory.bytes() + stash
    }

    /// Heap bytes of the directory alone: all that is ever copied as a whole.
    pub fn directory_bytes(&self) -> usize {
        self.directory.own_bytes()
    }

    /// Entries that growth and shrinking have moved, since the table was made.
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// The reference for `hash` that `matches` accepts. It is asked about those of equal hash and, rarely, others.
    #[inline]
    pub fn find(&self, hash: u64, mut matches: impl FnMut(R) -> bool) -> Option<R> {
        let mut found = None;
        self.directory.probe(hash, |bucket, tag| {
            let mut mask = bucket.matching(tag);
            while mask != 0 {
                let reference = bucket.get(mask.trailing_zeros() as usize);
                if matches(reference) {
                    found = Some(reference);
                    return true;
                }
                mask &= mask - 1;
            }
            false
        });
        if found.is_none() && self.stash.is_some() {
            found = self.stashed(hash).iter().copied().find(|&reference| matches(reference));
        }
        found
    }

    /// Asks the processor for the cache line that `find` will read first.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Some(address) = self.directory.home_address(hash) {
            prefetch_line(address);
        }
    }

    /// Like [`Table::prefetch`], for a removal.
    #[inline]
    pub fn prefetch_removal(&self, hash: u64) {
        self.prefetch(hash);
        self.directory.prefetch_side(hash);
    }

    /// Gives `each` the references that `find` may ask about, so that what is behind them can be prefetched.
    #[inline]
    pub fn candidates(&self, hash: u64, mut each: impl FnMut(R)) {
        self.directory.probe(hash, |bucket, tag| {
            bucket.each(bucket.matching(tag), |_, reference| each(reference));
            false
        });
    }

    /// Adds an entry. The caller knows that the key is not there.
    pub fn insert(&mut self, hash: u64, reference: R, resolve: &impl Resolve<R>) {
        self.prepare_write(hash);
        if self.directory.is_empty() {
            self.directory.start(self.epoch);
        }
        if self.make_room(hash, resolve) {
            let mut lines = self.directory.lines_mut(hash);
            lines.place(lines.shape.home(hash), lines.shape.tag(hash), reference);
            let count = self.directory.side(hash).count;
            self.directory.set_count(hash, count + 1);
        } else {
            self.stash.get_or_insert_default().entry(hash).or_default().push(reference);
        }
        self.len += 1;
    }

    /// Puts `new` in the place of `old`; whether `old` was there. The key, and so the hash, is the same.
    pub fn replace(&mut self, hash: u64, old: R, new: R) -> bool {
        if self.directory.is_empty() {
            return false;
        }
        self.prepare_write(hash);
        let mut lines = self.directory.lines_mut(hash);
        if lines.replace(lines.shape.home(hash), lines.shape.tag(hash), old, new) {
            return true;
        }
        let stashed = self.stash.as_mut().and_then(|stash| stash.get_mut(&hash));
        match stashed.and_then(|entries| entries.iter_mut().find(|entry| **entry == old)) {
            Some(entry) => {
                *entry = new;
                true
            }
            None => false,
        }
    }

    /// Takes an entry out; whether it was there.
    pub fn remove(&mut self, hash: u64, reference: R, resolve: &impl Resolve<R>) -> bool {
        if self.directory.is_empty() {
            return false;
        }
        self.prepare_write(hash);
        let mut lines = self.directory.lines_mut(hash);
        if lines.remove(lines.shape.home(hash), lines.shape.tag(hash), reference) {
            let count = self.directory.side(hash).count;
            self.directory.set_count(hash, count - 1);
            self.len -= 1;
            self.give_room(hash, resolve);
            return true;
        }
        if self.unstash(hash, reference) {
            self.len -= 1;
            self.give_room(hash, resolve);
            return true;
        }
        false
    }

    /// Takes all entries out and frees the memory.
    pub fn clear(&mut self) {
        self.capture_all();
        self.directory.clear();
        self.stash = None;
        self.len = 0;
    }

    fn stashed(&self, hash: u64) -> &[R] {
        self.stash.as_ref().and_then(|stash| stash.get(&hash)).map_or(&[], Vec::as_slice)
    }

    #[cold]
    fn unstash(&mut self, hash: u64, reference: R) -> bool {
        let Some(stash) = &mut self.stash else {
            return false;
        };
        let Some(entries) = stash.get_mut(&hash) else {
            return false;
        };
        let Some(index) = entries.iter().position(|&entry| entry == reference) else {
            return false;
        };
        entries.swap_remove(index);
        if entries.is_empty() {
            stash.remove(&hash);
        }
        if stash.is_empty() {
            self.stash = None;
        }
        true
    }

    /// Stashed entries with hashes from `first` to `last`.
    fn stashed_between(&self, first: u64, last: u64) -> impl Iterator<Item = R> {
        self.stash
            .iter()
            .flat_map(move |stash| stash.range(first..=last))
            .flat_map(|(_, entries)| entries.iter().copied())
    }
}

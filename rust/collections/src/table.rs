//! A segmented extendible hash table of references, ordered by hash prefix.

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

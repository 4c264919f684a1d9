//! Asks for the memory of keys before it is needed.

use crate::keyspace::{Key, Locks};

/// So many keys are asked for at once: as much as a processor core has under way.
const STEP: usize = 4;
/// A blob is asked for when at least this many keys come before it, and its bucket has come.
const BLOBS_AHEAD: usize = 6;
/// A bucket is asked for this many keys before its blob: the time of as many commands covers a miss.
const BUCKETS_AHEAD: usize = 8;

/// Asks for the memory of a key that is needed next.
#[inline]
pub(super) fn fetch_bucket(locks: &Locks<'_>, db: usize, key: &Key<'_>) {
    if let Some(part) = locks.peek(key.shard()).db(db) {
        part.prefetch_bucket(key);
    }
}

/// Asks for what a key's bucket leads to, when that has come.
#[inline]
pub(super) fn fetch_blob(locks: &Locks<'_>, db: usize, key: &mut Key<'_>) {
    if let Some(part) = locks.peek(key.shard()).db(db) {
        part.prefetch_blob(key);
    }
}

/// How far memory was asked for: so many keys of those that are left.
#[derive(Default)]
pub(super) struct Ahead {
    buckets: usize,
    blobs: usize,
}

impl Ahead {
    /// Asks for the memory of the first `next` of the keys that are left, if that was not done, and of some behind them.
    #[inline]
    pub(super) fn reach(&mut self, locks: &Locks<'_>, db: usize, keys: &mut [Key<'_>], next: usize) {
        if self.blobs < keys.len() && self.blobs < next + BLOBS_AHEAD {
            self.step(locks, db, keys, next + BLOBS_AHEAD + STEP);
        }
    }

    /// So many keys, all of them reached, are not among those that are left any more.
    #[inline]
    pub(super) const fn pass(&mut self, count: usize) {
        self.buckets -= count;
        self.blobs -= count;
    }

    fn step(&mut self, locks: &Locks<'_>, db: usize, keys: &mut [Key<'_>], wanted: usize) {
        let blobs = keys.len().min(wanted);
        let buckets = keys.len().min(wanted + BUCKETS_AHEAD);
        let mut last: Option<&Key<'_>> = None;
        for key in keys.get(self.buckets..buckets).unwrap_or_default() {
            if !last.is_some_and(|last| key.is_copy_of(last)) {
                fetch_bucket(locks, db, key);
            }
            last = Some(key);
        }
        let mut last: Option<&Key<'_>> = None;
        for key in keys.get_mut(self.blobs..blobs).unwrap_or_default() {
            match last {
                Some(last) if key.is_copy_of(last) => key.follow(last),
                _ => fetch_blob(locks, db, key),
            }
            last = Some(key);
        }
        (self.buckets, self.blobs) = (buckets, blobs);
    }
}

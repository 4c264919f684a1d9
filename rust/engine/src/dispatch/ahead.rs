//! Asks for the memory of keys before it is needed.

use crate::keyspace::{Key, Locks};

/// How many keys ahead a bucket is asked for: the time of as many commands covers a miss.
const BUCKETS_AHEAD: usize = 16;
/// How many keys ahead a blob is asked for, when its bucket has come.
const BLOBS_AHEAD: usize = 8;

/// How far memory was asked for.
#[derive(Default)]
pub(super) struct Ahead {
    buckets: usize,
    blobs: usize,
}

impl Ahead {
    /// Asks for the memory of the keys that come up after the first `next` ones.
    #[inline]
    pub(super) fn reach(&mut self, locks: &Locks<'_>, db: usize, keys: &mut [Key<'_>], next: usize) {
        let buckets = keys.len().min(next + BUCKETS_AHEAD);
        for key in keys.get(self.buckets..buckets).unwrap_or_default() {
            if let Some(part) = locks.peek(key.shard()).db(db) {
                part.prefetch_bucket(key);
            }
        }
        self.buckets = self.buckets.max(buckets);
        let blobs = keys.len().min(next + BLOBS_AHEAD);
        for key in keys.get_mut(self.blobs..blobs).unwrap_or_default() {
            if let Some(part) = locks.peek(key.shard()).db(db) {
                part.prefetch_blob(key);
            }
        }
        self.blobs = self.blobs.max(blobs);
    }
}

//! Shards and their locks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use arrayvec::ArrayVec;

use super::blobs::Entry;
use super::db::Db;
use super::hash::{Key, KeyHasher};
use super::tracked::Tracked;
use super::waiters::Waiters;
use super::watch::Watches;
use crate::seeded::{self, Bug};
use crate::values::Gauge;

/// What one mutex protects.
#[derive(Debug, Default)]
pub struct Shard {
    dbs: Vec<Db>,
    /// Databases that were emptied while a snapshot still needs what they held.
    pub(super) emptied: Vec<Db>,
    /// Who must know that a key changed.
    pub watches: Watches,
    /// Who caches a key.
    pub tracked: Tracked,
    /// Who waits for a key.
    pub waiters: Waiters,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time was over.
    pub expired: u64,
    /// Fields of hashes deleted because their time was over.
    pub expired_fields: u64,
    /// Commands that changed something.
    pub changes: u64,
    /// The journal offset behind the last change, kept while reads wait for what they may have seen.
    pub journal_offset: u64,
    /// What the keyspace's total says that this shard uses.
    published: usize,
    /// The same of what only a snapshot needs.
    pub(super) published_captured: usize,
}

impl Shard {
    /// A database's part of this shard, if anything was ever stored there.
    #[inline]
    pub fn db(&self, index: usize) -> Option<&Db> {
        self.dbs.get(index)
    }

    /// A database's part of this shard, made if there is none yet.
    #[inline]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        if index >= self.dbs.len() {
            self.add_dbs(index);
        }
        &mut self.dbs[index]
    }

    #[cold]
    fn add_dbs(&mut self, last: usize) {
        self.dbs.resize_with(last + 1, Db::default);
    }

    /// Whether anybody must know that a key here changed.
    #[inline]
    pub fn is_observed(&self) -> bool {
        !self.watches.is_empty() || !self.waiters.is_empty() || !self.tracked.is_empty()
    }

    /// All databases' parts with their numbers.
    pub fn dbs_mut(&mut self) -> impl Iterator<Item = (usize, &mut Db)> {
        self.dbs.iter_mut().enumerate()
    }

    /// All databases' parts with their numbers.
    pub fn dbs(&self) -> impl Iterator<Item = (usize, &Db)> {
        self.dbs.iter().enumerate()
    }

    /// The live entry of a key for a read: counts a hit or miss and sets the access clock.
    #[inline]
    pub fn read(&mut self, db: usize, key: &Key<'_>, now_ms: i64, clock: impl FnOnce(u32) -> u32) -> Option<Entry<'_>> {
        let entry = self.dbs.get_mut(db).and_then(|part| part.read(key, now_ms, clock));
        if entry.is_some() {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
        entry
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, one: usize, other: usize) {
        self.db_mut(one.max(other));
        self.dbs.swap(one, other);
    }

    /// Takes a database's part out, so that it can be dropped elsewhere. What a snapshot still needs stays here, out of
    /// everybody else's sight.
    pub fn take(&mut self, index: usize) -> Option<Db> {
        let db = self.dbs.get_mut(index).filter(|db| db.bytes() > 0).map(std::mem::take)?;
        if db.is_captured() {
            self.emptied.push(db);
            return None;
        }
        Some(db)
    }

    /// A lower bound of the next deadline of any key, in Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.dbs.iter().filter_map(Db::next_deadline_ms).min()
    }

    /// Bytes of memory of all databases' parts, free places and those that only a snapshot needs included.
    pub fn bytes(&self) -> usize {
        self.dbs.iter().chain(&self.emptied).map(Db::bytes).sum()
    }

    /// Bytes of memory that only a snapshot needs.
    pub fn captured_bytes(&self) -> usize {
        let emptied: usize = self.emptied.iter().map(Db::bytes).sum();
        emptied + self.dbs.iter().map(Db::captured_bytes).sum::<usize>()
    }

    /// Bytes of memory that the data of all databases' parts needs.
    pub fn used_bytes(&self) -> usize {
        self.dbs.iter().chain(&self.emptied).map(Db::used_bytes).sum()
    }
}

/// Keeps neighbouring shards out of each other's cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// A mask of 64 bits names shards.
const SHARDS_MAX: usize = 64;

/// All shards.
#[derive(Debug)]
pub struct Keyspace {
    shards: Box<[Padded]>,
    hasher: KeyHasher,
    /// The sum of what all shards published. Each is changed by the difference under its shard's lock, so that the sum is
    /// right whatever the order.
    published: AtomicUsize,
    /// Whether a cut is under way: there is one at a time.
    pub(super) is_cut: AtomicBool,
    /// The sum of what all shards published of what only that needs.
    pub(super) captured: AtomicUsize,
    /// The same of what collections and the entries that are being told keep.
    pub(super) gauge: Gauge,
}

/// A thread panicked while it held a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poisoned;

impl Keyspace {
    /// 2^`shard_bits` empty shards (at most 64), with a secret for the hash.
    pub fn new(shard_bits: u32, secret: [u8; 16]) -> Self {
        let shards = (0..1usize << shard_bits).map(|_| Padded::default()).collect();
        Self {
            shards,
            hasher: KeyHasher::new(secret, shard_bits),
            published: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            captured: AtomicUsize::new(0),
            gauge: Gauge::new(),
        }
    }

    /// Bytes that the data of all shards needs, as last published: without any lock, and a little behind.
    #[inline]
    pub fn published_bytes(&self) -> usize {
        self.published.load(Ordering::Relaxed)
    }

    /// Publishes what the held shards use, where it moved by more than `step` bytes.
    pub fn publish(&self, locks: &mut Locks<'_>, step: usize) {
        for (_, shard) in locks.iter_mut() {
            self.publish_shard(shard, step);
        }
    }

    /// Publishes what a shard uses, if it moved by more than `step` bytes.
    #[inline]
    pub fn publish_shard(&self, shard: &mut Shard, step: usize) {
        let used = shard.used_bytes();
        if used.abs_diff(shard.published) > step {
            self.published.fetch_add(used.wrapping_sub(shard.published), Ordering::Relaxed);
            shard.published = used;
        }
    }

    /// The hash of keys.
    #[inline]
    pub const fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// Hashes a key.
    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        self.hasher.key(bytes)
    }

    /// How many shards there are.
    pub const fn len(&self) -> usize {
        self.shards.len()
    }

    /// Always false: there is at least one shard.
    pub const fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// The mask of all shards.
    pub const fn all(&self) -> u64 {
        u64::MAX >> (64 - self.shards.len())
    }

    /// No shard locked yet.
    #[inline]
    pub fn unlocked(&self) -> Locks<'_> {
        Locks { mask: 0, guards: ArrayVec::new(), keyspace: self }
    }

    /// Locks the shards of a mask, ascending; waits for those that others hold.
    ///
    /// # Errors
    /// A thread panicked with one of them.
    pub fn lock(&self, mask: u64) -> Result<Locks<'_>, Poisoned> {
        let mut locks = self.unlocked();
        locks.lock(mask)?;
        Ok(locks)
    }

    /// Locks the shards of a mask if nobody holds any of them.
    ///
    /// # Errors
    /// A thread panicked with one of them.
    pub fn try_lock(&self, mask: u64) -> Result<Option<Locks<'_>>, Poisoned> {
        let mut locks = self.unlocked();
        Ok(locks.try_lock(mask)?.then_some(locks))
    }
}

/// Locked shards. Dropping it releases them.
#[derive(Debug)]
pub struct Locks<'e> {
    mask: u64,
    guards: ArrayVec<MutexGuard<'e, Shard>, SHARDS_MAX>,
    keyspace: &'e Keyspace,
}

impl<'e> Locks<'e> {
    /// Locks the shards of a mask, ascending; waits for those that others hold. None may be held yet.
    ///
    /// # Errors
    /// A thread panicked with one of them; then none is held.
    #[inline]
    pub fn lock(&mut self, mask: u64) -> Result<(), Poisoned> {
        self.take(mask, |shard| shard.lock().map(Some).map_err(|_| Poisoned)).map(|_| ())
    }

    /// Locks the shards of a mask if nobody holds any of them; whether it did. None may be held yet.
    ///
    /// # Errors
    /// A thread panicked with one of them; then none is held.
    #[inline]
    pub fn try_lock(&mut self, mask: u64) -> Result<bool, Poisoned> {
        self.take(mask, |shard| match shard.try_lock() {
            Ok(guard) => Ok(Some(guard)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Poisoned(_)) => Err(Poisoned),
        })
    }

    #[inline]
    fn take(
        &mut self,
        mask: u64,
        lock: impl Fn(&'e Mutex<Shard>) -> Result<Option<MutexGuard<'e, Shard>>, Poisoned>,
    ) -> Result<bool, Poisoned> {
        debug_assert!(self.mask == 0, "shards are locked all at once, in ascending order");
        let keyspace = self.keyspace;
        let mut left = mask;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            match lock(&keyspace.shards[index].0) {
                Ok(Some(guard)) => self.guards.push(guard),
                other => {
                    self.guards.clear();
                    return other.map(|_| false);
                }
            }
            left &= left - 1;
        }
        self.mask = mask;
        Ok(true)
    }

    /// Releases all shards.
    #[inline]
    pub fn release(&mut self) {
        self.mask = 0;
        self.guards.clear();
    }

    /// With the bug on, lets others have the held shards for a while.
    #[inline]
    pub fn let_others_in(&mut self, bug: Bug) {
        if seeded::is_on(bug) {
            let mask = self.mask;
            self.release();
            std::thread::yield_now();
            // A poisoned shard is not locked again, and the command panics where it asks for it.
            let _ = self.lock(mask);
        }
    }

    /// Which shards are held.
    pub const fn mask(&self) -> u64 {
        self.mask
    }

    /// The hash of keys.
    pub const fn hasher(&self) -> &'e KeyHasher {
        &self.keyspace.hasher
    }

    /// Whether a shard is held.
    #[inline]
    pub const fn holds(&self, shard: usize) -> bool {
        self.mask >> shard & 1 == 1
    }

    #[inline]
    const fn position(&self, shard: usize) -> usize {
        (self.mask & (1u64 << shard).wrapping_sub(1)).count_ones() as usize
    }

    /// A held shard.
    ///
    /// # Panics
    /// If it is not held: that would be a command touching a key which its plan does not name.
    #[inline]
    pub fn shard(&mut self, shard: usize) -> &mut Shard {
        assert!(self.holds(shard), "shard {shard} is not locked");
        let position = self.position(shard);
        &mut self.guards[position]
    }

    /// A held shard, only to be read.
    ///
    /// # Panics
    /// If it is not held.
    #[inline]
    pub fn peek(&self, shard: usize) -> &Shard {
        assert!(self.holds(shard), "shard {shard} is not locked");
        &self.guards[self.position(shard)]
    }

    /// The first of the held shards.
    #[inline]
    pub fn first_mut(&mut self) -> Option<&mut Shard> {
        self.guards.first_mut().map(|guard| &mut **guard)
    }

    /// All held shards, ascending, with their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Shard)> {
        let mut left = self.mask;
        self.guards.iter_mut().map(move |guard| {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            (index, &mut **guard)
        })
    }

    /// All held shards, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.guards.iter().map(|guard| &**guard)
    }
}

//! Which keys to delete when memory ends: samples of buckets, and a pool of the best candidates seen so far.
//!
//! A bucket of the table costs one cache miss and holds some eight keys, so a look at it is a sample of eight. Every look
//! puts what is worth more than the worst of the pool into it, and the best of the pool goes. Keys of all shards and
//! databases compete in one pool, so that a store of a hundred keys evicts as well as one of millions. A candidate is
//! remembered by its hash alone and is asked again before it goes: who was used meanwhile stays.
//!
//! Where a policy takes only keys with a deadline and few have one, looks at random would find nothing: then a hand goes on
//! through the tables, from where it stopped the last time.

use rkv_collections::arena::Ref;
use rkv_collections::table::Resolve;

use super::blobs::{Entry, Resolver};
use super::db::Db;
use super::hash::KeyHasher;
use super::shard::{Keyspace, Shard};
use crate::random::{Random, Xoshiro256};

/// Candidates that are remembered.
const POOL_MAX: usize = 32;
/// Buckets that the hand looks at under one lock: each has some eight keys, so it is held for less than 50 us.
const HAND_BUCKETS: usize = 64;

/// A key that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How much better than others it is to let it go.
    pub score: u64,
    /// Its shard.
    pub shard: usize,
    /// Its database.
    pub db: usize,
    hash: u64,
}

/// What a policy thinks of a key: `None` if it must stay, else how good it is to let it go.
pub type Score<'a> = &'a dyn Fn(&Entry<'_>) -> Option<u64>;

/// The best candidates so far, and where to look for more.
#[derive(Debug)]
pub struct Pool {
    /// Ascending by score.
    candidates: Vec<Candidate>,
    random: Xoshiro256,
    /// Where the hand is: shard, database, position in the table.
    hand: (usize, usize, u64),
}

impl Pool {
    /// An empty pool that looks at places which `random` chooses.
    pub const fn new(random: Xoshiro256) -> Self {
        Self { candidates: Vec::new(), random, hand: (0, 0, 0) }
    }

    /// Forgets all candidates: the policy is another one.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }

    /// Takes the best candidate out.
    pub fn take(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// A random number, for policies that let chance decide.
    pub fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Looks at `samples` keys or more of those that may go, as long as `only_deadlines` or not they are easily found.
    /// Locks one shard at a time, none may be held.
    pub fn look(&mut self, keyspace: &Keyspace, samples: usize, only_deadlines: bool, score: Score<'_>) {
        let (mut seen, mut looks) = (0, 2 * keyspace.len().max(8));
        while seen < samples && looks > 0 {
            looks -= 1;
            let shard = self.random.below(keyspace.len() as u64) as usize;
            let Ok(Some(held)) = keyspace.try_lock(1 << shard) else { continue };
            seen += self.sample(held.hasher(), (shard, held.peek(shard)), only_deadlines, score);
        }
        if seen < samples && self.candidates.is_empty() {
            self.sweep(keyspace, samples, only_deadlines, score);
        }
    }

    /// Looks at one bucket of each database of a shard; how many of its keys may go.
    fn sample(
        &mut self,
        hasher: &KeyHasher,
        (number, shard): (usize, &Shard),
        only_deadlines: bool,
        score: Score<'_>,
    ) -> usize {
        let mut seen = 0;
        for (db, part) in shard.dbs() {
            if !has_candidates(part, only_deadlines) {
                continue;
            }
            let place = self.random.next_u64();
            part.sample(place, |entry| seen += usize::from(self.offer(hasher, (number, db), &entry, score)));
        }
        seen
    }

    /// Goes on through all tables until enough keys were seen or all were looked at once.
    fn sweep(&mut self, keyspace: &Keyspace, samples: usize, only_deadlines: bool, score: Score<'_>) {
        let (mut seen, mut left) = (0, keyspace.len() + 1);
        while seen < samples && left > 0 {
            let shard = self.hand.0 % keyspace.len();
            let Ok(locks) = keyspace.lock(1 << shard) else { return };
            if self.sweep_shard(locks.hasher(), (shard, locks.peek(shard)), only_deadlines, score, &mut seen) {
                self.hand = (shard + 1, 0, 0);
                left -= 1;
            }
        }
    }

    /// Goes on through a shard's tables; true at their end.
    fn sweep_shard(
        &mut self,
        hasher: &KeyHasher,
        (number, shard): (usize, &Shard),
        only_deadlines: bool,
        score: Score<'_>,
        seen: &mut usize,
    ) -> bool {
        for _ in 0..HAND_BUCKETS {
            let (_, db, position) = self.hand;
            let dbs = shard.dbs().skip(db).find(|(_, part)| has_candidates(part, only_deadlines));
            let Some((found, part)) = dbs else { return true };
            let position = if found == db { position } else { 0 };
            let next = part.scan(hasher, position, |entry| {
                *seen += usize::from(self.offer(hasher, (number, found), &entry, score));
            });
            self.hand = next.map_or((number, found + 1, 0), |next| (number, found, next));
        }
        false
    }

    /// Remembers a key if it is among the best; whether it may go.
    fn offer(&mut self, hasher: &KeyHasher, (shard, db): (usize, usize), entry: &Entry<'_>, score: Score<'_>) -> bool {
        let Some(score) = score(entry) else { return false };
        let is_full = self.candidates.len() >= POOL_MAX;
        if is_full && self.candidates.first().is_some_and(|worst| worst.score >= score) {
            return true;
        }
        let candidate = Candidate { score, shard, db, hash: hasher.inner(entry.key()) };
        let is_known = |other: &Candidate| (other.shard, other.db, other.hash) == (shard, db, candidate.hash);
        if self.candidates.iter().any(is_known) {
            return true;
        }
        if is_full {
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|other| other.score < score);
        self.candidates.insert(at, candidate);
        true
    }
}

fn has_candidates(part: &Db, only_deadlines: bool) -> bool {
    if only_deadlines { part.with_deadline() > 0 } else { !part.is_empty() }
}

impl Db {
    /// Removes a candidate if it is still there and `goes`, and gives its key.
    pub fn evict(
        &mut self,
        hasher: &KeyHasher,
        candidate: &Candidate,
        goes: impl FnOnce(&Entry<'_>) -> bool,
    ) -> Option<Box<[u8]>> {
        let resolver = Resolver { blobs: &self.blobs, hasher };
        let place: Ref = self.table.find(candidate.hash, |place| resolver.hash(place) == candidate.hash)?;
        let entry = self.blobs.entry(place);
        if !goes(&entry) {
            return None;
        }
        let key = Box::from(entry.key());
        self.remove_at(hasher, candidate.hash, place);
        Some(key)
    }
}

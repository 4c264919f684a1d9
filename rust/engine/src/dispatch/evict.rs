//! Makes room when memory ends: before the command that needs it, holding no lock, one key at a time.
//!
//! Each key goes as if somebody had deleted it: journal, watchers and listeners hear of it. Who finds memory full evicts
//! until there is room; others who come meanwhile wait for it and then find room themselves.

use std::sync::atomic::Ordering;

use crate::config::KeyspaceEvents;
use crate::handler::{AccessClock, Policy, Rank, Store};
use crate::journal::Batch;
use crate::keyspace::{Candidate, Entry, Pool};
use crate::pubsub::Changed;
use crate::seeded::{self, Bug};

/// Values that wait to be dropped may take this part of `maxmemory` before who evicts drops them: 1/256.
const WAITING_SHIFT: u32 = 8;
/// How long the housekeeper evicts before it looks after other things.
const TURN_US: u64 = 1_000;

/// Deletes keys until the data fits `maxmemory`. False: it does not, and nothing more may go. No shard may be held.
#[inline]
pub fn make_room(store: &Store) -> bool {
    store.excess_bytes() == 0 || make_room_slowly(store, u64::MAX)
}

/// Like [`make_room`], for a turn of the housekeeper: true if there is more to do.
pub fn pay_debt(store: &Store) -> bool {
    store.excess_bytes() != 0
        && store.eviction.is_on()
        && !store.is_poisoned()
        && make_room_slowly(store, TURN_US)
        && store.excess_bytes() != 0
}

/// Evicts for at most so many microseconds.
#[cold]
fn make_room_slowly(store: &Store, time_us: u64) -> bool {
    let begin_us = store.clock.monotonic_us();
    if store.pause.is_on(begin_us) {
        // CLIENT PAUSE promises that nothing changes.
        return true;
    }
    store.eviction.exceed(begin_us);
    let Some(policy) = store.eviction.policy() else {
        let fits = !store.is_memory_full();
        if fits {
            store.eviction.recover(begin_us);
        }
        return fits;
    };
    let mut pool = store.eviction.pool();
    let mut count = 0_u64;
    let mut fits = true;
    while store.excess_bytes() != 0 {
        if !evict_one(store, policy, &mut pool) {
            // What shards published may be old.
            fits = !store.is_memory_full();
            break;
        }
        count += 1;
        if time_us != u64::MAX && count.is_multiple_of(16) && store.clock.monotonic_us() - begin_us > time_us {
            break;
        }
    }
    drop(pool);
    let now_us = store.clock.monotonic_us();
    if store.excess_bytes() == 0 || (fits && time_us == u64::MAX) {
        store.eviction.recover(now_us);
    }
    if count > 0 {
        store.observed.latency.add("eviction-cycle", now_us - begin_us, store.clock.unix_ms());
    }
    fits
}

fn evict_one(store: &Store, policy: Policy, pool: &mut Pool) -> bool {
    let now_ms = store.clock.unix_ms();
    let clock = store.settings.access_clock(now_ms);
    let worth = |entry: &Entry<'_>| score_of(policy, clock, entry);
    pool.look(&store.keyspace, store.eviction.samples(), policy.only_deadlines, &worth);
    while let Some(candidate) = pool.take() {
        let goes = |entry: &Entry<'_>| worth(entry).is_some_and(|now| now >= candidate.score);
        if evict(store, &candidate, now_ms, goes) {
            return true;
        }
    }
    // All that were remembered were used meanwhile or are gone. So few keys are there that a second look tells whether any
    // is left.
    pool.look(&store.keyspace, store.eviction.samples(), policy.only_deadlines, &worth);
    pool.take().is_some_and(|candidate| evict(store, &candidate, now_ms, |_| true))
}

/// How good it is to let a key go: the larger the better.
fn score_of(policy: Policy, clock: AccessClock, entry: &Entry<'_>) -> Option<u64> {
    let deadline_ms =
        if policy.only_deadlines || policy.rank == Rank::Deadline { Some(entry.deadline_ms()?) } else { None };
    Some(match policy.rank {
        Rank::Idle => clock.idle_s(entry.clock()).into(),
        // Of those that were used as often, the one that was used least lately.
        Rank::Seldom => {
            u64::from(255 - clock.frequency(entry.clock())) << 16 | u64::from(clock.idle_min(entry.clock()))
        }
        Rank::Deadline => u64::MAX - deadline_ms?.max(0) as u64,
        // Whatever lies in the bucket: buckets are chosen by chance, and so are places in them.
        Rank::Chance => 0,
    })
}

/// Deletes a candidate if it is still there and `goes`.
fn evict(store: &Store, candidate: &Candidate, now_ms: i64, goes: impl FnOnce(&Entry<'_>) -> bool) -> bool {
    let Ok(mut locks) = store.keyspace.lock(1 << candidate.shard) else { return false };
    let hasher = locks.hasher();
    let shard = locks.shard(candidate.shard);
    let part = shard.db_mut(candidate.db);
    let mut was_expired = false;
    let goes = |entry: &Entry<'_>| {
        was_expired = entry.is_expired(now_ms);
        goes(entry)
    };
    let Some(key) = part.evict(hasher, candidate, goes) else { return false };
    let dropped = part.take_dropped();
    let is_lazy = store.eviction.is_lazy();
    if store.journal.is_on() && !seeded::is_on(Bug::EvictionNotLogged) {
        let mut batch = Batch::default();
        let name = if is_lazy { b"UNLINK".as_slice() } else { b"DEL" };
        batch.push(candidate.db, &[name, &key]);
        shard.journal_offset = store.journal.append(&batch);
    }
    if was_expired {
        shard.watches.touch_expired(candidate.db, &key);
    } else {
        shard.watches.touch(candidate.db, &key);
    }
    store.observe(candidate.db, KeyspaceEvents::EVICTED, "evicted", &key);
    if !shard.tracked.is_empty() {
        store.pubsub.trackers.invalidate(shard, &key, 0, &store.clients);
        if shard.tracked.is_broadcast {
            store.pubsub.trackers.broadcast(&Changed::from([key]), 0, &store.clients);
        }
    }
    store.keyspace.publish_shard(shard, 0);
    drop(locks);
    store.clients.wake_all();
    store.eviction.evicted.fetch_add(1, Ordering::Relaxed);
    if is_lazy && !dropped.is_empty() {
        store.lazyfree.push_values(dropped);
        store.expiry.wake();
        if store.lazyfree.bytes() as u64 > store.settings.maxmemory() >> WAITING_SHIFT {
            store.lazyfree.run();
        }
    }
    true
}

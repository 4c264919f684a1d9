//! Background work of the store as one state machine: expiry, lazy freeing, lines to other
//! servers that nobody uses any more, and when snapshots begin.
//!
//! [`tick`] does what is due and tells when it wants to be called again. One thread calls it, the same in a server and in
//! an embedding program; with a manual clock there is no thread and the test ticks. The thread also touches memory ahead of
//! growth (see `rkv_collections::region`), so that who inserts a key does not wait while the system zeroes a huge page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rkv_collections::region;

use crate::config::KeyspaceEvents;
use crate::dispatch;
use crate::handler::Store;
use crate::journal::Batch;
use crate::keyspace::{Db, Expired, KeyHasher, Shard, Watches};
use crate::pubsub::Changed;
use crate::values::Piece;

/// Looks at the wheel of each shard per lock: at less than a microsecond each, four shards are held for some 100 us.
const BUDGET: usize = 32;
/// Shards that are locked together: with 250,000 keys a second each has some sixteen to expire every 4 ms, too few for the
/// processor to fetch one while it looks at another.
const TOGETHER: usize = 4;
/// Two ticks of the wheel: what comes due within this time is expired together.
const TICK_MS: i64 = 4;
/// Without a deadline the thread sleeps this long, unless it is woken.
const IDLE: Duration = Duration::from_secs(3600);

/// Does what is due; returns when something is due again, in Unix milliseconds, `i64::MAX` if nothing is.
pub fn tick(store: &Store) -> i64 {
    let persist_ms = store.persist.tick(store);
    let lines_ms = store.errands.pool.tick(store.clock.unix_ms());
    tidy(store).min(persist_ms).min(count(store)).min(lines_ms)
}

/// Counts a slice of the keys if somebody asked how large they are; returns when the next slice is due.
fn count(store: &Store) -> i64 {
    let databases = store.settings.databases();
    store.observed.key_sizes.tick(&store.keyspace, databases, store.clock.unix_ms()).unwrap_or(i64::MAX)
}

/// Frees what waits, makes room and expires what is due; returns when there is more to do.
fn tidy(store: &Store) -> i64 {
    store.lazyfree.run();
    let has_debt = dispatch::pay_debt(store);
    let now_ms = store.clock.unix_ms();
    if has_debt {
        return now_ms.min(expire(store, now_ms));
    }
    expire(store, now_ms)
}

/// Deletes keys whose time is over; returns when the next one expires.
fn expire(store: &Store, now_ms: i64) -> i64 {
    if let Some((_, left_us)) = store.pause.left(store.clock.monotonic_us()) {
        return now_ms.saturating_add_unsigned(left_us / 1_000 + 1);
    }
    if !expires(store) {
        return i64::MAX;
    }
    if store.expiry.next_ms() > now_ms {
        return store.expiry.next_ms();
    }
    store.expiry.forget();
    let begin_us = store.clock.monotonic_us();
    // One turn for each shard that has more, round and round, so that nobody waits for one shard until all of it is done.
    let mut due = store.keyspace.all();
    while due != 0 {
        for first in (0..store.keyspace.len()).step_by(TOGETHER) {
            let group = due & (((1 << TOGETHER) - 1) << first);
            if group != 0 {
                due &= !group | expire_some(store, group, now_ms);
            }
        }
    }
    store.observed.latency.add("expire-cycle", store.clock.monotonic_us() - begin_us, now_ms);
    store.expiry.next_ms()
}

/// Whether keys are deleted when their time is over; if not, their deadlines must not keep the thread awake.
fn expires(store: &Store) -> bool {
    store.settings.active_expire() && !store.is_poisoned()
}

/// A key that expired, or fields of a hash.
struct Gone {
    db: usize,
    key: Box<[u8]>,
    fields: Option<Piece>,
    /// Whether the key is gone.
    emptied: bool,
}

impl Gone {
    /// Tells who watches, who listens and the journal; the offset behind its record there.
    fn tell(&self, store: &Store, watches: &Watches) -> Option<u64> {
        let Self { db, key, fields, emptied } = self;
        let mut batch = Batch::default();
        if let Some(fields) = fields {
            watches.touch(*db, key);
            store.observe(*db, KeyspaceEvents::HASH, "hexpired", key);
            if *emptied {
                store.observe(*db, KeyspaceEvents::GENERIC, "del", key);
            }
            let words: Vec<&[u8]> =
                [b"HDEL".as_slice(), key].into_iter().chain(fields.iter().map(|field| field.name)).collect();
            batch.push(*db, &words);
        } else {
            watches.touch_expired(*db, key);
            store.observe(*db, KeyspaceEvents::EXPIRED, "expired", key);
            batch.push(*db, &[b"DEL".as_slice(), key]);
        }
        store.journal.is_on().then(|| store.journal.append(&batch))
    }
}

/// Expires keys of some shards under their locks; which of them have more that is due.
fn expire_some(store: &Store, mask: u64, now_ms: i64) -> u64 {
    let Ok(mut locks) = store.keyspace.lock(mask) else { return 0 };
    let hasher = locks.hasher();
    let (mut more, mut dropped) = (0, Vec::new());
    for (index, shard) in locks.iter_mut() {
        for (_, db) in shard.dbs_mut() {
            more |= u64::from(db.turn(now_ms, BUDGET)) << index;
        }
    }
    for ask in [Db::ask_chunks, Db::ask_blobs] {
        locks.iter_mut().for_each(|(_, shard)| shard.dbs_mut().for_each(|(_, db)| ask(db)));
    }
    for (index, shard) in locks.iter_mut() {
        more |= u64::from(expire_fired(store, hasher, shard, now_ms)) << index;
        shard.dbs_mut().for_each(|(_, db)| dropped.append(&mut db.take_dropped()));
    }
    store.publish_memory(&mut locks);
    // Before what was removed is dropped, which takes time.
    drop(locks);
    store.clients.wake_all();
    drop(dropped);
    more
}

/// Removes what came due in a shard, and tells everybody who must know; true if more fields are due.
fn expire_fired(store: &Store, hasher: &KeyHasher, shard: &mut Shard, now_ms: i64) -> bool {
    let (mut more, mut count, mut field_count, mut gone) = (false, 0, 0, Vec::new());
    let tells = store.journal.is_on() || shard.is_observed() || store.has_observer();
    for (number, db) in shard.dbs_mut() {
        more |= db.expire(hasher, now_ms, BUDGET, |expired| match expired {
            Expired::Key(key) => {
                count += 1;
                if tells {
                    gone.push(Gone { db: number, key: key.into(), fields: None, emptied: true });
                }
            }
            Expired::Fields { key, fields, emptied } => {
                field_count += fields.len() as u64;
                if tells {
                    gone.push(Gone { db: number, key: key.into(), fields: Some(fields.clone()), emptied });
                }
            }
        });
        // The wheel is asked for the next deadline below.
        db.take_filed();
    }
    shard.expired += count;
    shard.expired_fields += field_count;
    shard.changes += count;
    let mut changed = Changed::new();
    for gone in &gone {
        if let Some(offset) = gone.tell(store, &shard.watches) {
            shard.journal_offset = offset;
        }
        if !shard.tracked.is_empty() {
            store.pubsub.trackers.invalidate(shard, &gone.key, 0, &store.clients);
            changed.insert(gone.key.clone());
        }
    }
    if shard.tracked.is_broadcast {
        store.pubsub.trackers.broadcast(&changed, 0, &store.clients);
    }
    if let Some(next_ms) = shard.next_deadline_ms() {
        store.expiry.due_at(next_ms);
    }
    more
}

/// The thread that ticks.
#[derive(Debug)]
pub struct Housekeeper {
    store: Arc<Store>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Housekeeper {
    /// Starts the thread.
    ///
    /// # Panics
    /// If the system refuses a thread.
    pub fn start(store: &Arc<Store>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (thread_store, thread_stop) = (Arc::clone(store), Arc::clone(&stop));
        let thread =
            std::thread::Builder::new().name("rkv-housekeeper".into()).spawn(move || run(&thread_store, &thread_stop));
        Self { store: Arc::clone(store), stop, thread: Some(thread.expect("the system refuses a thread")) }
    }
}

fn run(store: &Store, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let next_ms = tick(store);
        // One region at a time, because a huge page takes milliseconds where memory is not at hand, and keys expire meanwhile.
        let rest = region::tend();
        if rest == Some(Duration::ZERO) {
            continue;
        }
        let left_ms = next_ms.saturating_sub(store.clock.unix_ms());
        // A wall clock may jump, so a sleep is never longer than the time in which that would hurt.
        let timeout =
            if next_ms == i64::MAX { IDLE } else { Duration::from_millis(left_ms.clamp(TICK_MS, 1000) as u64) };
        store.expiry.wait(rest.map_or(timeout, |rest| rest.min(timeout)), || {
            stop.load(Ordering::Acquire)
                || !store.lazyfree.is_empty()
                || store.persist.is_due()
                || store.observed.key_sizes.due_ms() < next_ms
                || (expires(store) && store.expiry.next_ms() < next_ms)
        });
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.store.expiry.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! Tells others what a command did: those who listen to keyspace events, and those who cache keys.
//!
//! All of it happens under the command's locks, so that what they hear of a key has the order of its changes; their drivers
//! are woken when the locks are released.

use std::sync::atomic::Ordering;

use super::run::Call;
use crate::client::{Caching, Client};
use crate::config::KeyspaceEvents;
use crate::handler::{Account, Context, Effect, Flags, Notice, Store, Trace};
use crate::keyspace::Locks;

/// Publishes the events of a command. That a key is new stands before what else happened to it.
pub(super) fn tell_events(context: &mut Context<'_, '_>, db: usize, effect: &Effect, trace: &mut Trace<'_>) {
    let store = context.store;
    for (db, key, _) in trace.noticed.iter().filter(|(_, _, notice)| *notice == Notice::Miss) {
        store.observe(*db, KeyspaceEvents::KEY_MISS, "keymiss", key.bytes());
    }
    trace.noticed.retain(|(_, _, notice)| *notice == Notice::New);
    for event in &effect.events {
        let (db, key) = (event.db.map_or(db, usize::from), context.key(event.key as usize));
        trace.noticed.retain(|(new_db, new, _)| {
            // A key that moves is put down in its new place first.
            let is_next = event.name.ends_with("_from") || (*new_db == db && new.bytes() == key.bytes());
            if is_next {
                store.observe(*new_db, KeyspaceEvents::NEW, "new", new.bytes());
            }
            !is_next
        });
        store.observe(db, event.class, event.name, key.bytes());
    }
    for (db, key, _) in &trace.noticed {
        store.observe(*db, KeyspaceEvents::NEW, "new", key.bytes());
    }
}

/// A key of a held shard changed: those who cache it are told now, those who hear of its prefix when all is done.
pub(super) fn tell_change(context: &mut Context<'_, '_>, shard: usize, key: &[u8]) {
    let (store, author) = (context.store, context.client.link.id);
    let shard = context.locks().shard(shard);
    if shard.tracked.is_empty() {
        return;
    }
    store.pubsub.trackers.invalidate(shard, key, author, &store.clients);
    if shard.tracked.is_broadcast {
        let rare = context.account.add();
        rare.author = author;
        rare.broadcast.insert(key.into());
    }
}

/// Remembers the keys that a client that caches has read.
#[cold]
pub(super) fn remember(context: &mut Context<'_, '_>, call: &Call<'_>) {
    let store = context.store;
    let Some(tracking) = context.client.tracking.as_ref() else { return };
    let is_wanted = match tracking.caching {
        Caching::Always => true,
        Caching::OptIn => context.client.caches_next,
        Caching::OptOut => !context.client.caches_next,
    };
    if !is_wanted || tracking.is_broadcast() || !call.command.row.flags.has(Flags::READONLY) {
        return;
    }
    let id = context.client.link.id;
    for key in context.keys() {
        store.pubsub.trackers.remember(context.locks().shard(key.shard()), key.bytes(), id);
    }
}

/// CLIENT CACHING is for the next command that is not about the client itself, or for one transaction.
#[inline]
pub(super) fn end_caching(client: &mut Client, call: &Call<'_>) {
    // While EXEC runs what was queued, the client's own transaction is gone, but to others it is in it.
    let is_inside = client.transaction.is_some() || client.link.queued.load(Ordering::Relaxed) >= 0;
    if client.caches_next && !is_inside && !call.command.full_name().starts_with("client|") {
        client.caches_next = false;
    }
}

/// What is told once for all that a command or transaction did, still under its locks.
pub(super) fn close(store: &Store, locks: &mut Locks<'_>, account: &mut Account) {
    let trackers = &store.pubsub.trackers;
    let Some(rare) = account.rare() else { return };
    if std::mem::take(&mut rare.is_flush) && trackers.count() > 0 {
        trackers.flush(&store.clients);
        locks.iter_mut().for_each(|(_, shard)| trackers.forget(shard));
    }
    if !rare.broadcast.is_empty() {
        trackers.broadcast(&std::mem::take(&mut rare.broadcast), rare.author, &store.clients);
    }
}

/// Forgets keys while more are remembered than may be. No shard is held.
#[cold]
pub(super) fn make_room(store: &Store) {
    let (trackers, shards) = (&store.pubsub.trackers, store.keyspace.len());
    let mut before = usize::MAX;
    while trackers.is_full() && trackers.keys() < before {
        before = trackers.keys();
        for shard in 0..shards {
            let Ok(mut locks) = store.keyspace.lock(1 << shard) else { return };
            // What is too much comes from all shards alike.
            for _ in 0..trackers.excess().div_ceil(shards - shard) {
                trackers.evict(locks.shard(shard), &store.clients);
            }
        }
    }
}

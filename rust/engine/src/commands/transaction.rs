//! Transactions.

use std::sync::atomic::Ordering;

use crate::error;
use crate::handler::{Args, Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row};
use crate::keyspace::Presence;
use crate::resp::Reply;
use crate::seeded::{self, Bug};

pub(super) const ROWS: &[Row] = &[
    Row::new("MULTI", 1, Group::Transactions, multi)
        .since("1.2.0")
        .doc("Begins a transaction: what follows is queued until EXEC.", "O(1)")
        .flags(
            Flags::NOSCRIPT
                .with(Flags::LOADING)
                .with(Flags::STALE)
                .with(Flags::FAST)
                .with(Flags::NO_MULTI)
                .with(Flags::ALLOW_BUSY)
                .with(Flags::SESSION)
                .with(Flags::UNQUEUED),
        ),
    Row::new("EXEC", 1, Group::Transactions, exec)
        .since("1.2.0")
        .doc("Runs the queued commands of a transaction.", "Depends on the queued commands")
        .keys(Keys::Transaction)
        .flags(
            Flags::NOSCRIPT
                .with(Flags::LOADING)
                .with(Flags::STALE)
                .with(Flags::SKIP_SLOWLOG)
                .with(Flags::SESSION)
                .with(Flags::UNQUEUED),
        ),
    Row::new("DISCARD", 1, Group::Transactions, discard)
        .since("2.0.0")
        .doc("Drops the queued commands of a transaction.", "O(N) for N queued commands")
        .flags(
            Flags::NOSCRIPT
                .with(Flags::LOADING)
                .with(Flags::STALE)
                .with(Flags::FAST)
                .with(Flags::ALLOW_BUSY)
                .with(Flags::SESSION)
                .with(Flags::UNQUEUED),
        ),
    Row::new("WATCH", -2, Group::Transactions, watch)
        .since("2.2.0")
        .doc("Lets the next EXEC fail if one of the keys changes before it.", "O(1) per key")
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::RO)]))
        .flags(
            Flags::NOSCRIPT
                .with(Flags::LOADING)
                .with(Flags::STALE)
                .with(Flags::FAST)
                .with(Flags::NO_MULTI)
                .with(Flags::ALLOW_BUSY)
                .with(Flags::SESSION)
                .with(Flags::UNQUEUED),
        )
        .usage("key:key..."),
    Row::new("UNWATCH", 1, Group::Transactions, unwatch).since("2.2.0").doc("Forgets all watched keys.", "O(1)").flags(
        Flags::NOSCRIPT
            .with(Flags::LOADING)
            .with(Flags::STALE)
            .with(Flags::FAST)
            .with(Flags::ALLOW_BUSY)
            .with(Flags::SESSION),
    ),
];

fn multi(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if context.client.transaction.is_some() {
        return Err(error::NESTED_MULTI);
    }
    context.client.begin_transaction();
    reply.ok();
    Ok(Effect::none())
}

fn exec(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(transaction) = context.client.end_transaction() else { return Err(error::EXEC_WITHOUT_MULTI) };
    let is_stale = has_watched_change(context);
    context.client.unwatch_held(context.locks);
    if transaction.is_broken {
        return Err(error::EXEC_ABORT);
    }
    if is_stale {
        reply.null_array();
        return Ok(Effect::none());
    }
    let door = context.door;
    // To others the client is in its transaction until the end of it.
    let link = std::sync::Arc::clone(&context.client.link);
    link.queued.store(transaction.queue.len() as i64, Ordering::Relaxed);
    reply.array(transaction.queue.len());
    for queued in &transaction.queue {
        door.run_queued(context, queued, reply);
    }
    link.queued.store(-1, Ordering::Relaxed);
    Ok(Effect::none())
}

/// Whether a watched key was changed, or its time is over since it was watched.
fn has_watched_change(context: &Context<'_, '_>) -> bool {
    let Some(watching) = &context.client.watching else { return false };
    watching.flag.is_raised()
        || watching.keys.iter().any(|watched| {
            let key = context.store.keyspace.key(&watched.key);
            !seeded::is_on(Bug::WatchedExpiryMissed)
                && !watched.was_gone
                && context.presence(watched.db, key) == Presence::Expired
        })
}

fn discard(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if context.client.end_transaction().is_none() {
        return Err(error::DISCARD_WITHOUT_MULTI);
    }
    context.client.unwatch(&context.store.keyspace);
    reply.ok();
    Ok(Effect::none())
}

fn watch(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if context.client.transaction.is_some() {
        return Err(error::WATCH_INSIDE_MULTI);
    }
    for key in context.keys() {
        context.watch(*key);
    }
    reply.ok();
    Ok(Effect::none())
}

fn unwatch(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // Inside EXEC nothing is watched any more, so no shard is locked twice.
    context.client.unwatch(&context.store.keyspace);
    reply.ok();
    Ok(Effect::none())
}

//! Runs one command under its locks and does what must be one step with it.

use std::sync::Arc;

use super::ahead::{self, Ahead};
use super::errand;
use super::heard;
use super::plan::{self, Plan};
use super::transaction::Queue;
use super::waiting;
use crate::client::{Client, Unblock};
use crate::config::KeyspaceEvents;
use crate::error;
use crate::handler::{Account, Args, Command, Context, Effect, Keys, Log, StepOf, Store, Wait, Waiting, World};
use crate::keyspace::{Key, Locks};
use crate::resp::Reply;
use crate::seeded::{self, Bug};

/// A command with its words.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What it is.
    pub command: &'a Command,
    /// Its words, the name first.
    pub args: Args<'a>,
}

/// Whether a command may wait, and in which form its reply is wanted then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It must reply at once.
    Now,
    /// It may wait.
    MayWait(Unblock),
}

/// Runs an admitted command. `Some` if it waits instead of replying.
#[inline]
pub fn execute(
    store: &Store,
    client: &mut Client,
    call: &Call<'_>,
    mode: Mode,
    now_ms: i64,
    reply: &mut Reply<'_>,
) -> Option<Arc<waiting::Blocked>> {
    let mut plan = Plan::default();
    plan::plan(store, client, call, &mut plan);
    let mut locks = store.keyspace.unlocked();
    if locks.lock(plan.mask).is_err() {
        refuse_poisoned(store, reply);
        return None;
    }
    execute_locked(store, client, call, &mut plan.keys, &mut locks, mode, now_ms, reply)
}

/// Runs an admitted command that must reply at once, unless somebody else holds one of its shards: then false, and nothing
/// was done.
#[inline]
pub fn try_execute(store: &Store, client: &mut Client, call: &Call<'_>, reply: &mut Reply<'_>) -> bool {
    if let Some(index) = call.command.single_key() {
        let mut key = store.keyspace.key(call.args.word(index));
        let mask = key.mask();
        return try_planned(store, client, call, std::slice::from_mut(&mut key), mask, reply);
    }
    try_any(store, client, call, reply)
}

#[inline(never)]
fn try_any(store: &Store, client: &mut Client, call: &Call<'_>, reply: &mut Reply<'_>) -> bool {
    let mut plan = Plan::default();
    plan::plan(store, client, call, &mut plan);
    try_planned(store, client, call, &mut plan.keys, plan.mask, reply)
}

#[inline]
fn try_planned(
    store: &Store,
    client: &mut Client,
    call: &Call<'_>,
    keys: &mut [Key<'_>],
    mask: u64,
    reply: &mut Reply<'_>,
) -> bool {
    let mut locks = store.keyspace.unlocked();
    match locks.try_lock(mask) {
        Ok(true) => {
            // Memory comes while the clock is read and the command gets ready.
            if let [key] = keys {
                ahead::fetch_bucket(&locks, client.db, key);
            }
            let now_ms = store.clock.unix_ms();
            if let [key] = keys {
                ahead::fetch_blob(&locks, client.db, key);
            }
            execute_locked(store, client, call, keys, &mut locks, Mode::Now, now_ms, reply);
            true
        }
        Ok(false) => false,
        Err(_) => {
            refuse_poisoned(store, reply);
            true
        }
    }
}

#[cold]
fn refuse_poisoned(store: &Store, reply: &mut Reply<'_>) {
    store.poison();
    reply.error(&error::POISONED);
}

#[expect(clippy::too_many_arguments, reason = "it is the second half of two functions")]
#[inline]
fn execute_locked<'e>(
    store: &'e Store,
    client: &mut Client,
    call: &Call<'_>,
    keys: &mut [Key<'_>],
    locks: &mut Locks<'e>,
    mode: Mode,
    now_ms: i64,
    reply: &mut Reply<'_>,
) -> Option<Arc<waiting::Blocked>> {
    if keys.len() > 1 {
        // All at once instead of one behind the other.
        Ahead::default().reach(locks, client.db, keys, keys.len());
    }
    let mut account = Account::default();
    let waiting = if mode == Mode::Now { Waiting::Never } else { Waiting::MayBegin };
    let world =
        World { store, client: &mut *client, door: &Queue, locks: &mut *locks, account: &mut account, now_ms, waiting };
    let wait = run(&mut Context::new(world, keys), call, reply);
    let mut errand = None;
    let blocked = match (wait, mode) {
        (Some(wait), Mode::MayWait(form)) => {
            let rare = account.rare();
            let (again, out) = rare.map(|rare| (rare.again.take(), rare.errand.take())).unwrap_or_default();
            // Who waits for an errand waits for nobody's key.
            let keys = if out.is_some() { &[] } else { &*keys };
            errand = out;
            Some(waiting::park(store, client, call, keys, locks, wait, again, form))
        }
        _ => None,
    };
    locks.let_others_in(Bug::EarlyUnlock);
    settle(store, locks, &mut account, now_ms);
    if store.journal.gate.is_closed() {
        let is_walk = matches!(call.command.row.keys, Keys::Each);
        depend(store, client, locks, &account, is_walk);
    }
    store.publish_memory(locks);
    locks.release();
    finish(store, &mut account, now_ms);
    if let (Some(blocked), Some(errand)) = (&blocked, errand) {
        errand::begin(store, blocked, errand);
    }
    blocked
}

/// Runs a step of an errand under the locks of its keys.
///
/// # Errors
/// What the step answers; or the store is poisoned.
pub(super) fn step(
    store: &Store,
    client: &mut Client,
    call: &Call<'_>,
    step: &mut StepOf<'_>,
) -> Result<(), error::Error> {
    let mut plan = Plan::default();
    plan::plan(store, client, call, &mut plan);
    let Ok(mut locks) = store.keyspace.lock(plan.mask) else {
        store.poison();
        return Err(error::POISONED);
    };
    let (mut account, now_ms) = (Account::default(), store.clock.unix_ms());
    let waiting = Waiting::Never;
    let world = World { store, client, door: &Queue, locks: &mut locks, account: &mut account, now_ms, waiting };
    let mut context = Context::new(world, &plan.keys);
    let db = context.db();
    let outcome = step(&mut context);
    conclude(&mut context, db, call, outcome.as_ref().unwrap_or(&Effect::none()));
    drop(context);
    settle(store, &mut locks, &mut account, now_ms);
    store.publish_memory(&mut locks);
    drop(locks);
    finish(store, &mut account, now_ms);
    outcome.map(drop)
}

/// Puts what a command or a step did to the account, if there is anything to tell.
#[inline]
fn conclude(context: &mut Context<'_, '_>, db: usize, call: &Call<'_>, effect: &Effect) {
    if context.has_trace() || context.store.is_heard() {
        apply(context, db, call, effect);
    } else if !matches!(effect.log, Log::Nothing) {
        context.count_change();
    }
}

/// Notes how far the journal must be released before the client may see its reply. `is_walk`: the command has looked at
/// shards that are not held any more.
#[inline(never)]
pub(super) fn depend(store: &Store, client: &mut Client, locks: &Locks<'_>, account: &Account, is_walk: bool) {
    if seeded::is_on(Bug::ReplyBeforeLog) {
        return;
    }
    let mut offset = account.offset;
    if store.journal.gate.holds_reads() && !seeded::is_on(Bug::ReadBeforeSync) {
        offset = if is_walk {
            store.journal.end()
        } else {
            locks.iter().map(|shard| shard.journal_offset).fold(offset, u64::max)
        };
    }
    client.offset = client.offset.max(offset);
}

/// Does what was left for when no lock is held any more.
#[inline]
pub(super) fn finish(store: &Store, account: &mut Account, now_ms: i64) {
    if account.rare().is_some() {
        waiting::serve_strays(store, account, now_ms);
        account.rare().into_iter().flat_map(|rare| &rare.wakes).for_each(|link| link.wake());
        if account.rare().is_some_and(|rare| rare.saves) {
            store.persist.save_after_flush();
        }
    }
    if store.pubsub.trackers.is_full() {
        heard::make_room(store);
    }
    store.clients.wake_all();
}

/// Runs the handler and puts what it did to the account.
#[inline]
pub(super) fn run(context: &mut Context<'_, '_>, call: &Call<'_>, reply: &mut Reply<'_>) -> Option<Wait> {
    let Some(handler) = call.command.row.handler else {
        reply.error(&error::Error::arity(call.command.full_name()));
        return None;
    };
    let db = context.db();
    // An effect is large, so it stays where the handler put it.
    let outcome = handler(context, call.args, reply);
    match &outcome {
        Ok(effect) => {
            conclude(context, db, call, effect);
            if context.client.tracking.is_some() {
                heard::remember(context, call);
                heard::end_caching(context.client, call);
            }
            effect.wait.as_deref().copied()
        }
        Err(error) => {
            context.store.counters.count_error(error);
            context.store.observed.commands.failed(call.command.id);
            reply.error(error);
            if context.has_trace() {
                apply(context, db, call, &Effect::none());
            }
            None
        }
    }
}

/// Puts what a command did to the account: journal records, events, watches, keys that somebody waits for.
fn apply(context: &mut Context<'_, '_>, db: usize, call: &Call<'_>, effect: &Effect) {
    let store = context.store;
    if effect.log == Log::AsReceived && context.keys().len() > 1 && store.journal.is_on() {
        // Who reads the words again must find them gone, as this command did.
        context.drop_expired_of_plan(db);
    }
    let mut trace = std::mem::take(&mut context.trace);
    if store.journal.is_on() {
        for (db, key) in &trace.expired {
            context.account.batch.push(*db, &[b"DEL".as_slice(), key.bytes()]);
        }
        match &effect.log {
            Log::Nothing => {}
            Log::AsReceived => context.account.batch.push(db, call.args.words()),
            Log::Instead(commands) => {
                if commands.len() > 1 {
                    context.account.batch.set_transaction();
                }
                for words in commands {
                    context.account.batch.push(db, words);
                }
            }
        }
    }
    if effect.log != Log::Nothing {
        context.count_change();
    }
    for (db, key) in &trace.expired {
        context.locks().shard(key.shard()).watches.touch_expired(*db, key.bytes());
        store.observe(*db, KeyspaceEvents::EXPIRED, "expired", key.bytes());
        heard::tell_change(context, key.shard(), key.bytes());
    }
    heard::tell_events(context, db, effect, &mut trace);
    for (db, key) in &trace.changed {
        let shard = context.locks().shard(key.shard());
        if !seeded::is_on(Bug::WatchNotTold) {
            shard.watches.touch(*db, key.bytes());
        }
        if !shard.waiters.is_empty() && !seeded::is_on(Bug::LostWake) {
            context.account.ready.push((*db, key.bytes().into()));
        }
        heard::tell_change(context, key.shard(), key.bytes());
    }
}

/// Closes the account while the locks are still held: the journal first, then those who waited for a changed key, each
/// of which is a command with an account of its own.
#[inline]
pub(super) fn settle<'e>(store: &'e Store, locks: &mut Locks<'e>, account: &mut Account, now_ms: i64) {
    if !account.is_blank() {
        close(store, locks, account, now_ms);
    }
}

#[inline(never)]
fn close<'e>(store: &'e Store, locks: &mut Locks<'e>, account: &mut Account, now_ms: i64) {
    write(store, locks, account);
    heard::close(store, locks, account);
    let databases = account.rare().map(|rare| std::mem::take(&mut rare.databases)).unwrap_or_default();
    for db in databases {
        let keys = locks.iter().flat_map(|shard| shard.waiters.keys(db)).map(|key| (db, key.into()));
        account.ready.extend(keys);
    }
    if !account.ready.is_empty() {
        waiting::serve(store, locks, account, now_ms);
    }
}

/// Appends the account's records to the journal.
#[inline]
pub(super) fn write(store: &Store, locks: &mut Locks<'_>, account: &mut Account) {
    if account.batch.is_empty() {
        return;
    }
    account.offset = store.journal.append(&account.batch);
    account.batch.clear();
    if store.journal.gate.holds_reads() {
        locks.iter_mut().for_each(|(_, shard)| shard.journal_offset = account.offset);
    }
}

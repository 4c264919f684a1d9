//! What is remembered of a command that ran: how often, how long, whether it was slow or large, who wants to see it.
//!
//! The logs are leaves and may be written with shards held; who monitors is woken when none is held any more.

use std::sync::Arc;

use super::run::Call;
use crate::client::{Client, Link};
use crate::handler::{Account, Flags, Store};
use crate::observe::{Attention, LogEntry, LogKind, secret, shortened};

/// What one command cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Nanoseconds.
    pub ns: u64,
    /// Bytes of its reply; 0 where nobody counts.
    pub reply_bytes: u64,
    /// When it ended, in Unix milliseconds.
    pub now_ms: i64,
}

/// Nanoseconds from one reading of the wall clock to another; 0 if somebody set it back meanwhile.
#[inline]
pub fn elapsed_ns(begin_ns: i64, end_ns: i64) -> u64 {
    u64::try_from(end_ns.saturating_sub(begin_ns)).unwrap_or(0)
}

/// Remembers a command that ran alone. No shard is held.
#[inline]
pub fn record(store: &Store, client: &Client, call: &Call<'_>, cost: Cost) {
    note(store, client, call, cost);
    show_waiting(store, client, call);
}

/// Lets those who monitor see a command that begins to wait; it is counted when it has its reply. No shard is held.
#[inline]
pub fn show_waiting(store: &Store, client: &Client, call: &Call<'_>) {
    if store.observed.attends(Attention::Monitor) {
        for monitor in show(store, client, call) {
            monitor.wake();
        }
    }
}

/// Remembers a command that ran inside another, under locks that are still held.
pub(super) fn record_locked(store: &Store, client: &Client, call: &Call<'_>, cost: Cost, account: &mut Account) {
    note(store, client, call, cost);
    if store.observed.attends(Attention::Monitor) {
        account.add().wakes.extend(show(store, client, call));
    }
}

/// Counts and times a command, and enters it in the logs. Shards may be held.
#[inline]
pub(super) fn note(store: &Store, client: &Client, call: &Call<'_>, cost: Cost) {
    let observed = &store.observed;
    observed.commands.timed(call.command.id, 1, cost.ns);
    log(store, client, call, cost);
    let threshold_ms = observed.latency.threshold_ms();
    if threshold_ms != 0 {
        let event = if call.command.row.flags.has(Flags::FAST) { "fast-command" } else { "command" };
        observed.latency.add(event, cost.ns / 1000, cost.now_ms);
    }
}

/// Remembers commands that ran together and took so long together: each is given an equal share.
pub fn record_window(store: &Store, client: &Client, calls: &[Call<'_>], cost: Cost) {
    let observed = &store.observed;
    let ns = cost.ns / calls.len().max(1) as u64;
    for run in calls.chunk_by(|one, other| one.command.id == other.command.id) {
        if let Some(first) = run.first() {
            observed.commands.timed(first.command.id, run.len() as u64, ns * run.len() as u64);
        }
    }
    if ns / 1000 >= observed.logs.of(LogKind::Slow).threshold() {
        for call in calls {
            add(store, client, call, LogKind::Slow, ns / 1000, cost.now_ms);
        }
    }
    observed.latency.add("fast-command", cost.ns / 1000, cost.now_ms);
}

/// Enters a command in the logs whose thresholds it reaches.
#[inline]
fn log(store: &Store, client: &Client, call: &Call<'_>, cost: Cost) {
    let logs = &store.observed.logs;
    if cost.ns / 1000 >= logs.of(LogKind::Slow).threshold() {
        add(store, client, call, LogKind::Slow, cost.ns / 1000, cost.now_ms);
    }
    if cost.reply_bytes >= logs.of(LogKind::LargeReply).threshold() {
        add(store, client, call, LogKind::LargeReply, cost.reply_bytes, cost.now_ms);
    }
    let limit = logs.of(LogKind::LargeRequest).threshold();
    let words = call.args.words();
    let bytes: usize = words.iter().map(|word| word.len()).sum();
    // Digits and line ends around a word are no more than this.
    if (bytes + (words.len() + 1) * 24) as u64 >= limit {
        let bytes = request_bytes(words);
        if bytes >= limit {
            add(store, client, call, LogKind::LargeRequest, bytes, cost.now_ms);
        }
    }
}

/// Bytes of a request as client libraries write it.
fn request_bytes(words: &[&[u8]]) -> u64 {
    let digits = |number: usize| u64::from(number.checked_ilog10().unwrap_or(0)) + 1;
    let bulk = |word: &&[u8]| 1 + digits(word.len()) + 2 + word.len() as u64 + 2;
    1 + digits(words.len()) + 2 + words.iter().map(bulk).sum::<u64>()
}

/// Notes a long reply of a command that ran together with others.
#[cold]
pub(super) fn log_large_reply(store: &Store, client: &Client, call: &Call<'_>, bytes: u64, now_ms: i64) {
    add(store, client, call, LogKind::LargeReply, bytes, now_ms);
}

#[cold]
fn add(store: &Store, client: &Client, call: &Call<'_>, kind: LogKind, amount: u64, now_ms: i64) {
    if call.command.row.flags.has(Flags::SKIP_SLOWLOG) {
        return;
    }
    let words = shortened(secret::redacted(call.args.words()));
    let name = client.link.names().name.as_str().into();
    let peer = client.link.origin.peer.as_str().into();
    store.observed.logs.of(kind).add(LogEntry { id: 0, at_s: now_ms.div_euclid(1000), amount, words, peer, name });
}

/// Leaves a message with everyone who monitors; they must be woken.
#[cold]
fn show(store: &Store, client: &Client, call: &Call<'_>) -> Vec<Arc<Link>> {
    if call.command.row.flags.has(Flags::SKIP_MONITOR.with(Flags::ADMIN)) {
        return Vec::new();
    }
    store.monitors.show(&client.link, client.db, call.args.words(), store.clock.unix_us())
}

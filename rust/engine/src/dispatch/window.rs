//! Windows: several pipelined commands of one session under one set of locks, their memory fetched ahead.
//!
//! A random key costs two cache misses, one for its bucket and one for its blob. A command alone waits for both. In a
//! window the bucket is asked for some sixteen keys ahead and the blob some eight keys ahead, while the commands before them run.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::ahead::Ahead;
use super::elements::fetch_elements;
use super::plan::add_keys;
use super::record::log_large_reply;
use super::run::{Call, depend, finish, run, settle};
use super::transaction::Queue;
use crate::client::Client;
use crate::handler::{Account, Context, Store, Waiting, World};
use crate::keyspace::Key;
use crate::observe::LogKind;
use crate::resp::Reply;
use crate::values::Named;

/// Commands in a window at most: each holds the locks of all, and what takes long by its nature runs alone.
pub const WINDOW_CALLS_MAX: usize = 32;
/// Keys in a window at most.
const WINDOW_KEYS_MAX: usize = 128;
/// Bytes of arguments of one command in a window: more takes its time, so it runs alone.
const WINDOW_CALL_BYTES_MAX: usize = 16 * 1024;
/// Memory that a window can take at most: what is written costs less than its bytes twice.
pub const WINDOW_BYTES_MAX: usize = 2 * WINDOW_CALLS_MAX * WINDOW_CALL_BYTES_MAX;

/// Whether a command of a plain client, with arguments of `bytes` bytes in all, needs no further check and may share its
/// locks with its neighbours.
#[inline]
pub fn fits_window(call: &Call<'_>, bytes: usize) -> bool {
    let words = call.args.len();
    call.command.shares_locks()
        && call.command.row.accepts(words)
        && words <= WINDOW_KEYS_MAX
        && bytes <= WINDOW_CALL_BYTES_MAX
}

/// Runs admitted commands in order, together if nobody else holds one of their shards. Returns how many were run; the rest
/// must be run alone, one after the other.
pub fn execute_window(
    store: &Store,
    client: &mut Client,
    calls: &[Call<'_>],
    now_ms: i64,
    reply: &mut Reply<'_>,
) -> usize {
    let mut keys: SmallVec<[Key<'_>; WINDOW_KEYS_MAX]> = SmallVec::new();
    let mut ends: ArrayVec<usize, WINDOW_CALLS_MAX> = ArrayVec::new();
    let mut mask = 0;
    for call in calls {
        mask |= add_keys(store, call, &mut keys);
        ends.push(keys.len());
    }
    let mut locks = store.keyspace.unlocked();
    if !matches!(locks.try_lock(mask), Ok(true)) {
        return 0;
    }
    let names = fetch_elements(&locks, client.db, calls, &keys, &ends);
    let mut account = Account::default();
    let world = World {
        store,
        client: &mut *client,
        door: &Queue,
        locks: &mut locks,
        account: &mut account,
        now_ms,
        waiting: Waiting::Never,
    };
    let done = run_all(Context::new(world, &[]), calls.iter().zip(&ends), &names, &mut keys, reply);
    if store.journal.gate.is_closed() {
        depend(store, client, &locks, &account, false);
    }
    store.publish_memory(&mut locks);
    drop(locks);
    finish(store, &mut account, now_ms);
    done
}

/// Runs calls, each with the end of its keys, until all are run or somebody must come before the next.
#[inline]
fn run_all<'a, 'c: 'a>(
    mut context: Context<'a, '_>,
    calls: impl Iterator<Item = (&'a Call<'c>, &'a usize)>,
    names: &'a [Named<'c>],
    mut keys: &'a mut [Key<'c>],
    reply: &mut Reply<'_>,
) -> usize {
    let (store, db, now_ms) = (context.store, context.db(), context.now_ms());
    let mut ahead = Ahead::default();
    let reply_bytes_max = store.observed.logs.of(LogKind::LargeReply).threshold();
    let mut position = reply.position();
    let (mut begin, mut done) = (0, 0);
    for (call, &end) in calls {
        context.named = names.get(done);
        let count = end - begin;
        ahead.reach(context.locks, db, keys, count);
        ahead.pass(count);
        let (own, later) = std::mem::take(&mut keys).split_at_mut(count);
        (context.keys, keys, begin) = (own, later, end);
        run(&mut context, call, reply);
        let before = std::mem::replace(&mut position, reply.position());
        if position.wrapping_sub(before) >= reply_bytes_max {
            log_large_reply(store, context.client, call, position.wrapping_sub(before), now_ms);
        }
        settle(store, context.locks, context.account, now_ms);
        done += 1;
        if context.account.has_strays() {
            // Who waits for a key comes before the next command of who changed it.
            break;
        }
    }
    done
}

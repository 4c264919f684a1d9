//! Windows: several pipelined commands of one session under one set of locks, their memory fetched ahead.
//!
//! A random key costs two cache misses, one for its bucket and one for its blob. A command alone waits for both. In a
//! window the bucket is asked for sixteen keys ahead and the blob eight keys ahead, while the commands before them run.

use smallvec::SmallVec;

use super::ahead::Ahead;
use super::plan::{add_keys, mask_of};
use super::run::{Call, run, settle, wake};
use super::transaction::Queue;
use super::waiting::serve_strays;
use crate::client::Client;
use crate::handler::{Account, Store, World};
use crate::keyspace::Key;
use crate::resp::Reply;

/// Commands in a window at most; with it a window holds its locks for less than 20 µs.
pub const WINDOW_CALLS_MAX: usize = 32;
/// Keys in a window at most.
const WINDOW_KEYS_MAX: usize = 128;
/// Bytes of arguments of one command in a window: more takes its time, so it runs alone.
const WINDOW_CALL_BYTES_MAX: usize = 16 * 1024;
/// Memory that a window can take at most: what is written costs less than its bytes twice.
pub const WINDOW_BYTES_MAX: usize = 2 * WINDOW_CALLS_MAX * WINDOW_CALL_BYTES_MAX;

/// Whether a command of a plain client needs no further check and may share its locks with its neighbours.
#[inline]
pub fn fits_window(call: &Call<'_>) -> bool {
    let words = call.args.words();
    call.command.shares_locks()
        && call.command.row.accepts(words.len())
        && words.len() <= WINDOW_KEYS_MAX
        && words.iter().map(|word| word.len()).sum::<usize>() <= WINDOW_CALL_BYTES_MAX
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
    let mut ends: SmallVec<[usize; WINDOW_CALLS_MAX]> = SmallVec::new();
    for call in calls {
        add_keys(store, call, &mut keys);
        ends.push(keys.len());
    }
    let mut locks = store.keyspace.unlocked();
    if !matches!(locks.try_lock(mask_of(&keys)), Ok(true)) {
        return 0;
    }
    let mut ahead = Ahead::default();
    let mut account = Account::default();
    let (mut begin, mut done) = (0, 0);
    for (call, &end) in calls.iter().zip(&ends) {
        ahead.reach(&locks, client.db, &mut keys, end);
        let world =
            World { store, client, door: &Queue, locks: &mut locks, account: &mut account, now_ms, can_wait: false };
        run(world, call, &keys[begin..end], reply);
        settle(store, &mut locks, &mut account, now_ms);
        begin = end;
        done += 1;
        if !account.strays.is_empty() {
            // Who waits for a key comes before the next command of who changed it.
            break;
        }
    }
    store.publish_memory(&mut locks);
    drop(locks);
    if !account.strays.is_empty() {
        serve_strays(store, &mut account, now_ms);
    }
    wake(&account.wakes);
    done
}

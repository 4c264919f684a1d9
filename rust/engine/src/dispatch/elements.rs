//! Asks for the memory of elements before it is needed: of those that neighbours in a pipeline look for in one collection.
//!
//! An element of a large collection costs two misses of the cache, and a command that looks for one does little else. Only
//! commands on the same key are helped, so that it costs those on many keys nothing but a comparison.

use smallvec::SmallVec;

use super::run::Call;
use super::window::WINDOW_CALLS_MAX;
use crate::keyspace::{Key, Locks};

/// Asks for what calls will look for. `ends` are the ends of their keys.
pub(super) fn fetch_elements(locks: &Locks<'_>, db: usize, calls: &[Call<'_>], keys: &[Key<'_>], ends: &[usize]) {
    let has_one_key = |(number, end): (usize, &usize)| *end == number + 1;
    if !ends.iter().enumerate().all(has_one_key) {
        return;
    }
    let (mut calls, mut keys) = (calls, keys);
    while let Some(key) = keys.first() {
        let count = keys.iter().take_while(|other| other.hash() == key.hash() && other.bytes() == key.bytes()).count();
        let (own, later) = calls.split_at(count.min(calls.len()));
        if count > 1 {
            fetch(locks, db, key, own);
        }
        (calls, keys) = (later, keys.get(count..).unwrap_or_default());
    }
}

fn fetch(locks: &Locks<'_>, db: usize, key: &Key<'_>, calls: &[Call<'_>]) {
    let names: SmallVec<[&[u8]; WINDOW_CALLS_MAX]> = calls
        .iter()
        .filter(|call| call.command.row.element > 0)
        .filter_map(|call| call.args.get(call.command.row.element.into()))
        .collect();
    if names.len() < 2 {
        return;
    }
    if let Some(entry) = locks.peek(key.shard()).db(db).and_then(|part| part.get(key)) {
        entry.value().fetch(&names);
    }
}

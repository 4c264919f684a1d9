//! Which shards a command locks.

use smallvec::SmallVec;

use super::run::Call;
use crate::client::Client;
use crate::handler::{Args, Keys, Store, each_key};
use crate::keyspace::Key;

/// The keys of a command, hashed, and the shards they lie in.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub keys: SmallVec<[Key<'a>; 8]>,
    pub mask: u64,
}

/// Plans a command: fills an empty plan.
#[inline]
pub(super) fn plan<'a>(store: &Store, client: &Client, call: &Call<'a>, plan: &mut Plan<'a>) {
    plan.mask = add_keys(store, call, &mut plan.keys);
    if call.command.single_key().is_some() {
        return;
    }
    match call.command.row.keys {
        Keys::All | Keys::AllWith(_) => plan.mask = store.keyspace.all(),
        Keys::Computed(_, find) if find(call.args).is_all => plan.mask = store.keyspace.all(),
        Keys::Transaction => plan.mask |= transaction_mask(store, client),
        Keys::None | Keys::Each | Keys::Specs(_) | Keys::Computed(..) => {}
    }
}

/// Hashes the keys that the specifications name, and gives their shards. Words that do not fit them name no key: the handler
/// refuses those.
#[inline]
pub(super) fn add_keys<'a, const N: usize>(store: &Store, call: &Call<'a>, keys: &mut SmallVec<[Key<'a>; N]>) -> u64 {
    if let Some(index) = call.command.single_key() {
        let word = call.args.word(index);
        // Neighbours in a pipeline often change one collection.
        let key = match keys.last() {
            Some(last) if last.is(word) => *last,
            _ => store.keyspace.key(word),
        };
        keys.push(key);
        return key.mask();
    }
    let (before, mut mask) = (keys.len(), 0);
    let found = each_key(call.command.row, call.args, |found| {
        let key = store.keyspace.key(call.args.word(found.index));
        mask |= key.mask();
        keys.push(key);
    });
    if found.is_err() {
        keys.truncate(before);
        return 0;
    }
    mask
}

/// The shards of all queued commands and all watched keys.
fn transaction_mask(store: &Store, client: &Client) -> u64 {
    let mut mask = 0;
    for watched in client.watching.iter().flat_map(|watching| &watching.keys) {
        mask |= store.keyspace.key(&watched.key).mask();
    }
    for queued in client.transaction.iter().flat_map(|transaction| &transaction.queue) {
        let words: SmallVec<[&[u8]; 8]> = queued.words.iter().map(AsRef::as_ref).collect();
        if let Some(command) = store.table.all().get(queued.command as usize) {
            if matches!(command.row.keys, Keys::Each) {
                // Nothing may be locked while something is held, so what it will visit is locked with the rest.
                return store.keyspace.all();
            }
            let mut queued = Plan::default();
            plan(store, client, &Call { command, args: Args::new(&words) }, &mut queued);
            mask |= queued.mask;
        }
    }
    mask
}

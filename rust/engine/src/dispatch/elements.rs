//! Asks for the memory of elements before it is needed: of those that neighbours in a pipeline look for in one collection.
//!
//! An element of a large collection costs two misses of the cache, and a command that looks for one does little else. Only
//! commands on the same key are helped, so that it costs those on many keys nothing but a comparison.

use arrayvec::ArrayVec;

use super::run::Call;
use super::window::WINDOW_CALLS_MAX;
use crate::keyspace::{Key, Locks};
use crate::values::Named;

/// What calls look for, in their order, as far as something is seen of it: of the first calls of a window.
pub(super) type Names<'a> = ArrayVec<Named<'a>, WINDOW_CALLS_MAX>;

/// Asks for what calls will look for, and gives what is seen of it. `ends` are the ends of their keys.
#[inline]
pub(super) fn fetch_elements<'a>(
    locks: &Locks<'_>,
    db: usize,
    calls: &[Call<'a>],
    keys: &[Key<'_>],
    ends: &[usize],
) -> Names<'a> {
    // Where keys of neighbours are the same, they are copies of each other.
    if keys.len() != calls.len() || !keys.windows(2).any(|pair| pair[1].is_copy_of(&pair[0])) {
        return Names::new();
    }
    let has_one_key = |(number, end): (usize, &usize)| *end == number + 1;
    if ends.iter().enumerate().all(has_one_key) { fetch_groups(locks, db, calls, keys) } else { Names::new() }
}

#[inline(never)]
fn fetch_groups<'a>(locks: &Locks<'_>, db: usize, calls: &[Call<'a>], keys: &[Key<'_>]) -> Names<'a> {
    let mut names: Names<'a> = calls.iter().map(|call| Named::from(element_of(call))).collect();
    let (mut rest, mut keys) = (&mut names[..], keys);
    while let Some(key) = keys.first() {
        let count = keys.iter().take_while(|other| other.is_copy_of(key)).count();
        let (own, later) = rest.split_at_mut(count.min(rest.len()));
        if count > 1
            && own.iter().any(|named| !named.bytes().is_empty())
            && let Some(entry) = locks.peek(key.shard()).db(db).and_then(|part| part.get(key))
        {
            entry.value().fetch(own);
        }
        (rest, keys) = (later, keys.get(count..).unwrap_or_default());
    }
    names
}

/// The name of the element that a call looks for; empty if it looks for none.
fn element_of<'a>(call: &Call<'a>) -> &'a [u8] {
    match call.command.row.element {
        0 => &[],
        index => call.args.word(index.into()),
    }
}

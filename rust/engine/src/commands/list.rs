//! Lists: the rows, and what their handlers share.

mod blocking;
mod ends;
mod moves;
mod place;
mod search;

use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Begin, Effect, Find, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::resp::Reply;
use crate::values::list::{List, Side};
use rkv_collections::packed::{Digits, Entry};

const POPPED: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);
const PUSHED: KeyFlags = KeyFlags::RW.with(KeyFlags::INSERT);
const READ: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
const MOVED: Keys = Keys::Specs(&[KeySpec::one(1, POPPED), KeySpec::one(2, PUSHED)]);

pub(super) const ROWS: &[Row] = &[
    Row::new("BLMOVE", 6, Group::List, blocking::blmove)
        .since("6.2.0")
        .doc("Moves an element between ends of lists as LMOVE does, and waits for one if there is none.", "O(1)")
        .keys(MOVED)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::BLOCKING))
        .usage("source:key destination:key wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT) timeout:double"),
    Row::new("BLMPOP", -5, Group::List, blocking::blmpop)
        .since("7.0.0")
        .doc(
            "Removes elements as LMPOP does, and waits for some if there are none.",
            "O(N+M) for N keys and M elements",
        )
        .keys(Keys::Specs(&[KeySpec {
            begin: Begin::Index(2),
            find: Find::Count { index: 0, first: 1, step: 1 },
            flags: POPPED,
        }]))
        .flags(Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS))
        .usage("timeout:double numkeys:integer key:key... where:(LEFT | RIGHT) [COUNT count:integer]"),
    Row::new("BLPOP", -3, Group::List, blocking::blpop)
        .since("2.0.0")
        .doc("Removes the head of the first list that has one, and waits if none has.", "O(N) for N keys")
        .keys(Keys::Specs(&[KeySpec::range(1, -2, 1, POPPED)]))
        .flags(Flags::WRITE.with(Flags::BLOCKING))
        .usage("key:key... timeout:double"),
    Row::new("BRPOP", -3, Group::List, blocking::brpop)
        .since("2.0.0")
        .doc("Removes the tail of the first list that has one, and waits if none has.", "O(N) for N keys")
        .keys(Keys::Specs(&[KeySpec::range(1, -2, 1, POPPED)]))
        .flags(Flags::WRITE.with(Flags::BLOCKING))
        .usage("key:key... timeout:double"),
    Row::new("BRPOPLPUSH", 4, Group::List, blocking::brpoplpush)
        .since("2.2.0")
        .doc("Moves the last element of a list to the head of another, and waits for one if there is none.", "O(1)")
        .keys(MOVED)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::BLOCKING))
        .usage("source:key destination:key timeout:double"),
    Row::new("LINDEX", 3, Group::List, place::lindex)
        .doc("Reads one element of a list.", "O(log N)")
        .keys(Keys::Specs(&[KeySpec::one(1, READ)]))
        .flags(Flags::READONLY)
        .usage("key:key index:integer"),
    Row::new("LINSERT", 5, Group::List, place::linsert)
        .since("2.2.0")
        .doc("Puts an element before or after the first that equals another.", "O(N) for N elements before that one")
        .keys(Keys::Specs(&[KeySpec::one(1, PUSHED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .usage("key:key where:(BEFORE | AFTER) pivot:string element:string"),
    Row::new("LLEN", 2, Group::List, place::llen)
        .doc("Counts the elements of a list.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("LMOVE", 5, Group::List, moves::lmove)
        .since("6.2.0")
        .doc("Moves an element from an end of a list to an end of another, and returns it.", "O(1)")
        .keys(MOVED)
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("source:key destination:key wherefrom:(LEFT | RIGHT) whereto:(LEFT | RIGHT)"),
    Row::new("LMPOP", -4, Group::List, ends::lmpop)
        .since("7.0.0")
        .doc(
            "Removes elements at an end of the first list that has any, and returns them.",
            "O(N+M) for N keys and M elements",
        )
        .keys(Keys::Specs(&[KeySpec {
            begin: Begin::Index(1),
            find: Find::Count { index: 0, first: 1, step: 1 },
            flags: POPPED,
        }]))
        .flags(Flags::WRITE.with(Flags::MOVABLEKEYS))
        .usage("numkeys:integer key:key... where:(LEFT | RIGHT) [COUNT count:integer]"),
    Row::new("LPOP", -2, Group::List, ends::lpop)
        .doc("Removes elements at the head of a list, and returns them.", "O(N) for N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, POPPED)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key [count:integer@6.2.0]"),
    Row::new("LPOS", -3, Group::List, search::lpos)
        .since("6.0.6")
        .doc("Finds where in a list elements stand that equal another.", "O(N) for N elements looked at")
        .keys(Keys::Specs(&[KeySpec::one(1, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key element:string [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]"),
    Row::new("LPUSH", -3, Group::List, ends::lpush)
        .doc("Puts elements before the head of a list, one after the other.", "O(N) for N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, PUSHED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key element:string..."),
    Row::new("LPUSHX", -3, Group::List, ends::lpushx)
        .since("2.2.0")
        .doc("Puts elements before the head of a list, if there is one.", "O(N) for N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, PUSHED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key element:string..."),
    Row::new("LRANGE", 4, Group::List, place::lrange)
        .doc("Reads the elements of a list between two indices.", "O(log N+M) for M elements returned")
        .keys(Keys::Specs(&[KeySpec::one(1, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key start:integer stop:integer"),
    Row::new("LREM", 4, Group::List, place::lrem)
        .doc("Removes elements that equal another.", "O(N) for a list of N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))]))
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .usage("key:key count:integer element:string"),
    Row::new("LSET", 4, Group::List, place::lset)
        .doc("Replaces one element of a list.", "O(log N)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key index:integer element:string"),
    Row::new("LTRIM", 4, Group::List, place::ltrim)
        .doc("Removes the elements outside of two indices.", "O(N) for N elements removed")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))]))
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .usage("key:key start:integer stop:integer"),
    Row::new("RPOP", -2, Group::List, ends::rpop)
        .doc("Removes elements at the tail of a list, and returns them.", "O(N) for N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, POPPED)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key [count:integer@6.2.0]"),
    Row::new("RPOPLPUSH", 3, Group::List, moves::rpoplpush)
        .since("1.2.0")
        .doc("Moves the last element of a list to the head of another, and returns it.", "O(1)")
        .keys(MOVED)
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("source:key destination:key"),
    Row::new("RPUSH", -3, Group::List, ends::rpush)
        .doc("Puts elements behind the tail of a list, one after the other.", "O(N) for N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, PUSHED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key element:string..."),
    Row::new("RPUSHX", -3, Group::List, ends::rpushx)
        .since("2.2.0")
        .doc("Puts elements behind the tail of a list, if there is one.", "O(N) for N elements")
        .keys(Keys::Specs(&[KeySpec::one(1, PUSHED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key element:string..."),
];

/// `LEFT` or `RIGHT`.
fn side(word: &[u8]) -> Result<Side, Error> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(Side::Left)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(Side::Right)
    } else {
        Err(error::SYNTAX)
    }
}

/// The word for a side.
const fn side_name(side: Side) -> &'static [u8] {
    match side {
        Side::Left => b"LEFT",
        Side::Right => b"RIGHT",
    }
}

/// The event, and the command, that pushes at a side.
const fn push_name(side: Side) -> &'static str {
    match side {
        Side::Left => "lpush",
        Side::Right => "rpush",
    }
}

/// The event that pops at a side.
const fn pop_name(side: Side) -> &'static str {
    match side {
        Side::Left => "lpop",
        Side::Right => "rpop",
    }
}

/// The command that pops at a side.
const fn pop_command(side: Side) -> &'static [u8] {
    match side {
        Side::Left => b"LPOP",
        Side::Right => b"RPOP",
    }
}

/// Refuses what no list can hold.
fn check_sizes(elements: &[&[u8]]) -> Result<(), Error> {
    if elements.iter().all(|element| List::accepts(element)) { Ok(()) } else { Err(error::ELEMENT_TOO_LARGE) }
}

/// Replies with an element.
#[inline]
fn write(entry: Entry<'_>, reply: &mut Reply<'_>) {
    match entry {
        Entry::Str(bytes) => reply.bulk(bytes),
        Entry::Int(_) => reply.bulk(entry.bytes(&mut Digits::new())),
    }
}

/// Adds the event of a key that went with its last element.
fn deleted(effect: Effect, emptied: bool, key: usize) -> Effect {
    if emptied { effect.event(KeyspaceEvents::GENERIC, "del", key) } else { effect }
}

/// A stretch of a list of `len` elements as first index and count, of two indices that count from the end if negative.
fn stretch(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let start = if start < 0 { start.saturating_add(len).max(0) } else { start };
    let stop = if stop < 0 { stop.saturating_add(len) } else { stop.min(len - 1) };
    if start > stop || start >= len { (0, 0) } else { (start as usize, (stop - start + 1) as usize) }
}

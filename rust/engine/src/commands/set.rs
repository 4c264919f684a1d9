//! Commands on sets.

mod algebra;
mod chance;
mod single;

use crate::handler::{Begin, Find, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::resp::Reply;
use rkv_collections::packed::Entry;

const LOOK: KeyFlags = KeyFlags::RO;
const READ: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
const REMOVE: KeyFlags = KeyFlags::RW.with(KeyFlags::DELETE);
const TAKE: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);
const INSERT: KeyFlags = KeyFlags::RW.with(KeyFlags::INSERT);
const READ_ALL: Keys = Keys::Specs(&[KeySpec::range(1, -1, 1, READ)]);
const STORE_ALL: Keys =
    Keys::Specs(&[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)), KeySpec::range(2, -1, 1, READ)]);
const UNORDERED: &[&str] = &["nondeterministic_output_order"];
const VARIES: &[&str] = &["nondeterministic_output"];
const SMALLEST: &str = "O(N*M) for N members of the smallest of M sets";
const TOTAL: &str = "O(N) for N members of all sets together";
const FAST_READ: Flags = Flags::READONLY.with(Flags::FAST);
const LONG_READ: Flags = Flags::READONLY.with(Flags::LINEAR);
const LONG_STORE: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR);

const fn one(flags: KeyFlags) -> KeySpec {
    KeySpec::one(1, flags)
}

pub(super) const ROWS: &[Row] = &[
    Row::new("SADD", -3, Group::Set, single::sadd)
        .doc("Adds members to a set.", "O(1) for each member")
        .keys(Keys::Specs(&[one(INSERT)]))
        .element(2)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key member:string..."),
    Row::new("SCARD", 2, Group::Set, single::scard)
        .doc("Counts the members of a set.", "O(1)")
        .keys(Keys::Specs(&[one(LOOK)]))
        .flags(FAST_READ)
        .usage("key:key"),
    Row::new("SDIFF", -2, Group::Set, algebra::sdiff)
        .doc("Lists the members of a set that others do not have.", TOTAL)
        .keys(READ_ALL)
        .flags(LONG_READ)
        .tips(UNORDERED)
        .usage("key:key..."),
    Row::new("SDIFFSTORE", -3, Group::Set, algebra::sdiffstore)
        .doc("Stores the members of a set that others do not have.", TOTAL)
        .keys(STORE_ALL)
        .flags(LONG_STORE)
        .usage("destination:key key:key..."),
    Row::new("SINTER", -2, Group::Set, algebra::sinter)
        .doc("Lists the members that all of the sets have.", SMALLEST)
        .keys(READ_ALL)
        .flags(LONG_READ)
        .tips(UNORDERED)
        .usage("key:key..."),
    Row::new("SINTERCARD", -3, Group::Set, algebra::sintercard)
        .since("7.0.0")
        .doc("Counts the members that all of the sets have.", SMALLEST)
        .keys(Keys::Specs(&[KeySpec {
            begin: Begin::Index(1),
            find: Find::Count { index: 0, first: 1, step: 1 },
            flags: READ,
        }]))
        .flags(LONG_READ.with(Flags::MOVABLEKEYS))
        .usage("numkeys:integer key:key... [LIMIT limit:integer]"),
    Row::new("SINTERSTORE", -3, Group::Set, algebra::sinterstore)
        .doc("Stores the members that all of the sets have.", SMALLEST)
        .keys(STORE_ALL)
        .flags(LONG_STORE)
        .usage("destination:key key:key..."),
    Row::new("SISMEMBER", 3, Group::Set, single::sismember)
        .doc("Tells whether a set has a member.", "O(1)")
        .keys(Keys::Specs(&[one(LOOK)]))
        .element(2)
        .flags(FAST_READ)
        .usage("key:key member:string"),
    Row::new("SMEMBERS", 2, Group::Set, single::smembers)
        .doc("Lists the members of a set.", "O(N) for N members")
        .keys(Keys::Specs(&[one(READ)]))
        .flags(LONG_READ)
        .tips(UNORDERED)
        .usage("key:key"),
    Row::new("SMISMEMBER", -3, Group::Set, single::smismember)
        .since("6.2.0")
        .doc("Tells of each of some members whether a set has it.", "O(N) for N members asked for")
        .keys(Keys::Specs(&[one(READ)]))
        .element(2)
        .flags(FAST_READ)
        .usage("key:key member:string..."),
    Row::new("SMOVE", 4, Group::Set, single::smove)
        .doc("Moves a member from one set to another.", "O(1)")
        .keys(Keys::Specs(&[one(TAKE), KeySpec::one(2, INSERT)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("source:key destination:key member:string"),
    Row::new("SPOP", -2, Group::Set, chance::spop)
        .doc("Removes members chosen by chance and gives them.", "O(1) without the count, else O(N) for a count of N")
        .keys(Keys::Specs(&[one(TAKE)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .tips(VARIES)
        .usage("key:key [count:integer@3.2.0]"),
    Row::new("SRANDMEMBER", -2, Group::Set, chance::srandmember)
        .doc("Gives members chosen by chance.", "O(1) without the count, else O(N) for a count of N")
        .keys(Keys::Specs(&[one(READ)]))
        .flags(LONG_READ)
        .tips(VARIES)
        .usage("key:key [count:integer@2.6.0]"),
    Row::new("SREM", -3, Group::Set, single::srem)
        .doc("Removes members from a set.", "O(N) for N members to be removed")
        .keys(Keys::Specs(&[one(REMOVE)]))
        .element(2)
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key member:string..."),
    Row::new("SUNION", -2, Group::Set, algebra::sunion)
        .doc("Lists the members that any of the sets has.", TOTAL)
        .keys(READ_ALL)
        .flags(LONG_READ)
        .tips(UNORDERED)
        .usage("key:key..."),
    Row::new("SUNIONSTORE", -3, Group::Set, algebra::sunionstore)
        .doc("Stores the members that any of the sets has.", TOTAL)
        .keys(STORE_ALL)
        .flags(LONG_STORE)
        .usage("destination:key key:key..."),
];

/// Writes a member.
#[inline]
fn write(member: Entry<'_>, reply: &mut Reply<'_>) {
    match member {
        Entry::Int(number) => reply.bulk_integer(number),
        Entry::Str(bytes) => reply.bulk(bytes),
    }
}

#[cfg(test)]
mod tests;

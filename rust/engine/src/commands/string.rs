//! Strings: the rows, and what their handlers share.

mod number;
mod options;
mod part;
mod several;
mod single;

use crate::error::Error;
use crate::handler::{Begin, Context, Effect, Find, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::keyspace::Key;
use crate::resp::Reply;
use crate::values::string::StringRef;

pub(super) const ROWS: &[Row] = &[
    Row::new("APPEND", 3, Group::String, part::append)
        .since("2.0.0")
        .doc("Adds bytes to the end of a string; a missing key begins empty.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key value:string"),
    Row::new("DECR", 2, Group::String, number::decr)
        .doc("Subtracts one from an integer; a missing key counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key"),
    Row::new("DECRBY", 3, Group::String, number::decrby)
        .doc("Subtracts a number from an integer; a missing key counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key decrement:integer"),
    Row::new("DELIFEQ", 3, Group::String, single::delifeq)
        .since("9.0.0")
        .doc("Deletes a string key if it holds the given value.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RM.with(KeyFlags::DELETE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key value:string"),
    Row::new("GET", 2, Group::String, single::get)
        .doc("Reads a string.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("GETDEL", 2, Group::String, single::getdel)
        .since("6.2.0")
        .doc("Reads a string and deletes its key.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key"),
    Row::new("GETEX", -2, Group::String, single::getex)
        .since("6.2.0")
        .doc("Reads a string and sets or removes the expiry of its key.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage(
            "key:key [expiration:(EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time \
             | PXAT unix-time-milliseconds:unix-time | PERSIST)]",
        ),
    Row::new("GETRANGE", 4, Group::String, part::getrange)
        .since("2.4.0")
        .doc("Reads the bytes of a string between two offsets.", "O(N) for N bytes returned")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY)
        .usage("key:key start:integer end:integer"),
    Row::new("GETSET", 3, Group::String, single::getset)
        .doc("Sets a string and returns what was there before.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key value:string"),
    Row::new("INCR", 2, Group::String, number::incr)
        .doc("Adds one to an integer; a missing key counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key"),
    Row::new("INCRBY", 3, Group::String, number::incrby)
        .doc("Adds a number to an integer; a missing key counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key increment:integer"),
    Row::new("INCRBYFLOAT", 3, Group::String, number::incrbyfloat)
        .since("2.6.0")
        .doc("Adds a floating point number to a number; a missing key counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key increment:double"),
    Row::new("LCS", -3, Group::String, part::lcs)
        .since("7.0.0")
        .doc("Finds the longest common subsequence of two strings.", "O(N*M) for strings of N and M bytes")
        .keys(Keys::Specs(&[KeySpec::range(1, 1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key1:key key2:key#0 [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]"),
    Row::new("MGET", -2, Group::String, several::mget)
        .doc("Reads several strings at once.", "O(N) for N keys")
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .tips(&["request_policy:multi_shard"])
        .usage("key:key..."),
    Row::new("MSET", -3, Group::String, several::mset)
        .since("1.0.1")
        .doc("Sets several strings at once.", "O(N) for N keys")
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 2, KeyFlags::OW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .usage("data:(key:key value:string)..."),
    Row::new("MSETEX", -4, Group::String, several::msetex)
        .since("9.1.0")
        .doc("Sets several strings at once, with one expiry and a condition on all of the keys.", "O(N) for N keys")
        .keys(Keys::Specs(&[KeySpec {
            begin: Begin::Index(1),
            find: Find::Count { index: 0, first: 1, step: 2 },
            flags: KeyFlags::OW.with(KeyFlags::UPDATE),
        }]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .usage(
            "numkeys:integer data:(key:key value:string)... [NX | XX] [expiration:(EX seconds:integer | PX \
             milliseconds:integer | EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | \
             KEEPTTL)]",
        ),
    Row::new("MSETNX", -3, Group::String, several::msetnx)
        .since("1.0.1")
        .doc("Sets several strings at once, but only if none of the keys exists.", "O(N) for N keys")
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 2, KeyFlags::OW.with(KeyFlags::INSERT))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("data:(key:key value:string)..."),
    Row::new("PSETEX", 4, Group::String, single::psetex)
        .since("2.6.0")
        .doc("Sets a string with an expiry in milliseconds.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key milliseconds:integer value:string"),
    Row::new("SET", -3, Group::String, single::set)
        .doc("Sets a string, whatever the key held; options give conditions and expiry.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS),
        )]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage(
            "key:key value:string [NX@2.6.12 | XX@2.6.12 | IFEQ comparison-value:string@8.1.0] [GET@6.2.0] \
             [expiration:(EX seconds:integer@2.6.12 | PX milliseconds:integer@2.6.12 | EXAT \
             unix-time-seconds:unix-time@6.2.0 | PXAT unix-time-milliseconds:unix-time@6.2.0 | KEEPTTL@6.0.0)]",
        ),
    Row::new("SETEX", 4, Group::String, single::setex)
        .since("2.0.0")
        .doc("Sets a string with an expiry in seconds.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key seconds:integer value:string"),
    Row::new("SETNX", 3, Group::String, single::setnx)
        .doc("Sets a string if the key does not exist.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::INSERT))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key value:string"),
    Row::new("SETRANGE", 4, Group::String, part::setrange)
        .since("2.2.0")
        .doc("Overwrites part of a string from an offset on, padding with zero bytes.", "O(M) for M bytes written")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key offset:integer value:string"),
    Row::new("STRLEN", 2, Group::String, part::strlen)
        .since("2.2.0")
        .doc("Tells how many bytes a string has.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("SUBSTR", 4, Group::String, part::getrange)
        .doc("Reads the bytes of a string between two offsets; the old name of GETRANGE.", "O(N) for N bytes returned")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY)
        .usage("key:key start:integer end:integer"),
];

/// Writes a string.
#[inline]
fn write(value: StringRef<'_>, reply: &mut Reply<'_>) {
    match value {
        StringRef::Bytes(bytes) => reply.bulk(bytes),
        StringRef::Integer(number) => reply.bulk_integer(number),
        StringRef::Shared(shared) => reply.shared(shared),
    }
}

/// Reads the string under a key and writes it, or null; tells whether there is one.
///
/// # Errors
/// The key holds another type.
fn write_old(context: &mut Context<'_, '_>, key: Key<'_>, reply: &mut Reply<'_>) -> Result<bool, Error> {
    match context.read(key) {
        None => {
            reply.null();
            Ok(false)
        }
        Some(entry) => {
            write(StringRef::of(entry.value())?, reply);
            Ok(true)
        }
    }
}

/// The effect of a command whose own words are not for the journal. Without a journal nobody reads the others.
fn instead<const N: usize>(context: &Context<'_, '_>, words: [&[u8]; N]) -> Effect {
    if context.is_logged() { Effect::instead(words) } else { Effect::changed() }
}

#[cfg(test)]
mod tests;

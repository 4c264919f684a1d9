//! Hashes: the rows, and what their handlers share.
//!
//! A field may have a deadline of its own. A field whose time is over is absent to every command, but for HLEN, which
//! counts what is stored. It is removed when the shard's wheel finds it, a few milliseconds later, or by a command that
//! stores the field anew; both are the event `hexpired`. The journal hears of a deadline as a point in time, and of what is
//! gone as HDEL, so that a replica, which removes nothing by itself, never has to ask whether a field is still there.

mod expire;
mod number;
mod random;
mod read;
mod several;
mod write;

use rkv_collections::packed::Entry;

use crate::handler::{Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[
    Row::new("HDEL", -3, Group::Hash, write::hdel)
        .since("2.0.0")
        .doc("Removes fields from a hash; an empty hash is removed with its key.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))]))
        .element(2)
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key field:string..."),
    Row::new("HEXISTS", 3, Group::Hash, read::hexists)
        .since("2.0.0")
        .doc("Tells whether a hash has a field.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]))
        .element(2)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key field:string"),
    Row::new("HEXPIRE", -6, Group::Hash, expire::hexpire)
        .since("9.0.0")
        .doc("Lets fields of a hash expire after some seconds.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key seconds:integer [NX | XX | GT | LT] FIELDS fields:(numfields:integer field:string...)"),
    Row::new("HEXPIREAT", -6, Group::Hash, expire::hexpireat)
        .since("9.0.0")
        .doc("Lets fields of a hash expire at a Unix time in seconds.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage(
            "key:key unix-time-seconds:integer [(NX | XX | GT | LT)@9.0.0] FIELDS \
             fields:(numfields:integer#0 field:string...)",
        ),
    Row::new("HEXPIRETIME", -5, Group::Hash, expire::hexpiretime)
        .since("9.0.0")
        .doc("Tells when fields of a hash expire, as Unix times in seconds.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key FIELDS fields:(numfields:integer#0 field:string...)"),
    Row::new("HGET", 3, Group::Hash, read::hget)
        .since("2.0.0")
        .doc("Reads a field of a hash.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .element(2)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key field:string"),
    Row::new("HGETALL", 2, Group::Hash, read::hgetall)
        .since("2.0.0")
        .doc("Reads all fields of a hash with their values.", "O(N) for N fields of the hash")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output_order"])
        .usage("key:key"),
    Row::new("HGETDEL", -5, Group::Hash, several::hgetdel)
        .since("9.1.0")
        .doc("Reads fields of a hash and removes them.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key FIELDS fields:(numfields:integer#0 field:string...)"),
    Row::new("HGETEX", -5, Group::Hash, several::hgetex)
        .since("9.0.0")
        .doc("Reads fields of a hash and sets or removes their expiry.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage(
            "key:key [expiration:(EX seconds:integer | PX milliseconds:integer | EXAT \
             unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | PERSIST)] FIELDS \
             fields:(numfields:integer#0 field:string...)",
        ),
    Row::new("HINCRBY", 4, Group::Hash, number::hincrby)
        .since("2.0.0")
        .doc("Adds a number to an integer in a field of a hash; a missing field counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .element(2)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key field:string increment:integer"),
    Row::new("HINCRBYFLOAT", 4, Group::Hash, number::hincrbyfloat)
        .since("2.6.0")
        .doc("Adds a floating point number to a field of a hash; a missing field counts as 0.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key field:string increment:double"),
    Row::new("HKEYS", 2, Group::Hash, read::hkeys)
        .since("2.0.0")
        .doc("Reads the names of all fields of a hash.", "O(N) for N fields of the hash")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output_order"])
        .usage("key:key"),
    Row::new("HLEN", 2, Group::Hash, read::hlen)
        .since("2.0.0")
        .doc("Tells how many fields a hash has.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("HMGET", -3, Group::Hash, read::hmget)
        .since("2.0.0")
        .doc("Reads several fields of a hash.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key field:string..."),
    Row::new("HMSET", -4, Group::Hash, write::hmset)
        .since("2.0.0")
        .doc("Sets fields of a hash; the old name of HSET.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key data:(field:string value:string)..."),
    Row::new("HPERSIST", -5, Group::Hash, expire::hpersist)
        .since("9.0.0")
        .doc("Lets fields of a hash stay whatever the time.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key FIELDS fields:(numfields:integer#0 field:string...)"),
    Row::new("HPEXPIRE", -6, Group::Hash, expire::hpexpire)
        .since("9.0.0")
        .doc("Lets fields of a hash expire after some milliseconds.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage(
            "key:key milliseconds:integer [(NX | XX | GT | LT)@9.0.0] FIELDS fields:(numfields:integer#0 \
             field:string...)",
        ),
    Row::new("HPEXPIREAT", -6, Group::Hash, expire::hpexpireat)
        .since("9.0.0")
        .doc("Lets fields of a hash expire at a Unix time in milliseconds.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage(
            "key:key unix-time-milliseconds:integer [(NX | XX | GT | LT)@9.0.0] FIELDS \
             fields:(numfields:integer#0 field:string...)",
        ),
    Row::new("HPEXPIRETIME", -5, Group::Hash, expire::hpexpiretime)
        .since("9.0.0")
        .doc("Tells when fields of a hash expire, as Unix times in milliseconds.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key FIELDS fields:(numfields:integer#0 field:string...)"),
    Row::new("HPTTL", -5, Group::Hash, expire::hpttl)
        .since("9.0.0")
        .doc("Tells how many milliseconds fields of a hash have left.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key FIELDS fields:(numfields:integer#0 field:string...)"),
    Row::new("HRANDFIELD", -2, Group::Hash, random::hrandfield)
        .since("6.2.0")
        .doc("Reads fields of a hash by chance.", "O(N) for N fields returned")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output"])
        .usage("key:key [options:(count:integer [WITHVALUES])]"),
    Row::new("HSET", -4, Group::Hash, write::hset)
        .since("2.0.0")
        .doc("Sets fields of a hash.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]))
        .element(2)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key data:(field:string value:string)..."),
    Row::new("HSETEX", -6, Group::Hash, several::hsetex)
        .since("9.0.0")
        .doc("Sets fields of a hash with one expiry, and conditions on the key and on the fields.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage(
            "key:key [key-condition:(NX | XX)] [fields-condition:(FNX | FXX)] [expiration:(EX \
             seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | PXAT \
             unix-time-milliseconds:unix-time | KEEPTTL)] FIELDS fields:(numfields:integer#0 \
             data:(field:string value:string)...)",
        ),
    Row::new("HSETNX", 4, Group::Hash, write::hsetnx)
        .since("2.0.0")
        .doc("Sets a field of a hash if it does not exist.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))]))
        .element(2)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key field:string value:string"),
    Row::new("HSTRLEN", 3, Group::Hash, read::hstrlen)
        .since("3.2.0")
        .doc("Tells how many bytes the value of a field of a hash has.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]))
        .element(2)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key field:string"),
    Row::new("HTTL", -5, Group::Hash, expire::httl)
        .since("9.0.0")
        .doc("Tells how many seconds fields of a hash have left.", "O(N) for N fields")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key FIELDS fields:(numfields:integer#0 field:string...)"),
    Row::new("HVALS", 2, Group::Hash, read::hvals)
        .since("2.0.0")
        .doc("Reads the values of all fields of a hash.", "O(N) for N fields of the hash")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output_order"])
        .usage("key:key"),
];

/// Writes a field's name or value.
#[inline]
fn write(entry: Entry<'_>, reply: &mut Reply<'_>) {
    match entry {
        Entry::Int(number) => reply.bulk_integer(number),
        Entry::Str(bytes) => reply.bulk(bytes),
    }
}

/// The effect of a command that the journal hears of as `head` with `tail` behind it. Without a journal nobody reads that.
fn instead<'w>(context: &Context<'_, '_>, head: &[&'w [u8]], tail: impl IntoIterator<Item = &'w [u8]>) -> Effect {
    if !context.is_logged() {
        return Effect::changed();
    }
    let words = head.iter().copied().chain(tail).map(Box::from);
    Effect::instead_all(vec![words.collect()])
}

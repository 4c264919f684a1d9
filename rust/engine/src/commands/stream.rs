//! Streams: the rows, and what their handlers share.

mod add;
mod claim;
mod group;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod trim;

use crate::error::{self, Error};
use crate::handler::{Begin, Find, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::resp::Reply;
use crate::values::stream::StreamEntry;
use rkv_collections::packed::{Digits, Entry};

const UPDATED: KeyFlags = KeyFlags::RW.with(KeyFlags::UPDATE);
const DELETED: KeyFlags = KeyFlags::RW.with(KeyFlags::DELETE);
const INSERTED: KeyFlags = KeyFlags::RW.with(KeyFlags::INSERT);
const READ: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
const CHANCE: &[&str] = &["nondeterministic_output"];

const fn streams_behind(from: i16) -> KeySpec {
    KeySpec { begin: Begin::Keyword("STREAMS", from), find: Find::Range { last: -1, step: 1, limit: 2 }, flags: READ }
}

pub(super) const ROWS: &[Row] = &[
    Row::new("XACK", -4, Group::Stream, pending::xack)
        .since("5.0.0")
        .doc("Acknowledges entries that a consumer of a group was given.", "O(N) for N ids")
        .keys(Keys::Specs(&[KeySpec::one(1, UPDATED)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key group:string id:string..."),
    Row::new("XADD", -5, Group::Stream, add::xadd)
        .since("5.0.0")
        .doc(
            "Adds an entry to a stream, and may trim it; an absent key begins as an empty stream.",
            "O(1), and O(N) for N entries that trimming removes",
        )
        .keys(Keys::Specs(&[KeySpec::one(1, UPDATED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .tips(CHANCE)
        .usage(
            "key:key [NOMKSTREAM@6.2.0] [trim:(strategy:(MAXLEN | MINID@6.2.0) [operator:(equal='=' | approximately='~')] \
             threshold:string [LIMIT count:integer@6.2.0])] id-selector:(auto-id='*' | id:string) \
             data:(field:string value:string)...",
        ),
    Row::new("XAUTOCLAIM", -6, Group::Stream, claim::xautoclaim)
        .since("6.2.0")
        .doc("Gives entries that were pending for long to another consumer, from an id on.", "O(N) for N entries that are looked at")
        .keys(Keys::Specs(&[KeySpec::one(1, DELETED)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .tips(CHANCE)
        .usage(
            "key:key group:string consumer:string min-idle-time:string start:string [COUNT count:integer] [JUSTID]",
        ),
    Row::new("XCLAIM", -6, Group::Stream, claim::xclaim)
        .since("5.0.0")
        .doc(
            "Gives pending entries to another consumer of their group.",
            "O(log N) for each id and N pending entries",
        )
        .keys(Keys::Specs(&[KeySpec::one(1, UPDATED)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .tips(CHANCE)
        .usage(
            "key:key group:string consumer:string min-idle-time:string id:string... [IDLE ms:integer] \
             [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid:string]",
        ),
    Row::new("XDEL", -3, Group::Stream, trim::xdel)
        .since("5.0.0")
        .doc(
            "Deletes entries by their ids, and counts those that were there.",
            "O(log N) for each id and N entries",
        )
        .keys(Keys::Specs(&[KeySpec::one(1, DELETED)]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key id:string..."),
    Row::container("XGROUP", Group::Stream, GROUP_ROWS)
        .since("5.0.0")
        .doc("Container of commands about consumer groups.", "Depends on subcommand."),
    Row::container("XINFO", Group::Stream, INFO_ROWS)
        .since("5.0.0")
        .doc("Container of commands that describe streams.", "Depends on subcommand."),
    Row::new("XLEN", 2, Group::Stream, range::xlen)
        .since("5.0.0")
        .doc("Counts the entries of a stream.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("XPENDING", -3, Group::Stream, pending::xpending)
        .since("5.0.0")
        .doc(
            "Tells which entries were delivered and not acknowledged.",
            "O(N) for N entries returned; with IDLE, for N entries looked at",
        )
        .keys(Keys::Specs(&[KeySpec::one(1, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(CHANCE)
        .usage(
            "key:key group:string [filters:([IDLE min-idle-time:integer@6.2.0] start:string end:string count:integer \
             [consumer:string])]",
        ),
    Row::new("XRANGE", -4, Group::Stream, range::xrange)
        .since("5.0.0")
        .doc("Reads the entries between two ids.", RANGE_COMPLEXITY)
        .keys(Keys::Specs(&[KeySpec::one(1, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key start:string end:string [COUNT count:integer]"),
    Row::new("XREAD", -4, Group::Stream, read::xread)
        .since("5.0.0")
        .doc("Reads entries behind given ids from several streams, and may wait for some.", READ_COMPLEXITY)
        .keys(Keys::Specs(&[streams_behind(1)]))
        .flags(Flags::READONLY.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS))
        .usage("[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS streams:(key:key... id:string...)"),
    Row::new("XREADGROUP", -7, Group::Stream, read::xreadgroup)
        .since("5.0.0")
        .doc(
            "Reads entries for a consumer of a group: new ones, or those that it has, and may wait for some.",
            READ_COMPLEXITY,
        )
        .keys(Keys::Specs(&[streams_behind(4)]))
        .flags(Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS))
        .usage(
            "GROUP group-block:(group:string consumer:string) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] \
             STREAMS streams:(key:key... id:string...)",
        ),
    Row::new("XREVRANGE", -4, Group::Stream, range::xrevrange)
        .since("5.0.0")
        .doc("Reads the entries between two ids, the last first.", RANGE_COMPLEXITY)
        .keys(Keys::Specs(&[KeySpec::one(1, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key end:string start:string [COUNT count:integer]"),
    Row::new("XSETID", -3, Group::Stream, trim::xsetid)
        .since("5.0.0")
        .doc("Sets the last id of a stream.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, UPDATED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage(
            "key:key last-id:string [ENTRIESADDED entries-added:integer@7.0.0] [MAXDELETEDID max-deleted-id:string@7.0.0]",
        ),
    Row::new("XTRIM", -4, Group::Stream, trim::xtrim)
        .since("5.0.0")
        .doc(
            "Deletes the oldest entries of a stream.",
            "O(N) for N entries removed",
        )
        .keys(Keys::Specs(&[KeySpec::one(1, DELETED)]))
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .tips(CHANCE)
        .usage(
            "key:key trim:(strategy:(MAXLEN | MINID@6.2.0) [operator:(equal='=' | approximately='~')] threshold:string \
             [LIMIT count:integer@6.2.0])",
        ),
];

const READ_COMPLEXITY: &str = "O(M) for M entries returned from each stream; XADD pays for each client that waits";
const RANGE_COMPLEXITY: &str = "O(log(N) + M) for N entries and M of them returned";

const GROUP_ROWS: &[Row] = &[
    Row::new("CREATE", -5, Group::Stream, group::xgroup_create)
        .since("5.0.0")
        .doc("Makes a consumer group.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, INSERTED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage(
            "key:key group:string id-selector:(id:string | new-id='$') [MKSTREAM] \
             [ENTRIESREAD entriesread/entries-read:integer]",
        ),
    Row::new("CREATECONSUMER", 5, Group::Stream, group::xgroup_createconsumer)
        .since("6.2.0")
        .doc("Adds a consumer to a group.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, INSERTED)]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key group:string consumer:string"),
    Row::new("DELCONSUMER", 5, Group::Stream, group::xgroup_delconsumer)
        .since("5.0.0")
        .doc("Removes a consumer from a group, with all that is pending for it.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, DELETED)]))
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .usage("key:key group:string consumer:string"),
    Row::new("DESTROY", 4, Group::Stream, group::xgroup_destroy)
        .since("5.0.0")
        .doc("Removes a consumer group.", "O(N) for N pending entries")
        .keys(Keys::Specs(&[KeySpec::one(2, DELETED)]))
        .flags(Flags::WRITE)
        .usage("key:key group:string"),
    Row::new("HELP", 2, Group::Stream, group::xgroup_help)
        .since("5.0.0")
        .doc("Lists the subcommands of XGROUP.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("SETID", -5, Group::Stream, group::xgroup_setid)
        .since("5.0.0")
        .doc("Sets how far a consumer group has read.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, UPDATED)]))
        .flags(Flags::WRITE)
        .usage(
            "key:key group:string id-selector:(id:string | new-id='$') [ENTRIESREAD entriesread/entries-read:integer]",
        ),
];

const INFO_ROWS: &[Row] = &[
    Row::new("CONSUMERS", 4, Group::Stream, info::xinfo_consumers)
        .since("5.0.0")
        .doc("Lists the consumers of a group.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(CHANCE)
        .usage("key:key group:string"),
    Row::new("GROUPS", 3, Group::Stream, info::xinfo_groups)
        .since("5.0.0")
        .doc("Lists the consumer groups of a stream.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key"),
    Row::new("HELP", 2, Group::Stream, info::xinfo_help)
        .since("5.0.0")
        .doc("Lists the subcommands of XINFO.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("STREAM", -3, Group::Stream, info::xinfo_stream)
        .since("5.0.0")
        .doc("Describes a stream.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(2, READ)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key [full-block:(FULL [COUNT count:integer])]"),
];

/// Replies with a field or a value.
#[inline]
fn write(entry: Entry<'_>, reply: &mut Reply<'_>) {
    match entry {
        Entry::Str(bytes) => reply.bulk(bytes),
        Entry::Int(_) => reply.bulk(entry.bytes(&mut Digits::new())),
    }
}

/// Replies with an entry.
#[inline]
fn write_entry(entry: &StreamEntry<'_>, reply: &mut Reply<'_>) {
    reply.array(2);
    reply.bulk(&entry.id.text());
    reply.array(2 * entry.pairs());
    entry.each(|name, value| {
        write(name, reply);
        write(value, reply);
    });
}

/// A group that is not there, as commands about entries say it.
fn no_group(key: &[u8], group: &[u8]) -> Error {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    Error::text(format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
}

/// A group that is not there, as XGROUP and XINFO say it.
fn no_such_group(key: &[u8], group: &[u8]) -> Error {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    Error::text(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}

/// A count that may be 0 or less, which all counts as 0.
fn count(word: &[u8]) -> Result<usize, Error> {
    let count = crate::number::parse_i64(word).ok_or(error::NOT_INTEGER)?;
    Ok(usize::try_from(count).unwrap_or(if count < 0 { 0 } else { usize::MAX }))
}

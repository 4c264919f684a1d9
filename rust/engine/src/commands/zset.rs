//! Sorted sets.

mod blocking;
mod combine;
mod pop;
mod random;
mod range;
mod single;

use std::ops::Range;

use crate::config::KeyspaceEvents;
use crate::handler::{Begin, Context, Effect, Find, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row};
use crate::keyspace::Edited;
use crate::resp::Reply;
use crate::values::Zset;
use crate::values::zset::ZsetView;

const DELETE: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))]);
const INCREMENT: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]);
const LOOK: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]);
const POP: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))]);
const POP_ANY: Keys =
    Keys::Specs(&[KeySpec::range(1, -2, 1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))]);
const POP_FIRST: Keys = Keys::Specs(&[counted(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))]);
const POP_WAITING: Keys = Keys::Specs(&[counted(2, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))]);
const READ: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);
const READ_ALL: Keys = Keys::Specs(&[counted(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);
const STORE: Keys = Keys::Specs(&[
    KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
    counted(2, KeyFlags::RO.with(KeyFlags::ACCESS)),
]);
const STORE_RANGE: Keys = Keys::Specs(&[
    KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
    KeySpec::one(2, KeyFlags::RO.with(KeyFlags::ACCESS)),
]);
const UPDATE: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]);

/// As many keys as the word at `at` says, behind it.
const fn counted(at: i16, flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Index(at), find: Find::Count { index: 0, first: 1, step: 1 }, flags }
}

pub(super) const ROWS: &[Row] = &[
    Row::new("BZMPOP", -5, Group::SortedSet, blocking::bzmpop)
        .since("7.0.0")
        .doc(
            "Removes members as ZMPOP does, and waits for some if there are none.",
            "O(K + log N + M) for K keys and M members popped",
        )
        .keys(POP_WAITING)
        .flags(Flags::WRITE.with(Flags::BLOCKING).with(Flags::MOVABLEKEYS))
        .usage("timeout:double numkeys:integer key:key... where:(MIN | MAX) [COUNT count:integer]"),
    Row::new("BZPOPMAX", -3, Group::SortedSet, blocking::bzpopmax)
        .since("5.0.0")
        .doc("Removes the highest member of the first sorted set that has one, and waits if none has.", "O(log N)")
        .keys(POP_ANY)
        .flags(Flags::WRITE.with(Flags::FAST).with(Flags::BLOCKING))
        .usage("key:key... timeout:double"),
    Row::new("BZPOPMIN", -3, Group::SortedSet, blocking::bzpopmin)
        .since("5.0.0")
        .doc("Removes the lowest member of the first sorted set that has one, and waits if none has.", "O(log N)")
        .keys(POP_ANY)
        .flags(Flags::WRITE.with(Flags::FAST).with(Flags::BLOCKING))
        .usage("key:key... timeout:double"),
    Row::new("ZADD", -4, Group::SortedSet, single::zadd)
        .since("1.2.0")
        .doc("Adds members to a sorted set, or changes their scores.", "O(log N) for each member")
        .keys(UPDATE)
        .element(3)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage(
            "key:key [(NX | XX)@3.0.2] [comparison:(GT | LT)@6.2.0] [change=CH@3.0.2] [increment=INCR@3.0.2] \
             data:(score:double member:string)...",
        ),
    Row::new("ZCARD", 2, Group::SortedSet, single::zcard)
        .since("1.2.0")
        .doc("Counts the members of a sorted set.", "O(1)")
        .keys(LOOK)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("ZCOUNT", 4, Group::SortedSet, range::zcount)
        .since("2.0.0")
        .doc("Counts the members whose score is in a range.", "O(log N)")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key min:double max:double"),
    Row::new("ZDIFF", -3, Group::SortedSet, combine::zdiff)
        .since("6.2.0")
        .doc("Shows the members of the first sorted set that no other one has.", "O(N log N) for N members in all")
        .keys(READ_ALL)
        .flags(Flags::READONLY.with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage("numkeys:integer key:key... [WITHSCORES]"),
    Row::new("ZDIFFSTORE", -4, Group::SortedSet, combine::zdiffstore)
        .since("6.2.0")
        .doc("Stores the members of the first sorted set that no other one has.", "O(N log N) for N members in all")
        .keys(STORE)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage("destination:key numkeys:integer key:key..."),
    Row::new("ZINCRBY", 4, Group::SortedSet, single::zincrby)
        .since("1.2.0")
        .doc("Adds to the score of a member.", "O(log N)")
        .keys(INCREMENT)
        .element(3)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key increment:integer member:string"),
    Row::new("ZINTER", -3, Group::SortedSet, combine::zinter)
        .since("6.2.0")
        .doc(
            "Shows the members that all sorted sets have.",
            "O(N*K) for K sorted sets, the smallest of N members, and O(M log M) for M found",
        )
        .keys(READ_ALL)
        .flags(Flags::READONLY.with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage(
            "numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM | MIN | MAX)] \
             [WITHSCORES]",
        ),
    Row::new("ZINTERCARD", -3, Group::SortedSet, combine::zintercard)
        .since("7.0.0")
        .doc("Counts the members that all sorted sets have.", "O(N*K) for K sorted sets, the smallest of N members")
        .keys(READ_ALL)
        .flags(Flags::READONLY.with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage("numkeys:integer key:key... [LIMIT limit:integer]"),
    Row::new("ZINTERSTORE", -4, Group::SortedSet, combine::zinterstore)
        .since("2.0.0")
        .doc(
            "Stores the members that all sorted sets have.",
            "O(N*K) for K sorted sets, the smallest of N members, and O(M log M) for M found",
        )
        .keys(STORE)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage(
            "destination:key numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM | \
             MIN | MAX)]",
        ),
    Row::new("ZLEXCOUNT", 4, Group::SortedSet, range::zlexcount)
        .since("2.8.9")
        .doc("Counts the members whose name is in a range, where all scores are equal.", "O(log N)")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key min:string max:string"),
    Row::new("ZMPOP", -4, Group::SortedSet, pop::zmpop)
        .since("7.0.0")
        .doc(
            "Removes the lowest or highest members of the first sorted set that is there, and shows them.",
            "O(K + log N + M) for K keys and M members popped",
        )
        .keys(POP_FIRST)
        .flags(Flags::WRITE.with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage("numkeys:integer key:key... where:(MIN | MAX) [COUNT count:integer]"),
    Row::new("ZMSCORE", -3, Group::SortedSet, single::zmscore)
        .since("6.2.0")
        .doc("Tells the scores of members.", "O(M) for M members asked for")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key member:string..."),
    Row::new("ZPOPMAX", -2, Group::SortedSet, pop::zpopmax)
        .since("5.0.0")
        .doc("Removes the highest members and shows them.", "O(log N + M) for M members popped")
        .keys(POP)
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key [count:integer]"),
    Row::new("ZPOPMIN", -2, Group::SortedSet, pop::zpopmin)
        .since("5.0.0")
        .doc("Removes the lowest members and shows them.", "O(log N + M) for M members popped")
        .keys(POP)
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key [count:integer]"),
    Row::new("ZRANDMEMBER", -2, Group::SortedSet, random::zrandmember)
        .since("6.2.0")
        .doc("Picks members by chance.", "O(M log N) for M members shown")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output"])
        .usage("key:key [options:(count:integer [WITHSCORES])]"),
    Row::new("ZRANGE", -4, Group::SortedSet, range::zrange)
        .since("1.2.0")
        .doc("Shows the members in a range of ranks, scores or names.", "O(log N + M) for M members shown")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage(
            "key:key start:string stop:string [sortby:(BYSCORE | BYLEX)@6.2.0] [REV@6.2.0] [LIMIT \
             limit:(offset:integer count:integer)@6.2.0] [WITHSCORES]",
        ),
    Row::new("ZRANGEBYLEX", -4, Group::SortedSet, range::zrangebylex)
        .since("2.8.9")
        .doc(
            "Shows the members whose name is in a range, where all scores are equal.",
            "O(log N + M) for M members shown",
        )
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key min:string max:string [LIMIT limit:(offset:integer count:integer)]"),
    Row::new("ZRANGEBYSCORE", -4, Group::SortedSet, range::zrangebyscore)
        .since("1.0.5")
        .doc("Shows the members whose score is in a range.", "O(log N + M) for M members shown")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key min:double max:double [WITHSCORES@2.0.0] [LIMIT limit:(offset:integer count:integer)]"),
    Row::new("ZRANGESTORE", -5, Group::SortedSet, range::zrangestore)
        .since("6.2.0")
        .doc("Stores the members in a range of ranks, scores or names.", "O(log N + M) for M members stored")
        .keys(STORE_RANGE)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .usage(
            "dst:key src:key min:string max:string [sortby:(BYSCORE | BYLEX)] [REV] [LIMIT limit:(offset:integer \
             count:integer)]",
        ),
    Row::new("ZRANK", -3, Group::SortedSet, single::zrank)
        .since("2.0.0")
        .doc("Tells the rank of a member, counted from the lowest score.", "O(log N)")
        .keys(READ)
        .element(2)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key member:string [WITHSCORE]"),
    Row::new("ZREM", -3, Group::SortedSet, single::zrem)
        .since("1.2.0")
        .doc("Removes members from a sorted set.", "O(M log N) for M members removed")
        .keys(DELETE)
        .element(2)
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key member:string..."),
    Row::new("ZREMRANGEBYLEX", 4, Group::SortedSet, range::zremrangebylex)
        .since("2.8.9")
        .doc(
            "Removes the members whose name is in a range, where all scores are equal.",
            "O(log N + M) for M members removed",
        )
        .keys(DELETE)
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .usage("key:key min:string max:string"),
    Row::new("ZREMRANGEBYRANK", 4, Group::SortedSet, range::zremrangebyrank)
        .since("2.0.0")
        .doc("Removes the members in a range of ranks.", "O(log N + M) for M members removed")
        .keys(DELETE)
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .usage("key:key start:integer stop:integer"),
    Row::new("ZREMRANGEBYSCORE", 4, Group::SortedSet, range::zremrangebyscore)
        .since("1.2.0")
        .doc("Removes the members whose score is in a range.", "O(log N + M) for M members removed")
        .keys(DELETE)
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .usage("key:key min:double max:double"),
    Row::new("ZREVRANGE", -4, Group::SortedSet, range::zrevrange)
        .since("1.2.0")
        .doc(
            "Shows the members in a range of ranks, counted from the highest score.",
            "O(log N + M) for M members shown",
        )
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key start:integer stop:integer [WITHSCORES]"),
    Row::new("ZREVRANGEBYLEX", -4, Group::SortedSet, range::zrevrangebylex)
        .since("2.8.9")
        .doc(
            "Shows the members whose name is in a range, downwards, where all scores are equal.",
            "O(log N + M) for M members shown",
        )
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key max:string min:string [LIMIT limit:(offset:integer count:integer)]"),
    Row::new("ZREVRANGEBYSCORE", -4, Group::SortedSet, range::zrevrangebyscore)
        .since("2.2.0")
        .doc("Shows the members whose score is in a range, downwards.", "O(log N + M) for M members shown")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key max:double min:double [WITHSCORES] [LIMIT limit:(offset:integer count:integer)]"),
    Row::new("ZREVRANK", -3, Group::SortedSet, single::zrevrank)
        .since("2.0.0")
        .doc("Tells the rank of a member, counted from the highest score.", "O(log N)")
        .keys(READ)
        .element(2)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key member:string [WITHSCORE]"),
    Row::new("ZSCORE", 3, Group::SortedSet, single::zscore)
        .since("1.2.0")
        .doc("Tells the score of a member.", "O(1)")
        .keys(READ)
        .element(2)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key member:string"),
    Row::new("ZUNION", -3, Group::SortedSet, combine::zunion)
        .since("6.2.0")
        .doc(
            "Shows the members that any of the sorted sets has.",
            "O(N) for N members in all, and O(M log M) for M found",
        )
        .keys(READ_ALL)
        .flags(Flags::READONLY.with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage(
            "numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM | MIN | MAX)] \
             [WITHSCORES]",
        ),
    Row::new("ZUNIONSTORE", -4, Group::SortedSet, combine::zunionstore)
        .since("2.0.0")
        .doc(
            "Stores the members that any of the sorted sets has.",
            "O(N) for N members in all, and O(M log M) for M found",
        )
        .keys(STORE)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::MOVABLEKEYS).with(Flags::LINEAR))
        .usage(
            "destination:key numkeys:integer key:key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:(SUM | \
             MIN | MAX)]",
        ),
];

/// Writes the head of an array of members, with their scores if asked for.
fn array_of_scored(members: usize, with_scores: bool, reply: &mut Reply<'_>) {
    let is_flat = with_scores && !reply.resp3();
    reply.array(if is_flat { members.saturating_mul(2) } else { members });
}

/// Writes a member of such an array: to RESP3 a member and its score are an array of their own.
#[inline]
fn write_scored(member: &[u8], score: f64, with_scores: bool, reply: &mut Reply<'_>) {
    if with_scores && reply.resp3() {
        reply.array(2);
    }
    reply.bulk(member);
    if with_scores {
        reply.double(score);
    }
}

/// Writes the members of some ranks, upwards or downwards.
fn write_members(view: ZsetView<'_>, ranks: Range<u64>, is_reverse: bool, with_scores: bool, reply: &mut Reply<'_>) {
    array_of_scored(ranks.end.saturating_sub(ranks.start) as usize, with_scores, reply);
    view.each_of(ranks, is_reverse, |member, score| write_scored(member, score, with_scores, reply));
}

/// The effect of a command that removes members of the key with this number in the plan.
fn removed<R>(edited: &Edited<R>, event: &'static str, key: usize) -> Effect {
    if !edited.changed {
        return Effect::none();
    }
    let effect = Effect::changed().event(KeyspaceEvents::ZSET, event, key);
    if edited.emptied { effect.event(KeyspaceEvents::GENERIC, "del", key) } else { effect }
}

/// Stores a result under the first key of the plan, and answers how many members it has; one without any removes the key.
fn store(context: &mut Context<'_, '_>, zset: Zset, event: &'static str, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let count = crate::values::Collection::view(&zset).len();
    reply.integer(count as i64);
    if count > 0 {
        context.put_collection(key, zset);
        return Ok(Effect::changed().event(KeyspaceEvents::ZSET, event, 0));
    }
    if context.remove(key) {
        return Ok(Effect::changed().event(KeyspaceEvents::GENERIC, "del", 0));
    }
    Ok(Effect::none())
}

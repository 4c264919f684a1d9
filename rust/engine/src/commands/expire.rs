//! When keys expire.
//!
//! The journal never hears of a time to live: what a command asks for becomes a point in time, PEXPIREAT, or, if that has
//! passed, a DEL.

use crate::config::KeyspaceEvents;
use crate::error::Error;
use crate::handler::deadline::Conditions;
use crate::handler::{Args, Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row};
use crate::number::Decimal;
use crate::resp::Reply;

const READ: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);
const CHANGE: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))]);
const READS: Flags = Flags::READONLY.with(Flags::FAST);
const WRITES: Flags = Flags::WRITE.with(Flags::FAST);
const VARIES: &[&str] = &["nondeterministic_output"];

pub(super) const ROWS: &[Row] = &[
    Row::new("EXPIRE", -3, Group::Generic, expire)
        .doc("Lets a key expire after some seconds.", "O(1)")
        .keys(CHANGE)
        .flags(WRITES)
        .usage("key:key seconds:integer [(NX | XX | GT | LT)@7.0.0]"),
    Row::new("EXPIREAT", -3, Group::Generic, expireat)
        .since("1.2.0")
        .doc("Lets a key expire at a Unix time in seconds.", "O(1)")
        .keys(CHANGE)
        .flags(WRITES)
        .usage("key:key unix-time-seconds:unix-time [(NX | XX | GT | LT)@7.0.0]"),
    Row::new("EXPIRETIME", 2, Group::Generic, expiretime)
        .since("7.0.0")
        .doc("Tells when a key expires, as a Unix time in seconds.", "O(1)")
        .keys(READ)
        .flags(READS)
        .usage("key:key"),
    Row::new("PERSIST", 2, Group::Generic, persist)
        .since("2.2.0")
        .doc("Removes the expiry of a key.", "O(1)")
        .keys(CHANGE)
        .flags(WRITES)
        .usage("key:key"),
    Row::new("PEXPIRE", -3, Group::Generic, pexpire)
        .since("2.6.0")
        .doc("Lets a key expire after some milliseconds.", "O(1)")
        .keys(CHANGE)
        .flags(WRITES)
        .usage("key:key milliseconds:integer [(NX | XX | GT | LT)@7.0.0]"),
    Row::new("PEXPIREAT", -3, Group::Generic, pexpireat)
        .since("2.6.0")
        .doc("Lets a key expire at a Unix time in milliseconds.", "O(1)")
        .keys(CHANGE)
        .flags(WRITES)
        .usage("key:key unix-time-milliseconds:unix-time [(NX | XX | GT | LT)@7.0.0]"),
    Row::new("PEXPIRETIME", 2, Group::Generic, pexpiretime)
        .since("7.0.0")
        .doc("Tells when a key expires, as a Unix time in milliseconds.", "O(1)")
        .keys(READ)
        .flags(READS)
        .usage("key:key"),
    Row::new("PTTL", 2, Group::Generic, pttl)
        .since("2.6.0")
        .doc("Tells how many milliseconds a key has left.", "O(1)")
        .keys(READ)
        .flags(READS)
        .tips(VARIES)
        .usage("key:key"),
    Row::new("TTL", 2, Group::Generic, ttl)
        .doc("Tells how many seconds a key has left.", "O(1)")
        .keys(READ)
        .flags(READS)
        .tips(VARIES)
        .usage("key:key"),
];

/// How a command counts time.
#[derive(Clone, Copy)]
struct Unit {
    /// One or a thousand.
    ms: i64,
    /// From now on, or since 1970.
    is_relative: bool,
    /// The command's name in errors.
    name: &'static str,
}

impl Unit {
    /// The point in Unix milliseconds that a client named.
    fn deadline_ms(self, number: i64, now_ms: i64) -> Result<i64, Error> {
        let base_ms = if self.is_relative { now_ms } else { 0 };
        let sum = number.checked_mul(self.ms).and_then(|ms| ms.checked_add(base_ms));
        sum.ok_or_else(|| Error::invalid_expire(self.name))
    }
}

fn expire(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(context, args, reply, Unit { ms: 1000, is_relative: true, name: "expire" })
}

fn expireat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(context, args, reply, Unit { ms: 1000, is_relative: false, name: "expireat" })
}

fn expiretime(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, reply, |deadline_ms, _| seconds(deadline_ms))
}

fn persist(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let has_deadline = context.open(key).is_some_and(|entry| entry.deadline_ms().is_some());
    reply.integer(i64::from(has_deadline));
    if !has_deadline {
        return Ok(Effect::none());
    }
    context.set_deadline(key, None);
    Ok(Effect::changed().event(KeyspaceEvents::GENERIC, "persist", 0))
}

fn pexpire(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(context, args, reply, Unit { ms: 1, is_relative: true, name: "pexpire" })
}

fn pexpireat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(context, args, reply, Unit { ms: 1, is_relative: false, name: "pexpireat" })
}

fn pexpiretime(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, reply, |deadline_ms, _| deadline_ms)
}

fn pttl(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, reply, i64::saturating_sub)
}

fn ttl(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, reply, |deadline_ms, now_ms| seconds(deadline_ms.saturating_sub(now_ms)))
}

/// Rounded to the nearest; a deadline may be the largest of all numbers.
const fn seconds(ms: i64) -> i64 {
    ms / 1000 + if ms % 1000 >= 500 { 1 } else { 0 }
}

fn set_deadline(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, unit: Unit) -> Outcome {
    let conditions = Conditions::read(args.from(3))?;
    let new_ms = unit.deadline_ms(args.integer(2)?, context.now_ms())?;
    let key = context.key(0);
    let old_ms = context.open(key).map(|entry| entry.deadline_ms());
    if !old_ms.is_some_and(|old_ms| conditions.allow(old_ms, new_ms)) {
        reply.integer(0);
        return Ok(Effect::none());
    }
    reply.integer(1);
    if new_ms <= context.now_ms() {
        context.remove_expired(key);
        return Ok(Effect::instead([b"DEL", key.bytes()]).event(KeyspaceEvents::EXPIRED, "expired", 0));
    }
    context.set_deadline(key, Some(new_ms));
    let effect = Effect::instead([b"PEXPIREAT", key.bytes(), Decimal::from(new_ms).as_bytes()]);
    Ok(effect.event(KeyspaceEvents::GENERIC, "expire", 0))
}

/// Answers -2 without a key, -1 without a deadline, else what `time` makes of deadline and present.
fn tell(context: &mut Context<'_, '_>, reply: &mut Reply<'_>, time: impl FnOnce(i64, i64) -> i64) -> Outcome {
    let now_ms = context.now_ms();
    let found = context.inspect(context.key(0)).map(|entry| entry.deadline_ms());
    reply.integer(match found {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline_ms)) => time(deadline_ms, now_ms),
    });
    Ok(Effect::none())
}

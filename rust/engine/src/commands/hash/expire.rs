//! When fields expire.

use super::instead;
use super::read::with_hash;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::deadline::{Conditions, Unit};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::Decimal;
use crate::resp::Reply;
use crate::values::{Collection, Hash};

pub fn hexpire(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadlines(context, args, reply, Unit::Seconds, "hexpire")
}

pub fn hexpireat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadlines(context, args, reply, Unit::UnixSeconds, "hexpireat")
}

pub fn hexpiretime(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, args, reply, |deadline_ms, _| seconds(deadline_ms))
}

pub fn hpersist(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let fields = counted(args, 2)?;
    let (rules, now_ms, key) = (context.rules(), context.now_ms(), context.key(0));
    let mut persisted = Vec::new();
    let edited = context.edit(key, |hash: &mut Hash| {
        reply.array(fields.len());
        for field in fields {
            reply.integer(match hash.view().deadline_ms(field, now_ms) {
                None => -2,
                Some(None) => -1,
                Some(Some(_)) => {
                    hash.set_deadline(field, None, rules, now_ms);
                    persisted.push(*field);
                    1
                }
            });
        }
        ((), !persisted.is_empty())
    })?;
    if !edited.changed {
        return Ok(Effect::none());
    }
    let count = Decimal::from(persisted.len() as i64);
    let effect = instead(context, &[b"HPERSIST", key.bytes(), b"FIELDS", count.as_bytes()], persisted);
    Ok(effect.event(KeyspaceEvents::HASH, "hpersist", 0))
}

pub fn hpexpire(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadlines(context, args, reply, Unit::Milliseconds, "hpexpire")
}

pub fn hpexpireat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadlines(context, args, reply, Unit::UnixMilliseconds, "hpexpireat")
}

pub fn hpexpiretime(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, args, reply, |deadline_ms, _| deadline_ms)
}

pub fn hpttl(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, args, reply, i64::saturating_sub)
}

pub fn httl(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(context, args, reply, |deadline_ms, now_ms| seconds(deadline_ms.saturating_sub(now_ms)))
}

/// Rounded to the nearest; a deadline may be the largest of all numbers.
const fn seconds(ms: i64) -> i64 {
    ms / 1000 + if ms % 1000 >= 500 { 1 } else { 0 }
}

/// The fields behind `FIELDS` and their number, which stand at `index`.
///
/// # Errors
/// A syntax error without FIELDS, or the number is none or another.
pub fn counted(args: Args<'_>, index: usize) -> Result<&[&[u8]], Error> {
    let mut words = args.cursor(index);
    if !words.keyword("FIELDS") {
        return Err(error::SYNTAX);
    }
    let count = words.integer()?;
    let fields = words.rest();
    if count > 0 && usize::try_from(count) == Ok(fields.len()) { Ok(fields) } else { Err(error::NUMFIELDS) }
}

/// The options from `index` on up to FIELDS, and where that is.
///
/// # Errors
/// There is no FIELDS with something behind it.
pub fn options(args: Args<'_>, index: usize) -> Result<(&[&[u8]], usize), Error> {
    let words = args.from(index);
    let mut inner = words.iter().take(words.len().saturating_sub(1));
    let len = inner.position(|word| word.eq_ignore_ascii_case(b"FIELDS")).ok_or(error::NUMFIELDS)?;
    Ok((words.get(..len).unwrap_or_default(), index + len))
}

fn set_deadlines(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    unit: Unit,
    name: &str,
) -> Outcome {
    let (words, fields_at) = options(args, 3)?;
    let conditions = Conditions::read(words)?;
    let fields = counted(args, fields_at)?;
    let (rules, now_ms, key) = (context.rules(), context.now_ms(), context.key(0));
    let deadline_ms = unit.deadline_from_ms(0, args.word(2), now_ms, name)?;
    let is_past = deadline_ms <= now_ms;
    let mut touched = Vec::new();
    let edited = context.edit(key, |hash: &mut Hash| {
        reply.array(fields.len());
        for field in fields {
            let old_ms = hash.view().deadline_ms(field, now_ms);
            reply.integer(match old_ms {
                None => -2,
                Some(old_ms) if !conditions.allow(old_ms, deadline_ms) => 0,
                Some(_) => {
                    touched.push(*field);
                    if is_past {
                        hash.remove(field, now_ms);
                        2
                    } else {
                        hash.set_deadline(field, Some(deadline_ms), rules, now_ms);
                        1
                    }
                }
            });
        }
        ((), !touched.is_empty())
    })?;
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(if is_past { gone(context, touched, edited.emptied) } else { deferred(context, touched, deadline_ms) })
}

/// The effect of fields that expire at once.
pub fn gone(context: &Context<'_, '_>, fields: Vec<&[u8]>, emptied: bool) -> Effect {
    let effect = instead(context, &[b"HDEL", context.key(0).bytes()], fields);
    let effect = effect.event(KeyspaceEvents::HASH, "hexpired", 0);
    if emptied { effect.event(KeyspaceEvents::GENERIC, "del", 0) } else { effect }
}

/// The effect of fields that expire later.
pub fn deferred(context: &Context<'_, '_>, fields: Vec<&[u8]>, deadline_ms: i64) -> Effect {
    let (deadline, count) = (Decimal::from(deadline_ms), Decimal::from(fields.len() as i64));
    let head: [&[u8]; 5] = [b"HPEXPIREAT", context.key(0).bytes(), deadline.as_bytes(), b"FIELDS", count.as_bytes()];
    instead(context, &head, fields).event(KeyspaceEvents::HASH, "hexpire", 0)
}

/// Answers for each field -2 without it, -1 without a deadline, else what `time` makes of deadline and present.
fn tell(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    time: impl Fn(i64, i64) -> i64,
) -> Outcome {
    let mut words = args.cursor(2);
    if !words.keyword("FIELDS") {
        return Err(error::SYNTAX);
    }
    let count = words.integer()?;
    let fields = words.rest();
    if count <= 0 || usize::try_from(count) != Ok(fields.len()) {
        return Err(error::SYNTAX);
    }
    with_hash(context, |hash, now_ms| {
        reply.array(fields.len());
        for field in fields {
            reply.integer(match hash.deadline_ms(field, now_ms) {
                None => -2,
                Some(None) => -1,
                Some(Some(deadline_ms)) => time(deadline_ms, now_ms),
            });
        }
    })?;
    Ok(Effect::none())
}

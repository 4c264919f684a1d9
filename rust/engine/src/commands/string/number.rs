//! Strings as numbers: INCR and its kin.

use super::instead;
use crate::config::KeyspaceEvents;
use crate::error;
use crate::handler::{Args, Context, Deadline, Effect, Outcome};
use crate::keyspace::Updated;
use crate::number::{FloatError, increment_by_float};
use crate::resp::Reply;
use crate::values::NewValue;
use crate::values::string::StringRef;

pub fn decr(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(context, -1, reply)
}

pub fn decrby(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let increment = args.integer(2)?.checked_neg().ok_or(error::DECR_OVERFLOW)?;
    add(context, increment, reply)
}

pub fn incr(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(context, 1, reply)
}

pub fn incrby(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(context, args.integer(2)?, reply)
}

#[inline]
fn add(context: &mut Context<'_, '_>, increment: i64, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let sum_with = |old: i64| old.checked_add(increment).ok_or(error::INCR_OVERFLOW);
    let sum = if let Updated::To(sum) = context.update_integer(key, sum_with)? {
        sum
    } else {
        let old = match context.open(key) {
            None => 0,
            Some(entry) => StringRef::of(entry.value())?.integer().ok_or(error::NOT_INTEGER)?,
        };
        let sum = sum_with(old)?;
        context.put(key, NewValue::Integer(sum), Deadline::Keep);
        sum
    };
    reply.integer(sum);
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "incrby", 0))
}

pub fn incrbyfloat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let sum = match context.open(key) {
        None => increment_by_float(b"0", args.word(2)),
        Some(entry) => increment_by_float(&StringRef::of(entry.value())?.text(), args.word(2)),
    };
    let sum = sum.map_err(|error| match error {
        FloatError::Current | FloatError::Increment => error::NOT_FLOAT,
        FloatError::NanOrInfinity => error::INCR_NAN,
    })?;
    // A whole sum stays a string here, as in Redis, whatever it looks like.
    context.put(key, NewValue::Bytes(&sum), Deadline::Keep);
    reply.bulk(&sum);
    let effect = instead(context, [b"SET", key.bytes(), &sum, b"KEEPTTL"]);
    Ok(effect.event(KeyspaceEvents::STRING, "incrbyfloat", 0))
}

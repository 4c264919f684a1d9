//! What a hash holds.

use super::write;
use crate::error::Error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::Hash;
use crate::values::hash::HashView;

/// Shows the hash under the key to `show`, an empty one if there is none.
///
/// # Errors
/// The key holds another type.
#[inline]
pub fn with_hash<R>(context: &mut Context<'_, '_>, show: impl FnOnce(HashView<'_>, i64) -> R) -> Result<R, Error> {
    let (key, now_ms) = (context.key(0), context.now_ms());
    match context.read_as::<Hash>(key)? {
        Some(hash) => Ok(show(hash.view(), now_ms)),
        None => Ok(show(crate::values::Collection::view(&Hash::default()), now_ms)),
    }
}

pub fn hexists(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = with_hash(context, |hash, now_ms| hash.get(args.word(2), now_ms).is_some())?;
    reply.integer(i64::from(found));
    Ok(Effect::none())
}

pub fn hget(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(context, |hash, now_ms| write_or_null(hash, args.word(2), now_ms, reply))?;
    Ok(Effect::none())
}

/// Writes the value of a field, or null; whether there is one.
#[inline]
pub fn write_or_null(hash: HashView<'_>, field: &[u8], now_ms: i64, reply: &mut Reply<'_>) -> bool {
    let value = hash.get(field, now_ms);
    match value {
        Some(value) => write(value, reply),
        None => reply.null(),
    }
    value.is_some()
}

pub fn hgetall(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(context, |hash, now_ms| {
        reply.map(hash.live_len(now_ms));
        hash.each(now_ms, |field, value| {
            write(field, reply);
            write(value, reply);
        });
    })?;
    Ok(Effect::none())
}

pub fn hkeys(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(context, |hash, now_ms| {
        reply.array(hash.live_len(now_ms));
        hash.each(now_ms, |field, _| write(field, reply));
    })?;
    Ok(Effect::none())
}

pub fn hlen(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_hash(context, |hash, _| hash.len())?;
    reply.integer(len as i64);
    Ok(Effect::none())
}

pub fn hmget(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(context, |hash, now_ms| {
        let fields = args.from(2);
        reply.array(fields.len());
        for field in fields {
            write_or_null(hash, field, now_ms, reply);
        }
    })?;
    Ok(Effect::none())
}

pub fn hstrlen(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_hash(context, |hash, now_ms| hash.get(args.word(2), now_ms).map_or(0, |value| value.len()))?;
    reply.integer(len as i64);
    Ok(Effect::none())
}

pub fn hvals(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(context, |hash, now_ms| {
        reply.array(hash.live_len(now_ms));
        hash.each(now_ms, |_, value| write(value, reply));
    })?;
    Ok(Effect::none())
}

//! Fields as numbers.

use rkv_collections::packed::Digits;

use super::instead;
use super::write::expired;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::{Extended, FloatError, increment_by_float};
use crate::resp::Reply;
use crate::values::hash::{Before, Lifetime};
use crate::values::{Collection, Hash, Rules};

pub fn hincrby(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let increment = args.integer(3)?;
    let (rules, now_ms, key, field) = (context.rules(), context.now_ms(), context.key(0), args.word(2));
    let edited = context.edit(key, |hash: &mut Hash| {
        let sum = add(hash, field, increment, rules, now_ms);
        let changed = sum.is_ok();
        (sum, changed)
    })?;
    let (sum, before) = edited.result?;
    reply.integer(sum);
    let any_expired = before == Before::Expired;
    let effect = if any_expired {
        instead(context, &[b"HSET", key.bytes(), field, itoa::Buffer::new().format(sum).as_bytes()], [])
    } else {
        Effect::changed()
    };
    Ok(expired(effect, any_expired).event(KeyspaceEvents::HASH, "hincrby", 0))
}

fn add(hash: &mut Hash, field: &[u8], increment: i64, rules: &Rules, now_ms: i64) -> Result<(i64, Before), Error> {
    let old = match hash.view().get(field, now_ms) {
        None => 0,
        Some(value) => value.integer().ok_or(error::HASH_NOT_INTEGER)?,
    };
    let sum = old.checked_add(increment).ok_or(error::INCR_OVERFLOW)?;
    let before = hash.set(field, itoa::Buffer::new().format(sum).as_bytes(), Lifetime::Keep, rules, now_ms);
    Ok((sum, before))
}

pub fn hincrbyfloat(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let increment = args.word(3);
    if Extended::parse(increment).ok_or(error::NOT_FLOAT)?.is_infinite() {
        return Err(error::NAN_OR_INFINITY);
    }
    let (rules, now_ms, key, field) = (context.rules(), context.now_ms(), context.key(0), args.word(2));
    let edited = context.edit(key, |hash: &mut Hash| {
        let sum = add_float(hash, field, increment, rules, now_ms);
        let changed = sum.is_ok();
        (sum, changed)
    })?;
    let Sum { text, before, keeps_deadline } = edited.result?;
    reply.bulk(&text);
    let effect = if keeps_deadline {
        instead(context, &[b"HSETEX", key.bytes(), b"KEEPTTL", b"FIELDS", b"1", field, &text], [])
    } else {
        instead(context, &[b"HSET", key.bytes(), field, &text], [])
    };
    Ok(expired(effect, before == Before::Expired).event(KeyspaceEvents::HASH, "hincrbyfloat", 0))
}

/// What HINCRBYFLOAT stored.
struct Sum {
    text: Vec<u8>,
    before: Before,
    keeps_deadline: bool,
}

fn add_float(hash: &mut Hash, field: &[u8], increment: &[u8], rules: &Rules, now_ms: i64) -> Result<Sum, Error> {
    let view = hash.view();
    let keeps_deadline = view.deadline_ms(field, now_ms).flatten().is_some();
    let mut room = Digits::new();
    let old = view.get(field, now_ms);
    let old = old.as_ref().map_or(b"0".as_slice(), |old| old.bytes(&mut room));
    let text = increment_by_float(old, increment).map_err(|error| match error {
        FloatError::Current => error::HASH_NOT_FLOAT,
        FloatError::Increment => error::NOT_FLOAT,
        FloatError::NanOrInfinity => error::INCR_NAN,
    })?;
    let before = hash.set(field, &text, Lifetime::Keep, rules, now_ms);
    Ok(Sum { text, before, keeps_deadline })
}

//! Fields set and removed.

use super::instead;
use crate::config::KeyspaceEvents;
use crate::error::Error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::Hash;
use crate::values::hash::{Before, Lifetime};

pub fn hdel(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, now_ms) = (context.key(0), context.now_ms());
    let edited = context.edit(key, |hash: &mut Hash| {
        let removed = args.from(2).iter().filter(|field| hash.remove(field, now_ms)).count();
        (removed, removed > 0)
    })?;
    reply.integer(edited.result as i64);
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(removed(Effect::changed(), edited.emptied))
}

/// Adds the events of removed fields.
pub fn removed(effect: Effect, emptied: bool) -> Effect {
    let effect = effect.event(KeyspaceEvents::HASH, "hdel", 0);
    if emptied { effect.event(KeyspaceEvents::GENERIC, "del", 0) } else { effect }
}

/// Adds the event of fields that were there, their time over, when they were stored anew.
pub fn expired(effect: Effect, any: bool) -> Effect {
    if any { effect.event(KeyspaceEvents::HASH, "hexpired", 0) } else { effect }
}

pub fn hmset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (_, effect) = set(context, args, "hmset")?;
    reply.ok();
    Ok(effect)
}

pub fn hset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (added, effect) = set(context, args, "hset")?;
    reply.integer(added);
    Ok(effect)
}

/// Sets fields; how many are new.
#[inline]
fn set(context: &mut Context<'_, '_>, args: Args<'_>, name: &str) -> Result<(i64, Effect), Error> {
    let pairs = args.from(2);
    if !pairs.len().is_multiple_of(2) {
        return Err(Error::arity(name));
    }
    let (rules, now_ms, first) = (context.rules(), context.now_ms(), context.named(args.word(2)));
    let edited = context.edit(context.key(0), |hash: &mut Hash| {
        hash.expect(pairs.len() / 2, rules);
        let (mut added, mut any_expired) = (0, false);
        for (number, pair) in pairs.chunks_exact(2).enumerate() {
            if let [field, value] = *pair {
                let field = if number == 0 { first } else { field.into() };
                let before = hash.set_named(field, value, Lifetime::Clear, rules, now_ms);
                added += i64::from(before != Before::Live);
                any_expired |= before == Before::Expired;
            }
        }
        ((added, any_expired), true)
    })?;
    let (added, any_expired) = edited.result;
    let effect = expired(Effect::changed(), any_expired);
    Ok((added, effect.event(KeyspaceEvents::HASH, "hset", 0)))
}

pub fn hsetnx(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (rules, now_ms, key) = (context.rules(), context.now_ms(), context.key(0));
    let (field, value) = (args.word(2), args.word(3));
    let edited = context.edit(key, |hash: &mut Hash| {
        use crate::values::Collection;
        if hash.view().get(field, now_ms).is_some() {
            return (Before::Live, false);
        }
        (hash.set(field, value, Lifetime::Clear, rules, now_ms), true)
    })?;
    let is_set = edited.result != Before::Live;
    reply.integer(i64::from(is_set));
    if !is_set {
        return Ok(Effect::none());
    }
    let any_expired = edited.result == Before::Expired;
    let effect =
        if any_expired { instead(context, &[b"HSET", key.bytes(), field, value], []) } else { Effect::changed() };
    Ok(expired(effect, any_expired).event(KeyspaceEvents::HASH, "hset", 0))
}

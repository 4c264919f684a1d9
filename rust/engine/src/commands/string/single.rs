//! One string as a whole: GET, SET and their kin.

use super::options::{Condition, Expiry, Options, Reader};
use super::{instead, write, write_old};
use crate::config::KeyspaceEvents;
use crate::handler::deadline::Unit;
use crate::handler::{Args, Context, Deadline, Effect, Outcome};
use crate::number::Decimal;
use crate::resp::Reply;
use crate::values::string::{self, StringRef};

pub fn delifeq(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let is_equal = match context.open(key) {
        None => false,
        Some(entry) => *StringRef::of(entry.value())?.text() == *args.word(2),
    };
    reply.integer(i64::from(is_equal));
    if !is_equal {
        return Ok(Effect::none());
    }
    context.remove(key);
    Ok(deleted(context))
}

/// The effect of a key that is gone because a client wanted it.
fn deleted(context: &Context<'_, '_>) -> Effect {
    instead(context, [b"DEL", context.key(0).bytes()]).event(KeyspaceEvents::GENERIC, "del", 0)
}

/// The effect of a key that is gone because it was given a deadline in the past.
fn expired(context: &Context<'_, '_>) -> Effect {
    instead(context, [b"DEL", context.key(0).bytes()]).event(KeyspaceEvents::EXPIRED, "expired", 0)
}

pub fn get(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match context.read(context.key(0)) {
        None => reply.null(),
        Some(entry) => write(StringRef::of(entry.value())?, reply),
    }
    Ok(Effect::none())
}

pub fn getdel(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    if !write_old(context, key, reply)? {
        return Ok(Effect::none());
    }
    context.remove(key);
    Ok(deleted(context))
}

pub fn getex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(Reader::Getex, args, 2)?;
    let (key, now_ms) = (context.key(0), context.now_ms());
    let deadline = options.deadline(now_ms, "getex")?;
    let Some(entry) = context.read(key) else {
        reply.null();
        return Ok(Effect::none());
    };
    let value = StringRef::of(entry.value())?;
    let has_deadline = entry.deadline_ms().is_some();
    write(value, reply);
    match (options.expiry, deadline) {
        (_, Deadline::At(deadline_ms)) if deadline_ms <= now_ms => {
            context.remove_expired(key);
            Ok(expired(context))
        }
        (_, Deadline::At(deadline_ms)) => {
            context.set_deadline(key, Some(deadline_ms));
            let deadline_ms = Decimal::from(deadline_ms);
            let effect = instead(context, [b"PEXPIREAT", key.bytes(), &deadline_ms]);
            Ok(effect.event(KeyspaceEvents::GENERIC, "expire", 0))
        }
        (Expiry::Persist, _) if has_deadline => {
            context.set_deadline(key, None);
            let effect = instead(context, [b"PERSIST", key.bytes()]);
            Ok(effect.event(KeyspaceEvents::GENERIC, "persist", 0))
        }
        _ => Ok(Effect::none()),
    }
}

pub fn getset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    write_old(context, key, reply)?;
    Ok(store(context, args.word(2), Deadline::Clear, false))
}

pub fn psetex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let deadline_ms = Unit::Milliseconds.deadline_ms(args.word(2), context.now_ms(), "psetex")?;
    reply.ok();
    Ok(store(context, args.word(3), Deadline::At(deadline_ms), false))
}

pub fn set(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return set_with_options(context, args, reply);
    }
    context.put(context.key(0), string::encode(args.word(2)), Deadline::Clear);
    reply.ok();
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "set", 0))
}

fn set_with_options(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(Reader::Set, args, 3)?;
    let deadline = options.deadline(context.now_ms(), "set")?;
    if options.condition != Condition::Always || options.returns_old {
        return set_if(context, args.word(2), &options, deadline, reply);
    }
    reply.ok();
    Ok(store_or_expire(context, args.word(2), deadline))
}

/// SET that depends on what was there, or returns it.
fn set_if(
    context: &mut Context<'_, '_>,
    value: &[u8],
    options: &Options<'_>,
    deadline: Deadline,
    reply: &mut Reply<'_>,
) -> Outcome {
    let key = context.key(0);
    // Only a key whose value is returned counts as read.
    let entry = if options.returns_old { context.read(key) } else { context.peek(key) };
    let old = entry.map(|entry| entry.value());
    let is_met = match (options.condition, old) {
        (Condition::Always, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => true,
        (Condition::Equal(wanted), Some(value)) => *StringRef::of(value)?.text() == *wanted,
        (Condition::Absent, Some(_)) | (Condition::Present | Condition::Equal(_), None) => false,
    };
    match old {
        Some(value) if options.returns_old => write(StringRef::of(value)?, reply),
        None if options.returns_old => reply.null(),
        _ if is_met => reply.ok(),
        _ => reply.null(),
    }
    if !is_met {
        return Ok(Effect::none());
    }
    Ok(store_or_expire(context, value, deadline))
}

/// Stores a value, or deletes the key if the value's time is over already.
fn store_or_expire(context: &mut Context<'_, '_>, value: &[u8], deadline: Deadline) -> Effect {
    match deadline {
        Deadline::At(deadline_ms) if deadline_ms <= context.now_ms() => {
            if context.remove_expired(context.key(0)) {
                expired(context)
            } else {
                Effect::none()
            }
        }
        _ => store(context, value, deadline, false),
    }
}

/// Stores what a command was given for its only key. `as_received` says that its words are the effect.
fn store(context: &mut Context<'_, '_>, value: &[u8], deadline: Deadline, as_received: bool) -> Effect {
    let key = context.key(0);
    context.put(key, string::encode(value), deadline);
    let effect = match deadline {
        _ if as_received => Effect::changed(),
        Deadline::Clear => instead(context, [b"SET", key.bytes(), value]),
        Deadline::Keep => instead(context, [b"SET", key.bytes(), value, b"KEEPTTL"]),
        Deadline::At(deadline_ms) => {
            instead(context, [b"SET", key.bytes(), value, b"PXAT", &Decimal::from(deadline_ms)])
        }
    };
    let effect = effect.event(KeyspaceEvents::STRING, "set", 0);
    match deadline {
        Deadline::At(_) => effect.event(KeyspaceEvents::GENERIC, "expire", 0),
        Deadline::Clear | Deadline::Keep => effect,
    }
}

pub fn setex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let deadline_ms = Unit::Seconds.deadline_ms(args.word(2), context.now_ms(), "setex")?;
    reply.ok();
    Ok(store(context, args.word(3), Deadline::At(deadline_ms), false))
}

pub fn setnx(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_absent = context.peek(context.key(0)).is_none();
    reply.integer(i64::from(is_absent));
    if !is_absent {
        return Ok(Effect::none());
    }
    Ok(store(context, args.word(2), Deadline::Clear, true))
}

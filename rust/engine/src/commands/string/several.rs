//! Several strings at once: MGET, MSET and their kin.

use super::options::{Condition, Options, Reader};
use super::write;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Deadline, Effect, Outcome, Words};
use crate::number::{Decimal, parse_i64};
use crate::resp::Reply;
use crate::values::string::{self, StringRef};

pub fn mget(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.array(context.keys().len());
    for &key in context.keys() {
        match context.read(key).map(|entry| StringRef::of(entry.value())) {
            Some(Ok(value)) => write(value, reply),
            // A key of another type has no string, which is no error here.
            Some(Err(_)) | None => reply.null(),
        }
    }
    Ok(Effect::none())
}

pub fn mset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let data = pairs(args, "mset")?;
    reply.ok();
    Ok(store(context, data, Deadline::Clear, Effect::changed()))
}

pub fn msetnx(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let data = pairs(args, "msetnx")?;
    if !is_met(context, Condition::Absent) {
        reply.integer(0);
        return Ok(Effect::none());
    }
    reply.integer(1);
    let effect = if context.is_logged() {
        let words = [b"MSET".as_slice()].iter().chain(data).map(|word| Box::from(*word)).collect();
        Effect::instead_all(vec![words])
    } else {
        Effect::changed()
    };
    Ok(store(context, data, Deadline::Clear, effect))
}

pub fn msetex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = parse_i64(args.word(1)).and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or(error::NUMKEYS_RANGE)?.unsigned_abs() as usize;
    let words = args.from(2);
    let data = count.checked_mul(2).and_then(|end| words.get(..end)).ok_or(error::SYNTAX)?;
    let options = Options::read(Reader::Msetex, args, 2 + data.len())?;
    let deadline = options.deadline(context.now_ms(), "msetex")?;
    if !is_met(context, options.condition) {
        reply.integer(0);
        return Ok(Effect::none());
    }
    reply.integer(1);
    let effect = if context.is_logged() {
        Effect::instead_all(data.chunks_exact(2).map(|pair| logged(pair, deadline)).collect())
    } else {
        Effect::changed()
    };
    Ok(store(context, data, deadline, effect))
}

/// The SET that stores one of several pairs: servers without MSETEX must be able to replay it.
fn logged(pair: &[&[u8]], deadline: Deadline) -> Words {
    let mut words: Words = vec![Box::from(b"SET".as_slice())];
    words.extend(pair.iter().map(|word| Box::from(*word)));
    match deadline {
        Deadline::Clear => {}
        Deadline::Keep => words.push(Box::from(b"KEEPTTL".as_slice())),
        Deadline::At(deadline_ms) => {
            words.push(Box::from(b"PXAT".as_slice()));
            words.push(Box::from(Decimal::from(deadline_ms).as_bytes()));
        }
    }
    words
}

/// Keys and values, one behind the other.
///
/// # Errors
/// A key has no value.
fn pairs<'a>(args: Args<'a>, command: &str) -> Result<&'a [&'a [u8]], Error> {
    let data = args.from(1);
    if data.len().is_multiple_of(2) { Ok(data) } else { Err(Error::arity(command)) }
}

fn is_met(context: &Context<'_, '_>, condition: Condition<'_>) -> bool {
    let mut keys = context.keys().iter();
    match condition {
        Condition::Absent => keys.all(|key| context.peek(*key).is_none()),
        Condition::Present => keys.all(|key| context.peek(*key).is_some()),
        Condition::Always | Condition::Equal(_) => true,
    }
}

/// Stores all pairs, in order, so that the last value of a repeated key stays.
fn store(context: &mut Context<'_, '_>, data: &[&[u8]], deadline: Deadline, mut effect: Effect) -> Effect {
    let is_heard = context.store.has_observer();
    for (number, (&key, pair)) in context.keys().iter().zip(data.chunks_exact(2)).enumerate() {
        let &[_, value] = pair else { break };
        context.put(key, string::encode(value), deadline);
        // Many keys have many events, which need an allocation that mostly nobody would look at.
        if is_heard {
            effect = effect.event(KeyspaceEvents::STRING, "set", number);
            if matches!(deadline, Deadline::At(_)) {
                effect = effect.event(KeyspaceEvents::GENERIC, "expire", number);
            }
        }
    }
    effect
}

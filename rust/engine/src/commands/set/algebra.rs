//! Several sets: intersection, union and difference.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::write;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::several::positive;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::Key;
use crate::number;
use crate::resp::Reply;
use crate::values::set::{self, SetView};
use crate::values::{Collection as _, Reading, Rules, Set};
use rkv_collections::packed::Entry;

type Readings<'a> = SmallVec<[Option<Reading<'a, Set>>; 4]>;
type Views<'a> = SmallVec<[SetView<'a>; 4]>;

/// The sets under keys, in order; each counts as read.
fn read_all<'c>(context: &'c mut Context<'_, '_>, keys: &[Key<'_>]) -> Result<Readings<'c>, Error> {
    for key in keys {
        context.read_as::<Set>(*key)?;
    }
    keys.iter().map(|key| context.peek_as::<Set>(*key)).collect()
}

/// Those sets that are there.
fn present<'r>(readings: &'r Readings<'_>) -> Views<'r> {
    readings.iter().flatten().map(Reading::view).collect()
}

/// The sets if none is missing; else none.
fn complete<'r>(readings: &'r Readings<'_>) -> Views<'r> {
    if readings.iter().all(Option::is_some) { present(readings) } else { Views::new() }
}

/// The first set and those of the others that are there; `None` if the first is missing.
fn first_and_others<'r>(readings: &'r Readings<'_>) -> Option<(SetView<'r>, Views<'r>)> {
    let (first, others) = readings.split_first()?;
    Some((first.as_ref()?.view(), others.iter().flatten().map(Reading::view).collect()))
}

/// Writes a set whose length is not known ahead: `members` shows every member to what it is given.
fn write_all(reply: &mut Reply<'_>, members: impl FnOnce(&mut dyn FnMut(Entry<'_>) -> ControlFlow<()>)) {
    let at = reply.set_deferred();
    let mut count = 0;
    members(&mut |member| {
        write(member, reply);
        count += 1;
        ControlFlow::Continue(())
    });
    reply.fill_set(at, count);
}

pub fn sdiff(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (rules, keys) = (context.rules(), context.keys());
    let readings = read_all(context, keys)?;
    write_all(reply, |each| {
        if let Some((first, mut others)) = first_and_others(&readings) {
            let _ = set::difference(first, &mut others, rules, each);
        }
    });
    Ok(Effect::none())
}

pub fn sdiffstore(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(context, reply, "sdiffstore", |readings, rules| {
        first_and_others(readings)
            .map_or_else(Set::default, |(first, mut others)| set::difference_of(first, &mut others, rules))
    })
}

pub fn sinter(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let keys = context.keys();
    let readings = read_all(context, keys)?;
    write_all(reply, |each| {
        let _ = set::intersection(&mut complete(&readings), each);
    });
    Ok(Effect::none())
}

pub fn sintercard(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let numkeys = positive(args.word(1)).ok_or(error::NUMKEYS_NOT_POSITIVE)?;
    if numkeys > args.len().saturating_sub(2) {
        return Err(error::NUMKEYS_BEYOND_ARGS);
    }
    let mut most = usize::MAX;
    let mut words = args.cursor(2 + numkeys);
    while !words.is_done() {
        if !words.keyword("LIMIT") || words.is_done() {
            return Err(error::SYNTAX);
        }
        let limit = words.next_word().and_then(number::parse_i64).and_then(|limit| usize::try_from(limit).ok());
        most = limit.ok_or(error::NEGATIVE_LIMIT)?;
        if most == 0 {
            most = usize::MAX;
        }
    }
    let keys = context.keys();
    let readings = read_all(context, keys)?;
    let mut count = 0;
    let _ = set::intersection(&mut complete(&readings), |_| {
        count += 1;
        if count == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    reply.integer(count as i64);
    Ok(Effect::none())
}

pub fn sinterstore(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(context, reply, "sinterstore", |readings, rules| set::intersection_of(&mut complete(readings), rules))
}

pub fn sunion(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (rules, keys) = (context.rules(), context.keys());
    let readings = read_all(context, keys)?;
    write_all(reply, |each| {
        let _ = set::union(&present(&readings), rules, each);
    });
    Ok(Effect::none())
}

pub fn sunionstore(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(context, reply, "sunionstore", |readings, rules| set::union_of(&present(readings), rules))
}

/// Stores what is computed of all sets but the first under the first key; an empty set removes that key.
fn store(
    context: &mut Context<'_, '_>,
    reply: &mut Reply<'_>,
    event: &'static str,
    compute: impl FnOnce(&Readings<'_>, &Rules) -> Set,
) -> Outcome {
    let (rules, target) = (context.rules(), context.key(0));
    let keys = context.keys().get(1..).unwrap_or_default();
    let result = compute(&read_all(context, keys)?, rules);
    let len = result.view().len();
    reply.integer(len as i64);
    if len == 0 {
        let effect = if context.remove(target) {
            Effect::changed().event(KeyspaceEvents::GENERIC, "del", 0)
        } else {
            Effect::none()
        };
        return Ok(effect);
    }
    context.put_collection(target, result);
    Ok(Effect::changed().event(KeyspaceEvents::SET, event, 0))
}

//! Members by chance: SPOP and SRANDMEMBER.

use super::write;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome, Words};
use crate::limits::REPEATED_ELEMENTS_MAX;
use crate::number;
use crate::random::{Random, Xoshiro256};
use crate::resp::Reply;
use crate::values::Set;
use rkv_collections::packed::Entry;

/// Words of one SREM in the journal at most, so that no record is as long as the set was.
const LOGGED_MEMBERS_MAX: usize = 1024;

/// A generator of this command's own: the store's is behind a lock.
fn generator(context: &Context<'_, '_>) -> Xoshiro256 {
    Xoshiro256::from_seed(context.store.random().next_u64())
}

pub fn spop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.from(2) {
        [] => spop_one(context, reply),
        [count] => {
            let count = number::parse_i64(count).and_then(|count| usize::try_from(count).ok());
            spop_many(context, count.ok_or(error::NOT_POSITIVE)?, reply)
        }
        _ => Err(error::SYNTAX),
    }
}

fn spop_one(context: &mut Context<'_, '_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, mut random, is_logged) = (context.key(0), generator(context), context.is_logged());
    let mut log = Removed::new(key.bytes());
    let popped = context.edit(key, |set: &mut Set| {
        let popped = set.pop(&mut random, |member| {
            write(member, reply);
            if is_logged {
                log.add(member);
            }
        });
        (popped, popped)
    })?;
    if !popped.result {
        reply.null();
        return Ok(Effect::none());
    }
    Ok(spopped(log, popped.emptied))
}

fn spop_many(context: &mut Context<'_, '_>, count: usize, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let len = match context.open(key) {
        None => 0,
        Some(_) => context.peek_as::<Set>(key)?.map_or(0, |set| set.view().len()),
    };
    let count = count.min(len);
    reply.set(count);
    if count == 0 {
        return Ok(Effect::none());
    }
    if count == len {
        // Nothing is left, so the key goes as a whole, and the housekeeper takes the set apart.
        if let Some(set) = context.peek_as::<Set>(key)? {
            set.view().for_each(|member| write(member, reply));
        }
        context.remove(key);
        let effect = if context.is_logged() { Effect::instead([b"DEL", key.bytes()]) } else { Effect::changed() };
        return Ok(effect.event(KeyspaceEvents::SET, "spop", 0).event(KeyspaceEvents::GENERIC, "del", 0));
    }
    let (mut random, is_logged) = (generator(context), context.is_logged());
    let mut log = Removed::new(key.bytes());
    let popped = context.edit(key, |set: &mut Set| {
        set.pop_each(count, &mut random, |member| {
            write(member, reply);
            if is_logged {
                log.add(member);
            }
        });
        ((), true)
    })?;
    Ok(spopped(log, popped.emptied))
}

/// The effect of members that were popped.
fn spopped(log: Removed<'_>, emptied: bool) -> Effect {
    let effect = if log.commands.is_empty() { Effect::changed() } else { Effect::instead_all(log.commands) };
    let effect = effect.event(KeyspaceEvents::SET, "spop", 0);
    if emptied { effect.event(KeyspaceEvents::GENERIC, "del", 0) } else { effect }
}

/// What was popped, as SREM commands for the journal.
struct Removed<'a> {
    key: &'a [u8],
    commands: Vec<Words>,
}

impl<'a> Removed<'a> {
    const fn new(key: &'a [u8]) -> Self {
        Self { key, commands: Vec::new() }
    }

    fn add(&mut self, member: Entry<'_>) {
        let member = member.to_vec().into_boxed_slice();
        match self.commands.last_mut() {
            Some(last) if last.len() < LOGGED_MEMBERS_MAX => last.push(member),
            _ => self.commands.push(vec![Box::from(b"SREM".as_slice()), Box::from(self.key), member]),
        }
    }
}

pub fn srandmember(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = match args.from(2) {
        [] => None,
        [_] => Some(signed_count(args.integer(2)?)?),
        _ => return Err(error::SYNTAX),
    };
    let mut random = generator(context);
    let set = context.read_as::<Set>(context.key(0))?;
    let Some(count) = count else {
        match set.and_then(|set| set.view().pick(&mut random).map(|member| write(member, reply))) {
            Some(()) => {}
            None => reply.null(),
        }
        return Ok(Effect::none());
    };
    let Some(set) = set else {
        reply.array(0);
        return Ok(Effect::none());
    };
    let view = set.view();
    match count {
        Count::Different(count) => {
            reply.array(count.min(view.len()));
            view.choose(count, &mut random, |member| write(member, reply));
        }
        Count::Repeated(count) if count > REPEATED_ELEMENTS_MAX => return Err(error::OUT_OF_RANGE),
        Count::Repeated(count) => {
            reply.array(count);
            view.pick_each(count, &mut random, |member| write(member, reply));
        }
    }
    Ok(Effect::none())
}

/// How many members, and whether one may come twice.
enum Count {
    Different(usize),
    Repeated(usize),
}

fn signed_count(count: i64) -> Result<Count, Error> {
    match usize::try_from(count) {
        Ok(count) => Ok(Count::Different(count)),
        Err(_) if count == i64::MIN => Err(error::LONG_RANGE),
        Err(_) => Ok(Count::Repeated(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX))),
    }
}

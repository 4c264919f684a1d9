//! One set, or a member on its way from one to another.

use super::write;
use crate::config::KeyspaceEvents;
use crate::error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::{Collection, Set};

pub fn sadd(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (rules, members, first) = (context.rules(), args.from(2), context.named(args.word(2)));
    let edited = context.edit(context.key(0), |set: &mut Set| {
        if let [member] = members {
            set.expect(member, 1, rules);
            let added = usize::from(set.add_named(first, rules));
            return (added, added > 0);
        }
        set.expect(args.word(2), members.len(), rules);
        let added = set.add_all(members, rules);
        (added, added > 0)
    })?;
    reply.integer(edited.result as i64);
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::SET, "sadd", 0))
}

pub fn scard(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let set = context.read_as::<Set>(context.key(0))?;
    reply.integer(set.map_or(0, |set| set.view().len()) as i64);
    Ok(Effect::none())
}

pub fn sismember(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let set = context.read_as::<Set>(context.key(0))?;
    reply.integer(set.is_some_and(|set| set.view().contains(args.word(2))).into());
    Ok(Effect::none())
}

pub fn smembers(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match context.read_as::<Set>(context.key(0))? {
        None => reply.set(0),
        Some(set) => {
            let view = set.view();
            reply.set(view.len());
            view.for_each(|member| write(member, reply));
        }
    }
    Ok(Effect::none())
}

pub fn smismember(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let set = context.read_as::<Set>(context.key(0))?;
    let members = args.from(2);
    reply.array(members.len());
    for member in members {
        reply.integer(set.as_ref().is_some_and(|set| set.view().contains(member)).into());
    }
    Ok(Effect::none())
}

pub fn smove(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to, member) = (context.key(0), context.key(1), args.word(3));
    if context.open(from).is_none() {
        reply.integer(0);
        return Ok(Effect::none());
    }
    let is_there = context.peek_as::<Set>(from)?.is_some_and(|set| set.view().contains(member));
    if context.open(to).is_some_and(|entry| entry.value().kind() != Set::KIND) {
        return Err(error::WRONG_TYPE);
    }
    reply.integer(is_there.into());
    if !is_there || from.bytes() == to.bytes() {
        return Ok(Effect::none());
    }
    let rules = context.rules();
    let taken = context.edit(from, |set: &mut Set| ((), set.remove(member)))?;
    let mut effect = Effect::changed().event(KeyspaceEvents::SET, "srem", 0);
    if taken.emptied {
        effect = effect.event(KeyspaceEvents::GENERIC, "del", 0);
    }
    let added = context.edit(to, |set: &mut Set| {
        set.expect(member, 1, rules);
        ((), set.add(member, rules))
    })?;
    if added.changed {
        effect = effect.event(KeyspaceEvents::SET, "sadd", 1);
    }
    Ok(effect)
}

pub fn srem(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let edited = context.edit(context.key(0), |set: &mut Set| {
        let removed = args.from(2).iter().filter(|member| set.remove(member)).count();
        (removed, removed > 0)
    })?;
    reply.integer(edited.result as i64);
    if !edited.changed {
        return Ok(Effect::none());
    }
    let effect = Effect::changed().event(KeyspaceEvents::SET, "srem", 0);
    Ok(if edited.emptied { effect.event(KeyspaceEvents::GENERIC, "del", 0) } else { effect })
}

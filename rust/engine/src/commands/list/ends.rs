//! Pushing and popping.

use super::{check_sizes, deleted, pop_command, pop_name, push_name, side, write};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::several::{Several, first_there};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::{Edited, Key};
use crate::number::Decimal;
use crate::resp::Reply;
use crate::values::Kind;
use crate::values::list::{List, Side};

pub fn lpush(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(context, args, reply, Side::Left, false)
}

pub fn lpushx(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(context, args, reply, Side::Left, true)
}

pub fn rpush(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(context, args, reply, Side::Right, false)
}

pub fn rpushx(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(context, args, reply, Side::Right, true)
}

#[inline]
fn push(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, side: Side, must_be: bool) -> Outcome {
    let (elements, rules) = (args.from(2), context.rules());
    check_sizes(elements)?;
    let edited = context.edit(context.key(0), |list: &mut List| {
        if must_be && list.is_empty() {
            return (0, false);
        }
        list.push(side, elements, rules);
        (list.len(), true)
    })?;
    reply.integer(edited.result as i64);
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::LIST, push_name(side), 0))
}

pub fn lpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(context, args, reply, Side::Left)
}

pub fn rpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(context, args, reply, Side::Right)
}

#[inline]
fn pop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, side: Side) -> Outcome {
    let key = context.key(0);
    if args.len() > 2 {
        return pop_some(context, args, reply, side);
    }
    let edited = pop_one(context, key, side, reply)?;
    if !edited.changed {
        reply.null();
        return Ok(Effect::none());
    }
    Ok(deleted(Effect::changed().event(KeyspaceEvents::LIST, pop_name(side), 0), edited.emptied, 0))
}

/// Removes the element at an end, and replies with it if there is one.
#[inline]
pub fn pop_one<'a>(
    context: &mut Context<'a, '_>,
    key: Key<'a>,
    side: Side,
    reply: &mut Reply<'_>,
) -> Result<Edited<()>, Error> {
    let rules = context.rules();
    context.edit(key, |list: &mut List| ((), list.pop(side, rules, |entry| write(entry, reply)).is_some()))
}

fn pop_some(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, side: Side) -> Outcome {
    if args.len() > 3 {
        return Err(Error::arity(pop_name(side)));
    }
    let most = args.integer(2).ok().and_then(|count| usize::try_from(count).ok()).ok_or(error::NOT_POSITIVE)?;
    let key = context.key(0);
    match pop_several(context, key, side, most, reply)? {
        None => reply.null_array(),
        Some(Popped { count: 0, .. }) => {}
        Some(popped) => {
            let effect = Effect::changed().event(KeyspaceEvents::LIST, pop_name(side), 0);
            return Ok(deleted(effect, popped.emptied, 0));
        }
    }
    Ok(Effect::none())
}

/// What was removed at an end of a list.
pub struct Popped {
    /// How many elements.
    pub count: usize,
    /// Whether they were the last.
    pub emptied: bool,
}

/// Removes up to `most` elements at an end and replies with them, the outermost first; `None` if there is no list.
pub fn pop_several<'a>(
    context: &mut Context<'a, '_>,
    key: Key<'a>,
    side: Side,
    most: usize,
    reply: &mut Reply<'_>,
) -> Result<Option<Popped>, Error> {
    let rules = context.rules();
    let edited = context.edit(key, |list: &mut List| {
        let len = list.len();
        let count = most.min(len);
        if len > 0 {
            reply.array(count);
        }
        list.read_end(side, count, |entry| write(entry, reply));
        let cut = if count > 0 { list.remove(side, count, rules) } else { None };
        (((len > 0).then_some(count), cut), count > 0)
    })?;
    let (count, cut) = edited.result;
    if let Some(cut) = cut {
        context.drop_later(cut);
    }
    Ok(count.map(|count| Popped { count, emptied: edited.emptied }))
}

/// Reads what LMPOP and BLMPOP are asked for, from the word `numkeys` on.
pub fn read_several(args: Args<'_>, numkeys: usize) -> Result<Several<Side>, Error> {
    Several::read(args, numkeys, |words| side(words.expect_word()?))
}

/// Removes elements from the first of the keys that is there, and replies; `None` if none is.
pub fn pop_first(
    context: &mut Context<'_, '_>,
    several: &Several<Side>,
    reply: &mut Reply<'_>,
) -> Result<Option<Effect>, Error> {
    let Some(number) = first_there(context, Kind::List)? else { return Ok(None) };
    let key = context.key(number);
    reply.array(2);
    reply.bulk(key.bytes());
    let Some(popped) = pop_several(context, key, several.side, several.most, reply)? else { return Ok(None) };
    let effect = if context.is_logged() {
        Effect::instead([pop_command(several.side), key.bytes(), &Decimal::from(popped.count as i64)])
    } else {
        Effect::changed()
    };
    let effect = effect.event(KeyspaceEvents::LIST, pop_name(several.side), number);
    Ok(Some(deleted(effect, popped.emptied, number)))
}

pub fn lmpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let several = read_several(args, 1)?;
    if let Some(effect) = pop_first(context, &several, reply)? {
        return Ok(effect);
    }
    reply.null_array();
    Ok(Effect::none())
}

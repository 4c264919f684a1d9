//! From one list to another, or around in one.

use smallvec::SmallVec;

use super::{deleted, pop_name, push_name, side, side_name, write};
use crate::config::KeyspaceEvents;
use crate::error::Error;
use crate::handler::{Args, Context, Effect, Log, Outcome};
use crate::resp::Reply;
use crate::seeded::Bug;
use crate::values::list::{List, Side};
use rkv_collections::packed::Digits;

/// An element on its way.
type Element = SmallVec<[u8; 128]>;

pub fn lmove(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = (side(args.word(3))?, side(args.word(4))?);
    move_one(context, from, to, reply)
}

pub fn rpoplpush(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    move_one(context, Side::Right, Side::Left, reply)
}

fn move_one(context: &mut Context<'_, '_>, from: Side, to: Side, reply: &mut Reply<'_>) -> Outcome {
    Ok(move_if_any(context, from, to, reply)?.unwrap_or_else(|| {
        reply.null();
        Effect::none()
    }))
}

/// The effect of a command that may wait, as the command that does not.
pub fn log_move(context: &Context<'_, '_>, from: Side, to: Side, effect: Effect) -> Effect {
    if !context.is_logged() {
        return effect;
    }
    let words = [b"LMOVE", context.key(0).bytes(), context.key(1).bytes(), side_name(from), side_name(to)];
    Effect { log: Log::Instead(vec![words.iter().map(|word| Box::from(*word)).collect()]), ..effect }
}

/// Moves an element from the first key to the second and replies with it; `None` if there is none.
pub fn move_if_any(
    context: &mut Context<'_, '_>,
    from: Side,
    to: Side,
    reply: &mut Reply<'_>,
) -> Result<Option<Effect>, Error> {
    let (source, target, rules) = (context.key(0), context.key(1), context.rules());
    let mut element = Element::new();
    // Two keys of one name have two numbers.
    let is_one = source.bytes() == target.bytes();
    if context.peek_as::<List>(source)?.is_some() && !is_one {
        context.peek_as::<List>(target)?;
    }
    let popped = context.edit(source, |list: &mut List| {
        let popped = list.pop(from, rules, |entry| {
            write(entry, reply);
            element.extend_from_slice(entry.bytes(&mut Digits::new()));
        });
        if popped.is_some() && is_one {
            list.push(to, &[&element], rules);
        }
        ((), popped.is_some())
    })?;
    if !popped.changed {
        return Ok(None);
    }
    context.locks().let_others_in(Bug::DroppedLock);
    if !is_one {
        context.edit(target, |list: &mut List| {
            list.push(to, &[&element], rules);
            ((), true)
        })?;
    }
    let effect = Effect::changed().event(KeyspaceEvents::LIST, push_name(to), 1);
    let effect = effect.event(KeyspaceEvents::LIST, pop_name(from), 0);
    Ok(Some(deleted(effect, popped.emptied, 0)))
}

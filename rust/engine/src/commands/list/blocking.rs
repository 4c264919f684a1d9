//! Pops that wait: what they find at once they do as the commands that do not wait, and the journal hears of those.

use super::ends::{pop_first, pop_one, read_several};
use super::moves::{log_move, move_if_any};
use super::{deleted, pop_command, pop_name, side};
use crate::config::KeyspaceEvents;
use crate::handler::several::first_there;
use crate::handler::waiting::{Timeout, read_timeout, wait};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::Kind;
use crate::values::list::Side;

pub fn blmove(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = (side(args.word(3))?, side(args.word(4))?);
    let timeout = read_timeout(args.word(5))?;
    move_or_wait(context, from, to, timeout, reply)
}

pub fn blmpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let several = read_several(args, 2)?;
    let timeout = read_timeout(args.word(1))?;
    match pop_first(context, &several, reply)? {
        Some(effect) => Ok(effect),
        None => Ok(wait(context, Kind::List, timeout, true, reply)),
    }
}

pub fn blpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop_or_wait(context, args, Side::Left, reply)
}

pub fn brpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop_or_wait(context, args, Side::Right, reply)
}

fn pop_or_wait(context: &mut Context<'_, '_>, args: Args<'_>, side: Side, reply: &mut Reply<'_>) -> Outcome {
    let timeout = read_timeout(args.word(args.len() - 1))?;
    let Some(number) = first_there(context, Kind::List)? else {
        return Ok(wait(context, Kind::List, timeout, true, reply));
    };
    let key = context.key(number);
    reply.array(2);
    reply.bulk(key.bytes());
    let edited = pop_one(context, key, side, reply)?;
    let effect =
        if context.is_logged() { Effect::instead([pop_command(side), key.bytes()]) } else { Effect::changed() };
    Ok(deleted(effect.event(KeyspaceEvents::LIST, pop_name(side), number), edited.emptied, number))
}

pub fn brpoplpush(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let timeout = read_timeout(args.word(3))?;
    move_or_wait(context, Side::Right, Side::Left, timeout, reply)
}

fn move_or_wait(
    context: &mut Context<'_, '_>,
    from: Side,
    to: Side,
    timeout: Timeout,
    reply: &mut Reply<'_>,
) -> Outcome {
    match move_if_any(context, from, to, reply)? {
        Some(effect) => Ok(log_move(context, from, to, effect)),
        None => Ok(wait(context, Kind::List, timeout, false, reply)),
    }
}

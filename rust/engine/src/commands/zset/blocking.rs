//! Pops that wait: what they find at once they do as the commands that do not wait, and the journal hears of those.

use super::pop::{pop_first, pop_single, read_several};
use crate::handler::waiting::{read_timeout, wait};
use crate::handler::{Args, Context, Outcome};
use crate::resp::Reply;
use crate::values::Kind;
use crate::values::zset::End;

pub fn bzmpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let several = read_several(args, 2)?;
    let timeout = read_timeout(args.word(1))?;
    match pop_first(context, &several, reply)? {
        Some(effect) => Ok(effect),
        None => Ok(wait(context, Kind::Zset, timeout, true, reply)),
    }
}

pub fn bzpopmax(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop_or_wait(context, args, End::Highest, reply)
}

pub fn bzpopmin(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop_or_wait(context, args, End::Lowest, reply)
}

fn pop_or_wait(context: &mut Context<'_, '_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> Outcome {
    let timeout = read_timeout(args.word(args.len() - 1))?;
    match pop_single(context, end, reply)? {
        Some(effect) => Ok(effect),
        None => Ok(wait(context, Kind::Zset, timeout, true, reply)),
    }
}

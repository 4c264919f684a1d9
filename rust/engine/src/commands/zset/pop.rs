//! The lowest and highest members, removed: ZPOPMIN, ZPOPMAX, ZMPOP; and what those that wait share with them.

use super::removed;
use crate::error::{self, Error};
use crate::handler::several::{Several, first_there};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::Edited;
use crate::number::{self, Decimal};
use crate::resp::Reply;
use crate::values::zset::End;
use crate::values::{Kind, Zset};

/// What popping from an end is called.
const fn event(end: End) -> &'static str {
    match end {
        End::Lowest => "zpopmin",
        End::Highest => "zpopmax",
    }
}

/// The command that pops from an end.
const fn command(end: End) -> &'static [u8] {
    match end {
        End::Lowest => b"ZPOPMIN",
        End::Highest => b"ZPOPMAX",
    }
}

pub fn zpopmin(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop_one(context, args, reply, End::Lowest)
}

pub fn zpopmax(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop_one(context, args, reply, End::Highest)
}

fn pop_one(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, end: End) -> Outcome {
    let count = match args.from(2) {
        [] => None,
        [word] => {
            let count = number::parse_i64(word).and_then(|count| u64::try_from(count).ok());
            Some(count.ok_or(error::NOT_POSITIVE)?)
        }
        _ => return Err(error::SYNTAX),
    };
    let form = if count.is_some() && reply.resp3() { Form::Pairs } else { Form::Flat };
    let edited = pop(context, 0, end, count.unwrap_or(1), form, |_| {}, reply)?;
    Ok(removed(&edited, event(end), 0))
}

/// How popped members are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Members and scores, one behind the other.
    Flat,
    /// An array of arrays of a member and its score.
    Pairs,
}

/// Pops members of the key with this number in the plan and writes them; `before` writes what comes before them.
///
/// # Errors
/// The key holds another type; then nothing was written.
pub fn pop(
    context: &mut Context<'_, '_>,
    key: usize,
    end: End,
    count: u64,
    form: Form,
    before: impl FnOnce(&mut Reply<'_>),
    reply: &mut Reply<'_>,
) -> Result<Edited<u64>, Error> {
    context.edit(context.key(key), |zset: &mut Zset| {
        let count = count.min(crate::values::Collection::view(zset).len());
        before(reply);
        match form {
            Form::Flat => reply.array(count as usize * 2),
            Form::Pairs => reply.array(count as usize),
        }
        let popped = zset.pop(end, count, |member, score| {
            if form == Form::Pairs {
                reply.array(2);
            }
            reply.bulk(member);
            reply.double(score);
        });
        (popped, popped > 0)
    })
}

pub fn zmpop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let several = read_several(args, 1)?;
    let popped = pop_first(context, &several, reply)?;
    if popped.is_none() {
        reply.null_array();
    }
    Ok(popped.unwrap_or_default())
}

/// Pops from the first key of the plan that is there, and answers its name and pairs; `None` if none is there.
///
/// # Errors
/// That key holds another type.
pub fn pop_first(
    context: &mut Context<'_, '_>,
    several: &Several<End>,
    reply: &mut Reply<'_>,
) -> Result<Option<Effect>, Error> {
    let Some(number) = first_there(context, Kind::Zset)? else { return Ok(None) };
    let key = context.key(number);
    let name = |reply: &mut Reply<'_>| {
        reply.array(2);
        reply.bulk(key.bytes());
    };
    let Several { side: end, most } = *several;
    let edited = pop(context, number, end, most as u64, Form::Pairs, name, reply)?;
    let mut effect = removed(&edited, event(end), number);
    if context.is_logged() {
        effect.log = Effect::instead([command(end), key.bytes(), &Decimal::from(edited.result)]).log;
    }
    Ok(Some(effect))
}

/// Pops one member from the first key of the plan that is there, and answers its name, the member and its score; `None`
/// if none is there.
///
/// # Errors
/// That key holds another type.
pub fn pop_single(context: &mut Context<'_, '_>, end: End, reply: &mut Reply<'_>) -> Result<Option<Effect>, Error> {
    let Some(number) = first_there(context, Kind::Zset)? else { return Ok(None) };
    let key = context.key(number);
    let edited = context.edit(key, |zset: &mut Zset| {
        let popped = zset.pop(end, 1, |member, score| {
            reply.array(3);
            reply.bulk(key.bytes());
            reply.bulk(member);
            reply.double(score);
        });
        (popped, popped > 0)
    })?;
    let mut effect = removed(&edited, event(end), number);
    if context.is_logged() {
        effect.log = Effect::instead([command(end), key.bytes()]).log;
    }
    Ok(Some(effect))
}

/// Reads what ZMPOP and BZMPOP are asked for, from the word `numkeys` on.
pub fn read_several(args: Args<'_>, numkeys: usize) -> Result<Several<End>, Error> {
    Several::read(args, numkeys, |words| match () {
        () if words.keyword("MIN") => Ok(End::Lowest),
        () if words.keyword("MAX") => Ok(End::Highest),
        () => Err(error::SYNTAX),
    })
}

//! The lowest and highest members, removed: ZPOPMIN, ZPOPMAX, ZMPOP; and what those that wait share with them.

use super::removed;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::Edited;
use crate::number::{self, Decimal};
use crate::resp::Reply;
use crate::values::Zset;
use crate::values::zset::End;

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
    let MultiPop { end, count } = MultiPop::read(args, 1)?;
    let popped = pop_first(context, end, count, reply)?;
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
    end: End,
    count: u64,
    reply: &mut Reply<'_>,
) -> Result<Option<Effect>, Error> {
    let keys = context.keys();
    let Some(number) = keys.iter().position(|key| context.open(*key).is_some()) else { return Ok(None) };
    let key = context.key(number);
    let name = |reply: &mut Reply<'_>| {
        reply.array(2);
        reply.bulk(key.bytes());
    };
    let edited = pop(context, number, end, count, Form::Pairs, name, reply)?;
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
    let keys = context.keys();
    let Some(number) = keys.iter().position(|key| context.open(*key).is_some()) else { return Ok(None) };
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

/// The words of ZMPOP from `numkeys` on.
pub struct MultiPop {
    pub end: End,
    pub count: u64,
}

impl MultiPop {
    /// Reads the words behind `numkeys`, which is at `first`.
    ///
    /// # Errors
    /// They do not say from where and how much to pop.
    pub fn read(args: Args<'_>, first: usize) -> Result<Self, Error> {
        let positive =
            |word: &[u8]| number::parse_i64(word).and_then(|count| u64::try_from(count).ok()).filter(|n| *n > 0);
        let keys = positive(args.word(first)).ok_or(error::NUMKEYS_NOT_POSITIVE)?;
        let at = usize::try_from(keys).ok().and_then(|keys| keys.checked_add(first + 1)).ok_or(error::SYNTAX)?;
        let mut words = args.cursor(at);
        let end = if words.keyword("MIN") {
            End::Lowest
        } else if words.keyword("MAX") {
            End::Highest
        } else {
            return Err(error::SYNTAX);
        };
        let mut count = None;
        while !words.is_done() {
            if count.is_some() || words.left() < 2 || !words.keyword("COUNT") {
                return Err(error::SYNTAX);
            }
            count = Some(positive(words.expect_word()?).ok_or(error::COUNT_NOT_POSITIVE)?);
        }
        Ok(Self { end, count: count.unwrap_or(1) })
    }
}

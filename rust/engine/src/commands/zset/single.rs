//! One key, members by name: ZADD, ZINCRBY, ZREM and the questions about members.

use smallvec::SmallVec;

use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::Zset;
use crate::values::zset::{Change, Condition, parse_score};

/// Scores of one ZADD that need no memory of their own.
const SCORES_INLINE: usize = 8;

/// What ZADD is to do.
struct Addition {
    condition: Condition,
    /// Updated members are counted, too.
    counts_updates: bool,
    /// Where the first score stands.
    first: usize,
}

impl Addition {
    fn read(args: Args<'_>, is_sum: bool) -> Result<Self, Error> {
        let mut condition = Condition { is_sum, ..Condition::default() };
        let mut counts_updates = false;
        let mut words = args.cursor(2);
        loop {
            if words.keyword("NX") {
                condition.if_absent = true;
            } else if words.keyword("XX") {
                condition.if_there = true;
            } else if words.keyword("CH") {
                counts_updates = true;
            } else if words.keyword("INCR") {
                condition.is_sum = true;
            } else if words.keyword("GT") {
                condition.if_greater = true;
            } else if words.keyword("LT") {
                condition.if_less = true;
            } else {
                break;
            }
        }
        if words.is_done() || !words.left().is_multiple_of(2) {
            return Err(error::SYNTAX);
        }
        let Condition { if_absent, if_there, if_greater, if_less, is_sum } = condition;
        if if_absent && if_there {
            return Err(error::ZADD_NX_XX);
        }
        if (if_greater && (if_absent || if_less)) || (if_less && if_absent) {
            return Err(error::ZADD_GT_LT_NX);
        }
        if is_sum && words.left() > 2 {
            return Err(error::ZADD_INCR_ONE);
        }
        Ok(Self { condition, counts_updates, first: args.len() - words.left() })
    }
}

pub fn zadd(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(context, args, reply, false)
}

/// Its words are read as those of ZADD, options and all.
pub fn zincrby(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(context, args, reply, true)
}

fn add(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, is_sum: bool) -> Outcome {
    let Addition { condition, counts_updates, first } = Addition::read(args, is_sum)?;
    let data = args.from(first);
    let mut scores: SmallVec<[f64; SCORES_INLINE]> = SmallVec::new();
    for score in data.iter().step_by(2) {
        scores.push(parse_score(score).ok_or(error::NOT_FLOAT)?);
    }
    let members = || data.iter().skip(1).step_by(2);
    let longest_bytes = members().map(|member| member.len()).max().unwrap_or_default();
    let (rules, first) = (context.rules(), context.named(args.word(first + 1)));
    let edited = context.edit(context.key(0), |zset: &mut Zset| {
        zset.expect(scores.len(), longest_bytes, rules);
        let (mut added, mut updated, mut sum) = (0, 0, None);
        for (number, (&member, &score)) in members().zip(&scores).enumerate() {
            let member = if number == 0 { first } else { member.into() };
            match zset.add_named(member, score, condition, rules) {
                Ok((Change::Refused, _)) => {}
                Ok((change, score)) => {
                    added += i64::from(change == Change::Added);
                    updated += i64::from(change == Change::Updated);
                    sum = Some(score);
                }
                // Only a sum can be no number, and there is only one of those.
                Err(_) => return (Err(error::SCORE_NAN), false),
            }
        }
        (Ok((added, updated, sum)), added + updated > 0)
    })?;
    let (added, updated, sum) = edited.result?;
    match sum {
        _ if !condition.is_sum => reply.integer(if counts_updates { added + updated } else { added }),
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    if !edited.changed {
        return Ok(Effect::none());
    }
    let event = if condition.is_sum { "zincr" } else { "zadd" };
    Ok(Effect::changed().event(KeyspaceEvents::ZSET, event, 0))
}

pub fn zrem(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let edited = context.edit(context.key(0), |zset: &mut Zset| {
        let removed = args.from(2).iter().filter(|member| zset.remove(member)).count();
        (removed, removed > 0)
    })?;
    reply.integer(edited.result as i64);
    Ok(super::removed(&edited, "zrem", 0))
}

pub fn zcard(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = context.read_as::<Zset>(context.key(0))?.map_or(0, |zset| zset.view().len());
    reply.integer(len as i64);
    Ok(Effect::none())
}

pub fn zscore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match context.read_as::<Zset>(context.key(0))?.and_then(|zset| zset.view().score(args.word(2))) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(Effect::none())
}

pub fn zmscore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let zset = context.read_as::<Zset>(context.key(0))?;
    let members = args.from(2);
    reply.array(members.len());
    for member in members {
        match zset.as_ref().and_then(|zset| zset.view().score(member)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
    Ok(Effect::none())
}

pub fn zrank(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    rank(context, args, reply, "zrank", |rank, _| rank)
}

pub fn zrevrank(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    rank(context, args, reply, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    name: &str,
    count: impl FnOnce(u64, u64) -> u64,
) -> Outcome {
    let with_score = match args.from(3) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        [_] => return Err(error::SYNTAX),
        _ => return Err(Error::arity(name)),
    };
    let zset = context.read_as::<Zset>(context.key(0))?;
    let found = zset.as_ref().and_then(|zset| {
        let (rank, score) = zset.view().rank(args.word(2))?;
        Some((count(rank, zset.view().len()), score))
    });
    match found {
        Some((rank, score)) if with_score => {
            reply.array(2);
            reply.integer(rank as i64);
            reply.double(score);
        }
        Some((rank, _)) => reply.integer(rank as i64),
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(Effect::none())
}

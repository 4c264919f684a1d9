//! Ranges of ranks, scores and names: counted, shown, stored and removed.

use std::ops::Range;

use super::{removed, write_members};
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number;
use crate::resp::Reply;
use crate::values::Zset;
use crate::values::zset::{NameRange, ScoreRange, ZsetView};

/// What a range speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// The ends of a range.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    /// The first and the last rank; negative ones count from the end.
    Ranks(i64, i64),
    Scores(ScoreRange),
    Names(NameRange<'a>),
}

impl<'a> Bounds<'a> {
    fn read(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, Error> {
        match by {
            By::Rank => {
                let first = number::parse_i64(min).ok_or(error::NOT_INTEGER)?;
                let last = number::parse_i64(max).ok_or(error::NOT_INTEGER)?;
                Ok(Self::Ranks(first, last))
            }
            By::Score => ScoreRange::parse(min, max).map(Self::Scores).ok_or(error::SCORE_BOUND),
            By::Name => NameRange::parse(min, max).map(Self::Names).ok_or(error::NAME_BOUND),
        }
    }

    /// The ranks inside. Those of `Ranks` are counted from the other end, if `is_reverse`.
    fn ranks(&self, view: ZsetView<'_>, is_reverse: bool) -> Range<u64> {
        match self {
            Self::Ranks(first, last) => {
                let len = view.len();
                let Range { start, end } = ranks_between(*first, *last, len);
                if is_reverse { len - end..len - start } else { start..end }
            }
            Self::Scores(range) => view.within_scores(range),
            Self::Names(range) => view.within_names(range, is_reverse),
        }
    }
}

/// Ranks from the first to the last of a sorted set of `len` members.
fn ranks_between(first: i64, last: i64, len: u64) -> Range<u64> {
    let from_end = |rank: i64| if rank < 0 { rank.saturating_add_unsigned(len) } else { rank };
    let (first, last) = (from_end(first).max(0).unsigned_abs(), from_end(last));
    let Ok(last) = u64::try_from(last) else { return 0..0 };
    let end = last.saturating_add(1).min(len);
    if first < end { first..end } else { 0..0 }
}

/// What ZRANGE and its kin ask for.
struct Query<'a> {
    bounds: Bounds<'a>,
    is_reverse: bool,
    offset: i64,
    /// Negative: no limit.
    limit: i64,
    with_scores: bool,
}

/// What a command's name says of its range; the rest is said by options.
#[derive(Clone, Copy, Default)]
struct Named {
    by: Option<By>,
    is_reverse: Option<bool>,
    is_stored: bool,
}

impl<'a> Query<'a> {
    /// Reads two bounds, the first at `first`, and the options behind them.
    fn read(args: Args<'a>, first: usize, named: Named) -> Result<Self, Error> {
        let Named { mut by, mut is_reverse, is_stored } = named;
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        let mut words = args.cursor(first + 2);
        while !words.is_done() {
            if !is_stored && words.keyword("WITHSCORES") {
                with_scores = true;
            } else if words.left() > 2 && words.keyword("LIMIT") {
                offset = words.integer()?;
                limit = words.integer()?;
            } else if is_reverse.is_none() && words.keyword("REV") {
                is_reverse = Some(true);
            } else if by.is_none() && words.keyword("BYLEX") {
                by = Some(By::Name);
            } else if by.is_none() && words.keyword("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(error::SYNTAX);
            }
        }
        let (by, is_reverse) = (by.unwrap_or(By::Rank), is_reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(error::ZRANGE_LIMIT);
        }
        if with_scores && by == By::Name {
            return Err(error::ZRANGE_LEX_SCORES);
        }
        let (mut min, mut max) = (args.word(first), args.word(first + 1));
        if is_reverse && by != By::Rank {
            (min, max) = (max, min);
        }
        Ok(Self { bounds: Bounds::read(by, min, max)?, is_reverse, offset, limit, with_scores })
    }

    /// The ranks asked for.
    fn ranks(&self, view: ZsetView<'_>) -> Range<u64> {
        let ranks = self.bounds.ranks(view, self.is_reverse);
        if let Bounds::Ranks(..) = self.bounds {
            return ranks;
        }
        let Ok(offset) = u64::try_from(self.offset) else { return 0..0 };
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        let len = ranks.end.saturating_sub(ranks.start);
        let count = len.saturating_sub(offset).min(limit);
        if count == 0 {
            return 0..0;
        }
        if self.is_reverse {
            ranks.end - offset - count..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + count
        }
    }
}

fn show(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, named: Named) -> Outcome {
    let query = Query::read(args, 2, named)?;
    match context.read_as::<Zset>(context.key(0))? {
        Some(zset) => {
            let ranks = query.ranks(zset.view());
            write_members(zset.view(), ranks, query.is_reverse, query.with_scores, reply);
        }
        None => reply.array(0),
    }
    Ok(Effect::none())
}

const fn named(by: By, is_reverse: bool) -> Named {
    Named { by: Some(by), is_reverse: Some(is_reverse), is_stored: false }
}

pub fn zrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, Named::default())
}

pub fn zrevrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, named(By::Rank, true))
}

pub fn zrangebyscore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, named(By::Score, false))
}

pub fn zrevrangebyscore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, named(By::Score, true))
}

pub fn zrangebylex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, named(By::Name, false))
}

pub fn zrevrangebylex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, named(By::Name, true))
}

pub fn zrangestore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let query = Query::read(args, 3, Named { is_stored: true, ..Named::default() })?;
    let rules = context.rules();
    let stored = match context.read_as::<Zset>(context.key(1))? {
        Some(source) => Zset::part_of(source.view(), query.ranks(source.view()), rules),
        None => Zset::default(),
    };
    super::store(context, stored, "zrangestore", reply)
}

fn count(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>, by: By) -> Outcome {
    let bounds = Bounds::read(by, args.word(2), args.word(3))?;
    let zset = context.read_as::<Zset>(context.key(0))?;
    let ranks = zset.map_or(0..0, |zset| bounds.ranks(zset.view(), false));
    reply.integer(ranks.end.saturating_sub(ranks.start) as i64);
    Ok(Effect::none())
}

pub fn zcount(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    count(context, args, reply, By::Score)
}

pub fn zlexcount(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    count(context, args, reply, By::Name)
}

fn remove(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    by: By,
    event: &'static str,
) -> Outcome {
    let bounds = Bounds::read(by, args.word(2), args.word(3))?;
    let edited = context.edit(context.key(0), |zset: &mut Zset| {
        let ranks = bounds.ranks(crate::values::Collection::view(zset), false);
        let removed = if ranks.is_empty() { 0 } else { zset.remove_ranks(ranks) };
        (removed, removed > 0)
    })?;
    reply.integer(edited.result as i64);
    Ok(removed(&edited, event, 0))
}

pub fn zremrangebyrank(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(context, args, reply, By::Rank, "zremrangebyrank")
}

pub fn zremrangebyscore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(context, args, reply, By::Score, "zremrangebyscore")
}

pub fn zremrangebylex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(context, args, reply, By::Name, "zremrangebylex")
}

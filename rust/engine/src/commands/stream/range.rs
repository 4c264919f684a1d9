//! Reading entries between two ids.

use super::{count, ids, write_entry};
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::stream::{Id, Stream, StreamEntry};

pub fn xlen(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let stream = context.read_as::<Stream>(context.key(0))?;
    reply.integer(stream.map_or(0, |stream| stream.view().entries().len()) as i64);
    Ok(Effect::none())
}

pub fn xrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, end) = (ids::start(args.word(2))?, ids::end(args.word(3))?);
    between(context, args, (start, end), false, reply)
}

pub fn xrevrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let start = ids::start(args.word(3))?;
    let end = ids::end(args.word(2))?;
    between(context, args, (start, end), true, reply)
}

fn between(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    (start, end): (Id, Id),
    is_reverse: bool,
    reply: &mut Reply<'_>,
) -> Outcome {
    let most = read_count(args)?;
    let Some(stream) = context.read_as::<Stream>(context.key(0))? else {
        reply.array(0);
        return Ok(Effect::none());
    };
    if most == Some(0) {
        reply.null_array();
        return Ok(Effect::none());
    }
    let (entries, most) = (stream.view().entries(), most.unwrap_or(usize::MAX));
    if is_reverse {
        write_entries(entries.range_back(start, end).take(most), reply);
    } else {
        write_entries(entries.range(start, end).take(most), reply);
    }
    Ok(Effect::none())
}

fn read_count(args: Args<'_>) -> Result<Option<usize>, Error> {
    let (mut rest, mut most) = (args.cursor(4), None);
    while !rest.is_done() {
        if rest.left() < 2 || !rest.keyword("COUNT") {
            return Err(error::SYNTAX);
        }
        most = Some(count(rest.expect_word()?)?);
    }
    Ok(most)
}

/// Replies with all of these entries; gives how many there were.
pub fn write_entries<'a>(entries: impl Iterator<Item = StreamEntry<'a>>, reply: &mut Reply<'_>) -> usize {
    let (at, mut count) = (reply.array_deferred(), 0);
    for entry in entries {
        write_entry(&entry, reply);
        count += 1;
    }
    reply.fill_array(at, count);
    count
}

//! Elements by their index, or by what they equal.

use super::{check_sizes, deleted, stretch, write};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::list::{List, ListView, Side};
use crate::values::{Collection, Reading};

/// An index that counts from the end if it is negative; `None` if it is beyond the beginning.
fn absolute(index: i64, len: usize) -> Option<usize> {
    usize::try_from(if index < 0 { index.saturating_add(len as i64) } else { index }).ok()
}

pub fn lindex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(list) = context.read_as::<List>(context.key(0))? else {
        reply.null();
        return Ok(Effect::none());
    };
    let (index, view) = (args.integer(2)?, list.view());
    match absolute(index, view.len()).and_then(|index| view.get(index)) {
        Some(entry) => write(entry, reply),
        None => reply.null(),
    }
    Ok(Effect::none())
}

pub fn linsert(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let behind = match args.word(2) {
        word if word.eq_ignore_ascii_case(b"BEFORE") => 0,
        word if word.eq_ignore_ascii_case(b"AFTER") => 1,
        _ => return Err(error::SYNTAX),
    };
    let (pivot, element, rules) = (args.word(3), args.word(4), context.rules());
    let edited = context.edit(context.key(0), |list: &mut List| {
        if list.is_empty() {
            return (Ok(0), false);
        }
        if let Err(error) = check_sizes(&[element]) {
            return (Err(error), false);
        }
        let Some(index) = list.view().find(pivot) else { return (Ok(-1), false) };
        list.insert(index + behind, element, rules);
        (Ok(list.len() as i64), true)
    })?;
    reply.integer(edited.result?);
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::LIST, "linsert", 0))
}

pub fn llen(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let list = context.read_as::<List>(context.key(0))?;
    reply.integer(list.map_or(0, |list| list.view().len()) as i64);
    Ok(Effect::none())
}

pub fn lrange(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, stop) = (args.integer(2)?, args.integer(3)?);
    let list = context.read_as::<List>(context.key(0))?;
    let view = list.as_ref().map(Reading::view);
    let (start, count) = stretch(start, stop, view.map_or(0, ListView::len));
    reply.array(count);
    if let Some(view) = view {
        view.each_from(start, count, |entry| write(entry, reply));
    }
    Ok(Effect::none())
}

pub fn lrem(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (count, element, rules) = (args.integer(2)?, args.word(3), context.rules());
    if count == i64::MIN {
        return Err(error::LONG_RANGE);
    }
    let side = if count < 0 { Side::Right } else { Side::Left };
    let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let edited = context.edit(context.key(0), |list: &mut List| {
        let removed = list.remove_equal(element, side, most, rules);
        (removed, removed > 0)
    })?;
    reply.integer(edited.result as i64);
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(deleted(Effect::changed().event(KeyspaceEvents::LIST, "lrem", 0), edited.emptied, 0))
}

pub fn lset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (element, rules) = (args.word(3), context.rules());
    let edited = context.edit(context.key(0), |list: &mut List| {
        let result = set(list, args, element, rules);
        let changed = result.is_ok();
        (result, changed)
    })?;
    edited.result?;
    reply.ok();
    Ok(Effect::changed().event(KeyspaceEvents::LIST, "lset", 0))
}

/// Complains in Redis's order: of the key, of the index, of where it points.
fn set(list: &mut List, args: Args<'_>, element: &[u8], rules: &crate::values::Rules) -> Result<(), Error> {
    if list.is_empty() {
        return Err(error::NO_SUCH_KEY);
    }
    let index = args.integer(2)?;
    check_sizes(&[element])?;
    let index = absolute(index, list.len()).ok_or(error::INDEX_RANGE)?;
    if list.set(index, element, rules) { Ok(()) } else { Err(error::INDEX_RANGE) }
}

pub fn ltrim(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, stop, rules) = (args.integer(2)?, args.integer(3)?, context.rules());
    let edited = context.edit(context.key(0), |list: &mut List| {
        let len = list.len();
        let (first, count) = stretch(start, stop, len);
        let behind = len - first - count;
        // What is cut off first goes later.
        let right = if behind > 0 { list.remove(Side::Right, behind, rules) } else { None };
        let left = if first > 0 { list.remove(Side::Left, first, rules) } else { None };
        // Redis tells of a trim that removes nothing, too.
        ([right, left], len > 0)
    })?;
    edited.result.into_iter().flatten().for_each(|cut| context.drop_later(cut));
    reply.ok();
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(deleted(Effect::changed().event(KeyspaceEvents::LIST, "ltrim", 0), edited.emptied, 0))
}

//! Many bits: BITCOUNT, BITOP and BITPOS.

use rkv_collections::bytes::Shared;
use smallvec::SmallVec;

use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Deadline, Effect, Outcome};
use crate::keyspace::Key;
use crate::resp::Reply;
use crate::values::NewValue;
use crate::values::bits::{self, Operation, Unit};
use crate::values::string::{StringRef, Text};

/// Results up to this many bytes are copied next to their key, longer ones handed over in their buffer.
const RAW_BYTES_MAX: usize = 512;

/// The string under a key, for a read.
fn read<'c>(context: &'c mut Context<'_, '_>, key: Key<'_>) -> Result<Option<Text<'c>>, Error> {
    match context.read(key) {
        None => Ok(None),
        Some(entry) => StringRef::of(entry.value()).map(|value| Some(value.text())),
    }
}

/// Reads `BYTE` or `BIT`, which may be left out.
fn unit(word: Option<&[u8]>) -> Result<Unit, Error> {
    match word {
        None => Ok(Unit::Byte),
        Some(word) if word.eq_ignore_ascii_case(b"BYTE") => Ok(Unit::Byte),
        Some(word) if word.eq_ignore_ascii_case(b"BIT") => Ok(Unit::Bit),
        Some(_) => Err(error::SYNTAX),
    }
}

pub fn bitcount(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 5 {
        return Err(error::SYNTAX);
    }
    let start = if args.len() > 2 { args.integer(2)? } else { 0 };
    let unit = unit(args.get(4))?;
    let end = if args.len() > 3 { args.integer(3)? } else { -1 };
    let text = read(context, context.key(0))?.unwrap_or(Text::Bytes(b""));
    let is_empty = start < 0 && end < 0 && start > end;
    let count = match bits::range(text.len(), start, end, unit) {
        Some(range) if !is_empty => bits::count_in(&text, range),
        _ => 0,
    };
    reply.integer(count as i64);
    Ok(Effect::none())
}

pub fn bitop(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut words = args.cursor(1);
    let operation = if words.keyword("AND") {
        Operation::And
    } else if words.keyword("OR") {
        Operation::Or
    } else if words.keyword("XOR") {
        Operation::Xor
    } else if words.keyword("NOT") {
        Operation::Not
    } else {
        return Err(error::SYNTAX);
    };
    let (target, sources) = (context.key(0), context.keys().get(1..).unwrap_or_default());
    if operation == Operation::Not && sources.len() != 1 {
        return Err(error::BITOP_NOT);
    }
    // All must be there at once, which only `peek` can give; this counts them as read.
    for source in sources {
        context.read(*source);
    }
    let result = combined(context, operation, sources)?;
    let len = result.len();
    reply.integer(len as i64);
    if len == 0 {
        let effect = if context.remove(target) {
            Effect::changed().event(KeyspaceEvents::GENERIC, "del", 0)
        } else {
            Effect::none()
        };
        return Ok(effect);
    }
    let value = if len > RAW_BYTES_MAX { NewValue::Shared(Shared::from(result)) } else { NewValue::Raw(&result) };
    context.put(target, value, Deadline::Clear);
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "set", 0))
}

/// What an operation makes of the strings under some keys; a missing key is an empty one.
fn combined(context: &Context<'_, '_>, operation: Operation, keys: &[Key<'_>]) -> Result<Vec<u8>, Error> {
    let mut texts: SmallVec<[Text<'_>; 4]> = SmallVec::new();
    for key in keys {
        texts.push(match context.peek(*key) {
            None => Text::Bytes(b""),
            Some(entry) => StringRef::of(entry.value())?.text(),
        });
    }
    let sources: SmallVec<[&[u8]; 8]> = texts.iter().map(|text| &**text).collect();
    Ok(bits::combine(operation, &sources))
}

pub fn bitpos(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_on = match args.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(error::BITPOS_BIT),
    };
    if args.len() > 6 {
        return Err(error::SYNTAX);
    }
    let start = if args.len() > 3 { args.integer(3)? } else { 0 };
    let unit = unit(args.get(5))?;
    let end = args.get(4).map(|_| args.integer(4)).transpose()?;
    let Some(text) = read(context, context.key(0))? else {
        // A missing key is zeros without end.
        reply.integer(if is_on { -1 } else { 0 });
        return Ok(Effect::none());
    };
    let range = bits::range(text.len(), start, end.unwrap_or(-1), unit);
    let place = range.and_then(|range| {
        bits::find(&text, is_on, range).or_else(|| {
            // Behind the end there are zeros, for who did not say where to end.
            (!is_on && end.is_none()).then_some(text.len() as u64 * 8)
        })
    });
    reply.integer(place.map_or(-1, |place| place as i64));
    Ok(Effect::none())
}

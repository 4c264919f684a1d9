//! One bit: GETBIT and SETBIT.

use super::bit_offset;
use crate::config::KeyspaceEvents;
use crate::error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::Rewrite;
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::values::bits;
use crate::values::string::StringRef;

pub fn getbit(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let offset = bit_offset(context, args.word(2))?;
    let is_on = match context.read(context.key(0)) {
        None => false,
        Some(entry) => bits::get(&StringRef::of(entry.value())?.text(), offset),
    };
    reply.integer(i64::from(is_on));
    Ok(Effect::none())
}

pub fn setbit(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let offset = bit_offset(context, args.word(2))?;
    let is_on = match parse_i64(args.word(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(error::BIT_VALUE),
    };
    let edited = context.edit_string(context.key(0), |bytes, _| {
        let (was_on, changed) = bits::set(bytes, offset, is_on);
        (was_on, Rewrite::of(changed))
    })?;
    reply.integer(i64::from(edited.result));
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "setbit", 0))
}

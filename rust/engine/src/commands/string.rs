//! Strings.

use crate::config::KeyspaceEvents;
use crate::error::Error;
use crate::handler::{Args, Context, Deadline, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::resp::Reply;
use crate::values::ValueRef;
use crate::values::string;

const READ: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);
const WRITE: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))]);

pub(super) const ROWS: &[Row] = &[
    Row::new("GET", 2, Group::String, get).keys(READ).flags(Flags::READONLY.with(Flags::FAST)),
    Row::new("SET", -3, Group::String, set).keys(WRITE).flags(Flags::WRITE.with(Flags::DENYOOM)),
];

fn get(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    match context.read(context.key(0)).map(|entry| entry.value()) {
        None => reply.null(),
        Some(ValueRef::Bytes(bytes)) => reply.bulk(bytes),
        Some(ValueRef::Integer(number)) => reply.bulk_integer(number),
        Some(ValueRef::Shared(shared)) => reply.shared(shared),
    }
    Ok(Effect::none())
}

fn set(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    context.put(context.key(0), string::encode(args.word(2)), Deadline::Clear);
    reply.ok();
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "set", 0))
}

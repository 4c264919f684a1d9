//! Strings.

use crate::config::KeyspaceEvents;
use crate::error::Error;
use crate::handler::{Args, Context, Deadline, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::resp::Reply;
use crate::values::ValueRef;
use crate::values::string;

pub(super) const ROWS: &[Row] = &[
    Row::new("GET", 2, Group::String, get)
        .doc("Reads a string.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("SET", -3, Group::String, set)
        .doc("Sets a string, whatever the key held; options give conditions and expiry.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS),
        )]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage(
            "key:key value:string [NX@2.6.12 | XX@2.6.12 | IFEQ comparison-value:string@8.1.0] [GET@6.2.0] \
             [expiration:(EX seconds:integer@2.6.12 | PX milliseconds:integer@2.6.12 | EXAT \
             unix-time-seconds:unix-time@6.2.0 | PXAT unix-time-milliseconds:unix-time@6.2.0 | KEEPTTL@6.0.0)]",
        ),
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

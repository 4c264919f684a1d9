//! MIGRATE: keys go to another server.
//!
//! Redis stands still until the target has answered. Here nobody waits but who asked: the values are taken under the locks of their
//! keys, sent by a thread that holds none, and each key is deleted under its lock again, if the target has acknowledged it and nobody
//! has changed it since it was taken. What was changed is taken and sent anew, for as long as the command's timeout.
//!
//! # Invariants
//!
//! * A key is deleted only if the target has acknowledged the very value and deadline that it has at that moment.
//! * Nothing is sent before the target has accepted the credentials and the database.
//! * At most [`PART_BYTES`] and one value are held in memory, and as many answers are read as commands were sent.

mod errand;
mod request;

use self::errand::Migration;
use self::request::Request;
use crate::error;
use crate::handler::{
    Args, Begin, Categories, Context, Effect, Find, Flags, Group, KeyAt, KeyFlags, KeySpec, Keys, KeysFound, Outcome,
    Row,
};
use crate::resp::Reply;

const TAKE: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);
const KEY: KeySpec = KeySpec::one(3, TAKE);
const MORE: KeySpec = KeySpec {
    begin: Begin::Keyword("KEYS", -2),
    find: Find::Range { last: -1, step: 1, limit: 0 },
    flags: TAKE.with(KeyFlags::INCOMPLETE),
};
const USAGE: &str = "host:string port:integer key-selector:(key:key#0 | empty-string='') destination-db:integer \
                     timeout:integer [COPY@3.0.0] [REPLACE@3.0.0] [authentication:(AUTH auth/password:string@4.0.7 | \
                     AUTH2 auth2:(username:string password:string)@6.0.0)] [KEYS keys/key:key#1...@3.0.6]";

pub(super) const ROWS: &[Row] = &[Row::new("MIGRATE", -6, Group::Generic, migrate)
    .since("2.6.0")
    .doc("Moves keys to another server, or copies them.", "O(N) for values of N bytes, here and there")
    .keys(Keys::Computed(&[KEY, MORE], find_keys))
    .flags(Flags::WRITE.with(Flags::MOVABLEKEYS).with(Flags::LINEAR).with(Flags::PROTECTED).with(Flags::ERRAND))
    .categories(Categories::KEYSPACE.with(Categories::DANGEROUS))
    .tips(&["nondeterministic_output"])
    .usage(USAGE)];

fn find_keys(args: Args<'_>) -> KeysFound {
    let positions = request::key_words(args).map(|index| KeyAt { index, flags: TAKE }).collect();
    KeysFound { positions, is_all: false }
}

fn migrate(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if context.has_timed_out() {
        return Err(error::ERRAND_ENDED);
    }
    let request = Request::read(args)?;
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    for key in context.keys() {
        if context.read(*key).is_some() {
            keys.push(key.bytes().into());
        }
    }
    if keys.is_empty() {
        reply.simple("NOKEY");
        return Ok(Effect::none());
    }
    if !context.can_wait() {
        return Err(error::MIGRATE_MUST_WAIT);
    }
    let errands = &context.store.errands;
    let network = errands.network().ok_or(error::NO_NETWORK)?;
    let leave = errands.leave().ok_or(error::TOO_MANY_ERRANDS)?;
    context.go_out(Box::new(Migration::new(request, keys, network, leave)));
    Ok(Effect::wait(None))
}

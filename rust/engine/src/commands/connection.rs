//! Connections: who is there, and how they talk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::acl::DEFAULT_USER;
use crate::client::ReplyMode;
use crate::config::options;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Flags, Group, Outcome, Row, permission};
use crate::number;
use crate::resp::{Protocol, Reply};
use crate::{REDIS_VERSION, SERVER_NAME};

/// What a client may do that has not said who it is.
const STRANGER: Flags = Flags::NOSCRIPT
    .with(Flags::LOADING)
    .with(Flags::STALE)
    .with(Flags::FAST)
    .with(Flags::NO_AUTH)
    .with(Flags::ALLOW_BUSY)
    .with(Flags::SESSION);

pub(super) const ROWS: &[Row] = &[
    Row::new("PING", -1, Group::Connection, ping)
        .doc("Answers PONG or the given message: the connection is alive.", "O(1)")
        .flags(Flags::FAST)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .usage("[message:string]"),
    Row::new("ECHO", 2, Group::Connection, echo)
        .doc("Answers with the given message.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE).with(Flags::FAST))
        .usage("message:string"),
    Row::new("HELLO", -1, Group::Connection, hello)
        .since("6.0.0")
        .doc("Chooses the protocol version, optionally with AUTH and a name, and describes the server.", "O(1)")
        .flags(STRANGER)
        .usage(
            "[arguments:(protover:integer [AUTH auth:(username:string password:string)] [SETNAME \
             clientname:string])]",
        ),
    Row::new("AUTH", -2, Group::Connection, auth)
        .doc("Authenticates the connection.", "O(N) for a user with N passwords")
        .flags(STRANGER)
        .usage("[username:string@6.0.0] password:string"),
    Row::new("SELECT", 2, Group::Connection, select)
        .doc("Chooses the database of the connection.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE).with(Flags::FAST).with(Flags::ALLOW_BUSY).with(Flags::SESSION))
        .usage("index:integer"),
    Row::new("QUIT", -1, Group::Connection, quit)
        .doc("Closes the connection.", "O(1)")
        .flags(STRANGER.with(Flags::UNQUEUED)),
    Row::new("RESET", 1, Group::Connection, reset)
        .since("6.2.0")
        .doc("Puts the connection back into its first state.", "O(1)")
        .flags(STRANGER.with(Flags::UNQUEUED)),
];

fn ping(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.words() {
        // Among messages by RESP2 a reply must look like one.
        [_] | [_, _] if context.client.only_listens => {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(args.get(1).unwrap_or_default());
        }
        [_] => reply.simple("PONG"),
        [_, message] => reply.bulk(message),
        _ => return Err(Error::arity("ping")),
    }
    Ok(Effect::none())
}

fn echo(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(args.word(1));
    Ok(Effect::none())
}

/// What HELLO asks for.
#[derive(Default)]
struct Greeting<'a> {
    protocol: Option<Protocol>,
    user: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a str>,
}

fn greeting(args: Args<'_>) -> Result<Greeting<'_>, Error> {
    let mut greeting = Greeting::default();
    let mut cursor = args.cursor(1);
    let Some(version) = cursor.next_word() else { return Ok(greeting) };
    greeting.protocol = match number::parse_i64(version) {
        None => return Err(error::PROTOCOL_NOT_INTEGER),
        Some(2) => Some(Protocol::Resp2),
        Some(3) => Some(Protocol::Resp3),
        Some(_) => return Err(error::NO_PROTOCOL),
    };
    while let Some(option) = cursor.next_word() {
        match (option.to_ascii_uppercase().as_slice(), cursor.rest()) {
            (b"AUTH", [user, password, ..]) => {
                greeting.user = Some((user, password));
                (_, _) = (cursor.next_word(), cursor.next_word());
            }
            (b"SETNAME", [name, ..]) => {
                greeting.name = Some(super::client_name(name)?);
                cursor.next_word();
            }
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(Error::text(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
    }
    Ok(greeting)
}

fn hello(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let greeting = greeting(args)?;
    if let Some((user, password)) = greeting.user {
        authenticate(context, args, user, password)?;
    }
    if !context.client.is_authenticated && context.store.acl.requires_password() {
        return Err(error::HELLO_WITHOUT_AUTH);
    }
    if let Some(protocol) = greeting.protocol {
        context.client.speak(protocol);
    }
    if let Some(name) = greeting.name {
        context.client.link.names().name = name.into();
    }
    reply.set_protocol(context.client.protocol);
    let config = context.store.config();
    let zone = config.get(options::AVAILABILITY_ZONE);
    reply.map(if zone.is_empty() { 7 } else { 8 });
    for (name, value) in [("server", SERVER_NAME), ("version", REDIS_VERSION)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(if reply.resp3() { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(context.client.link.id as i64);
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone);
    }
    Ok(Effect::none())
}

fn auth(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.from(1) {
        [password] if !context.store.acl.default_user().rules().no_password => {
            authenticate(context, args, DEFAULT_USER, password)?;
        }
        [_] => return Err(error::AUTH_WITHOUT_PASSWORD),
        [user, password] => authenticate(context, args, user, password)?,
        _ => return Err(error::SYNTAX),
    }
    reply.ok();
    Ok(Effect::none())
}

fn authenticate(context: &mut Context<'_, '_>, args: Args<'_>, name: &[u8], password: &[u8]) -> Result<(), Error> {
    let store = context.store;
    if let Some(user) = store.acl.authenticate(name, password)
        && context.client.log_in(Some(user), true)
    {
        return Ok(());
    }
    let link = &context.client.link;
    let place = if link.queued.load(Ordering::Relaxed) < 0 { "toplevel" } else { "multi" };
    let described = super::client_line(store, link, context.now_ms());
    permission::log_failed_login(store, place, args.word(0), name, described);
    Err(error::WRONG_PASS)
}

fn select(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let index = context.db_index(args.word(1))?;
    context.client.select(index);
    reply.ok();
    Ok(Effect::none())
}

fn quit(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.client.is_closing = true;
    reply.ok();
    Ok(Effect::none())
}

fn reset(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.store.end_monitor(&context.client.link);
    let client = &mut *context.client;
    client.end_transaction();
    client.unwatch(&context.store.keyspace);
    context.store.leave_pubsub(client);
    client.select(0);
    client.speak(Protocol::Resp2);
    if client.link.is_embedded() {
        client.log_in(None, true);
    } else {
        let acl = &context.store.acl;
        client.log_in(Some(Arc::clone(acl.default_user())), !acl.requires_password());
    }
    client.set_no_touch(false);
    client.link.flags.no_evict.store(false, Ordering::Relaxed);
    client.reply_mode = ReplyMode::On;
    client.link.names().name.clear();
    reply.set_protocol(Protocol::Resp2);
    reply.simple("RESET");
    Ok(Effect::none())
}

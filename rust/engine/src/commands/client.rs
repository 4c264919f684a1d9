//! Clients: what each says about itself, and what it may know of and do to others.

mod filter;
mod state;
mod tracking;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::filter::Filter;
use crate::client::{Link, ReplyMode, Transport};
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Flags, Group, Keys, Outcome, Row, Store, subcommand};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[Row::container("CLIENT", Group::Connection, SUBCOMMANDS)
    .since("2.4.0")
    .doc("Container of commands about connections.", "Depends on subcommand.")];

/// Subcommands of CLIENT.
const SUBCOMMANDS: &[Row] = &[
    Row::new("CAPA", -3, Group::Connection, state::capa)
        .since("8.0.0")
        .doc("Says what this connection understands.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY).with(Flags::SESSION))
        .usage("capability:string..."),
    Row::new("CACHING", 3, Group::Connection, tracking::caching)
        .since("6.0.0")
        .doc("Says whether the keys of the next command are cached.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY).with(Flags::SESSION))
        .usage("mode:(YES | NO)"),
    Row::new("GETREDIR", 2, Group::Connection, tracking::getredir)
        .since("6.0.0")
        .doc("Tells to which connection the invalidations of this one go.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY)),
    Row::new("TRACKING", -3, Group::Connection, tracking::tracking)
        .since("6.0.0")
        .doc("Switches invalidations of cached keys on or off.", "O(1), O(N) for N prefixes")
        .keys(Keys::Each)
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::SESSION))
        .usage(
            "status:(ON | OFF) [REDIRECT client-id:integer] [PREFIX prefix:string]... [BCAST] [OPTIN] [OPTOUT] \
             [NOLOOP]",
        ),
    Row::new("TRACKINGINFO", 2, Group::Connection, tracking::trackinginfo)
        .since("6.2.0")
        .doc("Tells which keys this connection hears of.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE)),
    Row::new("GETNAME", 2, Group::Connection, getname)
        .since("2.6.9")
        .doc("Tells the name of this connection.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY)),
    Row::new("HELP", 2, Group::Connection, help)
        .since("5.0.0")
        .doc("Lists the subcommands of CLIENT.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("ID", 2, Group::Connection, id)
        .since("5.0.0")
        .doc("Tells the number of this connection.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY)),
    Row::new("IMPORT-SOURCE", 3, Group::Connection, state::import_source)
        .since("8.1.0")
        .doc("Says that this connection brings data from elsewhere, while the server is in import mode.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::SESSION))
        .usage("enabled:(ON | OFF)"),
    Row::new("INFO", 2, Group::Connection, info)
        .since("6.2.0")
        .doc("Describes this connection.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE))
        .tips(&["nondeterministic_output"]),
    Row::new("KILL", -3, Group::Connection, kill)
        .since("2.4.0")
        .doc("Closes connections.", "O(N) for N connections")
        .flags(Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE).with(Flags::SESSION))
        .usage(
            "filter:(old-format/ip:port:string@-2.8.12 | new-format:([ID client-id:integer...@2.8.12] | [TYPE \
             client-type:(NORMAL | MASTER@3.2.0 | PRIMARY@8.0.0 | SLAVE | REPLICA@5.0.0 | PUBSUB)@2.8.12] | [USER \
             username:string] | [ADDR addr/ip:port:string] | [LADDR laddr/ip:port:string@6.2.0] | [SKIPME \
             skipme:(YES | NO)] | [MAXAGE maxage:integer@8.0.0] | [NAME name:string@9.0.0] | [IDLE \
             idle:integer@9.0.0] | [FLAGS flags:string@9.0.0] | [LIB-NAME lib-name:string@9.0.0] | [LIB-VER \
             lib-ver:string@9.0.0] | [DB db:integer@9.0.0] | [CAPA capa:string@9.0.0] | [IP ip:string@9.0.0] | \
             [NOT-TYPE not-client-type:(NORMAL | MASTER | PRIMARY | SLAVE | REPLICA | PUBSUB)@9.0.0] | [NOT-ID \
             not-client-id:integer...@9.0.0] | [NOT-USER not-username:string@9.0.0] | [NOT-ADDR \
             not-addr/ip:port:string@9.0.0] | [NOT-LADDR not-laddr/ip:port:string@9.0.0] | [NOT-NAME \
             not-name:string@9.0.0] | [NOT-FLAGS not-flags:string@9.0.0] | [NOT-LIB-NAME \
             not-lib-name:string@9.0.0] | [NOT-LIB-VER not-lib-ver:string@9.0.0] | [NOT-DB not-db:integer@9.0.0] \
             | [NOT-CAPA not-capa:string@9.0.0] | [NOT-IP not-ip:string@9.0.0])...)",
        ),
    Row::new("LIST", -2, Group::Connection, list)
        .since("2.4.0")
        .doc("Describes the open connections.", "O(N) for N connections")
        .flags(Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE).with(Flags::LINEAR))
        .tips(&["nondeterministic_output"])
        .usage(
            "[TYPE client-type:(NORMAL | MASTER | REPLICA | PUBSUB)@5.0.0] [ID client-id:integer...@6.2.0] [USER \
             username:string@8.1.0] [ADDR addr/ip:port:string@8.1.0] [LADDR laddr/ip:port:string@8.1.0] [SKIPME \
             skipme:(YES | NO)@8.1.0] [MAXAGE maxage:integer@8.1.0] [NAME name:string@9.0.0] [IDLE \
             idle:integer@9.0.0] [FLAGS flags:string@9.0.0] [LIB-NAME lib-name:string@9.0.0] [LIB-VER \
             lib-ver:string@9.0.0] [DB db:integer@9.0.0] [CAPA capa:string@9.0.0] [IP ip:string@9.0.0] [NOT-TYPE \
             not-client-type:(NORMAL | MASTER | REPLICA | PUBSUB)@9.0.0] [NOT-ID not-client-id:integer...@9.0.0] \
             [NOT-USER not-username:string@9.0.0] [NOT-ADDR not-addr/ip:port:string@9.0.0] [NOT-LADDR \
             not-laddr/ip:port:string@9.0.0] [NOT-NAME not-name:string@9.0.0] [NOT-FLAGS not-flags:string@9.0.0] \
             [NOT-LIB-NAME not-lib-name:string@9.0.0] [NOT-LIB-VER not-lib-ver:string@9.0.0] [NOT-DB \
             not-db:integer@9.0.0] [NOT-CAPA not-capa:string@9.0.0] [NOT-IP not-ip:string@9.0.0]",
        ),
    Row::new("NO-EVICT", 3, Group::Connection, no_evict)
        .since("7.0.0")
        .doc("Exempts this connection from client eviction.", "O(1)")
        .flags(
            Flags::ADMIN
                .with(Flags::NOSCRIPT)
                .with(Flags::LOADING)
                .with(Flags::STALE)
                .with(Flags::ALLOW_BUSY)
                .with(Flags::SESSION),
        )
        .usage("enabled:(ON | OFF)"),
    Row::new("NO-TOUCH", 3, Group::Connection, no_touch)
        .since("7.2.0")
        .doc("Lets commands of this connection leave the access clocks of keys alone.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY).with(Flags::SESSION))
        .usage("enabled:(ON | OFF)"),
    Row::new("PAUSE", -3, Group::Connection, state::pause)
        .since("3.0.0")
        .doc("Lets the commands of all connections wait for a while.", "O(1)")
        .flags(Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE).with(Flags::SESSION))
        .usage("timeout:integer [mode:(WRITE | ALL)@6.2.0]"),
    Row::new("REPLY", 3, Group::Connection, reply)
        .since("3.2.0")
        .doc("Switches the replies to this connection on or off.", "O(1)")
        .flags(
            Flags::NOSCRIPT
                .with(Flags::LOADING)
                .with(Flags::STALE)
                .with(Flags::NO_MULTI)
                .with(Flags::ALLOW_BUSY)
                .with(Flags::SESSION),
        )
        .usage("action:(ON | OFF | SKIP)"),
    Row::new("SETINFO", 4, Group::Connection, setinfo)
        .since("7.2.0")
        .doc("Says which client library, and which version, this connection uses.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY).with(Flags::SESSION))
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .usage("attr:(LIB-NAME libname:string | LIB-VER libver:string)"),
    Row::new("SETNAME", 3, Group::Connection, setname)
        .since("2.6.9")
        .doc("Names this connection.", "O(1)")
        .flags(Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY).with(Flags::SESSION))
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .usage("connection-name:string"),
    Row::new("UNBLOCK", -3, Group::Connection, unblock)
        .since("5.0.0")
        .doc("Ends the wait of a connection, as if its time were over or with an error.", "O(1)")
        .flags(Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE))
        .usage("client-id:integer [unblock-type:(TIMEOUT | ERROR)]"),
    Row::new("UNPAUSE", 2, Group::Connection, state::unpause)
        .since("6.2.0")
        .doc("Lets commands go on that CLIENT PAUSE stopped.", "O(N) Where N is the number of paused clients")
        .flags(Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE)),
];

fn unblock(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let with_error = match args.get(3) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"TIMEOUT") => false,
        Some(word) if word.eq_ignore_ascii_case(b"ERROR") => true,
        Some(_) => return Err(error::UNBLOCK_REASON),
    };
    let id = args.integer(2)?;
    let link = u64::try_from(id).ok().and_then(|id| context.store.clients.get(id));
    let unblocked = link.is_some_and(|link| context.unblock(link, with_error));
    reply.integer(i64::from(unblocked));
    Ok(Effect::none())
}

fn getname(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = context.client.link.names();
    if names.name.is_empty() {
        reply.null();
    } else {
        reply.bulk(names.name.as_bytes());
    }
    drop(names);
    Ok(Effect::none())
}

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "CAPA <capability> [<capability> ...]",
        "    Say what this connection understands: REDIRECT.",
        "GETNAME",
        "    Tell the name of this connection.",
        "CACHING <YES|NO>",
        "    Say whether the keys of the next command are cached, after TRACKING with OPTIN or OPTOUT.",
        "GETREDIR",
        "    Tell to which connection the invalidations of this one go.",
        "ID",
        "    Tell the number of this connection.",
        "IMPORT-SOURCE <ON|OFF>",
        "    Say that this connection brings data from elsewhere, in import mode.",
        "INFO",
        "    Describe this connection.",
        "KILL <ip:port>",
        "    Close the connection from this address.",
        "KILL <filter> <value> [<filter> <value> ...]",
        "    Close all connections that pass every filter, this one only after SKIPME NO. Filters are",
        "    ID <id> [<id> ...], TYPE <NORMAL|PRIMARY|REPLICA|PUBSUB>, USER <name>, ADDR <ip:port>, LADDR <ip:port>,",
        "    IP <ip>, NAME <name>, LIB-NAME <name>, LIB-VER <version>, FLAGS <flags>, CAPA <capabilities>, DB <index>,",
        "    each also with NOT- before it, and MAXAGE <seconds>, IDLE <seconds>, SKIPME <YES|NO>.",
        "LIST [<filter> <value> ...]",
        "    Describe all connections that pass every filter.",
        "NO-EVICT <ON|OFF>",
        "    Exempt this connection from client eviction.",
        "NO-TOUCH <ON|OFF>",
        "    Leave the access clocks of the keys alone that this connection reads.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Let commands wait for so long, all or those that may write.",
        "REPLY <ON|OFF|SKIP>",
        "    Send replies to this connection, send none, or leave out the next one.",
        "SETINFO <LIB-NAME|LIB-VER> <value>",
        "    Say which client library, or which version of it, this connection uses.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING <ON|OFF> [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
        "    Switch invalidations of cached keys on or off.",
        "TRACKINGINFO",
        "    Tell which keys this connection hears of.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    End the wait of a connection, as if its time were over or with an error.",
        "UNPAUSE",
        "    Let commands go on that CLIENT PAUSE stopped.",
    ];
    subcommand::help("CLIENT", &lines, reply);
    Ok(Effect::none())
}

fn id(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(context.client.link.id as i64);
    Ok(Effect::none())
}

fn info(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut text = String::new();
    describe(context.store, &context.client.link, context.now_ms(), &mut text);
    reply.verbatim("txt", text.as_bytes());
    Ok(Effect::none())
}

fn kill(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if let [address] = args.from(2) {
        let filter = Filter::address(address);
        if kill_all(context, &filter) == 0 {
            return Err(error::NO_SUCH_CLIENT);
        }
        reply.ok();
        return Ok(Effect::none());
    }
    let filter = Filter::parse(context.store, args.cursor(2), true)?;
    let killed = kill_all(context, &filter);
    reply.integer(killed);
    Ok(Effect::none())
}

fn kill_all(context: &mut Context<'_, '_>, filter: &Filter<'_>) -> i64 {
    let (own_id, now_ms) = (context.client.link.id, context.now_ms());
    let mut killed = 0;
    for link in context.store.clients.all() {
        if !filter.passes(&link, own_id, now_ms) {
            continue;
        }
        killed += 1;
        if link.id == own_id {
            // Its replies are still sent.
            context.client.is_closing = true;
        } else {
            context.kill(link);
        }
    }
    killed
}

fn list(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let filter = Filter::parse(context.store, args.cursor(2), false)?;
    let (own_id, now_ms) = (context.client.link.id, context.now_ms());
    let mut text = String::new();
    for link in context.store.clients.all() {
        // Who is being closed is as good as gone.
        if !link.is_killed() && filter.passes(&link, own_id, now_ms) {
            describe(context.store, &link, now_ms, &mut text);
        }
    }
    reply.verbatim("txt", text.as_bytes());
    Ok(Effect::none())
}

/// Reads ON or OFF.
fn switch(word: &[u8]) -> Result<bool, Error> {
    if word.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(error::SYNTAX)
    }
}

fn no_evict(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.client.link.flags.no_evict.store(switch(args.word(2))?, Ordering::Relaxed);
    reply.ok();
    Ok(Effect::none())
}

fn no_touch(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.client.set_no_touch(switch(args.word(2))?);
    reply.ok();
    Ok(Effect::none())
}

fn reply(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mode = &mut context.client.reply_mode;
    match args.word(2).to_ascii_uppercase().as_slice() {
        b"ON" => {
            *mode = ReplyMode::On;
            reply.ok();
        }
        b"OFF" => *mode = ReplyMode::Off,
        b"SKIP" if *mode == ReplyMode::Off => {}
        b"SKIP" => *mode = ReplyMode::SkipNext,
        _ => return Err(error::SYNTAX),
    }
    Ok(Effect::none())
}

fn setinfo(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let attribute = args.word(2);
    let is_name = attribute.eq_ignore_ascii_case(b"lib-name");
    let shown = String::from_utf8_lossy(attribute);
    if !is_name && !attribute.eq_ignore_ascii_case(b"lib-ver") {
        return Err(Error::text(format!("ERR Unrecognized option '{shown}'")));
    }
    let Some(value) = super::visible_text(args.word(3)) else {
        return Err(Error::text(format!("ERR {shown} cannot contain spaces, newlines or special characters.")));
    };
    let mut names = context.client.link.names();
    if is_name {
        names.library = value.into();
    } else {
        names.library_version = value.into();
    }
    drop(names);
    reply.ok();
    Ok(Effect::none())
}

fn setname(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.client.link.names().name = super::client_name(args.word(2))?.into();
    reply.ok();
    Ok(Effect::none())
}

/// The letters of `flags=`.
fn flags(link: &Link) -> String {
    let flags = &link.flags;
    let letters = [
        ('O', flags.monitor.load(Ordering::Relaxed)),
        ('x', link.queued.load(Ordering::Relaxed) >= 0),
        ('b', link.is_blocked()),
        ('d', link.is_dirty()),
        ('c', flags.closing.load(Ordering::Relaxed)),
        ('A', link.is_killed()),
        ('P', link.is_subscribed()),
        ('t', flags.tracking.load(Ordering::Relaxed)),
        ('R', flags.broken_redirect.load(Ordering::Relaxed)),
        ('B', flags.broadcast.load(Ordering::Relaxed)),
        ('U', link.origin.transport == Transport::Unix),
        ('e', flags.no_evict.load(Ordering::Relaxed)),
        ('T', flags.no_touch.load(Ordering::Relaxed)),
        ('I', flags.import_source.load(Ordering::Relaxed)),
    ];
    let text: String = letters.iter().filter(|(_, is_set)| *is_set).map(|(letter, _)| *letter).collect();
    if text.is_empty() { "N".into() } else { text }
}

/// Appends the line of CLIENT LIST about a client: the fields of Redis and Valkey in Valkey's order.
pub(super) fn describe(store: &Store, link: &Arc<Link>, now_ms: i64, into: &mut String) {
    let names = link.names().clone();
    let load = |number: &std::sync::atomic::AtomicUsize| number.load(Ordering::Relaxed);
    let (input, output, queued) = (load(&link.input_bytes), link.unread_bytes(), load(&link.queued_bytes));
    let [channels, patterns, shards] = &link.subscribed;
    let last = link.last_command.load(Ordering::Relaxed).checked_sub(1);
    let command = last.and_then(|number| store.table.all().get(number as usize)).map_or("NULL", |row| row.full_name());
    let seconds = |since_ms: i64| now_ms.saturating_sub(since_ms).max(0) / 1000;
    // A String takes whatever is written.
    let _ = writeln!(
        into,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} capa={} db={} sub={} psub={} ssub={} multi={} \
         watch={} qbuf={input} qbuf-free=0 argv-mem=0 multi-mem={queued} rbs=0 rbp=0 obl=0 oll={} omem={output} \
         tot-mem={} events={} cmd={command} user={} redir={} resp={} lib-name={} lib-ver={} tot-net-in={} \
         tot-net-out={} tot-cmds={}",
        link.id,
        link.origin.peer,
        link.origin.local,
        link.origin.fd,
        names.name,
        seconds(link.created_ms),
        seconds(link.active_ms.load(Ordering::Relaxed)),
        flags(link),
        if link.flags.capa_redirect.load(Ordering::Relaxed) { "r" } else { "" },
        load(&link.db),
        load(channels),
        load(patterns),
        load(shards),
        link.queued.load(Ordering::Relaxed),
        load(&link.flags.watching),
        usize::from(output > 0),
        link.memory_bytes(),
        if output > 0 { "rw" } else { "r" },
        link.user().map_or("default".into(), |user| String::from_utf8_lossy(user.name()).into_owned()),
        link.redirect.load(Ordering::Relaxed),
        link.protocol.load(Ordering::Relaxed),
        names.library,
        names.library_version,
        link.received_bytes.load(Ordering::Relaxed),
        link.sent_bytes.load(Ordering::Relaxed),
        link.commands.load(Ordering::Relaxed),
    );
}

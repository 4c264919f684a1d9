//! The server: its time, its role, its end.

use crate::REDIS_VERSION;
use crate::client::Transport;
use crate::error::{self, Error};
use crate::handler::{Args, Categories, Context, Effect, Flags, Group, Row, Shutdown, subcommand};
use crate::persist::Refusal;
use crate::random::Random;
use crate::resp::Reply;

const STALE: Flags = Flags::LOADING.with(Flags::STALE);
const BASE: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(STALE);

pub(super) const ROWS: &[Row] = &[
    Row::new("LOLWUT", -1, Group::Server, lolwut)
        .since("5.0.0")
        .doc("Draws something, and tells the version.", "O(1)")
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("[VERSION version:integer]"),
    Row::container("MODULE", Group::Server, MODULE_SUBCOMMANDS)
        .since("4.0.0")
        .doc("Container of commands about modules, of which there are none.", "Depends on subcommand."),
    Row::new("MONITOR", 1, Group::Server, monitor)
        .doc("Shows every command to this connection.", "O(1)")
        .flags(BASE.with(Flags::SESSION)),
    Row::new("ROLE", 1, Group::Server, role)
        .since("2.8.12")
        .doc("Tells the role in replication.", "O(1)")
        .flags(Flags::NOSCRIPT.with(STALE).with(Flags::FAST))
        .categories(Categories::ADMIN.with(Categories::DANGEROUS)),
    Row::new("SHUTDOWN", -1, Group::Server, shutdown)
        .doc("Stops the server, saving the data if it is configured so.", "O(N) when it saves N keys, otherwise O(1)")
        .flags(BASE.with(Flags::NO_MULTI).with(Flags::ALLOW_BUSY).with(Flags::LINEAR))
        .usage(
            "[abort-selector:(save-selector-block:([save-selector:(NOSAVE | SAVE)] [NOW@7.0.0] [FORCE@7.0.0] \
             [SAFE@9.0.0] [FAILOVER@9.0.0]) | ABORT@7.0.0)]",
        ),
    Row::new("TIME", 1, Group::Server, time)
        .since("2.6.0")
        .doc("Tells the time of the server.", "O(1)")
        .flags(STALE.with(Flags::FAST))
        .tips(&["nondeterministic_output"]),
];

const MODULE_SUBCOMMANDS: &[Row] = &[
    Row::new("HELP", 2, Group::Server, module_help)
        .since("5.0.0")
        .doc("Lists the subcommands of MODULE.", "O(1)")
        .flags(STALE),
    Row::new("LIST", 2, Group::Server, module_list)
        .since("4.0.0")
        .doc("Lists the modules, of which there are none.", "O(N) for N modules")
        .flags(Flags::ADMIN.with(Flags::NOSCRIPT))
        .tips(&["nondeterministic_output_order"]),
    Row::new("LOAD", -3, Group::Server, module_refused)
        .since("4.0.0")
        .doc("Would load a module; always refused.", "O(1)")
        .flags(MODULE_FLAGS)
        .usage("path:string [arg:string...]"),
    Row::new("LOADEX", -3, Group::Server, module_refused)
        .since("7.0.0")
        .doc("Would load a module with parameters; always refused.", "O(1)")
        .flags(MODULE_FLAGS)
        .usage("path:string [CONFIG configs:(name:string value:string)]... [ARGS args:string...]"),
    Row::new("UNLOAD", 3, Group::Server, module_refused)
        .since("4.0.0")
        .doc("Would unload a module; always refused.", "O(1)")
        .flags(MODULE_FLAGS)
        .usage("name:string"),
];

const MODULE_FLAGS: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING);

fn lolwut(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let mut words = args.cursor(1);
    if words.keyword("VERSION") && !words.is_done() {
        // Other versions have other pictures, and words of their own; there is one here.
        words.integer()?;
    }
    let seed = context.store.random().next_u64();
    // Clients look for Redis's words.
    let versions = format!("Redis ver. {REDIS_VERSION}, rkv ver. {}", env!("CARGO_PKG_VERSION"));
    reply.verbatim("txt", format!("{}\n{versions}\n", hills(seed)).as_bytes());
    Ok(Effect::none())
}

/// Hills under a sky with a few stars: three ridges, each a sum of two waves, the nearer the darker.
fn hills(seed: u64) -> String {
    const WIDTH: usize = 66;
    const HEIGHT: usize = 16;
    const RIDGES: [(char, f64); 3] = [('.', 5.0), (':', 9.0), ('#', 12.5)];
    let phase = |ridge: usize| f64::from((seed >> (16 * ridge)) as u16) / 1000.0;
    let height = |ridge: usize, column: usize| {
        let at = column as f64;
        let (_, base) = RIDGES[ridge];
        base + 2.2 * (at / 9.0 + phase(ridge)).sin() + 0.9 * (at / 3.7 + 2.0 * phase(ridge)).cos()
    };
    let mut picture = String::with_capacity((WIDTH + 1) * HEIGHT);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let nearest = (0..RIDGES.len()).rev().find(|ridge| row as f64 >= height(*ridge, column));
            let twinkle = (seed ^ (row * WIDTH + column) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
            picture.push(match nearest {
                Some(ridge) => RIDGES[ridge].0,
                None if twinkle == 0 => '*',
                None => ' ',
            });
        }
        picture.truncate(picture.trim_end_matches(' ').len());
        picture.push('\n');
    }
    picture
}

fn role(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(context.store.journal.end() as i64);
    reply.array(0);
    Ok(Effect::none())
}

fn shutdown(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    const REFUSED: Error = Error::fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    let store = context.store;
    let Some(wish) = read_shutdown(args)? else {
        if !store.cancel_shutdown() {
            return Err(Error::fixed("ERR No shutdown in progress."));
        }
        reply.ok();
        return Ok(Effect::none());
    };
    if !store.can_shutdown() {
        log::warn!("SHUTDOWN refused: this store is part of a program, which alone decides when it ends");
        return Err(REFUSED);
    }
    if !save_before_end(context, wish) && !wish.force {
        return Err(REFUSED);
    }
    store.ask_shutdown(wish);
    if context.client.link.origin.transport == Transport::Embedded {
        reply.ok();
    } else {
        // The end of the connection is the reply.
        context.client.is_closing = true;
    }
    Ok(Effect::none())
}

/// Saves what has to be saved before the end; false if it could not be. What is written from now on is saved by who stops
/// the server.
fn save_before_end(context: &Context<'_, '_>, wish: Shutdown) -> bool {
    let persist = &context.store.persist;
    let saves = wish.save.unwrap_or_else(|| persist.has_save_points());
    if !saves || persist.refusals.has(Refusal::Loading) {
        return true;
    }
    persist.cancel();
    persist.wait();
    match persist.save() {
        Ok(_) => true,
        Err(error) => {
            log::warn!("Error trying to save the DB, can't exit: {error}");
            false
        }
    }
}

/// `None`: ABORT.
fn read_shutdown(args: Args<'_>) -> Result<Option<Shutdown>, Error> {
    let (mut wish, mut aborts) = (Shutdown::default(), false);
    let mut words = args.cursor(1);
    while !words.is_done() {
        if words.keyword("NOSAVE") && wish.save != Some(true) {
            wish.save = Some(false);
        } else if words.keyword("SAVE") && wish.save != Some(false) {
            wish.save = Some(true);
        } else if words.keyword("NOW") {
            wish.now = true;
        } else if words.keyword("FORCE") {
            wish.force = true;
        } else if words.keyword("ABORT") {
            aborts = true;
        } else if words.keyword("FAILOVER") {
            return Err(Error::fixed("ERR SHUTDOWN FAILOVER is only supported in cluster mode."));
        } else if !words.keyword("SAFE") {
            // SAFE asks for care with what a cluster needs: without one there is nothing to take care of.
            return Err(error::SYNTAX);
        }
    }
    match (aborts, wish == Shutdown::default()) {
        (false, _) => Ok(Some(wish)),
        (true, true) => Ok(None),
        (true, false) => Err(error::SYNTAX),
    }
}

fn time(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let now_us = context.store.clock.unix_us();
    reply.array(2);
    reply.bulk_integer(now_us.div_euclid(1_000_000));
    reply.bulk_integer(now_us.rem_euclid(1_000_000));
    Ok(Effect::none())
}

fn monitor(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    if context.client.link.origin.transport == Transport::Embedded {
        return Err(Error::fixed("ERR MONITOR needs a connection that can be sent what it shows"));
    }
    if context.store.begin_monitor(&context.client.link) {
        reply.ok();
    }
    Ok(Effect::none())
}

/// The words of a real server whose `enable-module-command` is not set. Here no setting helps: there are no modules.
fn module_refused(_: &mut Context<'_, '_>, _: Args<'_>, _: &mut Reply<'_>) -> Result<Effect, Error> {
    Err(Error::fixed(
        "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    ))
}

fn module_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    subcommand::help("MODULE", &["LIST", "    List the modules: there are none, and none can be loaded."], reply);
    Ok(Effect::none())
}

fn module_list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    reply.array(0);
    Ok(Effect::none())
}

//! CONFIG: the live configuration.

use crate::config::{SetError, Written, options};
use crate::error::Error;
use crate::glob;
use crate::handler::{Args, Context, Effect, Flags, Group, Keys, Row, subcommand};
use crate::persist::aof;
use crate::resp::Reply;

const BASE: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE);

pub(super) const ROWS: &[Row] = &[Row::container("CONFIG", Group::Server, SUBCOMMANDS)
    .since("2.0.0")
    .doc("Container of commands about the configuration.", "Depends on subcommand.")];

const SUBCOMMANDS: &[Row] = &[
    Row::new("GET", -3, Group::Server, config_get)
        .since("2.0.0")
        .doc("Reads options of the configuration.", "O(N) for N parameters")
        .flags(BASE.with(Flags::LINEAR))
        .usage("parameter:string..."),
    Row::new("HELP", 2, Group::Server, config_help)
        .since("5.0.0")
        .doc("Lists the subcommands of CONFIG.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("RESETSTAT", 2, Group::Server, config_resetstat)
        .since("2.0.0")
        .doc("Puts the statistics of the server back to zero.", "O(1)")
        .keys(Keys::Each)
        .flags(BASE.with(Flags::LINEAR))
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    Row::new("REWRITE", 2, Group::Server, config_rewrite)
        .since("2.8.0")
        .doc("Writes the values of now to the configuration file.", "O(1)")
        .flags(BASE.with(Flags::LINEAR))
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    Row::new("SET", -4, Group::Server, config_set)
        .since("2.0.0")
        .doc("Changes options of the configuration at run time.", "O(N) for N parameters")
        .keys(Keys::Each)
        .flags(BASE.with(Flags::LINEAR))
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .usage("data:(parameter:string value:string)..."),
];

fn config_get(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let found = context.store.config().matching(args.from(2), |pattern, name| glob::matches(pattern, name, true));
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(&name);
        reply.bulk(&value);
    }
    Ok(Effect::none())
}

fn config_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let lines = [
        "GET <pattern> [<pattern> ...]",
        "    Read the options whose names match a pattern.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Change options: all of them, or none if one is refused.",
        "REWRITE",
        "    Write the values of now to the configuration file, whose comments stay.",
        "RESETSTAT",
        "    Put the statistics of INFO back to zero.",
    ];
    subcommand::help("CONFIG", &lines, reply);
    Ok(Effect::none())
}

fn config_resetstat(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    context.visit_shards(|shard| {
        (shard.hits, shard.misses, shard.expired, shard.expired_fields) = (0, 0, 0, 0);
    });
    context.store.counters.reset();
    context.store.lazyfree.reset();
    context.store.eviction.reset();
    context.store.observed.commands.reset();
    context.store.clients.reset_counts();
    reply.ok();
    Ok(Effect::none())
}

fn config_rewrite(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    context.store.rewrite_config(Written::Needed)?;
    reply.ok();
    Ok(Effect::none())
}

fn config_set(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let store = context.store;
    let is_local = context.client.link.origin.is_local();
    let changes = store.change_config(|config| {
        let protected_allowed = match config.get(options::ENABLE_PROTECTED_CONFIGS) {
            "yes" => true,
            "local" => is_local,
            _ => false,
        };
        config.changed(args.from(2), protected_allowed)
    });
    let changes = changes.map_err(|refusal| refused(&refusal))?;
    if changes.iter().any(|change| change.option.name == "maxmemory") && store.settings.maxmemory() > 0 {
        // Without a limit nobody publishes what shards use, so what is published may be as old as the last limit.
        measure(context);
        store.expiry.wake();
    }
    if changes.iter().any(|change| change.option.name.starts_with("maxmemory")) && store.clients.has_limit() {
        store.evict_clients();
    }
    if changes.iter().any(|change| change.option.name == "aof-disable-auto-gc") && context.locks().mask() == 0 {
        aof::collect(store);
    }
    reply.ok();
    Ok(Effect::none())
}

/// Brings the keyspace's published use of memory up to date.
fn measure(context: &mut Context<'_, '_>) {
    let keyspace = &context.store.keyspace;
    context.visit_shards(|shard| keyspace.publish_shard(shard, 0));
}

fn refused(refusal: &SetError) -> Error {
    Error::text(String::from_utf8_lossy(&refusal.message()))
}

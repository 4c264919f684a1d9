//! MEMORY: what keys and the server take.

use crate::error::{self, Error};
use crate::handler::{
    Args, Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, MemoryUsage, Row, ratio, subcommand,
};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[Row::container("MEMORY", Group::Server, SUBCOMMANDS)
    .since("4.0.0")
    .doc("Container of commands about memory.", "Depends on subcommand.")];

const REPORT_TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

const SUBCOMMANDS: &[Row] = &[
    Row::new("DOCTOR", 2, Group::Server, memory_doctor)
        .since("4.0.0")
        .doc("Reports what is wrong with the use of memory.", "O(1)")
        .keys(Keys::Each)
        .flags(Flags::LINEAR)
        .tips(REPORT_TIPS),
    Row::new("HELP", 2, Group::Server, memory_help)
        .since("4.0.0")
        .doc("Lists the subcommands of MEMORY.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("MALLOC-STATS", 2, Group::Server, memory_malloc_stats)
        .since("4.0.0")
        .doc("Asks the allocator for its statistics.", "Depends on how much memory is allocated")
        .flags(Flags::LOADING)
        .tips(REPORT_TIPS),
    Row::new("PURGE", 2, Group::Server, memory_purge)
        .since("4.0.0")
        .doc("Asks the allocator to give memory back.", "Depends on how much memory is allocated")
        .flags(Flags::LOADING)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Row::new("STATS", 2, Group::Server, memory_stats)
        .since("4.0.0")
        .doc("Details the use of memory.", "O(1)")
        .keys(Keys::Each)
        .flags(Flags::LINEAR)
        .tips(REPORT_TIPS),
    Row::new("USAGE", -3, Group::Server, memory_usage)
        .since("4.0.0")
        .doc("Estimates how many bytes a key and its value take.", "O(N) for N samples")
        .keys(Keys::Specs(&[KeySpec::one(2, KeyFlags::RO)]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key [SAMPLES count:integer]"),
];

/// Below this the figures say nothing.
const LITTLE_BYTES: u64 = 5 << 20;
/// Physical memory may be this much more than what is counted before it is worth a word.
const FRAGMENTED: f64 = 1.4;
/// The peak may be this much more than now.
const PEAKED: f64 = 1.5;

fn memory_doctor(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let shards = context.totals();
    let usage = MemoryUsage::new(context.store, &shards);
    reply.verbatim("txt", diagnosis(&usage).as_bytes());
    Ok(Effect::none())
}

fn diagnosis(usage: &MemoryUsage) -> String {
    if usage.used < LITTLE_BYTES {
        return "There is so little data here that its use of memory says nothing. Ask again when there is more.\n"
            .into();
    }
    let mut text = String::new();
    if ratio(usage.peak, usage.used) > PEAKED {
        text += " * Peak: more than 150% of what is in use now was in use before. The process may keep that memory.\n";
    }
    if ratio(usage.reserved, usage.data) > FRAGMENTED {
        text += " * Free places: deleted keys have left places that only keys of similar size can take.\n";
    }
    if usage.resident.is_some_and(|resident| ratio(resident, usage.reserved + usage.clients) > FRAGMENTED) {
        text +=
            " * Fragmentation: the process takes more than 140% of the physical memory that data and clients need.\n";
    }
    if ratio(usage.clients, usage.used) > 0.25 {
        text += " * Clients: requests and replies under way take more than a quarter of what is in use.\n";
    }
    if text.is_empty() { "Nothing is wrong with the use of memory.\n".into() } else { format!("Found:\n\n{text}") }
}

fn memory_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let lines = [
        "DOCTOR",
        "    Report what is wrong with the use of memory.",
        "MALLOC-STATS",
        "    Ask the allocator for its statistics.",
        "PURGE",
        "    Ask the allocator to give memory back.",
        "STATS",
        "    Detail the use of memory.",
        "USAGE <key> [SAMPLES <count>]",
        "    Estimate how many bytes a key and its value take. Of what they contain,",
        "    <count> elements are looked at (default: 5, 0 means all).",
    ];
    subcommand::help("MEMORY", &lines, reply);
    Ok(Effect::none())
}

fn memory_malloc_stats(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    reply.bulk(b"Stats not supported for the current allocator");
    Ok(Effect::none())
}

/// The allocator gives memory back by itself, so there is nothing to ask it for: Redis's answer in the same case.
fn memory_purge(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    reply.ok();
    Ok(Effect::none())
}

fn memory_stats(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let shards = context.totals();
    let usage = MemoryUsage::new(context.store, &shards);
    let keys: usize = shards.dbs.iter().map(|db| db.keys).sum();
    let dbs = || shards.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0);
    let before = [
        ("peak.allocated", usage.peak),
        ("total.allocated", usage.used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", usage.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let behind = [
        ("overhead.total", usage.overhead),
        ("keys.count", keys as u64),
        ("keys.bytes-per-key", usage.data.checked_div(keys as u64).unwrap_or(0)),
        ("dataset.bytes", usage.dataset()),
    ];
    let last = [("allocator.allocated", usage.data), ("allocator.active", usage.reserved)];
    let known = usage.resident.is_some();
    reply.map(before.len() + dbs().count() + behind.len() + 2 + last.len() + 2 + if known { 2 } else { 0 });
    numbers(&before, reply);
    for (number, db) in dbs() {
        reply.bulk(format!("db.{number}").as_bytes());
        reply.map(2);
        numbers(
            &[
                ("overhead.hashtable.main", db.table_bytes as u64),
                ("overhead.hashtable.expires", db.wheel_bytes as u64),
            ],
            reply,
        );
    }
    numbers(&behind, reply);
    float("dataset.percentage", usage.dataset_percent(), reply);
    float("peak.percentage", usage.peak_percent(), reply);
    numbers(&last, reply);
    float("allocator-fragmentation.ratio", ratio(usage.reserved, usage.data), reply);
    numbers(&[("allocator-fragmentation.bytes", usage.reserved.saturating_sub(usage.data))], reply);
    if let Some(resident) = usage.resident {
        float("fragmentation", ratio(resident, usage.used), reply);
        reply.bulk(b"fragmentation.bytes");
        reply.integer(resident as i64 - usage.used as i64);
    }
    Ok(Effect::none())
}

fn numbers(pairs: &[(&str, u64)], reply: &mut Reply<'_>) {
    for (name, number) in pairs {
        reply.bulk(name.as_bytes());
        reply.integer(*number as i64);
    }
}

fn float(name: &str, value: f64, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply.double(value);
}

/// What the table needs for one key on average: a bucket of 64 bytes holds 8 keys when it is as full as most are.
const TABLE_BYTES_PER_KEY: usize = 8;

fn memory_usage(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let mut words = args.cursor(3);
    while !words.is_done() {
        if !words.keyword("SAMPLES") || words.is_done() {
            return Err(error::SYNTAX);
        }
        if words.integer()? < 0 {
            return Err(error::SYNTAX);
        }
    }
    match context.peek(context.key(0)) {
        Some(entry) => reply.integer((entry.memory_bytes() + TABLE_BYTES_PER_KEY) as i64),
        None => reply.null(),
    }
    Ok(Effect::none())
}

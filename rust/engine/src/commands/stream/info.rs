//! What there is to know of a stream.

use super::group::unknown;
use super::pending::pending_of;
use super::range::write_entries;
use super::{no_such_group, write_entry};
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome, subcommand};
use crate::number;
use crate::resp::Reply;
use crate::values::stream::{Group, Id, Stream, StreamEntry};

/// Entries of each kind that FULL shows if no count is given.
const SHOWN_DEFAULT: usize = 10;

pub fn xinfo_consumers(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (now_ms, key) = (context.now_ms(), context.key(0));
    let stream = context.read_as::<Stream>(key)?.ok_or(error::NO_SUCH_KEY)?;
    let group = stream.view().group(args.word(3)).ok_or_else(|| no_such_group(key.bytes(), args.word(3)))?;
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        reply.bulk(b"pending");
        reply.integer(consumer.pending_len() as i64);
        reply.bulk(b"idle");
        reply.integer(now_ms.saturating_sub(consumer.seen_ms).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active_ms.map_or(-1, |active_ms| now_ms.saturating_sub(active_ms).max(0)));
    }
    Ok(Effect::none())
}

pub fn xinfo_groups(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let stream = context.read_as::<Stream>(context.key(0))?.ok_or(error::NO_SUCH_KEY)?;
    let stream = stream.view();
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.integer(group.consumers_len() as i64);
        reply.bulk(b"pending");
        reply.integer(group.pending_len() as i64);
        write_progress(stream, group, reply);
    }
    Ok(Effect::none())
}

/// How far a group has read.
fn write_progress(stream: &Stream, group: &Group, reply: &mut Reply<'_>) {
    reply.bulk(b"last-delivered-id");
    reply.bulk(&group.last_id.text());
    reply.bulk(b"entries-read");
    write_if_known(group.entries_read, reply);
    reply.bulk(b"lag");
    write_if_known(stream.lag(group), reply);
}

fn write_if_known(number: Option<i64>, reply: &mut Reply<'_>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

pub fn xinfo_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "CONSUMERS <key> <groupname>",
        "    List the consumers of a group.",
        "GROUPS <key>",
        "    List the consumer groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Describe a stream.",
    ];
    subcommand::help("XINFO", &lines, reply);
    Ok(Effect::none())
}

pub fn xinfo_stream(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let stream = context.read_as::<Stream>(context.key(0))?.ok_or(error::NO_SUCH_KEY)?;
    let shown = read_shown(args)?;
    let (stream, entries) = (stream.view(), stream.view().entries());
    reply.map(if shown.is_some() { 9 } else { 10 });
    reply.bulk(b"length");
    reply.integer(entries.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.integer(entries.nodes_len() as i64);
    reply.bulk(b"radix-tree-nodes");
    reply.integer(entries.radix_nodes() as i64);
    reply.bulk(b"last-generated-id");
    reply.bulk(&entries.last_id().text());
    reply.bulk(b"max-deleted-entry-id");
    reply.bulk(&entries.max_deleted_id().text());
    reply.bulk(b"entries-added");
    reply.integer(entries.added().cast_signed());
    reply.bulk(b"recorded-first-entry-id");
    reply.bulk(&entries.first_id().text());
    match shown {
        None => write_ends(stream, reply),
        Some(shown) => write_all(stream, shown, reply),
    }
    Ok(Effect::none())
}

/// How many entries of each kind are shown; `None` without FULL.
fn read_shown(args: Args<'_>) -> Result<Option<usize>, Error> {
    let is_full = args.word(3).eq_ignore_ascii_case(b"FULL");
    match args.len() {
        3 => Ok(None),
        4 if is_full => Ok(Some(SHOWN_DEFAULT)),
        6 if is_full && args.word(4).eq_ignore_ascii_case(b"COUNT") => {
            let count = number::parse_i64(args.word(5)).ok_or(error::NOT_INTEGER)?;
            Ok(Some(match usize::try_from(count) {
                Ok(0) => usize::MAX,
                Ok(count) => count,
                Err(_) => SHOWN_DEFAULT,
            }))
        }
        _ => Err(unknown(args, "XINFO")),
    }
}

fn write_ends(stream: &Stream, reply: &mut Reply<'_>) {
    reply.bulk(b"groups");
    reply.integer(stream.groups_len() as i64);
    reply.bulk(b"first-entry");
    write_end(stream.entries().first(), reply);
    reply.bulk(b"last-entry");
    write_end(stream.entries().last(), reply);
}

fn write_end(entry: Option<StreamEntry<'_>>, reply: &mut Reply<'_>) {
    match entry {
        Some(entry) => write_entry(&entry, reply),
        None => reply.null(),
    }
}

fn write_all(stream: &Stream, shown: usize, reply: &mut Reply<'_>) {
    reply.bulk(b"entries");
    write_entries(stream.entries().range(Id::MIN, Id::MAX).take(shown), reply);
    reply.bulk(b"groups");
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        write_progress(stream, group, reply);
        reply.bulk(b"pel-count");
        reply.integer(group.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_len().min(shown));
        for pending in group.pending_from(Id::MIN).take(shown) {
            reply.array(4);
            reply.bulk(&pending.id.text());
            reply.bulk(group.name(pending.consumer));
            reply.integer(pending.delivered_ms);
            reply.integer(pending.deliveries.cast_signed());
        }
        reply.bulk(b"consumers");
        write_consumers(group, shown, reply);
    }
}

fn write_consumers(group: &Group, shown: usize, reply: &mut Reply<'_>) {
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        reply.map(5);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        reply.bulk(b"seen-time");
        reply.integer(consumer.seen_ms);
        reply.bulk(b"active-time");
        reply.integer(consumer.active_ms.unwrap_or(-1));
        reply.bulk(b"pel-count");
        reply.integer(consumer.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(consumer.pending_len().min(shown));
        let Some(at) = group.find(&consumer.name) else { continue };
        for pending in pending_of(group, at, Id::MIN).take(shown) {
            reply.array(3);
            reply.bulk(&pending.id.text());
            reply.integer(pending.delivered_ms);
            reply.integer(pending.deliveries.cast_signed());
        }
    }
}

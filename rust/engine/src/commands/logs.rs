//! SLOWLOG and COMMANDLOG: commands that took long or were large.

use crate::error::Error;
use crate::handler::{Args, Context, Effect, Flags, Group, Outcome, Row, subcommand};
use crate::number;
use crate::observe::LogKind;
use crate::resp::Reply;

const BASE: Flags = Flags::ADMIN.with(Flags::LOADING).with(Flags::STALE);
const TYPE: &str = "type:(SLOW | LARGE-REQUEST | LARGE-REPLY)";

pub(super) const ROWS: &[Row] = &[
    Row::container("SLOWLOG", Group::Server, SLOWLOG_SUBCOMMANDS)
        .since("2.2.12")
        .doc("Container of commands about commands that took long.", "Depends on subcommand."),
    Row::container("COMMANDLOG", Group::Server, COMMANDLOG_SUBCOMMANDS)
        .since("8.1.0")
        .doc("Container of commands about commands that took long or were large.", "Depends on subcommand."),
];

const GET_TIPS: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
const LEN_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"];
const RESET_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const SLOWLOG_SUBCOMMANDS: &[Row] = &[
    Row::new("GET", -2, Group::Server, slowlog_get)
        .since("2.2.12")
        .doc("Tells the newest commands that took long.", "O(N) where N is the number of entries returned")
        .flags(BASE)
        .tips(GET_TIPS)
        .usage("[count:integer]"),
    Row::new("HELP", 2, Group::Server, slowlog_help)
        .since("6.2.0")
        .doc("Lists the subcommands of SLOWLOG.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("LEN", 2, Group::Server, slowlog_len)
        .since("2.2.12")
        .doc("Tells how many commands the log of slow ones holds.", "O(1)")
        .flags(BASE)
        .tips(LEN_TIPS),
    Row::new("RESET", 2, Group::Server, slowlog_reset)
        .since("2.2.12")
        .doc("Empties the log of slow commands.", "O(N) where N is the number of entries in the slowlog")
        .flags(BASE)
        .tips(RESET_TIPS),
];

const COMMANDLOG_SUBCOMMANDS: &[Row] = &[
    Row::new("GET", 4, Group::Server, commandlog_get)
        .since("8.1.0")
        .doc("Tells the newest entries of a log of commands.", "O(N) where N is the number of entries returned")
        .flags(BASE)
        .tips(GET_TIPS)
        .usage("count:integer type:(SLOW | LARGE-REQUEST | LARGE-REPLY)"),
    Row::new("HELP", 2, Group::Server, commandlog_help)
        .since("8.1.0")
        .doc("Lists the subcommands of COMMANDLOG.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("LEN", 3, Group::Server, commandlog_len)
        .since("8.1.0")
        .doc("Tells how many entries a log of commands holds.", "O(1)")
        .flags(BASE)
        .tips(LEN_TIPS)
        .usage(TYPE),
    Row::new("RESET", 3, Group::Server, commandlog_reset)
        .since("8.1.0")
        .doc("Empties a log of commands.", "O(N) where N is the number of entries in the commandlog")
        .flags(BASE)
        .tips(RESET_TIPS)
        .usage(TYPE),
];

/// What SLOWLOG GET tells without a count.
const COUNT: usize = 10;

/// Reads a count; -1 means all.
fn count(word: &[u8]) -> Result<usize, Error> {
    match number::parse_i64(word) {
        Some(-1) => Ok(usize::MAX),
        Some(count) if count >= 0 => Ok(count as usize),
        _ => Err(Error::fixed("ERR count should be greater than or equal to -1")),
    }
}

fn kind(word: &[u8]) -> Result<LogKind, Error> {
    match word.to_ascii_lowercase().as_slice() {
        b"slow" => Ok(LogKind::Slow),
        b"large-request" => Ok(LogKind::LargeRequest),
        b"large-reply" => Ok(LogKind::LargeReply),
        _ => Err(Error::fixed("ERR type should be one of the following: slow, large-request, large-reply")),
    }
}

fn get(context: &Context<'_, '_>, kind: LogKind, count: usize, reply: &mut Reply<'_>) -> Outcome {
    let entries = context.store.observed.logs.of(kind).newest(count);
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.at_s);
        reply.integer(entry.amount as i64);
        reply.array(entry.words.len());
        entry.words.iter().for_each(|word| reply.bulk(word));
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(entry.name.as_bytes());
    }
    Ok(Effect::none())
}

fn len(context: &Context<'_, '_>, kind: LogKind, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(context.store.observed.logs.of(kind).len() as i64);
    Ok(Effect::none())
}

fn reset(context: &Context<'_, '_>, kind: LogKind, reply: &mut Reply<'_>) -> Outcome {
    context.store.observed.logs.of(kind).reset();
    reply.ok();
    Ok(Effect::none())
}

fn slowlog_get(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = match args.from(2) {
        [] => COUNT,
        [word] => count(word)?,
        _ => return Err(subcommand::unknown_or_arity(args)),
    };
    get(context, LogKind::Slow, count, reply)
}

fn slowlog_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "GET [<count>]",
        "    Tell the newest <count> commands (default: 10, -1 means all): number, Unix",
        "    time, microseconds, words, address and name of the client.",
        "LEN",
        "    Tell how many commands there are.",
        "RESET",
        "    Forget them.",
    ];
    subcommand::help("SLOWLOG", &lines, reply);
    Ok(Effect::none())
}

fn slowlog_len(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    len(context, LogKind::Slow, reply)
}

fn slowlog_reset(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reset(context, LogKind::Slow, reply)
}

fn commandlog_get(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let kind = kind(args.word(3))?;
    get(context, kind, count(args.word(2))?, reply)
}

fn commandlog_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "GET <count> <type>",
        "    Tell the newest <count> commands (-1 means all) of the log of this <type>,",
        "    slow, large-request or large-reply: number, Unix time, microseconds or",
        "    bytes, words, address and name of the client.",
        "LEN <type>",
        "    Tell how many commands there are.",
        "RESET <type>",
        "    Forget them.",
    ];
    subcommand::help("COMMANDLOG", &lines, reply);
    Ok(Effect::none())
}

fn commandlog_len(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    len(context, kind(args.word(2))?, reply)
}

fn commandlog_reset(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reset(context, kind(args.word(2))?, reply)
}

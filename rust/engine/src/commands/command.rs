//! COMMAND: what the server can do, computed from the rows.

use crate::error::{self, Error};
use crate::glob;
use crate::handler::usage::{Argument, Kind, Usage};
use crate::handler::{
    Args, Begin, Categories, Command, CommandTable, Context, Effect, Find, Flags, Group, KeyFlags, KeyPositions,
    KeySpec, KeysError, Row, key_positions, subcommand,
};
use crate::resp::Reply;

/// The rows of this family.
pub(super) const ROWS: &[Row] = &[Row::new("COMMAND", -1, Group::Server, command)
    .since("2.8.13")
    .doc("Describes all commands.", "O(N) for N commands")
    .flags(BASE.with(Flags::LINEAR))
    .categories(Categories::CONNECTION)
    .tips(&["nondeterministic_output_order"])
    .subcommands(SUBCOMMANDS)];

const BASE: Flags = Flags::LOADING.with(Flags::STALE);

const SUBCOMMANDS: &[Row] = &[
    Row::new("COUNT", 2, Group::Server, command_count)
        .since("2.8.13")
        .doc("Counts the commands.", "O(1)")
        .flags(BASE)
        .categories(Categories::CONNECTION),
    Row::new("DOCS", -2, Group::Server, command_docs)
        .since("7.0.0")
        .doc("Documents commands: summary, arguments and so on.", "O(N) for N commands looked up")
        .flags(BASE.with(Flags::LINEAR))
        .categories(Categories::CONNECTION)
        .tips(&["nondeterministic_output_order"])
        .usage("[command-name:string...]"),
    Row::new("GETKEYS", -3, Group::Server, command_getkeys)
        .since("2.8.13")
        .doc("Picks the keys out of a whole command.", "O(N) for N words")
        .flags(BASE)
        .categories(Categories::CONNECTION)
        .usage("command:string [arg:string...]"),
    Row::new("GETKEYSANDFLAGS", -3, Group::Server, command_getkeysandflags)
        .since("7.0.0")
        .doc("Picks the keys out of a whole command, with what it does to each.", "O(N) for N words")
        .flags(BASE)
        .categories(Categories::CONNECTION)
        .usage("command:string [arg:string...]"),
    Row::new("HELP", 2, Group::Server, command_help)
        .since("5.0.0")
        .doc("Lists the subcommands of COMMAND.", "O(1)")
        .flags(BASE)
        .categories(Categories::CONNECTION),
    Row::new("INFO", -2, Group::Server, command_info)
        .since("2.8.13")
        .doc("Describes some or all commands.", "O(N) for N commands looked up")
        .flags(BASE.with(Flags::LINEAR))
        .categories(Categories::CONNECTION)
        .tips(&["nondeterministic_output_order"])
        .usage("[command-name:string...]"),
    Row::new("LIST", -2, Group::Server, command_list)
        .since("7.0.0")
        .doc("Lists the names of commands.", "O(N) for N commands")
        .flags(BASE.with(Flags::LINEAR))
        .categories(Categories::CONNECTION)
        .tips(&["nondeterministic_output_order"])
        .usage("[FILTERBY filterby:(MODULE module-name:string | ACLCAT category:string | PATTERN pattern:pattern)]"),
];

fn command(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let table = &context.store.table;
    reply.array(table.count());
    for command in table.commands() {
        describe(table, command, reply);
    }
    Ok(Effect::none())
}

fn command_count(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    reply.integer(context.store.table.count() as i64);
    Ok(Effect::none())
}

fn command_docs(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let table = &context.store.table;
    let names = args.from(2);
    if names.is_empty() {
        reply.map(table.count());
        for command in table.commands() {
            document(table, command, reply);
        }
        return Ok(Effect::none());
    }
    // A name that does not exist is left out here, where INFO answers null for it.
    let found = names.iter().filter_map(|name| table.full_named(name));
    reply.map(found.clone().count());
    for command in found {
        document(table, command, reply);
    }
    Ok(Effect::none())
}

fn command_getkeys(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    reply_keys(&context.store.table, Args::new(args.from(2)), false, reply)
}

fn command_getkeysandflags(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Effect, Error> {
    reply_keys(&context.store.table, Args::new(args.from(2)), true, reply)
}

fn command_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let lines = [
        "(no subcommand)",
        "    Describe every command.",
        "COUNT",
        "    Tell how many commands there are.",
        "LIST [FILTERBY <MODULE <name>|ACLCAT <category>|PATTERN <pattern>>]",
        "    List the names of commands and subcommands.",
        "INFO [<command-name> ...]",
        "    Describe the named commands, or all of them.",
        "DOCS [<command-name> ...]",
        "    Document the named commands, or all of them.",
        "GETKEYS <full-command>",
        "    Tell which words of a command are keys.",
        "GETKEYSANDFLAGS <full-command>",
        "    Tell which words of a command are keys and what it does to them.",
    ];
    subcommand::help("COMMAND", &lines, reply);
    Ok(Effect::none())
}

fn command_info(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let names = args.from(2);
    if names.is_empty() {
        return command(context, args, reply);
    }
    let table = &context.store.table;
    reply.array(names.len());
    for name in names {
        match table.full_named(name) {
            Some(command) => describe(table, command, reply),
            None => reply.null(),
        }
    }
    Ok(Effect::none())
}

fn command_list(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let filter = Filter::read(args)?;
    let chosen = context.store.table.all().iter().filter(|command| filter.lets(command));
    reply.array(chosen.clone().count());
    for command in chosen {
        reply.bulk(command.full_name().as_bytes());
    }
    Ok(Effect::none())
}

/// Which names COMMAND LIST gives.
#[derive(Clone, Copy, Debug)]
enum Filter<'a> {
    All,
    /// There are no modules, so none of the commands comes from one.
    None,
    Category(Categories),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn read(args: Args<'a>) -> Result<Self, Error> {
        let mut words = args.cursor(2);
        if words.is_done() {
            return Ok(Self::All);
        }
        if words.left() != 3 || !words.keyword("FILTERBY") {
            return Err(error::SYNTAX);
        }
        if words.keyword("MODULE") {
            Ok(Self::None)
        } else if words.keyword("ACLCAT") {
            let word = words.expect_word()?;
            let category = Categories::NAMES.iter().find(|(_, name)| name.as_bytes().eq_ignore_ascii_case(word));
            Ok(category.map_or(Self::None, |(category, _)| Self::Category(*category)))
        } else if words.keyword("PATTERN") {
            Ok(Self::Pattern(words.expect_word()?))
        } else {
            Err(error::SYNTAX)
        }
    }

    fn lets(self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Category(category) => command.row.all_categories().has(category),
            Self::Pattern(pattern) => glob::matches(pattern, command.full_name().as_bytes(), true),
        }
    }
}

/// Answers GETKEYS and GETKEYSANDFLAGS for a request of any command.
fn reply_keys(
    table: &CommandTable,
    request: Args<'_>,
    with_flags: bool,
    reply: &mut Reply<'_>,
) -> Result<Effect, Error> {
    let command = table.resolve(request).map_err(|_| Error::fixed("ERR Invalid command specified"))?;
    let row = command.row;
    if !row.keys.specs().iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
        return Err(Error::fixed("ERR The command has no key arguments"));
    }
    if !row.accepts(request.len()) {
        return Err(Error::fixed("ERR Invalid number of arguments specified for command"));
    }
    let keys = match key_positions(row, request) {
        Ok(keys) => keys,
        Err(KeysError) if row.flags.has(Flags::NO_MANDATORY_KEYS) => KeyPositions::new(),
        Err(KeysError) => return Err(Error::fixed("ERR Invalid arguments specified for command")),
    };
    reply.array(keys.len());
    for key in keys {
        if with_flags {
            reply.array(2);
        }
        reply.bulk(request.word(key.index));
        if with_flags {
            key_flags(key.flags, reply);
        }
    }
    Ok(Effect::none())
}

/// A set of status replies.
fn names<'a>(names: impl Iterator<Item = &'a str> + Clone, reply: &mut Reply<'_>) {
    reply.set(names.clone().count());
    for name in names {
        reply.simple(name);
    }
}

/// Key flags: the four kinds of access in upper case, what is done with the data in lower case.
fn key_flags(flags: KeyFlags, reply: &mut Reply<'_>) {
    const ACCESS: KeyFlags = KeyFlags::RO.with(KeyFlags::RW).with(KeyFlags::OW).with(KeyFlags::RM);
    let set = KeyFlags::NAMES.iter().filter(|(bit, _)| flags.has(*bit));
    reply.set(set.clone().count());
    for (bit, name) in set {
        if ACCESS.has(*bit) { reply.simple(name) } else { reply.simple(&name.to_ascii_lowercase()) }
    }
}

/// First key, last key and step of a command, for clients that know no key specifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    first: i64,
    last: i64,
    step: i64,
    /// There are keys outside of the span.
    is_partial: bool,
}

impl Span {
    fn of(specs: &[KeySpec]) -> Self {
        let mut span = Self::default();
        for spec in specs {
            span.is_partial |= spec.flags.has(KeyFlags::INCOMPLETE);
            let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
                span.is_partial = true;
                continue;
            };
            let (first, step) = (i64::from(first), i64::from(step));
            let last = if last >= 0 { first + i64::from(last) } else { i64::from(last) };
            if specs.len() > 1 && step != 1 {
                span.is_partial = true;
            } else if span.first == 0 {
                span = Self { first, last, step, ..span };
            } else if span.last == first - 1 {
                span.last = last;
            } else {
                span.is_partial = true;
            }
        }
        span
    }
}

/// One command of COMMAND INFO.
fn describe(table: &CommandTable, command: &Command, reply: &mut Reply<'_>) {
    let row = command.row;
    let specs = row.keys.specs();
    let span = Span::of(specs);
    reply.array(10);
    reply.bulk(command.full_name().as_bytes());
    reply.integer(row.arity.into());
    let flags = if span.is_partial { row.flags.with(Flags::MOVABLEKEYS) } else { row.flags };
    let flags = Flags::NAMES.iter().filter(|(bit, _)| flags.has(*bit)).filter_map(|(bit, name)| shown(*bit, name));
    let flags: Vec<String> = flags.collect();
    names(flags.iter().map(String::as_str), reply);
    for number in [span.first, span.last, span.step] {
        reply.integer(number);
    }
    let categories = row.all_categories();
    let categories = Categories::NAMES.iter().filter(|(bit, _)| categories.has(*bit));
    let categories: Vec<String> = categories.map(|(_, name)| format!("@{}", name.to_ascii_lowercase())).collect();
    names(categories.iter().map(String::as_str), reply);
    reply.set(row.tips.len());
    for tip in row.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(specs.len());
    for spec in specs {
        describe_spec(spec, reply);
    }
    let subcommands = table.subcommands(command);
    reply.array(subcommands.len());
    for subcommand in subcommands {
        describe(table, subcommand, reply);
    }
}

/// How clients see a flag; `None` for those that are no business of theirs.
fn shown(bit: Flags, name: &str) -> Option<String> {
    const OURS: Flags = Flags::MAY_REPLICATE
        .with(Flags::PROTECTED)
        .with(Flags::SESSION)
        .with(Flags::LINEAR)
        .with(Flags::UNQUEUED)
        .with(Flags::ERRAND);
    match bit {
        _ if OURS.has(bit) => None,
        Flags::SKIP_SLOWLOG => Some("skip_commandlog".to_owned()),
        _ => Some(name.to_ascii_lowercase()),
    }
}

fn describe_spec(spec: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"flags");
    key_flags(spec.flags, reply);
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => part("index", &[("index", index)], reply),
        Begin::Keyword(keyword, from) => {
            typed("keyword", 2, reply);
            pair("keyword", keyword, reply);
            reply.bulk(b"startfrom");
            reply.integer(from.into());
        }
        Begin::Unknown => part("unknown", &[], reply),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            part("range", &[("lastkey", last), ("keystep", step), ("limit", limit)], reply);
        }
        Find::Count { index, first, step } => {
            part("keynum", &[("keynumidx", index), ("firstkey", first), ("keystep", step)], reply);
        }
        Find::Unknown => part("unknown", &[], reply),
    }
}

/// A type with a specification of numbers.
fn part(kind: &str, numbers: &[(&str, i16)], reply: &mut Reply<'_>) {
    typed(kind, numbers.len(), reply);
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer((*number).into());
    }
}

/// A type whose specification, of so many pairs, follows.
fn typed(kind: &str, pairs: usize, reply: &mut Reply<'_>) {
    reply.map(2);
    pair("type", kind, reply);
    reply.bulk(b"spec");
    reply.map(pairs);
}

fn pair(name: &str, text: &str, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}

/// One command of COMMAND DOCS: its name and what is to say about it.
fn document(table: &CommandTable, command: &Command, reply: &mut Reply<'_>) {
    reply.bulk(command.full_name().as_bytes());
    document_parts(table, command, reply);
}

fn document_parts(table: &CommandTable, command: &Command, reply: &mut Reply<'_>) {
    let row = command.row;
    let usage = Usage::parse(row.usage);
    debug_assert!(usage.is_ok(), "{}: {usage:?}", row.name);
    let arguments = usage.unwrap_or_default().arguments;
    let subcommands = table.subcommands(command);
    let texts =
        [("summary", row.summary), ("since", row.since), ("group", row.group.name()), ("complexity", row.complexity)];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    reply.map(texts.clone().count() + usize::from(!arguments.is_empty()) + usize::from(!subcommands.is_empty()));
    for (name, text) in texts {
        pair(name, text, reply);
    }
    if !arguments.is_empty() {
        document_arguments(&arguments, reply);
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            document(table, subcommand, reply);
        }
    }
}

fn document_arguments(arguments: &[Argument], reply: &mut Reply<'_>) {
    reply.bulk(b"arguments");
    reply.array(arguments.len());
    for argument in arguments {
        document_argument(argument, reply);
    }
}

fn document_argument(argument: &Argument, reply: &mut Reply<'_>) {
    let is_group = matches!(argument.kind, Kind::OneOf | Kind::Block);
    let shown = argument.shown.as_ref().unwrap_or(&argument.name);
    let texts = [
        ("token", argument.token.as_ref()),
        ("since", argument.since.as_ref()),
        ("deprecated_since", argument.deprecated_since.as_ref()),
    ];
    let texts = texts.iter().filter_map(|(name, text)| text.map(|text| (*name, text)));
    let flags =
        [("optional", argument.optional), ("multiple", argument.multiple), ("multiple_token", argument.multiple_token)];
    let flags = flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name);
    let has_flags = flags.clone().next().is_some();
    let more = [!is_group, argument.key_spec.is_some(), has_flags, is_group];
    reply.map(2 + texts.clone().count() + more.iter().filter(|present| **present).count());
    pair("name", &argument.name, reply);
    pair("type", argument.kind.name(), reply);
    if !is_group {
        pair("display_text", shown, reply);
    }
    if let Some(spec) = argument.key_spec {
        reply.bulk(b"key_spec_index");
        reply.integer(spec as i64);
    }
    for (name, text) in texts {
        pair(name, text, reply);
    }
    if has_flags {
        reply.bulk(b"flags");
        names(flags, reply);
    }
    if is_group {
        document_arguments(&argument.arguments, reply);
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;

use std::collections::HashMap;

use super::*;
use crate::commands::FAMILIES;
use crate::handler::Keys;
use crate::resp::{Protocol, Tape, Value};

/// What Valkey 9.1 says about its commands; `testdata/make.py` wrote it.
const VALKEY: &str = include_str!("testdata/commands-valkey.tsv");

/// Texts that every server writes in its own words, and subcommands, which have lines of their own.
const OWN_WORDS: &[&str] = &["summary", "complexity", "subcommands"];

/// Writes a reply as the golden file does.
fn show<'a>(values: &mut impl Iterator<Item = Value<'a>>) -> String {
    let value = values.next().expect("a value");
    let mut several = |count: usize| (0..count).map(|_| show(values)).collect::<Vec<_>>();
    match value {
        Value::Simple(text) => text.to_owned(),
        Value::Bulk(text) => String::from_utf8(text.to_owned()).unwrap(),
        Value::Integer(number) => number.to_string(),
        Value::Null => "nil".to_owned(),
        Value::Array(count) => format!("[{}]", several(count).join(" ")),
        Value::Set(count) => {
            let mut members = several(count);
            members.sort();
            format!("{{{}}}", members.join(" "))
        }
        Value::Map(count) => {
            let parts = several(count * 2);
            let pairs = parts.chunks_exact(2).filter(|pair| !OWN_WORDS.contains(&pair[0].as_str()));
            format!("<{}>", pairs.map(|pair| pair.join("=")).collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?} is no part of COMMAND's replies"),
    }
}

fn taped(write: impl FnOnce(&mut Reply<'_>)) -> String {
    let mut tape = Tape::default();
    write(&mut Reply::tape(&mut tape, Protocol::Resp3));
    show(&mut tape.iter())
}

/// A command as COMMAND INFO gives it, without its last part, the subcommands.
fn info_of(table: &CommandTable, command: &Command) -> String {
    let mut tape = Tape::default();
    describe(table, command, &mut Reply::tape(&mut tape, Protocol::Resp3));
    let mut values = tape.iter();
    assert_eq!(values.next(), Some(Value::Array(10)));
    format!("[{}]", (0..9).map(|_| show(&mut values)).collect::<Vec<_>>().join(" "))
}

fn table() -> CommandTable {
    CommandTable::new(FAMILIES)
}

/// Every row that Valkey has too says the same as Valkey's.
#[test]
fn rows_say_what_valkey_says() {
    let columns = |line: &'static str| {
        let (name, rest) = line.split_once('\t').unwrap();
        (name, rest.split_once('\t').unwrap())
    };
    let golden: HashMap<_, _> = VALKEY.lines().map(columns).collect();
    let table = table();
    let mut different = Vec::new();
    for command in table.all() {
        let Some((info, docs)) = golden.get(command.full_name()) else {
            continue;
        };
        let mine = info_of(&table, command);
        if mine != *info {
            different.push(format!("\n  {mine}\n  {info}"));
        }
        let mine = taped(|reply| document_parts(&table, command, reply));
        if mine != *docs {
            different.push(format!("\n  {} {mine}\n  {docs}", command.full_name()));
        }
    }
    assert!(different.is_empty(), "ours, then Valkey's:{}", different.concat());
}

/// A row's syntax, its arity and its family of words agree.
#[test]
fn usage_agrees_with_arity() {
    for command in table().all() {
        let (row, name) = (command.row, command.full_name());
        let usage = Usage::parse(row.usage).unwrap_or_else(|error| panic!("{name}: {error}"));
        let words = usage.min_words() + 1 + usize::from(command.parent.is_some());
        assert!(!row.summary.is_empty() && !row.complexity.is_empty(), "{name} is not documented");
        // A container leaves its words to its subcommands; DEBUG, and COMMAND alone, document none.
        if row.usage.is_empty() && row.arity < 0 {
            continue;
        }
        // What is left out before a polygon is made up for by its corners, which a syntax cannot say.
        let made_up = if name.starts_with("geosearch") { 2 } else { 0 };
        assert_eq!(words + made_up, row.arity.unsigned_abs() as usize, "{name}: {}", row.usage);
        assert_eq!(usage.is_fixed(), row.arity > 0, "{name}: {}", row.usage);
    }
}

fn nothing(_: &mut Context<'_, '_>, _: Args<'_>, _: &mut Reply<'_>) -> Result<Effect, Error> {
    Ok(Effect::none())
}

const RO: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
const COUNTED: &[KeySpec] =
    &[KeySpec { begin: Begin::Index(2), find: Find::Count { index: 0, first: 1, step: 1 }, flags: RO }];
const OTHERS: &[Row] = &[
    Row::new("GET", 2, Group::String, nothing).keys(Keys::Specs(&[KeySpec::one(1, RO)])),
    Row::new("PING", -1, Group::Connection, nothing).flags(Flags::FAST),
    Row::new("EVAL", -3, Group::Scripting, nothing).keys(Keys::Specs(COUNTED)).flags(Flags::NO_MANDATORY_KEYS),
    Row::new("ZDIFFSTORE", -4, Group::SortedSet, nothing).keys(Keys::Specs(COUNTED)).flags(Flags::WRITE),
];

/// What GETKEYS answers; the errors are those of Valkey 9.1 and Redis 7.0.15.
#[test]
fn keys_of_whole_commands() {
    let table = CommandTable::new(&[ROWS, OTHERS]);
    for (request, expected) in [
        ("get k", "[k]"),
        ("GET k", "[k]"),
        ("get", "ERR Invalid number of arguments specified for command"),
        ("foo", "ERR Invalid command specified"),
        ("command foo", "ERR Invalid command specified"),
        ("ping", "ERR The command has no key arguments"),
        ("command count", "ERR The command has no key arguments"),
        ("eval s 2 a b c", "[a b]"),
        ("eval s 0", "[]"),
        ("eval s 7 a", "[]"),
        ("zdiffstore d 7 a", "ERR Invalid arguments specified for command"),
        ("zdiffstore d x a", "ERR Invalid arguments specified for command"),
    ] {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let mut error = None;
        let answer = taped(|reply| {
            if let Err(fault) = reply_keys(&table, Args::new(&words), false, reply) {
                error = Some(fault.as_str().to_owned());
                reply.null();
            }
        });
        assert_eq!(error.unwrap_or(answer), expected, "{request}");
    }
    let answer = taped(|reply| {
        reply_keys(&table, Args::new(&[b"get", b"k"]), true, reply).unwrap();
    });
    assert_eq!(answer, "[[k {RO access}]]");
}

#[test]
fn filters_of_the_list() {
    let table = CommandTable::new(&[ROWS, OTHERS]);
    let list = |request: &str| {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let filter = Filter::read(Args::new(&words)).map_err(|error| error.as_str().to_owned())?;
        let names = table.all().iter().filter(|command| filter.lets(command)).map(Command::full_name);
        Ok::<_, String>(names.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(list("command list").unwrap().split(' ').count(), 12);
    assert_eq!(list("command list filterby PATTERN COMMAND|G*").unwrap(), "command|getkeys command|getkeysandflags");
    assert_eq!(list("command list FILTERBY aclcat Connection").unwrap().split(' ').count(), 9);
    assert_eq!(list("command list filterby aclcat fast").unwrap(), "ping");
    assert_eq!(list("command list filterby aclcat nope").unwrap(), "");
    assert_eq!(list("command list filterby module bf").unwrap(), "");
    for wrong in ["x", "filterby aclcat", "filterby aclcat read x", "filterby x y", "x aclcat read"] {
        assert_eq!(list(&format!("command list {wrong}")).unwrap_err(), "ERR syntax error", "{wrong}");
    }
}

#[test]
fn first_last_and_step() {
    let span = |specs: &[KeySpec]| {
        let Span { first, last, step, is_partial } = Span::of(specs);
        (first, last, step, is_partial)
    };
    assert_eq!(span(&[]), (0, 0, 0, false));
    assert_eq!(span(&[KeySpec::range(1, -1, 2, RO)]), (1, -1, 2, false));
    assert_eq!(span(&[KeySpec::range(1, 1, 1, RO)]), (1, 2, 1, false));
    assert_eq!(span(&[KeySpec::one(1, RO), KeySpec::one(2, RO)]), (1, 2, 1, false));
    assert_eq!(span(&[KeySpec::one(2, RO), KeySpec::range(3, -1, 1, RO)]), (2, -1, 1, false));
    assert_eq!(span(&[KeySpec::one(1, RO), KeySpec::one(3, RO)]), (1, 1, 1, true));
    assert_eq!(span(COUNTED), (0, 0, 0, true));
}

/// What exists must not be called a command of later.
#[test]
fn rules_of_users_know_what_others_have() {
    use crate::acl::later;
    let catalog = table().catalog();
    for name in later::names() {
        assert!(later::is_known(name.as_bytes()), "{name}");
        assert_eq!(catalog.find(name.as_bytes()), None, "{name} exists: its line in acl/later.rs must go");
    }
    assert!(!later::is_known(b"cluster|") && !later::is_known(b"eval|x") && !later::is_known(b"|help"));
}

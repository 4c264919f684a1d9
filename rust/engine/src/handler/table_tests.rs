use proptest::prelude::*;

use super::*;
use crate::handler::{Context, Effect, Group, KeyFlags, KeySpec, Keys};
use crate::resp::Reply;

fn nothing(_: &mut Context<'_, '_>, _: Args<'_>, _: &mut Reply<'_>) -> Result<Effect, Error> {
    Ok(Effect::none())
}

const CLIENT: &[Row] =
    &[Row::new("ID", 2, Group::Connection, nothing), Row::new("NO-EVICT", 3, Group::Connection, nothing)];

/// Every length from 1 to 25, neighbours that share their first eight bytes, signs beside letters.
const ROWS: &[Row] = &[
    Row::new("A", 1, Group::Generic, nothing),
    Row::new("GET", 2, Group::String, nothing)
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))])),
    Row::container("CLIENT", Group::Connection, CLIENT),
    Row { subcommands: CLIENT, ..Row::new("COMMAND", -1, Group::Server, nothing) },
    Row::new("SET", -3, Group::String, nothing),
    Row::new("TTL", 2, Group::Generic, nothing),
    Row::new("EVAL_RO", 2, Group::Scripting, nothing),
    Row::new("ZREVRANGEBYLEX", -4, Group::SortedSet, nothing),
    Row::new("ZREVRANGEBYSCORE", -4, Group::SortedSet, nothing),
    Row::new("GEORADIUSBYMEMBER", -5, Group::Geo, nothing),
    Row::new("GEORADIUSBYMEMBER_RO", -5, Group::Geo, nothing),
    Row::new("RESTORE-ASKING", -4, Group::Server, nothing),
];

const MORE: &[Row] = &[Row::new("ABCDEFGHIJKLMNOPQRSTUVWXY", 1, Group::Server, nothing)];

fn table() -> CommandTable {
    CommandTable::new(&[ROWS, MORE])
}

#[test]
fn a_renamed_command_has_its_new_name_only() {
    let mut table = table();
    table.rename(b"get", b"a-very-long-name-for-get").unwrap();
    assert!(table.command_named(b"GET").is_none());
    assert_eq!(table.command_named(b"A-very-long-name-for-get").unwrap().full_name(), "get");
    assert!(table.command_named(b"A-very-long-name-for-gex").is_none());
    assert!(table.command_named(b"set").unwrap().is_named(b"SET"));
    table.rename(b"SET", b"get").unwrap();
    assert!(table.command_named(b"GET").unwrap().is_named(b"get") && table.command_named(b"SET").is_none());
    assert!(table.rename(b"SET", b"x").is_err() && table.rename(b"GET", b"A-VERY-long-name-for-get").is_err());
    table.rename(b"GET", b"").unwrap();
    assert!(table.command_named(b"").is_none() && table.command_named(b"GET").is_none());
    table.rename(b"client", b"c").unwrap();
    assert_eq!(table.resolve(Args::new(&[b"C", b"id"])).unwrap().full_name(), "client|id");
}

fn resolve(words: &[&[u8]]) -> Result<String, String> {
    let found = table().resolve(Args::new(words)).map(|command| command.full_name().to_owned());
    found.map_err(|error| error.as_str().to_owned())
}

#[test]
fn finds_every_name_in_any_case_and_nothing_else() {
    let table = table();
    assert_eq!((table.count(), table.all().len()), (13, 17));
    for (at, command) in table.all().iter().enumerate() {
        assert_eq!(usize::from(command.id), at);
    }
    for command in table.commands() {
        let name = command.row.name;
        for spelling in [name.to_owned(), name.to_ascii_lowercase(), name[..1].to_ascii_lowercase() + &name[1..]] {
            assert_eq!(table.command_named(spelling.as_bytes()).map(|found| found.row.name), Some(name));
        }
        for at in 0..name.len() {
            for bit in 0..8 {
                let mut other = name.as_bytes().to_owned();
                other[at] ^= 1 << bit;
                let is_same = other.eq_ignore_ascii_case(name.as_bytes());
                assert_eq!(
                    table.command_named(&other).is_some_and(|found| found.row.name == name),
                    is_same,
                    "{other:?}"
                );
            }
        }
    }
    for name in ["", "\0", "G", "GE", "GET\0", "GETT", "ET", "ZREVRANGEBYLE", "GEORADIUSBYMEMBER_R"] {
        assert!(table.command_named(name.as_bytes()).is_none(), "{name}");
    }
}

#[test]
fn finds_subcommands_and_full_names() {
    let table = table();
    let client = table.command_named(b"client").unwrap();
    assert_eq!(
        table.subcommands(client).iter().map(Command::full_name).collect::<Vec<_>>(),
        ["client|id", "client|no-evict"]
    );
    assert_eq!(table.full_named(b"Client|No-Evict").map(Command::full_name), Some("client|no-evict"));
    assert_eq!(table.full_named(b"get").map(Command::full_name), Some("get"));
    for name in ["client|", "client|nope", "|id", "get|id", "client|id|x", ""] {
        assert!(table.full_named(name.as_bytes()).is_none(), "{name}");
    }
    assert_eq!(table.command_named(b"get").and_then(Command::single_key), Some(1));
    assert_eq!(table.command_named(b"ttl").and_then(Command::single_key), None);
}

#[test]
fn resolves_a_request() {
    assert_eq!(resolve(&[b"gEt", b"k"]).unwrap(), "get");
    assert_eq!(resolve(&[b"client", b"ID"]).unwrap(), "client|id");
    // A container alone is refused by its arity; one that is a command itself runs.
    assert_eq!(resolve(&[b"client"]).unwrap(), "client");
    assert_eq!(resolve(&[b"command"]).unwrap(), "command");
    assert_eq!(resolve(&[b"client", b"foo", b"x"]).unwrap_err(), "ERR unknown subcommand 'foo'. Try CLIENT HELP.");
    assert_eq!(
        resolve(&[b"client", &[b'x'; 200]]).unwrap_err(),
        format!("ERR unknown subcommand '{}'. Try CLIENT HELP.", "x".repeat(128))
    );
}

/// The texts are what Redis 7.0.15 and Valkey 9.1 answer.
#[test]
fn says_what_is_unknown() {
    let foo = |rest: &str| format!("ERR unknown command 'foo', with args beginning with: {rest}");
    assert_eq!(resolve(&[b"foo"]).unwrap_err(), foo(""));
    assert_eq!(resolve(&[b"foo", b"a", b"b"]).unwrap_err(), foo("'a' 'b' "));
    assert_eq!(resolve(&[b"foo", &[b'x'; 200]]).unwrap_err(), foo(&format!("'{}' ", "x".repeat(128))));
    let (x, y) = ("x".repeat(100), "y".repeat(25));
    assert_eq!(resolve(&[b"foo", &[b'x'; 100], &[b'y'; 100], b"z"]).unwrap_err(), foo(&format!("'{x}' '{y}' ")));
    assert_eq!(
        resolve(&[&[b'f'; 200], b"a"]).unwrap_err(),
        format!("ERR unknown command '{}', with args beginning with: 'a' ", "f".repeat(128))
    );
    assert_eq!(resolve(&[b"foo", b"a\r\nb"]).unwrap_err(), foo("'a  b' "));
    assert_eq!(resolve(&[b"foo\0bar", b"\0"]).unwrap_err(), foo("'' "));
    assert_eq!(resolve(&[]).unwrap_err(), "ERR unknown command '', with args beginning with: ");
}

#[test]
#[should_panic(expected = "two rows are called 'get'")]
fn refuses_twins() {
    CommandTable::new(&[ROWS, &ROWS[1..2]]);
}

proptest! {
    #[test]
    fn upper_case_of_eight_bytes(bytes: [u8; 8]) {
        prop_assert_eq!(upper(u64::from_le_bytes(bytes)).to_le_bytes().to_vec(), bytes.to_ascii_uppercase());
    }

    #[test]
    fn agrees_with_a_walk_over_the_rows(name in "[a-zA-Z@\\[_-]{0,26}|get|(?i)georadiusbymember(_ro)?|.{0,3}") {
        let expected = ROWS.iter().chain(MORE).find(|row| row.name.eq_ignore_ascii_case(&name));
        prop_assert_eq!(table().command_named(name.as_bytes()).map(|found| found.row.name), expected.map(|row| row.name));
    }
}

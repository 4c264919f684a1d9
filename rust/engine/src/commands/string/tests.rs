//! The string commands against what Valkey answered, against a map, and against their own journal.

mod model;

use std::sync::{Arc, Mutex};

use crate::clock::ManualClock;
use crate::config::KeyspaceEvents;
use crate::dispatch::Mode;
use crate::engine::{Caller, Engine, EngineOptions};
use crate::observe::Observer;
use crate::resp::{Protocol, Tape, Value};
use crate::values::string::StringRef;

/// What Valkey 9.1 answers, and the events that it publishes; `testdata/record.py` wrote it.
const VALKEY: &str = include_str!("testdata/replies-valkey.tsv");
const NOW_MS: i64 = 1_700_000_000_000;

type Events = Arc<Mutex<Vec<String>>>;

struct Recorder(Events);

impl Observer for Recorder {
    fn event(&self, _: usize, _: KeyspaceEvents, name: &'static str, key: &[u8]) {
        self.0.lock().unwrap().push(format!("{name}:{}", key.escape_ascii()));
    }
}

/// An engine whose clock stands still, and a caller.
struct World {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    caller: Caller,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let options = EngineOptions { clock: clock.clone(), shard_bits: 2, ..EngineOptions::default() };
        let engine = Engine::new(options).unwrap();
        let mut caller = engine.caller();
        caller.client().protocol = Protocol::Resp3;
        Self { engine, clock, caller }
    }

    fn run<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Tape {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let mut tape = Tape::default();
        self.caller.execute(&words, Mode::Now, &mut tape);
        tape
    }

    /// Runs a command written with spaces between its words, `""` for the empty one, and shows the reply.
    fn ask(&mut self, command: &str) -> String {
        show(&mut self.run(&split(command)).iter())
    }

    /// All live keys with their values and deadlines.
    fn contents(&self) -> Vec<(Vec<u8>, Vec<u8>, Option<i64>)> {
        let keyspace = &self.engine.store().keyspace;
        let locks = keyspace.lock(keyspace.all()).unwrap();
        let now_ms = self.engine.store().clock.unix_ms();
        let entries = locks.iter().filter_map(|shard| shard.db(0)).flat_map(crate::keyspace::Db::iter);
        let live = entries.filter(|entry| !entry.is_expired(now_ms));
        let mut all: Vec<_> = live
            .map(|entry| {
                (entry.key().to_vec(), StringRef::of(entry.value()).unwrap().text().to_vec(), entry.deadline_ms())
            })
            .collect();
        all.sort();
        all
    }

    /// What OBJECT ENCODING says of a key.
    fn encoding(&self, key: &str) -> &'static str {
        let keyspace = &self.engine.store().keyspace;
        let key = keyspace.key(key.as_bytes());
        let locks = keyspace.lock(key.mask()).unwrap();
        let entry = locks.peek(key.shard()).db(0).unwrap().get(&key).unwrap();
        entry.encoding()
    }

    /// The commands that the journal holds.
    fn log(&self) -> Vec<Vec<Vec<u8>>> {
        let (journal, mut bytes) = (&self.engine.store().journal, Vec::new());
        journal.read(0, usize::MAX, &mut bytes).unwrap();
        let mut commands = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let count = take_number(&mut rest, b'*');
            let words = (0..count).map(|_| {
                let len = take_number(&mut rest, b'$');
                let (word, behind) = rest.split_at(len);
                rest = &behind[2..];
                word.to_vec()
            });
            commands.push(words.collect());
        }
        commands
    }
}

/// Reads `*2\r\n` or `$3\r\n`.
fn take_number(bytes: &mut &[u8], marker: u8) -> usize {
    assert_eq!(bytes[0], marker);
    let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
    let number = std::str::from_utf8(&bytes[1..end]).unwrap().parse().unwrap();
    *bytes = &bytes[end + 2..];
    number
}

fn split(command: &str) -> Vec<&[u8]> {
    command.split(' ').map(|word| if word == "\"\"" { b"".as_slice() } else { word.as_bytes() }).collect()
}

/// Writes a reply as the golden file does.
fn show<'a>(values: &mut impl Iterator<Item = Value<'a>>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "\\0");
    let value = values.next().expect("a value");
    let mut several = |count: usize| (0..count).map(|_| show(values)).collect::<Vec<_>>();
    match value {
        Value::Simple(status) => status.to_owned(),
        Value::Error(error) => format!("-{}", error.as_str()),
        Value::Bulk(bytes) => text(bytes),
        Value::Shared(shared) => text(shared),
        Value::Integer(number) => format!("({number})"),
        Value::Null => "nil".to_owned(),
        Value::Array(count) => format!("[{}]", several(count).join(" ")),
        Value::Map(count) => {
            let parts = several(count * 2);
            format!("<{}>", parts.chunks(2).map(|pair| pair.join("=")).collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?} is no reply of these commands"),
    }
}

#[test]
fn answers_and_events_are_those_of_valkey() {
    let mut count = 0;
    for line in VALKEY.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        let &[state, command, reply, events] = columns.as_slice() else { panic!("{line}") };
        let mut world = World::new();
        for prepare in state.split(';').filter(|prepare| !prepare.is_empty()) {
            world.ask(prepare);
        }
        let heard = Events::default();
        world.engine.store().set_observer(Box::new(Recorder(heard.clone())));
        assert_eq!(world.ask(command), reply, "{state} | {command}");
        assert_eq!(heard.lock().unwrap().join(" "), events, "{state} | {command}");
        count += 1;
    }
    assert!(count > 2_500, "{count} cases");
}

/// What goes to the journal, where it is not the words as received.
#[test]
fn the_journal_gets_what_can_be_replayed_at_any_time() {
    let cases = [
        ("", "SET k v", "SET k v"),
        ("", "SET k v NX", "SET k v"),
        ("SET k v", "SET k v NX", ""),
        ("SET k v", "SET k w IFEQ v GET", "SET k w"),
        ("SET k v EX 9", "SET k w XX KEEPTTL", "SET k w KEEPTTL"),
        ("", "SET k v EX 100", "SET k v PXAT 1700000100000"),
        ("", "SET k v NX GET PX 7", "SET k v PXAT 1700000000007"),
        ("", "SET k v EXAT 1800000000", "SET k v PXAT 1800000000000"),
        ("SET k v", "SET k w PXAT 1700000000000", "DEL k"),
        ("", "SET k w PXAT 1", ""),
        ("", "SETEX k 100 v", "SET k v PXAT 1700000100000"),
        ("", "PSETEX k 100 v", "SET k v PXAT 1700000000100"),
        ("", "SETNX k v", "SETNX k v"),
        ("SET k v", "SETNX k v", ""),
        ("SET k v", "GETSET k w", "SET k w"),
        ("SET k v", "GETDEL k", "DEL k"),
        ("", "GETDEL k", ""),
        ("SET k v", "GETEX k EX 100", "PEXPIREAT k 1700000100000"),
        ("SET k v", "GETEX k PXAT 1", "DEL k"),
        ("SET k v EX 9", "GETEX k PERSIST", "PERSIST k"),
        ("SET k v", "GETEX k PERSIST", ""),
        ("SET k v", "GETEX k", ""),
        ("", "MSET a 1 b 2", "MSET a 1 b 2"),
        ("", "MSETNX a 1 b 2", "MSET a 1 b 2"),
        ("SET b 1", "MSETNX a 1 b 2", ""),
        ("", "MSETEX 1 a 1 NX", "SET a 1"),
        ("", "MSETEX 2 a 1 b 2 PX 5", "MULTI;SET a 1 PXAT 1700000000005;SET b 2 PXAT 1700000000005;EXEC"),
        ("SET a 1;SET b 1", "MSETEX 2 a 1 b 2 XX KEEPTTL", "MULTI;SET a 1 KEEPTTL;SET b 2 KEEPTTL;EXEC"),
        ("SET k v", "DELIFEQ k v", "DEL k"),
        ("SET k v", "DELIFEQ k w", ""),
        ("SET k 1", "INCRBYFLOAT k 0.5", "SET k 1.5 KEEPTTL"),
        ("SET k 1", "DECRBY k 7", "DECRBY k 7"),
        ("SET k 9223372036854775807", "INCR k", ""),
        ("SET k v", "APPEND k w", "APPEND k w"),
        ("SET k v", "SETRANGE k 3 \"\"", ""),
        ("SET k v PX 1", "INCR k", "DEL k;INCR k"),
        ("SET k v PX 1", "SET k w NX", "DEL k;SET k w"),
        ("SET k v PX 1", "GET k", ""),
    ];
    for (state, command, expected) in cases {
        let mut world = World::new();
        for prepare in state.split(';').filter(|prepare| !prepare.is_empty()) {
            world.ask(prepare);
        }
        if state.ends_with("PX 1") {
            world.clock.advance_ms(1);
        }
        world.engine.store().journal.turn_on(1 << 20);
        world.ask(command);
        let log: Vec<_> = world.log().iter().map(|words| String::from_utf8(words.join(&b' ')).unwrap()).collect();
        let log: Vec<_> = log.iter().filter(|command| *command != "SELECT 0").map(String::as_str).collect();
        assert_eq!(log.join(";"), expected, "{state} | {command}");
    }
}

#[test]
fn encodings_are_those_of_redis() {
    let long = "x".repeat(45);
    let cases = [
        ("SET k 12", "int"),
        ("SET k -9223372036854775808", "int"),
        ("SET k 9223372036854775808", "embstr"),
        ("SET k 007", "embstr"),
        ("SET k \"\"", "embstr"),
        (&*format!("SET k {}", &long[1..]), "embstr"),
        (&*format!("SET k {long}"), "raw"),
        ("APPEND k 12", "int"),
        ("SET k 1;APPEND k 2", "raw"),
        ("SET k 12;APPEND k \"\"", "raw"),
        ("SET k 1;APPEND k 2;INCR k", "int"),
        ("SET k 1;APPEND k 2;SET k 12", "int"),
        ("SETRANGE k 0 12", "raw"),
        ("SET k 12;SETRANGE k 0 1", "raw"),
        ("SET k 12;SETRANGE k 0 \"\"", "int"),
        ("INCR k", "int"),
        ("INCRBYFLOAT k 12", "embstr"),
        ("SET k 1;INCRBYFLOAT k 1", "embstr"),
        ("INCRBYFLOAT k 1e60", "raw"),
        ("SET k 5;GETSET k 6", "int"),
        ("MSET k 5", "int"),
    ];
    for (commands, encoding) in cases {
        let mut world = World::new();
        for command in commands.split(';') {
            world.ask(command);
        }
        assert_eq!(world.encoding("k"), encoding, "{commands}");
    }
}

#[test]
fn a_reply_keeps_a_large_string_as_it_was_when_it_changes() {
    let mut world = World::new();
    let large = vec![b'a'; 100_000];
    world.run(&[b"SET".as_slice(), b"k", &large]);
    let reply = world.run(&["GET", "k"]);
    assert_eq!(world.ask("APPEND k bcd"), "(100003)");
    assert_eq!(world.ask("SETRANGE k 1 xyz"), "(100003)");
    assert_eq!(world.ask("GETRANGE k 0 4"), "axyza");
    assert_eq!(world.ask("GETRANGE k -4 -1"), "abcd");
    let Some(Value::Shared(before)) = reply.iter().next() else { panic!("it is large enough to be shared") };
    assert_eq!(**before, *large);
}

/// A string that nobody else holds is changed where it is.
#[test]
fn a_large_string_is_not_copied_to_change_a_part() {
    let mut world = World::new();
    world.run(&[b"SET".as_slice(), b"k", &vec![b'a'; 1 << 20]]);
    world.ask("APPEND k b");
    let place = |world: &mut World| match world.run(&["GET", "k"]).iter().next() {
        Some(Value::Shared(shared)) => shared.as_ptr(),
        other => panic!("{other:?}"),
    };
    let before = place(&mut world);
    for _ in 0..1000 {
        world.ask("APPEND k 0123456789");
        world.ask("SETRANGE k 77 0123456789");
    }
    assert_eq!(place(&mut world), before);
    assert_eq!(world.ask("STRLEN k"), format!("({})", (1 << 20) + 1 + 10_000));
}

#[test]
fn strings_end_at_the_limit() {
    let mut world = World::new();
    let limit = world.engine.store().settings.bulk_bytes_max();
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    for state in ["", "SET k v"] {
        if !state.is_empty() {
            world.ask(state);
        }
        for offset in [limit - 1, limit, usize::MAX >> 1, (usize::MAX >> 1) - 1] {
            assert_eq!(world.ask(&format!("SETRANGE k {offset} xy")), too_long, "{offset}");
        }
    }
    assert_eq!(world.ask("GET k"), "v");
    // Two strings of 12,000 bytes have 144 million pairs; the table of lengths that the limit is about takes 576 MB.
    world.run(&[b"MSET".as_slice(), b"a", &[b'x'; 12_000], b"b", &[b'y'; 12_000]]);
    let too_large = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    assert_eq!(world.ask("LCS a b LEN"), too_large);
    assert_eq!(world.ask("LCS a b"), too_large);
    assert_eq!(world.ask("LCS a missing LEN"), "(0)");
}

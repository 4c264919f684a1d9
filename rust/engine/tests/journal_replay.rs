//! Two engines, one journal: what several threads write to one, replayed into another, gives an equal state.
//!
//! The writers use every way in which effects reach the journal: as received, rewritten (expiry, floats), several at once
//! (EXEC with SELECT inside), deletions by the wheel and by writers that meet an expired key. The second engine reads
//! the journal with a clock that stands at the beginning, as only the first decides what has expired.
//!
//! `RKV_TEST_SEED` repeats a run, as far as threads can be repeated.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use chance::{Random, seed};
use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::{Clock, ManualClock};
use rkv_engine::dispatch::Mode;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::values::string::StringRef;
use rkv_engine::{Caller, Engine, EngineOptions};

const WRITERS: u64 = 4;
const ROUNDS: usize = 6_000;
const KEYS: usize = 24;
const DATABASES: usize = 3;

fn call(caller: &mut Caller, words: &[&str]) -> bool {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut tape = Tape::new();
    caller.execute(&words, Mode::Now, &mut tape);
    !matches!(tape.iter().next(), Some(Value::Error(_)))
}

/// One random command that writes.
fn write(caller: &mut Caller, random: &mut Random, known: &[bool]) {
    let key = format!("key:{}", random.below(KEYS));
    let other = format!("key:{}", random.below(KEYS));
    let (number, time) = (random.below(100).to_string(), (1 + random.below(20)).to_string());
    let words: &[&str] = match random.below(14) {
        0 => &["SET", &key, &number],
        1 => &["SET", &key, &number, "PX", &time],
        2 | 3 => &["INCR", &key],
        4 => &["APPEND", &key, &number],
        5 => &["GETDEL", &key],
        6 => &["MSET", &key, &number, &other, &time],
        7 => &["INCRBYFLOAT", &key, "0.25"],
        8 => &["GETEX", &key, "PX", &time],
        9 => &["GETEX", &key, "PERSIST"],
        10 => &["SETRANGE", &key, "3", &number],
        11 if known[0] => &["DEL", &key, &other],
        12 if known[1] => &["PEXPIRE", &key, &time],
        13 if known[2] => &["RENAME", &key, &other],
        _ => &["SET", &key, &number, "KEEPTTL", "GET"],
    };
    call(caller, words);
}

fn writer(engine: &Engine, seed: u64) {
    let mut caller = engine.caller();
    let mut random = Random(seed);
    let table = &engine.store().table;
    let known = ["DEL", "PEXPIRE", "RENAME"].map(|name| table.command_named(name.as_bytes()).is_some());
    for _ in 0..ROUNDS {
        match random.below(12) {
            0 => {
                let db = random.below(DATABASES).to_string();
                assert!(call(&mut caller, &["SELECT", &db]));
            }
            1 | 2 => {
                assert!(call(&mut caller, &["MULTI"]));
                for _ in 0..random.below(6) {
                    if random.below(6) == 0 {
                        let db = random.below(DATABASES).to_string();
                        assert!(call(&mut caller, &["SELECT", &db]));
                    }
                    write(&mut caller, &mut random, &known);
                }
                assert!(call(&mut caller, &["EXEC"]));
            }
            _ => write(&mut caller, &mut random, &known),
        }
    }
}

type State = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<i64>)>;

/// All keys that are alive at a time, read from the tables.
fn state(engine: &Engine, now_ms: i64) -> State {
    let keyspace = &engine.store().keyspace;
    let locks = keyspace.lock(keyspace.all()).unwrap();
    let mut state = State::new();
    for db in 0..DATABASES {
        for number in 0..KEYS {
            let bytes = format!("key:{number}").into_bytes();
            let key = keyspace.key(&bytes);
            let entry = locks.peek(key.shard()).db(db).and_then(|part| part.get(&key));
            let Some(entry) = entry.filter(|entry| !entry.is_expired(now_ms)) else { continue };
            let value = StringRef::of(entry.value()).unwrap().text().to_vec();
            state.insert((db, bytes.clone()), (value, entry.deadline_ms()));
        }
    }
    state
}

#[test]
fn a_journal_of_several_writers_replayed_gives_an_equal_state() {
    let seed = seed();
    let engine = Engine::new(EngineOptions { shard_bits: 3, ..EngineOptions::default() }).unwrap();
    let store = Arc::clone(engine.store());
    let begin_ms = store.clock.unix_ms();
    {
        let _all = store.keyspace.lock(store.keyspace.all()).unwrap();
        store.journal.turn_on(1 << 30);
    }
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let engine = &engine;
            scope.spawn(move || writer(engine, seed.wrapping_add(number)));
        }
    });
    engine.close();
    let now_ms = store.clock.unix_ms();

    let mut journal = Vec::new();
    assert_eq!(store.journal.read(0, usize::MAX, &mut journal), Ok(store.journal.end()));
    let clock = Arc::new(ManualClock::new(begin_ms));
    let replica = Engine::new(EngineOptions { clock: clock.clone(), ..EngineOptions::default() }).unwrap();
    let mut session = replica.session(Origin::embedded(), Arc::new(NoWake));
    for piece in journal.chunks(4096) {
        session.receive(piece);
        while !session.output().is_empty() {
            let reply = String::from_utf8_lossy(session.output()).into_owned();
            assert!(!reply.starts_with('-') && !reply.contains("\r\n-ERR"), "{reply}");
            session.advance(reply.len());
        }
        assert!(!session.closing());
    }
    clock.set_unix_ms(now_ms);

    let (expected, replayed) = (state(&engine, now_ms), state(&replica, now_ms));
    let text = String::from_utf8_lossy(&journal);
    for record in ["SELECT", "MULTI", "EXEC", "PXAT", "INCR", "DEL", "APPEND", "SETRANGE"] {
        assert!(text.contains(record), "{record} was never written");
    }
    assert!(expected.len() > KEYS, "{} keys are left", expected.len());
    assert_eq!(replayed, expected);
    assert!(clock.unix_ms() >= begin_ms);
}

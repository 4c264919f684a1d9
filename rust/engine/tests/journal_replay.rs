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
use rkv_engine::config::Config;
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

/// What reads keys whose time is over, but which nobody has deleted yet, finds nothing there. So must who replays it with a
/// clock that stands at the beginning.
#[test]
fn what_is_made_of_expired_keys_is_replayed_as_it_was_made() {
    const BEGIN_MS: i64 = 1_700_000_000_000;
    let filled = "SET s1 abc,SET s2 xyz,SADD set1 a b,SADD set2 b c,ZADD zset1 1 a,ZADD zset2 2 b,RPUSH list1 2 1,\
                  RPUSH list2 9 8,PFADD log1 a,PFADD log2 b,GEOADD geo1 13 38 a,XADD stream1 1-1 f v,SET w_1 5,SET w_2 4,\
                  HSET h_1 f 5,HSET h_2 f 4,RPUSH keep 1 2,SADD held x,ZADD ranked 3 z,PFADD counted z,SET text t";
    let commands = "SUNIONSTORE d set1 held,SINTERSTORE d set1 set2,SDIFFSTORE d held set1,ZUNIONSTORE d 2 zset1 ranked,\
                    ZINTERSTORE d 2 zset1 zset2,ZDIFFSTORE d 2 ranked zset1,ZRANGESTORE d zset1 0 -1,BITOP OR d s1 text,\
                    PFMERGE d log1 counted,PFMERGE counted log1,SORT list1 STORE d,SORT keep BY w_* STORE d,\
                    SORT keep BY nosort GET w_* GET # STORE d,SORT keep BY h_*->f STORE d,COPY s1 d,COPY text s1,\
                    COPY text s2 REPLACE,RENAME text s1,RENAMENX text s1,SMOVE held set1 x,SMOVE set1 held a,\
                    LMOVE keep list1 LEFT RIGHT,LMOVE list1 keep LEFT RIGHT,MSETNX s1 1 s2 2,MSETNX text 1 s2 2,\
                    GEOSEARCHSTORE d geo1 FROMLONLAT 13 38 BYRADIUS 1 km,GEORADIUS geo1 13 38 1 km STORE d,\
                    XADD stream1 2-1 f v,SETNX s1 n,APPEND s1 n,SETRANGE s1 1 n,INCR s1,LPUSHX list1 n,LPUSH list1 n,\
                    HSETNX h_1 f n,HINCRBY h_1 f 1,ZINCRBY zset1 1 a,SADD set1 z,PFADD log1 z,DEL s1 text,UNLINK s1 text,\
                    MOVE s1 1,EXPIRE s1 100,PERSIST s1,GETEX s1 PERSIST,ZPOPMIN zset1,LMPOP 2 list1 keep LEFT,\
                    ZMPOP 2 zset1 ranked MIN,BLMOVE list1 list2 LEFT LEFT 0.01,SPOP set1";
    for command in commands.split(',').map(str::trim) {
        let clock = Arc::new(ManualClock::new(BEGIN_MS));
        let engine = debuggable(&clock);
        let store = engine.store();
        {
            let _all = store.keyspace.lock(store.keyspace.all()).unwrap();
            store.journal.turn_on(1 << 30);
        }
        let mut caller = engine.caller();
        let mut keys = Vec::new();
        for line in filled.split(',') {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(call(&mut caller, &words), "{line}");
            keys.push(words[1].to_owned());
        }
        for key in keys.iter().filter(|key| key.ends_with(|last: char| last.is_ascii_digit())) {
            assert!(call(&mut caller, &["PEXPIRE", key, "10"]));
        }
        // Nobody ticks, so that what has expired is still there.
        clock.advance_ms(20);
        call(&mut caller, &command.split_whitespace().collect::<Vec<_>>());
        let mut journal = Vec::new();
        store.journal.read(0, usize::MAX, &mut journal).unwrap();
        let behind = Arc::new(ManualClock::new(BEGIN_MS));
        let replica = debuggable(&behind);
        let mut session = replica.session(Origin::embedded(), Arc::new(NoWake));
        session.receive(&journal);
        let output = String::from_utf8_lossy(session.output()).into_owned();
        assert!(!output.contains("\r\n-"), "{command}: {output}");
        behind.set_unix_ms(BEGIN_MS + 20);
        assert_eq!(whole(&replica, &keys), whole(&engine, &keys), "{command}");
    }
}

fn debuggable(clock: &Arc<ManualClock>) -> Arc<Engine> {
    let mut config = Config::default();
    config.set(b"enable-debug-command", &["yes"]).unwrap();
    Engine::new(EngineOptions { config, clock: clock.clone(), ..EngineOptions::default() }).unwrap()
}

/// What each of these keys, and `d`, holds.
fn whole(engine: &Engine, keys: &[String]) -> Vec<String> {
    let mut caller = engine.caller();
    let mut dump = |key: &str| {
        let mut tape = Tape::new();
        caller.execute(&[b"DEBUG", b"DIGEST-VALUE", key.as_bytes()], Mode::Now, &mut tape);
        let digest = format!("{:?}", tape.iter().collect::<Vec<_>>());
        assert!(!digest.contains("Error"), "{digest}");
        tape.clear();
        caller.execute(&[b"PTTL", key.as_bytes()], Mode::Now, &mut tape);
        format!("{key}: {digest} {:?}", tape.iter().collect::<Vec<_>>())
    };
    keys.iter().map(String::as_str).chain(["d"]).map(&mut dump).collect()
}

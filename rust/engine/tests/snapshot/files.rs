//! Snapshots as files: what is loaded is what was there at the cut, whatever is written meanwhile, and whatever the disk does
//! there is one whole file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::dispatch::Mode;
use rkv_engine::files::{Damage, Fault, Files, SimulatedFiles};
use rkv_engine::keyspace::Shard;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::session::Session;
use rkv_engine::values::{Kind, ValueRef};
use rkv_engine::{Caller, Engine, EngineOptions, OpenError};

use super::support::{START_MS, run};
use crate::chance::{Random, seed};

const OPTIONS: &[(&str, &[&str])] = &[
    ("enable-debug-command", &["yes"]),
    // Few elements are many, so that every form is met.
    ("hash-max-listpack-entries", &["12"]),
    ("set-max-listpack-entries", &["12"]),
    ("set-max-intset-entries", &["12"]),
    ("zset-max-listpack-entries", &["12"]),
    ("list-max-listpack-size", &["12"]),
];

fn open(files: &SimulatedFiles, now_ms: i64, more: &[(&str, &[&str])]) -> Result<Arc<Engine>, OpenError> {
    open_at(files, &Arc::new(ManualClock::new(now_ms)), more)
}

fn open_at(
    files: &SimulatedFiles,
    clock: &Arc<ManualClock>,
    more: &[(&str, &[&str])],
) -> Result<Arc<Engine>, OpenError> {
    let mut config = Config::default();
    for (name, words) in [("save", &[""] as &[&str])].iter().chain(OPTIONS).chain(more) {
        config.set(name.as_bytes(), words).unwrap();
    }
    let files: Arc<dyn Files> = Arc::new(files.clone());
    let clock = Arc::clone(clock);
    Engine::open(EngineOptions { config, shard_bits: 2, clock, files: Some(files), ..EngineOptions::default() })
}

/// A value, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Shadow {
    kind: &'static str,
    string: Vec<u8>,
    elements: Vec<(Vec<u8>, Vec<u8>, Option<i64>)>,
    deadline_ms: Option<i64>,
}

/// All live keys, by database and name.
fn shadow(engine: &Engine, now_ms: i64) -> BTreeMap<(usize, Vec<u8>), Shadow> {
    let keyspace = &engine.store().keyspace;
    let locks = keyspace.lock(keyspace.all()).unwrap();
    let mut all = BTreeMap::new();
    for (number, db) in locks.iter().flat_map(Shard::dbs) {
        for entry in db.iter().filter(|entry| !entry.is_expired(now_ms)) {
            let value = entry.value();
            let string = match value {
                ValueRef::Integer(number) => number.to_string().into_bytes(),
                ValueRef::Bytes(bytes) => bytes.to_vec(),
                ValueRef::Shared(shared) => shared.to_vec(),
                _ => Vec::new(),
            };
            let mut elements = Vec::new();
            value.each(&mut |element| {
                if !element.is_expired(now_ms) {
                    elements.push((element.name.to_vec(), element.payload.to_vec(), element.deadline_ms));
                }
            });
            if value.kind() != Kind::List {
                elements.sort();
            }
            let deadline_ms = entry.deadline_ms();
            let before = all.insert(
                (number, entry.key().to_vec()),
                Shadow { kind: value.kind().name(), string, elements, deadline_ms },
            );
            assert!(before.is_none(), "a key is there once");
        }
    }
    // A hash whose fields are all gone is no key.
    all.retain(|_, shadow: &mut Shadow| shadow.kind == "string" || !shadow.elements.is_empty());
    all
}

fn reply(caller: &mut Caller, words: &[&[u8]]) -> String {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    match tape.first() {
        Some(Value::Error(error)) => format!("-{}", error.as_str()),
        Some(Value::Simple(text)) => text.to_owned(),
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Bulk(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

fn info(caller: &mut Caller, field: &str) -> String {
    let text = {
        let mut tape = Tape::new();
        caller.execute(&[b"INFO", b"persistence"], Mode::Now, &mut tape);
        tape.iter()
            .find_map(|value| match value {
                Value::Verbatim(_, bytes) | Value::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                _ => None,
            })
            .unwrap()
    };
    let line =
        text.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap_or_else(|| panic!("{field} in {text}"));
    line.split_once(':').unwrap().1.to_owned()
}

/// One random change; keys are few, so that they are overwritten, renamed and removed.
fn change(caller: &mut Caller, random: &mut Random, now_ms: i64) {
    let number = |value: u64| value.to_string().into_bytes();
    let kind = random.below(5);
    let key = format!("{}:{}", ["s", "l", "h", "z", "t"][kind as usize], random.below(60)).into_bytes();
    let other = format!("{}:{}", ["s", "l", "h", "z", "t"][kind as usize], random.below(60)).into_bytes();
    let (element, value) = (number(random.below(40)), vec![b'v'; random.below(80) as usize]);
    let at = (now_ms + 1 + random.below(4_000) as i64).to_string().into_bytes();
    let words: Vec<&[u8]> = match (random.below(12), kind) {
        (0, _) => vec![b"DEL", &key],
        (1, _) => vec![b"PEXPIREAT", &key, &at],
        (2, _) if key != other => vec![b"COPY", &key, &other, b"REPLACE"],
        (3, _) => {
            let mut tape = Tape::new();
            // Without the key this is an error, and no change.
            caller.execute(&[b"RENAME", &key, &other], Mode::Now, &mut tape);
            return;
        }
        (4, _) => vec![b"MOVE", &key, b"1"],
        (5, 2) => {
            return run(caller, &[b"HPEXPIREAT", &key, &at, b"FIELDS", b"1", &element]);
        }
        (5, 0) => vec![b"SET", &key, &element],
        (5 | 6, 1) => vec![b"RPOP", &key],
        (5 | 6, 3) => vec![b"ZREM", &key, &element],
        (5 | 6, 4) => vec![b"SREM", &key, &element],
        (6, 2) => vec![b"HDEL", &key, &element],
        (_, 0) => vec![b"SETRANGE", &key, &element, &value],
        (_, 1) => vec![b"LPUSH", &key, &element, &value, &element],
        (_, 2) => vec![b"HSET", &key, &element, &value],
        (_, 3) => vec![b"ZADD", &key, &at, &element],
        _ => vec![b"SADD", &key, &element],
    };
    run(caller, &words);
}

/// Some changes together: growth, shrinkage, and what moves whole databases. FLUSHALL would give up the snapshot.
fn upheaval(caller: &mut Caller, random: &mut Random) {
    match random.below(12) {
        0 => run(caller, &[b"FLUSHDB", [b"SYNC".as_slice(), b"ASYNC"][random.below(2) as usize]]),
        1 => {
            run(caller, &[b"SELECT", b"1"]);
            run(caller, &[b"FLUSHDB"]);
            run(caller, &[b"SELECT", b"0"]);
        }
        2 => run(caller, &[b"SWAPDB", b"0", b"1"]),
        3..=5 => {
            for number in 0..300 {
                run(caller, &[b"DEL", format!("g{number}").as_bytes()]);
            }
        }
        _ => {
            for number in 0..300 {
                run(caller, &[b"SET", format!("g{number}").as_bytes(), b"grown"]);
            }
        }
    }
}

#[test]
fn the_loaded_file_is_the_shadow_of_the_cut() {
    const SNAPSHOTS: usize = 40;
    let mut random = Random(seed());
    let files = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open_at(&files, &clock, &[]).unwrap();
    let mut caller = engine.caller();
    let mut now_ms = START_MS;
    let (mut overlapped, mut keys) = (0, 0);
    for snapshot in 0..SNAPSHOTS {
        for _ in 0..400 {
            change(&mut caller, &mut random, now_ms);
        }
        if random.below(3) == 0 {
            upheaval(&mut caller, &mut random);
        }
        let at_cut = shadow(&engine, now_ms);
        keys += at_cut.len();
        if random.below(8) == 0 {
            run(&mut caller, &[b"SAVE"]);
        } else {
            run(
                &mut caller,
                &[b"CONFIG", b"SET", b"rdb-key-save-delay", [b"0".as_slice(), b"50"][random.below(2) as usize]],
            );
            run(&mut caller, &[b"BGSAVE"]);
            let status = || engine.store().persist.status().work;
            let mut writes = 0;
            while status().is_some() {
                change(&mut caller, &mut random, now_ms);
                if random.below(40) == 0 {
                    upheaval(&mut caller, &mut random);
                }
                if random.below(20) == 0 {
                    engine.tick();
                }
                writes += 1;
            }
            overlapped += usize::from(writes > 10);
        }
        let loaded = open(&files.crash_as(Damage::Lost, false, 0), now_ms, &[]).unwrap();
        let found = shadow(&loaded, now_ms);
        for (key, value) in &at_cut {
            assert_eq!(found.get(key), Some(value), "snapshot {snapshot}: {key:?}");
        }
        assert_eq!(found.len(), at_cut.len(), "snapshot {snapshot}: more was loaded than was there");
        assert_eq!(info(&mut caller, "rdb_last_bgsave_status"), "ok");
        now_ms += random.below(1_500) as i64;
        clock.set_unix_ms(now_ms);
        engine.tick();
    }
    assert!(overlapped > SNAPSHOTS / 4, "{overlapped} snapshots met writes: too few to prove anything");
    assert!(keys > SNAPSHOTS * 50, "{keys} keys in all");
}

const SAVES: &[(&str, &[&str])] = &[("save", &["3600", "1000000"])];

/// A disk with a snapshot of `a`, and what is stored after a further change that no snapshot has.
fn before_a_save(name: &str) -> (SimulatedFiles, Arc<Engine>, Caller) {
    let files = SimulatedFiles::new();
    let engine = open(&files, START_MS, &[]).unwrap();
    let mut caller = engine.caller();
    for number in 0..200 {
        run(&mut caller, &[b"SET", format!("old{number}").as_bytes(), &[b'o'; 100]]);
    }
    run(&mut caller, &[b"SAVE"]);
    drop(caller);
    drop(engine);
    let engine = open(&files, START_MS, SAVES).unwrap();
    let mut caller = engine.caller();
    run(&mut caller, &[b"SET", b"name", name.as_bytes()]);
    (files, engine, caller)
}

/// What a disk holds: `None` the old state, or the name in the new one. Panics if it is neither as a whole.
fn whole(files: &SimulatedFiles) -> Option<String> {
    let engine = open(files, START_MS, &[]).expect("there is always one whole file");
    let mut caller = engine.caller();
    let keys = reply(&mut caller, &[b"DBSIZE"]);
    let name = reply(&mut caller, &[b"GET", b"name"]);
    if keys == "200" {
        return None;
    }
    assert_eq!(keys, "201");
    Some(name)
}

#[test]
fn power_loss_at_every_operation_leaves_a_whole_file() {
    for at in 0.. {
        let (files, _engine, mut caller) = before_a_save("new");
        let first = files.operations();
        files.fail(Fault { operations: first + at..u64::MAX, kind: ErrorKind::Other });
        let saved = reply(&mut caller, &[b"SAVE"]);
        let mut seen = Vec::new();
        for seed in 0..12 {
            let after = whole(&files.crash(seed));
            assert!(
                saved != "OK" || after.as_deref() == Some("new"),
                "operation {at}, seed {seed}: what was saved is lost"
            );
            seen.push(after);
        }
        if saved == "OK" {
            assert!(at > 6, "a save has more operations than {at}");
            return;
        }
    }
}

#[test]
fn whichever_operation_fails_the_old_file_stays_and_writes_stop() {
    for at in 0.. {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            let (files, engine, mut caller) = before_a_save("new");
            let first = files.operations();
            files.fail(Fault { operations: first + at..first + at + 1, kind });
            assert_eq!(reply(&mut caller, &[b"BGSAVE"]), "Background saving started");
            engine.store().persist.wait();
            let is_ok = info(&mut caller, "rdb_last_bgsave_status") == "ok";
            if is_ok {
                assert!(at > 6, "a save has more operations than {at}");
                assert_eq!(whole(&files.crash_as(Damage::Lost, false, 0)).as_deref(), Some("new"));
                if kind == ErrorKind::StorageFull {
                    return;
                }
                continue;
            }
            // The running store is as it was; it tells, and takes no writes until a snapshot succeeds.
            assert!(whole(&files.crash_as(Damage::Lost, false, 0)).is_none_or(|name| name == "new"));
            assert!(
                reply(&mut caller, &[b"SET", b"name", b"other"]).starts_with("-MISCONF Redis is configured to save")
            );
            assert!(reply(&mut caller, &[b"PING"]).starts_with("-MISCONF"));
            assert_eq!(reply(&mut caller, &[b"GET", b"name"]), "new");
            run(&mut caller, &[b"CONFIG", b"SET", b"stop-writes-on-bgsave-error", b"no"]);
            run(&mut caller, &[b"SET", b"name", b"allowed"]);
            run(&mut caller, &[b"CONFIG", b"SET", b"stop-writes-on-bgsave-error", b"yes"]);
            assert!(reply(&mut caller, &[b"DEL", b"name"]).starts_with("-MISCONF"));
            files.heal();
            assert_eq!(reply(&mut caller, &[b"BGSAVE"]), "Background saving started");
            engine.store().persist.wait();
            assert_eq!(info(&mut caller, "rdb_last_bgsave_status"), "ok");
            run(&mut caller, &[b"SET", b"name", b"again"]);
            assert_eq!(whole(&files.crash_as(Damage::Lost, false, 0)).as_deref(), Some("allowed"));
            assert_eq!(files.list("").unwrap(), ["dump.rdb"], "operation {at}: nothing is left behind");
        }
    }
}

/// A file that is long enough to be read while it is written. With a deadline of a field its header is written again at
/// the end. Operations of two threads come in any order, but a failure of any of them fails the snapshot.
#[test]
fn a_long_file_is_proved_while_it_is_written() {
    let mut random = Random(seed());
    let value: Vec<u8> = (0..60_000).map(|_| random.next() as u8).collect();
    for has_field_deadline in [false, true] {
        let (files, _engine, mut caller) = before_a_save("new");
        run(&mut caller, &[b"CONFIG", b"SET", b"rdbcompression", b"no"]);
        for number in 0..30 {
            run(&mut caller, &[b"SET", format!("long{number}").as_bytes(), &value]);
        }
        if has_field_deadline {
            run(&mut caller, &[b"HSET", b"hash", b"field", b"value"]);
            run(&mut caller, &[b"HPEXPIREAT", b"hash", b"99999999999999", b"FIELDS", b"1", b"field"]);
        }
        let old = files.contents("dump.rdb").unwrap();
        for at in 0.. {
            let first = files.operations();
            files.fail(Fault { operations: first + at..first + at + 1, kind: ErrorKind::Other });
            let is_saved = reply(&mut caller, &[b"SAVE"]) == "OK";
            let is_over = files.operations() <= first + at;
            files.heal();
            assert_eq!(is_saved, is_over, "operation {at}");
            if is_saved {
                assert!(at > 12, "a long save has more operations than {at}");
                break;
            }
            // The last operation makes the new name durable, which is there then.
            assert!(files.contents("dump.rdb").unwrap() == old || files.operations() == first + at + 1);
        }
        let saved = shadow(&open(&files.crash_as(Damage::Lost, false, 0), START_MS, &[]).unwrap(), START_MS);
        assert_eq!(saved.len(), 231 + usize::from(has_field_deadline));
    }
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_refused() {
    let (files, _engine, mut caller) = before_a_save("new");
    run(&mut caller, &[b"SAVE"]);
    let bytes = files.contents("dump.rdb").unwrap();
    let refused = |bytes: &[u8]| {
        let disk = SimulatedFiles::new();
        disk.put("dump.rdb", bytes);
        let Err(OpenError::Load(error)) = open(&disk, START_MS, &[]) else { panic!("it was loaded") };
        assert!(error.to_string().contains("dump.rdb, byte "), "{error}");
        assert_eq!(disk.contents("dump.rdb").unwrap(), bytes, "what is damaged is left alone");
    };
    let mut random = Random(seed());
    for _ in 0..40 {
        let mut damaged = bytes.clone();
        let at = random.below(bytes.len() as u64) as usize;
        damaged[at] ^= 1 << random.below(8);
        refused(&damaged);
        refused(&bytes[..at]);
    }
    // After a load that failed nothing is let in, and nothing is saved over the file.
    let disk = SimulatedFiles::new();
    disk.put("dump.rdb", &bytes[..bytes.len() - 20]);
    let mut config = Config::default();
    config.set(b"save", &["3600", "1"]).unwrap();
    let files: Arc<dyn Files> = Arc::new(disk.clone());
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = Engine::new(EngineOptions { config, clock, files: Some(files), ..EngineOptions::default() }).unwrap();
    let mut caller = engine.caller();
    assert_eq!(reply(&mut caller, &[b"GET", b"a"]), "-LOADING Redis is loading the dataset in memory");
    assert!(engine.load().is_err());
    assert_eq!(reply(&mut caller, &[b"SET", b"a", b"b"]), "-LOADING Redis is loading the dataset in memory");
    assert_eq!(info(&mut caller, "loading"), "1");
    assert!(engine.save_changes().unwrap().is_none());
    assert!(engine.store().persist.save().is_err());
    assert_eq!(disk.contents("dump.rdb").unwrap(), bytes[..bytes.len() - 20]);
}

#[test]
fn save_points_save_in_time_and_failures_wait() {
    let files = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open_at(&files, &clock, &[("save", &["60", "100", "600", "1"])]).unwrap();
    let mut caller = engine.caller();
    let pass = |seconds: i64, engine: &Engine| {
        clock.advance_us(seconds as u64 * 1_000_000);
        engine.tick();
        engine.store().persist.wait();
    };
    pass(601, &engine);
    assert_eq!(info(&mut caller, "rdb_saves"), "0", "nothing changed");
    run(&mut caller, &[b"SET", b"a", b"1"]);
    pass(1, &engine);
    assert_eq!(info(&mut caller, "rdb_saves"), "1", "one change in 600 seconds");
    assert_eq!(info(&mut caller, "rdb_changes_since_last_save"), "0");
    for _ in 0..100 {
        run(&mut caller, &[b"INCR", b"a"]);
    }
    pass(59, &engine);
    assert_eq!(info(&mut caller, "rdb_saves"), "1", "60 seconds are not over");
    assert_eq!(info(&mut caller, "rdb_changes_since_last_save"), "100");
    let next = files.operations();
    files.fail(Fault { operations: next..u64::MAX, kind: ErrorKind::StorageFull });
    pass(2, &engine);
    assert_eq!(info(&mut caller, "rdb_last_bgsave_status"), "err");
    files.heal();
    pass(1, &engine);
    assert_eq!(info(&mut caller, "rdb_saves"), "1", "after a failure it waits");
    pass(6, &engine);
    assert_eq!(info(&mut caller, "rdb_saves"), "2");
    // FLUSHALL takes the file with it.
    run(&mut caller, &[b"FLUSHALL"]);
    assert_eq!(info(&mut caller, "rdb_changes_since_last_save"), "0");
    let after = open(&files.crash_as(Damage::Lost, false, 0), START_MS, &[]).unwrap();
    assert_eq!(reply(&mut after.caller(), &[b"DBSIZE"]), "0");
}

#[test]
fn a_snapshot_is_scheduled_cancelled_and_alone() {
    let files = SimulatedFiles::new();
    let engine = open(&files, START_MS, &[("rdb-key-save-delay", &["2000"])]).unwrap();
    let mut caller = engine.caller();
    for number in 0..500 {
        run(&mut caller, &[b"SET", format!("{number}").as_bytes(), b"value"]);
    }
    assert_eq!(
        reply(&mut caller, &[b"BGSAVE", b"CANCEL"]),
        "-ERR Background saving is currently not in progress or scheduled"
    );
    assert_eq!(reply(&mut caller, &[b"BGSAVE"]), "Background saving started");
    assert_eq!(info(&mut caller, "rdb_bgsave_in_progress"), "1");
    assert_eq!(info(&mut caller, "current_save_keys_total"), "500");
    for words in [&[b"BGSAVE".as_slice()] as &[&[u8]], &[b"BGSAVE", b"SCHEDULE"], &[b"SAVE"]] {
        assert_eq!(reply(&mut caller, words), "-ERR Background save already in progress");
    }
    assert_eq!(reply(&mut caller, &[b"BGSAVE", b"CANCEL"]), "Background saving cancelled");
    engine.store().persist.wait();
    assert_eq!(info(&mut caller, "rdb_last_bgsave_status"), "ok");
    assert!(files.list("").unwrap().is_empty(), "nothing is left behind");
    run(&mut caller, &[b"CONFIG", b"SET", b"rdb-key-save-delay", b"0"]);
    run(&mut caller, &[b"MULTI"]);
    run(&mut caller, &[b"BGSAVE"]);
    run(&mut caller, &[b"EXEC"]);
    engine.tick();
    engine.store().persist.wait();
    assert_eq!(info(&mut caller, "rdb_saves"), "1");
    // Closing gives a snapshot up that takes long.
    run(&mut caller, &[b"CONFIG", b"SET", b"rdb-key-save-delay", b"1000000"]);
    run(&mut caller, &[b"BGSAVE"]);
    engine.close();
    assert_eq!(files.list("").unwrap(), ["dump.rdb"]);
}

#[test]
fn debug_reload_changes_nothing() {
    let mut random = Random(seed());
    let files = SimulatedFiles::new();
    let engine = open(&files, START_MS, &[]).unwrap();
    let mut caller = engine.caller();
    for _ in 0..2_000 {
        change(&mut caller, &mut random, START_MS);
    }
    // More than a snapshot writes between two looks at its memory, while this caller holds what it would look at.
    let large = vec![b'x'; 3 << 20];
    run(&mut caller, &[b"SET", b"large", &large]);
    let before = shadow(&engine, START_MS);
    run(&mut caller, &[b"DEBUG", b"RELOAD"]);
    assert!(shadow(&engine, START_MS) == before);
    run(&mut caller, &[b"DEBUG", b"RELOAD", b"MERGE", b"NOFLUSH", b"NOSAVE"]);
    assert!(shadow(&engine, START_MS) == before);
    assert_eq!(info(&mut caller, "rdb_last_load_keys_loaded"), before.len().to_string());
    assert!(reply(&mut caller, &[b"DEBUG", b"RELOAD", b"NOFLUSH", b"NOSAVE"]).starts_with("-ERR Error trying to load"));
    assert!(reply(&mut caller, &[b"DEBUG", b"RELOAD", b"FOO"]).starts_with("-ERR DEBUG RELOAD only supports"));
}

#[test]
fn writers_wait_while_a_snapshot_needs_too_much_memory() {
    use rkv_engine::persist::{Refusal, limit_bytes};
    const KEYS: usize = 2_500;
    let files = SimulatedFiles::new();
    let engine = open(&files, START_MS, &[("rdb-key-save-delay", &["-1"])]).unwrap();
    let mut caller = engine.caller();
    // Small enough to be dropped at once: there is no thread that would do it later.
    let value: Vec<u8> = {
        let mut random = Random(1);
        (0..40_000).map(|_| random.next() as u8).collect()
    };
    for number in 0..KEYS {
        run(&mut caller, &[b"SET", format!("{number}").as_bytes(), &value]);
    }
    let used_bytes = engine.store().used_bytes();
    run(&mut caller, &[b"BGSAVE"]);
    let (mut peak, mut waited, mut number) = (0, false, 0);
    while engine.store().persist.status().work.is_some() {
        run(&mut caller, &[b"SET", format!("{}", number % KEYS).as_bytes(), &value]);
        number += 1;
        waited |= engine.store().persist.refusals.has(Refusal::MemoryOfSnapshot);
        peak = peak.max(engine.store().keyspace.captured_bytes());
    }
    assert!(waited, "{peak} bytes were never too much");
    assert!(peak <= used_bytes / 10 + (64 << 20), "{peak} bytes beside {used_bytes}");
    assert!(limit_bytes(used_bytes) < peak, "the limit was reached");
    run(&mut caller, &[b"SET", b"a", b"b"]);
    assert!(!engine.store().persist.refusals.any(), "nobody waits when it is over");
    assert_eq!(info(&mut caller, "rdb_last_bgsave_status"), "ok");
    assert_ne!(info(&mut caller, "rdb_last_cow_size"), "0");
}

/// Whoever drives the session of a writer serves others with the same thread: it must not be stopped.
#[test]
fn a_session_that_waits_for_memory_leaves_its_thread_to_others() {
    const KEYS: usize = 400;
    let files = SimulatedFiles::new();
    // Two milliseconds for each key: there is time for all that follows.
    let engine = open(&files, START_MS, &[("rdb-key-save-delay", &["2000"])]).unwrap();
    engine.store().persist.set_reserve_bytes(1 << 20);
    let session = || engine.session(Origin::embedded(), Arc::new(NoWake));
    let (mut writer, mut other, mut reader) = (session(), session(), session());
    let reply_of = |session: &mut Session| {
        let bytes = session.output().to_vec();
        session.advance(bytes.len());
        String::from_utf8(bytes).unwrap()
    };
    let value = "v".repeat(40_000);
    let set = |number: usize| format!("*3\r\n$3\r\nSET\r\n$6\r\n{number:06}\r\n$40000\r\n{value}\r\n");
    for number in 0..KEYS {
        writer.receive(set(number).as_bytes());
        assert_eq!(reply_of(&mut writer), "+OK\r\n");
    }
    reader.receive(b"BGSAVE\r\n");
    assert_eq!(reply_of(&mut reader), "+Background saving started\r\n");
    let mut held = false;
    for number in 0..KEYS {
        writer.receive(set(number).as_bytes());
        held = writer.output().is_empty();
        if held {
            break;
        }
        assert_eq!(reply_of(&mut writer), "+OK\r\n");
    }
    assert!(held && engine.store().persist.status().work.is_some(), "nobody had to wait");
    assert!(writer.deadline().is_some(), "it comes again by itself");
    // Reads, and writes that a transaction keeps for later, go on; the transaction as a whole does not.
    reader.receive(b"STRLEN 000001\r\n");
    assert_eq!(reply_of(&mut reader), ":40000\r\n");
    other.receive(b"MULTI\r\nSET a b\r\n");
    assert_eq!(reply_of(&mut other), "+OK\r\n+QUEUED\r\n");
    other.receive(b"EXEC\r\nPING\r\n");
    while engine.store().persist.status().work.is_some() {
        writer.poll();
        other.poll();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    writer.poll();
    other.poll();
    assert_eq!(reply_of(&mut writer), "+OK\r\n");
    assert_eq!(reply_of(&mut other), "*1\r\n+OK\r\n+PONG\r\n");
}

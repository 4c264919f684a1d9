//! Transactions of many threads: nobody sees half of one, and an optimistic one fails rather than lose a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::{Caller, Engine, EngineOptions};

fn engine(shard_bits: u32) -> Arc<Engine> {
    Engine::new(EngineOptions { shard_bits, ..EngineOptions::default() }).unwrap()
}

/// The values of a reply as text.
fn call(caller: &mut Caller, words: &[&str]) -> Vec<String> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut tape = Tape::new();
    caller.execute(&words, Mode::Now, &mut tape);
    let text = |value: Value<'_>| match value {
        Value::Simple(text) => text.to_owned(),
        Value::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Error(error) => error.as_str().to_owned(),
        Value::Null | Value::NullArray => "null".to_owned(),
        Value::Array(count) => format!("array {count}"),
        other => panic!("{other:?}"),
    };
    tape.iter().map(text).collect()
}

#[test]
fn nobody_sees_half_a_transaction() {
    let engine = engine(6);
    let keys: Vec<String> = (0..8).map(|number| format!("key{number}")).collect();
    let shards: std::collections::BTreeSet<usize> =
        keys.iter().map(|key| engine.store().keyspace.key(key.as_bytes()).shard()).collect();
    assert!(shards.len() > 2, "the keys lie in {} shards", shards.len());
    let done = AtomicBool::new(false);
    let mut seen = std::collections::BTreeSet::new();
    let mut read: Vec<&str> = vec!["MGET"];
    read.extend(keys.iter().map(String::as_str));
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (engine, keys) = (&engine, &keys);
                scope.spawn(move || {
                    let mut caller = engine.caller();
                    for number in 0..1_000 {
                        let value = format!("{writer}:{number}");
                        call(&mut caller, &["MULTI"]);
                        for index in 0..keys.len() {
                            // In another order each time.
                            call(&mut caller, &["SET", &keys[(index + number) % keys.len()], &value]);
                        }
                        assert_eq!(call(&mut caller, &["EXEC"])[0], "array 8");
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let (engine, done, read) = (&engine, &done, &read);
                scope.spawn(move || {
                    let mut caller = engine.caller();
                    let mut seen = std::collections::BTreeSet::new();
                    while !done.load(Ordering::Acquire) {
                        let values = if reader == 0 {
                            call(&mut caller, read)[1..].to_vec()
                        } else {
                            call(&mut caller, &["MULTI"]);
                            call(&mut caller, read);
                            call(&mut caller, &["EXEC"])[2..].to_vec()
                        };
                        assert!(values.iter().all(|value| *value == values[0]), "torn: {values:?}");
                        seen.insert(values[0].clone());
                    }
                    seen
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            seen.extend(reader.join().unwrap());
        }
    });
    assert!(seen.len() > 10, "the readers saw only {seen:?}");
}

#[test]
fn optimistic_transactions_lose_no_change() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    let engine = engine(4);
    let failures: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut caller = engine.caller();
                    let (mut done, mut failures) = (0, 0);
                    while done < EACH {
                        call(&mut caller, &["WATCH", "counter", "unrelated"]);
                        let number = call(&mut caller, &["GET", "counter"])[0].parse::<usize>().unwrap_or(0) + 1;
                        // Somebody else comes between, even with one processor.
                        thread::yield_now();
                        call(&mut caller, &["MULTI"]);
                        call(&mut caller, &["SET", "counter", &number.to_string()]);
                        match call(&mut caller, &["EXEC"])[0].as_str() {
                            "null" => failures += 1,
                            _ => done += 1,
                        }
                    }
                    failures
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let mut caller = engine.caller();
    assert_eq!(call(&mut caller, &["GET", "counter"]), [(THREADS * EACH).to_string()]);
    assert!(failures > 0, "there was no contention");
    // No watch is left behind.
    let keyspace = &engine.store().keyspace;
    assert!(keyspace.lock(keyspace.all()).unwrap().iter().all(|shard| shard.watches.is_empty()));
}

#[test]
fn a_watched_key_that_expires_has_changed() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let engine = Engine::new(EngineOptions { clock: clock.clone(), ..EngineOptions::default() }).unwrap();
    let (mut caller, mut other) = (engine.caller(), engine.caller());
    // `between` runs between WATCH and EXEC, `elapsed` ms before it.
    let mut exec = |setup: &[&[&str]], late: u64, watched: u64, between: &[&str]| {
        for words in setup {
            assert!(!call(&mut other, words)[0].starts_with("ERR"), "{words:?}");
        }
        clock.advance_ms(late);
        call(&mut caller, &["WATCH", "k"]);
        clock.advance_ms(watched);
        if !between.is_empty() {
            call(&mut other, between);
        }
        call(&mut caller, &["MULTI"]);
        call(&mut caller, &["PING"]);
        call(&mut caller, &["EXEC"])[0].clone()
    };
    let (changed, unchanged) = ("null", "array 1");
    assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 0, 5, &[]), unchanged, "it lives");
    assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 0, 10, &[]), changed, "it is due, and still stored");
    assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 0, 10, &["GETDEL", "k"]), changed, "a writer met it");
    assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 10, 5, &[]), unchanged, "it was expired when watched");
    assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 10, 5, &["GETDEL", "k"]), unchanged, "only its corpse went");
    assert_eq!(
        exec(&[&["SET", "k", "1", "PX", "10"]], 10, 5, &["MOVE", "k", "1"]),
        unchanged,
        "a writer met the corpse"
    );
    assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 10, 5, &["SET", "k", "2"]), changed, "it is new");
    assert_eq!(exec(&[&["SET", "k", "1"]], 0, 0, &["SET", "k", "1"]), changed, "the same value is a change");
    assert_eq!(exec(&[&["SET", "k", "1"]], 0, 0, &["GET", "k"]), unchanged, "a read is none");
    assert_eq!(exec(&[&["GETDEL", "k"]], 0, 0, &["GETDEL", "k"]), unchanged, "what is absent stays absent");
    if engine.store().table.command_named(b"FLUSHDB").is_some() {
        assert_eq!(exec(&[&["SET", "k", "1"]], 0, 0, &["FLUSHDB"]), changed);
        assert_eq!(exec(&[&["SET", "j", "1"]], 0, 0, &["FLUSHDB"]), unchanged, "the key was not there");
        assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 0, 10, &["FLUSHALL"]), changed, "it had expired meanwhile");
        assert_eq!(exec(&[&["SET", "k", "1", "PX", "10"]], 10, 0, &["FLUSHALL"]), unchanged, "it was expired before");
    }
    if engine.store().table.command_named(b"SWAPDB").is_some() {
        assert_eq!(exec(&[&["SET", "k", "1"]], 0, 0, &["SWAPDB", "0", "1"]), changed, "it went");
        assert_eq!(exec(&[], 0, 0, &["SWAPDB", "0", "1"]), changed, "it came");
        assert_eq!(exec(&[], 0, 0, &["SWAPDB", "2", "1"]), unchanged, "its database stayed");
        let corpse_elsewhere: &[&[&str]] = &[&["SET", "k", "1", "PX", "10"], &["SWAPDB", "0", "1"], &["DEL", "k"]];
        assert_eq!(exec(corpse_elsewhere, 10, 0, &["SWAPDB", "0", "1"]), unchanged, "only a corpse came");
    }
}

#[test]
fn a_refused_multi_or_watch_does_not_break_the_transaction() {
    let engine = engine(1);
    let mut caller = engine.caller();
    assert_eq!(call(&mut caller, &["MULTI"]), ["OK"]);
    assert_eq!(call(&mut caller, &["MULTI"]), ["ERR MULTI calls can not be nested"]);
    assert_eq!(call(&mut caller, &["WATCH", "k"]), ["ERR WATCH inside MULTI is not allowed"]);
    assert_eq!(call(&mut caller, &["SET", "k", "1"]), ["QUEUED"]);
    assert_eq!(call(&mut caller, &["EXEC"]), ["array 1", "OK"]);
    assert_eq!(call(&mut caller, &["GET", "k"]), ["1"]);
}

#[test]
fn a_command_that_cannot_be_queued_breaks_the_transaction() {
    let engine = engine(1);
    let mut caller = engine.caller();
    assert_eq!(call(&mut caller, &["MULTI"]), ["OK"]);
    let refused = call(&mut caller, &["CLIENT", "REPLY", "OFF"]);
    assert_eq!(refused, ["ERR Command not allowed inside a transaction"]);
    assert_eq!(call(&mut caller, &["EXEC"]), ["EXECABORT Transaction discarded because of previous errors."]);
}

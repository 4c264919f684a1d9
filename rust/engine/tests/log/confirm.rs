//! WAITAOF tells what a finished fsync has made durable, and nothing else.

use std::io::ErrorKind;
use std::sync::Arc;

use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::files::{Damage, Fault, SimulatedFiles};
use rkv_engine::resp::{Protocol, Tape, Value};
use rkv_engine::{Caller, Engine, client::Unblock};

use super::support::{open, run};

const START_MS: i64 = 1_700_000_000_000;

fn numbers(tape: &Tape) -> Vec<String> {
    let show = |value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Array(_) => "array".to_owned(),
        Value::Error(error) => error.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    tape.iter().map(show).collect()
}

fn store(policy: &str) -> (SimulatedFiles, Arc<ManualClock>, Arc<Engine>) {
    let (disk, clock) = (SimulatedFiles::new(), Arc::new(ManualClock::new(START_MS)));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", policy)]).unwrap();
    (disk, clock, engine)
}

/// The reply, or nothing while it waits.
fn ask(caller: &mut Caller, words: &[&str]) -> Option<Vec<String>> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut tape = Tape::new();
    caller.execute(&words, Mode::MayWait(Unblock::Tape(Protocol::Resp2)), &mut tape);
    caller.blocked().is_none().then(|| numbers(&tape))
}

/// What comes of a wait that somebody ended.
fn answer(caller: &mut Caller) -> Option<Vec<String>> {
    if !caller.is_unblocked() {
        return None;
    }
    let mut tape = Tape::new();
    assert!(caller.time_out(&mut tape));
    Some(numbers(&tape))
}

fn replied(parts: [&str; 3]) -> Option<Vec<String>> {
    Some(parts.map(str::to_owned).to_vec())
}

#[test]
fn it_waits_for_the_fsync_that_covers_the_last_write_of_this_client() {
    let (disk, clock, engine) = store("everysec");
    let (mut caller, mut other) = (engine.caller(), engine.caller());
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), replied(["array", "1", "0"]));
    assert_eq!(run(&mut caller, &["SET", "key", "value"]), "OK");
    assert_eq!(ask(&mut caller, &["WAITAOF", "0", "0", "0"]), replied(["array", "0", "0"]));
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), None);
    assert_eq!(ask(&mut other, &["WAITAOF", "1", "0", "0"]), replied(["array", "1", "0"]), "it has written nothing");
    engine.tick();
    assert_eq!(answer(&mut caller), None, "a second is not over");
    clock.advance_ms(1_100);
    engine.tick();
    assert_eq!(answer(&mut caller), replied(["array", "1", "0"]));
    let lost = open(Arc::new(disk.crash_as(Damage::Lost, false, 0)), &clock, &[]).unwrap();
    assert_eq!(run(&mut lost.caller(), &["EXISTS", "key"]), "Some(Integer(1))");
}

#[test]
fn the_writes_of_a_transaction_are_not_durable_inside_it() {
    let (_, clock, engine) = store("everysec");
    let mut caller = engine.caller();
    for words in [&["MULTI"][..], &["SET", "key", "value"], &["WAITAOF", "1", "0", "0"]] {
        run(&mut caller, words);
    }
    assert_eq!(ask(&mut caller, &["EXEC"]).unwrap()[2..], ["array", "0", "0"]);
    for words in [&["MULTI"][..], &["WAITAOF", "1", "0", "0"]] {
        run(&mut caller, words);
    }
    assert_eq!(ask(&mut caller, &["EXEC"]).unwrap()[1..], ["array", "0", "0"]);
    clock.advance_ms(1_100);
    engine.tick();
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), replied(["array", "1", "0"]));
}

#[test]
fn nothing_is_confirmed_that_is_never_synced() {
    let (_, clock, engine) = store("no");
    let mut caller = engine.caller();
    assert_eq!(run(&mut caller, &["SET", "key", "value"]), "OK");
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "5000"]), None);
    for _ in 0..4 {
        clock.advance_ms(1_100);
        engine.tick();
        assert_eq!(answer(&mut caller), None);
    }
    let mut tape = Tape::new();
    assert!(caller.time_out(&mut tape));
    assert_eq!(Some(numbers(&tape)), replied(["array", "0", "0"]));
    // A rewrite makes all of it durable.
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), None);
    run(&mut engine.caller(), &["BGREWRITEAOF"]);
    assert_eq!(answer(&mut caller), replied(["array", "1", "0"]));
}

#[test]
fn a_failed_fsync_confirms_nothing_until_new_files_hold_everything() {
    let (disk, clock, engine) = store("everysec");
    let mut caller = engine.caller();
    assert_eq!(run(&mut caller, &["SET", "key", "value"]), "OK");
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), None);
    let now = disk.operations();
    disk.fail(Fault { operations: now..now + 40, kind: ErrorKind::Other });
    clock.advance_ms(1_100);
    engine.tick();
    assert_eq!(answer(&mut caller), None);
    assert_eq!(ask(&mut engine.caller(), &["WAITAOF", "0", "0", "0"]), replied(["array", "0", "0"]));
    disk.heal();
    for _ in 0..4 {
        clock.advance_ms(1_100);
        engine.tick();
    }
    assert_eq!(answer(&mut caller), replied(["array", "1", "0"]));
    let lost = open(Arc::new(disk.crash_as(Damage::Lost, false, 0)), &clock, &[]).unwrap();
    assert_eq!(run(&mut lost.caller(), &["EXISTS", "key"]), "Some(Integer(1))");
}

#[test]
fn a_log_that_is_turned_off_ends_the_wait_with_an_error() {
    const OFF: &str = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    let (_, _, engine) = store("no");
    let (mut caller, mut both) = (engine.caller(), engine.caller());
    for caller in [&mut caller, &mut both] {
        assert!(run(caller, &["INCR", "key"]).contains("Integer"));
    }
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), None);
    assert_eq!(ask(&mut both, &["WAITAOF", "1", "1", "0"]), None);
    assert_eq!(run(&mut engine.caller(), &["CONFIG", "SET", "appendonly", "no"]), "OK");
    engine.tick();
    for caller in [&mut caller, &mut both] {
        assert_eq!(answer(caller).unwrap(), [OFF]);
    }
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]).unwrap(), [OFF]);
    assert_eq!(ask(&mut caller, &["WAITAOF", "0", "0", "0"]), replied(["array", "0", "0"]));
    // What was written meanwhile is durable when the first base is.
    assert_eq!(run(&mut caller, &["SET", "key", "more"]), "OK");
    assert_eq!(run(&mut engine.caller(), &["CONFIG", "SET", "appendonly", "yes"]), "OK");
    assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "0"]), None);
    engine.tick();
    assert_eq!(answer(&mut caller), replied(["array", "1", "0"]));
}

#[test]
fn waits_that_are_over_are_forgotten() {
    let (_, _, engine) = store("no");
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "key", "value"]);
    for _ in 0..1_000 {
        assert_eq!(ask(&mut caller, &["WAITAOF", "1", "0", "10"]), None);
        assert!(caller.time_out(&mut Tape::new()));
    }
    assert!(engine.store().persist.log.waits() <= 65);
}

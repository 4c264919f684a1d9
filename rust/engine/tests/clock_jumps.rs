//! The wall clock is set, forward and back: deadlines follow it, everything else does not notice, and no key without a
//! deadline is ever lost.

use std::sync::Arc;

use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::dispatch::Mode;
use rkv_engine::files::{Damage, SimulatedFiles};
use rkv_engine::resp::{Tape, Value};
use rkv_engine::{Caller, Engine, EngineOptions};

const START_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;
const KEYS: usize = 200;

fn open(disk: &SimulatedFiles, clock: &Arc<ManualClock>) -> Arc<Engine> {
    let mut config = Config::default();
    config.set(b"appendonly", &["yes"]).unwrap();
    config.set(b"save", &["1", "1"]).unwrap();
    let (clock, files) = (Arc::clone(clock), Some(Arc::new(disk.clone()) as _));
    Engine::open(EngineOptions { config, shard_bits: 2, clock, files, ..EngineOptions::default() }).unwrap()
}

fn run(caller: &mut Caller, words: &[&str]) -> i64 {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut tape = Tape::new();
    caller.execute(&words, Mode::Now, &mut tape);
    match tape.iter().next() {
        Some(Value::Integer(number)) => number,
        Some(Value::Null) => -2,
        Some(Value::Error(error)) => panic!("{}", error.as_str()),
        _ => 0,
    }
}

/// How many of the keys that stay for ever are there.
fn lasting(caller: &mut Caller) -> usize {
    (0..KEYS).filter(|number| run(caller, &["GET", &format!("lasting:{number}")]) == 0).count()
}

/// The clock jumps, and some seconds pass in which the housekeeper does its work.
fn jump(engine: &Engine, clock: &ManualClock, to_ms: i64) {
    clock.set_unix_ms(to_ms);
    for _ in 0..6 {
        engine.tick();
        clock.advance_ms(500);
    }
}

#[test]
fn a_key_without_a_deadline_outlives_every_jump() {
    let (disk, clock) = (SimulatedFiles::new(), Arc::new(ManualClock::new(START_MS)));
    let engine = open(&disk, &clock);
    let mut caller = engine.caller();
    for number in 0..KEYS {
        run(&mut caller, &["SET", &format!("lasting:{number}"), "v"]);
        run(&mut caller, &["SET", &format!("kept:{number}"), "v", "EX", "10"]);
        run(&mut caller, &["PERSIST", &format!("kept:{number}")]);
    }
    // Back, before the epoch, far ahead, to the end of all times and home again.
    let jumps = [START_MS - 400 * DAY_MS, -DAY_MS, START_MS + 36_500 * DAY_MS, i64::MAX / 2_000, START_MS];
    for to_ms in jumps {
        jump(&engine, &clock, to_ms);
        assert_eq!(lasting(&mut caller), KEYS, "after a jump to {to_ms}");
        assert_eq!(run(&mut caller, &["DBSIZE"]), 2 * KEYS as i64, "after a jump to {to_ms}");
        run(&mut caller, &["SET", "written", "v"]);
        assert_eq!(run(&mut caller, &["DEL", "written"]), 1);
    }
    drop(caller);
    engine.close();
    let again = open(&disk.crash_as(Damage::Lost, false, 0), &clock);
    assert_eq!(lasting(&mut again.caller()), KEYS);
}

#[test]
fn a_deadline_is_a_time_of_the_wall_clock() {
    let (disk, clock) = (SimulatedFiles::new(), Arc::new(ManualClock::new(START_MS)));
    let engine = open(&disk, &clock);
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "hour", "v", "EX", "3600"]);
    jump(&engine, &clock, START_MS - DAY_MS);
    assert_eq!(run(&mut caller, &["GET", "hour"]), 0, "it is a day and an hour away now");
    assert!(run(&mut caller, &["PTTL", "hour"]) > DAY_MS);
    clock.set_unix_ms(START_MS + 3_600_000);
    assert_eq!(run(&mut caller, &["GET", "hour"]), -2, "reads see it at once");
    jump(&engine, &clock, START_MS + DAY_MS);
    assert_eq!(run(&mut caller, &["DBSIZE"]), 0, "and the housekeeper soon");
}

/// `everysec` counts its second by a clock that nobody sets.
#[test]
fn the_log_is_synced_each_second_whatever_the_wall_clock_says() {
    let (disk, clock) = (SimulatedFiles::new(), Arc::new(ManualClock::new(START_MS)));
    let engine = open(&disk, &clock);
    let mut caller = engine.caller();
    for (number, to_ms) in [START_MS - 400 * DAY_MS, START_MS + 400 * DAY_MS, -DAY_MS, 0].into_iter().enumerate() {
        run(&mut caller, &["SET", &format!("lasting:{number}"), "v"]);
        clock.set_unix_ms(to_ms);
        clock.advance_ms(1_100);
        engine.tick();
        let after = open(&disk.crash_as(Damage::Lost, false, 0), &clock);
        assert_eq!(run(&mut after.caller(), &["DBSIZE"]), number as i64 + 1, "a second after a jump to {to_ms}");
    }
}

//! The bound of `maxmemory` without eviction: data takes no more than the limit, 1 %, and one command per thread.
//!
//! `RKV_TEST_SEED` repeats a run.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;

use std::sync::Arc;

use chance::Random;
use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::{Caller, Engine, EngineOptions};

const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// The longest value that the tests write, and what a key and its place in the table may take besides.
const VALUE_BYTES_MAX: usize = 20_000;
const COMMAND_BYTES_MAX: usize = VALUE_BYTES_MAX + 4096;

/// What these tests draw.
trait Lengths {
    /// Mostly short values, some long ones.
    fn value_len(&mut self) -> usize;
}

impl Lengths for Random {
    fn value_len(&mut self) -> usize {
        let most = [10, 100, 1000, VALUE_BYTES_MAX as u64][self.below(4) as usize];
        self.below(most) as usize
    }
}

fn engine() -> (Arc<Engine>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let options = EngineOptions { clock: Arc::clone(&clock) as Arc<_>, ..EngineOptions::default() };
    (Engine::new(options).unwrap(), clock)
}

/// The error of a command, if it was refused.
fn error_of(caller: &mut Caller, words: &[&[u8]]) -> Option<String> {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    match tape.iter().next() {
        Some(Value::Error(error)) => Some(error.as_str().to_owned()),
        _ => None,
    }
}

fn limit(caller: &mut Caller, bytes: usize) {
    assert_eq!(error_of(caller, &[b"CONFIG", b"SET", b"maxmemory", bytes.to_string().as_bytes()]), None);
}

fn fill(caller: &mut Caller, random: &mut Random, prefix: &str) -> usize {
    let value = vec![b'x'; VALUE_BYTES_MAX];
    for written in 0.. {
        let key = format!("{prefix}:{}", random.below(1_u64 << 40));
        let words: [&[u8]; 3] = [b"SET", key.as_bytes(), &value[..random.value_len()]];
        if let Some(error) = error_of(caller, &words) {
            assert_eq!(error, OUT_OF_MEMORY);
            return written;
        }
    }
    unreachable!()
}

#[test]
fn data_stays_within_the_limit_and_one_percent_and_one_command() {
    let mut random = Random::seeded();
    for bytes in [200_000, 1 << 20, 8 << 20, 32 << 20] {
        let (engine, _clock) = engine();
        let mut caller = engine.caller();
        limit(&mut caller, bytes);
        assert!(fill(&mut caller, &mut random, "k") > 0);
        let used = engine.store().used_bytes();
        assert!(used > bytes, "refused too early: {used} of {bytes}");
        assert!(used <= bytes + bytes / 100 + COMMAND_BYTES_MAX, "{used} of {bytes}");
    }
}

#[test]
fn what_is_deleted_makes_room() {
    let mut random = Random::seeded();
    let (engine, clock) = engine();
    let mut caller = engine.caller();
    // The data comes before the limit: it must be measured when the limit is set.
    let value = vec![b'x'; 1000];
    for number in 0..4000 {
        assert_eq!(error_of(&mut caller, &[b"SET", format!("old:{number}").as_bytes(), &value]), None);
    }
    limit(&mut caller, 1 << 20);
    assert_eq!(error_of(&mut caller, &[b"SET", b"k", b"v"]).as_deref(), Some(OUT_OF_MEMORY));
    // What needs no memory goes on.
    assert_eq!(error_of(&mut caller, &[b"GET", b"old:1"]), None);
    for number in 0..4000 {
        assert_eq!(error_of(&mut caller, &[b"DEL", format!("old:{number}").as_bytes()]), None);
    }
    assert_eq!(error_of(&mut caller, &[b"SET", b"k", b"v"]), None, "used: {}", engine.store().used_bytes());
    fill(&mut caller, &mut random, "new");
    assert_eq!(error_of(&mut caller, &[b"FLUSHALL"]), None);
    engine.tick();
    clock.advance_ms(1000);
    assert_eq!(error_of(&mut caller, &[b"SET", b"k", b"v"]), None);
    // Expiry makes room, too.
    for number in 0..100_000 {
        let key = format!("short:{number}");
        if error_of(&mut caller, &[b"SET", key.as_bytes(), &value, b"PX", b"1000"]).is_some() {
            break;
        }
    }
    assert_eq!(error_of(&mut caller, &[b"SET", b"k2", b"v"]).as_deref(), Some(OUT_OF_MEMORY));
    clock.advance_ms(2000);
    engine.tick();
    assert_eq!(error_of(&mut caller, &[b"SET", b"k2", b"v"]), None);
    limit(&mut caller, 0);
    assert_eq!(error_of(&mut caller, &[b"SET", b"k3", &vec![b'x'; 2 << 20]]), None);
}

#[test]
fn a_pipeline_is_admitted_command_by_command() {
    let mut random = Random::seeded();
    for _ in 0..6 {
        // Sixteen of these values, a window, take ten times what the bound leaves.
        let bytes = (2 << 20) + random.below(1 << 20) as usize;
        let (engine, _clock) = engine();
        limit(&mut engine.caller(), bytes);
        let mut session = engine.session(Origin::embedded(), Arc::new(NoWake));
        let value = vec![b'x'; 15_000];
        for _ in 0..8 {
            let mut pipeline = Vec::new();
            for _ in 0..64 {
                let key = random.below(1_u64 << 40).to_string();
                let head = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), value.len());
                pipeline.extend_from_slice(head.as_bytes());
                pipeline.extend_from_slice(&value);
                pipeline.extend_from_slice(b"\r\n");
            }
            session.receive(&pipeline);
            let sent = session.output().len();
            session.advance(sent);
        }
        let used = engine.store().used_bytes();
        assert!(used > bytes && used <= bytes + bytes / 100 + value.len() + 4096, "{used} of {bytes}");
    }
}

#[test]
fn each_thread_may_be_one_command_ahead() {
    const THREADS: usize = 4;
    let mut random = Random::seeded();
    let bytes = 8 << 20;
    let (engine, _clock) = engine();
    limit(&mut engine.caller(), bytes);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (mut caller, mut random) = (engine.caller(), Random(random.next()));
            scope.spawn(move || fill(&mut caller, &mut random, &number.to_string()));
        }
    });
    let used = engine.store().used_bytes();
    assert!(used > bytes && used <= bytes + bytes / 100 + THREADS * COMMAND_BYTES_MAX, "{used} of {bytes}");
}

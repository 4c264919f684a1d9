//! What the proofs of the cut share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::handler::Store;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::{Caller, Engine, EngineOptions};

pub const START_MS: i64 = 1_700_000_000_000;

pub fn engine(shard_bits: u32, clock: &Arc<ManualClock>) -> Arc<Engine> {
    let clock = Arc::clone(clock);
    Engine::new(EngineOptions { shard_bits, clock, ..EngineOptions::default() }).unwrap()
}

pub fn turn_journal_on(store: &Store) {
    let locks = store.keyspace.sweep().unwrap();
    store.journal.turn_on(1 << 32);
    drop(locks);
}

/// Runs a command; its reply must not be an error.
pub fn run(caller: &mut Caller, words: &[&[u8]]) {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    for value in &tape {
        let Value::Error(error) = value else { continue };
        let text: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        panic!("{} was answered {}", text.join(" "), error.as_str());
    }
}

/// Ends the writers, whatever happens to who waits for them.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//! What the proofs of the cut share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::handler::Store;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::{Caller, Engine, EngineOptions};

pub const START_MS: i64 = 1_700_000_000_000;

/// `SplitMix64`.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

pub fn seed() -> u64 {
    let given = std::env::var("RKV_TEST_SEED").ok().map(|text| text.parse().expect("RKV_TEST_SEED is a number"));
    let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
    println!("RKV_TEST_SEED={seed}");
    seed
}

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

//! Chance for tests of every crate: numbers that a seed repeats, and the loop of a fuzz target.
//!
//! A test prints its seed and accepts it: `RKV_TEST_SEED`. A fuzz target runs until `RKV_FUZZ_SECONDS` (2 if not set) are
//! over, and `RKV_FUZZ_SEED` repeats an execution.

#![allow(dead_code, reason = "every test uses a part")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

/// What [`Random::below`] gives.
pub trait Number: Copy {
    /// From a number that fits.
    fn from(number: u64) -> Self;
    /// Not negative.
    fn get(self) -> u64;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number for $number {
            fn from(number: u64) -> Self {
                number as $number
            }

            fn get(self) -> u64 {
                u64::try_from(self).expect("a bound is not negative")
            }
        }
    )*};
}

numbers!(u64 usize u32 i32 i64);

impl Random {
    /// From the seed of this run.
    pub fn seeded() -> Self {
        Self(seed())
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below<N: Number>(&mut self, end: N) -> N {
        N::from(self.next() % end.get().max(1))
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// At most so many bytes.
    pub fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        (0..self.below(len_max + 1)).map(|_| self.next() as u8).collect()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64)
}

fn given<T: FromStr>(name: &str) -> Option<T> {
    let parse = |text: String| text.parse().ok().unwrap_or_else(|| panic!("{name} is a number"));
    std::env::var(name).ok().map(parse)
}

/// The seed of this run, which is printed: what `RKV_TEST_SEED` says, or a new one.
pub fn seed() -> u64 {
    let seed = given("RKV_TEST_SEED").unwrap_or_else(now);
    println!("RKV_TEST_SEED={seed}");
    seed
}

/// Runs `execution` with one seed after the other until the time of the target is up, of which `targets` share it.
pub fn fuzz_shared(name: &str, targets: u32, mut execution: impl FnMut(&mut Random)) {
    let seconds = given("RKV_FUZZ_SECONDS").unwrap_or(2.0) / f64::from(targets);
    let mut seed = given("RKV_FUZZ_SEED").unwrap_or_else(now);
    println!("{name}: first seed {seed}");
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut executions = 0;
    loop {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| execution(&mut Random(seed)))) {
            eprintln!("{name}: repeat with RKV_FUZZ_SEED={seed}");
            resume_unwind(panic);
        }
        executions += 1;
        seed = seed.wrapping_add(1);
        if Instant::now() >= until {
            break;
        }
    }
    println!("{name}: {executions} executions");
}

/// As [`fuzz_shared`], with all the time.
pub fn fuzz(name: &str, execution: impl FnMut(&mut Random)) {
    fuzz_shared(name, 1, execution);
}

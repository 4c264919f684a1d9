//! What single inserts cost while one keyspace grows: SET of new keys, of 16 bytes with values of 32, by one caller.
//!
//! Wall time tells what a caller waits for; the thread's own processor time leaves out what other programs and threads
//! of the machine took. The allocator and the housekeeper are the product's. Afterwards the same clocks time as many turns of
//! a loop that stores nothing and takes the median of an insert: what the machine takes from anybody. Arguments: keys (default
//! 10,000,000) and shards as bits (default 4, as in an embedding program).

use std::hint::black_box;
use std::time::Instant;

use rkv_engine::dispatch::Mode;
use rkv_engine::resp::Tape;
use rkv_engine::{Engine, EngineOptions};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VALUE: &[u8] = b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

fn write_key(number: u64, key: &mut [u8; 16]) {
    // Odd, so that every number below 10^12 comes once.
    let mut rest = number.wrapping_mul(387_420_489_001) % 1_000_000_000_000;
    for byte in key[4..].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn tell(name: &str, times: &mut [u32]) {
    times.sort_unstable();
    let percentile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let above = |ns: u32| times.len() - times.partition_point(|&time| time <= ns);
    println!(
        "{name:15} us: p50 {:.2} p99 {:.1} p99.9 {:.1} p99.99 {:.1} p99.999 {:.1} max {:.1}; above 20 us {}, above 100 us {}",
        f64::from(percentile(0.5)) / 1e3,
        f64::from(percentile(0.99)) / 1e3,
        f64::from(percentile(0.999)) / 1e3,
        f64::from(percentile(0.9999)) / 1e3,
        f64::from(percentile(0.99999)) / 1e3,
        f64::from(percentile(1.0)) / 1e3,
        above(20_000),
        above(100_000),
    );
}

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let keys = numbers.next().unwrap_or(10_000_000);
    let shard_bits = numbers.next().unwrap_or(4) as u32;
    let options = EngineOptions { shard_bits, ..EngineOptions::default() };
    let engine = Engine::new(options).expect("the system gives random bytes");
    let mut caller = engine.caller();
    let mut tape = Tape::default();
    let mut key = *b"key:000000000000";
    let mut insert = |number| {
        write_key(number, &mut key);
        tape.clear();
        caller.execute(&[b"SET", &key, VALUE], Mode::Now, &mut tape);
    };
    println!("0 -> {keys} keys, {} shards", 1 << shard_bits);
    let median_ns = time("insert", keys, &mut insert);
    let turns = turns_of(median_ns);
    time("nothing", keys, &mut |_| spin(turns));
}

/// Times every call, tells about them, and gives the median of the wall time in nanoseconds.
fn time(name: &str, count: u64, call: &mut dyn FnMut(u64)) -> u32 {
    let (mut walls, mut owns) = (vec![1_u32; count as usize], vec![1_u32; count as usize]);
    for number in 0..count {
        let own = thread_ns();
        let start = Instant::now();
        call(number);
        walls[number as usize] = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
        owns[number as usize] = u32::try_from(thread_ns() - own).unwrap_or(u32::MAX);
    }
    tell(&format!("{name}, wall"), &mut walls);
    tell(&format!("{name}, thread"), &mut owns);
    walls[walls.len() / 2]
}

/// Computes for a while.
fn spin(turns: u32) {
    let mut state = 1_u64;
    for _ in 0..turns {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Turns of [`spin`] that take so long.
fn turns_of(ns: u32) -> u32 {
    const SAMPLE: u32 = 10_000_000;
    let start = Instant::now();
    spin(SAMPLE);
    (f64::from(ns) * f64::from(SAMPLE) / start.elapsed().as_nanos() as f64) as u32
}

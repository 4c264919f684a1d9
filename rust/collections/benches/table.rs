//! Memory, growth and lookups of the keyspace's table and arena: 16-byte keys, 32-byte values, 6 bytes of header.
//!
//! `cargo bench -p rkv-collections` runs all; `cargo bench -p rkv-collections -- memory 5000000` one of `memory`,
//! `growth`, `find` with another number of keys. The allocator is the product's.

use rkv_collections::arena::{Arena, Ref};
use rkv_collections::region;
use rkv_collections::table::{Resolve, Table};
use rustix::time::{ClockId, clock_gettime};
use std::hash::Hasher;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HEADER: usize = 6;
const KEY: usize = 16;
const VALUE: usize = 32;
const BLOB: usize = HEADER + KEY + VALUE;
const WINDOW: usize = 16;

struct Blobs(Arena);

impl Resolve<Ref> for Blobs {
    fn hash(&self, reference: Ref) -> u64 {
        hash_of(&self.0.bytes(reference)[HEADER..HEADER + KEY])
    }
    fn prefetch(&self, reference: Ref) {
        self.0.prefetch_start(reference);
    }
}

struct Shard {
    table: Table<Ref>,
    blobs: Blobs,
}

/// Shards as the engine has them: chosen by the low bits of the hash, of which the table uses the top.
struct Shards(Vec<Shard>);

#[expect(deprecated, reason = "the keyed hash of std, without its per-process keys")]
fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = std::hash::SipHasher::new_with_keys(1, 2);
    hasher.write(key);
    hasher.finish()
}

fn spread(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn key_of(number: u64) -> [u8; KEY] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for byte in key[4..].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

impl Shards {
    fn new(count: usize) -> Shards {
        Shards((0..count).map(|_| Shard { table: Table::new(), blobs: Blobs(Arena::new()) }).collect())
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        &self.0[hash as usize & (self.0.len() - 1)]
    }

    #[inline]
    fn insert(&mut self, key: &[u8; KEY]) -> u64 {
        let hash = hash_of(key);
        let index = hash as usize & (self.0.len() - 1);
        let Shard { table, blobs } = &mut self.0[index];
        let reference = blobs.0.alloc(BLOB);
        let bytes = blobs.0.bytes_mut(reference);
        bytes[HEADER..HEADER + KEY].copy_from_slice(key);
        bytes[HEADER + KEY..BLOB].fill(b'v');
        let moves = table.moves();
        table.insert(hash, reference, blobs);
        table.moves() - moves
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8; KEY]) -> bool {
        let Shard { table, blobs } = self.shard(hash);
        table.find(hash, |reference| &blobs.0.bytes(reference)[HEADER..HEADER + KEY] == key).is_some()
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn memory(keys: u64) {
    let mut shards = Shards::new(64);
    let before = resident();
    let mut worst = (0.0, 0);
    for number in 0..keys {
        shards.insert(&key_of(number));
        if number > keys / 4 && number.is_multiple_of(keys / 32) {
            let each = (resident() - before) as f64 / number as f64;
            worst = if each > worst.0 { (each, number) } else { worst };
        }
    }
    // What was made ready for further growth goes back.
    std::thread::sleep(Duration::from_secs(1));
    let rss = (resident() - before) as f64 / keys as f64;
    let table: usize = shards.0.iter().map(|shard| shard.table.bytes()).sum();
    let arena: usize = shards.0.iter().map(|shard| shard.blobs.0.reserved()).sum();
    println!(
        "memory    {keys} keys, 64 tables: {rss:.1} B RSS each (table {:.2}, arena {:.2}); worst on the way {:.1} at {}",
        table as f64 / keys as f64,
        arena as f64 / keys as f64,
        worst.0,
        worst.1
    );
}

fn percentile(sorted: &[u32], share: f64) -> u32 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// Grows shards once and keeps, for each insert, the lower of its time and what is in `least`: processor time of the thread,
/// two clocks included. Tells which inserts split a segment, and which renewed tags.
fn grow_once(keys: u64, least: &mut [u32], steps: &mut [u16]) {
    let mut shards = Shards::new(16);
    let mut before = thread_ns();
    for number in 0..keys {
        let moves = shards.insert(&key_of(spread(number) % 1_000_000_000_000));
        let after = thread_ns();
        least[number as usize] = least[number as usize].min((after - before).min(u64::from(u32::MAX)) as u32);
        steps[number as usize] = moves as u16;
        before = after;
    }
}

/// Inserts while tables grow, three times: the least of three leaves out most of what other programs of the machine do.
fn growth(keys: u64) {
    let mut least = vec![u32::MAX; keys as usize];
    let mut steps = vec![0; keys as usize];
    for round in 0..3 {
        let mut own = vec![u32::MAX; keys as usize];
        let begun = Instant::now();
        grow_once(keys, &mut own, &mut steps);
        let mean = begun.elapsed().as_nanos() as f64 / keys as f64;
        least.iter_mut().zip(&own).for_each(|(least, &own)| *least = own.min(*least));
        tell(&format!("growth {round}, {mean:.0} ns mean"), own);
    }
    let of = |wanted: fn(u16) -> bool| -> Vec<u32> {
        least.iter().zip(&steps).filter(|(_, moves)| wanted(**moves)).map(|(&ns, _)| ns).collect()
    };
    tell("least of three, all", of(|_| true));
    tell("  nothing moved", of(|moves| moves == 0));
    tell("  up to 240 moved", of(|moves| (1..=240).contains(&moves)));
    tell("  a split of more", of(|moves| moves > 240));
}

fn tell(name: &str, mut times: Vec<u32>) {
    times.sort_unstable();
    let above = |ns: u32| times.len() - times.partition_point(|&time| time <= ns);
    println!(
        "{name}: {} inserts, ns p50 {} p99 {} p99.9 {} p99.99 {} max {}; above 20 us {}, above 100 us {}",
        times.len(),
        percentile(&times, 0.5),
        percentile(&times, 0.99),
        percentile(&times, 0.999),
        percentile(&times, 0.9999),
        percentile(&times, 1.0),
        above(20_000),
        above(100_000),
    );
}

fn find(keys: u64) {
    let mut shards = Shards::new(64);
    for number in 0..keys {
        shards.insert(&key_of(number));
    }
    let rounds = 4_000_000_u64;
    for (name, offset) in [("hit", 0), ("miss", keys)] {
        let wanted: Vec<[u8; KEY]> = (0..rounds).map(|n| key_of(offset + spread(n) % keys)).collect();
        let start = Instant::now();
        let found = wanted.iter().filter(|key| shards.find(hash_of(*key), key)).count();
        let plain = start.elapsed().as_nanos() as f64 / rounds as f64;
        let start = Instant::now();
        let mut found_ahead = 0;
        for window in wanted.chunks_exact(WINDOW) {
            let hashes: [u64; WINDOW] = std::array::from_fn(|index| hash_of(&window[index]));
            for &hash in &hashes {
                shards.shard(hash).table.prefetch(hash);
            }
            for &hash in &hashes {
                let Shard { table, blobs } = shards.shard(hash);
                table.candidates(hash, |reference| blobs.0.prefetch(reference));
            }
            for (key, &hash) in window.iter().zip(&hashes) {
                found_ahead += usize::from(shards.find(hash, key));
            }
        }
        let ahead = start.elapsed().as_nanos() as f64 / rounds as f64;
        assert!(found == found_ahead && found == if offset == 0 { rounds as usize } else { 0 });
        println!("find      {keys} keys, {name}: {plain:.0} ns one by one, {ahead:.0} ns in windows of {WINDOW}");
    }
    let start = Instant::now();
    let mut sum = 0_u64;
    for number in 0..rounds {
        sum = sum.wrapping_add(hash_of(black_box(&key_of(spread(number) % keys))));
    }
    black_box(sum);
    println!("          of which key and hash {:.0} ns", start.elapsed().as_nanos() as f64 / rounds as f64);
}

/// Touches memory ahead of growth, which in the product is the housekeeper's work.
fn tend(done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let rest = region::tend();
        std::thread::sleep(rest.unwrap_or(Duration::from_millis(1)).min(Duration::from_millis(1)));
    }
}

fn main() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| tend(&done));
        run_all();
        done.store(true, Ordering::Relaxed);
    });
}

fn run_all() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let only = arguments.next();
    let keys = arguments.next().and_then(|keys| keys.parse().ok());
    for (name, run, usual) in
        [("memory", memory as fn(u64), 5_000_000), ("growth", growth, 10_000_000), ("find", find, 5_000_000)]
    {
        if only.as_ref().is_none_or(|only| only == name) {
            run(keys.unwrap_or(usual));
        }
    }
}

//! Memory, growth and lookups of the keyspace's table and arena: 16-byte keys, 32-byte values, 6 bytes of header.
//!
//! `cargo bench -p rkv-collections` runs all; `cargo bench -p rkv-collections -- memory 5000000` one of `memory`,
//! `growth`, `find` with another number of keys. The allocator is the product's.

use rkv_collections::arena::{Arena, Ref};
use rkv_collections::table::{Resolve, Table};
use std::hash::Hasher;
use std::hint::black_box;
use std::time::Instant;

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
        self.0.prefetch(reference);
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

fn growth(keys: u64) {
    let mut shards = Shards::new(16);
    let mut times: Vec<u32> = vec![1; keys as usize];
    let mut splits = Vec::new();
    let begun = Instant::now();
    for number in 0..keys {
        let key = key_of(spread(number) % 1_000_000_000_000);
        let start = Instant::now();
        let moves = shards.insert(&key);
        let ns = start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32;
        times[number as usize] = ns;
        if moves > 260 {
            splits.push(ns);
        }
    }
    let total = begun.elapsed().as_secs_f64();
    let slow = times.iter().filter(|&&ns| ns > 100_000).count();
    times.sort_unstable();
    splits.sort_unstable();
    println!(
        "growth    0 -> {keys} keys, 16 tables: insert ns p50 {} p99 {} p99.9 {} p99.99 {} max {}; {slow} above 100 us; {:.0} ns mean",
        percentile(&times, 0.5),
        percentile(&times, 0.99),
        percentile(&times, 0.999),
        percentile(&times, 0.9999),
        percentile(&times, 1.0),
        total * 1e9 / keys as f64
    );
    println!(
        "split     {} splits of > 260 entries: ns p50 {} p99 {} max {}",
        splits.len(),
        percentile(&splits, 0.5),
        percentile(&splits, 0.99),
        percentile(&splits, 1.0)
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

fn main() {
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

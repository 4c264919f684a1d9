//! What reading and writing RDB files costs in time of one processor: 5 million strings, keys of 16 bytes and values of 32, as in the bars of
//! persistence.
//!
//! `cargo bench -p rkv-engine --bench rdb [-- KEYS]`

use std::io::Write;
use std::time::Duration;

use rkv_engine::keyspace::{CapturedEntry, CapturedValue};
use rkv_engine::rdb::{Access, Batch, Fault, Loaded, ReadOptions, Sink, WriteOptions, Writer, crc64, read};
use rkv_engine::values::{Rules, ValueRef};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes everything and keeps nothing.
struct Nothing;

impl Write for Nothing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Counts keys, and keeps them in batches if it shall.
struct Counter {
    keys: u64,
    batch: Option<Batch>,
}

impl Sink for Counter {
    fn entry(&mut self, loaded: Loaded<'_>) -> Result<(), Fault> {
        self.keys += 1;
        if let Some(batch) = &mut self.batch {
            batch.push(loaded);
            if batch.len() == 512 {
                batch.clear();
            }
        }
        Ok(())
    }

    fn function(&mut self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Time of the processor that this thread used: others may want it, too.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

fn fill<W: Write>(writer: &mut Writer<W>, keys: u64, is_random: bool) {
    let (mut state, mut key, mut value) = (7, *b"key:000000000000", [b'v'; 32]);
    for number in 0..keys {
        let digits = format_args!("{number:012}").to_string();
        key[4..].copy_from_slice(digits.as_bytes());
        if is_random {
            value.as_chunks_mut::<8>().0.iter_mut().for_each(|part| *part = random(&mut state).to_le_bytes());
        }
        let entry = CapturedEntry {
            db: 0,
            key: &key,
            value: CapturedValue::Whole(ValueRef::Bytes(&value)),
            deadline_ms: None,
            clock: 0,
            is_raw: false,
        };
        writer.entry(&entry, Access::Untold).expect("nothing fails here");
    }
}

fn tell(what: &str, keys: u64, bytes: u64, took: Duration) {
    let each = took.as_secs_f64() * 1e9 / keys as f64;
    let rate = bytes as f64 / took.as_secs_f64() / 1e6;
    println!("{what:44} {:7.3} s  {each:6.1} ns an entry  {rate:7.0} MB/s", took.as_secs_f64());
}

fn main() {
    let keys = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(5_000_000);
    for (what, is_random, compress) in [
        ("write, random values", true, true),
        ("the same, uncompressed", true, false),
        ("write, values that repeat", false, true),
    ] {
        let options = WriteOptions { compress, ..WriteOptions::default() };
        let began = cpu_time();
        let mut writer = Writer::new(Nothing, &options);
        fill(&mut writer, keys, is_random);
        let bytes = writer.finish().expect("nothing fails here").1.bytes;
        tell(what, keys, bytes, cpu_time().saturating_sub(began));
    }
    let mut writer = Writer::new(Vec::new(), &WriteOptions::default());
    fill(&mut writer, keys, true);
    let file = writer.finish().expect("nothing fails here").0;
    let began = cpu_time();
    let crc = crc64(0, &file);
    tell(&format!("checksum alone ({crc:016x})"), keys, file.len() as u64, cpu_time().saturating_sub(began));
    let rules = Rules::new([7; 16]);
    for (what, checksum, batches) in
        [("read", true, false), ("the same without checksum", false, false), ("read into batches", true, true)]
    {
        let options =
            ReadOptions { rules: &rules, now_ms: 0, databases: 16, checksum, skip_modules: false, skims: false };
        let mut counter = Counter { keys: 0, batch: batches.then(Batch::default) };
        let began = cpu_time();
        read(&mut file.as_slice(), &mut counter, &options).expect("it was just written");
        tell(what, counter.keys, file.len() as u64, cpu_time().saturating_sub(began));
    }
}

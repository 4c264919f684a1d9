//! What a snapshot needs beside the data stays below its limit, of whatever type the data is and however it is overwritten
//! meanwhile: then writers wait. What is told is all the same what there was at the cut.

use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::files::{File, Files, RealFiles};
use rkv_engine::persist::Refusal;
use rkv_engine::values::Kind;
use rkv_engine::values::string::StringRef;
use rkv_engine::{Caller, Engine, EngineOptions};

use crate::chance::{Random, seed};
use crate::collections::attempt;
use crate::support::{Over, START_MS, run};

/// A disk that takes a while for each write, in which a client overwrites some keys however busy the machine is.
#[derive(Debug)]
struct SlowFiles(RealFiles, Arc<Pace>);

#[derive(Debug)]
struct SlowFile(Box<dyn File>, Arc<Pace>);

/// How fast the client is.
#[derive(Debug, Default)]
struct Pace {
    overwritten: AtomicU64,
    /// It had to wait: from now on time alone decides.
    has_waited: AtomicBool,
}

const WRITE_TAKES: Duration = Duration::from_millis(12);
/// Keys that are overwritten during one write of the disk, at least, unless that takes a second.
const OVERWRITTEN: u64 = 1_500;

impl Pace {
    fn wait(&self) {
        let wanted = self.overwritten.load(Ordering::Relaxed) + OVERWRITTEN;
        let start = Instant::now();
        std::thread::sleep(WRITE_TAKES);
        while !self.has_waited.load(Ordering::Relaxed)
            && self.overwritten.load(Ordering::Relaxed) < wanted
            && start.elapsed() < Duration::from_secs(1)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl File for SlowFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.wait();
        self.0.write(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&mut self, bytes_ahead: u64) -> io::Result<()> {
        self.0.allocate(bytes_ahead)
    }
}

impl Files for SlowFiles {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.0.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(SlowFile(self.0.create(name)?, Arc::clone(&self.1))))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.0.append(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.link(from, to)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.0.create_dir(name)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.0.remove_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        self.0.lock()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }
}

fn open(files: Arc<dyn Files>) -> Arc<Engine> {
    let mut config = Config::default();
    let words = [("save", ""), ("rdbcompression", "no"), ("rdbchecksum", "no"), ("hash-max-listpack-value", "5000")];
    for (name, word) in words {
        config.set(name.as_bytes(), &[word]).unwrap();
    }
    let clock = Arc::new(ManualClock::new(START_MS));
    Engine::open(EngineOptions { config, shard_bits: 2, clock, files: Some(files), ..EngineOptions::default() })
        .unwrap()
}

/// A value, or what a collection has, as one number: whatever the order of what has none.
fn sum(engine: &Engine) -> u64 {
    let mut sum = 0_u64;
    for shard in engine.store().keyspace.sweep().unwrap().iter() {
        for entry in shard.dbs().flat_map(|(_, db)| db.iter()) {
            let value = entry.value();
            let (key, mut place) = (hash(entry.key()), 0);
            if value.kind() == Kind::String {
                sum = sum.wrapping_add(hash(&StringRef::of(value).unwrap().text()).wrapping_mul(key));
            }
            value.each(&mut |element| {
                place += u64::from(matches!(value.kind(), Kind::List | Kind::Stream));
                let part = hash(element.name).wrapping_add(hash(element.payload).rotate_left(7)).wrapping_add(place);
                sum = sum.wrapping_add(part.wrapping_mul(part | 1).wrapping_mul(key));
            });
        }
    }
    sum
}

/// Few enough operations for a build without optimisation: the ends, and words in between.
fn hash(bytes: &[u8]) -> u64 {
    let some = bytes.iter().take(24).chain(bytes.iter().rev().take(24)).chain(bytes.iter().step_by(61));
    some.fold(bytes.len() as u64 + 1, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Bytes of an element, and how many there are: more than may be kept.
const VALUE_BYTES: usize = 8_000;
const ELEMENTS: u64 = 2_000;
/// What may be kept besides a tenth of the data, instead of 48 MiB: so the data need not be large.
const RESERVE_BYTES: usize = 1 << 20;
/// What one command adds, and the strings of a segment that is told.
const SLACK_BYTES: usize = 3 << 20;

/// Fills the memory and overwrites it.
struct Load {
    name: &'static str,
    fill: fn(&mut Caller, u64, &[u8]),
    overwrite: fn(&mut Caller, u64, u64, &[u8]),
}

fn text(number: u64) -> Vec<u8> {
    format!("{number:0>8}").into_bytes()
}

/// A number in front of a value, so that the whole is a member of its own.
fn member(number: u64, value: &[u8]) -> Vec<u8> {
    [&text(number), value].concat()
}

const LOADS: &[Load] = &[
    Load {
        name: "strings",
        fill: |caller, number, value| run(caller, &[b"SET", &text(number), value]),
        overwrite: |caller, number, _, value| run(caller, &[b"SET", &text(number), value]),
    },
    Load {
        name: "hash",
        fill: |caller, number, value| run(caller, &[b"HSET", b"key", &text(number), value]),
        overwrite: |caller, number, _, value| run(caller, &[b"HSET", b"key", &text(number), value]),
    },
    Load {
        name: "list",
        fill: |caller, _, value| run(caller, &[b"RPUSH", b"key", value]),
        overwrite: |caller, number, _, value| run(caller, &[b"LSET", b"key", number.to_string().as_bytes(), value]),
    },
    Load {
        name: "list of which the head is cut off and the tail grows",
        fill: |caller, _, value| run(caller, &[b"RPUSH", b"key", value]),
        overwrite: |caller, _, _, value| {
            run(caller, &[b"RPUSH", b"key", value]);
            run(caller, &[b"LTRIM", b"key", b"1", b"-1"]);
        },
    },
    Load {
        name: "set",
        fill: |caller, number, value| run(caller, &[b"SADD", b"key", &member(number, value)]),
        overwrite: |caller, number, round, value| {
            run(caller, &[b"SREM", b"key", &member(number + round * ELEMENTS, value)]);
            run(caller, &[b"SADD", b"key", &member(number + (round + 1) * ELEMENTS, value)]);
        },
    },
    Load {
        name: "sorted set",
        fill: |caller, number, value| run(caller, &[b"ZADD", b"key", &text(number), &member(number, value)]),
        overwrite: |caller, number, round, value| {
            run(caller, &[b"ZINCRBY", b"key", text(round + 1).as_slice(), &member(number, value)]);
        },
    },
    Load {
        name: "stream",
        fill: |caller, number, value| {
            run(caller, &[b"XADD", b"key", &[&text(number), b"-1".as_slice()].concat(), b"f", value]);
        },
        overwrite: |caller, number, round, value| {
            let id = text(number + (round + 1) * ELEMENTS);
            run(caller, &[b"XADD", b"key", b"MAXLEN", b"2000", &[&id, b"-1".as_slice()].concat(), b"f", value]);
        },
    },
    Load {
        name: "small hashes, changed, renamed and removed",
        fill: |caller, number, value| {
            let value = value.get(..4_000).unwrap();
            run(caller, &[b"HSET", &text(number), b"one", value, b"more", value]);
        },
        overwrite: |caller, number, _, value| {
            let (key, value) = (text(number), value.get(..4_000).unwrap());
            match number % 3 {
                0 => run(caller, &[b"HSET", &key, b"one", b"changed"]),
                1 if number % 9 == 1 => attempt(caller, &[b"RENAME", &key, &[b"other:", key.as_slice()].concat()]),
                _ => run(caller, &[b"DEL", &key]),
            }
            run(caller, &[b"HSET", &key, b"one", value, b"more", value]);
        },
    },
    Load {
        name: "one large hash after the other, removed",
        fill: |caller, number, value| run(caller, &[b"HSET", &text(number / 400), &text(number), value]),
        overwrite: |caller, number, _, value| {
            if number % 400 == 0 {
                run(caller, &[b"DEL", &text(number / 400)]);
            }
            run(caller, &[b"HSET", &text(number / 400), &text(number), value]);
        },
    },
];

fn random_value(random: &mut Random) -> Vec<u8> {
    (0..VALUE_BYTES).map(|_| random.next() as u8).collect()
}

fn measure(load: &Load, random: &mut Random) {
    let folder = std::env::temp_dir().join(format!("rkv-memory-{}-{}", std::process::id(), random.next()));
    std::fs::create_dir(&folder).unwrap();
    let pace = Arc::new(Pace::default());
    let engine = open(Arc::new(SlowFiles(RealFiles::open(&folder).unwrap(), Arc::clone(&pace))));
    let keyspace = &engine.store().keyspace;
    let mut caller = engine.caller();
    let value = random_value(random);
    (0..ELEMENTS).for_each(|number| (load.fill)(&mut caller, number, &value));
    let (before, used_bytes) = (sum(&engine), engine.store().used_bytes());
    engine.store().persist.set_reserve_bytes(RESERVE_BYTES);
    let limit = used_bytes / 10 + RESERVE_BYTES;
    assert!(used_bytes > limit + limit / 2, "{}: {used_bytes} bytes are too few", load.name);
    run(&mut caller, &[b"BGSAVE"]);
    let (mut peak, mut waited, is_over) = (0, false, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (engine, is_over, value, pace) = (&engine, &is_over, &value, &pace);
        scope.spawn(move || {
            let mut caller = engine.caller();
            let places = (0_u64..).map(|count| (count % ELEMENTS, count / ELEMENTS));
            for (number, round) in places.take_while(|_| !is_over.load(Ordering::Relaxed)) {
                (load.overwrite)(&mut caller, number, round, value);
                pace.overwritten.fetch_add(1, Ordering::Relaxed);
                if number.is_multiple_of(32) {
                    // On a machine with little time for this test the snapshot needs some of it, too.
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let _over = Over(is_over);
        while engine.store().persist.status().work.is_some() {
            waited |= engine.store().persist.refusals.has(Refusal::MemoryOfSnapshot);
            pace.has_waited.store(waited, Ordering::Relaxed);
            // Asks for no lock, which would slow the snapshot down.
            peak = peak.max(keyspace.published_captured());
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    println!("{}: {} MiB, kept {} MiB of {} MiB", load.name, used_bytes >> 20, peak >> 20, limit >> 20);
    assert!(waited, "{}: {peak} bytes were never too much", load.name);
    assert!(peak <= limit + SLACK_BYTES, "{}: {peak} bytes beside {used_bytes}", load.name);
    assert_eq!(keyspace.captured_bytes(), 0, "{}: bytes that are kept for nobody", load.name);
    drop(caller);
    engine.close();
    drop(engine);
    assert_eq!(sum(&open(Arc::new(RealFiles::open(&folder).unwrap()))), before, "{}", load.name);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_snapshot_of_any_type_needs_no_more_memory_than_it_may() {
    let mut random = Random(seed());
    for load in LOADS {
        measure(load, &mut random);
    }
}

//! The proof of the cut for lists, sets, sorted sets and hashes, small and large: writers change, rename, copy, delete and
//! empty them while a snapshot drains them piece by piece, and what it tells is a shadow copy taken at the cut.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rkv_engine::clock::{Clock, ManualClock};
use rkv_engine::dispatch::Mode;
use rkv_engine::handler::Store;
use rkv_engine::keyspace::{Captured, CapturedValue, Locks};
use rkv_engine::resp::{Tape, Value};
use rkv_engine::values::{Element, Kind, Piece, ValueRef};
use rkv_engine::{Caller, Engine};

use crate::chance::{Random, seed};
use crate::support::{Over, START_MS, engine, run, turn_journal_on};

const WRITERS: u64 = 3;
const CUTS: usize = 24;
/// Keys of each type: few, so that many writes make them large.
const KEYS: u64 = 24;
const DATABASES: u64 = 2;
/// How long those sleep who wait for others: who spins takes their time.
const PAUSE: Duration = Duration::from_micros(20);
const TYPES: [&str; 4] = ["list", "set", "zset", "hash"];

/// An element, its payload and its deadline.
type Part = (Vec<u8>, Vec<u8>, Option<i64>);
/// Type, elements (sorted, unless they are a list's), the key's deadline.
type Stored = (&'static str, Vec<Part>, Option<i64>);
type Shadow = BTreeMap<(usize, Vec<u8>), Stored>;

fn part(element: &Element<'_>) -> Part {
    (element.name.to_vec(), element.payload.to_vec(), element.deadline_ms)
}

fn stored(kind: Kind, mut parts: Vec<Part>, deadline_ms: Option<i64>) -> Stored {
    if kind != Kind::List {
        parts.sort();
    }
    (kind.name(), parts, deadline_ms)
}

fn parts_of(value: &ValueRef<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    value.each(&mut |element| parts.push(part(&element)));
    parts
}

fn shadow_of(locks: &Locks<'_>) -> Shadow {
    let mut shadow = Shadow::new();
    for shard in locks.iter() {
        for (number, db) in shard.dbs() {
            for entry in db.iter() {
                let value = entry.value();
                let stored = stored(value.kind(), parts_of(&value), entry.deadline_ms());
                assert_eq!(shadow.insert((number, entry.key().to_vec()), stored), None, "a key stands in one place");
            }
        }
    }
    shadow
}

/// Adds a drained segment to what was told; `pause` runs between two pieces of a large collection.
fn tell(captured: &Captured, told: &mut Shadow, mut pause: impl FnMut()) {
    for entry in captured.iter() {
        let stored = match entry.value {
            CapturedValue::Whole(value) => stored(value.kind(), parts_of(&value), entry.deadline_ms),
            CapturedValue::Large(large) => {
                let (mut parts, mut piece) = (Vec::new(), Piece::default());
                while large.drain(&mut piece) {
                    parts.extend(piece.iter().map(|element| part(&element)));
                    pause();
                }
                stored(large.value().kind(), parts, entry.deadline_ms)
            }
        };
        let before = told.insert((entry.db, entry.key.to_vec()), stored);
        assert_eq!(before, None, "{} was told twice", entry.key.escape_ascii());
    }
}

fn assert_same(told: &Shadow, expected: &Shadow, what: &str) {
    for (key, value) in expected {
        let Some(mine) = told.get(key) else { panic!("{what}: {}:{} is missing", key.0, key.1.escape_ascii()) };
        if mine == value {
            continue;
        }
        let differs = mine.1.iter().zip(&value.1).position(|(one, other)| one != other);
        panic!(
            "{what}: {}:{} has {} elements of {}, deadline {:?} of {:?}; they differ at {differs:?}: {:?} of {:?}",
            key.0,
            key.1.escape_ascii(),
            mine.1.len(),
            value.1.len(),
            mine.2,
            value.2,
            differs.and_then(|at| mine.1.get(at)),
            differs.and_then(|at| value.1.get(at)),
        );
    }
    let surplus: Vec<_> = told.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(surplus.is_empty(), "{what}: {} keys more, such as {:?}", surplus.len(), surplus.first());
}

struct Scene {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    is_over: AtomicBool,
    commands: AtomicUsize,
    /// How many commands the writers may have run by now: without a bound the test would take as long as it is starved.
    allowed: AtomicUsize,
}

impl Scene {
    fn new(shard_bits: u32) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let engine = engine(shard_bits, &clock);
        // Small limits, so that packed collections become large ones all the time.
        let rules = &engine.store().rules;
        rules.set_hash_entries_max(16);
        rules.set_set_entries_max(16);
        rules.set_set_integers_max(16);
        rules.set_zset_entries_max(16);
        rules.set_list_size(16);
        Self {
            engine,
            clock,
            is_over: AtomicBool::new(false),
            commands: AtomicUsize::new(0),
            allowed: AtomicUsize::new(0),
        }
    }

    fn write(&self, seed: u64) {
        let mut random = Random(seed);
        let mut caller = self.engine.caller();
        let _over = Over(&self.is_over);
        while !self.is_over.load(Ordering::Relaxed) {
            match random.below(20_000) {
                0 => run(&mut caller, &[b"FLUSHDB"]),
                1 => run(&mut caller, &[b"FLUSHALL", b"ASYNC"]),
                2..6 => run(&mut caller, &[b"SWAPDB", b"0", b"1"]),
                6..300 => run(&mut caller, &[b"SELECT", random.below(DATABASES).to_string().as_bytes()]),
                _ => write_one(&mut caller, &mut random),
            }
            self.commands.fetch_add(1, Ordering::Relaxed);
            while self.commands.load(Ordering::Relaxed) >= self.allowed.load(Ordering::Relaxed)
                && !self.is_over.load(Ordering::Relaxed)
            {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Lets the writers go on with so many commands.
    fn allow(&self, commands: usize) -> usize {
        self.allowed.fetch_add(commands, Ordering::Relaxed) + commands
    }

    fn wait_for(&self, commands: usize) {
        let until = self.allow(commands);
        while self.commands.load(Ordering::Relaxed) < until && !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Runs a command that may be refused for what it finds: no such key, an index that is not there.
pub fn attempt(caller: &mut Caller, words: &[&[u8]]) {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    if let Some(Value::Error(error)) = tape.iter().next() {
        let text = error.as_str();
        assert!(!text.contains("unknown") && !text.contains("wrong number"), "{text}");
    }
}

fn key(random: &mut Random, kind: &str) -> Vec<u8> {
    format!("{kind}:{}", random.below(KEYS)).into_bytes()
}

/// An element: few numbers, short and long strings.
fn element(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0..4 => random.below(300).to_string().into_bytes(),
        4..9 => format!("element {}", random.below(300)).into_bytes(),
        _ => format!("{:x<1$}", random.below(30), 60 + random.below(1_500) as usize).into_bytes(),
    }
}

/// A command, a key, and 1 to 24 times what `each` gives.
fn run_many(
    caller: &mut Caller,
    random: &mut Random,
    name: &str,
    key: &[u8],
    mut each: impl FnMut(&mut Random) -> Vec<Vec<u8>>,
) {
    let count = 1 + random.below(24);
    let more: Vec<_> = (0..count).flat_map(|_| each(random)).collect();
    let words: Vec<&[u8]> = [name.as_bytes(), key].into_iter().chain(more.iter().map(Vec::as_slice)).collect();
    run(caller, &words);
}

fn write_one(caller: &mut Caller, random: &mut Random) {
    let kind = TYPES[random.below(4) as usize];
    let (key, other) = (key(random, kind), key(random, kind));
    let ttl_ms = (1 + random.below(300)).to_string();
    match random.below(40) {
        0 => attempt(caller, &[b"RENAME", &key, &other]),
        1 => run(caller, &[b"COPY", &key, &[&other, b":copy".as_slice()].concat(), b"REPLACE"]),
        2 => run(caller, &[b"DEL", &key]),
        3 => run(caller, &[b"PEXPIRE", &key, ttl_ms.as_bytes()]),
        4 => run(caller, &[b"PERSIST", &key]),
        5 => attempt(caller, &[b"MOVE", &key, b"1"]),
        _ => match kind {
            "list" => write_list(caller, random, &key, &other),
            "set" => write_set(caller, random, &key, &other),
            "zset" => write_zset(caller, random, &key, &other),
            _ => write_hash(caller, random, &key, &ttl_ms),
        },
    }
}

fn write_list(caller: &mut Caller, random: &mut Random, key: &[u8], other: &[u8]) {
    let (one, index) = (element(random), random.below(40).to_string());
    let index = index.as_bytes();
    match random.below(10) {
        0..2 => run_many(caller, random, "RPUSH", key, |random| vec![element(random)]),
        2..4 => run_many(caller, random, "LPUSH", key, |random| vec![element(random)]),
        4 => run(caller, &[b"LPOP", key, index]),
        5 => run(caller, &[b"LTRIM", key, index, b"-2"]),
        6 => run(caller, &[b"LINSERT", key, b"BEFORE", &element(random), &one]),
        7 => attempt(caller, &[b"LSET", key, index, &one]),
        8 => run(caller, &[b"LREM", key, b"1", &one]),
        _ => run(caller, &[b"LMOVE", key, other, b"LEFT", b"RIGHT"]),
    }
}

fn write_set(caller: &mut Caller, random: &mut Random, key: &[u8], other: &[u8]) {
    let one = element(random);
    match random.below(8) {
        0..3 => run_many(caller, random, "SADD", key, |random| vec![element(random)]),
        3 => run_many(caller, random, "SREM", key, |random| vec![element(random)]),
        4 => run(caller, &[b"SPOP", key, random.below(5).to_string().as_bytes()]),
        5 => run(caller, &[b"SMOVE", key, other, &one]),
        6 if random.below(4) == 0 => run(caller, &[b"SUNIONSTORE", key, key, other]),
        _ => run(caller, &[b"SADD", key, &one]),
    }
}

fn write_zset(caller: &mut Caller, random: &mut Random, key: &[u8], other: &[u8]) {
    let one = element(random);
    let pair = |random: &mut Random| vec![random.below(50).to_string().into_bytes(), element(random)];
    match random.below(8) {
        0..3 => run_many(caller, random, "ZADD", key, pair),
        3 => run(caller, &[b"ZINCRBY", key, b"1.5", &one]),
        4 => run_many(caller, random, "ZREM", key, |random| vec![element(random)]),
        5 => run(caller, &[b"ZPOPMIN", key, random.below(5).to_string().as_bytes()]),
        6 => run(caller, &[b"ZREMRANGEBYRANK", key, b"3", b"6"]),
        7 if random.below(4) == 0 => run(caller, &[b"ZUNIONSTORE", key, b"2", key, other]),
        _ => run(caller, &[b"ZADD", key, b"7", &one]),
    }
}

fn write_hash(caller: &mut Caller, random: &mut Random, key: &[u8], ttl_ms: &str) {
    let one = element(random);
    let pair = |random: &mut Random| vec![element(random), element(random)];
    match random.below(8) {
        0..3 => run_many(caller, random, "HSET", key, pair),
        3 => run_many(caller, random, "HDEL", key, |random| vec![element(random)]),
        4 => run(caller, &[b"HSETNX", key, &one, b"new"]),
        5 => attempt(caller, &[b"HINCRBY", key, &one, b"7"]),
        6 => run(caller, &[b"HPEXPIRE", key, ttl_ms.as_bytes(), b"FIELDS", b"1", &one]),
        _ => run(caller, &[b"HSET", key, &one, b"value"]),
    }
}

/// What a snapshot told, and where the journal goes on from it.
struct Taken {
    told: Shadow,
    offset: u64,
    at_ms: i64,
}

fn cut_among_writers(scene: &Scene, random: &mut Random) -> Taken {
    let store = scene.engine.store();
    let at_ms = store.clock.unix_ms();
    let (mut cut, (expected, offset)) =
        store.keyspace.begin_cut(|locks| (shadow_of(locks), store.journal.cut())).expect("no other cut");
    let (mut captured, mut told) = (Captured::default(), Shadow::new());
    let pause = 1 + random.below(4);
    while cut.drain(&mut captured).unwrap() {
        tell(&captured, &mut told, || {
            if random.below(pause) == 0 {
                scene.wait_for(3);
            }
        });
        scene.allow(40);
        scene.clock.advance_ms(random.below(20));
        scene.engine.tick();
    }
    assert_same(&told, &expected, "at the cut");
    Taken { told, offset, at_ms }
}

/// Gives up a cut in the middle, and in the middle of a collection.
fn abandon_a_cut(scene: &Scene, random: &mut Random) {
    let (mut cut, _) = scene.engine.store().begin_cut().expect("no other cut");
    let (mut captured, mut piece) = (Captured::default(), Piece::default());
    for _ in 0..random.below(6) {
        cut.drain(&mut captured).unwrap();
        for entry in captured.iter() {
            if let CapturedValue::Large(large) = entry.value {
                large.drain(&mut piece);
            }
        }
        scene.wait_for(10);
    }
}

/// What is alive, from the store itself.
fn live(store: &Store, now_ms: i64) -> Shadow {
    let mut shadow = shadow_of(&store.keyspace.sweep().unwrap());
    let is_live = |deadline_ms: &Option<i64>| deadline_ms.is_none_or(|deadline_ms| deadline_ms > now_ms);
    for (_, parts, _) in shadow.values_mut() {
        parts.retain(|(_, _, deadline_ms)| is_live(deadline_ms));
    }
    shadow.retain(|_, (_, parts, deadline_ms)| is_live(deadline_ms) && !parts.is_empty());
    shadow
}

/// A store loaded from a snapshot, to which the journal was applied from the cut's offset on.
fn replay(scene: &Scene, cut: &Taken, shard_bits: u32) -> Shadow {
    let replica = Scene::new(shard_bits);
    replica.clock.set_unix_ms(cut.at_ms);
    let mut caller = replica.engine.caller();
    for ((db, key), value) in &cut.told {
        run(&mut caller, &[b"SELECT", db.to_string().as_bytes()]);
        load(&mut caller, key, value, cut.at_ms);
    }
    let mut session =
        replica.engine.session(rkv_engine::client::Origin::embedded(), Arc::new(rkv_engine::client::NoWake));
    let journal = &scene.engine.store().journal;
    let (mut at, end, mut bytes) = (cut.offset, journal.end(), Vec::new());
    while at < end {
        bytes.clear();
        at = journal.read(at, 1 << 16, &mut bytes).unwrap();
        session.receive(&bytes);
        let output = session.output().to_vec();
        session.advance(output.len());
        assert!(!output.starts_with(b"-") && !output.windows(3).any(|part| part == b"\n-E"), "the journal was refused");
    }
    live(replica.engine.store(), scene.engine.store().clock.unix_ms())
}

fn load(caller: &mut Caller, key: &[u8], (kind, parts, deadline_ms): &Stored, now_ms: i64) {
    for (name, payload, field_deadline_ms) in parts {
        match *kind {
            "list" => run(caller, &[b"RPUSH", key, name]),
            "set" => run(caller, &[b"SADD", key, name]),
            "zset" => {
                let score = f64::from_le_bytes(payload.as_slice().try_into().unwrap()).to_string();
                run(caller, &[b"ZADD", key, score.as_bytes(), name]);
            }
            _ => run(caller, &[b"HSET", key, name, payload]),
        }
        if let Some(field_deadline_ms) = field_deadline_ms {
            let at = (*field_deadline_ms).to_string();
            run(caller, &[b"HPEXPIREAT", key, at.as_bytes(), b"FIELDS", b"1", name]);
        }
    }
    match deadline_ms {
        Some(deadline_ms) if *deadline_ms <= now_ms => run(caller, &[b"DEL", key]),
        Some(deadline_ms) => run(caller, &[b"PEXPIREAT", key, deadline_ms.to_string().as_bytes()]),
        None => {}
    }
}

/// What was set aside inside collections while cuts were drained is not counted as data for ever: keys removed one by one,
/// so that nothing is reset as a whole, leave none.
fn assert_all_goes(scene: &Scene) {
    let store = scene.engine.store();
    let mut caller = scene.engine.caller();
    let stored = shadow_of(&store.keyspace.sweep().unwrap());
    for (db, key) in stored.keys() {
        run(&mut caller, &[b"SELECT", db.to_string().as_bytes()]);
        run(&mut caller, &[b"DEL", key]);
    }
    scene.engine.tick();
    let locks = store.keyspace.sweep().unwrap();
    let left: usize = locks.iter().flat_map(|shard| shard.dbs().map(|(_, db)| db.data_bytes())).sum();
    assert_eq!(left, 0, "bytes of data without a key");
}

#[test]
fn a_cut_of_collections_is_one_moment() {
    let mut random = Random(seed());
    for shard_bits in [0, 3] {
        let scene = Scene::new(shard_bits);
        turn_journal_on(scene.engine.store());
        let (mut told, mut large, mut cuts) = (0, 0, Vec::new());
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|_| random.next()).collect();
            let scene = &scene;
            for seed in writers {
                scope.spawn(move || scene.write(seed));
            }
            let over = Over(&scene.is_over);
            for _ in 0..CUTS / 2 {
                scene.wait_for(600);
                abandon_a_cut(scene, &mut random);
                let cut = cut_among_writers(scene, &mut random);
                told += cut.told.len();
                large += cut.told.values().filter(|(_, parts, _)| parts.len() > 64).count();
                cuts.push(cut);
            }
            drop(over);
        });
        assert!(!scene.engine.store().is_poisoned());
        let expected = live(scene.engine.store(), scene.clock.unix_ms());
        for cut in cuts.iter().step_by(6) {
            assert_same(&replay(&scene, cut, shard_bits), &expected, "snapshot and journal");
        }
        assert_all_goes(&scene);
        println!("{} shards: {} cuts told {told} keys, {large} of them large", 1 << shard_bits, cuts.len());
        assert!(large > 50, "only {large} large collections were told");
    }
}

/// Filled and emptied, each type gives back what it took.
#[test]
fn memory_returns_to_its_start() {
    let scene = Scene::new(1);
    let store = scene.engine.store();
    let mut caller = scene.engine.caller();
    for kind in TYPES {
        for removes_key in [true, false] {
            let key = kind.as_bytes();
            for number in 0..20_000 {
                let one = format!("element {number}");
                let words: &[&[u8]] = match kind {
                    "list" => &[b"RPUSH", key, one.as_bytes()],
                    "set" => &[b"SADD", key, one.as_bytes()],
                    "zset" => &[b"ZADD", key, b"1", one.as_bytes()],
                    _ => &[b"HSET", key, one.as_bytes(), b"value"],
                };
                run(&mut caller, words);
            }
            assert!(store.used_bytes() > 200_000, "{kind}: {} bytes", store.used_bytes());
            if removes_key {
                run(&mut caller, &[b"DEL", key]);
            } else {
                empty(&mut caller, kind);
            }
            scene.engine.tick();
            assert_eq!(store.used_bytes(), 0, "{kind}");
        }
    }
}

/// Takes out one element after the other.
fn empty(caller: &mut Caller, kind: &str) {
    for number in 0..20_000 {
        let one = format!("element {number}");
        let words: &[&[u8]] = match kind {
            "list" => &[b"LPOP", b"list"],
            "set" => &[b"SREM", b"set", one.as_bytes()],
            "zset" => &[b"ZREM", b"zset", one.as_bytes()],
            _ => &[b"HDEL", b"hash", one.as_bytes()],
        };
        run(caller, words);
    }
}

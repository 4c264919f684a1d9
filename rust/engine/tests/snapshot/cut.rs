//! The proof of the cut: however writers go on, what a snapshot tells is what a shadow copy taken at the cut holds, and the
//! journal from the cut's offset on leads from there to where the writers arrived.
//!
//! `RKV_TEST_SEED` repeats a run; threads interleave as they like all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::{Clock, ManualClock};
use rkv_engine::handler::Store;
use rkv_engine::keyspace::{Captured, CapturedValue, CutError, Locks};
use rkv_engine::values::ValueRef;
use rkv_engine::values::string::StringRef;
use rkv_engine::{Caller, Engine};

use crate::chance::{Random, seed};
use crate::support::{Over, START_MS, engine, run, turn_journal_on};

const WRITERS: u64 = 3;
const CUTS: usize = 24;
const KEYS: u64 = 12_000;
const DATABASES: u64 = 3;
/// What a capture may copy of one segment.
const REFERENCE_BYTES_MAX: usize = 2_560;
const REFERENCE_BYTES: usize = 4;

/// A database and a key in it.
type Place = (usize, Vec<u8>);
/// Value, deadline, and whether the encoding is `raw`.
type Stored = (Vec<u8>, Option<i64>, bool);
type Shadow = BTreeMap<Place, Stored>;

/// The bytes of a string.
fn bytes(value: ValueRef<'_>) -> Vec<u8> {
    StringRef::of(value).unwrap().text().to_vec()
}

/// A value that is told whole.
fn whole(value: CapturedValue<'_>) -> ValueRef<'_> {
    let CapturedValue::Whole(value) = value else { panic!("{value:?}") };
    value
}

fn shadow_of(locks: &Locks<'_>) -> Shadow {
    let mut shadow = Shadow::new();
    for shard in locks.iter() {
        for (number, db) in shard.dbs() {
            for entry in db.iter() {
                let value = bytes(entry.value());
                let before =
                    shadow.insert((number, entry.key().to_vec()), (value, entry.deadline_ms(), entry.is_raw()));
                assert_eq!(before, None, "a key stands in one place");
            }
        }
    }
    shadow
}

/// What is stored and not expired. Whether an encoding is `raw` does not go through the journal.
fn live(store: &Store, now_ms: i64) -> Shadow {
    let mut shadow = shadow_of(&store.keyspace.sweep().unwrap());
    shadow.retain(|_, (_, deadline_ms, _)| deadline_ms.is_none_or(|deadline_ms| deadline_ms > now_ms));
    for (_, _, is_raw) in shadow.values_mut() {
        *is_raw = false;
    }
    shadow
}

/// Adds a drained segment to what was told.
fn tell(captured: &Captured, told: &mut Shadow) {
    assert!(captured.len() * REFERENCE_BYTES <= REFERENCE_BYTES_MAX, "a segment of {} entries", captured.len());
    for entry in captured.iter() {
        let value = bytes(whole(entry.value));
        let before = told.insert((entry.db, entry.key.to_vec()), (value, entry.deadline_ms, entry.is_raw));
        assert_eq!(before, None, "{} was told twice", entry.key.escape_ascii());
    }
}

/// Says where two differ, without printing all of both.
fn assert_same(told: &Shadow, expected: &Shadow, what: &str) {
    if told == expected {
        return;
    }
    let show = |(key, value): (&Place, &Stored)| {
        let start = value.0.get(..60).unwrap_or(&value.0);
        format!("{}:{} = {} bytes {}", key.0, key.1.escape_ascii(), value.0.len(), start.escape_ascii())
    };
    let missing: Vec<_> = expected.iter().filter(|(key, value)| told.get(*key) != Some(value)).map(show).collect();
    let surplus: Vec<_> = told.iter().filter(|(key, value)| expected.get(*key) != Some(value)).map(show).collect();
    let first = |list: &[String]| list.iter().take(5).cloned().collect::<Vec<_>>();
    panic!(
        "{what}: {} entries told of {}; {} missing: {:#?}; {} surplus: {:#?}",
        told.len(),
        expected.len(),
        missing.len(),
        first(&missing),
        surplus.len(),
        first(&surplus)
    );
}

/// What the writers share.
struct Scene {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    is_over: AtomicBool,
    /// Of ten writes, so many delete.
    deletes: AtomicU64,
    commands: AtomicUsize,
}

impl Scene {
    fn new(shard_bits: u32) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let (is_over, deletes) = (AtomicBool::new(false), AtomicU64::new(1));
        Self { engine: engine(shard_bits, &clock), clock, is_over, deletes, commands: AtomicUsize::new(0) }
    }

    fn write(&self, seed: u64) {
        let mut random = Random(seed);
        let mut caller = self.engine.caller();
        // Whoever waits for this writer must not wait for ever if it panics.
        let _over = Over(&self.is_over);
        while !self.is_over.load(Ordering::Relaxed) {
            if random.below(50) == 0 {
                run(&mut caller, &[b"SELECT", random.below(DATABASES).to_string().as_bytes()]);
            }
            match random.below(4_000) {
                0 => run(&mut caller, &[b"FLUSHDB"]),
                1 => run(&mut caller, &[b"FLUSHALL", b"ASYNC"]),
                2..6 => swap_databases(&mut caller, &mut random),
                6..200 => transaction(&mut caller, &mut random),
                _ if random.below(10) < self.deletes.load(Ordering::Relaxed) => delete(&mut caller, &mut random),
                _ => write_one(&mut caller, &mut random),
            }
            self.commands.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the writers have done more; `meanwhile` runs again and again.
    fn wait_for(&self, commands: usize, mut meanwhile: impl FnMut()) {
        let until = self.commands.load(Ordering::Relaxed) + commands;
        while self.commands.load(Ordering::Relaxed) < until && !self.is_over.load(Ordering::Relaxed) {
            meanwhile();
            std::thread::yield_now();
        }
    }

    /// Lets time pass, so that keys expire by the wheel and are met expired by writers.
    fn pass_time(&self, random: &mut Random) {
        self.clock.advance_ms(random.below(30));
        if random.below(2) == 0 {
            self.engine.tick();
        }
    }
}

fn key(random: &mut Random) -> Vec<u8> {
    match random.below(20) {
        0 => format!("a long key, which does not stand beside its value: {:0>600}", random.below(100)).into_bytes(),
        _ => format!("key:{}", random.below(KEYS)).into_bytes(),
    }
}

fn number(random: &mut Random) -> Vec<u8> {
    format!("number:{}", random.below(500)).into_bytes()
}

fn text(random: &mut Random) -> Vec<u8> {
    let len = match random.below(40) {
        0 => 1_000 + random.below(6_000),
        1..4 => 200 + random.below(500),
        _ => random.below(60),
    };
    vec![b'a' + random.below(26) as u8; len as usize]
}

fn swap_databases(caller: &mut Caller, random: &mut Random) {
    let one = random.below(DATABASES).to_string();
    let other = random.below(DATABASES).to_string();
    run(caller, &[b"SWAPDB", one.as_bytes(), other.as_bytes()]);
}

fn transaction(caller: &mut Caller, random: &mut Random) {
    run(caller, &[b"MULTI"]);
    for _ in 0..random.below(6) {
        write_one(caller, random);
    }
    run(caller, &[b"EXEC"]);
}

fn delete(caller: &mut Caller, random: &mut Random) {
    let keys: Vec<_> = (0..8).map(|_| key(random)).collect();
    let words: Vec<&[u8]> = [b"DEL".as_slice()].into_iter().chain(keys.iter().map(Vec::as_slice)).collect();
    run(caller, &words);
}

fn write_one(caller: &mut Caller, random: &mut Random) {
    let (key, value) = (key(random), text(random));
    let ttl_ms = (1 + random.below(400)).to_string();
    let (key, value, ttl_ms): (&[u8], &[u8], &[u8]) = (&key, &value, ttl_ms.as_bytes());
    match random.below(16) {
        0..6 => run(caller, &[b"SET", key, value]),
        6 => run(caller, &[b"SET", key, value, b"PX", ttl_ms]),
        7 => run(caller, &[b"SET", key, value, b"KEEPTTL"]),
        8 => run(caller, &[b"PEXPIRE", key, ttl_ms]),
        9 => run(caller, &[b"PERSIST", key]),
        10 => run(caller, &[b"INCRBY", &number(random), ttl_ms]),
        11 => run(caller, &[b"APPEND", key, value]),
        12 => run(caller, &[b"SETRANGE", key, ttl_ms, b"xyz"]),
        // No key has this suffix, so it is never copied onto itself.
        13 => run(caller, &[b"COPY", key, &[&self::key(random), b":copy".as_slice()].concat(), b"REPLACE"]),
        14 => run(caller, &[b"GETDEL", key]),
        _ => run(caller, &[b"MSET", key, value, &self::key(random), value]),
    }
}

/// A snapshot.
struct Taken {
    told: Shadow,
    offset: u64,
    at_ms: i64,
}

/// Takes a cut and drains it among the writers.
fn cut_among_writers(scene: &Scene, random: &mut Random) -> Taken {
    let store = scene.engine.store();
    let at_ms = store.clock.unix_ms();
    let (mut cut, (expected, offset)) =
        store.keyspace.begin_cut(|locks| (shadow_of(locks), store.journal.cut())).expect("no other cut");
    assert_eq!(store.begin_cut().unwrap_err(), CutError::Busy);
    let (mut captured, mut told) = (Captured::default(), Shadow::new());
    let pause = random.below(4);
    while cut.drain(&mut captured).unwrap() {
        tell(&captured, &mut told);
        if pause > 0 && random.below(pause) == 0 {
            // Writers must find segments that were told, and segments that were not.
            scene.wait_for(20, || {});
            scene.pass_time(random);
        }
    }
    assert_eq!(cut.shards_done(), store.keyspace.len());
    assert_same(&told, &expected, "at the cut");
    Taken { told, offset, at_ms }
}

/// Gives up a cut in the middle.
fn abandon_a_cut(scene: &Scene, random: &mut Random) {
    let (mut cut, _) = scene.engine.store().begin_cut().expect("no other cut");
    let mut captured = Captured::default();
    for _ in 0..random.below(40) {
        cut.drain(&mut captured).unwrap();
    }
}

/// A store loaded from a snapshot, to which the journal was applied from the cut's offset on.
fn replay(scene: &Scene, cut: &Taken, shard_bits: u32) -> Shadow {
    let Taken { told, offset, at_ms } = cut;
    // Its time stands still at the cut, so that only the journal deletes what expires later.
    let replica = engine(shard_bits, &Arc::new(ManualClock::new(*at_ms)));
    let mut caller = replica.caller();
    for ((db, key), (value, deadline_ms, _)) in told {
        run(&mut caller, &[b"SELECT", db.to_string().as_bytes()]);
        match deadline_ms {
            None => run(&mut caller, &[b"SET", key, value]),
            Some(deadline_ms) if deadline_ms <= at_ms => {}
            Some(deadline_ms) => run(&mut caller, &[b"SET", key, value, b"PXAT", deadline_ms.to_string().as_bytes()]),
        }
    }
    let mut session = replica.session(Origin::embedded(), Arc::new(NoWake));
    let journal = &scene.engine.store().journal;
    let (mut at, end, mut bytes) = (*offset, journal.end(), Vec::new());
    while at < end {
        bytes.clear();
        at = journal.read(at, 1 << 16, &mut bytes).unwrap();
        session.receive(&bytes);
        let output = session.output().to_vec();
        session.advance(output.len());
        assert!(!output.starts_with(b"-") && !output.windows(3).any(|part| part == b"\n-E"), "the journal was refused");
    }
    live(replica.store(), scene.engine.store().clock.unix_ms())
}

#[test]
fn a_cut_among_writers_is_one_moment() {
    let mut random = Random(seed());
    for shard_bits in [0, 2, 5] {
        let scene = Scene::new(shard_bits);
        turn_journal_on(scene.engine.store());
        let (mut told, mut cuts) = (0, Vec::new());
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|_| random.next()).collect();
            let scene = &scene;
            for seed in writers {
                scope.spawn(move || scene.write(seed));
            }
            // Ends the writers when a check below fails, too.
            let over = Over(&scene.is_over);
            for number in 0..CUTS / 3 {
                let deletes = if number % 2 == 0 { 1 } else { 9 };
                scene.deletes.store(deletes, Ordering::Relaxed);
                scene.wait_for(2_000, || scene.pass_time(&mut random));
                abandon_a_cut(scene, &mut random);
                let cut = cut_among_writers(scene, &mut random);
                told += cut.told.len();
                cuts.push(cut);
            }
            drop(over);
        });
        assert!(!scene.engine.store().is_poisoned());
        assert_nothing_is_kept(scene.engine.store());
        let expected = live(scene.engine.store(), scene.clock.unix_ms());
        for cut in cuts.iter().step_by(3) {
            assert_same(&replay(&scene, cut, shard_bits), &expected, "snapshot and journal");
        }
        println!("{} shards: {} cuts told {told} entries", 1 << shard_bits, cuts.len());
    }
}

/// One thread, so that it is known which entries a cut must have: growth from nothing, then shrinkage to nothing, with cuts
/// taken and drained all along.
#[test]
fn a_cut_is_right_while_tables_grow_and_shrink() {
    let mut random = Random(seed());
    let scene = Scene::new(1);
    let mut caller = scene.engine.caller();
    let mut model = BTreeMap::new();
    for grows in [true, false] {
        let mut numbers: Vec<u64> = (0..KEYS).collect();
        while !numbers.is_empty() {
            let expected: Shadow = model.clone();
            let (mut cut, _) = scene.engine.store().begin_cut().unwrap();
            let (mut captured, mut told) = (Captured::default(), Shadow::new());
            loop {
                for _ in 0..random.below(80) {
                    if numbers.is_empty() {
                        break;
                    }
                    let number = numbers.swap_remove(random.below(numbers.len() as u64) as usize);
                    let key = format!("key:{number}").into_bytes();
                    if grows {
                        let value = format!("a value {number}").into_bytes();
                        run(&mut caller, &[b"SET", &key, &value]);
                        model.insert((0, key), (value, None, false));
                    } else {
                        run(&mut caller, &[b"DEL", &key]);
                        model.remove(&(0, key));
                    }
                }
                if !cut.drain(&mut captured).unwrap() {
                    break;
                }
                tell(&captured, &mut told);
            }
            assert_same(&told, &expected, if grows { "growing" } else { "shrinking" });
        }
    }
    assert!(model.is_empty());
}

/// Exactly what is stored takes memory, as nothing is captured now.
fn assert_nothing_is_kept(store: &Store) {
    for shard in store.keyspace.sweep().unwrap().iter() {
        for (number, db) in shard.dbs() {
            let stored: usize = db.iter().map(|entry| entry.memory_bytes()).sum();
            assert_eq!(db.data_bytes(), stored, "database {number}");
        }
    }
}

/// Limbo is given back, whether the cut was drained or abandoned.
#[test]
fn memory_returns_after_every_cut() {
    let mut random = Random(seed());
    let scene = Scene::new(2);
    let store = scene.engine.store();
    let mut caller = scene.engine.caller();
    for round in 0..12u64 {
        let cut = store.begin_cut().unwrap().0;
        for number in 0..5_000u64 {
            let len = if number % 50 == 0 { 3_000 } else { 20 + (number + round) % 7 * 20 };
            let value = vec![b'v'; len as usize];
            run(&mut caller, &[b"SET", format!("key:{number}").as_bytes(), &value]);
        }
        finish(cut, &mut random);
        assert_nothing_is_kept(store);
    }
    // A FLUSHALL under a cut leaves nothing behind when the cut has ended.
    for _ in 0..2 {
        run(&mut caller, &[b"SET", b"one", b"more"]);
        let cut = store.begin_cut().unwrap().0;
        run(&mut caller, &[b"FLUSHALL"]);
        assert!(store.used_bytes() > 0, "the cut still needs it");
        finish(cut, &mut random);
        scene.engine.tick();
        assert_eq!(store.used_bytes(), 0);
    }
}

fn finish(mut cut: rkv_engine::keyspace::Cut<'_>, random: &mut Random) {
    let mut captured = Captured::default();
    let is_abandoned = random.below(2) == 0;
    while cut.drain(&mut captured).unwrap() && !is_abandoned {}
}

#[test]
fn databases_emptied_and_exchanged_under_a_cut_are_told_as_they_were() {
    let scene = Scene::new(2);
    let mut caller = scene.engine.caller();
    let mut expected = Shadow::new();
    for db in 0..3usize {
        run(&mut caller, &[b"SELECT", db.to_string().as_bytes()]);
        for number in 0..1_000 {
            let (key, value) = (format!("key:{number}").into_bytes(), format!("{db}:{number}").into_bytes());
            run(&mut caller, &[b"SET", &key, &value]);
            expected.insert((db, key), (value, None, false));
        }
    }
    let (mut cut, offset) = scene.engine.store().begin_cut().unwrap();
    assert_eq!(offset, 0, "the journal is off");
    let (mut captured, mut told) = (Captured::default(), Shadow::new());
    let commands: [&[&[u8]]; 6] = [
        &[b"SWAPDB", b"0", b"1"],
        &[b"SELECT", b"0"],
        &[b"FLUSHDB"],
        &[b"SET", b"key:1", b"new"],
        &[b"SWAPDB", b"0", b"2"],
        &[b"FLUSHALL"],
    ];
    for command in commands {
        run(&mut caller, command);
        for _ in 0..2 {
            assert!(cut.drain(&mut captured).unwrap());
            tell(&captured, &mut told);
        }
    }
    while cut.drain(&mut captured).unwrap() {
        tell(&captured, &mut told);
    }
    assert_same(&told, &expected, "emptied and exchanged");
    drop(cut);
    assert_eq!(scene.engine.store().begin_cut().unwrap().0.drain(&mut captured), Ok(false), "nothing is left");
}

#[test]
fn large_values_are_shared_with_the_snapshot() {
    let scene = Scene::new(0);
    let mut caller = scene.engine.caller();
    run(&mut caller, &[b"SET", b"key", &vec![b'x'; 100_000]]);
    let before = scene.engine.store().used_bytes();
    let (mut cut, _) = scene.engine.store().begin_cut().unwrap();
    let mut captured = Captured::default();
    assert!(cut.drain(&mut captured).unwrap());
    run(&mut caller, &[b"APPEND", b"key", b"y"]);
    let entry = captured.iter().next().expect("one key");
    let CapturedValue::Whole(ValueRef::Shared(shared)) = entry.value else { panic!("{:?}", entry.value) };
    assert_eq!(shared.len(), 100_000, "a later change is not seen");
    assert_eq!(cut.drain(&mut captured), Ok(false));
    // The old string waits to be dropped, unless somebody else holds it.
    scene.engine.tick();
    assert!(scene.engine.store().used_bytes() < before + 100_000, "there is one copy in the keyspace");
}

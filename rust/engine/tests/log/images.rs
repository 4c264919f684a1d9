//! Hundreds of thousands of disks after a crash, each of which must give a state that was, and none older than what was
//! promised.
//!
//! # What is looked at
//!
//! Before every operation of a run many crashes are simulated, each by a seed of its own. Equal disks are looked at once. Every
//! other one is *glanced at*: its manifest is read, its base must be what was written, its log is scanned, what is whole
//! must be the beginning of what was written, end where a change ended, and reach as far as was promised. That is all that
//! loading goes by, but for the commands themselves; a sample, and every disk that has no manifest yet, is loaded by a
//! store and compared by digest.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rkv_engine::clock::ManualClock;
use rkv_engine::files::{Files, SimulatedFiles};
use rkv_engine::persist::aof::{Manifest, scan};

use super::support::{Look, Watched, change, digest, open, run};
use crate::chance::{Random, seed};

const START_MS: i64 = 1_700_000_000_000;
const CHANGES: usize = 60;
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
/// Crashes before each operation.
const CRASHES: usize = 300;
/// Runs with each policy, unless `RKV_LOG_ROUNDS` says how many: a million crashes in all.
const ROUNDS: usize = 8;
/// One in so many different disks is loaded.
const LOADED: usize = 400;

/// What the crashes of a run gave.
#[derive(Default)]
struct Seen {
    crashes: usize,
    known: HashSet<u64>,
    /// How far the log of a disk reaches, and how many changes were promised.
    reached: HashSet<(u64, usize)>,
    /// Disks to be loaded, with what was promised.
    sample: Vec<(SimulatedFiles, usize, String)>,
    /// What was written to each file of the log so far.
    written: BTreeMap<String, Vec<u8>>,
    glances: usize,
}

/// What a disk holds, as one number.
fn print_of(disk: &SimulatedFiles, state: &RandomState) -> u64 {
    let names = disk.list("appendonlydir").unwrap_or_default();
    let all: Vec<_> = names.iter().map(|name| (name, disk.contents(&format!("appendonlydir/{name}")))).collect();
    state.hash_one(all)
}

/// The journal offset up to which the log of a disk reaches, found by reading alone; `None` if it must be loaded.
fn glance(disk: &SimulatedFiles, written: &BTreeMap<String, Vec<u8>>, case: &str) -> Option<u64> {
    let manifest = Manifest::parse(&disk.contents(MANIFEST)?).unwrap_or_else(|error| panic!("{case}: {error}"));
    let contents = |name: &str| {
        let path = format!("appendonlydir/{name}");
        let there = disk.contents(&path).unwrap_or_else(|| panic!("{case}: {name} is named and not there"));
        (there, &written[&path], path)
    };
    let base = manifest.base.as_ref()?;
    let (there, whole, _) = contents(&base.name);
    assert!(there == *whole, "{case}: {} is named and not whole", base.name);
    let mut reached = None;
    for (number, file) in manifest.incr.iter().enumerate() {
        let (there, whole, path) = contents(&file.name);
        let found = scan(&*disk.open(&path).unwrap(), 0).unwrap();
        assert!(!found.damage.is_some_and(|damage| damage.is_within), "{case}: {} would be refused", file.name);
        assert!(
            found.damage.is_none() || manifest.incr[number + 1..].iter().all(|later| is_begun(disk, &later.name)),
            "{case}: {} is damaged and not the last",
            file.name
        );
        let prefix = &there[..found.whole_bytes as usize];
        assert!(whole.starts_with(prefix), "{case}: {} holds what was never written", file.name);
        if found.commands > 0 || reached.is_none() {
            reached = Some(found.last?.last);
        }
    }
    reached
}

fn is_begun(disk: &SimulatedFiles, name: &str) -> bool {
    let file = disk.open(&format!("appendonlydir/{name}")).unwrap();
    scan(&*file, 0).is_ok_and(|found| found.commands == 0 && found.damage.is_none())
}

fn look(seen: &mut Seen, disk: &SimulatedFiles, state: &RandomState, crashes: usize, promised: usize, first: u64) {
    for name in disk.list("appendonlydir").unwrap_or_default() {
        let path = format!("appendonlydir/{name}");
        let contents = disk.contents(&path).unwrap_or_default();
        seen.written.insert(path, contents);
    }
    for number in 0..crashes as u64 {
        let image = disk.crash(first.wrapping_add(number));
        seen.crashes += 1;
        if !seen.known.insert(print_of(&image, state)) {
            continue;
        }
        let case = format!("crash {}", first.wrapping_add(number));
        match glance(&image, &seen.written, &case) {
            Some(offset) => {
                seen.glances += 1;
                seen.reached.insert((offset, promised));
                if seen.glances.is_multiple_of(LOADED) {
                    seen.sample.push((image, promised, case));
                }
            }
            None => seen.sample.push((image, promised, case)),
        }
    }
}

/// A run with crashes before every operation: how many, how many different disks, how many of them loaded.
fn crashing(policy: &'static str, crashes: usize, random: &mut Random) -> (usize, usize, usize) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let durable = Arc::new(AtomicUsize::new(0));
    let first = random.next();
    let look: Look = {
        let (seen, durable, state) = (Arc::clone(&seen), Arc::clone(&durable), RandomState::new());
        Arc::new(move |disk| {
            let mut seen = seen.lock().unwrap();
            let first = first.wrapping_add(seen.crashes as u64);
            look(&mut seen, disk, &state, crashes, durable.load(Ordering::Relaxed), first);
        })
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    let files = Watched { disk: SimulatedFiles::new(), look };
    let engine = open(Arc::new(files), &clock, &[("appendfsync", policy)]).unwrap();
    let mut caller = engine.caller();
    let (mut digests, mut ends) = (vec![digest(&engine)], vec![engine.store().journal.end()]);
    for number in 0..CHANGES {
        assert!(change(&mut caller, random));
        digests.push(digest(&engine));
        ends.push(engine.store().journal.end());
        let is_tick = number % 9 == 5;
        if is_tick {
            clock.advance_ms(1_100);
            engine.tick();
        }
        if policy == "always" || is_tick && policy == "everysec" {
            durable.store(number + 1, Ordering::Relaxed);
        }
        if number == CHANGES / 3 || number == CHANGES / 2 {
            run(&mut caller, &["BGREWRITEAOF"]);
        }
    }
    drop(caller);
    engine.close();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    for (offset, promised) in &seen.reached {
        let place = ends.iter().rposition(|end| end == offset);
        let place = place.unwrap_or_else(|| panic!("{policy}: offset {offset} is within a change"));
        assert!(place >= *promised, "{policy}: state {place}, {promised} were promised");
    }
    for (disk, promised, case) in &seen.sample {
        let reopened = open(Arc::new(disk.clone()), &clock, &[]).unwrap_or_else(|error| panic!("{case}: {error}"));
        let found = digest(&reopened);
        let place = digests.iter().rposition(|digest| *digest == found);
        let place = place.unwrap_or_else(|| panic!("{case}: a state that never was"));
        assert!(place >= *promised, "{case}: state {place}, {promised} were promised");
    }
    (seen.crashes, seen.known.len(), seen.sample.len())
}

fn all_crashes(policy: &'static str) {
    let rounds = std::env::var("RKV_LOG_ROUNDS").ok().map_or(ROUNDS, |text| text.parse().expect("a number"));
    let mut random = Random(seed());
    let (mut all, mut different, mut loaded) = (0, 0, 0);
    for _ in 0..rounds {
        let figures = crashing(policy, CRASHES, &mut random);
        all += figures.0;
        different += figures.1;
        loaded += figures.2;
    }
    println!("{policy}: {all} crashes, {different} different disks, {loaded} of them loaded");
    assert!(all > rounds * 100 * CRASHES && different > all / 100 && loaded > different / LOADED);
}

#[test]
fn no_crash_takes_what_was_replied_when_each_reply_waits_for_the_disk() {
    all_crashes("always");
}

#[test]
fn no_crash_takes_more_than_a_second_when_the_disk_is_synced_each_second() {
    all_crashes("everysec");
}

#[test]
fn no_crash_mixes_states_when_nothing_is_synced() {
    all_crashes("no");
}

//! The power goes before every operation of a run: whatever the disk keeps, the log gives a state that was, and none older
//! than what was promised.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rkv_engine::clock::ManualClock;
use rkv_engine::files::{Damage, SimulatedFiles};

use crate::chance::{Random, seed};
use crate::support::{Look, Watched, change, digest, open, run, shared};

const START_MS: i64 = 1_700_000_000_000;
const CHANGES: usize = 60;
const DAMAGES: [Damage; 5] = [Damage::Lost, Damage::Kept, Damage::Torn, Damage::Pages, Damage::Zeros];

/// A disk after a crash, with what it must hold: at least the first states of this number.
struct Image {
    disk: SimulatedFiles,
    least: usize,
    case: String,
}

struct Run {
    images: Arc<Mutex<Vec<Image>>>,
    replied: Arc<AtomicUsize>,
    durable: Arc<AtomicUsize>,
    digests: Vec<String>,
}

fn crashing(policy: &str, directives: &[(&str, &str)], random: &mut Random) -> Run {
    let images = shared::<Image>();
    let (replied, durable) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counter = AtomicUsize::new(random.next() as usize);
    let look: Look = {
        let (images, replied, durable) = (Arc::clone(&images), Arc::clone(&replied), Arc::clone(&durable));
        Arc::new(move |disk| {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            let (replied, durable) = (replied.load(Ordering::Relaxed), durable.load(Ordering::Relaxed));
            let case = |what: String| format!("{what}, operation {}, {replied} replied", disk.operations());
            let damage = DAMAGES[number % DAMAGES.len()];
            let put = |disk: SimulatedFiles, least, case| {
                images.lock().unwrap().push(Image { disk, least, case });
            };
            put(disk.crash(number as u64), durable, case(format!("seed {number}")));
            put(disk.crash_as(damage, true, number as u64), durable, case(format!("{damage:?} {number}")));
            if number.is_multiple_of(4) {
                // Only the process ended.
                put(disk.crash_as(Damage::Kept, true, 0), replied, case("kill".into()));
            }
        })
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    let files = Watched { disk: SimulatedFiles::new(), look };
    let directives: Vec<_> = [("appendfsync", policy)].iter().chain(directives).copied().collect();
    let engine = open(Arc::new(files), &clock, &directives).unwrap();
    let mut caller = engine.caller();
    let mut digests = vec![digest(&engine)];
    for number in 0..CHANGES {
        assert!(change(&mut caller, random));
        digests.push(digest(&engine));
        replied.store(number + 1, Ordering::Relaxed);
        if policy == "always" {
            durable.store(number + 1, Ordering::Relaxed);
        }
        if number % 9 == 5 {
            clock.advance_ms(1_100);
            engine.tick();
            if policy == "everysec" {
                durable.store(number + 1, Ordering::Relaxed);
            }
        }
        if number == CHANGES / 3 || number == CHANGES / 2 {
            let reply = run(&mut caller, &["BGREWRITEAOF"]);
            assert!(reply.starts_with("Background append only file rewriting"), "{reply}");
        }
    }
    drop(caller);
    engine.close();
    Run { images, replied, durable, digests }
}

fn check(done: &Run, seed: u64) -> usize {
    let clock = Arc::new(ManualClock::new(START_MS));
    let images = std::mem::take(&mut *done.images.lock().unwrap());
    let (mut checked, mut oldest) = (0, usize::MAX);
    for Image { disk, least, case } in images {
        let reopened =
            open(Arc::new(disk.clone()), &clock, &[]).unwrap_or_else(|error| panic!("seed {seed}, {case}: {error}"));
        let found = digest(&reopened);
        drop(reopened);
        // States may be equal, and the latest is what the log gave.
        let place = done.digests.iter().rposition(|digest| *digest == found);
        let place = place.unwrap_or_else(|| panic!("seed {seed}, {case}: a state that never was"));
        assert!(place >= least, "seed {seed}, {case}: state {place}, {least} were promised");
        oldest = oldest.min(place);
        let again = open(Arc::new(disk.clone()), &clock, &[]).unwrap();
        assert_eq!(digest(&again), found, "seed {seed}, {case}: the second start gave something else");
        if checked % 8 == 0 {
            // What is written after a crash is found, too.
            run(&mut again.caller(), &["SET", "after", "crash"]);
            let expected = digest(&again);
            drop(again);
            let third =
                open(Arc::new(disk), &clock, &[]).unwrap_or_else(|error| panic!("seed {seed}, {case}: {error}"));
            assert_eq!(digest(&third), expected, "seed {seed}, {case}: the third start gave something else");
        }
        checked += 1;
    }
    assert_eq!(done.replied.load(Ordering::Relaxed), CHANGES);
    assert!(oldest < CHANGES && done.durable.load(Ordering::Relaxed) <= CHANGES);
    checked
}

/// Takes images of a run before each of its operations, and opens all of them; panics where one shows a wrong state.
pub fn all_images(policy: &str, directives: &[(&str, &str)]) {
    let seed = seed();
    let mut random = Random(seed);
    let mut checked = 0;
    let rounds = std::env::var("RKV_LOG_ROUNDS").ok().map_or(2, |text| text.parse().expect("a number"));
    for _ in 0..rounds {
        checked += check(&crashing(policy, directives, &mut random), seed);
    }
    println!("{checked} images");
    assert!(checked > rounds * 100);
}

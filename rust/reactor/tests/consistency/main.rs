//! Concurrent histories, threads and sockets, checked for strict serializability; and bugs that are switched on one after
//! the other, each of which the same checks must find.
//!
//! `RKV_TEST_SEED` repeats a run, as far as threads can be repeated; `RKV_TRANSACTIONS` says how many (200000).

#[path = "../../../collections/tests/support/chance.rs"]
mod chance;
mod check;
mod checker_tests;
mod client;
mod graph;
mod history;
#[path = "../../../engine/tests/log/power.rs"]
mod power;
mod queues;
mod scenarios;
#[path = "../../../engine/tests/log/support.rs"]
mod support;
#[expect(dead_code, reason = "the tests of MIGRATE need more of it")]
#[path = "../../../engine/tests/migrate/target.rs"]
mod target;
mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use check::{Anomaly, Problem};
use rkv_engine::seeded::{self, Bug};

/// Bugs are switched on in the whole process, so tests that run a store do it one after the other.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Transactions that are checked together.
const PART: usize = 10_000;
/// How often a bug that needs threads to meet gets its chance.
const TRIES: u64 = 20;

#[test]
fn no_history_has_an_anomaly() {
    let _turn = turn();
    let seed = chance::seed();
    let count = std::env::var("RKV_TRANSACTIONS").ok().map_or(200_000, |text| text.parse().expect("a number"));
    for part in 0..usize::div_ceil(count, PART) {
        let found = workload::run(seed.wrapping_add(part as u64), PART);
        assert!(found.is_empty(), "seed {seed}, part {part}: {} anomalies, the first is {:?}", found.len(), found[0]);
    }
}

#[test]
fn no_scenario_goes_wrong() {
    let _turn = turn();
    let mut found = scenarios::all();
    found.extend(scenarios::what_is_evicted_is_written_down());
    assert!(found.is_empty(), "{found:?}");
}

/// What a bug is found by.
fn hunt(bug: Bug, seed: u64) -> Vec<Anomaly> {
    match bug {
        Bug::ExecNotAtomic | Bug::DroppedLock | Bug::EarlyUnlock | Bug::WatchNotTold => workload::run(seed, 3_000),
        Bug::ReplyBeforeLog | Bug::SkippedFsync | Bug::TornTailAccepted => {
            power::all_images("always", &[]);
            Vec::new()
        }
        Bug::WrongChecksumAccepted => scenarios::damaged_log().into_iter().collect(),
        Bug::EvictionNotLogged => scenarios::what_is_evicted_is_written_down().into_iter().collect(),
        _ => scenarios::all(),
    }
}

/// A panic is a find, too: what the tests of the log assert, or a reply that is none.
fn is_found(bug: Bug, seed: u64) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| hunt(bug, seed))) {
        Ok(found) => found.first().map(|anomaly| format!("{:?}: {}", anomaly.problem, anomaly.what)),
        Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".into())),
    }
}

#[test]
fn every_seeded_bug_is_found() {
    let _turn = turn();
    let seed = chance::seed();
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        seeded::switch(Some(bug));
        let found = (0..TRIES).find_map(|attempt| Some((attempt, is_found(bug, seed.wrapping_add(attempt))?)));
        seeded::switch(None);
        match found {
            Some((attempt, what)) => {
                println!("{bug:?} at try {}: {}", attempt + 1, what.chars().take(160).collect::<String>());
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "seed {seed}: {missed:?} were not found");
}

/// What a scenario says when something else happens than it should.
fn unless(is_right: bool, problem: Problem, what: &str) -> Option<Anomaly> {
    (!is_right).then(|| Anomaly::new(problem, what))
}

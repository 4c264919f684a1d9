//! Every operation fails once: what was promised stays, and what cannot be promised is refused.

use std::io::ErrorKind;
use std::sync::Arc;

use rkv_engine::clock::ManualClock;
use rkv_engine::files::{Damage, Fault, Files, SimulatedFiles};

use super::support::{change, digest, open, run};
use crate::chance::{Random, seed};

const START_MS: i64 = 1_700_000_000_000;
const CHANGES: usize = 14;

/// Runs with one operation failing; the disk, the digests after each change that was replied, and whether it was reached.
fn failing(policy: &str, operation: u64, kind: ErrorKind, seed: u64) -> bool {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let case = format!("seed {seed}, {policy}, operation {operation}, {kind}");
    disk.fail(Fault { operations: operation..operation + 1, kind });
    let Ok(engine) = open(Arc::new(disk.clone()), &clock, &[("appendfsync", policy)]) else {
        // The start failed; nothing was promised.
        return disk.operations() > operation;
    };
    let mut caller = engine.caller();
    let mut random = Random(seed);
    let mut digests = vec![digest(&engine)];
    let (mut refused, mut is_stopped) = (0, false);
    for number in 0..CHANGES {
        let before = digests.last().cloned().unwrap();
        if change(&mut caller, &mut random) {
            digests.push(digest(&engine));
        } else if engine.store().is_poisoned() {
            is_stopped = true;
            break;
        } else {
            // The one whose write failed was done, but not acknowledged; what is refused later is not done.
            refused += 1;
            let after = digest(&engine);
            assert!(after == before || refused == 1, "{case}: refused and done all the same");
            if after != before {
                digests.push(after);
            }
        }
        if number % 5 == 3 {
            clock.advance_ms(1_100);
            engine.tick();
        }
        if number == CHANGES / 2 {
            run(&mut caller, &["BGREWRITEAOF"]);
        }
    }
    if !is_stopped {
        // New files are made, and writes are let in again.
        for _ in 0..4 {
            clock.advance_ms(1_100);
            engine.tick();
        }
        let is_done = !engine.store().is_poisoned() && change(&mut caller, &mut random);
        // With a longer sequence the operation that fails may only come now.
        is_stopped = engine.store().is_poisoned();
        assert!(is_done || is_stopped, "{case}: still refused");
        if is_done {
            digests.push(digest(&engine));
        }
    }
    let images = [disk.crash_as(Damage::Kept, true, 0), disk.crash_as(Damage::Lost, false, 0), disk.crash(seed)];
    let promised = if policy == "always" { digests.len() - 1 } else { 0 };
    drop(caller);
    for (number, image) in images.into_iter().enumerate() {
        let reopened =
            open(Arc::new(image), &clock, &[]).unwrap_or_else(|error| panic!("{case}, image {number}: {error}"));
        let found = digest(&reopened);
        let place = digests.iter().rposition(|digest| *digest == found);
        if is_stopped && place.is_none() {
            // The change that was not replied may be there.
            continue;
        }
        let place = place.unwrap_or_else(|| panic!("{case}, image {number}: a state that never was"));
        let least = if number == 0 && !is_stopped { digests.len() - 1 } else { promised };
        assert!(place >= least, "{case}, image {number}: state {place} of {}, {least} promised", digests.len());
    }
    disk.operations() > operation
}

#[test]
fn every_operation_may_fail() {
    let seed = seed();
    for policy in ["always", "everysec", "no"] {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            let mut operation = 0;
            while failing(policy, operation, kind, seed) {
                operation += 1;
            }
            assert!(operation > 60, "{operation} operations are too few");
        }
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[]).unwrap();
    let mut caller = engine.caller();
    let mut random = Random(seed());
    assert!(change(&mut caller, &mut random));
    disk.set_space(Some(1));
    for _ in 0..20 {
        if !change(&mut caller, &mut random) {
            break;
        }
        clock.advance_ms(500);
        engine.tick();
    }
    // What could not be written was done, but not acknowledged; from here on nothing is done.
    let before = digest(&engine);
    let reply = run(&mut caller, &["SET", "key", "value"]);
    assert!(reply.starts_with("MISCONF Errors writing to the AOF file: "), "{reply}");
    assert!(run(&mut caller, &["PING"]).starts_with("MISCONF"));
    assert!(!run(&mut engine.caller(), &["GET", "key:1"]).starts_with("MISCONF"));
    assert_eq!(digest(&engine), before);
    disk.heal();
    for _ in 0..4 {
        clock.advance_ms(500);
        engine.tick();
    }
    assert_eq!(run(&mut caller, &["SET", "key", "value"]), "OK");
    let after = digest(&engine);
    drop(caller);
    let crashed = disk.crash_as(Damage::Kept, true, 0);
    assert_eq!(digest(&open(Arc::new(crashed), &clock, &[]).unwrap()), after);
}

#[test]
fn damage_within_is_refused_by_name_and_offset() {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "always")]).unwrap();
    let mut caller = engine.caller();
    let mut random = Random(seed());
    for _ in 0..20 {
        assert!(change(&mut caller, &mut random));
    }
    let expected = digest(&engine);
    drop(caller);
    engine.close();
    let name = "appendonlydir/appendonly.aof.1.incr.aof";
    let bytes = disk.contents(name).unwrap();
    let reopen = |bytes: &[u8]| {
        let other = disk.crash_as(Damage::Kept, true, 0);
        other.put(name, bytes);
        (open(Arc::new(other.clone()), &clock, &[]), other)
    };
    assert_eq!(digest(&reopen(&bytes).0.unwrap()), expected);
    let mut broken = bytes.clone();
    let place = bytes.len() / 2;
    broken[place] ^= 1;
    let error = reopen(&broken).0.expect_err("durable data is damaged").to_string();
    assert!(error.contains(name) && error.contains("offset") && error.contains("rkv check --fix"), "{error}");
    let (_, other) = reopen(&bytes);
    other.remove("appendonlydir/appendonly.aof.1.base.rdb").unwrap();
    let error = open(Arc::new(other), &clock, &[]).expect_err("a file is missing").to_string();
    assert!(error.contains("appendonly.aof.1.base.rdb is named there, and is not"), "{error}");
    // A torn tail is set aside.
    let mut torn = bytes.clone();
    torn.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$1\r\na");
    let (engine, other) = reopen(&torn);
    assert_eq!(digest(&engine.unwrap()), expected);
    assert_eq!(other.contents(&format!("{name}.damaged.1")).unwrap(), torn[bytes.len()..]);
}

//! With `everysec` no more than two seconds may be lost: then writers wait, and nobody else does.

use std::sync::Arc;

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::ManualClock;
use rkv_engine::files::{Damage, SimulatedFiles};
use rkv_engine::handler::Args;
use rkv_engine::resp::Tape;
use rkv_engine::session::Session;

use super::support::{open, run};

/// Sends something and takes what may be sent back now.
fn ask(session: &mut Session, request: &str) -> String {
    session.receive(request.as_bytes());
    take(session)
}

fn take(session: &mut Session) -> String {
    session.poll();
    session.end_round();
    let bytes = session.output().to_vec();
    session.advance(bytes.len());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn writers_wait_for_a_disk_that_is_two_seconds_behind_and_readers_do_not() {
    let (disk, clock) = (SimulatedFiles::new(), Arc::new(ManualClock::new(1_700_000_000_000)));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "everysec")]).unwrap();
    let session = || engine.session(Origin::embedded(), Arc::new(NoWake));
    let (mut writer, mut reader) = (session(), session());
    assert_eq!(ask(&mut writer, "SET a 1\r\n"), "+OK\r\n");
    // Nobody ticks: the thread that would sync hangs in the disk.
    clock.advance_ms(1_900);
    assert_eq!(ask(&mut writer, "SET a 2\r\n"), "+OK\r\n", "it is not two seconds yet");
    clock.advance_ms(200);
    assert_eq!(ask(&mut writer, "SET a 3\r\n"), "", "it is, and this one would be lost with the others");
    assert!(writer.is_withheld());
    assert_eq!(ask(&mut reader, "GET a\r\nPING\r\n"), "$1\r\n3\r\n+PONG\r\n", "who only reads goes on");
    assert_eq!(ask(&mut writer, "GET a\r\n"), "", "replies of one connection stay in order");
    engine.tick();
    assert_eq!(take(&mut writer), "+OK\r\n$1\r\n3\r\n");
    let after = open(Arc::new(disk.crash_as(Damage::Lost, false, 0)), &clock, &[]).unwrap();
    assert_eq!(run(&mut after.caller(), &["GET", "a"]), "Some(Bulk([51]))", "and then it is on the disk");
}

/// `always` is group commit: whoever waits at the same time shares one write and one sync.
#[test]
fn one_sync_is_for_all_that_wait() {
    const CALLERS: usize = 100;
    let (disk, clock) = (SimulatedFiles::new(), Arc::new(ManualClock::new(1_700_000_000_000)));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "always")]).unwrap();
    let mut callers: Vec<_> = (0..CALLERS).map(|_| engine.caller()).collect();
    let before = disk.operations();
    for (number, caller) in callers.iter_mut().enumerate() {
        let key = format!("key:{number}");
        let words: [&[u8]; 3] = [b"SET", key.as_bytes(), b"v"];
        let command = engine.store().table.resolve(Args::new(&words)).unwrap();
        assert!(caller.try_call(command, &words, &mut Tape::new()) && caller.is_held());
    }
    assert_eq!(disk.operations(), before, "nobody writes alone");
    callers[0].wait_for_log(&mut Tape::new());
    assert!(callers.iter().all(|caller| !caller.is_held()));
    let operations = disk.operations() - before;
    assert!(operations <= 4, "{operations} operations for {CALLERS} writers");
    drop(callers);
    let after = open(Arc::new(disk.crash_as(Damage::Lost, false, 0)), &clock, &[]).unwrap();
    assert_eq!(run(&mut after.caller(), &["DBSIZE"]), format!("Some(Integer({CALLERS}))"));
}

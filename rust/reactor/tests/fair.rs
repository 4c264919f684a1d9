//! Nobody is served at the cost of others.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rkv_reactor::READ_BYTES_MAX;
use support::{Lab, ask};

#[test]
fn a_peer_that_never_reads_stops_nobody_but_itself() {
    let lab = Lab::new(1);
    let (mut deaf, station) = lab.tcp(true);
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut sent = 0;
    let refused = loop {
        match deaf.write(&[b'x'; 8192]) {
            Ok(length) => sent += length,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert!(sent > lab.output_limit, "{sent}");
    let waited = station.output_bytes_max.load(Ordering::SeqCst);
    assert!(waited <= lab.output_limit + READ_BYTES_MAX, "{waited} bytes waited");
    let before = lab.reactor.counters()[0];
    let (mut other, _) = lab.tcp(false);
    for _ in 0..100 {
        assert_eq!(ask(&mut other, "echo x"), "x");
    }
    let after = lab.reactor.counters()[0];
    assert_eq!(after.bytes_in - before.bytes_in, 700, "the deaf peer's bytes stay in its socket");
    assert!(after.rounds - before.rounds <= 110, "the thread does not spin");
    let mut received = 0;
    let mut chunk = vec![0; 1 << 16];
    while received < sent {
        received += deaf.read(&mut chunk).unwrap();
    }
    assert_eq!(received, sent);
}

#[test]
fn an_endless_pipeline_lets_others_in() {
    let lab = Lab::new(1);
    let (client, _) = lab.unix(true);
    let over = Arc::new(AtomicBool::new(false));
    let (mut writer, until) = (client.try_clone().unwrap(), Arc::clone(&over));
    let writing = thread::spawn(move || {
        let chunk = vec![b'x'; READ_BYTES_MAX];
        while !until.load(Ordering::SeqCst) {
            writer.write_all(&chunk).unwrap();
        }
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut reader = client;
    let reading = thread::spawn(move || {
        let mut chunk = vec![0; 4 * READ_BYTES_MAX];
        while reader.read(&mut chunk).unwrap() > 0 {}
    });
    let (mut other, _) = lab.unix(false);
    let mut between: Vec<u64> = (0..201)
        .map(|_| {
            let before = lab.reactor.counters()[0].reads;
            assert_eq!(ask(&mut other, "echo x"), "x");
            lab.reactor.counters()[0].reads - before
        })
        .collect();
    over.store(true, Ordering::SeqCst);
    writing.join().unwrap();
    reading.join().unwrap();
    between.sort_unstable();
    // The other's own read, one turn of the pipeline before it and one after; more while this thread is not scheduled.
    assert!(between[100] <= 32, "{between:?}");
}

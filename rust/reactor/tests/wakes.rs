//! Wakes from anywhere, deadlines, and the end of a round.

mod support;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use support::{Lab, Station, ask, noise, read_line};

/// The thread is about to sleep each time the next wake comes: a lost wake would leave the reader waiting.
#[test]
fn no_wake_is_lost_at_the_brink_of_sleep() {
    let lab = Lab::new(1);
    let (mut client, station) = lab.unix(false);
    assert_eq!(ask(&mut client, "echo ready"), "ready");
    for round in 0..30_000_u32 {
        station.inbox.lock().unwrap().push(round as u8);
        station.wake();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], round as u8);
    }
}

#[test]
fn no_wake_is_lost_among_many_wakers() {
    const CONNECTIONS: usize = 16;
    const WAKERS: u64 = 4;
    const WAKES: usize = 20_000;
    let lab = Lab::new(2);
    let mut ends: Vec<_> = (0..CONNECTIONS).map(|_| lab.unix(false)).collect();
    for (client, _) in &mut ends {
        assert_eq!(ask(client, "echo ready"), "ready");
    }
    let stations: Vec<Arc<Station>> = ends.iter().map(|(_, station)| Arc::clone(station)).collect();
    let wakers: Vec<_> = (1..=WAKERS)
        .map(|seed| {
            let stations = stations.clone();
            thread::spawn(move || {
                let mut counts = [0_usize; CONNECTIONS];
                for byte in noise(seed, WAKES) {
                    let chosen = usize::from(byte) % CONNECTIONS;
                    counts[chosen] += 1;
                    stations[chosen].inbox.lock().unwrap().push(b'.');
                    stations[chosen].wake();
                }
                counts
            })
        })
        .collect();
    let counts: Vec<_> = wakers.into_iter().map(|waker| waker.join().unwrap()).collect();
    for (number, (client, _)) in ends.iter_mut().enumerate() {
        let pushed = counts.iter().map(|counts| counts[number]).sum();
        client.read_exact(&mut vec![0; pushed]).unwrap();
    }
}

#[test]
fn a_wake_for_a_connection_that_is_gone_reaches_nobody() {
    let lab = Lab::new(1);
    let (client, old) = lab.unix(false);
    drop(client);
    lab.await_closed(1);
    let (mut client, new) = lab.unix(false);
    assert_eq!(ask(&mut client, "echo x"), "x");
    old.wake();
    assert_eq!(ask(&mut client, "echo x"), "x");
    assert_eq!(ask(&mut client, "echo x"), "x");
    assert_eq!((old.polls.load(Ordering::SeqCst), new.polls.load(Ordering::SeqCst)), (0, 0));
    new.inbox.lock().unwrap().extend_from_slice(b"now\n");
    new.wake();
    assert_eq!(read_line(&mut client), "now");
    assert_eq!(lab.reactor.counters()[0].wakes, 1);
}

#[test]
fn a_deadline_is_kept_and_never_early() {
    let lab = Lab::new(1);
    let (mut client, _) = lab.unix(false);
    let start = Instant::now();
    assert_eq!(ask(&mut client, "sleep 30000"), "late");
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn deadlines_that_move_are_kept() {
    let lab = Lab::new(1);
    let (mut later, moved) = lab.unix(false);
    let (mut sooner, _) = lab.unix(false);
    let start = Instant::now();
    assert_eq!(ask(&mut later, "sleep 20000\necho x"), "x");
    later.write_all(b"sleep 60000\n").unwrap();
    assert_eq!(ask(&mut sooner, "sleep 600000000\necho x"), "x");
    sooner.write_all(b"sleep 10000\n").unwrap();
    assert_eq!(read_line(&mut sooner), "late");
    assert!(start.elapsed() >= Duration::from_millis(10));
    assert_eq!(read_line(&mut later), "late");
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(moved.polls.load(Ordering::SeqCst), 1);
}

#[test]
fn many_deadlines_come_true() {
    let lab = Lab::new(2);
    let mut clients: Vec<_> = (0..200).map(|_| lab.unix(false).0).collect();
    for (client, delay) in clients.iter_mut().zip(noise(3, 200)) {
        client.write_all(format!("sleep {}\n", u32::from(delay) * 200).as_bytes()).unwrap();
    }
    for client in &mut clients {
        assert_eq!(read_line(client), "late");
    }
}

/// A log that is written once per round: replies are withheld until then, and the end of the round wakes their sessions.
#[test]
fn what_the_end_of_a_round_wakes_is_served_before_sleep() {
    let parked: Arc<Mutex<Vec<Arc<Station>>>> = Arc::default();
    let (at_end, rounds) = (Arc::clone(&parked), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&rounds);
    let lab = Lab::with_round(
        1,
        Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            for station in at_end.lock().unwrap().iter() {
                if station.gated.swap(false, Ordering::SeqCst) {
                    station.wake();
                }
            }
        }),
    );
    let (mut client, station) = lab.unix(false);
    parked.lock().unwrap().push(station);
    let before = lab.reactor.counters()[0].rounds;
    for _ in 0..100 {
        assert_eq!(ask(&mut client, "hold"), "held");
    }
    assert!(rounds.load(Ordering::SeqCst) >= 100);
    let waits = lab.reactor.counters()[0].rounds - before;
    assert!(waits <= 110, "{waits} waits for 100 requests");
}

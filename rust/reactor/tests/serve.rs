//! What a reactor does for connections that behave: bytes go through whole, at one read and one write per request.

mod support;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread;

use rkv_reactor::READ_BYTES_MAX;
use rustix::process::{Resource, getrlimit, setrlimit};
use support::{Lab, PATIENCE, ask, noise, read_all, read_line, tcp_pair};

#[test]
fn bytes_that_come_one_by_one_are_answered() {
    let lab = Lab::new(1);
    let (mut tcp, _) = lab.tcp(false);
    let (mut unix, _) = lab.unix(false);
    for byte in b"echo one\necho two\n" {
        tcp.write_all(&[*byte]).unwrap();
        unix.write_all(&[*byte]).unwrap();
    }
    assert_eq!([read_line(&mut tcp), read_line(&mut tcp)], ["one", "two"]);
    assert_eq!([read_line(&mut unix), read_line(&mut unix)], ["one", "two"]);
}

#[test]
fn a_request_costs_one_read_and_one_write() {
    let lab = Lab::new(1);
    let (mut tcp, _) = lab.tcp(false);
    let (mut unix, _) = lab.unix(false);
    for _ in 0..1000 {
        assert_eq!(ask(&mut tcp, "echo x"), "x");
        assert_eq!(ask(&mut unix, "echo y"), "y");
    }
    lab.reactor.stop(PATIENCE);
    let counters = lab.reactor.counters()[0];
    assert_eq!((counters.reads, counters.writes), (2000, 2000));
    assert_eq!((counters.bytes_in, counters.bytes_out), (2000 * 7, 2000 * 2));
    assert_eq!(counters.wakes, 0);
    assert!(counters.rounds <= 2000 + 10, "{counters:?}");
}

#[test]
fn much_goes_through_a_slow_reader_whole() {
    const LENGTH: usize = 64 << 20;
    let lab = Lab::new(1);
    let (client, station) = lab.tcp(true);
    let sent = noise(7, LENGTH);
    let mut writer = client.try_clone().unwrap();
    let (mut reader, expected) = (client, sent.clone());
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut chunk = [0; 5000];
    let mut at = 0;
    loop {
        let length = reader.read(&mut chunk).unwrap();
        if length == 0 {
            break;
        }
        assert!(chunk[..length] == expected[at..at + length], "wrong bytes at {at}");
        at += length;
        thread::yield_now();
    }
    assert_eq!(at, LENGTH);
    writing.join().unwrap();
    lab.await_closed(1);
    let waited = station.output_bytes_max.load(Ordering::SeqCst);
    assert!(waited <= lab.output_limit + READ_BYTES_MAX, "{waited} bytes waited");
}

#[test]
fn a_client_that_has_said_all_gets_all_replies() {
    let lab = Lab::new(1);
    let (mut tcp, _) = lab.tcp(false);
    let (mut unix, _) = lab.unix(false);
    tcp.write_all(b"echo one\nflood 8000000\necho two\n").unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    unix.write_all(b"echo one\nflood 8000000\necho two\n").unwrap();
    unix.shutdown(Shutdown::Write).unwrap();
    for replies in [read_all(&mut tcp), read_all(&mut unix)] {
        assert_eq!(replies.len(), 8_000_008);
        assert!(replies.starts_with(b"one\nx") && replies.ends_with(b"xtwo\n"));
    }
    lab.await_closed(2);
    assert_eq!(lab.reactor.connections(), 0);
}

#[test]
fn withheld_replies_outlive_a_half_close() {
    let lab = Lab::new(1);
    let (mut client, station) = lab.unix(false);
    let (mut other, _) = lab.unix(false);
    client.write_all(b"hold\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    while !station.gated.load(Ordering::SeqCst) {
        assert_eq!(ask(&mut other, "echo x"), "x");
    }
    // The thread has seen the end by the time it has served another twice.
    assert_eq!(ask(&mut other, "echo x"), "x");
    assert_eq!(ask(&mut other, "echo x"), "x");
    station.gated.store(false, Ordering::SeqCst);
    station.wake();
    assert_eq!(read_all(&mut client), b"held\n");
}

/// A Unix socket that is closed with unread input resets its peer, even after a shutdown.
#[test]
fn the_last_reply_survives_input_that_nobody_reads() {
    let lab = Lab::new(1);
    let (mut client, server) = UnixStream::pair().unwrap();
    let mut words = b"quit\n".to_vec();
    words.resize(READ_BYTES_MAX + 5000, b'.');
    client.write_all(&words).unwrap();
    lab.adopt(server, false).unwrap();
    assert_eq!(read_all(&mut client), b"bye\n");
    lab.await_closed(1);
}

/// Room that a reader makes in a Unix socket is an event for whoever asked for it.
#[test]
fn nobody_is_told_of_room_once_the_output_is_sent() {
    let lab = Lab::new(1);
    let (mut client, _) = lab.unix(false);
    client.write_all(b"flood 3000000\n").unwrap();
    client.read_exact(&mut vec![0; 3_000_000]).unwrap();
    assert_eq!(ask(&mut client, "echo x"), "x");
    let before = lab.reactor.counters()[0].rounds;
    for _ in 0..1000 {
        assert_eq!(ask(&mut client, "echo x"), "x");
    }
    let waits = lab.reactor.counters()[0].rounds - before;
    assert!(waits <= 1010, "{waits} waits for 1000 requests");
}

#[test]
fn two_thousand_connections_are_served() {
    const COUNT: usize = 2000;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let lab = Lab::new(3);
    let mut clients: Vec<_> = (0..COUNT).map(|_| lab.unix(false).0).collect();
    assert_eq!(lab.reactor.connections(), COUNT);
    let spread: Vec<usize> = lab.reactor.counters().iter().map(|thread| thread.connections).collect();
    assert!(spread.iter().all(|&count| count.abs_diff(COUNT / 3) <= 1), "{spread:?}");
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(format!("echo {round}/{number}\n").as_bytes()).unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(read_line(client), format!("{round}/{number}"));
        }
    }
    drop(clients);
    lab.await_closed(COUNT);
    assert_eq!(lab.reactor.connections(), 0);
}

#[test]
fn threads_have_names_and_share_the_connections() {
    let lab = Lab::new(2);
    let (mut first, _) = lab.unix(false);
    let (mut second, _) = lab.unix(false);
    let mut names = [ask(&mut first, "whoami"), ask(&mut second, "whoami")];
    names.sort();
    assert_eq!(names, ["test-io-0", "test-io-1"]);
}

#[test]
fn bytes_sent_before_the_handover_are_served() {
    let lab = Lab::new(1);
    let (mut client, server) = tcp_pair();
    client.write_all(b"echo early\n").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    lab.adopt(server, false).unwrap();
    assert_eq!(read_line(&mut client), "early");
}

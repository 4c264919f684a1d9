//! Ends: stops, resets, panics.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use support::{Lab, PATIENCE, ask, read_all, read_line, tcp_pair};

#[test]
fn a_stop_runs_what_has_come_and_sends_all_output() {
    for _ in 0..100 {
        let lab = Lab::new(1);
        let (mut client, _) = lab.unix(false);
        assert_eq!(ask(&mut client, "echo ready"), "ready");
        client.write_all(b"flood 3000000\necho last\n").unwrap();
        let reactor = lab.reactor.clone();
        let stopping = thread::spawn(move || reactor.stop(PATIENCE));
        let replies = read_all(&mut client);
        assert_eq!(replies.len(), 3_000_005);
        assert!(replies.ends_with(b"xlast\n"));
        stopping.join().unwrap();
        lab.await_closed(1);
    }
}

#[test]
fn a_stop_does_not_wait_longer_than_its_grace() {
    let lab = Lab::new(2);
    let (mut stuck, _) = lab.tcp(false);
    let (mut idle, _) = lab.tcp(false);
    stuck.write_all(b"flood 100000000\n").unwrap();
    stuck.read_exact(&mut [0]).unwrap();
    assert_eq!(ask(&mut idle, "echo x"), "x");
    let start = Instant::now();
    lab.reactor.stop(Duration::from_millis(50));
    assert!(start.elapsed() >= Duration::from_millis(50) && start.elapsed() < PATIENCE);
    lab.await_closed(2);
    assert_eq!(read_all(&mut idle), b"");
    assert_eq!(lab.reactor.connections(), 0);
    lab.reactor.stop(PATIENCE);
    let (_client, server) = tcp_pair();
    let refused = lab.adopt(server, false).err().expect("nobody is there to serve");
    assert_eq!(refused.kind(), ErrorKind::NotConnected);
}

#[test]
fn an_idle_reactor_stops_at_once_whatever_its_grace() {
    let lab = Lab::new(3);
    let (mut client, _) = lab.unix(false);
    assert_eq!(ask(&mut client, "echo x"), "x");
    let start = Instant::now();
    lab.reactor.stop(Duration::MAX);
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(read_all(&mut client), b"");
}

#[test]
fn the_last_handle_takes_the_threads_along() {
    let lab = Lab::new(1);
    let (mut client, _) = lab.unix(false);
    assert_eq!(ask(&mut client, "echo x"), "x");
    drop(lab);
    assert_eq!(read_all(&mut client), b"");
}

fn reset(client: TcpStream) {
    set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
}

#[test]
fn reset_peers_are_closed_and_others_served_on() {
    let lab = Lab::new(1);
    let (mut other, _) = lab.tcp(false);
    let (idle, _) = lab.tcp(false);
    let (mut sending, _) = lab.tcp(false);
    let (mut blocked, _) = lab.tcp(false);
    let (mut held, _) = lab.tcp(false);
    sending.write_all(b"flood 50000000\n").unwrap();
    sending.read_exact(&mut [0]).unwrap();
    blocked.write_all(b"echo x\nblock\n").unwrap();
    assert_eq!(read_line(&mut blocked), "x");
    held.write_all(b"hold\n").unwrap();
    assert_eq!(ask(&mut other, "echo x"), "x");
    for client in [idle, sending, blocked, held] {
        reset(client);
        assert_eq!(ask(&mut other, "echo x"), "x");
    }
    lab.await_closed(4);
    assert_eq!(lab.reactor.connections(), 1);
    assert_eq!(ask(&mut other, "echo x"), "x");
    assert!(lab.panics.try_recv().is_err());
}

#[test]
fn what_a_peer_sent_before_it_left_is_run() {
    let lab = Lab::new(1);
    let (mut client, server) = UnixStream::pair().unwrap();
    client.write_all(b"hold\n").unwrap();
    drop(client);
    let station = lab.adopt(server, false).unwrap();
    // Nobody can receive the reply any more, so the connection does not wait until it may be sent.
    lab.await_closed(1);
    assert!(station.gated.load(Ordering::SeqCst));
}

#[test]
fn a_blocked_machine_is_closed_when_its_peer_leaves() {
    let lab = Lab::new(1);
    let (mut client, _) = lab.tcp(false);
    client.write_all(b"block\n").unwrap();
    drop(client);
    lab.await_closed(1);
}

#[test]
fn a_panic_costs_one_connection() {
    let lab = Lab::new(1);
    let (mut other, _) = lab.unix(false);
    let (mut client, _) = lab.unix(false);
    client.write_all(b"echo x\npanic now\n").unwrap();
    assert_eq!(lab.panics.recv_timeout(PATIENCE).unwrap(), "told to: panic now");
    lab.await_closed(1);
    assert_eq!(read_all(&mut client), b"");
    let (mut client, _) = lab.unix(false);
    client.write_all(b"panic later\nquit\n").unwrap();
    assert_eq!(lab.panics.recv_timeout(PATIENCE).unwrap(), "told to drop so");
    lab.await_closed(1);
    let (_client, server) = UnixStream::pair().unwrap();
    lab.reactor.adopt(server, |_| panic!("not made")).unwrap();
    assert_eq!(lab.panics.recv_timeout(PATIENCE).unwrap(), "not made");
    lab.await_closed(1);
    assert_eq!(ask(&mut other, "echo x"), "x");
    assert_eq!(lab.reactor.connections(), 1);
}

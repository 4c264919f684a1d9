//! Sessions that listen, publish and cache: the order of what they are sent, what a client that goes leaves behind, and what
//! becomes of one that does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rkv_engine::client::{Kind, Origin, Transport, Wake};
use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::session::Session;
use rkv_engine::{Engine, EngineOptions};

/// Counts how often it was called.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn engine(limits: &str) -> (Arc<Engine>, Arc<ManualClock>) {
    let mut config = Config::default();
    let words: Vec<&str> = limits.split(' ').collect();
    config.set(b"client-output-buffer-limit", &words).expect("limits");
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let options = EngineOptions { config, shard_bits: 4, clock: clock.clone(), rows: &[], ..EngineOptions::default() };
    (Engine::new(options).expect("an engine"), clock)
}

fn session(engine: &Engine) -> (Session, Arc<Count>) {
    let origin = Origin { peer: "10.0.0.1:1".into(), local: "10.0.0.2:1".into(), transport: Transport::Tcp, fd: -1 };
    let wake = Arc::new(Count::default());
    (engine.session(origin, wake.clone()), wake)
}

/// Everything that may be sent.
fn sent(session: &mut Session) -> String {
    let mut all = Vec::new();
    while !session.output().is_empty() {
        let piece = session.output().to_vec();
        session.advance(piece.len());
        all.extend(piece);
    }
    String::from_utf8(all).expect("text")
}

fn ask(session: &mut Session, request: &str) -> String {
    session.receive(request.as_bytes());
    sent(session)
}

/// A session of RESP3.
fn third(engine: &Engine) -> Session {
    let (mut session, _) = session(engine);
    assert!(ask(&mut session, "HELLO 3\r\n").starts_with('%'));
    session
}

#[test]
fn own_messages_come_behind_the_reply_and_before_the_next() {
    let (engine, _) = engine("pubsub 0 0 0");
    let mut own = third(&engine);
    ask(&mut own, "SUBSCRIBE a __keyevent@0__:set\r\nCONFIG SET notify-keyspace-events KEA\r\nCLIENT TRACKING ON\r\n");
    assert_eq!(
        ask(&mut own, "PUBLISH a 1\r\nPING\r\nGET k\r\nSET k v\r\nPING\r\n"),
        ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n+PONG\r\n_\r\n+OK\r\n>3\r\n$7\r\nmessage\r\n\
         $18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n+PONG\r\n"
    );
}

#[test]
fn messages_before_the_end_of_a_subscription_come_before_its_confirmation() {
    let (engine, _) = engine("pubsub 0 0 0");
    let ((mut listening, _), (mut other, _)) = (session(&engine), session(&engine));
    ask(&mut listening, "SUBSCRIBE a\r\n");
    assert_eq!(ask(&mut other, "PUBLISH a 1\r\n"), ":1\r\n");
    assert_eq!(
        ask(&mut listening, "UNSUBSCRIBE\r\nPING\r\n"),
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n+PONG\r\n"
    );
}

#[test]
fn a_driver_is_woken_once_for_many_messages() {
    let (engine, _) = engine("pubsub 0 0 0");
    let ((mut listening, wake), (mut other, _)) = (session(&engine), session(&engine));
    ask(&mut listening, "SUBSCRIBE a\r\n");
    ask(&mut other, "PUBLISH a 1\r\nPUBLISH a 2\r\nMULTI\r\nPUBLISH a 3\r\nSET k v\r\nPUBLISH a 4\r\nEXEC\r\n");
    assert_eq!(wake.0.load(Ordering::Relaxed), 1);
    listening.poll();
    assert_eq!(sent(&mut listening).matches("message").count(), 4);
    ask(&mut other, "PUBLISH a 5\r\n");
    assert_eq!(wake.0.load(Ordering::Relaxed), 2);
}

#[test]
fn who_goes_leaves_nothing() {
    let (engine, _) = engine("pubsub 0 0 0");
    let store = engine.store();
    for request in ["", "RESET\r\n", "QUIT\r\n"] {
        let mut gone = third(&engine);
        ask(&mut gone, "SUBSCRIBE a b\r\nPSUBSCRIBE p*\r\nSSUBSCRIBE s\r\nCLIENT TRACKING ON\r\nMGET a b c\r\n");
        let mut hearing = third(&engine);
        ask(&mut hearing, "CLIENT TRACKING ON BCAST PREFIX x\r\n");
        let kinds = [Kind::Channel, Kind::Pattern, Kind::Shard];
        assert_eq!(kinds.map(|kind| store.pubsub.count(kind)), [2, 1, 1]);
        let trackers = &store.pubsub.trackers;
        assert_eq!((trackers.count(), trackers.keys(), trackers.items(), trackers.prefixes()), (2, 3, 3, 1));
        ask(&mut gone, request);
        ask(&mut hearing, request);
        drop((gone, hearing));
        assert_eq!(kinds.map(|kind| store.pubsub.count(kind)), [0, 0, 0]);
        assert_eq!((trackers.count(), trackers.keys(), trackers.items(), trackers.prefixes()), (0, 0, 0, 0));
        let locks = store.keyspace.lock(store.keyspace.all()).expect("shards");
        assert!(locks.iter().all(|shard| shard.tracked.is_empty() && !shard.is_observed()));
        assert_eq!(store.clients.connected(), 0);
    }
}

fn floods(engine: &Engine) -> u64 {
    engine.store().counters.floods.load(Ordering::Relaxed)
}

#[test]
fn who_leaves_too_much_unread_is_closed() {
    let (engine, _) = engine("pubsub 100000 0 0");
    let ((mut deaf, _), (mut other, _)) = (session(&engine), session(&engine));
    ask(&mut deaf, "SUBSCRIBE a\r\n");
    let publish = format!("PUBLISH a {}\r\n", "x".repeat(1000));
    for _ in 0..50 {
        ask(&mut other, &publish);
    }
    deaf.poll();
    assert!(!deaf.closing());
    for _ in 0..50 {
        ask(&mut other, &publish);
    }
    deaf.poll();
    assert!(deaf.closing() && deaf.output().is_empty());
    assert_eq!(floods(&engine), 1);
    // Even with a driver that is never heard of, no more than the limit waits.
    let (mut stuck, _) = session(&engine);
    ask(&mut stuck, "SUBSCRIBE b\r\n");
    let link = engine.store().clients.get(stuck.id()).expect("connected");
    for _ in 0..1000 {
        ask(&mut other, &publish.replace("H a", "H b"));
        assert!(link.unread_bytes() <= 100_000);
    }
    stuck.poll();
    assert!(stuck.closing());
    assert_eq!(floods(&engine), 2);
}

#[test]
fn who_leaves_much_unread_for_too_long_is_closed() {
    let (engine, clock) = engine("pubsub 0 10000 5");
    let ((mut slow, _), (mut other, _)) = (session(&engine), session(&engine));
    ask(&mut slow, "SUBSCRIBE a\r\n");
    let publish = format!("PUBLISH a {}\r\n", "x".repeat(20_000));
    ask(&mut other, &publish);
    slow.poll();
    let deadline_us = slow.deadline().expect("it has to read by then");
    clock.advance_ms(4000);
    slow.poll();
    assert!(!slow.closing());
    // It reads, so its time begins anew.
    sent(&mut slow);
    slow.poll();
    assert_eq!(slow.deadline(), None);
    clock.advance_ms(4000);
    ask(&mut other, &publish);
    slow.poll();
    assert!(!slow.closing() && slow.deadline() > Some(deadline_us));
    clock.advance_ms(5001);
    slow.poll();
    assert!(slow.closing());
    assert_eq!(floods(&engine), 1);
}

#[test]
fn many_listeners_share_what_they_are_sent() {
    let (engine, _) = engine("pubsub 0 0 0");
    let mut listening: Vec<_> = (0..1000).map(|_| session(&engine).0).collect();
    for session in &mut listening {
        ask(session, "SUBSCRIBE a\r\n");
    }
    let (mut other, _) = session(&engine);
    let text = "x".repeat(60_000);
    assert_eq!(ask(&mut other, &format!("PUBLISH a {text}\r\n")), ":1000\r\n");
    let first = engine.store().clients.get(listening[0].id()).expect("connected");
    assert!(first.unread_bytes() > 60_000);
    for session in &mut listening {
        session.poll();
        assert!(sent(session).ends_with(&format!("{text}\r\n")));
    }
}

#[test]
fn who_caches_hears_of_evicted_keys() {
    for mode in ["", " BCAST PREFIX cached:"] {
        let (engine, _) = engine("pubsub 0 0 0");
        let (mut caching, mut other) = (third(&engine), third(&engine));
        ask(&mut other, "SET cached:1 v\r\n");
        ask(&mut caching, &format!("CLIENT TRACKING ON{mode}\r\nGET cached:1\r\n"));
        ask(&mut other, "CONFIG SET maxmemory-policy allkeys-random maxmemory 1\r\nSET more v\r\nPING\r\n");
        assert_eq!(ask(&mut other, "EXISTS cached:1\r\n"), ":0\r\n", "it was evicted");
        caching.poll();
        assert_eq!(sent(&mut caching), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$8\r\ncached:1\r\n", "mode '{mode}'");
    }
}

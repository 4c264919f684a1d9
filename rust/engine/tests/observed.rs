//! What is remembered of commands, and what is done with connections: times, logs, pauses, limits of buffers, the
//! configuration file.

use std::sync::Arc;

use rkv_engine::client::{NoWake, Origin, Transport};
use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::observe::LogKind;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::session::Session;
use rkv_engine::{Caller, Engine, EngineOptions};

fn engine_with(options: EngineOptions) -> (Arc<Engine>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    (Engine::new(EngineOptions { clock: Arc::clone(&clock) as Arc<_>, ..options }).unwrap(), clock)
}

fn engine() -> (Arc<Engine>, Arc<ManualClock>) {
    engine_with(EngineOptions::default())
}

fn session(engine: &Engine) -> Session {
    let origin = Origin { peer: "127.0.0.1:1".into(), local: "127.0.0.1:2".into(), transport: Transport::Tcp, fd: -1 };
    engine.session(origin, Arc::new(NoWake))
}

/// Everything that may be sent now, taken.
fn sent(session: &mut Session) -> String {
    let mut all = Vec::new();
    while !session.output().is_empty() {
        let count = session.output().len();
        all.extend_from_slice(session.output());
        session.advance(count);
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn call(caller: &mut Caller, words: &[&[u8]]) -> String {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    match tape.first() {
        Some(Value::Error(error)) => error.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

fn calls_of(engine: &Engine, name: &[u8]) -> u64 {
    let store = engine.store();
    store.observed.commands.gather();
    store.observed.commands.of(store.table.full_named(name).unwrap().id).unwrap().calls()
}

#[test]
fn every_way_of_calling_counts() {
    let (engine, _clock) = engine();
    let mut connection = session(&engine);
    connection.receive(b"SET k v\r\n");
    connection.receive(&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(100));
    connection.receive(b"MULTI\r\nGET k\r\nGET k\r\nEXEC\r\n");
    let mut caller = engine.caller();
    for _ in 0..50 {
        call(&mut caller, &[b"GET", b"k"]);
    }
    let command = engine.store().table.command_named(b"GET").unwrap();
    for _ in 0..50 {
        assert!(caller.try_call(command, &[b"GET", b"k"], &mut Tape::new()));
    }
    assert_eq!((calls_of(&engine, b"get"), calls_of(&engine, b"set"), calls_of(&engine, b"exec")), (202, 1, 1));
}

#[test]
fn a_waiting_command_counts_when_it_is_answered() {
    let (engine, _clock) = engine();
    let (mut waiter, mut pusher) = (session(&engine), session(&engine));
    waiter.receive(b"BLPOP l 0\r\n");
    assert_eq!(calls_of(&engine, b"blpop"), 0);
    pusher.receive(b"RPUSH l v\r\n");
    waiter.poll();
    assert_eq!((calls_of(&engine, b"blpop"), sent(&mut waiter)), (1, "*2\r\n$1\r\nl\r\n$1\r\nv\r\n".into()));
}

#[test]
fn a_pause_keeps_the_order_however_the_bytes_are_cut() {
    for pipelined in [false, true] {
        let (engine, clock) = engine();
        let (mut boss, mut client) = (session(&engine), session(&engine));
        boss.receive(b"CLIENT PAUSE 1000 WRITE\r\n");
        let requests = [&b"GET k\r\n"[..], b"SET k v\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"APPEND k w\r\n"];
        if pipelined {
            client.receive(&requests.concat());
        } else {
            for byte in requests.concat() {
                client.receive(&[byte]);
            }
        }
        assert_eq!(sent(&mut client), "$-1\r\n");
        let deadline_us = client.deadline().unwrap();
        clock.advance_us(deadline_us - 1);
        client.poll();
        assert_eq!(sent(&mut client), "");
        clock.advance_us(1);
        client.poll();
        assert_eq!((sent(&mut client), client.deadline()), ("+OK\r\n$1\r\nv\r\n:2\r\n".into(), None));
    }
}

#[test]
fn a_longer_pause_holds_what_waits_already() {
    let (engine, clock) = engine();
    let (mut boss, mut client) = (session(&engine), session(&engine));
    boss.receive(b"CLIENT PAUSE 1000 WRITE\r\n");
    client.receive(b"SET k v\r\n");
    boss.receive(b"CLIENT PAUSE 5000 WRITE\r\n");
    clock.advance_ms(1500);
    client.poll();
    assert_eq!(sent(&mut client), "");
    boss.receive(b"CLIENT UNPAUSE\r\n");
    client.poll();
    assert_eq!(sent(&mut client), "+OK\r\n");
}

#[test]
fn nothing_expires_and_nothing_is_evicted_in_a_pause() {
    let (engine, clock) = engine();
    let mut caller = engine.caller();
    call(&mut caller, &[b"SET", b"k", b"v", b"PX", b"100"]);
    session(&engine).receive(b"CLIENT PAUSE 1000 WRITE\r\n");
    clock.advance_ms(500);
    assert_eq!(engine.tick(), 1_700_000_000_000 + 1001);
    assert_eq!(call(&mut caller, &[b"DBSIZE"]), "Some(Integer(1))");
    clock.advance_ms(501);
    engine.tick();
    assert_eq!(call(&mut caller, &[b"DBSIZE"]), "Some(Integer(0))");
}

#[test]
fn the_largest_clients_go_first() {
    let (engine, _clock) = engine();
    let mut boss = session(&engine);
    boss.receive(b"CLIENT NO-EVICT ON\r\n");
    let mut clients: Vec<Session> = (0..4).map(|_| session(&engine)).collect();
    for (client, bytes) in clients.iter_mut().zip([1000, 30_000, 60_000, 20_000]) {
        client.receive(format!("*2\r\n$4\r\nECHO\r\n$100000\r\n{}", "x".repeat(bytes)).as_bytes());
    }
    boss.receive(b"CONFIG SET maxmemory-clients 70000\r\n");
    clients.iter_mut().for_each(Session::poll);
    let open = |clients: &[Session]| clients.iter().map(|client| !client.closing()).collect::<Vec<_>>();
    assert_eq!(open(&clients), [true, true, false, true]);
    drop(clients.remove(2));
    clients[2].receive("x".repeat(40_000).as_bytes());
    assert_eq!(open(&clients), [true, true, false]);
    boss.receive(b"INFO stats\r\n");
    assert!(sent(&mut boss).contains("\r\nevicted_clients:2\r\n"));
}

#[test]
fn what_a_client_watches_and_listens_to_is_memory() {
    let (engine, _clock) = engine();
    let mut boss = session(&engine);
    boss.receive(b"CLIENT NO-EVICT ON\r\nCONFIG SET maxmemory-clients 200000\r\n");
    for command in ["WATCH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
        let mut client = session(&engine);
        let name = |number: usize| format!("{number}{}", "n".repeat(10_000));
        for number in 0..10 {
            client.receive(format!("{command} {}\r\n", name(number)).as_bytes());
            sent(&mut client);
        }
        assert!(!client.closing(), "{command}");
        client.receive(format!("UN{command}\r\nRESET\r\n").as_bytes());
        sent(&mut client);
        boss.receive(b"CLIENT LIST TYPE normal\r\n");
        let bytes = sent(&mut boss);
        let last = bytes.rsplit("tot-mem=").next().and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(last.parse::<usize>().unwrap() < 2_000, "{command}: what is given up is counted no more: {last}");
        for number in 0..30 {
            client.receive(format!("{command} {}\r\n", name(number)).as_bytes());
            sent(&mut client);
        }
        assert!(client.closing(), "{command}");
    }
}

#[test]
fn a_log_of_all_commands_sees_pipelines_too() {
    let (engine, _clock) = engine();
    let mut connection = session(&engine);
    connection.receive(b"CONFIG SET slowlog-log-slower-than 0\r\n");
    connection.receive(&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(20));
    assert_eq!(engine.store().observed.logs.of(LogKind::Slow).len(), 21);
}

#[test]
fn a_large_reply_is_found_among_others_of_a_pipeline() {
    let (engine, _clock) = engine();
    let mut connection = session(&engine);
    connection.receive(b"CONFIG SET commandlog-reply-larger-than 100000\r\n");
    call(&mut engine.caller(), &[b"SET", b"large", &vec![b'x'; 100_000]]);
    connection.receive(b"GET k\r\nGET large\r\nGET k\r\n".repeat(3).as_slice());
    connection.receive(&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n".repeat(4));
    let entries = engine.store().observed.logs.of(LogKind::LargeReply).newest(100);
    assert_eq!(entries.len(), 7);
    assert!(entries.iter().all(|entry| entry.amount == 100_011 && &*entry.words[1] == b"large"));
}

#[test]
fn a_configuration_file_is_rewritten_in_place() {
    let folder = std::env::temp_dir().join(format!("rkv-rewrite-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("redis.conf");
    std::fs::write(&path, "# mine\nhz 10\nmaxmemory 1mb\n").unwrap();
    let (engine, _clock) = engine_with(EngineOptions { config_file: Some(path.clone()), ..EngineOptions::default() });
    let mut caller = engine.caller();
    call(&mut caller, &[b"CONFIG", b"SET", b"maxmemory", b"5mb", b"maxmemory-policy", b"allkeys-lfu"]);
    assert!(call(&mut caller, &[b"CONFIG", b"REWRITE"]).contains("OK"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "# mine\nhz 10\nmaxmemory 5242880\n# Generated by CONFIG REWRITE\nmaxmemory-policy allkeys-lfu\n");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(call(&mut caller, &[b"CONFIG", b"REWRITE"]).starts_with("ERR Rewriting config file: "));
}

#[test]
fn a_renamed_command_is_called_by_its_new_name() {
    let renames = vec![(b"config".to_vec(), b"secret".to_vec()), (b"FLUSHALL".to_vec(), Vec::new())];
    let (engine, _clock) = engine_with(EngineOptions { renames, ..EngineOptions::default() });
    let mut caller = engine.caller();
    assert!(call(&mut caller, &[b"CONFIG", b"GET", b"hz"]).starts_with("ERR unknown command 'CONFIG'"));
    assert!(!call(&mut caller, &[b"SECRET", b"GET", b"hz"]).starts_with("ERR"));
    assert!(call(&mut caller, &[b"FLUSHALL"]).starts_with("ERR unknown command"));
    let renames = vec![(b"nosuch".to_vec(), b"x".to_vec())];
    let clock = Arc::new(ManualClock::new(0));
    assert!(Engine::new(EngineOptions { renames, clock, ..EngineOptions::default() }).is_err());
}

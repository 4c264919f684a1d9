use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::client::{Message, NoWake};
use crate::clock::ManualClock;
use crate::config::{Config, options};
use crate::handler::{Args, Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row};
use crate::limits;
use crate::resp::Reply;
use crate::{Engine, EngineOptions};

/// Commands that only tests have.
const ROWS: &[Row] = &[
    Row::new("PANIC", -1, Group::Server, |_, _, _| panic!("a test asked for it")),
    // Like all that is large without being shared, it runs alone.
    Row::new("BIG", 2, Group::Server, big).flags(Flags::LINEAR),
    Row::new("BPOPX", -3, Group::String, bpopx)
        .keys(Keys::Specs(&[KeySpec::range(1, -2, 1, KeyFlags::RW.with(KeyFlags::DELETE))]))
        .flags(Flags::WRITE.with(Flags::BLOCKING)),
];

/// `BIG n`: n bytes.
fn big(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(&vec![b'x'; args.integer(1)? as usize]);
    Ok(Effect::none())
}

/// `BPOPX key [key ...] milliseconds`: removes the first of the keys that is there; waits for one if none is.
fn bpopx(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wait_us = args.integer(args.len() - 1)? as u64 * 1000;
    for key in context.keys() {
        if context.remove(*key) {
            reply.bulk(key.bytes());
            return Ok(Effect::instead([b"GETDEL", key.bytes()]));
        }
    }
    if context.can_wait() {
        return Ok(Effect::wait((wait_us > 0).then(|| context.store.clock.monotonic_us() + wait_us)));
    }
    reply.null_array();
    Ok(Effect::none())
}

fn engine(settings: &[(&str, &str)]) -> (Arc<Engine>, Arc<ManualClock>) {
    let mut config = Config::default();
    for (name, value) in settings {
        config.set(name.as_bytes(), &[value]).unwrap();
    }
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let options = EngineOptions { config, shard_bits: 4, clock: clock.clone(), rows: ROWS, ..EngineOptions::default() };
    (Engine::new(options).unwrap(), clock)
}

fn origin() -> Origin {
    Origin {
        peer: "10.0.0.1:1".into(),
        local: "10.0.0.2:6379".into(),
        transport: crate::client::Transport::Tcp,
        fd: -1,
    }
}

fn session(engine: &Engine) -> Session {
    engine.session(origin(), Arc::new(NoWake))
}

/// Takes everything that may be sent.
fn sent(session: &mut Session) -> Vec<u8> {
    let mut all = Vec::new();
    while !session.output().is_empty() {
        let piece = session.output().to_vec();
        session.advance(piece.len());
        all.extend(piece);
    }
    all
}

fn ask(session: &mut Session, request: &str) -> String {
    session.receive(request.as_bytes());
    String::from_utf8(sent(session)).unwrap()
}

/// A pipeline with everything that ends a window, and with what changes the session.
const PIPELINE: &str = "SET a 1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nINCR a\r\nINCR n\r\nGET a\r\nMGET a n none\r\nPING\r\n\
    MULTI\r\nINCR a\r\nSELECT 1\r\nSET a other\r\nEXEC\r\nGET a\r\nSELECT 0\r\nGET a\r\nNOSUCH x\r\nGET\r\n\
    MULTI\r\nGET\r\nEXEC\r\nWATCH a\r\nSET a 7\r\nMULTI\r\nINCR a\r\nEXEC\r\nCLIENT REPLY SKIP\r\nPING\r\nPING a\r\n\
    CLIENT REPLY OFF\r\nINCR a\r\nPING\r\nCLIENT REPLY ON\r\nHELLO 3\r\nGET none\r\nCLIENT SETNAME me\r\n\
    CLIENT GETNAME\r\nRESET\r\nGET none\r\nECHO \"a b\"\r\n\r\nGETDEL a\r\nGETDEL a\r\nBPOPX n 0\r\nINCR n\r\n";

fn run_in_pieces(cuts: &[usize]) -> String {
    let (engine, _) = engine(&[]);
    let mut session = session(&engine);
    let (mut begin, mut replies) = (0, String::new());
    for end in cuts.iter().copied().chain([PIPELINE.len()]) {
        replies += &ask(&mut session, &PIPELINE[begin..end]);
        begin = end;
    }
    replies
}

#[test]
fn a_pipeline_cut_anywhere_has_the_same_replies() {
    let whole = run_in_pieces(&[]);
    assert!(whole.starts_with("+OK\r\n$1\r\n1\r\n:2\r\n:1\r\n$1\r\n2\r\n*3\r\n$1\r\n2\r\n$1\r\n1\r\n$-1\r\n+PONG\r\n"));
    assert!(whole.ends_with("+RESET\r\n$-1\r\n$3\r\na b\r\n$1\r\n8\r\n$-1\r\n$1\r\nn\r\n:1\r\n"), "{whole:?}");
    for cut in 1..PIPELINE.len() {
        assert_eq!(run_in_pieces(&[cut]), whole, "cut at {cut}");
    }
    assert_eq!(run_in_pieces(&(1..PIPELINE.len()).collect::<Vec<_>>()), whole, "byte by byte");
}

#[test]
fn windows_do_what_commands_one_by_one_do() {
    let seed = crate::random::run_id().unwrap();
    let seed = std::env::var("RKV_TEST_SEED").unwrap_or_else(|_| String::from_utf8_lossy(&seed[..8]).into_owned());
    println!("RKV_TEST_SEED={seed}");
    let mut random = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        | 1;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    for _ in 0..50 {
        let mut commands = Vec::new();
        for _ in 0..100 {
            let (key, other) = (below(5), below(5));
            commands.push(match below(9) {
                0 | 1 => format!("SET k{key} {other}\r\n"),
                2 => format!("GET k{key}\r\n"),
                3 => format!("INCR k{key}\r\n"),
                4 => format!("APPEND k{key} x\r\n"),
                5 => format!("GETDEL k{key}\r\n"),
                6 => format!("MSET k{key} 1 k{other} 2\r\n"),
                7 => format!("MGET k{key} k{other} k0\r\n"),
                _ => format!("SELECT {}\r\n", below(2)),
            });
        }
        let ((together, _), (alone, _)) = (engine(&[]), engine(&[]));
        let (mut windows, mut singles) = (session(&together), session(&alone));
        let expected: String = commands.iter().map(|command| ask(&mut singles, command)).collect();
        assert_eq!(ask(&mut windows, &commands.concat()), expected);
    }
}

#[test]
fn a_panic_poisons_the_store_and_closes_the_session() {
    let (engine, _) = engine(&[]);
    let (mut victim, mut other) = (session(&engine), session(&engine));
    assert_eq!(ask(&mut other, "SET a 1\r\n"), "+OK\r\n");
    assert_eq!(ask(&mut victim, "PANIC\r\nGET a\r\n"), "");
    assert!(victim.closing());
    assert!(engine.store().is_poisoned());
    let poisoned = format!("-{}\r\n", crate::error::POISONED.as_str());
    assert_eq!(ask(&mut other, "GET a\r\nPING\r\n"), poisoned.repeat(2));
    let mut tape = crate::resp::Tape::default();
    engine.caller().execute(&[b"GET", b"a"], crate::dispatch::Mode::Now, &mut tape);
    assert_eq!(tape.iter().next(), Some(crate::resp::Value::Error(&crate::error::POISONED)));
}

#[test]
fn a_stranger_gets_little() {
    let (engine, _) = engine(&[("requirepass", "secret")]);
    let word = "x".repeat(limits::UNAUTHENTICATED_ARGUMENT_BYTES_MAX);
    let bulk = format!("${}\r\n{word}\r\n", word.len());
    // As much as is allowed.
    let mut stranger = session(&engine);
    assert_eq!(
        ask(&mut stranger, &format!("*2\r\n$4\r\nAUTH\r\n{bulk}")),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
    assert_eq!(ask(&mut stranger, "NOSUCH\r\nGET\r\nGET a\r\n"), "-NOAUTH Authentication required.\r\n".repeat(3));
    // More than that, in each way.
    for (request, error) in [
        (format!("*{}\r\n", limits::UNAUTHENTICATED_ARGUMENTS_MAX + 1), "unauthenticated multibulk length"),
        (format!("*2\r\n$4\r\nAUTH\r\n${}\r\n", word.len() + 1), "unauthenticated bulk length"),
    ] {
        let mut stranger = session(&engine);
        assert_eq!(ask(&mut stranger, &request), format!("-ERR Protocol error: {error}\r\n"));
        assert!(stranger.closing());
    }
    let mut stranger = session(&engine);
    let mut request = format!("*10\r\n{}", bulk.repeat(3)).into_bytes();
    request.extend(bulk.as_bytes());
    stranger.receive(&request);
    assert!(stranger.closing(), "{} bytes are kept", request.len());
    // After AUTH, in the same input, nothing of this holds.
    let mut friend = session(&engine);
    let request = format!("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*2\r\n$4\r\nECHO\r\n${}\r\n{word}x\r\n", word.len() + 1);
    assert_eq!(ask(&mut friend, &request), format!("+OK\r\n${}\r\n{word}x\r\n", word.len() + 1));
    // RESET brings it back for what stands behind it.
    let request = format!("RESET\r\n*2\r\n$4\r\nECHO\r\n${}\r\n", word.len() + 1);
    assert_eq!(ask(&mut friend, &request), "+RESET\r\n-ERR Protocol error: unauthenticated bulk length\r\n");
}

#[test]
fn a_stranger_who_does_not_read_is_not_answered() {
    let (engine, _) = engine(&[("requirepass", "secret")]);
    let mut stranger = session(&engine);
    let error = "-NOAUTH Authentication required.\r\n";
    let count = 2 * limits::UNAUTHENTICATED_OUTPUT_BYTES_MAX / error.len();
    stranger.receive("PING\r\n".repeat(count).as_bytes());
    let pending = stranger.core.output.len();
    assert!(pending <= limits::UNAUTHENTICATED_OUTPUT_BYTES_MAX + error.len(), "{pending}");
    assert_eq!(String::from_utf8(sent(&mut stranger)).unwrap(), error.repeat(count), "all are answered once it reads");
}

#[test]
fn a_password_set_later_binds_only_new_clients() {
    let (engine, _) = engine(&[]);
    let change = |password: &str| {
        engine.store().change_config(|config| config.changed(&["requirepass", password], true)).unwrap();
    };
    let mut old = session(&engine);
    assert_eq!(ask(&mut old, "AUTH x\r\n"), format!("-{}\r\n", crate::error::AUTH_WITHOUT_PASSWORD.as_str()));
    change("one");
    let mut new = session(&engine);
    assert_eq!(ask(&mut old, "PING\r\n"), "+PONG\r\n");
    assert_eq!(ask(&mut new, "PING\r\n"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(ask(&mut new, "AUTH onetwo\r\nAUTH on\r\nAUTH other one\r\n").matches("-WRONGPASS").count(), 3);
    assert_eq!(
        ask(&mut new, "EXEC\r\n"),
        "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"
    );
    change("");
    assert_eq!(ask(&mut new, "PING\r\n"), "+PONG\r\n", "nobody must say who he is any more");
    change("two");
    assert_eq!(ask(&mut new, "PING\r\nAUTH one\r\nAUTH default two\r\nPING\r\n").lines().last(), Some("+PONG"));
    assert_eq!(ask(&mut old, "RESET\r\nPING\r\n"), "+RESET\r\n-NOAUTH Authentication required.\r\n");
    assert!(ask(&mut old, "HELLO 3\r\n").starts_with("-NOAUTH HELLO must be called"));
    assert!(ask(&mut old, "HELLO 3 AUTH default two\r\n").starts_with("%7\r\n"));
    assert_eq!(engine.store().config().get(options::REQUIREPASS), b"two");
}

#[test]
fn a_client_that_does_not_read_is_paused_and_goes_on() {
    let (engine, _) = engine(&[]);
    let mut slow = session(&engine);
    let size = 10 << 20;
    slow.receive(format!("BIG {size}\r\n").repeat(6).as_bytes());
    let reply = size + "$10485760\r\n\r\n".len();
    assert_eq!(slow.core.output.len(), 4 * reply, "the fourth reply passes the bound");
    assert!(slow.core.output.len() > OUTPUT_PAUSE_BYTES);
    slow.receive(&vec![b' '; INPUT_KEPT]);
    assert!(!slow.wants_input());
    let all = sent(&mut slow);
    assert_eq!(all.len(), 6 * reply);
    assert!(slow.wants_input());
}

#[test]
fn nothing_runs_behind_quit_or_a_protocol_error() {
    let (engine, _) = engine(&[]);
    for (request, replies) in [
        ("SET a 1\r\nQUIT now\r\nSET a 2\r\n", "+OK\r\n+OK\r\n"),
        ("GET a\r\n*1\r\n$x\r\nSET a 3\r\n", "$1\r\n1\r\n-ERR Protocol error: invalid bulk length\r\n"),
        ("MULTI\r\nSET a 4\r\nQUIT\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n+OK\r\n"),
        ("GET a\r\nCLIENT KILL SKIPME no ADDR 10.0.0.1:1\r\nSET a 5\r\n", "$1\r\n1\r\n:1\r\n"),
    ] {
        let mut session = session(&engine);
        assert_eq!(ask(&mut session, request), replies);
        assert!(session.closing() && !session.wants_input());
        assert_eq!(ask(&mut session, "SET a 6\r\n"), "");
        drop(session);
        let mut other = self::session(&engine);
        assert_eq!(ask(&mut other, "GET a\r\n"), "$1\r\n1\r\n");
    }
}

#[test]
fn who_is_killed_is_closed_without_the_rest() {
    let (engine, _) = engine(&[]);
    let (mut victim, mut killer) = (session(&engine), session(&engine));
    let id = victim.id();
    victim.receive(b"PING\r\n");
    assert_eq!(ask(&mut killer, &format!("CLIENT KILL ID {id}\r\n")), ":1\r\n");
    victim.poll();
    assert!(victim.closing() && victim.output().is_empty());
    // Even if its driver has input before it hears of it.
    let mut victim = session(&engine);
    let id = victim.id();
    assert_eq!(ask(&mut killer, &format!("CLIENT KILL ID {id}\r\n")), ":1\r\n");
    assert_eq!(ask(&mut victim, "SET a 1\r\n"), "");
    assert!(victim.closing());
    assert_eq!(ask(&mut killer, "GET a\r\n"), "$-1\r\n");
    // From inside EXEC, and while it waits.
    let mut victim = session(&engine);
    let id = victim.id();
    assert_eq!(ask(&mut victim, "BPOPX a 0\r\n"), "");
    assert_eq!(
        ask(&mut killer, &format!("MULTI\r\nCLIENT KILL ID {id}\r\nSET a 1\r\nEXEC\r\n")).lines().nth(4),
        Some(":1")
    );
    victim.poll();
    assert!(victim.closing() && victim.output().is_empty());
}

#[test]
fn messages_come_between_replies() {
    let (engine, _) = engine(&[]);
    let mut session = session(&engine);
    let link = engine.store().clients.get(session.id()).unwrap();
    session.receive(b"PING\r\n");
    link.push(Message::Push(Arc::from(&b">1\r\n+m\r\n"[..])));
    session.receive(b"PING\r\nBPOPX a 0\r\nPING x\r\n");
    session.poll();
    assert_eq!(sent(&mut session), b"+PONG\r\n>1\r\n+m\r\n+PONG\r\n");
    link.push(Message::Push(Arc::from(&b">1\r\n+n\r\n"[..])));
    session.poll();
    assert_eq!(sent(&mut session), b">1\r\n+n\r\n", "a command that waits does not hold messages back");
    assert_eq!(ask(&mut self::session(&engine), "SET a 1\r\n"), "+OK\r\n");
    session.poll();
    assert_eq!(sent(&mut session), b"$1\r\na\r\n$1\r\nx\r\n");
}

#[test]
fn a_wait_ends_in_time() {
    let (engine, clock) = engine(&[]);
    let mut session = session(&engine);
    assert_eq!(ask(&mut session, "BPOPX a b 50\r\nPING\r\n"), "");
    let deadline_us = session.deadline().unwrap();
    clock.advance_ms(49);
    session.poll();
    assert_eq!(sent(&mut session), b"");
    clock.advance_ms(1);
    assert_eq!(engine.store().clock.monotonic_us(), deadline_us);
    session.poll();
    assert_eq!(sent(&mut session), b"*-1\r\n+PONG\r\n");
    assert_eq!(session.deadline(), None);
    assert_eq!(ask(&mut session, "SET a 1\r\nGET a\r\n"), "+OK\r\n$1\r\n1\r\n", "nobody waits any more");
}

#[test]
fn a_muted_wait_is_answered_silently() {
    let (engine, clock) = engine(&[]);
    let (mut mute, mut other) = (session(&engine), session(&engine));
    for begin in ["CLIENT REPLY OFF\r\n", "CLIENT REPLY SKIP\r\n"] {
        assert_eq!(ask(&mut mute, &format!("{begin}BPOPX a 0\r\n")), "");
        assert_eq!(ask(&mut other, "SET a 1\r\nGET a\r\n"), "+OK\r\n$-1\r\n");
        mute.poll();
        assert_eq!(sent(&mut mute), b"");
        assert_eq!(ask(&mut mute, &format!("{begin}BPOPX a 10\r\n")), "");
        clock.advance_ms(10);
        mute.poll();
        assert_eq!(sent(&mut mute), b"");
        assert_eq!(ask(&mut mute, "CLIENT REPLY ON\r\nPING\r\n"), "+OK\r\n+PONG\r\n");
    }
}

#[test]
fn one_value_serves_one_waiter_in_the_order_of_arrival() {
    let (engine, _) = engine(&[]);
    // So many keys that the waiters' other keys lie in other shards than the key that is set.
    let keys: Vec<String> = (0..64).map(|number| format!("key{number}")).collect();
    for set in [0, 17, 63] {
        let mut first = session(&engine);
        let mut second = session(&engine);
        let mut third = session(&engine);
        assert_eq!(ask(&mut first, &format!("BPOPX {} 0\r\n", keys.join(" "))), "");
        assert_eq!(ask(&mut second, &format!("BPOPX {} 0\r\n", keys[set])), "");
        assert_eq!(ask(&mut third, &format!("BPOPX {} {} 0\r\n", keys[1], keys[set])), "");
        let mut pusher = session(&engine);
        let popped = format!("${}\r\n{}\r\n", keys[set].len(), keys[set]);
        for waiter in [&mut first, &mut second, &mut third] {
            assert_eq!(ask(&mut pusher, &format!("SET {} 1\r\nGET {0}\r\n", keys[set])), "+OK\r\n$-1\r\n");
            waiter.poll();
            assert_eq!(String::from_utf8(sent(waiter)).unwrap(), popped);
        }
        assert_eq!(ask(&mut pusher, &format!("SET {} 1\r\nGETDEL {0}\r\n", keys[set])), "+OK\r\n$1\r\n1\r\n");
    }
}

#[test]
fn who_is_gone_is_not_served() {
    let (engine, _) = engine(&[]);
    let (mut gone, mut second) = (session(&engine), session(&engine));
    assert_eq!(ask(&mut gone, "BPOPX a b c d e f 0\r\n"), "");
    assert_eq!(ask(&mut second, "BPOPX f a 0\r\n"), "");
    drop(gone);
    assert_eq!(ask(&mut session(&engine), "MSET a 1 f 2\r\n"), "+OK\r\n");
    second.poll();
    assert_eq!(sent(&mut second), b"$1\r\nf\r\n");
    assert_eq!(ask(&mut session(&engine), "MGET a f\r\n"), "*2\r\n$1\r\n1\r\n$-1\r\n");
}

#[test]
fn a_session_wakes_its_driver_when_it_is_served() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (engine, _) = engine(&[]);
    let wakes = Arc::new(Count::default());
    let mut waiter = engine.session(origin(), wakes.clone());
    assert_eq!(ask(&mut waiter, "BPOPX a b 0\r\n"), "");
    assert_eq!(
        ask(&mut session(&engine), "SET c 1\r\nMULTI\r\nSET b 1\r\nGET b\r\nEXEC\r\n").lines().last(),
        Some("1")
    );
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_password_is_compared_in_whole() {
    let (engine, _) = engine(&[("requirepass", "abab")]);
    let mut stranger = session(&engine);
    for wrong in ["ab", "aba", "ababab", "abababab", "abaB", "Abab", "\"\""] {
        assert_eq!(ask(&mut stranger, &format!("AUTH {wrong}\r\n")).split(' ').next(), Some("-WRONGPASS"), "{wrong}");
    }
    assert_eq!(ask(&mut stranger, "AUTH abab\r\n"), "+OK\r\n");
    assert_eq!(engine.store().counters.auth_failures.load(Ordering::Relaxed), 7);
}

//! MIGRATE beside a target that is another engine in this process: what is changed on the way, refused or broken off is never
//! lost, and nothing is deleted that has not arrived.

mod target;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rkv_engine::config::Config;
use rkv_engine::outbound::IDLE_MS_MAX;
use rkv_engine::{Engine, EngineOptions};

use target::{Client, Target, Trouble};

const READING: &str = "-IOERR error or timeout reading to target instance";
const WRITING: &str = "-IOERR error or timeout writing to target instance";

struct World {
    target: Target,
    source: Arc<Engine>,
    here: Client,
    there: Client,
}

fn world() -> World {
    let there = Engine::new(EngineOptions { shard_bits: 2, ..EngineOptions::default() }).unwrap();
    let target = Target::new(&there);
    let source = target.source(EngineOptions { shard_bits: 2, ..EngineOptions::default() });
    World { target, here: Client::new(&source), there: Client::new(&there), source }
}

#[test]
fn a_key_goes_with_its_time() {
    let World { source: _source, mut here, mut there, .. } = world();
    here.call("SET k value");
    here.call("PEXPIRE k 100000");
    assert_eq!(here.call("MIGRATE h 1 k 3 1000"), "+OK");
    assert_eq!(here.call("EXISTS k"), ":0");
    assert_eq!(there.call("SELECT 3"), "+OK");
    assert_eq!(there.call("GET k"), "$5\r\nvalue");
    let ttl_ms: i64 = there.call("PTTL k")[1..].parse().unwrap();
    assert!((90_000..=100_000).contains(&ttl_ms), "{ttl_ms}");
    assert_eq!(here.call("MIGRATE h 1 k 3 1000"), "+NOKEY");
}

#[test]
fn what_is_changed_on_the_way_is_sent_again() {
    let World { target, source, mut here, mut there } = world();
    let mut writer = Client::new(&source);
    // Each of these comes while the target has one value and this store another.
    let changes = ["INCR k", "EXPIRE k 1000", "PERSIST k", "SET k 70", "INCR k"];
    target.on_restore(move |number| {
        if let Some(change) = changes.get(number - 1) {
            writer.call(change);
        }
    });
    here.call("SET k 1");
    assert_eq!(here.call("MIGRATE h 1 k 0 10000"), "+OK");
    assert_eq!(target.restored(), changes.len() + 1);
    assert_eq!((here.call("EXISTS k"), there.call("GET k")), (":0".into(), "$2\r\n71".into()));
    assert_eq!(there.call("TTL k"), ":-1");
}

#[test]
fn a_key_that_never_rests_stays() {
    let World { target, source, mut here, mut there } = world();
    let mut writer = Client::new(&source);
    target.on_restore(move |_| _ = writer.call("INCR k"));
    here.call("SET k 0");
    here.call("SET other x");
    let begun = Instant::now();
    assert_eq!(here.call("MIGRATE h 1 '' 0 200 KEYS k other"), WRITING);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    // The other one has gone, this one is in both places, and newer here.
    let (mine, theirs) = (here.call("GET k"), there.call("GET k"));
    let number = |text: &str| text.rsplit('\n').next().and_then(|digits| digits.parse::<usize>().ok()).unwrap();
    assert!(number(&mine) > number(&theirs) && number(&theirs) > 1, "{mine} {theirs}");
    assert_eq!((here.call("EXISTS other"), there.call("GET other")), (":0".into(), "$1\r\nx".into()));
}

#[test]
fn a_key_that_goes_on_the_way_is_no_failure() {
    let World { target, source, mut here, .. } = world();
    let mut writer = Client::new(&source);
    target.on_restore(move |_| _ = writer.call("DEL k"));
    here.call("SET k 0");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000"), "+OK");
    assert_eq!(target.restored(), 1);
}

#[test]
fn refused_keys_stay_and_the_others_go() {
    let World { target, source: _source, mut here, mut there, .. } = world();
    there.call("SET b theirs");
    for key in ["a", "b", "c"] {
        here.call(&format!("SET {key} mine"));
    }
    let busy = "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(here.call("MIGRATE h 1 '' 0 1000 KEYS a b nosuch c"), busy);
    assert_eq!(here.call("EXISTS a b c"), ":1");
    assert_eq!(there.call("GET b"), "$6\r\ntheirs");
    assert_eq!(here.call("MIGRATE h 1 b 0 1000 COPY REPLACE"), "+OK");
    assert_eq!((here.call("EXISTS b"), there.call("GET b")), (":1".into(), "$4\r\nmine".into()));
    // After a copy nobody watches any more.
    assert_eq!(target.restored(), 4);
}

#[test]
fn a_target_that_dies_keeps_what_it_acknowledged() {
    let World { target, source: _source, mut here, mut there, .. } = world();
    for key in ["a", "b", "c", "d"] {
        here.call(&format!("SET {key} {key}"));
    }
    // SELECT and two keys are answered; the other two have arrived, but nobody knows.
    target.trouble(Trouble::EndsBehind(3));
    assert_eq!(here.call("MIGRATE h 1 '' 0 1000 KEYS a b c d"), READING);
    assert_eq!(here.call("EXISTS a b"), ":0");
    assert_eq!(here.call("EXISTS c d"), ":2");
    target.trouble(Trouble::None);
    assert_eq!(here.call("MIGRATE h 1 '' 0 1000 REPLACE KEYS a b c d"), "+OK");
    assert_eq!((here.call("EXISTS a b c d"), there.call("EXISTS a b c d")), (":0".into(), ":4".into()));
}

#[test]
fn a_kept_line_that_went_stale_is_replaced_once() {
    let World { target, source, mut here, mut there } = world();
    let mut migrate = |key: &str| {
        here.call(&format!("SET {key} v"));
        here.call(&format!("MIGRATE h 1 {key} 0 1000 REPLACE"))
    };
    assert_eq!((migrate("a"), migrate("b")), ("+OK".into(), "+OK".into()));
    assert_eq!(
        (target.connections(), source.store().errands.pool.len()),
        (1, 1),
        "the second took the first one's line"
    );
    target.restart();
    assert_eq!(migrate("c"), "+OK");
    assert_eq!(target.connections(), 2);
    // A new line that breaks is no stale one.
    target.restart();
    target.trouble(Trouble::EndsBehind(0));
    assert_eq!(migrate("d"), READING);
    assert_eq!((target.connections(), source.store().errands.pool.len()), (3, 0));
    target.trouble(Trouble::Refuses);
    assert_eq!(migrate("e"), WRITING);
    target.trouble(Trouble::None);
    assert_eq!(migrate("e"), "+OK");
    assert_eq!(there.call("EXISTS a b c e"), ":4");
    assert!(source.store().errands.pool.tick(source.store().clock.unix_ms() + IDLE_MS_MAX) == i64::MAX);
    assert!(source.store().errands.pool.is_empty());
}

#[test]
fn credentials_have_lines_of_their_own() {
    let World { target, source: _source, mut here, mut there, .. } = world();
    there.call("ACL SETUSER ann on >secret ~* +@all");
    there.call("CONFIG SET requirepass pw");
    here.call("SET k v");
    let refused = |what: &str| format!("-ERR Target instance replied with error: {what}");
    let no_auth = refused("NOAUTH Authentication required.");
    let wrong = refused("WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000 COPY REPLACE"), no_auth);
    assert_eq!(here.call("MIGRATE h 1 k 0 1000 COPY REPLACE AUTH pw"), "+OK");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000 COPY REPLACE"), no_auth, "nobody goes as somebody else");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000 COPY REPLACE AUTH2 ann pw"), wrong);
    assert_eq!(target.restored(), 1, "nothing is sent to who does not let one in");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000 COPY REPLACE AUTH2 ann secret"), "+OK");
    assert_eq!(here.call("MIGRATE h 1 k 99 1000 AUTH pw"), refused("ERR DB index is out of range"));
    there.call("CONFIG SET requirepass another");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000 COPY REPLACE AUTH pw"), wrong, "a kept line is no way around it");
    assert_eq!(here.call("EXISTS k"), ":1");
}

#[test]
fn many_and_large_values_go_in_parts() {
    let World { target, source: _source, mut here, mut there, .. } = world();
    let mut line = "MIGRATE h 1 '' 0 5000 KEYS".to_owned();
    for number in 0..150 {
        here.call(&format!("SET k{number} {number}"));
        line.extend([" k", &number.to_string()]);
    }
    for number in 0..3 {
        here.call(&format!("SETRANGE large{number} 400000 x"));
        line.extend([" large", &number.to_string()]);
    }
    assert_eq!(here.call(&line), "+OK");
    assert_eq!((here.call("DBSIZE"), there.call("DBSIZE")), (":0".into(), ":153".into()));
    assert_eq!((there.call("STRLEN large2"), there.call("GET k149")), (":400001".into(), "$3\r\n149".into()));
    assert_eq!((target.restored(), target.connections()), (153, 1));
}

#[test]
fn deletions_are_journalled_and_told() {
    let World { source, mut here, .. } = world();
    source.store().journal.turn_on(1 << 20);
    let mut watcher = Client::new(&source);
    here.call("MSET a 1 b 2");
    watcher.call("WATCH b");
    assert_eq!(here.call("MIGRATE h 1 '' 0 1000 KEYS a b"), "+OK");
    let mut journal = Vec::new();
    source.store().journal.read(0, usize::MAX, &mut journal).unwrap();
    let journal = String::from_utf8_lossy(&journal);
    assert!(journal.ends_with("*3\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n"), "{journal}");
    watcher.call("MULTI");
    assert_eq!(watcher.call("EXEC"), "*-1");
}

#[test]
fn who_waits_can_be_ended() {
    let World { target, source, mut here, .. } = world();
    target.trouble(Trouble::Silent);
    here.call("SET k v");
    let mut other = Client::new(&source);
    let id = here.session.id();
    for (how, expected) in [("TIMEOUT", "-IOERR the command was given up"), ("ERROR", "-UNBLOCKED ")] {
        here.send("MIGRATE h 1 k 0 600000");
        assert!(here.session.output().is_empty());
        assert_eq!(other.call(&format!("CLIENT UNBLOCK {id} {how}")), ":1");
        let reply = here.reply();
        assert!(reply.starts_with(expected), "{reply}");
    }
    here.send("MIGRATE h 1 k 0 600000");
    assert_eq!(other.call(&format!("CLIENT KILL ID {id}")), ":1");
    here.session.poll();
    assert!(here.session.closing());
    assert_eq!(other.call("EXISTS k"), ":1");
    // Nobody stays behind, neither a thread nor a watched key.
    let end = Instant::now() + Duration::from_secs(30);
    while source.store().errands.under_way() > 0 || is_watched(&source) {
        assert!(Instant::now() < end, "somebody is still out");
        std::thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let mut last = Client::new(&source);
    last.send("MIGRATE h 1 k 0 600000");
    source.close();
    assert!(last.reply().starts_with("-IOERR") && begun.elapsed() < Duration::from_secs(20));
}

fn is_watched(engine: &Engine) -> bool {
    let keyspace = &engine.store().keyspace;
    (0..keyspace.len()).any(|shard| keyspace.lock(1 << shard).unwrap().iter().any(|shard| !shard.watches.is_empty()))
}

#[test]
fn where_nobody_can_wait_nothing_is_done() {
    let World { target, source: _source, mut here, .. } = world();
    here.call("SET k v");
    here.call("MULTI");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000"), "-ERR Command not allowed inside a transaction");
    assert!(here.call("EXEC").starts_with("-EXECABORT"));
    assert_eq!((here.call("EXISTS k"), target.connections()), (":1".into(), 0));
    let alone = Engine::new(EngineOptions::default()).unwrap();
    let mut client = Client::new(&alone);
    client.call("SET k v");
    assert_eq!(client.call("MIGRATE h 1 k 0 1000"), "-ERR this store cannot connect to other servers");
}

#[test]
fn only_who_may_lets_this_store_connect() {
    let there = Engine::new(EngineOptions::default()).unwrap();
    for (value, is_let) in [("no", false), ("local", true), ("yes", true)] {
        let mut config = Config::default();
        config.set(b"enable-migrate-command", &[value]).unwrap();
        let source = Target::new(&there).source(EngineOptions { config, ..EngineOptions::default() });
        let mut client = Client::new(&source);
        let reply = client.call("MIGRATE h 1 k 0 1000");
        assert_eq!(reply == "+NOKEY", is_let, "{value} {reply}");
        assert_eq!(reply.starts_with("-ERR MIGRATE command not allowed. If"), !is_let, "{value} {reply}");
    }
}

#[test]
fn a_step_waits_while_writes_are_paused() {
    let World { target, source, mut here, mut there } = world();
    let other = Mutex::new(Client::new(&source));
    let clock = Arc::clone(&source.store().clock);
    let paused_us = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let until_us = Arc::clone(&paused_us);
    target.on_restore(move |_| {
        other.lock().unwrap().call("CLIENT PAUSE 100 WRITE");
        until_us.store(clock.monotonic_us() + 90_000, Ordering::SeqCst);
    });
    here.call("SET k v");
    assert_eq!(here.call("MIGRATE h 1 k 0 1000"), "+OK");
    assert!(source.store().clock.monotonic_us() >= paused_us.load(Ordering::SeqCst));
    assert_eq!(there.call("EXISTS k"), ":1");
}

//! RENAME, COPY, MOVE, deletion and whole databases: values, deadlines, encodings, events, journal, watchers.

use std::sync::atomic::Ordering;

use rkv_engine::config::Config;
use rkv_engine::resp::Value;

use crate::support::{Lab, START_MS, User};

/// Sets a key of every encoding, each with a deadline.
fn fill(user: &mut User) {
    let large = "L".repeat(5000);
    user.call(&["SET", "int", "42"]);
    user.call(&["SET", "embstr", "text"]);
    user.call(&["TEST.RAW", "raw", "text"]);
    user.call(&["SET", "large", &large]);
    for (at, key) in ["int", "embstr", "raw", "large"].into_iter().enumerate() {
        assert_eq!(user.call(&["PEXPIREAT", key, &(START_MS + 1000 + at as i64).to_string()]), ":1");
    }
}

/// Value, encoding and deadline of a key.
fn look(user: &mut User, key: &str) -> [String; 3] {
    [user.call(&["GET", key]), user.call(&["OBJECT", "ENCODING", key]), user.call(&["PEXPIRETIME", key])]
}

#[test]
fn whatever_moves_stays_what_it_was() {
    for command in ["RENAME", "RENAMENX", "COPY", "COPY DB", "MOVE"] {
        let lab = Lab::new(4);
        let mut user = lab.user();
        fill(&mut user);
        for key in ["int", "embstr", "raw", "large"] {
            let before = look(&mut user, key);
            assert_eq!(before[1], if key == "large" { "$raw".to_owned() } else { format!("${key}") });
            let target = if command == "MOVE" { key } else { "target" };
            match command {
                "MOVE" => assert_eq!(user.call(&["MOVE", key, "3"]), ":1"),
                "COPY DB" => assert_eq!(user.call(&["COPY", key, target, "DB", "3"]), ":1"),
                "RENAME" => assert_eq!(user.call(&["RENAME", key, target]), "OK"),
                _ => assert_eq!(user.call(&[command, key, target]), ":1"),
            }
            assert_eq!(user.call(&["EXISTS", key]) == ":1", command.starts_with("COPY"), "{command}");
            if command == "MOVE" || command == "COPY DB" {
                user.say("SELECT 3");
            }
            assert_eq!(look(&mut user, target), before, "{command}");
            user.call(&["DEL", target]);
            user.say("SELECT 0");
        }
    }
}

#[test]
fn a_long_key_moves_like_a_short_one() {
    let lab = Lab::new(2);
    let mut user = lab.user();
    let (long, longer) = ("k".repeat(2000), "k".repeat(3000));
    user.call(&["SET", &long, "v"]);
    assert_eq!(user.call(&["RENAME", &long, &longer]), "OK");
    assert_eq!(user.call(&["COPY", &longer, &long]), ":1");
    assert_eq!(user.call(&["MOVE", &long, "1"]), ":1");
    assert_eq!(user.say("DBSIZE"), ":1");
    assert_eq!(user.call(&["GET", &longer]), "$v");
}

/// Whether two keys of the user's database hold one buffer.
fn share(user: &mut User, one: &str, other: &str) -> bool {
    let mut shared = |key: &str| {
        let value = user.run(&["GET", key]).iter().next();
        let Some(Value::Shared(shared)) = value else { panic!("{key} is not large: {value:?}") };
        shared.clone()
    };
    shared(one).is_same(&shared(other))
}

#[test]
fn large_values_are_shared_and_not_copied() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    let large = "L".repeat(1 << 20);
    user.call(&["SET", "a", &large]);
    user.say("COPY a b");
    assert!(share(&mut user, "a", "b"));
    user.say("RENAME a c");
    assert!(share(&mut user, "b", "c"));
    user.say("MOVE c 1");
    user.say("COPY b c DB 1");
    user.say("SELECT 1");
    user.say("COPY c d");
    assert!(share(&mut user, "c", "d"));
    // One owner writes anew; the others keep what they have.
    user.say("SET c short");
    assert_eq!(user.call(&["GET", "d"]), format!("${large}"));
}

#[test]
fn a_move_keeps_the_access_clock_and_a_copy_begins_one() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    user.say("SET a v");
    lab.clock.advance_ms(50_000);
    assert_eq!(user.say("OBJECT IDLETIME a"), ":50");
    user.say("RENAME a b");
    assert_eq!(user.say("OBJECT IDLETIME b"), ":50");
    user.say("MOVE b 2");
    user.say("SELECT 2");
    assert_eq!(user.say("OBJECT IDLETIME b"), ":50");
    for quiet in ["EXISTS b", "TYPE b", "TTL b", "OBJECT ENCODING b"] {
        user.say(quiet);
        assert_eq!(user.say("OBJECT IDLETIME b"), ":50", "{quiet}");
    }
    user.caller.client().no_touch = true;
    user.say("GET b");
    assert_eq!(user.say("OBJECT IDLETIME b"), ":50");
    user.say("TOUCH b");
    assert_eq!(user.say("OBJECT IDLETIME b"), ":0", "TOUCH does what its name says");
    assert!(user.caller.client().no_touch);
    user.caller.client().no_touch = false;
    lab.clock.advance_ms(10_000);
    user.say("COPY b c");
    assert_eq!((user.say("OBJECT IDLETIME b"), user.say("OBJECT IDLETIME c")), (":0".into(), ":0".into()));
}

#[test]
fn a_count_of_uses_survives_writes_and_renames() {
    let mut config = Config::default();
    config.set(b"maxmemory-policy", &["allkeys-lfu"]).expect("a policy");
    let lab = Lab::with(4, config);
    let mut user = lab.user();
    user.say("SET a v");
    assert_eq!(user.say("OBJECT FREQ a"), ":5");
    user.say("GET a");
    user.say("SET a w");
    user.say("RENAME a b");
    assert!(user.count("OBJECT FREQ b") >= 6);
    lab.clock.advance_ms(60_000 * 3);
    assert!(user.count("OBJECT FREQ b") <= 4, "one less for every minute");
    let refused = user.say("OBJECT IDLETIME b");
    assert!(refused.starts_with("-ERR An LFU maxmemory policy is selected, idle time not tracked."), "{refused}");
}

#[test]
fn events_and_journal() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    lab.record();
    let steps: &[(&str, &str, &[&str], &[&str])] = &[
        ("SET a 1", "OK", &["set 0 a"], &["SELECT 0", "SET a 1"]),
        ("RENAME a a", "OK", &[], &[]),
        ("RENAMENX a a", ":0", &[], &[]),
        ("RENAME a b", "OK", &["rename_from 0 a", "rename_to 0 b"], &["RENAME a b"]),
        ("COPY b a", ":1", &["copy_to 0 a"], &["COPY b a"]),
        ("COPY b a", ":0", &[], &[]),
        ("COPY b c DB 2", ":1", &["copy_to 2 c"], &["COPY b c DB 2"]),
        ("RENAMENX a b", ":0", &[], &[]),
        ("RENAMENX a d", ":1", &["rename_from 0 a", "rename_to 0 d"], &["RENAMENX a d"]),
        ("MOVE d 2", ":1", &["move_from 0 d", "move_to 2 d"], &["MOVE d 2"]),
        ("MOVE d 2", ":0", &[], &[]),
        ("EXPIRE b 10", ":1", &["expire 0 b"], &["PEXPIREAT b 1700000010000"]),
        ("EXPIRE b 20 NX", ":0", &[], &[]),
        ("PEXPIREAT b 1700000020000 GT", ":1", &["expire 0 b"], &["PEXPIREAT b 1700000020000"]),
        ("PERSIST b", ":1", &["persist 0 b"], &["PERSIST b"]),
        ("PERSIST b", ":0", &[], &[]),
        ("EXPIRE b -1", ":1", &["expired 0 b"], &["DEL b"]),
        ("EXPIRE b 1", ":0", &[], &[]),
        ("SET e 1", "OK", &["set 0 e"], &["SET e 1"]),
        ("DEL e x e", ":1", &["del 0 e"], &["DEL e x e"]),
        ("DEL e", ":0", &[], &[]),
        ("SELECT 2", "OK", &[], &[]),
        ("UNLINK c d", ":2", &["del 2 c", "del 2 d"], &["SELECT 2", "UNLINK c d"]),
        ("SWAPDB 0 2", "OK", &[], &["SWAPDB 0 2"]),
        ("FLUSHDB", "OK", &[], &["FLUSHDB"]),
        ("FLUSHALL ASYNC", "OK", &[], &["FLUSHALL ASYNC"]),
        ("FLUSHALL x", "-ERR syntax error", &[], &[]),
        ("KEYS *", "", &[], &[]),
        ("TOUCH e", ":0", &[], &[]),
    ];
    let mut written = 0;
    for (line, reply, events, records) in steps {
        assert_eq!(user.say(line), *reply, "{line}");
        assert_eq!(lab.events(), *events, "{line}");
        let lines = lab.lines();
        assert_eq!(lines[written..], **records, "{line}");
        written = lines.len();
    }
}

#[test]
fn an_event_names_its_key_however_many_there_are() {
    let lab = Lab::new(6);
    let mut user = lab.user();
    let mut words = vec!["DEL".to_owned()];
    words.extend((0..70_000).map(|number| format!("none{number}")));
    words.push("last".to_owned());
    user.say("SET last v");
    lab.events();
    assert_eq!(user.call(&words), ":1");
    assert_eq!(lab.events(), ["del 0 last"]);
}

/// A key and its database.
type DbKey<'a> = (usize, &'a str);

#[test]
fn watchers_hear_of_every_change() {
    let changes: &[(&str, &[DbKey<'_>], &[DbKey<'_>])] = &[
        ("RENAME a b", &[(0, "a"), (0, "b")], &[(1, "a"), (0, "c")]),
        ("COPY a b", &[(0, "b")], &[(0, "a"), (1, "b")]),
        ("COPY a b DB 1", &[(1, "b")], &[(0, "a"), (0, "b")]),
        ("MOVE a 1", &[(0, "a"), (1, "a")], &[(0, "b")]),
        ("DEL a b", &[(0, "a")], &[(0, "b")]),
        ("EXPIRE a 10", &[(0, "a")], &[]),
        ("EXPIRE a -10", &[(0, "a")], &[]),
        ("PERSIST c", &[(0, "c")], &[(0, "a")]),
        ("PERSIST a", &[], &[(0, "a")]),
        ("RENAME a a", &[], &[(0, "a")]),
        ("TOUCH a", &[], &[(0, "a")]),
        ("FLUSHDB", &[(0, "a"), (0, "c")], &[(0, "none"), (1, "x")]),
        ("FLUSHALL", &[(0, "a"), (1, "x")], &[(0, "none"), (1, "a")]),
        ("SWAPDB 0 1", &[(0, "a"), (0, "x"), (1, "a"), (1, "x")], &[(0, "none"), (1, "none")]),
        ("SWAPDB 0 0", &[], &[(0, "a")]),
    ];
    for (line, raised, silent) in changes {
        let lab = Lab::new(4);
        let mut user = lab.user();
        for setup in ["SET a v", "SET c v", "EXPIRE c 100", "SET x v", "MOVE x 1"] {
            user.say(setup);
        }
        let watch = |keys: &[DbKey<'_>]| keys.iter().map(|(db, key)| lab.watch(*db, key)).collect::<Vec<_>>();
        let (raised, silent) = (watch(raised), watch(silent));
        let reply = user.say(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        assert!(raised.iter().all(|flag| flag.is_raised()), "{line}");
        assert!(!silent.iter().any(|flag| flag.is_raised()), "{line}");
    }
}

#[test]
fn emptied_databases_are_dropped_by_the_caller_or_in_the_background() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    let fill = |user: &mut User| (0..2000).for_each(|number| drop(user.call(&["SET", &format!("k{number}"), "v"])));
    fill(&mut user);
    assert!(lab.store().used_bytes() > 20_000);
    assert_eq!(user.say("FLUSHDB SYNC"), "OK");
    assert_eq!((lab.store().used_bytes(), lab.store().lazyfree.pending()), (0, 0));
    fill(&mut user);
    assert_eq!(user.say("FLUSHDB"), "OK");
    assert!(lab.store().used_bytes() > 20_000, "what waits is still there");
    assert_eq!((user.say("DBSIZE"), lab.store().lazyfree.pending()), (":0".into(), 2000));
    lab.engine.tick();
    assert_eq!((lab.store().lazyfree.pending(), lab.store().lazyfree.freed()), (0, 2000));
    assert_eq!(lab.store().used_bytes(), 0);
}

#[test]
fn refusals_change_nothing() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    user.say("SET a v");
    lab.record();
    lab.events();
    let errors = lab.store().counters.errors.load(Ordering::Relaxed);
    let refused = [
        ("RENAME none a", "-ERR no such key"),
        ("COPY a a", "-ERR source and destination objects are the same"),
        ("COPY a b DB 16", "-ERR DB index is out of range"),
        ("COPY a b DB 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("COPY a b DB", "-ERR syntax error"),
        ("MOVE a 0", "-ERR source and destination objects are the same"),
        ("MOVE a x", "-ERR value is not an integer or out of range"),
        ("SWAPDB x 0", "-ERR invalid first DB index"),
        ("SWAPDB 99 y", "-ERR invalid second DB index"),
        ("SWAPDB 99 0", "-ERR DB index is out of range"),
        ("FLUSHALL SYNC SYNC", "-ERR syntax error"),
        ("EXPIRE a 1 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 1 GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE a 1 bad", "-ERR Unsupported option bad"),
        ("EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("OBJECT nosuch a", "-ERR unknown subcommand 'nosuch'. Try OBJECT HELP."),
    ];
    for (line, reply) in refused {
        assert_eq!(user.say(line), reply, "{line}");
    }
    assert_eq!(lab.store().counters.errors.load(Ordering::Relaxed) - errors, refused.len() as u64);
    assert!(lab.events().is_empty() && lab.lines().is_empty());
    assert_eq!((user.say("GET a"), user.say("DBSIZE"), user.say("TTL a")), ("$v".into(), ":1".into(), ":-1".into()));
}

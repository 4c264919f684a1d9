//! Walks: every stable key once, whatever comes and goes beside it; nobody is stopped, nothing expired is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use rkv_engine::random::{Random, Xoshiro256};

use crate::support::{Lab, START_MS, User};

fn set(user: &mut User, key: &str) {
    assert_eq!(user.call(&["SET", key, "v"]), "OK");
}

/// Checks that each of the keys with this prefix was told once, and none twice.
fn assert_once(told: &[Vec<u8>], prefix: &str, count: usize) {
    let mut times = BTreeMap::new();
    for name in told.iter().filter(|name| name.starts_with(prefix.as_bytes())) {
        *times.entry(name).or_insert(0) += 1;
    }
    assert_eq!(times.len(), count);
    assert!(times.values().all(|&times| times == 1));
}

#[test]
fn a_quiet_database_is_told_once() {
    for shard_bits in [0, 1, 4, 6] {
        let lab = Lab::new(shard_bits);
        let mut user = lab.user();
        let mut stored = 0;
        for count in [0, 1, 2, 10, 100, 1000, 5000, 20_000] {
            (stored..count).for_each(|number| set(&mut user, &format!("key:{number}")));
            stored = count;
            for options in [&[] as &[&str], &["COUNT", "1"], &["COUNT", "333"], &["COUNT", "1000000"]] {
                let told = user.walk(options, || ());
                assert_eq!(told.len(), count);
                assert_once(&told, "key:", count);
            }
            assert_once(&user.names(&["KEYS", "*"]), "key:", count);
            assert_eq!(user.count("DBSIZE"), count as i64);
        }
    }
}

#[test]
fn a_call_looks_at_about_as_many_as_it_is_asked_for() {
    let lab = Lab::new(6);
    let mut user = lab.user();
    (0..20_000).for_each(|number| set(&mut user, &format!("key:{number}")));
    for count in [1, 10, 100, 2000] {
        let mut calls = 1;
        user.walk(&["COUNT", &count.to_string()], || calls += 1);
        // A range of the table is told whole, and holds less than thirty.
        assert!(calls * (count + 30) >= 20_000, "{calls} calls for COUNT {count}");
        assert!(calls <= 20_000 / count + 65, "{calls} calls for COUNT {count}");
    }
    // Of an empty database ten times COUNT ranges are looked at, each an empty shard.
    user.say("FLUSHALL");
    let mut calls = 1;
    user.walk(&["COUNT", "1"], || calls += 1);
    assert_eq!(calls, 7);
}

#[test]
fn growth_and_shrinking_between_calls_lose_nothing() {
    for (shard_bits, seed) in [(0, 1), (0, 2), (3, 3), (6, 4)] {
        let lab = Lab::new(shard_bits);
        let (mut user, mut other) = (lab.user(), lab.user());
        (0..2000).for_each(|number| set(&mut user, &format!("stable:{number}")));
        let mut random = Xoshiro256::from_seed(seed);
        let mut strangers = 0;
        for round in 0..4 {
            let told = user.walk(&["COUNT", "60"], || {
                // Hundreds come, or all but a few go.
                if random.below(3) > 0 {
                    (0..random.below(1000)).for_each(|_| {
                        set(&mut other, &format!("stranger:{strangers}"));
                        strangers += 1;
                    });
                } else {
                    let kept = strangers / 8;
                    (kept..strangers).for_each(|number| drop(other.call(&["DEL", &format!("stranger:{number}")])));
                    strangers = kept;
                }
            });
            assert_once(&told, "stable:", 2000);
            let strange: Vec<_> = told.iter().filter(|name| name.starts_with(b"stranger:")).collect();
            assert!(round == 0 || !strange.is_empty());
        }
    }
}

#[test]
fn threads_beside_a_walk_lose_nothing() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    (0..3000).for_each(|number| set(&mut user, &format!("stable:{number}")));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for name in ["x", "y"] {
            let (mut writer, stop) = (lab.user(), &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    (0..3000).for_each(|number| set(&mut writer, &format!("{name}{number}")));
                    (0..3000).for_each(|number| drop(writer.call(&["DEL", &format!("{name}{number}")])));
                }
            });
        }
        for count in [1, 7, 100, 5000].into_iter().cycle().take(12) {
            let told = user.walk(&["COUNT", &count.to_string()], || ());
            assert_once(&told, "stable:", 3000);
            assert_once(&user.names(&["KEYS", "stable:*"]), "stable:", 3000);
            assert!((3000..=9000).contains(&user.count("DBSIZE")));
            assert!(user.say("RANDOMKEY").starts_with('$'));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_walk_waits_for_one_shard_only() {
    let lab = Lab::new(2);
    let mut user = lab.user();
    (0..100).for_each(|number| set(&mut user, &format!("key:{number}")));
    let keyspace = &lab.store().keyspace;
    // Somebody holds every shard but the first, which is all that a first call with a small COUNT needs.
    let held = keyspace.lock(keyspace.all() & !1).expect("locks");
    assert_eq!(user.names(&["SCAN", "0", "COUNT", "1"]).first().map(|cursor| cursor != b"0"), Some(true));
    drop(held);
    assert_eq!(user.say("TEST.VISIT"), ":100");
    assert_eq!(user.say("TEST.VISIT-ALL"), ":100", "what is held is not locked again");
}

#[test]
fn filters() {
    let lab = Lab::new(3);
    let mut user = lab.user();
    for key in ["one", "two", "three", "four", ""] {
        set(&mut user, key);
    }
    user.say("TEST.RAW raw r");
    user.say("SET int 1");
    let mut found = |options: &[&str]| {
        let told = user.walk(options, || ()).into_iter().map(|name| String::from_utf8(name).expect("text"));
        told.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(",")
    };
    assert_eq!(found(&["MATCH", "t*"]), "three,two");
    assert_eq!(found(&["match", "T*"]), "");
    assert_eq!(found(&["MATCH", "*o*", "COUNT", "2"]), "four,one,two");
    assert_eq!(found(&["MATCH", "x", "MATCH", "?n?"]), "int,one");
    assert_eq!(found(&["TYPE", "String"]), ",four,int,one,raw,three,two");
    assert_eq!(found(&["TYPE", "list"]), "");
    assert_eq!(found(&["MATCH", "*"]), ",four,int,one,raw,three,two");
    assert_eq!(found(&["MATCH", "**"]), "four,int,one,raw,three,two");
    assert_eq!(user.call(&["SCAN", "0", "TYPE", "nosuch"]), "-ERR unknown type name 'nosuch'");
    assert_eq!(user.call(&["KEYS", ""]), "$");
    assert_eq!(user.call(&["KEYS", "r[a-b]w"]), "$raw");
}

#[test]
fn cursors_and_options_that_are_refused() {
    let lab = Lab::new(3);
    let mut user = lab.user();
    set(&mut user, "k");
    let all = "$0 $k";
    let cases: &[(&[&str], &str)] = &[
        (&["0"], all),
        (&["-0"], all),
        (&["+0"], all),
        (&[""], all),
        (&["0\0x"], all),
        (&["000"], all),
        (&["x"], "-ERR invalid cursor"),
        (&[" 0"], "-ERR invalid cursor"),
        (&["0 "], "-ERR invalid cursor"),
        (&["+"], "-ERR invalid cursor"),
        (&["--0"], "-ERR invalid cursor"),
        (&["18446744073709551616"], "-ERR invalid cursor"),
        (&["0", "COUNT"], "-ERR syntax error"),
        (&["0", "COUNT", "0"], "-ERR syntax error"),
        (&["0", "COUNT", "-5"], "-ERR syntax error"),
        (&["0", "COUNT", "x"], "-ERR value is not an integer or out of range"),
        (&["0", "COUNT", "9223372036854775807"], all),
        (&["0", "MATCH"], "-ERR syntax error"),
        (&["0", "TYPE"], "-ERR syntax error"),
        (&["0", "bad", "x"], "-ERR syntax error"),
        (&["x", "bad"], "-ERR invalid cursor"),
    ];
    for (words, reply) in cases {
        let words: Vec<&str> = ["SCAN"].iter().chain(*words).copied().collect();
        assert_eq!(user.call(&words), *reply, "{words:?}");
    }
    let mut random = Xoshiro256::from_seed(5);
    for _ in 0..2000 {
        // Any number is a cursor, of which nothing is expected but an answer.
        let cursor = (random.next_u64() >> random.below(64)).to_string();
        assert!(!user.call(&["SCAN", &cursor, "COUNT", "1"]).starts_with('-'), "{cursor}");
    }
    assert!(!user.call(&["SCAN", "18446744073709551615"]).starts_with('-'));
    assert!(!user.call(&["SCAN", "-5"]).starts_with('-'));
}

#[test]
fn what_has_expired_is_not_shown() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    for number in 0..300 {
        set(&mut user, &format!("k{number}"));
        if number > 0 {
            user.call(&["PEXPIREAT", &format!("k{number}"), &(START_MS + 10).to_string()]);
        }
    }
    lab.clock.advance_ms(10);
    // Nobody has ticked: they are stored, and counted as Redis counts them, but seen by nobody.
    assert_eq!(user.say("DBSIZE"), ":300");
    assert_eq!(user.say("KEYS *"), "$k0");
    assert_eq!(user.walk(&[], || ()), [b"k0"]);
    for _ in 0..50 {
        assert_eq!(user.say("RANDOMKEY"), "$k0");
    }
    assert_eq!(user.say("EXISTS k0 k1 k2"), ":1");
    assert_eq!((user.say("TYPE k1"), user.say("OBJECT ENCODING k1")), ("none".into(), "nil".into()));
    assert_eq!((user.say("TTL k1"), user.say("TOUCH k1")), (":-2".into(), ":0".into()));
    user.say("DEL k0");
    assert_eq!(user.say("RANDOMKEY"), "nil");
    assert_eq!((lab.expired(), user.say("DBSIZE")), (0, ":299".into()), "reads delete nothing");
    lab.engine.tick();
    assert_eq!((lab.expired(), user.say("DBSIZE")), (299, ":0".into()));
}

#[test]
fn random_keys_are_fair() {
    for (shard_bits, keys, draws) in [(0, 7, 7000), (6, 20, 20_000), (2, 1000, 50_000), (0, 3000, 60_000)] {
        let lab = Lab::new(shard_bits);
        let mut user = lab.user();
        (0..keys).for_each(|number| set(&mut user, &number.to_string()));
        let mut times = vec![0_u32; keys];
        for _ in 0..draws {
            let key = user.say("RANDOMKEY");
            times[key[1..].parse::<usize>().expect("a number")] += 1;
        }
        let mean = f64::from(draws) / keys as f64;
        let spread = times.iter().map(|&times| (f64::from(times) - mean).powi(2)).sum::<f64>() / keys as f64;
        // Fair draws spread by the mean; what buckets behind empty ones add is small.
        assert!(spread < mean * if keys < 30 { 4.0 } else { 8.0 }, "{keys} keys spread by {spread}, mean {mean}");
        assert!(times.iter().all(|&times| times > 0), "a key is never drawn");
    }
}

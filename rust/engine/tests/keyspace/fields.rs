//! Fields of hashes that expire: commands, both wheels, housekeeper, journal, events, and who watches.

use std::collections::HashMap;

use rkv_engine::random::{Random, Xoshiro256};

use crate::support::{Lab, START_MS, User};

fn fill(user: &mut User, key: &str, fields: usize) {
    for from in (0..fields).step_by(100) {
        let pairs: Vec<String> = (from..fields.min(from + 100)).map(|number| format!("f{number} v{number}")).collect();
        user.say(&format!("HSET {key} {}", pairs.join(" ")));
    }
}

#[test]
fn a_field_goes_at_its_deadline_and_not_before() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    lab.record();
    user.say("HSET h a 1 b 2");
    assert_eq!(user.say("HPEXPIRE h 1000 FIELDS 1 a"), ":1");
    assert_eq!(lab.engine.tick(), START_MS + 1000);
    lab.pass_ms(998);
    assert_eq!((user.say("HPTTL h FIELDS 1 a"), user.say("HLEN h")), (":2".into(), ":2".into()));
    lab.events();
    let flag = lab.watch(0, "h");
    lab.pass_ms(2);
    assert_eq!((user.say("HLEN h"), user.say("HKEYS h")), (":1".into(), "$b".into()));
    assert!(flag.is_raised());
    assert_eq!(lab.events(), ["hexpired 0 h"]);
    let at = format!("HPEXPIREAT h {} FIELDS 1 a", START_MS + 1000);
    assert_eq!(lab.lines(), ["SELECT 0", "HSET h a 1 b 2", &at, "HDEL h a"]);
    assert_eq!(lab.expired(), 0, "no key expired");
    assert_eq!(lab.engine.tick(), i64::MAX, "nothing is due any more");
}

#[test]
fn the_last_field_takes_the_key_with_it() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    lab.record();
    user.say("HSETEX h PX 5 FIELDS 2 a 1 b 2");
    lab.events();
    let flag = lab.watch(0, "h");
    lab.pass_ms(6);
    assert_eq!((user.say("EXISTS h"), user.say("DBSIZE")), (":0".into(), ":0".into()));
    assert_eq!(lab.events(), ["hexpired 0 h", "del 0 h"]);
    assert!(flag.is_raised());
    let lines = lab.lines();
    assert!(["HDEL h a b", "HDEL h b a"].contains(&lines.last().unwrap().as_str()), "{lines:?}");
}

#[test]
fn one_millisecond_before_and_after() {
    let lab = Lab::new(0);
    let mut user = lab.user();
    for fields in [1, 600] {
        for ttl_ms in 1..20 {
            fill(&mut user, "h", fields);
            user.say(&format!("HPEXPIRE h {ttl_ms} FIELDS 1 f0"));
            lab.clock.advance_ms(ttl_ms - 1);
            assert_eq!((user.say("HEXISTS h f0"), user.say("HPTTL h FIELDS 1 f0")), (":1".into(), ":1".into()));
            lab.clock.advance_ms(1);
            let seen = ["HGET h f0", "HEXISTS h f0", "HSTRLEN h f0", "HMGET h f0", "HTTL h FIELDS 1 f0", "HDEL h f0"];
            let seen: Vec<String> = seen.iter().map(|command| user.say(command)).collect();
            assert_eq!(seen, ["nil", ":0", ":0", "nil", ":-2", ":0"]);
            assert_eq!(user.say("HLEN h"), format!(":{fields}"), "it is still stored");
            // That it is freed, too, is at most two ticks of a wheel away: one of the hash, one of the shard.
            lab.pass_ms(4);
            assert_eq!(user.say("HLEN h"), format!(":{}", fields - 1));
        }
    }
}

/// A replica removes nothing by itself, so what a writer did with a field whose time was over must be in the journal.
#[test]
fn a_replica_follows_what_writers_did_with_expired_fields() {
    let writers = [
        "HSET h a new",
        "HSETNX h a new",
        "HINCRBY h a 5",
        "HINCRBYFLOAT h a 1.5",
        "HSETEX h FNX FIELDS 1 a new",
        "HSETEX h KEEPTTL FIELDS 2 a new b newer",
        "HSETEX h EX 100 FIELDS 1 a new",
        "HSETEX h PXAT 1 FIELDS 1 a new",
        "HDEL h a b",
        "HGETDEL h FIELDS 2 a b",
        "HEXPIRE h 100 FIELDS 2 a b",
        "HPERSIST h FIELDS 2 a b",
        "HGETEX h PX 50 FIELDS 2 a b",
    ];
    for writer in writers {
        let lab = Lab::new(2);
        let mut user = lab.user();
        lab.record();
        user.say("DEBUG SET-ACTIVE-EXPIRE 0");
        user.say("HSET h a 7 b 8 c 9");
        user.say("HPEXPIRE h 10 FIELDS 1 a");
        user.say("HPEXPIRE h 100000 FIELDS 1 b");
        lab.clock.advance_ms(20);
        lab.events();
        user.say(writer);
        let stores = lab.events().contains(&"hexpired 0 h".into());
        let replica = Lab::new(2);
        // Its clock stands before every deadline, as if it did not expire anything.
        let mut follower = replica.user();
        for words in lab.lines() {
            follower.say(&words);
        }
        let fields = ["HMGET h a b c", "HPEXPIRETIME h FIELDS 3 a b c"];
        let (ours, theirs) = (fields.map(|ask| user.say(ask)), fields.map(|ask| follower.say(ask)));
        if stores || user.say("HEXISTS h a") == ":1" {
            assert_eq!(ours, theirs, "{writer}: {:?}", lab.lines());
        } else {
            // The wheel has yet to remove the field here, and tells the replica then.
            user.say("DEBUG SET-ACTIVE-EXPIRE 1");
            lab.engine.tick();
            lab.pass_ms(10);
            let gone = if user.say("EXISTS h") == ":1" { "HDEL h a" } else { "HDEL h" };
            assert!(lab.lines().iter().any(|line| line.starts_with(gone)), "{writer}: {:?}", lab.lines());
        }
    }
}

#[test]
fn moved_and_copied_fields_keep_their_deadlines() {
    for fields in [3, 700] {
        let lab = Lab::new(3);
        let mut user = lab.user();
        for (from, to) in [("RENAME h k", "k"), ("COPY h k", "k"), ("COPY h h DB 1", "h"), ("MOVE h 1", "h")] {
            user.say("FLUSHALL");
            fill(&mut user, "h", fields);
            user.say("HPEXPIRE h 50 FIELDS 2 f0 f1");
            lab.pass_ms(1);
            user.say(from);
            let db = i32::from(from.contains('1'));
            user.say(&format!("SELECT {db}"));
            lab.pass_ms(48);
            assert_eq!(user.say(&format!("HMGET {to} f0 f2")), "$v0 $v2", "{from}");
            lab.pass_ms(8);
            assert_eq!(user.say(&format!("HLEN {to}")), format!(":{}", fields - 2), "{from}");
            user.say("SELECT 0");
        }
    }
}

#[test]
fn a_key_with_a_deadline_has_fields_with_others() {
    let lab = Lab::new(0);
    let mut user = lab.user();
    user.say("HSET h a 1 b 2 c 3");
    user.say("PEXPIRE h 100");
    user.say("HPEXPIRE h 50 FIELDS 1 a");
    user.say("HPEXPIRE h 500 FIELDS 1 b");
    lab.pass_ms(10);
    user.say("PEXPIRE h 300");
    lab.pass_ms(50);
    assert_eq!(user.say("HLEN h"), ":2");
    lab.pass_ms(60);
    assert_eq!((user.say("HLEN h"), user.say("PTTL h")), (":2".into(), ":190".into()));
    user.say("PERSIST h");
    lab.pass_ms(395);
    assert_eq!(user.say("HKEYS h"), "$c");
    assert_eq!(user.say("HLEN h"), ":1");
}

#[test]
fn many_fields_at_once_take_many_short_turns() {
    let lab = Lab::new(0);
    let mut user = lab.user();
    lab.record();
    fill(&mut user, "h", 20_000);
    fill(&mut user, "g", 3);
    let names: Vec<String> = (0..20_000).map(|number| format!("f{number}")).collect();
    user.say(&format!("HPEXPIRE h 100 FIELDS 20000 {}", names.join(" ")));
    user.say("HPEXPIRE g 100 FIELDS 3 f0 f1 f2");
    lab.pass_ms(101);
    assert_eq!(user.say("DBSIZE"), ":0");
    let lines: Vec<String> = lab.lines().into_iter().filter(|line| line.starts_with("HDEL h")).collect();
    let sizes: Vec<usize> = lines.iter().map(|line| line.split(' ').count() - 2).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 20_000);
    assert!(sizes.iter().all(|&size| size <= 128), "{sizes:?}");
}

/// Random commands and random leaps of the clock, against maps that know no wheel.
#[test]
fn fields_follow_a_model_without_a_wheel() {
    let seed = std::env::var("RKV_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| Xoshiro256::from_system().expect("randomness").next_u64());
    println!("RKV_TEST_SEED={seed}");
    let mut random = Xoshiro256::from_seed(seed);
    for names in [4, 900] {
        let lab = Lab::new(1);
        let mut user = lab.user();
        let mut model: HashMap<(u64, u64), i64> = HashMap::new();
        let mut now_ms = START_MS;
        for _ in 0..4000 {
            let (key, field) = (random.below(3), random.below(names));
            let span = [5, 100, 10_000, 1_000_000_000][random.below(4) as usize];
            let ttl_ms = 1 + random.below(span) as i64;
            match random.below(10) {
                0..4 => {
                    user.say(&format!("HSETEX h{key} PX {ttl_ms} FIELDS 1 {field} v"));
                    model.insert((key, field), now_ms + ttl_ms);
                }
                4 => {
                    user.say(&format!("HSET h{key} {field} v"));
                    model.insert((key, field), i64::MAX);
                }
                5 | 6 => {
                    user.say(&format!("HPEXPIRE h{key} {ttl_ms} FIELDS 1 {field}"));
                    model.entry((key, field)).and_modify(|deadline_ms| *deadline_ms = now_ms + ttl_ms);
                }
                7 => {
                    user.say(&format!("HDEL h{key} {field}"));
                    model.remove(&(key, field));
                }
                _ => {
                    let leap_ms = [1, 3, 60, 2_000, 400_000_000][random.below(5) as usize];
                    lab.pass_ms(leap_ms);
                    now_ms += leap_ms as i64;
                    // What is due is gone within two ticks of each wheel, and seen no more at once.
                    lab.pass_ms(8);
                    now_ms += 8;
                    model.retain(|_, deadline_ms| *deadline_ms > now_ms);
                }
            }
            let stored: i64 = (0..3).map(|key| user.say(&format!("HLEN h{key}"))[1..].parse::<i64>().unwrap()).sum();
            let late = model.values().filter(|&&deadline_ms| deadline_ms <= now_ms).count();
            assert!(
                (stored - model.len() as i64).abs() <= 3 + late as i64,
                "{stored} stored, {} expected",
                model.len()
            );
            let expected = if model.contains_key(&(key, field)) { "$v" } else { "nil" };
            assert_eq!(user.say(&format!("HGET h{key} {field}")), expected);
        }
    }
}

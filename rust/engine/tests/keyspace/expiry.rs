//! Expiry from end to end: commands, wheel, housekeeper, journal and events, against a model that knows no wheel.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use rkv_collections::wheel::PAYLOAD_BITS;
use rkv_engine::keyspace::{Db, KeyHasher, Now};
use rkv_engine::random::{Random, Xoshiro256};
use rkv_engine::values::NewValue;

use crate::support::{Lab, START_MS, User};

#[test]
fn a_key_goes_at_its_deadline_and_not_before() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    lab.record();
    user.say("SET a v");
    assert_eq!(user.say("PEXPIRE a 1000"), ":1");
    assert_eq!(lab.engine.tick(), START_MS + 1000);
    lab.pass_ms(998);
    assert_eq!((user.say("PTTL a"), user.say("DBSIZE")), (":2".into(), ":1".into()));
    lab.events();
    lab.pass_ms(2);
    assert_eq!(user.say("DBSIZE"), ":0");
    assert_eq!(lab.events(), ["expired 0 a"]);
    assert_eq!(lab.lines(), ["SELECT 0", "SET a v", &format!("PEXPIREAT a {}", START_MS + 1000), "DEL a"]);
    assert_eq!((lab.expired(), lab.engine.tick()), (1, i64::MAX));
}

#[test]
fn one_millisecond_before_and_after() {
    let lab = Lab::new(0);
    let mut user = lab.user();
    for ttl_ms in 1..40 {
        user.say("SET a v");
        user.say(&format!("PEXPIRE a {ttl_ms}"));
        lab.clock.advance_ms(ttl_ms - 1);
        assert_eq!((user.say("EXISTS a"), user.say("PTTL a")), (":1".into(), ":1".into()));
        lab.clock.advance_ms(1);
        assert_eq!(
            (user.say("EXISTS a"), user.say("PTTL a"), user.say("GET a")),
            (":0".into(), ":-2".into(), "nil".into())
        );
        // Nobody can see it any more; that it is freed, too, is at most one tick of the wheel away.
        lab.pass_ms(2);
        assert_eq!(user.say("DBSIZE"), ":0");
    }
}

#[test]
fn writers_delete_what_they_find_expired() {
    let cases = [
        ("DEL a", ":0"),
        ("EXPIRE a 100", ":0"),
        ("PERSIST a", ":0"),
        ("RENAME a b", "-ERR no such key"),
        ("MOVE a 1", ":0"),
        ("SET a w", "OK"),
        ("RENAME c a", "OK"),
        ("RENAMENX c a", ":1"),
        ("COPY c a", ":1"),
    ];
    for (line, reply) in cases {
        let lab = Lab::new(4);
        let mut user = lab.user();
        lab.record();
        for setup in ["SET c v", "SET a v", "PEXPIRE a 100"] {
            user.say(setup);
        }
        lab.clock.advance_ms(100);
        lab.events();
        let written = lab.lines().len();
        assert_eq!(user.say(line), reply, "{line}");
        assert_eq!(lab.events().first().map(String::as_str), Some("expired 0 a"), "{line}");
        assert_eq!(lab.lines()[written], "DEL a", "{line}");
        assert_eq!(lab.expired(), 1, "{line}");
        lab.engine.tick();
        assert_eq!((lab.expired(), lab.events().contains(&"expired 0 a".to_owned())), (1, false), "{line}");
    }
}

#[test]
fn conditions_compare_with_the_end_of_time() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    user.say("SET a v");
    let (early, late) = (START_MS + 10_000, START_MS + 20_000);
    let steps = [
        ("XX", early, ":0", -1),
        ("GT", early, ":0", -1),
        ("XX LT", early, ":0", -1),
        ("LT", late, ":1", late),
        ("NX", early, ":0", late),
        ("GT", early, ":0", late),
        ("GT", late, ":0", late),
        ("LT", late, ":0", late),
        ("XX LT", early, ":1", early),
        ("XX GT", late, ":1", late),
        ("xx", early, ":1", early),
        ("GT", 1, ":0", early),
    ];
    for (options, at_ms, reply, deadline_ms) in steps {
        assert_eq!(user.say(&format!("PEXPIREAT a {at_ms} {options}")), reply, "{options}");
        assert_eq!(user.say("PEXPIRETIME a"), format!(":{deadline_ms}"), "{options}");
    }
    assert_eq!(user.say("PEXPIREAT a 1 LT"), ":1");
    assert_eq!(user.say("EXISTS a"), ":0");
}

#[test]
fn the_ends_of_the_numbers() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    let mut tell = |line: &str| {
        user.say("SET a v");
        let reply = user.say(line);
        [reply, user.say("PEXPIRETIME a"), user.say("EXPIRETIME a"), user.say("EXISTS a")].join(" ")
    };
    let max = i64::MAX;
    assert_eq!(tell(&format!("PEXPIREAT a {max}")), format!(":1 :{max} :9223372036854776 :1"));
    assert_eq!(tell(&format!("PEXPIREAT a {}", i64::MIN)), ":1 :-2 :-2 :0");
    assert_eq!(tell(&format!("PEXPIRE a {}", i64::MIN)), ":1 :-2 :-2 :0");
    assert_eq!(tell(&format!("PEXPIRE a {}", max - START_MS)), format!(":1 :{max} :9223372036854776 :1"));
    let refused = |name: &str| format!("-ERR invalid expire time in '{name}' command :-1 :-1 :1");
    assert_eq!(tell(&format!("PEXPIRE a {}", max - START_MS + 1)), refused("pexpire"));
    assert_eq!(tell(&format!("EXPIREAT a {}", max / 1000 + 1)), refused("expireat"));
    assert_eq!(tell(&format!("EXPIREAT a {}", i64::MIN)), refused("expireat"));
    assert_eq!(tell(&format!("EXPIRE a {}", max / 1000)), refused("expire"));
    assert_eq!(tell("EXPIRE a 0"), ":1 :-2 :-2 :0");
    assert_eq!(tell("EXPIREAT a 1000"), ":1 :-2 :-2 :0");
    assert_eq!(tell(&format!("EXPIREAT a {}", max / 1000)).split(' ').next_back(), Some(":1"));
}

#[test]
fn a_deadline_at_the_end_of_time_costs_nobody_anything() {
    let lab = Lab::new(2);
    let mut user = lab.user();
    user.say("SET a v");
    user.say(&format!("PEXPIREAT a {}", i64::MAX));
    user.say(&format!("PEXPIREAT a {}", i64::MAX - 1));
    lab.pass_ms(1 << 40);
    assert_eq!(user.say("EXISTS a"), ":1");
    assert!(lab.engine.tick() > START_MS + (1 << 40), "it does not ask to be called at once");
    user.say("PEXPIRE a 10");
    lab.pass_ms(10);
    assert_eq!(user.say("DBSIZE"), ":0");
}

#[test]
fn many_keys_go_in_one_tick() {
    let lab = Lab::new(4);
    let mut user = lab.user();
    for number in 0..20_000 {
        user.call(&["SET", &format!("k{number}"), "v"]);
        user.call(&["PEXPIRE", &format!("k{number}"), if number % 2 == 0 { "500" } else { "2000" }]);
    }
    lab.pass_ms(498);
    assert_eq!(user.say("DBSIZE"), ":20000");
    lab.pass_ms(2);
    assert_eq!((user.say("DBSIZE"), lab.expired()), (":10000".into(), 10_000));
    lab.pass_ms(1_000_000_000);
    assert_eq!((user.say("DBSIZE"), lab.expired()), (":0".into(), 20_000));
    assert_eq!(lab.store().used_bytes(), 0);
}

#[test]
fn databases_take_their_deadlines_with_them() {
    let lab = Lab::new(2);
    let mut user = lab.user();
    user.say("SET a v");
    user.say("PEXPIRE a 100");
    user.say("SET stays v");
    user.say("SWAPDB 0 5");
    user.say("SET a other");
    lab.pass_ms(100);
    assert_eq!(lab.events().last().map(String::as_str), Some("expired 5 a"));
    assert_eq!((user.say("GET a"), user.say("DBSIZE")), ("$other".into(), ":1".into()));
    user.say("PEXPIRE a 100");
    user.say("FLUSHDB");
    user.say("SET a again");
    lab.events();
    lab.pass_ms(1000);
    assert_eq!((user.say("GET a"), lab.events()), ("$again".into(), vec![]), "no deadline of what was flushed");
}

#[test]
fn nothing_is_deleted_while_it_is_switched_off() {
    let lab = Lab::new(2);
    let mut user = lab.user();
    user.say("SET a v");
    user.say("PEXPIRE a 100");
    lab.store().settings.set_active_expire(false);
    lab.pass_ms(200);
    assert_eq!((user.say("DBSIZE"), user.say("EXISTS a")), (":1".into(), ":0".into()));
    lab.store().settings.set_active_expire(true);
    lab.engine.tick();
    assert_eq!(user.say("DBSIZE"), ":0");
}

/// The wheel files 40 bits of a key's hash. Among four million keys of one shard a few share them; each must go all the
/// same, and take no other with it.
#[test]
fn keys_that_share_what_is_filed_of_their_hashes() {
    let hasher = KeyHasher::new([7; 16], 0);
    let mut seen: HashMap<u64, u32> = HashMap::new();
    let mut twins = Vec::new();
    for number in 0..3_000_000_u32 {
        let filed = hasher.inner(&number.to_le_bytes()) >> (64 - PAYLOAD_BITS);
        if let Some(twin) = seen.insert(filed, number) {
            twins.push([twin, number]);
        }
    }
    assert!(!twins.is_empty(), "4.5e12 pairs and 1.1e12 values: about four were expected");
    let now = |unix_ms| Now { unix_ms, clock: 0 };
    for pair in twins {
        let names = pair.map(u32::to_le_bytes);
        for deadlines in [[100, 100], [100, 200], [200, 100]] {
            let mut db = Db::default();
            for (name, deadline_ms) in names.iter().zip(deadlines) {
                db.put(&hasher, &hasher.key(name), NewValue::Integer(1), Some(deadline_ms), now(0));
            }
            for (at_ms, left) in [(98, 2), (100, deadlines.iter().filter(|&&ms| ms > 100).count()), (200, 0)] {
                db.turn(at_ms, 100);
                db.expire(&hasher, at_ms, usize::MAX, |_| {});
                assert_eq!(db.len(), left, "{pair:?} with {deadlines:?} at {at_ms}");
            }
        }
    }
}

/// A command or the passing of time; keys and databases by number, times in milliseconds.
#[derive(Clone, Debug)]
enum Step {
    Set(usize),
    Del(usize),
    ExpireIn(usize, i64),
    ExpireAt(usize, i64),
    Persist(usize),
    Rename(usize, usize),
    Copy(usize, usize, usize),
    Move(usize, usize),
    Select(usize),
    Swap(usize, usize),
    Flush,
    Sleep(u64),
    Pass(u64),
}

const KEYS: usize = 5;
const DBS: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (key, db) = (|| 0..KEYS, || 0..DBS);
    // Even times, so that the ticks of the wheel, two milliseconds, make no difference.
    let ttl = || prop_oneof![8 => (0..60_i64).prop_map(|ms| ms * 2), 2 => Just(-2), 2 => (0..5000_i64).prop_map(|ms| ms * 20)];
    let step = prop_oneof![
        4 => key().prop_map(Step::Set),
        1 => key().prop_map(Step::Del),
        5 => (key(), ttl()).prop_map(|(key, ms)| Step::ExpireIn(key, ms)),
        2 => (key(), ttl()).prop_map(|(key, ms)| Step::ExpireAt(key, ms)),
        2 => key().prop_map(Step::Persist),
        2 => (key(), key()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (key(), key(), db()).prop_map(|(from, to, db)| Step::Copy(from, to, db)),
        2 => (key(), db()).prop_map(|(key, db)| Step::Move(key, db)),
        1 => db().prop_map(Step::Select),
        1 => (db(), db()).prop_map(|(one, other)| Step::Swap(one, other)),
        1 => Just(Step::Flush),
        2 => (0..40_u64).prop_map(|ms| Step::Sleep(ms * 2)),
        3 => (0..40_u64).prop_map(|ms| Step::Pass(ms * 2)),
    ];
    prop::collection::vec(step, 1..150)
}

/// In Unix milliseconds, if there is one.
type Deadline = Option<i64>;

/// What is stored, expired or not, by database and key.
#[derive(Default)]
struct Model {
    stored: BTreeMap<(usize, usize), Deadline>,
    now_ms: i64,
    db: usize,
    expired: u64,
}

impl Model {
    fn is_over(&self, deadline_ms: Deadline) -> bool {
        deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms)
    }

    /// What a reader sees.
    fn get(&self, db: usize, key: usize) -> Option<Deadline> {
        self.stored.get(&(db, key)).copied().filter(|deadline_ms| !self.is_over(*deadline_ms))
    }

    /// What a writer sees, who deletes what has expired.
    fn open(&mut self, db: usize, key: usize) -> Option<Deadline> {
        let found = self.get(db, key);
        if found.is_none() && self.stored.remove(&(db, key)).is_some() {
            self.expired += 1;
        }
        found
    }

    fn tick(&mut self) {
        let now_ms = self.now_ms;
        let before = self.stored.len();
        self.stored.retain(|_, deadline_ms| deadline_ms.is_none_or(|deadline_ms| deadline_ms > now_ms));
        self.expired += (before - self.stored.len()) as u64;
    }

    fn expire(&mut self, key: usize, at_ms: i64) -> String {
        if self.open(self.db, key).is_none() {
            return ":0".into();
        }
        if at_ms <= self.now_ms {
            self.stored.remove(&(self.db, key));
            self.expired += 1;
        } else {
            self.stored.insert((self.db, key), Some(at_ms));
        }
        ":1".into()
    }

    /// Takes a step; the reply, and the command if it is one.
    fn take(&mut self, step: &Step) -> Option<(String, String)> {
        let db = self.db;
        Some(match *step {
            Step::Sleep(_) | Step::Pass(_) => return None,
            Step::Set(key) => {
                self.open(db, key);
                self.stored.insert((db, key), None);
                (format!("SET {key} v"), "OK".into())
            }
            Step::Del(key) => {
                let found = self.open(db, key).is_some();
                self.stored.remove(&(db, key));
                (format!("DEL {key}"), format!(":{}", u8::from(found)))
            }
            Step::ExpireIn(key, ms) => (format!("PEXPIRE {key} {ms}"), self.expire(key, self.now_ms + ms)),
            Step::ExpireAt(key, ms) => {
                let at_ms = START_MS + ms;
                (format!("PEXPIREAT {key} {at_ms}"), self.expire(key, at_ms))
            }
            Step::Persist(key) => {
                let had = self.open(db, key).flatten().is_some();
                if had {
                    self.stored.insert((db, key), None);
                }
                (format!("PERSIST {key}"), format!(":{}", u8::from(had)))
            }
            Step::Rename(from, to) => (format!("RENAME {from} {to}"), self.rename(from, to)),
            Step::Copy(from, to, other) => (format!("COPY {from} {to} DB {other} REPLACE"), self.copy(from, to, other)),
            Step::Move(key, other) => (format!("MOVE {key} {other}"), self.move_to(key, other)),
            Step::Select(other) => {
                self.db = other;
                (format!("SELECT {other}"), "OK".into())
            }
            Step::Swap(one, other) => {
                let swapped = |db| {
                    if db == one {
                        other
                    } else if db == other {
                        one
                    } else {
                        db
                    }
                };
                let stored = std::mem::take(&mut self.stored);
                self.stored = stored.into_iter().map(|((db, key), ms)| ((swapped(db), key), ms)).collect();
                (format!("SWAPDB {one} {other}"), "OK".into())
            }
            Step::Flush => {
                self.stored.retain(|(of, _), _| *of != db);
                ("FLUSHDB".into(), "OK".into())
            }
        })
    }

    fn rename(&mut self, from: usize, to: usize) -> String {
        let Some(deadline_ms) = self.open(self.db, from) else { return "-ERR no such key".into() };
        self.open(self.db, to);
        if from != to {
            self.stored.remove(&(self.db, from));
            self.stored.insert((self.db, to), deadline_ms);
        }
        "OK".into()
    }

    fn copy(&mut self, from: usize, to: usize, db: usize) -> String {
        if from == to && db == self.db {
            return "-ERR source and destination objects are the same".into();
        }
        let Some(deadline_ms) = self.get(self.db, from) else { return ":0".into() };
        // The plan names both keys in the client's database: what has expired there is deleted before the journal has the words.
        self.open(self.db, to);
        self.open(db, to);
        self.stored.insert((db, to), deadline_ms);
        ":1".into()
    }

    fn move_to(&mut self, key: usize, db: usize) -> String {
        if db == self.db {
            return "-ERR source and destination objects are the same".into();
        }
        let Some(deadline_ms) = self.open(self.db, key) else { return ":0".into() };
        if self.open(db, key).is_some() {
            return ":0".into();
        }
        self.stored.remove(&(self.db, key));
        self.stored.insert((db, key), deadline_ms);
        ":1".into()
    }
}

/// Everything that a client can see of deadlines, by database.
fn seen(user: &mut User, model: &Model) -> (Vec<String>, Vec<String>) {
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for db in 0..DBS {
        user.say(&format!("SELECT {db}"));
        for key in 0..KEYS {
            found.push(user.say(&format!("PEXPIRETIME {key}")));
            expected.push(format!(":{}", model.get(db, key).map_or(-2, |deadline_ms| deadline_ms.unwrap_or(-1))));
        }
        found.push(user.say("DBSIZE"));
        expected.push(format!(":{}", model.stored.keys().filter(|(of, _)| *of == db).count()));
    }
    user.say(&format!("SELECT {}", model.db));
    (found, expected)
}

fn check(shard_bits: u32, steps: &[Step]) -> Result<(), TestCaseError> {
    let lab = Lab::new(shard_bits);
    lab.record();
    let mut user = lab.user();
    let mut model = Model { now_ms: START_MS, ..Model::default() };
    for step in steps {
        if let Some((line, expected)) = model.take(step) {
            prop_assert_eq!(user.say(&line), expected, "{}", line);
        }
        if let Step::Sleep(ms) | Step::Pass(ms) = *step {
            model.now_ms += ms as i64;
            lab.clock.advance_ms(ms);
        }
        if let Step::Pass(_) = step {
            lab.engine.tick();
            model.tick();
        }
        let (found, expected) = seen(&mut user, &model);
        prop_assert_eq!(found, expected, "after {:?}", step);
        prop_assert_eq!(lab.expired(), model.expired, "after {:?}", step);
    }
    lab.pass_ms(1 << 32);
    model.now_ms += 1 << 32;
    model.tick();
    let (found, expected) = seen(&mut user, &model);
    prop_assert_eq!(found, expected, "at the end");
    let told = lab.events().iter().filter(|event| event.starts_with("expired ")).count() as u64;
    prop_assert_eq!((lab.expired(), told), (model.expired, model.expired));
    replay(&lab, &model)
}

/// Another engine that runs the journal at another time has the same keys, without any clock's help: every expired key
/// was deleted by a record.
fn replay(lab: &Lab, model: &Model) -> Result<(), TestCaseError> {
    let other = Lab::new(0);
    let mut user = other.user();
    for words in lab.journal() {
        let reply = user.call(&words);
        prop_assert!(!reply.starts_with('-'), "{:?}: {}", words, reply);
    }
    let (found, expected) = seen(&mut user, model);
    prop_assert_eq!(found, expected, "replayed");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_sequence_agrees_with_the_model(shard_bits in 0..3_u32, steps in steps()) {
        check(shard_bits, &steps)?;
    }
}

#[test]
fn extending_a_deadline_again_and_again_files_nothing() {
    let lab = Lab::new(0);
    let mut user = lab.user();
    user.say("SET a v");
    user.say("PEXPIRE a 1000");
    let overhead = |lab: &Lab| {
        let locks = lab.store().keyspace.lock(1).expect("a lock");
        locks.peek(0).db(0).map(Db::overhead_bytes)
    };
    let before = overhead(&lab);
    let mut random = Xoshiro256::from_seed(9);
    let mut last_ms = 1000;
    for _ in 0..50_000 {
        last_ms += 2 * random.below(10) as i64;
        user.call(&["PEXPIREAT", "a", &(START_MS + last_ms).to_string()]);
    }
    assert_eq!(overhead(&lab), before);
    lab.pass_ms(last_ms as u64 - 2);
    assert_eq!(user.say("DBSIZE"), ":1");
    lab.pass_ms(2);
    assert_eq!(user.say("DBSIZE"), ":0");
}

//! Random string commands against a plain map, and the journal replayed into another one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{NOW_MS, Value, World};
use crate::housekeeper;

/// Strings with deadlines in a map, and string commands in a few lines each. It knows no error's text.
#[derive(Debug, Default)]
struct Model {
    keys: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>,
    now_ms: i64,
}

#[derive(Debug, PartialEq)]
enum Answer {
    Ok,
    Nil,
    Error,
    Integer(i64),
    Text(Vec<u8>),
    Several(Vec<Answer>),
}

fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

impl Model {
    fn forget_expired(&mut self) {
        let now_ms = self.now_ms;
        self.keys.retain(|_, (_, deadline_ms)| deadline_ms.is_none_or(|deadline_ms| deadline_ms > now_ms));
    }

    fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.keys.get(key).map(|(value, _)| value.clone())
    }

    fn text(&self, key: &[u8]) -> Answer {
        self.value(key).map_or(Answer::Nil, Answer::Text)
    }

    /// Replaces the value and keeps the deadline.
    fn change(&mut self, key: &[u8], value: Vec<u8>) {
        self.keys.entry(key.to_vec()).or_default().0 = value;
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.keys.insert(key.to_vec(), (value.to_vec(), None));
    }

    fn add(&mut self, key: &[u8], increment: i64) -> Answer {
        let old = self.value(key).map_or(Some(0), |text| integer(&text));
        let Some(sum) = old.and_then(|old| old.checked_add(increment)) else { return Answer::Error };
        self.change(key, sum.to_string().into_bytes());
        Answer::Integer(sum)
    }

    fn set(&mut self, key: &[u8], value: &[u8], options: &[Vec<u8>]) -> Answer {
        let has = |name: &str| options.iter().position(|option| option == name.as_bytes());
        let old = self.value(key);
        let reply = if has("GET").is_some() { self.text(key) } else { Answer::Nil };
        if (has("NX").is_some() && old.is_some()) || (has("XX").is_some() && old.is_none()) {
            return reply;
        }
        if has("IFEQ").is_some_and(|at| old.as_ref() != Some(&options[at + 1])) {
            return reply;
        }
        let kept = self.keys.get(key).and_then(|(_, deadline_ms)| *deadline_ms).filter(|_| has("KEEPTTL").is_some());
        let time = |name: &str| has(name).and_then(|at| integer(&options[at + 1]));
        let deadline_ms = time("PXAT").or(time("PX").map(|time_ms| time_ms + self.now_ms)).or(kept);
        self.keys.insert(key.to_vec(), (value.to_vec(), deadline_ms));
        if has("GET").is_some() { reply } else { Answer::Ok }
    }

    fn set_range(&mut self, key: &[u8], offset: usize, data: &[u8]) -> Answer {
        let mut value = self.value(key).unwrap_or_default();
        if !data.is_empty() {
            value.resize(value.len().max(offset + data.len()), 0);
            value.splice(offset..offset + data.len(), data.iter().copied());
            self.change(key, value.clone());
        }
        Answer::Integer(value.len() as i64)
    }

    fn expire(&mut self, key: &[u8], deadline_ms: Option<i64>) {
        if let Some(entry) = self.keys.get_mut(key) {
            entry.1 = deadline_ms;
        }
    }

    /// The commands of several keys.
    fn run_several(&mut self, name: &str, words: &[Vec<u8>]) -> Answer {
        let data = || words[1..].chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        match name {
            "MGET" => Answer::Several(words[1..].iter().map(|key| self.text(key)).collect()),
            "MSETNX" if data().any(|(key, _)| self.keys.contains_key(&key)) => Answer::Integer(0),
            "MSET" | "MSETNX" => {
                data().for_each(|(key, value)| self.put(&key, &value));
                if name == "MSET" { Answer::Ok } else { Answer::Integer(1) }
            }
            "MSETEX" => {
                let (data, options) = words[2..].split_at(2 * integer(&words[1]).unwrap() as usize);
                let is_there = |pair: &[Vec<u8>]| self.keys.contains_key(&pair[0]);
                let is_met = match options.first().map(Vec::as_slice) {
                    Some(b"NX") => !data.chunks(2).any(is_there),
                    Some(b"XX") => data.chunks(2).all(is_there),
                    _ => true,
                };
                if is_met {
                    let expiry: Vec<_> =
                        options.iter().filter(|word| !matches!(word.as_slice(), b"NX" | b"XX")).cloned().collect();
                    data.chunks(2).for_each(|pair| drop(self.set(&pair[0], &pair[1], &expiry)));
                }
                Answer::Integer(i64::from(is_met))
            }
            other => panic!("the model does not know {other}"),
        }
    }

    fn run(&mut self, words: &[Vec<u8>]) -> Answer {
        self.forget_expired();
        let name = String::from_utf8(words[0].clone()).unwrap();
        let word = |at: usize| words.get(at).map_or(b"".as_slice(), Vec::as_slice);
        let key = word(1);
        let answer = match name.as_str() {
            "SELECT" | "MULTI" | "EXEC" => Answer::Ok,
            "DEL" => self.keys.remove(key).map_or(Answer::Integer(0), |_| Answer::Integer(1)),
            "PEXPIREAT" => {
                self.expire(key, integer(word(2)));
                Answer::Integer(1)
            }
            "PERSIST" => {
                self.expire(key, None);
                Answer::Integer(1)
            }
            "GET" => self.text(key),
            "GETDEL" => self.keys.remove(key).map_or(Answer::Nil, |(value, _)| Answer::Text(value)),
            "GETSET" => {
                let old = self.text(key);
                self.put(key, word(2));
                old
            }
            "GETEX" => {
                match word(2) {
                    b"PX" => self.expire(key, integer(word(3)).map(|time_ms| time_ms + self.now_ms)),
                    b"PXAT" => {
                        let old = self.text(key);
                        self.expire(key, integer(word(3)));
                        self.forget_expired();
                        return old;
                    }
                    b"PERSIST" => self.expire(key, None),
                    _ => {}
                }
                self.text(key)
            }
            "SET" => self.set(key, word(2), &words[3..]),
            "SETNX" if self.keys.contains_key(key) => Answer::Integer(0),
            "SETNX" => {
                self.put(key, word(2));
                Answer::Integer(1)
            }
            "MGET" | "MSET" | "MSETNX" | "MSETEX" => self.run_several(&name, words),
            "DELIFEQ" if self.value(key).as_deref() == Some(word(2)) => {
                self.keys.remove(key);
                Answer::Integer(1)
            }
            "DELIFEQ" => Answer::Integer(0),
            "APPEND" => {
                let value = [&self.value(key).unwrap_or_default(), word(2)].concat();
                let len = value.len();
                self.change(key, value);
                Answer::Integer(len as i64)
            }
            "STRLEN" => Answer::Integer(self.value(key).map_or(0, |value| value.len() as i64)),
            "SETRANGE" => self.set_range(key, integer(word(2)).unwrap() as usize, word(3)),
            "INCR" => self.add(key, 1),
            "DECRBY" => self.add(key, integer(word(2)).unwrap().wrapping_neg()),
            "INCRBY" => self.add(key, integer(word(2)).unwrap()),
            other => panic!("the model does not know {other}"),
        };
        self.forget_expired();
        answer
    }

    fn contents(&self) -> Vec<(Vec<u8>, Vec<u8>, Option<i64>)> {
        self.keys.iter().map(|(key, (value, deadline_ms))| (key.clone(), value.clone(), *deadline_ms)).collect()
    }
}

fn answer<'a>(values: &mut impl Iterator<Item = Value<'a>>) -> Answer {
    match values.next().expect("a value") {
        Value::Simple(_) => Answer::Ok,
        Value::Error(_) => Answer::Error,
        Value::Bulk(bytes) => Answer::Text(bytes.to_vec()),
        Value::Shared(shared) => Answer::Text(shared.to_vec()),
        Value::Integer(number) => Answer::Integer(number),
        Value::Null => Answer::Nil,
        Value::Array(count) => Answer::Several((0..count).map(|_| answer(values)).collect()),
        other => panic!("{other:?} is no reply of these commands"),
    }
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Run(Vec<Vec<u8>>),
    Pass { elapsed_ms: u64, tick: bool },
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u8..6).prop_map(|key| vec![b'a' + key]),
        1 => Just(vec![b'k'; 300]),
        1 => Just(vec![b'K'; 2000]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        2 => (-3i64..3).prop_map(|number| number.to_string().into_bytes()),
        2 => (any::<u8>(), 1000usize..1100).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 20_000usize..70_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn time(name: &str, now_ms: i64) -> Vec<Vec<u8>> {
    vec![name.into(), now_ms.to_string().into_bytes()]
}

fn options() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let condition = prop_oneof![
        3 => Just(vec![]),
        1 => Just(vec![b"NX".to_vec()]),
        1 => Just(vec![b"XX".to_vec()]),
        1 => value().prop_map(|value| vec![b"IFEQ".to_vec(), value]),
    ];
    let expiry = prop_oneof![
        3 => Just(vec![]),
        1 => Just(vec![b"KEEPTTL".to_vec()]),
        2 => (1i64..50).prop_map(|time_ms| time("PX", time_ms)),
        1 => (-20i64..100).prop_map(|time_ms| time("PXAT", NOW_MS + time_ms)),
    ];
    let get = prop_oneof![2 => Just(vec![]), 1 => Just(vec![b"GET".to_vec()])];
    (condition, expiry, get).prop_map(|parts| [parts.0, parts.1, parts.2].concat())
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let named = |name: &'static str| move |words: Vec<Vec<u8>>| [vec![name.as_bytes().to_vec()], words].concat();
    let alone = prop_oneof![Just("GET"), Just("GETDEL"), Just("GETEX"), Just("STRLEN"), Just("INCR")];
    let with_value =
        prop_oneof![Just("GETSET"), Just("SETNX"), Just("APPEND"), Just("APPEND"), Just("DELIFEQ"), Just("SET")];
    let persist = Just(vec![b"PERSIST".to_vec()]);
    let lifetime = prop_oneof![
        (1i64..50).prop_map(|time_ms| time("PX", time_ms)),
        (-20i64..100).prop_map(|time_ms| time("PXAT", NOW_MS + time_ms)),
        persist,
    ];
    let pairs = || {
        prop::collection::vec((key(), value()), 1..5)
            .prop_map(|data| data.into_iter().flat_map(|(key, value)| [key, value]).collect::<Vec<_>>())
    };
    prop_oneof![
        4 => (alone, key()).prop_map(|(name, key)| vec![name.into(), key]),
        5 => (with_value, key(), value()).prop_map(|(name, key, value)| vec![name.into(), key, value]),
        5 => (key(), value(), options()).prop_map(|(key, value, options)| [vec![b"SET".to_vec(), key, value], options].concat()),
        2 => (key(), lifetime).prop_map(|(key, lifetime)| [vec![b"GETEX".to_vec(), key], lifetime].concat()),
        2 => (prop_oneof![Just("INCRBY"), Just("DECRBY")], key(), prop_oneof![-5i64..5, -i64::MAX..i64::MAX])
            .prop_map(|(name, key, number)| vec![name.into(), key, number.to_string().into_bytes()]),
        2 => (key(), prop_oneof![0usize..70, 900usize..1200, 30_000usize..70_000], value())
            .prop_map(|(key, offset, data)| vec![b"SETRANGE".to_vec(), key, offset.to_string().into_bytes(), data]),
        1 => prop::collection::vec(key(), 1..6).prop_map(named("MGET")),
        1 => pairs().prop_map(named("MSET")),
        1 => pairs().prop_map(named("MSETNX")),
        1 => (pairs(), options()).prop_map(|(data, options)| {
            let count = (data.len() / 2).to_string().into_bytes();
            // IFEQ and GET belong to SET alone, and IFEQ has a value behind it.
            let options = if options.iter().any(|word| word == b"IFEQ" || word == b"GET") { vec![] } else { options };
            [vec![b"MSETEX".to_vec(), count], data, options].concat()
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => command().prop_map(Step::Run),
        1 => (0u64..30, any::<bool>()).prop_map(|(elapsed_ms, tick)| Step::Pass { elapsed_ms, tick }),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        world.engine.store().journal.turn_on(1 << 30);
        let mut model = Model { now_ms: NOW_MS, ..Model::default() };
        for step in steps {
            match step {
                Step::Run(words) => {
                    let expected = model.run(&words);
                    let reply = world.run(&words);
                    prop_assert_eq!(answer(&mut reply.iter()), expected, "{:?}", words);
                }
                Step::Pass { elapsed_ms, tick } => {
                    world.clock.advance_ms(elapsed_ms);
                    model.now_ms += elapsed_ms as i64;
                    model.forget_expired();
                    if tick {
                        housekeeper::tick(world.engine.store());
                    }
                }
            }
            prop_assert_eq!(world.contents(), model.contents());
        }
        // Long after the last deadline was set, a replica knows only what the journal says: no clock of its own.
        let mut replica = Model { now_ms: i64::MIN, ..Model::default() };
        for words in world.log() {
            replica.run(&words);
        }
        replica.now_ms = model.now_ms;
        replica.forget_expired();
        prop_assert_eq!(replica.contents(), model.contents());
    }
}

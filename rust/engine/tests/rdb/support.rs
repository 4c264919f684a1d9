//! What the tests of the format share: a sink that keeps everything, and a random keyspace.

use std::collections::BTreeMap;

use crate::chance::Random;
use rkv_engine::Caller;
use rkv_engine::dispatch::Mode;
use rkv_engine::rdb::{Fault, Loaded, RdbError, ReadOptions, Sink, Summary, read};
use rkv_engine::resp::{Tape, Value};
use rkv_engine::values::digest::Digest;
use rkv_engine::values::string::StringRef;
use rkv_engine::values::{Element, Kind, Large, NewValue, Rules, ValueRef};

/// What these tests draw.
pub trait Words {
    /// Bytes of many kinds: numbers, what repeats, what does not.
    fn word(&mut self, most: usize) -> Vec<u8>;
}

impl Words for Random {
    fn word(&mut self, most: usize) -> Vec<u8> {
        match self.below(6) {
            0 => {
                let digits = 1 + self.below(19) as u32;
                (self.next() as i64 % 10_i64.pow(digits.min(18))).to_string().into_bytes()
            }
            1 => b"ab".repeat(self.below(most)),
            2 => format!("word {} ", self.below(100)).repeat(1 + self.below(9)).into_bytes(),
            3 => format!("e{}", self.below(1_000_000)).into_bytes(),
            _ => (0..self.below(most)).map(|_| self.next() as u8).collect(),
        }
    }
}

/// An element, its payload and its deadline.
pub type Part = (Vec<u8>, Vec<u8>, Option<i64>);

#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub kind: Kind,
    /// A string's bytes, or elements, sorted unless they are a list's.
    pub parts: Vec<Part>,
    pub encoding: &'static str,
    pub deadline_ms: Option<i64>,
    pub idle_s: Option<u64>,
    pub frequency: Option<u8>,
    pub digest: String,
}

pub fn value_ref<'a>(value: &'a NewValue<'_>) -> ValueRef<'a> {
    match value {
        NewValue::Integer(number) => ValueRef::Integer(*number),
        NewValue::Bytes(bytes) | NewValue::Raw(bytes) => ValueRef::Bytes(bytes),
        NewValue::Shared(shared) => ValueRef::Shared(shared),
        NewValue::Packed(packing, bytes) => ValueRef::Packed(*packing, bytes),
        NewValue::Large(large) => Large::value(large),
    }
}

pub fn parts_of(value: &ValueRef<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Ok(string) = StringRef::of(*value) {
        parts.push((string.text().to_vec(), Vec::new(), None));
    }
    value
        .each(&mut |Element { name, payload, deadline_ms }| parts.push((name.to_vec(), payload.to_vec(), deadline_ms)));
    if value.kind() != Kind::List {
        parts.sort();
    }
    parts
}

/// Keeps everything that a file tells.
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    pub keys: BTreeMap<(usize, Vec<u8>), Stored>,
    pub aux: Vec<(Vec<u8>, Vec<u8>)>,
    pub functions: Vec<Vec<u8>>,
}

impl Sink for Kept {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.aux.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn entry(&mut self, loaded: Loaded<'_>) -> Result<(), Fault> {
        let value = value_ref(&loaded.value);
        let mut digest = Digest::default();
        digest.mix_value(&value, loaded.deadline_ms.is_some());
        let stored = Stored {
            kind: value.kind(),
            parts: parts_of(&value),
            encoding: value.encoding(false),
            deadline_ms: loaded.deadline_ms,
            idle_s: loaded.idle_s,
            frequency: loaded.frequency,
            digest: digest.hex(),
        };
        match self.keys.insert((loaded.db, loaded.key.to_vec()), stored) {
            None => Ok(()),
            Some(_) => Err(Fault::Refused("a key is there twice".into())),
        }
    }

    fn function(&mut self, source: &[u8]) -> Result<(), Fault> {
        self.functions.push(source.to_vec());
        Ok(())
    }
}

pub const NOW_MS: i64 = 1_700_000_000_000;

pub fn rules() -> Rules {
    Rules::new([5; 16])
}

/// Reads bytes as a file; `block` of them at a time.
pub fn read_in_blocks(bytes: &[u8], block: usize, rules: &Rules) -> (Kept, Result<Summary, RdbError>) {
    struct Slow<'a>(&'a [u8], usize);

    impl std::io::Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let most = self.1.min(into.len());
            std::io::Read::read(&mut self.0, &mut into[..most])
        }
    }

    let mut kept = Kept::default();
    let options =
        ReadOptions { rules, now_ms: NOW_MS, databases: 16, checksum: true, skip_modules: false, skims: false };
    let result = read(&mut Slow(bytes, block), &mut kept, &options);
    (kept, result)
}

pub fn read_all(bytes: &[u8], rules: &Rules) -> (Kept, Result<Summary, RdbError>) {
    read_in_blocks(bytes, usize::MAX, rules)
}

/// Runs a command; its reply must not be an error.
pub fn run(caller: &mut Caller, words: &[&[u8]]) {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    for value in &tape {
        let Value::Error(error) = value else { continue };
        let text: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        panic!("{} was answered {}", text.join(" "), error.as_str());
    }
}

/// Runs a command over many words.
pub fn run_words(caller: &mut Caller, first: &[&[u8]], rest: &[Vec<u8>]) {
    let words: Vec<&[u8]> = first.iter().copied().chain(rest.iter().map(Vec::as_slice)).collect();
    run(caller, &words);
}

/// Writes random values of all types and sizes under `keys` keys of a few databases.
pub fn fill(caller: &mut Caller, random: &mut Random, keys: usize) {
    for index in 0..keys {
        run(caller, &[b"SELECT", (index % 3).to_string().as_bytes()]);
        let name = if random.below(4) == 0 { index.to_string() } else { format!("key:{index}") };
        let key = name.as_bytes();
        let count = [1, 3, 20, 140, 700][random.below(5)];
        let most = [8, 40, 100, 3000][random.below(if count > 100 { 3 } else { 4 })];
        let words: Vec<Vec<u8>> = (0..count).map(|_| random.word(most)).collect();
        match random.below(7) {
            0 => run(caller, &[b"SET", key, &random.word(4000)]),
            1 => run_words(caller, &[b"RPUSH", key], &words),
            2 => run_words(caller, &[b"SADD", key], &words),
            3 => {
                let numbers: Vec<_> =
                    words.iter().map(|_| (random.next() as i32 >> random.below(24)).to_string().into()).collect();
                run_words(caller, &[b"SADD", key], &numbers);
            }
            4 => {
                let score = |random: &mut Random| match random.below(4) {
                    0 => b"-inf".to_vec(),
                    1 => (random.next() as i16).to_string().into_bytes(),
                    _ => format!("{:e}", random.next() as i64 as f64 / 1e7).into_bytes(),
                };
                let pairs: Vec<_> = words.iter().flat_map(|word| [score(random), word.clone()]).collect();
                run_words(caller, &[b"ZADD", key], &pairs);
            }
            kind => {
                let pairs: Vec<_> = words.iter().flat_map(|word| [word.clone(), random.word(most)]).collect();
                run_words(caller, &[b"HSET", key], &pairs);
                if kind == 6 {
                    let at = (NOW_MS + 1 + random.below(1_u64 << 40) as i64).to_string();
                    let fields: Vec<_> = words.iter().take(1 + random.below(3)).cloned().collect();
                    let count = fields.len().to_string();
                    run_words(caller, &[b"HPEXPIREAT", key, at.as_bytes(), b"FIELDS", count.as_bytes()], &fields);
                }
            }
        }
        if random.below(3) == 0 {
            let at = (NOW_MS + 1 + random.below(1_u64 << 40) as i64).to_string();
            run(caller, &[b"PEXPIREAT", key, at.as_bytes()]);
        }
    }
}

//! Random commands of two clients: a session that gets them whole, a session that gets them in pieces, and a caller in this
//! process give the replies that a plain model gives.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run. A failing sequence is made shorter before
//! it is printed.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;

use std::fmt::Write;
use std::sync::Arc;

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::session::Session;
use rkv_engine::{Caller, Engine, EngineOptions};

#[path = "fuzz_commands/model.rs"]
mod model;

use chance::{Random, fuzz};
use model::{DATABASES, Model, Words};

const START_MS: i64 = 1_700_000_000_000;

/// What one client sends at once, and how much time passes then.
#[derive(Clone, Debug)]
struct Batch {
    client: usize,
    commands: Vec<Words>,
    elapsed_ms: u64,
    ticks: bool,
    /// Where the pieces are cut.
    cuts: u64,
}

fn batch(random: &mut Random) -> Batch {
    let commands = (0..=random.below(20)).map(|_| command(random)).collect();
    // The wheel's tick is two milliseconds: at even times it has deleted exactly what is due.
    let elapsed_ms = if random.below(3) == 0 { 2 * random.below(150) as u64 } else { 0 };
    Batch { client: random.below(2), commands, elapsed_ms, ticks: random.below(2) == 0, cuts: random.next() }
}

fn key(random: &mut Random) -> Vec<u8> {
    random.pick(&["a", "b", "c", "d", "", "key:\u{0}\r\n"]).into()
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => vec![b'v'; random.below(3_000)],
        1 => vec![b'w'; 40 + random.below(8)],
        2..7 => integer(random),
        _ => random.pick(&["", "x", "abc", "-0", "01", " 1", "1.5", "9223372036854775808", "\r\n"]).into(),
    }
}

fn integer(random: &mut Random) -> Vec<u8> {
    let edges = ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "4611686018427387904", "99"];
    if random.below(3) == 0 { random.pick(&edges).into() } else { random.below(1_000).to_string().into_bytes() }
}

/// A time to live in milliseconds that passes within a sequence, or does not.
fn ttl(random: &mut Random) -> Vec<u8> {
    random.pick(&["1", "20", "100", "250", "1000", "100000"]).into()
}

fn database(random: &mut Random) -> Vec<u8> {
    random.below(DATABASES).to_string().into_bytes()
}

/// What is sent; often, what leads to later states.
const NAMES: &str = "\
    SET SET SET GET GET DEL INCR DECR INCRBY DECRBY APPEND SETRANGE GETRANGE STRLEN EXISTS MGET MSET MSETNX \
    GETSET GETDEL GETEX PEXPIRE PEXPIREAT PERSIST PTTL TYPE RENAME RENAMENX COPY MOVE SELECT FLUSHDB SWAPDB \
    MULTI MULTI EXEC EXEC EXEC DISCARD WATCH WATCH UNWATCH NOSUCH";

fn command(random: &mut Random) -> Words {
    let names: Vec<_> = NAMES.split_whitespace().collect();
    let name = random.pick(&names);
    let mut words: Words = vec![name.into()];
    match name {
        "SET" => {
            words.extend([key(random), value(random)]);
            set_options(random, &mut words);
        }
        "GET" | "INCR" | "DECR" | "STRLEN" | "GETDEL" | "PERSIST" | "PTTL" | "TYPE" => words.push(key(random)),
        "INCRBY" | "DECRBY" => words.extend([key(random), integer(random)]),
        "APPEND" | "GETSET" => words.extend([key(random), value(random)]),
        "SETRANGE" => words.extend([key(random), random.below(1_500).to_string().into(), value(random)]),
        "GETRANGE" => {
            let ends = ["0", "-1", "3", "-4", "1000", "9223372036854775807", "-9223372036854775808", "x"];
            words.extend([key(random), random.pick(&ends).into(), random.pick(&ends).into()]);
        }
        "DEL" | "EXISTS" | "MGET" | "WATCH" => words.extend((0..=random.below(3)).map(|_| key(random))),
        "MSET" | "MSETNX" => words.extend((0..2 + 2 * random.below(2)).map(|number| match number % 2 {
            0 => key(random),
            _ => value(random),
        })),
        _ => key_options(random, name, &mut words),
    }
    words
}

/// Words of commands about keys as such.
fn key_options(random: &mut Random, name: &str, words: &mut Words) {
    match name {
        "GETEX" => {
            words.push(key(random));
            match random.below(3) {
                0 => words.extend([b"PX".to_vec(), ttl(random)]),
                1 => words.push(b"PERSIST".to_vec()),
                _ => {}
            }
        }
        "PEXPIRE" => words.extend([key(random), if random.below(9) == 0 { b"-5".to_vec() } else { ttl(random) }]),
        "PEXPIREAT" => words.extend([key(random), (START_MS + random.below(3_000) as i64).to_string().into()]),
        "RENAME" | "RENAMENX" => words.extend([key(random), key(random)]),
        "COPY" => {
            words.extend([key(random), key(random)]);
            if random.below(2) == 0 {
                words.extend([b"DB".to_vec(), database(random)]);
            }
            if random.below(2) == 0 {
                words.push(b"REPLACE".to_vec());
            }
        }
        "MOVE" => words.extend([key(random), database(random)]),
        "SELECT" => words.push(database(random)),
        "SWAPDB" => words.extend([database(random), database(random)]),
        _ => {}
    }
}

fn set_options(random: &mut Random, words: &mut Words) {
    match random.below(6) {
        0 => words.push(b"NX".to_vec()),
        1 => words.push(b"XX".to_vec()),
        2 => words.extend([b"IFEQ".to_vec(), value(random)]),
        _ => {}
    }
    if random.below(4) == 0 {
        words.push(b"GET".to_vec());
    }
    match random.below(8) {
        0 => words.extend([b"PX".to_vec(), ttl(random)]),
        1 => words.extend([b"EX".to_vec(), random.pick(&["1", "100", "0", "-3"]).into()]),
        2 => words.extend([b"PXAT".to_vec(), (START_MS + 60_000 + random.below(100) as i64).to_string().into()]),
        3 => words.push(b"KEEPTTL".to_vec()),
        _ => {}
    }
}

fn encode(words: &Words) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// One store and its two clients, over sessions or in process.
struct Way {
    name: &'static str,
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    sessions: Vec<Session>,
    callers: Vec<Caller>,
}

impl Way {
    fn new(name: &'static str, shard_bits: u32) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let options = EngineOptions { shard_bits, clock: clock.clone(), ..EngineOptions::default() };
        let engine = Engine::new(options).expect("random bytes");
        let sessions = (0..2).map(|_| engine.session(Origin::embedded(), Arc::new(NoWake))).collect();
        let callers = (0..2).map(|_| engine.caller()).collect();
        Self { name, engine, clock, sessions, callers }
    }

    fn run(&mut self, batch: &Batch) -> Vec<u8> {
        let replies = match self.name {
            "whole" => self.receive(batch.client, &[&batch.commands.iter().flat_map(encode).collect::<Vec<_>>()]),
            "in pieces" => {
                let bytes: Vec<_> = batch.commands.iter().flat_map(encode).collect();
                let mut random = Random(batch.cuts);
                let (mut pieces, mut rest) = (Vec::new(), bytes.as_slice());
                while !rest.is_empty() {
                    let (piece, tail) = rest.split_at((1 + random.below(60)).min(rest.len()));
                    pieces.push(piece);
                    rest = tail;
                }
                self.receive(batch.client, &pieces)
            }
            _ => batch.commands.iter().flat_map(|words| self.call(batch.client, words)).collect(),
        };
        self.clock.advance_ms(batch.elapsed_ms);
        if batch.ticks {
            self.engine.tick();
        }
        replies
    }

    fn receive(&mut self, client: usize, pieces: &[&[u8]]) -> Vec<u8> {
        let session = &mut self.sessions[client];
        let mut replies = Vec::new();
        for piece in pieces {
            session.receive(piece);
            while !session.output().is_empty() {
                let len = session.output().len();
                replies.extend_from_slice(session.output());
                session.advance(len);
            }
        }
        replies
    }

    fn call(&mut self, client: usize, words: &Words) -> Vec<u8> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut tape = Tape::new();
        self.callers[client].execute(&words, Mode::Now, &mut tape);
        tape.iter().flat_map(wire).collect()
    }
}

/// One value of a tape as RESP2 has it.
fn wire(value: Value<'_>) -> Vec<u8> {
    let bulk = |bytes: &[u8]| [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    match value {
        Value::Simple(text) => format!("+{text}\r\n").into_bytes(),
        Value::Error(error) => format!("-{}\r\n", error.as_str()).into_bytes(),
        Value::Integer(number) => format!(":{number}\r\n").into_bytes(),
        Value::Bulk(bytes) => bulk(bytes),
        Value::Shared(shared) => bulk(shared),
        Value::Null => b"$-1\r\n".to_vec(),
        Value::NullArray => b"*-1\r\n".to_vec(),
        Value::Array(count) => format!("*{count}\r\n").into_bytes(),
        other => panic!("none of these commands replies {other:?}"),
    }
}

/// Runs a sequence everywhere; the first batch whose replies differ.
fn check(batches: &[Batch], shard_bits: u32) -> Result<(), String> {
    let mut model = Model::new(START_MS);
    let mut ways = ["whole", "in pieces", "in process"].map(|name| Way::new(name, shard_bits));
    for (number, batch) in batches.iter().enumerate() {
        let expected: Vec<u8> = batch.commands.iter().flat_map(|words| model.run(batch.client, words)).collect();
        model.advance_ms(batch.elapsed_ms as i64);
        for way in &mut ways {
            let replies = way.run(batch);
            if replies != expected {
                let (replies, expected) = (replies.escape_ascii(), expected.escape_ascii());
                return Err(format!("batch {number}, {}:\n  model {expected}\n  rkv   {replies}", way.name));
            }
        }
    }
    // Keys whose time is over count until the tick, so that only now the numbers must agree.
    for (index, batch) in whole_counts().iter().enumerate() {
        let expected: Vec<u8> = batch.commands.iter().flat_map(|words| model.run(0, words)).collect();
        for way in &mut ways {
            way.engine.tick();
            let replies = way.run(batch);
            if replies != expected {
                return Err(format!("at the end, {index}, {}: {}", way.name, replies.escape_ascii()));
            }
        }
    }
    Ok(())
}

/// Leaves whatever the first client is in, and counts the keys of all databases.
fn whole_counts() -> [Batch; 2] {
    let sent = |commands: Vec<Words>| Batch { client: 0, commands, elapsed_ms: 0, ticks: true, cuts: 0 };
    let count = |db: usize| [vec![b"SELECT".to_vec(), db.to_string().into_bytes()], vec![b"DBSIZE".to_vec()]];
    [sent(vec![vec![b"DISCARD".to_vec()]]), sent((0..DATABASES).flat_map(count).collect())]
}

/// Leaves out batches and commands as long as the sequence still fails.
fn shrink(mut batches: Vec<Batch>, shard_bits: u32) -> Vec<Batch> {
    let fails = |batches: &[Batch]| check(batches, shard_bits).is_err();
    loop {
        let before: usize = batches.iter().map(|batch| batch.commands.len() + 1).sum();
        for index in (0..batches.len()).rev() {
            let mut shorter = batches.clone();
            shorter.remove(index);
            if fails(&shorter) {
                batches = shorter;
                continue;
            }
            for at in (0..batches[index].commands.len()).rev() {
                let mut shorter = batches.clone();
                shorter[index].commands.remove(at);
                if fails(&shorter) {
                    batches = shorter;
                }
            }
        }
        if batches.iter().map(|batch| batch.commands.len() + 1).sum::<usize>() == before {
            return batches;
        }
    }
}

fn show(batches: &[Batch]) -> String {
    let mut text = String::new();
    for batch in batches {
        for words in &batch.commands {
            let words: Vec<_> = words.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect();
            let _ = writeln!(text, "  {}> {}", batch.client, words.join(" "));
        }
        let _ = writeln!(text, "  {} ms pass{}", batch.elapsed_ms, if batch.ticks { ", then a tick" } else { "" });
    }
    text
}

#[test]
fn fuzz_commands() {
    fuzz("commands", |random| {
        let shard_bits = random.pick(&[0, 1, 4]);
        let batches: Vec<_> = (0..=random.below(30)).map(|_| batch(random)).collect();
        if check(&batches, shard_bits).is_err() {
            let shortest = shrink(batches, shard_bits);
            let difference = check(&shortest, shard_bits).expect_err("it fails still");
            panic!("{} shards\n{}{difference}", 1 << shard_bits, show(&shortest));
        }
    });
}

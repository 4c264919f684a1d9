//! Random payloads for RESTORE: made by DUMP, damaged, with a right checksum again; then random commands on what was
//! restored. Nothing panics, and what is there can be dumped and restored once more as the same.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;
#[path = "rdb/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::sync::Arc;

use chance::{Random, fuzz};
use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::keyspace::Shard;
use rkv_engine::rdb::crc64;
use rkv_engine::resp::{Tape, Value};
use rkv_engine::values::digest::Digest;
use rkv_engine::{Caller, Engine, EngineOptions};
use support::{NOW_MS, fill};

const COMMANDS: [&[&str]; 34] = [
    &["GET"],
    &["APPEND", "x"],
    &["INCR"],
    &["STRLEN"],
    &["SETRANGE", "3", "yy"],
    &["LPUSH", "a", "b"],
    &["RPOP"],
    &["LPOP", "3"],
    &["LRANGE", "0", "-1"],
    &["LINSERT", "BEFORE", "a", "c"],
    &["LREM", "0", "a"],
    &["LSET", "0", "q"],
    &["LTRIM", "1", "-2"],
    &["SADD", "m", "5", "70000"],
    &["SREM", "5"],
    &["SPOP"],
    &["SMEMBERS"],
    &["SISMEMBER", "5"],
    &["ZADD", "1.5", "m", "-inf", "n"],
    &["ZRANGE", "0", "-1", "WITHSCORES"],
    &["ZPOPMIN"],
    &["ZREM", "m"],
    &["ZRANGEBYSCORE", "-inf", "5"],
    &["ZRANK", "m"],
    &["HSET", "f", "v"],
    &["HGETALL"],
    &["HDEL", "f"],
    &["HINCRBY", "f2", "1"],
    &["HPEXPIRE", "1000", "FIELDS", "1", "f"],
    &["HRANDFIELD", "2"],
    &["OBJECT ENCODING"],
    &["PERSIST"],
    &["TYPE"],
    &["HSCAN", "0"],
];

fn reply(caller: &mut Caller, words: &[&[u8]]) -> Option<Vec<u8>> {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    tape.into_iter().find_map(|value| match value {
        Value::Bulk(bytes) => Some(bytes.to_vec()),
        _ => None,
    })
}

fn is_ok(caller: &mut Caller, words: &[&[u8]]) -> bool {
    let mut tape = Tape::new();
    caller.execute(words, Mode::Now, &mut tape);
    !tape.into_iter().any(|value| matches!(value, Value::Error(_)))
}

/// The digest of the value under a key.
fn digest(engine: &Engine, key: &[u8]) -> Option<Digest> {
    let locks = engine.store().keyspace.sweep().unwrap();
    let mut parts = locks.iter().flat_map(Shard::dbs);
    parts.find_map(|(_, part)| {
        let entry = part.iter().find(|entry| entry.key() == key)?;
        let mut digest = Digest::default();
        digest.mix_value(&entry.value(), entry.deadline_ms().is_some());
        Some(digest)
    })
}

/// Changes some bytes of a payload, and makes its checksum right.
fn damage(payload: &mut Vec<u8>, random: &mut Random) {
    payload.truncate(payload.len() - 8);
    for _ in 0..random.below(4) {
        let at = random.below(payload.len());
        match random.below(5) {
            0 => payload[at] = random.next() as u8,
            1 => payload[at] ^= 1 << random.below(8),
            2 => payload.insert(at, random.next() as u8),
            3 if payload.len() > 3 => drop(payload.remove(at)),
            _ => payload[0] = random.below(27) as u8,
        }
    }
    let crc = crc64(0, payload);
    payload.extend_from_slice(&crc.to_le_bytes());
}

fn execute(random: &mut Random) {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let engine = Engine::new(EngineOptions { shard_bits: 0, clock, ..EngineOptions::default() }).unwrap();
    let mut caller = engine.caller();
    fill(&mut caller, random, 1);
    let names: [&[u8]; 2] = [b"key:0", b"0"];
    let Some(mut payload) = names.iter().find_map(|name| reply(&mut caller, &[b"DUMP", name])) else { return };
    damage(&mut payload, random);
    if !is_ok(&mut caller, &[b"RESTORE", b"k", b"0", &payload, b"REPLACE"]) {
        return;
    }
    for _ in 0..random.below(12) {
        let command = COMMANDS[random.below(COMMANDS.len())];
        let mut words: Vec<&[u8]> = command[0].split(' ').map(str::as_bytes).collect();
        words.push(b"k");
        words.extend(command[1..].iter().map(|word| word.as_bytes()));
        is_ok(&mut caller, &words);
    }
    if let Some(payload) = reply(&mut caller, &[b"DUMP", b"k"]) {
        assert!(is_ok(&mut caller, &[b"RESTORE", b"again", b"0", &payload]), "what was dumped is restored");
        assert!(is_ok(&mut caller, &[b"PERSIST", b"k"]));
        let mine = digest(&engine, b"k");
        assert!(mine.is_some());
        assert_eq!(mine, digest(&engine, b"again"));
    }
}

#[test]
fn fuzz_restore() {
    fuzz("restore", execute);
}

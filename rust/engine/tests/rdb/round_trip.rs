//! What is written is read: files from a cut, files from files, payloads of DUMP.

use std::sync::Arc;

use rkv_engine::clock::ManualClock;
use rkv_engine::dispatch::Mode;
use rkv_engine::keyspace::Captured;
use rkv_engine::rdb::{Access, ReadOptions, Target, WriteOptions, Writer, Written, convert};
use rkv_engine::resp::{Tape, Value};
use rkv_engine::values::Kind;
use rkv_engine::values::digest::Digest;
use rkv_engine::{Engine, EngineOptions};

use crate::chance::{Random, seed};
use crate::support::{Kept, NOW_MS, Stored, Words, fill, parts_of, read_all, read_in_blocks, rules, run};

pub fn filled(random: &mut Random, keys: usize) -> Arc<Engine> {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let engine = Engine::new(EngineOptions { shard_bits: 2, clock, ..EngineOptions::default() }).unwrap();
    fill(&mut engine.caller(), random, keys);
    engine
}

/// What an engine holds.
fn shadow(engine: &Engine) -> Kept {
    let mut kept = Kept::default();
    let locks = engine.store().keyspace.sweep().unwrap();
    for shard in locks.iter() {
        for (db, part) in shard.dbs() {
            for entry in part.iter() {
                let value = entry.value();
                let deadline_ms = entry.deadline_ms();
                let mut digest = Digest::default();
                digest.mix_value(&value, deadline_ms.is_some());
                let stored = Stored {
                    kind: value.kind(),
                    parts: parts_of(&value),
                    encoding: value.encoding(false),
                    deadline_ms,
                    idle_s: None,
                    frequency: None,
                    digest: digest.hex(),
                };
                kept.keys.insert((db, entry.key().to_vec()), stored);
            }
        }
    }
    kept
}

/// A file of everything in an engine; `between` runs after each segment.
pub fn written(engine: &Engine, options: WriteOptions, mut between: impl FnMut()) -> (Vec<u8>, Written) {
    let (mut cut, ()) = engine.store().keyspace.begin_cut(|_| ()).unwrap();
    let mut writer = Writer::new(Vec::new(), &options);
    writer.aux(b"rkv-ver", b"0").unwrap();
    let mut captured = Captured::default();
    while cut.drain(&mut captured).unwrap() {
        for entry in captured.iter() {
            between();
            writer.entry(&entry, Access::Untold).unwrap();
        }
    }
    writer.function(b"#!lua name=one\nreturn 1").unwrap();
    let (mut bytes, written) = writer.finish().unwrap();
    assert_eq!(bytes.len() as u64, written.bytes);
    if let Some(header) = written.header {
        bytes[..9].copy_from_slice(&header);
    }
    (bytes, written)
}

fn assert_same(kept: &Kept, expected: &Kept) {
    for (key, stored) in &expected.keys {
        let found = kept.keys.get(key).unwrap_or_else(|| panic!("{key:?} is missing"));
        assert!(found.parts == stored.parts, "{key:?} has other elements");
        assert_eq!((found.kind, found.deadline_ms, &found.digest), (stored.kind, stored.deadline_ms, &stored.digest));
        // What was larger once, or was expected to be, may be packed when it is read; what is packed stays so. A list
        // of about the limit may be either.
        let is_packed = |encoding| matches!(encoding, "listpack" | "intset");
        if stored.kind != Kind::List && is_packed(stored.encoding) {
            assert!(is_packed(found.encoding), "{key:?}: {} became {}", stored.encoding, found.encoding);
        }
    }
    assert_eq!(kept.keys.len(), expected.keys.len());
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random(seed());
    for _ in 0..6 {
        let engine = filled(&mut random, 150);
        let expected = shadow(&engine);
        let options = WriteOptions { compress: random.below(2) == 0, ..WriteOptions::default() };
        let (bytes, written) = written(&engine, options, || ());
        let (kept, summary) = read_all(&bytes, &rules());
        let summary = summary.unwrap();
        assert!(summary.is_checked);
        assert_eq!((summary.bytes, summary.keys), (written.bytes, expected.keys.len() as u64));
        assert_eq!((summary.version, summary.checksum), (written.version, Some(written.crc)));
        assert_eq!(kept.functions, [b"#!lua name=one\nreturn 1"]);
        assert_same(&kept, &expected);
        for block in [1, 7, 1000] {
            assert_eq!(read_in_blocks(&bytes, block, &rules()).0, kept);
        }
    }
}

#[test]
fn a_cut_is_written_as_it_was_while_everything_changes() {
    let mut random = Random(seed());
    for _ in 0..3 {
        let engine = filled(&mut random, 150);
        let expected = shadow(&engine);
        let mut caller = engine.caller();
        let mut changes = Random(random.next());
        let (bytes, _) = written(&engine, WriteOptions::default(), || {
            let key = format!("key:{}", changes.below(150));
            run(&mut caller, &[b"SELECT", changes.below(3).to_string().as_bytes()]);
            let words: [&[&[u8]]; 4] = [
                &[b"DEL", key.as_bytes()],
                &[b"RENAME", key.as_bytes(), b"other"],
                &[b"COPY", key.as_bytes(), b"third", b"REPLACE"],
                &[b"RPUSH", key.as_bytes(), b"x"],
            ];
            for _ in 0..3 {
                caller.execute(words[changes.below(4)], Mode::Now, &mut Tape::new());
                let field = changes.word(20);
                for command in [
                    &[b"HDEL".as_slice(), key.as_bytes(), &field] as &[&[u8]],
                    &[b"SADD", key.as_bytes(), &field],
                    &[b"ZPOPMIN", key.as_bytes()],
                    &[b"LPOP", key.as_bytes()],
                ] {
                    caller.execute(command, Mode::Now, &mut Tape::new());
                }
            }
        });
        let (kept, summary) = read_all(&bytes, &rules());
        assert!(summary.unwrap().is_checked);
        assert_same(&kept, &expected);
    }
}

#[test]
fn a_file_is_written_anew_for_each_target() {
    let mut random = Random(seed());
    let engine = filled(&mut random, 200);
    let expected = shadow(&engine);
    let (bytes, _) = written(&engine, WriteOptions::default(), || ());
    let rules = rules();
    let reading =
        ReadOptions { rules: &rules, now_ms: NOW_MS, databases: 16, checksum: true, skip_modules: false, skims: false };
    for (target, version) in [(Target::Redis8, 12), (Target::Valkey, 80)] {
        let writing = WriteOptions { target, ..WriteOptions::default() };
        let (mut other, _, written) =
            convert(&mut bytes.as_slice(), Vec::new(), &reading, &writing, &mut |_| Ok(())).unwrap();
        assert_eq!(written.version, version);
        other[..9].copy_from_slice(&written.header.expect("fields have deadlines"));
        let (kept, summary) = read_all(&other, &rules);
        assert_eq!(summary.unwrap().version, version);
        assert_same(&kept, &expected);
    }
    let writing = WriteOptions { target: Target::Redis7, ..WriteOptions::default() };
    let refused = convert(&mut bytes.as_slice(), Vec::new(), &reading, &writing, &mut |_| Ok(())).map(|_| ());
    assert!(refused.unwrap_err().to_string().contains("deadlines, which Redis 7.0 does not know"));
}

#[test]
fn payloads_come_back() {
    let mut random = Random(seed());
    let engine = filled(&mut random, 200);
    let expected = shadow(&engine);
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let other = Engine::new(EngineOptions { shard_bits: 1, clock, ..EngineOptions::default() }).unwrap();
    let (mut giver, mut taker) = (engine.caller(), other.caller());
    for ((db, key), stored) in &expected.keys {
        let mut tape = Tape::new();
        run(&mut giver, &[b"SELECT", db.to_string().as_bytes()]);
        run(&mut taker, &[b"SELECT", db.to_string().as_bytes()]);
        giver.execute(&[b"DUMP", key], Mode::Now, &mut tape);
        let payload = tape.into_iter().find_map(|value| match value {
            Value::Bulk(bytes) => Some(bytes.to_vec()),
            _ => None,
        });
        let ttl = stored.deadline_ms.unwrap_or(0).to_string();
        run(&mut taker, &[b"RESTORE", key, ttl.as_bytes(), &payload.expect("DUMP gives bytes"), b"ABSTTL"]);
    }
    assert_same(&shadow(&other), &expected);
}

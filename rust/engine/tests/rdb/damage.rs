//! A damaged file is refused, or is not the file that was damaged: never a panic, never silently another content.

use std::sync::atomic::{AtomicUsize, Ordering};

use rkv_engine::rdb::{Fault, WriteOptions};

use crate::chance::Random;
use crate::round_trip::{filled, written};
use crate::support::{read_all, rules};

fn small_file(checksum: bool) -> Vec<u8> {
    let engine = filled(&mut Random(11), 0);
    let mut caller = engine.caller();
    let long = b"long and long and long ".repeat(4);
    let commands: [&[&[u8]]; 8] = [
        &[b"SET", b"a", b"value"],
        &[b"SET", b"12", b"345678", b"PXAT", b"4000000000000"],
        &[b"SET", b"lzf", &long],
        &[b"RPUSH", b"l", b"1", b"two", b"-300"],
        &[b"SADD", b"i", b"1", b"2", b"70000"],
        &[b"SADD", b"s", b"one", b"two"],
        &[b"ZADD", b"z", b"1.5", b"one", b"2", b"two"],
        &[b"HSET", b"h", b"field", b"value", b"f2", b"2"],
    ];
    for command in commands {
        crate::support::run(&mut caller, command);
    }
    crate::support::run(&mut caller, &[b"HSET", b"e", b"f", b"v"]);
    crate::support::run(&mut caller, &[b"HPEXPIREAT", b"e", b"4000000000000", b"FIELDS", b"1", b"f"]);
    written(&engine, WriteOptions { checksum, ..WriteOptions::default() }, || ()).0
}

#[test]
fn a_file_that_ends_early_is_refused() {
    let (file, rules) = (small_file(true), rules());
    assert!(read_all(&file, &rules).1.is_ok());
    for end in 0..file.len() {
        let (_, result) = read_all(&file[..end], &rules);
        let error = result.expect_err("it is not whole");
        assert!(matches!(error.what, Fault::Truncated | Fault::NotRdb(_)), "cut at {end}: {error}");
        assert!(error.offset <= end as u64);
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let rules = rules();
    // Without optimisation reading 8 KiB 65,536 times takes minutes: tests/persist/test_damage.py does it with what is used.
    let bytes = if cfg!(debug_assertions) { 2 << 10 } else { 8 << 10 };
    let larger = file_of(bytes);
    assert!(larger.len() >= bytes, "{} bytes", larger.len());
    for file in [small_file(true), larger] {
        let next = AtomicUsize::new(0);
        let flip = || {
            let mut damaged = file.clone();
            while let place = next.fetch_add(1, Ordering::Relaxed)
                && place < file.len()
            {
                for bit in 0..8 {
                    damaged[place] ^= 1 << bit;
                    assert!(read_all(&damaged, &rules).1.is_err(), "byte {place} of {}, bit {bit}", file.len());
                    damaged[place] ^= 1 << bit;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(flip);
            }
        });
    }
}

#[test]
fn a_tail_of_zeros_or_garbage_is_refused() {
    let rules = rules();
    // As with flipped bits, all of 8 KiB take minutes without optimisation.
    let bytes = if cfg!(debug_assertions) { 2 << 10 } else { 8 << 10 };
    for file in [small_file(true), file_of(bytes)] {
        for cut in file.len().saturating_sub(8 << 10)..file.len() {
            let mut random = Random(cut as u64);
            for garbage in [false, true] {
                let mut damaged = file.clone();
                damaged[cut..].fill_with(|| if garbage { random.next() as u8 } else { 0 });
                // Zeros alone in place of the checksum would say that there is none.
                let is_refused = read_all(&damaged, &rules).1.is_err();
                assert!(is_refused || damaged == file, "{cut} of {}, {garbage}", file.len());
            }
        }
    }
}

/// A file of at least so many bytes, of few keys, so that it is read quickly.
fn file_of(bytes: usize) -> Vec<u8> {
    let engine = filled(&mut Random(12), 0);
    let (mut caller, mut random) = (engine.caller(), Random(13));
    for number in 0..4 {
        let value: Vec<u8> = (0..bytes / 4).map(|_| random.next() as u8).collect();
        crate::support::run(&mut caller, &[b"SET", format!("key:{number}").as_bytes(), &value]);
    }
    written(&engine, WriteOptions::default(), || ()).0
}

#[test]
fn without_checksum_damage_is_found_or_is_another_content() {
    let (file, rules) = (small_file(false), rules());
    let whole = read_all(&file, &rules).0;
    let len = file.len();
    for bit in 0..(len - 8) * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (kept, result) = read_all(&damaged, &rules);
        if let Ok(summary) = result {
            assert!(!summary.is_checked);
            // The hints of sizes and the least significant bit of a length's unused form say nothing of the content.
            assert!(kept != whole || damaged[bit / 8] != file[bit / 8]);
        }
    }
}

#[test]
fn lengths_that_lie_cost_no_memory() {
    let rules = rules();
    for kind in 0..=25_u8 {
        let mut file = b"REDIS0012".to_vec();
        file.extend_from_slice(&[kind, 1, b'k']);
        file.extend_from_slice(&[0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        file.extend_from_slice(&[1, b'x', 0x81, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(read_all(&file, &rules).1.is_err(), "type {kind}");
    }
    let mut bomb = b"REDIS0010\0\x01k\xc3\x02".to_vec();
    bomb.extend_from_slice(&[0x81, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, b'a']);
    assert!(matches!(read_all(&bomb, &rules).1.unwrap_err().what, Fault::Invalid(_)));
}

#[test]
fn what_is_no_rdb_file_is_named() {
    let rules = rules();
    let text = |bytes: &[u8]| read_all(bytes, &rules).1.unwrap_err().to_string();
    assert_eq!(text(b""), "byte 0: this is no RDB file, it looks like an empty file");
    assert!(text(b"*2\r\n$6\r\nSELECT\r\n").ends_with("an append-only file"));
    assert!(text(b"file appendonly.aof.1.base.rdb seq 1 type b").ends_with("the manifest of append-only files"));
    assert!(text(&[0; 100]).ends_with("a file of zeros"));
    assert!(text(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0").ends_with("a file compressed by gzip"));
    assert!(text(b"REDIS0000\xff").ends_with("the header names no version"));
    assert!(text(b"VALKEY010\xff").ends_with("the header's name does not go with its version"));
}

#[test]
fn a_file_from_the_future_says_who_wrote_it() {
    let rules = rules();
    let text = |bytes: &[u8]| read_all(bytes, &rules).1.unwrap_err().to_string();
    assert!(
        text(b"REDIS0099\xfa\x0aredis-bits\xc0\x40\xfa\x09redis-ver\x0699.9.9\xfe")
            .ends_with("RDB version 99 is from the future, written by Redis 99.9.9")
    );
    assert!(
        text(b"VALKEY081\xfa\x0avalkey-ver\x0512.34\xff")
            .ends_with("RDB version 81 is from the future, written by Valkey 12.34")
    );
    assert!(text(b"REDIS0077").ends_with("RDB version 77 is from the future, written by Redis"));
}

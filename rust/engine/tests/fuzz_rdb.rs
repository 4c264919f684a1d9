//! Random input for the reader of RDB files: files of a random keyspace, damaged in many ways, and bytes that look like
//! one. Nothing panics, a checksum is never fooled, and what is read is written and read again as the same.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;
#[path = "rdb/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use chance::{Random, fuzz};
use rkv_engine::rdb::{ReadOptions, WriteOptions, convert};
use support::{NOW_MS, Words, read_all, read_in_blocks, rules};

const TYPES: [u8; 25] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 99];

/// A length, mostly one that could be right.
fn length(random: &mut Random, out: &mut Vec<u8>) {
    match random.below(12) {
        0 => out.extend_from_slice(&[0x80, 0, 0, random.next() as u8, random.next() as u8]),
        1 => out.extend_from_slice(&[0x81, random.next() as u8, 0, 0, 0, 0, 0, 0, 9]),
        2 => out.extend_from_slice(&[0x40, random.next() as u8]),
        3 => out.push(0xc0 | random.below(5) as u8),
        _ => out.push(random.below(6) as u8),
    }
}

/// A listpack, a ziplist, an intset or a string, perhaps with a wrong byte.
fn blob(random: &mut Random, out: &mut Vec<u8>) {
    let mut bytes = match random.below(4) {
        0 => {
            let mut packed = rkv_collections::packed::Packed::new();
            for _ in 0..random.below(12) {
                packed.push_back(random.word(20).as_slice()).expect("it is small");
            }
            packed.into_bytes()
        }
        1 => {
            let count: usize = random.below(5);
            let mut set = vec![4, 0, 0, 0, count as u8, 0, 0, 0];
            (0..count).for_each(|number| set.extend_from_slice(&(number as i32 * 7).to_le_bytes()));
            set
        }
        2 => {
            let (mut body, mut before, mut last) = (Vec::new(), 0, 10);
            let count = random.below(6);
            for _ in 0..count {
                last = 10 + body.len();
                let text = random.word(6);
                let text = &text[..text.len().min(60)];
                body.extend_from_slice(&[before, text.len() as u8]);
                body.extend_from_slice(text);
                before = text.len() as u8 + 2;
            }
            let mut ziplist = (body.len() as u32 + 11).to_le_bytes().to_vec();
            ziplist.extend_from_slice(&(last as u32).to_le_bytes());
            ziplist.extend_from_slice(&[count as u8, 0]);
            ziplist.extend_from_slice(&body);
            ziplist.push(0xff);
            ziplist
        }
        _ => random.word(30),
    };
    if random.below(4) == 0 && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    out.extend_from_slice(&[0x40 | (bytes.len() >> 8) as u8 & 0x3f, bytes.len() as u8]);
    out.extend_from_slice(&bytes);
}

/// What looks like the body of a file.
fn body(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..=random.below(4) {
        match random.below(10) {
            0 => out.extend_from_slice(&[0xfc, 0, 0, 0, 0, 0, 1, 0, 0]),
            1 => out.extend_from_slice(&[0xf8, 9]),
            2 => out.extend_from_slice(&[0xfb, 1, 1]),
            3 => out.push(243 + random.below(13) as u8),
            _ => {}
        }
        out.extend_from_slice(&[TYPES[random.below(TYPES.len())], 1, number as u8]);
        for _ in 0..random.below(10) {
            match random.below(4) {
                0 => length(random, &mut out),
                1 => out.extend((0..random.below(9)).map(|_| random.next() as u8)),
                _ => blob(random, &mut out),
            }
        }
    }
    out
}

fn header(random: &mut Random) -> &'static [u8] {
    [b"REDIS0006".as_slice(), b"REDIS0009", b"REDIS0010", b"REDIS0012", b"VALKEY080"][random.below(5)]
}

/// What is read, however it is cut, is written and read again as the same.
fn check(file: &[u8], random: &mut Random) {
    let rules = rules();
    let (kept, result) = read_all(file, &rules);
    let (cut, cut_result) = read_in_blocks(file, 1 + random.below(40), &rules);
    assert_eq!(kept, cut);
    match (&result, &cut_result) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        _ => panic!("{result:?} and {cut_result:?}"),
    }
    if result.is_err() {
        return;
    }
    let reading =
        ReadOptions { rules: &rules, now_ms: NOW_MS, databases: 16, checksum: true, skip_modules: false, skims: false };
    let converted = convert(&mut &*file, Vec::new(), &reading, &WriteOptions::default(), &mut |_| Ok(()))
        .expect("it was just read");
    let (mut again, _, written) = converted;
    if let Some(header) = written.header {
        again[..9].copy_from_slice(&header);
    }
    let (other, result) = read_all(&again, &rules);
    assert!(result.expect("it was just written").is_checked);
    for (key, stored) in &kept.keys {
        assert_eq!(other.keys[key].parts, stored.parts);
    }
    assert_eq!(other.keys.len(), kept.keys.len());
}

#[test]
fn fuzz_rdb() {
    fuzz("rdb", |random| {
        let mut file = header(random).to_vec();
        file.extend(body(random));
        file.push(0xff);
        file.extend_from_slice(&[0; 8]);
        check(&file, random);
        // Damaged where the checksum sees it, a file is refused.
        let crc = rkv_engine::rdb::crc64(0, &file[..file.len() - 8]);
        let end = file.len() - 8;
        file[end..].copy_from_slice(&crc.to_le_bytes());
        let bit = random.below(end * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(read_all(&file, &rules()).1.is_err() || crc == 0 || file.starts_with(b"REDIS000"), "bit {bit}");
    });
}

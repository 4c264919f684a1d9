//! Types that only old servers and modules wrote, byte by byte as their documentation has them.

use crate::support::{Kept, Stored, read_all, rules};

fn file(version: &str, body: &[u8]) -> Vec<u8> {
    let mut file = format!("REDIS{version}").into_bytes();
    file.extend_from_slice(body);
    file.push(0xff);
    if version >= "0005" {
        file.extend_from_slice(&[0; 8]);
    }
    file
}

fn read(version: &str, body: &[u8]) -> Kept {
    let (kept, result) = read_all(&file(version, body), &rules());
    result.unwrap_or_else(|error| panic!("{error}"));
    kept
}

fn refused(body: &[u8]) -> String {
    read_all(&file("0009", body), &rules()).1.expect_err("it is refused").to_string()
}

fn names(stored: &Stored) -> Vec<String> {
    stored
        .parts
        .iter()
        .map(|(name, payload, _)| format!("{}={}", name.escape_ascii(), payload.escape_ascii()))
        .collect()
}

fn one(kept: &Kept) -> &Stored {
    kept.keys.values().next().expect("a key")
}

/// A ziplist of entries that are encoded already.
fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
    let (mut body, mut before) = (Vec::new(), 0_u8);
    let mut last = 10;
    for entry in entries {
        last = 10 + body.len() as u32;
        body.push(before);
        body.extend_from_slice(entry);
        before = entry.len() as u8 + 1;
    }
    let mut ziplist = (11 + body.len() as u32).to_le_bytes().to_vec();
    ziplist.extend_from_slice(&last.to_le_bytes());
    ziplist.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    ziplist.extend_from_slice(&body);
    ziplist.push(0xff);
    ziplist
}

fn with_blob(kind: u8, blob: &[u8]) -> Vec<u8> {
    let mut body = vec![kind, 1, b'k', 0x40 | (blob.len() >> 8) as u8, blob.len() as u8];
    body.extend_from_slice(blob);
    body
}

#[test]
fn lists_sets_and_hashes_of_strings() {
    let kept = read("0001", b"\x01\x01k\x03\x01a\xc0\xff\xc1\x00\x01");
    assert_eq!(names(one(&kept)), ["a=", "-1=", "256="]);
    let kept = read("0003", b"\xfd\x10\x00\x00\x00\x02\x01k\x02\x01a\x01b");
    assert_eq!((one(&kept).encoding, one(&kept).deadline_ms), ("listpack", Some(16_000)));
    let kept = read("0003", b"\x04\x01k\x01\x01f\x01v");
    assert_eq!(names(one(&kept)), ["f=v"]);
    assert!(refused(b"\x02\x01k\x02\x01a\x01a").ends_with("an element is there twice"));
    assert!(refused(b"\x04\x01k\x02\x01a\x01x\x01a\x01y").ends_with("an element is there twice"));
}

#[test]
fn scores_as_texts() {
    let kept = read("0006", b"\x03\x01k\x04\x01a\x031.5\x01b\xfe\x01c\xff\x01d\x02-2");
    let scores: Vec<f64> =
        one(&kept).parts.iter().map(|(_, score, _)| f64::from_le_bytes(score.as_slice().try_into().unwrap())).collect();
    assert_eq!(scores, [1.5, f64::INFINITY, f64::NEG_INFINITY, -2.0]);
    assert!(refused(b"\x03\x01k\x01\x01a\xfd").ends_with("a score is not a number"));
    assert!(refused(b"\x05\x01k\x01\x01a\0\0\0\0\0\0\xf8\x7f").ends_with("a score is not a number"));
    assert!(refused(b"\x05\x01k\x02\x01a\0\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\0").ends_with("an element is there twice"));
}

#[test]
fn ziplists() {
    let entries: [&[u8]; 9] = [
        b"\x02ab",
        b"\xfe\xff",
        b"\xc0\x00\x80",
        b"\xf0\xff\xff\x7f",
        b"\xd0\x00\x00\x00\x80",
        b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xf1",
        b"\xfd",
        b"\x40\x03xyz",
    ];
    let kept = read("0006", &with_blob(10, &ziplist(&entries)));
    let expected = ["ab=", "-1=", "-32768=", "8388607=", "-2147483648=", "9223372036854775807=", "0=", "12=", "xyz="];
    assert_eq!(names(one(&kept)), expected);
    let kept = read("0006", &with_blob(13, &ziplist(&[b"\x01f", b"\x01v", b"\xf2", b"\xf3"])));
    assert_eq!((names(one(&kept)), one(&kept).encoding), (vec!["1=2".to_owned(), "f=v".to_owned()], "listpack"));
    let kept = read("0006", &with_blob(12, &ziplist(&[b"\x01b", b"\xf3", b"\x01a", b"\x031.5"])));
    assert_eq!(one(&kept).encoding, "listpack");
    let mut quicklist = vec![14, 1, b'k', 2];
    for _ in 0..2 {
        let chunk = ziplist(&[b"\x01a", b"\x01b"]);
        quicklist.push(chunk.len() as u8);
        quicklist.extend_from_slice(&chunk);
    }
    assert_eq!(names(one(&read("0007", &quicklist))), ["a=", "b=", "a=", "b="]);
    let whole = ziplist(&[b"\x01a", b"\x02bb"]);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x20;
        let (kept, result) = read_all(&file("0006", &with_blob(10, &damaged)), &rules());
        assert!(result.is_err() || names(one(&kept)) != ["a=", "bb="], "byte {at}");
    }
}

#[test]
fn zipmaps() {
    let kept = read("0003", &with_blob(9, b"\x02\x01a\x02\x01xy.\x01b\x00\x00\xff"));
    assert_eq!((names(one(&kept)), one(&kept).encoding), (vec!["a=xy".to_owned(), "b=".to_owned()], "listpack"));
    assert!(refused(&with_blob(9, b"\x02\x01a\x01\x00x\xff")).ends_with("a zipmap is damaged"));
    assert!(refused(&with_blob(9, b"\x01\x01a\x01\x00x")).ends_with("a zipmap is damaged"));
    assert!(refused(&with_blob(9, b"\x02\x01a\x01\0x\x01a\x01\0y\xff")).ends_with("an element is there twice"));
}

#[test]
fn deadlines_of_fields_of_both_families() {
    let valkey = b"VALKEY080\x16\x01k\x02\x01a\x011\x00\x38\xd3\x60\xba\x01\x00\x00\x01b\x012\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0";
    let expected = [(b"a".to_vec(), b"1".to_vec(), Some(1_900_000_000_000)), (b"b".to_vec(), b"2".to_vec(), None)];
    assert_eq!(one(&read_all(valkey, &rules()).0).parts, expected);
    let redis = b"\x18\x01k\x00\x38\xd3\x60\xba\x01\x00\x00\x02\x01\x01a\x011\x00\x01b\x012";
    assert_eq!(one(&read("0012", redis)).parts, expected);
    let before = b"\x16\x01k\x02\x81\x00\x00\x01\xba\x60\xd3\x38\x00\x01a\x011\x00\x01b\x012";
    assert_eq!(one(&read("0012", before)).parts, expected);
    // field, value, deadline or 0
    let entries = b"\x81a\x02\x01\x01\xf4\x00\x38\xd3\x60\xba\x01\x00\x00\x09\x81b\x02\x02\x01\x00\x01";
    let mut listpack = (7 + entries.len() as u32).to_le_bytes().to_vec();
    listpack.extend_from_slice(&[6, 0]);
    listpack.extend_from_slice(entries);
    listpack.push(0xff);
    let mut body = b"\x19\x01k\x00\x38\xd3\x60\xba\x01\x00\x00".to_vec();
    body.push(listpack.len() as u8);
    body.extend_from_slice(&listpack);
    assert_eq!(one(&read("0012", &body)).parts, expected);
    let mut body = b"\x17\x01k".to_vec();
    body.push(listpack.len() as u8);
    body.extend_from_slice(&listpack);
    assert_eq!(one(&read("0012", &body)).parts, expected);
}

#[test]
fn what_cannot_be_kept_is_named() {
    let rejson = b"\x81\xb5\xe2\x52\x4e\x5f\x91\x2c\x03";
    let name = |kind: u8| refused(&[&[kind, 1, b'k'][..], rejson, b"\x00"].concat());
    for kind in [6, 7] {
        assert!(name(kind).contains("in the value of the key \"k\": a value of the module "), "{}", name(kind));
    }
    assert!(refused(b"\x63\x01k").ends_with("type 99 of values is not known"));
    assert!(refused(b"\xfe\x10").ends_with("a database beyond those configured"));
    assert!(refused(b"\xf6\x01x").contains("release candidates of Redis 7.0"));
}

#[test]
fn hints_and_what_modules_keep_are_read_over() {
    let aux =
        b"\xf7\x81\xb5\xe2\x52\x4e\x5f\x91\x2c\x03\x02\x01\x05\x03abc\x04\0\0\0\0\0\0\0\0\x03\0\0\0\0\x01\x05\x00";
    let body = [&aux[..], b"\xfe\x02\xfb\x01\x00\xf4\x05\x01\x00\xf8\x10\x00\x01k\x01v\xf9\x07\x00\x01l\x01w"].concat();
    let (kept, result) = read_all(&file("0011", &body), &rules());
    assert_eq!(result.unwrap().module_data.len(), 1);
    assert_eq!(kept.keys[&(2, b"k".to_vec())].idle_s, Some(16));
    assert_eq!(kept.keys[&(2, b"l".to_vec())].frequency, Some(7));
}

#[test]
fn collections_without_elements_are_no_keys() {
    let body = [
        b"\x01\x01a\x00\x02\x01b\x00\x04\x01c\x00\x05\x01d\x00\x12\x01e\x00\x0e\x01f\x00".to_vec(),
        with_blob(10, &ziplist(&[])),
        with_blob(11, &[2, 0, 0, 0, 0, 0, 0, 0]),
    ]
    .concat();
    let (kept, result) = read_all(&file("0010", &body), &rules());
    assert_eq!((result.unwrap().empty_keys, kept.keys.len()), (8, 0));
}

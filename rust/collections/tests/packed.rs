//! The packed encoding against bytes that a real server made, at its borders, and the figures of its essay.

use proptest::prelude::*;
use rkv_collections::packed::{BYTES_MAX, Digits, Entry, Invalid, Packed, Position, TooLarge, View, integer, validate};

/// Packs elements one after the other.
fn packed<T: AsRef<[u8]>>(elements: impl IntoIterator<Item = T>) -> Packed {
    let mut packed = Packed::new();
    for element in elements {
        packed.push_back(element.as_ref()).expect("small elements");
    }
    packed
}

fn elements(view: View<'_>) -> Vec<Vec<u8>> {
    view.iter().map(|entry| entry.to_vec()).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("two digits")).collect()
}

/// Bytes that one element takes.
fn cost(element: &[u8]) -> usize {
    packed([element]).as_bytes().len() - packed::<&[u8]>([]).as_bytes().len()
}

// What redis-server 7.0.15 answers to DUMP with `rdbcompression no`, without type, length, RDB version and checksum.

/// `RPUSH` of `GOLDEN_LIST_ELEMENTS`, up to the string of 63 bytes.
const GOLDEN_LIST: &str = "2b 01 00 00 1f 00 81 61 02 00 01 7f 01 c0 80 02 df ff 02 cf ff 02 f1 00 10 03 d0 00 02 \
    f1 ff ef 03 f1 ff 7f 03 f2 00 80 00 04 f1 00 80 03 f2 ff 7f ff 04 f2 ff ff 7f 04 f3 00 00 80 00 05 \
    f2 00 00 80 04 f3 ff ff 7f ff 05 f3 ff ff ff 7f 05 f4 00 00 00 80 00 00 00 00 09 f3 00 00 00 80 05 \
    f4 ff ff ff 7f ff ff ff ff 09 f4 ff ff ff ff ff ff ff 7f 09 f4 00 00 00 00 00 00 00 80 09 \
    93 39 32 32 33 33 37 32 30 33 36 38 35 34 37 37 35 38 30 38 14 83 30 30 37 04 82 2b 31 03 82 2d 30 03 \
    83 31 2e 35 04 80 01 bf";
const GOLDEN_LIST_ELEMENTS: [&str; 29] = [
    "a",
    "0",
    "127",
    "128",
    "-1",
    "4095",
    "4096",
    "-4096",
    "-4097",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "8388607",
    "8388608",
    "-8388608",
    "-8388609",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "007",
    "+1",
    "-0",
    "1.5",
    "",
];
/// `HSET h name ann age 31 n -5`.
const GOLDEN_HASH: &str =
    "1f 00 00 00 06 00 84 6e 61 6d 65 05 83 61 6e 6e 04 83 61 67 65 04 1f 01 81 6e 02 df fb 02 ff";
/// `ZADD z 1 a 2.5 b -70000 c`.
const GOLDEN_ZSET: &str = "1c 00 00 00 06 00 81 63 02 f2 90 ee fe 04 81 61 02 01 01 81 62 02 83 32 2e 35 04 ff";
/// `HSET b f q...`, with `hash-max-listpack-value 3000000`: length of the value, its head, its back-length.
const GOLDEN_LONG: [(usize, &str, &str); 11] = [
    (125, "e0 7d", "7f"),
    (126, "e0 7e", "01 80"),
    (127, "e0 7f", "01 81"),
    (4_095, "ef ff", "20 81"),
    (4_096, "f0 00 10 00 00", "20 85"),
    (16_377, "f0 f9 3f 00 00", "7f fe"),
    (16_378, "f0 fa 3f 00 00", "00 ff ff"),
    (16_379, "f0 fb 3f 00 00", "01 80 80"),
    (2_097_145, "f0 f9 ff 1f 00", "7f ff fe"),
    (2_097_146, "f0 fa ff 1f 00", "00 ff ff ff"),
    (2_097_147, "f0 fb ff 1f 00", "01 80 80 80"),
];

#[test]
fn a_real_server_makes_the_same_list() {
    let mut golden = bytes_of(GOLDEN_LIST);
    golden.extend_from_slice(&[b'x'; 63]);
    golden.extend(bytes_of("40 e0 40"));
    golden.extend_from_slice(&[b'y'; 64]);
    golden.extend(bytes_of("42 ff"));
    let mut expected: Vec<String> = GOLDEN_LIST_ELEMENTS.map(String::from).to_vec();
    expected.extend(["x".repeat(63), "y".repeat(64)]);
    assert_eq!(validate(&golden), Ok(31));
    assert_eq!(elements(View::new(&golden)), expected.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(packed(&expected).into_bytes(), golden);
}

#[test]
fn a_real_server_makes_the_same_hash_and_sorted_set() {
    assert_eq!(packed(["name", "ann", "age", "31", "n", "-5"]).as_bytes(), bytes_of(GOLDEN_HASH));
    assert_eq!(packed(["c", "-70000", "a", "1", "b", "2.5"]).as_bytes(), bytes_of(GOLDEN_ZSET));
}

#[test]
fn a_real_server_makes_the_same_long_strings() {
    for (size, head, back) in GOLDEN_LONG {
        let mut golden = bytes_of("00 00 00 00 02 00 81 66 02");
        golden.extend(bytes_of(head));
        golden.resize(golden.len() + size, b'q');
        golden.extend(bytes_of(back));
        golden.push(0xff);
        let length = golden.len() as u32;
        golden[..4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(validate(&golden), Ok(2), "{size}");
        assert_eq!(View::new(&golden).iter().next_back().map(|entry| entry.len()), Some(size));
        assert_eq!(View::new(&golden).iter().rev().count(), 2);
        assert!(packed(["f".to_owned(), "q".repeat(size)]).into_bytes() == golden, "{size}");
    }
}

#[test]
fn the_figures_of_the_essay() {
    assert_eq!(
        packed(["ann", "31", "-5"]).into_bytes(),
        bytes_of("11 00 00 00 03 00 83 61 6e 6e 04 1f 01 df fb 02 ff")
    );
    assert_eq!(packed::<&[u8]>([]).as_bytes().len(), 7);
    let costs: [(&str, usize); 12] = [
        ("0", 2),
        ("127", 2),
        ("128", 3),
        ("-1", 3),
        ("-4096", 3),
        ("4096", 4),
        ("32767", 4),
        ("32768", 5),
        ("8388608", 6),
        ("2147483648", 10),
        ("-9223372036854775808", 10),
        ("", 2),
    ];
    for (text, bytes) in costs {
        assert_eq!(cost(text.as_bytes()), bytes, "{text}");
    }
    for (size, bytes) in [(63, 65), (64, 67), (125, 128), (126, 130), (4_095, 4_099)] {
        assert_eq!(cost(&vec![b's'; size]), bytes, "{size}");
    }
    assert_eq!("-9223372036854775808".len(), 20);
    assert_eq!(packed((0..128).map(|number| number.to_string())).as_bytes().len(), 263);
    let hash = (0..10).flat_map(|number| [format!("field{number}"), format!("value{number}")]);
    assert_eq!(packed(hash).as_bytes().len(), 167);
    assert_eq!(size_of::<Box<[u8]>>(), 16);
}

#[test]
fn entries_compare_by_their_one_decimal_form() {
    assert!(Entry::Int(123).eq_bytes(b"123"));
    for other in [&b"0123"[..], b"+123", b"123 ", b" 123", b"12", b"1234", b"", b"-123", b"123.0"] {
        assert!(!Entry::Int(123).eq_bytes(other));
    }
    assert!(Entry::Str(b"0123").eq_bytes(b"0123"));
    assert!(Entry::Int(0).eq_bytes(b"0") && !Entry::Int(0).eq_bytes(b"-0"));
    assert_eq!(Entry::Str(b"77").integer(), Some(77));
    assert_eq!(Entry::Int(-77).bytes(&mut Digits::new()), b"-77");
    assert!(Entry::Str(b"").is_empty() && !Entry::Int(0).is_empty());
    // Given as a string, a number is stored as one all the same.
    let mut packed = Packed::new();
    packed.push_back(Entry::Str(b"5")).expect("small");
    packed.push_back(5).expect("small");
    assert_eq!(packed.iter().collect::<Vec<_>>(), [Entry::Int(5), Entry::Int(5)]);
}

#[test]
fn search_takes_every_second_and_begins_anywhere() {
    let hash = packed(["a", "b", "b", "a", "7", "c", "007", "7"]);
    let view = hash.view();
    let index = |needle: &str, skip| {
        let at = view.find(needle.as_bytes(), skip)?;
        (0..view.len()).find(|&index| view.seek(index) == Some(at))
    };
    assert_eq!((index("b", 0), index("b", 1), index("a", 1)), (Some(1), Some(2), Some(0)));
    assert_eq!((index("7", 1), index("007", 1), index("c", 1), index("c", 0)), (Some(4), Some(6), None, Some(5)));
    let third = view.seek(2).expect("there are eight");
    assert_eq!(view.find_from(third, b"a", 0), view.seek(3));
    assert_eq!(view.find_from(third, b"7", 1), view.seek(4));
    assert_eq!(view.find_from(view.end(), b"7", 0), None);
    assert_eq!(view.iter_from(third).position(), third);
    // A foreign writer may use a longer encoding than it need: the string "7", and "a" with a head of five bytes.
    let foreign = bytes_of("12 00 00 00 02 00 81 37 02 f0 01 00 00 00 61 06 ff");
    let foreign = [&[17, 0, 0, 0], &foreign[4..]].concat();
    assert_eq!(validate(&foreign), Ok(2));
    assert_eq!(View::new(&foreign).find(b"7", 0), View::new(&foreign).first());
    assert_eq!(View::new(&foreign).find(b"a", 0), View::new(&foreign).last());
}

#[test]
fn a_count_from_65535_on_is_found_by_counting() {
    let mut many = Packed::new();
    let count_told = |packed: &Packed| u16::from_le_bytes([packed.as_bytes()[4], packed.as_bytes()[5]]);
    for number in 0..65_534 {
        many.push_back(number % 100).expect("small");
    }
    assert_eq!((count_told(&many), many.len()), (65_534, 65_534));
    many.push_front(b"last").expect("small");
    assert_eq!((count_told(&many), many.len()), (65_535, 65_535));
    many.push_back(1).expect("small");
    assert_eq!((count_told(&many), many.len(), validate(many.as_bytes())), (65_535, 65_536, Ok(65_536)));
    assert_eq!(many.view().get(65_535), Some(Entry::Int(1)));
    assert_eq!(many.view().get(65_536), None);
    let mut half = many.clone();
    let tail = half.split_off(40_000);
    assert_eq!((count_told(&half), count_told(&tail)), (40_000, 25_536));
    half.append(tail.view()).expect("small");
    assert_eq!(half, many);
    // Few enough bytes for the count to be certain: it is told again.
    assert_eq!(many.remove_front(1), 1);
    assert_eq!((count_told(&many), many.len()), (65_535, 65_535));
    assert_eq!(many.pop_back(|entry| entry.to_vec()), Some(b"1".to_vec()));
    assert_eq!((count_told(&many), many.len()), (65_534, 65_534));
    many.append(many.clone().view()).expect("small");
    assert_eq!((count_told(&many), many.len()), (65_535, 131_068));
    assert_eq!(many.retain(|entry| entry == Entry::Int(7)), 131_068 - 2 * 656);
    assert_eq!(count_told(&many), 2 * 656);
    // The header may also say so of a few.
    let few = bytes_of("09 00 00 00 ff ff 05 01 ff");
    assert_eq!((validate(&few), View::new(&few).len(), View::new(&few).get(0)), (Ok(1), 1, Some(Entry::Int(5))));
}

#[test]
fn too_large_is_refused_and_changes_nothing() {
    // Zeroed memory that nobody reads is never made.
    let long = vec![0; (1 << 30) + 1];
    let mut packed = packed(["a", "b"]);
    let before = packed.clone();
    let first = packed.view().first().expect("there are two");
    assert_eq!(packed.push_back(&long[..]), Err(TooLarge));
    assert_eq!(packed.push_front(&long[..]), Err(TooLarge));
    assert_eq!(packed.insert_after(first, &long[..]), Err(TooLarge));
    assert_eq!(packed.replace(first, &long[..]), Err(TooLarge));
    assert_eq!(packed, before);
    assert_eq!(BYTES_MAX, 4_294_967_295);
}

#[test]
#[ignore = "needs 4 GiB of memory"]
fn a_collection_of_more_than_4_gib_is_refused() {
    let long = vec![0; 1 << 30];
    let one = packed([&long]);
    let mut three = one.clone();
    three.append(one.view()).expect("2 GiB");
    three.append(one.view()).expect("3 GiB");
    let first = three.view().first().expect("there are three");
    let before = three.as_bytes().len();
    assert_eq!(three.push_back(&long[..]), Err(TooLarge));
    assert_eq!(three.push_front(&long[..]), Err(TooLarge));
    assert_eq!(three.append(one.view()), Err(TooLarge));
    assert_eq!((three.as_bytes().len(), three.len()), (before, 3));
    assert_eq!(three.replace(first, &long[..]), Ok(()));
    assert_eq!(validate(three.as_bytes()), Ok(3));
}

#[test]
fn equal_sizes_are_replaced_in_place() {
    let mut three = packed(["one", "two", "three"]);
    let middle = three.view().seek(1).expect("there are three");
    let place = three.as_bytes().as_ptr();
    three.replace(middle, b"TWO").expect("small");
    assert_eq!(three.as_bytes().as_ptr(), place);
    assert_eq!(three, packed(["one", "TWO", "three"]));
    three.replace(middle, 70_000).expect("small");
    assert_eq!(three, packed(["one", "70000", "three"]));
    three.replace(middle, &[b'z'; 300]).expect("small");
    assert_eq!(elements(three.view())[1], [b'z'; 300]);
    assert_eq!(validate(three.as_bytes()), Ok(3));
}

#[test]
fn every_proof_fails_where_it_should() {
    let good = packed(["one", "-70000", "three"]).into_bytes();
    assert_eq!(validate(&good), Ok(3));
    for size in 0..good.len() {
        assert!(validate(&good[..size]).is_err(), "{size}");
    }
    let with = |offset: usize, byte: u8| {
        let mut bad = good.clone();
        bad[offset] = byte;
        validate(&bad)
    };
    let size = good.len();
    assert_eq!(validate(&good[..6]), Err(Invalid::Short { size: 6 }));
    assert_eq!(with(0, 99), Err(Invalid::Length { told: 99, size }));
    assert_eq!(with(4, 2), Err(Invalid::Count { told: 2, count: 3 }));
    assert_eq!(with(6, 0xff), Err(Invalid::Entry { offset: 6 }));
    assert_eq!(with(6, 0xf5), Err(Invalid::Entry { offset: 6 }));
    assert_eq!(with(6, 0xbf), Err(Invalid::Entry { offset: 6 }));
    assert_eq!(with(10, 5), Err(Invalid::BackLength { offset: 6 }));
    assert_eq!(with(size - 1, 0), Err(Invalid::Terminator));
    // A length that reaches beyond any memory.
    let huge = bytes_of("0d 00 00 00 01 00 f0 ff ff ff ff 01 ff");
    assert_eq!(validate(&huge), Err(Invalid::Entry { offset: 6 }));
    // A back-length in more bytes than it takes.
    let padded = bytes_of("0a 00 00 00 01 00 05 00 81 ff");
    assert_eq!(validate(&padded), Err(Invalid::BackLength { offset: 6 }));
    assert_eq!(Invalid::Terminator.to_string(), "the last byte is no terminator");
}

#[test]
#[should_panic(expected = "a position of an entry")]
fn the_end_is_no_entry_to_be_replaced() {
    let mut one = packed(["one"]);
    let end: Position = one.view().end();
    let _ = one.replace(end, b"two");
}

proptest! {
    #[test]
    fn integers_have_one_text(value: i64, text in "[-+]?[0-9]{0,20}") {
        prop_assert_eq!(integer(value.to_string().as_bytes()), Some(value));
        let expected = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(integer(text.as_bytes()), expected);
    }

    #[test]
    fn numbers_of_all_sizes_come_back(value: i64, shift in 0_u32..64) {
        let value = value >> shift;
        let packed = packed([value.to_string()]);
        prop_assert_eq!(packed.view().get(0), Some(Entry::Int(value)));
        prop_assert_eq!(Entry::Int(value).len(), value.to_string().len());
        prop_assert_eq!(validate(packed.as_bytes()), Ok(1));
    }
}

//! Integer sets against bytes that a real server made, at the borders of their widths, and the figures of the essay.

use rkv_collections::intset::{IntSet, Invalid, View, validate};

// What redis-server 7.0.15 answers to DUMP, without type, length, RDB version and checksum.

/// `SADD s 1 5 -3`.
const GOLDEN_TWO: [u8; 14] = [2, 0, 0, 0, 3, 0, 0, 0, 0xfd, 0xff, 1, 0, 5, 0];
/// `SADD s 1 5 -32769`.
const GOLDEN_FOUR: [u8; 20] = [4, 0, 0, 0, 3, 0, 0, 0, 0xff, 0x7f, 0xff, 0xff, 1, 0, 0, 0, 5, 0, 0, 0];
/// `SADD s 1 2147483648 -9223372036854775808 9223372036854775807`.
const GOLDEN_EIGHT: [u8; 40] = [
    8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

fn set(values: &[i64]) -> IntSet {
    let mut set = IntSet::new();
    for value in values {
        assert_eq!(set.insert(*value), Ok(true));
    }
    set
}

#[test]
fn a_real_server_makes_the_same_bytes() {
    let cases: [(&[u8], &[i64]); 3] = [
        (&GOLDEN_TWO, &[1, 5, -3]),
        (&GOLDEN_FOUR, &[1, 5, -32_769]),
        (&GOLDEN_EIGHT, &[1, 1 << 31, i64::MIN, i64::MAX]),
    ];
    for (golden, given) in cases {
        let mut sorted = given.to_vec();
        sorted.sort_unstable();
        assert_eq!(validate(golden), Ok(given.len()));
        assert_eq!(View::new(golden).iter().collect::<Vec<_>>(), sorted);
        assert_eq!(set(given).into_bytes(), golden);
        assert_eq!(IntSet::from_sorted(&sorted).expect("few").into_bytes(), golden);
    }
}

#[test]
fn widths_grow_at_their_borders_and_stay() {
    let width = |set: &IntSet| set.view().as_bytes()[0];
    for (narrow, wide, before, after) in [
        (0x7fff, 0x8000, 2, 4),
        (-0x8000, -0x8001, 2, 4),
        (0x7fff_ffff, 0x8000_0000, 4, 8),
        (-0x8000_0000, -0x8000_0001, 4, 8),
        (0x7fff, i64::MAX, 2, 8),
    ] {
        let mut set = set(&[-1, narrow, 7]);
        assert_eq!(width(&set), before);
        assert!(!set.contains(wide));
        assert!(!set.remove(wide));
        assert_eq!(set.insert(wide), Ok(true));
        assert_eq!(width(&set), after);
        assert_eq!([-1, narrow, 7, wide].map(|value| set.contains(value)), [true; 4]);
        assert_eq!(set.insert(wide), Ok(false));
        assert!(set.remove(wide));
        assert_eq!((width(&set), set.len()), (after, 3));
        assert_eq!(validate(&set.into_bytes()), Ok(3));
    }
}

#[test]
fn the_figures_of_the_essay() {
    let numbers: Vec<i64> = (0..512).collect();
    assert_eq!(IntSet::from_sorted(&numbers).expect("few").into_bytes().len(), 1_032);
    assert_eq!(set(&[5, -3, 1]).into_bytes(), GOLDEN_TWO);
    // A search halves what is left until there is nothing: 512 numbers leave 513 places.
    assert_eq!(512_u32.ilog2() + 1, 10);
}

#[test]
fn ends_and_places() {
    let mut set = set(&[30, -10, 20]);
    let view = set.view();
    assert_eq!((view.min(), view.max(), view.len()), (Some(-10), Some(30), 3));
    assert_eq!((view.rank(20), view.rank(0), view.rank(31)), (Ok(1), Err(1), Err(3)));
    assert_eq!((view.get(1), view.get(3)), (Some(20), None));
    assert_eq!(view.iter().rev().collect::<Vec<_>>(), [30, 20, -10]);
    assert_eq!(set.remove_at(1), Some(20));
    assert_eq!(set.remove_at(2), None);
    assert_eq!(set.view().iter().collect::<Vec<_>>(), [-10, 30]);
    let empty = IntSet::new();
    assert_eq!((empty.view().min(), empty.view().max(), empty.is_empty()), (None, None, true));
}

#[test]
fn every_proof_fails_where_it_should() {
    for size in 0..GOLDEN_TWO.len() {
        assert!(validate(&GOLDEN_TWO[..size]).is_err(), "{size}");
    }
    let with = |offset: usize, byte: u8| {
        let mut bad = GOLDEN_TWO;
        bad[offset] = byte;
        validate(&bad)
    };
    assert_eq!(validate(&GOLDEN_TWO[..7]), Err(Invalid::Short { size: 7 }));
    assert_eq!(with(0, 3), Err(Invalid::Width { told: 3 }));
    assert_eq!(with(1, 1), Err(Invalid::Width { told: 258 }));
    assert_eq!(with(0, 4), Err(Invalid::Length { told: 3, size: 14 }));
    assert_eq!(with(4, 4), Err(Invalid::Length { told: 4, size: 14 }));
    assert_eq!(with(7, 0xff), Err(Invalid::Length { told: 0xff00_0003, size: 14 }));
    assert_eq!(with(10, 5), Err(Invalid::Order), "twice the same");
    assert_eq!(with(11, 0x7f), Err(Invalid::Order));
    assert_eq!(validate(&[2, 0, 0, 0, 0, 0, 0, 0]), Ok(0));
}

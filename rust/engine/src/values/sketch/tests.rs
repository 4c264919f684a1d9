//! Against an array of registers, and what Valkey 9.1 tells of the same elements.

use proptest::prelude::*;

use super::*;

/// Redis's default.
const SPARSE_BYTES_MAX: usize = 3000;

fn empty() -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(&mut bytes);
    bytes
}

/// The registers of a sketch, by way of what clients see of a sparse one.
fn registers_of(bytes: &[u8]) -> Vec<u8> {
    if encoding(bytes) == Some(Encoding::Dense) {
        return (0..REGISTERS)
            .map(|index| {
                (0..6).fold(0, |rank, bit| {
                    rank | (bytes[16 + (index * 6 + bit) / 8] >> ((index * 6 + bit) % 8) & 1) << bit
                })
            })
            .collect();
    }
    let mut registers = Vec::new();
    for run in runs_text(bytes).split(' ') {
        let (kind, numbers) = run.split_once(':').unwrap();
        let numbers: Vec<usize> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
        match (kind, &numbers[..]) {
            ("z" | "Z", [len]) => registers.extend(vec![0; *len]),
            ("v", [rank, len]) => registers.extend(vec![*rank as u8; *len]),
            _ => panic!("{run}"),
        }
    }
    registers
}

#[test]
fn hashes_are_those_of_redis() {
    let cases = [
        ("hello", "Z:9216 v:1,1 Z:7167"),
        ("a", "Z:12711 v:2,1 Z:3672"),
        ("b", "Z:15780 v:1,1 Z:603"),
        ("foo", "Z:7348 v:5,1 Z:9035"),
        ("", "Z:5938 v:2,1 Z:10445"),
    ];
    for (element, runs) in cases {
        let mut bytes = empty();
        assert_eq!(bytes.len(), 18);
        assert_eq!(add(&mut bytes, element.as_bytes(), SPARSE_BYTES_MAX), Ok(true));
        assert_eq!(runs_text(&bytes), runs);
        assert_eq!(add(&mut bytes, element.as_bytes(), SPARSE_BYTES_MAX), Ok(false));
        assert_eq!(count(&bytes), Ok(1));
    }
    let mut bytes = empty();
    for element in ["", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1234567890"] {
        add(&mut bytes, element.as_bytes(), SPARSE_BYTES_MAX).unwrap();
    }
    assert_eq!(runs_text(&bytes), "Z:2785 v:1,1 Z:3152 v:2,1 Z:10445");
}

proptest! {
    #[test]
    fn registers_keep_the_highest_rank(
        // Near each other, so that runs are split and joined; at times too high for the sparse encoding.
        raises in prop::collection::vec((0_usize..120, prop_oneof![12 => 1_u8..4, 1 => 30_u8..34]), 1..300),
        far in prop::collection::vec((0..REGISTERS, 1_u8..20), 0..40),
        bytes_max in prop_oneof![Just(3000_usize), 18_usize..120],
    ) {
        let mut model = vec![0; REGISTERS];
        let mut bytes = empty();
        for (index, rank) in raises.into_iter().chain(far) {
            let raised = raise(&mut bytes, index, rank, bytes_max, &mut Place::default()).unwrap();
            prop_assert_eq!(raised, model[index] < rank);
            model[index] = rank.max(model[index]);
            let is_sparse = encoding(&bytes) == Some(Encoding::Sparse);
            prop_assert!(!is_sparse || (bytes.len() <= bytes_max && rank <= 32));
        }
        prop_assert_eq!(&registers_of(&bytes), &model);
        let mut all = Registers::default();
        all.merge(&bytes).unwrap();
        prop_assert!(all.iter().eq(model.iter().copied()));
        prop_assert_eq!(count(&bytes), Ok(all.count()));
        make_dense(&mut bytes).unwrap();
        prop_assert_eq!(bytes.len(), DENSE_BYTES);
        prop_assert_eq!(registers_of(&bytes), model);
        prop_assert_eq!(count(&bytes), Ok(all.count()));
    }

    #[test]
    fn registers_raised_in_order_give_the_same_bytes(
        there in prop::collection::vec((0_usize..150, 1_u8..4), 0..80),
        raises in prop::collection::btree_map(0_usize..150, 1_u8..4, 0..100),
        bytes_max in prop_oneof![Just(3000_usize), 30_usize..150],
    ) {
        let mut bytes = empty();
        for (index, rank) in there {
            raise(&mut bytes, index, rank, bytes_max, &mut Place::default()).unwrap();
        }
        let mut one_by_one = bytes.clone();
        let mut all = Registers::default();
        for (&index, &rank) in &raises {
            all.0[index] = rank;
            raise(&mut one_by_one, index, rank, bytes_max, &mut Place::default()).unwrap();
        }
        forget_count(&mut one_by_one);
        raise_all(&mut bytes, &all, bytes_max).unwrap();
        prop_assert_eq!(bytes, one_by_one);
    }

    #[test]
    fn what_clients_store_is_checked_at_every_byte(
        mut bytes in prop::collection::vec(any::<u8>(), 0..60), is_sketch in prop::bool::weighted(0.9), cut in 0_usize..60,
        elements in prop::collection::vec(any::<[u8; 3]>(), 0..10),
    ) {
        if is_sketch {
            let mut header = empty();
            header.truncate(HEADER_BYTES);
            header.append(&mut bytes);
            bytes = header;
        }
        bytes.truncate(bytes.len().saturating_sub(cut / 4));
        let is_one = encoding(&bytes) == Some(Encoding::Sparse);
        let complete = Registers::default().merge(&bytes).is_ok();
        prop_assert_eq!(count(&bytes).is_ok(), complete);
        prop_assert!(is_one || !complete);
        runs_text(&bytes);
        cached_count(&bytes);
        forget_count(&mut bytes);
        for element in elements {
            let before = bytes.clone();
            if is_one && add(&mut bytes, &element, SPARSE_BYTES_MAX).is_err() {
                prop_assert_eq!(&bytes, &before);
                prop_assert!(!complete);
            }
        }
        prop_assert!(!is_one || make_dense(&mut bytes).is_ok() == complete);
    }
}

#[test]
fn counts_are_kept_until_they_are_old() {
    let mut bytes = empty();
    assert_eq!(cached_count(&bytes), Some(0));
    add(&mut bytes, b"a", SPARSE_BYTES_MAX).unwrap();
    assert_eq!(cached_count(&bytes), None);
    cache_count(&mut bytes, 1);
    assert_eq!(cached_count(&bytes), Some(1));
    assert_eq!(add(&mut bytes, b"a", SPARSE_BYTES_MAX), Ok(false));
    assert_eq!(cached_count(&bytes), Some(1));
    make_dense(&mut bytes).unwrap();
    assert_eq!(cached_count(&bytes), Some(1));
}

#[test]
fn a_test_of_itself() {
    assert_eq!(self_test(), Ok(()));
}

#[test]
fn ends_of_the_estimate() {
    let mut all = Registers::default();
    assert_eq!(all.count(), 0);
    all.0.fill(51);
    assert!(all.count() > 1 << 60);
}

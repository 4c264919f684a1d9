//! The arena against a model: blobs keep their bytes, do not overlap, and their memory comes back.

use proptest::prelude::*;
use rkv_collections::arena::{Arena, MAX_LEN, Ref, class_size};
use std::collections::HashSet;

fn cases() -> ProptestConfig {
    let cases = if cfg!(miri) { 2 } else { 60 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Debug, Clone)]
enum Step {
    Alloc { len: usize, times: usize },
    Free { choice: usize, times: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![0..=160_usize, 0..=MAX_LEN, Just(56)];
    let step = prop_oneof![
        (len, 1..400_usize).prop_map(|(len, times)| Step::Alloc { len, times }),
        (any::<usize>(), 1..500_usize).prop_map(|(choice, times)| Step::Free { choice, times }),
    ];
    prop::collection::vec(step, 1..if cfg!(miri) { 6 } else { 60 })
}

struct Blob {
    reference: Ref,
    mark: u8,
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn blobs_keep_their_bytes(steps in steps()) {
        let mut arena = Arena::new();
        let mut blobs: Vec<Blob> = Vec::new();
        let mut mark = 0_u8;
        for step in steps {
            match step {
                Step::Alloc { len, times } => for _ in 0..times {
                    let reference = arena.alloc(len);
                    mark = mark.wrapping_add(37);
                    prop_assert_eq!(arena.bytes(reference).len(), class_size(len));
                    arena.bytes_mut(reference).fill(mark);
                    blobs.push(Blob { reference, mark });
                },
                Step::Free { choice, times } => for n in 0..times {
                    if blobs.is_empty() {
                        break;
                    }
                    let index = choice.wrapping_mul(31).wrapping_add(n.wrapping_mul(97)) % blobs.len();
                    let Blob { reference, mark } = blobs.swap_remove(index);
                    prop_assert!(arena.bytes(reference).iter().all(|&byte| byte == mark));
                    arena.free(reference);
                },
            }
            let live: usize = blobs.iter().map(|blob| arena.bytes(blob.reference).len()).sum();
            prop_assert_eq!(arena.allocated(), live);
        }
        let distinct: HashSet<Ref> = blobs.iter().map(|blob| blob.reference).collect();
        prop_assert_eq!(distinct.len(), blobs.len());
        for Blob { reference, mark } in blobs {
            prop_assert!(arena.bytes(reference).iter().all(|&byte| byte == mark));
            prop_assert_eq!(Ref::from_bits(reference.to_bits()), Some(reference));
            arena.free(reference);
        }
        prop_assert_eq!(arena.allocated(), 0);
        prop_assert!(arena.reserved() < 16 * 1024, "{} bytes kept", arena.reserved());
    }
}

#[test]
fn memory_comes_back_and_ids_are_used_again() {
    let mut arena = Arena::new();
    let blobs = if cfg!(miri) { 200 } else { 100_000 };
    let mut highest = 0;
    for round in 0..5 {
        let references: Vec<Ref> = (0..blobs).map(|_| arena.alloc(54)).collect();
        let now = references.iter().map(|reference| reference.to_bits()).max();
        assert!(round == 0 || now <= Some(highest), "ids are not used again");
        highest = now.unwrap_or(0);
        for reference in references.into_iter().rev() {
            arena.free(reference);
        }
        assert!(arena.reserved() < 16 * 1024);
    }
}

#[test]
fn one_empty_chunk_is_kept_at_a_border() {
    let mut arena = Arena::new();
    let first = arena.alloc(2048);
    let others: Vec<Ref> = (0..100).map(|_| arena.alloc(2048)).collect();
    let full = arena.reserved();
    for reference in others {
        arena.free(reference);
    }
    assert!(arena.reserved() < full);
    let kept = arena.reserved();
    for _ in 0..10 {
        let references: Vec<Ref> = (0..4).map(|_| arena.alloc(2048)).collect();
        for reference in references {
            arena.free(reference);
        }
        assert_eq!(arena.reserved(), kept);
    }
    arena.free(first);
}

#[test]
fn a_stale_reference_reads_stale_bytes() {
    let mut arena = Arena::new();
    let (first, second) = (arena.alloc(8), arena.alloc(8));
    arena.bytes_mut(second).fill(7);
    arena.free(second);
    assert_eq!(arena.bytes(second)[2..], [7; 6]);
    assert_eq!(arena.bytes(first), [0; 8]);
}

#[test]
#[should_panic(expected = "blob longer")]
fn a_blob_too_long_panics() {
    Arena::new().alloc(MAX_LEN + 1);
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_reference_to_nothing_panics() {
    let _ = Arena::new().bytes(Ref::from_bits(u32::MAX).expect("not zero"));
}

//! The figures of the essay, and what random changes (`tests/fuzz_chunks.rs`) would not single out.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elements of 35 bytes that 8 KiB hold: 32 of value, three that a packed encoding adds.
const FULL: usize = 8 * 1024 / 35;

/// A chunk of the size that a packed one has, which counts how often it was copied.
struct Counted {
    elements: usize,
    copies: Arc<AtomicUsize>,
    number: u64,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.copies.fetch_add(1, Ordering::Relaxed);
        Counted { elements: self.elements, copies: Arc::clone(&self.copies), number: self.number }
    }
}

impl Chunk for Counted {
    fn count(&self) -> usize {
        self.elements
    }
    fn bytes(&self) -> usize {
        0
    }
}

#[derive(Default)]
struct Maker {
    copies: Arc<AtomicUsize>,
    made: u64,
}

impl Maker {
    fn chunk(&mut self, elements: usize) -> Counted {
        self.made += 1;
        Counted { elements, copies: Arc::clone(&self.copies), number: self.made }
    }

    fn copies(&self) -> usize {
        self.copies.swap(0, Ordering::Relaxed)
    }

    fn list(&mut self, chunks: usize) -> Chunks<Counted> {
        let mut list = Chunks::new();
        (0..chunks).for_each(|_| list.push_back_chunk(self.chunk(FULL)));
        list
    }
}

fn spread(seed: usize) -> usize {
    let mut x = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31) as usize
}

/// Bytes per chunk beside the chunks' own.
fn overhead(list: &Chunks<Counted>) -> f64 {
    list.check();
    list.memory_bytes() as f64 / list.chunks() as f64
}

fn numbers<'a>(chunks: impl IntoIterator<Item = (&'a Counted, usize)>) -> Vec<u64> {
    chunks.into_iter().map(|(chunk, _)| chunk.number).collect()
}

#[test]
fn nodes_have_the_sizes_of_the_essay() {
    assert_eq!(size_of::<Counted>(), 24);
    assert_eq!(16 + size_of::<tree::Leaf<Counted>>(), 384);
    assert_eq!(16 + size_of::<tree::Inner<Counted>>(), 744);
    assert_eq!(FULL, 234);
}

#[test]
fn a_list_of_five_million_costs_a_quarter_byte_an_element() {
    let list = Maker::default().list(5_000_000_usize.div_ceil(FULL));
    assert_eq!(list.chunks(), 21_368);
    assert_eq!(list.middle.height(), 3);
    assert!(overhead(&list) < 54.0, "{}", overhead(&list));
    assert!(list.memory_bytes() as f64 / (list.len() as f64) < 0.25);
    assert_eq!(branch::WIDTH.pow(3) * FULL / 100_000, 63);
    assert_eq!(branch::WIDTH.pow(4) * FULL / 1_000_000, 189);
}

#[test]
fn nodes_stay_full_in_a_queue_and_full_enough_elsewhere() {
    let mut maker = Maker::default();
    for front in [true, false] {
        let mut list = maker.list(5_000);
        for _ in 0..20_000 {
            if front {
                list.push_front_chunk(maker.chunk(FULL));
                list.pop_back_chunk();
            } else {
                list.push_back_chunk(maker.chunk(FULL));
                list.pop_front_chunk();
            }
        }
        assert!(overhead(&list) < 55.0, "{}", overhead(&list));
    }
    let mut list = maker.list(100);
    for number in 0..20_000 {
        list.insert_behind(spread(number) % list.len(), maker.chunk(FULL));
    }
    assert!(overhead(&list) < 64.0, "{}", overhead(&list));
    let mut worst = 0.0_f64;
    for number in 0..19_900 {
        list.remove_chunk(spread(number) % list.len());
        if number % 100 == 0 {
            worst = worst.max(overhead(&list));
        }
    }
    assert!(worst < 80.0, "{worst}");
}

#[test]
fn without_a_capture_nothing_is_copied() {
    let mut maker = Maker::default();
    let mut list = maker.list(2_000);
    for number in 0..500 {
        let index = spread(number) % list.len();
        list.edit(index, |chunk, _| chunk.elements -= 1);
        list.insert_before(index, maker.chunk(3));
        list.remove_chunk(spread(index) % list.len());
        list.join_next(index / 2, |chunk, next| chunk.elements += next.elements);
        list.push_front_chunk(maker.chunk(1));
        list.edit_first(|chunk| chunk.elements -= 1);
        list.pop_back_chunk();
    }
    drop(list.drop_front(1_000));
    drop(list.drop_back(1_000));
    list.check();
    assert_eq!(maker.copies(), 0);
}

#[test]
fn beside_a_capture_each_chunk_is_copied_once_and_only_if_changed() {
    let mut maker = Maker::default();
    let mut list = maker.list(2_000);
    let then = numbers(&list);
    let capture = list.capture();
    assert_eq!(maker.copies(), 0);
    for _ in 0..10 {
        list.edit_first(|chunk| chunk.elements -= 1);
        list.edit_last(|chunk| chunk.elements -= 1);
        list.edit(1_000, |chunk, _| chunk.elements -= 1);
    }
    assert_eq!(maker.copies(), 3);
    list.insert_behind(1_000, maker.chunk(1));
    list.push_back_chunk(maker.chunk(1));
    list.join_next(1_000, |chunk, next| chunk.elements += next.elements);
    drop(list.drop_front(200_000));
    drop(list.drop_back(100_000));
    assert_eq!(maker.copies(), 0);
    assert_eq!(numbers(&*capture), then);
    assert_eq!(capture.len(), 2_000 * FULL);
    capture.check();
    drop(capture);
    // The copies are the list's own, and so is what the capture alone had kept from it.
    for index in (0..list.len()).step_by(FULL) {
        list.edit(index, |chunk, _| chunk.elements += 1);
    }
    list.check();
    assert_eq!(maker.copies(), 0);
}

#[test]
fn captures_are_read_and_dropped_on_other_threads() {
    fn sendable<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let mut maker = Maker::default();
    let mut list = maker.list(1_000);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let expected = numbers(&list);
            let capture = sendable(list.capture());
            for number in 0..100 {
                list.edit(spread(number) % list.len(), |chunk, _| chunk.elements -= 1);
                list.push_front_chunk(maker.chunk(FULL));
            }
            std::thread::spawn(move || {
                capture.check();
                assert_eq!(numbers(&*capture), expected);
            })
        })
        .collect();
    for reader in readers {
        reader.join().expect("as captured");
    }
    sendable(list.drop_front(1_000).removed);
    list.check();
}

#[test]
fn a_cut_says_what_is_left_to_trim() {
    let mut maker = Maker::default();
    for chunks in [1, 2, 3, 5, 100, 2_000] {
        for elements in
            [0, 1, FULL - 1, FULL, FULL + 1, 2 * FULL, 3 * FULL + 5, 950 * FULL + 7, 1_999 * FULL, 3_000 * FULL]
        {
            let len = chunks * FULL;
            let whole = elements.min(len) / FULL;
            for front in [true, false] {
                let mut list = maker.list(chunks);
                let cut = if front { list.drop_front(elements) } else { list.drop_back(elements) };
                list.check();
                assert_eq!(cut.rest, elements.min(len) % FULL);
                assert_eq!(cut.removed.chunks(), whole);
                assert_eq!((list.chunks(), list.len()), (chunks - whole, len - whole * FULL));
            }
        }
    }
}

#[test]
fn an_empty_list_answers_everything() {
    let mut list: Chunks<Counted> = Chunks::default();
    let mut maker = Maker::default();
    list.push_back_chunk(maker.chunk(0));
    list.push_front_chunk(maker.chunk(0));
    list.insert_before(0, maker.chunk(0));
    list.insert_behind(5, maker.chunk(0));
    assert!(list.is_empty() && list.first().is_none() && list.last().is_none() && list.get(0).is_none());
    assert!(list.edit(0, |_, _| ()).is_none() && list.edit_first(|_| ()).is_none() && list.edit_last(|_| ()).is_none());
    assert!(list.pop_front_chunk().is_none() && list.pop_back_chunk().is_none() && list.remove_chunk(0).is_none());
    assert!(list.join_next(0, |_, _| ()).is_none());
    assert!(list.iter().next().is_none() && list.iter_back_from(usize::MAX).next().is_none());
    assert_eq!((list.drop_front(9).rest, list.drop_back(9).rest, list.partition(|_| true)), (0, 0, 0));
    assert_eq!((list.len(), list.chunks(), list.memory_bytes()), (0, 0, 0));
    assert!(list.capture().is_empty());
}

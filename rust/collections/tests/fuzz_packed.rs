//! Random operations on packed collections and integer sets against containers of the standard library, and random
//! bytes for their readers.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2, shared by the tests), `RKV_FUZZ_SEED` repeats a run.

#[path = "support/chance.rs"]
mod chance;

use chance::{Random, fuzz_shared};
use rkv_collections::intset::{self, IntSet};
use rkv_collections::packed::{self, Deque, Packed, Position, View};
use std::collections::{BTreeSet, VecDeque};

/// What these tests draw.
trait Elements {
    /// A number of any size, near a power of two as often as not.
    fn number(&mut self) -> i64;
    /// Few different ones, so that some are equal; some near the borders of the encodings.
    fn element(&mut self) -> Vec<u8>;
}

impl Elements for Random {
    fn number(&mut self) -> i64 {
        match self.below(3) {
            0 => self.next() as i64 >> self.below(64),
            1 => 1_i64.wrapping_shl(self.below(64) as u32).wrapping_add(self.below(3) as i64 - 1),
            _ => (-1_i64).wrapping_shl(self.below(64) as u32).wrapping_add(self.below(3) as i64 - 1),
        }
    }

    fn element(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => self.number().to_string().into_bytes(),
            1 => (self.below(20) as i64 - 5).to_string().into_bytes(),
            2 => [&b"00"[..], b"-0", b"+1", b"01", b"", b"-", b"9223372036854775808", b"1 "][self.below(8)].to_vec(),
            3 => vec![b'p'; [62, 63, 64, 65, 124, 125, 126, 127, 128][self.below(9)]],
            4 if self.below(40) == 0 => vec![b'q'; [4_094, 4_095, 4_096, 16_377, 16_378, 16_379][self.below(6)]],
            5 => (0..self.below(12)).map(|_| self.next() as u8).collect(),
            _ => format!("field{}", self.below(12)).into_bytes(),
        }
    }
}

type Model = Vec<Vec<u8>>;

/// The collection that a fresh sequence of `push_back` makes: there is one form for each content.
fn fresh(model: &Model) -> Packed {
    let mut packed = Packed::new();
    for element in model {
        packed.push_back(&element[..]).expect("small");
    }
    packed
}

fn compare(random: &mut Random, packed: &Packed, model: &Model) {
    let view = packed.view();
    assert_eq!(packed::validate(packed.as_bytes()), Ok(model.len()));
    assert_eq!((packed.len(), packed.is_empty()), (model.len(), model.is_empty()));
    assert!(*packed == fresh(model));
    assert!(view.iter().map(|entry| entry.to_vec()).eq(model.iter().cloned()));
    assert!(view.iter().rev().map(|entry| entry.to_vec()).eq(model.iter().rev().cloned()));
    for _ in 0..3 {
        let index = random.below(model.len() + 2);
        let entry = view.get(index);
        assert_eq!(entry.map(|entry| entry.to_vec()).as_ref(), model.get(index));
        if let Some(entry) = entry {
            let at = view.seek(index).expect("it was got");
            assert_eq!((entry.len(), view.entry(at)), (model[index].len(), Some(entry)));
            assert_eq!(view.next(at), view.seek(index + 1));
            assert_eq!(view.prev(at), index.checked_sub(1).and_then(|index| view.seek(index)));
            assert!(view.iter_from(at).eq(view.iter().skip(index)));
        }
        let needle = if random.below(2) == 0 && !model.is_empty() {
            model[random.below(model.len())].clone()
        } else {
            random.element()
        };
        let (from, skip) = (random.below(model.len() + 1), random.below(3));
        let expected = (from..model.len()).step_by(skip + 1).find(|&index| model[index] == needle);
        let start = view.seek(from).unwrap_or(view.end());
        assert_eq!(view.find_from(start, &needle, skip), expected.and_then(|index| view.seek(index)));
        assert!(view.iter().zip(model).all(|(entry, own)| entry.eq_bytes(&needle) == (*own == needle)));
    }
}

/// A random entry that is there, with its number.
fn any(random: &mut Random, packed: &Packed) -> Option<(usize, Position)> {
    let index = random.below(packed.len().max(1));
    Some((index, packed.view().seek(index)?))
}

/// Adds, or changes in place.
fn put(random: &mut Random, packed: &mut Packed, model: &mut Model) {
    let element = random.element();
    let place = any(random, packed);
    match (random.below(6), place) {
        (0, _) => {
            packed.push_front(&element[..]).expect("small");
            model.insert(0, element);
        }
        (1, Some((index, at))) => {
            assert_eq!(packed.insert_before(at, &element[..]), Ok(at));
            model.insert(index, element);
        }
        (2, Some((index, at))) => {
            let new = packed.insert_after(at, &element[..]).expect("small");
            model.insert(index + 1, element);
            assert_eq!(packed.view().seek(index + 1), Some(new));
        }
        (3, Some((index, at))) => {
            packed.replace(at, &element[..]).expect("small");
            model[index] = element;
        }
        (4, None) => {
            let end = packed.view().end();
            packed.insert_before(end, &element[..]).expect("small");
            model.push(element);
        }
        _ => {
            packed.push_back(&element[..]).expect("small");
            model.push(element);
        }
    }
}

/// Removes, cuts or joins.
fn take(random: &mut Random, packed: &mut Packed, model: &mut Model) {
    let count = random.below(4);
    match random.below(9) {
        0 => {
            let expected = (!model.is_empty()).then(|| model.remove(0));
            assert_eq!(packed.pop_front(|entry| entry.to_vec()), expected);
        }
        1 => assert_eq!(packed.pop_back(|entry| entry.to_vec()), model.pop()),
        2 => {
            let end = count.min(model.len());
            assert_eq!(packed.remove_front(count), model.drain(..end).count());
        }
        3 => {
            let start = model.len().saturating_sub(count);
            assert_eq!(packed.remove_back(count), model.drain(start..).count());
        }
        4 => {
            if let Some((index, at)) = any(random, packed) {
                let end = (index + count).min(model.len());
                assert_eq!(packed.remove(at, count), model.drain(index..end).count());
            }
        }
        5 => {
            let lost = random.element();
            let before = model.len();
            model.retain(|element| *element != lost);
            assert_eq!(packed.retain(|entry| !entry.eq_bytes(&lost)), before - model.len());
        }
        6 | 7 => {
            let index = random.below(model.len() + 2);
            let tail = packed.split_off(index);
            let other = model.split_off(index.min(model.len()));
            compare(random, packed, model);
            compare(random, &tail, &other);
            if random.below(2) == 0 {
                packed.append(tail.view()).expect("small");
                model.extend(other);
            } else {
                let head = std::mem::replace(packed, tail);
                packed.append(head.view()).expect("small");
                let head = std::mem::replace(model, other);
                model.extend(head);
            }
        }
        _ if random.below(8) == 0 => {
            packed.clear();
            model.clear();
        }
        _ => *packed = Packed::from_bytes(packed.view().to_packed(random.below(50)).into_bytes()),
    }
}

#[test]
fn fuzz_packed_operations() {
    fuzz_shared("packed operations", 5, |random| {
        let (mut packed, mut model) = (Packed::new(), Model::new());
        for _ in 0..random.below(120) {
            if random.below(3) < 2 {
                put(random, &mut packed, &mut model);
            } else {
                take(random, &mut packed, &mut model);
            }
            compare(random, &packed, &model);
        }
    });
}

/// Everything that reads, on bytes that prove nothing.
fn read_all(random: &mut Random, bytes: &[u8]) {
    let view = View::new(bytes);
    let _ = (view.len(), view.is_empty(), view.first(), view.last(), view.end(), format!("{view:?}"));
    let (needle, skip) = (random.element(), random.below(3));
    let _ = (view.find(&needle, skip), view.find(b"5", skip), view.find(b"", skip));
    let _ = (
        view.iter().map(|entry| entry.len()).sum::<usize>(),
        view.iter().rev().map(|entry| entry.len()).sum::<usize>(),
    );
    let mut both = view.iter();
    while both.next().is_some() && both.next_back().is_some() {}
    for index in [0, 1, 2, random.below(100), usize::MAX] {
        let _ = view.get(index);
    }
    // A position of other bytes: past the end, or within an entry.
    let mut longer = Packed::new();
    for _ in 0..random.below(40) {
        longer.push_back(random.number()).expect("small");
    }
    if let Some((_, at)) = any(random, &longer) {
        let _ = (view.entry(at), view.next(at), view.prev(at), view.find_from(at, &needle, skip));
        let _ = (view.iter_from(at).count(), view.iter_from(at).rev().count());
    }
}

#[test]
fn fuzz_packed_bytes() {
    let (mut passed, mut refused) = (0, 0);
    fuzz_shared("packed bytes", 5, |random| {
        let model: Model = (0..random.below(20)).map(|_| random.element()).collect();
        let mut bytes = fresh(&model).into_bytes();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random.next() as u8),
            }
        }
        if random.below(2) == 0 && bytes.len() >= 7 {
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_le_bytes());
        }
        read_all(random, &bytes);
        let Ok(count) = packed::validate(&bytes) else {
            refused += 1;
            return;
        };
        passed += 1;
        let forwards: Model = View::new(&bytes).iter().map(|entry| entry.to_vec()).collect();
        let mut backwards: Model = View::new(&bytes).iter().rev().map(|entry| entry.to_vec()).collect();
        backwards.reverse();
        assert_eq!((forwards.len(), View::new(&bytes).len()), (count, count));
        assert_eq!(forwards, backwards);
        // What passed can be changed.
        let mut packed = Packed::from_bytes(bytes);
        let element = random.element();
        packed.push_front(&element[..]).expect("small");
        assert_eq!(packed::validate(packed.as_bytes()), Ok(count + 1));
        assert_eq!(packed.remove_front(count), count);
        assert_eq!(packed.len(), 1);
    });
    assert!(passed > 0 && refused > 0, "{passed} passed, {refused} were refused");
}

#[test]
fn fuzz_intset_operations() {
    fuzz_shared("intset operations", 5, |random| {
        let (mut set, mut model) = (IntSet::new(), BTreeSet::new());
        for _ in 0..random.below(200) {
            let near = random.below(40) as i64 - 20;
            let value = if random.below(4) == 0 { random.number() } else { near };
            match random.below(5) {
                0 => assert_eq!(set.remove(value), model.remove(&value)),
                1 => {
                    let index = random.below(model.len() + 2);
                    let expected = model.iter().nth(index).copied();
                    assert_eq!(set.remove_at(index), expected);
                    expected.map(|value| model.remove(&value));
                }
                _ => assert_eq!(set.insert(value), Ok(model.insert(value))),
            }
            let view = set.view();
            assert_eq!(intset::validate(view.as_bytes()), Ok(model.len()));
            assert!(view.iter().eq(model.iter().copied()));
            assert!(view.iter().rev().eq(model.iter().rev().copied()));
            assert_eq!((view.min(), view.max()), (model.first().copied(), model.last().copied()));
            let asked = random.number();
            for asked in [asked, near, value] {
                assert_eq!(view.contains(asked), model.contains(&asked));
                let rank = model.range(..asked).count();
                assert_eq!(view.rank(asked), if model.contains(&asked) { Ok(rank) } else { Err(rank) });
            }
        }
        let sorted: Vec<i64> = model.iter().copied().collect();
        assert!(IntSet::from_sorted(&sorted).expect("few").view().iter().eq(sorted));
    });
}

#[test]
fn fuzz_intset_bytes() {
    let (mut passed, mut refused) = (0, 0);
    fuzz_shared("intset bytes", 5, |random| {
        let mut set = IntSet::new();
        for _ in 0..random.below(10) {
            set.insert(random.number()).expect("few");
        }
        let mut bytes = set.into_bytes();
        for _ in 0..random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random.next() as u8),
            }
        }
        let view = intset::View::new(&bytes);
        let _ = (view.len(), view.min(), view.max(), view.get(usize::MAX), format!("{view:?}"));
        let asked = random.number();
        let _ = (view.contains(asked), view.rank(asked));
        let all: Vec<i64> = view.iter().collect();
        let Ok(count) = intset::validate(&bytes) else {
            refused += 1;
            return;
        };
        passed += 1;
        assert!(all.is_sorted_by(|one, other| one < other));
        assert_eq!((all.len(), view.len()), (count, count));
        assert!(all.iter().all(|value| view.contains(*value)));
    });
    assert!(passed > 0 && refused > 0, "{passed} passed, {refused} were refused");
}

/// One random operation on a deque and on the standard one.
fn change_deque(random: &mut Random, deque: &mut Deque, model: &mut VecDeque<Vec<u8>>) {
    let most_bytes = [64, 256, 4096][random.below(3)];
    let (element, index) = (random.element(), random.below(model.len() + 2));
    match random.below(if model.len() > 200 { 6 } else { 13 }) {
        0 => assert_eq!(deque.pop_front(|entry| entry.to_vec()), model.pop_front()),
        1 => assert_eq!(deque.pop_back(|entry| entry.to_vec()), model.pop_back()),
        2 => assert_eq!(deque.remove_front(index), model.drain(..index.min(model.len())).count()),
        3 => assert_eq!(deque.remove_back(index), model.drain(model.len().saturating_sub(index)..).count()),
        4 => {
            let before = model.len();
            model.retain(|other| *other != element);
            assert_eq!(deque.retain(|entry| !entry.eq_bytes(&element)), before - model.len());
        }
        5 => {
            let tail = model.split_off(index.min(model.len()));
            assert_same(&deque.split_off(index), &tail);
        }
        6 => {
            let found = model.get_mut(index).map(|old| old.clone_from(&element)).is_some();
            assert_eq!(deque.replace(index, element.as_slice()), Ok(found));
        }
        7 => {
            deque.insert(index, element.as_slice()).unwrap();
            model.insert(index.min(model.len()), element);
        }
        8 => deque.trim(),
        9 | 10 => {
            deque.push_front(element.as_slice(), most_bytes).unwrap();
            model.push_front(element);
        }
        _ => {
            deque.push_back(element.as_slice(), most_bytes).unwrap();
            model.push_back(element);
        }
    }
}

fn assert_same(deque: &Deque, model: &VecDeque<Vec<u8>>) {
    assert_eq!(packed::validate(deque.as_bytes()), Ok(model.len()));
    assert!(deque.view().iter().map(|entry| entry.to_vec()).eq(model.iter().cloned()));
    assert_eq!((deque.len(), deque.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(deque.used_bytes(), deque.as_bytes().len());
    assert!(deque.heap_bytes() >= deque.used_bytes());
}

#[test]
fn deques_are_those_of_the_standard_library() {
    fuzz_shared("deque", 5, |random| {
        let mut deque = match random.below(3) {
            0 => Deque::new(),
            1 => Deque::with_room_before(random.below(600)),
            _ => Deque::with_room_behind(random.below(600)),
        };
        let mut model = VecDeque::new();
        for _ in 0..random.below(300) {
            change_deque(random, &mut deque, &mut model);
            assert_same(&deque, &model);
        }
        let trimmed = {
            deque.trim();
            deque
        };
        assert!(trimmed.heap_bytes() - trimmed.used_bytes() <= trimmed.used_bytes() / 8);
        assert_same(&trimmed, &model);
    });
}

#[test]
fn a_deque_filled_from_an_end_keeps_to_its_buffer() {
    for is_front in [true, false] {
        let mut deque = if is_front { Deque::with_room_before(8192) } else { Deque::with_room_behind(8192) };
        let mut grown = Deque::new();
        for _ in 0..240 {
            for deque in [&mut deque, &mut grown] {
                let element = b"0123456789abcdef0123456789abcdef";
                if is_front { deque.push_front(element, 8192) } else { deque.push_back(element, 8192) }.unwrap();
                assert!(deque.heap_bytes() <= 8192);
            }
        }
        assert_eq!(deque.used_bytes(), 7 + 240 * 34);
        // 8,192 bytes for 240 elements of 32.
        assert_eq!((deque.heap_bytes(), grown.heap_bytes()), (8192, 8192));
    }
}

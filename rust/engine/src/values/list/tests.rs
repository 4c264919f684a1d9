//! Lists against `VecDeque`, with small limits, so that each form is left and come back to, and with snapshots under way.
//!
//! `RKV_TEST_SEED` repeats a run.

use std::collections::VecDeque;

use rkv_collections::packed::validate;

use super::limit::Limit;
use super::{List, ListView, Search, Side};
use crate::chance::Random;
use crate::values::Gauge;
use crate::values::{Collection, Large, Piece, Rules};

/// Headers of the few elements that one change adds.
const HEADERS_BYTES_MAX: usize = 40;

type Model = VecDeque<Vec<u8>>;

/// What these tests draw.
trait Elements {
    /// Few different ones; some larger than a chunk.
    fn element(&mut self) -> Vec<u8>;
    fn side(&mut self) -> Side;
}

impl Elements for Random {
    fn element(&mut self) -> Vec<u8> {
        match self.below(30) {
            0 => vec![b'l'; 4_000 + self.below(5_000)],
            1 => vec![b'm'; 500 + self.below(1_000)],
            2..8 => (self.below(9) as i64 - 4).to_string().into_bytes(),
            _ => format!("element{}", self.below(30)).into_bytes(),
        }
    }

    fn side(&mut self) -> Side {
        if self.below(2) == 0 { Side::Left } else { Side::Right }
    }
}

fn rules(size: i64) -> Rules {
    let rules = Rules::new([0; 16]);
    rules.set_list_size(size);
    rules
}

fn elements(view: ListView<'_>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    view.each_from(0, view.len(), |entry| all.push(entry.to_vec()));
    all
}

fn push(list: &mut List, model: &mut Model, random: &mut Random, rules: &Rules) {
    let (side, count) = (random.side(), 1 + random.below(4));
    let pushed: Vec<Vec<u8>> = (0..count).map(|_| random.element()).collect();
    list.push(side, &pushed.iter().map(Vec::as_slice).collect::<Vec<_>>(), rules);
    for element in pushed {
        if side == Side::Left { model.push_front(element) } else { model.push_back(element) }
    }
}

fn remove_equal(model: &mut Model, element: &[u8], side: Side, most: usize) -> usize {
    let mut places: Vec<usize> = (0..model.len()).filter(|index| model[*index] == element).collect();
    if side == Side::Right {
        places.reverse();
    }
    places.truncate(most);
    places.sort_unstable();
    places.iter().rev().for_each(|index| drop(model.remove(*index)));
    places.len()
}

/// One random change of both.
fn change(list: &mut List, model: &mut Model, random: &mut Random, rules: &Rules, grows: bool) {
    let (side, element, index) = (random.side(), random.element(), random.below(model.len() + 2));
    match random.below(if grows { 14 } else { 9 }) {
        0 => {
            let count = random.below(1 + model.len() / 4);
            list.remove(side, count, rules);
            if side == Side::Left {
                model.drain(..count)
            } else {
                model.drain(model.len() - count..)
            };
        }
        1 => {
            let most = [1, 2, usize::MAX][random.below(3)];
            let removed = remove_equal(model, &element, side, most);
            assert_eq!(list.remove_equal(&element, side, most, rules), removed);
        }
        2 => {
            let found = model.get_mut(index).map(|old| old.clone_from(&element)).is_some();
            assert_eq!(list.set(index, &element, rules), found);
        }
        3..9 => {
            let expected = if side == Side::Left { model.pop_front() } else { model.pop_back() };
            assert_eq!(list.pop(side, rules, |entry| entry.to_vec()), expected);
        }
        9 | 10 => {
            list.insert(index, &element, rules);
            model.insert(index.min(model.len()), element);
        }
        _ => push(list, model, random, rules),
    }
}

/// The list is the model, and in the form and in chunks that the limit allows.
fn check(list: &List, model: &Model, rules: &Rules) {
    assert!(elements(list.view()).iter().eq(model));
    assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
    let limit = Limit::of(rules);
    match list {
        List::Packed(packed) => {
            assert_eq!(validate(packed.as_bytes()), Ok(model.len()));
            // As in Redis, what the last change added is counted without its headers.
            assert!(!limit.is_exceeded(packed.used_bytes().saturating_sub(HEADERS_BYTES_MAX), packed.len()));
        }
        List::Chunked(chunked) => {
            chunked.chunks.check();
            for (chunk, _) in &chunked.chunks {
                assert_eq!(validate(chunk.as_bytes()), Ok(chunk.len()));
                assert!(chunk.len() == 1 || chunk.used_bytes() <= 3 * limit.bytes);
            }
            let heap_bytes: usize = chunked.chunks.iter().map(|(chunk, _)| chunk.heap_bytes()).sum();
            assert!(list.heap_bytes() >= heap_bytes);
        }
    }
}

fn check_reading(view: ListView<'_>, model: &Model, random: &mut Random) {
    let index = random.below(model.len() + 2);
    assert_eq!(view.get(index).map(|entry| entry.to_vec()), model.get(index).cloned());
    if index < model.len() {
        let (count, mut part) = (random.below(model.len() - index + 1), Vec::new());
        view.each_from(index, count, |entry| part.push(entry.to_vec()));
        assert!(part.iter().eq(model.iter().skip(index).take(count)));
    }
    let (element, side) = (random.element(), random.side());
    assert_eq!(view.find(&element), model.iter().position(|other| *other == element));
    let search = Search {
        side,
        skip: random.below(3) as u64,
        most: 1 + random.below(3),
        len_max: [usize::MAX, 1 + random.below(20)][random.below(2)],
    };
    let mut places: Vec<usize> = (0..model.len()).collect();
    if side == Side::Right {
        places.reverse();
    }
    let found = places.into_iter().take(search.len_max).filter(|index| model[*index] == element);
    let expected: Vec<usize> = found.skip(search.skip as usize).take(search.most).collect();
    let mut told = Vec::new();
    view.search(&element, &search, |index| told.push(index));
    assert_eq!(told, expected);
}

#[test]
fn lists_are_those_of_the_standard_library() {
    let mut random = Random::seeded();
    let mut forms = [0; 2];
    for round in 0..60 {
        let rules = rules([-1, -2, 4, 1, 20, 0][round % 6]);
        let (mut list, mut model) = (List::default(), Model::new());
        for step in 0..600 {
            // Up and down, so that both forms are left and come back to.
            change(&mut list, &mut model, &mut random, &rules, step % 300 < 200);
            check(&list, &model, &rules);
            check_reading(list.view(), &model, &mut random);
            forms[usize::from(list.packed().is_some())] += 1;
        }
    }
    assert!(forms.iter().all(|count| *count > 1_000), "{forms:?}");
}

#[test]
fn a_snapshot_tells_what_was_there_at_the_cut() {
    let mut random = Random::seeded();
    for round in 0..40 {
        let rules = rules([-1, 4, 20, 1][round % 4]);
        let (mut list, mut model) = (List::default(), Model::new());
        for _ in 0..random.below(400) {
            push(&mut list, &mut model, &mut random, &rules);
        }
        let large = list.into_large();
        let cell = List::cell(&large).unwrap();
        for _ in 0..3 {
            let at_cut: Vec<Vec<u8>> = model.iter().cloned().collect();
            large.begin_capture(&Gauge::default());
            // A second time changes nothing.
            large.begin_capture(&Gauge::default());
            let mut told = Vec::new();
            let aborts = random.below(4) == 0;
            loop {
                for _ in 0..random.below(10) {
                    let grows = random.below(3) > 0;
                    change(cell.write().to_change(), &mut model, &mut random, &rules, grows);
                }
                if aborts && told.len() > 50 || !drain(&large, &mut told) {
                    break;
                }
            }
            if aborts && told.len() > 50 {
                large.abort_capture();
                assert!(at_cut.starts_with(&told));
            } else {
                assert_eq!(told, at_cut);
            }
            large.abort_capture();
            assert!(!drain(&large, &mut Vec::new()), "nothing is left of a snapshot that ended");
            check(&cell.read(), &model, &rules);
        }
    }
}

/// The next piece of a snapshot; false if there is none.
fn drain(large: &Large, told: &mut Vec<Vec<u8>>) -> bool {
    let mut piece = Piece::default();
    let more = large.drain(&mut piece);
    told.extend(piece.iter().map(|element| element.name.to_vec()));
    more
}

#[test]
fn the_limit_is_that_of_the_option() {
    for (size, bytes) in [(-1, 4096), (-2, 8192), (-3, 16_384), (-4, 32_768), (-5, 65_536), (-6, 65_536), (7, 8192)] {
        assert_eq!(Limit::of(&rules(size)).bytes, bytes);
    }
    assert_eq!(Limit::of(&rules(i64::MIN)).bytes, 65_536);
    assert!(Limit::of(&rules(0)).is_exceeded(10, 2) && !Limit::of(&rules(0)).is_exceeded(10, 1));
}

#[test]
fn forms_change_where_redis_changes_them() {
    let rules = rules(4);
    let mut list = List::default();
    list.push(Side::Right, &[b"1", b"2", b"3", b"4"], &rules);
    assert_eq!(list.encoding(), "listpack");
    list.push(Side::Right, &[b"5"], &rules);
    assert_eq!(list.encoding(), "quicklist");
    list.pop(Side::Right, &rules, |_| ());
    assert_eq!(list.encoding(), "quicklist");
    list.remove(Side::Left, 2, &rules);
    assert_eq!((list.encoding(), list.len()), ("listpack", 2));
    list.push(Side::Left, &[&[b'x'; 8193]], &rules);
    assert_eq!(list.encoding(), "quicklist");
    list.pop(Side::Right, &rules, |_| ());
    list.pop(Side::Right, &rules, |_| ());
    assert_eq!((list.encoding(), list.len()), ("quicklist", 1), "a large element has a chunk of its own");
}

#[test]
fn many_elements_of_32_bytes_take_35_each() {
    let rules = rules(-2);
    let mut list = List::default();
    let count = 100_000;
    for _ in 0..count {
        list.push(Side::Left, &[b"0123456789abcdef0123456789abcdef"], &rules);
    }
    let List::Chunked(chunked) = &list else { panic!("a long list is in chunks") };
    assert!(chunked.chunks.iter().all(|(chunk, _)| chunk.heap_bytes() <= 8192));
    assert!(chunked.chunks.iter().skip(1).take(400).all(|(chunk, _)| chunk.len() == 240 || chunk.len() > 230));
    assert!(list.heap_bytes() < count * 35, "{} bytes", list.heap_bytes());
}

#[test]
fn what_is_cut_off_comes_back_to_be_dropped_elsewhere() {
    let rules = rules(-2);
    let mut list = List::default();
    (0..20_000).for_each(|number: i32| list.push(Side::Right, &[number.to_string().as_bytes()], &rules));
    let cut = list.remove(Side::Left, 15_000, &rules);
    assert!(cut.is_some());
    assert_eq!(list.view().get(0).unwrap().to_vec(), b"15000".to_vec());
    drop(cut);
    assert!(list.remove(Side::Right, 10, &rules).is_none());
    assert_eq!(list.len(), 4_990);
}

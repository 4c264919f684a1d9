//! Sets against `BTreeSet`, through every form, while a snapshot is under way or not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::{Set, difference, difference_of, intersection, intersection_of, union, union_of};
use crate::chance::seed;
use crate::random::{Random, Xoshiro256};
use crate::values::Gauge;
use crate::values::{Collection, Element, Large, Piece, Rules};
use rkv_collections::packed::Entry;

type Model = BTreeSet<Vec<u8>>;
type Show<'a> = &'a mut dyn FnMut(Entry<'_>);

fn small_rules(integers: i64, entries: i64, bytes: i64) -> Rules {
    let rules = Rules::new([7; 16]);
    rules.set_set_integers_max(integers);
    rules.set_set_entries_max(entries);
    rules.set_set_value_bytes_max(bytes);
    rules
}

/// Mostly numbers of all widths, some of them not in their one form, and words.
fn member(random: &mut impl Random, range: u64) -> Vec<u8> {
    let number = random.below(range).cast_signed();
    match random.below(12) {
        0 => format!("{}", number - 3_000_000_000).into_bytes(),
        1 => format!("{}", number - 40_000).into_bytes(),
        2 => format!("0{number}").into_bytes(),
        3 => format!("word{number}").into_bytes(),
        4 => vec![b'x'; number as usize % 20],
        _ => number.to_string().into_bytes(),
    }
}

fn integers_only(random: &mut impl Random, range: u64) -> Vec<u8> {
    random.below(range).to_string().into_bytes()
}

fn contents(set: &Set) -> Model {
    let mut model = Model::new();
    Set::each(set.view(), &mut |element| assert!(model.insert(element.name.to_vec()), "a member twice"));
    model
}

fn build(model: &Model, rules: &Rules) -> Set {
    let mut set = Set::default();
    for member in model {
        assert!(set.add(member, rules));
    }
    set
}

fn check(set: &Set, model: &Model) {
    assert_eq!(set.view().len(), model.len());
    assert_eq!(set.is_empty(), model.is_empty());
    assert_eq!(&contents(set), model);
}

/// A snapshot under way, and what it has to tell.
struct Cut {
    expected: Model,
    told: Model,
}

impl Cut {
    fn take(&mut self, piece: &Piece) {
        for element in piece.iter() {
            assert!(self.told.insert(element.name.to_vec()), "told twice");
        }
    }
}

#[test]
fn a_set_is_a_set_in_every_form() {
    let seed = seed();
    for life in 0..16 {
        let mut random = Xoshiro256::from_seed(seed.wrapping_add(life));
        let rules = small_rules(random.below(20).cast_signed(), random.below(12).cast_signed(), 8);
        let range = [6, 30, 400][random.below(3) as usize];
        let large = Set::default().into_large();
        let cell = Set::cell(&large).unwrap();
        let (mut model, mut cut) = (Model::new(), None::<Cut>);
        let name = if life % 4 == 0 { integers_only } else { member };
        for _ in 0..1500 {
            let name = name(&mut random, range);
            match random.below(100) {
                0..50 => assert_eq!(cell.write().to_change().add(&name, &rules), model.insert(name)),
                50..80 => assert_eq!(cell.write().to_change().remove(&name), model.remove(&name)),
                80..88 => assert_eq!(cell.read().view().contains(&name), model.contains(&name)),
                88..90 => {
                    let mut gone = None;
                    let popped = cell.write().to_change().pop(&mut random, |member| gone = Some(member.to_vec()));
                    assert_eq!(popped, !model.is_empty());
                    assert!(gone.is_none_or(|name| model.remove(&name)));
                }
                90 => {
                    let count = random.below(model.len() as u64 + 2) as usize;
                    let mut popped = 0;
                    cell.write().to_change().pop_each(count, &mut random, |member| {
                        assert!(model.remove(&member.to_vec()));
                        popped += 1;
                    });
                    assert!(popped == count || model.is_empty());
                }
                91 => {
                    let names: Vec<Vec<u8>> = (0..random.below(60)).map(|_| member(&mut random, range)).collect();
                    let words: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                    let before = model.len();
                    model.extend(names.iter().cloned());
                    assert_eq!(cell.write().to_change().add_all(&words, &rules), model.len() - before);
                }
                92 if cut.is_none() => {
                    large.begin_capture(&Gauge::default());
                    cut = Some(Cut { expected: model.clone(), told: Model::new() });
                }
                93 => drain(&large, &mut cut),
                _ => check(&cell.read(), &model),
            }
        }
        while cut.is_some() {
            drain(&large, &mut cut);
        }
        check(&cell.read(), &model);
    }
}

/// One piece more; at the end, all that was there at the cut was told.
fn drain(large: &Large, cut: &mut Option<Cut>) {
    let Some(under_way) = cut else { return };
    let mut piece = Piece::default();
    if large.drain(&mut piece) {
        under_way.take(&piece);
    } else {
        assert_eq!(under_way.told, under_way.expected);
        *cut = None;
    }
}

#[test]
fn forms_change_where_they_do_in_redis() {
    let rules = small_rules(3, 4, 6);
    let form = |members: &[&[u8]]| {
        let mut set = Set::default();
        for member in members {
            assert!(set.add(member, &rules));
        }
        set.encoding()
    };
    assert_eq!(form(&[b"1", b"2", b"-3"]), "intset");
    assert_eq!(form(&[b"1", b"2", b"3", b"4"]), "hashtable", "integers too many do not become packed");
    assert_eq!(form(&[b"1", b"2", b"a"]), "listpack");
    assert_eq!(form(&[b"1", b"2", b"sixsix", b"b"]), "listpack");
    assert_eq!(form(&[b"1", b"2", b"7letter"]), "hashtable");
    assert_eq!(form(&[b"a", b"b", b"c", b"d"]), "listpack");
    assert_eq!(form(&[b"a", b"b", b"c", b"d", b"e"]), "hashtable");
    assert_eq!(form(&[b"1234567", b"a"]), "hashtable", "an integer whose text is too long to be packed");
    assert_eq!(form(&[b"1234567", b"7654321"]), "intset");
    assert_eq!(form(&[b"01"]), "listpack");

    let expecting = |first: &[u8], count| {
        let mut set = Set::default();
        set.expect(first, count, &rules);
        set.add(first, &rules);
        set.encoding()
    };
    assert_eq!(expecting(b"1", 3), "intset");
    assert_eq!(expecting(b"1", 4), "listpack");
    assert_eq!(expecting(b"1", 5), "hashtable");
    assert_eq!(expecting(b"a", 4), "listpack");
    assert_eq!(expecting(b"a", 5), "hashtable");

    let mut set = build(&[b"1".to_vec(), b"2".to_vec()].into(), &rules);
    set.expect(b"1", 4, &rules);
    assert_eq!(set.encoding(), "hashtable", "a set that is there becomes a table for the number of words alone");
    assert!(set.remove(b"1") && set.encoding() == "hashtable", "and stays one");
}

/// Members shown once, as a set.
fn collect<'a>(show: impl FnOnce(&mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) -> ControlFlow<()> + 'a) -> Model {
    let mut model = Model::new();
    let _ = show(&mut |member| {
        assert!(model.insert(member.to_vec()), "a member twice");
        ControlFlow::Continue(())
    });
    model
}

#[test]
fn algebra_is_that_of_sets() {
    let mut random = Xoshiro256::from_seed(seed());
    for round in 0..120 {
        let rules = small_rules(random.below(40).cast_signed(), random.below(20).cast_signed(), 10);
        let range = [8, 60, 600][random.below(3) as usize];
        let count = 1 + random.below(7) as usize;
        let name = if round % 3 == 0 { integers_only } else { member };
        let models: Vec<Model> =
            (0..count).map(|_| (0..random.below(range * 2)).map(|_| name(&mut random, range)).collect()).collect();
        let sets: Vec<Set> = models.iter().map(|model| build(model, &rules)).collect();
        let views = || sets.iter().map(Set::view).collect::<Vec<_>>();

        let all = models.iter().skip(1).fold(models[0].clone(), |all, model| &all & model);
        assert_eq!(collect(|each| intersection(&mut views(), each)), all);
        check(&intersection_of(&mut views(), &rules), &all);
        let any = models.iter().fold(Model::new(), |any, model| &any | model);
        assert_eq!(collect(|each| union(&views(), &rules, each)), any);
        check(&union_of(&views(), &rules), &any);
        let left = models.iter().skip(1).fold(models[0].clone(), |left, model| &left - model);
        assert_eq!(collect(|each| difference(sets[0].view(), &mut views()[1..], &rules, each)), left);
        check(&difference_of(sets[0].view(), &mut views()[1..], &rules), &left);
    }
}

#[test]
fn what_is_shown_can_be_stopped() {
    let rules = small_rules(8, 8, 8);
    for names in [1..5, 1..100] {
        let model: Model = names.map(|number: u32| number.to_string().into_bytes()).collect();
        let set = build(&model, &rules);
        let mut shown = 0;
        let flow = intersection(&mut [set.view(), set.view()], |_| {
            shown += 1;
            if shown == 3 { ControlFlow::Break("enough") } else { ControlFlow::Continue(()) }
        });
        assert_eq!((flow, shown), (ControlFlow::Break("enough"), 3));
    }
}

/// The chi-square of counts that should be equal, in standard deviations from what chance makes of it.
fn unevenness(counts: &BTreeMap<Vec<u8>, u32>, expected: f64) -> f64 {
    let square: f64 = counts.values().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    (square - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn every_member_has_the_same_chance() {
    let rules = small_rules(30, 30, 64);
    let mut random = Xoshiro256::from_seed(1);
    for (size, prefix) in [(20, ""), (20, "m"), (20, "long"), (600, "m")] {
        let mut set = Set::default();
        if prefix == "long" {
            set.expect(b"a", 1000, &rules);
        }
        (0..size).for_each(|number| assert!(set.add(format!("{prefix}{number}").as_bytes(), &rules)));
        let counts = |times: u32, draw: &mut dyn FnMut(Show<'_>)| {
            let mut counts: BTreeMap<_, _> = contents(&set).into_iter().map(|name| (name, 0)).collect();
            for _ in 0..times {
                draw(&mut |member| *counts.get_mut(&member.to_vec()).unwrap() += 1);
            }
            counts
        };
        let picked = counts(size * 50, &mut |each| set.view().pick_each(2, &mut random, each));
        assert!(unevenness(&picked, 100.0) < 4.0, "{} of {size}, picked", set.encoding());
        for part in [5, 2] {
            // Members that are chosen together are different, which makes counts more even than chance would.
            let chosen = counts(part * 100, &mut |each| set.view().choose((size / part) as usize, &mut random, each));
            let uneven = unevenness(&chosen, 100.0);
            assert!(uneven < 4.0, "a {part}th of {size} in {}: {uneven}", set.encoding());
            assert_eq!(chosen.values().sum::<u32>(), size * 100);
        }
        // What was popped comes back, so that each pop is from the same members.
        let mut copy = set.clone();
        let popped = counts(size * 20, &mut |each| {
            let mut gone = Vec::new();
            assert!(copy.pop(&mut random, &mut |member: Entry<'_>| {
                gone = member.to_vec();
                each(member);
            }));
            assert!(copy.add(&gone, &rules));
        });
        assert!(unevenness(&popped, 20.0) < 4.0, "{} of {size}, popped", set.encoding());
        let mut first = BTreeSet::new();
        set.view().choose(usize::MAX, &mut random, |member| assert!(first.insert(member.to_vec())));
        assert_eq!(first, contents(&set), "all, if more are wanted");
    }
}

#[test]
fn a_walk_shows_what_stays_once() {
    let rules = small_rules(8, 8, 64);
    let mut random = Xoshiro256::from_seed(seed());
    let mut set = Set::default();
    let stays = |number: u64| format!("stays{number}").into_bytes();
    (0..2000).for_each(|number| assert!(set.add(&stays(number), &rules)));
    let (mut next, mut shown) = (Some(0), BTreeMap::new());
    while let Some(position) = next {
        let mut show = |element: Element<'_>| *shown.entry(element.name.to_vec()).or_insert(0) += 1;
        next = Set::scan(set.view(), position, &mut show);
        assert!(next.is_none_or(|next| next > position && next << 46 == 0), "46 bits of a position are used");
        for _ in 0..random.below(40) {
            let name = format!("other{}", random.below(3000));
            if random.below(2) == 0 {
                set.add(name.as_bytes(), &rules)
            } else {
                set.remove(name.as_bytes())
            };
        }
    }
    assert!((0..2000).all(|number| shown.get(&stays(number)) == Some(&1)));
    let small = build(&[b"1".to_vec(), b"2".to_vec()].into(), &rules);
    let mut count = 0;
    assert_eq!(Set::scan(small.view(), 1 << 60, &mut |_| count += 1), None);
    assert_eq!(count, 2, "a small set is shown whole, wherever one begins");
}

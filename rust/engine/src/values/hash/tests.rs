//! Hashes against maps, under random operations that cross every limit, with a capture begun and drained in between.

use std::collections::{BTreeMap, BTreeSet};

use rkv_collections::packed::Digits;

use super::fields::SCANNED_MAX;
use super::*;
use crate::chance::seed;
use crate::random::{Random, Xoshiro256};
use crate::values::Gauge;
use crate::values::NewValue;

const START_MS: i64 = 1_700_000_000_000;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn is_over(deadline_ms: Option<i64>, now_ms: i64) -> bool {
    deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms)
}

/// What a hash shows, expired fields included.
fn stored(view: HashView<'_>) -> Model {
    let mut all = Model::new();
    Hash::each(view, &mut |element| {
        let before = all.insert(element.name.to_vec(), (element.payload.to_vec(), element.deadline_ms));
        assert!(before.is_none(), "a field was shown twice");
    });
    all
}

struct World {
    random: Xoshiro256,
    rules: Rules,
    hash: Hash,
    model: Model,
    now_ms: i64,
    /// For when the hash asked to be looked at: the shard's wheel forgets none.
    filed: BTreeSet<i64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let rules = Rules::new([3; 16]);
        rules.set_hash_entries_max(8);
        rules.set_hash_value_bytes_max(20);
        Self {
            random: Xoshiro256::from_seed(seed),
            rules,
            hash: Hash::default(),
            model: Model::new(),
            now_ms: START_MS,
            filed: BTreeSet::new(),
        }
    }

    fn text(&mut self, names: u64) -> Vec<u8> {
        let number = self.random.below(names);
        match self.random.below(40) {
            0 => vec![b'x'; 300 + number as usize],
            1 => vec![b'y'; 1200 + number as usize],
            2..20 => number.to_string().into_bytes(),
            _ => format!("field:{number}").into_bytes(),
        }
    }

    fn far_ms(&mut self) -> i64 {
        let span = [3, 50, 5_000, 100_000, 40 * 86_400_000][self.random.below(5) as usize];
        self.now_ms + 1 + self.random.below(span) as i64
    }

    fn set(&mut self, names: u64) {
        let (field, value) = (self.text(names), self.text(1000));
        let lifetime = match self.random.below(6) {
            0 => Lifetime::At(self.far_ms()),
            1 | 2 => Lifetime::Keep,
            _ => Lifetime::Clear,
        };
        let before = self.hash.set(&field, &value, lifetime, &self.rules, self.now_ms);
        let old = self.model.get(&field).cloned();
        let expected = match &old {
            None => Before::Absent,
            Some((_, deadline_ms)) if is_over(*deadline_ms, self.now_ms) => Before::Expired,
            Some(_) => Before::Live,
        };
        assert_eq!(before, expected);
        let deadline_ms = match lifetime {
            Lifetime::Clear => None,
            Lifetime::At(deadline_ms) => Some(deadline_ms),
            Lifetime::Keep => old.and_then(|(_, deadline_ms)| deadline_ms).filter(|_| before == Before::Live),
        };
        self.model.insert(field, (value, deadline_ms));
    }

    fn remove(&mut self, names: u64) {
        let field = self.text(names);
        let is_live = self.model.get(&field).is_some_and(|(_, deadline_ms)| !is_over(*deadline_ms, self.now_ms));
        assert_eq!(self.hash.remove(&field, self.now_ms), is_live);
        if is_live {
            self.model.remove(&field);
        }
    }

    fn set_deadline(&mut self, names: u64) {
        let field = self.text(names);
        let deadline_ms = if self.random.below(4) == 0 { None } else { Some(self.far_ms()) };
        if let Some(entry) = self.model.get_mut(&field) {
            self.hash.set_deadline(&field, deadline_ms, &self.rules, self.now_ms);
            entry.1 = deadline_ms;
        }
    }

    /// Lets time pass, and does what the shard's wheel would do.
    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        let mut gone = Piece::default();
        while self.filed.first().is_some_and(|&filed_ms| filed_ms <= self.now_ms) {
            self.filed.pop_first();
            let budget = 1 + self.random.below(50) as usize;
            gone.clear();
            let more = self.hash.expire(self.now_ms, budget, &mut gone);
            assert!(gone.len() <= budget, "a wheel's payload means one field here");
            for element in gone.iter() {
                let (_, deadline_ms) = self.model.remove(element.name).expect("it was there");
                assert!(is_over(deadline_ms, self.now_ms));
            }
            self.file();
            assert!(!more || self.filed.first().is_some_and(|&filed_ms| filed_ms <= self.now_ms));
        }
        // A tick of the wheel is two milliseconds.
        let late = self.model.values().find(|(_, deadline_ms)| is_over(*deadline_ms, self.now_ms - 4));
        assert_eq!(late, None, "everything due is removed");
    }

    fn file(&mut self) {
        self.filed.extend(self.hash.take_due(self.now_ms));
        if self.filed.is_empty() {
            assert!(self.model.values().all(|(_, deadline_ms)| deadline_ms.is_none()), "a deadline was forgotten");
        }
    }

    fn check(&mut self, names: u64) {
        let view = self.hash.view();
        assert_eq!(stored(view), self.model);
        assert_eq!((view.len(), self.hash.is_empty()), (self.model.len(), self.model.is_empty()));
        let live: Model = self.model.clone().into_iter().filter(|(_, v)| !is_over(v.1, self.now_ms)).collect();
        assert_eq!(view.live_len(self.now_ms), live.len());
        let mut shown = 0;
        view.each(self.now_ms, |name, value| {
            assert_eq!(live[&name.to_vec()].0, value.to_vec());
            shown += 1;
        });
        assert_eq!(shown, live.len());
        let (mut scanned, mut position) = (0, Some(0));
        while let Some(at) = position {
            position = view.scan(at, |_| scanned += 1);
        }
        assert_eq!(scanned, self.model.len());
        let field = self.text(names);
        let view = self.hash.view();
        let mut room = Digits::new();
        let value = view.get(&field, self.now_ms).map(|value| value.bytes(&mut room).to_vec());
        assert_eq!(value, live.get(&field).map(|(value, _)| value.clone()));
        assert_eq!(view.deadline_ms(&field, self.now_ms), live.get(&field).map(|(_, deadline_ms)| *deadline_ms));
        assert_eq!(stored(self.hash.clone().view()), self.model);
    }

    /// A packed one comes and goes as bytes.
    fn repack(&mut self) {
        if let Some((packing, bytes)) = self.hash.packed() {
            self.hash = Hash::from_packed(packing, bytes.to_vec());
        }
    }
}

#[test]
fn behaves_like_a_map() {
    let mut random = Xoshiro256::from_seed(seed());
    for names in [6, 30, 400, 3 * SCANNED_MAX as u64] {
        for _ in 0..4 {
            let mut world = World::new(random.next_u64());
            let steps = 3000;
            for step in 0..steps {
                match world.random.below(100) {
                    0..60 => world.set(names),
                    60..70 => world.remove(names),
                    70..85 => world.set_deadline(names),
                    85..90 => world.repack(),
                    _ => {}
                }
                world.file();
                if world.random.below(10) == 0 {
                    let ms = [0, 1, 2, 7, 300, 20_000][world.random.below(6) as usize];
                    world.pass(ms);
                }
                if step % 100 == 0 {
                    world.check(names);
                }
            }
            world.check(names);
            world.pass(100 * 86_400_000);
            world.check(names);
            assert!(world.model.values().all(|(_, deadline_ms)| deadline_ms.is_none()));
        }
    }
}

#[test]
fn a_capture_tells_the_hash_of_the_cut() {
    let mut random = Xoshiro256::from_seed(seed());
    for names in [5, 40, 1500] {
        for _ in 0..6 {
            let mut world = World::new(random.next_u64());
            for _ in 0..2000 {
                world.set(names);
                world.set_deadline(names);
                world.file();
            }
            let cut = world.model.clone();
            let large = std::mem::take(&mut world.hash).into_large();
            let Large::Hash(cell) = &large else { unreachable!() };
            large.begin_capture(&Gauge::default());
            let (mut told, mut piece, mut more) = (Model::new(), Piece::default(), true);
            while more {
                for _ in 0..world.random.below(200) {
                    std::mem::swap(&mut world.hash, cell.write().to_change());
                    match world.random.below(3) {
                        0 => world.set(names),
                        1 => world.remove(names),
                        _ => world.set_deadline(names),
                    }
                    world.file();
                    let ms = world.random.below(3) as i64;
                    world.pass(ms);
                    std::mem::swap(&mut world.hash, cell.write().to_change());
                }
                more = large.drain(&mut piece);
                for element in piece.iter() {
                    let value = (element.payload.to_vec(), element.deadline_ms);
                    assert_eq!(told.insert(element.name.to_vec(), value), None, "told once");
                }
            }
            assert_eq!(told, cut);
            assert_eq!(stored(cell.read().view()), world.model);
        }
    }
}

#[test]
fn every_field_is_as_likely_as_the_others() {
    let mut random = Xoshiro256::from_seed(seed());
    let rules = Rules::new([9; 16]);
    rules.set_hash_entries_max(60);
    for fields in [2, 50, 70, 1000] {
        let mut hash = Hash::default();
        for number in 0..fields {
            let lifetime = if number % 2 == 1 && fields == 70 { Lifetime::At(5) } else { Lifetime::Clear };
            hash.set(format!("f{number}").as_bytes(), b"v", lifetime, &rules, 0);
        }
        let live = hash.view().live_len(10);
        for choice in [Choice::Repeated(1), Choice::Repeated(20), Choice::Distinct(1), Choice::Distinct(live / 5 + 1)] {
            let (Choice::Repeated(count) | Choice::Distinct(count)) = choice;
            let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            let draws = 200 * live / count;
            for _ in 0..draws {
                let mut seen = 0;
                hash.view().choose(choice, &mut random, 10, |name, _| {
                    *counts.entry(name.to_vec()).or_default() += 1;
                    seen += 1;
                });
                assert_eq!(seen, count);
            }
            // Each count is binomial with a mean of about 200: six standard deviations, and a hundred for chi squared.
            let mean = (draws * count) as f64 / live as f64;
            assert_eq!(counts.len(), live);
            assert!(
                counts.values().all(|&count| (count as f64 - mean).abs() < 6.0 * mean.sqrt()),
                "{choice:?} {counts:?}"
            );
            let chi: f64 = counts.values().map(|&count| (count as f64 - mean).powi(2) / mean).sum();
            let free = live as f64;
            assert!(chi < free + 6.0 * (2.0 * free).sqrt() + 6.0, "{choice:?} of {fields}: {chi}");
        }
    }
}

#[test]
fn draws_end_whatever_expired() {
    let mut random = Xoshiro256::from_seed(1);
    let rules = Rules::new([9; 16]);
    let mut hash = Hash::default();
    for number in 0..5000 {
        hash.set(format!("f{number}").as_bytes(), b"v", Lifetime::At(5), &rules, 0);
    }
    for (fields, now_ms) in [(0, 5), (3, 5), (5000, 4)] {
        for number in 5000 - fields.min(3)..5000 {
            hash.set(format!("f{number}").as_bytes(), b"v", Lifetime::At(50), &rules, 0);
        }
        for (choice, expected) in [
            (Choice::Distinct(1), 1.min(fields)),
            (Choice::Distinct(2), 2.min(fields)),
            (Choice::Distinct(9999), fields),
            (Choice::Repeated(7), if fields > 0 { 7 } else { 0 }),
        ] {
            let mut seen = 0;
            hash.view().choose(choice, &mut random, now_ms, |_, _| seen += 1);
            assert_eq!(seen, expected, "{choice:?} with {fields} live fields");
        }
    }
}

/// What the head of `fields` says.
#[test]
fn deadlines_cost_what_the_head_says() {
    let rules = Rules::new([9; 16]);
    let with = |fields: usize, lifetime: Lifetime| {
        let mut hash = Hash::default();
        hash.expect(9999, &rules);
        for number in 0..fields {
            hash.set(format!("f{number:07}").as_bytes(), b"value", lifetime, &rules, START_MS);
        }
        hash
    };
    let bytes = |hash: &Hash| if let Hash::Table(fields) = hash { fields.heap_bytes() } else { 0 };
    let few = with(SCANNED_MAX, Lifetime::At(START_MS + 1000));
    if let Hash::Table(fields) = &few {
        assert_eq!(fields.heap_bytes() - fields.elements().heap_bytes(), size_of::<fields::Deadlines>());
        assert!(size_of::<fields::Deadlines>() <= 40);
    }
    for (fields, most) in [(2, 1100), (10, 1700), (100, 6_000)] {
        let small = with(fields, Lifetime::At(START_MS + 1000));
        assert!(small.heap_bytes() <= most, "{} bytes for {fields} fields", small.heap_bytes());
    }
    let (plain, timed) = (with(100_000, Lifetime::Clear), with(100_000, Lifetime::At(START_MS + 60_000)));
    let each = (bytes(&timed) - bytes(&plain)) as f64 / 100_000.0;
    assert!((8.0..17.5).contains(&each), "8 bytes in the field, 8.3 in the wheel: {each}");
}

#[test]
fn a_far_deadline_is_met_to_a_tick() {
    let rules = Rules::new([9; 16]);
    for days in [1, 20, 24, 25, 26, 49, 100, 1000, 5000] {
        for fields in [1, SCANNED_MAX + 1] {
            let mut hash = Hash::default();
            let due_ms = START_MS + days * 86_400_000 + 12_345;
            for number in 0..fields {
                let lifetime = if number == 0 { Lifetime::At(due_ms) } else { Lifetime::Clear };
                hash.set(number.to_string().as_bytes(), b"v", lifetime, &rules, START_MS);
            }
            let (mut now_ms, mut looks, mut gone) = (START_MS, 0, Piece::default());
            while gone.is_empty() {
                now_ms = now_ms.max(hash.take_due(now_ms).expect("it is due some time")) + 1;
                looks += 1;
                hash.expire(now_ms, 10, &mut gone);
            }
            assert!((due_ms..due_ms + 5).contains(&now_ms), "{days} days, {} ms late", now_ms - due_ms);
            assert!(looks < 40, "{days} days took {looks} looks");
        }
    }
}

#[test]
fn a_copy_is_due_on_its_own() {
    let rules = Rules::new([9; 16]);
    for fields in [3, 2000] {
        let mut hash = Hash::default();
        for number in 0..fields {
            hash.set(number.to_string().as_bytes(), b"v", Lifetime::At(START_MS + 100), &rules, START_MS);
        }
        assert_eq!(hash.take_due(START_MS), Some(START_MS + 100));
        assert_eq!(hash.take_due(START_MS), None, "it was told");
        let copy = hash.clone().into_large();
        assert!(matches!(copy.value(), ValueRef::Hash(_)));
        assert_eq!(copy.due_anew(START_MS), Some(START_MS + 100));
        assert_eq!(copy.due_anew(START_MS), Some(START_MS + 100), "another key does not know");
        let NewValue::Large(Large::Hash(cell)) = NewValue::Large(copy) else { unreachable!() };
        let (mut gone, mut rounds) = (Piece::default(), 0);
        while cell.write().to_change().expire(START_MS + 102, 128, &mut gone) {
            cell.write().to_change().take_due(START_MS + 102);
            rounds += 1;
        }
        assert_eq!((gone.len(), cell.read().is_empty()), (fields, true));
        assert_eq!(rounds, (fields - 1) / 128);
        assert_eq!(hash.view().len(), fields);
    }
}

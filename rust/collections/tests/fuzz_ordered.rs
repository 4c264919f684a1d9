//! The ordered tree against a `BTreeMap` of (score, name), under random sequences of all its operations.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run.

#[path = "support/chance.rs"]
mod chance;

use chance::{Random, fuzz};
use rkv_collections::ordered::{Members, Ordered};
use std::collections::BTreeMap;

/// Names by handle. A name that was taken back is gone, so a tree that asks for it is found out.
#[derive(Default)]
struct Names {
    names: Vec<Option<Vec<u8>>>,
    free: Vec<u32>,
}

impl Names {
    fn add(&mut self, name: &[u8]) -> u32 {
        let index = self.free.pop().unwrap_or(self.names.len() as u32);
        if index as usize == self.names.len() {
            self.names.push(None);
        }
        self.names[index as usize] = Some(name.to_vec());
        index + 1
    }

    fn drop(&mut self, handle: u32) {
        assert!(self.names[handle as usize - 1].take().is_some());
        self.free.push(handle - 1);
    }
}

impl Members for Names {
    fn name(&self, handle: u32) -> &[u8] {
        self.names[handle as usize - 1].as_deref().expect("the name of a member that is in the tree")
    }
}

/// A score as a number that is in the order of scores; both zeros are one.
fn bits(score: f64) -> i64 {
    let bits = (score + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

type Key = (i64, Vec<u8>);

/// The tree beside its model.
#[derive(Default)]
struct World {
    tree: Ordered,
    names: Names,
    model: BTreeMap<Key, (u32, f64)>,
    scores: Vec<f64>,
    names_end: usize,
}

impl World {
    fn score(&self, random: &mut Random) -> f64 {
        if self.scores.is_empty() { random.next() as i32 as f64 } else { self.scores[random.below(self.scores.len())] }
    }

    fn add(&mut self, score: f64, name: &[u8]) {
        let key = (bits(score), name.to_vec());
        if !self.model.contains_key(&key) {
            let handle = self.names.add(name);
            self.tree.insert(score, handle, &self.names);
            self.model.insert(key, (handle, score));
        }
    }

    /// A member that is there, if any is.
    fn some(&self, random: &mut Random) -> Option<(Key, u32, f64)> {
        let rank = random.below(self.model.len());
        let found = self.tree.at(rank as u64);
        // The model has no ranks: what the tree says is looked up in it.
        let (score, handle) = found?;
        let key = (bits(score), self.names.name(handle).to_vec());
        assert_eq!(self.model[&key].0, handle);
        Some((key, handle, score))
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(100) {
            0..30 => {
                let (score, name) = (self.score(random), self.name(random));
                self.add(score, &name);
            }
            30..45 => {
                let (score, name) = (self.score(random), self.name(random));
                self.remove(score, &name);
            }
            45..60 => {
                if let Some((key, _, score)) = self.some(random) {
                    self.remove(score, &key.1);
                }
            }
            60..70 => self.update(random),
            70..75 => self.replace(random),
            75..83 => self.run(random),
            83..86 => self.remove_range(random),
            86..90 => self.pop(random),
            _ => self.ask(random),
        }
    }

    fn name(&self, random: &mut Random) -> Vec<u8> {
        let number = random.below(self.names_end);
        let mut name = format!("{number:x}").into_bytes();
        name.extend(std::iter::repeat_n(0, number % 3));
        name
    }

    fn remove(&mut self, score: f64, name: &[u8]) {
        let known = self.model.remove(&(bits(score), name.to_vec())).map(|(handle, _)| handle);
        assert_eq!(self.tree.remove(score, name, &self.names), known);
        if let Some(handle) = known {
            self.names.drop(handle);
        }
    }

    fn update(&mut self, random: &mut Random) {
        let Some((key, handle, score)) = self.some(random) else { return };
        let near = score + (random.below(9) as f64 - 4.0);
        let new = if random.below(2) == 0 { self.score(random) } else { near };
        let (wrong, new_key) = (self.score(random), (bits(new), key.1.clone()));
        if bits(wrong) != key.0 && !self.model.contains_key(&(bits(wrong), key.1.clone())) {
            assert!(!self.tree.update(wrong, new, handle, &self.names));
        }
        if new_key == key || !self.model.contains_key(&new_key) {
            assert!(self.tree.update(score, new, handle, &self.names));
            self.model.remove(&key);
            self.model.insert(new_key, (handle, new));
        }
    }

    fn replace(&mut self, random: &mut Random) {
        let Some((key, old, score)) = self.some(random) else { return };
        let new = self.names.add(&key.1);
        self.names.drop(old);
        assert!(self.tree.replace_handle(score, old, new, &self.names));
        self.model.insert(key, (new, score));
    }

    /// Many inserts or removals in order.
    fn run(&mut self, random: &mut Random) {
        let count = random.below(300);
        let kind = random.below(5);
        for number in 0..count {
            match kind {
                0 => self.add(1e6 + self.model.len() as f64, b"ascending"),
                1 => self.add(-1e6 - self.model.len() as f64, b"descending"),
                2 => self.add(0.5, format!("run {number:03}").as_bytes()),
                _ => {
                    let Some((key, _, score)) = self.some(&mut Random(number as u64)) else { return };
                    self.remove(score, &key.1);
                }
            }
        }
    }

    fn remove_range(&mut self, random: &mut Random) {
        let first = random.below(self.model.len() + 2);
        let count_end = 1 + random.below(self.model.len() + 5);
        let count = random.below(count_end);
        let mut expected: Vec<Key> = self.model.keys().skip(first).take(count).cloned().collect();
        expected.reverse();
        let removed = expected.len() as u64;
        let World { tree, names, model, .. } = self;
        let mut gone = Vec::new();
        let given = tree.remove_range(first as u64, count as u64, |score, handle| {
            let key = expected.pop().expect("no more than were asked for");
            assert_eq!((bits(score), names.name(handle)), (key.0, &key.1[..]));
            assert_eq!(model.remove(&key).map(|(handle, _)| handle), Some(handle));
            gone.push(handle);
        });
        assert_eq!((given, gone.len() as u64), (removed, removed));
        for handle in gone {
            self.names.drop(handle);
        }
    }

    fn pop(&mut self, random: &mut Random) {
        for _ in 0..random.below(20) {
            let (popped, known) = if random.below(2) == 0 {
                (self.tree.pop_first(), self.model.pop_first())
            } else {
                (self.tree.pop_last(), self.model.pop_last())
            };
            assert_eq!(popped.map(|(_, handle)| handle), known.as_ref().map(|(_, (handle, _))| *handle));
            if let Some((_, handle)) = popped {
                self.names.drop(handle);
            }
        }
    }

    /// Ranks and bounds.
    fn ask(&mut self, random: &mut Random) {
        let (score, name) = (self.score(random), self.name(random));
        let key = (bits(score), name);
        let before = self.model.range(..&key).count() as u64;
        let rank = self.tree.rank(score, &key.1, &self.names);
        assert_eq!(rank, self.model.contains_key(&key).then_some(before));
        let names = &self.names;
        assert_eq!(self.tree.partition(|other, h| (bits(other), names.name(h)) < (key.0, &key.1[..])), before);
        let reaching = self.model.range(..(key.0 + 1, Vec::new())).count() as u64;
        assert_eq!(self.tree.partition(|other, _| other <= score), reaching);
        let first = self.model.range(..(key.0, Vec::new())).count() as u64;
        assert_eq!(self.tree.partition(|other, _| other < score), first);
    }

    fn check(&self, random: &mut Random) {
        assert_eq!(self.tree.len(), self.model.len() as u64);
        let all: Vec<u32> = self.model.values().map(|(handle, _)| *handle).collect();
        let from = random.below(all.len() + 2);
        let forwards = self.tree.iter_from(from as u64);
        assert_eq!(forwards.len(), all.len().saturating_sub(from));
        assert!(forwards.map(|(_, handle)| handle).eq(all.iter().copied().skip(from)));
        let backwards = self.tree.rev_from(from as u64);
        let end = all.len().min(from + 1);
        assert_eq!(backwards.len(), end);
        assert!(backwards.map(|(_, handle)| handle).eq(all[..end].iter().rev().copied()));
        let scores = self.tree.iter_from(0).map(|(score, _)| score.to_bits());
        assert!(scores.eq(self.model.values().map(|(_, score)| score.to_bits())));
    }
}

fn execution(random: &mut Random) {
    let mut world = World { names_end: [3, 40, 3_000, 100_000][random.below(4)], ..World::default() };
    let scores = [1, 2, 30, 0][random.below(4)];
    let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, -1.0, f64::MAX];
    world.scores = (0..scores).map(|_| special[random.below(special.len())] + random.below(5) as f64).collect();
    if random.below(3) == 0 {
        let mut number = 0;
        let step = 1 + random.below(3) as u32;
        let sorted: Vec<_> = (0..random.below(20_000))
            .map(|_| {
                number += step;
                let (score, name) = (f64::from(number / 2), format!("{number:08}"));
                let handle = world.names.add(name.as_bytes());
                world.model.insert((bits(score), name.into_bytes()), (handle, score));
                (score, handle)
            })
            .collect();
        let cut = random.below(sorted.len());
        world.tree.extend_sorted(sorted[..cut].iter().copied());
        world.tree.extend_sorted(sorted[cut..].iter().copied());
        world.check(random);
    }
    for _ in 0..random.below(200) {
        for _ in 0..random.below(40) {
            world.step(random);
        }
        world.check(random);
    }
    world.tree.clear();
    world.model.clear();
    world.check(random);
    assert_eq!(world.tree.bytes(), 0);
}

#[test]
fn fuzz_ordered() {
    fuzz("ordered", execution);
}

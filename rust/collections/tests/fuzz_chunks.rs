//! Random changes of a chunked list, against a `VecDeque`; captures against copies of it taken at their moment.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run.

#[path = "support/chance.rs"]
mod chance;

use chance::{Random, fuzz};
use rkv_collections::chunks::{Capture, Chunk, Chunks};
use std::collections::VecDeque;

/// A chunk as plain as can be. A copy of it may own fewer bytes than the original.
#[derive(Clone)]
struct Toy(Vec<u32>);

impl Chunk for Toy {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }
}

/// The list and what it should hold.
struct Pair {
    list: Chunks<Toy>,
    model: VecDeque<u32>,
    /// Elements that fit a chunk.
    full: usize,
    next: u32,
}

impl Pair {
    fn value(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn values(&mut self, random: &mut Random) -> Vec<u32> {
        (0..random.below(self.full + 1)).map(|_| self.value()).collect()
    }

    fn push(&mut self, front: bool) {
        let value = self.value();
        let full = self.full;
        let add = |chunk: &mut Toy| {
            let room = chunk.0.len() < full;
            if room {
                chunk.0.insert(if front { 0 } else { chunk.0.len() }, value);
            }
            room
        };
        if front {
            self.model.push_front(value);
            if self.list.edit_first(add) != Some(true) {
                self.list.push_front_chunk(Toy(vec![value]));
            }
        } else {
            self.model.push_back(value);
            if self.list.edit_last(add) != Some(true) {
                self.list.push_back_chunk(Toy(vec![value]));
            }
        }
    }

    fn pop(&mut self, front: bool) {
        if front {
            assert_eq!(self.list.edit_first(|chunk| chunk.0.remove(0)), self.model.pop_front());
        } else {
            assert_eq!(self.list.edit_last(|chunk| chunk.0.pop().expect("no empty chunk")), self.model.pop_back());
        }
    }

    /// Inserts one element, in front of element `index`, and splits the chunk where it is full.
    fn insert(&mut self, index: usize) {
        let (value, full) = (self.value(), self.full);
        let split = self.list.edit(index, |chunk, offset| {
            chunk.0.insert(offset, value);
            (offset, Toy(if chunk.0.len() > full { chunk.0.split_off(full / 2) } else { Vec::new() }))
        });
        self.model.insert(index, value);
        let (offset, right) = split.expect("exists");
        self.list.insert_behind(index - offset, right);
    }

    fn remove(&mut self, index: usize) {
        let removed = self.list.edit(index, |chunk, offset| chunk.0.remove(offset));
        assert_eq!(removed, self.model.remove(index));
    }

    fn insert_chunk(&mut self, index: usize, behind: bool, values: Vec<u32>) {
        let at = match self.list.get(index) {
            None => self.model.len(),
            Some((chunk, offset)) => index - offset + if behind { chunk.count() } else { 0 },
        };
        for (number, value) in values.iter().enumerate() {
            self.model.insert(at + number, *value);
        }
        if behind {
            self.list.insert_behind(index, Toy(values));
        } else {
            self.list.insert_before(index, Toy(values));
        }
    }

    fn remove_chunk(&mut self, index: usize) {
        let offset = self.list.get(index).map(|(_, offset)| offset);
        let removed = self.list.remove_chunk(index);
        assert_eq!(removed.is_some(), offset.is_some());
        if let (Some(removed), Some(offset)) = (removed, offset) {
            let start = index - offset;
            let expected: Vec<u32> = self.model.drain(start..start + removed.count()).collect();
            assert_eq!(removed.0, expected);
        }
    }

    fn pop_chunk(&mut self, front: bool) {
        let popped = if front { self.list.pop_front_chunk() } else { self.list.pop_back_chunk() };
        assert_eq!(popped.is_some(), !self.model.is_empty());
        let values = popped.map_or(Vec::new(), |chunk| chunk.0);
        let start = if front { 0 } else { self.model.len() - values.len() };
        assert_eq!(self.model.drain(start..start + values.len()).collect::<Vec<_>>(), values);
    }

    fn join(&mut self, index: usize) {
        let (before, behind) = self.list.neighbours(index);
        if let Some((chunk, offset)) = self.list.get(index) {
            let start = index - offset;
            assert_eq!(before.and_then(|chunk| chunk.0.last()).copied(), start.checked_sub(1).map(|at| self.model[at]));
            assert_eq!(
                behind.and_then(|chunk| chunk.0.first()).copied(),
                self.model.get(start + chunk.count()).copied()
            );
        }
        let expected = behind.map(Chunk::count);
        let joined = self.list.join_next(index, |chunk, next| {
            chunk.0.extend_from_slice(&next.0);
            next.count()
        });
        assert_eq!(joined, expected);
    }

    fn cut(&mut self, front: bool, elements: usize) {
        let before = self.list.chunks();
        let dropped = elements.min(self.model.len());
        let cut = if front { self.list.drop_front(elements) } else { self.list.drop_back(elements) };
        self.list.check();
        assert_eq!(self.list.chunks() + cut.removed.chunks(), before);
        if front {
            assert!(cut.rest < self.list.first().map_or(1, Chunk::count));
            self.list.edit_first(|chunk| chunk.0.drain(..cut.rest).for_each(drop));
            self.model.drain(..dropped);
        } else {
            assert!(cut.rest < self.list.last().map_or(1, Chunk::count));
            self.list.edit_last(|chunk| chunk.0.truncate(chunk.0.len() - cut.rest));
            self.model.truncate(self.model.len() - dropped);
        }
    }

    fn step(&mut self, random: &mut Random, phase: usize) {
        let len = self.model.len();
        // Beyond the end now and then.
        let index = random.below(len + 1 + len / 50);
        let front = random.below(2) == 0;
        match random.below(100) {
            // A list that grows, or shrinks, or stays.
            0..40 if random.below(3) <= phase => self.push(front),
            0..40 => self.pop(front),
            40..60 if index < len => self.insert(index),
            60..75 if index < len => self.remove(index),
            75..84 => {
                let values = self.values(random);
                self.insert_chunk(index, front, values);
            }
            84..92 => self.remove_chunk(index),
            92..94 => self.pop_chunk(front),
            94 => {
                let values = self.values(random);
                if front {
                    values.iter().rev().for_each(|value| self.model.push_front(*value));
                    self.list.push_front_chunk(Toy(values));
                } else {
                    self.model.extend(&values);
                    self.list.push_back_chunk(Toy(values));
                }
            }
            95..99 => self.join(index),
            99 if random.below(8) == 0 => {
                let elements = if random.below(4) == 0 { random.below(len + 2) } else { random.below(len / 8 + 1) };
                self.cut(front, elements);
            }
            _ => {}
        }
    }
}

/// Compares by every way of reading.
fn compare(list: &Chunks<Toy>, model: &VecDeque<u32>, random: &mut Random) {
    list.check();
    assert_eq!(list.len(), model.len());
    assert_eq!(list.is_empty(), model.is_empty());
    assert_eq!(list.iter().count(), list.chunks());
    let own: usize = list.iter().map(|(chunk, _)| chunk.bytes()).sum();
    assert!(own <= list.memory_bytes() && list.memory_bytes() <= own + 500 * list.chunks() + 2_000);
    assert!(list.iter().flat_map(|(chunk, _)| &chunk.0).eq(model));
    let from = random.below(model.len() + 2);
    let forwards = list.iter_from(from).flat_map(|(chunk, offset)| &chunk.0[offset..]);
    assert!(forwards.eq(model.iter().skip(from)));
    let backwards = list.iter_back_from(from).flat_map(|(chunk, offset)| chunk.0[..=offset].iter().rev());
    let expected = if from < model.len() { from + 1 } else { 0 };
    assert!(backwards.eq(model.iter().take(expected).rev()));
    for _ in 0..20 {
        let index = random.below(model.len() + 2);
        assert_eq!(list.get(index).map(|(chunk, offset)| &chunk.0[offset]), model.get(index));
    }
    assert_eq!(list.first().and_then(|chunk| chunk.0.first()), model.front());
    assert_eq!(list.last().and_then(|chunk| chunk.0.last()), model.back());
}

/// One random life of a list, with captures of every age.
fn live(random: &mut Random, steps: usize) {
    let full = [2, 3, 8, 40][random.below(4)];
    let mut pair = Pair { list: Chunks::new(), model: VecDeque::new(), full, next: 0 };
    let mut captures: Vec<(Capture<Toy>, VecDeque<u32>)> = Vec::new();
    if random.below(4) == 0 {
        // Three levels of nodes from the start.
        for _ in 0..random.below(4_000) {
            let values = pair.values(random);
            pair.model.extend(&values);
            pair.list.push_back_chunk(Toy(values));
        }
    }
    let mut phase = 2;
    for step in 0..steps {
        if step % 500 == 0 {
            // Mostly growth at first, then all of it.
            phase = if step < steps / 2 { 2 } else { random.below(3) };
        }
        pair.step(random, phase);
        match random.below(400) {
            0 if captures.len() < 6 => captures.push((pair.list.capture(), pair.model.clone())),
            1 | 2 if !captures.is_empty() => {
                let (capture, model) = captures.swap_remove(random.below(captures.len()));
                compare(&capture, &model, random);
                match random.below(3) {
                    // The list goes back to that moment, and goes on from there.
                    0 => (pair.list, pair.model) = (capture.into_chunks(), model),
                    1 => std::thread::spawn(move || drop(capture)).join().expect("drops anywhere"),
                    _ => {}
                }
            }
            3..7 => compare(&pair.list, &pair.model, random),
            _ => {}
        }
    }
    compare(&pair.list, &pair.model, random);
    for (capture, model) in captures {
        compare(&capture, &model, random);
    }
    while !pair.model.is_empty() {
        pair.pop(random.below(2) == 0);
    }
    compare(&pair.list, &pair.model, random);
    assert_eq!(pair.list.memory_bytes(), 0);
}

/// Chunks in order by their elements: the partition is that of the elements.
fn search(random: &mut Random) {
    let mut list = Chunks::new();
    let mut firsts = Vec::new();
    let mut value = 0;
    for _ in 0..random.below(2_000) {
        firsts.push((list.len(), value));
        let count = 1 + random.below(4) as u32;
        list.push_back_chunk(Toy((value..value + count).collect()));
        value += count + random.below(3) as u32;
    }
    for _ in 0..100 {
        let border = random.below(value as usize + 2) as u32;
        let expected = firsts.iter().find(|(_, first)| *first >= border).map_or(list.len(), |(index, _)| *index);
        assert_eq!(list.partition(|chunk| chunk.0[0] < border), expected);
    }
}

#[test]
fn fuzz_chunks() {
    fuzz("chunks", |random| {
        let steps = 1 << (6 + random.below(9));
        live(random, steps);
        search(random);
    });
}

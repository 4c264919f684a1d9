//! The chunked list: pushes and pops at its ends, finding, inserting, walking and cutting in 5 M elements of 32 bytes.
//!
//! `cargo bench -p rkv-collections --bench chunks` runs all; `-- ends 500000` one of `ends`, `middle`,
//! `captures` with another number of elements. The chunks are a stand-in for packed ones: 8 KiB, elements of 35 bytes
//! one behind the other. The allocator is the product's.

use rkv_collections::chunks::{Chunk, Chunks};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 32 bytes of value, and what a packed element adds.
const ELEMENT: usize = 35;
const CHUNK: usize = 8 * 1024;
const FULL: usize = CHUNK / ELEMENT;

#[derive(Clone)]
struct Packed {
    bytes: Box<[u8]>,
    used: usize,
}

impl Chunk for Packed {
    #[inline]
    fn count(&self) -> usize {
        self.used / ELEMENT
    }
    #[inline]
    fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Packed {
    fn new() -> Self {
        Packed { bytes: vec![0; CHUNK].into(), used: 0 }
    }

    #[inline]
    fn push(&mut self, element: &[u8; ELEMENT]) -> bool {
        let room = self.used + ELEMENT <= CHUNK;
        if room {
            self.bytes[self.used..self.used + ELEMENT].copy_from_slice(element);
            self.used += ELEMENT;
        }
        room
    }

    #[inline]
    fn pop(&mut self) -> u8 {
        self.used -= ELEMENT;
        self.bytes[self.used]
    }

    /// What was behind the middle.
    fn split(&mut self) -> Self {
        let mut right = Packed::new();
        let half = self.count() / 2 * ELEMENT;
        right.used = self.used - half;
        right.bytes[..right.used].copy_from_slice(&self.bytes[half..self.used]);
        self.used = half;
        right
    }

    fn insert(&mut self, offset: usize, element: &[u8; ELEMENT]) {
        let at = offset * ELEMENT;
        self.bytes.copy_within(at..self.used, at + ELEMENT);
        self.bytes[at..at + ELEMENT].copy_from_slice(element);
        self.used += ELEMENT;
    }
}

const VALUE: [u8; ELEMENT] = [7; ELEMENT];

fn push_back(list: &mut Chunks<Packed>) {
    if list.edit_last(|chunk| chunk.push(&VALUE)) != Some(true) {
        let mut chunk = Packed::new();
        chunk.push(&VALUE);
        list.push_back_chunk(chunk);
    }
}

fn push_front(list: &mut Chunks<Packed>) {
    if list.edit_first(|chunk| chunk.push(&VALUE)) != Some(true) {
        let mut chunk = Packed::new();
        chunk.push(&VALUE);
        list.push_front_chunk(chunk);
    }
}

fn filled(elements: usize) -> Chunks<Packed> {
    let mut list = Chunks::new();
    (0..elements).for_each(|_| push_back(&mut list));
    list
}

fn insert(list: &mut Chunks<Packed>, index: usize) {
    let split = list.edit(index, |chunk, offset| {
        if chunk.count() < FULL {
            chunk.insert(offset, &VALUE);
            return None;
        }
        let right = chunk.split();
        chunk.insert(offset.min(chunk.count()), &VALUE);
        Some((offset, right))
    });
    if let Some(Some((offset, right))) = split {
        list.insert_behind(index - offset, right);
    }
}

fn spread(seed: usize) -> usize {
    let mut x = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31) as usize
}

/// Prints nanoseconds for each of `times` calls: the best of five rounds.
fn measure(what: &str, times: usize, mut call: impl FnMut(usize)) {
    let mut best = f64::MAX;
    for round in 0..5 {
        let begin = Instant::now();
        (0..times).for_each(|number| call(round * times + number));
        best = best.min(begin.elapsed().as_nanos() as f64 / times as f64);
    }
    println!("{what:<58} {best:>10.1} ns");
}

fn ends(elements: usize) {
    let times = elements;
    let mut plain = Packed::new();
    measure("chunk alone: push, pop", times, |_| {
        black_box(&mut plain).push(&VALUE);
        black_box(plain.pop());
    });
    let mut list = filled(elements);
    list.edit_last(|chunk| {
        while chunk.count() > FULL / 3 {
            chunk.pop();
        }
    });
    measure("push, pop at the end, within one chunk", times, |_| {
        push_back(black_box(&mut list));
        black_box(list.edit_last(Packed::pop));
    });
    while list.edit_last(|chunk| chunk.push(&VALUE)) == Some(true) {}
    measure("push, pop at the end, across two chunks each time", times / 10, |_| {
        push_back(black_box(&mut list));
        black_box(list.edit_last(Packed::pop));
    });
    let mut list = Chunks::new();
    measure("push at the end, growing", times, |_| push_back(black_box(&mut list)));
    measure("pop at the end, shrinking", times, |_| {
        black_box(list.edit_last(Packed::pop));
    });
    let mut list = filled(elements);
    measure("push at the front, pop at the end", times, |_| {
        push_front(black_box(&mut list));
        black_box(list.edit_last(Packed::pop));
    });
    let mut list = filled(elements);
    measure("push and pop of a whole chunk through the tree", times / 10, |_| {
        let chunk = list.pop_front_chunk().expect("full");
        list.push_back_chunk(chunk);
    });
}

fn middle(elements: usize) {
    let mut list = filled(elements);
    println!(
        "{} elements in {} chunks: {:.2} bytes an element beside the chunks",
        list.len(),
        list.chunks(),
        (list.memory_bytes() - list.chunks() * CHUNK) as f64 / list.len() as f64
    );
    let len = list.len();
    measure("get, random, with a byte of the element", elements / 10, |number| {
        let (chunk, offset) = list.get(spread(number) % len).expect("exists");
        black_box(chunk.bytes[offset * ELEMENT]);
    });
    measure("get, in the middle", elements / 10, |_| {
        black_box(list.get(black_box(len / 2)));
    });
    measure("walk, for each chunk", 1, |_| {
        let sum: usize = list.iter().map(|(chunk, _)| chunk.count()).sum();
        black_box(sum);
    });
    measure("edit that changes nothing, in the middle", elements / 10, |_| {
        black_box(list.edit(black_box(len / 2), |chunk, _| chunk.used));
    });
    measure("edit that changes nothing, random", elements / 10, |number| {
        black_box(list.edit(spread(number) % len, |chunk, _| chunk.used));
    });
    measure("insert in the middle", elements / 50, |_| insert(&mut list, len / 2));
    measure("insert, random", elements / 50, |number| insert(&mut list, spread(number) % len));
}

fn captures(elements: usize) {
    let mut list = filled(elements);
    measure("capture and drop it", 1_000, |_| drop(black_box(list.capture())));
    measure("capture, one push, drop", 1_000, |_| {
        let capture = list.capture();
        push_back(&mut list);
        drop(capture);
    });
    let len = list.len();
    measure("capture, one random edit, drop", 1_000, |number| {
        let capture = list.capture();
        list.edit(spread(number) % len, |chunk, offset| chunk.bytes[offset * ELEMENT] = 1);
        drop(capture);
    });
    let capture = list.capture();
    measure("random edits beside one capture", list.chunks() / 10, |number| {
        list.edit(spread(number) % len, |chunk, offset| chunk.bytes[offset * ELEMENT] = 1);
    });
    drop(capture);
    let begin = Instant::now();
    let cut = list.drop_front(elements / 2);
    println!("{:<58} {:>10.1} us", "half cut off", begin.elapsed().as_nanos() as f64 / 1e3);
    let begin = Instant::now();
    drop(cut);
    println!("{:<58} {:>10.1} us", "that half freed", begin.elapsed().as_nanos() as f64 / 1e3);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let elements = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5_000_000);
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !["ends", "middle", "captures"].into_iter().any(named);
    if all || named("ends") {
        ends(elements);
    }
    if all || named("middle") {
        middle(elements);
    }
    if all || named("captures") {
        captures(elements);
    }
}

//! What single steps on packed collections and integer sets cost, in nanoseconds: `cargo bench -p rkv-collections --bench
//! packed`. Each figure is the best of many short rounds. The allocator is the product's.

use rkv_collections::intset::IntSet;
use rkv_collections::packed::{Entry, Packed, View, validate};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 300;
/// Shorter than a time slice, so that other programs on the machine spoil some rounds and not all.
const ROUND_US: u128 = 200;

/// Prints the nanoseconds of one of `steps` steps that `work` does in one call.
fn time(name: &str, steps: usize, mut work: impl FnMut()) {
    let mut round = |calls: usize| {
        let start = Instant::now();
        for _ in 0..calls {
            work();
        }
        start.elapsed()
    };
    let mut calls = 1;
    while round(calls).as_micros() < ROUND_US {
        calls *= 2;
    }
    let best = (0..ROUNDS).map(|_| round(calls).as_nanos()).min().unwrap_or(0);
    println!("{name:<60} {:>8.2} ns", best as f64 / (calls * steps) as f64);
}

fn packed(elements: impl IntoIterator<Item = String>) -> Packed {
    let mut packed = Packed::new();
    for element in elements {
        packed.push_back(element.as_bytes()).expect("small elements");
    }
    packed
}

fn sum(view: View<'_>) -> usize {
    view.iter().map(|entry| if let Entry::Str(bytes) = entry { bytes.len() } else { 1 }).sum()
}

fn reading() {
    let numbers = packed((0..128).map(|number| number.to_string()));
    let names = packed((0..128).map(|number| format!("field:{number:06}")));
    let lengths = packed((0..128).map(|number| "x".repeat(number % 40)));
    let pairs = packed((0..128).flat_map(|number| [format!("field:{number:06}"), format!("value:{number:06}")]));
    time("iterate, an entry: numbers up to 127", 128, || {
        black_box(sum(black_box(&numbers).view()));
    });
    time("iterate, an entry: strings of 12", 128, || {
        black_box(sum(black_box(&names).view()));
    });
    time("iterate backwards, an entry: strings of 12", 128, || {
        black_box(black_box(&names).iter().rev().map(|entry| entry.len()).sum::<usize>());
    });
    for (name, packed, needle, skip) in [
        ("find the last of 128 strings of 12", &names, "field:000127", 0),
        ("find none in 128 strings of 12", &names, "field:999999", 0),
        ("find none in 128 strings of 0 to 39", &lengths, "field:999999", 0),
        ("find the last of 128 fields with values", &pairs, "field:000127", 1),
        ("find the last of 128 numbers", &numbers, "127", 0),
    ] {
        time(name, 1, || {
            black_box(black_box(packed).view().find(black_box(needle.as_bytes()), skip));
        });
    }
    time("get the middle of 128 strings of 12", 1, || {
        black_box(black_box(&names).view().get(black_box(64)));
    });
    time("validate, an entry: 128 strings of 12", 128, || {
        black_box(validate(black_box(names.as_bytes())).is_ok());
    });
}

fn changing() {
    let mut list = Packed::with_capacity(8_192);
    for (name, element) in [
        ("push_back, 128 into room: a number up to 127", &b"100"[..]),
        ("push_back, 128 into room: a string of 12", b"field:000127"),
        ("push_back, 64 into room: a string of 64", &[b'x'; 64]),
    ] {
        let count = if element.len() == 64 { 64 } else { 128 };
        time(name, count, || {
            list.clear();
            for _ in 0..count {
                list.push_back(black_box(element)).expect("small");
            }
        });
    }
    let full = packed((0..128).map(|number| format!("field:{number:06}")));
    let mut list = full.view().to_packed(64);
    time("push_back and pop_back behind 128 strings of 12", 1, || {
        list.push_back(black_box(b"field:000128")).expect("small");
        black_box(list.pop_back(|entry| entry.len()));
    });
    time("push_front and pop_front before 128 strings of 12", 1, || {
        list.push_front(black_box(b"field:000128")).expect("small");
        black_box(list.pop_front(|entry| entry.len()));
    });
    let middle = list.view().seek(64).expect("there are 128");
    time("replace with the same size", 1, || {
        list.replace(black_box(middle), black_box(b"field:000200")).expect("small");
    });
    time("copy 128 strings of 12, push_back, drop", 1, || {
        let mut copy = black_box(&full).view().to_packed(64);
        copy.push_back(black_box(b"field:000128")).expect("small");
        black_box(copy);
    });
}

fn sets() {
    let values: Vec<i64> = (0..512).map(|number| number * 37).collect();
    let mut set = IntSet::from_sorted(&values).expect("few");
    time("intset of 512: contains", 1_024, || {
        for value in 0..1_024 {
            black_box(black_box(&set).contains(value * 18));
        }
    });
    time("intset of 512: insert and remove in the middle", 1, || {
        set.insert(black_box(9_000)).expect("few");
        set.remove(black_box(9_000));
    });
    time("intset of 512: iterate, a number", 512, || {
        black_box(black_box(&set).view().iter().sum::<i64>());
    });
}

fn main() {
    reading();
    changing();
    sets();
}

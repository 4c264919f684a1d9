//! Time and memory of the ordered tree, names of 16 bytes in one block.
//!
//! `cargo bench -p rkv-collections --bench ordered` runs all; `-- random 5000000` one of `random`, `runs`, `equal`,
//! `small` with another number of entries. The allocator is the product's.

use rkv_collections::ordered::{Members, Ordered};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAME: usize = 16;

/// Names by handle, in the order of handles.
struct Names(Vec<[u8; NAME]>);

impl Members for Names {
    fn name(&self, handle: u32) -> &[u8] {
        &self.0[handle as usize]
    }
}

impl Names {
    fn new(count: u64) -> Names {
        Names(
            (0..=count)
                .map(|number| {
                    *format!("member{:010}", spread(number) % 10_000_000_000)
                        .as_bytes()
                        .first_chunk()
                        .expect("16 bytes")
                })
                .collect(),
        )
    }
}

fn spread(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A score without order, of 40 bits.
fn score(number: u64) -> f64 {
    (spread(number) >> 24) as f64
}

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Nanoseconds that this thread has had a processor for: others on the machine count less than with wall-clock time.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds come first")
}

/// Times `count` calls and says what one costs.
fn time(what: &str, count: u64, mut step: impl FnMut(u64)) {
    let start = cpu_ns();
    for number in 0..count {
        step(number);
    }
    println!("  {what:<24} {:7.1} ns", (cpu_ns() - start) as f64 / count as f64);
}

fn random(count: u64) {
    println!("random    {count} entries");
    let names = Names::new(count);
    let mut tree = Ordered::new();
    let before = resident();
    time("insert, growing", count, |number| tree.insert(score(number), number as u32 + 1, &names));
    println!(
        "  {:.2} bytes each; resident {:.2}",
        tree.bytes() as f64 / count as f64,
        (resident() - before) as f64 / count as f64
    );
    let lookups = count.min(2_000_000);
    let some = |number: u64| spread(!number) % count;
    time("remove and insert", lookups, |number| {
        let n = some(number);
        let handle = tree.remove(score(n), names.name(n as u32 + 1), &names);
        tree.insert(score(n), handle.expect("it was inserted"), &names);
    });
    time("rank", lookups, |number| {
        let n = some(number);
        black_box(tree.rank(score(n), names.name(n as u32 + 1), &names)).expect("it was inserted");
    });
    time("at", lookups, |number| {
        black_box(tree.at(some(number)));
    });
    time("partition by score", lookups, |number| {
        let bound = score(some(number));
        black_box(tree.partition(|score, _| score < bound));
    });
    time("update by 1 in 2^20", lookups, |number| {
        let n = some(number);
        let (old, new) = (score(n), score(n) + 1_048_576.0);
        assert!(tree.update(old, new, n as u32 + 1, &names));
        assert!(tree.update(new, old, n as u32 + 1, &names));
    });
    let mut forwards = tree.iter_from(0);
    time("next", count, |_| {
        black_box(forwards.next());
    });
    let mut backwards = tree.rev_from(u64::MAX);
    time("next, backwards", count, |_| {
        black_box(backwards.next());
    });
    let start = Instant::now();
    drop(tree);
    println!("  drop of all {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
    stalls(count, &names);
}

/// Grows a tree with a look at the clock around every insert, and takes it down again.
fn stalls(count: u64, names: &Names) {
    let mut bytes_max = 0.0_f64;
    let mut times = vec![1_u32; count as usize];
    let mut tree = Ordered::new();
    for number in 0..count {
        let start = Instant::now();
        tree.insert(score(number), number as u32 + 1, names);
        times[number as usize] = start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32;
        if number > 10_000 && number.is_multiple_of(1_000) {
            bytes_max = bytes_max.max(tree.bytes() as f64 / number as f64);
        }
    }
    times.sort_unstable();
    let share = |share: f64| times[((count - 1) as f64 * share) as usize];
    println!(
        "  insert, wall clock: p50 {} p99 {} p99.9 {} p99.99 {} max {} ns",
        share(0.5),
        share(0.99),
        share(0.999),
        share(0.9999),
        share(1.0)
    );
    println!("  at most {bytes_max:.2} bytes each beyond 10,000 entries");
    let mut sum = 0_u64;
    let start = cpu_ns();
    tree.remove_range(0, count / 2, |_, handle| sum += u64::from(handle));
    black_box(sum);
    println!("  remove_range of half     {:7.1} ns each", (cpu_ns() - start) as f64 / (count / 2) as f64);
    time("pop_first", count / 4, |_| {
        black_box(tree.pop_first());
    });
    time("pop_last", count / 4, |_| {
        black_box(tree.pop_last());
    });
}

fn runs(count: u64) {
    println!("runs      {count} entries");
    let names = Names::new(count);
    let each = |tree: &Ordered| println!("    {:.2} bytes each", tree.bytes() as f64 / count as f64);
    let mut tree = Ordered::new();
    time("insert, ascending", count, |number| tree.insert(number as f64, number as u32 + 1, &names));
    each(&tree);
    let mut tree = Ordered::new();
    time("insert, descending", count, |number| tree.insert(-(number as f64), number as u32 + 1, &names));
    each(&tree);
    let mut tree = Ordered::new();
    time("push_last", count, |number| tree.push_last(number as f64, number as u32 + 1));
    let start = cpu_ns();
    let tree = Ordered::from_sorted((0..count).map(|number| (number as f64, number as u32 + 1)));
    println!("  from_sorted              {:7.1} ns", (cpu_ns() - start) as f64 / count as f64);
    each(&tree);
}

fn equal(count: u64) {
    println!("equal     {count} entries of one score");
    let names = Names::new(count);
    let mut tree = Ordered::new();
    time("insert, growing", count, |number| tree.insert(0.0, number as u32 + 1, &names));
    println!("    {:.2} bytes each", tree.bytes() as f64 / count as f64);
    time("rank", count, |number| {
        black_box(tree.rank(0.0, names.name(number as u32 + 1), &names)).expect("it was inserted");
    });
}

fn small(trees: u64) {
    let names = Names::new(1_000);
    for entries in [1, 10, 64, 128, 129, 200, 500] {
        let before = resident();
        let all: Vec<Ordered> = (0..trees)
            .map(|seed| {
                let mut tree = Ordered::new();
                (0..entries).for_each(|n| tree.insert(score(seed + n), n as u32 + 1, &names));
                tree
            })
            .collect();
        println!(
            "small     {trees} trees of {entries}: {} bytes each; resident {}",
            all[0].bytes(),
            (resident().saturating_sub(before)) / trees as usize
        );
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let only = arguments.next();
    let count = arguments.next().and_then(|count| count.parse().ok());
    let all = [("random", random as fn(u64), 1_000_000), ("runs", runs, 1_000_000), ("equal", equal, 1_000_000)];
    for (name, run, usual) in all.into_iter().chain([("small", small as fn(u64), 10_000)]) {
        if only.as_ref().is_none_or(|only| only == name) {
            run(count.unwrap_or(usual));
        }
    }
}

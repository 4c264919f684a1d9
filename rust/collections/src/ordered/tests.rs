//! The figures of the essay, and the shape of the tree after random changes.

use super::change::{FANOUT_MIN, LEAF_MIN, ROOM_MIN};
use super::node::FANOUT;
use super::*;
use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names that are their handles, and how often one was asked for.
#[derive(Default)]
struct Names {
    names: Vec<[u8; 4]>,
    asked: Cell<u64>,
}

impl Names {
    fn new(count: u32) -> Names {
        Names { names: (0..=count).map(u32::to_be_bytes).collect(), asked: Cell::new(0) }
    }
}

impl Members for Names {
    fn name(&self, handle: u32) -> &[u8] {
        self.asked.set(self.asked.get() + 1);
        &self.names[handle as usize]
    }
}

fn spread(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A score without order, of 40 bits.
fn score(number: u32) -> f64 {
    (spread(u64::from(number)) >> 24) as f64
}

/// A tree of `count` entries that came without order.
fn random_tree(count: u32, names: &Names) -> Ordered {
    let mut tree = Ordered::new();
    (1..=count).for_each(|handle| tree.insert(score(handle), handle, names));
    tree
}

fn each(tree: &Ordered) -> f64 {
    tree.bytes() as f64 / tree.len() as f64
}

fn touched(tree: &Ordered) -> u64 {
    tree.leaves.touched.take() + tree.inners.touched.take()
}

/// What a walk has seen.
#[derive(Default)]
struct Seen {
    inners: usize,
    leaves: usize,
    entries: Vec<(f64, u32)>,
}

/// Walks a node and checks what its parent says of it; only nodes on an edge may be nearly empty.
fn walk(tree: &Ordered, slot: Slot, floors: usize, edge: (bool, bool), seen: &mut Seen) {
    let from = seen.entries.len();
    if floors == 0 {
        seen.leaves += 1;
        let len = slot.count as usize;
        assert!(len >= if edge.0 || edge.1 { 1 } else { LEAF_MIN } && len <= LEAF, "{len} entries in a leaf");
        seen.entries.extend(tree.leaf(slot.child)[..len].iter().map(|entry| entry.parts()));
    } else {
        seen.inners += 1;
        let inner = *tree.inners.get(slot.child);
        let len = inner.len();
        assert!(len >= if edge.0 || edge.1 { 1 } else { FANOUT_MIN } && len <= FANOUT, "{len} children");
        for at in 0..len {
            let below = Slot { key: inner.key(at), count: inner.count(at), child: inner.child(at) };
            walk(tree, below, floors - 1, (edge.0 && at == 0, edge.1 && at + 1 == len), seen);
        }
    }
    assert_eq!(seen.entries.len() - from, slot.count as usize);
    assert_eq!(seen.entries[from], slot.key.parts());
}

/// Checks all that the tree promises itself, and gives its entries.
fn check(tree: &Ordered, names: &Names) -> Vec<(f64, u32)> {
    let mut seen = Seen::default();
    if tree.height == 0 {
        assert!(tree.few.len() <= LEAF);
        seen.entries.extend(tree.few.iter().map(|entry| entry.parts()));
    } else {
        assert!(tree.inners.get(tree.root).len() > 1 && tree.few.capacity() == 0);
        let root = tree.inners.get(tree.root);
        let slot = Slot { key: root.key(0), count: root.total(), child: tree.root };
        walk(tree, slot, tree.height, (true, true), &mut seen);
    }
    assert_eq!((seen.inners, seen.leaves), (tree.inners.used(), tree.leaves.used()));
    assert_eq!(tree.inners.nodes_bytes, tree.inners.counted_bytes());
    assert_eq!(tree.leaves.nodes_bytes, tree.leaves.counted_bytes());
    assert_eq!(seen.entries.len(), tree.len);
    let in_order = |one: &(f64, u32), next: &(f64, u32)| {
        one.0 < next.0 || (one.0 <= next.0 && names.name(one.1) < names.name(next.1))
    };
    assert!(seen.entries.is_sorted_by(in_order));
    seen.entries
}

#[test]
fn nodes_have_the_sizes_of_the_essay() {
    assert_eq!((size_of::<Entry>(), size_of::<Leaf>(), size_of::<Inner>()), (12, 1_536, 1_288));
    assert_eq!((LEAF, FANOUT, LEAF_MIN, FANOUT_MIN), (128, 64, 48, 24));
    // Three leaves that divide among four, each but the first with less room than counts.
    assert_eq!((LEAF + 2 * (LEAF - ROOM_MIN + 1), ROOM_MIN), (370, 8));
    assert_eq!(Slab::<Leaf>::CHUNK_NODES, 21);
    assert!(Slab::<Leaf>::CHUNK_NODES * size_of::<Leaf>() <= 32 << 10);
    // Even at the least fill, fewer floors than HEIGHT_MAX lead to all handles: an edge takes one child a floor.
    let least = (FANOUT_MIN as u64 - 1).pow(HEIGHT_MAX as u32 - 1) * LEAF_MIN as u64;
    assert!(least > 1 << 32);
}

#[test]
fn random_inserts_cost_what_the_essay_says() {
    let count = 200_000;
    let names = Names::new(count);
    let mut tree = Ordered::new();
    let (mut bytes_max, mut touched_max) = (0.0_f64, 0);
    for handle in 1..=count {
        let height = tree.height as u64;
        tree.insert(score(handle), handle, &names);
        let nodes = touched(&tree);
        assert!(height == 0 || nodes >= 2 * (height + 1));
        touched_max = touched_max.max(nodes);
        if handle > 20_000 && handle.is_multiple_of(499) {
            bytes_max = bytes_max.max(each(&tree));
        }
    }
    assert!((14.0..14.6).contains(&each(&tree)), "{}", each(&tree));
    assert!(bytes_max <= 16.0, "{bytes_max}");
    assert!(touched_max <= 10 * (tree.height as u64 + 1), "{touched_max}");
    // One question for the own name each, and no other: scores differ.
    assert_eq!(names.asked.get(), u64::from(count));
    check(&tree, &names);
}

#[test]
fn walks_visit_one_node_a_floor() {
    let count = 100_000;
    let names = Names::new(count);
    let mut tree = random_tree(count, &names);
    assert_eq!(tree.height, 2);
    let floors = tree.height as u64 + 1;
    touched(&tree);
    for handle in (1..=count).step_by(997) {
        let rank = tree.rank(score(handle), &name_of(handle), &names).expect("it was inserted");
        assert_eq!(touched(&tree), floors);
        assert_eq!(tree.at(rank), Some((score(handle), handle)));
        assert_eq!(touched(&tree), floors);
        assert_eq!(tree.partition(|other, _| other < score(handle)), rank);
        assert_eq!(touched(&tree), floors);
    }
    assert_eq!(tree.iter_from(0).count(), count as usize);
    assert_eq!(touched(&tree), floors * tree.leaves.used() as u64);
    let (mut plain, mut most) = (0, 0);
    for handle in 1..=count / 2 {
        assert!(tree.remove(score(handle), &name_of(handle), &names).is_some());
        let nodes = touched(&tree);
        most = most.max(nodes);
        plain += u64::from(nodes == 2 * floors + 1);
    }
    assert!(most <= 10 * floors && plain > 45_000, "{most}, {plain}");
    for (entries, height) in [(128, 0), (8_192, 1), (8_193, 2), (524_288, 2), (524_289, 3), (1_000_000, 3)] {
        let tree = Ordered::from_sorted((1..=entries).map(|handle| (f64::from(handle), handle)));
        assert_eq!(tree.height, height, "{entries}");
    }
}

#[test]
fn runs_leave_full_leaves() {
    let count = 100_000;
    let names = Names::new(count);
    let (mut up, mut down) = (Ordered::new(), Ordered::new());
    let (mut pushed_up, mut pushed_down) = (Ordered::new(), Ordered::new());
    for handle in 1..=count {
        up.insert(f64::from(handle), handle, &names);
        down.insert(-f64::from(handle), handle, &names);
        pushed_up.push_last(f64::from(handle), handle);
        pushed_down.push_first(-f64::from(handle), handle);
    }
    let sorted = Ordered::from_sorted((1..=count).map(|handle| (f64::from(handle), handle)));
    for tree in [&up, &down, &pushed_up, &pushed_down, &sorted] {
        assert!(each(tree) <= 12.8, "{}", each(tree));
        assert_eq!(check(tree, &names).len(), count as usize);
    }
    assert!(up.iter_from(0).eq(pushed_up.iter_from(0)) && up.iter_from(0).eq(sorted.iter_from(0)));
    assert!(down.iter_from(0).eq(pushed_down.iter_from(0)));
    let mut extended = Ordered::new();
    extended.extend_sorted((1..=count / 2).map(|handle| (f64::from(handle), handle)));
    extended.extend_sorted((count / 2 + 1..=count).map(|handle| (f64::from(handle), handle)));
    check(&extended, &names);
    assert!(up.iter_from(0).eq(extended.iter_from(0)));
}

#[test]
fn small_trees_are_small() {
    let names = Names::new(1_000);
    assert_eq!(Ordered::new().bytes(), 0);
    for (count, bytes_max) in [(1, 48), (10, 192), (128, 1_536), (129, 4_800), (500, 14_000)] {
        let tree = random_tree(count, &names);
        assert!(tree.bytes() <= bytes_max, "{count}: {}", tree.bytes());
        check(&tree, &names);
    }
}

#[test]
fn memory_comes_back() {
    let count = 60_000;
    let names = Names::new(count);
    let mut tree = random_tree(count, &names);
    let full = tree.bytes();
    let removed = tree.remove_range(500, u64::from(count) - 1_000, |_, _| ());
    assert_eq!((removed, tree.len()), (u64::from(count) - 1_000, 1_000));
    check(&tree, &names);
    // A node that stays keeps its chunk of up to 32 KiB.
    let chunks_max = tree.leaves.used() + tree.inners.used();
    assert!(tree.bytes() < full / 2 && tree.bytes() < chunks_max * (33 << 10), "{} of {full}", tree.bytes());
    while tree.len() > 100 {
        tree.pop_first();
    }
    assert_eq!(tree.height, 0);
    check(&tree, &names);
    while tree.pop_last().is_some() {}
    tree.clear();
    assert_eq!((tree.bytes(), tree.first(), tree.last()), (0, None, None));
}

#[test]
fn both_ends_can_be_taken_off() {
    let count = 40_000;
    let names = Names::new(count);
    for front in [true, false] {
        let mut tree = random_tree(count, &names);
        let mut all = check(&tree, &names);
        while !all.is_empty() {
            let popped = if front { tree.pop_first() } else { tree.pop_last() };
            assert_eq!(popped, Some(if front { all.remove(0) } else { all.remove(all.len() - 1) }));
            if all.len().is_multiple_of(512) {
                assert_eq!(check(&tree, &names), all);
            }
        }
    }
}

#[test]
fn whole_nodes_can_be_taken_out() {
    let names = Names::new(40_000);
    let (leaf, inner) = (LEAF as u64, (LEAF * FANOUT) as u64);
    for (first, count) in [(0, leaf), (inner, leaf), (inner, inner), (inner - leaf, 2 * leaf), (2 * inner, inner * 2)] {
        let mut tree = Ordered::from_sorted((1..=40_000).map(|handle| (f64::from(handle), handle)));
        let mut all = check(&tree, &names);
        let gone: Vec<_> = all.drain(first as usize..(first + count) as usize).collect();
        let mut removed = Vec::new();
        assert_eq!(tree.remove_range(first, count, |score, handle| removed.push((score, handle))), count);
        assert_eq!(removed, gone);
        assert_eq!(check(&tree, &names), all);
    }
}

#[test]
fn random_removals_keep_leaves_three_eighths_full() {
    let count = 60_000;
    let names = Names::new(count);
    let mut tree = random_tree(count, &names);
    for handle in 1..=count {
        if !handle.is_multiple_of(4) {
            assert_eq!(tree.remove(score(handle), name_of(handle).as_slice(), &names), Some(handle));
        }
    }
    // `check` holds every leaf but the first and the last to it.
    assert_eq!(check(&tree, &names).len(), count as usize / 4);
}

fn name_of(handle: u32) -> [u8; 4] {
    handle.to_be_bytes()
}

#[test]
fn names_decide_between_equal_scores_only() {
    let names = Names::new(100_000);
    let mut tree = Ordered::new();
    for number in 1..=50_000_u64 {
        let handle = 1 + (number * 2_654_435_761 % 99_991) as u32;
        let before = names.asked.get();
        tree.insert(if number.is_multiple_of(2) { 0.0 } else { -0.0 }, handle, &names);
        // Its own, and twice, if room had to be made, a halving for the leaf and for the children of each floor.
        assert!(names.asked.get() - before <= 1 + 2 * (9 + 8 * 3));
    }
    // Half the entries on the average were there: log2(25,000) = 14.6.
    assert!(names.asked.get() <= 20 * 50_000, "{}", names.asked.get());
    let all = check(&tree, &names);
    assert!(all.is_sorted_by_key(|(_, handle)| *handle));
    let bound = tree.partition(|_, handle| names.name(handle) < name_of(50_000).as_slice());
    assert_eq!(bound as usize, all.partition_point(|(_, handle)| *handle < 50_000));
    assert_eq!(tree.rank(-0.0, &name_of(all[777].1), &names), Some(777));
    assert_eq!(tree.rank(1.0, &name_of(all[777].1), &names), None);
}

#[test]
fn a_score_that_stays_in_its_leaf_is_changed_in_place() {
    let count = 50_000;
    let names = Names::new(count);
    let mut tree = random_tree(count, &names);
    let (mut near, mut far) = (0, 0);
    for handle in 1..=count {
        touched(&tree);
        assert!(tree.update(score(handle), score(handle) + 100_000.0, handle, &names));
        let in_place = touched(&tree) <= 3 * (tree.height as u64 + 1);
        *(if in_place { &mut near } else { &mut far }) += 1;
    }
    // 2^40 scores and 50,000 entries: 22 million from one to the next.
    assert!(near > 200 * far, "{near} in place, {far} not");
    let all = check(&tree, &names);
    assert!(all.iter().all(|&(new, handle)| new.to_bits() == (score(handle) + 100_000.0).to_bits()));
}

#[test]
fn the_shape_holds_after_random_changes() {
    let fixed = std::env::var("RKV_FUZZ_SEED").ok().map(|text| text.parse().expect("RKV_FUZZ_SEED is a number"));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut state: u64 = fixed.unwrap_or(since.as_nanos() as u64);
    println!("repeat with RKV_FUZZ_SEED={state}");
    let mut random = move |end: u64| {
        state = state.wrapping_add(1);
        spread(state) % end.max(1)
    };
    let names = Names::new(30_000);
    let mut tree = Ordered::new();
    let mut model: Vec<(f64, u32)> = Vec::new();
    let mut absent: Vec<u32> = (1..=30_000).collect();
    for _ in 0..150 {
        let (kind, count) = (random(8), random(1_500));
        for number in 0..count {
            if kind < 5 {
                let Some(handle) = absent.pop() else { break };
                let place = [random(50), number, 1_000_000 - number, 7, random(1 << 40)][kind as usize];
                tree.insert(place as f64, handle, &names);
                model.push((place as f64, handle));
            } else if kind < 7 && !model.is_empty() {
                let (old, handle) = model.swap_remove(random(model.len() as u64) as usize);
                assert_eq!(tree.remove(old, &name_of(handle), &names), Some(handle));
                assert_eq!(tree.remove(old, &name_of(handle), &names), None);
                absent.push(handle);
            } else if kind == 7 && !model.is_empty() {
                let changed = random(model.len() as u64) as usize;
                let (old, handle) = model[changed];
                let new = if number.is_multiple_of(2) { old + 1.0 } else { random(1 << 40) as f64 };
                assert!(tree.update(old, new, handle, &names));
                model[changed].0 = new;
            }
        }
        if kind == 4 {
            model.sort_by(|one, next| one.0.total_cmp(&next.0).then(one.1.cmp(&next.1)));
            let (first, most) = (random(model.len() as u64 + 1), random(3_000));
            let gone = model.drain(first as usize..(first + most).min(model.len() as u64) as usize);
            let mut gone: Vec<u32> = gone.map(|(_, handle)| handle).collect();
            let mut removed = Vec::new();
            tree.remove_range(first, most, |_, handle| removed.push(handle));
            assert_eq!(removed, gone);
            absent.append(&mut gone);
        }
        let all = check(&tree, &names);
        model.sort_by(|one, next| one.0.total_cmp(&next.0).then(one.1.cmp(&next.1)));
        assert_eq!(all, model);
    }
}

//! Blocks against what was written into them. What counts regions has a pool of its own: the process's serves other tests.

use super::*;

fn fill(block: &Block, mark: u8) {
    // SAFETY: the block owns that many bytes.
    unsafe { block.start::<u8>().write_bytes(mark, block.len()) };
}

fn holds(block: &Block, mark: u8) -> bool {
    // SAFETY: `fill` initialised all bytes of the block.
    unsafe { std::slice::from_raw_parts(block.start::<u8>(), block.len()) }.iter().all(|&byte| byte == mark)
}

#[test]
fn blocks_do_not_overlap_and_their_memory_comes_back() {
    let sizes = [BLOCK_MIN, 2 * BLOCK_MIN, BLOCK_MAX, PART, 2 * PART, 3 * PART, 4 * PART, 960, 8128];
    let mut blocks: Vec<(Block, u8)> = Vec::new();
    let mut state = 7_u64;
    for round in 0..4_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = (state >> 33) as usize;
        if round < 400 || choice.is_multiple_of(2) && blocks.len() < 400 {
            let block = Block::new(sizes[choice / 2 % sizes.len()]);
            fill(&block, round as u8);
            blocks.push((block, round as u8));
        } else if !blocks.is_empty() {
            let (block, mark) = blocks.swap_remove(choice / 2 % blocks.len());
            assert!(holds(&block, mark));
        }
    }
    assert!(blocks.iter().all(|(block, mark)| holds(block, *mark)));
}

#[test]
fn blocks_of_a_region_are_its_parts() {
    let mut pool = Pool::new();
    for class in 0..SIZES {
        let count = REGION / (BLOCK_MIN << class);
        let mut blocks: Vec<_> = (0..count).map(|_| pool.take(class)).collect();
        blocks.sort_unstable();
        assert!(pool.regions.len() == 1 && pool.room[class].is_empty());
        let addresses: Vec<usize> = blocks.iter().map(|block| block.get()).collect();
        assert!(addresses[0].is_multiple_of(REGION));
        assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] == BLOCK_MIN << class));
        let emptied: Vec<_> = blocks.iter().filter_map(|&block| pool.give(block, class)).collect();
        assert!(emptied == blocks[..1] && pool.regions.is_empty() && pool.room[class].is_empty());
        emptied.into_iter().for_each(unmap);
    }
}

#[test]
fn parts_of_a_shelf_are_aligned_and_it_goes_when_all_are_free() {
    let mut pool = Pool::new();
    for class in 0..PART_SIZES {
        let bytes = PART * (class + 1);
        let mut parts: Vec<_> = (0..BLOCK_MAX / bytes).map(|_| pool.take_part(class)).collect();
        parts.sort_unstable();
        assert!(pool.shelves.len() == 1 && pool.shelf_room[class].is_empty());
        assert!(parts.windows(2).all(|pair| pair[1].get() - pair[0].get() == bytes));
        assert!(parts.iter().all(|part| part.get().is_multiple_of(64)));
        let emptied: Vec<_> = parts.iter().filter_map(|&part| pool.give_part(part, class)).collect();
        assert!(emptied.len() == 1 && pool.shelves.is_empty() && pool.shelf_room[class].is_empty());
        emptied.into_iter().for_each(unmap);
    }
}

#[test]
fn regions_are_made_ready_ahead_of_growth_and_given_back_after_it() {
    let mut pool = Pool::new();
    let mut now = Instant::now();
    let largest = SIZES - 1;
    let mut blocks = Vec::new();
    for regions in 1..=READY_ONE_FROM {
        blocks.extend((0..REGION / BLOCK_MAX).map(|_| pool.take(largest)));
        assert_eq!(pool.regions.len(), regions);
        now += Duration::from_millis(1);
        while matches!(pool.next(now), Step::Prepare) {
            pool.ready.push(map());
        }
        assert_eq!(pool.ready.len(), (regions / READY_SHARE).min(READY_MAX));
    }
    assert!(matches!(pool.next(now), Step::Wait(Some(time)) if time >= LINGER));
    now += 2 * LINGER;
    let mut given = 0;
    while let Step::Unmap(region) = pool.next(now) {
        unmap(region);
        given += 1;
    }
    assert_eq!((given, pool.ready.len()), (READY_MAX - 1, 1), "one stays where 64 are in use");
    assert!(matches!(pool.next(now), Step::Wait(None)));
    blocks.iter().filter_map(|&block| pool.give(block, largest)).for_each(unmap);
    assert!(matches!(pool.next(now), Step::Unmap(_)), "and none where there are fewer");
    assert!(pool.regions.is_empty() && matches!(pool.next(now), Step::Wait(None)));
}

#[test]
fn blocks_of_other_lengths_come_from_the_allocator() {
    assert!(Block::empty().is_empty() && Block::new(0).is_empty());
    assert_eq!(Block::new(24).len(), 24);
    assert!(
        [1, BLOCK_MIN - 64, BLOCK_MAX * 2, 3 * BLOCK_MIN]
            .iter()
            .all(|&bytes| matches!(keeper_of(bytes), Keeper::Allocator))
    );
}

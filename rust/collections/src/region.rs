//! Memory for the blocks of arenas and the segments of tables, in huge pages that another thread makes ready.
//!
//! ```text
//!   region: 2 MiB, aligned      | block | block | ...          |   all blocks of one size: 16, 32 or 64 KiB
//!   shelf: a block of 64 KiB    | part | part | part | ...     |   all parts of one size: 256, 512, 768 or 1,024 bytes
//!
//!   ready --> in use, some blocks free <--> in use, none free
//!     ^ touched by `tend`     |
//!     +-----------------------+ all free
//! ```
//!
//! A lookup among millions of keys misses the processor's address cache with pages of 4 KiB: measured at 5 M keys, a single
//! lookup takes 790 ns instead of 510, one of a window of sixteen 155 instead of 128. But the first touch of a huge page
//! makes the system zero 2 MiB, 100 us at best and some ms where a hypervisor has to find the memory, and whoever
//! inserts a key must not pay that. So the general allocator is told to leave huge pages alone, blobs and segments of what is
//! not small live in regions of their own, and a background thread maps and touches regions ahead of the growth, by [`tend`]. A block
//! that finds no region ready gets one of common pages, untouched.
//!
//! **Memory.** While regions are being taken, an eighth as many as are in use are kept ready, [`READY_MAX`] at most: none
//! below 16 MiB, so that a small store needs no thread and no huge page. Half a second later none, or a single one where 64
//! or more are in use. A region whose blocks are all free goes back to the system. The lowest region with room is filled first,
//! so that the highest get empty.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::alloc::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The smallest block that lives in a region.
pub const BLOCK_MIN: usize = 1 << BLOCK_MIN_BITS;
/// The largest block that lives in a region.
pub const BLOCK_MAX: usize = 1 << 16;

const BLOCK_MIN_BITS: u32 = 14;
const SIZES: usize = 3;
const REGION: usize = 1 << 21;
const PAGE: usize = 1 << 12;
/// The smallest part of a shelf; four are the largest.
pub const PART: usize = 256;
const PART_SIZES: usize = 4;
const PARTS_END: usize = PART * PART_SIZES;
/// For so many regions in use one is kept ready while they are being taken: an eighth more.
const READY_SHARE: usize = 8;
/// Regions that are kept ready at most: 60 ms of growth by two million small keys a second.
const READY_MAX: usize = 4;
/// Where that many regions are in use, one is always ready.
const READY_ONE_FROM: usize = 64;
/// Regions stay ready this long after the last was taken.
const LINGER: Duration = Duration::from_millis(500);

/// The alignment of a block.
#[repr(align(64))]
struct Line;

/// Memory that is not initialised, aligned to a cache line. Dropping it gives it back.
pub struct Block {
    /// An address, exposed: a block may go to another thread, and gives nothing but its address.
    start: NonZeroUsize,
    bytes: u32,
}

/// Who keeps blocks of a length.
enum Keeper {
    Region(usize),
    Shelf(usize),
    Allocator,
    Nobody,
}

impl Block {
    /// A block without memory.
    pub const fn empty() -> Block {
        const START: NonZeroUsize = NonZeroUsize::new(align_of::<Line>()).expect("an alignment is not zero");
        Block { start: START, bytes: 0 }
    }

    /// A block of that many bytes: on a shelf if it is up to four [`PART`], in a region if it is [`BLOCK_MIN`], its double,
    /// or [`BLOCK_MAX`], and from the allocator otherwise.
    ///
    /// # Panics
    /// If the system has no memory.
    pub fn new(bytes: usize) -> Block {
        let length = u32::try_from(bytes).expect("a block is shorter than 4 GiB");
        let start = match keeper_of(bytes) {
            Keeper::Region(class) => pool().take(class),
            Keeper::Shelf(class) => pool().take_part(class),
            Keeper::Nobody => return Block::empty(),
            Keeper::Allocator => {
                let layout = layout(bytes);
                // SAFETY: the layout has a size above zero.
                let start = NonNull::new(unsafe { std::alloc::alloc(layout) });
                let start = start.unwrap_or_else(|| std::alloc::handle_alloc_error(layout));
                NonZeroUsize::new(start.as_ptr().expose_provenance()).expect("no memory begins at zero")
            }
        };
        Block { start, bytes: length }
    }

    /// Its first byte.
    #[inline]
    pub fn start<T>(&self) -> *mut T {
        const { assert!(align_of::<T>() <= align_of::<Line>()) };
        std::ptr::with_exposed_provenance_mut(self.start.get())
    }

    /// Bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        self.bytes as usize
    }

    /// Whether it has no memory.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Its first byte, without an owner from now on.
    pub(crate) fn into_raw<T>(self) -> *mut T {
        let start = self.start();
        std::mem::forget(self);
        start
    }

    /// The block of that many bytes behind an address from [`Block::into_raw`].
    ///
    /// # Safety
    /// The address came from there with a block of this length, and is used for this once.
    pub(crate) unsafe fn from_raw<T>(start: *mut T, bytes: usize) -> Block {
        let start = NonZeroUsize::new(start.expose_provenance()).expect("no block lies at zero");
        Block { start, bytes: bytes as u32 }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let emptied = match keeper_of(self.len()) {
            Keeper::Region(class) => pool().give(self.start, class),
            Keeper::Shelf(class) => pool().give_part(self.start, class),
            Keeper::Nobody => None,
            Keeper::Allocator => {
                // SAFETY: allocated by `new` with this layout, and nobody else has it.
                unsafe { std::alloc::dealloc(self.start(), layout(self.len())) };
                None
            }
        };
        emptied.into_iter().for_each(unmap);
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, align_of::<Line>()).expect("a block is shorter than the address space")
}

const fn keeper_of(bytes: usize) -> Keeper {
    match bytes {
        0 => Keeper::Nobody,
        // Miri knows no such mappings.
        _ if cfg!(miri) => Keeper::Allocator,
        BLOCK_MIN..=BLOCK_MAX if bytes.is_power_of_two() => Keeper::Region((bytes.ilog2() - BLOCK_MIN_BITS) as usize),
        PART..=PARTS_END if bytes.is_multiple_of(PART) => Keeper::Shelf(bytes / PART - 1),
        _ => Keeper::Allocator,
    }
}

/// Regions and shelves in use, by address.
struct Pool {
    /// Each with one bit per free block.
    regions: BTreeMap<usize, u128>,
    /// Regions with a free block, for each size of blocks.
    room: [BTreeSet<usize>; SIZES],
    shelves: BTreeMap<usize, Shelf>,
    /// Shelves with a free part, for each size of parts.
    shelf_room: [BTreeSet<usize>; PART_SIZES],
    ready: Vec<NonZeroUsize>,
    /// Regions that were taken and not yet seen by `next`.
    taken: usize,
    /// When `next` last saw that.
    grew: Option<Instant>,
}

/// A block of [`BLOCK_MAX`] bytes, cut into parts.
struct Shelf {
    /// One bit per free part.
    free: [u64; BLOCK_MAX / PART / 64],
    live: usize,
}

impl Shelf {
    fn new(parts: usize) -> Shelf {
        let mut free = [0; BLOCK_MAX / PART / 64];
        (0..parts).for_each(|part| free[part / 64] |= 1 << (part % 64));
        Shelf { free, live: 0 }
    }

    fn take(&mut self) -> usize {
        let word = self.free.iter().position(|&word| word != 0).expect("a shelf in the set has room");
        let bit = self.free[word].trailing_zeros() as usize;
        self.free[word] &= self.free[word] - 1;
        self.live += 1;
        word * 64 + bit
    }

    fn give(&mut self, part: usize) {
        self.free[part / 64] |= 1 << (part % 64);
        self.live -= 1;
    }

    fn is_full(&self) -> bool {
        self.free == [0; BLOCK_MAX / PART / 64]
    }
}

/// What the background thread has to do.
enum Step {
    Prepare,
    Unmap(NonZeroUsize),
    Wait(Option<Duration>),
}

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

/// Whether fewer regions are ready than should be, and nobody was told yet.
static WANTED: AtomicBool = AtomicBool::new(false);

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    const fn new() -> Pool {
        Pool {
            regions: BTreeMap::new(),
            room: [const { BTreeSet::new() }; SIZES],
            shelves: BTreeMap::new(),
            shelf_room: [const { BTreeSet::new() }; PART_SIZES],
            ready: Vec::new(),
            taken: 0,
            grew: None,
        }
    }

    fn take(&mut self, class: usize) -> NonZeroUsize {
        let start = match self.room[class].first() {
            Some(&start) => start,
            None => self.open(class),
        };
        let free = self.regions.get_mut(&start).expect("a region with room is in use");
        let block = free.trailing_zeros() as usize;
        *free &= *free - 1;
        if *free == 0 {
            self.room[class].remove(&start);
        }
        NonZeroUsize::new(start + (block << BLOCK_MIN_BITS << class)).expect("no region begins at zero")
    }

    /// Takes another region for blocks of a size.
    #[cold]
    fn open(&mut self, class: usize) -> usize {
        let start = self.ready.pop().unwrap_or_else(map).get();
        self.regions.insert(start, all_free(class));
        self.room[class].insert(start);
        self.taken += 1;
        if self.ready.len() * 2 < self.wanted() {
            WANTED.store(true, Ordering::Relaxed);
        }
        start
    }

    /// Takes a block back, and gives the region if it is not needed any more.
    fn give(&mut self, block: NonZeroUsize, class: usize) -> Option<NonZeroUsize> {
        let start = block.get() & !(REGION - 1);
        let free = self.regions.get_mut(&start).expect("a block lies in a region in use");
        if *free == 0 {
            self.room[class].insert(start);
        }
        *free |= 1 << ((block.get() - start) >> BLOCK_MIN_BITS >> class);
        if *free != all_free(class) {
            return None;
        }
        self.regions.remove(&start);
        self.room[class].remove(&start);
        let region = NonZeroUsize::new(start)?;
        if self.ready.len() < self.kept() {
            self.ready.push(region);
            return None;
        }
        Some(region)
    }

    fn take_part(&mut self, class: usize) -> NonZeroUsize {
        let bytes = PART * (class + 1);
        let start = self.shelf_room[class].first().copied().unwrap_or_else(|| {
            let start = self.take(SIZES - 1).get();
            self.shelves.insert(start, Shelf::new(BLOCK_MAX / bytes));
            self.shelf_room[class].insert(start);
            start
        });
        let board = self.shelves.get_mut(&start).expect("a shelf with room is in use");
        let part = board.take();
        if board.is_full() {
            self.shelf_room[class].remove(&start);
        }
        NonZeroUsize::new(start + part * bytes).expect("no region begins at zero")
    }

    /// Takes a part back, and gives the region if it is not needed any more.
    fn give_part(&mut self, part: NonZeroUsize, class: usize) -> Option<NonZeroUsize> {
        let start = part.get() & !(BLOCK_MAX - 1);
        let board = self.shelves.get_mut(&start).expect("a part lies on a shelf in use");
        if board.is_full() {
            self.shelf_room[class].insert(start);
        }
        board.give((part.get() - start) / (PART * (class + 1)));
        if board.live > 0 {
            return None;
        }
        self.shelves.remove(&start);
        self.shelf_room[class].remove(&start);
        self.give(NonZeroUsize::new(start)?, SIZES - 1)
    }

    /// How many regions should be ready while they are being taken.
    fn wanted(&self) -> usize {
        (self.regions.len() / READY_SHARE).min(READY_MAX)
    }

    /// How many should be when none was taken for a while.
    fn kept(&self) -> usize {
        usize::from(self.regions.len() >= READY_ONE_FROM)
    }

    fn next(&mut self, now: Instant) -> Step {
        if self.taken > 0 {
            self.taken = 0;
            self.grew = Some(now);
        }
        let left = self.grew.and_then(|grew| LINGER.checked_sub(now.saturating_duration_since(grew)));
        match left {
            Some(_) if self.ready.len() < self.wanted() => Step::Prepare,
            Some(left) => Step::Wait((self.ready.len() > self.kept()).then_some(left + LINGER / 10)),
            None if self.ready.len() > self.kept() => self.ready.pop().map_or(Step::Wait(None), Step::Unmap),
            None => Step::Wait(None),
        }
    }
}

/// The bits of a region whose blocks are all free.
const fn all_free(class: usize) -> u128 {
    u128::MAX >> (128 - (REGION >> BLOCK_MIN_BITS >> class))
}

/// Address space for a region.
fn map() -> NonZeroUsize {
    let take = |length: usize| {
        // SAFETY: a new private mapping at an address of the system's choice touches nothing that exists.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        start.unwrap_or_else(|_| std::alloc::handle_alloc_error(layout(length))).cast::<u8>()
    };
    let give = |start: *mut u8, length: usize| {
        if length > 0 {
            // SAFETY: a part of what was just mapped, which nobody uses.
            let _ = unsafe { munmap(start.cast(), length) };
        }
    };
    // Newer kernels align what is as long as a huge page.
    let start = take(REGION);
    if start.addr().is_multiple_of(REGION) {
        return NonZeroUsize::new(start.expose_provenance()).expect("the system maps nothing at zero");
    }
    give(start, REGION);
    let start = take(2 * REGION);
    let before = start.addr().next_multiple_of(REGION) - start.addr();
    let aligned = start.wrapping_add(before);
    give(start, before);
    give(aligned.wrapping_add(REGION), REGION - before);
    NonZeroUsize::new(aligned.expose_provenance()).expect("the system maps nothing at zero")
}

fn unmap(region: NonZeroUsize) {
    // SAFETY: the pool has let go of the region, and none of its blocks is in use.
    let _ = unsafe { munmap(std::ptr::with_exposed_provenance_mut(region.get()), REGION) };
}

/// Maps a region of huge pages, where the system has them, and touches all of it.
fn prepare() -> NonZeroUsize {
    let region = map();
    let start = std::ptr::with_exposed_provenance_mut::<u8>(region.get());
    // SAFETY: advice about a mapping that is ours; without huge pages it is refused, and nothing is lost.
    let _ = unsafe { madvise(start.cast(), REGION, Advice::LinuxHugepage) };
    for offset in (0..REGION).step_by(PAGE) {
        // SAFETY: the region is mapped for writing, and nobody else knows it.
        unsafe { start.add(offset).write_volatile(0) };
    }
    region
}

/// Whether [`tend`] should be called soon; true once for each time. One load, for every caller who may have grown something.
#[inline]
pub fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed) && WANTED.swap(false, Ordering::Relaxed)
}

/// Makes one region ready if growth takes them, or gives one back if it no longer does; returns how soon to call again, if
/// nobody asks before. For a background thread: it touches 2 MiB, which may take some milliseconds.
pub fn tend() -> Option<Duration> {
    let step = pool().next(Instant::now());
    match step {
        Step::Prepare => {
            let region = prepare();
            pool().ready.push(region);
            Some(Duration::ZERO)
        }
        Step::Unmap(region) => {
            unmap(region);
            Some(Duration::ZERO)
        }
        Step::Wait(time) => time,
    }
}

#[cfg(test)]
mod tests;

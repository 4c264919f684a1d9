//! A hierarchical timing wheel: millions of deadlines, each filed and fired in constant time, eight bytes each.
//!
//! ```text
//!   a tick is 2 ms                        hand
//!                                          v
//!   level 0   64 slots of 1 tick    . . . . # # . # # . . # ...     128 ms in all: these fire
//!   level 1   64 slots of 64 ticks  . . # . . # # # . . . . ...     8.2 s: these move to level 0
//!   level 2   64 slots of 64^2      . # . # . . . . . . . . ...     8.7 min: these move to level 1 or 0
//!   ...
//!   level 10  the end of an i64 of milliseconds
//!
//!   slot -> block -> block -> block        one 256-byte block: [next, count][entry] x 31
//!   entry    = [24 bits: tick within the slot][40 bits: payload]
//! ```
//!
//! Read the tick of a deadline and the tick of the hand as numbers in base 64. The highest digit in which they differ
//! is the entry's level, and the deadline's digit there its slot. So all entries of a level come due before any of the
//! next, the first occupied slot is the lowest bit of the mask of the lowest occupied level, and the hand can jump to it
//! without visiting the empty ticks between: a clock that leaps a year costs what is occupied, not what has passed. When
//! the hand arrives at a slot of level `n`, its entries share digit `n` with the hand and move to lower levels, or fire
//! if they are due by then: an entry moves at most once per level below the one it was filed at.
//!
//! **Eight bytes.** A slot already tells the high digits of a deadline, so an entry carries only the tick within its
//! slot: `6 n` bits at level `n`, which up to level 4 (a page of 2^30 ticks, 24.8 days) fit 24 bits exactly. From level 5
//! on the offset is exact below 2^23 ticks (4.6 hours) and otherwise rounded **up** to a unit of 128 ticks at level 5,
//! 2^13 at level 6, and 64 times more at each further: an entry that must cross into another page of 24.8 days may
//! fire up to 256 ms late, one that crosses into another page of 4.3 years up to 16 s, and none ever early. The other 40
//! bits are the payload.
//!
//! **Memory.** 31 entries share a block of 256 bytes (8.26 each) and 16 blocks a chunk of 4 KiB. The table of chunks
//! costs 16 bytes per chunk, at most twice that while it grows: 8.32 bytes an entry. Fixed are 2.9 KiB of slots, and for
//! each occupied slot at most one block that is not full. A chunk whose blocks are all free is given back at once, and
//! an empty wheel owns no memory.
//!
//! **Time.** `advance` does at most `budget` steps (an entry fired or moved), so that a caller can bound how long it
//! holds a lock, and goes on where it stopped. Small steps of the clock backwards are waited out. After one of more
//! than a second everything is filed anew in a single call, about 10 ns per entry: it happens when somebody sets the clock.
//!
//! **Many wheels.** When the hand arrives at a slot of a high level all its entries move at once: a million deadlines within
//! 8.2 s took 30 ms, in which nothing fired. So wheels of different numbers run ahead of the clock by different times: of 64
//! wheels each arrives at its slots a 64th of their span after the one before, up to level 4, and what moves at once is a 64th.
//!
//! After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987.

use crate::prefetch_read;

/// Length of a tick.
pub const TICK_MS: u64 = 2;

/// How many low bits of a payload are kept; the rest must be zero.
pub const PAYLOAD_BITS: u32 = 40;

const PAYLOAD_MASK: u64 = (1 << PAYLOAD_BITS) - 1;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Ticks of an `i64` of milliseconds have 64 bits: eleven digits.
const LEVELS: usize = 11;
/// Bits of an entry that hold its offset within its slot.
const OFFSET_BITS: u32 = 64 - PAYLOAD_BITS;
/// At levels whose offsets do not always fit: says that the offset is counted in coarse units.
const COARSE: u64 = 1 << (OFFSET_BITS - 1);
/// The first level whose offsets do not always fit.
const COARSE_LEVEL_MIN: u32 = OFFSET_BITS / DIGIT_BITS + 1;
/// Levels whose slots are emptied at other times in each of [`SLOTS`] wheels, above the lowest.
const PHASE_LEVELS: u32 = 4;
/// A clock that steps back further than this has been set, and everything is filed anew.
const STEP_BACK_TICKS_MAX: u64 = 1_000 / TICK_MS;

/// Whether [`Wheel::advance`] has caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything due has fired.
    Done,
    /// The budget is used up; call again.
    More,
}

/// Deadlines in wall-clock milliseconds, each with a payload of [`PAYLOAD_BITS`] bits.
///
/// The wheel does not remember what it holds by name: an entry cannot be found or taken back. Whoever is called must
/// check that the payload's deadline still stands, and schedule it again if it has moved.
pub struct Wheel {
    /// The tick up to which everything has fired. All ticks in here are ahead of the clock's by `phase`.
    hand: u64,
    phase: u32,
    len: usize,
    /// The level whose slot under the hand is being emptied; 0 if none.
    cascading: u32,
    /// `None` while empty.
    slots: Option<Box<Slots>>,
    pool: Pool,
}

struct Slots {
    /// One bit per level that has an occupied slot.
    levels: u16,
    /// One bit per occupied slot.
    masks: [u64; LEVELS],
    /// The first block of each slot.
    heads: [[u32; SLOTS]; LEVELS],
}

impl Slots {
    const fn new() -> Self {
        Self { levels: 0, masks: [0; LEVELS], heads: [[NO_BLOCK; SLOTS]; LEVELS] }
    }

    fn vacate(&mut self, level: u32, slot: usize) {
        let level = level as usize;
        self.masks[level] &= !(1 << slot);
        if self.masks[level] == 0 {
            self.levels &= !(1 << level);
        }
    }
}

/// A slot and the first tick of its span.
#[derive(Clone, Copy)]
struct Place {
    level: u32,
    slot: usize,
    start: u64,
}

impl Wheel {
    /// An empty wheel, which owns no memory.
    pub const fn new() -> Self {
        Self { hand: 0, phase: 0, len: 0, cascading: 0, slots: None, pool: Pool::new() }
    }

    /// An empty wheel that empties the slots of its higher levels at other times than those of other numbers.
    pub const fn numbered(number: u32) -> Self {
        // The bits of the number reversed: the first sixteen wheels are spread as evenly as all sixty-four.
        let part = (number as u8 & (SLOTS - 1) as u8).reverse_bits() >> (8 - DIGIT_BITS);
        let mut phase = 0;
        let mut level = 0;
        while level < PHASE_LEVELS {
            phase += (part as u32) << (level * DIGIT_BITS);
            level += 1;
        }
        Self { hand: 0, phase, len: 0, cascading: 0, slots: None, pool: Pool::new() }
    }

    /// Files `payload` to fire when the clock shows `deadline_ms`, or at the next advance if that has passed.
    ///
    /// `now_ms` is the caller's present: it places the hand of a wheel that has stood still because nothing was due. The
    /// same payload may be filed any number of times, and fires as often.
    pub fn schedule(&mut self, now_ms: i64, deadline_ms: i64, payload: u64) {
        debug_assert_eq!(payload & !PAYLOAD_MASK, 0, "a payload has {PAYLOAD_BITS} bits");
        let now = self.ahead(tick_shown(now_ms));
        // Between the hand and the first occupied slot nothing changes place when the hand moves.
        if self.earliest().is_none_or(|place| now > self.hand && now < place.start) {
            self.hand = now;
        }
        self.len += 1;
        self.file(self.ahead(tick_due(deadline_ms)), payload & PAYLOAD_MASK);
    }

    /// Turns the wheel to `now_ms` and calls `fire` for each payload that has come due.
    ///
    /// At most `budget` entries are fired or moved. None fires before its deadline; one that is fired in time is less
    /// than a tick late (see the head of this file for deadlines weeks away).
    pub fn advance(&mut self, now_ms: i64, budget: usize, mut fire: impl FnMut(u64)) -> Progress {
        let target = self.ahead(tick_shown(now_ms));
        if self.hand.saturating_sub(target) > STEP_BACK_TICKS_MAX {
            self.turn_back(target);
        }
        let mut left = budget;
        while let Some(place) = self.earliest().filter(|place| place.start <= target) {
            self.hand = place.start;
            self.cascading = place.level;
            while left > 0 {
                let Some(entry) = self.take(place) else {
                    self.cascading = 0;
                    break;
                };
                left -= 1;
                let tick = place.start + offset_of(entry, place.level);
                if tick <= target {
                    self.len -= 1;
                    fire(entry & PAYLOAD_MASK);
                } else {
                    self.file(tick, entry & PAYLOAD_MASK);
                }
            }
            if left == 0 && self.slot_is_occupied(place) {
                return Progress::More;
            }
            self.cascading = 0;
        }
        self.hand = self.hand.max(target);
        if self.len == 0 {
            self.clear();
        }
        Progress::Done
    }

    /// When [`advance`](Self::advance) next has something to do, at the earliest; `None` if the wheel is empty.
    ///
    /// No entry fires before it. Something may have to move without firing, so the true deadline can lie later.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.earliest().map(|place| ms_of(place.start.saturating_sub(u64::from(self.phase))))
    }

    /// How many entries are filed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is filed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory held beyond the value itself.
    pub fn bytes(&self) -> usize {
        self.slots.as_ref().map_or(0, |slots| size_of_val(&**slots)) + self.pool.bytes()
    }

    /// Forgets every entry and gives the memory back.
    pub fn clear(&mut self) {
        self.len = 0;
        self.cascading = 0;
        self.slots = None;
        self.pool = Pool::new();
    }

    /// The wheel's tick for one of the clock, which has 63 bits.
    const fn ahead(&self, tick: u64) -> u64 {
        tick + self.phase as u64
    }

    /// The occupied slot with the earliest span.
    fn earliest(&self) -> Option<Place> {
        let slots = self.slots.as_deref()?;
        if self.cascading > 0 {
            let slot = digit(self.hand, self.cascading);
            return Some(Place { level: self.cascading, slot, start: self.hand });
        }
        if slots.levels == 0 {
            return None;
        }
        let level = slots.levels.trailing_zeros();
        let slot = slots.masks[level as usize].trailing_zeros() as usize;
        Some(Place { level, slot, start: span_start(self.hand, level, slot) })
    }

    fn slot_is_occupied(&self, place: Place) -> bool {
        self.slots.as_deref().is_some_and(|slots| slots.masks[place.level as usize] & (1 << place.slot) != 0)
    }

    /// Puts an entry where its tick belongs as seen from the hand.
    fn file(&mut self, tick: u64, payload: u64) {
        let (tick, level) = round_up(self.hand, tick.max(self.hand));
        let slot = digit(tick, level);
        let entry = (offset_code(tick, level) << PAYLOAD_BITS) | payload;
        let slots = self.slots.get_or_insert_with(|| Box::new(Slots::new()));
        let level = level as usize;
        slots.levels |= 1 << level;
        slots.masks[level] |= 1 << slot;
        self.pool.push(&mut slots.heads[level][slot], entry);
    }

    /// Takes any entry out of a slot.
    fn take(&mut self, place: Place) -> Option<u64> {
        let slots = self.slots.as_deref_mut()?;
        let head = &mut slots.heads[place.level as usize][place.slot];
        let entry = self.pool.pop(head)?;
        if *head == NO_BLOCK {
            slots.vacate(place.level, place.slot);
        }
        Some(entry)
    }

    /// Files everything anew as seen from an earlier hand.
    fn turn_back(&mut self, target: u64) {
        let hand = std::mem::replace(&mut self.hand, target);
        self.cascading = 0;
        let Some(mut slots) = self.slots.take() else {
            return;
        };
        for (level, heads) in (0..).zip(&mut slots.heads) {
            for (slot, head) in heads.iter_mut().enumerate() {
                let start = span_start(hand, level, slot);
                while let Some(entry) = self.pool.pop(head) {
                    self.file(start + offset_of(entry, level), entry & PAYLOAD_MASK);
                }
            }
        }
    }
}

impl Default for Wheel {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Wheel {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Wheel").field("len", &self.len).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// Milliseconds counted from `i64::MIN`, so that every instant is a natural number.
const fn natural_ms(ms: i64) -> u64 {
    ms.cast_unsigned() ^ (1 << 63)
}

/// The last tick that a clock has passed.
const fn tick_shown(now_ms: i64) -> u64 {
    natural_ms(now_ms) / TICK_MS
}

/// The first tick that is not before a deadline.
const fn tick_due(deadline_ms: i64) -> u64 {
    natural_ms(deadline_ms).div_ceil(TICK_MS)
}

const fn ms_of(tick: u64) -> i64 {
    (tick.saturating_mul(TICK_MS) ^ (1 << 63)).cast_signed()
}

const fn digit(tick: u64, level: u32) -> usize {
    (tick >> (level * DIGIT_BITS)) as usize % SLOTS
}

/// The first tick of a slot of the hand's own turn of that level.
fn span_start(hand: u64, level: u32, slot: usize) -> u64 {
    let above = (level + 1) * DIGIT_BITS;
    let turn = hand.checked_shr(above).map_or(0, |turn| turn << above);
    turn | (slot as u64) << (level * DIGIT_BITS)
}

/// The highest digit in which a tick differs from the hand; 0 if in none.
const fn level_of(hand: u64, tick: u64) -> u32 {
    ((hand ^ tick) | 1).ilog2() / DIGIT_BITS
}

/// How many low bits an offset in coarse units lacks.
const fn coarse_shift(level: u32) -> u32 {
    level * DIGIT_BITS - (OFFSET_BITS - 1)
}

/// The tick that an entry can express, and its level: the tick itself, or the next that fits.
fn round_up(hand: u64, tick: u64) -> (u64, u32) {
    let level = level_of(hand, tick);
    if level < COARSE_LEVEL_MIN || span_offset(tick, level) < COARSE {
        return (tick, level);
    }
    let unit = 1 << coarse_shift(level);
    // Rounding can carry into the next slot or level, but then the offset there is zero.
    let rounded = tick.checked_next_multiple_of(unit).unwrap_or(tick);
    (rounded, level_of(hand, rounded))
}

const fn span_offset(tick: u64, level: u32) -> u64 {
    tick & ((1 << (level * DIGIT_BITS)) - 1)
}

/// What an entry stores of its tick.
const fn offset_code(tick: u64, level: u32) -> u64 {
    let offset = span_offset(tick, level);
    if level < COARSE_LEVEL_MIN || offset < COARSE { offset } else { COARSE | offset >> coarse_shift(level) }
}

/// The offset that an entry stores.
const fn offset_of(entry: u64, level: u32) -> u64 {
    let code = entry >> PAYLOAD_BITS;
    if level < COARSE_LEVEL_MIN || code < COARSE { code } else { (code ^ COARSE) << coarse_shift(level) }
}

const BLOCK_WORDS: usize = 32;
const BLOCK_ENTRIES: usize = BLOCK_WORDS - 1;
const CHUNK_BLOCKS: usize = 16;
const LINE_WORDS: usize = 8;
const NO_BLOCK: u32 = u32::MAX;

/// Word 0: the number of the next block, and above it the count of entries; then the entries.
type Block = [u64; BLOCK_WORDS];

/// Blocks by number, in chunks that are allocated and given back one by one.
struct Pool {
    chunks: Vec<Chunk>,
    /// Chunks with a free block.
    available: Vec<u32>,
    /// Numbers of chunks that were given back.
    vacant: Vec<u32>,
}

struct Chunk {
    blocks: Option<Box<[Block; CHUNK_BLOCKS]>>,
    /// One bit per free block.
    free: u16,
    /// Where `available` names this chunk, if it does.
    place: u32,
}

impl Pool {
    const fn new() -> Self {
        Self { chunks: Vec::new(), available: Vec::new(), vacant: Vec::new() }
    }

    fn bytes(&self) -> usize {
        let chunks = self.chunks.len() - self.vacant.len();
        chunks * size_of::<[Block; CHUNK_BLOCKS]>()
            + self.chunks.capacity() * size_of::<Chunk>()
            + (self.available.capacity() + self.vacant.capacity()) * size_of::<u32>()
    }

    fn block(&mut self, number: u32) -> &mut Block {
        let (chunk, block) = split(number);
        let blocks = self.chunks[chunk].blocks.as_mut().expect("a block in use keeps its chunk");
        &mut blocks[block]
    }

    /// Adds an entry to the list of blocks that begins at `head`.
    fn push(&mut self, head: &mut u32, entry: u64) {
        let count = if *head == NO_BLOCK { BLOCK_ENTRIES } else { (self.block(*head)[0] >> 32) as usize };
        if count < BLOCK_ENTRIES {
            let block = self.block(*head);
            block[0] += 1 << 32;
            block[count + 1] = entry;
        } else {
            let number = self.allocate();
            let block = self.block(number);
            block[0] = (1 << 32) | u64::from(*head);
            block[1] = entry;
            *head = number;
        }
    }

    /// Asks the processor for a block whose turn comes when 30 entries more were taken.
    fn prefetch(&self, number: u32) {
        let (chunk, block) = split(number);
        if let Some(blocks) = self.chunks.get(chunk).and_then(|chunk| chunk.blocks.as_ref()) {
            blocks[block].chunks(LINE_WORDS).for_each(prefetch_read);
        }
    }

    /// Takes the entry that was added last.
    fn pop(&mut self, head: &mut u32) -> Option<u64> {
        if *head == NO_BLOCK {
            return None;
        }
        let block = self.block(*head);
        let count = (block[0] >> 32) as usize;
        let entry = block[count];
        if count > 1 {
            block[0] -= 1 << 32;
            if count == BLOCK_ENTRIES {
                let next = block[0] as u32;
                self.prefetch(next);
            }
        } else {
            let next = block[0] as u32;
            self.release(*head);
            *head = next;
        }
        Some(entry)
    }

    fn allocate(&mut self) -> u32 {
        if self.available.is_empty() {
            self.add_chunk();
        }
        let chunk = *self.available.last().expect("a chunk was just added");
        let free = &mut self.chunks[chunk as usize].free;
        let block = free.trailing_zeros();
        *free &= *free - 1;
        if *free == 0 {
            self.available.pop();
        }
        chunk * CHUNK_BLOCKS as u32 + block
    }

    fn add_chunk(&mut self) {
        let number = self.vacant.pop().unwrap_or(self.chunks.len() as u32);
        let place = self.available.len() as u32;
        let chunk = Chunk { blocks: Some(Box::new([[0; BLOCK_WORDS]; CHUNK_BLOCKS])), free: u16::MAX, place };
        if let Some(vacant) = self.chunks.get_mut(number as usize) {
            *vacant = chunk;
        } else {
            self.chunks.push(chunk);
        }
        self.available.push(number);
    }

    fn release(&mut self, number: u32) {
        let (index, block) = split(number);
        let chunk = &mut self.chunks[index];
        if chunk.free == 0 {
            chunk.place = self.available.len() as u32;
            self.available.push(index as u32);
        }
        chunk.free |= 1 << block;
        if chunk.free == u16::MAX {
            chunk.blocks = None;
            chunk.free = 0;
            let place = chunk.place as usize;
            self.available.swap_remove(place);
            if let Some(&moved) = self.available.get(place) {
                self.chunks[moved as usize].place = place as u32;
            }
            self.vacant.push(index as u32);
        }
    }
}

const fn split(number: u32) -> (usize, usize) {
    (number as usize / CHUNK_BLOCKS, number as usize % CHUNK_BLOCKS)
}

#[cfg(test)]
mod tests;

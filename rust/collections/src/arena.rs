//! A slab arena for byte blobs, addressed by 32-bit references.
//!
//! ```text
//!   Ref  = | chunk id: 18 bits | granule in chunk: 14 bits |      granule = 4 bytes
//!             |
//!             v
//!   chunks: [ start, carved, slot ] [ ... ] ...      24 bytes each, hot: one load per access
//!             |
//!             v
//!   chunk:  | slot | slot | slot | ... never handed out ... |   all slots of one class
//!                                ^ carved
//! ```
//!
//! An allocator's 8-byte pointer and its rounding to 16 bytes would cost a quarter of the memory of a small key. Here a
//! reference takes 4 bytes and a size class is the next multiple of 4 up to 128 bytes, then of a sixteenth of the power
//! of two below, up to [`MAX_LEN`]: at most 3 bytes, or 6.25 %, are lost by rounding.
//!
//! A chunk holds one class. It is at most an eighth of what its class holds already (1 KiB at least, 64 KiB at most), so
//! that sixty-four arenas with many classes each do not reserve what they do not use, and its memory is touched only as
//! slots are handed out. As long as an arena has less than 4 KiB its chunks begin at 256 bytes, because a million small
//! collections have one each. Freed slots form a list inside their chunk; chunks with room form a list per class. A chunk
//! whose last slot is freed goes back to the allocator and its id is used again; one empty chunk per class is kept, so
//! that a key which comes and goes at a border does not buy and sell a chunk each time, and none when the arena is empty.
//!
//! A reference is checked against what its chunk has handed out: one of a freed slot reads stale bytes of the arena, or
//! panics if its chunk is gone. Neither is undefined behaviour.

use crate::prefetch::prefetch_line;
use crate::region::{BLOCK_MIN, Block};
use std::num::NonZeroU32;

/// The longest blob, in bytes.
pub const MAX_LEN: usize = 2048;

const GRANULE: usize = 4;
const OFFSET_BITS: u32 = 14;
const CHUNK_MAX: usize = GRANULE << OFFSET_BITS;
/// A chunk from the allocator is this much smaller than a power of two: allocators keep a few bytes of their own beside a
/// block, and a block of a whole power of two then takes the next larger size of theirs, a quarter more. Larger chunks live in
/// regions, which have room for whole powers of two.
const CHUNK_MARGIN: usize = 64;
const CHUNK_MIN: usize = 1024;
/// An arena that holds less than this has chunks from [`CHUNK_LEAST`] on: there may be a million such.
const SMALL: usize = 4096;
const CHUNK_LEAST: usize = 256;
const CHUNKS_MAX: usize = 1 << (32 - OFFSET_BITS);
const LINE: usize = 64;
const NO_SLOT: u16 = u16::MAX;
/// Chunk 0 never exists, so that a `Ref` is never zero and this can end every list.
const NONE: u32 = 0;
/// Classes up to this length go in steps of one granule, above it sixteen to a doubling.
const FINE_MAX: usize = 128;
const FINE: usize = FINE_MAX / GRANULE;
const PER_DOUBLING: usize = 16;
const CLASSES: usize = FINE + 4 * PER_DOUBLING;

/// A blob of an [`Arena`]: four bytes, never zero, meaningful only to the arena that gave it.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Ref(NonZeroU32);

impl Ref {
    /// The reference as a number, for keeping it in packed form.
    #[inline]
    pub const fn to_bits(self) -> u32 {
        self.0.get()
    }

    /// The reference behind a number; `None` for zero, which is no reference.
    #[inline]
    pub const fn from_bits(bits: u32) -> Option<Ref> {
        match NonZeroU32::new(bits) {
            Some(bits) => Some(Ref(bits)),
            None => None,
        }
    }

    #[inline]
    const fn chunk(self) -> usize {
        (self.0.get() >> OFFSET_BITS) as usize
    }

    #[inline]
    const fn offset(self) -> usize {
        (self.0.get() & ((1 << OFFSET_BITS) - 1)) as usize * GRANULE
    }
}

/// What an access needs of a chunk.
struct Chunk {
    block: Block,
    /// Bytes from the start that were handed out at least once, and so are initialised.
    carved: u32,
    /// Bytes per slot.
    slot: u16,
    class: u8,
}

/// What only allocation needs of a chunk.
#[derive(Clone, Copy)]
struct Book {
    previous: u32,
    next: u32,
    live: u16,
    /// First free slot, in granules; its first two bytes hold the next.
    free: u16,
}

#[derive(Clone, Copy)]
struct Class {
    /// First of the chunks with room.
    room: u32,
    /// The one empty chunk that is kept; it is in the list of `room` too.
    empty: u32,
    /// Bytes of all chunks of the class.
    reserved: usize,
}

/// Blobs of up to [`MAX_LEN`] bytes; 16 GiB at most.
#[derive(Default)]
pub struct Arena {
    chunks: Vec<Chunk>,
    books: Vec<Book>,
    classes: Vec<Class>,
    /// First unused chunk id, linked by `Book::next`.
    vacant: u32,
    allocated: usize,
    reserved: usize,
}

/// Bytes of the slot that a blob of `len` bytes gets.
///
/// # Panics
/// If `len` exceeds [`MAX_LEN`].
#[inline]
pub const fn class_size(len: usize) -> usize {
    size_of_class(class_of(len))
}

#[inline]
const fn class_of(len: usize) -> usize {
    assert!(len <= MAX_LEN, "blob longer than the arena takes");
    if len <= FINE_MAX {
        return len.saturating_sub(1) / GRANULE;
    }
    let doubling = ((len - 1) / FINE_MAX).ilog2() as usize;
    let base = FINE_MAX << doubling;
    FINE + doubling * PER_DOUBLING + (len - 1 - base) / (base / PER_DOUBLING)
}

#[inline]
const fn size_of_class(class: usize) -> usize {
    if class < FINE {
        return (class + 1) * GRANULE;
    }
    let base = FINE_MAX << ((class - FINE) / PER_DOUBLING);
    base + base / PER_DOUBLING * ((class - FINE) % PER_DOUBLING + 1)
}

impl Chunk {
    /// Whether another slot fits behind those handed out.
    #[inline]
    fn has_uncarved(&self) -> bool {
        self.carved as usize + self.slot as usize <= self.block.len()
    }
}

impl Arena {
    /// An empty arena, which holds no memory.
    pub const fn new() -> Arena {
        Arena { chunks: Vec::new(), books: Vec::new(), classes: Vec::new(), vacant: NONE, allocated: 0, reserved: 0 }
    }

    /// Bytes of all slots in use.
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// Bytes taken from the allocator.
    pub fn reserved(&self) -> usize {
        self.reserved
            + self.chunks.capacity() * size_of::<Chunk>()
            + self.books.capacity() * size_of::<Book>()
            + self.classes.capacity() * size_of::<Class>()
    }

    /// A blob of at least `len` bytes: the smallest class that holds them. Its bytes are whatever was there before.
    ///
    /// # Panics
    /// If `len` exceeds [`MAX_LEN`], or the arena is full.
    #[inline]
    pub fn alloc(&mut self, len: usize) -> Ref {
        let class = class_of(len);
        let id = match self.classes.get(class) {
            Some(&Class { room, .. }) if room != NONE => room as usize,
            _ => self.grow(class),
        };
        let offset = self.take_slot(id);
        let chunk = &self.chunks[id];
        let book = &mut self.books[id];
        book.live += 1;
        self.allocated += chunk.slot as usize;
        if book.free == NO_SLOT && !chunk.has_uncarved() {
            self.unlink(id);
        }
        if self.classes[class].empty == id as u32 {
            self.classes[class].empty = NONE;
        }
        let bits = (id as u32) << OFFSET_BITS | (offset / GRANULE) as u32;
        Ref(NonZeroU32::new(bits).expect("chunk 0 holds nothing"))
    }

    /// Gives the blob back.
    ///
    /// # Panics
    /// If the reference is not of this arena.
    #[inline]
    pub fn free(&mut self, reference: Ref) {
        let id = reference.chunk();
        let next = self.books[id].free;
        self.bytes_mut(reference)[..2].copy_from_slice(&next.to_ne_bytes());
        let chunk = &self.chunks[id];
        debug_assert!(reference.offset().is_multiple_of(chunk.slot as usize), "reference inside a slot");
        let had_room = next != NO_SLOT || chunk.has_uncarved();
        self.allocated -= chunk.slot as usize;
        let book = &mut self.books[id];
        book.free = (reference.offset() / GRANULE) as u16;
        book.live -= 1;
        let emptied = book.live == 0;
        if !had_room {
            self.link(id);
        }
        if emptied {
            self.settle_empty(id);
        }
    }

    /// The whole slot of the blob.
    ///
    /// # Panics
    /// If the reference is not of this arena.
    #[inline]
    pub fn bytes(&self, reference: Ref) -> &[u8] {
        let chunk = &self.chunks[reference.chunk()];
        let (offset, slot) = (reference.offset(), chunk.slot as usize);
        assert!(offset + slot <= chunk.carved as usize, "reference beyond its chunk");
        // SAFETY: `carved` bytes of the chunk's memory are allocated and initialised, and the slot ends within them;
        // the arena is borrowed for the life of the slice, and only `&mut Arena` writes.
        unsafe { std::slice::from_raw_parts(chunk.block.start::<u8>().cast_const().add(offset), slot) }
    }

    /// The whole slot of the blob, to be written.
    ///
    /// # Panics
    /// If the reference is not of this arena.
    #[inline]
    pub fn bytes_mut(&mut self, reference: Ref) -> &mut [u8] {
        let chunk = &mut self.chunks[reference.chunk()];
        let (offset, slot) = (reference.offset(), chunk.slot as usize);
        assert!(offset + slot <= chunk.carved as usize, "reference beyond its chunk");
        // SAFETY: as in `bytes`; the arena is borrowed mutably for the life of the slice.
        unsafe { std::slice::from_raw_parts_mut(chunk.block.start::<u8>().add(offset), slot) }
    }

    /// Asks the processor for what `prefetch` reads to find the blob, and what `free` reads beside it. Any reference will do.
    #[inline]
    pub fn prefetch_chunk(&self, reference: Ref) {
        if let (Some(chunk), Some(book)) = (self.chunks.get(reference.chunk()), self.books.get(reference.chunk())) {
            prefetch_line(std::ptr::from_ref(chunk).cast());
            prefetch_line(std::ptr::from_ref(book).cast());
        }
    }

    /// Asks the processor for the first bytes of the blob, up to 32: for a key alone. Any reference will do.
    #[inline]
    pub fn prefetch_start(&self, reference: Ref) {
        if let Some(chunk) = self.chunks.get(reference.chunk()) {
            let start = chunk.block.start::<u8>().cast_const().wrapping_add(reference.offset());
            prefetch_line(start);
            prefetch_line(start.wrapping_add((chunk.slot as usize).min(LINE / 2) - 1));
        }
    }

    /// Asks the processor for the first 128 bytes of the blob, which lie in up to three cache lines; any reference will do.
    #[inline]
    pub fn prefetch(&self, reference: Ref) {
        if let Some(chunk) = self.chunks.get(reference.chunk()) {
            let start = chunk.block.start::<u8>().cast_const().wrapping_add(reference.offset());
            let last = chunk.slot as usize - 1;
            prefetch_line(start);
            prefetch_line(start.wrapping_add(last.min(LINE)));
            prefetch_line(start.wrapping_add(last.min(2 * LINE - 1)));
        }
    }

    #[inline]
    fn take_slot(&mut self, id: usize) -> usize {
        let free = self.books[id].free;
        if free != NO_SLOT {
            let bits = (id as u32) << OFFSET_BITS | u32::from(free);
            let slot = self.bytes(Ref(NonZeroU32::new(bits).expect("chunk 0 holds nothing")));
            self.books[id].free = u16::from_ne_bytes([slot[0], slot[1]]);
            return free as usize * GRANULE;
        }
        let chunk = &mut self.chunks[id];
        assert!(chunk.has_uncarved(), "a chunk in the list has room");
        let offset = chunk.carved as usize;
        // SAFETY: the slot lies within the chunk's memory, by the assertion; nothing refers to it, because it lies at
        // or above `carved`.
        unsafe { chunk.block.start::<u8>().add(offset).write_bytes(0, chunk.slot as usize) };
        chunk.carved += u32::from(chunk.slot);
        offset
    }

    /// A new chunk for the class, with an id below `CHUNKS_MAX`.
    #[cold]
    fn grow(&mut self, class: usize) -> usize {
        if self.classes.is_empty() {
            self.add_id();
        }
        if class >= self.classes.len() {
            // No more than is needed: the classes of a small arena would take more than what it holds.
            self.classes.reserve_exact(class + 1 - self.classes.len());
            self.classes.resize(class + 1, Class { room: NONE, empty: NONE, reserved: 0 });
        }
        let slot = size_of_class(class);
        let least = if self.reserved < SMALL {
            CHUNK_LEAST.max((slot + CHUNK_MARGIN).next_power_of_two())
        } else {
            CHUNK_MIN.max((slot * 4).next_power_of_two())
        };
        let wanted = (self.classes[class].reserved / 8).clamp(least, CHUNK_MAX);
        let rounded = 1 << wanted.ilog2();
        let size = if rounded < BLOCK_MIN { rounded - CHUNK_MARGIN } else { rounded };
        let id = match self.vacant {
            NONE => self.add_id(),
            id => {
                self.vacant = self.books[id as usize].next;
                id as usize
            }
        };
        self.chunks[id] = Chunk { block: Block::new(size), carved: 0, slot: slot as u16, class: class as u8 };
        self.books[id] = Book { previous: NONE, next: NONE, live: 0, free: NO_SLOT };
        self.classes[class].reserved += size;
        self.reserved += size;
        self.link(id);
        id
    }

    fn add_id(&mut self) -> usize {
        let id = self.chunks.len();
        assert!(id < CHUNKS_MAX, "arena is full");
        self.chunks.push(Chunk { block: Block::empty(), carved: 0, slot: GRANULE as u16, class: 0 });
        self.books.push(Book { previous: NONE, next: NONE, live: 0, free: NO_SLOT });
        id
    }

    /// Puts the chunk first in its class's list of chunks with room.
    fn link(&mut self, id: usize) {
        let class = &mut self.classes[self.chunks[id].class as usize];
        let next = std::mem::replace(&mut class.room, id as u32);
        self.books[id].previous = NONE;
        self.books[id].next = next;
        if next != NONE {
            self.books[next as usize].previous = id as u32;
        }
    }

    fn unlink(&mut self, id: usize) {
        let Book { previous, next, .. } = self.books[id];
        if next != NONE {
            self.books[next as usize].previous = previous;
        }
        if previous == NONE {
            self.classes[self.chunks[id].class as usize].room = next;
        } else {
            self.books[previous as usize].next = next;
        }
    }

    /// Keeps the chunk, just emptied, or gives it back.
    #[cold]
    fn settle_empty(&mut self, id: usize) {
        let class = self.chunks[id].class as usize;
        if self.classes[class].empty == NONE {
            self.classes[class].empty = id as u32;
        } else {
            self.release(id);
        }
        if self.allocated == 0 {
            for class in 0..self.classes.len() {
                let kept = std::mem::replace(&mut self.classes[class].empty, NONE);
                if kept != NONE {
                    self.release(kept as usize);
                }
            }
            if self.chunks.len() > CLASSES {
                *self = Arena::new();
            }
        }
    }

    fn release(&mut self, id: usize) {
        self.unlink(id);
        let chunk = &mut self.chunks[id];
        let size = chunk.block.len();
        chunk.block = Block::empty();
        chunk.carved = 0;
        self.classes[chunk.class as usize].reserved -= size;
        self.reserved -= size;
        self.books[id].next = std::mem::replace(&mut self.vacant, id as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_round_by_three_bytes_or_a_sixteenth() {
        for len in 1..=MAX_LEN {
            let size = class_size(len);
            assert!(size >= len && size <= MAX_LEN && size.is_multiple_of(GRANULE));
            assert!(size - len < GRANULE || (size - len) * 16 < size, "{len} in {size}");
            assert_eq!(class_size(size), size);
        }
        assert_eq!(class_of(MAX_LEN), CLASSES - 1);
        assert_eq!(class_size(54), 56);
        assert_eq!(size_of::<Chunk>(), 24);
        assert_eq!(size_of::<Option<Ref>>(), 4);
    }

    #[test]
    fn rooms_grow_by_an_eighth() {
        let mut arena = Arena::new();
        assert_eq!(arena.reserved(), 0);
        let mut worst = 0.0_f64;
        for count in 1..100_000_usize {
            arena.alloc(56);
            if count > 1000 {
                worst = worst.max(arena.reserved() as f64 / (count * 56) as f64);
            }
        }
        assert!(worst < 1.25, "{worst}");
        let ratio = arena.reserved() as f64 / arena.allocated() as f64;
        assert!(ratio < 1.02, "{ratio}");
    }

    #[test]
    #[should_panic(expected = "beyond its chunk")]
    fn a_reference_beyond_its_chunk_panics() {
        let mut arena = Arena::new();
        let only = arena.alloc(56);
        let _ = arena.bytes(Ref::from_bits(only.to_bits() + 14).expect("not zero"));
    }
}

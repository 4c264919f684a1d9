//! Capture: the list as of one moment, while it goes on changing.

use super::{Chunk, Chunks};
use std::cell::Cell;
use std::ops::Deref;

thread_local! {
    static LEFT_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that changes by this thread have left behind for captures and clones since this was asked last: of chunks that
/// were copied because somebody shares them, and of what was cut off, shared or not.
///
/// A figure of the thread and not of the list, because only who changes something that is captured wants to know: lists
/// carry nothing for it, and what copies nothing counts nothing.
pub fn take_left_bytes() -> usize {
    LEFT_BYTES.take()
}

/// Adds to what this thread leaves behind.
pub fn leave_bytes(bytes: usize) {
    LEFT_BYTES.set(LEFT_BYTES.get().saturating_add(bytes));
}

/// The state of a list at one moment; to be read as the list is, from any thread, for as long as it is kept.
///
/// It shares chunks and nodes with the list. What the list changes meanwhile it copies first, and the capture owns what
/// it alone still has.
#[derive(Clone)]
pub struct Capture<C>(Chunks<C>);

impl<C: Chunk> Chunks<C> {
    /// The present state, in constant time: two allocations at most and three reference counts. From then on the first
    /// change of a chunk copies that chunk and the nodes above it.
    pub fn capture(&mut self) -> Capture<C> {
        self.head.share();
        self.tail.share();
        Capture(self.clone())
    }
}

impl<C> Deref for Capture<C> {
    type Target = Chunks<C>;

    fn deref(&self) -> &Chunks<C> {
        &self.0
    }
}

impl<C> Capture<C> {
    /// A list with this content that goes its own way; whatever neither side changes stays shared.
    pub fn into_chunks(self) -> Chunks<C> {
        self.0
    }
}

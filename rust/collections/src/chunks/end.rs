//! The first and the last chunk, which stand outside the tree.

use super::Chunk;
use super::capture::leave_bytes;
use std::mem;
use std::sync::Arc;

/// A chunk at an end: our own until a capture shares it, and again from the first change after that.
#[derive(Clone, Default)]
enum Slot<C> {
    #[default]
    Empty,
    Own(C),
    Shared(Arc<C>),
}

/// A chunk at an end with its figures, or none.
#[derive(Clone)]
pub(super) struct End<C> {
    slot: Slot<C>,
    count: usize,
    bytes: usize,
}

impl<C> Default for End<C> {
    fn default() -> Self {
        End { slot: Slot::Empty, count: 0, bytes: 0 }
    }
}

impl<C: Chunk> End<C> {
    pub(super) fn own(chunk: C) -> Self {
        End { count: chunk.count(), bytes: chunk.bytes(), slot: Slot::Own(chunk) }
    }

    /// A chunk that comes out of the tree.
    pub(super) fn shared(chunk: Arc<C>) -> Self {
        let (count, bytes) = (chunk.count(), chunk.bytes());
        let slot = Arc::try_unwrap(chunk).map_or_else(Slot::Shared, Slot::Own);
        End { slot, count, bytes }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.slot, Slot::Empty)
    }

    /// Elements in the chunk, 0 if there is none.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&C> {
        match &self.slot {
            Slot::Empty => None,
            Slot::Own(chunk) => Some(chunk),
            Slot::Shared(chunk) => Some(chunk),
        }
    }

    #[inline]
    pub(super) fn edit<R>(&mut self, edit: impl FnOnce(&mut C) -> R) -> Option<R> {
        if let Slot::Shared(_) = self.slot {
            self.unshare();
        }
        let Slot::Own(chunk) = &mut self.slot else { return None };
        let result = edit(chunk);
        self.count = chunk.count();
        self.bytes = chunk.bytes();
        Some(result)
    }

    /// Whether nobody shares the chunk.
    pub(super) fn is_alone(&self) -> bool {
        match &self.slot {
            Slot::Empty | Slot::Own(_) => true,
            Slot::Shared(chunk) => Arc::strong_count(chunk) == 1,
        }
    }

    /// Makes the chunk our own again.
    #[cold]
    fn unshare(&mut self) {
        if !self.is_alone() {
            leave_bytes(self.bytes);
        }
        if let Some(chunk) = mem::take(&mut self.slot).into_own() {
            self.slot = Slot::Own(chunk);
        }
    }

    /// Brings the chunk into the form that a capture shares.
    pub(super) fn share(&mut self) {
        if let Some(chunk) = mem::take(&mut self.slot).into_shared() {
            self.slot = Slot::Shared(chunk);
        }
    }

    pub(super) fn into_own(self) -> Option<C> {
        self.slot.into_own()
    }

    pub(super) fn into_shared(self) -> Option<Arc<C>> {
        self.slot.into_shared()
    }
}

impl<C: Chunk> Slot<C> {
    fn into_own(self) -> Option<C> {
        match self {
            Slot::Empty => None,
            Slot::Own(chunk) => Some(chunk),
            Slot::Shared(chunk) => Some(Arc::unwrap_or_clone(chunk)),
        }
    }

    fn into_shared(self) -> Option<Arc<C>> {
        match self {
            Slot::Empty => None,
            Slot::Own(chunk) => Some(Arc::new(chunk)),
            Slot::Shared(chunk) => Some(chunk),
        }
    }
}

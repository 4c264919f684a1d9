//! How large a packed list, or a chunk of a large one, may be.

use crate::values::Rules;

/// `list-max-listpack-size` as bytes or as elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Most bytes of a chunk.
    pub bytes: usize,
    /// Most elements of a chunk; `usize::MAX` if only bytes count.
    count: usize,
}

/// Chunks that are limited by their elements have no more bytes than this.
const COUNTED_BYTES_MAX: usize = 8 << 10;

/// What an element adds to a chunk at most, besides its bytes, unless it is too large for one anyway.
const ENTRY_BYTES_MAX: usize = 8;

impl Limit {
    /// As the option says: -1 to -5 are 4, 8, 16, 32 and 64 KiB, what is positive is a number of elements, 0 is one.
    pub fn of(rules: &Rules) -> Self {
        let size = rules.list_size();
        if size < 0 {
            return Self { bytes: 4096 << (-1 - size).min(4), count: usize::MAX };
        }
        Self { bytes: COUNTED_BYTES_MAX, count: usize::try_from(size.max(1)).unwrap_or(usize::MAX) }
    }

    /// Whether so many bytes or elements are too many.
    #[inline]
    pub const fn is_exceeded(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes || count > self.count
    }

    /// Whether a chunk has room for one more element of so many bytes.
    #[inline]
    pub const fn has_room(self, used_bytes: usize, count: usize, element_bytes: usize) -> bool {
        !self.is_exceeded(used_bytes.saturating_add(element_bytes).saturating_add(ENTRY_BYTES_MAX), count + 1)
    }

    /// Whether an element of so many bytes gets a chunk of its own.
    #[inline]
    pub const fn is_large(self, element_bytes: usize) -> bool {
        element_bytes > self.bytes
    }

    /// Whether the only chunk of a list is small enough to be the whole list: at half the limit, so that one element more
    /// or less does not convert it to and fro.
    pub const fn is_small(self, used_bytes: usize, count: usize) -> bool {
        if self.count == usize::MAX { used_bytes <= self.bytes / 2 } else { count <= self.count / 2 }
    }

    /// Whether chunks are limited by their bytes alone.
    pub const fn is_of_bytes(self) -> bool {
        self.count == usize::MAX
    }
}

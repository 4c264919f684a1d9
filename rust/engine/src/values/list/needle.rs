//! An element that is looked for.

use rkv_collections::packed::{Deque, Entry, View, integer};

use super::Side;

/// The bytes of an element, and the number that they are the decimal form of.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    bytes: &'a [u8],
    number: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Looks for these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, number: integer(bytes) }
    }

    /// Whether an element has these bytes.
    #[inline]
    pub fn is(self, entry: Entry<'_>) -> bool {
        match entry {
            Entry::Int(number) => self.number == Some(number),
            Entry::Str(bytes) => bytes == self.bytes,
        }
    }

    /// Whether any element has these bytes.
    pub fn is_in(self, view: View<'_>) -> bool {
        view.find(self.bytes, 0).is_some()
    }

    /// Removes up to `most` elements that have these bytes, from one side on; how many.
    pub fn remove_from(self, chunk: &mut Deque, side: Side, most: usize) -> usize {
        let all = chunk.view().iter().filter(|entry| self.is(*entry)).count();
        let removed = most.min(all);
        let mut kept_first = if matches!(side, Side::Left) { 0 } else { all - removed };
        let mut left = removed;
        if removed == 0 {
            return 0;
        }
        chunk.retain(|entry| {
            if left == 0 || !self.is(entry) {
                return true;
            }
            if kept_first > 0 {
                kept_first -= 1;
                return true;
            }
            left -= 1;
            false
        })
    }
}

//! Reading a list, wherever it stands.

use rkv_collections::chunks::Chunks;
use rkv_collections::packed::{Deque, Entry, View};

use super::Side;
use super::needle::Needle;

/// A list, to be read.
#[derive(Clone, Copy)]
pub enum ListView<'a> {
    /// In one piece.
    Packed(View<'a>),
    /// In chunks.
    Chunked(&'a Chunks<Deque>),
}

/// What LPOS looks for.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// From which side on.
    pub side: Side,
    /// How many equal elements are passed over first.
    pub skip: u64,
    /// How many are told at most.
    pub most: usize,
    /// How many elements are looked at, at most.
    pub len_max: usize,
}

impl<'a> ListView<'a> {
    /// How many elements there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(view) => view.len(),
            Self::Chunked(chunks) => chunks.len(),
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The element with this number, counted from 0.
    pub fn get(self, index: usize) -> Option<Entry<'a>> {
        match self {
            Self::Packed(view) => view.get(index),
            Self::Chunked(chunks) => {
                let (chunk, offset) = chunks.get(index)?;
                chunk.view().get(offset)
            }
        }
    }

    /// Shows up to `count` elements from one on, which are there, towards the end.
    pub fn each_from(self, start: usize, count: usize, mut each: impl FnMut(Entry<'a>)) {
        let mut left = count;
        let mut show = |view: View<'a>, offset: usize| {
            let entries = view.iter_from(view.seek(offset).unwrap_or_else(|| view.end()));
            for entry in entries.take(left) {
                each(entry);
                left -= 1;
            }
            left > 0
        };
        match self {
            Self::Packed(view) => {
                show(view, start);
            }
            Self::Chunked(chunks) => {
                let _ = chunks.iter_from(start).all(|(chunk, offset)| show(chunk.view(), offset));
            }
        }
    }

    /// Shows the elements from one side on, with their numbers, until `each` says no.
    pub fn walk(self, side: Side, mut each: impl FnMut(usize, Entry<'a>) -> bool) {
        let mut index = if matches!(side, Side::Left) { 0 } else { self.len() };
        let mut show = |view: View<'a>| match side {
            Side::Left => view.iter().all(|entry| {
                index += 1;
                each(index - 1, entry)
            }),
            Side::Right => view.iter().rev().all(|entry| {
                index -= 1;
                each(index, entry)
            }),
        };
        match (self, side) {
            (Self::Packed(view), _) => {
                show(view);
            }
            (Self::Chunked(chunks), Side::Left) => {
                let _ = chunks.iter().all(|(chunk, _)| show(chunk.view()));
            }
            (Self::Chunked(chunks), Side::Right) => {
                let last = chunks.len().saturating_sub(1);
                let _ = chunks.iter_back_from(last).all(|(chunk, _)| show(chunk.view()));
            }
        }
    }

    /// The number of the first element that has these bytes.
    pub fn find(self, bytes: &[u8]) -> Option<usize> {
        let (needle, mut found) = (Needle::new(bytes), None);
        self.walk(Side::Left, |index, entry| {
            found = needle.is(entry).then_some(index);
            found.is_none()
        });
        found
    }

    /// Tells the numbers of elements that have these bytes.
    pub fn search(self, bytes: &[u8], search: &Search, mut tell: impl FnMut(usize)) {
        let needle = Needle::new(bytes);
        let (mut looked, mut skipped, mut told) = (0, 0, 0);
        self.walk(search.side, |index, entry| {
            if needle.is(entry) {
                if skipped < search.skip {
                    skipped += 1;
                } else {
                    tell(index);
                    told += 1;
                }
            }
            looked += 1;
            looked < search.len_max && told < search.most
        });
    }
}

impl std::fmt::Debug for ListView<'_> {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ListView({} elements)", self.len())
    }
}

//! Lists: packed while they are small, then a tree of packed chunks.
//!
//! Which of the two, `list-max-listpack-size` says, and OBJECT ENCODING tells: `listpack` or `quicklist`. A packed list
//! that would exceed the limit becomes the first chunk of a tree. A tree whose only chunk is at most half the limit becomes
//! a packed list again, but not while a snapshot needs the tree. An element that is larger than the limit has a chunk of
//! its own.

mod chunked;
mod limit;
mod needle;
#[cfg(test)]
mod tests;
mod view;

use rkv_collections::packed::{Deque, Digits, ELEMENT_BYTES_MAX, Entry, Packed, View};

use super::collection::{Cell, Collection, Element, Large, Packing, Piece, Shape};
use super::rules::Rules;
use super::value::{Kind, ValueRef};
use chunked::Chunked;
use limit::Limit;
use needle::Needle;
pub use view::{ListView, Search};

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The head.
    Left,
    /// The tail.
    Right,
}

/// A list, owned by who changes it.
#[derive(Clone, Debug)]
pub enum List {
    /// In one piece.
    Packed(Deque),
    /// In chunks.
    Chunked(Box<Chunked>),
}

impl Default for List {
    fn default() -> Self {
        Self::Packed(Deque::new())
    }
}

/// From so many elements on, what is removed at an end is left to be dropped elsewhere.
const DROPPED_AT_ONCE_MAX: usize = 4096;

impl List {
    /// Whether an element can be stored: 1 GiB is the most.
    #[inline]
    pub const fn accepts(element: &[u8]) -> bool {
        element.len() <= ELEMENT_BYTES_MAX
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.len(),
            Self::Chunked(chunked) => chunked.chunks.len(),
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds elements at an end, one after the other.
    #[inline]
    pub fn push(&mut self, side: Side, elements: &[&[u8]], rules: &Rules) {
        let limit = Limit::of(rules);
        self.make_room(elements, limit);
        match self {
            Self::Packed(packed) => push_packed(packed, side, elements, limit),
            Self::Chunked(chunked) => elements.iter().for_each(|element| chunked.push(side, element, limit)),
        }
    }

    /// Whether a list of so many packed bytes and elements is kept in one piece.
    pub fn packs(bytes: usize, count: usize, rules: &Rules) -> bool {
        !Limit::of(rules).is_exceeded(bytes, count)
    }

    /// Adds elements that are packed already at the right end. What is as large as a chunk may be becomes one.
    pub fn push_packed(&mut self, packed: Packed, rules: &Rules) {
        let limit = Limit::of(rules);
        let (bytes, count) = (packed.as_bytes().len(), packed.len());
        let is_within = !limit.is_exceeded(bytes, count);
        if is_within && self.is_empty() {
            *self = Self::Packed(Deque::from_packed(packed));
            return;
        }
        if !is_within || limit.is_small(bytes, count) {
            let mut room = Digits::new();
            packed.iter().for_each(|entry| self.push(Side::Right, &[entry.bytes(&mut room)], rules));
            return;
        }
        if let Self::Packed(first) = self {
            *self = Self::Chunked(Box::new(Chunked::of(std::mem::take(first))));
        }
        if let Self::Chunked(chunked) = self {
            let mut chunk = Deque::from_packed(packed);
            chunk.trim();
            chunked.chunks.push_back_chunk(chunk);
        }
    }

    /// Shows the element at an end and removes it; `None` if there is none.
    #[inline]
    pub fn pop<R>(&mut self, side: Side, rules: &Rules, read: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        match (&mut *self, side) {
            (Self::Packed(packed), Side::Left) => packed.pop_front(read),
            (Self::Packed(packed), Side::Right) => packed.pop_back(read),
            (Self::Chunked(chunked), side) => {
                let answer = chunked.pop(side, read);
                self.shrink(rules);
                answer
            }
        }
    }

    /// Shows up to `count` elements at an end, the outermost first.
    pub fn read_end(&self, side: Side, count: usize, mut each: impl FnMut(Entry<'_>)) {
        let mut left = count;
        if left > 0 {
            self.view().walk(side, |_, entry| {
                each(entry);
                left -= 1;
                left > 0
            });
        }
    }

    /// Removes elements at an end. What takes long to be dropped comes back.
    pub fn remove(&mut self, side: Side, count: usize, rules: &Rules) -> Option<Self> {
        match (&mut *self, side) {
            (Self::Packed(packed), Side::Left) => {
                packed.remove_front(count);
                None
            }
            (Self::Packed(packed), Side::Right) => {
                packed.remove_back(count);
                None
            }
            (Self::Chunked(chunked), side) => {
                // It shares what is cut off, so that the cut drops nothing but counts.
                let whole = (count > DROPPED_AT_ONCE_MAX).then(|| chunked.chunks.capture().into_chunks());
                chunked.remove(side, count);
                self.shrink(rules);
                whole.map(|chunks| Self::Chunked(Box::new(Chunked { chunks, captured: None })))
            }
        }
    }

    /// Puts an element before the one with this number, or behind all.
    pub fn insert(&mut self, index: usize, element: &[u8], rules: &Rules) {
        let limit = Limit::of(rules);
        self.make_room(&[element], limit);
        match self {
            Self::Packed(packed) => drop(packed.insert(index, element)),
            Self::Chunked(chunked) => chunked.insert(index, element, limit),
        }
    }

    /// Puts an element in the place of the one with this number; false, and nothing is changed, if there is none.
    pub fn set(&mut self, index: usize, element: &[u8], rules: &Rules) -> bool {
        if index >= self.len() {
            return false;
        }
        let limit = Limit::of(rules);
        self.make_room(&[element], limit);
        match self {
            Self::Packed(packed) => drop(packed.replace(index, element)),
            Self::Chunked(chunked) => {
                chunked.set(index, element, limit);
                self.shrink(rules);
            }
        }
        true
    }

    /// Removes up to `most` elements that have these bytes, from one side on; how many.
    pub fn remove_equal(&mut self, bytes: &[u8], side: Side, most: usize, rules: &Rules) -> usize {
        let needle = Needle::new(bytes);
        match self {
            Self::Packed(packed) => needle.remove_from(packed, side, most),
            Self::Chunked(chunked) => {
                let removed = chunked.remove_equal(needle, side, most);
                self.shrink(rules);
                removed
            }
        }
    }

    /// Leaves the packed form if these elements, whatever their encoding, could exceed the limit.
    #[inline]
    fn make_room(&mut self, elements: &[&[u8]], limit: Limit) {
        let Self::Packed(packed) = self else { return };
        let bytes = elements.iter().fold(packed.used_bytes(), |sum, element| sum.saturating_add(element.len()));
        if limit.is_exceeded(bytes, packed.len() + elements.len()) {
            *self = Self::Chunked(Box::new(Chunked::of(std::mem::take(packed))));
        }
    }

    /// Goes back to the packed form if there is little left.
    #[inline]
    fn shrink(&mut self, rules: &Rules) {
        if let Self::Chunked(chunked) = self
            && let Some(packed) = chunked.take_small(Limit::of(rules))
        {
            *self = Self::Packed(packed);
        }
    }
}

/// Elements are checked before they come here, so that there is no error.
fn push_packed(packed: &mut Deque, side: Side, elements: &[&[u8]], limit: Limit) {
    for element in elements {
        let _ = match side {
            Side::Left => packed.push_front(*element, limit.bytes),
            Side::Right => packed.push_back(*element, limit.bytes),
        };
    }
}

fn element(bytes: &[u8]) -> Element<'_> {
    Element { name: bytes, payload: &[], deadline_ms: None }
}

impl Collection for List {
    const KIND: Kind = Kind::List;

    type View<'a> = ListView<'a>;

    #[inline]
    fn from_packed(_: Packing, bytes: Vec<u8>) -> Self {
        Self::Packed(Deque::from_packed(Packed::from_bytes(bytes)))
    }

    #[inline]
    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Self::Packed(packed) => Some((Packing::List, packed.as_bytes())),
            Self::Chunked(_) => None,
        }
    }

    fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Packed(packed) => packed.into_buffer(),
            Self::Chunked(_) => Vec::new(),
        }
    }

    fn view_packed(_: Packing, bytes: &[u8]) -> ListView<'_> {
        ListView::Packed(View::new(bytes))
    }

    #[inline]
    fn view(&self) -> ListView<'_> {
        match self {
            Self::Packed(packed) => ListView::Packed(packed.view()),
            Self::Chunked(chunked) => chunked.view(),
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn encoding(&self) -> &'static str {
        match self {
            Self::Packed(_) => Packing::List.encoding(),
            Self::Chunked(_) => "quicklist",
        }
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.heap_bytes(),
            Self::Chunked(chunked) => chunked.chunks.memory_bytes() + size_of::<Chunked>(),
        }
    }

    fn into_large(self) -> Large {
        Large::List(Cell::new(self))
    }

    fn cell(large: &Large) -> Option<&Cell<Self>> {
        if let Large::List(cell) = large { Some(cell) } else { None }
    }

    fn cell_of<'a>(value: &ValueRef<'a>) -> Option<&'a Cell<Self>> {
        if let ValueRef::List(cell) = value { Some(cell) } else { None }
    }

    fn each(view: ListView<'_>, each: &mut dyn FnMut(Element<'_>)) {
        let mut room = Digits::new();
        view.walk(Side::Left, |_, entry| {
            each(element(entry.bytes(&mut room)));
            true
        });
    }

    fn shape(&self) -> Option<Shape> {
        match self {
            Self::Packed(_) => None,
            Self::Chunked(chunked) => {
                Some(Shape { len: chunked.chunks.len(), chunks: chunked.chunks.chunks(), has_deadlines: false })
            }
        }
    }

    fn begin_capture(&mut self) {
        if let Self::Chunked(chunked) = self
            && chunked.captured.is_none()
        {
            chunked.captured = Some(chunked.chunks.capture().into_chunks());
        }
    }

    fn captured_bytes(&self, left_bytes: usize) -> usize {
        let Self::Chunked(chunked) = self else { return 0 };
        chunked.captured.as_ref().map_or(0, |captured| left_bytes.min(captured.memory_bytes()))
    }

    fn drain(&mut self, into: &mut Piece) -> bool {
        into.clear();
        let Self::Chunked(chunked) = self else { return false };
        let Some(captured) = &mut chunked.captured else { return false };
        let Some(chunk) = captured.first() else {
            chunked.captured = None;
            return false;
        };
        let (mut room, count) = (Digits::new(), chunk.len());
        chunk.view().iter().for_each(|entry| into.push(element(entry.bytes(&mut room))));
        if captured.owns_first() {
            into.freed_bytes = chunk.heap_bytes();
        }
        // What only the snapshot still had is freed piece by piece, too.
        drop(captured.drop_front(count).removed);
        true
    }

    fn abort_capture(&mut self) {
        if let Self::Chunked(chunked) = self {
            chunked.captured = None;
        }
    }
}

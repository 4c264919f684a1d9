//! What lists, sets, sorted sets and hashes have in common: a packed form that may stand in a key's blob, a form of their
//! own memory that a [`Cell`] holds, and the capture of a snapshot. Streams have no packed form.
//!
//! A small collection *is* bytes: to change it is to copy them out, change them, write them back. A large one stays where
//! it is. A handler sees neither: [`Collection`] is the owned value, which is changed, and its `View` is read.
//!
//! # Cells
//!
//! A cell is a collection with a lock of its own, so that it can be captured by a snapshot, moved by RENAME and dropped in
//! the background as a whole, each in O(1). Commands come to it under the lock of its key's shard, which alone keeps
//! writers from readers and from each other. The cell's own lock is for one more reader that holds no shard: the snapshot,
//! which copies out a piece at a time. It takes the lock only when nobody has it, and never waits for it, so that one
//! thread may read the same cell twice, as SINTER of a set with itself does.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, Weak};

use rkv_collections::bytes::Shared;
use rkv_collections::chunks::take_left_bytes;

use super::gauge::{Gauge, Share};
use super::value::{Kind, NewValue, ValueRef};
use super::{Hash, List, Set, Stream, Zset};
use crate::error::{self, Error};

/// What packed bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Packing {
    /// Elements of a list.
    List,
    /// Members of a set.
    Set,
    /// Members of a set, all of which are integers.
    Integers,
    /// Members of a sorted set, each before its score, in order.
    Zset,
    /// Fields of a hash, each before its value.
    Hash,
}

impl Packing {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 5] = [Self::List, Self::Set, Self::Integers, Self::Zset, Self::Hash];

    /// From its number in a blob.
    pub fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::List)
    }

    /// The type.
    pub const fn kind(self) -> Kind {
        match self {
            Self::List => Kind::List,
            Self::Set | Self::Integers => Kind::Set,
            Self::Zset => Kind::Zset,
            Self::Hash => Kind::Hash,
        }
    }

    /// As OBJECT ENCODING names it.
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Integers => "intset",
            _ => "listpack",
        }
    }

    /// Shows every element of packed bytes.
    pub fn each(self, bytes: &[u8], each: &mut dyn FnMut(Element<'_>)) {
        match self {
            Self::List => List::each(List::view_packed(self, bytes), each),
            Self::Set | Self::Integers => Set::each(Set::view_packed(self, bytes), each),
            Self::Zset => Zset::each(Zset::view_packed(self, bytes), each),
            Self::Hash => Hash::each(Hash::view_packed(self, bytes), each),
        }
    }
}

/// A collection, owned by who changes it.
pub trait Collection: Default + Clone + Send + Sync + 'static {
    /// Its type.
    const KIND: Kind;

    /// What reads it, wherever it stands.
    type View<'a>;

    /// A small one from its bytes.
    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Self;

    /// The bytes of a small one.
    fn packed(&self) -> Option<(Packing, &[u8])>;

    /// The buffer of a small one, to be used again; empty for a large one.
    fn into_buffer(self) -> Vec<u8>;

    /// What reads a small one that stands in a key's blob.
    fn view_packed(packing: Packing, bytes: &[u8]) -> Self::View<'_>;

    /// What reads it.
    fn view(&self) -> Self::View<'_>;

    /// Whether it has no element: then its key goes.
    fn is_empty(&self) -> bool;

    /// As OBJECT ENCODING names it.
    fn encoding(&self) -> &'static str;

    /// Heap bytes, in O(1).
    fn heap_bytes(&self) -> usize;

    /// When its key must be looked at because an element expires, in Unix milliseconds; `None` if that was told before, or
    /// an earlier time.
    fn take_due(&mut self, _now_ms: i64) -> Option<i64> {
        None
    }

    /// Forgets what [`Collection::take_due`] told: the collection comes to another key.
    fn forget_due(&mut self) {}

    /// As a value to be stored.
    fn into_large(self) -> Large;

    /// The cell of this type in a value.
    fn cell(large: &Large) -> Option<&Cell<Self>>;

    /// The cell of this type, of a value that is read.
    fn cell_of<'a>(value: &ValueRef<'a>) -> Option<&'a Cell<Self>>;

    /// Shows every element; those of a list and of a sorted set in order.
    fn each(view: Self::View<'_>, each: &mut dyn FnMut(Element<'_>));

    /// Shows the elements of the next range at or behind a position, and gives the position behind it; `None` at the end. An
    /// element that stays from the first call to the last is shown exactly once. A small collection is one range.
    fn scan(view: Self::View<'_>, _position: u64, each: &mut dyn FnMut(Element<'_>)) -> Option<u64> {
        Self::each(view, each);
        None
    }

    /// What a snapshot of a large one must know before its elements; `None` of a small one.
    fn shape(&self) -> Option<Shape>;

    /// Begins a snapshot of a large one: what is there now will be told by [`Collection::drain`], whatever is changed
    /// meanwhile. Does nothing if one is under way, and nothing to a small one, which its cell keeps.
    fn begin_capture(&mut self);

    /// Heap bytes that only a snapshot needs, in O(1). `left_bytes` is what changes have left behind in chunks since it
    /// began, less what was given back.
    fn captured_bytes(&self, left_bytes: usize) -> usize;

    /// Copies out one more piece of what was there at the cut; false when all was told.
    fn drain(&mut self, into: &mut Piece) -> bool;

    /// Ends a snapshot that is not wanted any more.
    fn abort_capture(&mut self);
}

/// What is known of a large collection before its elements are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How many elements there are.
    pub len: usize,
    /// In how many chunks those of a list stand: each is drained as one piece.
    pub chunks: usize,
    /// Whether any field of a hash has a deadline.
    pub has_deadlines: bool,
}

/// Elements of a collection, copied out: a list's and a set's are single, a sorted set's go with their scores, a hash's with
/// their values.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    bytes: Vec<u8>,
    elements: Vec<Copied>,
    /// Bytes that were kept for these elements alone, and are given back with them.
    pub(super) freed_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Copied {
    name_end: usize,
    end: usize,
    deadline_ms: Option<i64>,
}

/// One element as of the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element<'a> {
    /// Element, member or field.
    pub name: &'a [u8],
    /// The value of a field, the bytes of the score of a member (little endian), else empty.
    pub payload: &'a [u8],
    /// When a field expires, in Unix milliseconds.
    pub deadline_ms: Option<i64>,
}

impl Element<'_> {
    /// Whether its time is over.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms)
    }

    /// The score of a member of a sorted set.
    pub fn score(&self) -> f64 {
        self.payload.try_into().map_or(0.0, f64::from_le_bytes)
    }
}

impl Piece {
    /// How many elements there are.
    pub const fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Forgets all elements.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.elements.clear();
        self.freed_bytes = 0;
    }

    /// Adds a copy of an element.
    pub fn push(&mut self, element: Element<'_>) {
        self.bytes.extend_from_slice(element.name);
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(element.payload);
        self.elements.push(Copied { name_end, end: self.bytes.len(), deadline_ms: element.deadline_ms });
    }

    /// The elements; those of a list and of a small sorted set in order.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        let mut start = 0;
        self.elements.iter().map(move |copied| {
            let begin = std::mem::replace(&mut start, copied.end);
            Element {
                name: self.bytes.get(begin..copied.name_end).unwrap_or_default(),
                payload: self.bytes.get(copied.name_end..copied.end).unwrap_or_default(),
                deadline_ms: copied.deadline_ms,
            }
        })
    }
}

/// A collection of its own memory; clones are the same collection.
pub struct Cell<T>(Arc<RwLock<Held<T>>>);

/// What a cell holds.
#[derive(Debug, Default)]
pub struct Held<T> {
    collection: T,
    /// What a snapshot needs; mostly nothing.
    frozen: Option<Box<Frozen>>,
}

/// What a snapshot needs of a collection, and what that takes.
#[derive(Debug)]
struct Frozen {
    what: What,
    share: Whose,
    /// What changes have left behind in chunks, less what was given back.
    left_bytes: usize,
    /// A snapshot cannot keep more than there was at the cut.
    most_bytes: usize,
    /// Whether nobody but the snapshot has the collection.
    is_orphan: bool,
}

/// Whose share it is.
#[derive(Debug)]
enum Whose {
    /// The collection's.
    Own(Arc<Share>),
    /// That of a picture, as long as there is one.
    OfPicture(Weak<Share>),
}

#[derive(Debug)]
enum What {
    /// The bytes of a small one, which have not changed since the cut.
    AsTheyAre,
    /// The bytes as they were at the cut, before a change.
    Copy(Packing, Box<[u8]>),
    /// What a large one had at the cut; it tells its elements itself.
    Large(Shape),
    /// Nothing more: the picture was taken.
    Pictured,
}

impl<T> Deref for Held<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.collection
    }
}

impl<T: Collection> Held<T> {
    /// The collection, to be changed: what a snapshot under way needs of a small one is set aside; a large one does that
    /// itself, piece by piece.
    #[expect(clippy::wrong_self_convention, reason = "it says what the borrow is for")]
    #[inline]
    pub fn to_change(&mut self) -> &mut T {
        if self.frozen.is_some() {
            self.set_aside();
        }
        &mut self.collection
    }

    #[cold]
    fn set_aside(&mut self) {
        // What the change leaves behind is counted from here on.
        take_left_bytes();
        if let Some(frozen) = &mut self.frozen
            && matches!(frozen.what, What::AsTheyAre)
            && let Some((packing, bytes)) = self.collection.packed()
        {
            frozen.what = What::Copy(packing, bytes.into());
        }
    }

    /// To be called when the change was made: what a snapshot keeps is counted.
    #[inline]
    pub fn changed(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            frozen.left_bytes = frozen.left_bytes.saturating_add(take_left_bytes());
            self.count();
        }
    }

    /// Corrects the share.
    #[cold]
    fn count(&mut self) {
        let Some(frozen) = &mut self.frozen else { return };
        let kept = match &frozen.what {
            What::AsTheyAre => 0,
            What::Copy(_, bytes) => bytes.len(),
            What::Large(_) | What::Pictured => self.collection.captured_bytes(frozen.left_bytes),
        };
        let kept = if frozen.is_orphan { frozen.most_bytes } else { kept.min(frozen.most_bytes) };
        match &frozen.share {
            Whose::Own(share) => share.set(kept),
            Whose::OfPicture(share) => match share.upgrade() {
                Some(share) => share.set(kept),
                None => self.frozen = None,
            },
        }
    }

    /// Notes that nobody but a snapshot has the collection any more.
    fn orphan(&mut self) {
        let bytes = self.heap_bytes();
        if let Some(frozen) = self.frozen.as_mut().filter(|frozen| !frozen.is_orphan) {
            frozen.is_orphan = true;
            frozen.most_bytes = frozen.most_bytes.max(bytes);
            self.count();
        }
    }

    /// Heap bytes of the collection and of the cell that holds it.
    pub fn heap_bytes(&self) -> usize {
        self.collection.heap_bytes() + size_of::<RwLock<Self>>() + 2 * size_of::<usize>()
    }

    fn begin_capture(&mut self, gauge: &Gauge) {
        if self.frozen.as_ref().is_some_and(|frozen| !matches!(frozen.what, What::Pictured)) {
            return;
        }
        let what = if self.collection.packed().is_some() {
            What::AsTheyAre
        } else {
            let shape = self.collection.shape().unwrap_or_default();
            self.collection.begin_capture();
            What::Large(shape)
        };
        let (share, most_bytes) = (Whose::Own(gauge.share()), self.heap_bytes());
        self.frozen = Some(Box::new(Frozen { what, share, left_bytes: 0, most_bytes, is_orphan: false }));
    }

    fn drain(&mut self, into: &mut Piece) -> bool {
        into.clear();
        let Some(frozen) = &mut self.frozen else { return false };
        let mut push = |element: Element<'_>| into.push(element);
        match &frozen.what {
            What::AsTheyAre => T::each(self.collection.view(), &mut push),
            What::Copy(packing, bytes) => T::each(T::view_packed(*packing, bytes), &mut push),
            What::Large(_) => {
                let more = self.collection.drain(into);
                if more {
                    frozen.left_bytes = frozen.left_bytes.saturating_sub(into.freed_bytes);
                    self.count();
                } else {
                    self.frozen = None;
                }
                return more;
            }
            What::Pictured => return false,
        }
        self.frozen = None;
        true
    }

    fn take_packed(&mut self) -> Option<(Packing, Box<[u8]>)> {
        let packed = match &mut self.frozen.as_mut()?.what {
            What::AsTheyAre => self.collection.packed().map(|(packing, bytes)| (packing, bytes.into())),
            What::Copy(packing, bytes) => Some((*packing, std::mem::take(bytes))),
            What::Large(_) | What::Pictured => return None,
        };
        self.frozen = None;
        packed
    }

    fn captured_shape(&self) -> Option<Shape> {
        let frozen = self.frozen.as_ref()?;
        if let What::Large(shape) = frozen.what { Some(shape) } else { None }
    }

    fn abort_capture(&mut self) {
        if self.frozen.take().is_some() {
            self.collection.abort_capture();
        }
    }
}

impl Held<Stream> {
    /// What the stream was at the cut; see [`Large::captured`].
    fn take_picture(&mut self) -> Option<Stream> {
        let frozen = self.frozen.as_mut()?;
        let Whose::Own(share) = &frozen.share else { return None };
        let share = Arc::clone(share);
        frozen.what = What::Pictured;
        frozen.share = Whose::OfPicture(Arc::downgrade(&share));
        self.collection.take_captured(Some(share))
    }
}

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Cell<T> {
    /// Contents are user data and never belong in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cell")
    }
}

impl<T: Collection> Cell<T> {
    /// Takes a collection in.
    pub fn new(collection: T) -> Self {
        Self(Arc::new(RwLock::new(Held { collection, frozen: None })))
    }

    /// The collection, to be read. Whoever panicked with it poisons its shard, so that nobody comes here again.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, Held<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collection, to be changed.
    #[inline]
    pub fn write(&self) -> RwLockWriteGuard<'_, Held<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Collection::encoding`].
    pub fn encoding(&self) -> &'static str {
        self.read().encoding()
    }

    /// See [`Held::heap_bytes`].
    pub fn heap_bytes(&self) -> usize {
        self.read().heap_bytes()
    }

    /// Another collection with the same elements.
    fn copied(&self) -> Self {
        Self::new(self.read().collection.clone())
    }

    /// Whether so many have the collection.
    fn is_held_by(&self, holders: usize) -> bool {
        Arc::strong_count(&self.0) == holders
    }

    fn drain(&self, into: &mut Piece) -> bool {
        let mut held = self.write_when_free();
        if self.is_held_by(1) {
            held.orphan();
        }
        held.drain(into)
    }

    /// See [`Large::leaves`].
    fn leaves(&self) {
        if T::KIND != Kind::Stream && self.is_held_by(1) {
            return;
        }
        let mut held = self.write();
        let Some(frozen) = &held.frozen else { return };
        // A picture is a collection of its own, so that nobody else is left who has this one.
        let others = usize::from(!matches!(frozen.what, What::Pictured));
        if self.is_held_by(1 + others) {
            held.orphan();
        }
    }

    /// For who holds no shard: comes in when nobody is there, and does not queue; see the head of this module.
    fn write_when_free(&self) -> RwLockWriteGuard<'_, Held<T>> {
        loop {
            match self.0.try_write() {
                Ok(held) => return held,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
    }
}

/// A value outside of its key's blob.
#[derive(Clone, Debug)]
pub enum Large {
    /// A long string.
    String(Shared),
    /// A list.
    List(Cell<List>),
    /// A set.
    Set(Cell<Set>),
    /// A sorted set.
    Zset(Cell<Zset>),
    /// A hash.
    Hash(Cell<Hash>),
    /// A stream.
    Stream(Cell<Stream>),
}

/// Does the same with the cell of a value, whatever its type.
macro_rules! each_cell {
    ($large:expr, $string:pat => $for_string:expr, $cell:ident => $for_cell:expr) => {
        match $large {
            Large::String($string) => $for_string,
            Large::List($cell) => $for_cell,
            Large::Set($cell) => $for_cell,
            Large::Zset($cell) => $for_cell,
            Large::Hash($cell) => $for_cell,
            Large::Stream($cell) => $for_cell,
        }
    };
}

impl Large {
    /// A collection from its packed bytes.
    pub fn from_packed(packing: Packing, bytes: Vec<u8>) -> Self {
        match packing.kind() {
            Kind::Set => Set::from_packed(packing, bytes).into_large(),
            Kind::Zset => Zset::from_packed(packing, bytes).into_large(),
            Kind::Hash => Hash::from_packed(packing, bytes).into_large(),
            Kind::List | Kind::String | Kind::Stream => List::from_packed(packing, bytes).into_large(),
        }
    }

    /// As it is read.
    #[inline]
    pub const fn value(&self) -> ValueRef<'_> {
        match self {
            Self::String(shared) => ValueRef::Shared(shared),
            Self::List(cell) => ValueRef::List(cell),
            Self::Set(cell) => ValueRef::Set(cell),
            Self::Zset(cell) => ValueRef::Zset(cell),
            Self::Hash(cell) => ValueRef::Hash(cell),
            Self::Stream(cell) => ValueRef::Stream(cell),
        }
    }

    /// Heap bytes.
    pub fn heap_bytes(&self) -> usize {
        self.value().heap_bytes()
    }

    /// A value that changes on its own: a copy of a collection, the same string.
    #[must_use]
    pub fn copied(&self) -> Self {
        match self {
            Self::String(shared) => Self::String(shared.clone()),
            Self::List(cell) => Self::List(cell.copied()),
            Self::Set(cell) => Self::Set(cell.copied()),
            Self::Zset(cell) => Self::Zset(cell.copied()),
            Self::Hash(cell) => Self::Hash(cell.copied()),
            Self::Stream(cell) => Self::Stream(cell.copied()),
        }
    }

    /// See [`Collection::take_due`]. For a value that comes to another key, where nothing was told.
    pub fn due_anew(&self, now_ms: i64) -> Option<i64> {
        let Self::Hash(cell) = self else { return None };
        let mut held = cell.write();
        let hash = held.to_change();
        hash.forget_due();
        hash.take_due(now_ms)
    }

    /// See [`Collection::begin_capture`]. Strings are never changed while somebody else holds them. What is kept for the
    /// snapshot counts in `gauge`.
    pub fn begin_capture(&self, gauge: &Gauge) {
        each_cell!(self, _ => (), cell => cell.write().begin_capture(gauge));
    }

    /// To be called when a collection is about to be dropped: if a snapshot has it, and nobody else, all of it counts.
    pub fn leaves(&self) {
        each_cell!(self, _ => (), cell => cell.leaves());
    }

    /// To be called when a collection has left its key and is kept for a snapshot: if nobody else has it, all of it counts.
    pub fn stays_behind(&self) {
        each_cell!(self, _ => (), cell => if cell.is_held_by(1) { cell.write().orphan() });
    }

    /// The bytes of a collection that was small at the cut, which is told with that. Holds no shard.
    pub fn take_packed(&self) -> Option<(Packing, Box<[u8]>)> {
        each_cell!(self, _ => None, cell => cell.write_when_free().take_packed())
    }

    /// What a collection that was large at the cut had then, while not all of it is told. Holds no shard.
    pub fn captured_shape(&self) -> Option<Shape> {
        each_cell!(self, _ => None, cell => cell.write_when_free().captured_shape())
    }

    /// What a snapshot writes, of a value that was just found in a segment or kept for it: the same value, whose capture is
    /// begun, or, of a stream, its picture as of the cut, which nobody changes.
    #[must_use]
    pub fn captured(&self, gauge: &Gauge) -> Self {
        self.begin_capture(gauge);
        if let Self::Stream(cell) = self
            && let Some(picture) = cell.write().take_picture()
        {
            return picture.into_large();
        }
        self.clone()
    }

    /// See [`Collection::drain`]; holds no shard.
    pub fn drain(&self, into: &mut Piece) -> bool {
        each_cell!(self, _ => false, cell => cell.drain(into))
    }

    /// See [`Collection::abort_capture`].
    pub fn abort_capture(&self) {
        each_cell!(self, _ => (), cell => cell.write_when_free().abort_capture());
    }
}

/// A collection while it is read.
pub enum Reading<'a, T> {
    /// In its key's blob.
    Packed(Packing, &'a [u8]),
    /// In its cell.
    Held(RwLockReadGuard<'a, Held<T>>),
}

impl<'a, T: Collection> Reading<'a, T> {
    /// A stored value as a collection of one type.
    ///
    /// # Errors
    /// `WRONGTYPE` if it is of another type.
    #[inline]
    pub fn of(value: ValueRef<'a>) -> Result<Self, Error> {
        match value {
            ValueRef::Packed(packing, bytes) if packing.kind() == T::KIND => Ok(Self::Packed(packing, bytes)),
            other => T::cell_of(&other).map(|cell| Self::Held(cell.read())).ok_or(error::WRONG_TYPE),
        }
    }

    /// What reads it.
    #[inline]
    pub fn view(&self) -> T::View<'_> {
        match self {
            Self::Packed(packing, bytes) => T::view_packed(*packing, bytes),
            Self::Held(guard) => guard.view(),
        }
    }
}

/// A collection as a value to be stored. It must not be empty: a key without elements is no key.
pub fn to_store<T: Collection>(collection: T, store: impl FnOnce(NewValue<'_>)) {
    debug_assert!(!collection.is_empty(), "a key without elements is no key");
    match collection.packed() {
        Some((packing, bytes)) => store(NewValue::Packed(packing, bytes)),
        None => store(NewValue::Large(collection.into_large())),
    }
}

impl<T> fmt::Debug for Reading<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reading")
    }
}

//! Elements of a large set, sorted set or hash: a hash table of references to blobs in an arena of their own.
//!
//! ```text
//! table ──▶ blob in the arena:   flags │ length of the name (1 or 3) │ deadline (0 or 8) │ payload length (0, 1 or 2) │ name │ payload
//! ```
//!
//! A set's member has no payload, a sorted set's its score, a hash's field its value; only the last has a length of its own.
//! A set member of 16 bytes takes 18 bytes of blob, in a slot of 20, and 8.3 of table. One byte of header fewer would save a
//! byte on the average, 3 % of a member, and nothing of one of 16 bytes, because slots go in steps of 4. An element longer than
//! [`NEAR_BYTES_MAX`] lives elsewhere, and its blob holds the place.
//!
//! The arena belongs to the collection, so that ten million elements are dropped by giving back some thousand chunks. While
//! a snapshot is under way no blob that it needs is changed or freed: a change writes another.

mod chance;
mod groups;
mod named;

use rkv_collections::arena::{Arena, Ref, class_size};
use rkv_collections::table::{Resolve, Table};
use smallvec::SmallVec;

use super::collection::{Element, Piece};
use crate::keyed::Keyed;
use crate::names::same;
use crate::slab::Slab;

pub use chance::Selection;
pub use groups::{Group, Hashed};
pub use named::Named;
use named::Stamp;

/// Elements up to this many bytes, name and payload together, stand in the arena.
pub const NEAR_BYTES_MAX: usize = 1024;

const LONG_NAME: u8 = 1;
const DEADLINE: u8 = 1 << 1;
const PAYLOAD: u8 = 1 << 2;
const LONG_PAYLOAD: u8 = 1 << 3;
const FAR: u8 = 1 << 4;
/// The deadline relies on something that looks at the element earlier.
const EXTENDED: u8 = 1 << 5;

/// A blob's reference, for a structure that orders elements.
pub type Handle = Ref;

/// Where the parts of an element stand in its bytes.
#[derive(Clone, Copy)]
struct Layout {
    name_at: usize,
    name_len: usize,
    payload_len: usize,
    deadline_ms: Option<i64>,
}

/// Reads the header in front of a name. `bytes` were written by [`write`].
#[inline]
fn layout(bytes: &[u8]) -> Layout {
    let flags = bytes[0];
    let (name_len, mut at) = if flags & LONG_NAME == 0 {
        (usize::from(bytes[1]), 2)
    } else {
        (u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize, 5)
    };
    let deadline_ms = (flags & DEADLINE != 0).then(|| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        at += 8;
        i64::from_le_bytes(number)
    });
    let payload_len = match flags & (PAYLOAD | LONG_PAYLOAD) {
        0 => 0,
        PAYLOAD => {
            at += 1;
            usize::from(bytes[at - 1])
        }
        _ => {
            at += 4;
            u32::from_le_bytes([bytes[at - 4], bytes[at - 3], bytes[at - 2], bytes[at - 1]]) as usize
        }
    };
    Layout { name_at: at, name_len, payload_len, deadline_ms }
}

/// Bytes that the header, name and payload of an element take.
fn written_len(element: &Element<'_>) -> usize {
    let name = if element.name.len() > 255 { 5 } else { 2 };
    let deadline = if element.deadline_ms.is_some() { 8 } else { 0 };
    let payload = match element.payload.len() {
        0 => 0,
        1..=255 => 1,
        _ => 4,
    };
    name + deadline + payload + element.name.len() + element.payload.len()
}

/// Writes an element to the beginning of `into`, which has at least [`written_len`] bytes.
fn write(element: &Element<'_>, into: &mut [u8]) {
    let (name_len, payload_len) = (element.name.len(), element.payload.len());
    let mut flags = 0;
    let mut at;
    if name_len > 255 {
        flags |= LONG_NAME;
        into[1..5].copy_from_slice(&(name_len as u32).to_le_bytes());
        at = 5;
    } else {
        into[1] = name_len as u8;
        at = 2;
    }
    if let Some(deadline_ms) = element.deadline_ms {
        flags |= DEADLINE;
        into[at..at + 8].copy_from_slice(&deadline_ms.to_le_bytes());
        at += 8;
    }
    match payload_len {
        0 => {}
        1..=255 => {
            flags |= PAYLOAD;
            into[at] = payload_len as u8;
            at += 1;
        }
        _ => {
            flags |= PAYLOAD | LONG_PAYLOAD;
            into[at..at + 4].copy_from_slice(&(payload_len as u32).to_le_bytes());
            at += 4;
        }
    }
    into[0] = flags;
    into[at..at + name_len].copy_from_slice(element.name);
    into[at + name_len..at + name_len + payload_len].copy_from_slice(element.payload);
}

#[inline]
fn element(bytes: &[u8]) -> Element<'_> {
    let Layout { name_at, name_len, payload_len, deadline_ms } = layout(bytes);
    let payload_at = name_at + name_len;
    Element { name: &bytes[name_at..payload_at], payload: &bytes[payload_at..payload_at + payload_len], deadline_ms }
}

/// Memory of the elements: everything but the table that finds them.
#[derive(Default)]
struct Blobs {
    arena: Arena,
    far: Slab<Box<[u8]>>,
    far_bytes: usize,
}

impl Blobs {
    /// The bytes of an element, wherever they are.
    #[inline]
    fn bytes(&self, place: Ref) -> &[u8] {
        let blob = self.arena.bytes(place);
        if blob[0] & FAR == 0 { blob } else { self.far.get(far_place(blob)) }
    }

    #[inline]
    fn element(&self, place: Ref) -> Element<'_> {
        element(self.bytes(place))
    }

    fn bytes_mut(&mut self, place: Ref) -> &mut [u8] {
        let blob = self.arena.bytes(place);
        if blob[0] & FAR == 0 {
            return self.arena.bytes_mut(place);
        }
        self.far.get_mut(far_place(blob))
    }

    fn write(&mut self, new: &Element<'_>) -> Ref {
        let len = written_len(new);
        if len <= NEAR_BYTES_MAX {
            let place = self.arena.alloc(len);
            write(new, self.arena.bytes_mut(place));
            return place;
        }
        let mut bytes = vec![0; len].into_boxed_slice();
        write(new, &mut bytes);
        self.far_bytes += len;
        let far = self.far.insert(bytes);
        let place = self.arena.alloc(5);
        let blob = self.arena.bytes_mut(place);
        blob[0] = FAR;
        blob[1..5].copy_from_slice(&far.to_le_bytes());
        place
    }

    /// Bytes that are given back when an element is freed.
    fn kept_bytes(&self, place: Ref) -> usize {
        let blob = self.arena.bytes(place);
        let far = if blob[0] & FAR == 0 { 0 } else { self.far.get(far_place(blob)).len() };
        blob.len() + far
    }

    fn free(&mut self, place: Ref) {
        let blob = self.arena.bytes(place);
        if blob[0] & FAR != 0 {
            let bytes = self.far.remove(far_place(blob));
            self.far_bytes -= bytes.len();
        }
        self.arena.free(place);
    }
}

fn far_place(blob: &[u8]) -> u32 {
    u32::from_le_bytes([blob[1], blob[2], blob[3], blob[4]])
}

struct Resolver<'a> {
    blobs: &'a Blobs,
    keyed: &'a Keyed,
}

impl Resolve<Ref> for Resolver<'_> {
    fn hash(&self, place: Ref) -> u64 {
        self.keyed.hash(self.blobs.element(place).name)
    }

    fn prefetch(&self, place: Ref) {
        self.blobs.arena.prefetch(place);
    }
}

/// What an insertion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where the element is now.
    pub handle: Handle,
    /// Where it was, if it was there before; the same place if it was overwritten.
    pub before: Option<Handle>,
}

/// Names with a payload each. Every name once.
pub struct Elements {
    table: Table<Ref>,
    blobs: Blobs,
    keyed: Keyed,
    stamp: Stamp,
}

impl std::fmt::Debug for Elements {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Elements").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Clone for Elements {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.keyed);
        for element in self.iter() {
            copy.put(&element);
        }
        copy
    }
}

impl Elements {
    /// None yet. `keyed` must be secret: nobody outside may choose names that collide.
    pub fn new(keyed: Keyed) -> Self {
        Self { table: Table::new(), blobs: Blobs::default(), keyed, stamp: Stamp::new() }
    }

    /// The hash of names.
    pub const fn keyed(&self) -> Keyed {
        self.keyed
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Heap bytes.
    pub fn heap_bytes(&self) -> usize {
        self.table.bytes() + self.blobs.arena.reserved() + self.blobs.far.bytes() + self.blobs.far_bytes
    }

    #[inline]
    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<Handle> {
        self.table.find(hash, |place| same(self.blobs.element(place).name, name))
    }

    /// Where an element is.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Handle> {
        self.find_hashed(self.keyed.hash(name), name)
    }

    /// The element at a place.
    #[inline]
    pub fn at(&self, handle: Handle) -> Element<'_> {
        self.blobs.element(handle)
    }

    /// An element by its name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Element<'_>> {
        self.find(name).map(|handle| self.at(handle))
    }

    /// Whether a name is there.
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// Adds a name without payload; false if it is there.
    #[inline]
    pub fn add(&mut self, named: Named<'_>) -> bool {
        let (hash, found) = self.look(named);
        if found.is_none() {
            self.insert_new(hash, &Element { name: named.bytes(), payload: &[], deadline_ms: None });
        }
        found.is_none()
    }

    /// Adds a name without payload that is known not to be there.
    pub fn add_absent(&mut self, name: &[u8]) {
        let hash = self.keyed.hash(name);
        self.insert_new(hash, &Element { name, payload: &[], deadline_ms: None });
    }

    /// Adds an element of this hash that is not there.
    pub fn insert_new(&mut self, hash: u64, new: &Element<'_>) -> Handle {
        let place = self.blobs.write(new);
        self.table.insert(hash, place, &Resolver { blobs: &self.blobs, keyed: &self.keyed });
        place
    }

    /// Stores an element, over one of the same name if there is one.
    pub fn put(&mut self, new: &Element<'_>) -> Put {
        let hash = self.keyed.hash(new.name);
        match self.find_hashed(hash, new.name) {
            None => Put { handle: self.insert_new(hash, new), before: None },
            Some(old) => Put { handle: self.overwrite(hash, old, new), before: Some(old) },
        }
    }

    /// Where the element of a name is, which is added with a payload if there is none; and whether it was.
    #[inline]
    pub fn find_or_add(&mut self, named: Named<'_>, payload: &[u8]) -> (Handle, bool) {
        match self.look(named) {
            (_, Some(place)) => (place, false),
            (hash, None) => (self.insert_new(hash, &Element { name: named.bytes(), payload, deadline_ms: None }), true),
        }
    }

    /// Gives an element a payload as long as the one it has; gives the place where it is now, which is another one only
    /// while a snapshot is under way.
    #[inline]
    pub fn set_payload(&mut self, handle: Handle, payload: &[u8]) -> Handle {
        if self.table.capturing() {
            let Element { name, deadline_ms, .. } = self.at(handle);
            let name = name.to_vec();
            return self.put_at(handle, &Element { name: &name, payload, deadline_ms });
        }
        let blob = self.blobs.arena.bytes_mut(handle);
        let bytes = if blob[0] & FAR == 0 { blob } else { self.blobs.far.get_mut(far_place(blob)) };
        let Layout { name_at, name_len, payload_len, .. } = layout(bytes);
        debug_assert_eq!(payload_len, payload.len());
        let payload_at = name_at + name_len;
        bytes[payload_at..payload_at + payload_len].copy_from_slice(payload);
        handle
    }

    /// Asks for the memory of an element that will be read soon.
    #[inline]
    pub fn prefetch(&self, handle: Handle) {
        self.blobs.arena.prefetch(handle);
    }

    /// Where all elements are.
    pub fn handles(&self) -> impl Iterator<Item = Handle> {
        self.table.iter()
    }

    /// Stores an element at the place of one with the same name; gives the place where it is now.
    pub fn put_at(&mut self, old: Handle, new: &Element<'_>) -> Handle {
        let hash = self.keyed.hash(new.name);
        self.overwrite(hash, old, new)
    }

    /// Stores an element at the place of one with the same name and hash; gives the place where it is now. An element that
    /// keeps its deadline keeps what the deadline relies on.
    pub fn overwrite(&mut self, hash: u64, old: Handle, new: &Element<'_>) -> Handle {
        let extended =
            new.deadline_ms.is_some() && self.is_extended(old) && self.at(old).deadline_ms == new.deadline_ms;
        let place = self.overwrite_plain(hash, old, new);
        if extended {
            self.blobs.bytes_mut(place)[0] |= EXTENDED;
        }
        place
    }

    fn overwrite_plain(&mut self, hash: u64, old: Handle, new: &Element<'_>) -> Handle {
        let captured = self.table.prepare_write(hash);
        let blob = self.blobs.arena.bytes(old);
        let len = written_len(new);
        if !captured && blob[0] & FAR == 0 && len <= NEAR_BYTES_MAX && class_size(len) == blob.len() {
            write(new, self.blobs.arena.bytes_mut(old));
            return old;
        }
        let place = self.blobs.write(new);
        self.stamp.renew();
        self.table.replace(hash, old, place);
        if !self.table.retire(hash, old, || self.blobs.kept_bytes(old)) {
            self.blobs.free(old);
        }
        place
    }

    /// Sets or removes the deadline of an element; gives the place where it is now. `extended` is kept with it, see
    /// [`Elements::is_extended`].
    pub fn set_deadline(&mut self, handle: Handle, deadline_ms: Option<i64>, extended: bool) -> Handle {
        let copy: SmallVec<[u8; 256]> = SmallVec::from_slice(self.blobs.bytes(handle));
        let new = Element { deadline_ms, ..element(&copy) };
        let place = self.overwrite_plain(self.keyed.hash(new.name), handle, &new);
        if extended {
            self.blobs.bytes_mut(place)[0] |= EXTENDED;
        }
        place
    }

    /// Whether the deadline of an element relies on something that looks at it earlier.
    #[inline]
    pub fn is_extended(&self, handle: Handle) -> bool {
        self.blobs.bytes(handle)[0] & EXTENDED != 0
    }

    /// Removes an element; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let hash = self.keyed.hash(name);
        let found = self.find_hashed(hash, name);
        if let Some(place) = found {
            self.remove_hashed(hash, place);
        }
        found.is_some()
    }

    /// Removes the element at a place.
    pub fn remove_at(&mut self, handle: Handle) {
        let hash = self.keyed.hash(self.at(handle).name);
        self.remove_hashed(hash, handle);
    }

    fn remove_hashed(&mut self, hash: u64, place: Ref) {
        self.stamp.renew();
        self.table.remove(hash, place, &Resolver { blobs: &self.blobs, keyed: &self.keyed });
        if !self.table.retire(hash, place, || self.blobs.kept_bytes(place)) {
            self.blobs.free(place);
        }
    }

    /// All elements.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        self.table.iter().map(|place| self.blobs.element(place))
    }

    /// The elements of the next range of the table at or behind a position, and the next position; see `Table::scan`.
    pub fn scan(&self, position: u64, mut each: impl FnMut(Element<'_>)) -> Option<u64> {
        let resolver = Resolver { blobs: &self.blobs, keyed: &self.keyed };
        self.table.scan(position, &resolver, |place| each(self.blobs.element(place)))
    }

    /// Where the elements are whose hash begins like `hash`, as far as the first `bits` of it.
    pub fn with_prefix(&self, hash: u64, bits: u32, mut each: impl FnMut(Handle)) {
        self.table.find(hash, |place| {
            if (self.keyed.hash(self.blobs.element(place).name) ^ hash) >> (64 - bits) == 0 {
                each(place);
            }
            false
        });
    }

    /// Brings the elements that may have this hash towards the processor.
    pub fn prefetch_hash(&self, hash: u64) {
        self.table.candidates(hash, |place| self.blobs.arena.prefetch(place));
    }

    /// The hash of a name here.
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.keyed.hash(name)
    }

    /// The elements of a bucket chosen by a random number; buckets are not equally full.
    pub fn sample(&self, random: u64, mut each: impl FnMut(Element<'_>)) {
        self.table.sample(random, |place| each(self.blobs.element(place)));
    }

    /// Begins a snapshot; see `Collection::begin_capture`.
    pub fn begin_capture(&mut self) {
        if !self.table.capturing() {
            self.table.begin_capture();
        }
    }

    /// Whether a snapshot still needs elements.
    pub fn is_captured(&self) -> bool {
        self.table.capturing()
    }

    /// See `Collection::captured_bytes`.
    pub fn captured_bytes(&self) -> usize {
        self.table.captured_bytes()
    }

    /// Copies out the elements of one more segment as they were at the cut; false when all were told.
    pub fn drain(&mut self, into: &mut Piece) -> bool {
        into.clear();
        let mut free = Vec::new();
        let blobs = &self.blobs;
        let more = self.table.drain(|place| into.push(blobs.element(place)), |place| free.push(place));
        for place in free {
            self.blobs.free(place);
        }
        more
    }

    /// Ends a snapshot that is not wanted any more.
    pub fn abort_capture(&mut self) {
        let mut free = Vec::new();
        self.table.abort_capture(|place| free.push(place));
        for place in free {
            self.blobs.free(place);
        }
    }
}

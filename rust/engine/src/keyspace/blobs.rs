//! The memory of a database's entries: everything but the table that finds them.

use rkv_collections::arena::{Arena, Ref};
use rkv_collections::table::Resolve;

use super::blob::{self, Form, Layout, Parts};
use super::detached::Detached;
use super::hash::{Key, KeyHasher};
use crate::slab::Slab;
use crate::values::{Cell, Collection, Gauge, Hash, Large, ValueRef};

/// One key with its value, deadline and access clock, seen under the shard's lock.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub(super) blob: &'a [u8],
    pub(super) layout: Layout,
    pub(super) blobs: &'a Blobs,
}

impl<'a> Entry<'a> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.blobs.key(self.blob)
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        match self.layout.form(self.blob) {
            Form::Inline(bytes) => ValueRef::Bytes(bytes),
            Form::Integer(number) => ValueRef::Integer(number),
            Form::Packed(packing, bytes) => ValueRef::Packed(packing, bytes),
            Form::Large(place) => self.blobs.large(place).value(),
        }
    }

    /// When it expires, in Unix milliseconds.
    #[inline]
    pub fn deadline_ms(&self) -> Option<i64> {
        self.layout.deadline_ms(self.blob)
    }

    /// Whether its time is over.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms)
    }

    /// How the value is stored, as OBJECT ENCODING tells it.
    pub fn encoding(&self) -> &'static str {
        self.value().encoding(self.is_raw())
    }

    /// Value, deadline and access clock, to be put elsewhere while this entry stays: a copy, but a long string is shared.
    pub fn copied(&self) -> Detached {
        Detached::new(self.form(), |place| self.blobs.large(place).copied(), self)
    }

    /// Value, deadline and access clock, to be put elsewhere when this entry goes: a large value moves.
    pub(super) fn detached(&self) -> Detached {
        Detached::new(self.form(), |place| self.blobs.large(place).clone(), self)
    }

    #[inline]
    pub(super) fn form(&self) -> Form<'a> {
        self.layout.form(self.blob)
    }

    /// Whether its encoding is `raw` whatever its length.
    pub const fn is_raw(&self) -> bool {
        self.layout.is_raw()
    }

    /// The access clock.
    pub fn clock(&self) -> u32 {
        blob::clock(self.blob)
    }

    /// Bytes that key and value take in memory, slack included.
    pub fn memory_bytes(&self) -> usize {
        let large = self.value().heap_bytes();
        let far_key = if self.layout.is_far() { self.key().len() } else { 0 };
        self.blob.len() + large + far_key
    }
}

/// Memory of the entries: everything but the table that finds them.
#[derive(Default)]
pub(super) struct Blobs {
    pub arena: Arena,
    large: Slab<Kept>,
    large_bytes: usize,
    far_keys: Slab<Box<[u8]>>,
    /// Values of many bytes that nobody needs any more; dropping one takes time, so that is left to who holds no lock.
    pub dropped: Vec<Large>,
}

/// A large value, and what it adds to the sum of bytes: as much goes when it goes, whatever a snapshot that it lived through
/// has set aside or given back inside it.
struct Kept {
    large: Large,
    bytes: usize,
}

/// Values with more heap bytes than this are dropped by who holds no lock.
const DROPPED_AT_ONCE_BYTES_MAX: usize = 64 << 10;

pub(super) fn place_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap_or_default())
}

impl Blobs {
    #[inline]
    pub fn entry(&self, place: Ref) -> Entry<'_> {
        let blob = self.arena.bytes(place);
        Entry { blob, layout: Layout::of(blob), blobs: self }
    }

    /// Whether a blob is that of a key.
    #[inline]
    pub fn holds(&self, place: Ref, key: &Key<'_>) -> bool {
        let blob = self.arena.bytes(place);
        match blob::short_key(blob) {
            Some(found) => key.is(found),
            None => key.is(self.long_key(blob)),
        }
    }

    /// The key of a blob.
    #[inline]
    pub fn key<'a>(&'a self, blob: &'a [u8]) -> &'a [u8] {
        blob::short_key(blob).unwrap_or_else(|| self.long_key(blob))
    }

    #[cold]
    fn long_key<'a>(&'a self, blob: &'a [u8]) -> &'a [u8] {
        let layout = Layout::of(blob);
        let key = layout.key(blob);
        if layout.is_far() { self.far_keys.get(place_of(key)) } else { key }
    }

    /// The hash of its own memory that a blob names.
    pub fn large_hash(&self, place: Ref) -> Option<&Cell<Hash>> {
        let blob = self.arena.bytes(place);
        let Form::Large(large) = Layout::of(blob).form(blob) else { return None };
        Hash::cell(self.large(large))
    }

    pub fn write(&mut self, parts: &Parts<'_>) -> Ref {
        let flags = parts.flags();
        let place = self.arena.alloc(parts.blob_len(flags));
        parts.write(flags, self.arena.bytes_mut(place));
        place
    }

    /// The large value at a place that a blob names.
    #[inline]
    pub fn large(&self, place: u32) -> &Large {
        &self.large.get(place).large
    }

    /// The large value at a place, to be changed; [`Blobs::account`] is told afterwards.
    pub fn large_mut(&mut self, place: u32) -> &mut Large {
        &mut self.large.get_mut(place).large
    }

    /// Takes over how many heap bytes a large value has after a change.
    pub fn account(&mut self, place: u32, bytes: usize) {
        let before = std::mem::replace(&mut self.large.get_mut(place).bytes, bytes);
        self.large_bytes = self.large_bytes + bytes - before;
    }

    /// Bytes of large values and of keys outside of their blobs.
    pub const fn large_bytes(&self) -> usize {
        self.large_bytes
    }

    /// Bytes of the lists that large values and far keys stand in.
    pub fn list_bytes(&self) -> usize {
        self.large.bytes() + self.far_keys.bytes()
    }

    pub fn keep_large(&mut self, large: Large) -> u32 {
        let bytes = large.heap_bytes();
        self.large_bytes += bytes;
        self.large.insert(Kept { large, bytes })
    }

    fn drop_large(&mut self, place: u32) {
        let Kept { large, bytes } = self.large.remove(place);
        self.large_bytes -= bytes;
        large.leaves();
        if bytes > DROPPED_AT_ONCE_BYTES_MAX {
            self.dropped.push(large);
        }
    }

    /// Bytes of a blob and of the string that it names. A collection may go on under another blob, so it is not counted.
    pub fn own_bytes(&self, place: Ref) -> usize {
        let blob = self.arena.bytes(place);
        match Layout::of(blob).form(blob) {
            Form::Large(large) => match self.large(large) {
                Large::String(shared) => blob.len() + shared.heap_bytes(),
                _ => blob.len(),
            },
            _ => blob.len(),
        }
    }

    /// Lets a snapshot that needs the value of a blob begin with it: it goes on changing under another blob, or is gone.
    pub fn begin_capture(&self, place: Ref, gauge: &Gauge) {
        if let Form::Large(large) = self.entry(place).form() {
            self.large(large).begin_capture(gauge);
            self.large(large).stays_behind();
        }
    }

    /// Ends the capture of the value of a blob that only a snapshot needed, and frees the blob.
    pub fn abort_capture(&mut self, place: Ref) {
        if let Form::Large(large) = self.entry(place).form() {
            self.large(large).abort_capture();
        }
        self.free(place);
    }

    /// Drops what the blob holds elsewhere.
    #[inline]
    pub fn drop_parts(&mut self, place: Ref) {
        if !blob::is_all_there(self.arena.bytes(place)) {
            self.drop_far_parts(place);
        }
    }

    #[inline(never)]
    fn drop_far_parts(&mut self, place: Ref) {
        let blob = self.arena.bytes(place);
        let layout = Layout::of(blob);
        let far_key = layout.is_far().then(|| place_of(layout.key(blob)));
        if let Form::Large(large) = layout.form(blob) {
            self.drop_large(large);
        }
        if let Some(far_key) = far_key {
            let key = self.far_keys.remove(far_key);
            self.large_bytes -= key.len();
        }
    }

    pub fn keep_far_key(&mut self, key: &[u8]) -> u32 {
        self.large_bytes += key.len();
        self.far_keys.insert(key.into())
    }

    pub fn free(&mut self, place: Ref) {
        self.drop_parts(place);
        self.arena.free(place);
    }

    /// Writes the same entry with another deadline to another place; what is large is the same.
    pub fn copy(&mut self, place: Ref, deadline_ms: Option<i64>, extended: bool) -> Ref {
        let blob = self.arena.bytes(place).to_vec();
        let layout = Layout::of(&blob);
        let form = match layout.form(&blob) {
            Form::Large(large) => {
                // It is the same memory, and the place that stays in use answers for it.
                let shared = self.large(large).clone();
                self.account(large, 0);
                Form::Large(self.keep_large(shared))
            }
            form => form,
        };
        let mut key = layout.key(&blob);
        let far;
        if layout.is_far() {
            let bytes = self.far_keys.get(place_of(key)).clone();
            far = self.keep_far_key(&bytes).to_le_bytes();
            key = &far;
        }
        let clock = blob::clock(&blob);
        self.write(&Parts { key, is_far: layout.is_far(), form, deadline_ms, raw: layout.is_raw(), extended, clock })
    }
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Blobs").field("reserved", &self.arena.reserved()).finish_non_exhaustive()
    }
}

pub(super) struct Resolver<'a> {
    pub blobs: &'a Blobs,
    pub hasher: &'a KeyHasher,
}

impl Resolve<Ref> for Resolver<'_> {
    fn hash(&self, place: Ref) -> u64 {
        self.hasher.inner(self.blobs.key(self.blobs.arena.bytes(place)))
    }

    fn prefetch(&self, place: Ref) {
        self.blobs.arena.prefetch_start(place);
    }
}

//! One database's part of one shard: table, blobs, large values, wheel.

use std::sync::atomic::{AtomicU32, Ordering};

use rkv_collections::arena::{Ref, class_size};
use rkv_collections::bytes::Shared;
use rkv_collections::table::Table;
use rkv_collections::wheel::{PAYLOAD_BITS, Wheel};

use super::blob::{self, Form, INLINE_BYTES_MAX, Layout, NEAR_KEY_BYTES_MAX, Parts};
use super::blobs::{Blobs, Entry, Resolver};
use super::cut::Captured;
use super::detached::Detached;
use super::hash::{Hint, Key, KeyHasher};
use crate::seeded::{self, Bug};
use crate::values::{Gauge, Large, NewValue, Piece};

/// How many entries ahead of the one that a snapshot copies the memory of others is asked for.
const TOLD_AHEAD: usize = 8;

/// The present, as a write needs it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Unix milliseconds.
    pub unix_ms: i64,
    /// The access clock of a key written now.
    pub clock: u32,
}

/// What the wheel files of a key: as much of its hash as fits an entry there.
pub(super) const fn filed(hash: u64) -> u64 {
    hash >> (64 - PAYLOAD_BITS)
}

/// Where an entry is, until the next change of its database.
#[derive(Clone, Copy, Debug)]
pub struct Place(Ref);

/// What stood under a key before it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Absent,
    /// Another value, perhaps one whose time was over.
    Present {
        /// Its deadline in Unix milliseconds.
        deadline_ms: Option<i64>,
    },
}

/// What a number that was to be computed anew is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updated {
    /// It is this one now.
    To(i64),
    /// There is no such key.
    Absent,
    /// The key holds no integer, or its time is over.
    Other,
}

impl Before {
    /// Whether there was a value whose time was over.
    #[inline]
    pub fn is_expired(self, now_ms: i64) -> bool {
        matches!(self, Self::Present { deadline_ms: Some(deadline_ms) } if deadline_ms <= now_ms)
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Db").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// One database's part of one shard. It knows no command; every change goes through the methods below, and each of them
/// begins at the table's mutation point, where a snapshot under way takes what it needs.
pub struct Db {
    pub(super) table: Table<Ref>,
    pub(super) blobs: Blobs,
    pub(super) wheel: Wheel,
    with_deadline: usize,
    pub(super) fired: Vec<u64>,
    /// The earliest look at a collection's elements that was filed since [`Db::take_filed`].
    pub(super) filed_ms: Option<i64>,
    /// Fields that expired, as they are told.
    pub(super) gone: Piece,
    /// Where small collections are changed; kept, so that changing one allocates nothing.
    pub(super) scratch: Vec<u8>,
    pub(super) fired_places: Vec<Ref>,
    captured_as: usize,
    /// Where collections count what they keep for a snapshot.
    gauge: Gauge,
    /// Changes whenever an entry comes, goes or moves, and no two databases ever have the same one.
    stamp: u64,
}

impl Default for Db {
    fn default() -> Self {
        static NUMBERS: AtomicU32 = AtomicU32::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self {
            table: Table::new(),
            blobs: Blobs::default(),
            wheel: Wheel::numbered(number),
            with_deadline: 0,
            fired: Vec::new(),
            filed_ms: None,
            gone: Piece::default(),
            scratch: Vec::new(),
            fired_places: Vec::new(),
            captured_as: 0,
            gauge: Gauge::default(),
            stamp: u64::from(number) << 32,
        }
    }
}

impl Db {
    /// How many keys there are, expired ones that are still stored included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// How many keys have a deadline.
    pub const fn with_deadline(&self) -> usize {
        self.with_deadline
    }

    /// Bytes of memory: table, blobs, large values and wheel.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
            + self.blobs.arena.reserved()
            + self.blobs.large_bytes()
            + self.blobs.list_bytes()
            + self.wheel.bytes()
    }

    /// Bytes of memory that is in use: like [`Db::bytes`], without the free places of the arena, which the next keys take.
    pub fn used_bytes(&self) -> usize {
        self.table.bytes()
            + self.blobs.arena.allocated()
            + self.blobs.large_bytes()
            + self.blobs.list_bytes()
            + self.wheel.bytes()
    }

    /// Bytes of the table.
    pub fn table_bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Bytes of keys and values, those that only a snapshot needs included, without what is reserved and free.
    pub fn data_bytes(&self) -> usize {
        self.blobs.arena.allocated() + self.blobs.large_bytes()
    }

    /// Bytes of the table and the wheel: what is not data.
    pub fn overhead_bytes(&self) -> usize {
        self.table.bytes() + self.wheel.bytes()
    }

    #[inline]
    fn renew_stamp(&mut self) {
        let changes = (self.stamp as u32).wrapping_add(1);
        self.stamp = self.stamp >> 32 << 32 | u64::from(changes);
    }

    #[inline]
    pub(super) fn find(&self, key: &Key<'_>) -> Option<Ref> {
        match key.hint() {
            Some(hint) if hint.stamp == self.stamp && self.blobs.holds(hint.place, key) => Some(hint.place),
            _ => self.look_up(key),
        }
    }

    #[inline(never)]
    fn look_up(&self, key: &Key<'_>) -> Option<Ref> {
        self.table.find(key.hash(), |place| self.blobs.holds(place, key))
    }

    /// The entry of a key, expired or not.
    #[inline]
    pub fn get(&self, key: &Key<'_>) -> Option<Entry<'_>> {
        self.find(key).map(|place| self.blobs.entry(place))
    }

    /// The entry of a key, unless its time is over; sets its access clock.
    #[inline]
    pub fn read(&mut self, key: &Key<'_>, now_ms: i64, clock: impl FnOnce(u32) -> u32) -> Option<Entry<'_>> {
        let place = self.find(key)?;
        let blob = self.blobs.arena.bytes_mut(place);
        let layout = Layout::of(blob);
        if layout.deadline_ms(blob).is_some_and(|deadline_ms| deadline_ms <= now_ms)
            && !seeded::is_on(Bug::ExpiredShown)
        {
            return None;
        }
        let old = blob::clock(blob);
        let next = clock(old);
        if next != old {
            // A clock that stands still is not written: the cache line stays clean.
            blob::set_clock(blob, next);
        }
        Some(Entry { blob: self.blobs.arena.bytes(place), layout, blobs: &self.blobs })
    }

    /// Where the entry of a key is, expired or not.
    #[inline]
    pub fn find_place(&self, key: &Key<'_>) -> Option<Place> {
        self.find(key).map(Place)
    }

    /// Where the entry of a key is, unless its time is over.
    #[inline]
    pub fn find_live(&self, key: &Key<'_>, now_ms: i64) -> Option<Place> {
        let place = self.find(key)?;
        if self.blobs.entry(place).is_expired(now_ms) { None } else { Some(Place(place)) }
    }

    /// The entry at a place that was just found.
    #[inline]
    pub fn at(&self, place: Place) -> Entry<'_> {
        self.blobs.entry(place.0)
    }

    /// Brings the bucket of a key towards the processor.
    #[inline]
    pub fn prefetch_bucket(&self, key: &Key<'_>) {
        self.prefetch_hash(key.hash());
    }

    /// The same, for a key of which the hash is known.
    #[inline]
    pub fn prefetch_hash(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Brings the blob of a key towards the processor; its bucket should be there.
    #[inline]
    pub fn prefetch_blob(&self, key: &mut Key<'_>) {
        self.table.candidates(key.hash(), |place| {
            self.blobs.arena.prefetch(place);
            key.set_hint(Hint { place, stamp: self.stamp });
        });
    }

    /// Stores a value under a key, whether or not there is one, and tells what was there.
    pub fn put(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        value: NewValue<'_>,
        deadline_ms: Option<i64>,
        now: Now,
    ) -> Before {
        self.put_over(hasher, key, self.find(key), value, deadline_ms, now)
    }

    /// Stores an integer under a key that was just looked for and is not there.
    pub fn put_absent_integer(&mut self, hasher: &KeyHasher, key: &Key<'_>, number: i64, now: Now) {
        debug_assert!(self.find(key).is_none());
        self.put_over(hasher, key, None, NewValue::Integer(number), None, now);
    }

    /// Stores a value under a key whose entry was just looked for: `old` is what was found.
    pub(super) fn put_over(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        old: Option<Ref>,
        value: NewValue<'_>,
        deadline_ms: Option<i64>,
        now: Now,
    ) -> Before {
        let captured = self.table.prepare_write(key.hash());
        let before = old.and_then(|place| {
            let blob = self.blobs.arena.bytes(place);
            if !blob::has_deadline(blob) {
                return None;
            }
            let layout = Layout::of(blob);
            layout.deadline_ms(blob).map(|deadline_ms| (deadline_ms, layout.is_extended()))
        });
        let extended = deadline_ms.is_some_and(|new_ms| self.file(now.unix_ms, key.hash(), before, new_ms));
        self.with_deadline = self.with_deadline + usize::from(deadline_ms.is_some()) - usize::from(before.is_some());
        let raw = matches!(value, NewValue::Raw(_));
        let form = match value {
            NewValue::Integer(number) => Form::Integer(number),
            NewValue::Bytes(bytes) | NewValue::Raw(bytes) if bytes.len() <= INLINE_BYTES_MAX => Form::Inline(bytes),
            NewValue::Bytes(bytes) | NewValue::Raw(bytes) => {
                Form::Large(self.blobs.keep_large(Large::String(Shared::from(bytes))))
            }
            NewValue::Shared(ref shared) if shared.len() <= INLINE_BYTES_MAX => Form::Inline(shared),
            NewValue::Shared(shared) => Form::Large(self.blobs.keep_large(Large::String(shared))),
            NewValue::Packed(packing, bytes) if bytes.len() < INLINE_BYTES_MAX => Form::Packed(packing, bytes),
            NewValue::Packed(packing, bytes) => {
                Form::Large(self.blobs.keep_large(Large::from_packed(packing, bytes.to_vec())))
            }
            NewValue::Large(large) => {
                if let Some(due_ms) = large.due_anew(now.unix_ms) {
                    self.file_elements(key.hash(), now.unix_ms, due_ms);
                }
                Form::Large(self.blobs.keep_large(large))
            }
        };
        let far;
        let is_far = key.bytes().len() > NEAR_KEY_BYTES_MAX;
        let stored_key = if is_far {
            far = self.blobs.keep_far_key(key.bytes()).to_le_bytes();
            far.as_slice()
        } else {
            key.bytes()
        };
        let parts = Parts { key: stored_key, is_far, form, deadline_ms, raw, extended, clock: now.clock };
        self.place(hasher, key.hash(), old, captured, &parts);
        match old {
            None => Before::Absent,
            Some(_) => Before::Present { deadline_ms: before.map(|(deadline_ms, _)| deadline_ms) },
        }
    }

    /// Writes a blob over the old one where it fits and nobody else needs it, else beside it.
    fn place(&mut self, hasher: &KeyHasher, hash: u64, old: Option<Ref>, captured: bool, parts: &Parts<'_>) {
        let Some(old) = old else {
            let place = self.blobs.write(parts);
            self.renew_stamp();
            self.table.insert(hash, place, &Resolver { blobs: &self.blobs, hasher });
            return;
        };
        let slot = self.blobs.arena.bytes(old).len();
        let flags = parts.flags();
        if !captured && class_size(parts.blob_len(flags)) == slot {
            self.blobs.drop_parts(old);
            parts.write(flags, self.blobs.arena.bytes_mut(old));
            return;
        }
        let place = self.blobs.write(parts);
        self.swap(hash, old, place);
    }

    fn swap(&mut self, hash: u64, old: Ref, new: Ref) {
        self.renew_stamp();
        self.table.replace(hash, old, new);
        self.retire(hash, old);
    }

    /// Frees a blob that left the table, unless a snapshot still needs it.
    fn retire(&mut self, hash: u64, old: Ref) {
        if self.table.retire(hash, old, || self.blobs.own_bytes(old)) {
            self.blobs.begin_capture(old, &self.gauge);
        } else {
            self.blobs.free(old);
        }
    }

    /// Whether values are to be dropped by who holds no lock.
    #[inline]
    pub fn has_dropped(&self) -> bool {
        !self.blobs.dropped.is_empty()
    }

    /// Takes the values that are to be dropped by who holds no lock.
    #[inline]
    pub fn take_dropped(&mut self) -> Vec<Large> {
        std::mem::take(&mut self.blobs.dropped)
    }

    /// A place whose blob may be changed: the same, or a copy while a snapshot needs the old one.
    #[inline]
    pub(super) fn writable(&mut self, hash: u64, place: Ref) -> Ref {
        if self.table.prepare_write(hash) { self.copy_for_change(hash, place) } else { place }
    }

    #[cold]
    fn copy_for_change(&mut self, hash: u64, place: Ref) -> Ref {
        let blob = self.blobs.arena.bytes(place);
        let layout = Layout::of(blob);
        let copy = self.blobs.copy(place, layout.deadline_ms(blob), layout.is_extended());
        self.swap(hash, place, copy);
        copy
    }

    /// Files a deadline with the wheel unless an earlier entry there will look at the key in time.
    /// True if it relies on such an entry.
    fn file(&mut self, now_ms: i64, hash: u64, before: Option<(i64, bool)>, deadline_ms: i64) -> bool {
        match before {
            Some((old_ms, extended)) if deadline_ms >= old_ms => extended || deadline_ms > old_ms,
            _ => {
                self.wheel.schedule(now_ms, deadline_ms, filed(hash));
                false
            }
        }
    }

    /// Computes a new number for a live key that holds an integer, in place; tells what it found.
    ///
    /// # Errors
    /// What `update` refuses with; nothing is changed then.
    #[inline]
    pub fn update_integer<E>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        update: impl FnOnce(i64) -> Result<i64, E>,
    ) -> Result<Updated, E> {
        let Some(place) = self.find(key) else { return Ok(Updated::Absent) };
        let blob = self.blobs.arena.bytes(place);
        let layout = Layout::of(blob);
        let Form::Integer(number) = layout.form(blob) else { return Ok(Updated::Other) };
        if layout.deadline_ms(blob).is_some_and(|deadline_ms| deadline_ms <= now.unix_ms) {
            return Ok(Updated::Other);
        }
        let number = update(number)?;
        let place = self.writable(key.hash(), place);
        let blob = self.blobs.arena.bytes_mut(place);
        blob::set_integer(blob, layout, number);
        blob::set_clock(blob, now.clock);
        Ok(Updated::To(number))
    }

    /// Changes a large value in place where nobody else holds it; false if the key holds none or it is shared.
    pub fn change_large(&mut self, key: &Key<'_>, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(place) = self.find(key) else { return false };
        let blob = self.blobs.arena.bytes(place);
        let Form::Large(large) = Layout::of(blob).form(blob) else { return false };
        if self.table.prepare_write(key.hash()) {
            return false;
        }
        let Large::String(shared) = self.blobs.large_mut(large) else { return false };
        let Some(bytes) = shared.bytes_mut() else { return false };
        change(bytes);
        let after = shared.heap_bytes();
        self.blobs.account(large, after);
        true
    }

    /// Sets or removes the deadline of a key; false if there is no such key.
    pub fn set_deadline(&mut self, key: &Key<'_>, deadline_ms: Option<i64>, now_ms: i64) -> bool {
        let Some(place) = self.find(key) else { return false };
        let place = self.writable(key.hash(), place);
        let blob = self.blobs.arena.bytes(place);
        let layout = Layout::of(blob);
        let before = layout.deadline_ms(blob).map(|old_ms| (old_ms, layout.is_extended()));
        let extended = deadline_ms.is_some_and(|new_ms| self.file(now_ms, key.hash(), before, new_ms));
        self.with_deadline = self.with_deadline + usize::from(deadline_ms.is_some()) - usize::from(before.is_some());
        let blob = self.blobs.arena.bytes_mut(place);
        if let Some(new_ms) = deadline_ms
            && blob::set_deadline(blob, new_ms)
        {
            blob::set_extended(blob, extended);
        } else if deadline_ms.is_some() || before.is_some() {
            let copy = self.blobs.copy(place, deadline_ms, extended);
            self.swap(key.hash(), place, copy);
        }
        true
    }

    /// Removes a key; false if there is no such key.
    pub fn remove(&mut self, hasher: &KeyHasher, key: &Key<'_>) -> bool {
        let Some(place) = self.find(key) else { return false };
        self.remove_at(hasher, key.hash(), place);
        true
    }

    /// Removes a key and gives back what stood there.
    pub fn detach(&mut self, hasher: &KeyHasher, key: &Key<'_>) -> Option<Detached> {
        let place = self.find(key)?;
        let detached = self.blobs.entry(place).detached();
        self.remove_at(hasher, key.hash(), place);
        Some(detached)
    }

    pub(super) fn remove_at(&mut self, hasher: &KeyHasher, hash: u64, place: Ref) {
        self.table.prepare_write(hash);
        let blob = self.blobs.arena.bytes(place);
        if Layout::of(blob).deadline_ms(blob).is_some() {
            self.with_deadline -= 1;
        }
        self.renew_stamp();
        self.table.remove(hash, place, &Resolver { blobs: &self.blobs, hasher });
        self.retire(hash, place);
    }

    /// A lower bound of the next deadline, in Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.wheel.next_deadline_ms()
    }

    /// Tells the entries of the next range of the table at or behind a position; see `Table::scan`.
    pub fn scan(&self, hasher: &KeyHasher, position: u64, mut each: impl FnMut(Entry<'_>)) -> Option<u64> {
        self.table.scan(position, &Resolver { blobs: &self.blobs, hasher }, |place| each(self.blobs.entry(place)))
    }

    /// Tells the entries of a bucket chosen by a random number.
    pub fn sample(&self, random: u64, mut each: impl FnMut(Entry<'_>)) {
        self.table.sample(random, |place| each(self.blobs.entry(place)));
    }

    /// All entries, expired ones included.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.table.iter().map(|place| self.blobs.entry(place))
    }

    /// Begins a snapshot: what is stored now will be told by [`Db::drain`], whatever is written meanwhile. `index` is the
    /// number of the database at this moment; `gauge` is where collections count what they keep.
    ///
    /// # Panics
    /// If one is under way.
    pub fn begin_capture(&mut self, index: usize, gauge: &Gauge) {
        self.captured_as = index;
        self.gauge = gauge.clone();
        self.table.begin_capture();
    }

    /// Bytes of memory that only a snapshot needs, without those inside of collections.
    pub fn captured_bytes(&self) -> usize {
        self.table.captured_bytes()
    }

    /// Whether a snapshot still needs entries.
    pub fn is_captured(&self) -> bool {
        self.table.capturing()
    }

    /// Copies out the entries of one more segment as they were at the cut; false when all were told.
    pub fn drain(&mut self, into: &mut Captured) -> bool {
        if !self.is_captured() {
            return false;
        }
        let (mut told, mut free) = (Vec::new(), Vec::new());
        let more = self.table.drain(|place| told.push(place), |place| free.push(place));
        into.begin(self.captured_as, &self.gauge);
        let mut ahead = told.iter();
        ahead.by_ref().take(TOLD_AHEAD).for_each(|place| self.blobs.arena.prefetch(*place));
        for place in &told {
            if let Some(next) = ahead.next() {
                self.blobs.arena.prefetch(*next);
            }
            into.push(&self.blobs.entry(*place));
        }
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
            self.blobs.abort_capture(place);
        }
    }
}

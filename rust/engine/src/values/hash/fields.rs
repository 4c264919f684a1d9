//! Fields of a large hash, and when they expire.
//!
//! # Deadlines
//!
//! A field's deadline stands with the field, where it costs 8 bytes; reading compares it with the present, so that a field
//! is gone at its deadline whatever happens later. What is here besides finds the fields that are due, to remove them:
//!
//! ```text
//! shard's wheel ──▶ key ──▶ hash: told_ms, count  ──▶  up to 512 fields: all are looked at
//!                                                 ──▶  more: a wheel of its own ──▶ 40 bits of the field's hash ──▶ field
//! ```
//!
//! The shard's wheel knows one time of each hash: the earliest at which something is to be done. Looking at 512 fields takes
//! some ten microseconds and needs no memory: a hash of few fields pays 40 bytes for its deadlines, whether one field has one
//! or all. A wheel would cost 3 KiB of slots and up to 256 bytes for each deadline that is alone in its slot; it pays from
//! the size on at which its entries share blocks, at 8.3 bytes each.
//!
//! **Far deadlines.** A wheel rounds what is weeks away by up to 256 ms, and by seconds what is years away. So a field is
//! filed for a time that is earlier by 1/512 of what is left ([`approach`]), and looked at again then: three looks for 25
//! days, the last one exact to a tick.

use rkv_collections::wheel::{PAYLOAD_BITS, Progress, Wheel};
use smallvec::SmallVec;

use crate::keyed::Keyed;
use crate::values::collection::{Element, Piece};
use crate::values::elements::{Elements, Handle, Named};

/// Up to this many fields no wheel is kept for those with a deadline.
pub const SCANNED_MAX: usize = 512;

/// Deadlines further away than this are approached in steps.
const NEAR_MS: i64 = 3_600_000;

/// When to look at something that is due at a time: then, or somewhat earlier if that is far away.
pub const fn approach(now_ms: i64, due_ms: i64) -> i64 {
    let left_ms = due_ms.saturating_sub(now_ms);
    if left_ms > NEAR_MS { due_ms - left_ms / 512 } else { due_ms }
}

/// What a change does to the deadline of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// There is none afterwards.
    Clear,
    /// It stays as it is.
    Keep,
    /// Unix milliseconds.
    At(i64),
}

/// What was there before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// No such field.
    Absent,
    /// A field whose time was over.
    Expired,
    /// The field.
    Live,
}

/// Finds the fields that are due.
#[derive(Debug)]
pub struct Deadlines {
    /// Fields that have one.
    count: usize,
    /// The time for which the key is filed; the end of time if it is not.
    told_ms: i64,
    /// Without a wheel: no field is due earlier.
    earliest_ms: i64,
    /// Of a hash of many fields.
    wheel: Option<Box<Wheel>>,
    /// The present at the last change.
    now_ms: i64,
}

impl Deadlines {
    const fn new(now_ms: i64) -> Self {
        Self { count: 0, told_ms: i64::MAX, earliest_ms: i64::MAX, wheel: None, now_ms }
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.wheel.as_ref().map_or(0, |wheel| size_of::<Wheel>() + wheel.bytes())
    }

    /// Files a deadline. `old` is the field's one before, and whether that relied on an earlier look. True if the new one
    /// does.
    fn file(&mut self, hash: u64, old: Option<(i64, bool)>, new_ms: i64) -> bool {
        let Some(wheel) = &mut self.wheel else {
            self.earliest_ms = self.earliest_ms.min(new_ms);
            return false;
        };
        if let Some((old_ms, extended)) = old
            && new_ms >= old_ms
        {
            return extended || new_ms > old_ms;
        }
        let look_ms = approach(self.now_ms, new_ms);
        wheel.schedule(self.now_ms, look_ms, hash >> (64 - PAYLOAD_BITS));
        look_ms < new_ms
    }

    fn due_ms(&self) -> Option<i64> {
        match &self.wheel {
            Some(wheel) => wheel.next_deadline_ms(),
            None => Some(self.earliest_ms),
        }
    }
}

/// Fields by their hash.
#[derive(Debug)]
pub struct Fields {
    elements: Elements,
    deadlines: Option<Box<Deadlines>>,
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        let mut copy = Self { elements: self.elements.clone(), deadlines: None };
        if let Some(deadlines) = &self.deadlines {
            let anew = Deadlines { count: deadlines.count, ..Deadlines::new(deadlines.now_ms) };
            copy.deadlines = Some(Box::new(anew));
            copy.file_all();
        }
        copy
    }
}

impl Fields {
    /// None yet. `keyed` must be secret.
    pub fn new(keyed: Keyed) -> Self {
        Self { elements: Elements::new(keyed), deadlines: None }
    }

    /// The fields themselves, expired ones that were not removed yet included.
    pub const fn elements(&self) -> &Elements {
        &self.elements
    }

    /// Whether any field has a deadline.
    pub const fn has_deadlines(&self) -> bool {
        self.deadlines.is_some()
    }

    /// Heap bytes.
    pub fn heap_bytes(&self) -> usize {
        self.elements.heap_bytes() + self.deadlines.as_ref().map_or(0, |deadlines| deadlines.heap_bytes())
    }

    /// A field, unless its time is over.
    #[inline]
    pub fn get(&self, name: &[u8], now_ms: i64) -> Option<Element<'_>> {
        self.elements.get(name).filter(|element| !element.is_expired(now_ms))
    }

    /// Stores a field.
    pub fn set(&mut self, named: Named<'_>, value: &[u8], lifetime: Lifetime, now_ms: i64) -> Before {
        let name = named.bytes();
        let (hash, found) = self.elements.look(named);
        let Some(handle) = found else {
            self.elements.insert_new(hash, &Element { name, payload: value, deadline_ms: None });
            if self.deadlines.is_some() {
                self.grow();
            }
            if let Lifetime::At(deadline_ms) = lifetime {
                self.set_deadline(name, Some(deadline_ms), now_ms);
            }
            return Before::Absent;
        };
        let old_ms = self.elements.at(handle).deadline_ms;
        let is_over = old_ms.is_some_and(|old_ms| old_ms <= now_ms);
        let keeps = !is_over && lifetime != Lifetime::Clear;
        let new = Element { name, payload: value, deadline_ms: old_ms.filter(|_| keeps) };
        let handle = self.elements.overwrite(hash, handle, &new);
        if old_ms.is_some() && !keeps {
            self.forget_one();
        }
        if let Lifetime::At(deadline_ms) = lifetime {
            self.change_deadline(handle, Some(deadline_ms), now_ms);
        }
        if is_over { Before::Expired } else { Before::Live }
    }

    /// Removes a field; false if there is none. One whose time is over is none, and stays until it is removed as such.
    pub fn remove(&mut self, name: &[u8], now_ms: i64) -> bool {
        let Some(handle) = self.elements.find(name) else { return false };
        let element = self.elements.at(handle);
        if element.is_expired(now_ms) {
            return false;
        }
        let has_deadline = element.deadline_ms.is_some();
        self.elements.remove_at(handle);
        if has_deadline {
            self.forget_one();
        }
        true
    }

    /// Sets or removes the deadline of a field that is there.
    pub fn set_deadline(&mut self, name: &[u8], deadline_ms: Option<i64>, now_ms: i64) {
        if let Some(handle) = self.elements.find(name) {
            self.change_deadline(handle, deadline_ms, now_ms);
        }
    }

    fn change_deadline(&mut self, handle: Handle, deadline_ms: Option<i64>, now_ms: i64) {
        let element = self.elements.at(handle);
        let old = element.deadline_ms.map(|old_ms| (old_ms, self.elements.is_extended(handle)));
        let hash = self.elements.hash(element.name);
        let mut extended = false;
        if let Some(new_ms) = deadline_ms {
            if self.deadlines.is_none() {
                let wheel = (self.elements.len() > SCANNED_MAX).then(Box::default);
                self.deadlines = Some(Box::new(Deadlines { wheel, ..Deadlines::new(now_ms) }));
            }
            if let Some(deadlines) = &mut self.deadlines {
                deadlines.now_ms = now_ms;
                deadlines.count += usize::from(old.is_none());
                extended = deadlines.file(hash, old, new_ms);
            }
        }
        if deadline_ms.is_some() || old.is_some() {
            self.elements.set_deadline(handle, deadline_ms, extended);
        }
        if deadline_ms.is_none() && old.is_some() {
            self.forget_one();
        }
    }

    /// A field with a deadline is gone, or has none any more.
    fn forget_one(&mut self) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.count -= 1;
            if deadlines.count == 0 {
                self.deadlines = None;
            }
        }
    }

    /// Begins a wheel when there are too many fields to look at each.
    fn grow(&mut self) {
        if self.elements.len() > SCANNED_MAX
            && self.deadlines.as_ref().is_some_and(|deadlines| deadlines.wheel.is_none())
        {
            self.file_all();
        }
    }

    /// Files the deadlines of all fields.
    fn file_all(&mut self) {
        let Some(mut deadlines) = self.deadlines.take() else { return };
        deadlines.wheel = (self.elements.len() > SCANNED_MAX).then(Box::default);
        let mut extended: Vec<(Handle, i64)> = Vec::new();
        for handle in self.elements.handles() {
            let element = self.elements.at(handle);
            if let Some(deadline_ms) = element.deadline_ms
                && deadlines.file(self.elements.hash(element.name), None, deadline_ms)
            {
                extended.push((handle, deadline_ms));
            }
        }
        for (handle, deadline_ms) in extended {
            self.elements.set_deadline(handle, Some(deadline_ms), true);
        }
        self.deadlines = Some(deadlines);
    }

    /// See `Collection::take_due`.
    pub fn take_due(&mut self, now_ms: i64) -> Option<i64> {
        let deadlines = self.deadlines.as_deref_mut()?;
        let look_ms = approach(now_ms, deadlines.due_ms()?);
        if look_ms >= deadlines.told_ms {
            return None;
        }
        deadlines.told_ms = look_ms;
        Some(look_ms)
    }

    /// See `Collection::forget_due`.
    pub fn forget_due(&mut self) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.told_ms = i64::MAX;
        }
    }

    /// Whether the time has come for which the key was filed.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.deadlines.as_ref().is_some_and(|deadlines| deadlines.told_ms <= now_ms)
    }

    /// Removes fields whose time is over, and adds them to `gone`: about `budget` looks. True if more are due.
    pub fn expire(&mut self, now_ms: i64, budget: usize, gone: &mut Piece) -> bool {
        match &mut self.deadlines {
            Some(deadlines) if deadlines.told_ms <= now_ms => {
                deadlines.told_ms = i64::MAX;
                deadlines.now_ms = now_ms;
                if deadlines.wheel.is_some() {
                    self.expire_filed(now_ms, budget, gone)
                } else {
                    self.expire_scanned(now_ms, budget, gone)
                }
            }
            // Somebody else's turn of the shard's wheel, or one that was filed before this hash came here.
            _ => false,
        }
    }

    fn expire_scanned(&mut self, now_ms: i64, budget: usize, gone: &mut Piece) -> bool {
        let mut due: SmallVec<[Handle; 16]> = SmallVec::new();
        let mut earliest_ms = i64::MAX;
        for handle in self.elements.handles() {
            let Some(deadline_ms) = self.elements.at(handle).deadline_ms else { continue };
            if deadline_ms <= now_ms && due.len() < budget {
                due.push(handle);
            } else {
                earliest_ms = earliest_ms.min(deadline_ms);
            }
        }
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.earliest_ms = earliest_ms;
        }
        for handle in due {
            self.drop_expired(handle, gone);
        }
        earliest_ms <= now_ms
    }

    fn expire_filed(&mut self, now_ms: i64, budget: usize, gone: &mut Piece) -> bool {
        let mut fired: SmallVec<[u64; 128]> = SmallVec::new();
        let wheel = self.deadlines.as_deref_mut().and_then(|deadlines| deadlines.wheel.as_deref_mut());
        let Some(wheel) = wheel else { return false };
        let progress = wheel.advance(now_ms, budget, |payload| fired.push(payload << (64 - PAYLOAD_BITS)));
        for &prefix in &fired {
            self.elements.prefetch_hash(prefix);
        }
        for prefix in fired {
            let mut meant: SmallVec<[Handle; 2]> = SmallVec::new();
            self.elements.with_prefix(prefix, PAYLOAD_BITS, |handle| meant.push(handle));
            for handle in meant {
                self.look_at(handle, now_ms, gone);
            }
        }
        progress == Progress::More
    }

    fn look_at(&mut self, handle: Handle, now_ms: i64, gone: &mut Piece) {
        let element = self.elements.at(handle);
        match element.deadline_ms {
            Some(deadline_ms) if deadline_ms <= now_ms => self.drop_expired(handle, gone),
            Some(deadline_ms) if self.elements.is_extended(handle) => {
                let hash = self.elements.hash(element.name);
                let extended =
                    self.deadlines.as_deref_mut().is_some_and(|deadlines| deadlines.file(hash, None, deadline_ms));
                self.elements.set_deadline(handle, Some(deadline_ms), extended);
            }
            _ => {}
        }
    }

    fn drop_expired(&mut self, handle: Handle, gone: &mut Piece) {
        gone.push(Element { payload: &[], ..self.elements.at(handle) });
        self.elements.remove_at(handle);
        self.forget_one();
    }

    /// See `Collection::begin_capture`.
    pub fn begin_capture(&mut self) {
        self.elements.begin_capture();
    }

    /// See `Collection::captured_bytes`.
    pub fn captured_bytes(&self) -> usize {
        self.elements.captured_bytes()
    }

    /// See `Collection::drain`.
    pub fn drain(&mut self, into: &mut Piece) -> bool {
        self.elements.drain(into)
    }

    /// See `Collection::abort_capture`.
    pub fn abort_capture(&mut self) {
        self.elements.abort_capture();
    }
}

//! Collections and the bytes of strings, changed where they stand.

use rkv_collections::arena::Ref;
use rkv_collections::bytes::Shared;

use super::blob::{self, Form, INLINE_BYTES_MAX, Layout};
use super::db::{Db, Now};
use super::hash::{Key, KeyHasher};
use crate::number::Decimal;
use crate::values::{Collection, Large, NewValue, to_store};

/// What a change left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edited<R> {
    /// What the change said of itself.
    pub result: R,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether the key was not there before.
    pub created: bool,
    /// Whether the last element went, and the key with it.
    pub emptied: bool,
}

/// What became of the bytes of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// They are not what the operation can work on, and stay as they are stored.
    Refused,
    /// They are the same, and their encoding is `raw` from now on.
    Same,
    /// They are others.
    Changed,
}

impl Rewrite {
    /// Whether they are others.
    #[inline]
    pub const fn of(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Same }
    }
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key holds a value of another type.
    WrongType,
    /// The key's time is over; it is still stored.
    Expired,
}

impl Db {
    /// Changes the collection under a key; an absent key is an empty one, and an empty one is no key. `change` tells
    /// whether it changed anything. Deadline and encoding of the key stay; its access clock is set.
    ///
    /// # Errors
    /// [`Refused`]; `change` was not called then.
    pub fn edit<T: Collection, R>(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut T) -> (R, bool),
    ) -> Result<Edited<R>, Refused> {
        let Some(place) = self.find(key) else {
            let mut collection = T::default();
            let (result, changed) = change(&mut collection);
            let emptied = collection.is_empty();
            if !emptied {
                to_store(collection, |value| {
                    self.put_over(hasher, key, None, value, None, now);
                });
            }
            return Ok(Edited { result, changed: changed && !emptied, created: !emptied, emptied: false });
        };
        let entry = self.blobs.entry(place);
        if entry.is_expired(now.unix_ms) {
            return Err(Refused::Expired);
        }
        match entry.form() {
            Form::Packed(packing, bytes) if packing.kind() == T::KIND => {
                let deadline_ms = entry.deadline_ms();
                let mut buffer = std::mem::take(&mut self.scratch);
                buffer.clear();
                buffer.extend_from_slice(bytes);
                let mut collection = T::from_packed(packing, buffer);
                let (result, changed) = change(&mut collection);
                // A collection that was only converted is stored, too.
                let emptied = if changed || collection.packed().is_none() {
                    self.put_back(hasher, key, place, collection, deadline_ms, now)
                } else {
                    self.scratch = collection.into_buffer();
                    false
                };
                Ok(Edited { result, changed, created: false, emptied })
            }
            Form::Large(large) => self.edit_large(hasher, key, place, large, now, change),
            _ => Err(Refused::WrongType),
        }
    }

    /// Changes the bytes of the string under a key; an absent key is an empty string, and stays absent unless `change`, which
    /// is told whether the key is there, says that it changed something. Deadline of the key stays; its access clock is set.
    ///
    /// # Errors
    /// [`Refused`]; `change` was not called then.
    pub fn edit_string<R>(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut Vec<u8>, bool) -> (R, Rewrite),
    ) -> Result<Edited<R>, Refused> {
        let found = self.find(key);
        let mut buffer = std::mem::take(&mut self.scratch);
        buffer.clear();
        let (mut deadline_ms, mut is_raw) = (None, false);
        if let Some(place) = found {
            let entry = self.blobs.entry(place);
            deadline_ms = entry.deadline_ms();
            is_raw = entry.is_raw();
            let refused = match entry.form() {
                _ if entry.is_expired(now.unix_ms) => Some(Refused::Expired),
                Form::Inline(bytes) => {
                    buffer.extend_from_slice(bytes);
                    None
                }
                Form::Integer(number) => {
                    buffer.extend_from_slice(&Decimal::from(number));
                    None
                }
                Form::Large(large) => match self.blobs.large(large) {
                    Large::String(_) => return Ok(self.edit_long(hasher, key, place, buffer, now, change)),
                    _ => Some(Refused::WrongType),
                },
                Form::Packed(..) => Some(Refused::WrongType),
            };
            if let Some(refused) = refused {
                self.scratch = buffer;
                return Err(refused);
            }
        }
        let (result, rewrite) = change(&mut buffer, found.is_some());
        let changed = rewrite == Rewrite::Changed;
        if changed || (rewrite == Rewrite::Same && found.is_some() && !is_raw) {
            self.put_bytes(hasher, key, found, buffer, deadline_ms, now);
        } else {
            self.scratch = buffer;
        }
        Ok(Edited { result, changed, created: changed && found.is_none(), emptied: false })
    }

    /// Stores the bytes of a string, and keeps the buffer for the next change where the blob has room for them.
    fn put_bytes(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        old: Option<Ref>,
        buffer: Vec<u8>,
        deadline_ms: Option<i64>,
        now: Now,
    ) {
        if buffer.len() <= INLINE_BYTES_MAX {
            self.put_over(hasher, key, old, NewValue::Raw(&buffer), deadline_ms, now);
            self.scratch = buffer;
        } else {
            self.put_over(hasher, key, old, NewValue::Shared(Shared::from(buffer)), deadline_ms, now);
        }
    }

    /// Changes a string in a buffer of its own: in place if nobody else holds it, else in a copy.
    fn edit_long<R>(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        place: Ref,
        mut buffer: Vec<u8>,
        now: Now,
        change: impl FnOnce(&mut Vec<u8>, bool) -> (R, Rewrite),
    ) -> Edited<R> {
        let captured = self.table.prepare_write(key.hash());
        let blob = self.blobs.arena.bytes(place);
        let layout = Layout::of(blob);
        let deadline_ms = layout.deadline_ms(blob);
        if let Form::Large(large) = layout.form(blob)
            && let Large::String(shared) = self.blobs.large_mut(large)
        {
            if let Some(bytes) = shared.bytes_mut().filter(|_| !captured) {
                let (result, rewrite) = change(bytes, true);
                let after = shared.heap_bytes();
                self.blobs.account(large, after);
                blob::set_clock(self.blobs.arena.bytes_mut(place), now.clock);
                self.scratch = buffer;
                return Edited { result, changed: rewrite == Rewrite::Changed, created: false, emptied: false };
            }
            buffer.extend_from_slice(shared);
        }
        let (result, rewrite) = change(&mut buffer, true);
        let changed = rewrite == Rewrite::Changed;
        if changed {
            self.put_bytes(hasher, key, Some(place), buffer, deadline_ms, now);
        }
        Edited { result, changed, created: false, emptied: false }
    }

    /// Stores a small collection that was changed; whether it is empty and its key is gone.
    fn put_back<T: Collection>(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        place: Ref,
        collection: T,
        deadline_ms: Option<i64>,
        now: Now,
    ) -> bool {
        if collection.is_empty() {
            self.remove_at(hasher, key.hash(), place);
            self.scratch = collection.into_buffer();
            return true;
        }
        if let Some((packing, bytes)) = collection.packed() {
            self.put_over(hasher, key, Some(place), NewValue::Packed(packing, bytes), deadline_ms, now);
            self.scratch = collection.into_buffer();
        } else {
            self.put_over(hasher, key, Some(place), NewValue::Large(collection.into_large()), deadline_ms, now);
        }
        false
    }

    fn edit_large<T: Collection, R>(
        &mut self,
        hasher: &KeyHasher,
        key: &Key<'_>,
        found: Ref,
        mut large: u32,
        now: Now,
        change: impl FnOnce(&mut T) -> (R, bool),
    ) -> Result<Edited<R>, Refused> {
        if T::cell(self.blobs.large(large)).is_none() {
            return Err(Refused::WrongType);
        }
        let place = self.writable(key.hash(), found);
        let blob = self.blobs.arena.bytes_mut(place);
        blob::set_clock(blob, now.clock);
        if place != found {
            let Form::Large(copy) = Layout::of(blob).form(blob) else { return Err(Refused::WrongType) };
            large = copy;
        }
        let Some(cell) = T::cell(self.blobs.large(large)) else { return Err(Refused::WrongType) };
        let mut held = cell.write();
        let collection = held.to_change();
        let (result, changed) = change(collection);
        let emptied = collection.is_empty();
        let due_ms = collection.take_due(now.unix_ms);
        let bytes = held.heap_bytes();
        held.changed();
        drop(held);
        self.blobs.account(large, bytes);
        if emptied {
            self.remove_at(hasher, key.hash(), place);
        } else if let Some(due_ms) = due_ms {
            self.file_elements(key.hash(), now.unix_ms, due_ms);
        }
        Ok(Edited { result, changed, created: false, emptied })
    }
}

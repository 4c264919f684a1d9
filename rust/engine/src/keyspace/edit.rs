//! Collections, changed where they stand.

use rkv_collections::arena::Ref;

use super::blob::{self, Form, Layout};
use super::db::{Db, Now};
use super::hash::{Key, KeyHasher};
use crate::values::{Collection, NewValue, to_store};

/// What a change left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edited<R> {
    /// What the change said of itself.
    pub result: R,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether the last element went, and the key with it.
    pub emptied: bool,
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
            return Ok(Edited { result, changed: changed && !emptied, emptied: false });
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
                Ok(Edited { result, changed, emptied })
            }
            Form::Large(large) if T::cell(self.blobs.large(large)).is_some() => {
                self.edit_large(hasher, key, place, now, change)
            }
            _ => Err(Refused::WrongType),
        }
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
        place: Ref,
        now: Now,
        change: impl FnOnce(&mut T) -> (R, bool),
    ) -> Result<Edited<R>, Refused> {
        let place = self.writable(key.hash(), place);
        let blob = self.blobs.arena.bytes_mut(place);
        blob::set_clock(blob, now.clock);
        let Form::Large(large) = Layout::of(blob).form(blob) else { return Err(Refused::WrongType) };
        let Some(cell) = T::cell(self.blobs.large(large)) else { return Err(Refused::WrongType) };
        let mut held = cell.write();
        let collection = held.to_change();
        let (result, changed) = change(collection);
        let emptied = collection.is_empty();
        let due_ms = collection.take_due(now.unix_ms);
        let bytes = held.heap_bytes();
        drop(held);
        self.blobs.account(large, bytes);
        if emptied {
            self.remove_at(hasher, key.hash(), place);
        } else if let Some(due_ms) = due_ms {
            self.file_elements(key.hash(), now.unix_ms, due_ms);
        }
        Ok(Edited { result, changed, emptied })
    }
}

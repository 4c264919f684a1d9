//! Entries that outlive the block in which they were read: what one thread gives another to be stored.

use std::fmt;

use super::read::Loaded;
use crate::values::{Large, NewValue, Packing};

/// Entries, copied out of a file. Small values are copied, large ones are moved.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Kept>,
}

struct Kept {
    db: usize,
    key_end: usize,
    end: usize,
    value: KeptValue,
    deadline_ms: Option<i64>,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

enum KeptValue {
    Integer(i64),
    Bytes,
    Packed(Packing),
    Large(Large),
}

impl fmt::Debug for Batch {
    /// Contents are user data and never belong in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Batch({} entries)", self.len())
    }
}

impl Batch {
    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys and small values.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all entries, and keeps the room.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    /// Adds an entry.
    pub fn push(&mut self, loaded: Loaded<'_>) {
        let Loaded { db, key, value, deadline_ms, idle_s, frequency } = loaded;
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        let value = match value {
            NewValue::Integer(number) => KeptValue::Integer(number),
            NewValue::Bytes(bytes) | NewValue::Raw(bytes) => {
                self.bytes.extend_from_slice(bytes);
                KeptValue::Bytes
            }
            NewValue::Packed(packing, bytes) => {
                self.bytes.extend_from_slice(bytes);
                KeptValue::Packed(packing)
            }
            NewValue::Shared(shared) => KeptValue::Large(Large::String(shared)),
            NewValue::Large(large) => KeptValue::Large(large),
        };
        self.entries.push(Kept { db, key_end, end: self.bytes.len(), value, deadline_ms, idle_s, frequency });
    }

    /// The entries, in the order in which they came. A large value is the same one each time.
    pub fn iter(&self) -> impl Iterator<Item = Loaded<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |kept| {
            let key = self.bytes.get(start..kept.key_end).unwrap_or_default();
            let bytes = self.bytes.get(kept.key_end..kept.end).unwrap_or_default();
            start = kept.end;
            let value = match &kept.value {
                KeptValue::Integer(number) => NewValue::Integer(*number),
                KeptValue::Bytes => NewValue::Bytes(bytes),
                KeptValue::Packed(packing) => NewValue::Packed(*packing, bytes),
                KeptValue::Large(Large::String(shared)) => NewValue::Shared(shared.clone()),
                KeptValue::Large(large) => NewValue::Large(large.clone()),
            };
            let Kept { db, deadline_ms, idle_s, frequency, .. } = *kept;
            Loaded { db, key, value, deadline_ms, idle_s, frequency }
        })
    }
}

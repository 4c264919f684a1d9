//! Keys that clients have read and cache, by the numbers of those clients.

use std::collections::HashMap;

use smallvec::SmallVec;

/// Numbers of clients, ascending.
pub type Readers = SmallVec<[u64; 2]>;

/// The tracked keys of one shard. They are no keys of a database: a client that caches does not say of which it is.
#[derive(Debug, Default)]
pub struct Tracked {
    keys: HashMap<Box<[u8]>, Readers>,
    /// Whether somebody hears of every changed key.
    pub is_broadcast: bool,
}

impl Tracked {
    /// Whether nobody must hear of a changed key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.is_broadcast
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Remembers who read a key: whether the key is new here, and whether its reader is.
    pub fn remember(&mut self, key: &[u8], client: u64) -> (bool, bool) {
        let Some(readers) = self.keys.get_mut(key) else {
            self.keys.insert(key.into(), SmallVec::from_slice(&[client]));
            return (true, true);
        };
        match readers.binary_search(&client) {
            Ok(_) => (false, false),
            Err(place) => {
                readers.insert(place, client);
                (false, true)
            }
        }
    }

    /// Takes the readers of a key that changed.
    pub fn take(&mut self, key: &[u8]) -> Option<Readers> {
        if self.keys.is_empty() { None } else { self.keys.remove(key) }
    }

    /// Takes any key, to make room.
    pub fn take_any(&mut self) -> Option<(Box<[u8]>, Readers)> {
        let key = self.keys.keys().next()?.clone();
        self.keys.remove_entry(&key)
    }

    /// Forgets all keys: how many, and how many readers they had together.
    pub fn clear(&mut self) -> (usize, usize) {
        let keys = std::mem::take(&mut self.keys);
        (keys.len(), keys.values().map(SmallVec::len).sum())
    }
}

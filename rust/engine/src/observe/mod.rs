//! Looking in from outside: who hears of keyspace events.

use crate::config::KeyspaceEvents;

/// Hears of every keyspace event, in order for every key. Called under the key's shard lock, so it must be quick and take
/// no lock but inboxes.
pub trait Observer: Send + Sync {
    /// Something happened to a key.
    fn event(&self, db: usize, class: KeyspaceEvents, name: &'static str, key: &[u8]);
}

//! Keys that somebody outside of the store wants to find unchanged when he comes back.

use std::sync::Arc;

use super::Context;
use crate::keyspace::{Key, WatchFlag};

impl Context<'_, '_> {
    /// A flag that is raised when a key of the client's database is changed, or its time is over. It has to be given back.
    pub fn follow(&mut self, key: Key<'_>) -> Arc<WatchFlag> {
        let flag = Arc::<WatchFlag>::default();
        let (db, shard) = (self.client.db, self.locks.shard(key.shard()));
        shard.watches.add(db, key.bytes(), Arc::clone(&flag), false);
        flag
    }

    /// Takes a flag back.
    pub fn unfollow(&mut self, key: Key<'_>, flag: &Arc<WatchFlag>) {
        let (db, shard) = (self.client.db, self.locks.shard(key.shard()));
        shard.watches.remove(db, key.bytes(), flag);
    }
}

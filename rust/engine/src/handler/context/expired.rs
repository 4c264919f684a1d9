//! Keys whose time is over: to who reads they are not there.

use super::Context;
use crate::keyspace::{Entry, Key};

impl Context<'_, '_> {
    /// The live entry of a key, without counting and without touching its access clock.
    pub fn peek(&self, key: Key<'_>) -> Option<Entry<'_>> {
        self.peek_in(self.client.db, key)
    }

    /// The live entry of a key of another database.
    pub fn peek_in(&self, db: usize, key: Key<'_>) -> Option<Entry<'_>> {
        self.locks.peek(key.shard()).db(db)?.get(&key).filter(|entry| !entry.is_expired(self.now_ms))
    }

    /// Deletes those keys of the plan that are stored and whose time is over, which the journal hears.
    pub fn drop_expired_of_plan(&mut self, db: usize) {
        for &key in self.keys {
            let part = self.locks.peek(key.shard()).db(db).filter(|part| part.with_deadline() > 0);
            if part.and_then(|part| part.get(&key)).is_some_and(|entry| entry.is_expired(self.now_ms)) {
                self.drop_expired(db, key);
            }
        }
    }
}

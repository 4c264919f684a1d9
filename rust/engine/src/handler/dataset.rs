//! The store as the files below see it.

use std::sync::RwLockReadGuard;
use std::sync::atomic::Ordering;

use super::store::Store;
use crate::clock::Clock;
use crate::config::{Config, options};
use crate::journal::Journal;
use crate::keyspace::{Keyspace, Locks};
use crate::persist::{Dataset, Persist};
use crate::rdb::Access;
use crate::values::Rules;

impl Dataset for Store {
    fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn config(&self) -> RwLockReadGuard<'_, Config> {
        Self::config(self)
    }

    fn persist(&self) -> &Persist {
        &self.persist
    }

    fn access_clock(&self, now_ms: i64, idle_s: Option<u64>, frequency: Option<u8>) -> u32 {
        self.settings.access_clock(now_ms).told(idle_s, frequency)
    }

    /// Only where eviction goes by it, as Redis does.
    fn access(&self, now_ms: i64) -> Box<dyn Fn(u32) -> Access> {
        let uses = self.settings.access_clock(now_ms);
        let config = Self::config(self);
        match config.get(options::MAXMEMORY_POLICY) {
            policy if policy.contains("lfu") => Box::new(move |clock| Access::Frequency(uses.frequency(clock) as u8)),
            policy if policy.contains("lru") => Box::new(move |clock| Access::Idle(u64::from(uses.idle_s(clock)))),
            _ => Box::new(|_| Access::Untold),
        }
    }

    fn settle(&self, locks: &mut Locks<'_>) {
        self.publish_memory(locks);
    }

    fn due_at(&self, deadline_ms: i64) {
        self.expiry.due_at(deadline_ms);
    }

    fn ring(&self) {
        self.expiry.wake();
    }

    fn is_poisoned(&self) -> bool {
        Self::is_poisoned(self)
    }

    fn give_up(&self, exit_code: u8) {
        self.exit_code.store(exit_code, Ordering::Release);
        self.poison();
    }
}

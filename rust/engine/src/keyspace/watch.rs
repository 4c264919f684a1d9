//! WATCH: flags that are raised when a key changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised when any key that a client watches was changed.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    /// Raises it.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

type Watched = HashMap<Box<[u8]>, Vec<Arc<WatchFlag>>>;

/// The watched keys of one shard, by database.
#[derive(Debug, Default)]
pub struct Watches {
    dbs: HashMap<usize, Watched>,
}

impl Watches {
    /// Whether nobody watches anything here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.dbs.is_empty()
    }

    /// Watches a key; it may exist or not.
    pub fn add(&mut self, db: usize, key: &[u8], flag: Arc<WatchFlag>) {
        self.dbs.entry(db).or_default().entry(key.into()).or_default().push(flag);
    }

    /// Watches a key no more.
    pub fn remove(&mut self, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let Some(watched) = self.dbs.get_mut(&db) else { return };
        if let Some(flags) = watched.get_mut(key) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                watched.remove(key);
            }
        }
        if watched.is_empty() {
            self.dbs.remove(&db);
        }
    }

    /// Raises the flags of a key that changed.
    pub fn touch(&self, db: usize, key: &[u8]) {
        if let Some(flags) = self.dbs.get(&db).and_then(|watched| watched.get(key)) {
            flags.iter().for_each(|flag| flag.raise());
        }
    }

    /// Raises the flags of the watched keys of a database for which `changed` holds: all its keys changed at once.
    pub fn touch_db(&self, db: usize, mut changed: impl FnMut(&[u8]) -> bool) {
        for (key, flags) in self.dbs.get(&db).into_iter().flatten() {
            if changed(key) {
                flags.iter().for_each(|flag| flag.raise());
            }
        }
    }
}

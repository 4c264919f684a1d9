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

/// Whether a key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is not.
    Absent,
    /// Its time is over, but nobody has deleted it.
    Expired,
    /// It is.
    Live,
}

/// Who watches a key. For who began when it was already gone, expired or not there, it is no change that an expired one
/// lies there (SWAPDB brings such), nor that it is deleted.
#[derive(Debug)]
struct Watcher {
    flag: Arc<WatchFlag>,
    was_gone: bool,
}

type Watched = HashMap<Box<[u8]>, Vec<Watcher>>;

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

    /// Watches a key; it may exist or not. `was_gone` says that it is not live: absent, or expired.
    pub fn add(&mut self, db: usize, key: &[u8], flag: Arc<WatchFlag>, was_gone: bool) {
        let watcher = Watcher { flag, was_gone };
        self.dbs.entry(db).or_default().entry(key.into()).or_default().push(watcher);
    }

    /// Watches a key no more.
    pub fn remove(&mut self, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let Some(watched) = self.dbs.get_mut(&db) else { return };
        if let Some(watchers) = watched.get_mut(key) {
            watchers.retain(|other| !Arc::ptr_eq(&other.flag, flag));
            if watchers.is_empty() {
                watched.remove(key);
            }
        }
        if watched.is_empty() {
            self.dbs.remove(&db);
        }
    }

    fn of(&self, db: usize, key: &[u8]) -> impl Iterator<Item = &Watcher> {
        self.dbs.get(&db).and_then(|watched| watched.get(key)).into_iter().flatten()
    }

    /// Raises the flags of a key that changed.
    pub fn touch(&self, db: usize, key: &[u8]) {
        self.of(db, key).for_each(|watcher| watcher.flag.raise());
    }

    /// Raises the flags of a key that was deleted because its time was over.
    pub fn touch_expired(&self, db: usize, key: &[u8]) {
        self.of(db, key).filter(|watcher| !watcher.was_gone).for_each(|watcher| watcher.flag.raise());
    }

    /// Raises the flags of the watched keys of a database that are there: all of them change at once.
    pub fn touch_db(&self, db: usize, mut presence: impl FnMut(&[u8]) -> Presence) {
        for (key, watchers) in self.dbs.get(&db).into_iter().flatten() {
            match presence(key) {
                Presence::Absent => {}
                Presence::Expired => self.touch_expired(db, key),
                Presence::Live => watchers.iter().for_each(|watcher| watcher.flag.raise()),
            }
        }
    }
}

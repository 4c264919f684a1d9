//! How large keys are: INFO keysizes, a histogram for each type and database.
//!
//! Nothing is counted while keys are written. A small store is counted when somebody asks; a larger one by the housekeeper, a
//! slice at a time, and who asks is told the last complete count and how old it is. A slice is 1,024 keys under one lock,
//! and the next one comes 5 ms later: at best 10 M keys take 49 s.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::keyspace::{Cursor, Db, KeyHasher, Keyspace, Poisoned};
use crate::values::Kind;

/// Up to so many keys are counted for who asks: ten slices.
pub const COUNTED_AT_ONCE_MAX: usize = 10_000;
/// A count that is younger is good enough.
const FRESH_MS: i64 = 30_000;
/// Keys, and ranges of the table, that are looked at under one lock.
const SLICE: usize = 1024;
/// Between two slices.
const PAUSE_MS: i64 = 5;
/// A size needs 64 bits at most, and 0 has a place of its own.
const BUCKETS: usize = 65;
/// The types that are told, and what is measured of them.
const TOLD: [(Kind, &str); 5] = [
    (Kind::String, "strings_sizes"),
    (Kind::List, "lists_items"),
    (Kind::Set, "sets_items"),
    (Kind::Zset, "zsets_items"),
    (Kind::Hash, "hashes_items"),
];

/// Keys of one database by type and size.
#[derive(Clone, Debug)]
pub struct Sizes([[u64; BUCKETS]; TOLD.len()]);

impl Default for Sizes {
    fn default() -> Self {
        Self([[0; BUCKETS]; TOLD.len()])
    }
}

/// The place of a size: 0 for 0, else one more than the exponent of the power of two that it reaches.
const fn bucket(size: u64) -> usize {
    (u64::BITS - size.leading_zeros()) as usize
}

/// `4`, `1K`, `2M`: the smallest size that a place takes, as Redis writes it.
fn lower_bound(bucket: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match bucket.checked_sub(1) {
        None => "0".into(),
        Some(exponent) => format!("{}{}", 1u64 << (exponent % 10), UNITS[exponent / 10]),
    }
}

impl Sizes {
    fn add(&mut self, kind: Kind, size: u64) {
        if let Some(type_index) = TOLD.iter().position(|(told, _)| *told == kind) {
            self.0[type_index][bucket(size)] += 1;
        }
    }

    /// `strings_sizes` with `1=2,4=1`, for each type that has keys.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let lines = TOLD.iter().zip(&self.0).map(|((_, name), counts)| {
            let known = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            let texts: Vec<String> = known.map(|(at, count)| format!("{}={count}", lower_bound(at))).collect();
            (*name, texts.join(","))
        });
        lines.filter(|(_, text)| !text.is_empty())
    }
}

/// A count of all databases, as far as it has come.
#[derive(Debug, Default)]
pub struct Count {
    /// Per database.
    pub dbs: Vec<Sizes>,
}

impl Count {
    fn of(&mut self, db: usize) -> Option<&mut Sizes> {
        if db >= self.dbs.len() {
            self.dbs.resize_with(db + 1, Sizes::default);
        }
        self.dbs.get_mut(db)
    }

    /// Adds a range of a database's part of a shard, at least one and until a slice is full; where the next one begins.
    pub fn add(&mut self, number: usize, db: &Db, hasher: &KeyHasher, position: u64, now_ms: i64) -> Option<u64> {
        let sizes = self.of(number)?;
        let (mut keys, mut next) = (0, Some(position));
        for _ in 0..SLICE {
            let Some(position) = next.filter(|_| keys < SLICE) else { break };
            next = db.scan(hasher, position, |entry| {
                keys += 1;
                if !entry.is_expired(now_ms) {
                    let value = entry.value();
                    sizes.add(value.kind(), value.size());
                }
            });
        }
        next
    }
}

/// A count under way.
#[derive(Debug)]
struct Walk {
    count: Count,
    db: usize,
    cursor: Cursor,
}

#[derive(Debug, Default)]
struct State {
    walk: Option<Walk>,
    /// When it was complete, in Unix milliseconds.
    last: Option<(i64, Count)>,
}

/// Counts in the background.
#[derive(Debug)]
pub struct KeySizes {
    /// When the next slice is due, in Unix milliseconds; `i64::MAX` if nobody asked.
    due_ms: AtomicI64,
    state: Mutex<State>,
}

impl Default for KeySizes {
    fn default() -> Self {
        Self { due_ms: AtomicI64::new(i64::MAX), state: Mutex::default() }
    }
}

impl KeySizes {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is counted is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next slice is due, in Unix milliseconds; `i64::MAX` if nobody asked.
    pub fn due_ms(&self) -> i64 {
        self.due_ms.load(Ordering::Acquire)
    }

    /// Shows the last complete count with its age in milliseconds, and orders a new one if that is old; true if the
    /// housekeeper is to be woken for it.
    pub fn ask(&self, now_ms: i64, show: impl FnOnce(Option<(i64, &Count)>)) -> bool {
        let state = self.state();
        let last = state.last.as_ref().map(|(at_ms, count)| (now_ms.saturating_sub(*at_ms).max(0), count));
        show(last);
        last.is_none_or(|(age_ms, _)| age_ms >= FRESH_MS)
            && self.due_ms.compare_exchange(i64::MAX, now_ms, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Counts a slice if one is due, for the housekeeper alone; when the next one is. Locks a shard.
    ///
    /// # Errors
    /// The store is poisoned.
    pub fn tick(&self, keyspace: &Keyspace, databases: usize, now_ms: i64) -> Result<i64, Poisoned> {
        let due_ms = self.due_ms();
        // The clock may have been set back.
        if due_ms == i64::MAX || (now_ms < due_ms && due_ms - now_ms <= PAUSE_MS) {
            return Ok(due_ms);
        }
        // The state is a leaf among the locks: who asks may hold every shard.
        let walk = self.state().walk.take();
        let mut walk = walk.unwrap_or_else(|| Walk { count: Count::default(), db: 0, cursor: Cursor::START });
        let is_complete = walk.slice(keyspace, databases, now_ms)?;
        let mut state = self.state();
        let next_ms = if is_complete {
            state.last = Some((now_ms, walk.count));
            i64::MAX
        } else {
            state.walk = Some(walk);
            now_ms.saturating_add(PAUSE_MS)
        };
        self.due_ms.store(next_ms, Ordering::Release);
        Ok(next_ms)
    }
}

impl Walk {
    /// Goes on to the end of the part in which it stands, or until a slice is full; true at the end of everything.
    fn slice(&mut self, keyspace: &Keyspace, databases: usize, now_ms: i64) -> Result<bool, Poisoned> {
        let mut locks = keyspace.lock(1 << self.cursor.shard)?;
        let hasher = locks.hasher();
        let shard = locks.shard(self.cursor.shard);
        let mut next = None;
        while next.is_none() && self.db < databases {
            let part = shard.db(self.db).filter(|part| !part.is_empty());
            next = part.and_then(|part| self.count.add(self.db, part, hasher, self.cursor.position, now_ms));
            let was_counted = part.is_some();
            if next.is_none() {
                (self.db, self.cursor.position) = (self.db + 1, 0);
                if was_counted {
                    break;
                }
            }
        }
        if next.is_none() && self.db < databases {
            return Ok(false);
        }
        match self.cursor.after(next, keyspace.len()) {
            None => return Ok(true),
            Some(cursor) if cursor.shard != self.cursor.shard => (self.db, self.cursor) = (0, cursor),
            Some(cursor) => self.cursor = cursor,
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stand_under_the_power_of_two_that_they_reach() {
        let named = |size| lower_bound(bucket(size));
        for (size, text) in
            [(0, "0"), (1, "1"), (2, "2"), (3, "2"), (4, "4"), (1023, "512"), (1024, "1K"), (3 << 20, "2M")]
        {
            assert_eq!(named(size), text, "{size}");
        }
        assert_eq!(named(u64::MAX), "8E");
        let mut sizes = Sizes::default();
        for size in [0, 3, 2] {
            sizes.add(Kind::String, size);
        }
        sizes.add(Kind::Stream, 5);
        assert_eq!(sizes.lines().collect::<Vec<_>>(), [("strings_sizes", "0=1,2=2".to_owned())]);
    }
}

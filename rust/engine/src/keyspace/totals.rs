//! Figures of the whole keyspace, summed up shard by shard.

use super::shard::Shard;

/// What one database holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct DbTotals {
    /// Keys.
    pub keys: usize,
    /// Keys with a deadline.
    pub expires: usize,
    /// Bytes of its tables.
    pub table_bytes: usize,
    /// Bytes of its wheels.
    pub wheel_bytes: usize,
    /// Milliseconds that sampled keys with a deadline have left, and how many of them there were.
    lives_ms: i64,
    lives: i64,
}

impl DbTotals {
    /// Milliseconds that keys with a deadline have left, the mean of a sample; 0 without any.
    pub fn average_life_ms(&self) -> i64 {
        if self.lives == 0 { 0 } else { self.lives_ms / self.lives }
    }
}

/// The sum over all shards.
#[derive(Debug, Default)]
pub struct Totals {
    /// Per database.
    pub dbs: Vec<DbTotals>,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time was over.
    pub expired: u64,
    /// Fields of hashes deleted because their time was over.
    pub expired_fields: u64,
    /// Commands that changed something.
    pub changes: u64,
    /// Keys that somebody waits for.
    pub blocking_keys: usize,
    /// Bytes that the data needs.
    pub used_bytes: usize,
    /// Bytes taken from the allocator for it.
    pub reserved_bytes: usize,
}

impl Totals {
    /// Adds a shard. `random` chooses the keys whose time to live is looked at.
    pub fn add(&mut self, shard: &Shard, now_ms: i64, random: u64) {
        self.hits += shard.hits;
        self.misses += shard.misses;
        self.expired += shard.expired;
        self.expired_fields += shard.expired_fields;
        self.changes += shard.changes;
        self.blocking_keys += shard.waiters.len();
        self.used_bytes += shard.used_bytes();
        self.reserved_bytes += shard.bytes();
        for (number, db) in shard.dbs() {
            if number >= self.dbs.len() {
                self.dbs.resize(number + 1, DbTotals::default());
            }
            let Some(totals) = self.dbs.get_mut(number) else { continue };
            totals.keys += db.len();
            totals.expires += db.with_deadline();
            totals.table_bytes += db.table_bytes();
            totals.wheel_bytes += db.overhead_bytes() - db.table_bytes();
            if db.with_deadline() == 0 {
                continue;
            }
            db.sample(random, |entry| {
                if let Some(deadline_ms) = entry.deadline_ms() {
                    totals.lives += 1;
                    totals.lives_ms = totals.lives_ms.saturating_add(deadline_ms.saturating_sub(now_ms).max(0));
                }
            });
        }
    }

    /// Bytes of what finds keys and their deadlines.
    pub fn overhead_bytes(&self) -> usize {
        self.dbs.iter().map(|db| db.table_bytes + db.wheel_bytes).sum()
    }
}

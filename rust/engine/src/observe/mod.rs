//! Looking in from outside: who hears of keyspace events, what INFO counts beyond plain totals, what the operating system
//! knows about this process.
//!
//! Lock rule: the mutexes in here are leaves; nothing else is locked while one is held.

mod error_codes;
mod process;
mod rates;

pub use error_codes::{ERROR_CODES_MAX, ErrorCodes};
pub use process::{CpuTimes, Process, ThisProcess};
pub use rates::{Rate, Rates, Totals};

use crate::config::KeyspaceEvents;

/// Hears of every keyspace event, in order for every key. Called under the key's shard lock, so it must be quick and take
/// no lock but inboxes.
pub trait Observer: Send + Sync {
    /// Something happened to a key.
    fn event(&self, db: usize, class: KeyspaceEvents, name: &'static str, key: &[u8]);
}

//! What was refused, to whom, and how often: ACL LOG.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals of one kind are counted together if no more time than this passes between two of them.
const GROUP_MS: i64 = 60_000;
/// So many of the latest entries are looked at for one of the same kind.
const GROUP_ENTRIES: usize = 10;
/// Bytes of a name that are kept: who is refused decides about its length.
const NAME_BYTES_MAX: usize = 1024;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Wrong user or password.
    Auth,
    /// The command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
    /// A database.
    Database,
}

impl Reason {
    /// As ACL LOG spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Database => "database",
        }
    }
}

/// One kind of refusal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number; never used again.
    pub id: u64,
    /// How often it happened.
    pub count: u64,
    /// Why.
    pub reason: Reason,
    /// `toplevel`, `multi` or `lua`.
    pub context: &'static str,
    /// What was refused.
    pub object: Box<[u8]>,
    /// To whom.
    pub user: Box<[u8]>,
    /// The line of CLIENT LIST, of the last time.
    pub client: String,
    /// Unix milliseconds of the first time.
    pub created_ms: i64,
    /// Unix milliseconds of the last time.
    pub updated_ms: i64,
}

#[derive(Debug, Default)]
struct Entries {
    /// The latest first.
    entries: VecDeque<Entry>,
    next_id: u64,
}

/// The latest refusals.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: Mutex<Entries>,
    entries_max: AtomicUsize,
}

fn cut(name: &[u8]) -> Box<[u8]> {
    name.get(..NAME_BYTES_MAX).unwrap_or(name).into()
}

impl AclLog {
    fn locked(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps no more entries than this.
    pub fn set_max(&self, entries: usize) {
        self.entries_max.store(entries, Ordering::Relaxed);
        self.locked().entries.truncate(entries);
    }

    /// Notes a refusal.
    pub fn add(
        &self,
        (reason, context): (Reason, &'static str),
        object: &[u8],
        user: &[u8],
        client: String,
        now_ms: i64,
    ) {
        let (object, user) = (cut(object), cut(user));
        let mut log = self.locked();
        let is_same = |entry: &Entry| {
            entry.reason == reason
                && entry.context == context
                && now_ms.saturating_sub(entry.updated_ms) <= GROUP_MS
                && entry.object == object
                && entry.user == user
        };
        let same = log.entries.iter().take(GROUP_ENTRIES).position(is_same);
        #[expect(clippy::single_match_else, reason = "the two ways are of one weight")]
        let entry = match same.and_then(|at| log.entries.remove(at)) {
            Some(entry) => Entry { count: entry.count.saturating_add(1), client, updated_ms: now_ms, ..entry },
            None => {
                let id = log.next_id;
                log.next_id += 1;
                Entry { id, count: 1, reason, context, object, user, client, created_ms: now_ms, updated_ms: now_ms }
            }
        };
        log.entries.push_front(entry);
        log.entries.truncate(self.entries_max.load(Ordering::Relaxed));
    }

    /// The latest entries, the last first.
    pub fn latest(&self, count: usize) -> Vec<Entry> {
        self.locked().entries.iter().take(count).cloned().collect()
    }

    /// Forgets all entries.
    pub fn reset(&self) {
        self.locked().entries.clear();
    }
}

//! What a command leaves behind for the door: records, clients to wake, keys somebody waits for.

use std::sync::Arc;

use smallvec::SmallVec;

use super::effect::Words;
use super::errand::Errand;
use crate::client::Link;
use crate::journal::Batch;
use crate::keyspace::{Db, Key};
use crate::pubsub::Changed;

/// What one command changed, while it runs.
#[derive(Debug, Default)]
pub(crate) struct Trace<'a> {
    /// Keys that were changed and that somebody watches or waits for; no repetition next to each other.
    pub changed: SmallVec<[(usize, Key<'a>); 1]>,
    /// Keys that were deleted because a writer found them expired.
    pub expired: SmallVec<[(usize, Key<'a>); 1]>,
    /// Events that the handler does not know of: keys that are new, and those that were looked up and are not there.
    pub noticed: SmallVec<[(usize, Key<'a>, Notice); 1]>,
}

/// What the keyspace says of a key, whatever the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It was not there and is now.
    New,
    /// It was looked up and is not there.
    Miss,
}

/// A key that was changed, and the shards of all keys that its first waiter waits for.
#[derive(Debug)]
pub struct Stray {
    /// The shards.
    pub mask: u64,
    /// The key's database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}

/// What is left to do when a command, transaction or script has run: the door does it, still under its locks.
#[derive(Debug, Default)]
pub struct Account {
    /// For the journal: all of it or nothing.
    pub batch: Batch,
    /// The journal offset behind what was written of it; 0: nothing was.
    pub offset: u64,
    /// Keys that were changed and that somebody waits for.
    pub ready: Vec<(usize, Box<[u8]>)>,
    /// When the last queued command ended, in Unix nanoseconds; 0: none ran.
    pub clock_ns: i64,
    /// What few commands leave to do.
    rare: Option<Box<Rare>>,
}

/// What few commands leave to do. One pointer of an [`Account`], which every command makes and drops.
#[derive(Debug, Default)]
pub struct Rare {
    /// Changed keys whose waiters need more shards than are held.
    pub strays: Vec<Stray>,
    /// Keys that were changed while somebody hears of all keys with a prefix.
    pub broadcast: Changed,
    /// Number of the client that changed them.
    pub author: u64,
    /// A database was emptied.
    pub is_flush: bool,
    /// Databases that were emptied or exchanged.
    pub databases: SmallVec<[usize; 2]>,
    /// What emptied databases held; dropped with the account, when no lock is held any more.
    pub emptied: Vec<Db>,
    /// Clients with new messages; woken when no lock is held any more.
    pub wakes: Vec<Arc<Link>>,
    /// Everything was removed, and the snapshot shall not keep it either.
    pub saves: bool,
    /// The words with which a command that waits is run again, if not its own.
    pub again: Option<Words>,
    /// What the command that waits does outside of the store meanwhile.
    pub errand: Option<Box<dyn Errand>>,
}

impl Account {
    /// Whether nothing was put down so far.
    #[inline]
    pub fn is_blank(&self) -> bool {
        self.batch.is_empty() && self.ready.is_empty() && self.rare.is_none()
    }

    /// What few commands leave to do, to be read or taken; `None`: nothing.
    #[inline]
    pub fn rare(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// What few commands leave to do, to be added to.
    pub fn add(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether keys wait for more locks than are held.
    #[inline]
    pub fn has_strays(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.strays.is_empty())
    }
}

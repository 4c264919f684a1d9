//! The keyspace: lock-striped shards that hold every key of every database.
//!
//! # Shape
//!
//! ```text
//! key ──keyed hash──▶ 64 bits:  shard (top bits) │ hash inside the shard
//!
//! Keyspace ─┬─ Shard 0  = one mutex ─┬─ Db 0: table ▸ blob, large values, wheel
//!           ├─ Shard 1               ├─ Db 1 …
//!           └─ … (a power of two)    ├─ watches   who must know that a key changed
//!                                    ├─ tracked   who caches a key
//!                                    └─ waiters   who waits for a key, first come first served
//! ```
//!
//! A key belongs to one shard whatever its database, so MOVE and COPY within a shard need one lock. A command locks the
//! shards of its keys in ascending order; a mask of 64 bits names them, so that there are at most 64 shards. FLUSHDB and
//! SWAPDB move whole [`Db`]s and never look at a key.
//!
//! # What it is not
//!
//! It knows no argument, no client's protocol, no reply, no journal. Time comes in as an argument.
//!
//! # Invariants
//!
//! * A shard is changed only under its mutex; a [`Locks`] is the proof that it is held.
//! * A change to a key begins at the table's mutation point ([`Db`]'s methods), so a snapshot under way sees its cut.
//! * An expired key may still be stored. Who reads must ask [`Entry::is_expired`]; only the wheel and writers delete.
//!
//! # Lock rule
//!
//! Shards ascending, then the journal, then client inboxes. Nothing is awaited and no file is touched under a shard lock.

mod blob;
mod blobs;
mod cut;
mod db;
mod detached;
mod edit;
mod evict;
mod expire;
mod hash;
mod scan;
mod shard;
mod totals;
mod tracked;
mod waiters;
mod watch;

pub use blob::CLOCK_BITS;
pub use blobs::Entry;
pub use cut::{Captured, CapturedEntry, CapturedValue, Cut, CutError, ParkedCut};
pub use db::{Before, Db, Now, Place, Updated};
pub use detached::Detached;
pub use edit::{Edited, Refused, Rewrite};
pub use evict::{Candidate, Pool, Score};
pub use expire::Expired;
pub use hash::{Key, KeyHasher};
pub use scan::{CURSOR_BITS, Cursor};
pub use shard::{Keyspace, Locks, Poisoned, Shard};
pub use totals::{DbTotals, Totals};
pub use tracked::{Readers, Tracked};
pub use waiters::{Waiter, Waiters};
pub use watch::{Presence, WatchFlag, Watches};

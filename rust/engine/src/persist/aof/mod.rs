//! The append-only file: the journal on the disk, in Redis 7's files.
//!
//! ```text
//! appendonlydir/appendonly.aof.manifest       which files, in which order
//!               appendonly.aof.1.base.rdb     everything up to a cut
//!               appendonly.aof.1.incr.aof     what was done since
//! ```
//!
//! [`Log`] writes, [`load`] reads, [`start_rewrite`] makes new files. What is in a file is the business of `annotation`
//! (checksums), `scan` (how much of it is whole), `replay` (its commands) and `writer`.
//!
//! Lock rule: `log`'s slot, then its manifest, then shards (only a cut takes them), then leaves. A client's thread tries
//! the slot and never waits for it.

#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
mod annotation;
mod check;
mod commands;
mod confirm;
mod log;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
mod manifest;
mod orphans;
mod point;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
mod read;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
mod replay;
mod rewrite;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
mod scan;
mod start;
mod writer;

pub use annotation::Annotation;
pub use check::{Checked, check, files_of};
pub use log::{Fsync, Log, LogStatus, Paused, State};
pub use manifest::{LogFile, Manifest, ManifestError, Role};
pub use point::{Stop, Until, first_offset, stop};
pub use replay::{ReplayError, replay};
pub use rewrite::{collect, directory, probe, roll, start as start_rewrite};
pub use scan::{Damage, Scan, scan};
pub use start::{Apply, LoadedLog, LogError, begin, find, load, reload, set_aside};
pub use writer::{AHEAD_BYTES, Writer};

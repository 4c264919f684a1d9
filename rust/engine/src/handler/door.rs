//! The way from a command back to the door at which all commands come in.

use super::context::Context;
use super::store::Store;
use crate::client::Queued;
use crate::keyspace::Locks;
use crate::persist::aof::{LogError, Manifest};
use crate::resp::Reply;

/// How commands run commands: implemented by the door, used by EXEC.
pub trait Door {
    /// Runs one queued command under the locks that `context` holds, replies, and adds what it did to the same account.
    fn run_queued(&self, context: &mut Context<'_, '_>, queued: &Queued, reply: &mut Reply<'_>);

    /// Runs the commands of a log under shards that are all held.
    ///
    /// # Errors
    /// The log is damaged; some of it is stored then.
    fn reload_log<'e>(&self, store: &'e Store, manifest: &Manifest, locks: &mut Locks<'e>) -> Result<(), LogError>;
}

/// Whether a command may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It must reply at once.
    Never,
    /// It may.
    MayBegin,
    /// It did, and must reply now.
    IsOver,
}

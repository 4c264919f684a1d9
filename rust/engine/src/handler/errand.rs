//! What a command does outside of the store: on a thread of its own, while its client waits as one of a pop does.
//!
//! The handler hands over an [`Errand`] ([`Context::go_out`]); when the shards are released, the door lets it go. It holds no lock and
//! may take as long as a peer likes. What it needs of the store it does in steps, through its [`Way`] back: each is run as the
//! waiting client, under the locks of the keys that it names, and leaves an effect as a command does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak};

use super::context::{Context, Outcome};
use super::store::Store;
use crate::error::Error;
use crate::keyspace::WatchFlag;
use crate::outbound::{Line, Network, Pool, Target};

/// Errands under way at once: each has a thread.
pub const ERRANDS_MAX: usize = 64;

/// What is done outside.
pub trait Errand: Send + std::fmt::Debug {
    /// Does it; the text of the status with which the command replies.
    ///
    /// # Errors
    /// With which the command replies.
    fn run(&mut self, way: &dyn Way) -> Result<&'static str, Error>;
}

/// What a step does to the store.
pub type StepOf<'s> = dyn FnMut(&mut Context<'_, '_>) -> Outcome + 's;

/// What a step may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It changes nothing.
    Reads,
    /// It may change data, and so is admitted as a command that does.
    Writes,
}

/// The way back to the store.
pub trait Way {
    /// Whether the client still waits.
    fn is_wanted(&self) -> bool;

    /// Runs a step as if the waiting client had sent its command with these words: they say what the client must be allowed to do,
    /// and the keys among them are locked and are those of the step's context.
    ///
    /// # Errors
    /// The client waits no more, or may not do it any more; or what the step answers. Nothing was changed.
    fn step(&self, what: Step, words: &[&[u8]], step: &mut StepOf<'_>) -> Result<(), Error>;

    /// Lets a flag go that [`Context::follow`] gave to a key, whether or not the client still waits.
    fn unfollow(&self, key: &[u8], flag: &Arc<WatchFlag>);

    /// Takes a line that was kept.
    fn take_line(&self, target: &Target) -> Option<Line>;

    /// Keeps a line for the next errand.
    fn keep_line(&self, target: Target, line: Line);
}

/// The errands of a store, and what they go with.
#[derive(Default)]
pub struct Errands {
    store: OnceLock<Weak<Store>>,
    network: OnceLock<Arc<dyn Network>>,
    /// Lines that were used lately.
    pub pool: Pool,
    /// Read while a step is under way.
    is_closed: RwLock<bool>,
    under_way: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Errands {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Errands").field("under_way", &self.under_way).finish_non_exhaustive()
    }
}

/// The right to be on an errand; given back when it is dropped.
#[derive(Debug)]
pub struct Leave(Arc<AtomicUsize>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Errands {
    /// Sets whose errands these are, and how they connect to others; once, by who made the store.
    pub fn attach(&self, store: Weak<Store>, network: Option<Arc<dyn Network>>) {
        let _ = self.store.set(store);
        if let Some(network) = network {
            let _ = self.network.set(network);
        }
    }

    /// How errands connect to others; `None`: they cannot.
    pub fn network(&self) -> Option<Arc<dyn Network>> {
        self.network.get().cloned()
    }

    /// The store; nobody on an errand keeps it alive.
    pub fn store(&self) -> Weak<Store> {
        self.store.get().cloned().unwrap_or_default()
    }

    /// Takes the right to be on an errand; `None`: too many are.
    pub fn leave(&self) -> Option<Leave> {
        let leave = Leave(Arc::clone(&self.under_way));
        (self.under_way.fetch_add(1, Ordering::AcqRel) < ERRANDS_MAX).then_some(leave)
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Whether no step is let in any more.
    pub fn is_closed(&self) -> bool {
        *self.is_closed.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a step in, for as long as the guard lives; `None`: no more.
    pub fn enter(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let closed = self.is_closed.read().unwrap_or_else(PoisonError::into_inner);
        (!*closed).then_some(closed)
    }

    /// Lets no step in any more, when those under way have ended. Called with no shard held.
    pub fn close(&self) {
        *self.is_closed.write().unwrap_or_else(PoisonError::into_inner) = true;
        self.pool.clear();
    }
}

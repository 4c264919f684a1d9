//! What one thread has done, for INFO.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one thread has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Open connections, those included that are on their way to the thread.
    pub connections: usize,
    /// Bytes received from peers.
    pub bytes_in: u64,
    /// Bytes sent to peers.
    pub bytes_out: u64,
    /// Receive calls, those included that found nothing.
    pub reads: u64,
    /// Send calls, those included that found no room.
    pub writes: u64,
    /// Wakes delivered to machines.
    pub wakes: u64,
    /// Waits for readiness.
    pub rounds: u64,
}

/// The live form of [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    pub(crate) reads: Count,
    pub(crate) writes: Count,
    pub(crate) wakes: Count,
    pub(crate) rounds: Count,
}

impl Tally {
    pub(crate) fn read(&self, connections: usize) -> Counters {
        Counters {
            connections,
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            reads: self.reads.get(),
            writes: self.writes.get(),
            wakes: self.wakes.get(),
            rounds: self.rounds.get(),
        }
    }
}

/// A count which one thread raises and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Only for the thread that owns the count: with one writer a load and a store do the work of a locked addition,
    /// which would cost more than all else that is counted here.
    pub(crate) fn add(&self, more: usize) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more as u64), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

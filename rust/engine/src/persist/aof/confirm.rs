//! Who waits until something is durable: WAITAOF.
//!
//! Only a finished fsync of a file that the manifest names confirms anything. While the first base is being written, and
//! after a file has failed, nothing is confirmed: whether what is on the disk would be found again is not sure then.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex};

use super::log::{Log, State, locked};
use crate::client::{Link, WaitNumber};
use crate::seeded::{self, Bug};

/// So many waits are kept before those that are over are looked for.
const WAITS_MIN: usize = 64;

/// Clients that wait.
#[derive(Debug, Default)]
pub struct Confirmations {
    has_any: AtomicBool,
    /// The end of the journal when clients began to know the offsets of their own records.
    began: AtomicU64,
    waits: Mutex<Waits>,
}

#[derive(Debug, Default)]
struct Waits {
    list: Vec<(u64, Arc<Link>, WaitNumber)>,
    /// At this length those that are over are thrown away.
    full: usize,
}

impl Confirmations {
    /// From here on clients know the offsets of their own records. The caller holds all shards.
    pub(super) fn begin_at(&self, offset: u64) {
        self.began.store(offset, Ordering::Release);
    }

    /// Ends every wait: what it waits for will not come.
    pub(super) fn end_all(&self) {
        self.end(|_| true);
    }

    fn end(&self, is_due: impl Fn(u64) -> bool) {
        // Who puts itself down says so before it looks at the offset, and here the offset is set before: one sees the other.
        fence(Ordering::SeqCst);
        if !self.has_any.load(Ordering::Acquire) {
            return;
        }
        let mut ended = Vec::new();
        {
            let mut waits = locked(&self.waits);
            waits.list.retain(|(offset, link, number)| {
                let is_due = is_due(*offset);
                if is_due && link.blocking.end_early(*number) {
                    ended.push(Arc::clone(link));
                }
                !is_due
            });
            self.has_any.store(!waits.list.is_empty(), Ordering::Release);
        }
        for link in ended {
            link.wake();
        }
    }
}

impl Log {
    /// Notes that everything before an offset is durable.
    pub(super) fn confirm(&self, offset: u64) {
        let synced = self.synced.fetch_max(offset, Ordering::AcqRel).max(offset);
        if self.state() == State::On {
            self.confirmations.end(|wanted| wanted <= synced);
        }
    }

    /// Whether everything before a journal offset is on the disk, in files that will be found again.
    pub fn has_confirmed(&self, offset: u64) -> bool {
        let wanted = offset.max(self.confirmations.began.load(Ordering::Acquire));
        let is_synced = self.synced() >= wanted || seeded::is_on(Bug::ConfirmedBeforeSync);
        self.state() == State::On && is_synced
    }

    /// Lets a wait end when [`Log::has_confirmed`] becomes true, or there is no log any more. May be called under shard locks,
    /// by the client's driver.
    pub fn wait_confirmed(&self, offset: u64, link: &Arc<Link>, number: WaitNumber) {
        let wanted = offset.max(self.confirmations.began.load(Ordering::Acquire));
        {
            let mut waits = locked(&self.confirmations.waits);
            if waits.list.len() >= waits.full {
                waits.list.retain(|(_, link, number)| link.blocking.is_waiting(*number));
                waits.full = WAITS_MIN.max(2 * waits.list.len());
            }
            waits.list.push((wanted, Arc::clone(link), number));
            self.confirmations.has_any.store(true, Ordering::Release);
        }
        fence(Ordering::SeqCst);
        let is_over = !self.is_wanted() && self.state() == State::Off;
        if (is_over || self.has_confirmed(offset)) && link.blocking.end_early(number) {
            // Only its driver begins a wait, and it looks when it is woken.
            link.wake();
        }
    }

    /// How many waits are kept, over or not.
    pub fn waits(&self) -> usize {
        locked(&self.confirmations.waits).list.len()
    }
}

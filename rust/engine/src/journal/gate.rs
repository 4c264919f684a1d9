//! The gate: which replies may leave, and who waits for it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::client::Link;

/// What a reply waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Nothing.
    Nothing = 0,
    /// The records of its own command are released.
    Own = 1,
    /// And those of whatever it may have seen.
    Seen = 2,
}

/// Replies leave when the journal is released as far as they depend on it.
///
/// Whoever waits is put down with the offset and woken once when it is released. The list's mutex is taken while nothing
/// else is held but perhaps the log writer's lock, and wakes are fired after it.
#[derive(Debug, Default)]
pub struct Gate {
    hold: AtomicU8,
    released: AtomicU64,
    has_waiters: AtomicBool,
    waiters: Mutex<Waiters>,
    /// Rung for threads that wait.
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Waiters {
    links: Vec<(u64, Arc<Link>)>,
    threads: usize,
}

impl Waiters {
    const fn is_empty(&self) -> bool {
        self.links.is_empty() && self.threads == 0
    }
}

impl Gate {
    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what replies wait for. Without anything to wait for everybody goes on.
    pub fn set_hold(&self, hold: Hold) {
        self.hold.store(hold as u8, Ordering::Release);
        if hold == Hold::Nothing {
            self.wake_up_to(u64::MAX);
        }
    }

    /// Whether replies wait for anything.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.hold.load(Ordering::Relaxed) != Hold::Nothing as u8
    }

    /// Whether replies wait for whatever they may have seen.
    #[inline]
    pub fn holds_reads(&self) -> bool {
        self.hold.load(Ordering::Relaxed) == Hold::Seen as u8
    }

    /// Up to which offset replies may leave.
    #[inline]
    pub fn released(&self) -> u64 {
        if self.hold.load(Ordering::Acquire) == Hold::Nothing as u8 {
            return u64::MAX;
        }
        self.released.load(Ordering::Acquire)
    }

    /// Releases everything up to an offset and wakes who waits for it.
    pub fn release(&self, offset: u64) {
        self.released.fetch_max(offset, Ordering::AcqRel);
        self.wake_up_to(offset);
    }

    fn wake_up_to(&self, offset: u64) {
        // Who puts itself down says so before it looks at the offset, and here the offset is set before: one sees the other.
        fence(Ordering::SeqCst);
        if !self.has_waiters.load(Ordering::Acquire) {
            return;
        }
        let mut woken = Vec::new();
        {
            let mut waiters = self.waiters();
            waiters.links.retain(|(wanted, link)| {
                let waits = *wanted > offset;
                if !waits {
                    woken.push(Arc::clone(link));
                }
                waits
            });
            if waiters.threads > 0 {
                self.bell.notify_all();
            }
            self.has_waiters.store(!waiters.is_empty(), Ordering::Release);
        }
        for link in woken {
            link.wake();
        }
    }

    /// Wakes everybody who waits, released or not: what they wait for will not come.
    pub fn wake_all(&self) {
        self.wake_up_to(u64::MAX);
    }

    /// Wakes a client once when an offset is released. False if it is already.
    pub fn wait(&self, offset: u64, link: &Arc<Link>) -> bool {
        let mut waiters = self.waiters();
        self.has_waiters.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.released() >= offset {
            self.has_waiters.store(!waiters.is_empty(), Ordering::Release);
            return false;
        }
        waiters.links.push((offset, Arc::clone(link)));
        true
    }

    /// Lets this thread wait until an offset is released; false if `is_lost` says, looked at whenever somebody is woken, that
    /// it never will be.
    pub fn wait_here(&self, offset: u64, is_lost: impl Fn() -> bool) -> bool {
        let mut waiters = self.waiters();
        waiters.threads += 1;
        self.has_waiters.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        let mut is_released = self.released() >= offset;
        while !is_released && !is_lost() {
            waiters = self.bell.wait(waiters).unwrap_or_else(PoisonError::into_inner);
            is_released = self.released() >= offset;
        }
        waiters.threads -= 1;
        self.has_waiters.store(!waiters.is_empty(), Ordering::Release);
        is_released
    }
}

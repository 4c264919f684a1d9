//! How other threads get the attention of a reactor thread.
//!
//! Why no wake is lost: a waker puts its key into the list, then sets `pending`, then looks at `asleep`. The thread sets
//! `asleep`, then looks at `pending`, then waits. All four are sequentially consistent, so at least one of the two sees
//! the other: the waker rings the bell, or the thread does not wait. A thread that is awake looks at `pending` before it
//! sleeps, so it needs no bell, and a wake from the thread itself costs no system call.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rkv_engine::client::Wake;

/// Who is woken: a place in the slab and the generation of the connection in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The wakes on their way to one thread.
#[derive(Debug)]
pub(crate) struct WakeQueue {
    woken: Mutex<Vec<Key>>,
    pending: AtomicBool,
    asleep: AtomicBool,
    bell: mio::Waker,
}

impl WakeQueue {
    pub(crate) fn new(bell: mio::Waker) -> Self {
        WakeQueue {
            woken: Mutex::new(Vec::new()),
            pending: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            bell,
        }
    }

    fn push(&self, key: Key) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        self.signal();
    }

    /// Says that there is something to look at, and rings if the thread waits.
    pub(crate) fn signal(&self) {
        self.pending.store(true, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst)
            && self.asleep.swap(false, Ordering::SeqCst)
            && let Err(error) = self.bell.wake()
        {
            log::error!("cannot wake a reactor thread: {error}");
        }
    }

    /// For the thread, before it waits: false when there is something to look at first.
    pub(crate) fn may_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        !self.pending.load(Ordering::SeqCst)
    }

    /// For the thread, after it waited.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// For the thread: swaps the woken into `woken`, which is empty. `pending` falls first, so that whoever comes later
    /// raises it again.
    pub(crate) fn take(&self, woken: &mut Vec<Key>) {
        self.pending.swap(false, Ordering::SeqCst);
        mem::swap(woken, &mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The wake handle of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionWake {
    queue: Arc<WakeQueue>,
    key: Key,
    /// Whether the key is in the queue. It bounds the queue to one entry per connection, however often it is woken.
    queued: AtomicBool,
}

impl ConnectionWake {
    pub(crate) fn new(queue: Arc<WakeQueue>, key: Key) -> Self {
        ConnectionWake { queue, key, queued: AtomicBool::new(false) }
    }

    /// For the thread, before it polls: whoever wakes from now on is queued anew. An exchange, not a store, so that
    /// what a waker did before it found the flag set is seen by the poll that follows.
    pub(crate) fn taken(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for ConnectionWake {
    fn wake(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.push(self.key);
        }
    }
}

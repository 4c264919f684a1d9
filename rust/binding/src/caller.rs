//! Calls through the door on behalf of Python threads.
//!
//! A keyspace keeps a few callers, each behind a lock that is only ever tried: a thread takes the first free one, so threads
//! neither wait for each other here nor make a caller per call. A call tries its shards with the GIL held; only if somebody
//! else holds one of them, or the command takes its time, is the GIL released around it.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use rkv_engine::Caller;
use rkv_engine::client::{Unblock, Wake};
use rkv_engine::dispatch::{Call, Mode};
use rkv_engine::handler::{Command, Flags, Keys};
use rkv_engine::resp::{Protocol, Tape};

use crate::engine::Handle;

/// Callers that a keyspace keeps.
const SLOTS: usize = 8;
/// A request of more words than this runs with the GIL released, whatever the command.
const WORDS_WITH_GIL: usize = 256;
/// How long a waiting thread sleeps between two looks at signals.
pub(crate) const SIGNALS: Duration = Duration::from_millis(50);

/// Wakes a thread that waits for its reply.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Wake for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ring.notify_one();
    }
}

impl Bell {
    /// Waits until it rings or the time is over, and forgets that it rang.
    pub(crate) fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) =
            self.ring.wait_timeout_while(rung, timeout, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// A caller with the tape it replies on.
pub struct State {
    caller: Caller,
    /// The replies of the calls since it was last cleared.
    pub tape: Tape,
    bell: Arc<Bell>,
}

impl State {
    fn new(handle: &Handle, db: usize) -> Self {
        let bell = Arc::new(Bell::default());
        Self { bell: Arc::clone(&bell), ..Self::woken(handle, db, bell) }
    }

    /// With another way to be told of a reply than the bell, which nobody must wait for then.
    pub fn woken(handle: &Handle, db: usize, wake: Arc<dyn Wake>) -> Self {
        let mut caller = Caller::new(Arc::clone(handle.core().store()), wake);
        caller.client().select(db);
        caller.client().speak(Protocol::Resp3);
        Self { caller, tape: Tape::new(), bell: Arc::default() }
    }

    /// Runs a command; its reply goes to the end of the tape.
    ///
    /// # Errors
    /// What a signal handler raised while the command waited.
    #[inline]
    pub fn call(&mut self, py: Python<'_>, command: &Command, words: &[&[u8]]) -> PyResult<()> {
        const SLOW: Flags = Flags::LINEAR.with(Flags::BLOCKING);
        // A walk from shard to shard waits for each of them.
        let is_walk = matches!(command.row.keys, Keys::Each);
        let is_quick = !command.row.flags.has(SLOW) && !is_walk && words.len() <= WORDS_WITH_GIL;
        if is_quick && self.caller.try_call(command, words, &mut self.tape) {
            if self.caller.is_held() {
                self.wait_for_log(py);
            }
            return Ok(());
        }
        self.call_detached(py, command, words)
    }

    /// Nobody sees a reply before the log is written as far as it depends on it.
    #[cold]
    fn wait_for_log(&mut self, py: Python<'_>) {
        py.detach(|| self.caller.wait_for_log(&mut self.tape));
    }

    #[cold]
    fn call_detached(&mut self, py: Python<'_>, command: &Command, words: &[&[u8]]) -> PyResult<()> {
        let may_wait = command.row.flags.has(Flags::BLOCKING.with(Flags::ERRAND));
        let mode = if may_wait { Mode::MayWait(Unblock::Tape(Protocol::Resp3)) } else { Mode::Now };
        py.detach(|| self.caller.call(command, words, mode, &mut self.tape));
        if self.caller.blocked().is_some() { self.wait(py) } else { Ok(()) }
    }

    /// Runs a request by the name in its words.
    ///
    /// # Errors
    /// As for [`State::call`].
    pub fn execute(&mut self, py: Python<'_>, words: &[&[u8]]) -> PyResult<()> {
        py.detach(|| self.caller.execute(words, Mode::Now, &mut self.tape));
        py.check_signals()
    }

    /// Runs commands in order under one set of locks, if that is possible without waiting. False: nothing was done.
    #[inline]
    pub fn try_window(&mut self, py: Python<'_>, calls: &[Call<'_>]) -> bool {
        let done = self.caller.try_window(calls, &mut self.tape);
        if done && self.caller.is_held() {
            self.wait_for_log(py);
        }
        done
    }

    /// Runs a request that may wait, and does not wait: [`State::is_answered`] tells whether the reply is there.
    pub fn begin(&mut self, words: &[&[u8]]) {
        self.caller.execute(words, Mode::MayWait(Unblock::Tape(Protocol::Resp3)), &mut self.tape);
    }

    /// Whether the reply to what was begun is on the tape, as it is when the time to wait is over.
    pub fn is_answered(&mut self, py: Python<'_>) -> bool {
        if self.caller.blocked().is_none() {
            return true;
        }
        if let Some(tape) = self.caller.take_reply() {
            self.tape = tape;
        } else if self.time_left().is_some() || !py.detach(|| self.caller.time_out(&mut self.tape)) {
            return false;
        }
        if self.caller.is_held() {
            self.wait_for_log(py);
        }
        true
    }

    /// Ends the wait. False: somebody answers just now, and the reply must be taken.
    pub fn cancel(&mut self) -> bool {
        self.caller.cancel()
    }

    /// Waits with the GIL released until the command that blocks is answered, its time is over, or a signal handler raises.
    fn wait(&mut self, py: Python<'_>) -> PyResult<()> {
        while !self.is_answered(py) {
            let left = self.time_left().unwrap_or_default();
            py.detach(|| self.bell.wait(left.min(SIGNALS)));
            if self.caller.blocked().is_some()
                && let Err(raised) = py.check_signals()
            {
                return self.give_up(py, raised);
            }
        }
        Ok(())
    }

    /// `None` if the time is over, or somebody else ended the wait.
    pub fn time_left(&self) -> Option<Duration> {
        if self.caller.is_unblocked() {
            return None;
        }
        let Some(deadline_us) = self.caller.blocked().and_then(|blocked| blocked.deadline_us) else {
            return Some(Duration::MAX);
        };
        let now_us = self.caller.store().clock.monotonic_us();
        deadline_us.checked_sub(now_us).filter(|left_us| *left_us > 0).map(Duration::from_micros)
    }

    /// A signal handler raised. If somebody answers just now, what was popped must not be lost: the reply is returned, and an
    /// interrupt comes again as soon as it is.
    fn give_up(&mut self, py: Python<'_>, raised: PyErr) -> PyResult<()> {
        if py.detach(|| self.caller.cancel()) {
            return Err(raised);
        }
        let tape = py.detach(|| {
            loop {
                match self.caller.take_reply() {
                    Some(tape) => break tape,
                    None => self.bell.wait(SIGNALS),
                }
            }
        });
        self.tape = tape;
        if raised.is_instance_of::<PyKeyboardInterrupt>(py) {
            py.import("_thread")?.call_method0("interrupt_main")?;
            return Ok(());
        }
        Err(raised)
    }
}

/// The callers of one keyspace.
pub struct Callers {
    handle: Arc<Handle>,
    db: usize,
    slots: [Mutex<Option<Box<State>>>; SLOTS],
    is_connection: bool,
}

/// Where this thread begins to look for a free slot.
fn thread_slot() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SLOT.with(|slot| {
        if slot.get() == usize::MAX {
            slot.set(THREADS.fetch_add(1, Ordering::Relaxed) % SLOTS);
        }
        slot.get()
    })
}

impl Callers {
    /// Callers of a database. As a connection there is one caller, whose state (WATCH, MULTI) stays from call to call.
    pub fn new(handle: Arc<Handle>, db: usize, is_connection: bool) -> Self {
        Self { handle, db, slots: Default::default(), is_connection }
    }

    /// The store.
    #[inline]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The store, to be shared.
    pub fn share(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }

    /// Whether state stays from call to call.
    pub const fn is_connection(&self) -> bool {
        self.is_connection
    }

    /// Lends a caller with an empty tape.
    ///
    /// # Errors
    /// The store is closed or belongs to the parent process; or what `then` returns.
    #[inline]
    pub fn with<R>(&self, py: Python<'_>, then: impl FnOnce(&mut State) -> PyResult<R>) -> PyResult<R> {
        self.handle.check(py)?;
        let first = if self.is_connection { 0 } else { thread_slot() };
        if let Ok(mut slot) = self.slots[first].try_lock()
            && let Some(state) = slot.as_deref_mut()
        {
            state.tape.clear();
            return then(state);
        }
        self.with_any(py, first, then)
    }

    #[cold]
    fn with_any<R>(&self, py: Python<'_>, first: usize, then: impl FnOnce(&mut State) -> PyResult<R>) -> PyResult<R> {
        let lend = |slot: &mut Option<Box<State>>| {
            let state = slot.get_or_insert_with(|| Box::new(State::new(&self.handle, self.db)));
            state.tape.clear();
            then(state)
        };
        if self.is_connection {
            let mut slot = self.slots[0].lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            return lend(&mut slot);
        }
        let slots = self.slots.iter().cycle().skip(first).take(SLOTS);
        let free = slots.map(Mutex::try_lock).find_map(|attempt| match attempt {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        match free {
            Some(mut slot) => lend(&mut slot),
            None => lend(&mut None),
        }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        if self.handle.is_foreign() {
            // A caller says goodbye to the store, whose locks may be held by threads that a child of fork does not have.
            for slot in &self.slots {
                if let Ok(mut slot) = slot.try_lock() {
                    std::mem::forget(slot.take());
                }
            }
        }
    }
}

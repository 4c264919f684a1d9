//! Wakes for a Python event loop: one socket pair per loop, however many sessions it drives.
//!
//! A wake puts the session's number down and, if nothing was put down before, rings the bell: one byte into the pair. The
//! loop waits until [`WakeQueue::fileno`] is readable and takes the numbers. So a wake costs a short mutex and at most
//! one system call, never the GIL, and may come from any thread. A mutex here is held while nothing else is called.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use rkv_engine::client::Wake;

/// The queue of one event loop.
#[derive(Debug)]
struct Shared {
    woken: Mutex<Vec<Arc<Sleeper>>>,
    bell: UnixStream,
    ear: UnixStream,
}

impl Shared {
    fn woken(&self) -> MutexGuard<'_, Vec<Arc<Sleeper>>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who can be woken, by number.
#[derive(Debug)]
struct Sleeper {
    number: u64,
    /// Whether it stands in the queue, so that it stands there once.
    is_queued: AtomicBool,
}

/// The handle of one sleeper.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    sleeper: Arc<Sleeper>,
}

impl Wake for Handle {
    fn wake(&self) {
        if self.sleeper.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let was_empty = {
            let mut woken = self.shared.woken();
            woken.push(Arc::clone(&self.sleeper));
            woken.len() == 1
        };
        if was_empty {
            // A full pair is a bell that rings already.
            let _ = (&self.shared.bell).write(&[1]);
        }
    }
}

/// What wakes the sessions of one event loop.
///
/// The loop waits until `fileno()` is readable, then handles each number that `take()` returns.
#[pyclass(frozen, module = "rkv._rkv")]
#[derive(Debug)]
pub struct WakeQueue {
    shared: Arc<Shared>,
}

impl WakeQueue {
    /// What wakes the sleeper with this number.
    pub(crate) fn handle(&self, number: u64) -> Arc<dyn Wake> {
        let sleeper = Arc::new(Sleeper { number, is_queued: AtomicBool::new(false) });
        Arc::new(Handle { shared: Arc::clone(&self.shared), sleeper })
    }
}

#[pymethods]
impl WakeQueue {
    #[new]
    fn new() -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self { shared: Arc::new(Shared { woken: Mutex::default(), bell, ear }) })
    }

    /// The descriptor that is readable while somebody is to be woken.
    fn fileno(&self) -> i32 {
        self.shared.ear.as_raw_fd()
    }

    /// The numbers of those to be woken, each once. Silences the bell.
    fn take(&self) -> io::Result<Vec<u64>> {
        let mut bytes = [0; 64];
        match (&self.shared.ear).read(&mut bytes) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        let woken = std::mem::take(&mut *self.shared.woken());
        let number_of = |sleeper: &Arc<Sleeper>| {
            // From here on a further wake queues it again, before anybody looks at what this one was about.
            sleeper.is_queued.store(false, Ordering::Release);
            sleeper.number
        };
        Ok(woken.iter().map(number_of).collect())
    }
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<WakeQueue>()
}

//! The handle of a reactor: starting, handing over, counting, stopping.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};

use crate::counters::{Counters, Tally};
use crate::machine::Machine;
use crate::queue::WakeQueue;
use crate::worker::{Arrivals, BELL, Shared, Worker};
use rkv_engine::client::Wake;

/// The engine's monotonic clock, in µs: the clock of [`Machine::deadline`].
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a reactor tells its owner, from its own threads. Hooks are short, do not block and do not panic.
#[derive(Clone)]
pub struct Hooks {
    /// A connection that was adopted is closed and its machine dropped. Called once for each.
    pub closed: Arc<dyn Fn() + Send + Sync>,
    /// A machine panicked, with this message; its connection is closed.
    pub panicked: Arc<dyn Fn(&str) + Send + Sync>,
    /// All that was ready has run once. Machines woken here, for instance because the log is written as far as they
    /// need, are polled before the thread waits again.
    pub round: Arc<dyn Fn() + Send + Sync>,
}

impl Default for Hooks {
    /// Hooks that do nothing.
    fn default() -> Self {
        Hooks { closed: Arc::new(|| {}), panicked: Arc::new(|_| {}), round: Arc::new(|| {}) }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// A grace that is as good as endless, and can be added to any point in time.
const GRACE_MAX: Duration = Duration::from_secs(1 << 30);

/// A handle of some threads which serve connections. Clones are handles of the same threads; when the last one is
/// dropped the threads stop without grace.
pub struct Reactor<M: Machine> {
    inner: Arc<Inner<M>>,
}

struct Inner<M: Machine> {
    threads: Vec<Arc<Shared<M>>>,
    /// Where the search for the least loaded thread begins, so that equals take turns.
    turn: AtomicUsize,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl<M: Machine> Reactor<M> {
    /// Starts `threads` threads named `name-0`, `name-1`, …
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for no threads; otherwise what the system says to a poller or a thread.
    pub fn start(threads: usize, name: &str, clock: &Clock, hooks: &Hooks) -> io::Result<Self> {
        if threads == 0 {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a reactor needs a thread"));
        }
        let mut inner = Inner { threads: Vec::new(), turn: AtomicUsize::new(0), handles: Mutex::new(Vec::new()) };
        for number in 0..threads {
            let poll = Poll::new()?;
            let bell = Waker::new(poll.registry(), BELL)?;
            let shared = Arc::new(Shared {
                queue: Arc::new(WakeQueue::new(bell)),
                arrivals: Mutex::new(Arrivals { adopted: Vec::new(), stop_at: None }),
                connections: AtomicUsize::new(0),
                tally: Tally::default(),
            });
            let (thread_shared, clock, hooks) = (Arc::clone(&shared), Arc::clone(clock), hooks.clone());
            let run = move || Worker::new(poll, thread_shared, clock, hooks).run();
            let handle = thread::Builder::new().name(format!("{name}-{number}")).spawn(run)?;
            inner.threads.push(shared);
            inner.handles.get_mut().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
        Ok(Reactor { inner: Arc::new(inner) })
    }

    /// Hands a connected stream socket, TCP or Unix, to the thread with the fewest connections. That thread calls `make`
    /// with the connection's wake handle, then reads, runs and writes until the connection ends. The socket is made
    /// non-blocking; its other options stay as they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotConnected`] once the reactor is stopped, or what the system says to a socket that cannot be made
    /// non-blocking. The socket is closed then, and [`Hooks::closed`] is not called.
    pub fn adopt<F>(&self, socket: impl Into<OwnedFd>, make: F) -> io::Result<()>
    where
        F: FnOnce(Arc<dyn Wake>) -> M + Send + 'static,
    {
        let socket = socket.into();
        rustix::io::ioctl_fionbio(&socket, true)?;
        let shared = self.inner.least_loaded();
        {
            let mut arrivals = shared.arrivals();
            if arrivals.stop_at.is_some() {
                return Err(io::Error::new(ErrorKind::NotConnected, "the reactor is stopped"));
            }
            shared.connections.fetch_add(1, Ordering::Relaxed);
            arrivals.adopted.push((socket, Box::new(make)));
        }
        shared.queue.signal();
        Ok(())
    }

    /// Open connections, those included that are on their way to their thread.
    pub fn connections(&self) -> usize {
        self.inner.threads.iter().map(|shared| shared.connections.load(Ordering::Relaxed)).sum()
    }

    /// What each thread has done, in the order of their names.
    pub fn counters(&self) -> Vec<Counters> {
        let of_thread = |shared: &Arc<Shared<M>>| shared.tally.read(shared.connections.load(Ordering::Relaxed));
        self.inner.threads.iter().map(of_thread).collect()
    }

    /// Stops: what was received is run, outputs are sent as far as `grace` allows, all connections are closed and
    /// the threads joined. Bytes that come meanwhile are
    /// not read. Does nothing when the reactor is stopped already.
    pub fn stop(&self, grace: Duration) {
        self.inner.stop(grace);
    }
}

impl<M: Machine> Inner<M> {
    fn least_loaded(&self) -> &Shared<M> {
        let count = self.threads.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let candidates = (0..count).map(|offset| &self.threads[turn.wrapping_add(offset) % count]);
        candidates
            .min_by_key(|shared| shared.connections.load(Ordering::Relaxed))
            .expect("a reactor has at least one thread")
    }

    fn stop(&self, grace: Duration) {
        let stop_at = Instant::now() + grace.min(GRACE_MAX);
        for shared in &self.threads {
            shared.arrivals().stop_at.get_or_insert(stop_at);
            shared.queue.signal();
        }
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in handles {
            // A hook that drops the last handle runs on a thread that cannot wait for itself.
            if handle.thread().id() != thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

impl<M: Machine> Drop for Inner<M> {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl<M: Machine> Clone for Reactor<M> {
    fn clone(&self) -> Self {
        Reactor { inner: Arc::clone(&self.inner) }
    }
}

impl<M: Machine> fmt::Debug for Reactor<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reactor").field("threads", &self.counters()).finish()
    }
}

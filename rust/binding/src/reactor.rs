//! Reactor threads for accepted sockets: trio accepts, they serve without the GIL.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rkv_engine::client::Origin;
use rkv_engine::session::Session;
use rkv_reactor::{Clock, Hooks};

use crate::engine::Engine;
use crate::session::transport;

/// Threads that serve accepted sockets.
#[pyclass(frozen, module = "rkv._rkv")]
#[derive(Debug)]
pub struct Reactor {
    engine: Py<Engine>,
    reactor: rkv_reactor::Reactor<Session>,
}

#[pymethods]
impl Reactor {
    /// Starts `threads` threads, at least one.
    #[new]
    fn new(engine: Bound<'_, Engine>, threads: usize) -> PyResult<Self> {
        engine.get().handle().check(engine.py())?;
        let clock = Arc::clone(&engine.get().inner().store().clock);
        let clock: Clock = Arc::new(move || clock.monotonic_us());
        let core = Arc::clone(engine.get().inner());
        let hooks = Hooks { round: Arc::new(move || core.store().end_round()), ..Hooks::default() };
        let reactor = rkv_reactor::Reactor::start(threads, "rkv-io", &clock, &hooks)?;
        Ok(Self { engine: engine.unbind(), reactor })
    }

    /// Serves a connected socket until it ends. The descriptor belongs to the reactor from here on, and is closed even
    /// if this raises; pass `socket.detach()`. `transport` is `tcp` or `unix`.
    fn adopt(&self, fd: i32, peer: String, local: String, transport: &str) -> PyResult<()> {
        if fd < 0 {
            return Err(PyValueError::new_err("a descriptor is not negative"));
        }
        // SAFETY: the caller gives the descriptor away: `socket.detach()` returns the number of an open descriptor that
        // no object owns any more, and this is the only place that makes an owner of it. A negative number, which
        // detaching a closed socket gives, was refused above.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let origin = Origin { peer, local, transport: self::transport(transport)?, fd: i64::from(fd) };
        let engine = Arc::clone(self.engine.get().inner());
        self.reactor.adopt(socket, move |wake| engine.session(origin, wake))?;
        Ok(())
    }

    /// Open connections, those included that are on their way to their thread.
    #[getter]
    fn connections(&self) -> usize {
        self.reactor.connections()
    }

    /// What was received is run, replies are sent as far as `grace_s` seconds allow, all connections are closed and the
    /// threads ended. Blocks, without the GIL.
    fn stop(&self, py: Python<'_>, grace_s: f64) -> PyResult<()> {
        let grace = Duration::try_from_secs_f64(grace_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        py.detach(|| self.reactor.stop(grace));
        Ok(())
    }
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Reactor>()
}

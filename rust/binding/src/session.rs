//! A session for a Python event loop: the bytes of any stream go in, the bytes of replies come out.

use std::borrow::Cow;
use std::io::IoSlice;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rkv_engine::client::{Origin, Transport};

use crate::engine::Engine;
use crate::wake::WakeQueue;

/// The most slices of output that one call joins.
const SLICES_MAX: usize = 64;

/// Reads the word for a transport.
pub(crate) fn transport(word: &str) -> PyResult<Transport> {
    match word {
        "tcp" => Ok(Transport::Tcp),
        "unix" => Ok(Transport::Unix),
        "stream" => Ok(Transport::Stream),
        _ => Err(PyValueError::new_err("a transport is tcp, unix or stream")),
    }
}

/// The machine of one connection, driven by one event loop.
///
/// `receive` what the peer sent; send what `output` gives and say so with `advance`; `poll` when `queue` says this
/// session's number or `wait_s` is over. Every call may run commands, so the GIL is released meanwhile; no two calls may
/// overlap. `close` ends the client, and so does the end of the object.
#[pyclass(module = "rkv._rkv")]
#[derive(Debug)]
pub struct Session {
    engine: Py<Engine>,
    session: Option<rkv_engine::session::Session>,
}

impl Session {
    fn live(&self) -> PyResult<&rkv_engine::session::Session> {
        self.session.as_ref().ok_or_else(|| PyValueError::new_err("the session is closed"))
    }

    fn live_mut(&mut self) -> PyResult<&mut rkv_engine::session::Session> {
        self.session.as_mut().ok_or_else(|| PyValueError::new_err("the session is closed"))
    }
}

#[pymethods]
impl Session {
    /// `number` is what `queue` says when this session is woken; `transport` is `tcp`, `unix` or `stream`.
    #[new]
    fn new(
        engine: Bound<'_, Engine>,
        queue: &WakeQueue,
        number: u64,
        peer: String,
        local: String,
        transport: &str,
    ) -> PyResult<Self> {
        engine.get().handle().check(engine.py())?;
        let origin = Origin { peer, local, transport: self::transport(transport)?, fd: -1 };
        let session = engine.get().inner().session(origin, queue.handle(number));
        Ok(Self { engine: engine.unbind(), session: Some(session) })
    }

    /// The client's number.
    #[getter]
    fn id(&self) -> PyResult<u64> {
        Ok(self.live()?.id())
    }

    /// Makes the client this user without a password, as its stream has proved who it is. False if there is no such user, or
    /// it is off.
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are values")]
    fn log_in_as(&mut self, name: Vec<u8>) -> PyResult<bool> {
        Ok(self.live_mut()?.log_in_as(&name))
    }

    /// Takes bytes from the peer and runs every whole request in them.
    fn receive(&mut self, py: Python<'_>, data: Cow<'_, [u8]>) -> PyResult<()> {
        let session = self.live_mut()?;
        py.detach(move || {
            session.receive(&data);
            session.end_round();
        });
        Ok(())
    }

    /// Goes on after a wake, or when `wait_s` is over.
    fn poll(&mut self, py: Python<'_>) -> PyResult<()> {
        let session = self.live_mut()?;
        py.detach(|| {
            session.poll();
            session.end_round();
        });
        Ok(())
    }

    /// Up to `bytes_max` bytes that may be sent now; empty if nothing may.
    fn output<'py>(&self, py: Python<'py>, bytes_max: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = self.live()?.output_slices(&mut slices);
        let slices = slices.get(..filled).unwrap_or_default();
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>().min(bytes_max);
        PyBytes::new_with(py, len, |into| {
            let mut rest = into;
            for slice in slices {
                let len = slice.len().min(rest.len());
                let (head, tail) = rest.split_at_mut(len);
                head.copy_from_slice(slice.get(..len).unwrap_or_default());
                rest = tail;
            }
            Ok(())
        })
    }

    /// `sent` bytes of the output were sent; input that waited for room is run.
    fn advance(&mut self, py: Python<'_>, sent: usize) -> PyResult<()> {
        let session = self.live_mut()?;
        py.detach(|| {
            session.advance(sent);
            session.end_round();
        });
        Ok(())
    }

    /// Whether more input would be run.
    #[getter]
    fn wants_input(&self) -> PyResult<bool> {
        Ok(self.live()?.wants_input())
    }

    /// Whether the connection ends when the output is sent.
    #[getter]
    fn closing(&self) -> PyResult<bool> {
        Ok(self.live()?.closing())
    }

    /// Whether replies exist that may not be sent yet; such a connection is not closed.
    #[getter]
    fn withheld(&self) -> PyResult<bool> {
        Ok(self.live()?.is_withheld())
    }

    /// Seconds until `poll` is due; `None`: never.
    #[getter]
    fn wait_s(&self) -> PyResult<Option<f64>> {
        let clock = &self.engine.get().inner().store().clock;
        let wait = self.live()?.deadline().map(|deadline_us| deadline_us.saturating_sub(clock.monotonic_us()));
        Ok(wait.map(|wait_us| wait_us as f64 / 1e6))
    }

    /// Ends the client.
    fn close(&mut self, py: Python<'_>) {
        let session = self.session.take();
        py.detach(|| drop(session));
    }
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Session>()
}

//! A command that may wait, on behalf of a task of an event loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::caller::{SIGNALS, State};
use crate::engine::Handle;
use crate::keyspace::Keyspace;
use crate::value::Text;
use crate::wake::WakeQueue;
use crate::words::with_words;

/// A command with a caller of its own. Its number is told to the queue when it is answered; the task then asks for the reply.
#[pyclass(frozen, module = "rkv._rkv")]
pub struct Pending {
    handle: Arc<Handle>,
    text: Text,
    /// None when the reply was taken, or nobody wants it any more.
    state: Mutex<Option<Box<State>>>,
}

impl Pending {
    fn state(&self) -> MutexGuard<'_, Option<Box<State>>> {
        // A task has it for itself, so this lock is always free.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reply in a tuple, which ends it.
    fn read<'py>(&self, py: Python<'py>, state: &mut Option<Box<State>>) -> PyResult<Bound<'py, PyTuple>> {
        let ended = state.take().ok_or_else(|| PyRuntimeError::new_err("the reply was taken"))?;
        PyTuple::new(py, [self.text.reply(py, &ended.tape)?])
    }
}

#[pymethods]
impl Pending {
    /// Runs a command, which may wait for other clients.
    #[new]
    #[pyo3(signature = (keyspace, queue, number, *words), text_signature = "(keyspace, queue, number, *words)")]
    fn new(
        keyspace: &Bound<'_, Keyspace>,
        queue: &WakeQueue,
        number: u64,
        words: &Bound<'_, PyTuple>,
    ) -> PyResult<Self> {
        let py = keyspace.py();
        let keyspace = keyspace.get();
        let handle = keyspace.share();
        handle.check(py)?;
        let mut state = Box::new(State::woken(&handle, keyspace.database(), queue.handle(number)));
        with_words(&[], words.as_slice(), |words| {
            keyspace.check(py, words)?;
            py.detach(|| state.begin(words));
            PyResult::Ok(())
        })??;
        Ok(Self { handle, text: keyspace.strings(), state: Mutex::new(Some(state)) })
    }

    /// The reply in a tuple, if the command was answered or its time is over; None if it still waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.handle.check(py)?;
        let mut state = self.state();
        let is_answered = match state.as_deref_mut() {
            Some(waiting) => waiting.is_answered(py),
            None => true,
        };
        if is_answered { self.read(py, &mut state).map(Some) } else { Ok(None) }
    }

    /// Seconds until its time is over; None if it has all the time there is.
    fn left(&self) -> Option<f64> {
        let state = self.state();
        let left = state.as_deref().map_or(Some(Duration::ZERO), State::time_left).unwrap_or_default();
        (left < Duration::MAX).then_some(left.as_secs_f64())
    }

    /// Ends the wait, because nobody wants the reply any more: None. The reply in a tuple if it was answered first, because
    /// what was popped for it is nowhere else.
    fn cancel<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.handle.check(py)?;
        let mut state = self.state();
        let Some(waiting) = state.as_deref_mut() else { return Ok(None) };
        if py.detach(|| waiting.cancel()) {
            *state = None;
            return Ok(None);
        }
        // Somebody answers it just now.
        while !waiting.is_answered(py) {
            py.detach(|| std::thread::sleep(SIGNALS / 1_000));
        }
        self.read(py, &mut state).map(Some)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.handle.is_foreign() {
            // It would say goodbye to a store whose locks may be held by threads that a child of fork does not have.
            std::mem::forget(self.state().take());
        }
    }
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Pending>()
}

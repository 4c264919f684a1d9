//! A listener to channels for a Python thread or event loop.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use rkv_engine::client::{Frame, Kind};

use crate::caller::{Bell, SIGNALS};
use crate::engine::Handle;
use crate::error;
use crate::keyspace::Keyspace;
use crate::wake::WakeQueue;

/// What a listener has: the engine's part, and messages that were taken out of it and not asked for yet.
struct State {
    subscriber: Option<rkv_engine::Subscriber>,
    ready: VecDeque<Arc<Frame>>,
}

/// Listens to channels. With a queue its number is told there when messages come; without one a thread waits for them.
#[pyclass(frozen, module = "rkv._rkv")]
pub struct Subscriber {
    handle: Arc<Handle>,
    bell: Arc<Bell>,
    state: Mutex<State>,
}

fn kind_of(number: u8) -> PyResult<Kind> {
    match number {
        0 => Ok(Kind::Channel),
        1 => Ok(Kind::Pattern),
        2 => Ok(Kind::Shard),
        _ => Err(PyValueError::new_err("a kind is 0, 1 or 2")),
    }
}

impl Subscriber {
    fn state(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, State>> {
        self.handle.check(py)?;
        // Nobody holds this lock while it waits for Python, so it is never held for long.
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<Arc<Frame>>> {
        let mut state = self.state(py)?;
        if state.ready.is_empty() {
            let Some(subscriber) = &mut state.subscriber else {
                return Err(PyValueError::new_err("the subscriber is closed"));
            };
            let Ok(frames) = subscriber.take() else {
                let text = "the messages of this subscriber were dropped: it left too many of them unread";
                return Err(error::raise(py, "SlowSubscriberError", text));
            };
            state.ready.extend(frames);
        }
        Ok(state.ready.pop_front())
    }
}

#[pymethods]
impl Subscriber {
    #[new]
    #[pyo3(signature = (keyspace, queue=None, number=0), text_signature = "(keyspace, queue=None, number=0)")]
    fn new(keyspace: &Bound<'_, Keyspace>, queue: Option<&WakeQueue>, number: u64) -> PyResult<Self> {
        let handle = keyspace.get().share();
        handle.check(keyspace.py())?;
        let bell = Arc::new(Bell::default());
        let wake = match queue {
            Some(queue) => queue.handle(number),
            None => bell.clone(),
        };
        let subscriber = rkv_engine::Subscriber::new(Arc::clone(handle.core().store()), wake);
        let state = Mutex::new(State { subscriber: Some(subscriber), ready: VecDeque::new() });
        Ok(Self { handle, bell, state })
    }

    /// Listens to a name, too; how many there are now.
    fn subscribe(&self, py: Python<'_>, kind: u8, name: &[u8]) -> PyResult<usize> {
        let kind = kind_of(kind)?;
        let mut state = self.state(py)?;
        let closed = || PyValueError::new_err("the subscriber is closed");
        Ok(state.subscriber.as_mut().ok_or_else(closed)?.subscribe(kind, name))
    }

    /// Listens to a name no more; how many there are now.
    fn unsubscribe(&self, py: Python<'_>, kind: u8, name: &[u8]) -> PyResult<usize> {
        let kind = kind_of(kind)?;
        Ok(self.state(py)?.subscriber.as_mut().map_or(0, |subscriber| subscriber.unsubscribe(kind, name)))
    }

    /// To what it listens.
    fn names<'py>(&self, py: Python<'py>, kind: u8) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let kind = kind_of(kind)?;
        let names = self.state(py)?.subscriber.as_ref().map(|subscriber| subscriber.names(kind));
        Ok(names.unwrap_or_default().iter().map(|name| PyBytes::new(py, name)).collect())
    }

    /// The words of the next message, or None if there is none within `timeout_s`; None waits for ever, 0 not at all.
    #[pyo3(signature = (timeout_s=0.0), text_signature = "($self, timeout_s=0.0)")]
    fn get<'py>(&self, py: Python<'py>, timeout_s: Option<f64>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let end = timeout_s.and_then(|seconds| {
            let timeout = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            Instant::now().checked_add(timeout)
        });
        loop {
            if let Some(frame) = self.next(py)? {
                let words: Vec<_> = frame.words().map(|word| PyBytes::new(py, word)).collect();
                return PyTuple::new(py, words).map(Some);
            }
            let left = end.map_or(SIGNALS, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            py.detach(|| self.bell.wait(left.min(SIGNALS)));
            py.check_signals()?;
        }
    }

    /// Listens to nothing any more. Closing twice does nothing.
    fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ready.clear();
        let subscriber = state.subscriber.take();
        if self.handle.is_foreign() {
            // It would say goodbye to a store whose locks may be held by threads that a child of fork does not have.
            std::mem::forget(subscriber);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.close();
    }
}

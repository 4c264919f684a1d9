//! Exceptions: their classes stand in `rkv.errors` and are looked up only when one is raised.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use rkv_engine::error::{Error, POISONED};

static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

fn errors(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    ERRORS.get_or_try_init(py, || py.import("rkv.errors").map(Bound::unbind)).map(|module| module.bind(py))
}

/// An exception of `rkv.errors` by the name of its class.
#[cold]
pub fn raise(py: Python<'_>, class: &str, text: &str) -> PyErr {
    match errors(py).and_then(|module| module.getattr(class)?.call1((text,))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// The exception object for an error reply.
#[cold]
pub fn object<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    if *error == POISONED {
        return errors(py)?.getattr("PoisonedError")?.call1((error.as_str().trim_start_matches("ERR "),));
    }
    errors(py)?.getattr("from_reply")?.call1((error.as_str(),))
}

/// The exception for an error reply, to be raised.
#[cold]
pub fn reply(py: Python<'_>, error: &Error) -> PyErr {
    match object(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// The class of all error replies.
pub fn response_error(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    errors(py)?.getattr("ResponseError")
}

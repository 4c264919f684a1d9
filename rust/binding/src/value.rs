//! Replies as Python objects, in the shapes that redis-py gives them in RESP3.

use pyo3::exceptions::{PyTypeError, PyUnicodeDecodeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString};
use rkv_engine::resp::tape::Values;
use rkv_engine::resp::{Tape, Value};

use crate::error;

/// Whether strings come back as `str` (UTF-8) or as `bytes`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text(pub bool);

impl Text {
    /// A string.
    ///
    /// # Errors
    /// `UnicodeDecodeError` if text is wanted and the bytes are no UTF-8.
    #[inline]
    pub fn string<'py>(self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        if !self.0 {
            return Ok(PyBytes::new(py, bytes).into_any());
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(PyString::new(py, text).into_any()),
            Err(error) => Err(PyUnicodeDecodeError::new_utf8(py, bytes, error)?.into()),
        }
    }

    fn status<'py>(self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        static OK: PyOnceLock<Py<PyBytes>> = PyOnceLock::new();
        match (text, self.0) {
            ("OK", true) => Ok(intern!(py, "OK").clone().into_any()),
            ("OK", false) => Ok(OK.get_or_init(py, || PyBytes::new(py, b"OK").unbind()).bind(py).clone().into_any()),
            _ => self.string(py, text.as_bytes()),
        }
    }

    /// The next value of a tape, with all its elements; errors inside are exception objects.
    ///
    /// # Errors
    /// As for strings; or Python is out of memory.
    #[inline]
    pub fn next<'py>(self, py: Python<'py>, values: &mut Values<'_>) -> PyResult<Bound<'py, PyAny>> {
        match values.next() {
            Some(Value::Bulk(bytes)) if !self.0 => Ok(PyBytes::new(py, bytes).into_any()),
            value => self.value(py, value, values),
        }
    }

    #[inline(never)]
    fn value<'py>(
        self,
        py: Python<'py>,
        value: Option<Value<'_>>,
        values: &mut Values<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match value {
            Some(Value::Bulk(bytes)) => self.string(py, bytes),
            Some(Value::Integer(number)) => Ok(integer(py, number)),
            Some(Value::Null | Value::NullArray) | None => Ok(py.None().into_bound(py)),
            Some(Value::Simple(text)) => self.status(py, text),
            Some(value) => self.rare(py, value, values),
        }
    }

    fn rare<'py>(self, py: Python<'py>, value: Value<'_>, values: &mut Values<'_>) -> PyResult<Bound<'py, PyAny>> {
        match value {
            Value::Array(count) | Value::Push(count) => Ok(self.list(py, count, values)?.into_any()),
            Value::Map(count) => self.map(py, count, values),
            Value::Set(count) => {
                let members = self.list(py, count, values)?;
                match PySet::new(py, members.iter()) {
                    // A member that is a list: a list of members is the best that Python can say.
                    Err(error) if error.is_instance_of::<PyTypeError>(py) => Ok(members.into_any()),
                    set => Ok(set?.into_any()),
                }
            }
            Value::Attribute(count) => {
                self.map(py, count, values)?;
                self.next(py, values)
            }
            Value::Shared(shared) => self.string(py, shared),
            Value::Verbatim(_, bytes) => self.string(py, bytes),
            Value::Double(number) => Ok(PyFloat::new(py, number).into_any()),
            Value::Boolean(truth) => Ok(PyBool::new(py, truth).to_owned().into_any()),
            Value::BigNumber(digits) => py.get_type::<PyInt>().call1((digits,)),
            Value::Error(error) => error::object(py, error),
            Value::Simple(_) | Value::Integer(_) | Value::Bulk(_) | Value::Null | Value::NullArray => {
                Ok(py.None().into_bound(py))
            }
        }
    }

    fn list<'py>(self, py: Python<'py>, count: usize, values: &mut Values<'_>) -> PyResult<Bound<'py, PyList>> {
        let items = (0..count).map(|_| self.next(py, values)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, items)
    }

    fn map<'py>(self, py: Python<'py>, count: usize, values: &mut Values<'_>) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(py);
        for _ in 0..count {
            let key = self.next(py, values)?;
            let value = self.next(py, values)?;
            match key.cast::<PyList>() {
                Ok(list) => dict.set_item(list.to_tuple(), value)?,
                Err(_) => dict.set_item(key, value)?,
            }
        }
        Ok(dict.into_any())
    }

    /// A whole reply: an error is raised.
    ///
    /// # Errors
    /// The error that was replied, or as for [`Text::next`].
    #[inline]
    pub fn reply<'py>(self, py: Python<'py>, tape: &Tape) -> PyResult<Bound<'py, PyAny>> {
        match tape.first() {
            Some(Value::Bulk(bytes)) if !self.0 => Ok(PyBytes::new(py, bytes).into_any()),
            Some(Value::Null) => Ok(py.None().into_bound(py)),
            _ => self.any_reply(py, tape),
        }
    }

    #[inline(never)]
    fn any_reply<'py>(self, py: Python<'py>, tape: &Tape) -> PyResult<Bound<'py, PyAny>> {
        let mut values = tape.iter();
        match values.next() {
            Some(Value::Error(error)) => Err(error::reply(py, error)),
            value => self.value(py, value, &mut values),
        }
    }
}

/// An integer.
#[inline]
pub fn integer(py: Python<'_>, number: i64) -> Bound<'_, PyAny> {
    PyInt::new(py, number).into_any()
}

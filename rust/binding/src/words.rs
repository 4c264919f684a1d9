//! Arguments of Python calls as the words of a request.
//!
//! `str` and `bytes` are borrowed: both never change, and a `str` keeps its UTF-8 form. Whatever may change while the GIL is
//! released (`bytearray`, `memoryview`) is copied.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyFloat, PyInt, PyMemoryView, PyString};
use rkv_engine::number::{Decimal, format_f64};
use smallvec::SmallVec;

use crate::error;

/// A word that had to be made from an object.
pub enum Made {
    /// A number's digits.
    Number(Decimal),
    /// A copy.
    Owned(Vec<u8>),
}

/// One word of a request.
pub enum Word<'a> {
    /// Bytes of a Python object.
    Borrowed(&'a [u8]),
    /// Bytes that no object holds.
    Made(Made),
}

/// Words of a short request stand on the stack.
pub type Refs<'a> = SmallVec<[&'a [u8]; 8]>;

/// The bytes of an object that holds the very bytes of a word.
#[inline]
pub fn borrowed<'a>(object: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    if let Ok(text) = object.cast::<PyString>() {
        return text.to_str().ok().map(str::as_bytes);
    }
    object.cast::<PyBytes>().ok().map(PyBytesMethods::as_bytes)
}

/// The bytes of an object: its own, or those that are made of it and kept in `made`.
///
/// # Errors
/// As for [`Word::new`].
#[inline]
pub fn bytes<'a>(object: &'a Bound<'_, PyAny>, made: &'a mut Option<Made>) -> PyResult<&'a [u8]> {
    match borrowed(object) {
        Some(bytes) => Ok(bytes),
        None => Ok(made.insert(Made::new(object)?).bytes()),
    }
}

impl Made {
    #[cold]
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyBool>() {
            return Err(refused(object));
        }
        if object.is_instance_of::<PyInt>() {
            return match object.extract::<i64>() {
                Ok(number) => Ok(Self::Number(Decimal::from(number))),
                Err(_) => Ok(Self::Owned(object.str()?.to_str()?.into())),
            };
        }
        if object.is_instance_of::<PyFloat>() {
            return Ok(Self::Owned(object.repr()?.to_str()?.into()));
        }
        if let Ok(bytes) = object.cast::<PyByteArray>() {
            return Ok(Self::Owned(bytes.to_vec()));
        }
        if object.is_instance_of::<PyMemoryView>() {
            let bytes = object.call_method0("tobytes")?;
            return Ok(Self::Owned(bytes.cast::<PyBytes>()?.as_bytes().to_vec()));
        }
        if let Ok(text) = object.cast::<PyString>() {
            // It could not be borrowed: this says why.
            return text.to_str().map(|text| Self::Owned(text.into()));
        }
        Err(refused(object))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Number(digits) => digits.as_bytes(),
            Self::Owned(bytes) => bytes,
        }
    }
}

impl<'a> Word<'a> {
    /// A Python argument: `str`, `bytes`, `bytearray`, `memoryview`, `int` or `float`.
    ///
    /// # Errors
    /// `rkv.DataError` for any other type, `UnicodeEncodeError` for a `str` with lone surrogates.
    #[inline]
    pub fn new(object: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        match borrowed(object) {
            Some(bytes) => Ok(Self::Borrowed(bytes)),
            None => Made::new(object).map(Self::Made),
        }
    }

    /// A score: as any other argument, but a `float` need not have the digits that Python gives it.
    ///
    /// # Errors
    /// As for [`Word::new`].
    #[inline]
    pub fn score(object: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        match object.cast_exact::<PyFloat>() {
            Ok(number) => Ok(Self::Made(Made::Number(format_f64(number.value())))),
            Err(_) => Self::new(object),
        }
    }

    /// An integer.
    pub fn integer(number: i64) -> Self {
        Self::Made(Made::Number(Decimal::from(number)))
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Made(made) => made.bytes(),
        }
    }
}

#[cold]
fn refused(object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string());
    let text = format!("Invalid input of type: '{name}'. Convert to a bytes, string, int or float first.");
    error::raise(object.py(), "DataError", &text)
}

/// Calls `then` with the words of a request: those of `head`, then one for each object.
#[inline]
pub fn with_words<R>(head: &[&[u8]], objects: &[Bound<'_, PyAny>], then: impl FnOnce(&[&[u8]]) -> R) -> PyResult<R> {
    let words = objects.iter().map(Word::new).collect::<PyResult<SmallVec<[Word<'_>; 8]>>>()?;
    let refs: Refs<'_> = head.iter().copied().chain(words.iter().map(Word::bytes)).collect();
    Ok(then(&refs))
}

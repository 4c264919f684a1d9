//! Methods of the extension as a class of Python's own.
//!
//! `rkv.Keyspace` is a class of Python below one of the extension. The interpreter calls a method in C directly only where the
//! object's class is the very class that the method was made for; through a class below it takes a longer way, which is a
//! tenth of a GET. So the class is given descriptors of its own for what it inherits.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::keyspace::Keyspace;

/// Gives a class below [`Keyspace`] descriptors of its own for the methods that it inherits from there and does not replace.
#[pyfunction]
pub fn own_methods(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    let base = py.get_type::<Keyspace>();
    if !class.is_subclass(&base)? || class.is(&base) {
        return Ok(());
    }
    let replaced = class.getattr("__dict__")?;
    let inherited = PyDict::new(py);
    inherited.update(base.getattr("__dict__")?.cast()?)?;
    for (name, descriptor) in inherited {
        if replaced.contains(&name)? {
            continue;
        }
        if let Some(own) = own(class, &descriptor)? {
            class.setattr(name.cast()?, own)?;
        }
    }
    Ok(())
}

/// The same method for a class below the one that it was made for; `None` if it is no method.
fn own<'py>(class: &Bound<'py, PyType>, descriptor: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = class.py();
    // SAFETY: an object whose type is that of method descriptors is a `PyMethodDescrObject`; its definition outlives the base,
    // which the class below keeps alive, and a method of the base takes instances of every class below. What is returned is a
    // new reference, or null with an exception set.
    unsafe {
        if ffi::Py_TYPE(descriptor.as_ptr()) != &raw mut ffi::PyMethodDescr_Type {
            return Ok(None);
        }
        let method = (*descriptor.as_ptr().cast::<ffi::PyMethodDescrObject>()).d_method;
        Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), method)).map(Some)
    }
}

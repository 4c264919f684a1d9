//! Directories and files as Python names them, and what goes wrong with them as exceptions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use rkv_engine::files::RealFiles;
use rkv_engine::persist::aof::LogError;
use rkv_engine::persist::{LoadError, SaveError, Saved};

use crate::error;

/// Opens a directory; `OSError` if that cannot be.
pub fn open(py: Python<'_>, path: &Path) -> PyResult<Arc<dyn rkv_engine::files::Files>> {
    let files = py.detach(|| RealFiles::open(path));
    let files = files.map_err(|error| PyOSError::new_err(format!("the directory {}: {error}", path.display())))?;
    Ok(Arc::new(files))
}

/// The directory of a file and its name in it; `ValueError` if it has none that is text.
pub fn split(path: &Path) -> PyResult<(PathBuf, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| PyValueError::new_err(format!("{} does not name a file", path.display())))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((directory.to_owned(), name.to_owned()))
}

/// What Python gets of a snapshot.
pub const fn saved(saved: Saved) -> (u64, u64, u64) {
    (saved.keys, saved.bytes, saved.offset)
}

/// The exception for data that was not loaded.
#[cold]
pub fn load_error(py: Python<'_>, error: &LoadError) -> PyErr {
    match error {
        LoadError::Io { .. } | LoadError::Log(LogError::Io { .. } | LogError::Save(_)) => {
            PyOSError::new_err(error.to_string())
        }
        LoadError::Log(_) => error::raise(py, "DamagedFileError", &error.to_string()),
        LoadError::Damaged { path, .. } => {
            let text = format!("{error}; nothing was loaded. To see what is left of it: rkv check {}", path.display());
            error::raise(py, "DamagedFileError", &text)
        }
        LoadError::Cancelled => error::raise(py, "ClosedError", &error.to_string()),
    }
}

/// The exception for a snapshot that was not taken.
#[cold]
pub fn save_error(py: Python<'_>, error: &SaveError) -> PyErr {
    error::raise(py, "SnapshotError", &format!("no snapshot was taken: {error}"))
}

//! Looking through files of the log: `rkv check`.

use std::path::PathBuf;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rkv_engine::persist::aof::{self, Role};

use crate::{error, files};

/// How much of a file of commands is whole, from the position on where they begin. `fix` cuts it there and keeps the rest in a
/// file beside it. A dictionary: `bytes`, `whole_bytes`, `commands`, `sealed` (whether it has checksums), `aside` (where the
/// rest was put), and `damage`: `None`, or (offset, what is wrong, whether durable bytes lie behind it).
#[pyfunction]
#[pyo3(signature = (path, start=0, fix=false), text_signature = "(path, start=0, fix=False)")]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
fn check_log(py: Python<'_>, path: PathBuf, start: u64, fix: bool) -> PyResult<Bound<'_, PyDict>> {
    let (directory, name) = files::split(&path)?;
    let directory = files::open(py, &directory)?;
    let checked = py
        .detach(|| aof::check(&*directory, &name, start, fix))
        .map_err(|error| PyOSError::new_err(format!("{}: {error}", path.display())))?;
    let report = PyDict::new(py);
    let found = checked.scan;
    report.set_item("bytes", found.bytes)?;
    report.set_item("whole_bytes", found.whole_bytes)?;
    report.set_item("commands", found.commands)?;
    report.set_item("sealed", found.is_sealed)?;
    report.set_item("aside", checked.aside)?;
    report.set_item("damage", found.damage.map(|damage| (damage.at, damage.what, damage.is_within)))?;
    Ok(report)
}

/// The files that a manifest names, in the order in which they are loaded: names, and whether each is the base.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
fn log_files(py: Python<'_>, path: PathBuf) -> PyResult<Vec<(String, bool)>> {
    let (directory, name) = files::split(&path)?;
    let directory = files::open(py, &directory)?;
    let found = aof::files_of(&*directory, &name).map_err(|problem| {
        let text = format!("{}: {problem}", path.display());
        match problem.kind() {
            std::io::ErrorKind::InvalidData => error::raise(py, "DamagedFileError", &text),
            _ => PyOSError::new_err(text),
        }
    })?;
    Ok(found.into_iter().map(|file| (file.name, file.role == Role::Base)).collect())
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(check_log, module)?)?;
    module.add_function(wrap_pyfunction!(log_files, module)?)
}

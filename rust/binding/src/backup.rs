//! Backups: what one holds, and restoring it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use rkv_engine::persist::backup::{self, BackupManifest, Point, RestoreError};

use crate::{error, files};

/// How often Python hears of progress.
const TOLD: Duration = Duration::from_millis(100);

/// Adds what this file defines.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(read_backup, module)?)?;
    module.add_function(wrap_pyfunction!(restore_backup, module)?)
}

/// The files of a backup: names below it, bytes, CRC-32C.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
fn read_backup(py: Python<'_>, path: PathBuf) -> PyResult<Vec<(String, u64, u32)>> {
    let directory = files::open(py, &path)?;
    let manifest = py.detach(|| BackupManifest::read(&*directory, ""));
    let manifest =
        manifest.map_err(|what| error::raise(py, "DamagedFileError", &format!("{}: {what}", path.display())))?;
    Ok(manifest.members.into_iter().map(|member| (member.name, member.bytes, member.crc32c)).collect())
}

/// Restores the backup in `source` into `destination`, as of a journal offset or a time in Unix milliseconds, or all of it.
/// The offset that was reached, and how many files and bytes were written.
#[pyfunction]
#[pyo3(
    signature = (source, destination, offset=None, unix_ms=None, progress=None),
    text_signature = "(source, destination, offset=None, unix_ms=None, progress=None)"
)]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
fn restore_backup(
    py: Python<'_>,
    source: PathBuf,
    destination: PathBuf,
    offset: Option<u64>,
    unix_ms: Option<i64>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(u64, u64, u64)> {
    let point = match (offset, unix_ms) {
        (None, None) => Point::End,
        (Some(offset), None) => Point::Offset(offset),
        (None, Some(unix_ms)) => Point::Time(unix_ms),
        _ => return Err(PyValueError::new_err("either an offset or a time")),
    };
    let (from, to) = (files::open(py, &source)?, files::open(py, &destination)?);
    let mut next = Instant::now() + TOLD;
    let mut raised = None;
    let tell = |done: u64, total: u64| {
        if done < total && Instant::now() < next {
            return true;
        }
        next = Instant::now() + TOLD;
        let told = Python::attach(|py| {
            py.check_signals()?;
            progress.as_ref().map_or(Ok(()), |callback| callback.call1(py, (done, total)).map(|_| ()))
        });
        told.map_err(|error| raised = Some(error)).is_ok()
    };
    let result = py.detach(|| backup::restore(&*from, &*to, point, tell));
    let restored = result.map_err(|problem| match (raised, &problem) {
        (Some(raised), RestoreError::Cancelled) => raised,
        (_, RestoreError::Io { .. } | RestoreError::Occupied { .. }) => PyOSError::new_err(problem.to_string()),
        (_, RestoreError::Beyond(_)) => PyValueError::new_err(problem.to_string()),
        _ => error::raise(py, "DamagedFileError", &problem.to_string()),
    })?;
    Ok((restored.offset, restored.files, restored.bytes))
}

//! Files looked at, and written anew for other servers.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rkv_engine::random;
use rkv_engine::rdb::{
    self as format, ConvertError, Fault, FileKind, RdbError, ReadOptions, Report, Target, WriteOptions,
};
use rkv_engine::values::Rules;

use crate::error::raise;

/// How often Python hears of progress.
const TOLD: Duration = Duration::from_millis(100);
const DATABASES_MAX: usize = 1 << 30;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(check_file, module)?)?;
    module.add_function(wrap_pyfunction!(convert_file, module)?)
}

/// What went wrong.
enum Failure {
    Rdb(RdbError),
    Io(io::Error),
    Python(PyErr),
    /// It is no file that can be looked at.
    Kind(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

fn exception(py: Python<'_>, path: &Path, failure: Failure) -> PyErr {
    match failure {
        Failure::Python(error) => error,
        Failure::Io(error) if error.kind() == io::ErrorKind::Unsupported => {
            raise(py, "DamagedFileError", &format!("{}: {error}", path.display()))
        }
        Failure::Io(error) | Failure::Rdb(RdbError { what: Fault::Io(error), .. }) => {
            PyOSError::new_err((error.raw_os_error().unwrap_or(5), error.to_string(), path.to_path_buf()))
        }
        Failure::Rdb(error) => raise(py, "DamagedFileError", &format!("{}: {error}", path.display())),
        Failure::Kind(text) => raise(py, "DamagedFileError", &format!("{}: {text}", path.display())),
    }
}

/// Tells Python now and then how far a long operation is; what Python raises ends it.
struct Progress {
    callback: Option<Py<PyAny>>,
    total: u64,
    next: Instant,
    raised: Option<PyErr>,
}

impl Progress {
    fn new(callback: Option<Py<PyAny>>, total: u64) -> Self {
        Self { callback, total, next: Instant::now() + TOLD, raised: None }
    }

    fn tell(&mut self, bytes: u64) -> Result<(), Fault> {
        if bytes < self.total && Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + TOLD;
        let total = self.total;
        let told = Python::attach(|py| {
            py.check_signals()?;
            self.callback.as_ref().map_or(Ok(()), |callback| callback.call1(py, (bytes, total)).map(|_| ()))
        });
        told.map_err(|error| {
            self.raised = Some(error);
            Fault::Refused("interrupted".into())
        })
    }

    fn failure(self, error: RdbError) -> Failure {
        self.raised.map_or(Failure::Rdb(error), Failure::Python)
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn rules() -> Result<Rules, Failure> {
    let mut secret = [0; 16];
    random::secure_bytes(&mut secret).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(Rules::new(secret))
}

/// Opens a file and finds out what it is.
fn open(path: &Path) -> Result<(File, u64, FileKind), Failure> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let mut start = Vec::with_capacity(FileKind::BYTES);
    (&mut file).take(FileKind::BYTES as u64).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok((file, total, FileKind::of(&start)))
}

fn refused(kind: FileKind) -> Failure {
    Failure::Kind(match kind {
        FileKind::AppendOnly | FileKind::Manifest => "append-only files cannot be looked at yet".to_owned(),
        FileKind::Other(seems) => format!("this is neither an RDB file nor an append-only file, it looks like {seems}"),
        FileKind::Rdb => "this is an RDB file".to_owned(),
    })
}

/// Reads a whole file and tells what is in it: see `rkv._rkv` for the names.
///
/// `progress` is called with the bytes read and those of the file, some times a second; what it raises ends the work.
#[pyfunction]
#[pyo3(signature = (path, progress=None))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
fn check_file(py: Python<'_>, path: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<Bound<'_, PyDict>> {
    let report = py.detach(|| check(&path, progress)).map_err(|failure| exception(py, &path, failure))?;
    let (report, total) = report;
    let told = PyDict::new(py);
    told.set_item("kind", "rdb")?;
    told.set_item("version", report.summary.version)?;
    told.set_item("bytes", report.summary.bytes)?;
    told.set_item("trailing_bytes", total.saturating_sub(report.summary.bytes))?;
    told.set_item("checksum", report.summary.checksum)?;
    told.set_item("keys", report.summary.keys)?;
    told.set_item("with_deadline", report.with_deadline)?;
    told.set_item("expired", report.expired)?;
    told.set_item("functions", report.summary.functions)?;
    told.set_item("empty_keys", report.summary.empty_keys)?;
    told.set_item("module_values", report.summary.module_values)?;
    told.set_item("module_data", report.summary.module_data)?;
    told.set_item("aux", report.aux)?;
    told.set_item("databases", report.databases)?;
    told.set_item("types", report.types)?;
    Ok(told)
}

fn check(path: &Path, callback: Option<Py<PyAny>>) -> Result<(Report, u64), Failure> {
    let (mut file, total, kind) = open(path)?;
    if kind != FileKind::Rdb {
        return Err(refused(kind));
    }
    let rules = rules()?;
    let options = reading(&rules, true);
    let mut progress = Progress::new(callback, total);
    match format::check(&mut file, &options, &mut |bytes| progress.tell(bytes)) {
        Ok(report) => Ok((report, total)),
        Err(error) => Err(progress.failure(error)),
    }
}

fn reading(rules: &Rules, skip_modules: bool) -> ReadOptions<'_> {
    ReadOptions { rules, now_ms: now_ms(), databases: DATABASES_MAX, checksum: true, skip_modules, skims: false }
}

/// Version and bytes of a file, and the modules that left something out.
type Converted = (u32, u64, BTreeSet<String>);

/// Writes the content of an RDB file to another one, which is replaced only when the new one is complete and on disk.
/// Returns its version, its bytes, and the modules whose data besides values was left out.
#[pyfunction]
#[pyo3(signature = (source, destination, target, progress=None))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
fn convert_file(
    py: Python<'_>,
    source: PathBuf,
    destination: PathBuf,
    target: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Converted> {
    let target = match target {
        "redis7" => Target::Redis7,
        "redis8" => Target::Redis8,
        "valkey" => Target::Valkey,
        other => return Err(PyValueError::new_err(format!("'{other}' is none of redis7, redis8 and valkey"))),
    };
    let result = py.detach(|| convert(&source, &destination, target, progress));
    result.map_err(|(failure, is_destination)| {
        exception(py, if is_destination { &destination } else { &source }, failure)
    })
}

fn convert(
    source: &Path,
    destination: &Path,
    target: Target,
    callback: Option<Py<PyAny>>,
) -> Result<Converted, (Failure, bool)> {
    let (mut file, total, kind) = open(source).map_err(|failure| (failure, false))?;
    if kind != FileKind::Rdb {
        return Err((refused(kind), false));
    }
    let rules = rules().map_err(|failure| (failure, false))?;
    let mut name = destination.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let unfinished = destination.with_file_name(name);
    let write = || -> Result<Converted, (Failure, bool)> {
        let out = File::create(&unfinished).map_err(|error| (Failure::Io(error), true))?;
        let options = reading(&rules, false);
        let writing = WriteOptions { target, ..WriteOptions::default() };
        let mut progress = Progress::new(callback, total);
        let result =
            format::convert(&mut file, BufWriter::new(out), &options, &writing, &mut |bytes| progress.tell(bytes));
        let (out, summary, written) = match result {
            Ok(done) => done,
            Err(ConvertError::Read(error)) => return Err((progress.failure(error), false)),
            Err(ConvertError::Write(error)) => return Err((Failure::Io(error), true)),
        };
        let finish = || -> io::Result<()> {
            let mut out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            if let Some(header) = written.header {
                out.seek(SeekFrom::Start(0))?;
                out.write_all(&header)?;
            }
            out.sync_all()?;
            fs::rename(&unfinished, destination)
        };
        finish().map_err(|error| (Failure::Io(error), true))?;
        Ok((written.version, written.bytes, summary.module_data))
    };
    write().inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

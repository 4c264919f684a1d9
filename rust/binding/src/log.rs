//! The server's log: lines in Redis's format, to standard output or a file, from any thread and without the GIL.
//!
//! `<pid>:M 22 Nov 2026 15:00:00.123 * text`. A file is opened for each line, as Redis does, so that it can be moved away
//! at any time. What cannot be written is lost: a log must not stop a server.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

static LOGGER: Logger =
    Logger { path: Mutex::new(None), utc_offset_s: AtomicI64::new(0), level: AtomicU8::new(NOTICE) };

const DEBUG: u8 = 0;
const VERBOSE: u8 = 1;
const NOTICE: u8 = 2;
const WARNING: u8 = 3;
const NOTHING: u8 = 4;
const MARKS: [char; 4] = ['.', '-', '*', '#'];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Debug)]
struct Logger {
    /// `None`: standard output.
    path: Mutex<Option<PathBuf>>,
    /// Local time minus UTC. The standard library knows no time zones, so whoever starts the log says.
    utc_offset_s: AtomicI64,
    level: AtomicU8,
}

/// Redis's levels for those of the `log` crate.
const fn level_of(level: Level) -> u8 {
    match level {
        Level::Error | Level::Warn => WARNING,
        Level::Info => NOTICE,
        Level::Debug => VERBOSE,
        Level::Trace => DEBUG,
    }
}

fn level_named(word: &str) -> PyResult<u8> {
    match word {
        "debug" => Ok(DEBUG),
        "verbose" => Ok(VERBOSE),
        "notice" => Ok(NOTICE),
        "warning" => Ok(WARNING),
        "nothing" => Ok(NOTHING),
        _ => Err(PyValueError::new_err(format!("no such level: {word}"))),
    }
}

impl Logger {
    fn write(&self, level: u8, text: &str) {
        let Some(mark) = MARKS.get(usize::from(level)) else { return };
        if level < self.level.load(Ordering::Relaxed) {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let local_s = (since.as_secs() as i64).saturating_add(self.utc_offset_s.load(Ordering::Relaxed));
        let pid = std::process::id();
        let line = format!("{pid}:M {} {mark} {text}\n", timestamp(local_s, since.subsec_millis()));
        let path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = match path.as_ref() {
            None => io::stdout().lock().write_all(line.as_bytes()).and_then(|()| io::stdout().flush()),
            Some(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes())),
        };
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level_of(metadata.level()) >= self.level.load(Ordering::Relaxed)
    }

    fn log(&self, record: &Record<'_>) {
        self.write(level_of(record.level()), &record.args().to_string());
    }

    fn flush(&self) {}
}

/// `22 Nov 2026 15:00:00.123`, from seconds since 1970 in local time.
fn timestamp(local_s: i64, millis: u32) -> String {
    let (days, second) = (local_s.div_euclid(86_400), local_s.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
    let mut text = String::with_capacity(24);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let _ = write!(text, "{day:02} {name} {year} {hour:02}:{minute:02}:{second:02}.{millis:03}");
    text
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years are counted from March, so that
/// the leap day is the last of its year; 146,097 days are 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Begins to log, once per process: to the file at `path`, or to standard output without one. Panics are logged, too.
#[pyfunction]
#[pyo3(signature = (path, level, utc_offset_s))]
fn start_log(path: Option<PathBuf>, level: &str, utc_offset_s: i64) -> PyResult<()> {
    set_log_level(level)?;
    LOGGER.utc_offset_s.store(utc_offset_s, Ordering::Relaxed);
    *LOGGER.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
    log::set_logger(&LOGGER).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    log::set_max_level(LevelFilter::Trace);
    std::panic::set_hook(Box::new(|panic| log::error!("BUG: {panic}")));
    Ok(())
}

/// What is less than `level` (`debug`, `verbose`, `notice`, `warning`, `nothing`) is not logged any more.
#[pyfunction]
fn set_log_level(level: &str) -> PyResult<()> {
    LOGGER.level.store(level_named(level)?, Ordering::Relaxed);
    Ok(())
}

/// Local time is this many seconds ahead of UTC.
#[pyfunction]
fn set_log_offset(utc_offset_s: i64) {
    LOGGER.utc_offset_s.store(utc_offset_s, Ordering::Relaxed);
}

/// Logs a line at a level of `set_log_level`. Without `start_log` it goes nowhere.
#[pyfunction]
fn log_line(py: Python<'_>, level: &str, text: &str) -> PyResult<()> {
    let level = match level_named(level)? {
        DEBUG => Level::Trace,
        VERBOSE => Level::Debug,
        NOTICE => Level::Info,
        _ => Level::Warn,
    };
    py.detach(|| log::log!(target: "rkv", level, "{text}"));
    Ok(())
}

/// Adds what this file defines.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(start_log, module)?)?;
    module.add_function(wrap_pyfunction!(set_log_level, module)?)?;
    module.add_function(wrap_pyfunction!(set_log_offset, module)?)?;
    module.add_function(wrap_pyfunction!(log_line, module)?)
}

//! A store as Python holds it, and its manual clock.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyValueError};
use pyo3::prelude::*;
use rkv_engine::clock::{self, Clock, SystemClock};
use rkv_engine::config::Config;
use rkv_engine::keyspace::Shard;
use rkv_engine::persist::Refusal;
use rkv_engine::{BuildError, Engine as Core, EngineOptions};
use rkv_reactor::Tcp;

use crate::config::ConfigError;
use crate::{error, files};

/// Shards of an embedded store: 2^4.
const SHARD_BITS: u32 = 4;

/// Counts forks: a store belongs to the generation of processes that made it, and its threads and locks exist only there.
static GENERATION: AtomicU32 = AtomicU32::new(1);
/// The generation of a closed store.
const CLOSED: u32 = 0;

/// Says that this process is the child of a fork.
#[pyfunction]
pub fn note_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// A store, shared by everything in this process that works on it.
pub struct Handle {
    core: Arc<Core>,
    generation: AtomicU32,
}

impl Handle {
    /// The store itself.
    pub const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Whether the store may be used: by the process that made it, until it is closed.
    ///
    /// # Errors
    /// `rkv.ForkedError` in a child of fork, `rkv.ClosedError` after `close`.
    #[inline]
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        if self.generation.load(Ordering::Relaxed) == GENERATION.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(self.refusal(py))
    }

    #[cold]
    fn refusal(&self, py: Python<'_>) -> PyErr {
        if self.generation.load(Ordering::Relaxed) == CLOSED {
            return error::raise(py, "ClosedError", "the store is closed");
        }
        let text = "this store belongs to the parent process and cannot be used after a fork: \
                    call rkv.open() in the child, or start it with the 'spawn' method";
        error::raise(py, "ForkedError", text)
    }

    /// Whether this process is a child of the one that made the store: locks may be held by threads that are not here.
    pub fn is_foreign(&self) -> bool {
        let generation = self.generation.load(Ordering::Relaxed);
        generation != CLOSED && generation != GENERATION.load(Ordering::Relaxed)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.is_foreign() {
            // Dropping the store would join a thread that a child of fork does not have.
            std::mem::forget(Arc::clone(&self.core));
        }
    }
}

/// The store behind `rkv.DB`.
#[pyclass(frozen, module = "rkv._rkv")]
pub struct Engine {
    handle: Arc<Handle>,
}

impl Engine {
    /// Builds an engine; one with a directory is not loaded yet.
    pub(crate) fn build(py: Python<'_>, options: EngineOptions) -> PyResult<Self> {
        let options = EngineOptions { network: Some(Arc::new(Tcp)), ..options };
        let core = Core::new(options).map_err(|error| match error {
            error if error.is_in_use() => {
                let text = format!("{error}: stop it, or name another directory");
                error::raise(py, "DirectoryInUseError", &text)
            }
            BuildError::Users(text) => ConfigError::new_err(text),
            error => PyOSError::new_err(error.to_string()),
        })?;
        let generation = AtomicU32::new(GENERATION.load(Ordering::Relaxed));
        Ok(Self { handle: Arc::new(Handle { core, generation }) })
    }

    /// The object for a store that is already there.
    pub(crate) const fn of(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// The engine itself.
    pub(crate) fn inner(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// What Python objects share.
    pub(crate) const fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }
}

#[pymethods]
impl Engine {
    /// A store: empty and in memory, or with what lies in `directory`. `directives` are names and values as in redis.conf.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
    #[pyo3(
        signature = (directives=vec![], clock=None, directory=None),
        text_signature = "(directives=[], clock=None, directory=None)"
    )]
    fn new(
        py: Python<'_>,
        directives: Vec<(String, String)>,
        clock: Option<&Bound<'_, ManualClock>>,
        directory: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut config = Config::default();
        for (name, value) in &directives {
            // The one option of several words that embedding needs.
            let words: Vec<&str> = if name == "save" { value.split(' ').collect() } else { vec![value] };
            config
                .set(name.as_bytes(), &words)
                .map_err(|error| PyValueError::new_err(format!("{name} {value}: {error}")))?;
        }
        let files = directory.map(|path| files::open(py, &path)).transpose()?;
        let time: Arc<dyn Clock> = match clock {
            Some(clock) => clock.get().clock.clone(),
            None => Arc::new(SystemClock::new()),
        };
        let options = EngineOptions { config, shard_bits: SHARD_BITS, clock: time, files, ..EngineOptions::default() };
        let engine = Self::build(py, options)?;
        if let Some(clock) = clock {
            clock.get().engines().push(Arc::downgrade(engine.inner()));
        }
        Ok(engine)
    }

    /// How many keys all databases hold.
    fn keys(&self, py: Python<'_>) -> PyResult<usize> {
        self.handle.check(py)?;
        let keyspace = &self.handle.core.store().keyspace;
        Ok(py.detach(|| {
            (0..keyspace.len())
                .filter_map(|shard| keyspace.lock(1 << shard).ok())
                .map(|locks| locks.iter().flat_map(Shard::dbs).map(|(_, db)| db.len()).sum::<usize>())
                .sum()
        }))
    }

    /// Bytes of memory of all data.
    fn used_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.handle.check(py)?;
        Ok(py.detach(|| self.handle.core.store().used_bytes()))
    }

    /// How many databases there are.
    #[getter]
    fn databases(&self) -> usize {
        self.handle.core.store().settings.databases()
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.generation.load(Ordering::Relaxed) == CLOSED
    }

    /// Loads what the directory holds and lets commands in; (keys, keys left out because they expired), `None` if there is
    /// nothing.
    fn load(&self, py: Python<'_>) -> PyResult<Option<(u64, u64)>> {
        self.handle.check(py)?;
        let core = Arc::clone(&self.handle.core);
        let loaded = py.detach(|| core.load()).map_err(|error| files::load_error(py, &error))?;
        Ok(loaded.map(|loaded| (loaded.keys, loaded.expired)))
    }

    /// Loads a file from elsewhere into an empty store, which can only be read from then on.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
    fn load_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.handle.check(py)?;
        let (directory, name) = files::split(&path)?;
        let directory = files::open(py, &directory)?;
        let core = Arc::clone(&self.handle.core);
        let loaded = py.detach(|| core.load_file(&*directory, &name)).map_err(|error| files::load_error(py, &error))?;
        if loaded.is_none() {
            return Err(PyFileNotFoundError::new_err(format!("there is no {}", path.display())));
        }
        core.store().persist.refusals.set(Refusal::ReadOnly, true);
        Ok(())
    }

    /// Gives up what `load` does on another thread.
    fn cancel_load(&self) {
        self.handle.core.store().persist.loading.cancel();
    }

    /// Takes a snapshot into the file of the configuration: (keys, bytes, offset).
    fn save(&self, py: Python<'_>) -> PyResult<(u64, u64, u64)> {
        self.handle.check(py)?;
        let core = Arc::clone(&self.handle.core);
        let saved = py.detach(|| {
            core.store().persist.cancel();
            core.store().persist.wait();
            core.store().persist.save()
        });
        saved.map(files::saved).map_err(|error| files::save_error(py, &error))
    }

    /// The same, if anything was changed since the last snapshot.
    fn save_changes(&self, py: Python<'_>) -> PyResult<Option<(u64, u64, u64)>> {
        self.handle.check(py)?;
        let core = Arc::clone(&self.handle.core);
        let saved = py.detach(|| core.save_changes()).map_err(|error| files::save_error(py, &error))?;
        Ok(saved.map(files::saved))
    }

    /// Takes a snapshot into a file elsewhere: (keys, bytes, offset).
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made")]
    fn snapshot(&self, py: Python<'_>, path: PathBuf) -> PyResult<(u64, u64, u64)> {
        self.handle.check(py)?;
        let (directory, name) = files::split(&path)?;
        let directory = files::open(py, &directory)?;
        let core = Arc::clone(&self.handle.core);
        let saved = py.detach(|| {
            core.store().persist.wait();
            core.store().persist.save_to(&*directory, &name)
        });
        saved.map(files::saved).map_err(|error| files::save_error(py, &error))
    }

    /// How far a snapshot is, in keys: (done, total).
    fn saving(&self) -> (u64, u64) {
        let saving = &self.handle.core.store().persist.saving;
        (saving.done(), saving.total())
    }

    /// Gives up a snapshot that another thread takes.
    fn cancel_save(&self) {
        self.handle.core.store().persist.saving.cancel();
    }

    /// Whether the data is not loaded yet.
    #[getter]
    fn is_loading(&self) -> bool {
        self.handle.core.store().persist.refusals.has(Refusal::Loading)
    }

    /// Whether snapshots are taken by themselves.
    #[getter]
    fn has_save_points(&self) -> bool {
        self.handle.core.store().persist.has_save_points()
    }

    /// Stops background work; every later call raises. Closing twice does nothing.
    fn close(&self, py: Python<'_>) {
        let is_foreign = self.handle.is_foreign();
        if !is_foreign && self.handle.generation.swap(CLOSED, Ordering::Relaxed) != CLOSED {
            py.detach(|| self.handle.core.close());
        }
    }
}

/// A clock that stands still until it is moved: keys expire, and blocking calls time out, by it alone.
#[pyclass(frozen, module = "rkv._rkv")]
pub struct ManualClock {
    clock: Arc<clock::ManualClock>,
    engines: Mutex<Vec<Weak<Core>>>,
}

impl ManualClock {
    fn engines(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Core>>> {
        // A list of references is whole after every statement.
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, py: Python<'_>) {
        py.detach(|| {
            let mut engines = self.engines();
            engines.retain(|engine| engine.strong_count() > 0);
            let alive: Vec<_> = engines.iter().filter_map(Weak::upgrade).collect();
            drop(engines);
            for engine in alive {
                engine.tick();
            }
        });
    }
}

fn microseconds(seconds: f64) -> PyResult<u64> {
    let microseconds = (seconds * 1e6).round();
    // 2^63 microseconds are 292,000 years.
    if (0.0..9.2e18).contains(&microseconds) {
        return Ok(microseconds as u64);
    }
    Err(PyValueError::new_err("seconds must be finite and not negative"))
}

#[pymethods]
impl ManualClock {
    /// A clock that shows `start`, in seconds since 1970.
    #[new]
    #[pyo3(signature = (start=1_700_000_000.0), text_signature = "(start=1700000000.0)")]
    fn new(start: f64) -> PyResult<Self> {
        let clock = clock::ManualClock::new((microseconds(start)? / 1000) as i64);
        Ok(Self { clock: Arc::new(clock), engines: Mutex::default() })
    }

    /// Lets `seconds` pass; what is due in the stores that use this clock is done before the call returns.
    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        self.clock.advance_us(microseconds(seconds)?);
        self.tick(py);
        Ok(())
    }

    /// The time it shows, in seconds since 1970.
    fn time(&self) -> f64 {
        self.clock.unix_us() as f64 / 1e6
    }
}

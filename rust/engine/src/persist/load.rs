//! Loading a snapshot: one thread reads and decodes, another one stores, shard by shard.
//!
//! ```text
//! file ──blocks──▶ decode, validate, hash ─portions of one shard─▶ lock, store, unlock
//!      this thread                        ◀──empty portions──        rkv-load
//! ```
//!
//! A file that is not whole is refused as a whole: what was stored by then is not served by anybody, because commands are
//! refused until loading ended well.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel, sync_channel};

use super::status::{Delay, Progress};
use super::{Dataset, Refusal, snapshot};
use crate::config::options;
use crate::files::{File, Files};
use crate::keyspace::{Before, Key, Keyspace, Locks, Now, Shard};
use crate::rdb::{self, Fault, RdbError, ReadOptions};

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that are stored now.
    pub keys: u64,
    /// Keys that were left out because their time was over.
    pub expired: u64,
    /// Keys that were left out because their collections have no elements.
    pub empty: u64,
    /// What the file was.
    pub summary: rdb::Summary,
    /// The offset of the replication log that the file names, if any.
    pub offset: Option<u64>,
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system failed.
    #[error("reading {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not as it was written, or nothing that this program reads.
    #[error("{path}, {error}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: RdbError,
    },
    /// The log is not as it was written.
    #[error(transparent)]
    Log(#[from] super::aof::LogError),
    /// The store ended.
    #[error("loading was given up")]
    Cancelled,
}

/// How files are read.
pub(super) fn options(data: &dyn Dataset, checksum: bool) -> ReadOptions<'_> {
    ReadOptions {
        rules: data.rules(),
        now_ms: data.clock().unix_ms(),
        databases: data.config().get(options::DATABASES) as usize,
        checksum,
        skip_modules: false,
        skims: false,
    }
}

/// A file, read in order.
pub(super) struct FileSource<'a> {
    file: &'a dyn File,
    offset: u64,
}

impl<'a> FileSource<'a> {
    pub(super) const fn new(file: &'a dyn File) -> Self {
        Self { file, offset: 0 }
    }
}

impl io::Read for FileSource<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.offset, into)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// What becomes of a key that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Present {
    /// There should be none.
    Refused,
    /// The file is right.
    Replaced,
}

/// Stores what a file tells.
struct Store<'a> {
    data: &'a dyn Dataset,
    now: Now,
    present: Present,
}

/// How many keys ahead of the one that is stored the memory of its bucket is asked for.
const AHEAD: usize = 12;

impl Store<'_> {
    /// Stores the keys of a portion in their shard.
    fn store(&self, keyspace: &Keyspace, shard: &mut Shard, portion: &Portion) -> Result<(), Fault> {
        let hasher = keyspace.hasher();
        let mut ahead = portion.hashes.iter().skip(AHEAD);
        for (loaded, hash) in portion.batch.iter().zip(&portion.hashes) {
            let key = Key::known(loaded.key, *hash, portion.shard);
            if let Some(hash) = ahead.next() {
                // Most portions are of one database.
                shard.db_mut(loaded.db).prefetch_hash(*hash);
            }
            let mut now = self.now;
            if loaded.idle_s.is_some() || loaded.frequency.is_some() {
                now.clock = self.data.access_clock(now.unix_ms, loaded.idle_s, loaded.frequency);
            }
            let before = shard.db_mut(loaded.db).put(hasher, &key, loaded.value, loaded.deadline_ms, now);
            if before != Before::Absent && self.present == Present::Refused {
                return Err(Fault::Invalid("a key is there twice"));
            }
        }
        Ok(())
    }
}

/// Entries of one shard on their way to it, with the hashes of their keys.
#[derive(Default)]
struct Portion {
    shard: usize,
    batch: rdb::Batch,
    hashes: Vec<u64>,
}

impl Portion {
    fn clear(&mut self) {
        self.batch.clear();
        self.hashes.clear();
    }
}

/// Gives portions of one shard to who stores them.
struct Sort<'a, F> {
    keyspace: &'a Keyspace,
    now_ms: i64,
    /// Whether keys whose time is over are left out.
    drops_expired: bool,
    /// Those that are not full yet, one of each shard.
    portions: Vec<Portion>,
    give: F,
    progress: &'a Progress,
    bar: Bar<'a>,
    loaded: Loaded,
    functions: Vec<Box<[u8]>>,
    delay: Delay,
}

/// Entries, or bytes, of a portion: enough that handing it over costs nothing, and few enough for the second-level cache.
const PORTION_ENTRIES: usize = 256;
const PORTION_BYTES: usize = 64 << 10;

impl<F: FnMut(Portion) -> Result<Portion, Fault>> Sort<'_, F> {
    fn give_all(&mut self) -> Result<(), Fault> {
        for portion in std::mem::take(&mut self.portions) {
            if !portion.batch.is_empty() {
                (self.give)(portion)?;
            }
        }
        Ok(())
    }
}

impl<F: FnMut(Portion) -> Result<Portion, Fault>> rdb::Sink for Sort<'_, F> {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match name {
            b"redis-ver" | b"valkey-ver" => {
                log::info!("RDB was written by {}", String::from_utf8_lossy(value).escape_debug());
            }
            b"repl-offset" => {
                self.loaded.offset = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn entry(&mut self, loaded: rdb::Loaded<'_>) -> Result<(), Fault> {
        if self.drops_expired && loaded.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms) {
            self.loaded.expired += 1;
            return Ok(());
        }
        self.loaded.keys += 1;
        self.delay.after(self.loaded.keys, self.progress);
        let key = self.keyspace.key(loaded.key);
        let (shard, hash) = (key.shard(), key.hash());
        let Some(portion) = self.portions.get_mut(shard) else { return Ok(()) };
        portion.batch.push(loaded);
        portion.hashes.push(hash);
        if portion.batch.len() >= PORTION_ENTRIES || portion.batch.bytes() >= PORTION_BYTES {
            let full = std::mem::take(portion);
            *portion = Portion { shard, ..(self.give)(full)? };
        }
        Ok(())
    }

    fn empty(&mut self, key: &[u8]) {
        /// So many of them are named in the log; a file may have any number.
        const NAMED_MAX: u64 = 100;
        self.loaded.empty += 1;
        if self.loaded.empty <= NAMED_MAX {
            log::info!("Loading RDB: skipping empty key: {}", String::from_utf8_lossy(key).escape_debug());
        }
    }

    fn function(&mut self, source: &[u8]) -> Result<(), Fault> {
        self.functions.push(source.into());
        Ok(())
    }

    fn progress(&mut self, bytes: u64) -> Result<(), Fault> {
        if self.progress.is_cancelled() {
            return Err(Fault::Refused("given up".into()));
        }
        self.progress.set_done(bytes);
        self.bar.look(bytes);
        Ok(())
    }
}

/// A line in the log every five seconds.
struct Bar<'a> {
    data: &'a dyn Dataset,
    total: u64,
    next_us: u64,
}

const BAR_US: u64 = 5_000_000;

impl<'a> Bar<'a> {
    fn new(data: &'a dyn Dataset, total: u64) -> Self {
        Self { data, total, next_us: data.clock().monotonic_us() + BAR_US }
    }

    fn look(&mut self, done: u64) {
        let now_us = self.data.clock().monotonic_us();
        if now_us >= self.next_us {
            self.next_us = now_us + BAR_US;
            let percent = done as f64 * 100.0 / self.total.max(1) as f64;
            log::info!("Loading: {percent:.1} % of {} MB", self.total / 1_000_000);
        }
    }
}

/// Portions on their way.
const PORTIONS_AHEAD: usize = 128;

/// Reads a file from its beginning and stores its keys, with a second thread. `is_base_of_log`: keys whose time is over are
/// stored, too, because the log that follows speaks of them.
///
/// # Errors
/// What is wrong with the file. Some keys may be stored then.
pub fn read_into(
    data: &dyn Dataset,
    source: &mut dyn rdb::Source,
    bytes: u64,
    is_base_of_log: bool,
) -> Result<Loaded, RdbError> {
    let (full, portions) = sync_channel::<Portion>(PORTIONS_AHEAD);
    let (empty, again) = channel();
    let now_ms = data.clock().unix_ms();
    std::thread::scope(|scope| {
        let storing = std::thread::Builder::new()
            .name("rkv-load".into())
            .spawn_scoped(scope, move || store_all(data, now_ms, &portions, &empty))
            .map_err(|error| RdbError { offset: 0, key: None, what: Fault::Io(error) })?;
        let give = |portion| {
            // Nobody takes them any more only if that thread failed, and then it says why.
            full.send(portion).map_err(|_| Fault::Refused("storing failed".into()))?;
            Ok(again.try_recv().unwrap_or_default())
        };
        let result = sort_all(data, source, bytes, now_ms, !is_base_of_log, give);
        drop(full);
        match storing.join() {
            Ok(Ok(())) => result,
            Ok(Err(what)) => {
                let offset = result.err().map_or(bytes, |error| error.offset);
                Err(RdbError { offset, key: None, what })
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn sort_all(
    data: &dyn Dataset,
    source: &mut dyn rdb::Source,
    bytes: u64,
    now_ms: i64,
    drops_expired: bool,
    give: impl FnMut(Portion) -> Result<Portion, Fault>,
) -> Result<Loaded, RdbError> {
    let keyspace = data.keyspace();
    let config = data.config();
    let (checksum, delay) = (config.get(options::RDBCHECKSUM), Delay(config.get(options::KEY_LOAD_DELAY)));
    drop(config);
    let mut sort = Sort {
        keyspace,
        now_ms,
        drops_expired,
        portions: (0..keyspace.len()).map(|shard| Portion { shard, ..Portion::default() }).collect(),
        give,
        progress: &data.persist().loading,
        bar: Bar::new(data, bytes),
        loaded: Loaded::default(),
        functions: Vec::new(),
        delay,
    };
    let summary = rdb::read(source, &mut sort, &options(data, checksum))?;
    sort.give_all().map_err(|what| RdbError { offset: summary.bytes, key: None, what })?;
    sort.progress.set_done(summary.bytes);
    data.persist().set_functions(sort.functions);
    Ok(Loaded { summary, ..sort.loaded })
}

fn store_all(
    data: &dyn Dataset,
    now_ms: i64,
    portions: &Receiver<Portion>,
    empty: &std::sync::mpsc::Sender<Portion>,
) -> Result<(), Fault> {
    let keyspace = data.keyspace();
    let now = Now { unix_ms: now_ms, clock: data.access_clock(now_ms, None, None) };
    let store = Store { data, now, present: Present::Refused };
    while let Ok(mut portion) = portions.recv() {
        let mask = 1 << portion.shard;
        let mut locks = keyspace.lock(mask).map_err(|_| Fault::Refused("a bug left the data half changed".into()))?;
        store.store(keyspace, locks.shard(portion.shard), &portion)?;
        data.settle(&mut locks);
        drop(locks);
        portion.clear();
        let _ = empty.send(portion);
    }
    for shard in 0..keyspace.len() {
        if let Ok(locks) = keyspace.lock(1 << shard)
            && let Some(next_ms) = locks.peek(shard).next_deadline_ms()
        {
            data.due_at(next_ms);
        }
    }
    Ok(())
}

fn open(data: &dyn Dataset, files: &dyn Files, name: &str) -> Result<Option<Box<dyn File>>, LoadError> {
    let failed = |error| LoadError::Io { path: files.path(name), error };
    let file = match files.open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(failed)?,
    };
    data.persist().loading.begin(file.len().map_err(failed)?);
    data.persist().status_mut().loading_ms = Some(data.clock().unix_ms());
    Ok(Some(file))
}

fn explain(data: &dyn Dataset, files: &dyn Files, name: &str, error: RdbError) -> LoadError {
    let path = files.path(name);
    match error.what {
        _ if data.persist().loading.is_cancelled() => LoadError::Cancelled,
        Fault::Io(error) => LoadError::Io { path, error },
        _ => {
            // In the words that are looked for when a server of Redis does not start.
            let RdbError { offset, what, .. } = &error;
            log::error!("Internal error in RDB reading offset {offset}, integrity check failed: {what}");
            log::error!("{}: integrity check failed, none of it is loaded. `rkv check` tells more", path.display());
            log::error!("Terminating server after rdb file reading failure.");
            LoadError::Damaged { path, error }
        }
    }
}

/// Loads the snapshot of the configuration into an empty store; `None`: there is none. Other callers are to be refused
/// meanwhile.
///
/// # Errors
/// What is wrong with the file, and where. The store must not be used then.
pub fn load(data: &dyn Dataset, files: &dyn Files, name: &str) -> Result<Option<Loaded>, LoadError> {
    let began_us = data.clock().monotonic_us();
    let Some(file) = open(data, files, name)? else { return Ok(None) };

    let loaded = read_into(data, &mut FileSource::new(&*file), data.persist().loading.total(), false)
        .map_err(|error| explain(data, files, name, error))?;
    told(data, &loaded, began_us);
    Ok(Some(loaded))
}

fn told(data: &dyn Dataset, loaded: &Loaded, began_us: u64) {
    let took_s = data.clock().monotonic_us().saturating_sub(began_us) as f64 / 1e6;
    let empty = if loaded.empty > 0 { format!(", empty keys skipped: {}", loaded.empty) } else { String::new() };
    log::info!("Done loading RDB, keys loaded: {}, keys expired: {}{empty}.", loaded.keys, loaded.expired);
    log::info!("DB loaded from disk: {took_s:.3} seconds");
    let mut status = data.persist().status_mut();
    status.loaded_keys = loaded.keys;
    status.expired_keys = loaded.expired;
}

/// What DEBUG RELOAD does last: loads the snapshot of the configuration while all shards are held. `merges`: keys that are
/// there already are replaced.
///
/// # Errors
/// What is wrong with the file.
pub fn reload(data: &dyn Dataset, locks: &mut Locks<'_>, merges: bool) -> Result<(), LoadError> {
    let (persist, name) = (data.persist(), snapshot::file_name(data));
    let Some(files) = persist.files() else { return Ok(()) };
    let began_us = data.clock().monotonic_us();
    let missing = || LoadError::Io { path: files.path(&name), error: io::ErrorKind::NotFound.into() };
    let file = open(data, &**files, &name)?.ok_or_else(missing)?;
    let present = if merges { Present::Replaced } else { Present::Refused };
    let loaded = store_held(data, &mut FileSource::new(&*file), persist.loading.total(), locks, (present, true))
        .map_err(|error| explain(data, &**files, &name, error))?;
    settle_held(data, locks);
    told(data, &loaded, began_us);
    persist.refusals.set(Refusal::Loading, false);
    Ok(())
}

/// Stores the keys of a file in shards that are all held.
fn store_held(
    data: &dyn Dataset,
    source: &mut dyn rdb::Source,
    bytes: u64,
    locks: &mut Locks<'_>,
    (present, drops_expired): (Present, bool),
) -> Result<Loaded, RdbError> {
    let now_ms = data.clock().unix_ms();
    let now = Now { unix_ms: now_ms, clock: data.access_clock(now_ms, None, None) };
    let store = Store { data, now, present };
    let give = |mut portion: Portion| {
        store.store(data.keyspace(), locks.shard(portion.shard), &portion)?;
        portion.clear();
        Ok(portion)
    };
    sort_all(data, source, bytes, now_ms, drops_expired, give)
}

/// Stores the snapshot with which a log begins, in shards that are all held; see [`read_into`].
///
/// # Errors
/// What is wrong with the file. Some keys may be stored then.
pub fn read_held(
    data: &dyn Dataset,
    source: &mut dyn rdb::Source,
    bytes: u64,
    locks: &mut Locks<'_>,
) -> Result<Loaded, RdbError> {
    store_held(data, source, bytes, locks, (Present::Refused, false))
}

fn settle_held(data: &dyn Dataset, locks: &mut Locks<'_>) {
    data.settle(locks);
    if let Some(next_ms) = locks.iter().filter_map(Shard::next_deadline_ms).min() {
        data.due_at(next_ms);
    }
}

/// What all shards hold was read from the log again: nothing of it is a change that a snapshot would have to save, as Redis
/// counts.
pub fn loaded_again(data: &dyn Dataset, locks: &mut Locks<'_>) {
    settle_held(data, locks);
    data.persist().status_mut().saved_changes = locks.iter().map(|shard| shard.changes).sum();
}

//! What outlives the process: snapshots of the whole dataset, when they are taken, and how they are loaded.
//!
//! # Snapshot without fork
//!
//! ```text
//! BGSAVE ──cut: all shards, some 100 µs──▶ thread rkv-snapshot ──segment by segment──▶ temp-<pid>.rdb
//!                                          fsync ▸ read back and verify ▸ rename ▸ fsync of the directory
//! ```
//!
//! The cut (see `keyspace::cut`) copies nothing. Whoever changes a segment that was not told yet leaves its old references
//! and blobs behind; that memory is what a snapshot costs, and [`limit_bytes`] bounds it: who exceeds it raises
//! [`Refusal::MemoryOfSnapshot`], and every write waits a little before it takes any lock, while reads go on, those of other
//! clients of the same thread, too: the session of a writer keeps its request and comes again. Segments that hold such memory
//! are told first.
//!
//! A snapshot never replaces the file before it, unless all of it was written, synced, and read back with the checksum, the
//! structure and the number of keys of the cut. What fails leaves the old file, and tells so in INFO, in the log, and by
//! refusing writes if `stop-writes-on-bgsave-error` says so.
//!
//! # What it is not
//!
//! It knows no command, and no client but who is to be woken: [`Dataset`] is all that it sees of the store. The format is the business of `rdb`.
//!
//! # Lock rule
//!
//! The locks here are leaves: nothing else is locked while one is held. Files are touched with no shard locked, but for
//! DEBUG RELOAD, which is meant to stop everything.

pub mod aof;
pub mod backup;
mod load;
mod proof;
mod refusals;
mod snapshot;
mod status;
mod writers;

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLockReadGuard, Weak};
use std::thread::JoinHandle;

use crate::client::Link;
use crate::clock::Clock;
use crate::config::{Config, options};
use crate::files::Files;
use crate::journal::Journal;
use crate::keyspace::{Keyspace, Locks};
use crate::rdb::Access;
use crate::values::Rules;

pub use load::{LoadError, Loaded, load, loaded_again, read_held, read_into, reload};
pub use refusals::{Refusal, Refusals};
pub use snapshot::{
    Moment, SaveError, Saved, cut, file_name, limit_bytes, remove_leftovers, replace, save_locked, write,
};
pub use status::{Progress, Status, Work};
use writers::Writers;

/// The store, as far as its files are concerned.
pub trait Dataset: Send + Sync {
    /// All keys.
    fn keyspace(&self) -> &Keyspace;
    /// What was done.
    fn journal(&self) -> &Journal;
    /// When collections leave their packed forms.
    fn rules(&self) -> &Rules;
    /// Where time comes from.
    fn clock(&self) -> &dyn Clock;
    /// The configuration, to be read.
    fn config(&self) -> RwLockReadGuard<'_, Config>;
    /// State of the files.
    fn persist(&self) -> &Persist;
    /// The access clock of a key that was not used for some seconds, or so often.
    fn access_clock(&self, now_ms: i64, idle_s: Option<u64>, frequency: Option<u8>) -> u32;
    /// What a file tells of the uses of a key, by its access clock.
    fn access(&self, now_ms: i64) -> Box<dyn Fn(u32) -> Access>;
    /// Brings figures up to date before shards are released in which keys were stored.
    fn settle(&self, locks: &mut Locks<'_>);
    /// A key expires at this time, in Unix milliseconds.
    fn due_at(&self, deadline_ms: i64);
    /// Wakes who does background work.
    fn ring(&self);
    /// Whether the data can still be trusted.
    fn is_poisoned(&self) -> bool;
    /// Stops everything for good: what was promised cannot be kept. A server ends with this code.
    fn give_up(&self, exit_code: u8);
}

/// After a snapshot that failed a save point waits so long, in milliseconds.
const RETRY_MS: i64 = 5_000;

/// State of everything that has to do with files.
pub struct Persist {
    /// Why commands are refused or delayed.
    pub refusals: Refusals,
    /// How far the snapshot is, in keys.
    pub saving: Progress,
    /// How far loading is, in bytes of the file.
    pub loading: Progress,
    /// The append-only file.
    pub log: aof::Log,
    /// Backups.
    pub backups: backup::Backups,
    files: Option<Arc<dyn Files>>,
    data: OnceLock<Weak<dyn Dataset>>,
    status: Mutex<Status>,
    /// Rung when work ends.
    ended: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<Box<dyn Any + Send>>>,
    /// Sources of libraries of functions, kept for the next snapshot.
    functions: Mutex<Vec<Box<[u8]>>>,
    is_closed: AtomicBool,
    /// Bytes of memory that the snapshot under way may need beside the data.
    captured_bytes_max: AtomicUsize,
    writers: Writers,
    /// What a snapshot may keep besides a tenth of the data, in bytes.
    reserve_bytes: AtomicUsize,
    /// Whether the configuration has save points.
    saves_itself: AtomicBool,
}

/// Why a snapshot did not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something has the cut already.
    #[error("another snapshot or rewrite is under way")]
    Busy(Work),
    /// There is no directory.
    #[error("this store has no directory")]
    NoFiles,
    /// Somebody else works in the directory, or it cannot be locked.
    #[error("{0}")]
    Directory(io::Error),
    /// What was not loaded yet would be lost.
    #[error("the data is not loaded")]
    Loading,
    /// The store ends or was poisoned.
    #[error("the store is closed")]
    Closed,
    /// The system refuses a thread.
    #[error("the system refuses a thread: {0}")]
    Thread(io::Error),
}

/// How much nicer than the others a thread is that works in the background: a tenth of a processor is left to it while all
/// are wanted.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Lets other threads go before this one and those that it starts. Elsewhere than on Linux niceness is that of a process.
#[cfg(target_os = "linux")]
fn stand_back() {
    use rustix::process::{getpriority_process, setpriority_process};
    let this = Some(rustix::thread::gettid());
    // A system that refuses only lets them compete.
    let _ = getpriority_process(this).and_then(|nice| setpriority_process(this, nice.saturating_add(NICER)));
}

#[cfg(not(target_os = "linux"))]
const fn stand_back() {}

fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    // These values are whole after every statement.
    result.unwrap_or_else(PoisonError::into_inner)
}

impl Persist {
    /// Of a store that keeps its files there; `None`: nowhere.
    pub fn new(files: Option<Arc<dyn Files>>, now_ms: i64) -> Self {
        Self {
            refusals: Refusals::default(),
            saving: Progress::default(),
            loading: Progress::default(),
            log: aof::Log::default(),
            backups: backup::Backups::default(),
            files,
            data: OnceLock::new(),
            status: Mutex::new(Status::new(now_ms)),
            ended: Condvar::new(),
            threads: Mutex::default(),
            lock: Mutex::default(),
            functions: Mutex::default(),
            is_closed: AtomicBool::new(false),
            captured_bytes_max: AtomicUsize::new(usize::MAX),
            writers: Writers::default(),
            reserve_bytes: AtomicUsize::new(snapshot::RESERVE_BYTES),
            saves_itself: AtomicBool::new(false),
        }
    }

    /// Sets what is saved; once, by who made both.
    pub fn attach(&self, data: Weak<dyn Dataset>) {
        let _ = self.data.set(data);
    }

    fn data(&self) -> Option<Arc<dyn Dataset>> {
        self.data.get().and_then(Weak::upgrade)
    }

    fn status_mut(&self) -> MutexGuard<'_, Status> {
        unpoisoned(self.status.lock())
    }

    /// What is known now.
    pub fn status(&self) -> Status {
        self.status_mut().clone()
    }

    /// The directory, if there is one.
    pub const fn files(&self) -> Option<&Arc<dyn Files>> {
        self.files.as_ref()
    }

    /// Keeps other processes out of the directory, from now on until the end.
    ///
    /// # Errors
    /// Somebody else works there, or there is no directory.
    pub fn lock_directory(&self) -> io::Result<()> {
        let Some(files) = &self.files else { return Err(io::Error::other("this store has no directory")) };
        let mut lock = unpoisoned(self.lock.lock());
        if lock.is_none() {
            *lock = Some(files.lock()?);
        }
        Ok(())
    }

    /// [`limit_bytes`] with the reserve of this store.
    pub(super) fn limit_bytes(&self, used_bytes: usize) -> usize {
        used_bytes / 10 + self.reserve_bytes.load(Ordering::Relaxed)
    }

    /// Lets a snapshot keep so many bytes besides a tenth of the data, for tests that have little data.
    #[doc(hidden)]
    pub fn set_reserve_bytes(&self, bytes: usize) {
        self.reserve_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of memory that the snapshot under way may need beside the data.
    pub fn captured_bytes_max(&self) -> usize {
        self.captured_bytes_max.load(Ordering::Relaxed)
    }

    /// Lets a client wait until the snapshot under way needs less memory: it is woken then. Who is not asks again in so many
    /// microseconds, which is what this gives; `None`: it has waited long enough since `since_us`, and may go on.
    pub fn hold_writer(&self, link: &Arc<Link>, since_us: u64, now_us: u64) -> Option<u64> {
        self.writers.hold(link, since_us, now_us)
    }

    /// The snapshot under way, if there is one, needs less memory than it may: clients that wait for that are woken, the first
    /// of them, or all.
    pub fn let_writers_go(&self, all: bool) {
        self.refusals.set(Refusal::MemoryOfSnapshot, false);
        self.writers.wake(all);
    }

    /// Refuses most commands from now on, until all is loaded.
    pub fn begin_loading(&self, now_ms: i64) {
        self.status_mut().loading_ms = Some(now_ms);
        self.refusals.set(Refusal::Loading, true);
    }

    /// Whether nobody else can work in the directory.
    pub fn holds_directory(&self) -> bool {
        unpoisoned(self.lock.lock()).is_some()
    }

    /// How many changes the last snapshot does not have. Locks one shard after the other.
    pub fn unsaved_changes(&self, data: &dyn Dataset) -> u64 {
        snapshot::changes(data.keyspace()).saturating_sub(self.status_mut().saved_changes)
    }

    /// Follows a configuration.
    pub fn follow(&self, config: &Config) {
        let has_save_points = !config.get(options::SAVE).is_empty();
        self.saves_itself.store(has_save_points, Ordering::Relaxed);
        let stops = config.get(options::STOP_WRITES_ON_BGSAVE_ERROR) && has_save_points;
        let is_ok = self.status_mut().is_ok;
        self.refusals.set(Refusal::SnapshotFailed, stops && !is_ok);
        let was_wanted = self.log.is_wanted();
        self.log.follow(config);
        if was_wanted && !self.log.is_wanted() && self.log.is_rewriting() {
            log::info!("Killing running AOF rewrite child: appendonly is off, and the thread of the rewrite ends");
            self.saving.cancel();
        }
        if self.log.is_wanted() && !self.refusals.has(Refusal::Loading) {
            self.start_log();
        }
    }

    /// Starts the threads of the log, if they are not there.
    pub fn start_log(&self) {
        if self.files.is_none() {
            return;
        }
        if let Some(data) = self.data()
            && let Err(error) = self.log.start_threads(&data)
        {
            log::error!("The log has no thread: {error}");
        }
    }

    /// Sources of libraries of functions.
    pub fn functions(&self) -> Vec<Box<[u8]>> {
        unpoisoned(self.functions.lock()).clone()
    }

    /// Replaces them.
    pub fn set_functions(&self, functions: Vec<Box<[u8]>>) {
        *unpoisoned(self.functions.lock()) = functions;
    }

    /// Takes the right to the one cut.
    ///
    /// # Errors
    /// Somebody has it, or the store is closed.
    pub fn claim(&self, work: Work) -> Result<Claim, StartError> {
        // The first base of a log is made before commands are let in.
        if self.refusals.has(Refusal::Loading) && work != Work::Rewrite {
            return Err(StartError::Loading);
        }
        let data = self.data().filter(|data| !data.is_poisoned()).ok_or(StartError::Closed)?;
        let now_ms = data.clock().unix_ms();
        let mut status = self.status_mut();
        if self.is_closed.load(Ordering::Acquire) && work != Work::Save {
            return Err(StartError::Closed);
        }
        if let Some(busy) = status.work {
            return Err(StartError::Busy(busy));
        }
        status.work = Some(work);
        status.forks += u64::from(work != Work::Save);
        status.began_ms = now_ms;
        self.saving.begin(0);
        self.saving.forget_cancel();
        drop(status);
        Ok(Claim { data, work })
    }

    /// Takes a snapshot of what is stored now, in the background.
    ///
    /// # Errors
    /// It did not begin.
    pub fn start(&self) -> Result<(), StartError> {
        if self.files.is_none() {
            return Err(StartError::NoFiles);
        }
        self.lock_directory().map_err(StartError::Directory)?;
        let claim = self.claim(Work::BackgroundSave)?;
        self.status_mut().is_scheduled = false;
        let (parked, moment) = match snapshot::cut(&*claim.data) {
            Ok((cut, moment)) => (cut.park(), moment),
            Err(_) => return Err(StartError::Closed),
        };
        // Whoever asks before the thread runs is told, too.
        self.saving.begin(moment.keys());
        let data = Arc::clone(&claim.data);
        // In a box that both sides can empty: a thread that never ran leaves the cut there.
        let job = Arc::new(Mutex::new(Some((claim, parked, moment))));
        let thread_job = Arc::clone(&job);
        let run = move || {
            if let Some((claim, parked, moment)) = unpoisoned(thread_job.lock()).take() {
                snapshot::in_background(&claim, parked, &moment);
            }
        };
        log::info!("Background saving started by pid {}", std::process::id());
        if let Err(error) = self.spawn_behind("rkv-snapshot", run) {
            if let Some((claim, parked, _)) = unpoisoned(job.lock()).take() {
                drop(data.keyspace().resume(parked));
                drop(claim);
            }
            return Err(StartError::Thread(error));
        }
        Ok(())
    }

    /// Runs something on a thread that [`Persist::close`] waits for.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(run)?;
        let mut threads = unpoisoned(self.threads.lock());
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Runs something that takes long on such a thread, behind those that serve clients.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn spawn_behind(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.spawn(name, || {
            stand_back();
            run();
        })
    }

    /// Takes a snapshot in the background as soon as one can be taken. Can be called under shard locks.
    pub fn schedule(&self) {
        if self.files.is_none() {
            return;
        }
        self.status_mut().is_scheduled = true;
        if let Some(data) = self.data() {
            data.ring();
        }
    }

    /// Gives up the snapshot in the background, and one that is scheduled; false if there is neither. Does not wait.
    pub fn cancel(&self) -> bool {
        let mut status = self.status_mut();
        let was_scheduled = std::mem::take(&mut status.is_scheduled);
        let is_running = status.work == Some(Work::BackgroundSave);
        if is_running {
            self.saving.cancel();
        }
        was_scheduled || is_running
    }

    /// Gives up a snapshot in the background that is under way: what it saves was just removed. One that is scheduled saves
    /// what is there then.
    pub fn abort(&self) {
        let status = self.status_mut();
        if status.work == Some(Work::BackgroundSave) {
            self.saving.cancel();
        }
    }

    /// Lets what is under way in the background fail, as if its process had been killed; false if nothing is.
    pub fn kill(&self) -> bool {
        let status = self.status_mut();
        let is_running = matches!(status.work, Some(Work::BackgroundSave | Work::Rewrite));
        if is_running {
            self.saving.kill();
        }
        is_running
    }

    /// Whether snapshots are taken by themselves.
    pub fn has_save_points(&self) -> bool {
        self.files.is_some() && self.saves_itself.load(Ordering::Relaxed)
    }

    /// What FLUSHALL does: a snapshot of what is no more is not wanted, and the file shall not keep it either. It waits for
    /// the disk, as Redis does; what there is to save is next to nothing.
    pub fn save_after_flush(&self) {
        if self.refusals.has(Refusal::Loading) {
            return;
        }
        if self.status_mut().work == Some(Work::BackgroundSave) {
            self.saving.cancel();
            self.wait();
        }
        if self.save().is_err() {
            // Another kind of work has the cut, or the disk is full: the save points go on trying.
            self.schedule();
        }
    }

    /// Takes a snapshot into the file of the configuration, and returns when it is there.
    ///
    /// # Errors
    /// Why it is not; the file before it is as it was.
    pub fn save(&self) -> Result<Saved, SaveError> {
        snapshot::in_foreground(self)
    }

    /// Takes a snapshot into a file elsewhere, and returns when it is there.
    ///
    /// # Errors
    /// Why it is not.
    pub fn save_to(&self, files: &dyn Files, name: &str) -> Result<Saved, SaveError> {
        let claim = self.claim(Work::Save)?;
        let data = &*claim.data;
        let (cut, moment) = snapshot::cut(data).map_err(|_| SaveError::Poisoned)?;
        snapshot::replace(data, files, cut, &moment, name)
    }

    /// Seals the backup that is under way, in the background; its name. With a clock that is moved by hand it is sealed when
    /// this returns.
    ///
    /// # Errors
    /// There is nothing to seal yet.
    pub fn seal_backup(&self) -> Result<String, backup::BackupError> {
        let data = self.data().ok_or(StartError::Closed)?;
        let id = self.backups.begin_seal(self)?;
        if data.clock().is_manual() {
            backup::seal(&*data);
            return Ok(id);
        }
        let thread_data = Arc::clone(&data);
        if let Err(error) = self.spawn("rkv-backup", move || backup::seal(&*thread_data)) {
            log::warn!("no thread for the backup, which is sealed at once: {error}");
            backup::seal(&*data);
        }
        Ok(id)
    }

    /// Waits until nothing is under way.
    pub fn wait(&self) {
        let mut status = self.status_mut();
        while status.work.is_some() {
            status = unpoisoned(self.ended.wait(status));
        }
    }

    /// Whether [`Persist::tick`] has something to do at once.
    pub fn is_due(&self) -> bool {
        let status = self.status_mut();
        status.is_scheduled && status.work.is_none()
    }

    /// Starts what is due: a scheduled snapshot, a save point. Returns when it wants to be called again, in Unix
    /// milliseconds.
    pub fn tick(&self, data: &dyn Dataset) -> i64 {
        if data.clock().is_manual() {
            self.log.tick(data);
        }
        if self.files.is_none() || self.refusals.has(Refusal::Loading) || self.is_closed.load(Ordering::Acquire) {
            return i64::MAX;
        }
        let status = self.status();
        if status.work.is_none() && status.is_scheduled {
            self.status_mut().is_scheduled = false;
            self.start_or_tell();
        }
        self.check_save_points(data)
    }

    fn start_or_tell(&self) {
        if let Err(error) = self.start() {
            log::warn!("Can't save in background: {error}");
            if matches!(error, StartError::Directory(_) | StartError::Thread(_)) {
                snapshot::background_failed(self);
            }
        }
    }

    fn check_save_points(&self, data: &dyn Dataset) -> i64 {
        /// How often changes are counted once a save point's time is over.
        const INTERVAL_MS: i64 = 1_000;
        let config = data.config();
        let points = config.get(options::SAVE).to_vec();
        drop(config);
        if points.is_empty() {
            return i64::MAX;
        }
        let (status, now_ms) = (self.status(), data.clock().unix_ms());
        let time_of = |seconds: i64| status.saved_ms.saturating_add(seconds.saturating_mul(1_000));
        let first_ms = points.iter().map(|point| time_of(point.seconds)).min().unwrap_or(i64::MAX);
        let retry_ms = status.ended_ms.filter(|_| !status.is_ok).map_or(i64::MIN, |ended_ms| ended_ms + RETRY_MS);
        if status.work.is_some() || now_ms < first_ms.max(retry_ms) {
            return first_ms.max(retry_ms).max(now_ms + INTERVAL_MS);
        }
        let changes = snapshot::changes(data.keyspace()).saturating_sub(status.saved_changes);
        let reached = points
            .iter()
            .find(|point| now_ms > time_of(point.seconds) && changes >= point.changes.unsigned_abs() && changes > 0);
        if let Some(point) = reached {
            log::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
            self.start_or_tell();
        }
        now_ms + INTERVAL_MS
    }

    /// Gives up what is under way, and waits for its thread. Nothing begins any more, but [`Persist::save`] still works.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.saving.cancel();
        self.loading.cancel();
        self.log.stop();
        let threads = std::mem::take(&mut *unpoisoned(self.threads.lock()));
        for thread in threads {
            // A thread that lets go of the store last closes it itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
        if let Some(data) = self.data() {
            self.log.finish(&*data);
        }
    }

    /// Lets others into the directory.
    pub fn unlock_directory(&self) {
        drop(unpoisoned(self.lock.lock()).take());
    }
}

impl fmt::Debug for Persist {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Persist")
            .field("files", &self.files)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The right to the one cut that there can be. Dropping it ends the work.
pub struct Claim {
    data: Arc<dyn Dataset>,
    work: Work,
}

impl Claim {
    /// What it is for.
    pub fn data(&self) -> &dyn Dataset {
        &*self.data
    }

    /// What it was taken for.
    pub const fn work(&self) -> Work {
        self.work
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claim").field("work", &self.work).finish_non_exhaustive()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let persist = self.data.persist();
        persist.let_writers_go(true);
        let mut status = persist.status_mut();
        status.work = None;
        let is_scheduled = status.is_scheduled;
        drop(status);
        persist.ended.notify_all();
        if is_scheduled {
            self.data.ring();
        }
    }
}

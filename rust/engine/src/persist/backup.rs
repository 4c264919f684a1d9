//! Backups: directories from which a store can be started, made while it serves.
//!
//! ```text
//! backups/backup-1700000000000/backup.manifest                         which files, how long, their checksums, which offsets
//!                              appendonlydir/appendonly.aof.manifest   the log as it was when the backup was sealed
//!                                            appendonly.aof.4.base.rdb
//!                                            appendonly.aof.4.incr.aof …
//! ```
//!
//! START asks for a new base, unless the backup is incremental; SEAL ends the file that the log is written to, so that no
//! file of the backup changes any more, and gives each a second name. That copies nothing, and a base that the log does not
//! need any more stays as long as a backup does. What lies between the base and the seal can be restored at any point:
//! [`restore`]. A store without a log has backups of one moment, a snapshot each.
//!
//! The files are those of Redis: a backup is started as `rkv serve --dir <backup> --appendonly yes`.
//!
//! Lock rule: the state is a leaf; sealing takes the log's locks with no shard and no state locked.

mod manifest;
mod restore;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::manifest::{BackupManifest, Member};
pub use self::restore::{Point, RestoreError, Restored, restore};
use super::aof::{self, Manifest, State};
use super::{Dataset, Persist, SaveError, StartError};
use crate::files::{File, Files};

/// The directory of all backups.
pub const DIR: &str = "backups";
/// The file that says what a backup is; a directory without it is none.
pub const MANIFEST: &str = "backup.manifest";
/// The name of a snapshot in a backup of a store without a log.
pub(super) const SNAPSHOT: &str = "dump.rdb";
/// The name of the log in a backup, whatever the store calls its own.
pub(super) const LOG_DIR: &str = "appendonlydir";
pub(super) const LOG_NAME: &str = "appendonly.aof";

/// How far a backup is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    #[default]
    Idle,
    /// Its base is written.
    Base,
    /// It can be sealed.
    Open,
    /// Its files are named and their checksums computed.
    Sealing,
}

impl Phase {
    /// As BACKUP STATUS says it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Base => "writing-base",
            Self::Open => "open",
            Self::Sealing => "sealing",
        }
    }
}

/// What is known of the backup that is under way, and of the one before.
#[derive(Clone, Debug, Default)]
pub struct BackupStatus {
    /// How far it is.
    pub phase: Phase,
    /// Its name, "" if there is none.
    pub id: String,
    /// When it began, in Unix milliseconds.
    pub started_ms: i64,
    /// Whether it shares its base with an earlier one.
    pub is_incremental: bool,
    /// The last one that was sealed.
    pub last_id: String,
    /// Why the last one failed; "" if it did not.
    pub error: String,
    /// Rewrites of the log that had succeeded, and failed, when it began.
    rewrites: (u64, u64),
}

/// Why a backup did not begin, or was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is one.
    #[error("a backup is under way, see BACKUP STATUS")]
    Busy,
    /// There is none.
    #[error("no backup is under way, use BACKUP START")]
    Idle,
    /// It is not there yet.
    #[error("the base of the backup is still being written, see BACKUP STATUS")]
    NotReady,
    /// There is no log to share a base with.
    #[error("an incremental backup needs appendonly yes")]
    NoLog,
    /// The store cannot write now.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The system failed.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl From<StartError> for BackupError {
    fn from(error: StartError) -> Self {
        Self::Save(error.into())
    }
}

/// Backups of a store.
#[derive(Debug, Default)]
pub struct Backups {
    status: Mutex<BackupStatus>,
}

fn failed(files: &dyn Files, name: &str) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = files.path(name);
    move |error| BackupError::Io { path, error }
}

impl Backups {
    fn status_mut(&self) -> MutexGuard<'_, BackupStatus> {
        // What it holds is whole after every statement.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub fn status(&self, persist: &Persist) -> BackupStatus {
        let mut status = self.status_mut();
        if status.phase == Phase::Base && persist.log.state() == State::On {
            let log = persist.log.status();
            let (rewrites, failures) = status.rewrites;
            if log.rewrites > rewrites {
                status.phase = Phase::Open;
            } else if log.failures > failures {
                *status = BackupStatus {
                    last_id: std::mem::take(&mut status.last_id),
                    error: "the base of the backup could not be written, see the log".into(),
                    ..BackupStatus::default()
                };
            }
        }
        status.clone()
    }

    /// Begins a backup; returns its name.
    ///
    /// # Errors
    /// It did not begin.
    pub fn start(&self, persist: &Persist, now_ms: i64, is_incremental: bool) -> Result<String, BackupError> {
        let files = persist.files().ok_or(StartError::NoFiles)?;
        persist.lock_directory().map_err(StartError::Directory)?;
        let has_log = persist.log.state() == State::On;
        if is_incremental && !has_log {
            return Err(BackupError::NoLog);
        }
        let mut status = self.status_mut();
        if status.phase != Phase::Idle {
            return Err(BackupError::Busy);
        }
        let id = free_name(&**files, now_ms)?;
        let log = persist.log.status();
        *status = BackupStatus {
            phase: if is_incremental || !has_log { Phase::Open } else { Phase::Base },
            id: id.clone(),
            started_ms: now_ms,
            is_incremental,
            last_id: std::mem::take(&mut status.last_id),
            error: String::new(),
            rewrites: (log.rewrites, log.failures),
        };
        drop(status);
        if has_log && !is_incremental {
            persist.log.schedule();
        }
        log::info!("Backup {id} started");
        Ok(id)
    }

    /// Gives up the backup that is under way; its name.
    ///
    /// # Errors
    /// There is none, or it is being sealed.
    pub fn abort(&self) -> Result<String, BackupError> {
        let mut status = self.status_mut();
        match status.phase {
            Phase::Idle => return Err(BackupError::Idle),
            Phase::Sealing => return Err(BackupError::Busy),
            Phase::Base | Phase::Open => {}
        }
        status.phase = Phase::Idle;
        Ok(std::mem::take(&mut status.id))
    }

    /// Takes the right to seal; the caller has [`seal`] run.
    ///
    /// # Errors
    /// There is nothing to seal yet.
    pub fn begin_seal(&self, persist: &Persist) -> Result<String, BackupError> {
        match self.status(persist).phase {
            Phase::Idle => return Err(BackupError::Idle),
            Phase::Base => return Err(BackupError::NotReady),
            Phase::Sealing => return Err(BackupError::Busy),
            Phase::Open => {}
        }
        let mut status = self.status_mut();
        if status.phase != Phase::Open {
            return Err(BackupError::Busy);
        }
        status.phase = Phase::Sealing;
        Ok(status.id.clone())
    }

    /// Ends what [`Backups::begin_seal`] began, however that went.
    fn end_seal(&self, result: &Result<(), BackupError>) {
        let mut status = self.status_mut();
        let id = std::mem::take(&mut status.id);
        status.phase = Phase::Idle;
        match result {
            Ok(()) => {
                log::info!("Backup {id} sealed");
                (status.last_id, status.error) = (id, String::new());
            }
            Err(error) => {
                log::warn!("Backup {id} failed: {error}");
                status.error = error.to_string();
            }
        }
    }
}

/// A name that no backup has.
fn free_name(files: &dyn Files, now_ms: i64) -> Result<String, BackupError> {
    files.create_dir(DIR).map_err(failed(files, DIR))?;
    let taken = files.list(DIR).map_err(failed(files, DIR))?;
    let mut number = now_ms;
    loop {
        let name = format!("backup-{number}");
        if !taken.contains(&name) {
            return Ok(name);
        }
        number += 1;
    }
}

/// Seals the backup for which [`Backups::begin_seal`] gave the right. Takes as long as reading its files does.
pub fn seal(data: &dyn Dataset) {
    let persist = data.persist();
    let result = match persist.files() {
        Some(files) => write(data, &**files),
        None => Err(StartError::NoFiles.into()),
    };
    if let (Err(_), Some(files)) = (&result, persist.files()) {
        let id = persist.backups.status_mut().id.clone();
        let _ = remove(&**files, &id);
    }
    persist.backups.end_seal(&result);
}

fn write(data: &dyn Dataset, files: &dyn Files) -> Result<(), BackupError> {
    let persist = data.persist();
    let BackupStatus { id, started_ms, is_incremental, .. } = persist.backups.status_mut().clone();
    let dir = format!("{DIR}/{id}");
    files.create_dir(DIR).map_err(failed(files, DIR))?;
    files.create_dir(&dir).map_err(failed(files, &dir))?;
    let mut manifest = BackupManifest { id, started_ms, is_incremental, ..BackupManifest::default() };
    if persist.log.state() == State::On {
        let (log, offset) = aof::roll(data)?;
        name_log(data, files, &dir, &log, &mut manifest)?;
        manifest.last_offset = offset;
    } else {
        let name = format!("{dir}/{SNAPSHOT}");
        let saved = persist.save_to(files, &name)?;
        (manifest.first_offset, manifest.last_offset) = (saved.offset, saved.offset);
        manifest.members.push(Member::of(files, &dir, SNAPSHOT).map_err(failed(files, &name))?);
    }
    manifest.sealed_ms = data.clock().unix_ms();
    let name = format!("{dir}/{MANIFEST}");
    save(files, &name, manifest.text().as_bytes()).map_err(failed(files, &name))?;
    files.sync_dir(&dir).map_err(failed(files, &dir))?;
    files.sync_dir(DIR).map_err(failed(files, DIR))?;
    files.sync_dir("").map_err(failed(files, ""))
}

/// Gives the files of the log second names in the backup.
fn name_log(
    data: &dyn Dataset,
    files: &dyn Files,
    dir: &str,
    log: &Manifest,
    manifest: &mut BackupManifest,
) -> Result<(), BackupError> {
    let to_dir = format!("{dir}/{LOG_DIR}");
    files.create_dir(&to_dir).map_err(failed(files, &to_dir))?;
    let from_dir = aof::directory(data);
    let mut named = Manifest::default();
    let mut first = None;
    for file in log.base.iter().chain(&log.incr) {
        let (from, to) = (format!("{from_dir}/{}", file.name), format!("{to_dir}/{}", file.name));
        files.link(&from, &to).map_err(failed(files, &to))?;
        manifest.members.push(Member::of(files, dir, &format!("{LOG_DIR}/{}", file.name)).map_err(failed(files, &to))?);
        if file.role == aof::Role::Base {
            named.base = Some(file.clone());
            continue;
        }
        if first.is_none() {
            let open = files.open(&to).map_err(failed(files, &to))?;
            first = aof::first_offset(&*open).map_err(failed(files, &to))?;
        }
        named.incr.push(file.clone());
    }
    manifest.first_offset = first.unwrap_or_default();
    let name = format!("{LOG_DIR}/{LOG_NAME}.manifest");
    let path = format!("{dir}/{name}");
    save(files, &path, named.text().as_bytes()).map_err(failed(files, &path))?;
    manifest.members.push(Member::of(files, dir, &name).map_err(failed(files, &path))?);
    files.sync_dir(&to_dir).map_err(failed(files, &to_dir))
}

/// Writes a new file and makes its bytes durable.
pub(super) fn save(files: &dyn Files, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = files.create(name)?;
    file.write(bytes)?;
    file.sync()
}

/// The backups that were sealed, the oldest first; what is not whole is left out, and named in the log.
///
/// # Errors
/// What the system says.
pub fn list(files: &dyn Files) -> Result<Vec<BackupManifest>, BackupError> {
    let names = match files.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.map_err(failed(files, DIR))?,
    };
    let mut found = Vec::new();
    for name in names {
        match BackupManifest::read(files, &format!("{DIR}/{name}")) {
            Ok(manifest) => found.push(manifest),
            Err(error) => log::info!("{DIR}/{name} is no backup: {error}"),
        }
    }
    found.sort_by_key(|manifest| manifest.started_ms);
    Ok(found)
}

/// Removes all but the last `keep` backups, and directories that never became one; how many backups went.
///
/// # Errors
/// What the system says.
pub fn clean_up(persist: &Persist, keep: usize) -> Result<usize, BackupError> {
    let files = persist.files().ok_or(StartError::NoFiles)?;
    let current = persist.backups.status_mut().id.clone();
    let kept = list(&**files)?;
    let mut removed = 0;
    for manifest in kept.iter().take(kept.len().saturating_sub(keep)) {
        remove(&**files, &manifest.id)?;
        removed += 1;
    }
    for name in files.list(DIR).unwrap_or_default() {
        if name != current && name.starts_with("backup-") && !kept.iter().any(|manifest| manifest.id == name) {
            remove(&**files, &name)?;
        }
    }
    Ok(removed)
}

/// Removes a backup. The manifest goes first: what is half removed is none.
fn remove(files: &dyn Files, id: &str) -> Result<(), BackupError> {
    let dir = format!("{DIR}/{id}");
    let log_dir = format!("{dir}/{LOG_DIR}");
    let gone = |result: io::Result<()>, name: &str| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(files, name)(error)),
        _ => Ok(()),
    };
    let manifest = format!("{dir}/{MANIFEST}");
    gone(files.remove(&manifest), &manifest)?;
    for inner in [&log_dir, &dir] {
        for name in files.list(inner).unwrap_or_default() {
            let name = format!("{inner}/{name}");
            gone(files.remove(&name), &name)?;
        }
        gone(files.remove_dir(inner), inner)?;
    }
    Ok(())
}

/// The checksum of a file, and its bytes.
pub(super) fn checksum(file: &dyn File) -> io::Result<(u64, u32)> {
    let mut buffer = vec![0; 1 << 20];
    let (mut at, mut crc) = (0, 0);
    loop {
        let count = file.read_at(at, &mut buffer)?;
        if count == 0 {
            return Ok((at, crc));
        }
        crc = crc32c::crc32c_append(crc, buffer.get(..count).unwrap_or_default());
        at += count as u64;
    }
}

//! From the files to a running log: what they hold is told, torn tails are set aside, and writing goes on.

use std::io;
use std::path::PathBuf;

use super::log::{Slot, State, locked};
use super::manifest::{BYTES_MAX, LogFile, Manifest, ManifestError, Role};
use super::orphans;
use super::replay::{ReplayError, replay};
use super::rewrite::{Names, drop_history, rewrite};
use super::scan::{Scan, scan};
use super::writer::Writer;
use crate::config::options;
use crate::files::{File, Files, read_small};
use crate::persist::load::{FileSource, read_into};
use crate::persist::{Dataset, Loaded, SaveError, StartError, Work};
use crate::rdb::{RdbError, Source};

/// Why the log was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system failed.
    #[error("reading {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The manifest is no manifest, or names a file that is not there.
    #[error("{path}: {what}. `rkv check {path}` tells more")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file is not as it was written, and not only at its end.
    #[error("{path} is damaged at offset {at}: {what}. Make a copy, then `rkv check --fix {path}` cuts it there")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// A file ends early, and `aof-load-truncated` does not allow that.
    #[error(
        "{path}, offset {at}: Unexpected end of file reading the append only file: {what}. `rkv check --fix {path}` cuts it there, or set aof-load-truncated"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Up to where it is whole.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A base that is a snapshot was refused.
    #[error("{path}: {error}. `rkv check {path}` tells more")]
    Base {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: RdbError,
    },
    /// A new file could not be made.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl From<StartError> for LogError {
    fn from(error: StartError) -> Self {
        Self::Save(error.into())
    }
}

impl From<LogError> for SaveError {
    /// A log that cannot be read must not be replaced either.
    fn from(error: LogError) -> Self {
        match error {
            LogError::Save(error) => error,
            LogError::Io { path, error } => Self::Io { doing: "reading", path, error },
            other => {
                Self::Io { doing: "reading the log", path: PathBuf::new(), error: io::Error::other(other.to_string()) }
            }
        }
    }
}

/// Takes the commands of the log, in order, at the one door.
pub trait Apply {
    /// Runs a command.
    ///
    /// # Errors
    /// It is none, so that the log must be wrong.
    fn apply(&mut self, words: &[&[u8]]) -> Result<(), String>;

    /// Stores the keys of the snapshot with which the log begins.
    ///
    /// # Errors
    /// What is wrong with it.
    fn load_base(&mut self, data: &dyn Dataset, source: &mut dyn Source, bytes: u64) -> Result<Loaded, RdbError> {
        read_into(data, source, bytes, true)
    }
}

/// What was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadedLog {
    /// Commands.
    pub commands: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that were set aside.
    pub dropped_bytes: u64,
}

/// Reads the manifest, if there is one.
pub(super) fn read_manifest(files: &dyn Files, names: &Names) -> Result<Option<Manifest>, LogError> {
    let name = names.manifest();
    let io_failed = |error| LogError::Io { path: files.path(&name), error };
    let file = match files.open(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(io_failed)?,
    };
    let wrong = |what: String| LogError::Manifest { path: files.path(&name), what };
    let text = match read_small(&*file, BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(wrong(error.to_string())),
        result => result.map_err(io_failed)?,
    };
    Manifest::parse(&text).map(Some).map_err(|error: ManifestError| wrong(error.to_string()))
}

/// A log of Redis before version 7 is one file beside the snapshot: it becomes the base, as Redis 7 does it.
fn adopt_old_log(files: &dyn Files, names: &Names) -> io::Result<Option<Manifest>> {
    match files.open(names.log()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => drop(result?),
    }
    files.create_dir(names.dir())?;
    files.sync_dir("")?;
    let base = LogFile { name: names.log().to_owned(), seq: 1, role: Role::Base, is_sealed: false };
    let manifest = Manifest { base: Some(base), ..Manifest::default() };
    log::info!("Start upgrading an old-style AOF to a multi-part AOF.");
    names.save(files, &manifest)?;
    files.rename(names.log(), &names.path(names.log()))?;
    files.sync_dir(names.dir())?;
    files.sync_dir("")?;
    log::info!("Successfully migrated an old-style AOF configuration ({}) to the multi-part AOF.", names.log());
    Ok(Some(manifest))
}

struct Loader<'a> {
    data: &'a dyn Dataset,
    files: &'a dyn Files,
    names: Names,
    allows_truncated: bool,
    loaded: LoadedLog,
    /// What was found in the last incremental file.
    last: Option<Scan>,
    /// Whether that one was cut once, so that something is known to be missing behind it.
    was_cut: bool,
    /// Whether a file without commands stands behind it that begins elsewhere: it was made, and writing went on before it.
    is_followed: bool,
}

/// Loads the log, if there is one, telling its commands to `apply`. `None`: there is none.
///
/// # Errors
/// The log is damaged; some of it may be stored then.
pub fn load(data: &dyn Dataset, apply: &mut dyn Apply) -> Result<Option<LoadedLog>, LogError> {
    let Some(files) = data.persist().files() else { return Ok(None) };
    let names = Names::of(data);
    let io_failed = |error| LogError::Io { path: files.path(names.log()), error };
    let manifest = if let Some(manifest) = read_manifest(&**files, &names)? {
        // An upgrade that was cut off after the manifest: the file still has its old place.
        finish_adoption(&**files, &names, &manifest).map_err(io_failed)?;
        orphans::refuse_unnamed(&**files, &names, &manifest)?;
        manifest
    } else if let Some(manifest) = adopt_old_log(&**files, &names).map_err(io_failed)? {
        manifest
    } else if let Some(manifest) = orphans::without_manifest(&**files, &names)? {
        manifest
    } else {
        return Ok(None);
    };
    let allows_truncated = data.config().get(options::AOF_LOAD_TRUNCATED);
    let mut loader = Loader::new(data, &**files, names, allows_truncated);
    loader.load_all(&manifest, apply)?;
    let log = &data.persist().log;
    {
        let mut status = log.status_mut();
        status.bytes = loader.loaded.bytes;
        status.base_bytes = loader.loaded.bytes;
    }
    *locked(&log.manifest) = manifest;
    // Another program, or this one, has gone on elsewhere: writing goes on in a new file then.
    let is_followed = loader.is_followed;
    *locked(&log.last_scan) = loader.last.map(|last| Scan { is_continued: last.is_continued || is_followed, ..last });
    Ok(Some(loader.loaded))
}

/// The files of the log as the directory has them now; `None`: there is none.
///
/// # Errors
/// The manifest cannot be read.
pub fn find(data: &dyn Dataset) -> Result<Option<Manifest>, LogError> {
    let Some(files) = data.persist().files() else { return Ok(None) };
    read_manifest(&**files, &Names::of(data))
}

/// Loads a log again, while it is [paused](super::Log::pause), into a store that was emptied. No file is changed.
///
/// # Errors
/// The log is damaged; some of it may be stored then.
pub fn reload(data: &dyn Dataset, manifest: &Manifest, apply: &mut dyn Apply) -> Result<LoadedLog, LogError> {
    let Some(files) = data.persist().files() else { return Ok(LoadedLog::default()) };
    let mut loader = Loader::new(data, &**files, Names::of(data), false);
    loader.load_all(manifest, apply)?;
    Ok(loader.loaded)
}

fn finish_adoption(files: &dyn Files, names: &Names, manifest: &Manifest) -> io::Result<()> {
    let is_old = manifest.base.as_ref().is_some_and(|base| base.name == names.log());
    if is_old && files.open(&names.path(names.log())).is_err() && files.open(names.log()).is_ok() {
        files.rename(names.log(), &names.path(names.log()))?;
        files.sync_dir(names.dir())?;
        files.sync_dir("")?;
    }
    Ok(())
}

/// What the name of a base ends with that is a snapshot; one of commands may be empty.
const SNAPSHOT_END: &str = ".rdb";

impl<'a> Loader<'a> {
    fn new(data: &'a dyn Dataset, files: &'a dyn Files, names: Names, allows_truncated: bool) -> Self {
        let loaded = LoadedLog::default();
        Self { data, files, names, allows_truncated, loaded, last: None, was_cut: false, is_followed: false }
    }

    fn load_all(&mut self, manifest: &Manifest, apply: &mut dyn Apply) -> Result<(), LogError> {
        let all: Vec<&LogFile> = manifest.base.iter().chain(&manifest.incr).collect();
        let mut opened = Vec::new();
        for file in &all {
            let opening = self.files.open(&self.names.path(&file.name));
            opened.push(opening.map_err(|error| self.missing(&file.name, error))?);
        }
        let total = opened.iter().map(|file| file.len().unwrap_or(0)).sum();
        self.data.persist().loading.begin(total);
        for (number, (named, file)) in all.iter().zip(&opened).enumerate() {
            let is_last = opened.iter().skip(number + 1).all(|later| is_without_commands(&**later));
            self.load_file(named, &**file, is_last, apply)?;
        }
        Ok(())
    }

    fn missing(&self, name: &str, error: io::Error) -> LogError {
        if error.kind() == io::ErrorKind::NotFound {
            let path = self.files.path(&self.names.manifest());
            return LogError::Manifest { path, what: format!("{name} is named there, and is not: {error}") };
        }
        LogError::Io { path: self.files.path(&self.names.path(name)), error }
    }

    fn load_file(
        &mut self,
        named: &LogFile,
        file: &dyn File,
        is_last: bool,
        apply: &mut dyn Apply,
    ) -> Result<(), LogError> {
        let name = self.names.path(&named.name);
        let path = || self.files.path(&name);
        let io_failed = |error| LogError::Io { path: path(), error };
        let began_us = self.data.clock().monotonic_us();
        let bytes = file.len().map_err(io_failed)?;
        let from = self.load_snapshot(file, &name, bytes, apply)?;
        if from == 0 && named.role == Role::Base && named.name.ends_with(SNAPSHOT_END) {
            return Err(LogError::Damaged { path: path(), at: 0, what: "no snapshot begins there".to_owned() });
        }
        let found = scan(file, from).map_err(io_failed)?;
        if let Some(damage) = found.damage {
            let is_strange = from == 0 && begins_strangely(file).map_err(io_failed)?;
            if damage.is_within || is_strange || !is_last || named.role == Role::Base && named.name != self.names.log()
            {
                // In the words that are looked for when a server of Redis does not start.
                let is_cut = !damage.is_within && !is_strange;
                let what = if is_cut { "Unexpected end of file" } else { "Bad file format" };
                let what = format!("{what} reading the append only file: {}", damage.what);
                return Err(LogError::Damaged { path: path(), at: damage.at, what });
            }
            if !self.allows_truncated {
                return Err(LogError::Truncated { path: path(), at: found.whole_bytes, what: damage.what });
            }
        }
        self.refuse_strange(named, &name, &found)?;
        self.tell(file, &name, (from, found.whole_bytes), apply)?;
        self.loaded.commands += found.commands;
        self.loaded.bytes += found.whole_bytes;
        if found.damage.is_some() {
            self.set_aside(file, &name, &found).map_err(io_failed)?;
        }
        let end = self.last.and_then(|before| before.last).map(|before| before.last);
        self.is_followed = found.commands == 0 && end.is_some() && found.first.is_some() && found.first != end;
        if named.role == Role::Incr && !self.is_followed {
            self.was_cut = self.files.open(&format!("{name}.damaged.1")).is_ok();
            self.last = Some(found);
        }
        let seconds = self.data.clock().monotonic_us().saturating_sub(began_us) as f64 / 1e6;
        log::info!("DB loaded from {} file {}: {seconds:.3} seconds", role_name(named.role), named.name);
        Ok(())
    }

    /// Refuses a file that is whole, but not the one that was written here.
    fn refuse_strange(&self, named: &LogFile, name: &str, found: &Scan) -> Result<(), LogError> {
        let damaged = |what: String| Err(LogError::Damaged { path: self.files.path(name), at: 0, what });
        if named.role == Role::Incr && named.is_sealed && !found.is_sealed && found.commands > 0 {
            return damaged("the manifest says that it begins with a checksum, and it does not".to_owned());
        }
        let before = self.last.filter(|before| before.is_sealed && !before.is_continued && before.damage.is_none());
        if named.role == Role::Incr
            && let (Some(before), Some(first)) = (before.and_then(|before| before.last), found.first)
            && before.last != first
            && found.commands > 0
            && !self.was_cut
        {
            let what = format!("it begins at journal offset {first}, but the file before it ends at {}", before.last);
            return damaged(what);
        }
        Ok(())
    }

    /// Loads the snapshot with which a file may begin; where the commands behind it begin.
    fn load_snapshot(&self, file: &dyn File, name: &str, bytes: u64, apply: &mut dyn Apply) -> Result<u64, LogError> {
        let mut magic = [0; 6];
        let count = file.read_at(0, &mut magic).map_err(|error| LogError::Io { path: self.files.path(name), error })?;
        if count < magic.len() || !(magic.starts_with(b"REDIS") || &magic == b"VALKEY") {
            return Ok(0);
        }
        log::info!("Reading RDB base file on AOF loading...");
        let loaded = apply.load_base(self.data, &mut FileSource::new(file), bytes);
        loaded.map(|loaded| loaded.summary.bytes).map_err(|error| LogError::Base { path: self.files.path(name), error })
    }

    fn tell(&self, file: &dyn File, name: &str, (from, to): (u64, u64), apply: &mut dyn Apply) -> Result<(), LogError> {
        let progress = &self.data.persist().loading;
        let mut count = 0u32;
        let told = replay(file, from, to, |at, words| {
            count = count.wrapping_add(1);
            if count.is_multiple_of(4096) {
                progress.set_done(self.loaded.bytes + at);
            }
            apply.apply(words)
        });
        let path = || self.files.path(name);
        told.map_err(|error| match error {
            ReplayError::Io(error) => LogError::Io { path: path(), error },
            ReplayError::Bad { at, what } => LogError::Damaged { path: path(), at, what: what.to_owned() },
            ReplayError::Refused { at, error } => LogError::Damaged { path: path(), at, what: error },
        })
    }

    /// Keeps what is behind the whole part in a file of its own and cuts it off.
    fn set_aside(&mut self, file: &dyn File, name: &str, found: &Scan) -> io::Result<()> {
        let aside = set_aside(self.files, file, name, found.whole_bytes)?;
        let dropped = found.bytes - found.whole_bytes;
        self.loaded.dropped_bytes += dropped;
        let what = found.damage.map_or("", |damage| damage.what);
        log::warn!("!!! Warning: short read while loading the AOF file {name}!!! {what}");
        log::warn!(
            "AOF {name} loaded anyway because aof-load-truncated is enabled: cut at offset {}, {dropped} bytes are kept in {aside}",
            found.whole_bytes
        );
        Ok(())
    }
}

/// Whether a file begins as no log does, whatever a crash made of it: it was put there.
fn begins_strangely(file: &dyn File) -> io::Result<bool> {
    let mut first = [0];
    Ok(file.read_at(0, &mut first)? == 1 && !matches!(first, [b'*' | b'#' | 0]))
}

/// Whether a file was only begun: it may follow one whose tail was lost.
fn is_without_commands(file: &dyn File) -> bool {
    scan(file, 0).is_ok_and(|found| found.commands == 0 && found.damage.is_none())
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Base => "base",
        Role::Incr => "incr",
        Role::History => "history",
    }
}

/// A name that no file has yet, for one that is kept aside, `why`.
pub(super) fn free_name(files: &dyn Files, name: &str, why: &str) -> String {
    let mut number = 1u32;
    loop {
        let aside = format!("{name}.{why}.{number}");
        if files.open(&aside).is_err() {
            return aside;
        }
        number = number.saturating_add(1);
    }
}

/// Copies what a file has from an offset on to a new file beside it, makes that durable, and cuts the file. The new file.
///
/// # Errors
/// What the system says.
pub fn set_aside(files: &dyn Files, file: &dyn File, name: &str, whole_bytes: u64) -> io::Result<String> {
    let aside = free_name(files, name, "damaged");
    let mut copy = files.create(&aside)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut at = whole_bytes;
    loop {
        let count = file.read_at(at, &mut buffer)?;
        if count == 0 {
            break;
        }
        copy.write(buffer.get(..count).unwrap_or_default())?;
        at += count as u64;
    }
    copy.sync()?;
    let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
    files.sync_dir(dir)?;
    let mut cut = files.append(name)?;
    cut.set_len(whole_bytes)?;
    cut.sync()?;
    Ok(aside)
}

/// Begins to write, after [`load`]: goes on with the last file if it is whole and rkv's, or begins another one; without a
/// log, a base is made of what is stored now. Nobody else uses the store yet.
///
/// # Errors
/// A file could not be made.
pub fn begin(data: &dyn Dataset) -> Result<(), LogError> {
    let Some(files) = data.persist().files() else { return Ok(()) };
    let log = &data.persist().log;
    if !log.is_wanted() {
        return Ok(());
    }
    let names = Names::of(data);
    let has_log = {
        let manifest = locked(&log.manifest);
        manifest.base.is_some() || !manifest.incr.is_empty()
    };
    if !has_log {
        log::info!("Creating AOF base file on server start");
        let claim = data.persist().claim(Work::Rewrite)?;
        rewrite(claim.data())?;
        return Ok(());
    }
    let last = locked(&log.last_scan).take();
    let path = files.path(names.dir());
    resume(data, &**files, &names, last.as_ref()).map_err(|error| LogError::Io { path, error })?;
    log.close_gate(data);
    Ok(())
}

fn resume(data: &dyn Dataset, files: &dyn Files, names: &Names, last: Option<&Scan>) -> io::Result<()> {
    let log = &data.persist().log;
    let mut manifest = locked(&log.manifest);
    drop_history(data, files, names, &mut manifest);
    // What a rewrite left that was cut off.
    for name in files.list(names.dir())?.iter().filter(|name| name.starts_with("temp-")) {
        files.remove(&names.path(name))?;
    }
    let mut writer = None;
    if let (Some(file), Some(found)) = (manifest.incr.last(), last) {
        writer = Writer::resume(files, names.path(&file.name), found)?;
    }
    let writer = if let Some(mut writer) = writer {
        // What a crashed process left may be in memory only.
        writer.sync()?;
        writer
    } else {
        let offset = last.and_then(|found| found.last).map_or(0, |last| last.last);
        let incr = manifest.next_incr(names.log());
        let writer = Writer::create(files, names.path(&incr.name), offset)?;
        log::info!("Creating AOF incr file {} on server start", incr.name);
        files.sync_dir(names.dir())?;
        let mut next = manifest.clone();
        next.incr.push(incr);
        names.save(files, &next)?;
        *manifest = next;
        writer
    };
    let sync_file = files.append(writer.name())?;
    let journal = data.journal();
    let locks = data.keyspace().sweep().map_err(|_| io::Error::other("a bug left the data half changed"))?;
    journal.start_at(writer.offset());
    journal.turn_on(0);
    let reader = journal.reader();
    drop(locks);
    log.set_state(State::Starting);
    let mut slot = locked(&log.slot);
    log.begin(&mut slot, Slot { writer, reader }, sync_file);
    Ok(())
}

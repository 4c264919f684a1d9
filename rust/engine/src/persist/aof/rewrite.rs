//! New files for the log: a base that holds everything up to a cut, and the file that follows it.
//!
//! ```text
//! cut ▸ the old file is written and synced up to the cut ▸ new incremental file, named by the manifest ▸ writing goes on there
//!     ▸ base: written, synced, read back ▸ manifest names only the new files ▸ the old ones are deleted
//! ```
//!
//! Whatever fails in between leaves a manifest whose files hold everything. A log that has no file that may be written,
//! because it begins or its file failed, is only named by the manifest when its base is there.

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::commands::CommandWriter;
use super::log::{Log, Slot, State, locked};
use super::manifest::{LogFile, Manifest, Role};
use super::scan::scan;
use super::writer::Writer;
use crate::config::{Config, options};
use crate::files::Files;
use crate::keyspace::{Captured, Cut};
use crate::persist::snapshot::{self, Moment, Sink};
use crate::persist::status::Delay;
use crate::persist::{Claim, Dataset, Persist, Refusal, SaveError, StartError, Work};

/// After a rewrite that failed, the next one waits so long, in microseconds.
const RETRY_US: u64 = 1_000_000;
/// From so many failures on a log that can be written is not rewritten because it has grown before minutes are over: each
/// try leaves one more file. The numbers are Redis's.
const FAILURES_MAX: u64 = 3;
/// The longest of those waits, in minutes; the first is one, and each doubles.
const WAIT_MIN_MAX: u64 = 60;

/// Names of the log's files, as the configuration has them.
#[derive(Clone, Debug)]
pub(super) struct Names {
    dir: String,
    log: String,
    is_rdb: bool,
}

impl Names {
    pub(super) fn of(data: &dyn Dataset) -> Self {
        let config = data.config();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            dir: text(config.get(options::APPENDDIRNAME)),
            log: text(config.get(options::APPENDFILENAME)),
            is_rdb: config.get(options::AOF_USE_RDB_PREAMBLE),
        }
    }

    /// A file of the log, by its name in the manifest.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    pub(super) fn dir(&self) -> &str {
        &self.dir
    }

    /// The log's own name: that of the only file that Redis had before version 7.
    pub(super) fn log(&self) -> &str {
        &self.log
    }

    pub(super) fn manifest(&self) -> String {
        self.path(&format!("{}.manifest", self.log))
    }

    /// Makes a manifest durable under its name.
    pub(super) fn save(&self, files: &dyn Files, manifest: &Manifest) -> io::Result<()> {
        let temporary = self.path(&format!("temp-{}.manifest", self.log));
        let mut file = files.create(&temporary)?;
        file.write(manifest.text().as_bytes())?;
        file.sync()?;
        drop(file);
        files.rename(&temporary, &self.manifest())?;
        files.sync_dir(&self.dir)
    }
}

/// What the thread looks at in each of its turns: what the configuration asks for, and whether the log has grown.
pub(super) fn follow(log: &Log, data: &dyn Dataset) {
    if data.is_poisoned() || data.persist().refusals.has(Refusal::Loading) {
        return;
    }
    if log.status().is_scheduled && log.state() == State::Off {
        return start_if_due(log, data);
    }
    match (log.is_wanted(), log.state()) {
        (true, State::Off | State::Failed) => start_if_due(log, data),
        (false, State::On | State::Failed) if !log.is_rewriting() => turn_off(log, data),
        // It was wanted once more while it was being turned off, and those who waited then were left to the next log.
        (false, State::Off) => log.confirmations.end_all(),
        (true, State::On) => {
            log.follow_fsync(data);
            if log.status().is_scheduled {
                start_if_due(log, data);
            } else if let Some(growth) = growth(log, data)
                && !waits_after_failures(log, data)
            {
                log::info!("Starting automatic rewriting of AOF on {growth}% growth");
                start_if_due(log, data);
            }
        }
        _ => {}
    }
}

/// By how many percent the log has grown, if that asks for a rewrite.
fn growth(log: &Log, data: &dyn Dataset) -> Option<u128> {
    let config = data.config();
    let (percent, least) =
        (config.get(options::AUTO_AOF_REWRITE_PERCENTAGE), config.get(options::AUTO_AOF_REWRITE_MIN_SIZE));
    drop(config);
    let status = log.status();
    let base_bytes = status.base_bytes.max(1);
    let growth = (u128::from(status.bytes) * 100 / u128::from(base_bytes)).saturating_sub(100);
    let is_due = percent > 0 && status.bytes > least && growth >= u128::from(percent.unsigned_abs());
    (is_due && !log.is_rewriting()).then_some(growth)
}

/// Whether rewrites failed so often that the next one waits.
fn waits_after_failures(log: &Log, data: &dyn Dataset) -> bool {
    let mut status = log.status_mut();
    let Some(ended_us) = status.ended_us.filter(|_| status.failures > 0) else { return false };
    let mut wait_us = RETRY_US;
    if status.failures >= FAILURES_MAX {
        let doublings = u32::try_from(status.failures - FAILURES_MAX).unwrap_or(u32::MAX);
        let wait_min = 1_u64.checked_shl(doublings).map_or(WAIT_MIN_MAX, |minutes| minutes.min(WAIT_MIN_MAX));
        if status.told_failures != status.failures {
            status.told_failures = status.failures;
            log::warn!(
                "Background AOF rewrite has repeatedly failed {} times and triggered the limit, will retry in {wait_min} minutes",
                status.failures
            );
        }
        wait_us = wait_min * 60_000_000;
    }
    data.clock().monotonic_us() < ended_us + wait_us
}

fn start_if_due(log: &Log, data: &dyn Dataset) {
    let now_us = data.clock().monotonic_us();
    let status = log.status();
    let waits = status.failures > 0 && status.ended_us.is_some_and(|ended_us| now_us < ended_us + RETRY_US);
    if log.is_rewriting() || waits {
        return;
    }
    match start(data.persist()) {
        Ok(()) | Err(StartError::Busy(_)) => {}
        Err(error) => {
            log::warn!("Can't rewrite append only file in background: {error}");
            failed(log, data, 0);
        }
    }
}

/// Begins a rewrite in the background; with a clock that is moved by hand it is done when this returns.
///
/// # Errors
/// It did not begin.
pub fn start(persist: &Persist) -> Result<(), StartError> {
    if persist.files().is_none() {
        return Err(StartError::NoFiles);
    }
    persist.lock_directory().map_err(StartError::Directory)?;
    let claim = persist.claim(Work::Rewrite)?;
    persist.log.set_rewriting(true);
    persist.log.status_mut().is_scheduled = false;
    if claim.data().clock().is_manual() {
        run(&claim);
        return Ok(());
    }
    log::info!("Background append only file rewriting started by pid {}", std::process::id());
    let claim = Arc::new(claim);
    let thread_claim = Arc::clone(&claim);
    persist.spawn_behind("rkv-snapshot", move || run(&thread_claim)).map_err(|error| {
        persist.log.set_rewriting(false);
        StartError::Thread(error)
    })
}

fn run(claim: &Claim) {
    let data = claim.data();
    let log = &data.persist().log;
    let began_us = data.clock().monotonic_us();
    let result = catch_unwind(AssertUnwindSafe(|| rewrite(data))).unwrap_or(Err(SaveError::Poisoned));
    let took_s = (data.clock().monotonic_us().saturating_sub(began_us) / 1_000_000) as i64;
    match result {
        Ok(()) => {
            log::info!("Background AOF rewrite finished successfully");
            let mut status = log.status_mut();
            status.rewrites += 1;
            status.failures = 0;
            status.told_failures = 0;
            status.is_rewrite_ok = true;
            status.took_s = Some(took_s);
            status.ended_us = Some(data.clock().monotonic_us());
        }
        Err(SaveError::Cancelled) => {
            log::info!("AOF rewrite cancelled");
        }
        Err(error) => {
            log::warn!("Background AOF rewrite terminated with error: {error}");
            failed(log, data, took_s);
        }
    }
    log.set_rewriting(false);
}

fn failed(log: &Log, data: &dyn Dataset, took_s: i64) {
    let mut status = log.status_mut();
    status.failures += 1;
    status.is_rewrite_ok = false;
    status.took_s = Some(took_s);
    status.ended_us = Some(data.clock().monotonic_us());
}

/// The part of a rewrite that is done before the base.
struct Begun<'e> {
    cut: Cut<'e>,
    moment: Moment,
    /// Where the journal goes on; `None`: nobody wants a log, only its base.
    incr: Option<LogFile>,
    /// Whether nothing waits for the log yet, or its last file failed.
    is_fresh: bool,
}

/// Whether a log could be begun in the directory: a file is made there, and removed.
///
/// # Errors
/// What the system says.
pub fn probe(persist: &Persist, config: &Config) -> io::Result<()> {
    let Some(files) = persist.files() else { return Ok(()) };
    persist.lock_directory()?;
    let dir = String::from_utf8_lossy(config.get(options::APPENDDIRNAME)).into_owned();
    files.create_dir(&dir)?;
    let name = format!("{dir}/temp-probe-{}.aof", std::process::id());
    let written = files.create(&name).and_then(|mut file| {
        file.write(b"#\r\n")?;
        file.sync()
    });
    let removed = files.remove(&name);
    written.and(removed)
}

/// Makes new files for everything that is stored now. The caller has the right to the cut.
///
/// # Errors
/// The files that were there still hold everything that they held.
pub(super) fn rewrite(data: &dyn Dataset) -> Result<(), SaveError> {
    let Some(files) = data.persist().files().map(Arc::clone) else { return Err(StartError::NoFiles.into()) };
    let (log, names) = (&data.persist().log, Names::of(data));
    let begun = begin(log, data, &*files, &names)?;
    let (incr, is_fresh) = (begun.incr.clone(), begun.is_fresh);
    let result =
        base(data, &*files, &names, begun).and_then(|base| replace(data, &*files, &names, base, incr.as_ref()));
    if result.is_err()
        && is_fresh
        && let Some(incr) = incr
    {
        // What was written there is not named by any manifest.
        let mut slot = locked(&log.slot);
        *slot = None;
        drop(slot);
        log::info!("Removing the temp incr aof file {}: there is no base before it", incr.name);
        let _ = files.remove(&names.path(&incr.name));
        if log.state() == State::Starting {
            stop_journal(data);
            log.set_state(State::Off);
        }
    }
    result?;
    if is_fresh {
        log.close_gate(data);
        data.persist().refusals.set(Refusal::LogFailed, false);
        log.status_mut().is_write_ok = true;
    }
    Ok(())
}

fn io_failed<'a>(
    files: &'a dyn Files,
    doing: &'static str,
    name: &'a str,
) -> impl FnOnce(io::Error) -> SaveError + use<'a> {
    move |error| SaveError::Io { doing, path: files.path(name), error }
}

/// Cuts, and lets the journal go on in a new file.
fn begin<'e>(log: &Log, data: &'e dyn Dataset, files: &dyn Files, names: &Names) -> Result<Begun<'e>, SaveError> {
    files.create_dir(names.dir()).map_err(io_failed(files, "making", names.dir()))?;
    files.sync_dir("").map_err(io_failed(files, "syncing", names.dir()))?;
    let mut slot = locked(&log.slot);
    let mut manifest = locked(&log.manifest);
    let is_fresh = slot.is_none();
    if is_fresh && manifest.base.is_none() && manifest.incr.is_empty() {
        *manifest = super::start::read_manifest(files, names)?.unwrap_or_default();
    }
    if is_fresh && !log.is_wanted() {
        let (cut, moment) = snapshot::cut(data)?;
        return Ok(Begun { cut, moment, incr: None, is_fresh: false });
    }
    let journal = data.journal();
    if !journal.is_on() {
        let locks = data.keyspace().sweep().map_err(|_| SaveError::Poisoned)?;
        journal.turn_on(0);
        drop(locks);
    }
    let new_reader = journal.reader();
    let (cut, moment) = snapshot::cut(data)?;
    if !is_fresh {
        let written = log.write_up_to(data, &mut slot, moment.offset);
        let synced = written.and_then(|()| slot.as_mut().map_or(Ok(()), |open| open.writer.sync()));
        if let Err(error) = synced {
            let path = files.path(names.dir());
            log.fail(data, &mut slot, &error);
            return Err(SaveError::Io { doing: "writing the log in", path, error: io::Error::other("see above") });
        }
    }
    let incr = manifest.next_incr(names.log());
    let path = names.path(&incr.name);
    let mut writer = Writer::create(files, path.clone(), moment.offset).map_err(io_failed(files, "creating", &path))?;
    if is_fresh {
        writer = writer.begun_with(manifest.next_base(names.log(), names.is_rdb).seq);
    }
    let sync_file = files.append(&path).map_err(io_failed(files, "opening", &path))?;
    // A manifest must not outlive a crash that the name of its file does not.
    files.sync_dir(names.dir()).map_err(io_failed(files, "syncing", names.dir()))?;
    if !is_fresh {
        let mut next = manifest.clone();
        next.incr.push(incr.clone());
        names.save(files, &next).map_err(io_failed(files, "writing the manifest for", &path))?;
        *manifest = next;
    }
    // From here on nothing fails, so that the old file is given up in the same step.
    if let Some(mut old) = slot.take() {
        let _ = old.writer.give_room_back();
    }
    if log.state() == State::Off {
        log.set_state(State::Starting);
    }
    new_reader.advance(moment.offset);
    log.begin(&mut slot, Slot { writer, reader: new_reader }, sync_file);
    Ok(Begun { cut, moment, incr: Some(incr), is_fresh })
}

/// Writes the base under a temporary name, proves it, and gives it its name. The file, and its bytes.
fn base(data: &dyn Dataset, files: &dyn Files, names: &Names, begun: Begun<'_>) -> Result<(LogFile, u64), SaveError> {
    let base = locked(&data.persist().log.manifest).next_base(names.log(), names.is_rdb);
    let temporary = names.path(&format!("temp-rewriteaof-bg-{}.aof", std::process::id()));
    let path = names.path(&base.name);
    let written = if names.is_rdb {
        snapshot::write(data, files, begun.cut, &begun.moment, &temporary, true).map(|saved| saved.bytes)
    } else {
        write_commands(data, files, begun.cut, &begun.moment, &temporary)
    };
    let result = written.and_then(|bytes| {
        files.rename(&temporary, &path).map_err(io_failed(files, "renaming to", &path))?;
        files.sync_dir(names.dir()).map_err(io_failed(files, "syncing", names.dir()))?;
        Ok(bytes)
    });
    if result.is_err() {
        let _ = files.remove(&temporary);
    }
    Ok((base, result?))
}

/// Writes the commands that make what a cut tells, and reads them back.
fn write_commands(
    data: &dyn Dataset,
    files: &dyn Files,
    mut cut: Cut<'_>,
    moment: &Moment,
    name: &str,
) -> Result<u64, SaveError> {
    let progress = &data.persist().saving;
    progress.begin(moment.keys());
    let config = data.config();
    let (delay, has_times) =
        (Delay(config.get(options::RDB_KEY_SAVE_DELAY)), config.get(options::AOF_TIMESTAMP_ENABLED));
    drop(config);
    let file = files.create(name).map_err(io_failed(files, "creating", name))?;
    let mut writer = CommandWriter::new(Sink::new(file, None));
    if has_times {
        writer.time(moment.now_ms.div_euclid(1000)).map_err(io_failed(files, "writing", name))?;
    }
    let mut captured = Captured::default();
    while cut.drain(&mut captured)? {
        if progress.is_cancelled() {
            return Err(progress.end());
        }
        for entry in captured.iter() {
            writer.entry(&entry).map_err(io_failed(files, "writing", name))?;
            delay.after(writer.keys, progress);
        }
        progress.set_done(writer.keys);
    }
    let bytes = writer.bytes;
    let mut sink = writer.finish();
    let ended = sink.flush().and_then(|()| sink.file.sync());
    ended.map_err(io_failed(files, "syncing", name))?;
    let file = files.open(name).map_err(io_failed(files, "opening", name))?;
    let found = scan(&*file, 0).map_err(io_failed(files, "reading", name))?;
    if found.whole_bytes != bytes || found.damage.is_some() {
        let what = format!("{} bytes instead of {bytes}", found.whole_bytes);
        return Err(SaveError::Damaged { path: files.path(name), what });
    }
    Ok(bytes)
}

/// The directory of the log's files.
pub fn directory(data: &dyn Dataset) -> String {
    Names::of(data).dir
}

/// Ends the file that is written and goes on in a new one, without a new base: the files that held everything before, which
/// nobody changes any more, and the journal offset behind them.
///
/// # Errors
/// There is no log, or the system failed; the log goes on in the file that it had, unless that failed.
pub fn roll(data: &dyn Dataset) -> Result<(Manifest, u64), SaveError> {
    let Some(files) = data.persist().files() else { return Err(StartError::NoFiles.into()) };
    let (log, names) = (&data.persist().log, Names::of(data));
    let mut slot = locked(&log.slot);
    let mut manifest = locked(&log.manifest);
    if log.state() != State::On || slot.is_none() {
        return Err(StartError::NoFiles.into());
    }
    let reader = data.journal().reader();
    let offset = data.journal().cut();
    let written = log.write_up_to(data, &mut slot, offset);
    if let Err(error) = written.and_then(|()| slot.as_mut().map_or(Ok(()), |open| open.writer.sync())) {
        log.fail(data, &mut slot, &error);
        return Err(io_failed(&**files, "writing the log in", names.dir())(error));
    }
    let incr = manifest.next_incr(names.log());
    let path = names.path(&incr.name);
    let writer = Writer::create(&**files, path.clone(), offset).map_err(io_failed(&**files, "creating", &path))?;
    let sync_file = files.append(&path).map_err(io_failed(&**files, "opening", &path))?;
    let complete = manifest.clone();
    let mut next = complete.clone();
    next.incr.push(incr);
    names.save(&**files, &next).map_err(io_failed(&**files, "writing the manifest for", &path))?;
    *manifest = next;
    if let Some(mut old) = slot.take() {
        let _ = old.writer.give_room_back();
    }
    reader.advance(offset);
    log.begin(&mut slot, Slot { writer, reader }, sync_file);
    // A reply may have waited for the sync of the file before.
    log.release(data, offset);
    Ok((complete, offset))
}

/// Names the new files instead of the old ones, and deletes those.
fn replace(
    data: &dyn Dataset,
    files: &dyn Files,
    names: &Names,
    (base, base_bytes): (LogFile, u64),
    incr: Option<&LogFile>,
) -> Result<(), SaveError> {
    let log = &data.persist().log;
    // Held all the time: what the log goes on to be named must not be overtaken.
    let mut manifest = locked(&log.manifest);
    let (mut next, path) = (Manifest::default(), names.manifest());
    next.base = Some(base);
    let mut bytes = 0;
    if let Some(incr) = incr {
        next.incr = manifest.incr.iter().filter(|file| file.seq > incr.seq).cloned().collect();
        next.incr.insert(0, incr.clone());
        bytes = files.open(&names.path(&incr.name)).and_then(|file| file.len()).unwrap_or(0);
    }
    // The latest first, as Redis has them.
    let old = manifest.incr.iter().rev().chain(&manifest.base).chain(&manifest.history);
    let history = old.filter(|file| !next.incr.contains(file)).cloned();
    next.history = history.map(|file| LogFile { role: Role::History, ..file }).collect();
    names.save(files, &next).map_err(io_failed(files, "writing", &path))?;
    *manifest = next;
    {
        let mut status = log.status_mut();
        status.bytes = base_bytes + bytes;
        status.base_bytes = status.bytes;
    }
    drop_history(data, files, names, &mut manifest);
    Ok(())
}

/// Deletes what the manifest calls history, unless `aof-disable-auto-gc` keeps it.
pub(super) fn drop_history(data: &dyn Dataset, files: &dyn Files, names: &Names, manifest: &mut Manifest) {
    let keeps = data.config().get(options::AOF_DISABLE_AUTO_GC);
    if let Err(error) = if keeps { Ok(()) } else { delete_history(files, names, manifest) } {
        log::warn!("Old files of the log are still there: {error}");
    }
}

/// Follows `aof-disable-auto-gc`: what was kept is deleted if it need not be any more. Called with no shard held.
pub fn collect(data: &dyn Dataset) {
    let Some(files) = data.persist().files() else { return };
    let mut manifest = locked(&data.persist().log.manifest);
    drop_history(data, &**files, &Names::of(data), &mut manifest);
}

/// Deletes files that the manifest calls history, and then forgets them.
fn delete_history(files: &dyn Files, names: &Names, manifest: &mut Manifest) -> io::Result<()> {
    if manifest.history.is_empty() {
        return Ok(());
    }
    for file in &manifest.history {
        match files.remove(&names.path(&file.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let rest = Manifest { history: Vec::new(), ..manifest.clone() };
    names.save(files, &rest)?;
    *manifest = rest;
    Ok(())
}

fn stop_journal(data: &dyn Dataset) {
    if let Ok(locks) = data.keyspace().sweep() {
        data.journal().turn_off();
        drop(locks);
    }
}

/// `appendonly no`: what was journalled is written and durable, and then there is no log.
fn turn_off(log: &Log, data: &dyn Dataset) {
    log.finish(data);
    stop_journal(data);
    let mut slot = locked(&log.slot);
    *slot = None;
    log.set_state(State::Off);
    if !log.is_wanted() {
        log.confirmations.end_all();
    }
    data.persist().refusals.set(Refusal::LogFailed, false);
    log.status_mut().is_write_ok = true;
}

//! Taking a snapshot: the cut, the file, the proof that it can be read, and then its name.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::proof::{self, Tail};
use super::status::{Delay, Progress, Work};
use super::{Claim, Dataset, Persist, Refusal, StartError};
use crate::config::options;
use crate::files::{File, Files};
use crate::keyspace::{Captured, Cut, CutError, Keyspace, Locks, ParkedCut, Shard};
use crate::rdb::{Access, Fault, RdbError, WriteOptions, Writer};

/// What is true at a cut.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// The offset of the journal.
    pub offset: u64,
    /// How many changes there had been since the start.
    pub changes: u64,
    /// Keys of each database, and how many of them have a deadline.
    pub dbs: Vec<(u64, u64)>,
    /// Bytes of the data.
    pub used_bytes: usize,
    /// Unix milliseconds.
    pub now_ms: i64,
}

impl Moment {
    fn of(data: &dyn Dataset, locks: &Locks<'_>) -> Self {
        let mut moment = Self { offset: data.journal().cut(), now_ms: data.clock().unix_ms(), ..Self::default() };
        for shard in locks.iter() {
            moment.changes += shard.changes;
            moment.used_bytes += shard.used_bytes();
            for (number, db) in shard.dbs() {
                if number >= moment.dbs.len() {
                    moment.dbs.resize(number + 1, (0, 0));
                }
                if let Some((keys, with_deadline)) = moment.dbs.get_mut(number) {
                    *keys += db.len() as u64;
                    *with_deadline += db.with_deadline() as u64;
                }
            }
        }
        moment
    }

    /// Keys of all databases.
    pub fn keys(&self) -> u64 {
        self.dbs.iter().map(|(keys, _)| keys).sum()
    }
}

/// A snapshot that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Keys in it, those included whose time was over.
    pub keys: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The offset of the journal at its cut.
    pub offset: u64,
    /// The most memory, in bytes, that was needed beside the data.
    pub captured_bytes: u64,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It did not begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system failed.
    #[error("{doing} {path}: {error}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What was written is not what was read back.
    #[error("{path} was not read back as it was written: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// DEBUG KILL-CHILD.
    #[error("killed by DEBUG KILL-CHILD")]
    Killed,
    /// Somebody asked to give up.
    #[error("cancelled")]
    Cancelled,
    /// The data cannot be trusted.
    #[error("a bug left the data half changed")]
    Poisoned,
}

impl From<CutError> for SaveError {
    fn from(error: CutError) -> Self {
        match error {
            CutError::Busy => Self::Start(StartError::Busy(Work::Save)),
            CutError::Poisoned => Self::Poisoned,
        }
    }
}

/// How much memory, in bytes, a snapshot of so much data may need beside it: a tenth and 64 MiB. A quarter of the latter
/// is left for commands that are under way.
pub const fn limit_bytes(used_bytes: usize) -> usize {
    used_bytes / 10 + RESERVE_BYTES
}

/// Of 64 MiB.
pub(super) const RESERVE_BYTES: usize = 48 << 20;

/// Cuts: what is stored now will be told.
///
/// # Errors
/// There is another cut, or the data is spoilt.
pub fn cut(data: &dyn Dataset) -> Result<(Cut<'_>, Moment), CutError> {
    data.keyspace().begin_cut(|locks| {
        let moment = Moment::of(data, locks);
        data.persist().captured_bytes_max.store(data.persist().limit_bytes(moment.used_bytes), Ordering::Relaxed);
        moment
    })
}

/// How many changes there were since the start. Locks one shard after the other.
pub(super) fn changes(keyspace: &Keyspace) -> u64 {
    let shards = (0..keyspace.len()).filter_map(|shard| keyspace.lock(1 << shard).ok());
    shards.map(|locks| locks.iter().map(|shard| shard.changes).sum::<u64>()).sum()
}

/// Where the entries of a snapshot come from, some at a time.
trait Entries {
    /// Replaces what is there by some more; false if there are none.
    fn next(&mut self, into: &mut Captured) -> Result<bool, CutError>;

    /// Whether others write meanwhile, so that what they overwrite takes memory, and shards may be asked for it.
    fn is_cut(&self) -> bool;
}

impl Entries for Cut<'_> {
    fn next(&mut self, into: &mut Captured) -> Result<bool, CutError> {
        self.drain(into)
    }

    fn is_cut(&self) -> bool {
        true
    }
}

/// All entries of shards that are held all the time.
struct Held<'a, 'e> {
    locks: &'a Locks<'e>,
    shard: usize,
    db: usize,
    /// How many entries of the database were told.
    told: usize,
}

impl Entries for Held<'_, '_> {
    fn next(&mut self, into: &mut Captured) -> Result<bool, CutError> {
        /// Few enough that the copies of their collections take no room to speak of.
        const TOGETHER: usize = 4096;
        while let Some(shard) = self.locks.iter().nth(self.shard) {
            let Some(db) = shard.db(self.db) else {
                (self.shard, self.db) = (self.shard + 1, 0);
                continue;
            };
            let more = into.copy(self.db, db, self.told, TOGETHER);
            self.told += more;
            if more > 0 {
                return Ok(true);
            }
            (self.db, self.told) = (self.db + 1, 0);
        }
        Ok(false)
    }

    fn is_cut(&self) -> bool {
        false
    }
}

/// A file that is written in large pieces.
pub(super) struct Sink<'t> {
    pub(super) file: Box<dyn File>,
    buffer: Vec<u8>,
    /// Who reads behind, if anybody does.
    tail: Option<&'t Tail>,
}

/// How much is written at once.
const PIECE_BYTES: usize = 1 << 20;

impl<'t> Sink<'t> {
    pub(super) fn new(file: Box<dyn File>, tail: Option<&'t Tail>) -> Self {
        Self { file, buffer: Vec::with_capacity(PIECE_BYTES), tail }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)?;
        if let Some(tail) = self.tail {
            tail.add(bytes.len());
        }
        Ok(())
    }
}

impl Drop for Sink<'_> {
    /// However the writing ended, nobody waits for more.
    fn drop(&mut self) {
        if let Some(tail) = self.tail {
            tail.end();
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > PIECE_BYTES {
            self.flush()?;
        }
        if bytes.len() >= PIECE_BYTES {
            self.pass(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let piece = std::mem::take(&mut self.buffer);
            self.pass(&piece)?;
            self.buffer = piece;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Tells where in which file something went wrong.
pub(super) struct Place<'a> {
    pub files: &'a dyn Files,
    pub name: &'a str,
}

impl Place<'_> {
    pub fn failed(&self, doing: &'static str) -> impl FnOnce(io::Error) -> SaveError {
        let path = self.files.path(self.name);
        move |error| SaveError::Io { doing, path, error }
    }
}

/// Writes the entries of a cut to a new file, syncs it, reads it back and verifies it. Its name is not durable then.
///
/// # Errors
/// The file is not whole then.
pub fn write(
    data: &dyn Dataset,
    files: &dyn Files,
    cut: Cut<'_>,
    moment: &Moment,
    name: &str,
    is_base_of_log: bool,
) -> Result<Saved, SaveError> {
    prove(data, files, cut, moment, name, is_base_of_log, &data.persist().saving)
}

fn prove(
    data: &dyn Dataset,
    files: &dyn Files,
    entries: impl Entries,
    moment: &Moment,
    name: &str,
    is_base_of_log: bool,
    progress: &Progress,
) -> Result<Saved, SaveError> {
    let tail = Tail::default();
    let asks =
        if is_base_of_log { options::AOF_REWRITE_INCREMENTAL_FSYNC } else { options::RDB_SAVE_INCREMENTAL_FSYNC };
    let syncs = data.config().get(asks);
    let follow = || proof::follow(data, files, name, (&tail, syncs), progress);
    std::thread::scope(|scope| {
        let mut follower = None;
        let mut begin = || {
            let thread = std::thread::Builder::new().name("rkv-proof".into());
            // Without a thread the file is read when it is written.
            follower = thread.spawn_scoped(scope, follow).ok();
        };
        let mut job = Job::new(data, moment, progress, &mut begin);
        job.is_cut = entries.is_cut();
        let written = write_entries(job, files, entries, name, is_base_of_log, &tail);
        let read = follower.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let (saved, is_changed) = written?;
        if saved.keys != moment.keys() {
            let what = format!("{} keys of {} were written", saved.keys, moment.keys());
            return Err(SaveError::Damaged { path: files.path(name), what });
        }
        // What was read is not what is there now if the header was changed at the end; a disk that failed has failed.
        let holds =
            |read: &Result<_, RdbError>| !is_changed || matches!(read, Err(RdbError { what: Fault::Io(_), .. }));
        let read = read.filter(holds).unwrap_or_else(|| proof::read_back(data, files, name, progress));
        proof::judge(files, name, &saved, read, progress)?;
        Ok(saved)
    })
}

/// Writes and syncs a file; what it is, and whether its beginning was written twice.
fn write_entries(
    mut job: Job<'_>,
    files: &dyn Files,
    mut entries: impl Entries,
    name: &str,
    is_base_of_log: bool,
    tail: &Tail,
) -> Result<(Saved, bool), SaveError> {
    let (data, moment) = (job.data, job.moment);
    let place = Place { files, name };
    let file = files.create(name).map_err(place.failed("creating"))?;
    let mut writer = Writer::new(Sink::new(file, Some(tail)), &job.options);
    head(&mut writer, data, moment, is_base_of_log).map_err(place.failed("writing"))?;
    let mut captured = Captured::default();
    while entries.next(&mut captured)? {
        if job.progress.is_cancelled() {
            return Err(job.progress.end());
        }
        job.write(&mut writer, &captured).map_err(place.failed("writing"))?;
    }
    let (mut sink, written) = writer.finish().map_err(place.failed("writing"))?;
    sink.flush().map_err(place.failed("writing"))?;
    if let Some(header) = written.header {
        sink.file.write_at(0, &header).map_err(place.failed("writing"))?;
    }
    sink.file.sync().map_err(place.failed("syncing"))?;
    let captured_bytes = job.progress.captured_peak_bytes();
    let saved = Saved { keys: written.keys, bytes: written.bytes, offset: moment.offset, captured_bytes };
    Ok((saved, written.header.is_some()))
}

fn head(writer: &mut Writer<Sink<'_>>, data: &dyn Dataset, moment: &Moment, is_base_of_log: bool) -> io::Result<()> {
    writer.aux(b"redis-ver", crate::REDIS_VERSION.as_bytes())?;
    writer.aux(b"redis-bits", usize::BITS.to_string().as_bytes())?;
    writer.aux(b"ctime", moment.now_ms.div_euclid(1_000).to_string().as_bytes())?;
    writer.aux(b"used-mem", moment.used_bytes.to_string().as_bytes())?;
    writer.aux(b"aof-base", if is_base_of_log { b"1" } else { b"0" })?;
    data.persist().functions().iter().try_for_each(|source| writer.function(source))
}

/// A snapshot while it is written.
struct Job<'a> {
    data: &'a dyn Dataset,
    moment: &'a Moment,
    progress: &'a Progress,
    options: WriteOptions,
    delay: Delay,
    access: Box<dyn Fn(u32) -> Access>,
    db: Option<usize>,
    keys: u64,
    segments: u32,
    /// At which byte of the file memory is looked at next.
    look_at: u64,
    /// Begins to read what is written, once that is long enough.
    follow: Option<&'a mut dyn FnMut()>,
    /// Whether there is memory to look at: shards that are held all the time cannot be asked, and keep nothing.
    is_cut: bool,
}

impl<'a> Job<'a> {
    fn new(data: &'a dyn Dataset, moment: &'a Moment, progress: &'a Progress, follow: &'a mut dyn FnMut()) -> Self {
        let config = data.config();
        let options = WriteOptions {
            compress: config.get(options::RDBCOMPRESSION),
            checksum: config.get(options::RDBCHECKSUM),
            ..WriteOptions::default()
        };
        let delay = Delay(config.get(options::RDB_KEY_SAVE_DELAY));
        drop(config);
        progress.begin(moment.keys());
        Self {
            data,
            moment,
            progress,
            options,
            delay,
            access: data.access(moment.now_ms),
            db: None,
            keys: 0,
            segments: 0,
            look_at: LOOK_BYTES,
            follow: Some(follow),
            is_cut: true,
        }
    }

    fn write(&mut self, writer: &mut Writer<Sink<'_>>, captured: &Captured) -> io::Result<()> {
        for entry in captured.iter() {
            if self.db != Some(entry.db) {
                let (keys, with_deadline) = self.moment.dbs.get(entry.db).copied().unwrap_or_default();
                writer.begin_db(entry.db, keys, with_deadline)?;
                self.db = Some(entry.db);
            }
            writer.entry(&entry, (self.access)(entry.clock))?;
            self.keys += 1;
            self.delay.after(self.keys, self.progress);
            if writer.position() >= self.look_at {
                self.look_at_memory(writer.position());
            }
        }
        self.progress.set_done(self.keys);
        if writer.position() >= proof::LONG_BYTES
            && let Some(follow) = self.follow.take()
        {
            follow();
        }
        self.segments += 1;
        if self.segments.is_multiple_of(SEGMENTS) {
            self.look_at_memory(writer.position());
        }
        Ok(())
    }

    /// Lets writers wait while more memory is needed than may be.
    fn look_at_memory(&mut self, position: u64) {
        self.look_at = position + LOOK_BYTES;
        if !self.is_cut {
            return;
        }
        let (keyspace, persist) = (self.data.keyspace(), self.data.persist());
        let bytes = keyspace.captured_bytes();
        self.progress.set_captured(bytes);
        let limit = persist.limit_bytes(self.moment.used_bytes);
        // Where data went since the cut, what was kept of it needs no more memory than there was.
        let room =
            if bytes > limit { (self.moment.used_bytes + limit).saturating_sub(used_bytes(keyspace)) } else { 0 };
        let most = if room > 0 { bytes + room } else { limit };
        persist.captured_bytes_max.store(most, Ordering::Relaxed);
        if bytes > most {
            persist.refusals.set(Refusal::MemoryOfSnapshot, true);
        } else {
            persist.let_writers_go(false);
        }
    }
}

/// Bytes of all data and of what is kept for a snapshot. Locks one shard after the other.
fn used_bytes(keyspace: &Keyspace) -> usize {
    let shards = (0..keyspace.len()).filter_map(|shard| keyspace.lock(1 << shard).ok());
    let used: usize = shards.map(|locks| locks.iter().map(Shard::used_bytes).sum::<usize>()).sum();
    used.saturating_add(keyspace.gauge_bytes())
}

/// Memory is looked at after so many segments, some thousand entries, which are told in a millisecond or two; and after so
/// many bytes of large values.
const SEGMENTS: u32 = 16;
const LOOK_BYTES: u64 = 2 << 20;

/// Writes a cut to a temporary file, proves it, and gives it its name.
///
/// # Errors
/// What had the name still has it, unless only the directory could not be synced.
pub fn replace(
    data: &dyn Dataset,
    files: &dyn Files,
    cut: Cut<'_>,
    moment: &Moment,
    name: &str,
) -> Result<Saved, SaveError> {
    let temporary = format!("temp-{}.rdb", std::process::id());
    replace_with(data, files, cut, moment, [&temporary, name], &data.persist().saving)
}

fn replace_with(
    data: &dyn Dataset,
    files: &dyn Files,
    entries: impl Entries,
    moment: &Moment,
    [temporary, name]: [&str; 2],
    progress: &Progress,
) -> Result<Saved, SaveError> {
    let place = Place { files, name };
    let result = prove(data, files, entries, moment, temporary, false, progress).and_then(|saved| {
        if progress.is_cancelled() {
            return Err(progress.end());
        }
        files.rename(temporary, name).map_err(place.failed("renaming the new file to"))?;
        Ok(saved)
    });
    if result.is_err() {
        let _ = files.remove(temporary);
    }
    let saved = result?;
    files.sync_dir("").map_err(place.failed("syncing the directory of"))?;
    Ok(saved)
}

/// The name of the file of the configuration.
pub fn file_name(data: &dyn Dataset) -> String {
    String::from_utf8_lossy(data.config().get(options::DBFILENAME)).into_owned()
}

/// Removes what snapshots left behind that did not come to their end. Nobody else works in the directory.
pub fn remove_leftovers(data: &dyn Dataset, files: &dyn Files) {
    if !data.persist().holds_directory() {
        return;
    }
    let is_leftover = |name: &String| {
        let middle = name.strip_prefix("temp-").and_then(|rest| rest.strip_suffix(".rdb"));
        let number = middle.map(|middle| middle.strip_prefix("reload-").unwrap_or(middle));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for name in files.list("").unwrap_or_default().iter().filter(|name| is_leftover(name)) {
        match files.remove(name) {
            Ok(()) => log::info!("Removed {name}, which a snapshot left behind that did not come to its end"),
            Err(error) => log::warn!("{name} is left from an earlier snapshot and cannot be removed: {error}"),
        }
    }
}

/// What SAVE does.
pub(super) fn in_foreground(persist: &Persist) -> Result<Saved, SaveError> {
    let files = persist.files().ok_or(StartError::NoFiles)?;
    persist.lock_directory().map_err(StartError::Directory)?;
    let claim = persist.claim(Work::Save)?;
    let data = claim.data();
    let (cut, moment) = cut(data)?;
    let result = replace(data, &**files, cut, &moment, &file_name(data));
    match &result {
        Ok(saved) => succeeded(data, &moment, saved),
        Err(error) => log::warn!("Error saving DB on disk: {error}"),
    }
    result
}

/// What the thread of a snapshot does.
pub(super) fn in_background(claim: &Claim, parked: ParkedCut, moment: &Moment) {
    let (data, persist) = (claim.data(), claim.data().persist());
    // Resumed first, so that it ends whatever happens below.
    let cut = data.keyspace().resume(parked);
    let Some(files) = persist.files() else { return };
    let run = || replace(data, &**files, cut, moment, &file_name(data));
    let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(SaveError::Poisoned));
    match result {
        Ok(saved) => {
            succeeded(data, moment, &saved);
            ended(persist, data.clock().unix_ms(), Some(true));
            log::info!("Background saving terminated with success");
        }
        Err(SaveError::Cancelled) => {
            ended(persist, data.clock().unix_ms(), None);
            log::info!("Background saving cancelled");
        }
        Err(error) => {
            log::warn!("Background saving error: {error}");
            background_failed(persist);
        }
    }
}

/// Notes a snapshot in the background that failed.
pub(super) fn background_failed(persist: &Persist) {
    let Some(data) = persist.data() else { return };
    ended(persist, data.clock().unix_ms(), Some(false));
    persist.follow(&data.config());
}

fn ended(persist: &Persist, now_ms: i64, is_ok: Option<bool>) {
    let mut status = persist.status_mut();
    status.took_s = Some(now_ms.saturating_sub(status.began_ms).max(0) / 1_000);
    status.ended_ms = Some(now_ms);
    if let Some(is_ok) = is_ok {
        status.is_ok = is_ok;
    }
}

fn succeeded(data: &dyn Dataset, moment: &Moment, saved: &Saved) {
    let mut status = data.persist().status_mut();
    status.saved_ms = data.clock().unix_ms();
    status.saved_changes = moment.changes;
    status.is_ok = true;
    status.saves += 1;
    status.captured_bytes = usize::try_from(saved.captured_bytes).unwrap_or(usize::MAX);
    drop(status);
    data.persist().follow(&data.config());
    log::info!("DB saved on disk");
}

/// What DEBUG RELOAD does first: a snapshot while all shards are held, without a cut. A snapshot in the background is given
/// up.
///
/// # Errors
/// Why there is none.
pub fn save_locked(data: &dyn Dataset, locks: &Locks<'_>) -> Result<Saved, SaveError> {
    let persist = data.persist();
    let files = persist.files().ok_or(StartError::NoFiles)?;
    persist.lock_directory().map_err(StartError::Directory)?;
    persist.cancel();
    let moment = Moment::of(data, locks);
    let entries = Held { locks, shard: 0, db: 0, told: 0 };
    let temporary = format!("temp-reload-{}.rdb", std::process::id());
    let names = [temporary.as_str(), &file_name(data)];
    let saved = replace_with(data, &**files, entries, &moment, names, &Progress::default())?;
    succeeded(data, &moment, &saved);
    Ok(saved)
}

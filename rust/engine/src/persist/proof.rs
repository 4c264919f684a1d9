//! The proof that a file can be read back: its checksum, its structure, and how many keys it has.
//!
//! A long file is read while it is written, by a second thread a piece behind the first, which also asks the disk for what
//! it has read: at the end there is little left to wait for. What is read comes from the same pages of the system that the
//! disk is given.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::load::{self, FileSource};
use super::snapshot::{Place, SaveError, Saved};
use super::status::Progress;
use super::{Dataset, unpoisoned};
use crate::files::{File, Files};
use crate::rdb::{self, Fault, RdbError, ReadOptions, Summary};

/// From so many bytes on a file is read while it is written.
pub(super) const LONG_BYTES: u64 = 1 << 20;

/// How many bytes may be written before the disk is asked for them.
const SYNCED_BYTES: u64 = 8 << 20;

/// How far a file is written.
#[derive(Debug, Default)]
pub(super) struct Tail {
    state: Mutex<Written>,
    moved: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    bytes: u64,
    is_over: bool,
}

impl Tail {
    fn state(&self) -> MutexGuard<'_, Written> {
        unpoisoned(self.state.lock())
    }

    /// So many bytes more are there.
    pub fn add(&self, bytes: usize) {
        self.state().bytes += bytes as u64;
        self.moved.notify_one();
    }

    /// Nothing will be written any more.
    pub fn end(&self) {
        self.state().is_over = true;
        self.moved.notify_one();
    }

    /// Waits until there is more than so much, or nothing more comes; how much there is.
    fn wait(&self, bytes: u64) -> u64 {
        let state = self.moved.wait_while(self.state(), |state| state.bytes <= bytes && !state.is_over);
        unpoisoned(state).bytes
    }
}

/// A file that is read behind who writes it.
struct Follower<'a> {
    file: Box<dyn File>,
    tail: &'a Tail,
    offset: u64,
    synced: u64,
    syncs: bool,
}

impl io::Read for Follower<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.syncs && self.offset - self.synced >= SYNCED_BYTES {
            self.file.sync()?;
            self.synced = self.offset;
        }
        let written = self.tail.wait(self.offset) - self.offset;
        let len = into.len().min(usize::try_from(written).unwrap_or(usize::MAX));
        let read = self.file.read_at(self.offset, into.get_mut(..len).unwrap_or_default())?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Takes nothing of what a file tells, but gives up when somebody asks for it.
struct Witness<'a>(&'a Progress);

impl rdb::Sink for Witness<'_> {
    fn entry(&mut self, _: rdb::Loaded<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn function(&mut self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn progress(&mut self, _: u64) -> Result<(), Fault> {
        if self.0.is_cancelled() { Err(Fault::Refused("cancelled".into())) } else { Ok(()) }
    }
}

/// Reads a file that another thread writes, until that thread says that it is over. `syncs`: and asks the disk for it.
pub(super) fn follow(
    data: &dyn Dataset,
    files: &dyn Files,
    name: &str,
    (tail, syncs): (&Tail, bool),
    progress: &Progress,
) -> Result<Summary, RdbError> {
    let opened = files.open(name).map_err(|error| RdbError { offset: 0, key: None, what: Fault::Io(error) })?;
    let mut source = Follower { file: opened, tail, offset: 0, synced: 0, syncs };
    rdb::read(&mut source, &mut Witness(progress), &ReadOptions { skims: true, ..load::options(data, true) })
}

/// Reads a file from its beginning to its end.
pub(super) fn read_back(
    data: &dyn Dataset,
    files: &dyn Files,
    name: &str,
    progress: &Progress,
) -> Result<Summary, RdbError> {
    let opened = files.open(name).map_err(|error| RdbError { offset: 0, key: None, what: Fault::Io(error) })?;
    rdb::read(
        &mut FileSource::new(&*opened),
        &mut Witness(progress),
        &ReadOptions { skims: true, ..load::options(data, true) },
    )
}

/// Whether what was read is what was written.
///
/// # Errors
/// It is not.
pub(super) fn judge(
    files: &dyn Files,
    name: &str,
    saved: &Saved,
    read: Result<Summary, RdbError>,
    progress: &Progress,
) -> Result<(), SaveError> {
    let place = Place { files, name };
    let damaged = |what: String| SaveError::Damaged { path: files.path(name), what };
    let summary = match read {
        Err(_) if progress.is_cancelled() => return Err(progress.end()),
        Err(RdbError { what: Fault::Io(error), .. }) => return Err(place.failed("reading")(error)),
        Err(error) => return Err(damaged(error.to_string())),
        Ok(summary) => summary,
    };
    let bytes = files.open(name).and_then(|file| file.len()).map_err(place.failed("reading"))?;
    if [bytes, summary.bytes] != [saved.bytes; 2] {
        return Err(damaged(format!("{bytes} bytes instead of {}", saved.bytes)));
    }
    if summary.keys != saved.keys {
        return Err(damaged(format!("{} keys instead of {}", summary.keys, saved.keys)));
    }
    Ok(())
}

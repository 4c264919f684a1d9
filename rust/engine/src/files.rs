//! Files, as a thing that is given to the engine: the directory in which a store keeps what must outlive it.
//!
//! Everything that persistence does with the disk goes through [`Files`], so that a test can cut the power between any two
//! operations ([`SimulatedFiles`]), and so that no name of a file leads out of the directory ([`RealFiles`]).
//!
//! Names are relative to the directory, with `/` between their parts: `dump.rdb`, `appendonlydir/x.aof`. The directory
//! itself is `""`. A name that is empty where a file is meant, absolute, or has a part `.`, `..` or with a NUL is refused
//! with [`io::ErrorKind::InvalidInput`].
//!
//! # What is durable
//!
//! Bytes of a file after [`File::sync`]; a name, its absence or its new meaning after [`Files::sync_dir`] of the directory
//! that holds it. Everything else may be there after a crash, or not, or in part.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

mod real;
mod simulated;

pub use real::RealFiles;
pub use simulated::{Damage, Fault, SimulatedFiles};

/// The directory in which a store keeps its files.
pub trait Files: Send + Sync + Debug {
    /// Opens an existing file, to be read.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], and what the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Makes a new file, or empties an existing one, to be written from its start.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Opens a file, or makes it, to be written at its end; it can be read, too.
    ///
    /// # Errors
    /// What the system says.
    fn append(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Gives a file another name; what had that name is gone, in the same moment.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], and what the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], and what the system says.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes a directory; one that is there already is fine.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, name: &str) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`io::ErrorKind::DirectoryNotEmpty`], [`io::ErrorKind::NotFound`], and what the system says.
    fn remove_dir(&self, name: &str) -> io::Result<()>;

    /// The names in a directory, sorted, directories among them.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], and what the system says.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Keeps every other process, and every other holder in this one, out of [`Files::lock`] until it is dropped. Never waits.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if somebody holds it; the message says who, where that can be known.
    fn lock(&self) -> io::Result<Box<dyn Any + Send>>;

    /// Where a file lies, for messages only.
    fn path(&self, name: &str) -> PathBuf;
}

fn beside(path: &Path) -> io::Result<(RealFiles, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(dir), Some(name)) = (path.parent(), name) else { return Err(io::ErrorKind::InvalidInput.into()) };
    Ok((RealFiles::open(dir)?, name))
}

/// Reads a file of at most `bytes_max` bytes that lies anywhere: what the server was told at start.
///
/// # Errors
/// [`io::ErrorKind::NotFound`], and what the system says.
pub fn read_whole(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let (files, name) = beside(path)?;
    read_small(&*files.open(name)?, bytes_max)
}

/// Reads all of a file of at most `bytes_max` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`], and what the system says.
pub fn read_small(file: &dyn File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let len = file.len()?;
    if len > bytes_max {
        let what = format!("{len} bytes are too many for what it is meant to be");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(done as u64, rest)? {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// Writes a new file beside the old one and puts it in its place, so that a crash leaves one or the other. `unique` is a word
/// for its name meanwhile.
///
/// # Errors
/// What the system says.
pub fn replace_whole(path: &Path, unique: &str, bytes: &[u8]) -> io::Result<()> {
    let (files, name) = beside(path)?;
    let temporary = format!("{name}.{unique}.tmp");
    let written = files.create(&temporary).and_then(|mut file| {
        file.write(bytes)?;
        file.sync()
    });
    let placed = written.and_then(|()| files.rename(&temporary, name)).and_then(|()| files.sync_dir(""));
    if placed.is_err() {
        // Nothing more can be done if it cannot be removed either.
        let _ = files.remove(&temporary);
    }
    placed
}

/// An open file.
pub trait File: Send + Debug {
    /// Reads from an offset in bytes; 0 at the end of the file, and otherwise perhaps less than there is room for.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes behind what was written before, or fails; then any part of them may be there.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Replaces bytes that were written before, or fails; then any part of them may be there. The next [`File::write`] goes
    /// where it would have gone.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the bytes of the file are on the disk, whoever wrote them. A failure is final: what was not on the disk may never get there,
    /// and a later success does not mean that it did.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or fills it with zeros, to this length in bytes; the next write follows there.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Takes room on the disk for this many bytes behind the end, without changing the length. Where the file system cannot
    /// do that it does nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], and what the system says.
    fn allocate(&mut self, bytes_ahead: u64) -> io::Result<()>;
}

/// The parts of a name, if it is one that cannot lead out of the directory.
pub(crate) fn parts(name: &str) -> io::Result<Vec<&str>> {
    let parts: Vec<&str> = name.split('/').collect();
    if parts.iter().any(|part| part.is_empty() || *part == "." || *part == ".." || part.contains('\0')) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is not the name of a file in the store's directory"),
        ));
    }
    Ok(parts)
}

/// The directory part of a name and the last part.
fn split(name: &str) -> io::Result<(&str, &str)> {
    parts(name)?;
    Ok(name.rsplit_once('/').unwrap_or(("", name)))
}

#[cfg(test)]
mod tests;

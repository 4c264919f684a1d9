//! A directory of the operating system.
//!
//! Every name is looked up part by part below the directory that was opened at the start, and symbolic links are never
//! followed: neither does a name lead out of the directory, nor does moving the directory meanwhile lead elsewhere.

use std::any::Any;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FallocateFlags, FlockOperation, Mode, OFlags};

use super::{File, Files, parts, split};

/// A directory of the operating system.
#[derive(Debug)]
pub struct RealFiles {
    dir: OwnedFd,
    path: PathBuf,
}

impl RealFiles {
    /// Opens an existing directory.
    ///
    /// # Errors
    /// There is none, or it must not be read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let dir = fs::open(&path, DIRECTORY, Mode::empty())?;
        Ok(Self { dir, path })
    }

    /// Opens a directory below it, "" for itself. A new description each time: a lock of one does not hold the other.
    fn dir(&self, name: &str) -> io::Result<OwnedFd> {
        let mut dir = fs::openat(&self.dir, ".", DIRECTORY, Mode::empty())?;
        if !name.is_empty() {
            for part in parts(name)? {
                dir = fs::openat(&dir, part, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
            }
        }
        Ok(dir)
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<OpenFile> {
        let (dir, last) = split(name)?;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = fs::openat(self.dir(dir)?, last, flags, Mode::from_raw_mode(0o666));
        let file = std::fs::File::from(opened.map_err(|error| match error {
            rustix::io::Errno::LOOP => {
                io::Error::other("a symbolic link; rkv does not follow links out of its directory")
            }
            error => error.into(),
        })?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(OpenFile { file, position: 0 })
    }

    /// The process that holds the lock, as far as the system tells.
    fn holder(&self) -> Option<u32> {
        let inode = std::fs::File::from(self.dir.try_clone().ok()?).metadata().ok()?.ino();
        let ends_with_inode = |field: &&str| field.rsplit(':').next() == Some(inode.to_string().as_str());
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_it = fields.contains(&"FLOCK") && fields.iter().any(ends_with_inode);
            is_it.then(|| fields.iter().skip(4).find_map(|field| field.parse().ok())).flatten()
        })
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

impl Files for RealFiles {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.file(name, OFlags::RDONLY)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.file(name, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut opened = self.file(name, OFlags::RDWR | OFlags::CREATE)?;
        opened.position = opened.len()?;
        Ok(Box::new(opened))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_dir, from), (to_dir, to)) = (split(from)?, split(to)?);
        Ok(fs::renameat(self.dir(from_dir)?, from, self.dir(to_dir)?, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (dir, last) = split(name)?;
        Ok(fs::unlinkat(self.dir(dir)?, last, AtFlags::empty())?)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_dir, from), (to_dir, to)) = (split(from)?, split(to)?);
        Ok(fs::linkat(self.dir(from_dir)?, from, self.dir(to_dir)?, to, AtFlags::empty())?)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        let (dir, last) = split(name)?;
        match fs::mkdirat(self.dir(dir)?, last, Mode::from_raw_mode(0o777)) {
            Err(rustix::io::Errno::EXIST) => self.dir(name).map(drop),
            result => Ok(result?),
        }
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        let (dir, last) = split(name)?;
        Ok(fs::unlinkat(self.dir(dir)?, last, AtFlags::REMOVEDIR)?)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::Dir::new(self.dir(dir)?)? {
            // A name that is not UTF-8 is none that a store gave.
            if let Ok(name) = entry?.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        Ok(fs::fsync(self.dir(dir)?)?)
    }

    /// The directory itself is locked, so nothing is left behind in it, and one that must not be written can be, too.
    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        let dir = self.dir("")?;
        match fs::flock(dir.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Box::new(dir)),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = self.holder().map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let path = self.path.display();
                Err(io::Error::new(io::ErrorKind::WouldBlock, format!("the directory {path} is in use by {holder}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }
}

#[derive(Debug)]
struct OpenFile {
    file: std::fs::File,
    /// Where the next write goes.
    position: u64,
}

impl File for OpenFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.position)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.position = len;
        Ok(())
    }

    fn allocate(&mut self, bytes_ahead: u64) -> io::Result<()> {
        let end = self.len()?;
        match fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, end, bytes_ahead) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            result => Ok(result?),
        }
    }
}

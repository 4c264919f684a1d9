//! A disk in memory that forgets what was not synced, and fails when it is told to.
//!
//! It keeps what every file holds and what of it is durable, page by page, and the same of every name. [`SimulatedFiles::crash`]
//! gives the disk as a machine could find it after the power went: what was synced is there, and of the rest some part,
//! chosen by a seed. [`SimulatedFiles::fail`] makes chosen operations fail.
//!
//! A failed [`File::sync`] does what Linux does: the pages count as written although they are not, so that the next sync
//! succeeds and they are lost all the same.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Files, parts, split};
use crate::random::{Random, Xoshiro256};

/// What the disk loses or keeps together.
const PAGE_BYTES: usize = 4096;

/// What becomes of bytes that were written but not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// They are as if never written.
    Lost,
    /// They are all there.
    Kept,
    /// The file ends somewhere among them.
    Torn,
    /// Some pages are there, others not.
    Pages,
    /// The file has its length, but they are zeros.
    Zeros,
}

const DAMAGES: [Damage; 5] = [Damage::Lost, Damage::Kept, Damage::Torn, Damage::Pages, Damage::Zeros];

/// Which operations fail, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Operations by their number, from 0, in the order in which they happen on the whole disk.
    pub operations: Range<u64>,
    /// The error they fail with.
    pub kind: io::ErrorKind,
}

/// A disk in memory. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedFiles(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    inodes: Vec<Inode>,
    /// What names mean now.
    names: BTreeMap<String, Target>,
    /// What they mean after a crash.
    durable: BTreeMap<String, Target>,
    /// Changes of names that are not durable yet, in order.
    renamings: Vec<Renaming>,
    operations: u64,
    faults: Vec<Fault>,
    /// Bytes that all files together may have.
    space_bytes: Option<u64>,
    is_locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Dir,
    File(usize),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
    /// Pages that a sync has to write.
    dirty: BTreeSet<usize>,
    /// The length is to be written, too.
    is_resized: bool,
}

/// A change of names: one step, also after a crash.
#[derive(Clone, Debug)]
struct Renaming {
    removed: Option<String>,
    made: Option<(String, Target)>,
}

impl Renaming {
    fn touches(&self, dir: &str) -> bool {
        let is_in = |name: &String| name.rsplit_once('/').map_or("", |(dir, _)| dir) == dir;
        self.removed.as_ref().is_some_and(is_in) || self.made.as_ref().is_some_and(|(name, _)| is_in(name))
    }

    fn apply(&self, names: &mut BTreeMap<String, Target>) {
        if let Some(name) = &self.removed {
            names.remove(name);
        }
        if let Some((name, target)) = &self.made {
            names.insert(name.clone(), *target);
        }
    }
}

impl SimulatedFiles {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many operations there were: every call of [`Files`] and [`File`] but `path` and `len` is one.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Makes operations fail from now on.
    pub fn fail(&self, fault: Fault) {
        self.disk().faults.push(fault);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut disk = self.disk();
        disk.faults.clear();
        disk.space_bytes = None;
    }

    /// Limits the bytes of all files together; a write beyond fails with [`io::ErrorKind::StorageFull`].
    pub fn set_space(&self, bytes: Option<u64>) {
        self.disk().space_bytes = bytes;
    }

    /// The disk after a crash now, as the seed chooses; this one goes on unharmed.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        self.crashed(seed, None)
    }

    /// The disk after a crash now, with the same damage to every file, and with all changes of names or none.
    #[must_use]
    pub fn crash_as(&self, damage: Damage, names_kept: bool, seed: u64) -> Self {
        self.crashed(seed, Some((damage, names_kept)))
    }

    fn crashed(&self, seed: u64, chosen: Option<(Damage, bool)>) -> Self {
        let disk = self.disk();
        let mut random = Xoshiro256::from_seed(seed);
        let inodes = disk.inodes.iter().map(|inode| {
            let damage = chosen.map_or_else(|| DAMAGES[random.below(5) as usize], |(damage, _)| damage);
            Inode::durable(inode.after_crash(damage, &mut random))
        });
        let inodes: Vec<Inode> = inodes.collect();
        let mut names = disk.durable.clone();
        // The first ones, as a file system with a log keeps them, or any, as others may.
        let (keeps_first, first) = (random.below(2) == 0, random.below(disk.renamings.len() as u64 + 1));
        for (number, renaming) in disk.renamings.iter().enumerate() {
            let by_chance = if keeps_first { (number as u64) < first } else { random.below(2) == 0 };
            if chosen.map_or(by_chance, |(_, kept)| kept) {
                renaming.apply(&mut names);
            }
        }
        drop(disk);
        Self(Arc::new(Mutex::new(Disk { inodes, durable: names.clone(), names, ..Disk::default() })))
    }

    /// What a file holds now.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.disk();
        match disk.names.get(name)? {
            Target::Dir => None,
            Target::File(inode) => Some(disk.inodes[*inode].data.clone()),
        }
    }

    /// Puts a file there, durable, as if it always had been.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        disk.inodes.push(Inode::durable(bytes.to_vec()));
        let target = Target::File(disk.inodes.len() - 1);
        disk.names.insert(name.to_owned(), target);
        disk.durable.insert(name.to_owned(), target);
    }

    fn opened(&self, inode: usize, position: usize, writes: bool) -> Box<dyn File> {
        Box::new(OpenFile { files: self.clone(), inode, position, writes })
    }
}

impl Inode {
    fn durable(data: Vec<u8>) -> Self {
        Self { durable: data.clone(), data, dirty: BTreeSet::new(), is_resized: false }
    }

    fn write(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        self.is_resized |= end > self.data.len();
        self.data.resize(self.data.len().max(end), 0);
        self.data[position..end].copy_from_slice(bytes);
        self.dirty.extend(position / PAGE_BYTES..end.div_ceil(PAGE_BYTES));
    }

    fn page(&self, page: usize) -> Range<usize> {
        let start = page * PAGE_BYTES;
        start.min(self.data.len())..(start + PAGE_BYTES).min(self.data.len())
    }

    /// Writes some of the dirty pages.
    fn flush(&mut self, pages: &[usize]) {
        for &page in pages {
            let range = self.page(page);
            if self.durable.len() < range.end {
                self.durable.resize(range.end, 0);
            }
            self.durable[range.clone()].copy_from_slice(&self.data[range]);
        }
    }

    fn sync(&mut self) {
        let pages: Vec<usize> = std::mem::take(&mut self.dirty).into_iter().collect();
        self.flush(&pages);
        if std::mem::take(&mut self.is_resized) {
            self.durable.resize(self.data.len(), 0);
        }
    }

    fn after_crash(&self, damage: Damage, random: &mut Xoshiro256) -> Vec<u8> {
        let mut after = self.clone();
        let dirty: Vec<usize> = self.dirty.iter().copied().collect();
        match damage {
            Damage::Lost => {}
            Damage::Kept => after.sync(),
            Damage::Torn => {
                after.sync();
                let first = dirty.first().map_or(after.durable.len(), |page| page * PAGE_BYTES);
                // Not before what was durable already: nobody cut that.
                let first = first.max(self.durable.len()).min(after.durable.len());
                let left = (after.durable.len() - first) as u64;
                after.durable.truncate(first + random.below(left + 1) as usize);
            }
            Damage::Pages => {
                let kept: Vec<usize> = dirty.into_iter().filter(|_| random.below(2) == 0).collect();
                after.flush(&kept);
            }
            Damage::Zeros => {
                for &page in &dirty {
                    let range = self.page(page);
                    let known = self.durable.len().clamp(range.start, range.end);
                    after.data[known..range.end].fill(0);
                }
                after.sync();
            }
        }
        after.durable
    }
}

impl Disk {
    /// Counts an operation, and fails it if it shall.
    fn operate(&mut self) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        match self.faults.iter().find(|fault| fault.operations.contains(&number)) {
            Some(fault) => Err(io::Error::new(fault.kind, format!("operation {number} fails in this simulation"))),
            None => Ok(()),
        }
    }

    fn change(&mut self, removed: Option<&str>, made: Option<(&str, Target)>) {
        let made = made.map(|(name, target)| (name.to_owned(), target));
        let renaming = Renaming { removed: removed.map(str::to_owned), made };
        renaming.apply(&mut self.names);
        self.renamings.push(renaming);
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        parts(name)?;
        match self.names.get(name) {
            Some(Target::File(inode)) => Ok(*inode),
            Some(Target::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// That the directory of a name exists.
    fn check_parent(&self, name: &str) -> io::Result<()> {
        let (dir, _) = split(name)?;
        self.check_dir(dir)
    }

    fn check_dir(&self, dir: &str) -> io::Result<()> {
        if dir.is_empty() || self.names.get(dir) == Some(&Target::Dir) {
            return Ok(());
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn make(&mut self, name: &str) -> io::Result<usize> {
        self.check_parent(name)?;
        match self.file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.inodes.push(Inode::default());
                let inode = self.inodes.len() - 1;
                self.change(None, Some((name, Target::File(inode))));
                Ok(inode)
            }
            result => result,
        }
    }

    fn check_space(&self, more: usize) -> io::Result<()> {
        let used: usize = self
            .names
            .values()
            .map(|target| if let Target::File(inode) = target { self.inodes[*inode].data.len() } else { 0 })
            .sum();
        if self.space_bytes.is_some_and(|space| (used + more) as u64 > space) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Files for SimulatedFiles {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk();
        disk.operate()?;
        Ok(self.opened(disk.file(name)?, 0, false))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk();
        disk.operate()?;
        let inode = disk.make(name)?;
        let file = &mut disk.inodes[inode];
        file.is_resized |= !file.data.is_empty();
        file.data.clear();
        file.dirty.clear();
        Ok(self.opened(inode, 0, true))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk();
        disk.operate()?;
        let inode = disk.make(name)?;
        Ok(self.opened(inode, disk.inodes[inode].data.len(), true))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        let inode = disk.file(from)?;
        disk.check_parent(to)?;
        disk.change(Some(from), Some((to, Target::File(inode))));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        disk.file(name)?;
        disk.change(Some(name), None);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        let inode = disk.file(from)?;
        disk.check_parent(to)?;
        if disk.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.change(None, Some((to, Target::File(inode))));
        Ok(())
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        disk.check_parent(name)?;
        match disk.names.get(name) {
            Some(Target::Dir) => {}
            Some(Target::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => disk.change(None, Some((name, Target::Dir))),
        }
        Ok(())
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        disk.check_dir(name)?;
        if disk.names.keys().any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        disk.change(Some(name), None);
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.operate()?;
        disk.check_dir(dir)?;
        let named = disk.names.keys().map(|name| name.rsplit_once('/').unwrap_or(("", name)));
        Ok(named.filter(|(parent, _)| *parent == dir).map(|(_, last)| last.to_owned()).collect())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.operate()?;
        disk.check_dir(dir)?;
        let (synced, left) = std::mem::take(&mut disk.renamings).into_iter().partition(|change| change.touches(dir));
        disk.renamings = left;
        let synced: Vec<Renaming> = synced;
        for renaming in &synced {
            renaming.apply(&mut disk.durable);
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send>> {
        let mut disk = self.disk();
        disk.operate()?;
        if disk.is_locked {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the directory is in use by another holder"));
        }
        disk.is_locked = true;
        Ok(Box::new(Lock(self.clone())))
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/simulated").join(name)
    }
}

struct Lock(SimulatedFiles);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.disk().is_locked = false;
    }
}

#[derive(Debug)]
struct OpenFile {
    files: SimulatedFiles,
    inode: usize,
    position: usize,
    writes: bool,
}

impl OpenFile {
    /// The disk, if the file was opened to be written.
    fn writable(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.files.disk();
        disk.operate()?;
        if self.writes { Ok(disk) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl File for OpenFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.files.disk();
        disk.operate()?;
        let data = &disk.inodes[self.inode].data;
        let rest = data.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    /// A failed write leaves half of its bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (inode, position) = (self.inode, self.position);
        let result = self.writable().and_then(|disk| disk.check_space(bytes.len()));
        let written = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        if self.writes {
            self.files.disk().inodes[inode].write(position, written);
        }
        result?;
        self.position += bytes.len();
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let position = usize::try_from(offset).map_err(io::Error::other)?;
        let mut disk = self.writable()?;
        disk.inodes[self.inode].write(position, bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.files.disk();
        let result = disk.operate();
        let inode = &mut disk.inodes[self.inode];
        match &result {
            Ok(()) => inode.sync(),
            Err(_) => inode.dirty.clear(),
        }
        result
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.files.disk().inodes[self.inode].data.len() as u64)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut disk = self.writable()?;
        let inode = &mut disk.inodes[self.inode];
        inode.data.resize(len, 0);
        inode.dirty.retain(|page| page * PAGE_BYTES < len);
        inode.is_resized = true;
        drop(disk);
        self.position = len;
        Ok(())
    }

    fn allocate(&mut self, bytes_ahead: u64) -> io::Result<()> {
        let disk = self.writable()?;
        disk.check_space(usize::try_from(bytes_ahead).unwrap_or(usize::MAX))
    }
}

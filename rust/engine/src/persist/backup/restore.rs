//! From a backup to a directory from which a store can be started, as of a point that the backup covers.

use std::io;
use std::path::PathBuf;

use super::{BackupManifest, LOG_DIR, LOG_NAME, MANIFEST, Member, SNAPSHOT, save};
use crate::files::{File, Files};
use crate::persist::aof::{LogFile, Manifest, Stop, Until, stop};

/// To which point a backup is restored.
pub type Point = Until;

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The journal offset of the point.
    pub offset: u64,
    /// Files that were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The system failed.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The backup is not as it was sealed, or none.
    #[error("{path}: {what}")]
    Damaged {
        /// The backup, or a file of it.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Something is in the way.
    #[error("{path} is there already: restore into an empty directory")]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// Whoever is told of progress gave up.
    #[error("restoring was given up")]
    Cancelled,
    /// The backup does not cover the point.
    #[error("{0}")]
    Beyond(String),
}

struct Copier<'a, P> {
    from: &'a dyn Files,
    to: &'a dyn Files,
    total: u64,
    done: u64,
    restored: Restored,
    progress: P,
}

/// Restores the backup in the directory `from` into the directory `to`, in which no data may be. `progress` is told the bytes
/// done and those to do, and says whether to go on.
///
/// # Errors
/// What is wrong. `to` is as it was then, as far as the system lets it be.
pub fn restore(
    from: &dyn Files,
    to: &dyn Files,
    point: Point,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<Restored, RestoreError> {
    let manifest =
        BackupManifest::read(from, "").map_err(|what| RestoreError::Damaged { path: from.path(""), what })?;
    for name in [SNAPSHOT, LOG_DIR] {
        let is_there = to.open(name).is_ok() || to.list(name).is_ok_and(|names| !names.is_empty());
        if is_there {
            return Err(RestoreError::Occupied { path: to.path(name) });
        }
    }
    check_point(&manifest, point)?;
    let mut copier = Copier { from, to, total: manifest.bytes(), done: 0, restored: Restored::default(), progress };
    let result = copier.all(&manifest, point);
    if result.is_err() {
        let inner = to.list(LOG_DIR).unwrap_or_default();
        for name in inner {
            let _ = to.remove(&format!("{LOG_DIR}/{name}"));
        }
        let _ = to.remove_dir(LOG_DIR);
        let _ = to.remove(SNAPSHOT);
    }
    result
}

fn check_point(manifest: &BackupManifest, point: Point) -> Result<(), RestoreError> {
    let BackupManifest { first_offset, last_offset, .. } = *manifest;
    match point {
        Point::Offset(offset) if offset < first_offset || offset > last_offset => Err(RestoreError::Beyond(format!(
            "the backup covers the offsets {first_offset} to {last_offset}, not {offset}"
        ))),
        Point::Time(_) if first_offset == last_offset => {
            Err(RestoreError::Beyond("the backup is of one moment: there is no other to restore".into()))
        }
        Point::Time(ms) if !manifest.is_incremental && ms < manifest.started_ms => {
            Err(RestoreError::Beyond(format!("the backup began after that time, at {} ms", manifest.started_ms)))
        }
        Point::Time(ms) if ms >= manifest.sealed_ms => Err(RestoreError::Beyond(format!(
            "the backup was sealed before that time, at {} ms; leave the time away to restore all of it",
            manifest.sealed_ms
        ))),
        _ => Ok(()),
    }
}

impl<P: FnMut(u64, u64) -> bool> Copier<'_, P> {
    fn all(&mut self, manifest: &BackupManifest, point: Point) -> Result<Restored, RestoreError> {
        let logged = format!("{LOG_DIR}/{LOG_NAME}.manifest");
        let Some(log) = manifest.members.iter().find(|member| member.name == logged) else {
            let snapshot = manifest.members.iter().find(|member| member.name == SNAPSHOT);
            let snapshot = snapshot.ok_or_else(|| self.damaged(MANIFEST, "it names neither a log nor a snapshot"))?;
            self.copy(snapshot)?;
            self.to.sync_dir("").map_err(io_failed(self.to, ""))?;
            self.restored.offset = manifest.last_offset;
            return Ok(self.restored);
        };
        let log = self.read_log(log)?;
        self.to.create_dir(LOG_DIR).map_err(io_failed(self.to, LOG_DIR))?;
        let mut kept = Manifest { base: log.base.clone(), ..Manifest::default() };
        if let Some(base) = &log.base {
            self.copy(self.member(manifest, base)?)?;
        }
        self.restored.offset = manifest.first_offset;
        let mut is_timed = !matches!(point, Point::Time(_));
        for file in &log.incr {
            let member = self.member(manifest, file)?;
            let stop = self.stop(&member.name, point)?;
            is_timed |= stop.is_timed;
            if stop.bytes == 0 {
                break;
            }
            self.copy_part(member, &stop)?;
            kept.incr.push(file.clone());
            self.restored.offset = stop.offset;
            if !stop.is_whole {
                break;
            }
        }
        if !is_timed {
            return Err(RestoreError::Beyond(
                "the log of this backup tells no times: it was written with aof-timestamp-enabled no. \
                 Restore to an offset, or all of it"
                    .into(),
            ));
        }
        let is_before_log = manifest.is_incremental && self.restored.offset == manifest.first_offset;
        if matches!(point, Point::Time(_)) && is_before_log {
            return Err(RestoreError::Beyond(
                "the log of this backup begins after that time, and its base may be younger, too: \
                 restore an earlier backup, or to an offset"
                    .into(),
            ));
        }
        let name = format!("{LOG_DIR}/{LOG_NAME}.manifest");
        save(self.to, &name, kept.text().as_bytes()).map_err(io_failed(self.to, &name))?;
        self.to.sync_dir(LOG_DIR).map_err(io_failed(self.to, LOG_DIR))?;
        self.to.sync_dir("").map_err(io_failed(self.to, ""))?;
        Ok(self.restored)
    }

    fn damaged(&self, name: &str, what: &str) -> RestoreError {
        RestoreError::Damaged { path: self.from.path(name), what: what.to_owned() }
    }

    fn open(&self, name: &str) -> Result<Box<dyn File>, RestoreError> {
        self.from.open(name).map_err(unopened(self.from, name))
    }

    fn read_log(&self, member: &Member) -> Result<Manifest, RestoreError> {
        let mut text = Vec::new();
        each_piece(self.from, member, member.bytes, |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        Manifest::parse(&text).map_err(|error| self.damaged(&member.name, &error.to_string()))
    }

    fn member<'m>(&self, manifest: &'m BackupManifest, file: &LogFile) -> Result<&'m Member, RestoreError> {
        let name = format!("{LOG_DIR}/{}", file.name);
        let found = manifest.members.iter().find(|member| member.name == name);
        found.ok_or_else(|| self.damaged(MANIFEST, &format!("{name} is not named in it")))
    }

    fn stop(&self, name: &str, point: Point) -> Result<Stop, RestoreError> {
        let found = stop(&*self.open(name)?, point).map_err(io_failed(self.from, name))?;
        found.ok_or_else(|| self.damaged(name, "it is not whole"))
    }

    fn copy(&mut self, member: &Member) -> Result<(), RestoreError> {
        let whole = Stop { bytes: member.bytes, line: Vec::new(), offset: 0, is_whole: true, is_timed: false };
        self.copy_part(member, &whole)
    }

    fn copy_part(&mut self, member: &Member, stop: &Stop) -> Result<(), RestoreError> {
        let (to, total) = (self.to, self.total);
        let mut file = to.create(&member.name).map_err(io_failed(to, &member.name))?;
        let (done, progress) = (&mut self.done, &mut self.progress);
        each_piece(self.from, member, stop.bytes, |piece| {
            file.write(piece).map_err(io_failed(to, &member.name))?;
            *done += piece.len() as u64;
            if progress(*done, total) { Ok(()) } else { Err(RestoreError::Cancelled) }
        })?;
        file.write(&stop.line).and_then(|()| file.sync()).map_err(io_failed(to, &member.name))?;
        self.restored.files += 1;
        self.restored.bytes += stop.bytes + stop.line.len() as u64;
        Ok(())
    }
}

fn io_failed(files: &dyn Files, name: &str) -> impl FnOnce(io::Error) -> RestoreError + use<> {
    let path = files.path(name);
    move |error| RestoreError::Io { path, error }
}

/// A backup that lacks a file which it names is damaged; everything else is the system's failure.
fn unopened(files: &dyn Files, name: &str) -> impl FnOnce(io::Error) -> RestoreError + use<> {
    let path = files.path(name);
    move |error| match error.kind() {
        io::ErrorKind::NotFound => RestoreError::Damaged { path, what: "it is missing".into() },
        _ => RestoreError::Io { path, error },
    }
}

/// Shows the first bytes of a file piece by piece. All of it is read, so that its checksum is known to fit.
fn each_piece(
    from: &dyn Files,
    member: &Member,
    bytes: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let file = from.open(&member.name).map_err(unopened(from, &member.name))?;
    let mut buffer = vec![0; 1 << 20];
    let (mut at, mut crc) = (0u64, 0);
    loop {
        let count = file.read_at(at, &mut buffer).map_err(io_failed(from, &member.name))?;
        if count == 0 {
            break;
        }
        let piece = buffer.get(..count).unwrap_or_default();
        crc = crc32c::crc32c_append(crc, piece);
        let wanted = bytes.saturating_sub(at).min(count as u64) as usize;
        each(piece.get(..wanted).unwrap_or_default())?;
        at += count as u64;
    }
    if (at, crc) == (member.bytes, member.crc32c) {
        return Ok(());
    }
    let what = format!("{at} bytes with checksum {crc:08x} instead of {} with {:08x}", member.bytes, member.crc32c);
    Err(RestoreError::Damaged { path: from.path(&member.name), what })
}

//! Files of the log that no manifest names: what a crash left, or what somebody took the name of.
//!
//! Both Redis and rkv name a file before they write to it. Only the one that a log begins with is named later, together with
//! its base, and says so before its first command (`#BEGUN:`). A crash in between leaves that file alone, which follows
//! nothing that is on the disk, or a base, which is the whole log then, with that file or before its first command.
//! Everything else that holds commands is refused by name.

use std::io;

use super::annotation::parse_begun;
use super::manifest::{LogFile, Manifest, Role};
use super::rewrite::Names;
use super::scan::scan;
use super::start::{LogError, free_name};
use crate::files::{File, Files};

/// An incremental file, as it lies there.
struct Incr {
    name: String,
    seq: u64,
    /// The number of the base with which it will be named, if it says one.
    begun: Option<u64>,
    is_sealed: bool,
    has_commands: bool,
}

/// What the directory of a log holds, apart from its manifest.
#[derive(Default)]
struct Found {
    bases: Vec<(u64, String)>,
    incr: Vec<Incr>,
}

impl Found {
    /// Looks at the incremental files from a number on, and at all bases.
    fn look(files: &dyn Files, names: &Names, from: u64) -> Result<Self, LogError> {
        let all = match files.list(names.dir()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            result => result.map_err(|error| LogError::Io { path: files.path(names.dir()), error })?,
        };
        let mut found = Self::default();
        for name in all {
            if let Some(seq) = number(names, &name, ".base.rdb").or_else(|| number(names, &name, ".base.aof")) {
                found.bases.push((seq, name));
            } else if let Some(seq) = number(names, &name, ".incr.aof").filter(|seq| *seq >= from) {
                let path = names.path(&name);
                let looked = look_at(files, &path, name, seq);
                found.incr.push(looked.map_err(|error| LogError::Io { path: files.path(&path), error })?);
            }
        }
        Ok(found)
    }

    fn with_commands(&self) -> impl Iterator<Item = &Incr> {
        self.incr.iter().filter(|file| file.has_commands)
    }
}

fn look_at(files: &dyn Files, path: &str, name: String, seq: u64) -> io::Result<Incr> {
    let file = files.open(path)?;
    let found = scan(&*file, 0)?;
    let begun = if found.is_sealed { begun_with(&*file)? } else { None };
    Ok(Incr { name, seq, begun, is_sealed: found.is_sealed, has_commands: found.commands > 0 })
}

fn number(names: &Names, name: &str, end: &str) -> Option<u64> {
    name.strip_prefix(names.log())?.strip_prefix('.')?.strip_suffix(end)?.parse().ok()
}

/// The number of the base with which a file will be named, as it says before its first command.
fn begun_with(file: &dyn File) -> io::Result<Option<u64>> {
    let mut head = [0; 512];
    let count = file.read_at(0, &mut head)?;
    let mut lines = head.get(..count).unwrap_or_default().split(|byte| *byte == b'\n');
    let found = lines
        .by_ref()
        .take_while(|line| line.starts_with(b"#"))
        .find_map(|line| parse_begun(line.strip_suffix(b"\r").unwrap_or(line)));
    Ok(found)
}

/// What there is without a manifest. `None`: no log.
///
/// # Errors
/// There are files that a manifest must have named, or the system failed.
pub(super) fn without_manifest(files: &dyn Files, names: &Names) -> Result<Option<Manifest>, LogError> {
    let found = Found::look(files, names, 0)?;
    let refused = |name: &str, holds: &str| {
        let what = format!("it is not there, but {name} holds {holds}");
        LogError::Manifest { path: files.path(&names.manifest()), what }
    };
    let io_failed = |error| LogError::Io { path: files.path(names.dir()), error };
    if let Some(file) = found.with_commands().find(|file| file.begun.is_none()) {
        return Err(refused(&file.name, "commands"));
    }
    let [(seq, base)] = found.bases.as_slice() else {
        if let Some((_, base)) = found.bases.last() {
            return Err(refused(base, "data"));
        }
        leave(files, names, &found).map_err(io_failed)?;
        return Ok(None);
    };
    let first = found.with_commands().next();
    if let Some(other) = found.with_commands().find(|file| file.begun != Some(*seq)).or(found.with_commands().nth(1)) {
        return Err(refused(&other.name, "commands"));
    }
    log::warn!("{} is not there: made again for {base}, with which the log began", names.manifest());
    let file = |name: &str, seq, role, is_sealed| LogFile { name: name.to_owned(), seq, role, is_sealed };
    let manifest = Manifest {
        base: Some(file(base, *seq, Role::Base, false)),
        incr: first.map(|first| file(&first.name, first.seq, Role::Incr, first.is_sealed)).into_iter().collect(),
        ..Manifest::default()
    };
    names.save(files, &manifest).map_err(io_failed)?;
    Ok(Some(manifest))
}

/// Files that follow a base that was never made are no part of any log. They keep their contents under another name.
fn leave(files: &dyn Files, names: &Names, found: &Found) -> io::Result<()> {
    for file in found.with_commands() {
        let aside = free_name(files, &names.path(&file.name), "left");
        files.rename(&names.path(&file.name), &aside)?;
        files.sync_dir(names.dir())?;
        log::warn!("{} follows a base that was never finished: it is no log, and is now {aside}", file.name);
    }
    Ok(())
}

/// Refuses a file with commands behind the last one that the manifest names, unless a log was about to begin with it: then it
/// says so, or, with Redis, its base lies there, too.
///
/// # Errors
/// There is one, or the system failed.
pub(super) fn refuse_unnamed(files: &dyn Files, names: &Names, manifest: &Manifest) -> Result<(), LogError> {
    let last = manifest.incr.last().map_or(0, |file| file.seq);
    let base = manifest.base.as_ref().map_or(0, |file| file.seq);
    let found = Found::look(files, names, last.saturating_add(1))?;
    let has_newer_base = found.bases.iter().any(|(seq, _)| *seq > base);
    for file in found.with_commands().filter(|file| !manifest.has(&file.name)) {
        let is_left = if file.is_sealed { file.begun.is_some_and(|begun| begun > base) } else { has_newer_base };
        if !is_left {
            let what = format!(
                "{0} holds commands, but is not named there: add the line `file {0} seq {1} type i`, and remove the one with \
                 the checksum, or move the file away",
                file.name, file.seq
            );
            return Err(LogError::Manifest { path: files.path(&names.manifest()), what });
        }
    }
    Ok(())
}

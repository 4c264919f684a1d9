//! What a backup says of itself.
//!
//! ```text
//! rkv-backup 1
//! id backup-1700000000000
//! started-ms 1700000000000
//! sealed-ms 1700000060000
//! incremental no
//! offsets 1024 90210
//! file 4096 1c291ca3 appendonlydir/appendonly.aof.4.base.rdb
//! crc32c 9ae0daaf
//! ```
//!
//! The last line is the checksum of those before it.

use std::fmt::Write;
use std::io;

use super::{MANIFEST, checksum};
use crate::files::{Files, read_small};

const VERSION: u32 = 1;
/// Bytes of the longest manifest that is read.
const BYTES_MAX: u64 = 4 << 20;

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, below the backup's directory.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Their checksum.
    pub crc32c: u32,
}

impl Member {
    /// Reads a file of the backup in `dir`.
    pub(super) fn of(files: &dyn Files, dir: &str, name: &str) -> io::Result<Self> {
        let (bytes, crc32c) = checksum(&*files.open(&format!("{dir}/{name}"))?)?;
        Ok(Self { name: name.to_owned(), bytes, crc32c })
    }
}

/// What a backup says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupManifest {
    /// Its name.
    pub id: String,
    /// When it began, in Unix milliseconds.
    pub started_ms: i64,
    /// When it was sealed.
    pub sealed_ms: i64,
    /// Whether it shares its base with an earlier one.
    pub is_incremental: bool,
    /// The journal offset of its base.
    pub first_offset: u64,
    /// The journal offset up to which it can be restored.
    pub last_offset: u64,
    /// Its files.
    pub members: Vec<Member>,
}

impl BackupManifest {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.members.iter().map(|member| member.bytes).sum()
    }

    /// Its text.
    pub fn text(&self) -> String {
        let Self { id, started_ms, sealed_ms, is_incremental, first_offset, last_offset, members } = self;
        let incremental = if *is_incremental { "yes" } else { "no" };
        let mut text = format!(
            "rkv-backup {VERSION}\nid {id}\nstarted-ms {started_ms}\nsealed-ms {sealed_ms}\nincremental {incremental}\n\
             offsets {first_offset} {last_offset}\n"
        );
        for Member { name, bytes, crc32c } in members {
            // A string takes whatever is written.
            let _ = writeln!(text, "file {bytes} {crc32c:08x} {name}");
        }
        let line = format!("crc32c {:08x}\n", crc32c::crc32c(text.as_bytes()));
        text + &line
    }

    /// Reads a text; what is wrong with it.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let body_end = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        let (body, last) = text.split_at_checked(body_end).unwrap_or(("", text));
        if !body.starts_with("rkv-backup ") {
            return Err(format!("it does not begin as a {MANIFEST} does"));
        }
        if last != format!("crc32c {:08x}\n", crc32c::crc32c(body.as_bytes())) {
            return Err("its checksum does not fit: it was changed, or is not whole".into());
        }
        let mut manifest = Self::default();
        for line in body.lines() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let wrong = || format!("the line '{line}' means nothing");
            match key {
                "rkv-backup" if value == VERSION.to_string() => {}
                "rkv-backup" => return Err(format!("it has version {value}, and this program reads {VERSION}")),
                "id" => value.clone_into(&mut manifest.id),
                "started-ms" => manifest.started_ms = value.parse().map_err(|_| wrong())?,
                "sealed-ms" => manifest.sealed_ms = value.parse().map_err(|_| wrong())?,
                "incremental" => manifest.is_incremental = value == "yes",
                "offsets" => {
                    let (first, last) = value.split_once(' ').ok_or_else(wrong)?;
                    manifest.first_offset = first.parse().map_err(|_| wrong())?;
                    manifest.last_offset = last.parse().map_err(|_| wrong())?;
                }
                "file" => manifest.members.push(member(value).ok_or_else(wrong)?),
                _ => return Err(wrong()),
            }
        }
        Ok(manifest)
    }

    /// Reads the manifest of the backup in a directory.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn read(files: &dyn Files, dir: &str) -> Result<Self, String> {
        let name = if dir.is_empty() { MANIFEST.to_owned() } else { format!("{dir}/{MANIFEST}") };
        let file = files.open(&name).map_err(|error| format!("{MANIFEST}: {error}"))?;
        let text = read_small(&*file, BYTES_MAX).map_err(|error| format!("{MANIFEST}: {error}"))?;
        let text = String::from_utf8(text).map_err(|_| format!("{MANIFEST} is not text"))?;
        Self::parse(&text)
    }
}

/// A file by its line. A name that could lead elsewhere is none.
fn member(value: &str) -> Option<Member> {
    let mut parts = value.splitn(3, ' ');
    let (bytes, crc32c) = (parts.next()?.parse().ok()?, u32::from_str_radix(parts.next()?, 16).ok()?);
    let name = parts.next().filter(|name| crate::files::parts(name).is_ok())?;
    Some(Member { name: name.to_owned(), bytes, crc32c })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_back_and_nothing_else_is() {
        let member = Member { name: "appendonlydir/a b.aof".into(), bytes: 7, crc32c: 0xab };
        let manifest = BackupManifest {
            id: "backup-5".into(),
            started_ms: 5,
            sealed_ms: 9,
            is_incremental: true,
            first_offset: 1,
            last_offset: 20,
            members: vec![member],
        };
        let text = manifest.text();
        assert_eq!(BackupManifest::parse(&text), Ok(manifest));
        for place in 0..text.len() {
            let cut = text.get(..place).unwrap_or_default();
            assert!(BackupManifest::parse(cut).is_err(), "cut at {place}");
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            assert!(
                String::from_utf8(bytes).is_ok_and(|other| BackupManifest::parse(&other).is_err()),
                "bit at {place}"
            );
        }
    }
}

//! The manifest: which files make up the append-only log, in Redis 7's form.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.3.incr.aof seq 3 type i
//! ```
//!
//! At most one base, incremental files in ascending order, and history: files that are to be deleted. rkv ends its manifests
//! with a comment, which Redis skips: `#SEALED:3 CRC32C:0a1b2c3d`. From that number on incremental files begin with a
//! checksum line, because rkv made them: one that does not is not what it was. The checksum is of all before its digits: one
//! flipped bit makes `i` an `h`. No line feed ends the comment, so that who reads whole lines of a file, as scripts do, finds
//! only those of Redis; and what ends like that is this comment or damaged.

use std::fmt::Write;

/// Bytes of the longest line.
const LINE_BYTES_MAX: usize = 1024;
/// What the number of the first file follows that rkv made.
const SEALED: &str = "SEALED:";
/// What the checksum follows.
const CHECKSUM: &str = "CRC32C:";
/// Bytes of the longest manifest: some thousands of lines.
pub(super) const BYTES_MAX: u64 = 4 << 20;

/// What a file is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything up to some moment.
    Base,
    /// What was done since the file before.
    Incr,
    /// Not needed any more.
    History,
}

impl Role {
    const fn letter(self) -> char {
        match self {
            Self::Base => 'b',
            Self::Incr => 'i',
            Self::History => 'h',
        }
    }
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name, without the directory.
    pub name: String,
    /// Its number; greater than that of the file before of the same role.
    pub seq: u64,
    /// What it is.
    pub role: Role,
    /// Whether it must begin with a checksum line.
    pub is_sealed: bool,
}

/// The files that make up the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Everything up to some moment.
    pub base: Option<LogFile>,
    /// What was done since, in order.
    pub incr: Vec<LogFile>,
    /// What is to be deleted.
    pub history: Vec<LogFile>,
}

/// Why a manifest is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ManifestError {
    /// The number of the line, from 1.
    pub line: usize,
    /// In Redis's words, where it has some.
    pub what: &'static str,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        let mut line_number = 0;
        let mut rest = text;
        while !rest.is_empty() {
            line_number += 1;
            let failed = |what| ManifestError { line: line_number, what };
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                manifest.end(text, rest).map_err(failed)?;
                break;
            };
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if line.len() >= LINE_BYTES_MAX {
                return Err(failed("The AOF manifest file contains too long line"));
            }
            if line.first() != Some(&b'#') {
                let file = parse_line(line).map_err(failed)?;
                manifest.add(file).map_err(failed)?;
            }
        }
        if line_number == 0 {
            return Err(ManifestError { line: 1, what: "Found an empty AOF manifest" });
        }
        Ok(manifest)
    }

    /// Reads what no line feed ends: the comment with which rkv ends a manifest, and nothing else.
    fn end(&mut self, text: &[u8], line: &[u8]) -> Result<(), &'static str> {
        if line.len() >= LINE_BYTES_MAX {
            return Err("The AOF manifest file contains too long line");
        }
        let line = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix('#')).ok_or(UNENDED)?;
        let (before, digits) = line.rsplit_once(CHECKSUM).ok_or(UNENDED)?;
        let summed = text.len().saturating_sub(CHECKSUM.len() + digits.len());
        if digits != checksum(text.get(..summed).unwrap_or_default()) {
            return Err("The checksum of the AOF manifest file does not fit its lines");
        }
        if let Some(first) = before.trim_end().strip_prefix(SEALED) {
            let first: u64 = first.parse().map_err(|_| FORMAT)?;
            self.incr.iter_mut().filter(|file| file.seq >= first).for_each(|file| file.is_sealed = true);
        }
        Ok(())
    }

    /// All files, in the order in which they are written down.
    fn files(&self) -> impl Iterator<Item = &LogFile> {
        self.base.iter().chain(&self.history).chain(&self.incr)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files().any(|file| file.name == name)
    }

    fn add(&mut self, file: LogFile) -> Result<(), &'static str> {
        if self.has(&file.name) {
            return Err("Found the same file twice");
        }
        match file.role {
            Role::Base if self.base.is_some() => return Err("Found duplicate base file information"),
            Role::Base => self.base = Some(file),
            Role::History => self.history.push(file),
            Role::Incr => {
                if self.incr.last().is_some_and(|last| last.seq >= file.seq) {
                    return Err("Found a non-monotonic sequence number");
                }
                self.incr.push(file);
            }
        }
        Ok(())
    }

    /// The text of the manifest.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for file in self.files() {
            // A string takes whatever is written.
            let _ = writeln!(text, "file {} seq {} type {}", quoted(&file.name), file.seq, file.role.letter());
        }
        text.push('#');
        if let Some(first) = self.incr.iter().rev().take_while(|file| file.is_sealed).last() {
            let _ = write!(text, "{SEALED}{} ", first.seq);
        }
        let digits = checksum(text.as_bytes());
        text + CHECKSUM + &digits
    }

    /// The next base of a log with this name.
    pub fn next_base(&self, name: &str, is_rdb: bool) -> LogFile {
        let suffix = if is_rdb { "rdb" } else { "aof" };
        self.next(Role::Base, self.base.as_ref(), |seq| format!("{name}.{seq}.base.{suffix}"))
    }

    /// The next incremental file of a log with this name.
    pub fn next_incr(&self, name: &str) -> LogFile {
        self.next(Role::Incr, self.incr.last(), |seq| format!("{name}.{seq}.incr.aof"))
    }

    /// The first file behind `last` whose name no other one has, whoever edited the manifest: a new file replaces the one
    /// that has its name.
    fn next(&self, role: Role, last: Option<&LogFile>, name: impl Fn(u64) -> String) -> LogFile {
        let mut seq = last.map_or(0, |last| last.seq).saturating_add(1);
        while self.has(&name(seq)) && seq < u64::MAX {
            seq += 1;
        }
        LogFile { name: name(seq), seq, role, is_sealed: role == Role::Incr }
    }
}

fn checksum(lines: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(lines))
}

/// A name as it stands in the manifest: in quotes where a word would end within it.
fn quoted(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name.bytes().all(|byte| (byte.is_ascii_graphic() || byte >= 0x80) && !b"\"'\\#".contains(&byte));
    if is_plain {
        return name.to_owned();
    }
    let mut text = String::from("\"");
    for letter in name.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ => text.push(letter),
        }
    }
    text.push('"');
    text
}

const FORMAT: &str = "Invalid AOF manifest file format";
const UNENDED: &str = "The AOF manifest file contains a line that does not end";

fn parse_line(line: &[u8]) -> Result<LogFile, &'static str> {
    let words = crate::config::split_words(line.strip_suffix(b"\r").unwrap_or(line)).ok_or(FORMAT)?;
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(FORMAT);
    }
    let (mut name, mut seq, mut role) = (None, None, None);
    for pair in words.chunks(2) {
        let [key, value] = pair else { return Err(FORMAT) };
        let value = std::str::from_utf8(value).map_err(|_| FORMAT)?;
        match key.to_ascii_lowercase().as_slice() {
            b"file" if value.contains('/') || value.is_empty() || value == "." || value == ".." => {
                return Err("File can't be a path, just a filename");
            }
            b"file" => name = Some(value.to_owned()),
            b"seq" => seq = value.parse::<u64>().ok().filter(|seq| *seq > 0),
            b"type" => {
                role = match value {
                    "b" => Some(Role::Base),
                    "i" => Some(Role::Incr),
                    "h" => Some(Role::History),
                    _ => return Err("Unknown AOF file type"),
                }
            }
            // What a later version adds is no fault.
            _ => {}
        }
    }
    match (name, seq, role) {
        (Some(name), Some(seq), Some(role)) => Ok(LogFile { name, seq, role, is_sealed: false }),
        _ => Err(FORMAT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, seq: u64, role: Role) -> LogFile {
        LogFile { name: name.into(), seq, role, is_sealed: seq == 7 }
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = Manifest {
            base: Some(file("a b.aof.2.base.rdb", 2, Role::Base)),
            incr: vec![file("x\"y\\.3.incr.aof", 3, Role::Incr), file("appendonly.aof.7.incr.aof", 7, Role::Incr)],
            history: vec![file("appendonly.aof.1.base.rdb", 1, Role::History)],
        };
        assert_eq!(Manifest::parse(manifest.text().as_bytes()), Ok(manifest.clone()));
        assert_eq!(manifest.next_base("n", true).name, "n.3.base.rdb");
        assert_eq!(manifest.next_incr("n").name, "n.8.incr.aof");
    }

    #[test]
    fn no_flipped_bit_changes_what_is_read() {
        let manifest = Manifest {
            base: Some(file("appendonly.aof.1.base.rdb", 1, Role::Base)),
            incr: vec![
                file("appendonly.aof.1.incr.aof", 1, Role::Incr),
                file("appendonly.aof.7.incr.aof", 7, Role::Incr),
            ],
            history: Vec::new(),
        };
        let text = manifest.text().into_bytes();
        for place in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.clone();
                other[place] ^= 1 << bit;
                assert!(Manifest::parse(&other).is_err() || Manifest::parse(&other) == Ok(manifest.clone()));
            }
        }
    }

    #[test]
    fn what_is_broken_is_named() {
        let long = format!("file {} seq 1 type b\n", "x".repeat(2000));
        for (text, line, what) in [
            ("", 1, "Found an empty AOF manifest"),
            ("file a seq 1 type b\nfile b seq 2 type b\n", 2, "Found duplicate base file information"),
            ("file a seq 2 type i\nfile b seq 2 type i\n", 2, "Found a non-monotonic sequence number"),
            ("file a seq 1 type x\n", 1, "Unknown AOF file type"),
            ("file a/b seq 1 type b\n", 1, "File can't be a path, just a filename"),
            ("file a seq 0 type b\n", 1, "Invalid AOF manifest file format"),
            ("file a seq 1\n", 1, "Invalid AOF manifest file format"),
            ("file a seq 1 type b", 1, "The AOF manifest file contains a line that does not end"),
            (&long, 1, "The AOF manifest file contains too long line"),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()), Err(ManifestError { line, what }), "{text:.40}");
        }
    }
}

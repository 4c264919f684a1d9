//! Looking at a file, and writing it anew for another server.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::error::{Fault, RdbError};
use super::input::Source;
use super::read::{Loaded, ReadOptions, Sink, Summary, read};
use super::write::{WriteOptions, Writer, Written};
use crate::values::{Kind, NewValue};

/// What kind of file begins with some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// An RDB file; a log may follow in it.
    Rdb,
    /// An append-only file that does not begin with data in RDB format.
    AppendOnly,
    /// The manifest of append-only files.
    Manifest,
    /// Something else, and what it looks like.
    Other(&'static str),
}

impl FileKind {
    /// How many bytes are enough to tell.
    pub const BYTES: usize = 16;

    /// Tells from the first bytes of a file.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [b'R', b'E', b'D', b'I', b'S', b'0'..=b'9', ..] | [b'V', b'A', b'L', b'K', b'E', b'Y', b'0'..=b'9', ..] => {
                Self::Rdb
            }
            [b'*' | b'#', ..] => Self::AppendOnly,
            [b'f', b'i', b'l', b'e', b' ', ..] => Self::Manifest,
            other => Self::Other(looks_like(other)),
        }
    }
}

/// What a file seems to be that is none of ours.
pub fn looks_like(start: &[u8]) -> &'static str {
    match start {
        [] => "an empty file",
        [b'*' | b'#', ..] => "an append-only file",
        [b'f', b'i', b'l', b'e', b' ', ..] => "the manifest of append-only files",
        [0x1f, 0x8b, ..] => "a file compressed by gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a file compressed by zstd",
        [b'P', b'K', ..] => "a ZIP archive",
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => "an SQLite database",
        [b'{' | b'[', ..] => "a JSON file",
        start if start.iter().all(|byte| *byte == 0) => "a file of zeros",
        start if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "a text",
        _ => "something else",
    }
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the file was.
    pub summary: Summary,
    /// What the file tells about itself, in its order.
    pub aux: Vec<(String, String)>,
    /// Keys of each database.
    pub databases: BTreeMap<usize, u64>,
    /// Keys of each type.
    pub types: BTreeMap<&'static str, u64>,
    /// Keys with a deadline.
    pub with_deadline: u64,
    /// Keys whose deadline is over.
    pub expired: u64,
}

/// Reads a whole file and tells what is in it. `progress` hears how many bytes were read.
///
/// # Errors
/// What is wrong with it.
pub fn check(
    source: &mut dyn Source,
    options: &ReadOptions<'_>,
    progress: &mut dyn FnMut(u64) -> Result<(), Fault>,
) -> Result<Report, RdbError> {
    let mut counts = Counts { report: Report::default(), now_ms: options.now_ms, progress };
    let summary = read(source, &mut counts, options)?;
    Ok(Report { summary, ..counts.report })
}

struct Counts<'a> {
    report: Report,
    now_ms: i64,
    progress: &'a mut dyn FnMut(u64) -> Result<(), Fault>,
}

fn type_name(value: &NewValue<'_>) -> &'static str {
    match value {
        NewValue::Integer(_) | NewValue::Bytes(_) | NewValue::Raw(_) | NewValue::Shared(_) => Kind::String.name(),
        NewValue::Packed(packing, _) => packing.kind().name(),
        NewValue::Large(large) => large.value().kind().name(),
    }
}

impl Sink for Counts<'_> {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let text = |bytes: &[u8]| bytes.get(..256).unwrap_or(bytes).escape_ascii().to_string();
        self.report.aux.push((text(name), text(value)));
        Ok(())
    }

    fn entry(&mut self, loaded: Loaded<'_>) -> Result<(), Fault> {
        *self.report.databases.entry(loaded.db).or_default() += 1;
        *self.report.types.entry(type_name(&loaded.value)).or_default() += 1;
        self.report.with_deadline += u64::from(loaded.deadline_ms.is_some());
        self.report.expired += u64::from(loaded.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms));
        Ok(())
    }

    fn function(&mut self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn progress(&mut self, bytes: u64) -> Result<(), Fault> {
        (self.progress)(bytes)
    }
}

/// Why a file is not written anew.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] RdbError),
    /// The other one cannot be written, or cannot have what this one has.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Writes what is in a file to another one, in a version that its target reads. The caller replaces the header if
/// [`Written::header`] says so.
///
/// # Errors
/// The one cannot be read, or the other one not written.
pub fn convert<W: Write>(
    source: &mut dyn Source,
    sink: W,
    reading: &ReadOptions<'_>,
    writing: &WriteOptions,
    progress: &mut dyn FnMut(u64) -> Result<(), Fault>,
) -> Result<(W, Summary, Written), ConvertError> {
    let mut copy = Copy { writer: Writer::new(sink, writing), failed: None, progress };
    let summary = match read(source, &mut copy, reading) {
        Ok(summary) => summary,
        Err(error) => return Err(copy.failed.map_or(ConvertError::Read(error), ConvertError::Write)),
    };
    let (sink, written) = copy.writer.finish()?;
    Ok((sink, summary, written))
}

struct Copy<'a, W> {
    writer: Writer<W>,
    failed: Option<io::Error>,
    progress: &'a mut dyn FnMut(u64) -> Result<(), Fault>,
}

impl<W: Write> Copy<'_, W> {
    fn written(&mut self, result: io::Result<()>) -> Result<(), Fault> {
        result.map_err(|error| {
            self.failed = Some(error);
            Fault::Refused("the other file cannot be written".into())
        })
    }
}

impl<W: Write> Sink for Copy<'_, W> {
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let result = self.writer.aux(name, value);
        self.written(result)
    }

    fn entry(&mut self, loaded: Loaded<'_>) -> Result<(), Fault> {
        let result = self.writer.loaded(&loaded);
        self.written(result)
    }

    fn function(&mut self, source: &[u8]) -> Result<(), Fault> {
        let result = self.writer.function(source);
        self.written(result)
    }

    fn progress(&mut self, bytes: u64) -> Result<(), Fault> {
        (self.progress)(bytes)
    }
}

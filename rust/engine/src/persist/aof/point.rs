//! Where a file of the log must end so that it holds what was done up to a point, and no more.

use std::io;

use super::annotation::{Annotation, PREFIX, TIME};
use super::read::{Item, LogReader};
use crate::files::File;

/// A point in the life of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The end of what is there.
    End,
    /// The last batch that ends at this journal offset or before it.
    Offset(u64),
    /// The end of what was done up to this time, in Unix milliseconds, as exactly as the file tells times: to a second.
    Time(i64),
}

/// Where a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// So many bytes of it are kept.
    pub bytes: u64,
    /// The checksum line that is written behind them, if they end within a batch.
    pub line: Vec<u8>,
    /// The journal offset behind them.
    pub offset: u64,
    /// Whether that is all of the file.
    pub is_whole: bool,
    /// Whether the file tells times.
    pub is_timed: bool,
}

/// Finds where a file must end. `None`: it is not a file of rkv, or not whole.
///
/// # Errors
/// What the system says.
pub fn stop(file: &dyn File, until: Until) -> io::Result<Option<Stop>> {
    let bytes = file.len()?;
    let mut reader = LogReader::new(file, 0, bytes, false);
    let Some(first) = next_annotation(&mut reader)? else { return Ok(None) };
    let mut walk = Walk { last: first, sealed_bytes: reader.position(), offset: first.last, is_in_transaction: false };
    reader.restart_crc(first.crc);
    let mut stop =
        Stop { bytes: reader.position(), line: Vec::new(), offset: first.last, is_whole: false, is_timed: false };
    if matches!(until, Until::Offset(offset) if offset < first.first) {
        stop.bytes = 0;
        return Ok(Some(stop));
    }
    loop {
        let at = reader.position();
        match reader.next()? {
            Item::End => {
                stop.is_whole = stop.bytes == bytes;
                return Ok(stop.is_whole.then_some(stop));
            }
            Item::Torn | Item::Bad(_) => return Ok(None),
            Item::Comment => {
                if let Some(unix_s) = time_of(reader.line()) {
                    stop.is_timed = true;
                    if matches!(until, Until::Time(ms) if unix_s.saturating_mul(1000) > ms) {
                        return Ok(Some(stop));
                    }
                }
                if reader.line().starts_with(PREFIX) {
                    let Some(annotation) = Annotation::parse(reader.line()) else { return Ok(None) };
                    walk.last = annotation;
                    walk.sealed_bytes = reader.position();
                    reader.restart_crc(annotation.crc);
                    (stop.bytes, stop.offset, stop.line) = (walk.sealed_bytes, annotation.last, Vec::new());
                }
            }
            Item::Command => {
                walk.command(reader.name(), reader.position() - at);
                if matches!(until, Until::Offset(offset) if walk.offset > offset) {
                    return Ok(Some(stop));
                }
                if matches!(until, Until::Offset(_)) && !walk.is_in_transaction {
                    let behind = reader.position();
                    let (_, line) =
                        Annotation::seal(walk.last.last, walk.offset, behind - walk.sealed_bytes, reader.crc());
                    (stop.bytes, stop.offset, stop.line) = (behind, walk.offset, line);
                }
            }
        }
    }
}

/// Where a walk through a file is.
struct Walk {
    /// The last checksum line.
    last: Annotation,
    /// The position behind it.
    sealed_bytes: u64,
    /// The journal offset.
    offset: u64,
    is_in_transaction: bool,
}

impl Walk {
    fn command(&mut self, name: &[u8], bytes: u64) {
        self.offset += bytes;
        if name.eq_ignore_ascii_case(b"MULTI") {
            self.is_in_transaction = true;
        } else if name.eq_ignore_ascii_case(b"EXEC") {
            self.is_in_transaction = false;
        }
    }
}

fn next_annotation(reader: &mut LogReader<'_>) -> io::Result<Option<Annotation>> {
    Ok(match reader.next()? {
        Item::Comment => Annotation::parse(reader.line()),
        _ => None,
    })
}

fn time_of(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line.strip_prefix(TIME)?).ok()?.parse().ok()
}

/// The journal offset at which a file of rkv begins.
///
/// # Errors
/// What the system says.
pub fn first_offset(file: &dyn File) -> io::Result<Option<u64>> {
    let mut reader = LogReader::new(file, 0, file.len()?, false);
    Ok(next_annotation(&mut reader)?.map(|annotation| annotation.first))
}

//! Lines of an append-only file that are no commands: checksums, marks of what is durable, times.
//!
//! Redis skips every line that begins with `#`. rkv writes, behind every batch that goes to the file in one piece,
//!
//! ```text
//! #RKV:<first>:<last>:<bytes>:<crc32c>
//! ```
//!
//! the journal offsets of the batch, the bytes that it has in the file, other such lines included, and a checksum over the
//! checksum before, those bytes, and this line up to its last colon, as eight hexadecimal digits. A file of rkv begins with
//! such a line for nothing at all, so that a file without annotations is known to be another program's.

use crate::seeded::{self, Bug};

/// What a checksum line begins with.
pub(super) const PREFIX: &[u8] = b"#RKV:";
/// What a line begins with that says up to which journal offset the file was durable when it was written.
const SYNCED: &[u8] = b"#SYNCED:";
/// What a line begins with that tells the time.
pub(super) const TIME: &[u8] = b"#TS:";
/// What a line begins with that says of which base a file is the first to follow, although no manifest names it yet.
const BEGUN: &[u8] = b"#BEGUN:";
/// Bytes of the longest line that begins with `#`; Redis reads no more of it.
pub(super) const LINE_BYTES_MAX: usize = 1022;

/// A checksum line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The journal offset of the first byte of the batch.
    pub first: u64,
    /// The journal offset behind its last byte.
    pub last: u64,
    /// Bytes in the file since the line before.
    pub bytes: u64,
    /// The checksum, chained.
    pub crc: u32,
}

impl Annotation {
    /// The line of a batch, whose bytes in the file have led to `crc`, as it is written.
    pub fn seal(first: u64, last: u64, bytes: u64, crc: u32) -> (Self, Vec<u8>) {
        let mut line = format!("#RKV:{first}:{last}:{bytes}:").into_bytes();
        let crc = crc32c::crc32c_append(crc, &line);
        line.extend_from_slice(format!("{crc:08x}\r\n").as_bytes());
        (Self { first, last, bytes, crc }, line)
    }

    /// Reads a line without its end; `None` if it is not written exactly as [`Annotation::seal`] writes it.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line.strip_prefix(PREFIX)?).ok()?;
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(canonical);
        let (first, last, bytes) = (number()?, number()?, number()?);
        let digits = parts.next().filter(|digits| digits.len() == 8 && parts.next().is_none())?;
        let is_lower = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let crc = u32::from_str_radix(digits, 16).ok().filter(|_| is_lower)?;
        Some(Self { first, last, bytes, crc })
    }

    /// Whether it fits bytes that have led to `crc`.
    pub fn fits(&self, bytes: u64, crc: u32) -> bool {
        let is_right = Self::seal(self.first, self.last, bytes, crc).0.crc == self.crc;
        self.bytes == bytes && (is_right || seeded::is_on(Bug::WrongChecksumAccepted))
    }
}

/// A decimal number as it is printed: no sign, no leading zero.
fn canonical(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// The line that says up to which journal offset the file is durable.
pub fn synced_line(offset: u64) -> Vec<u8> {
    format!("#SYNCED:{offset}\r\n").into_bytes()
}

/// The offset in a line of [`synced_line`], without its end.
pub fn parse_synced(line: &[u8]) -> Option<u64> {
    canonical(std::str::from_utf8(line.strip_prefix(SYNCED)?).ok()?)
}

/// The line that says with which base the file will be named, by the number of that.
pub fn begun_line(base: u64) -> Vec<u8> {
    format!("#BEGUN:{base}\r\n").into_bytes()
}

/// The number in a line of [`begun_line`], without its end.
pub fn parse_begun(line: &[u8]) -> Option<u64> {
    canonical(std::str::from_utf8(line.strip_prefix(BEGUN)?).ok()?)
}

/// The line that says when what follows was done, in Unix seconds.
pub fn time_line(unix_s: i64) -> Vec<u8> {
    format!("#TS:{unix_s}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_nothing_else_is() {
        let (annotation, line) = Annotation::seal(10, 300, 290, 7);
        let text = line.strip_suffix(b"\r\n").expect("a line ends");
        assert_eq!(Annotation::parse(text), Some(annotation));
        assert!(annotation.fits(290, 7) && !annotation.fits(290, 8) && !annotation.fits(291, 7));
        for place in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.to_vec();
                other[place] ^= 1 << bit;
                assert!(Annotation::parse(&other).is_none_or(|other| !other.fits(290, 7)), "{place} {bit}");
            }
        }
        assert_eq!(parse_synced(b"#SYNCED:12"), Some(12));
        assert_eq!(parse_synced(b"#SYNCED:012"), None);
    }
}

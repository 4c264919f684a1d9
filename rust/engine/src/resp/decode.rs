//! Reads replies, RESP2 and RESP3, for links that the node opens itself and for tests.
//!
//! The input is untrusted like any other: nothing is allocated because a length says so, nesting is bounded, and each byte is
//! looked at a bounded number of times however the input is cut.

use crate::limits::NESTING_LEVELS_MAX;
use memchr::memchr;
use thiserror::Error;

/// A reply, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A status such as `OK`.
    Simple(Vec<u8>),
    /// An error, without its marker.
    Error(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// A string.
    Bulk(Vec<u8>),
    /// An error of any content (RESP3's `!`).
    BulkError(Vec<u8>),
    /// No value: RESP2's null string, RESP3's null.
    Null,
    /// RESP2's null array.
    NullArray,
    /// A sequence.
    Array(Vec<Frame>),
    /// Pairs in the order in which they came.
    Map(Vec<(Frame, Frame)>),
    /// Members in the order in which they came.
    Set(Vec<Frame>),
    /// An out-of-band message.
    Push(Vec<Frame>),
    /// A frame with pairs that say something about it.
    Attributed(Vec<(Frame, Frame)>, Box<Frame>),
    /// A float.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// Text with its format.
    Verbatim([u8; 3], Vec<u8>),
    /// An integer of any size, in decimal.
    BigNumber(String),
}

impl Frame {
    /// The text of a string or status.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(text) | Self::Bulk(text) | Self::Verbatim(_, text) => Some(text),
            _ => None,
        }
    }

    /// The text of an error.
    pub fn error(&self) -> Option<&[u8]> {
        match self {
            Self::Error(text) | Self::BulkError(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array, set or push message.
    pub fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            _ => None,
        }
    }
}

/// How large a reply may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of one string.
    pub bulk_bytes_max: usize,
    /// Bytes of a line: a status, an error, a number.
    pub line_bytes_max: usize,
    /// Values inside one reply, at every depth.
    pub values_max: usize,
    /// Aggregates inside aggregates.
    pub nesting_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: 512 * 1024 * 1024,
            line_bytes_max: 64 * 1024,
            values_max: 16 * 1024 * 1024,
            nesting_max: NESTING_LEVELS_MAX,
        }
    }
}

/// Why a reply cannot be read. The link is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A reply begins with a byte that is no marker.
    #[error("unknown reply marker {0:#04x}")]
    Marker(u8),
    /// A line or string does not end as it must.
    #[error("missing line end")]
    LineEnd,
    /// A line is too long.
    #[error("line too long")]
    LineTooLong,
    /// A length is no number, negative or beyond the limits.
    #[error("invalid length")]
    Length,
    /// A number, truth value or verbatim text is malformed.
    #[error("malformed value")]
    Malformed,
    /// Too many aggregates inside each other.
    #[error("nested too deeply")]
    Nesting,
    /// Too many values in one reply.
    #[error("too many values")]
    TooManyValues,
    /// Strings and aggregates without a length are not supported.
    #[error("streamed types are not supported")]
    Streamed,
}

/// Kinds of length-prefixed text.
#[derive(Clone, Copy, Debug)]
enum Text {
    Bulk,
    Error,
    Verbatim,
}

/// Kinds of values with elements.
#[derive(Debug)]
enum Kind {
    Array,
    Map,
    Set,
    Push,
    Attribute,
    /// Waits for the value that these pairs belong to.
    Attributed(Vec<(Frame, Frame)>),
}

/// An aggregate whose elements are not all there.
#[derive(Debug)]
struct Open {
    kind: Kind,
    left: usize,
    elements: Vec<Frame>,
}

/// What one token gives.
enum Token {
    Frame(Frame),
    Text(Text, usize),
    Aggregate(Kind, usize),
}

/// Turns received bytes into replies.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: DecodeLimits,
    buffer: Vec<u8>,
    /// Index of the first byte not decoded.
    at: usize,
    /// Index up to which there is no line end.
    scanned: usize,
    /// Header of the text that begins at `at`, once it is known.
    text: Option<(Text, usize)>,
    open: Vec<Open>,
    /// Values that the reply under way announced so far.
    values: usize,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder with these limits.
    pub fn new(limits: DecodeLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        // Moving bytes only once half of them are used up keeps the work linear.
        if self.at > 0 && self.at >= self.buffer.len() / 2 {
            self.buffer.drain(..self.at);
            self.scanned -= self.at;
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply, if it is there.
    ///
    /// # Errors
    /// What is wrong with it; every later call gives the same error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let outcome = self.read();
        self.failed = outcome.as_ref().err().copied();
        outcome
    }

    /// Takes the bytes that no reply has used, such as the payload that follows a reply to PSYNC. Only between replies.
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.at);
        self.buffer = Vec::new();
        self.at = 0;
        self.scanned = 0;
        rest
    }

    /// Bytes allocated for input and for the nesting under way, elements not included.
    pub fn heap_bytes(&self) -> usize {
        self.buffer.capacity() + self.open.capacity() * size_of::<Open>()
    }

    fn read(&mut self) -> Result<Option<Frame>, DecodeError> {
        loop {
            let token = match self.text {
                Some((text, len)) => Token::Text(text, len),
                None => match self.token()? {
                    Some(token) => token,
                    None => return Ok(None),
                },
            };
            let frame = match token {
                Token::Frame(frame) => frame,
                Token::Text(text, len) => {
                    self.text = Some((text, len));
                    match self.read_text(text, len)? {
                        Some(frame) => frame,
                        None => return Ok(None),
                    }
                }
                Token::Aggregate(kind, count) => {
                    if self.open.len() >= self.limits.nesting_max {
                        return Err(DecodeError::Nesting);
                    }
                    self.open.push(Open { kind, left: count, elements: Vec::new() });
                    match self.close() {
                        Some(frame) => frame,
                        None => continue,
                    }
                }
            };
            if let Some(frame) = self.place(frame) {
                self.values = 0;
                return Ok(Some(frame));
            }
        }
    }

    /// Puts a value where it belongs; gives it back if it is a whole reply, or the reply that it completes.
    fn place(&mut self, mut frame: Frame) -> Option<Frame> {
        loop {
            let Some(open) = self.open.last_mut() else { return Some(frame) };
            open.elements.push(frame);
            open.left -= 1;
            frame = self.close()?;
        }
    }

    /// Takes the innermost aggregate as a value if it is complete.
    fn close(&mut self) -> Option<Frame> {
        let Open { kind, elements, .. } = self.open.pop_if(|open| open.left == 0)?;
        Some(match kind {
            Kind::Array => Frame::Array(elements),
            Kind::Set => Frame::Set(elements),
            Kind::Push => Frame::Push(elements),
            Kind::Map => Frame::Map(pairs(elements)),
            Kind::Attribute => {
                let kind = Kind::Attributed(pairs(elements));
                self.open.push(Open { kind, left: 1, elements: Vec::new() });
                return None;
            }
            Kind::Attributed(attributes) => {
                Frame::Attributed(attributes, Box::new(elements.into_iter().next().unwrap_or(Frame::Null)))
            }
        })
    }

    /// Reads one line and what it means.
    fn token(&mut self) -> Result<Option<Token>, DecodeError> {
        let unread = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(found) = memchr(b'\n', unread) else {
            self.scanned = self.buffer.len();
            let too_long = self.scanned - self.at > self.limits.line_bytes_max + 2;
            return if too_long { Err(DecodeError::LineTooLong) } else { Ok(None) };
        };
        let end = self.scanned + found;
        let line = self.buffer.get(self.at..end).unwrap_or_default();
        if line.len() > self.limits.line_bytes_max + 2 {
            return Err(DecodeError::LineTooLong);
        }
        let (marker, line) = line.split_first().ok_or(DecodeError::Marker(b'\n'))?;
        let line = line.strip_suffix(b"\r").ok_or(DecodeError::LineEnd)?;
        let token = interpret(*marker, line, &self.limits)?;
        if let Token::Aggregate(kind, count) = &token {
            // What is announced counts at once: it could not be completed anyway. The value behind an attribute is one more.
            let more = count + usize::from(matches!(kind, Kind::Attribute));
            if more > self.limits.values_max.saturating_sub(self.values) {
                return Err(DecodeError::TooManyValues);
            }
            self.values += more;
        }
        self.at = end + 1;
        self.scanned = self.at;
        Ok(Some(token))
    }

    /// Reads the text that begins at `at`.
    fn read_text(&mut self, text: Text, len: usize) -> Result<Option<Frame>, DecodeError> {
        let unread = self.buffer.get(self.at..).unwrap_or_default();
        let Some((body, end)) = unread.split_at_checked(len) else { return Ok(None) };
        let frame = match end {
            [b'\r', b'\n', ..] => match text {
                Text::Bulk => Frame::Bulk(body.to_vec()),
                Text::Error => Frame::BulkError(body.to_vec()),
                Text::Verbatim => match *body {
                    [a, b, c, b':', ref text @ ..] => Frame::Verbatim([a, b, c], text.to_vec()),
                    _ => return Err(DecodeError::Malformed),
                },
            },
            [] | [b'\r'] => return Ok(None),
            _ => return Err(DecodeError::LineEnd),
        };
        self.at += len + 2;
        self.scanned = self.at;
        self.text = None;
        Ok(Some(frame))
    }
}

fn pairs(elements: Vec<Frame>) -> Vec<(Frame, Frame)> {
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// What a line says.
fn interpret(marker: u8, line: &[u8], limits: &DecodeLimits) -> Result<Token, DecodeError> {
    let text = |text| Ok(Token::Text(text, length(line, limits.bulk_bytes_max)?));
    let aggregate = |kind| Ok(Token::Aggregate(kind, length(line, limits.values_max)?));
    let paired = |kind| Ok(Token::Aggregate(kind, length(line, limits.values_max / 2)? * 2));
    let frame = match (marker, line) {
        (b'+', _) => Frame::Simple(line.to_vec()),
        (b'-', _) => Frame::Error(line.to_vec()),
        (b':', _) => Frame::Integer(integer(line).ok_or(DecodeError::Malformed)?),
        (b'$' | b'*' | b'%' | b'~' | b'>' | b'!' | b'=' | b'|', b"?") => return Err(DecodeError::Streamed),
        (b'$', b"-1") | (b'_', b"") => Frame::Null,
        (b'*', b"-1") => Frame::NullArray,
        (b'$', _) => return text(Text::Bulk),
        (b'!', _) => return text(Text::Error),
        (b'=', _) => return text(Text::Verbatim),
        (b'*', _) => return aggregate(Kind::Array),
        (b'~', _) => return aggregate(Kind::Set),
        (b'>', _) => return aggregate(Kind::Push),
        (b'%', _) => return paired(Kind::Map),
        (b'|', _) => return paired(Kind::Attribute),
        (b'#', b"t") => Frame::Boolean(true),
        (b'#', b"f") => Frame::Boolean(false),
        (b',', _) => Frame::Double(double(line).ok_or(DecodeError::Malformed)?),
        (b'(', _) => Frame::BigNumber(big_number(line).ok_or(DecodeError::Malformed)?),
        (b'_' | b'#', _) => return Err(DecodeError::Malformed),
        _ => return Err(DecodeError::Marker(marker)),
    };
    Ok(Token::Frame(frame))
}

/// A length: digits only.
fn length(line: &[u8], max: usize) -> Result<usize, DecodeError> {
    if !line.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::Length);
    }
    let len = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).ok_or(DecodeError::Length)?;
    if len > max { Err(DecodeError::Length) } else { Ok(len) }
}

fn integer(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

fn double(line: &[u8]) -> Option<f64> {
    match line {
        b"nan" | b"-nan" => Some(f64::NAN),
        b"inf" | b"+inf" => Some(f64::INFINITY),
        b"-inf" => Some(f64::NEG_INFINITY),
        // Rust would read more spellings of the infinities.
        _ if line.iter().any(|byte| matches!(byte, b'n' | b'N')) => None,
        _ => std::str::from_utf8(line).ok()?.parse().ok(),
    }
}

fn big_number(line: &[u8]) -> Option<String> {
    let digits = line.strip_prefix(b"-").or(line.strip_prefix(b"+")).unwrap_or(line);
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if valid { String::from_utf8(line.to_vec()).ok() } else { None }
}

#[cfg(test)]
mod tests;

//! Reads requests out of a connection's input, whole or in pieces.
//!
//! Two readers take turns. `read_whole` reads a request that is completely there and has nothing unusual about it; it knows no
//! errors and leaves everything else to the second one, which keeps its place between calls and decides what is wrong.

use arrayvec::ArrayVec;
use memchr::memchr;
use thiserror::Error;

use crate::error::Error;
use crate::limits::{
    ARGUMENTS_MAX, BULK_BYTES_MAX_DEFAULT, INLINE_BYTES_MAX, UNAUTHENTICATED_ARGUMENT_BYTES_MAX,
    UNAUTHENTICATED_ARGUMENTS_MAX,
};

/// Places of arguments kept allocated between partial requests.
const PARTIAL_SPANS_KEPT: usize = 512;
/// Bytes of unescaped text kept allocated between inline requests.
const UNESCAPED_BYTES_KEPT: usize = 4096;

/// Where one argument stands: in the input, or, if quotes or escapes had to be resolved, in the parser.
/// `RequestParser::word` turns it into bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    /// The top bit says that the text is the parser's own.
    len_and_source: u32,
}

impl Span {
    const UNESCAPED: u32 = 1 << 31;

    /// A place in the input.
    #[inline]
    const fn input(start: usize, len: usize) -> Self {
        Self { start: start as u32, len_and_source: len as u32 }
    }

    const fn unescaped(start: usize, len: usize) -> Self {
        Self { start: start as u32, len_and_source: len as u32 | Self::UNESCAPED }
    }

    /// Bytes of the argument.
    #[inline]
    pub const fn len(self) -> usize {
        (self.len_and_source & !Self::UNESCAPED) as usize
    }

    /// Whether the argument is empty.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Position in the input, or in the parser's unescaped text.
    #[inline]
    pub const fn start(self) -> usize {
        self.start as usize
    }

    /// Whether the text stands in the input as it is.
    #[inline]
    pub const fn is_in_input(self) -> bool {
        self.len_and_source & Self::UNESCAPED == 0
    }

    /// The same argument of a request that begins `by` bytes later.
    const fn shifted(self, by: usize) -> Self {
        Self { start: self.start.wrapping_add(by as u32), len_and_source: self.len_and_source }
    }
}

/// What a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of one argument, `proto-max-bulk-len`; more than 2 GiB − 1 cannot be had.
    pub bulk_bytes_max: usize,
    /// Arguments of one request.
    pub arguments_max: usize,
    /// Bytes of an inline request, and of a length line.
    pub inline_bytes_max: usize,
    /// Without it only 10 arguments of 16 KiB are allowed: a stranger must not fill the memory.
    pub authenticated: bool,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: BULK_BYTES_MAX_DEFAULT,
            arguments_max: ARGUMENTS_MAX,
            inline_bytes_max: INLINE_BYTES_MAX,
            authenticated: true,
        }
    }
}

/// Why a connection cannot go on: one error reply, then it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The number of arguments is no number, or too large.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The length of an argument is no number, negative or too large.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument does not begin with `$`, but with this byte.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// The line with the number of arguments does not end.
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// The line with the length of an argument does not end.
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// An inline request does not end.
    #[error("Protocol error: too big inline request")]
    TooBigInline,
    /// A quote of an inline request is not closed, or something follows it.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// Too many arguments for a client that did not authenticate.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// Too long an argument for a client that did not authenticate.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// The buffered input is longer than 4 GiB − 1.
    #[error("Protocol error: too big request")]
    TooBigRequest,
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::text(format!("ERR {error}"))
    }
}

/// Reads requests; remembers how far it came in one that is not complete, relative to its beginning.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Bytes of the request that are read for good.
    done: usize,
    /// Bytes of the request that are known to hold no end of the line that begins at `done`.
    scanned: usize,
    /// Arguments still to come; 0 while their number is unknown.
    left: usize,
    /// Length of the argument at `done`, once it is known.
    bulk: Option<usize>,
    /// Arguments read so far, relative to the request's beginning.
    partial: Vec<Span>,
    /// Text of inline arguments that had quotes; lives as long as the caller's spans.
    unescaped: Vec<u8>,
}

impl RequestParser {
    /// Reads one whole request that begins at `input[at..]`, appends its arguments to `spans` (positions count from the
    /// beginning of `input`) and returns the position behind it.
    ///
    /// `None`: it is not complete. Nothing is appended, and the next call goes on where this one stopped if it begins at the
    /// same request, wherever in the buffer that has moved to by then. A request without words (`*0`, an empty line) gives a
    /// position and no span.
    ///
    /// Text behind earlier spans stays valid until a call that finds `spans` empty.
    ///
    /// # Errors
    /// What is wrong with the request; the connection cannot be read any further.
    #[inline]
    pub fn next(
        &mut self,
        input: &[u8],
        at: usize,
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Result<Option<usize>, ProtocolError> {
        if self.scanned == 0 && limits.authenticated && u32::try_from(input.len()).is_ok() {
            let before = spans.len();
            let end = read_whole(input, at, limits, |start, text| spans.push(Span::input(start, text.len())));
            if end.is_some() {
                return Ok(end);
            }
            spans.truncate(before);
        }
        self.next_in_pieces(input, at, limits, spans)
    }

    /// Reads one request that begins at `input[at..]`, is whole and written as every client library writes it, appends its
    /// arguments to `words` and returns the position behind it. None in every other case, and where `words` has no room for
    /// so many: that is for [`RequestParser::next`]; `words` is then as it was.
    #[inline]
    pub fn next_whole<'a, const N: usize>(
        &self,
        input: &'a [u8],
        at: usize,
        limits: &RequestLimits,
        words: &mut ArrayVec<&'a [u8], N>,
    ) -> Option<usize> {
        if self.is_partial() || !limits.authenticated {
            return None;
        }
        let before = words.len();
        let limits = RequestLimits { arguments_max: limits.arguments_max.min(words.remaining_capacity()), ..*limits };
        let end = read_whole(input, at, &limits, |_, text| words.push(text));
        if end.is_none() {
            words.truncate(before);
        }
        end
    }

    /// The bytes of an argument. `input` is the buffer that it was read from.
    #[inline]
    pub fn word<'a>(&'a self, input: &'a [u8], span: Span) -> &'a [u8] {
        let source = if span.is_in_input() { input } else { &self.unescaped };
        source.get(span.start()..).and_then(|tail| tail.get(..span.len())).unwrap_or_default()
    }

    /// Whether a part of a request was read.
    pub const fn is_partial(&self) -> bool {
        self.scanned != 0
    }

    /// Forgets a partial request.
    pub fn reset(&mut self) {
        self.done = 0;
        self.scanned = 0;
        self.left = 0;
        self.bulk = None;
        self.partial.clear();
        self.partial.shrink_to(PARTIAL_SPANS_KEPT);
    }

    /// Gives back what an idle connection does not need. No span may be in use.
    pub fn shrink(&mut self) {
        if !self.is_partial() {
            self.partial = Vec::new();
        }
        self.unescaped = Vec::new();
    }

    /// Bytes allocated.
    pub fn heap_bytes(&self) -> usize {
        self.partial.capacity() * size_of::<Span>() + self.unescaped.capacity()
    }

    #[inline(never)]
    fn next_in_pieces(
        &mut self,
        input: &[u8],
        at: usize,
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Result<Option<usize>, ProtocolError> {
        if u32::try_from(input.len()).is_err() {
            return Err(ProtocolError::TooBigRequest);
        }
        let request = input.get(at..).unwrap_or_default();
        let before = spans.len();
        let outcome = match request.first() {
            None => return Ok(None),
            Some(b'*') => self.read_multibulk(request, limits),
            Some(_) => self.read_inline(request, at, limits, spans),
        };
        match outcome {
            Ok(None) => Ok(None),
            Ok(Some(len)) => {
                spans.extend(self.partial.iter().map(|span| span.shifted(at)));
                self.reset();
                Ok(Some(at + len))
            }
            Err(error) => {
                spans.truncate(before);
                self.reset();
                Err(error)
            }
        }
    }

    /// Goes on with a multibulk request as far as its bytes reach; returns its length once it is complete.
    fn read_multibulk(&mut self, request: &[u8], limits: &RequestLimits) -> Result<Option<usize>, ProtocolError> {
        if self.left == 0 {
            let Some((line, next)) = self.line(request, limits, ProtocolError::TooBigMultibulkCount)? else {
                return Ok(None);
            };
            self.left = multibulk_length(line, limits)?;
            self.done = next;
            self.scanned = next;
        }
        while self.left > 0 {
            let len = if let Some(len) = self.bulk {
                len
            } else {
                let Some((line, next)) = self.line(request, limits, ProtocolError::TooBigBulkCount)? else {
                    return Ok(None);
                };
                let len = bulk_length(line, limits)?;
                self.done = next;
                self.scanned = next;
                self.bulk = Some(len);
                len
            };
            // Two bytes end an argument; like Redis we do not look which.
            let end = self.done + len + 2;
            if request.len() < end {
                return Ok(None);
            }
            self.partial.push(Span::input(self.done, len));
            self.bulk = None;
            self.left -= 1;
            self.done = end;
            self.scanned = end;
        }
        Ok(Some(self.done))
    }

    /// The line that begins at `done`, without its two end bytes, and the position behind them; none while it is not complete.
    fn line<'a>(
        &mut self,
        request: &'a [u8],
        limits: &RequestLimits,
        too_big: ProtocolError,
    ) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
        // The window makes the outcome independent of how much of an endless line happens to be here.
        let window = request.len().min(self.done.saturating_add(limits.inline_bytes_max).saturating_add(1));
        let unread = request.get(self.scanned..window).unwrap_or_default();
        let Some(found) = memchr(b'\r', unread) else {
            if request.len() - self.done > limits.inline_bytes_max {
                return Err(too_big);
            }
            self.scanned = window;
            return Ok(None);
        };
        self.scanned += found;
        if request.len() - self.scanned < 2 {
            return Ok(None);
        }
        let line = request.get(self.done..self.scanned).unwrap_or_default();
        Ok(Some((line, self.scanned + 2)))
    }

    /// Reads one line of words as a person types them.
    fn read_inline(
        &mut self,
        request: &[u8],
        at: usize,
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Result<Option<usize>, ProtocolError> {
        let window = request.len().min(limits.inline_bytes_max.saturating_add(1));
        let unread = request.get(self.scanned..window).unwrap_or_default();
        let Some(found) = memchr(b'\n', unread) else {
            if request.len() > limits.inline_bytes_max {
                return Err(ProtocolError::TooBigInline);
            }
            self.scanned = window;
            return Ok(None);
        };
        let end = self.scanned + found;
        let line = request.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if spans.is_empty() {
            self.unescaped.clear();
            self.unescaped.shrink_to(UNESCAPED_BYTES_KEPT);
        }
        self.split_words(line, at, limits, spans)?;
        Ok(Some(end + 1))
    }

    fn split_words(
        &mut self,
        line: &[u8],
        at: usize,
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Result<(), ProtocolError> {
        let before = spans.len();
        let mut rest = line;
        loop {
            rest = rest.trim_start_matches_space();
            if rest.is_empty() {
                return Ok(());
            }
            if !limits.authenticated && spans.len() - before == UNAUTHENTICATED_ARGUMENTS_MAX {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            let start = line.len() - rest.len();
            let plain = rest.iter().position(|byte| ends_plain_text(*byte)).unwrap_or(rest.len());
            let (text, tail) = rest.split_at(plain);
            if let Some(b'"' | b'\'') = tail.first() {
                let place = self.unescaped.len();
                self.unescaped.extend_from_slice(text);
                rest = unescape(tail, &mut self.unescaped)?;
                spans.push(Span::unescaped(place, self.unescaped.len() - place));
            } else {
                rest = tail;
                spans.push(Span::input(at + start, plain));
            }
        }
    }
}

/// Reads a request that is all there and written as every client library writes it, and gives each argument with its position;
/// none in every other case, and then some may have been given.
#[inline]
fn read_whole<'a>(
    input: &'a [u8],
    at: usize,
    limits: &RequestLimits,
    mut each: impl FnMut(usize, &'a [u8]),
) -> Option<usize> {
    let (count, mut at) = short_length(b'*', input, at)?;
    if count == 0 || count > limits.arguments_max {
        return None;
    }
    for _ in 0..count {
        let (len, start) = short_length(b'$', input, at)?;
        if len > limits.bulk_bytes_max {
            return None;
        }
        // A length has seven digits at most, and no buffer ends at the end of the address space: this cannot wrap.
        let end = start.wrapping_add(len);
        // Two bytes end an argument; like Redis we do not look which.
        at = end.wrapping_add(2);
        if at > input.len() {
            return None;
        }
        each(start, input.get(start..end)?);
    }
    Some(at)
}

/// Reads, at a position, a marker, a number of one to seven digits and a line end: the number and the position behind all
/// that. Nearly all numbers have one digit or two.
#[inline]
fn short_length(marker: u8, input: &[u8], at: usize) -> Option<(usize, usize)> {
    let bytes = input.get(at..)?;
    // A number of one digit is complete in four bytes, but no request ends there.
    let &[first, a, b, c, _] = bytes.first_chunk::<5>()?;
    let (tens, ones) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    if first != marker || tens > 9 {
        None
    } else if b == b'\r' {
        Some((usize::from(tens), at.wrapping_add(4)))
    } else if c == b'\r' && tens != 0 && ones <= 9 {
        Some((usize::from(tens).wrapping_mul(10).wrapping_add(usize::from(ones)), at.wrapping_add(5)))
    } else {
        longer_length(bytes).map(|(len, header)| (len, at.wrapping_add(header)))
    }
}

/// The same for three to seven digits.
#[inline(never)]
fn longer_length(bytes: &[u8]) -> Option<(usize, usize)> {
    if matches!(bytes, [_, b'0', ..]) {
        return None;
    }
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(9).skip(1) {
        match byte {
            b'0'..=b'9' => value = value * 10 + usize::from(byte - b'0'),
            b'\r' if index > 3 && index + 1 < bytes.len() => return Some((value, index + 2)),
            _ => return None,
        }
    }
    None
}

/// The number of arguments that a `*` line announces; none for 0 and below.
fn multibulk_length(line: &[u8], limits: &RequestLimits) -> Result<usize, ProtocolError> {
    let count = line.get(1..).and_then(length).ok_or(ProtocolError::InvalidMultibulkLength)?;
    // Below zero it counts as an empty request.
    let count = usize::try_from(count).unwrap_or(0);
    if count > limits.arguments_max {
        return Err(ProtocolError::InvalidMultibulkLength);
    }
    if !limits.authenticated && count > UNAUTHENTICATED_ARGUMENTS_MAX {
        return Err(ProtocolError::UnauthenticatedMultibulkLength);
    }
    Ok(count)
}

/// The length that a `$` line announces.
fn bulk_length(line: &[u8], limits: &RequestLimits) -> Result<usize, ProtocolError> {
    // An empty line begins with its own end, which the error shows as a space.
    let (first, digits) = line.split_first().unwrap_or((&b' ', &[]));
    if *first != b'$' {
        return Err(ProtocolError::ExpectedBulk(*first));
    }
    let len = length(digits).and_then(|len| usize::try_from(len).ok()).ok_or(ProtocolError::InvalidBulkLength)?;
    if len > limits.bulk_bytes_max || len >= Span::UNESCAPED as usize {
        return Err(ProtocolError::InvalidBulkLength);
    }
    if !limits.authenticated && len > UNAUTHENTICATED_ARGUMENT_BYTES_MAX {
        return Err(ProtocolError::UnauthenticatedBulkLength);
    }
    Ok(len)
}

/// A 64-bit integer in the one form that RESP lengths have: no plus sign, no leading zero, no `-0`.
fn length(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits {
        b"0" => return Some(0),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Counting down reaches the smallest number too.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// C's `isspace`, which knows the vertical tab that Rust leaves out.
const fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

const fn ends_plain_text(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'')
}

trait TrimSpace {
    fn trim_start_matches_space(&self) -> &Self;
}

impl TrimSpace for [u8] {
    fn trim_start_matches_space(&self) -> &Self {
        let spaces = self.iter().position(|byte| !is_space(*byte)).unwrap_or(self.len());
        self.split_at(spaces).1
    }
}

/// Appends the quoted text at the beginning of `quoted`, resolved, and returns what follows its closing quote, which must be
/// a space or the end of the line.
fn unescape<'a>(quoted: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    let (quote, mut rest) = quoted.split_first().ok_or(ProtocolError::UnbalancedQuotes)?;
    loop {
        match rest {
            [b'\\', b'x', high, low, tail @ ..]
                if *quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                text.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] if *quote == b'"' => {
                text.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [b'\\', b'\'', tail @ ..] if *quote == b'\'' => {
                text.push(b'\'');
                rest = tail;
            }
            [byte, tail @ ..] if byte == quote => {
                return match tail.first() {
                    Some(next) if !is_space(*next) => Err(ProtocolError::UnbalancedQuotes),
                    _ => Ok(tail),
                };
            }
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
            [] => return Err(ProtocolError::UnbalancedQuotes),
        }
    }
}

/// The value of a hexadecimal digit; 0 for anything else.
const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;

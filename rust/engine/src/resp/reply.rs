//! Where handlers write their replies: onto the wire, or onto a tape.

use rkv_collections::bytes::Shared;

use super::Protocol;
use super::output::Output;
use super::tape::{Aggregate, Tape};
use crate::error::Error;
use crate::number;

/// A sink for replies. Cheap to make: one per command.
#[derive(Debug)]
pub struct Reply<'a> {
    sink: Sink<'a>,
    protocol: Protocol,
}

#[derive(Debug)]
enum Sink<'a> {
    Wire(&'a mut Output),
    Tape(&'a mut Tape),
}

/// An aggregate whose length is filled in later. Inner ones are filled before outer ones.
#[derive(Debug)]
#[must_use = "the aggregate has no length yet"]
pub struct Deferred(usize);

impl<'a> Reply<'a> {
    /// Replies encoded for a connection.
    #[inline]
    pub const fn wire(output: &'a mut Output, protocol: Protocol) -> Self {
        Self { sink: Sink::Wire(output), protocol }
    }

    /// Replies as typed values; the protocol decides which shape a command chooses.
    #[inline]
    pub const fn tape(tape: &'a mut Tape, protocol: Protocol) -> Self {
        Self { sink: Sink::Tape(tape), protocol }
    }

    /// The same sink for a shorter time, to pass on.
    #[inline]
    pub const fn by_ref(&mut self) -> Reply<'_> {
        let sink = match &mut self.sink {
            Sink::Wire(output) => Sink::Wire(output),
            Sink::Tape(tape) => Sink::Tape(tape),
        };
        Reply { sink, protocol: self.protocol }
    }

    /// The position behind the last byte on the wire; always 0 on a tape.
    #[inline]
    pub fn position(&self) -> u64 {
        match &self.sink {
            Sink::Wire(output) => output.position(),
            Sink::Tape(_) => 0,
        }
    }

    /// The protocol of the reader.
    #[inline]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol for what follows: HELLO answers in the new one.
    pub const fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Whether the reader speaks RESP3.
    #[inline]
    pub const fn resp3(&self) -> bool {
        matches!(self.protocol, Protocol::Resp3)
    }

    /// `OK`.
    #[inline]
    pub fn ok(&mut self) {
        match &mut self.sink {
            Sink::Wire(output) => output.extend(b"+OK\r\n"),
            Sink::Tape(tape) => tape.ok(),
        }
    }

    /// `QUEUED`, inside MULTI.
    pub fn queued(&mut self) {
        match &mut self.sink {
            Sink::Wire(output) => output.extend(b"+QUEUED\r\n"),
            Sink::Tape(tape) => tape.simple("QUEUED"),
        }
    }

    /// A status. `text` has no line break.
    pub fn simple(&mut self, text: &str) {
        match &mut self.sink {
            Sink::Wire(output) => put_line(output.buffer(), b'+', text.as_bytes()),
            Sink::Tape(tape) => tape.simple(text),
        }
    }

    /// An error.
    pub fn error(&mut self, error: &Error) {
        match &mut self.sink {
            Sink::Wire(output) => put_line(output.buffer(), b'-', error.as_str().as_bytes()),
            Sink::Tape(tape) => tape.error(error),
        }
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match &mut self.sink {
            Sink::Wire(output) => put_integer(output.buffer(), value),
            Sink::Tape(tape) => tape.integer(value),
        }
    }

    /// A string.
    #[inline]
    pub fn bulk(&mut self, text: &[u8]) {
        match &mut self.sink {
            Sink::Wire(output) => put_bulk(output.buffer(), text),
            Sink::Tape(tape) => tape.bulk(text),
        }
    }

    /// A string in a shared buffer, not copied if it is large.
    #[inline]
    pub fn shared(&mut self, buffer: &Shared) {
        match &mut self.sink {
            Sink::Wire(output) => {
                put_length(output.buffer(), b'$', buffer.len());
                output.splice(buffer);
                output.extend(b"\r\n");
            }
            Sink::Tape(tape) => tape.shared(buffer),
        }
    }

    /// An integer as a string: the value of an integer-encoded key.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// No value.
    #[inline]
    pub fn null(&mut self) {
        match &mut self.sink {
            Sink::Wire(output) if matches!(self.protocol, Protocol::Resp2) => {
                output.extend(b"$-1\r\n");
            }
            Sink::Wire(output) => output.extend(b"_\r\n"),
            Sink::Tape(tape) => tape.null(),
        }
    }

    /// No array: what a blocking pop that timed out answers.
    pub fn null_array(&mut self) {
        match &mut self.sink {
            Sink::Wire(output) if matches!(self.protocol, Protocol::Resp2) => {
                output.extend(b"*-1\r\n");
            }
            Sink::Wire(output) => output.extend(b"_\r\n"),
            Sink::Tape(tape) => tape.null_array(),
        }
    }

    /// An array; `count` values follow.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.aggregate(Aggregate::Array, count);
    }

    /// A map; `count` pairs follow. To RESP2 an array of twice as many values.
    #[inline]
    pub fn map(&mut self, count: usize) {
        self.aggregate(Aggregate::Map, count);
    }

    /// A set; `count` members follow. To RESP2 an array.
    #[inline]
    pub fn set(&mut self, count: usize) {
        self.aggregate(Aggregate::Set, count);
    }

    /// An out-of-band message; `count` values follow. To RESP2 an array.
    pub fn push(&mut self, count: usize) {
        self.aggregate(Aggregate::Push, count);
    }

    /// Says something about the value behind it; `count` pairs follow. RESP2 has no such thing: write none if not `resp3()`.
    pub fn attribute(&mut self, count: usize) {
        self.aggregate(Aggregate::Attribute, count);
    }

    #[inline]
    fn aggregate(&mut self, aggregate: Aggregate, count: usize) {
        match &mut self.sink {
            Sink::Wire(output) => {
                let (marker, count) = wire_header(aggregate, count, self.protocol);
                put_length(output.buffer(), marker, count);
            }
            Sink::Tape(tape) => tape.aggregate(aggregate, count),
        }
    }

    /// An array whose length `fill_array` gives.
    pub fn array_deferred(&mut self) -> Deferred {
        match &mut self.sink {
            Sink::Wire(output) => {
                let at = output.buffer().len();
                output.extend(b"*0\r\n");
                Deferred(at)
            }
            Sink::Tape(tape) => {
                tape.aggregate(Aggregate::Array, 0);
                Deferred(tape.len() - 1)
            }
        }
    }

    /// A map whose length `fill_map` gives.
    pub fn map_deferred(&mut self) -> Deferred {
        self.array_deferred()
    }

    /// A set whose length `fill_set` gives.
    pub fn set_deferred(&mut self) -> Deferred {
        self.array_deferred()
    }

    /// Gives a deferred array its length.
    pub fn fill_array(&mut self, at: Deferred, count: usize) {
        self.fill(at, Aggregate::Array, count);
    }

    /// Gives a deferred map its length, in pairs.
    pub fn fill_map(&mut self, at: Deferred, count: usize) {
        self.fill(at, Aggregate::Map, count);
    }

    /// Gives a deferred set its length.
    pub fn fill_set(&mut self, at: Deferred, count: usize) {
        self.fill(at, Aggregate::Set, count);
    }

    fn fill(&mut self, Deferred(at): Deferred, aggregate: Aggregate, count: usize) {
        match &mut self.sink {
            Sink::Wire(output) => {
                let (marker, count) = wire_header(aggregate, count, self.protocol);
                let mut header = Vec::with_capacity(24);
                put_length(&mut header, marker, count);
                output.replace(at, b"*0\r\n".len(), &header);
            }
            Sink::Tape(tape) => tape.fill(at, aggregate, count),
        }
    }

    /// A float. To RESP2 a string.
    pub fn double(&mut self, value: f64) {
        match &mut self.sink {
            Sink::Wire(output) => {
                let text = &*number::format_f64(value);
                match self.protocol {
                    Protocol::Resp2 => put_bulk(output.buffer(), text),
                    Protocol::Resp3 => put_line(output.buffer(), b',', text),
                }
            }
            Sink::Tape(tape) => tape.double(value),
        }
    }

    /// A float below 2^63 with up to 17 places behind the point and no exponent. To RESP2 a string.
    pub fn double_plain(&mut self, value: f64) {
        match &mut self.sink {
            Sink::Wire(output) => {
                let text = &*number::format_f64_plain(value);
                match self.protocol {
                    Protocol::Resp2 => put_bulk(output.buffer(), text),
                    Protocol::Resp3 => put_line(output.buffer(), b',', text),
                }
            }
            Sink::Tape(tape) => tape.double(value),
        }
    }

    /// A truth value. To RESP2 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        match &mut self.sink {
            Sink::Wire(output) => output.extend(match (self.protocol, value) {
                (Protocol::Resp2, false) => b":0\r\n",
                (Protocol::Resp2, true) => b":1\r\n",
                (Protocol::Resp3, false) => b"#f\r\n",
                (Protocol::Resp3, true) => b"#t\r\n",
            }),
            Sink::Tape(tape) => tape.boolean(value),
        }
    }

    /// Text for a person; `format` is `txt` or `mkd`. To RESP2 a string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        let format = match format.as_bytes() {
            &[a, b, c] => [a, b, c],
            _ => *b"txt",
        };
        match &mut self.sink {
            Sink::Wire(output) if matches!(self.protocol, Protocol::Resp2) => {
                put_bulk(output.buffer(), text);
            }
            Sink::Wire(output) => {
                put_length(output.buffer(), b'=', text.len() + 4);
                output.extend(&format);
                output.extend(b":");
                output.extend(text);
                output.extend(b"\r\n");
            }
            Sink::Tape(tape) => tape.verbatim(format, text),
        }
    }

    /// An integer of any size, in decimal. To RESP2 a string.
    pub fn big_number(&mut self, digits: &str) {
        match &mut self.sink {
            Sink::Wire(output) => match self.protocol {
                Protocol::Resp2 => put_bulk(output.buffer(), digits.as_bytes()),
                Protocol::Resp3 => put_line(output.buffer(), b'(', digits.as_bytes()),
            },
            Sink::Tape(tape) => tape.big_number(digits),
        }
    }
}

/// Marker and length of an aggregate: RESP2 knows only arrays.
#[inline]
const fn wire_header(aggregate: Aggregate, count: usize, protocol: Protocol) -> (u8, usize) {
    match (protocol, aggregate) {
        (Protocol::Resp2, Aggregate::Map | Aggregate::Attribute) => (b'*', count * 2),
        (Protocol::Resp2, _) | (_, Aggregate::Array) => (b'*', count),
        (_, Aggregate::Map) => (b'%', count),
        (_, Aggregate::Set) => (b'~', count),
        (_, Aggregate::Push) => (b'>', count),
        (_, Aggregate::Attribute) => (b'|', count),
    }
}

fn put_line(out: &mut Vec<u8>, marker: u8, text: &[u8]) {
    out.reserve(text.len() + 3);
    out.push(marker);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn put_bulk(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 24);
    put_length(out, b'$', text.len());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// A marker, a length, a line end. Lengths are mostly small.
#[inline]
fn put_length(out: &mut Vec<u8>, marker: u8, len: usize) {
    if len >= 1000 {
        return put_line(out, marker, itoa::Buffer::new().format(len).as_bytes());
    }
    let digit = |value: usize| b'0' + (value % 10) as u8;
    // One copy of a constant length, and then what is too much of it is taken back.
    let (header, bytes) = if len < 10 {
        ([marker, digit(len), b'\r', b'\n', 0, 0, 0, 0], 4)
    } else if len < 100 {
        ([marker, digit(len / 10), digit(len), b'\r', b'\n', 0, 0, 0], 5)
    } else {
        ([marker, digit(len / 100), digit(len / 10), digit(len), b'\r', b'\n', 0, 0], 6)
    };
    out.extend_from_slice(&header);
    out.truncate(out.len() - (header.len() - bytes));
}

#[inline]
fn put_integer(out: &mut Vec<u8>, value: i64) {
    match value {
        0..=9 => out.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']),
        _ => put_line(out, b':', itoa::Buffer::new().format(value).as_bytes()),
    }
}

#[cfg(test)]
mod tests;

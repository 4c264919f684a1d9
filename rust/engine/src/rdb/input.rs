//! Bytes of a file in order, a block at a time, and what they are in the alphabet of the format.

use std::io;

use rkv_collections::packed::Digits;

use super::crc64::crc64;
use super::error::Fault;
use super::lzf;

/// Where bytes come from, in order.
pub trait Source {
    /// Reads what comes next to the beginning of `into`; how many bytes, 0 only at the end.
    ///
    /// # Errors
    /// The input cannot be read.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
}

impl<R: io::Read> Source for R {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match io::Read::read(self, into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// How much is read at once.
const BLOCK_BYTES: usize = 256 << 10;

/// A buffer of more blocks than this does not stay when a block would do.
const KEPT_BLOCKS: usize = 4;

/// A string: its bytes, or the integer as which it was written.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// An integer in decimal form.
    Integer(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Text<'a> {
    /// Its bytes.
    #[inline]
    pub fn bytes<'b>(self, room: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Integer(number) => rkv_collections::packed::Entry::Int(number).bytes(room),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What a length field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// A length.
    Plain(u64),
    /// How a string is encoded.
    Encoded(u8),
}

/// Reads blocks, and takes them apart. What was taken is valid until something else is taken.
pub struct Input<'s> {
    source: &'s mut dyn Source,
    buffer: Vec<u8>,
    /// Of the buffer, where the bytes are that were not taken.
    at: usize,
    end: usize,
    /// The checksum of the bytes before `summed`, which is in the buffer, if one is wanted.
    crc: Option<u64>,
    summed: usize,
    /// Bytes of the input before the buffer.
    before: u64,
    /// What was compressed.
    unpacked: Vec<u8>,
    block_bytes: usize,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Input(at {})", self.position())
    }
}

impl<'s> Input<'s> {
    /// Reads a source from its beginning, in blocks.
    pub fn new(source: &'s mut dyn Source) -> Self {
        Self::with_block(source, BLOCK_BYTES)
    }

    /// The same with blocks of another size.
    pub fn with_block(source: &'s mut dyn Source, block_bytes: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            at: 0,
            end: 0,
            crc: Some(0),
            summed: 0,
            before: 0,
            unpacked: Vec::new(),
            block_bytes: block_bytes.max(64),
        }
    }

    /// Computes no checksum from now on.
    pub const fn ignore_checksum(&mut self) {
        self.crc = None;
    }

    /// How many bytes were taken.
    pub const fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// The checksum of all that was taken, if it is computed.
    pub fn checksum(&mut self) -> Option<u64> {
        self.sum();
        self.crc
    }

    fn sum(&mut self) {
        if let Some(crc) = &mut self.crc {
            *crc = crc64(*crc, self.buffer.get(self.summed..self.at).unwrap_or_default());
        }
        self.summed = self.at;
    }

    /// Reads until there are `count` bytes. Memory grows with what was read, not with what was promised.
    #[cold]
    fn fill(&mut self, count: usize) -> Result<(), Fault> {
        self.sum();
        self.buffer.copy_within(self.at..self.end, 0);
        self.before += self.at as u64;
        self.end -= self.at;
        self.at = 0;
        self.summed = 0;
        // What a single long string needed is given back with the next block.
        if self.buffer.len() > KEPT_BLOCKS * self.block_bytes && self.end.max(count) <= self.block_bytes {
            self.buffer.truncate(self.block_bytes);
            self.buffer.shrink_to_fit();
            self.unpacked = Vec::new();
        }
        while self.end < count {
            if self.end == self.buffer.len() {
                let more = self.end.max(self.block_bytes).min((count - self.end).max(self.block_bytes));
                self.buffer.resize(self.end + more, 0);
            }
            let read = self.source.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
            if read == 0 {
                return Err(Fault::Truncated);
            }
            self.end += read;
        }
        Ok(())
    }

    /// Whether a block has to be read before so many bytes can be taken.
    #[inline]
    pub const fn must_fill(&self, count: usize) -> bool {
        self.end - self.at < count
    }

    /// Whether nothing comes any more.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn is_at_end(&mut self) -> Result<bool, Fault> {
        if self.at < self.end {
            return Ok(false);
        }
        match self.fill(1) {
            Ok(()) => Ok(false),
            Err(Fault::Truncated) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// There are fewer, or they cannot be read.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        if self.must_fill(count) {
            self.fill(count)?;
        }
        let from = self.at;
        self.at += count;
        self.buffer.get(from..self.at).ok_or(Fault::Truncated)
    }

    /// The next bytes as an array.
    ///
    /// # Errors
    /// See [`Input::take`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.first_chunk().copied().ok_or(Fault::Truncated)
    }

    /// The next byte.
    ///
    /// # Errors
    /// See [`Input::take`].
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A length field.
    ///
    /// # Errors
    /// See [`Input::take`]; or no length begins so.
    #[inline]
    pub fn length(&mut self) -> Result<Length, Fault> {
        let first = self.byte()?;
        match first {
            0..=0x3f => Ok(Length::Plain(u64::from(first))),
            0x40..=0x7f => Ok(Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?))),
            0x80 => Ok(Length::Plain(u64::from(u32::from_be_bytes(self.array()?)))),
            0x81 => Ok(Length::Plain(u64::from_be_bytes(self.array()?))),
            0xc0.. => Ok(Length::Encoded(first & 0x3f)),
            _ => Err(Fault::Invalid("no length begins so")),
        }
    }

    /// A number that is written as a length.
    ///
    /// # Errors
    /// See [`Input::length`].
    #[inline]
    pub fn number(&mut self) -> Result<u64, Fault> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(_) => Err(Fault::Invalid("a length is expected, and there is a string")),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// See [`Input::length`]; or its encoding is not valid.
    #[inline]
    pub fn text(&mut self) -> Result<Text<'_>, Fault> {
        match self.length()? {
            Length::Plain(len) => Ok(Text::Bytes(self.take(size(len)?)?)),
            Length::Encoded(0) => Ok(Text::Integer(i64::from(self.byte()? as i8))),
            Length::Encoded(1) => Ok(Text::Integer(i64::from(i16::from_le_bytes(self.array()?)))),
            Length::Encoded(2) => Ok(Text::Integer(i64::from(i32::from_le_bytes(self.array()?)))),
            Length::Encoded(3) => self.compressed().map(Text::Bytes),
            Length::Encoded(_) => Err(Fault::Invalid("no string is encoded so")),
        }
    }

    fn compressed(&mut self) -> Result<&[u8], Fault> {
        let (packed_len, len) = (size(self.number()?)?, size(self.number()?)?);
        let mut out = std::mem::take(&mut self.unpacked);
        let packed = self.take(packed_len)?;
        let result = lzf::decompress(packed, len, &mut out);
        self.unpacked = out;
        result.map_err(|_| Fault::Invalid("a compressed string is damaged"))?;
        Ok(&self.unpacked)
    }

    /// A string whose bytes replace those in `into`.
    ///
    /// # Errors
    /// See [`Input::text`].
    #[inline]
    pub fn text_into(&mut self, into: &mut Vec<u8>) -> Result<(), Fault> {
        into.clear();
        match self.text()? {
            Text::Bytes(bytes) => into.extend_from_slice(bytes),
            Text::Integer(number) => into.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        }
        Ok(())
    }

    /// A string that must be bytes, as collections in one piece are.
    ///
    /// # Errors
    /// See [`Input::text`].
    pub fn blob(&mut self) -> Result<&[u8], Fault> {
        match self.text()? {
            Text::Bytes(bytes) => Ok(bytes),
            Text::Integer(_) => Err(Fault::Invalid("a collection is expected, and there is an integer")),
        }
    }

    /// Unix milliseconds, or another number of eight bytes.
    ///
    /// # Errors
    /// See [`Input::take`].
    pub fn signed(&mut self) -> Result<i64, Fault> {
        self.array().map(i64::from_le_bytes)
    }

    /// Eight bytes of a float.
    ///
    /// # Errors
    /// See [`Input::take`].
    pub fn float(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }
}

fn size(len: u64) -> Result<usize, Fault> {
    // No input has more bytes than this, so that positions never overflow.
    usize::try_from(len).ok().filter(|len| *len <= usize::MAX / 4).ok_or(Fault::Truncated)
}

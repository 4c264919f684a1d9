//! A base in the form of commands: `aof-use-rdb-preamble no`.

mod stream;

use std::io::{self, Write};

use super::annotation::time_line;
use crate::journal::encode;
use crate::keyspace::{CapturedEntry, CapturedValue};
use crate::number::{Decimal, format_f64};
use crate::values::{Collection, Element, Kind, Large, Piece, ValueRef};

/// Elements of a collection in one command: Redis's number.
const ELEMENTS_MAX: usize = 64;

/// Writes entries as the commands that make them.
#[derive(Debug)]
pub(super) struct CommandWriter<W> {
    sink: W,
    db: Option<usize>,
    line: Vec<u8>,
    piece: Piece,
    /// Bytes and keys so far.
    pub(super) bytes: u64,
    pub(super) keys: u64,
}

impl<W: Write> CommandWriter<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink, db: None, line: Vec::new(), piece: Piece::default(), bytes: 0, keys: 0 }
    }

    /// Everything is with the sink.
    pub(super) fn finish(self) -> W {
        self.sink
    }

    fn command(&mut self, words: &[&[u8]]) -> io::Result<()> {
        self.line.clear();
        encode(words, &mut self.line);
        self.bytes += self.line.len() as u64;
        self.sink.write_all(&self.line)
    }

    /// Writes when this was: what it begins with can be cut off behind a time then, by `redis-check-aof`.
    pub(super) fn time(&mut self, unix_s: i64) -> io::Result<()> {
        let line = time_line(unix_s);
        self.bytes += line.len() as u64;
        self.sink.write_all(&line)
    }

    /// Writes a key with its value as of a cut.
    pub(super) fn entry(&mut self, entry: &CapturedEntry<'_>) -> io::Result<()> {
        if self.db != Some(entry.db) {
            self.command(&[b"SELECT", Decimal::from(entry.db as u64).as_bytes()])?;
            self.db = Some(entry.db);
        }
        match entry.value {
            CapturedValue::Whole(ValueRef::Integer(number)) => {
                self.command(&[b"SET", entry.key, Decimal::from(number).as_bytes()])?;
            }
            CapturedValue::Whole(ValueRef::Bytes(bytes)) => self.command(&[b"SET", entry.key, bytes])?,
            CapturedValue::Whole(ValueRef::Shared(shared)) => self.command(&[b"SET", entry.key, shared])?,
            CapturedValue::Whole(ValueRef::Stream(cell)) => self.stream(entry.key, cell.read().view())?,
            CapturedValue::Whole(value) => {
                let mut piece = std::mem::take(&mut self.piece);
                piece.clear();
                value.each(&mut |element| piece.push(element));
                let result = self.elements(entry.key, value.kind(), &piece);
                self.piece = piece;
                result?;
            }
            CapturedValue::Large(large) => self.large(entry.key, large)?,
        }
        if let Some(deadline_ms) = entry.deadline_ms {
            self.command(&[b"PEXPIREAT", entry.key, Decimal::from(deadline_ms).as_bytes()])?;
        }
        self.keys += 1;
        Ok(())
    }

    fn large(&mut self, key: &[u8], large: &Large) -> io::Result<()> {
        let mut piece = std::mem::take(&mut self.piece);
        let mut result = Ok(());
        while result.is_ok() && large.drain(&mut piece) {
            result = self.elements(key, large.value().kind(), &piece);
        }
        self.piece = piece;
        result
    }

    fn elements(&mut self, key: &[u8], kind: Kind, piece: &Piece) -> io::Result<()> {
        let elements: Vec<Element<'_>> = piece.iter().collect();
        for some in elements.chunks(ELEMENTS_MAX) {
            let scores: Vec<Decimal> = match kind {
                Kind::Zset => some.iter().map(|element| format_f64(element.score())).collect(),
                _ => Vec::new(),
            };
            let name: &[u8] = match kind {
                Kind::List => b"RPUSH",
                Kind::Set => b"SADD",
                Kind::Zset => b"ZADD",
                Kind::Hash => b"HSET",
                // Streams are written otherwise, and strings have no elements.
                Kind::String | Kind::Stream => b"APPEND",
            };
            let mut words = vec![name, key];
            for (number, element) in some.iter().enumerate() {
                words.extend(scores.get(number).map(Decimal::as_bytes));
                words.push(element.name);
                if kind == Kind::Hash {
                    words.push(element.payload);
                }
            }
            self.command(&words)?;
            for element in some {
                if let Some(deadline_ms) = element.deadline_ms {
                    let deadline = Decimal::from(deadline_ms);
                    self.command(&[b"HPEXPIREAT", key, deadline.as_bytes(), b"FIELDS", b"1", element.name])?;
                }
            }
        }
        Ok(())
    }
}

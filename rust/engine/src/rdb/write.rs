//! Writing a file.

mod stream;

use std::io::{self, Write};

use super::crc64::{behind_zeros, crc64};
use super::encode::{Encoder, kind_of};
use super::format::{self, kind, op};
use super::read::Loaded;
use crate::keyspace::{CapturedEntry, CapturedValue};
use crate::values::hash::HashView;
use crate::values::list::ListView;
use crate::values::set::SetView;
use crate::values::zset::ZsetView;
use crate::values::{Cell, Collection, Element, Hash, Large, List, NewValue, Piece, Set, Shape, ValueRef, Zset};

/// For whom a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Redis 7.0 and newer. Has no deadlines of fields.
    Redis7,
    /// Redis 8, and 7.4: version 12 if a field has a deadline.
    Redis8,
    /// rkv and Valkey: version 80, which Valkey 9 reads, if a field has a deadline.
    #[default]
    Valkey,
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// For whom.
    pub target: Target,
    /// Whether long strings are compressed.
    pub compress: bool,
    /// Whether the checksum is computed; it is 0 otherwise, which readers take for none.
    pub checksum: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { target: Target::default(), compress: true, checksum: true }
    }
}

/// What is told of the accesses to a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    #[default]
    Untold,
    /// For how many seconds it was not accessed.
    Idle(u64),
    /// Its access counter.
    Frequency(u8),
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
    /// The checksum at its end; 0 if none was computed.
    pub crc: u64,
    /// The version that the data needs.
    pub version: u32,
    /// What the first nine bytes of the file must be replaced by, because the data needed a newer version than the header
    /// tells. The checksum is already that of the file with this header.
    pub header: Option<[u8; 9]>,
}

/// Writes a file: header, what is known about it, then keys by database, and its end.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    encoder: Encoder,
    options: WriteOptions,
    crc: u64,
    /// Bytes that the sink has.
    written: u64,
    keys: u64,
    version: u32,
    db: Option<usize>,
    piece: Piece,
}

/// A key, or that the value stands alone.
type Key<'a> = Option<&'a [u8]>;

/// From so many bytes on, what was encoded goes to the sink.
const FLUSHED_BYTES: usize = 64 << 10;

impl<W: Write> Writer<W> {
    /// Begins a file.
    pub fn new(sink: W, options: &WriteOptions) -> Self {
        let mut encoder = Encoder::new(options.compress);
        encoder.out.extend_from_slice(&format::header(format::VERSION));
        if options.checksum {
            encoder.aux(format::SUMMED.0, format::SUMMED.1);
        }
        Self {
            sink,
            encoder,
            options: *options,
            crc: 0,
            written: 0,
            keys: 0,
            version: format::VERSION,
            db: None,
            piece: Piece::default(),
        }
    }

    /// Bytes that were encoded so far.
    pub const fn position(&self) -> u64 {
        self.written + self.encoder.out.len() as u64
    }

    /// What bytes go to.
    pub const fn sink(&self) -> &W {
        &self.sink
    }

    /// Tells something about the file.
    ///
    /// # Errors
    /// What the sink refuses.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.encoder.aux(name, value);
        self.flush_if_full()
    }

    /// Tells a library of functions.
    ///
    /// # Errors
    /// What the sink refuses.
    pub fn function(&mut self, source: &[u8]) -> io::Result<()> {
        self.encoder.byte(op::FUNCTION);
        self.encoder.string(source);
        self.flush_if_full()
    }

    /// Says that keys of a database follow, and about how many.
    ///
    /// # Errors
    /// What the sink refuses.
    pub fn begin_db(&mut self, db: usize, keys: u64, with_deadline: u64) -> io::Result<()> {
        self.select(db);
        self.encoder.byte(op::RESIZEDB);
        self.encoder.number(keys);
        self.encoder.number(with_deadline);
        self.flush_if_full()
    }

    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.encoder.byte(op::SELECTDB);
            self.encoder.number(db as u64);
        }
    }

    /// Writes a key with its value as of a cut; a large collection is drained piece by piece.
    ///
    /// # Errors
    /// What the sink refuses; or the target cannot have this value.
    #[inline]
    pub fn entry(&mut self, entry: &CapturedEntry<'_>, access: Access) -> io::Result<()> {
        self.select(entry.db);
        self.before_key(entry.deadline_ms, access);
        match entry.value {
            CapturedValue::Whole(value) => self.whole(Some(entry.key), value)?,
            CapturedValue::Large(large) => self.drained(Some(entry.key), large)?,
        }
        self.keys += 1;
        self.flush_if_full()
    }

    /// Writes a key that was read from another file.
    ///
    /// # Errors
    /// See [`Writer::entry`].
    pub fn loaded(&mut self, loaded: &Loaded<'_>) -> io::Result<()> {
        self.select(loaded.db);
        let idle = loaded.idle_s.map(Access::Idle);
        let access = loaded.frequency.map(Access::Frequency).or(idle).unwrap_or_default();
        self.before_key(loaded.deadline_ms, access);
        let value = match &loaded.value {
            NewValue::Integer(number) => ValueRef::Integer(*number),
            NewValue::Bytes(bytes) | NewValue::Raw(bytes) => ValueRef::Bytes(bytes),
            NewValue::Shared(shared) => ValueRef::Shared(shared),
            NewValue::Packed(packing, bytes) => ValueRef::Packed(*packing, bytes),
            NewValue::Large(large) => large.value(),
        };
        self.whole(Some(loaded.key), value)?;
        self.keys += 1;
        self.flush_if_full()
    }

    #[inline]
    fn before_key(&mut self, deadline_ms: Option<i64>, access: Access) {
        if let Some(deadline_ms) = deadline_ms {
            self.encoder.byte(op::EXPIRETIME_MS);
            self.encoder.out.extend_from_slice(&deadline_ms.to_le_bytes());
        }
        match access {
            Access::Untold => {}
            Access::Idle(seconds) => {
                self.encoder.byte(op::IDLE);
                self.encoder.number(seconds);
            }
            Access::Frequency(frequency) => {
                self.encoder.byte(op::FREQ);
                self.encoder.byte(frequency);
            }
        }
    }

    #[inline]
    fn whole(&mut self, key: Key<'_>, value: ValueRef<'_>) -> io::Result<()> {
        match value {
            ValueRef::Integer(number) => {
                self.head(kind::STRING, key);
                self.encoder.integer(number);
            }
            ValueRef::Bytes(bytes) => {
                self.head(kind::STRING, key);
                self.encoder.string(bytes);
            }
            ValueRef::Shared(shared) => {
                self.head(kind::STRING, key);
                self.encoder.string(shared);
            }
            ValueRef::Packed(packing, bytes) => {
                self.head(kind_of(packing), key);
                self.encoder.packed(packing, bytes);
            }
            ValueRef::List(cell) => self.list(key, cell)?,
            ValueRef::Set(cell) => self.set(key, cell)?,
            ValueRef::Zset(cell) => self.zset(key, cell)?,
            ValueRef::Hash(cell) => self.hash(key, cell)?,
            ValueRef::Stream(cell) => self.stream(key, cell)?,
        }
        Ok(())
    }

    #[inline]
    fn head(&mut self, kind: u8, key: Key<'_>) {
        self.encoder.byte(kind);
        if let Some(key) = key {
            self.encoder.string(key);
        }
    }

    fn list(&mut self, key: Key<'_>, cell: &Cell<List>) -> io::Result<()> {
        let held = cell.read();
        self.head(kind::LIST_QUICKLIST_2, key);
        match held.view() {
            ListView::Packed(view) => self.encoder.packed(crate::values::Packing::List, view.as_bytes()),
            ListView::Chunked(chunks) => {
                self.encoder.number(chunks.chunks() as u64);
                for (chunk, _) in chunks.iter_from(0) {
                    self.encoder.chunk(chunk.as_bytes());
                    self.flush_if_full()?;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, key: Key<'_>, cell: &Cell<Set>) -> io::Result<()> {
        let held = cell.read();
        if let Some((packing, bytes)) = held.packed() {
            return self.whole(key, ValueRef::Packed(packing, bytes));
        }
        let SetView::Table(members) = held.view() else { return Ok(()) };
        self.head(kind::SET, key);
        self.encoder.number(members.len() as u64);
        members.iter().try_for_each(|element| self.element(kind::SET, 0, &element))
    }

    fn zset(&mut self, key: Key<'_>, cell: &Cell<Zset>) -> io::Result<()> {
        let held = cell.read();
        if let Some((packing, bytes)) = held.packed() {
            return self.whole(key, ValueRef::Packed(packing, bytes));
        }
        let ZsetView::Tree(tree) = held.view() else { return Ok(()) };
        self.head(kind::ZSET_2, key);
        self.encoder.number(tree.len());
        let mut result = Ok(());
        // Downwards, so that a reader with a list ordered from the least adds each at its beginning.
        tree.each(0..tree.len(), true, |member, score| {
            if result.is_ok() {
                let payload = score.to_le_bytes();
                result = self.element(kind::ZSET_2, 0, &Element { name: member, payload: &payload, deadline_ms: None });
            }
        });
        result
    }

    fn hash(&mut self, key: Key<'_>, cell: &Cell<Hash>) -> io::Result<()> {
        let held = cell.read();
        if let Some((packing, bytes)) = held.packed() {
            return self.whole(key, ValueRef::Packed(packing, bytes));
        }
        let HashView::Table(fields) = held.view() else { return Ok(()) };
        let elements = fields.elements();
        let kind = self.hash_kind(key, fields.has_deadlines())?;
        self.head(kind, key);
        let least_ms = elements.iter().filter_map(|element| element.deadline_ms).min().unwrap_or(0);
        self.hash_head(kind, least_ms, elements.len());
        elements.iter().try_for_each(|element| self.element(kind, least_ms, &element))
    }

    fn hash_kind(&mut self, key: Key<'_>, has_deadlines: bool) -> io::Result<u8> {
        let (kind, version) = match self.options.target {
            _ if !has_deadlines => return Ok(kind::HASH),
            Target::Valkey => (kind::HASH_2, format::VERSION_VALKEY),
            Target::Redis8 => (kind::HASH_METADATA, format::VERSION_REDIS_MAX),
            Target::Redis7 => {
                let key = key.unwrap_or_default();
                let key = String::from_utf8_lossy(key.get(..64).unwrap_or(key)).into_owned();
                let text = format!("fields of the hash {key:?} have deadlines, which Redis 7.0 does not know");
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        };
        self.version = self.version.max(version);
        Ok(kind)
    }

    fn hash_head(&mut self, kind: u8, least_ms: i64, len: usize) {
        if kind == kind::HASH_METADATA {
            self.encoder.out.extend_from_slice(&least_ms.to_le_bytes());
        }
        self.encoder.number(len as u64);
    }

    /// One element as the type of its collection wants it.
    #[inline]
    fn element(&mut self, kind: u8, least_ms: i64, element: &Element<'_>) -> io::Result<()> {
        if kind == kind::HASH_METADATA {
            let relative =
                element.deadline_ms.map_or(0, |deadline_ms| deadline_ms.abs_diff(least_ms).saturating_add(1));
            self.encoder.number(relative);
        }
        self.encoder.string(element.name);
        match kind {
            kind::ZSET_2 => self.encoder.float(element.score()),
            kind::HASH | kind::HASH_METADATA => self.encoder.string(element.payload),
            kind::HASH_2 => {
                self.encoder.string(element.payload);
                self.encoder.out.extend_from_slice(&element.deadline_ms.unwrap_or(-1).to_le_bytes());
            }
            _ => {}
        }
        self.flush_if_full()
    }

    /// A large collection as it was at the cut. Holds no shard, and the collection's own lock only for a piece.
    fn drained(&mut self, key: Key<'_>, large: &Large) -> io::Result<()> {
        if let Some((packing, bytes)) = large.take_packed() {
            return self.whole(key, ValueRef::Packed(packing, &bytes));
        }
        let Some(shape) = large.captured_shape() else {
            return Err(io::Error::other("a collection is written that no snapshot has captured"));
        };
        let mut piece = std::mem::take(&mut self.piece);
        let result = match large {
            Large::String(shared) => self.whole(key, ValueRef::Shared(shared)),
            Large::Stream(cell) => self.stream(key, cell),
            Large::List(_) => self.drained_list(key, large, shape, &mut piece),
            Large::Set(_) => self.drained_elements(kind::SET, key, large, shape, &mut piece),
            Large::Zset(_) => self.drained_elements(kind::ZSET_2, key, large, shape, &mut piece),
            Large::Hash(_) => {
                let kind = self.hash_kind(key, shape.has_deadlines)?;
                self.drained_elements(kind, key, large, shape, &mut piece)
            }
        };
        self.piece = piece;
        result
    }

    fn drained_list(&mut self, key: Key<'_>, large: &Large, shape: Shape, piece: &mut Piece) -> io::Result<()> {
        self.head(kind::LIST_QUICKLIST_2, key);
        self.encoder.number(shape.chunks as u64);
        let mut left = shape.chunks;
        while large.drain(piece) {
            self.encoder.chunk_of(piece.iter().map(|element| element.name));
            left = left.wrapping_sub(1);
            self.flush_if_full()?;
        }
        told_all(left)
    }

    fn drained_elements(
        &mut self,
        kind: u8,
        key: Key<'_>,
        large: &Large,
        shape: Shape,
        piece: &mut Piece,
    ) -> io::Result<()> {
        self.head(kind, key);
        // Relative deadlines count from the first millisecond: the earliest one is known only when all were seen.
        let least_ms = 1;
        self.hash_head(kind, least_ms, shape.len);
        let mut left = shape.len;
        while large.drain(piece) {
            left = left.wrapping_sub(piece.len());
            piece.iter().try_for_each(|element| self.element(kind, least_ms, &element))?;
        }
        told_all(left)
    }

    #[inline]
    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.encoder.out.len() < FLUSHED_BYTES { Ok(()) } else { self.flush() }
    }

    /// Gives the sink what was encoded.
    ///
    /// # Errors
    /// What the sink refuses.
    pub fn flush(&mut self) -> io::Result<()> {
        let out = &mut self.encoder.out;
        if self.options.checksum {
            self.crc = crc64(self.crc, out);
        }
        self.sink.write_all(out)?;
        self.written += out.len() as u64;
        out.clear();
        // A single long string may have needed much.
        out.shrink_to(4 * FLUSHED_BYTES);
        Ok(())
    }

    /// Ends the file. The sink is given back, with everything in it.
    ///
    /// # Errors
    /// What the sink refuses.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        self.encoder.byte(op::EOF);
        self.flush()?;
        let header = (self.version != format::VERSION).then(|| format::header(self.version));
        if let Some(header) = header
            && self.options.checksum
        {
            let first = format::header(format::VERSION);
            let difference: Vec<u8> = header.iter().zip(first).map(|(new, old)| new ^ old).collect();
            self.crc ^= behind_zeros(crc64(0, &difference), self.written - header.len() as u64);
        }
        self.sink.write_all(&self.crc.to_le_bytes())?;
        self.sink.flush()?;
        let bytes = self.written + size_of::<u64>() as u64;
        let written = Written { bytes, keys: self.keys, crc: self.crc, version: self.version, header };
        Ok((self.sink, written))
    }

    /// Only the bytes of a value, the number of its type first: for DUMP.
    pub(super) fn payload(sink: W, value: ValueRef<'_>, options: WriteOptions) -> io::Result<(W, u32)> {
        let mut writer = Self::new(sink, &options);
        writer.encoder.out.clear();
        writer.whole(None, value)?;
        writer.flush()?;
        Ok((writer.sink, writer.version))
    }
}

fn told_all(left: usize) -> io::Result<()> {
    // The number of elements is in the file already.
    if left == 0 { Ok(()) } else { Err(io::Error::other("a snapshot told another number of elements than there were")) }
}

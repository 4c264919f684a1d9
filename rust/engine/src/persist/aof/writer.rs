//! Writes one file of the log: what the journal has, a checksum line behind every batch.

use std::io;

use super::annotation::{Annotation, begun_line, synced_line, time_line};
use super::scan::Scan;
use crate::files::{File, Files};
use crate::journal::{Journal, Pieces, ReadError};
use crate::seeded::{self, Bug};

/// A batch up to this size goes out in one write; of a longer one each piece does.
const TOGETHER_BYTES_MAX: usize = 256 * 1024;
/// Room that is taken on the disk ahead of the end of the file.
pub const AHEAD_BYTES: u64 = 64 << 20;

/// An incremental file that is being written.
#[derive(Debug)]
pub struct Writer {
    file: Box<dyn File>,
    name: String,
    /// Bytes of the file.
    bytes: u64,
    /// The journal offset behind what was written.
    offset: u64,
    crc: u32,
    /// Bytes of room known to lie behind the end of the file.
    room: u64,
    /// The durable offset that a line of the file tells.
    marked: u64,
    /// The second for which a line of the file tells the time.
    timed_s: i64,
    /// Lines that go before the next batch.
    head: Vec<u8>,
    pieces: Pieces,
    buffer: Vec<u8>,
}

impl Writer {
    /// Makes a file that will hold the journal from an offset on. Its first line is durable when this returns; its name is
    /// when the directory was synced.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(files: &dyn Files, name: String, offset: u64) -> io::Result<Self> {
        let mut file = files.create(&name)?;
        let (annotation, line) = Annotation::seal(offset, offset, 0, 0);
        file.write(&line)?;
        file.sync()?;
        Ok(Self::new(file, name, line.len() as u64, annotation))
    }

    /// Goes on with a file that was looked through and cut to what is whole; `None` if it is not one of rkv's, or not to its
    /// end.
    ///
    /// # Errors
    /// What the system says.
    pub fn resume(files: &dyn Files, name: String, scan: &Scan) -> io::Result<Option<Self>> {
        let Some(last) = scan.last.filter(|_| scan.is_sealed && !scan.is_continued) else { return Ok(None) };
        let file = files.append(&name)?;
        Ok(Some(Self::new(file, name, scan.whole_bytes, last)))
    }

    fn new(file: Box<dyn File>, name: String, bytes: u64, last: Annotation) -> Self {
        Self {
            file,
            name,
            bytes,
            offset: last.last,
            crc: last.crc,
            room: 0,
            marked: last.last,
            timed_s: 0,
            head: Vec::new(),
            pieces: Pieces::default(),
            buffer: Vec::new(),
        }
    }

    /// Says in the file, before its first command, that no manifest names it before the base of this number.
    #[must_use]
    pub fn begun_with(mut self, base: u64) -> Self {
        self.head = begun_line(base);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the file.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The journal offset behind what was written.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of room known to lie behind the end of the file.
    pub const fn room(&self) -> u64 {
        self.room
    }

    /// Takes more room on the disk, if less than half of [`AHEAD_BYTES`] is left.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], and what the system says.
    pub fn take_room(&mut self) -> io::Result<()> {
        if self.room < AHEAD_BYTES / 2 {
            self.file.allocate(AHEAD_BYTES)?;
            self.room = AHEAD_BYTES;
        }
        Ok(())
    }

    /// Writes everything that the journal has beyond what was written and before `limit`, as one batch. `synced` is how far the file is durable;
    /// `unix_s`, if times are wanted, goes before the batch. True if there was anything.
    ///
    /// # Errors
    /// What the system says: nobody knows then how much was written, and the file must not be written any more.
    pub fn write(&mut self, journal: &Journal, limit: u64, synced: u64, unix_s: Option<i64>) -> io::Result<bool> {
        let taken = journal.take(self.offset, limit, &mut self.pieces);
        taken.map_err(|error: ReadError| io::Error::other(error))?;
        if self.pieces.end == self.offset {
            self.pieces.clear();
            return Ok(false);
        }
        self.buffer.clear();
        self.buffer.append(&mut self.head);
        // What begins with a SELECT alone was written by somebody else: see `scan`.
        let selects = self.pieces.iter().next().is_some_and(|piece| piece.starts_with(b"*2\r\n$6\r\nSELECT\r\n"));
        if synced > self.marked || selects {
            self.buffer.extend_from_slice(&synced_line(synced));
            self.marked = self.marked.max(synced);
        }
        if let Some(unix_s) = unix_s.filter(|unix_s| *unix_s != self.timed_s) {
            self.buffer.extend_from_slice(&time_line(unix_s));
            self.timed_s = unix_s;
        }
        self.write_pieces()?;
        self.offset = self.pieces.end;
        self.pieces.clear();
        if self.buffer.capacity() > 2 * TOGETHER_BYTES_MAX {
            self.buffer = Vec::new();
        }
        Ok(true)
    }

    fn write_pieces(&mut self) -> io::Result<()> {
        let is_small = self.pieces.len() <= TOGETHER_BYTES_MAX;
        let mut crc = crc32c::crc32c_append(self.crc, &self.buffer);
        let mut written = 0;
        for piece in self.pieces.iter() {
            crc = crc32c::crc32c_append(crc, piece);
            if is_small {
                self.buffer.extend_from_slice(piece);
                continue;
            }
            self.file.write(&self.buffer)?;
            self.file.write(piece)?;
            written += (self.buffer.len() + piece.len()) as u64;
            self.buffer.clear();
        }
        let bytes = written + self.buffer.len() as u64;
        let (annotation, line) = Annotation::seal(self.offset, self.pieces.end, bytes, crc);
        self.buffer.extend_from_slice(&line);
        self.file.write(&self.buffer)?;
        self.bytes += bytes + line.len() as u64;
        self.room = self.room.saturating_sub(bytes + line.len() as u64);
        self.crc = annotation.crc;
        Ok(())
    }

    /// Says in the file that all of it is durable, if it is not said yet: after [`Writer::sync`], before the end.
    ///
    /// # Errors
    /// As for [`Writer::write`].
    pub fn write_end(&mut self) -> io::Result<()> {
        if self.marked < self.offset {
            self.buffer = synced_line(self.offset);
            let crc = crc32c::crc32c_append(self.crc, &self.buffer);
            let bytes = self.buffer.len() as u64;
            let (annotation, line) = Annotation::seal(self.offset, self.offset, bytes, crc);
            self.buffer.extend_from_slice(&line);
            self.file.write(&self.buffer)?;
            self.bytes += self.buffer.len() as u64;
            self.crc = annotation.crc;
            self.marked = self.offset;
        }
        Ok(())
    }

    /// Waits until all that was written is durable.
    ///
    /// # Errors
    /// What the system says: what was not durable may never be, and the file must not be written any more.
    pub fn sync(&mut self) -> io::Result<()> {
        if seeded::is_on(Bug::SkippedFsync) { Ok(()) } else { self.file.sync() }
    }

    /// Gives back the room that was taken ahead.
    ///
    /// # Errors
    /// What the system says.
    pub fn give_room_back(&mut self) -> io::Result<()> {
        if self.room > 0 {
            self.room = 0;
            self.file.set_len(self.bytes)?;
        }
        Ok(())
    }
}

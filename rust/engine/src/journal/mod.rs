//! The journal: what every command did, once, in one order.
//!
//! # Shape
//!
//! ```text
//! run (shard locks held) ──append──▶ [block][block][block]   ──read──▶ file, replicas, feeds
//!                                    ▲ start        ▲ end
//! ```
//!
//! A batch is what one command, transaction or script did: all of it is appended in one go or nothing is. Records are
//! commands in RESP, as a replica or an append-only file wants them; a SELECT is written when the database changes.
//! An offset counts bytes since the journal was turned on; it is the replication offset, too.
//!
//! # Lock rule
//!
//! [`Journal::append`] is called under the shard locks of the command, so the order of records is the order of effects
//! for every key. Its mutex is taken after shard locks and before client inboxes, and nothing else is done under it.
//!
//! # The gate
//!
//! A reply may leave when the journal is written as far as the reply depends on it: [`Journal::released`]. Without a
//! writer the gate is open. Turned off, all of it costs one relaxed load per command.

mod record;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use record::Batch;

/// A block is closed when it holds at least this many bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// Bytes that no one changes any more.
#[derive(Clone, Debug)]
struct Block {
    start: u64,
    bytes: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Ring {
    closed: VecDeque<Block>,
    open_start: u64,
    open: Vec<u8>,
    db: Option<usize>,
    kept_bytes_max: usize,
}

impl Ring {
    fn end(&self) -> u64 {
        self.open_start + self.open.len() as u64
    }

    fn start(&self) -> u64 {
        self.closed.front().map_or(self.open_start, |block| block.start)
    }

    fn close_block(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let bytes = Arc::from(self.open.as_slice());
        self.closed.push_back(Block { start: self.open_start, bytes });
        self.open_start = self.end();
        self.open.clear();
        while let Some(front) = self.closed.front()
            && self.open_start - front.start > (self.kept_bytes_max + front.bytes.len()) as u64
        {
            self.closed.pop_front();
        }
    }
}

/// The replication log.
#[derive(Debug, Default)]
pub struct Journal {
    is_on: AtomicBool,
    is_gated: AtomicBool,
    written: AtomicU64,
    ring: Mutex<Ring>,
}

/// Why bytes of the journal cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// They were dropped to keep the ring small.
    #[error("the journal begins at offset {start}, offset {wanted} is gone")]
    Gone {
        /// What was asked for.
        wanted: u64,
        /// Where the ring begins.
        start: u64,
    },
    /// They do not exist yet.
    #[error("the journal ends at offset {end}, there is no offset {wanted}")]
    Ahead {
        /// What was asked for.
        wanted: u64,
        /// Where the ring ends.
        end: u64,
    },
}

impl Journal {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything reads the journal; commands need not append otherwise.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins to keep records, at least the last `kept_bytes_max` bytes of them. The caller holds all shards, so no
    /// command is between its change and its record.
    pub fn turn_on(&self, kept_bytes_max: usize) {
        let mut ring = self.ring();
        ring.kept_bytes_max = kept_bytes_max;
        ring.db = None;
        self.is_on.store(true, Ordering::Release);
    }

    /// Keeps no records any more and forgets those it has. The caller holds all shards.
    pub fn turn_off(&self) {
        let mut ring = self.ring();
        let end = ring.end();
        *ring = Ring { open_start: end, ..Ring::default() };
        self.is_on.store(false, Ordering::Release);
        self.is_gated.store(false, Ordering::Release);
    }

    /// Appends what one command, transaction or script did. Called under its shard locks. Returns the offset behind it.
    pub fn append(&self, batch: &Batch) -> u64 {
        let mut ring = self.ring();
        let mut db = ring.db;
        batch.encode(&mut db, &mut ring.open);
        ring.db = db;
        let end = ring.end();
        if ring.open.len() >= BLOCK_BYTES {
            ring.close_block();
        }
        end
    }

    /// Makes the next record begin with a SELECT: the cut of a snapshot or a new file.
    pub fn cut(&self) -> u64 {
        let mut ring = self.ring();
        ring.db = None;
        ring.end()
    }

    /// The offset behind the last record.
    pub fn end(&self) -> u64 {
        self.ring().end()
    }

    /// Lets replies wait until [`Journal::set_written`] has reached their offset, or not.
    pub fn set_gated(&self, gated: bool) {
        self.is_gated.store(gated, Ordering::Release);
    }

    /// Whether replies wait for the journal.
    #[inline]
    pub fn is_gated(&self) -> bool {
        self.is_gated.load(Ordering::Relaxed)
    }

    /// Tells that everything up to an offset is as durable as the configuration asks for.
    pub fn set_written(&self, offset: u64) {
        self.written.fetch_max(offset, Ordering::AcqRel);
    }

    /// Up to which offset replies may leave.
    #[inline]
    pub fn released(&self) -> u64 {
        if self.is_gated.load(Ordering::Acquire) { self.written.load(Ordering::Acquire) } else { u64::MAX }
    }

    /// Copies bytes from an offset on, at most `bytes_max`, to the end of `into`; returns the offset behind them.
    ///
    /// # Errors
    /// They are not kept any more, or do not exist yet.
    pub fn read(&self, from: u64, bytes_max: usize, into: &mut Vec<u8>) -> Result<u64, ReadError> {
        let ring = self.ring();
        if from < ring.start() {
            return Err(ReadError::Gone { wanted: from, start: ring.start() });
        }
        if from > ring.end() {
            return Err(ReadError::Ahead { wanted: from, end: ring.end() });
        }
        let mut at = from;
        let mut left = bytes_max;
        let first = ring.closed.partition_point(|block| block.start + block.bytes.len() as u64 <= from);
        let closed = ring.closed.iter().skip(first).map(|block| (block.start, &*block.bytes));
        for (start, bytes) in closed.chain([(ring.open_start, ring.open.as_slice())]) {
            let skipped = (at - start) as usize;
            let part = bytes.get(skipped..).unwrap_or_default();
            let part = part.get(..left).unwrap_or(part);
            into.extend_from_slice(part);
            at += part.len() as u64;
            left -= part.len();
            if left == 0 {
                break;
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(db: usize, words: &[&[u8]]) -> Batch {
        let mut batch = Batch::default();
        batch.push(db, words);
        batch
    }

    #[test]
    fn records_are_read_back_whatever_the_blocks() {
        let journal = Journal::default();
        journal.turn_on(1 << 20);
        let mut expected = Vec::new();
        for number in 0..5000u32 {
            let value = number.to_string();
            let db = (number / 1000) as usize;
            let end = journal.append(&batch(db, &[b"SET", b"key", value.as_bytes()]));
            if number % 1000 == 0 {
                expected.extend_from_slice(format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n").as_bytes());
            }
            expected.extend_from_slice(
                format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${}\r\n{value}\r\n", value.len()).as_bytes(),
            );
            assert_eq!(end, expected.len() as u64);
        }
        for step in [7, 1000, 70_000, usize::MAX] {
            let (mut read, mut at) = (Vec::new(), 0);
            while at < journal.end() {
                at = journal.read(at, step, &mut read).expect("it is all there");
            }
            assert_eq!(read, expected, "step {step}");
        }
    }

    #[test]
    fn what_was_dropped_is_named() {
        let journal = Journal::default();
        journal.turn_on(100_000);
        for _ in 0..10_000 {
            journal.append(&batch(0, &[b"SET", b"key", &[b'x'; 64]]));
        }
        let error = journal.read(0, 1, &mut Vec::new()).expect_err("the beginning is gone");
        let ReadError::Gone { wanted: 0, start } = error else { panic!("{error}") };
        assert!(journal.end() - start >= 100_000);
        assert!(journal.end() - start < 100_000 + 3 * BLOCK_BYTES as u64);
        assert!(matches!(journal.read(journal.end() + 1, 1, &mut Vec::new()), Err(ReadError::Ahead { .. })));
    }

    #[test]
    fn the_gate_is_open_without_a_writer() {
        let journal = Journal::default();
        assert_eq!(journal.released(), u64::MAX);
        journal.set_gated(true);
        journal.set_written(10);
        journal.set_written(5);
        assert_eq!(journal.released(), 10);
    }
}

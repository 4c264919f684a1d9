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
//! # Readers
//!
//! A [`Reader`] reads at its own pace, and nothing that it has not read is dropped. One that falls behind by more than
//! [`BEHIND_BYTES_MAX`] makes the journal crowded: sessions whose own records are not released run nothing more until it
//! has caught up, so that the ring holds no more than that bound and one round of everybody. Blocks are shared with
//! readers, not copied, and the last one that nobody needs is filled again.
//!
//! # The gate
//!
//! A reply may leave when the journal is released as far as the reply depends on it: [`Gate::released`]. Without a
//! writer the gate is open. Turned off, all of it costs one relaxed load per command.

mod gate;
mod record;
mod ring;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use gate::{Gate, Hold};
pub use record::{Batch, encode};
pub use ring::{BEHIND_BYTES_MAX, Pieces, Reader};

use ring::{BLOCK_BYTES, Ring};

/// The replication log.
#[derive(Debug, Default)]
pub struct Journal {
    is_on: AtomicBool,
    /// Which replies may leave.
    pub gate: Gate,
    /// A reader is too far behind.
    is_crowded: AtomicBool,
    end: AtomicU64,
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
        ring.set_kept(kept_bytes_max);
        ring.db = None;
        self.is_on.store(true, Ordering::Release);
    }

    /// Sets the offset of the next record, while nothing is kept: a log that is read again goes on where it ended.
    pub fn start_at(&self, offset: u64) {
        *self.ring() = Ring::starting(offset, 0);
        self.end.store(offset, Ordering::Release);
    }

    /// Keeps no records any more and forgets those it has. The caller holds all shards.
    pub fn turn_off(&self) {
        let end = {
            let mut ring = self.ring();
            let end = ring.end();
            *ring = Ring::starting(end, 0);
            self.is_on.store(false, Ordering::Release);
            self.is_crowded.store(false, Ordering::Release);
            end
        };
        // For good: the gate may be closed again before those who wait have looked.
        self.gate.release(end);
        self.gate.set_hold(Hold::Nothing);
    }

    /// Begins to read at the end. The caller holds all shards or has turned the journal on with them.
    pub fn reader(&self) -> Reader {
        let mut ring = self.ring();
        let end = ring.end();
        ring.add_reader(end)
    }

    /// Appends what one command, transaction or script did. Called under its shard locks. Returns the offset behind it.
    pub fn append(&self, batch: &Batch) -> u64 {
        let mut guard = self.ring();
        let ring = &mut *guard;
        batch.encode(&mut ring.db, &mut ring.open);
        let end = ring.end();
        if ring.open.len() >= BLOCK_BYTES && ring.close_block() > BEHIND_BYTES_MAX {
            self.is_crowded.store(true, Ordering::Release);
        }
        self.end.store(end, Ordering::Release);
        end
    }

    /// Whether a reader is so far behind that writers must wait for it.
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    /// Looks anew whether a reader is too far behind; readers call it when they have caught up.
    pub fn note_progress(&self) {
        if self.is_crowded() {
            let mut ring = self.ring();
            let is_crowded = ring.end() - ring.slowest() > BEHIND_BYTES_MAX;
            self.is_crowded.store(is_crowded, Ordering::Release);
        }
    }

    /// Makes the next record begin with a SELECT: the cut of a snapshot or a new file.
    pub fn cut(&self) -> u64 {
        let mut ring = self.ring();
        ring.db = None;
        ring.end()
    }

    /// The offset behind the last record.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Takes out everything from an offset on, but nothing from `limit` on; closed blocks are shared, not copied.
    ///
    /// # Errors
    /// It is not kept any more, or does not exist yet.
    pub fn take(&self, from: u64, limit: u64, into: &mut Pieces) -> Result<(), ReadError> {
        let ring = self.ring();
        check(&ring, from)?;
        ring.take(from, limit, into);
        Ok(())
    }

    /// Copies bytes from an offset on, at most `bytes_max`, to the end of `into`; returns the offset behind them.
    ///
    /// # Errors
    /// They are not kept any more, or do not exist yet.
    pub fn read(&self, from: u64, bytes_max: usize, into: &mut Vec<u8>) -> Result<u64, ReadError> {
        let ring = self.ring();
        check(&ring, from)?;
        Ok(ring.read(from, bytes_max, into))
    }
}

fn check(ring: &Ring, from: u64) -> Result<(), ReadError> {
    if from < ring.start() {
        return Err(ReadError::Gone { wanted: from, start: ring.start() });
    }
    if from > ring.end() {
        return Err(ReadError::Ahead { wanted: from, end: ring.end() });
    }
    Ok(())
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
        assert_eq!(journal.gate.released(), u64::MAX);
        journal.gate.set_hold(Hold::Own);
        journal.gate.release(10);
        journal.gate.release(5);
        assert_eq!(journal.gate.released(), 10);
    }

    #[test]
    fn nothing_is_dropped_that_a_reader_needs() {
        let journal = Journal::default();
        journal.turn_on(0);
        let reader = journal.reader();
        let value = [b'x'; 1000];
        let mut pieces = Pieces::default();
        let mut seen = 0;
        while !journal.is_crowded() {
            journal.append(&batch(0, &[b"SET", b"key", &value]));
            assert!(journal.end() < BEHIND_BYTES_MAX + 2 * BLOCK_BYTES as u64);
        }
        journal.take(0, u64::MAX, &mut pieces).expect("the reader has read nothing yet");
        assert_eq!(pieces.end, journal.end());
        pieces.iter().for_each(|piece| seen += piece.len() as u64);
        assert_eq!(seen, journal.end());
        let mut copied = Vec::new();
        journal.read(0, usize::MAX, &mut copied).expect("it is all there");
        assert_eq!(pieces.iter().collect::<Vec<_>>().concat(), copied);
        for limit in [1, 100_000, BEHIND_BYTES_MAX - 5] {
            journal.take(3, limit.max(3), &mut pieces).expect("it is all there");
            assert_eq!(pieces.iter().collect::<Vec<_>>().concat(), copied[3..limit.max(3) as usize]);
            assert_eq!(pieces.end, limit.max(3));
        }
        reader.advance(journal.end());
        journal.note_progress();
        assert!(!journal.is_crowded());
        for _ in 0..100 {
            journal.append(&batch(0, &[b"SET", b"key", &value]));
        }
        assert!(matches!(journal.read(0, 1, &mut Vec::new()), Err(ReadError::Gone { .. })));
        journal.take(reader.offset(), u64::MAX, &mut pieces).expect("nobody has read it yet");
    }

    #[test]
    fn several_records_stand_between_multi_and_exec() {
        let journal = Journal::default();
        journal.turn_on(1 << 20);
        let mut both = batch(0, &[b"A"]);
        both.push(1, &[b"B"]);
        both.set_transaction();
        let mut one = batch(1, &[b"C"]);
        one.set_transaction();
        journal.append(&both);
        journal.append(&one);
        let mut text = Vec::new();
        journal.read(0, usize::MAX, &mut text).expect("it is all there");
        let words: Vec<_> = String::from_utf8_lossy(&text).split("\r\n").map(str::to_owned).collect();
        let names: Vec<_> = words.iter().filter(|word| word.bytes().any(|byte| byte.is_ascii_uppercase())).collect();
        assert_eq!(names, ["SELECT", "MULTI", "A", "SELECT", "B", "EXEC", "C"]);
    }
}

//! Batches of records and their encoding.

use std::cell::Cell;

use crate::number::Decimal;

/// Capacity that a thread keeps for its next batch.
const CAPACITY_KEPT: usize = 64 * 1024;
/// Bytes before each record of a batch: its database and its length.
const HEADER: usize = 12;

thread_local! {
    /// The buffer of this thread's last batch: a command that is journalled allocates nothing.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What one command, transaction or script did: commands that are replayed together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records, each behind a [`HEADER`]: one buffer, as a batch is made for every command and mostly stays empty.
    records: Vec<u8>,
    is_transaction: bool,
}

impl Batch {
    /// Adds a command.
    pub fn push<W: AsRef<[u8]>>(&mut self, db: usize, words: &[W]) {
        if self.records.capacity() == 0 {
            self.records = SPARE.take();
        }
        let begin = self.records.len();
        let bytes: usize = words.iter().map(|word| word.as_ref().len() + 16).sum();
        self.records.reserve(HEADER + 16 + bytes);
        self.records.extend_from_slice(&(db as u32).to_le_bytes());
        self.records.extend_from_slice(&[0; 8]);
        encode(words, &mut self.records);
        let length = (self.records.len() - begin - HEADER) as u64;
        if let Some(place) = self.records.get_mut(begin + 4..begin + HEADER) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Marks it as a transaction: more than one command of it stands between MULTI and EXEC.
    pub const fn set_transaction(&mut self) {
        self.is_transaction = true;
    }

    /// Whether it holds no command.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets its commands; the thread's next batch has its memory.
    pub fn clear(&mut self) {
        self.is_transaction = false;
        let mut records = std::mem::take(&mut self.records);
        if records.capacity() <= CAPACITY_KEPT {
            records.clear();
            SPARE.set(records);
        }
    }

    /// Appends it to `into`; `db` is the database that the records before it left selected.
    pub(super) fn encode(&self, db: &mut Option<usize>, into: &mut Vec<u8>) {
        let mut records = Records { rest: &self.records }.peekable();
        let mut is_first = true;
        let mut is_framed = false;
        while let Some((record_db, bytes)) = records.next() {
            if *db != Some(record_db) {
                encode(&[b"SELECT".as_slice(), Decimal::from(record_db as u64).as_bytes()], into);
                *db = Some(record_db);
            }
            if is_first && self.is_transaction && records.peek().is_some() {
                into.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
                is_framed = true;
            }
            is_first = false;
            into.extend_from_slice(bytes);
        }
        if is_framed {
            into.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
        }
    }
}

/// The records of a batch, each with its database.
struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (db, rest) = self.rest.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
        self.rest = rest;
        Some((u32::from_le_bytes(*db) as usize, bytes))
    }
}

/// Appends a command in RESP, as the journal and append-only files hold it.
pub fn encode<W: AsRef<[u8]>>(words: &[W], into: &mut Vec<u8>) {
    let header = |mark: u8, length: usize, into: &mut Vec<u8>| {
        into.push(mark);
        match u8::try_from(length) {
            // Most are short.
            Ok(digit @ 0..=9) => into.push(b'0' + digit),
            _ => into.extend_from_slice(Decimal::from(length as u64).as_bytes()),
        }
        into.extend_from_slice(b"\r\n");
    };
    header(b'*', words.len(), into);
    for word in words {
        header(b'$', word.as_ref().len(), into);
        into.extend_from_slice(word.as_ref());
        into.extend_from_slice(b"\r\n");
    }
}

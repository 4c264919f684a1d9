//! Batches of records and their encoding.

use crate::number::Decimal;

/// What one command, transaction or script did: commands that are replayed together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    encoded: Vec<Record>,
    is_transaction: bool,
}

#[derive(Debug)]
struct Record {
    db: usize,
    bytes: Vec<u8>,
}

impl Batch {
    /// Adds a command.
    pub fn push<W: AsRef<[u8]>>(&mut self, db: usize, words: &[W]) {
        let mut bytes = Vec::with_capacity(16 + words.iter().map(|word| word.as_ref().len() + 16).sum::<usize>());
        encode(words, &mut bytes);
        self.encoded.push(Record { db, bytes });
    }

    /// Marks it as a transaction: more than one command of it stands between MULTI and EXEC.
    pub const fn set_transaction(&mut self) {
        self.is_transaction = true;
    }

    /// Whether it holds no command.
    pub const fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// Appends it to `into`; `db` is the database that the records before it left selected.
    pub(super) fn encode(&self, db: &mut Option<usize>, into: &mut Vec<u8>) {
        let framed = self.is_transaction && self.encoded.len() > 1;
        for (number, record) in self.encoded.iter().enumerate() {
            if *db != Some(record.db) {
                encode(&[b"SELECT".as_slice(), Decimal::from(record.db as u64).as_bytes()], into);
                *db = Some(record.db);
            }
            if framed && number == 0 {
                encode(&[b"MULTI"], into);
            }
            into.extend_from_slice(&record.bytes);
        }
        if framed {
            encode(&[b"EXEC"], into);
        }
    }
}

fn encode<W: AsRef<[u8]>>(words: &[W], into: &mut Vec<u8>) {
    let header = |mark: u8, length: usize, into: &mut Vec<u8>| {
        into.push(mark);
        into.extend_from_slice(Decimal::from(length as u64).as_bytes());
        into.extend_from_slice(b"\r\n");
    };
    header(b'*', words.len(), into);
    for word in words {
        header(b'$', word.as_ref().len(), into);
        into.extend_from_slice(word.as_ref());
        into.extend_from_slice(b"\r\n");
    }
}

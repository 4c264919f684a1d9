//! The bytes of the journal: a ring of reference-counted blocks.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// A block is closed when it holds at least this many bytes.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;
/// Capacity of a block that is used again.
const REUSED_BYTES_MAX: usize = 2 * BLOCK_BYTES;
/// Who must not miss anything may be behind by so many bytes before writers wait for it.
pub const BEHIND_BYTES_MAX: u64 = 64 << 20;

/// Bytes that no one changes any more.
#[derive(Clone, Debug)]
struct Block {
    start: u64,
    bytes: Arc<Vec<u8>>,
}

impl Block {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Somebody who reads the journal at its own pace and must not miss anything: nothing behind its offset is dropped.
#[derive(Debug)]
pub struct Reader {
    at: Arc<AtomicU64>,
}

impl Reader {
    /// What was read so far.
    pub fn offset(&self) -> u64 {
        self.at.load(Ordering::Acquire)
    }

    /// Everything before this offset was read.
    pub fn advance(&self, offset: u64) {
        self.at.store(offset, Ordering::Release);
    }
}

/// A run of the journal's bytes, taken out in pieces: closed blocks are shared, what stands in the open one is copied.
#[derive(Debug, Default)]
pub struct Pieces {
    closed: Vec<(Arc<Vec<u8>>, Range<usize>)>,
    open: Vec<u8>,
    /// The offset behind the last byte: the end of a batch.
    pub end: u64,
}

impl Pieces {
    /// The pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let closed = self.closed.iter().map(|(bytes, range)| bytes.get(range.clone()).unwrap_or_default());
        closed.chain([self.open.as_slice()]).filter(|piece| !piece.is_empty())
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.iter().map(<[u8]>::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them; blocks that are not shared any more can be used again by the journal.
    pub fn clear(&mut self) {
        self.closed.clear();
        self.open.clear();
        if self.open.capacity() > REUSED_BYTES_MAX {
            self.open = Vec::new();
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Ring {
    closed: VecDeque<Block>,
    open_start: u64,
    pub(super) open: Vec<u8>,
    pub(super) db: Option<usize>,
    kept_bytes_max: usize,
    readers: Vec<Weak<AtomicU64>>,
    spare: Option<Vec<u8>>,
}

impl Ring {
    /// An empty ring whose first byte will have this offset.
    pub(super) fn starting(offset: u64, kept_bytes_max: usize) -> Self {
        Self { open_start: offset, kept_bytes_max, ..Self::default() }
    }

    pub(super) fn end(&self) -> u64 {
        self.open_start + self.open.len() as u64
    }

    pub(super) fn start(&self) -> u64 {
        self.closed.front().map_or(self.open_start, |block| block.start)
    }

    pub(super) fn set_kept(&mut self, kept_bytes_max: usize) {
        self.kept_bytes_max = kept_bytes_max;
    }

    pub(super) fn add_reader(&mut self, offset: u64) -> Reader {
        let at = Arc::new(AtomicU64::new(offset));
        self.readers.push(Arc::downgrade(&at));
        Reader { at }
    }

    /// How far the slowest reader is; the end of the journal without any.
    pub(super) fn slowest(&mut self) -> u64 {
        let mut slowest = self.end();
        self.readers.retain(|reader| match reader.upgrade() {
            Some(at) => {
                slowest = slowest.min(at.load(Ordering::Acquire));
                true
            }
            None => false,
        });
        slowest
    }

    /// Closes the open block and drops those that nobody needs. How far the slowest reader is behind.
    pub(super) fn close_block(&mut self) -> u64 {
        let spare = self.spare.take().unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 8));
        let bytes = std::mem::replace(&mut self.open, spare);
        let start = self.open_start;
        self.open_start += bytes.len() as u64;
        self.closed.push_back(Block { start, bytes: Arc::new(bytes) });
        let slowest = self.slowest();
        self.drop_old(slowest);
        self.end() - slowest
    }

    fn drop_old(&mut self, slowest: u64) {
        let kept = self.open_start.saturating_sub(self.kept_bytes_max as u64).min(slowest);
        while let Some(front) = self.closed.front()
            && front.end() <= kept
        {
            let Some(block) = self.closed.pop_front() else { return };
            if let Ok(mut bytes) = Arc::try_unwrap(block.bytes)
                && bytes.capacity() <= REUSED_BYTES_MAX
            {
                bytes.clear();
                self.spare = Some(bytes);
            }
        }
    }

    /// The closed blocks from an offset on, each with the bytes to skip, and what to skip of the open one.
    fn from(&self, offset: u64) -> (impl Iterator<Item = (&Arc<Vec<u8>>, usize)>, usize) {
        let first = self.closed.partition_point(|block| block.end() <= offset);
        let closed = self
            .closed
            .iter()
            .skip(first)
            .map(move |block| (&block.bytes, offset.saturating_sub(block.start) as usize));
        (closed, offset.saturating_sub(self.open_start) as usize)
    }

    /// Takes out everything from an offset on, but nothing from `limit` on.
    pub(super) fn take(&self, offset: u64, limit: u64, into: &mut Pieces) {
        into.clear();
        into.end = self.end().min(limit).max(offset);
        let first = self.closed.partition_point(|block| block.end() <= offset);
        for block in self.closed.iter().skip(first).take_while(|block| block.start < limit) {
            let range = offset.saturating_sub(block.start) as usize..(limit.min(block.end()) - block.start) as usize;
            into.closed.push((Arc::clone(&block.bytes), range));
        }
        let begin = offset.saturating_sub(self.open_start) as usize;
        let end = into.end.saturating_sub(self.open_start) as usize;
        into.open.extend_from_slice(self.open.get(begin..end).unwrap_or_default());
    }

    /// Copies bytes from an offset on, at most `bytes_max`; the offset behind them.
    pub(super) fn read(&self, offset: u64, bytes_max: usize, into: &mut Vec<u8>) -> u64 {
        let (closed, skipped) = self.from(offset);
        let closed = closed.map(|(bytes, skipped)| bytes.get(skipped..).unwrap_or_default());
        let (mut at, mut left) = (offset, bytes_max);
        for bytes in closed.chain([self.open.get(skipped..).unwrap_or_default()]) {
            let part = bytes.get(..left).unwrap_or(bytes);
            into.extend_from_slice(part);
            at += part.len() as u64;
            left -= part.len();
            if left == 0 {
                break;
            }
        }
        at
    }
}

//! What a session still has to send.
//!
//! Replies are written into one contiguous buffer; large shared values are spliced in between without being copied. Marks say
//! from which journal offset on a part may leave: a reply must not be seen before the change that it confirms is safe.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;

use rkv_collections::bytes::Shared;

/// From this size on a shared buffer is sent from where it is: below, a copy is cheaper than one more piece of a `writev`.
pub const SPLICE_BYTES_MIN: usize = 16 * 1024;
/// Capacity that a thread keeps for its next output; a drained output itself keeps none.
pub const CAPACITY_KEPT: usize = 64 * 1024;

/// A shared buffer on its way out.
#[derive(Debug)]
struct Splice {
    /// Index in `bytes` before which it is sent.
    at: usize,
    buffer: Shared,
    /// The part still to be sent.
    start: usize,
    end: usize,
}

impl Splice {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    const fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Everything up to a position waits for a journal offset.
#[derive(Clone, Copy, Debug)]
struct Mark {
    position: u64,
    offset: u64,
}

thread_local! {
    /// The buffer of the connection of this thread that was drained last: one for all, as most are drained at once.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A queue of bytes. Positions count all bytes ever written to it.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Bytes at the beginning of `bytes` that are sent.
    head: usize,
    splices: VecDeque<Splice>,
    /// Bytes in `splices` that are not sent.
    spliced: usize,
    /// Bytes sent since the beginning.
    sent: u64,
    marks: VecDeque<Mark>,
    /// The position up to which bytes may leave, whatever is marked; without marks all may.
    released: u64,
}

impl Output {
    /// Gets ready for a round of replies with the thread's spare buffer, so that a connection that owns none need not grow
    /// one reply by reply.
    #[inline]
    pub fn warm(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
    }

    /// Bytes still to be sent, whether they may leave yet or not.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.head + self.spliced
    }

    /// Whether nothing is left to send.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position behind the last byte written.
    #[inline]
    pub fn position(&self) -> u64 {
        self.sent + self.len() as u64
    }

    /// Bytes allocated by this output alone.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.splices.capacity() * size_of::<Splice>()
            + self.marks.capacity() * size_of::<Mark>()
    }

    /// Appends bytes as they are, such as a reply encoded elsewhere.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a shared buffer as it is; a large one is not copied.
    pub fn splice(&mut self, buffer: &Shared) {
        self.splice_from(buffer, 0);
    }

    /// Appends a shared buffer from an index on; a large one is not copied.
    pub fn splice_from(&mut self, buffer: &Shared, start: usize) {
        let end = buffer.len();
        if end < SPLICE_BYTES_MIN {
            self.bytes.extend_from_slice(buffer.get(start..).unwrap_or_default());
            return;
        }
        let start = start.min(end);
        self.splices.push_back(Splice { at: self.bytes.len(), buffer: buffer.clone(), start, end });
        self.spliced += end - start;
    }

    /// Everything that is left, marks or not, as one piece.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.marks.clear();
        let mut all = Vec::with_capacity(self.len());
        while !self.is_empty() {
            let piece = self.sendable();
            all.extend_from_slice(piece);
            let sent = piece.len();
            self.advance(sent);
        }
        all
    }

    /// Holds back everything written so far until the journal is safe up to `offset`, except what a release let go already.
    /// Marking the same bytes twice is allowed: they wait for the larger offset.
    pub fn mark(&mut self, offset: u64) {
        let position = self.position();
        if position == self.sent {
            return;
        }
        match self.marks.back_mut() {
            // What follows waits for what precedes it anyway.
            Some(last) if last.offset >= offset || last.position == position => {
                last.position = position;
                last.offset = last.offset.max(offset);
            }
            Some(_) => self.marks.push_back(Mark { position, offset }),
            None if position <= self.released => {}
            None => {
                self.released = self.released.max(self.sent);
                self.marks.push_back(Mark { position, offset });
            }
        }
    }

    /// The end of a round: what is not marked now is not held back by a later mark either. Its driver may have begun to send it.
    #[inline]
    pub fn let_go(&mut self) {
        if self.marks.is_empty() {
            self.released = self.position();
        }
    }

    /// Lets everything go whose marks are not beyond `durable`.
    pub fn release(&mut self, durable: u64) {
        while let Some(mark) = self.marks.front()
            && mark.offset <= durable
        {
            self.released = mark.position;
            self.marks.pop_front();
        }
    }

    /// The journal offset that the next bytes wait for, if something waits.
    pub fn waits_for(&self) -> Option<u64> {
        self.marks.front().map(|mark| mark.offset)
    }

    /// Bytes that may leave now.
    #[inline]
    pub fn sendable_len(&self) -> usize {
        if self.marks.is_empty() { self.len() } else { self.released.saturating_sub(self.sent) as usize }
    }

    /// The first contiguous piece of what may leave now; empty if nothing may.
    #[inline]
    pub fn sendable(&self) -> &[u8] {
        let (piece, _) = self.piece(self.head, 0);
        piece.get(..self.sendable_len()).unwrap_or(piece)
    }

    /// Fills `slices` with what may leave now, in order, and returns how many it used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut left = self.sendable_len();
        let mut at = self.head;
        let mut splice = 0;
        let mut used = 0;
        for slice in slices {
            let (piece, is_splice) = self.piece(at, splice);
            let piece = piece.get(..left).unwrap_or(piece);
            if piece.is_empty() {
                break;
            }
            if is_splice {
                splice += 1;
            } else {
                at += piece.len();
            }
            left -= piece.len();
            *slice = IoSlice::new(piece);
            used += 1;
        }
        used
    }

    /// The piece at index `at` of `bytes`, when `splice` splices are behind us: a splice that belongs there, or the bytes up to
    /// the next one.
    #[inline]
    fn piece(&self, at: usize, splice: usize) -> (&[u8], bool) {
        match self.splices.get(splice) {
            Some(next) if next.at == at => (next.bytes(), true),
            Some(next) => (self.bytes.get(at..next.at).unwrap_or_default(), false),
            None => (self.bytes.get(at..).unwrap_or_default(), false),
        }
    }

    /// Forgets the first `count` bytes, which are sent; never more than may leave.
    pub fn advance(&mut self, count: usize) {
        let mut left = count.min(self.sendable_len());
        self.sent += left as u64;
        while left > 0 {
            match self.splices.front_mut() {
                Some(splice) if splice.at == self.head => {
                    let step = left.min(splice.len());
                    splice.start += step;
                    self.spliced -= step;
                    left -= step;
                    if splice.len() == 0 {
                        self.splices.pop_front();
                    }
                }
                next => {
                    let end = next.map_or(self.bytes.len(), |splice| splice.at);
                    let step = left.min(end - self.head);
                    self.head += step;
                    left -= step;
                }
            }
        }
        if self.is_empty() {
            self.drained();
        } else if self.head > CAPACITY_KEPT && self.head >= self.bytes.len() / 2 {
            self.compact();
        }
    }

    /// Takes back everything behind `position` that is not sent: CLIENT REPLY OFF runs a command and drops its reply.
    pub fn truncate_to(&mut self, position: u64) {
        let mut excess = self.position().saturating_sub(position).min(self.len() as u64) as usize;
        while excess > 0 {
            let floor = self.splices.back().map_or(self.head, |splice| splice.at);
            let step = excess.min(self.bytes.len() - floor);
            self.bytes.truncate(self.bytes.len() - step);
            excess -= step;
            if excess > 0 {
                let Some(splice) = self.splices.back_mut() else {
                    break;
                };
                let step = excess.min(splice.len());
                splice.end -= step;
                self.spliced -= step;
                excess -= step;
                if splice.len() == 0 {
                    self.splices.pop_back();
                }
            }
        }
        let end = self.position();
        self.released = self.released.min(end);
        // The first mark that loses bytes still covers those between its predecessor and the new end.
        let keep = self.marks.partition_point(|mark| mark.position < end);
        self.marks.truncate(keep + 1);
        if let Some(mark) = self.marks.get_mut(keep) {
            mark.position = mark.position.min(end);
        }
        if self.is_empty() {
            self.drained();
        }
    }

    fn drained(&mut self) {
        self.head = 0;
        self.marks.clear();
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() <= CAPACITY_KEPT {
            bytes.clear();
            SPARE.set(bytes);
        }
        if self.splices.capacity() > 4 {
            self.splices.shrink_to(4);
        }
        if self.marks.capacity() > 4 {
            self.marks.shrink_to(4);
        }
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.head);
        for splice in &mut self.splices {
            splice.at -= self.head;
        }
        self.head = 0;
    }

    /// The contiguous buffer, for the encoder.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Replaces the `old_len` bytes at index `at` of the buffer by `new`: the header of an aggregate whose length was not known.
    pub(super) fn replace(&mut self, at: usize, old_len: usize, new: &[u8]) {
        let Some(old) = self.bytes.get_mut(at..at + old_len) else {
            return;
        };
        let shared = old_len.min(new.len());
        let (same, more) = new.split_at(shared);
        for (old, new) in old.iter_mut().zip(same) {
            *old = *new;
        }
        let from = at + shared;
        self.bytes.splice(from..at + old_len, more.iter().copied());
        for splice in self.splices.iter_mut().rev().take_while(|splice| splice.at > at) {
            splice.at = splice.at + new.len() - old_len;
        }
    }
}

#[cfg(test)]
mod tests;

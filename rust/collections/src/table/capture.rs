//! Capture: the references as of one moment, handed out bit by bit while the table goes on changing.
//!
//! A capture is an epoch. A segment whose epoch is older has not changed since the cut; before its first change its
//! references are copied into a record, kept by the range of hashes it stood for, which later splits and merges do not
//! alter. A segment made by growth, splitting or merging is made from captured ones, so it is born with the current
//! epoch. Draining takes the records first, because blobs wait in their limbo, then walks the segments in the order of
//! their hashes and marks those it emits, so that they need no record any more.

use super::Table;
use std::collections::BTreeMap;

/// What a captured segment held at the cut.
struct Record<R> {
    /// The last hash of its range.
    last: u64,
    references: Vec<R>,
    /// Those of `references` that left the table since: freed when the record was emitted.
    limbo: Vec<R>,
    /// What the caller says that those take.
    limbo_bytes: usize,
}

pub(super) struct Capture<R> {
    /// By the first hash of the range; ranges do not overlap.
    records: BTreeMap<u64, Record<R>>,
    /// The first hash of which the walk has not seen the segment; `None` behind the last.
    position: Option<u64>,
    /// How many references the records hold.
    copied: usize,
    /// What the caller says that everything in limbo takes.
    limbo_bytes: usize,
}

/// What a record takes besides its references: itself and its share of a node of the tree.
const RECORD_BYTES: usize = 128;

impl<R: Copy + Eq> Capture<R> {
    fn record(&mut self, hash: u64) -> Option<&mut Record<R>> {
        let (_, record) = self.records.range_mut(..=hash).next_back()?;
        (hash <= record.last).then_some(record)
    }
}

impl<R: Copy + Eq> Table<R> {
    /// Cuts: from here on `drain` gives the entries that the table holds now. Touches no segment.
    ///
    /// # Panics
    /// If a capture is going on.
    pub fn begin_capture(&mut self) {
        assert!(self.capture.is_none(), "one capture at a time");
        self.epoch = self.epoch.wrapping_add(1);
        let position = (self.len > 0).then_some(0);
        self.capture = Some(Box::new(Capture { records: BTreeMap::new(), position, copied: 0, limbo_bytes: 0 }));
    }

    /// Whether a capture has begun and is not yet drained.
    #[inline]
    pub fn capturing(&self) -> bool {
        self.capture.is_some()
    }

    /// Bytes that only the capture needs: what is in limbo, and the references that were copied and not yet emitted, each
    /// of which may come into limbo, too.
    pub fn captured_bytes(&self) -> usize {
        self.capture.as_ref().map_or(0, |capture| {
            capture.limbo_bytes + 2 * capture.copied * size_of::<R>() + capture.records.len() * RECORD_BYTES
        })
    }

    /// To be called before anything behind an entry for `hash` is changed. If true, the capture may still need the
    /// blob: leave it as it is, write a new one, `replace`, and `retire` the old one.
    #[inline]
    pub fn prepare_write(&mut self, hash: u64) -> bool {
        self.capture.is_some() && self.capture_segment(hash)
    }

    /// Hands over a blob that left the table. If true, the capture keeps it and frees it through `drain` or
    /// `abort_capture`; if false, it was not there at the cut or was emitted already, and the caller frees it now. `bytes`
    /// is asked how much memory is kept with it.
    pub fn retire(&mut self, hash: u64, reference: R, bytes: impl FnOnce() -> usize) -> bool {
        let Some(capture) = &mut self.capture else { return false };
        let Some(record) = capture.record(hash) else { return false };
        let needed = record.references.contains(&reference);
        if needed {
            let bytes = bytes();
            record.limbo.push(reference);
            record.limbo_bytes += bytes;
            capture.limbo_bytes += bytes;
        }
        needed
    }

    /// Emits the references of one segment as of the cut, then gives those of its limbo to `free`. False when nothing
    /// was left to emit: the capture is then over.
    pub fn drain(&mut self, mut each: impl FnMut(R), free: impl FnMut(R)) -> bool {
        let Some(capture) = &mut self.capture else {
            return false;
        };
        if let Some((_, record)) = capture.records.pop_first() {
            capture.copied -= record.references.len();
            capture.limbo_bytes -= record.limbo_bytes;
            record.references.into_iter().for_each(each);
            record.limbo.into_iter().for_each(free);
            return true;
        }
        while let Some(position) = capture.position.filter(|_| !self.directory.is_empty()) {
            let lines = self.directory.lines(position);
            let last = lines.shape.last(position);
            capture.position = last.checked_add(1);
            if self.directory.side(position).epoch != self.epoch {
                self.directory.set_epoch(position, self.epoch);
                let lines = self.directory.lines(position);
                lines.each(|_, reference| each(reference));
                self.stashed_between(position, last).for_each(each);
                return true;
            }
        }
        self.capture = None;
        false
    }

    /// Ends the capture; gives what is in limbo to `free`.
    pub fn abort_capture(&mut self, mut free: impl FnMut(R)) {
        if let Some(capture) = self.capture.take() {
            capture.records.into_values().flat_map(|record| record.limbo).for_each(&mut free);
        }
    }

    /// Takes the references of the segment for `hash` if that was not done yet; whether a record covers `hash`.
    fn capture_segment(&mut self, hash: u64) -> bool {
        if !self.directory.is_empty() && self.directory.side(hash).epoch != self.epoch {
            self.directory.set_epoch(hash, self.epoch);
            let lines = self.directory.lines(hash);
            let (start, last) = (lines.shape.start(hash), lines.shape.last(hash));
            let mut references = Vec::with_capacity(self.directory.side(hash).count);
            lines.each(|_, reference| references.push(reference));
            references.extend(self.stashed_between(start, last));
            if let Some(capture) = self.capture.as_mut().filter(|_| !references.is_empty()) {
                capture.copied += references.len();
                capture.records.insert(start, Record { last, references, limbo: Vec::new(), limbo_bytes: 0 });
            }
        }
        self.capture.as_mut().is_some_and(|capture| capture.record(hash).is_some())
    }

    /// Takes the references of all segments, before the table is emptied at once.
    pub(super) fn capture_all(&mut self) {
        let Some(capture) = &mut self.capture else {
            return;
        };
        let mut position = capture.position.take();
        while let Some(start) = position.filter(|_| !self.directory.is_empty()) {
            let last = self.directory.shape(start).last(start);
            self.capture_segment(start);
            position = last.checked_add(1);
        }
    }
}

//! The cut: the whole keyspace as of one moment, told segment by segment while it goes on changing.
//!
//! # Shape
//!
//! ```text
//! begin_cut ─all shards locked─▶ every table begins a new epoch, the journal's offset is read   (no entry is touched)
//! drain     ─one shard locked──▶ one segment's entries as of the cut are copied out             (again and again)
//! ```
//!
//! Whoever changes a segment before it was told leaves its old references behind first, and its old blobs in limbo; that is
//! the business of [`Db`]. What a FLUSH empties meanwhile stays with its shard until it was told ([`Shard::take`]), and a
//! database keeps the number that it had at the cut through SWAPDB.
//!
//! # Lock rule
//!
//! Only [`Keyspace::begin_cut`] holds more than one shard. It sweeps: it tries all, and if one is held it lets go of all
//! before it tries again, so that it never makes others wait for a shard that waits for another. Under a load that never
//! lets a sweep through it locks in ascending order like every command. Large values are shared with the copy, not copied:
//! a large collection begins a capture of its own and is drained piece by piece, under its own lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::blob::Form;
use super::blobs::Entry;
use super::db::Db;
use super::shard::{Keyspace, Locks, Poisoned, Shard};
use crate::values::{Gauge, Large, Packing, Share, ValueRef};

/// How often the sweep lets go of everything and tries again.
const SWEEPS_MAX: usize = 64;

/// Why there is no cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// There is one cut at a time.
    #[error("another snapshot is under way")]
    Busy,
    /// A thread panicked while it held a shard.
    #[error("a bug left the data half changed")]
    Poisoned,
}

impl From<Poisoned> for CutError {
    fn from(_: Poisoned) -> Self {
        Self::Poisoned
    }
}

/// One moment of the keyspace. Dropping it ends it, drained or not.
#[derive(Debug)]
pub struct Cut<'e> {
    keyspace: &'e Keyspace,
    shard: usize,
}

/// A cut on its way to the thread that tells it. It has to be resumed: until then memory is kept for it, and there can be no
/// other one.
#[derive(Debug)]
#[must_use]
pub struct ParkedCut {
    shard: usize,
}

impl Keyspace {
    /// Goes on with a cut of this keyspace.
    #[expect(clippy::needless_pass_by_value, reason = "it goes on once")]
    pub fn resume(&self, parked: ParkedCut) -> Cut<'_> {
        Cut { keyspace: self, shard: parked.shard }
    }

    /// Whether a cut is under way.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Bytes of memory that only a snapshot needs: what was overwritten or removed since its cut and is not told yet. Asks
    /// one shard after the other.
    pub fn captured_bytes(&self) -> usize {
        for shard in 0..self.len() {
            if let Ok(mut locks) = self.lock(1 << shard) {
                self.publish_captured(&mut locks);
            }
        }
        self.published_captured()
    }

    /// The same as last published: without any lock, and a little behind.
    pub fn published_captured(&self) -> usize {
        self.captured.load(Ordering::Relaxed).saturating_add(self.gauge.bytes())
    }

    /// The part of it that collections keep, and the entries that are being told.
    pub fn gauge_bytes(&self) -> usize {
        self.gauge.bytes()
    }

    /// Publishes what the held shards keep for a snapshot; what all shards do, as last published.
    pub fn publish_captured(&self, locks: &mut Locks<'_>) -> usize {
        for (_, shard) in locks.iter_mut() {
            let bytes = shard.captured_bytes();
            let before = std::mem::replace(&mut shard.published_captured, bytes);
            if bytes != before {
                self.captured.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
            }
        }
        self.published_captured()
    }

    /// Locks all shards; lets go of those it has while another one is held, a bounded number of times.
    ///
    /// # Errors
    /// A thread panicked with a shard.
    pub fn sweep(&self) -> Result<Locks<'_>, Poisoned> {
        for _ in 0..SWEEPS_MAX {
            if let Some(locks) = self.try_lock(self.all())? {
                return Ok(locks);
            }
            std::thread::yield_now();
        }
        self.lock(self.all())
    }

    /// Cuts: what is stored now will be told by [`Cut::drain`]. `observe` runs at the cut, under all locks: it must be short.
    ///
    /// # Errors
    /// [`CutError::Busy`] while another cut lives.
    pub fn begin_cut<T>(&self, observe: impl FnOnce(&Locks<'_>) -> T) -> Result<(Cut<'_>, T), CutError> {
        if self.is_cut.swap(true, Ordering::AcqRel) {
            return Err(CutError::Busy);
        }
        // Made first, so that whatever fails below ends it.
        let cut = Cut { keyspace: self, shard: 0 };
        let mut locks = self.sweep()?;
        locks.iter_mut().for_each(|(_, shard)| shard.begin_capture(&self.gauge));
        self.publish_captured(&mut locks);
        let observed = observe(&locks);
        drop(locks);
        Ok((cut, observed))
    }
}

impl Cut<'_> {
    /// Replaces what `into` holds by the entries of one more segment as of the cut, expired ones included; false when all
    /// were told.
    ///
    /// # Errors
    /// [`CutError::Poisoned`]: what was told so far is not worth keeping.
    pub fn drain(&mut self, into: &mut Captured) -> Result<bool, CutError> {
        into.clear();
        while self.shard < self.keyspace.len() {
            let mut locks = self.keyspace.lock(1 << self.shard)?;
            let mut emptied = Vec::new();
            let more = locks.shard(self.shard).drain(into, &mut emptied);
            drop(locks);
            // Thousands of large values may hang on them, so they are dropped when nobody waits for the shard any more.
            drop(emptied);
            if more {
                return Ok(true);
            }
            self.shard += 1;
        }
        Ok(false)
    }

    /// Puts the cut aside, so that another thread goes on with it.
    pub fn park(self) -> ParkedCut {
        let parked = ParkedCut { shard: self.shard };
        std::mem::forget(self);
        parked
    }

    /// How many shards were told to the end.
    pub const fn shards_done(&self) -> usize {
        self.shard
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        for shard in self.shard..self.keyspace.len() {
            if let Ok(mut locks) = self.keyspace.lock(1 << shard) {
                let emptied = locks.shard(shard).abort_capture();
                drop(locks);
                drop(emptied);
            }
        }
        self.keyspace.is_cut.store(false, Ordering::Release);
    }
}

/// The entries of one segment, copied out.
#[derive(Debug, Default)]
pub struct Captured {
    db: usize,
    entries: Vec<Copied>,
    bytes: Vec<u8>,
    gauge: Gauge,
    /// Long strings, which others may replace at any time: what they take counts until all entries are told.
    share: Option<Arc<Share>>,
}

#[derive(Debug)]
struct Copied {
    /// Where the key ends in the bytes; it begins where the entry before ended.
    key_end: usize,
    /// Where the value ends, if it stands there.
    end: usize,
    value: CopiedValue,
    deadline_ms: Option<i64>,
    clock: u32,
    is_raw: bool,
}

#[derive(Debug)]
enum CopiedValue {
    Integer(i64),
    Bytes,
    Packed(Packing),
    Large(Large),
}

/// One key with its value as of the cut.
#[derive(Clone, Copy, Debug)]
pub struct CapturedEntry<'a> {
    /// Its database at the cut.
    pub db: usize,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: CapturedValue<'a>,
    /// When it expires, in Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// The access clock; it may be later than the cut.
    pub clock: u32,
    /// Whether its encoding is `raw` whatever its length.
    pub is_raw: bool,
}

/// A value as of the cut.
#[derive(Clone, Copy, Debug)]
pub enum CapturedValue<'a> {
    /// A string, a small collection, or the picture of a stream.
    Whole(ValueRef<'a>),
    /// A large collection, which goes on changing: [`Large::drain`] tells what it was.
    Large(&'a Large),
}

impl Captured {
    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn clear(&mut self) {
        for copied in &self.entries {
            if let CopiedValue::Large(large) = &copied.value {
                large.abort_capture();
            }
        }
        self.entries.clear();
        self.bytes.clear();
        self.share = None;
    }

    pub(super) fn begin(&mut self, db: usize, gauge: &Gauge) {
        self.clear();
        self.db = db;
        self.gauge = gauge.clone();
    }

    /// Counts the bytes of a string that is shared with the keyspace.
    fn count(&mut self, bytes: usize) {
        let share = self.share.get_or_insert_with(|| self.gauge.share());
        share.set(share.bytes() + bytes);
    }

    /// Replaces what is there by copies of some entries of a database, at most `count` behind the first `skip`; how many.
    /// A large collection is copied as a whole, so this is for who stops everything anyway.
    pub fn copy(&mut self, number: usize, db: &Db, skip: usize, count: usize) -> usize {
        self.begin(number, &Gauge::default());
        for entry in db.iter().skip(skip).take(count) {
            self.push_with(&entry, Large::copied);
        }
        self.len()
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.push_with(entry, Large::clone);
    }

    fn push_with(&mut self, entry: &Entry<'_>, take: impl Fn(&Large) -> Large) {
        self.bytes.extend_from_slice(entry.key());
        let key_end = self.bytes.len();
        let value = match entry.form() {
            Form::Integer(number) => CopiedValue::Integer(number),
            Form::Inline(bytes) => {
                self.bytes.extend_from_slice(bytes);
                CopiedValue::Bytes
            }
            Form::Packed(packing, bytes) => {
                self.bytes.extend_from_slice(bytes);
                CopiedValue::Packed(packing)
            }
            Form::Large(place) => {
                let large = take(entry.blobs.large(place)).captured(&self.gauge);
                if let Large::String(shared) = &large {
                    self.count(shared.heap_bytes());
                }
                CopiedValue::Large(large)
            }
        };
        let (deadline_ms, clock, is_raw) = (entry.deadline_ms(), entry.clock(), entry.is_raw());
        self.entries.push(Copied { key_end, end: self.bytes.len(), value, deadline_ms, clock, is_raw });
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = CapturedEntry<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |copied| {
            let key = &self.bytes[start..copied.key_end];
            start = copied.end;
            let bytes = &self.bytes[copied.key_end..copied.end];
            let value = match &copied.value {
                CopiedValue::Integer(number) => CapturedValue::Whole(ValueRef::Integer(*number)),
                CopiedValue::Bytes => CapturedValue::Whole(ValueRef::Bytes(bytes)),
                CopiedValue::Packed(packing) => CapturedValue::Whole(ValueRef::Packed(*packing, bytes)),
                // Nobody changes these, so they are told as they are.
                CopiedValue::Large(large @ (Large::String(_) | Large::Stream(_))) => {
                    CapturedValue::Whole(large.value())
                }
                CopiedValue::Large(large) => CapturedValue::Large(large),
            };
            let Copied { deadline_ms, clock, is_raw, .. } = *copied;
            CapturedEntry { db: self.db, key, value, deadline_ms, clock, is_raw }
        })
    }
}

impl Drop for Captured {
    /// What was not drained of large collections is not wanted any more.
    fn drop(&mut self) {
        self.clear();
    }
}

impl Shard {
    /// Begins a capture of every database.
    fn begin_capture(&mut self, gauge: &Gauge) {
        for (index, db) in self.dbs_mut() {
            if !db.is_empty() {
                db.begin_capture(index, gauge);
            }
        }
    }

    /// Copies one segment of a database that is captured; false when none is. Emptied databases that were told to the end
    /// go to `emptied`.
    fn drain(&mut self, into: &mut Captured, emptied: &mut Vec<Db>) -> bool {
        // Nobody but the capture needs their memory, so they come first.
        while let Some(db) = self.emptied.last_mut() {
            if db.drain(into) {
                return true;
            }
            emptied.extend(self.emptied.pop());
        }
        self.dbs_mut().any(|(_, db)| db.drain(into))
    }

    /// Ends the capture; gives what was kept for it alone.
    fn abort_capture(&mut self) -> Vec<Db> {
        self.dbs_mut().for_each(|(_, db)| db.abort_capture());
        std::mem::take(&mut self.emptied)
    }
}

//! Keys and fields whose time is over, found by the wheel.

use rkv_collections::arena::Ref;
use rkv_collections::table::Resolve;
use rkv_collections::wheel::{PAYLOAD_BITS, Progress, TICK_MS};
use smallvec::SmallVec;

use super::blob::{self, Form, Layout};
use super::blobs::Resolver;
use super::db::{Db, filed};
use super::hash::KeyHasher;
use crate::values::{Collection, Hash, Piece};

/// What expired.
#[derive(Clone, Copy, Debug)]
pub enum Expired<'a> {
    /// A key.
    Key(&'a [u8]),
    /// Fields of a hash: the names of the elements.
    Fields {
        /// The key of the hash.
        key: &'a [u8],
        /// The fields.
        fields: &'a Piece,
        /// Whether they were the last ones, so that the key is gone too.
        emptied: bool,
    },
}

/// One call of [`Db::expire`].
struct Turn {
    now_ms: i64,
    /// Looks at fields.
    left: usize,
    more: bool,
}

/// What is filed for so long ago fires at the next turn of the wheel, whatever the present's place in its tick.
const AT_ONCE_MS: i64 = 2 * TICK_MS as i64;

impl Db {
    /// Files the key with this hash for the time at which one of its elements expires.
    pub(super) fn file_elements(&mut self, hash: u64, now_ms: i64, due_ms: i64) {
        self.wheel.schedule(now_ms, due_ms, filed(hash));
        self.filed_ms = Some(self.filed_ms.map_or(due_ms, |filed_ms| filed_ms.min(due_ms)));
    }

    /// Takes the earliest look at a collection's elements that was filed since the last call, in Unix milliseconds.
    #[inline]
    pub fn take_filed(&mut self) -> Option<i64> {
        self.filed_ms.take()
    }

    /// Turns the wheel, by at most `budget` looks, and asks the processor for the buckets of what came due; true if more is
    /// due. [`Db::ask_chunks`], [`Db::ask_blobs`] and [`Db::expire`] follow under the same lock, each of which reads what
    /// the one before asked for: several databases go through them side by side, as a few keys alone would wait for memory.
    pub fn turn(&mut self, now_ms: i64, budget: usize) -> bool {
        let progress = self.wheel.advance(now_ms, budget, |payload| self.fired.push(payload));
        for &payload in &self.fired {
            self.table.prefetch_removal(payload << (64 - PAYLOAD_BITS));
        }
        matches!(progress, Progress::More)
    }

    /// Finds where the blobs of what came due may be.
    pub fn ask_chunks(&mut self) {
        for &payload in &self.fired {
            self.table.candidates(payload << (64 - PAYLOAD_BITS), |place| {
                self.blobs.arena.prefetch_chunk(place);
                self.fired_places.push(place);
            });
        }
    }

    /// Asks for the blobs of what came due.
    pub fn ask_blobs(&mut self) {
        for place in self.fired_places.drain(..) {
            self.blobs.arena.prefetch(place);
        }
    }

    /// Removes what came due, keys and at most about `budget` fields, and tells each. True if more fields are due.
    pub fn expire(
        &mut self,
        hasher: &KeyHasher,
        now_ms: i64,
        budget: usize,
        mut expired: impl FnMut(Expired<'_>),
    ) -> bool {
        let mut fired = std::mem::take(&mut self.fired);
        let mut turn = Turn { now_ms, left: budget, more: false };
        for payload in fired.drain(..) {
            self.fire(hasher, payload, &mut turn, &mut expired);
        }
        self.fired = fired;
        turn.more
    }

    /// Looks at every key that an entry of the wheel may mean: among millions a few share what is filed of their hashes.
    fn fire(&mut self, hasher: &KeyHasher, payload: u64, turn: &mut Turn, expired: &mut impl FnMut(Expired<'_>)) {
        let resolver = Resolver { blobs: &self.blobs, hasher };
        let mut meant: SmallVec<[(u64, Ref); 2]> = SmallVec::new();
        self.table.find(payload << (64 - PAYLOAD_BITS), |place| {
            let hash = resolver.hash(place);
            if filed(hash) == payload {
                meant.push((hash, place));
            }
            false
        });
        for (hash, place) in meant {
            self.fire_at(hasher, hash, place, turn, expired);
        }
    }

    fn fire_at(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        place: Ref,
        turn: &mut Turn,
        expired: &mut impl FnMut(Expired<'_>),
    ) {
        let blob = self.blobs.arena.bytes(place);
        let layout = Layout::of(blob);
        let holds_fields = matches!(layout.form(blob), Form::Large(_));
        match layout.deadline_ms(blob) {
            Some(deadline_ms) if deadline_ms <= turn.now_ms => {
                expired(Expired::Key(self.blobs.key(blob)));
                self.remove_at(hasher, hash, place);
                return;
            }
            Some(deadline_ms) if layout.is_extended() => {
                self.wheel.schedule(turn.now_ms, deadline_ms, filed(hash));
                blob::set_extended(self.blobs.arena.bytes_mut(place), false);
            }
            _ => {}
        }
        if holds_fields {
            self.fire_fields(hasher, hash, place, turn, expired);
        }
    }

    /// Removes the fields of a hash whose time is over, and files the key for the next ones.
    fn fire_fields(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        place: Ref,
        turn: &mut Turn,
        expired: &mut impl FnMut(Expired<'_>),
    ) {
        if !self.blobs.large_hash(place).is_some_and(|cell| cell.read().is_due(turn.now_ms)) {
            return;
        }
        if turn.left == 0 {
            self.file_elements(hash, turn.now_ms, turn.now_ms.saturating_sub(AT_ONCE_MS));
            turn.more = true;
            return;
        }
        let place = self.writable(hash, place);
        let mut gone = std::mem::take(&mut self.gone);
        gone.clear();
        let Form::Large(large) = self.blobs.entry(place).form() else { return };
        let Some(cell) = Hash::cell(self.blobs.large(large)) else { return };
        let mut held = cell.write();
        let fields = held.to_change();
        let more = fields.expire(turn.now_ms, turn.left, &mut gone);
        let emptied = fields.is_empty();
        let due_ms = fields.take_due(turn.now_ms);
        let bytes = held.heap_bytes();
        held.changed();
        drop(held);
        self.blobs.account(large, bytes);
        turn.left = turn.left.saturating_sub(gone.len().max(1));
        turn.more |= more;
        if !gone.is_empty() {
            let key = self.blobs.key(self.blobs.arena.bytes(place));
            expired(Expired::Fields { key, fields: &gone, emptied });
        }
        if emptied {
            self.remove_at(hasher, hash, place);
        } else if let Some(due_ms) = due_ms {
            let due_ms = if more { turn.now_ms.saturating_sub(AT_ONCE_MS) } else { due_ms };
            self.file_elements(hash, turn.now_ms, due_ms);
        }
        self.gone = gone;
    }
}

//! The large form: members by their hash, each with its score, and an ordered tree of (score, member).

use std::ops::Range;

use rkv_collections::arena::Ref;
use rkv_collections::ordered::{Members, Ordered};

use super::range::{NameRange, ScoreRange};
use super::small;
use super::{Change, Condition, NotNumber};
use crate::keyed::Keyed;
use crate::values::collection::{Element, Piece};
use crate::values::elements::{Elements, Handle, Named};

/// How far ahead of the member that is read the memory of others is asked for.
const AHEAD: usize = 8;

/// Members and their order. The score of a member stands in both, and both have the same members.
///
/// A snapshot drains the members only: their order follows from their scores.
#[derive(Debug)]
pub struct Tree {
    members: Elements,
    order: Order,
}

/// The tree, whose contents are user data and never belong in a log.
#[derive(Default)]
struct Order(Ordered);

impl std::fmt::Debug for Order {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Order({})", self.0.len())
    }
}

impl Members for Elements {
    #[inline]
    fn name(&self, handle: u32) -> &[u8] {
        Ref::from_bits(handle).map_or(&[], |handle| self.at(handle).name)
    }
}

impl Clone for Tree {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.members.keyed());
        let mut entries = Vec::with_capacity(self.members.len());
        self.each(0..self.len(), false, |member, score| {
            let (handle, _) = copy.members.find_or_add(member.into(), &score.to_le_bytes());
            entries.push((score, handle.to_bits()));
        });
        copy.order.0 = Ordered::from_sorted(entries);
        copy
    }
}

impl Tree {
    /// No members yet.
    pub fn new(keyed: Keyed) -> Self {
        Self { members: Elements::new(keyed), order: Order::default() }
    }

    /// Puts members, whose payloads are scores, in order.
    pub fn of(members: Elements) -> Self {
        let mut entries: Vec<(f64, u32)> =
            members.handles().map(|handle| (members.at(handle).score(), handle.to_bits())).collect();
        entries.sort_unstable_by(|one, other| {
            if one.0 < other.0 {
                return std::cmp::Ordering::Less;
            }
            small::order(one.0, members.name(one.1), other.0, members.name(other.1))
        });
        Self { members, order: Order(Ordered::from_sorted(entries)) }
    }

    /// Members.
    #[inline]
    pub fn len(&self) -> u64 {
        self.order.0.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.order.0.is_empty()
    }

    /// Heap bytes of both parts.
    pub fn heap_bytes(&self) -> usize {
        self.members.heap_bytes() + self.order.0.bytes()
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).map(|element| element.score())
    }

    /// The rank of a member, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(u64, f64)> {
        let score = self.score(member)?;
        Some((self.order.0.rank(score, member, &self.members)?, score))
    }

    /// Ranks of the members whose score is in a range.
    pub fn within_scores(&self, range: &ScoreRange) -> Range<u64> {
        let first = self.order.0.partition(|score, _| range.is_after(score));
        let end = self.order.0.partition(|score, _| !range.is_before(score));
        first..end.max(first)
    }

    /// Ranks of the members whose name is in a range, if all scores are equal; some ranks if not.
    pub fn within_names(&self, range: &NameRange<'_>) -> Range<u64> {
        let first = self.order.0.partition(|_, handle| range.is_after(self.members.name(handle)));
        let end = self.order.0.partition(|_, handle| !range.is_before(self.members.name(handle)));
        first..end.max(first)
    }

    /// Shows the members of some ranks, upwards or downwards.
    pub fn each(&self, ranks: Range<u64>, is_reverse: bool, each: impl FnMut(&[u8], f64)) {
        let count = ranks.end.saturating_sub(ranks.start) as usize;
        if count == 0 {
            return;
        }
        let order = &self.order.0;
        if is_reverse {
            let from = ranks.end - 1;
            self.show(order.rev_from(from).take(count), order.rev_from(from).take(count), each);
        } else {
            self.show(order.iter_from(ranks.start).take(count), order.iter_from(ranks.start).take(count), each);
        }
    }

    /// Shows the members of entries; `ahead` are the same entries, to fetch their memory before it is needed.
    fn show<I: Iterator<Item = (f64, u32)>>(&self, entries: I, mut ahead: I, mut each: impl FnMut(&[u8], f64)) {
        let fetch = |entry: Option<(f64, u32)>| {
            if let Some(handle) = entry.and_then(|(_, handle)| Ref::from_bits(handle)) {
                self.members.prefetch(handle);
            }
        };
        (0..AHEAD).for_each(|_| fetch(ahead.next()));
        for (score, handle) in entries {
            fetch(ahead.next());
            each(self.members.name(handle), score);
        }
    }

    /// See [`super::Zset::add`].
    ///
    /// # Errors
    /// The sum of the scores is not a number; then nothing is changed.
    #[inline]
    pub fn add(&mut self, named: Named<'_>, score: f64, condition: Condition) -> Result<(Change, f64), NotNumber> {
        let new = score.to_le_bytes();
        let (handle, is_new) = if condition.if_there {
            let Some(handle) = self.members.look(named).1 else { return Ok((Change::Refused, score)) };
            (handle, false)
        } else {
            self.members.find_or_add(named, &new)
        };
        if is_new {
            self.order.0.insert(score, handle.to_bits(), &self.members);
            return Ok((Change::Added, score));
        }
        let old_score = self.members.at(handle).score();
        let decided = condition.decide(old_score, score)?;
        if let (Change::Updated, score) = decided {
            self.set_score(handle, old_score, score);
        }
        Ok(decided)
    }

    fn set_score(&mut self, handle: Handle, old_score: f64, score: f64) {
        let now = self.members.set_payload(handle, &score.to_le_bytes());
        let (order, members) = (&mut self.order.0, &self.members);
        if now != handle {
            let found = order.replace_handle(old_score, handle.to_bits(), now.to_bits(), members);
            debug_assert!(found);
        }
        let found = order.update(old_score, score, now.to_bits(), members);
        debug_assert!(found);
    }

    /// Adds a member that comes after all others and is not there.
    pub fn push(&mut self, member: &[u8], score: f64) {
        let (handle, is_new) = self.members.find_or_add(member.into(), &score.to_le_bytes());
        debug_assert!(is_new);
        self.order.0.push_last(score, handle.to_bits());
    }

    /// Removes a member; false if there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some(handle) = self.members.find(member) else { return false };
        let score = self.members.at(handle).score();
        let removed = self.order.0.remove(score, member, &self.members);
        debug_assert_eq!(removed, Some(handle.to_bits()));
        self.members.remove_at(handle);
        true
    }

    /// Removes the members of some ranks.
    pub fn remove_ranks(&mut self, ranks: Range<u64>) -> u64 {
        let members = &mut self.members;
        self.order.0.remove_range(ranks.start, ranks.end.saturating_sub(ranks.start), |_, handle| {
            if let Some(handle) = Ref::from_bits(handle) {
                members.remove_at(handle);
            }
        })
    }

    /// See [`Elements::fetch`].
    pub fn fetch(&self, names: &mut [Named<'_>]) {
        self.members.fetch(names);
    }

    /// See [`Elements::scan`].
    pub fn scan(&self, position: u64, each: impl FnMut(Element<'_>)) -> Option<u64> {
        self.members.scan(position, each)
    }

    /// See `Collection::begin_capture`.
    pub fn begin_capture(&mut self) {
        self.members.begin_capture();
    }

    /// See `Collection::captured_bytes`.
    pub fn captured_bytes(&self) -> usize {
        self.members.captured_bytes()
    }

    /// See `Collection::drain`.
    pub fn drain(&mut self, into: &mut Piece) -> bool {
        self.members.drain(into)
    }

    /// See `Collection::abort_capture`.
    pub fn abort_capture(&mut self) {
        self.members.abort_capture();
    }
}

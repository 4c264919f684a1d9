//! The packed form: each member before its score, in order. A score that is whole is an integer, any other one its
//! shortest text, as Redis packs them.

use std::cmp::Ordering;
use std::ops::Range;

use rkv_collections::packed::{Digits, Entry, Packed, Position, TooLarge, View};

use super::range::{NameRange, ScoreRange};
use crate::number;

/// Whole scores between these two are packed as integers.
const WHOLE_MAX: f64 = 4_611_686_018_427_387_904.0;

/// A packed form is never made larger than this, so that nothing in it can fail for want of room.
pub const BYTES_MAX: usize = 1 << 30;

/// The score that an entry stands for. What nobody validated may be no number: that is 0.
#[inline]
pub fn score_of(entry: Entry<'_>) -> f64 {
    match entry {
        Entry::Int(number) => number as f64,
        Entry::Str(text) => number::parse_f64(text).unwrap_or_default(),
    }
}

/// Calls `write` with the entry of a score. The sign of zero is lost, as it is in Redis.
#[inline]
fn with_entry<R>(score: f64, write: impl FnOnce(Entry<'_>) -> R) -> R {
    if score.abs() < WHOLE_MAX && score.fract() == 0.0 {
        return write(Entry::Int(score as i64));
    }
    write(Entry::Str(&number::format_f64(score)))
}

/// Order by score, then by name. Scores are never NaN.
#[inline]
pub fn order(score: f64, name: &[u8], other_score: f64, other_name: &[u8]) -> Ordering {
    score.partial_cmp(&other_score).unwrap_or(Ordering::Equal).then_with(|| name.cmp(other_name))
}

/// Where a member is, and its score.
#[inline]
pub fn find(view: View<'_>, member: &[u8]) -> Option<(Position, f64)> {
    let at = view.find(member, 1)?;
    let score = view.entry(view.next(at)?)?;
    Some((at, score_of(score)))
}

/// The rank of a member, and its score.
pub fn rank(view: View<'_>, member: &[u8]) -> Option<(u64, f64)> {
    let (at, score) = find(view, member)?;
    let (mut entries, mut rank) = (view.iter(), 0);
    while entries.position() < at {
        entries.next()?;
        entries.next()?;
        rank += 1;
    }
    Some((rank, score))
}

/// Appends a member that comes after all others.
pub fn push(packed: &mut Packed, member: &[u8], score: f64) -> Result<(), TooLarge> {
    packed.push_back(member)?;
    with_entry(score, |entry| packed.push_back(entry))
}

/// Puts a new member where it belongs.
pub fn insert(packed: &mut Packed, member: &[u8], score: f64) -> Result<(), TooLarge> {
    let Some(at) = place(packed.view(), member, score) else { return push(packed, member, score) };
    with_entry(score, |entry| packed.insert_before(at, entry))?;
    packed.insert_before(at, member).map(|_| ())
}

/// Where the first member is that comes after this one; `None` if it comes last.
fn place(view: View<'_>, member: &[u8], score: f64) -> Option<Position> {
    let mut room = Digits::new();
    let mut is_after = |other: Entry<'_>, other_score: f64| {
        if score < other_score {
            return true;
        }
        score <= other_score && order(score, member, other_score, other.bytes(&mut room)).is_lt()
    };
    let last_score = view.last()?;
    let last = view.entry(view.prev(last_score)?)?;
    if !is_after(last, score_of(view.entry(last_score)?)) {
        return None;
    }
    let mut entries = view.iter();
    loop {
        let at = entries.position();
        let (other, other_score) = (entries.next()?, entries.next()?);
        if is_after(other, score_of(other_score)) {
            return Some(at);
        }
    }
}

/// Ranks of the members whose score is in a range.
pub fn within_scores(view: View<'_>, range: &ScoreRange) -> Range<u64> {
    let (mut first, mut end) = (0, 0);
    for score in view.iter().skip(1).step_by(2).map(score_of) {
        if range.is_before(score) {
            break;
        }
        first += u64::from(range.is_after(score));
        end += 1;
    }
    first..end
}

/// Ranks of the members whose name is in a range. Names are in order if all scores are equal; if not, the answer is that
/// of Redis, which walks from one end until the first name outside.
pub fn within_names(view: View<'_>, range: &NameRange<'_>, from_end: bool) -> Range<u64> {
    let count = view.len() as u64 / 2;
    let mut room = Digits::new();
    let mut is_after = |entry: Entry<'_>| range.is_after(entry.bytes(&mut room));
    let mut other_room = Digits::new();
    let mut is_before = |entry: Entry<'_>| range.is_before(entry.bytes(&mut other_room));
    let names = || view.iter().step_by(2);
    let (Some(first), Some(last)) = (view.get(0), view.iter().nth_back(1)) else { return 0..0 };
    if range.is_empty() || is_after(last) || is_before(first) {
        return 0..0;
    }
    if from_end {
        let mut names = view.iter().rev().skip(1).step_by(2);
        let skipped = names.by_ref().take_while(|entry| is_before(*entry)).count() as u64;
        let mut names = view.iter().rev().skip(1).step_by(2).skip(skipped as usize);
        let inside = names.by_ref().take_while(|entry| !is_after(*entry)).count() as u64;
        return count - skipped - inside..count - skipped;
    }
    let skipped = names().take_while(|entry| is_after(*entry)).count();
    let inside = names().skip(skipped).take_while(|entry| !is_before(*entry)).count();
    skipped as u64..(skipped + inside) as u64
}

/// Shows the members of some ranks, upwards or downwards.
pub fn each(view: View<'_>, ranks: Range<u64>, is_reverse: bool, mut each: impl FnMut(&[u8], f64)) {
    let mut room = Digits::new();
    let mut left = ranks.end.saturating_sub(ranks.start);
    if left == 0 {
        return;
    }
    if is_reverse {
        let Some(mut at) = ranks.end.checked_mul(2).and_then(|end| view.seek(end as usize - 1)) else { return };
        loop {
            let (Some(name_at), Some(score)) = (view.prev(at), view.entry(at)) else { return };
            let Some(name) = view.entry(name_at) else { return };
            each(name.bytes(&mut room), score_of(score));
            left -= 1;
            let Some(before) = view.prev(name_at).filter(|_| left > 0) else { return };
            at = before;
        }
    }
    let Some(at) = view.seek(ranks.start as usize * 2) else { return };
    let mut entries = view.iter_from(at);
    while left > 0
        && let (Some(name), Some(score)) = (entries.next(), entries.next())
    {
        each(name.bytes(&mut room), score_of(score));
        left -= 1;
    }
}

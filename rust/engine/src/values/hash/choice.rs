//! Fields by chance, every one as likely as the others.

use std::collections::HashSet;

use rkv_collections::packed::Entry;

use super::{Fields, HashView};
use crate::random::Random;
use crate::values::elements::Handle;

/// How many fields are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As many, and the same one may come again.
    Repeated(usize),
    /// As many different ones, or all if there are fewer.
    Distinct(usize),
}

/// Draws that may find no live field before all are looked at.
const VAIN_MAX: usize = 64;

impl<'a> HashView<'a> {
    /// Draws fields with their values.
    pub fn choose(
        self,
        choice: Choice,
        random: &mut impl Random,
        now_ms: i64,
        mut each: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        match self {
            Self::Packed(view) => {
                let all = view.len() / 2;
                let show = |index: usize| {
                    let name = view.seek(index * 2)?;
                    each(view.entry(name)?, view.entry(view.next(name)?)?);
                    Some(())
                };
                match choice {
                    Choice::Repeated(1) | Choice::Distinct(1) => indices(choice, all, random, show),
                    _ => {
                        let mut entries = view.iter();
                        let mut pairs = Vec::with_capacity(all);
                        while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
                            pairs.push((name, value));
                        }
                        indices(choice, pairs.len(), random, |index| {
                            let (name, value) = *pairs.get(index)?;
                            each(name, value);
                            Some(())
                        });
                    }
                }
            }
            Self::Table(fields) => {
                let show = |handle: Handle| {
                    let element = fields.elements().at(handle);
                    each(Entry::Str(element.name), Entry::Str(element.payload));
                };
                match choice {
                    Choice::Repeated(count) => repeated(fields, count, random, now_ms, show),
                    Choice::Distinct(count) => distinct(fields, count, random, now_ms, show),
                }
            }
        }
    }
}

/// Draws numbers below `all`; ends when `show` finds nothing.
fn indices(choice: Choice, all: usize, random: &mut impl Random, mut show: impl FnMut(usize) -> Option<()>) {
    let mut draw = |bound: usize| random.below(bound as u64) as usize;
    match choice {
        Choice::Repeated(count) => {
            let _ = (0..count).take_while(|_| all > 0).try_for_each(|_| show(draw(all)));
        }
        Choice::Distinct(count) if count >= all => {
            let _ = (0..all).try_for_each(show);
        }
        Choice::Distinct(1) => {
            let _ = show(draw(all));
        }
        Choice::Distinct(count) => {
            let mut rest: Vec<usize> = (0..all).collect();
            let _ = (0..count).try_for_each(|_| show(rest.swap_remove(draw(rest.len()))));
        }
    }
}

fn is_live(fields: &Fields, handle: Handle, now_ms: i64) -> bool {
    !fields.elements().at(handle).is_expired(now_ms)
}

fn repeated(fields: &Fields, count: usize, random: &mut impl Random, now_ms: i64, mut show: impl FnMut(Handle)) {
    let (mut shown, mut vain) = (0, 0);
    while shown < count && vain < VAIN_MAX {
        match fields.elements().pick(random) {
            Some(handle) if is_live(fields, handle, now_ms) => {
                show(handle);
                shown += 1;
                vain = 0;
            }
            _ => vain += 1,
        }
    }
    if shown < count {
        let live: Vec<Handle> = fields.elements().handles().filter(|&handle| is_live(fields, handle, now_ms)).collect();
        indices(Choice::Repeated(count - shown), live.len(), random, |index| {
            live.get(index).map(|&handle| show(handle))
        });
    }
}

/// Draws as long as most draws are new ones; what is missing then comes from a list of all the others.
fn distinct(fields: &Fields, count: usize, random: &mut impl Random, now_ms: i64, mut show: impl FnMut(Handle)) {
    let mut seen = HashSet::new();
    if count < fields.elements().len() / 3 {
        let mut vain = 0;
        while seen.len() < count && vain <= VAIN_MAX + count {
            match fields.elements().pick(random) {
                Some(handle) if is_live(fields, handle, now_ms) && seen.insert(handle) => show(handle),
                _ => vain += 1,
            }
        }
    }
    if seen.len() < count {
        let others = fields.elements().handles().filter(|handle| !seen.contains(handle));
        let others: Vec<Handle> = others.filter(|&handle| is_live(fields, handle, now_ms)).collect();
        let missing = Choice::Distinct(count - seen.len());
        indices(missing, others.len(), random, |index| others.get(index).map(|&handle| show(handle)));
    }
}

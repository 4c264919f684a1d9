//! Intersection, union and difference.
//!
//! All of them ask for the members of one set whether they are in others. A table gives its members in groups, and a group
//! asks for its memory in the other tables before it looks: of the time for two large sets, most would be misses of the cache.

use std::cmp::Reverse;
use std::ops::ControlFlow::{self, Continue};

use rkv_collections::intset::{self, IntSet};
use rkv_collections::packed::{Digits, Entry, Packed};
use smallvec::SmallVec;

use super::{Elements, Set, SetView, integers_max};
use crate::values::Collection;
use crate::values::rules::Rules;

/// Up to so many sets are united by looking into those before; that takes their number squared, but no memory.
const LOOKED_INTO_MAX: usize = 4;

/// Shows the members of a set that are in all of the others, or in none of them.
fn each_where<'a, B>(
    set: SetView<'a>,
    others: &[SetView<'_>],
    present: bool,
    mut each: impl FnMut(Entry<'a>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    match set {
        SetView::Table(members) if !others.is_empty() => members.each_group(|group| {
            for other in others {
                match other {
                    SetView::Table(other) => other.retain(group, present),
                    small => group.retain(|member| small.contains(member.name) == present),
                }
                if group.is_empty() {
                    break;
                }
            }
            group.iter().try_for_each(|member| each(Entry::Str(member.name)))
        }),
        _ => {
            set.each(
                |member| {
                    if others.iter().all(|other| other.has(member) == present) { each(member) } else { Continue(()) }
                },
            )
        }
    }
}

/// Shows the members that are in all of the sets, until `each` breaks. Without sets there are none.
pub fn intersection<'a, B>(sets: &mut [SetView<'a>], each: impl FnMut(Entry<'a>) -> ControlFlow<B>) -> ControlFlow<B> {
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return Continue(()) };
    if let SetView::Integers(smallest) = smallest {
        let others: Option<SmallVec<[intset::View<'_>; 4]>> =
            others.iter().map(|set| if let SetView::Integers(set) = set { Some(*set) } else { None }).collect();
        if let Some(others) = others {
            return merge(*smallest, &others, each);
        }
    }
    each_where(*smallest, others, true, each)
}

/// Shows the integers that are in all of the sets.
fn merge<'a, B>(
    smallest: intset::View<'a>,
    others: &[intset::View<'_>],
    mut each: impl FnMut(Entry<'a>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut passed: SmallVec<[usize; 4]> = others.iter().map(|_| 0).collect();
    'numbers: for number in smallest {
        for (other, passed) in others.iter().zip(&mut passed) {
            *passed = skip(*other, *passed, number);
            match other.get(*passed) {
                None => return Continue(()),
                Some(found) if found != number => continue 'numbers,
                Some(_) => {}
            }
        }
        each(Entry::Int(number))?;
    }
    Continue(())
}

/// The index, from `start` on, of the first number that is not smaller than another one: in steps that double, then halve,
/// so that a set costs no more than the logarithm of what is skipped.
fn skip(integers: intset::View<'_>, start: usize, number: i64) -> usize {
    let is_smaller = |index| integers.get(index).is_some_and(|found| found < number);
    let (mut low, mut high, mut step) = (start, start, 1);
    while is_smaller(high) {
        low = high + 1;
        high += step;
        step *= 2;
    }
    while low < high {
        let middle = low.midpoint(high);
        if is_smaller(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The members that are in all of the sets, as a set.
pub fn intersection_of(sets: &mut [SetView<'_>], rules: &Rules) -> Set {
    sets.sort_by_key(|set| set.len());
    let mut result = match sets.first() {
        None | Some(SetView::Integers(_)) => Set::default(),
        Some(_) => Set::Packed(Packed::new()),
    };
    let mut integers_only = true;
    let _: ControlFlow<()> = intersection(sets, |member| {
        integers_only = integers_only && member.integer().is_some();
        result.append(member, rules);
        Continue(())
    });
    if integers_only { as_integers(result, rules) } else { result }
}

/// A set of integers in their form, if it is small enough.
fn as_integers(set: Set, rules: &Rules) -> Set {
    let view = set.view();
    if matches!(set, Set::Integers(_)) || view.len() > integers_max(rules) {
        return set;
    }
    let mut numbers = Vec::with_capacity(view.len());
    view.for_each(|member| numbers.extend(member.integer()));
    numbers.sort_unstable();
    IntSet::from_sorted(&numbers).map_or(set, Set::Integers)
}

/// Shows the members that are in any of the sets, each once, until `each` breaks.
pub fn union<B>(
    sets: &[SetView<'_>],
    rules: &Rules,
    mut each: impl FnMut(Entry<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    if sets.len() <= LOOKED_INTO_MAX {
        return each_once(sets, each);
    }
    let mut all = Elements::new(rules.keyed);
    for set in sets {
        add_all(&mut all, *set);
    }
    all.each_until(|member| each(Entry::Str(member.name)))
}

/// Shows the members of some sets, each once.
fn each_once<'a, B>(sets: &[SetView<'a>], mut each: impl FnMut(Entry<'a>) -> ControlFlow<B>) -> ControlFlow<B> {
    sets.iter().enumerate().try_for_each(|(number, set)| {
        let before = sets.get(..number).unwrap_or_default();
        each_where(*set, before, false, &mut each)
    })
}

fn add_all(all: &mut Elements, set: SetView<'_>) {
    match set {
        SetView::Table(members) => {
            let _: ControlFlow<()> = members.each_group(|group| {
                _ = all.add_group(group);
                Continue(())
            });
        }
        small => {
            let mut room = Digits::new();
            small.for_each(|member| _ = all.add(member.bytes(&mut room).into()));
        }
    }
}

/// The members that are in any of the sets, as a set.
pub fn union_of(sets: &[SetView<'_>], rules: &Rules) -> Set {
    let mut result = Set::default();
    if sets.len() <= LOOKED_INTO_MAX {
        let _: ControlFlow<()> = each_once(sets, |member| {
            result.append(member, rules);
            Continue(())
        });
        return result;
    }
    for set in sets {
        if let Set::Table(all) = &mut result {
            add_all(all, *set);
        } else {
            set.for_each(|member| _ = result.add(member.bytes(&mut Digits::new()), rules));
        }
    }
    result
}

/// Whether a difference is found by looking for the members of the first set in the others. If not, it is found by taking
/// the members of the others out of a copy.
fn is_looked_for(first: SetView<'_>, others: &[SetView<'_>]) -> bool {
    let looked_for = first.len().saturating_mul(others.len() + 1) / 2;
    looked_for <= others.iter().fold(first.len(), |sum, other| sum + other.len())
}

/// Shows the members of a set that are in none of the others, until `each` breaks.
pub fn difference<B>(
    first: SetView<'_>,
    others: &mut [SetView<'_>],
    rules: &Rules,
    each: impl FnMut(Entry<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    if is_looked_for(first, others) {
        others.sort_by_key(|other| Reverse(other.len()));
        return each_where(first, others, false, each);
    }
    without(first, others, rules).view().each(each)
}

/// The members of a set that are in none of the others, as a set.
pub fn difference_of(first: SetView<'_>, others: &mut [SetView<'_>], rules: &Rules) -> Set {
    if !is_looked_for(first, others) {
        return without(first, others, rules);
    }
    let mut result = Set::default();
    let _: ControlFlow<()> = difference(first, others, rules, |member| {
        result.append(member, rules);
        Continue(())
    });
    result
}

/// A copy of a set without the members of others.
fn without(first: SetView<'_>, others: &[SetView<'_>], rules: &Rules) -> Set {
    let mut result = Set::default();
    first.for_each(|member| result.append(member, rules));
    for other in others {
        match (&mut result, other) {
            (Set::Table(left), SetView::Table(other)) => {
                let _: ControlFlow<()> = other.each_group(|group| {
                    left.remove_group(group);
                    Continue(())
                });
            }
            (left, other) => other.for_each(|member| _ = left.remove(member.bytes(&mut Digits::new()))),
        }
        if result.is_empty() {
            break;
        }
    }
    result
}

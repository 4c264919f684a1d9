//! Members by chance, each as likely as every other.

use rkv_collections::intset::IntSet;
use rkv_collections::packed::Entry;

use super::{Set, SetView};
use crate::random::Random;
use crate::values::Collection;
use crate::values::elements::Selection;

impl<'a> SetView<'a> {
    /// One member; `None` if there is none.
    pub fn pick(self, random: &mut impl Random) -> Option<Entry<'a>> {
        match self {
            Self::Integers(integers) => integers.get(random.below(integers.len() as u64) as usize).map(Entry::Int),
            Self::Packed(packed) => packed.get(random.below(packed.len() as u64) as usize),
            Self::Table(members) => members.pick(random).map(|place| Entry::Str(members.at(place).name)),
        }
    }

    /// So many members, each as if there were no others.
    pub fn pick_each(self, count: usize, random: &mut impl Random, mut each: impl FnMut(Entry<'a>)) {
        let members: Vec<Entry<'a>> = match self {
            Self::Packed(packed) if count > 1 => packed.iter().collect(),
            _ => Vec::new(),
        };
        for _ in 0..count {
            let member = match self {
                Self::Packed(_) if count > 1 => members.get(random.below(members.len() as u64) as usize).copied(),
                other => other.pick(random),
            };
            if let Some(member) = member {
                each(member);
            }
        }
    }

    /// So many different members, or all if there are fewer, in no order that means anything.
    pub fn choose(self, count: usize, random: &mut impl Random, mut each: impl FnMut(Entry<'a>)) {
        if let Self::Table(members) = self {
            return members
                .choose(count, random)
                .into_iter()
                .for_each(|place| each(Entry::Str(members.at(place).name)));
        }
        let mut selection = Selection::new(count, self.len());
        self.for_each(|member| {
            if selection.takes(random) {
                each(member);
            }
        });
    }
}

impl Set {
    /// Shows one member and removes it; false if there is none.
    pub fn pop(&mut self, random: &mut impl Random, read: impl FnOnce(Entry<'_>)) -> bool {
        match self {
            Self::Integers(integers) => {
                let index = random.below(integers.len() as u64) as usize;
                integers.remove_at(index).map(|number| read(Entry::Int(number))).is_some()
            }
            Self::Packed(packed) => {
                let at = packed.view().seek(random.below(packed.len() as u64) as usize);
                let Some((at, member)) = at.and_then(|at| Some((at, packed.view().entry(at)?))) else { return false };
                read(member);
                packed.remove(at, 1) > 0
            }
            Self::Table(members) => {
                let Some(place) = members.pick(random) else { return false };
                read(Entry::Str(members.at(place).name));
                members.remove_at(place);
                true
            }
        }
    }

    /// Shows so many different members, or all if there are fewer, and removes them.
    pub fn pop_each(&mut self, count: usize, random: &mut impl Random, mut each: impl FnMut(Entry<'_>)) {
        let mut selection = Selection::new(count, self.view().len());
        match self {
            Self::Integers(integers) => {
                let mut left = Vec::with_capacity(integers.len());
                for number in integers.view() {
                    if selection.takes(random) {
                        each(Entry::Int(number));
                    } else {
                        left.push(number);
                    }
                }
                if let Ok(left) = IntSet::from_sorted(&left) {
                    *integers = left;
                }
            }
            Self::Packed(packed) => {
                packed.retain(|member| {
                    let takes = selection.takes(random);
                    if takes {
                        each(member);
                    }
                    !takes
                });
            }
            Self::Table(members) => {
                for place in members.choose(count, random) {
                    each(Entry::Str(members.at(place).name));
                    members.remove_at(place);
                }
            }
        }
    }
}

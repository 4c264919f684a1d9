//! Elements by chance, each as likely as every other.

use std::collections::HashSet;

use super::{Elements, Handle};
use crate::random::Random;

impl Elements {
    /// One element; `None` if there is none.
    pub fn pick(&self, random: &mut impl Random) -> Option<Handle> {
        self.table.pick(|| random.next_u64())
    }

    /// So many different elements, or all if there are fewer; in no order that means anything, and not in one by chance.
    ///
    /// Of few wanted among many each is picked; of a third of all or more, all are walked through, which reads no element
    /// and meets each with its chance.
    pub fn choose(&self, count: usize, random: &mut impl Random) -> Vec<Handle> {
        let count = count.min(self.len());
        let mut chosen = Vec::with_capacity(count);
        if count > self.len() / 3 {
            let mut left = Selection::new(count, self.len());
            chosen.extend(self.table.iter().filter(|_| left.takes(random)));
            return chosen;
        }
        let mut seen = HashSet::with_capacity(count);
        while chosen.len() < count
            && let Some(place) = self.pick(random)
        {
            if seen.insert(place) {
                chosen.push(place);
            }
        }
        chosen
    }
}

/// Takes so many of so many that pass by, every choice as likely as the others.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    wanted: u64,
    coming: u64,
}

impl Selection {
    /// `wanted` of `coming`; all if that is fewer.
    pub const fn new(wanted: usize, coming: usize) -> Self {
        Self { wanted: wanted as u64, coming: coming as u64 }
    }

    /// Whether the next one is taken.
    pub fn takes(&mut self, random: &mut impl Random) -> bool {
        let takes = self.wanted > 0 && random.below(self.coming) < self.wanted;
        self.coming = self.coming.saturating_sub(1);
        self.wanted -= u64::from(takes);
        takes
    }
}

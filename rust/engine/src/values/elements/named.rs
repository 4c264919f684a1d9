//! Names with what is known of them before they are looked for.
//!
//! Neighbours in a pipeline that look for elements of one collection have their memory asked for together, which needs the
//! hash of each name and shows where it probably is. [`Named`] carries that to the command. It is never wrong: the hash is
//! that of the bytes beside it, and a place counts only while no element has left the place where it was, and holds the name.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Elements, Handle};
use crate::names::same;

/// A name, and what was seen of it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    bytes: &'a [u8],
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The same in all collections of a store.
    hash: u64,
    /// Where an element of this hash is.
    place: Option<Handle>,
    /// What [`Elements`] had then.
    stamp: Stamp,
}

impl<'a> From<&'a [u8]> for Named<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, seen: None }
    }
}

impl<'a> Named<'a> {
    /// The name.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Changes whenever an element leaves its place, and no two collections ever have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64);

impl Stamp {
    pub(super) fn new() -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self(NUMBERS.fetch_add(1, Ordering::Relaxed) << 32)
    }

    #[inline]
    pub(super) const fn renew(&mut self) {
        self.0 = self.0 >> 32 << 32 | (self.0 as u32).wrapping_add(1) as u64;
    }
}

impl Elements {
    /// The hash of a name, and where its element is.
    #[inline]
    pub fn look(&self, named: Named<'_>) -> (u64, Option<Handle>) {
        let Some(seen) = named.seen else {
            let hash = self.keyed.hash(named.bytes);
            return (hash, self.find_hashed(hash, named.bytes));
        };
        match seen.place {
            Some(place) if seen.stamp == self.stamp && same(self.blobs.element(place).name, named.bytes) => {
                (seen.hash, Some(place))
            }
            _ => (seen.hash, self.find_hashed(seen.hash, named.bytes)),
        }
    }

    /// Asks for the memory of names that are about to be looked for, and tells what is seen of them.
    pub fn fetch(&self, names: &mut [Named<'_>]) {
        let stamp = self.stamp;
        for named in &mut *names {
            let hash = self.keyed.hash(named.bytes);
            self.table.prefetch(hash);
            named.seen = Some(Seen { hash, place: None, stamp });
        }
        for seen in names.iter_mut().filter_map(|named| named.seen.as_mut()) {
            self.table.candidates(seen.hash, |place| {
                self.blobs.arena.prefetch(place);
                seen.place = Some(place);
            });
        }
    }
}

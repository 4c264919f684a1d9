//! Many names at once: the memory of some is asked for while others are looked at. A name at random costs two misses of the
//! cache, so that who asks for them one by one does little else than wait.

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::{Element, Elements, Handle};

/// Names in a group: about as many misses as a processor core has under way, twice.
const GROUP: usize = 32;

/// A name with its hash, which is the same in all collections of a store.
#[derive(Clone, Copy, Debug)]
pub struct Hashed<'a> {
    /// The name.
    pub name: &'a [u8],
    hash: u64,
}

/// Some names.
pub type Group<'a> = SmallVec<[Hashed<'a>; GROUP]>;

impl Elements {
    /// Shows all places in portions, each of which was asked for when the one before it was shown.
    fn each_portion<B>(&self, mut each: impl FnMut(&[Handle]) -> ControlFlow<B>) -> ControlFlow<B> {
        let mut places = self.table.iter();
        let mut fetch = |portion: &mut SmallVec<[Handle; GROUP]>| {
            portion.clear();
            portion.extend(places.by_ref().take(GROUP));
            portion.iter().for_each(|place| self.blobs.arena.prefetch(*place));
        };
        let (mut portion, mut ahead) = (SmallVec::new(), SmallVec::new());
        fetch(&mut portion);
        while !portion.is_empty() {
            fetch(&mut ahead);
            each(&portion)?;
            std::mem::swap(&mut portion, &mut ahead);
        }
        ControlFlow::Continue(())
    }

    /// Shows all elements until `each` breaks.
    ///
    /// # Errors
    /// What `each` breaks with, as a `ControlFlow`.
    pub fn each_until<'a, B>(&'a self, mut each: impl FnMut(Element<'a>) -> ControlFlow<B>) -> ControlFlow<B> {
        self.each_portion(|portion| portion.iter().try_for_each(|place| each(self.blobs.element(*place))))
    }

    /// Shows all names in groups until `each` breaks.
    pub fn each_group<'a, B>(&'a self, mut each: impl FnMut(&mut Group<'a>) -> ControlFlow<B>) -> ControlFlow<B> {
        let mut group = Group::new();
        self.each_portion(|portion| {
            group.clear();
            group.extend(portion.iter().map(|place| {
                let name = self.blobs.element(*place).name;
                Hashed { name, hash: self.keyed.hash(name) }
            }));
            each(&mut group)
        })
    }

    /// Keeps those names of a group that are here, or that are not.
    pub fn retain(&self, group: &mut Group<'_>, present: bool) {
        self.ask_for(group);
        group.retain(|wanted| self.find_hashed(wanted.hash, wanted.name).is_some() == present);
    }

    /// Adds those names of a group that are not here, and tells how many those were.
    pub fn add_group(&mut self, group: &Group<'_>) -> usize {
        self.ask_for(group);
        let before = self.len();
        for new in group {
            if self.find_hashed(new.hash, new.name).is_none() {
                self.insert_new(new.hash, &Element { name: new.name, payload: &[], deadline_ms: None });
            }
        }
        self.len() - before
    }

    /// Adds names without payload and tells how many were not here.
    pub fn add_all(&mut self, names: &[&[u8]]) -> usize {
        names.chunks(GROUP).fold(0, |added, names| {
            let group = self.hashed(names);
            added + self.add_group(&group)
        })
    }

    /// Removes the names of a group.
    pub fn remove_group(&mut self, group: &Group<'_>) {
        self.ask_for(group);
        for gone in group {
            if let Some(place) = self.find_hashed(gone.hash, gone.name) {
                self.remove_hashed(gone.hash, place);
            }
        }
    }

    fn hashed<'n>(&self, names: &[&'n [u8]]) -> Group<'n> {
        names.iter().map(|name| Hashed { name, hash: self.keyed.hash(name) }).collect()
    }

    fn ask_for(&self, group: &Group<'_>) {
        group.iter().for_each(|wanted| self.table.prefetch(wanted.hash));
        for wanted in group {
            self.table.candidates(wanted.hash, |place| self.blobs.arena.prefetch(place));
        }
    }
}

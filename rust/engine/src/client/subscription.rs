//! What a client listens to, and what it wants to hear of keys that it read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::link::Link;

/// The ways to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To a channel.
    Channel,
    /// To all channels that match a pattern.
    Pattern,
    /// To a channel that belongs to a slot of the cluster.
    Shard,
}

/// Bytes of memory of a name in the list of what a client listens to or watches.
pub(super) const fn listed_bytes(name: &[u8]) -> usize {
    name.len() + size_of::<Box<[u8]>>()
}

/// What a client listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    names: [BTreeSet<Box<[u8]>>; 3],
}

impl Subscriptions {
    /// Adds a name; false if it was there.
    pub fn add(&mut self, link: &Link, kind: Kind, name: &[u8]) -> bool {
        let is_new = self.of(kind).insert(name.into());
        if is_new {
            link.listed_bytes.fetch_add(listed_bytes(name), Ordering::Relaxed);
        }
        self.publish(link, kind);
        is_new
    }

    /// Removes a name; false if it was not there.
    pub fn remove(&mut self, link: &Link, kind: Kind, name: &[u8]) -> bool {
        let was_there = self.of(kind).remove(name);
        if was_there {
            link.listed_bytes.fetch_sub(listed_bytes(name), Ordering::Relaxed);
        }
        self.publish(link, kind);
        was_there
    }

    /// The client listens to nothing any more: its memory counts no more.
    pub fn give_up(&self, link: &Link) {
        let bytes = self.names.iter().flatten().map(|name| listed_bytes(name)).sum();
        link.listed_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Lets others see how many there are.
    fn publish(&mut self, link: &Link, kind: Kind) {
        let count = self.of(kind).len();
        link.subscribed[kind as usize].store(count, Ordering::Relaxed);
    }

    const fn of(&mut self, kind: Kind) -> &mut BTreeSet<Box<[u8]>> {
        &mut self.names[kind as usize]
    }

    /// The names of one kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.names[kind as usize].iter().map(|name| &**name)
    }

    /// What replies to a change of subscriptions of this kind count: shard channels are counted apart.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => {
                self.names[Kind::Channel as usize].len() + self.names[Kind::Pattern as usize].len()
            }
            Kind::Shard => self.names[Kind::Shard as usize].len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }
}

/// Which of the keys that a client reads it wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// All.
    Always,
    /// Those of a command that follows CLIENT CACHING YES.
    OptIn,
    /// All but those of a command that follows CLIENT CACHING NO.
    OptOut,
}

/// CLIENT TRACKING, as it was switched on. Others see it, so it is replaced and never changed.
#[derive(Debug)]
pub struct Tracking {
    /// Who tracks.
    pub link: Arc<Link>,
    /// Who gets the invalidations; 0: who tracks.
    pub redirect: u64,
    /// Which keys that it reads matter.
    pub caching: Caching,
    /// BCAST: it hears of all keys with one of these prefixes, whether it read them or not.
    pub prefixes: Option<Vec<Box<[u8]>>>,
    /// It does not want to hear of its own changes.
    pub noloop: bool,
}

impl Tracking {
    /// Whether it hears of all keys with its prefixes.
    pub const fn is_broadcast(&self) -> bool {
        self.prefixes.is_some()
    }
}

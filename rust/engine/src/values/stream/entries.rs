//! The entries of a stream, and what is known of those that are gone.

use rkv_collections::chunks::{Chunk, Chunks};

use super::Id;
use super::node::{Doom, Node, StreamEntry};
use crate::values::Rules;

/// A node is never larger than this, whatever the options say.
const NODE_BYTES_MAX: usize = 1 << 30;

/// The entries of a stream.
#[derive(Clone, Default)]
pub struct Entries {
    pub(super) nodes: Chunks<Node>,
    pub(super) first_id: Id,
    pub(super) last_id: Id,
    pub(super) max_deleted_id: Id,
    pub(super) added: u64,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Entries({})", self.len())
    }
}

/// What a trim leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many of the newest.
    Newest(u64),
    /// Those from an id on.
    From(Id),
}

/// What a trim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What it leaves.
    pub keep: Keep,
    /// Only whole nodes go, and so many entries at most; 0 is no limit. `None`: exactly.
    pub approximate: Option<u64>,
}

impl Entries {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().map(|(node, _)| node)
    }

    /// How many nodes there are.
    pub fn nodes_len(&self) -> usize {
        self.nodes.chunks()
    }

    /// The id of the first entry, 0-0 without one.
    pub const fn first_id(&self) -> Id {
        self.first_id
    }

    /// The last id that was ever given.
    #[inline]
    pub const fn last_id(&self) -> Id {
        self.last_id
    }

    /// The largest id that was deleted by its name.
    pub const fn max_deleted_id(&self) -> Id {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub const fn added(&self) -> u64 {
        self.added
    }

    /// The first entry.
    pub fn first(&self) -> Option<StreamEntry<'_>> {
        self.nodes.first()?.forward().next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<StreamEntry<'_>> {
        self.nodes.last()?.backward().next()
    }

    /// Adds an entry with an id behind all; false if its fields are too large.
    pub fn add(&mut self, id: Id, pairs: &[&[u8]], rules: &Rules) -> bool {
        let bytes = pairs.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        if bytes > NODE_BYTES_MAX {
            return false;
        }
        let bytes_max = match usize::try_from(rules.stream_node_bytes_max()) {
            Ok(0) | Err(_) => NODE_BYTES_MAX,
            Ok(max) => max.min(NODE_BYTES_MAX),
        };
        let places_max = u64::try_from(rules.stream_node_entries_max()).unwrap_or(0);
        let has_room = self.nodes.last().is_some_and(|node| {
            node.as_bytes().len().saturating_add(bytes) < bytes_max && (places_max == 0 || node.places() < places_max)
        });
        if !(has_room && self.nodes.edit_last(|node| node.push(id, pairs)) == Some(true)) {
            let Some(node) = Node::new(id, pairs) else { return false };
            self.nodes.edit_last(Node::trim);
            self.nodes.push_back_chunk(node);
        }
        if self.len() == 1 {
            self.first_id = id;
        }
        self.last_id = id;
        self.added = self.added.saturating_add(1);
        true
    }

    fn find_first_id(&mut self) {
        self.first_id = self.first().map_or(Id::MIN, |entry| entry.id);
    }

    /// Deletes an entry; false if there is none.
    pub fn delete(&mut self, id: Id) -> bool {
        let index = self.node_of(id);
        if self.nodes.get(index).is_none_or(|(node, _)| node.get(id).is_none()) {
            return false;
        }
        self.nodes.edit(index, |node, _| {
            node.delete(|other| match other.cmp(&id) {
                std::cmp::Ordering::Less => Doom::Stays,
                std::cmp::Ordering::Equal => Doom::Goes,
                std::cmp::Ordering::Greater => Doom::Enough,
            })
        });
        if id == self.first_id {
            self.find_first_id();
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        true
    }

    /// How many entries a trim removes, those left out that go by their id from a node of which others stay.
    pub fn before(&self, trim: &Trim) -> usize {
        match (trim.approximate, trim.keep) {
            (Some(most), keep) => self.whole_nodes(keep, most),
            (None, Keep::Newest(keep)) => self.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX)),
            (None, Keep::From(id)) => self.nodes.partition(|node| node.last_id() < id),
        }
    }

    /// Removes the oldest entries, of which [`Entries::before`] told how many there are; how many went.
    pub fn trim(&mut self, trim: &Trim, in_nodes: usize) -> usize {
        let before = self.len();
        let rest = self.nodes.drop_front(in_nodes).rest;
        match (trim.approximate, trim.keep) {
            (None, Keep::Newest(_)) if rest > 0 => {
                let mut left = rest;
                self.delete_first(|_| {
                    if left > 0 {
                        left -= 1;
                        Doom::Goes
                    } else {
                        Doom::Enough
                    }
                });
            }
            (None, Keep::From(id)) => self.delete_first(|other| if other < id { Doom::Goes } else { Doom::Enough }),
            _ => {}
        }
        let removed = before - self.len();
        if removed > 0 {
            self.find_first_id();
        }
        removed
    }

    fn delete_first(&mut self, mut doomed: impl FnMut(Id) -> Doom) {
        let Some(first) = self.first() else { return };
        if doomed(first.id) == Doom::Goes {
            let first = first.id;
            self.nodes.edit_first(|node| node.delete(|id| if id == first { Doom::Goes } else { doomed(id) }));
        }
    }

    /// How many entries stand in the first nodes of which none has to be kept.
    fn whole_nodes(&self, keep: Keep, most: u64) -> usize {
        let (len, mut count) = (self.len() as u64, 0_u64);
        for (node, _) in &self.nodes {
            let with = count + node.count() as u64;
            let goes = match keep {
                Keep::Newest(keep) => len - with >= keep,
                Keep::From(id) => node.last_id() < id,
            };
            if !goes || most > 0 && with > most {
                break;
            }
            count = with;
        }
        count as usize
    }

    /// Whether an entry may be missing behind an id because it was deleted by its name.
    pub fn may_miss_from(&self, id: Id) -> bool {
        !self.is_empty() && self.max_deleted_id != Id::MIN && id <= self.max_deleted_id
    }

    /// How many entries were added up to an id, if that can be told.
    pub fn added_until(&self, id: Id) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.added);
        }
        // What was deleted behind the id, and was not the first then, was counted and cannot be found again.
        if id != Id::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.added);
        }
        let gone = self.added.saturating_sub(self.len() as u64);
        if self.max_deleted_id == Id::MIN || self.max_deleted_id < self.first_id {
            if id < self.first_id {
                return Some(gone);
            }
            if id == self.first_id {
                return Some(gone + 1);
            }
        }
        None
    }

    /// How many nodes Redis's radix tree of the ids of these nodes has. Beyond a few thousand ids it is estimated.
    pub fn radix_nodes(&self) -> u64 {
        const LOOKED_AT_MAX: usize = 4096;
        let ids = self.nodes().take(LOOKED_AT_MAX).map(|node| node.id().to_bytes());
        let looked_at = self.nodes_len().min(LOOKED_AT_MAX) as u64;
        let found = radix_nodes(ids);
        found.saturating_mul(self.nodes_len() as u64).checked_div(looked_at).unwrap_or(found)
    }
}

/// The nodes of a compressed radix tree of keys that come in order: one for each key, one for each place where keys part, and
/// one for each stretch of bytes that all keys below share.
fn radix_nodes(keys: impl Iterator<Item = [u8; 16]>) -> u64 {
    const DEPTH: usize = 16;
    let (mut before, mut nodes): (Option<[u8; 16]>, u64) = (None, 0);
    // Where the keys on the way to the last one part.
    let mut partings: Vec<usize> = Vec::new();
    // A stretch between two places where something begins is a node if it has bytes of its own.
    let stretch = |from: Option<usize>, to: usize| u64::from(from.map_or(0, |from| from + 1) < to);
    for key in keys {
        if let Some(before) = before {
            let common = key.iter().zip(&before).take_while(|(one, other)| one == other).count();
            let mut below = DEPTH;
            while let Some(&parting) = partings.last().filter(|parting| **parting > common) {
                partings.pop();
                nodes += stretch(Some(parting), below);
                below = parting;
            }
            if partings.last() == Some(&common) {
                nodes += stretch(Some(common), below);
            } else {
                nodes += 1 + stretch(Some(common), below);
                partings.push(common);
            }
        }
        nodes += 1;
        before = Some(key);
    }
    if before.is_none() {
        return 1;
    }
    let mut below = DEPTH;
    while let Some(parting) = partings.pop() {
        nodes += stretch(Some(parting), below);
        below = parting;
    }
    nodes + stretch(None, below)
}

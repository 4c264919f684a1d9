//! Entries of a stream between two ids, from either end.

use rkv_collections::chunks::{Chunks, Iter, IterBack};

use super::node::{Backward, Forward, Node, StreamEntry};
use super::{Entries, Id};

/// Entries in order, the last first if asked so.
pub struct Range<'a> {
    walk: Walk<'a>,
    start: Id,
    end: Id,
}

enum Walk<'a> {
    Forward(Iter<'a, Node>, Option<Forward<'a>>),
    Backward(IterBack<'a, Node>, Option<Backward<'a>>),
}

impl std::fmt::Debug for Range<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Range({:?}..={:?})", self.start, self.end)
    }
}

/// The index of the first element of the first node that ends at an id or behind it.
fn node_at(nodes: &Chunks<Node>, id: Id) -> usize {
    match (nodes.first(), nodes.last()) {
        (Some(first), _) if id <= first.last_id() => 0,
        // Who reads a stream as it grows asks for what is in its last node.
        (_, Some(last)) if id > last.last_id() => nodes.len(),
        (_, Some(last)) if id >= last.id() => nodes.len() - rkv_collections::chunks::Chunk::count(last),
        _ => nodes.partition(|node| node.last_id() < id),
    }
}

impl Entries {
    /// The entries from `start` to `end`, both included.
    #[inline]
    pub fn range(&self, start: Id, end: Id) -> Range<'_> {
        let first = node_at(&self.nodes, start);
        Range { walk: Walk::Forward(self.nodes.iter_from(first), None), start, end }
    }

    /// The entries from `end` back to `start`, both included.
    pub fn range_back(&self, start: Id, end: Id) -> Range<'_> {
        // The node behind the one that an id falls into may begin at the id or before it.
        let behind = self.nodes.partition(|node| node.id() <= end);
        let walk = match behind.checked_sub(1) {
            Some(last) => self.nodes.iter_back_from(last),
            None => self.nodes.iter_back_from(usize::MAX),
        };
        Range { walk: Walk::Backward(walk, None), start, end }
    }

    /// An entry by its id.
    pub fn get(&self, id: Id) -> Option<StreamEntry<'_>> {
        self.nodes.get(node_at(&self.nodes, id))?.0.get(id)
    }

    /// Where the node is that could have an id: the index of its first element.
    pub(super) fn node_of(&self, id: Id) -> usize {
        node_at(&self.nodes, id)
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = StreamEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            let (entry, is_back) = match &mut self.walk {
                Walk::Forward(_, Some(within)) => (within.next(), false),
                Walk::Backward(_, Some(within)) => (within.next(), true),
                Walk::Forward(..) => (None, false),
                Walk::Backward(..) => (None, true),
            };
            let Some(entry) = entry else {
                match &mut self.walk {
                    Walk::Forward(nodes, within) => *within = Some(nodes.next()?.0.forward()),
                    Walk::Backward(nodes, within) => *within = Some(nodes.next()?.0.backward()),
                }
                continue;
            };
            match (entry.id < self.start, entry.id > self.end) {
                (false, false) => return Some(entry),
                (true, _) if is_back => return None,
                (_, true) if !is_back => return None,
                _ => {}
            }
        }
    }
}

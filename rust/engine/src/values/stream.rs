//! Streams: entries in the order of their ids, and groups of consumers that read them.
//!
//! Entries stand in nodes of some KiB, each in the form in which Redis has it ([`node`]), in a counted tree. What is pending
//! in a group, and with a consumer, stands in counted trees as well ([`group`]). All of them share their nodes with a
//! snapshot, so that the picture of a stream as of the cut is one more stream, made in O(1), which nobody changes.
//!
//! A stream without entries is a value, unlike other collections: it keeps the last id and the groups.

mod entries;
mod group;
mod id;
mod node;
mod range;
mod sorted;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::collection::{Cell, Collection, Element, Large, Packing, Piece, Shape};
use super::gauge::Share;
use super::rules::Rules;
use super::value::{Kind, ValueRef};
pub use entries::{Entries, Keep, Trim};
pub use group::{Consumer, ConsumerAt, Group, Groups, Pending};
pub use id::{Id, IdText};
pub use node::{Node, StreamEntry};
pub use range::Range;
use rkv_collections::chunks::leave_bytes;
use rkv_collections::packed::Digits;

/// A stream, owned by who changes it.
#[derive(Debug, Default)]
pub struct Stream {
    entries: Entries,
    groups: Option<Arc<Groups>>,
    /// Whether it exists: one without entries does, too.
    is_made: bool,
    /// What it was when a snapshot cut.
    captured: Option<Box<Self>>,
    /// Of a picture: what it alone keeps.
    #[expect(dead_code, reason = "it counts as long as it is held")]
    share: Option<Arc<Share>>,
}

impl Clone for Stream {
    /// Entries and groups; a snapshot under way is that of the original.
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            groups: self.groups.clone(),
            is_made: self.is_made,
            captured: None,
            share: None,
        }
    }
}

/// What a trim did.
#[derive(Debug, Default)]
pub struct Trimmed {
    /// How many entries went.
    pub count: usize,
    /// What takes long to be dropped.
    pub dropped: Option<Stream>,
}

/// From so many entries on, what is removed is left to be dropped elsewhere.
const DROPPED_AT_ONCE_MAX: usize = 4096;

impl Stream {
    /// The entries.
    #[inline]
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Makes it exist, entries or not.
    pub const fn make(&mut self) {
        self.is_made = true;
    }

    /// The id of an entry that is added at a time without a name; `None` if the last one is taken.
    #[inline]
    pub fn next_id(&self, now_ms: u64) -> Option<Id> {
        let last = self.entries.last_id;
        if now_ms > last.ms { Some(Id::new(now_ms, 0)) } else { last.next() }
    }

    /// Adds an entry with an id behind all; false, and nothing is changed, if its fields are too large.
    #[inline]
    pub fn add(&mut self, id: Id, pairs: &[&[u8]], rules: &Rules) -> bool {
        debug_assert!(id > self.entries.last_id, "ids grow");
        let added = self.entries.add(id, pairs, rules);
        self.is_made |= added;
        added
    }

    /// Adds a node of a dump behind all; false if it does not stand behind them.
    pub fn push_node(&mut self, node: Node) -> bool {
        let fits = self.entries.nodes.last().is_none_or(|last| last.last_id() < node.id());
        if fits {
            self.entries.nodes.push_back_chunk(node);
        }
        fits
    }

    /// Sets what a dump tells besides entries.
    pub fn restore(&mut self, last_id: Id, max_deleted_id: Id, added: u64) {
        self.is_made = true;
        self.entries.last_id = last_id;
        self.entries.max_deleted_id = max_deleted_id;
        self.entries.added = added;
        self.entries.first_id = self.entries.first().map_or(Id::MIN, |entry| entry.id);
    }

    /// Sets the last id, and, where given, how many entries were ever added and the largest deleted id.
    pub fn set_id(&mut self, last_id: Id, added: Option<u64>, max_deleted_id: Id) {
        self.entries.last_id = last_id;
        self.entries.added = added.unwrap_or(self.entries.added);
        if max_deleted_id != Id::MIN {
            self.entries.max_deleted_id = max_deleted_id;
        }
    }

    /// Deletes an entry; false if there is none.
    pub fn delete(&mut self, id: Id) -> bool {
        self.entries.delete(id)
    }

    /// Removes the oldest entries.
    pub fn trim(&mut self, trim: &Trim) -> Trimmed {
        if self.entries.is_empty() {
            return Trimmed::default();
        }
        let in_nodes = self.entries.before(trim);
        // It shares what goes, so that the trim drops nothing but counts.
        let whole = (in_nodes > DROPPED_AT_ONCE_MAX).then(|| self.entries.nodes.capture().into_chunks());
        let count = self.entries.trim(trim, in_nodes);
        let dropped = whole.map(|nodes| Self {
            entries: Entries { nodes, ..Entries::default() },
            is_made: true,
            ..Self::default()
        });
        Trimmed { count, dropped }
    }

    /// How many groups there are.
    pub fn groups_len(&self) -> usize {
        self.groups.as_ref().map_or(0, |groups| groups.len())
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().flat_map(|groups| groups.iter())
    }

    /// A group by its name.
    #[inline]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.as_ref()?.get(name)
    }

    /// Adds a group; false if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        self.is_made = true;
        Arc::make_mut(self.groups.get_or_insert_default()).add(name, Arc::new(group))
    }

    /// Removes a group; what it was comes back, as it may take long to be dropped.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Self> {
        self.group(name)?;
        let groups = Arc::make_mut(self.groups.as_mut()?);
        let removed = groups.remove(name)?;
        if Arc::strong_count(&removed) > 1 {
            leave_bytes(removed.heap_bytes());
        }
        if groups.is_empty() {
            self.groups = None;
        }
        let mut kept = Groups::default();
        kept.add(name, removed);
        Some(Self { groups: Some(Arc::new(kept)), is_made: true, ..Self::default() })
    }

    /// Changes a group, with the entries at hand; `None` if there is none of this name.
    #[inline]
    pub fn edit_group<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group, &Entries) -> R) -> Option<R> {
        let entries = &self.entries;
        self.group(name)?;
        Arc::make_mut(self.groups.as_mut()?).edit(name, |group| change(group, entries))
    }

    /// How far a group is behind, in entries, if that can be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let entries = &self.entries;
        let added = entries.added.cast_signed();
        if entries.added == 0 {
            return Some(0);
        }
        match group.entries_read {
            Some(read) if !entries.may_miss_from(group.last_id) => Some(added.wrapping_sub(read)),
            _ => entries.added_until(group.last_id).map(|read| added.wrapping_sub(read.cast_signed())),
        }
    }

    /// What it was when a snapshot cut, if one did and the picture was not taken yet. `share` stays as long as the picture.
    pub fn take_captured(&mut self, share: Option<Arc<Share>>) -> Option<Self> {
        self.captured.take().map(|captured| Self { share, ..*captured })
    }
}

fn element(bytes: &[u8]) -> Element<'_> {
    Element { name: bytes, payload: &[], deadline_ms: None }
}

impl Collection for Stream {
    const KIND: Kind = Kind::Stream;

    type View<'a> = &'a Self;

    fn from_packed(_: Packing, _: Vec<u8>) -> Self {
        Self::default()
    }

    #[inline]
    fn packed(&self) -> Option<(Packing, &[u8])> {
        None
    }

    fn into_buffer(self) -> Vec<u8> {
        Vec::new()
    }

    fn view_packed(_: Packing, _: &[u8]) -> &Self {
        static NOTHING: std::sync::OnceLock<Stream> = std::sync::OnceLock::new();
        NOTHING.get_or_init(Self::default)
    }

    #[inline]
    fn view(&self) -> &Self {
        self
    }

    #[inline]
    fn is_empty(&self) -> bool {
        !self.is_made
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        self.entries.nodes.memory_bytes() + self.groups.as_ref().map_or(0, |groups| groups.heap_bytes())
    }

    fn into_large(self) -> Large {
        Large::Stream(Cell::new(self))
    }

    fn cell(large: &Large) -> Option<&Cell<Self>> {
        if let Large::Stream(cell) = large { Some(cell) } else { None }
    }

    fn cell_of<'a>(value: &ValueRef<'a>) -> Option<&'a Cell<Self>> {
        if let ValueRef::Stream(cell) = value { Some(cell) } else { None }
    }

    /// Shows the parts of every entry in order: its id as Redis digests it, then fields and values in turn.
    fn each(stream: &Self, each: &mut dyn FnMut(Element<'_>)) {
        let mut room = Digits::new();
        for entry in stream.entries.range(Id::MIN, Id::MAX) {
            each(element(&entry.id.text_with(b'.')));
            entry.each(|name, value| {
                each(element(name.bytes(&mut room)));
                each(element(value.bytes(&mut room)));
            });
        }
    }

    /// Nothing is told in pieces.
    fn shape(&self) -> Option<Shape> {
        None
    }

    /// Makes the picture; see [`Stream::take_captured`].
    fn begin_capture(&mut self) {
        if self.captured.is_none() {
            let nodes = self.entries.nodes.capture().into_chunks();
            let entries = Entries { nodes, ..self.entries };
            let picture = Self { entries, groups: self.groups.clone(), is_made: true, ..Self::default() };
            self.captured = Some(Box::new(picture));
        }
    }

    fn captured_bytes(&self, left_bytes: usize) -> usize {
        left_bytes
    }

    /// Nothing is told in pieces: the picture is the whole.
    fn drain(&mut self, into: &mut Piece) -> bool {
        into.clear();
        false
    }

    fn abort_capture(&mut self) {
        self.captured = None;
    }
}

//! A chunk of a stream: entries one behind the other in one packed run, in the form in which RDB files have them.
//!
//! ```text
//!   master   live entries, deleted entries, n, name 1 .. name n, 0
//!   entry    flags, ms, seq, value 1 .. value n, parts                         (names are the master's)
//!   entry    flags, ms, seq, m, name 1, value 1 .. name m, value m, parts      (names of its own)
//! ```
//!
//! `ms` and `seq` are differences to the node's own id, which is that of its first entry. `parts` is the number of packed
//! elements of the entry before it, so that a walk backwards finds where the entry begins. A deleted entry keeps its place
//! and has a flag; a node without live entries does not exist.

use rkv_collections::chunks::Chunk;
use rkv_collections::packed::{Entry, Packed, Position, View, validate};

use super::Id;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// Elements of an entry besides names and values: flags and both parts of the id.
const FIXED_PARTS: usize = 3;

/// Some entries of a stream.
#[derive(Clone)]
pub struct Node {
    id: Id,
    last_id: Id,
    live: u32,
    deleted: u32,
    packed: Packed,
}

impl Chunk for Node {
    #[inline]
    fn count(&self) -> usize {
        self.live as usize
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.packed.heap_bytes()
    }
}

/// One entry of a stream.
#[derive(Clone, Copy)]
pub struct StreamEntry<'a> {
    /// Its name.
    pub id: Id,
    view: View<'a>,
    /// Where names stand, if they are the master's.
    names: Option<Position>,
    /// Where names and values stand, or values alone.
    data: Position,
    pairs: usize,
}

impl std::fmt::Debug for StreamEntry<'_> {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StreamEntry({} pairs)", self.pairs)
    }
}

impl<'a> StreamEntry<'a> {
    /// How many fields it has, each with a value.
    #[inline]
    pub const fn pairs(&self) -> usize {
        self.pairs
    }

    /// Shows each field and its value.
    #[inline]
    pub fn each(&self, mut each: impl FnMut(Entry<'a>, Entry<'a>)) {
        let mut values = self.view.iter_from(self.data);
        let Some(names) = self.names else {
            for _ in 0..self.pairs {
                let (Some(name), Some(value)) = (values.next(), values.next()) else { return };
                each(name, value);
            }
            return;
        };
        self.view.iter_from(names).zip(values).take(self.pairs).for_each(|(name, value)| each(name, value));
    }
}

/// An entry as it stands in its node.
struct Placed<'a> {
    flags: i64,
    entry: StreamEntry<'a>,
    /// Where the next one begins.
    next: Position,
}

/// The head of a node.
#[derive(Clone, Copy)]
struct Master {
    /// How many names it has.
    len: usize,
    names: Position,
    /// Where entries begin.
    entries: Position,
}

fn integer(entry: Option<Entry<'_>>) -> Option<i64> {
    if let Some(Entry::Int(number)) = entry { Some(number) } else { None }
}

impl Node {
    /// A node of one entry, which has these fields and values in turn; `None` if it is too large.
    pub fn new(id: Id, pairs: &[&[u8]]) -> Option<Self> {
        let mut packed = Packed::new();
        let mut push = |entry: Entry<'_>| packed.push_back(entry).ok();
        push(Entry::Int(0))?;
        push(Entry::Int(0))?;
        push(Entry::Int((pairs.len() / 2) as i64))?;
        pairs.iter().step_by(2).try_for_each(|name| push(Entry::Str(name)))?;
        push(Entry::Int(0))?;
        let mut node = Self { id, last_id: id, live: 0, deleted: 0, packed };
        node.push(id, pairs).then_some(node)
    }

    /// Adds an entry behind all; false, and nothing is changed, if the node would be too large.
    pub fn push(&mut self, id: Id, pairs: &[&[u8]]) -> bool {
        let before = self.packed.len();
        let same = self.has_names(pairs);
        if self.push_parts(id, pairs, same).is_none() {
            let added = self.packed.len().saturating_sub(before);
            self.packed.remove_back(added);
            return false;
        }
        self.last_id = id;
        self.live += 1;
        self.write_counts();
        true
    }

    fn push_parts(&mut self, id: Id, pairs: &[&[u8]], same: bool) -> Option<()> {
        let difference = |mine: u64, other: u64| Entry::Int(mine.wrapping_sub(other).cast_signed());
        let (ms, seq) = (difference(id.ms, self.id.ms), difference(id.seq, self.id.seq));
        let mut push = |entry: Entry<'_>| self.packed.push_back(entry).ok();
        push(Entry::Int(if same { SAME_NAMES } else { 0 }))?;
        push(ms)?;
        push(seq)?;
        let parts = if same {
            pairs.iter().skip(1).step_by(2).try_for_each(|value| push(Entry::Str(value)))?;
            FIXED_PARTS + pairs.len() / 2
        } else {
            push(Entry::Int((pairs.len() / 2) as i64))?;
            pairs.iter().try_for_each(|part| push(Entry::Str(part)))?;
            FIXED_PARTS + 1 + pairs.len()
        };
        push(Entry::Int(parts as i64))
    }

    /// Whether an entry has the names of the master, in the same order.
    fn has_names(&self, pairs: &[&[u8]]) -> bool {
        let mut rest = self.packed.iter();
        let len = rest.nth(2);
        integer(len) == Some((pairs.len() / 2) as i64)
            && pairs.iter().step_by(2).zip(rest).all(|(name, entry)| entry.eq_bytes(name))
    }

    fn write_counts(&mut self) {
        let Some(first) = self.packed.view().first() else { return };
        // The numbers only grow by what was pushed before them, so there is room.
        let _ = self.packed.replace(first, i64::from(self.live));
        let Some(second) = self.packed.view().next(first) else { return };
        let _ = self.packed.replace(second, i64::from(self.deleted));
    }

    /// The id to which its entries are relative.
    pub const fn id(&self) -> Id {
        self.id
    }

    /// Its last id: no live entry has a larger one.
    #[inline]
    pub const fn last_id(&self) -> Id {
        self.last_id
    }

    /// Entries that count for its size, those that were deleted included.
    #[inline]
    pub const fn places(&self) -> u64 {
        self.live as u64 + self.deleted as u64
    }

    /// Its packed bytes: what RDB files have.
    pub fn as_bytes(&self) -> &[u8] {
        self.packed.as_bytes()
    }

    /// Gives slack back: it will not grow any more.
    pub fn trim(&mut self) {
        self.packed.shrink_to_fit();
    }

    #[inline]
    fn master(&self) -> Option<Master> {
        let view = self.packed.view();
        let mut rest = view.iter();
        let len = usize::try_from(integer(rest.nth(2))?).ok()?;
        let names = rest.position();
        for _ in 0..len {
            rest.next()?;
        }
        rest.next()?;
        Some(Master { len, names, entries: rest.position() })
    }

    /// The entry that begins at a position; `None` at the end.
    #[inline]
    fn placed(&self, master: Master, at: Position) -> Option<Placed<'_>> {
        let view = self.packed.view();
        let mut rest = view.iter_from(at);
        let flags = integer(rest.next())?;
        let (ms, seq) = (integer(rest.next())?, integer(rest.next())?);
        let id =
            Id { ms: self.id.ms.wrapping_add(ms.cast_unsigned()), seq: self.id.seq.wrapping_add(seq.cast_unsigned()) };
        let (pairs, names, elements) = if flags & SAME_NAMES != 0 {
            (master.len, Some(master.names), master.len)
        } else {
            let pairs = usize::try_from(integer(rest.next())?).ok()?;
            (pairs, None, pairs.checked_mul(2)?)
        };
        let data = rest.position();
        for _ in 0..elements {
            rest.next()?;
        }
        rest.next()?;
        Some(Placed { flags, entry: StreamEntry { id, view, names, data, pairs }, next: rest.position() })
    }

    /// Its live entries in order.
    pub fn forward(&self) -> Forward<'_> {
        let master = self.master();
        Forward { node: self, at: master.map(|master| master.entries), master }
    }

    /// Its live entries, the last first.
    pub fn backward(&self) -> Backward<'_> {
        Backward { node: self, end: self.packed.view().end(), master: self.master() }
    }

    /// A live entry.
    pub fn get(&self, id: Id) -> Option<StreamEntry<'_>> {
        self.forward().take_while(|entry| entry.id <= id).find(|entry| entry.id == id)
    }

    /// Marks entries as deleted for which `doomed` says so, in order, until it says that none follows; how many.
    pub fn delete(&mut self, mut doomed: impl FnMut(Id) -> Doom) -> u32 {
        let Some(master) = self.master() else { return 0 };
        let (mut at, mut count) = (master.entries, 0);
        while let Some(Placed { flags, entry, next }) = self.placed(master, at) {
            if flags & DELETED == 0 {
                match doomed(entry.id) {
                    Doom::Stays => {}
                    Doom::Goes => {
                        // As long as before, so that positions stay.
                        let _ = self.packed.replace(at, flags | DELETED);
                        count += 1;
                    }
                    Doom::Enough => break,
                }
            }
            at = next;
        }
        if count > 0 {
            self.live -= count;
            self.deleted += count;
            self.write_counts();
        }
        count
    }

    /// From the bytes of a dump, which are proved to be a node; `None` if they are none. A node without live entries is
    /// no node.
    pub fn from_bytes(id: Id, bytes: Vec<u8>) -> Option<Self> {
        validate(&bytes).ok()?;
        let mut node = Self { id, last_id: id, live: 0, deleted: 0, packed: Packed::from_bytes(bytes) };
        let mut counts = node.packed.iter();
        let count = |entry| integer(entry).and_then(|count| u32::try_from(count).ok());
        let (live, deleted) = (count(counts.next())?, count(counts.next())?);
        let (found_live, found_deleted, last_id) = node.prove()?;
        node.live = found_live;
        node.deleted = found_deleted;
        node.last_id = last_id;
        (live > 0 && (live, deleted) == (found_live, found_deleted)).then_some(node)
    }

    /// Walks through all entries; gives the numbers of live and of deleted ones and the last live id. `None` if something
    /// does not fit. Where deleted ones stand does not matter: XSETID lets ids go back to what they had.
    fn prove(&self) -> Option<(u32, u32, Id)> {
        let master = self.master()?;
        let view = self.packed.view();
        if integer(view.entry(view.prev(master.entries)?)) != Some(0) {
            return None;
        }
        let (mut at, end) = (master.entries, view.end());
        let (mut live, mut deleted, mut last) = (0_u32, 0_u32, None);
        while at < end {
            let Placed { flags, entry, next } = self.placed(master, at)?;
            if !(0..=DELETED | SAME_NAMES).contains(&flags) {
                return None;
            }
            // One more than the pairs tell if names are its own: their number.
            let own = if flags & SAME_NAMES == 0 { 1 + entry.pairs } else { 0 };
            let parts = FIXED_PARTS.checked_add(entry.pairs)?.checked_add(own)?;
            if next > end || integer(view.entry(view.prev(next)?)) != i64::try_from(parts).ok() {
                return None;
            }
            if flags & DELETED == 0 {
                if last.map_or(entry.id < self.id, |last| entry.id <= last) {
                    return None;
                }
                live = live.checked_add(1)?;
                last = Some(entry.id);
            } else {
                deleted = deleted.checked_add(1)?;
            }
            at = next;
        }
        Some((live, deleted, last?))
    }
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// It stays.
    Stays,
    /// It is deleted.
    Goes,
    /// It stays, and so do all behind it.
    Enough,
}

/// Live entries of a node, in order.
pub struct Forward<'a> {
    node: &'a Node,
    master: Option<Master>,
    at: Option<Position>,
}

impl<'a> Iterator for Forward<'a> {
    type Item = StreamEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            let Placed { flags, entry, next } = self.node.placed(self.master?, self.at?)?;
            self.at = Some(next);
            if flags & DELETED == 0 {
                return Some(entry);
            }
        }
    }
}

/// Live entries of a node, the last first.
pub struct Backward<'a> {
    node: &'a Node,
    master: Option<Master>,
    end: Position,
}

impl<'a> Iterator for Backward<'a> {
    type Item = StreamEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<StreamEntry<'a>> {
        let (node, view, master) = (self.node, self.node.packed.view(), self.master?);
        loop {
            if self.end <= master.entries {
                return None;
            }
            let mut at = view.prev(self.end)?;
            for _ in 0..integer(view.entry(at))? {
                at = view.prev(at)?;
            }
            self.end = at;
            let Placed { flags, entry, .. } = node.placed(master, at)?;
            if flags & DELETED == 0 {
                return Some(entry);
            }
        }
    }
}

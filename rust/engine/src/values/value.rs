//! A value as it is stored, and as it is to be stored.

use rkv_collections::bytes::Shared;

use super::collection::{Cell, Collection, Element, Large, Packing};
use super::elements::Named;
use super::hash::HashView;
use super::set::SetView;
use super::zset::ZsetView;
use super::{Hash, List, Set, Stream, Zset};
use crate::number::Decimal;

/// The types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    Zset,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl Kind {
    /// As TYPE and SCAN's TYPE name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }

    /// Redis's number of the type.
    pub const fn number(self) -> u32 {
        match self {
            Self::String => 0,
            Self::List => 1,
            Self::Set => 2,
            Self::Zset => 3,
            Self::Hash => 4,
            Self::Stream => 6,
        }
    }
}

/// A value to be stored.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// An integer.
    Integer(i64),
    /// A string in the encoding that its length suggests.
    Bytes(&'a [u8]),
    /// A string whose encoding is `raw`, because it was changed in place.
    Raw(&'a [u8]),
    /// A string in a buffer of its own.
    Shared(Shared),
    /// A small collection.
    Packed(Packing, &'a [u8]),
    /// A collection of its own memory.
    Large(Large),
}

/// A stored value.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// An integer.
    Integer(i64),
    /// A short string.
    Bytes(&'a [u8]),
    /// A long string.
    Shared(&'a Shared),
    /// A small collection.
    Packed(Packing, &'a [u8]),
    /// A list of its own memory.
    List(&'a Cell<List>),
    /// A set of its own memory.
    Set(&'a Cell<Set>),
    /// A sorted set of its own memory.
    Zset(&'a Cell<Zset>),
    /// A hash of its own memory.
    Hash(&'a Cell<Hash>),
    /// A stream.
    Stream(&'a Cell<Stream>),
}

/// Strings up to this many bytes are `embstr`, longer ones `raw`.
const EMBEDDED_BYTES_MAX: usize = 44;

impl ValueRef<'_> {
    /// Its type.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Integer(_) | Self::Bytes(_) | Self::Shared(_) => Kind::String,
            Self::Packed(packing, _) => packing.kind(),
            Self::List(_) => Kind::List,
            Self::Set(_) => Kind::Set,
            Self::Zset(_) => Kind::Zset,
            Self::Hash(_) => Kind::Hash,
            Self::Stream(_) => Kind::Stream,
        }
    }

    /// The encoding as OBJECT ENCODING names it; `is_raw` says that a short string was changed in place.
    pub fn encoding(&self, is_raw: bool) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::Bytes(bytes) if !is_raw && bytes.len() <= EMBEDDED_BYTES_MAX => "embstr",
            Self::Bytes(_) | Self::Shared(_) => "raw",
            Self::Packed(packing, _) => packing.encoding(),
            Self::List(cell) => cell.encoding(),
            Self::Set(cell) => cell.encoding(),
            Self::Zset(cell) => cell.encoding(),
            Self::Hash(cell) => cell.encoding(),
            Self::Stream(cell) => cell.encoding(),
        }
    }

    /// How large it is: bytes of a string, elements of anything else. In O(1).
    pub fn size(&self) -> u64 {
        match self {
            Self::Integer(number) => Decimal::from(*number).len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Shared(shared) => shared.len() as u64,
            Self::Packed(Packing::List, bytes) => List::view_packed(Packing::List, bytes).len() as u64,
            Self::Packed(Packing::Zset, bytes) => Zset::view_packed(Packing::Zset, bytes).len(),
            Self::Packed(Packing::Hash, bytes) => Hash::view_packed(Packing::Hash, bytes).len() as u64,
            Self::Packed(packing, bytes) => Set::view_packed(*packing, bytes).len() as u64,
            Self::List(cell) => cell.read().view().len() as u64,
            Self::Set(cell) => cell.read().view().len() as u64,
            Self::Zset(cell) => cell.read().view().len(),
            Self::Hash(cell) => cell.read().view().len() as u64,
            Self::Stream(cell) => cell.read().view().entries().len() as u64,
        }
    }

    /// Heap bytes of what stands outside of the key's blob.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Integer(_) | Self::Bytes(_) | Self::Packed(..) => 0,
            Self::Shared(shared) => shared.heap_bytes(),
            Self::List(cell) => cell.heap_bytes(),
            Self::Set(cell) => cell.heap_bytes(),
            Self::Zset(cell) => cell.heap_bytes(),
            Self::Hash(cell) => cell.heap_bytes(),
            Self::Stream(cell) => cell.heap_bytes(),
        }
    }

    /// Asks for the memory of elements that are about to be looked for, and tells what is seen of them.
    pub fn fetch(&self, names: &mut [Named<'_>]) {
        match self {
            Self::Set(cell) => {
                if let SetView::Table(members) = cell.read().view() {
                    members.fetch(names);
                }
            }
            Self::Hash(cell) => {
                if let HashView::Table(fields) = cell.read().view() {
                    fields.elements().fetch(names);
                }
            }
            Self::Zset(cell) => {
                if let ZsetView::Tree(tree) = cell.read().view() {
                    tree.fetch(names);
                }
            }
            _ => {}
        }
    }

    /// Shows every element of a collection; those of a list and of a sorted set in order, and the parts of
    /// every entry of a stream. A string has none.
    pub fn each(&self, each: &mut dyn FnMut(Element<'_>)) {
        match self {
            Self::Integer(_) | Self::Bytes(_) | Self::Shared(_) => {}
            Self::Packed(packing, bytes) => packing.each(bytes, each),
            Self::List(cell) => List::each(cell.read().view(), each),
            Self::Set(cell) => Set::each(cell.read().view(), each),
            Self::Zset(cell) => Zset::each(cell.read().view(), each),
            Self::Hash(cell) => Hash::each(cell.read().view(), each),
            Self::Stream(cell) => Stream::each(cell.read().view(), each),
        }
    }
}

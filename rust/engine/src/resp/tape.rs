//! Replies as typed values, for callers that are not across a wire: embedding, Lua, tests.

use rkv_collections::bytes::Shared;

use super::output::SPLICE_BYTES_MIN;
use crate::error::Error;

/// Text bytes kept allocated by `clear`.
const BYTES_KEPT: usize = 64 * 1024;
/// Items kept allocated by `clear`.
const ITEMS_KEPT: usize = 4096;

/// One value; text lies in the tape's bytes in the order of the items, so lengths are enough.
#[derive(Clone, Copy, Debug)]
enum Item {
    Ok,
    Simple(usize),
    Error,
    Integer(i64),
    Bulk(usize),
    Shared,
    Null,
    NullArray,
    Array(usize),
    Map(usize),
    Set(usize),
    Push(usize),
    Attribute(usize),
    Double(f64),
    Boolean(bool),
    Verbatim([u8; 3], usize),
    BigNumber(usize),
}

/// One value of a reply, in preorder: an aggregate is followed by its elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A status such as `OK`.
    Simple(&'a str),
    /// An error.
    Error(&'a Error),
    /// An integer.
    Integer(i64),
    /// A string.
    Bulk(&'a [u8]),
    /// A large string that the keyspace shares.
    Shared(&'a Shared),
    /// No value.
    Null,
    /// No array; the same as `Null` to RESP3.
    NullArray,
    /// So many elements follow.
    Array(usize),
    /// So many pairs follow.
    Map(usize),
    /// So many members follow.
    Set(usize),
    /// So many elements follow, out of band.
    Push(usize),
    /// So many pairs follow that say something about the value behind them.
    Attribute(usize),
    /// A float.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// Text with its format: `txt` or `mkd`.
    Verbatim([u8; 3], &'a [u8]),
    /// An integer of any size, in decimal.
    BigNumber(&'a str),
}

/// A recording of replies.
#[derive(Debug, Default)]
pub struct Tape {
    items: Vec<Item>,
    bytes: Vec<u8>,
    shared: Vec<Shared>,
    errors: Vec<Error>,
}

impl Tape {
    /// An empty tape; allocates nothing.
    pub const fn new() -> Self {
        Self { items: Vec::new(), bytes: Vec::new(), shared: Vec::new(), errors: Vec::new() }
    }

    /// How many values are recorded, elements included.
    #[inline]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is recorded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes allocated by this tape alone.
    pub fn heap_bytes(&self) -> usize {
        self.items.capacity() * size_of::<Item>()
            + self.bytes.capacity()
            + self.shared.capacity() * size_of::<Shared>()
            + self.errors.capacity() * size_of::<Error>()
    }

    /// Forgets everything, keeps a modest capacity.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(Position::default());
        if self.items.capacity() > ITEMS_KEPT || self.bytes.capacity() > BYTES_KEPT {
            self.items = Vec::new();
            self.bytes = Vec::new();
        }
    }

    /// Where the next value will stand.
    pub fn position(&self) -> Position {
        Position {
            items: self.items.len(),
            bytes: self.bytes.len(),
            shared: self.shared.len(),
            errors: self.errors.len(),
        }
    }

    /// Takes back everything recorded since `position`.
    #[inline]
    pub fn truncate(&mut self, position: Position) {
        self.items.truncate(position.items);
        self.bytes.truncate(position.bytes);
        self.shared.truncate(position.shared);
        self.errors.truncate(position.errors);
    }

    /// All values in preorder.
    #[inline]
    pub fn iter(&self) -> Values<'_> {
        Values { items: self.items.iter(), bytes: &self.bytes, shared: self.shared.iter(), errors: self.errors.iter() }
    }

    /// The first value: what `iter` gives first, without the walk that most replies do not need.
    #[inline]
    pub fn first(&self) -> Option<Value<'_>> {
        match *self.items.first()? {
            Item::Bulk(len) => self.bytes.get(..len).map(Value::Bulk),
            Item::Integer(value) => Some(Value::Integer(value)),
            Item::Null => Some(Value::Null),
            Item::Ok => Some(Value::Simple("OK")),
            _ => self.iter().next(),
        }
    }

    #[inline]
    fn text(&mut self, text: &[u8]) -> usize {
        self.bytes.extend_from_slice(text);
        text.len()
    }

    #[inline]
    pub(super) fn ok(&mut self) {
        self.items.push(Item::Ok);
    }

    #[inline]
    pub(super) fn simple(&mut self, text: &str) {
        let len = self.text(text.as_bytes());
        self.items.push(Item::Simple(len));
    }

    pub(super) fn error(&mut self, error: &Error) {
        self.errors.push(error.clone());
        self.items.push(Item::Error);
    }

    #[inline]
    pub(super) fn integer(&mut self, value: i64) {
        self.items.push(Item::Integer(value));
    }

    #[inline]
    pub(super) fn bulk(&mut self, text: &[u8]) {
        let len = self.text(text);
        self.items.push(Item::Bulk(len));
    }

    #[inline]
    pub(super) fn shared(&mut self, buffer: &Shared) {
        if buffer.len() < SPLICE_BYTES_MIN {
            return self.bulk(buffer);
        }
        self.shared.push(buffer.clone());
        self.items.push(Item::Shared);
    }

    #[inline]
    pub(super) fn null(&mut self) {
        self.items.push(Item::Null);
    }

    pub(super) fn null_array(&mut self) {
        self.items.push(Item::NullArray);
    }

    #[inline]
    pub(super) fn aggregate(&mut self, aggregate: Aggregate, count: usize) {
        self.items.push(aggregate.item(count));
    }

    /// Sets kind and length of the aggregate at `index`.
    pub(super) fn fill(&mut self, index: usize, aggregate: Aggregate, count: usize) {
        if let Some(item) = self.items.get_mut(index) {
            *item = aggregate.item(count);
        }
    }

    pub(super) fn double(&mut self, value: f64) {
        self.items.push(Item::Double(value));
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.items.push(Item::Boolean(value));
    }

    pub(super) fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        let len = self.text(text);
        self.items.push(Item::Verbatim(format, len));
    }

    pub(super) fn big_number(&mut self, digits: &str) {
        let len = self.text(digits.as_bytes());
        self.items.push(Item::BigNumber(len));
    }
}

/// A place on a tape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    items: usize,
    bytes: usize,
    shared: usize,
    errors: usize,
}

/// Kinds of values that have elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Array,
    Map,
    Set,
    Push,
    Attribute,
}

impl Aggregate {
    #[inline]
    const fn item(self, count: usize) -> Item {
        match self {
            Self::Array => Item::Array(count),
            Self::Map => Item::Map(count),
            Self::Set => Item::Set(count),
            Self::Push => Item::Push(count),
            Self::Attribute => Item::Attribute(count),
        }
    }
}

impl<'a> IntoIterator for &'a Tape {
    type Item = Value<'a>;
    type IntoIter = Values<'a>;

    fn into_iter(self) -> Values<'a> {
        self.iter()
    }
}

/// Reads a tape from front to back.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    items: std::slice::Iter<'a, Item>,
    bytes: &'a [u8],
    shared: std::slice::Iter<'a, Shared>,
    errors: std::slice::Iter<'a, Error>,
}

impl<'a> Values<'a> {
    #[inline]
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (text, rest) = self.bytes.split_at_checked(len).unwrap_or((self.bytes, &[]));
        self.bytes = rest;
        text
    }

    /// A value of an item that few replies have, so that the walk over the others stays small.
    fn rare(&mut self, item: Item) -> Option<Value<'a>> {
        Some(match item {
            Item::Ok => Value::Simple("OK"),
            Item::Simple(len) => Value::Simple(self.take_str(len)),
            Item::Error => Value::Error(self.errors.next()?),
            Item::Integer(value) => Value::Integer(value),
            Item::Bulk(len) => Value::Bulk(self.take(len)),
            Item::Shared => Value::Shared(self.shared.next()?),
            Item::Null => Value::Null,
            Item::NullArray => Value::NullArray,
            Item::Array(count) => Value::Array(count),
            Item::Map(count) => Value::Map(count),
            Item::Set(count) => Value::Set(count),
            Item::Push(count) => Value::Push(count),
            Item::Attribute(count) => Value::Attribute(count),
            Item::Double(value) => Value::Double(value),
            Item::Boolean(value) => Value::Boolean(value),
            Item::Verbatim(format, len) => Value::Verbatim(format, self.take(len)),
            Item::BigNumber(len) => Value::BigNumber(self.take_str(len)),
        })
    }

    /// Text that was recorded from a `str` of the same length, so the check cannot fail.
    fn take_str(&mut self, len: usize) -> &'a str {
        std::str::from_utf8(self.take(len)).unwrap_or_default()
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        match *self.items.next()? {
            Item::Bulk(len) => Some(Value::Bulk(self.take(len))),
            Item::Integer(value) => Some(Value::Integer(value)),
            Item::Null => Some(Value::Null),
            Item::Ok => Some(Value::Simple("OK")),
            item => self.rare(item),
        }
    }
}

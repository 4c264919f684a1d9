//! Hashes: fields with a value each, and with a deadline if they have one.

mod choice;
mod fields;

use rkv_collections::packed::{Digits, Entry, Packed, View};

use super::collection::{Cell, Collection, Element, Large, Packing, Piece, Shape};
use super::elements::Named;
use super::rules::Rules;
use super::value::{Kind, ValueRef};

pub use choice::Choice;
pub use fields::{Before, Fields, Lifetime, approach};

/// A hash, owned by who changes it.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Each field before its value. None has a deadline.
    Packed(Packed),
    /// Fields by their hash.
    Table(Box<Fields>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

/// A hash, to be read.
///
/// `now_ms` is the present: a field whose time is over is not there.
#[derive(Clone, Copy, Debug)]
pub enum HashView<'a> {
    /// Each field before its value.
    Packed(View<'a>),
    /// Fields by their hash.
    Table(&'a Fields),
}

impl<'a> HashView<'a> {
    /// How many fields are stored, those included whose time is over and that were not removed yet: what HLEN tells.
    pub fn len(self) -> usize {
        match self {
            Self::Packed(view) => view.len() / 2,
            Self::Table(fields) => fields.elements().len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// How many fields there are; takes time if any has a deadline.
    pub fn live_len(self, now_ms: i64) -> usize {
        match self {
            Self::Table(fields) if fields.has_deadlines() => {
                fields.elements().iter().filter(|element| !element.is_expired(now_ms)).count()
            }
            _ => self.len(),
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8], now_ms: i64) -> Option<Entry<'a>> {
        match self {
            Self::Packed(view) => {
                let value = view.next(view.find(field, 1)?)?;
                view.entry(value)
            }
            Self::Table(fields) => fields.get(field, now_ms).map(|element| Entry::Str(element.payload)),
        }
    }

    /// When a field expires, in Unix milliseconds; the outer `None` without such a field.
    pub fn deadline_ms(self, field: &[u8], now_ms: i64) -> Option<Option<i64>> {
        match self {
            Self::Packed(view) => view.find(field, 1).map(|_| None),
            Self::Table(fields) => fields.get(field, now_ms).map(|element| element.deadline_ms),
        }
    }

    /// Shows every field with its value.
    pub fn each(self, now_ms: i64, mut each: impl FnMut(Entry<'a>, Entry<'a>)) {
        match self {
            Self::Packed(view) => {
                let mut entries = view.iter();
                while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
                    each(name, value);
                }
            }
            Self::Table(fields) => {
                for element in fields.elements().iter().filter(|element| !element.is_expired(now_ms)) {
                    each(Entry::Str(element.name), Entry::Str(element.payload));
                }
            }
        }
    }

    /// Shows the fields of the next range at or behind a position, expired ones included, and gives the next position; see
    /// `Elements::scan`. A packed hash is one range.
    pub fn scan(self, position: u64, mut each: impl FnMut(Element<'_>)) -> Option<u64> {
        match self {
            Self::Packed(_) => {
                Hash::each(self, &mut each);
                None
            }
            Self::Table(fields) => fields.elements().scan(position, each),
        }
    }
}

impl Hash {
    /// Stores a field.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8], lifetime: Lifetime, rules: &Rules, now_ms: i64) -> Before {
        self.set_named(field.into(), value, lifetime, rules, now_ms)
    }

    /// Stores a field of whose name something may be known.
    #[inline]
    pub fn set_named(
        &mut self,
        named: Named<'_>,
        value: &[u8],
        lifetime: Lifetime,
        rules: &Rules,
        now_ms: i64,
    ) -> Before {
        if let Self::Table(fields) = self {
            return fields.set(named, value, lifetime, now_ms);
        }
        self.set_small(named.bytes(), value, lifetime, rules, now_ms)
    }

    fn set_small(&mut self, field: &[u8], value: &[u8], lifetime: Lifetime, rules: &Rules, now_ms: i64) -> Before {
        if let Self::Packed(packed) = self
            && !matches!(lifetime, Lifetime::At(_))
        {
            let value_bytes_max = usize::try_from(rules.hash_value_bytes_max()).unwrap_or(usize::MAX);
            if field.len() <= value_bytes_max && value.len() <= value_bytes_max {
                let view = packed.view();
                if let Some(at) = view.find(field, 1) {
                    let at = view.next(at);
                    if at.is_some_and(|at| packed.replace(at, value).is_ok()) {
                        return Before::Live;
                    }
                } else if packed.len() / 2 < usize::try_from(rules.hash_entries_max()).unwrap_or(0)
                    && packed.push_back(field).is_ok()
                    && packed.push_back(value).is_ok()
                {
                    return Before::Absent;
                }
            }
        }
        self.table(rules).set(field.into(), value, lifetime, now_ms)
    }

    /// Prepares for so many fields at once: as many as are never packed are not packed first.
    pub fn expect(&mut self, fields: usize, rules: &Rules) {
        if fields > usize::try_from(rules.hash_entries_max()).unwrap_or(0) {
            self.table(rules);
        }
    }

    /// Removes a field; false if there is none.
    pub fn remove(&mut self, field: &[u8], now_ms: i64) -> bool {
        match self {
            Self::Packed(packed) => match packed.view().find(field, 1) {
                Some(at) => packed.remove(at, 2) > 0,
                None => false,
            },
            Self::Table(fields) => fields.remove(field, now_ms),
        }
    }

    /// Removes a field even if its time is over; false if there is none.
    pub fn discard(&mut self, field: &[u8]) -> bool {
        self.remove(field, i64::MIN)
    }

    /// Sets or removes the deadline of a field that is there.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: Option<i64>, rules: &Rules, now_ms: i64) {
        if deadline_ms.is_some() || matches!(self, Self::Table(_)) {
            self.table(rules).set_deadline(field, deadline_ms, now_ms);
        }
    }

    /// Removes fields whose time is over, and adds them to `gone`: about `budget` looks. True if more are due.
    pub fn expire(&mut self, now_ms: i64, budget: usize, gone: &mut Piece) -> bool {
        match self {
            Self::Packed(_) => false,
            Self::Table(fields) => fields.expire(now_ms, budget, gone),
        }
    }

    /// Whether it is time to call [`Hash::expire`].
    pub fn is_due(&self, now_ms: i64) -> bool {
        matches!(self, Self::Table(fields) if fields.is_due(now_ms))
    }

    /// The fields as a table, into which a packed form is converted.
    fn table(&mut self, rules: &Rules) -> &mut Fields {
        if let Self::Packed(packed) = self {
            let mut fields = Fields::new(rules.keyed);
            let (mut name_room, mut value_room) = (Digits::new(), Digits::new());
            let mut entries = packed.iter();
            while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
                fields.set(name.bytes(&mut name_room).into(), value.bytes(&mut value_room), Lifetime::Clear, 0);
            }
            *self = Self::Table(Box::new(fields));
        }
        match self {
            Self::Table(fields) => fields,
            Self::Packed(_) => unreachable!("it was just converted"),
        }
    }
}

impl Collection for Hash {
    const KIND: Kind = Kind::Hash;

    type View<'a> = HashView<'a>;

    fn from_packed(_: Packing, bytes: Vec<u8>) -> Self {
        Self::Packed(Packed::from_bytes(bytes))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Self::Packed(packed) => Some((Packing::Hash, packed.as_bytes())),
            Self::Table(_) => None,
        }
    }

    fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Packed(packed) => packed.into_bytes(),
            Self::Table(_) => Vec::new(),
        }
    }

    fn view_packed(_: Packing, bytes: &[u8]) -> HashView<'_> {
        HashView::Packed(View::new(bytes))
    }

    #[inline]
    fn view(&self) -> HashView<'_> {
        match self {
            Self::Packed(packed) => HashView::Packed(packed.view()),
            Self::Table(fields) => HashView::Table(fields),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Packed(packed) => packed.is_empty(),
            Self::Table(fields) => fields.elements().is_empty(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Self::Packed(_) => Packing::Hash.encoding(),
            Self::Table(_) => "hashtable",
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.heap_bytes(),
            Self::Table(fields) => fields.heap_bytes() + size_of::<Fields>(),
        }
    }

    fn take_due(&mut self, now_ms: i64) -> Option<i64> {
        match self {
            Self::Packed(_) => None,
            Self::Table(fields) => fields.take_due(now_ms),
        }
    }

    fn forget_due(&mut self) {
        if let Self::Table(fields) = self {
            fields.forget_due();
        }
    }

    fn into_large(self) -> Large {
        Large::Hash(Cell::new(self))
    }

    fn cell(large: &Large) -> Option<&Cell<Self>> {
        if let Large::Hash(cell) = large { Some(cell) } else { None }
    }

    fn cell_of<'a>(value: &ValueRef<'a>) -> Option<&'a Cell<Self>> {
        if let ValueRef::Hash(cell) = value { Some(cell) } else { None }
    }

    fn each(view: HashView<'_>, each: &mut dyn FnMut(Element<'_>)) {
        match view {
            HashView::Packed(view) => {
                let (mut name_room, mut value_room) = (Digits::new(), Digits::new());
                let mut entries = view.iter();
                while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
                    let (name, payload) = (name.bytes(&mut name_room), value.bytes(&mut value_room));
                    each(Element { name, payload, deadline_ms: None });
                }
            }
            HashView::Table(fields) => fields.elements().iter().for_each(each),
        }
    }

    fn scan(view: HashView<'_>, position: u64, each: &mut dyn FnMut(Element<'_>)) -> Option<u64> {
        view.scan(position, each)
    }

    fn shape(&self) -> Option<Shape> {
        match self {
            Self::Packed(_) => None,
            Self::Table(fields) => {
                let (len, has_deadlines) = (fields.elements().len(), fields.has_deadlines());
                Some(Shape { len, has_deadlines, ..Shape::default() })
            }
        }
    }

    fn begin_capture(&mut self) {
        if let Self::Table(fields) = self {
            fields.begin_capture();
        }
    }

    fn captured_bytes(&self, _: usize) -> usize {
        if let Self::Table(fields) = self { fields.captured_bytes() } else { 0 }
    }

    fn drain(&mut self, into: &mut Piece) -> bool {
        match self {
            Self::Packed(_) => false,
            Self::Table(fields) => fields.drain(into),
        }
    }

    fn abort_capture(&mut self) {
        if let Self::Table(fields) = self {
            fields.abort_capture();
        }
    }
}

#[cfg(test)]
mod tests;

//! Hashes: fields with a value each, and with a deadline if they have one.

use rkv_collections::packed::{Digits, Entry, Packed, View};

use super::collection::{Cell, Collection, Element, Large, Packing, Piece};
use super::elements::Elements;
use super::rules::Rules;
use super::value::{Kind, ValueRef};

/// A hash, owned by who changes it.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Each field before its value.
    Packed(Packed),
    /// Fields by their hash.
    Table(Box<Elements>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

/// A hash, to be read.
#[derive(Clone, Copy, Debug)]
pub enum HashView<'a> {
    /// Each field before its value.
    Packed(View<'a>),
    /// Fields by their hash.
    Table(&'a Elements),
}

impl<'a> HashView<'a> {
    /// How many fields there are.
    pub fn len(self) -> usize {
        match self {
            Self::Packed(view) => view.len() / 2,
            Self::Table(fields) => fields.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(self, field: &[u8]) -> Option<Entry<'a>> {
        match self {
            Self::Packed(view) => {
                let value = view.next(view.find(field, 1)?)?;
                view.entry(value)
            }
            Self::Table(fields) => fields.get(field).map(|element| Entry::Str(element.payload)),
        }
    }
}

impl Hash {
    /// Sets the value of a field; whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], rules: &Rules) -> bool {
        if let Self::Packed(packed) = self {
            let value_bytes_max = usize::try_from(rules.hash_value_bytes_max()).unwrap_or(usize::MAX);
            if field.len() <= value_bytes_max && value.len() <= value_bytes_max {
                let view = packed.view();
                if let Some(at) = view.find(field, 1) {
                    let at = view.next(at);
                    if at.is_some_and(|at| packed.replace(at, value).is_ok()) {
                        return false;
                    }
                } else if packed.len() / 2 < usize::try_from(rules.hash_entries_max()).unwrap_or(0)
                    && packed.push_back(field).is_ok()
                    && packed.push_back(value).is_ok()
                {
                    return true;
                }
            }
        }
        self.table(rules).put(&Element { name: field, payload: value, deadline_ms: None }).before.is_none()
    }

    /// Removes a field; false if there is none.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Self::Packed(packed) => match packed.view().find(field, 1) {
                Some(at) => packed.remove(at, 2) > 0,
                None => false,
            },
            Self::Table(fields) => fields.remove(field),
        }
    }

    /// The fields as a table, into which a packed form is converted.
    fn table(&mut self, rules: &Rules) -> &mut Elements {
        if let Self::Packed(packed) = self {
            let mut fields = Elements::new(rules.keyed);
            let (mut name_room, mut value_room) = (Digits::new(), Digits::new());
            let mut entries = packed.iter();
            while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
                let (name, payload) = (name.bytes(&mut name_room), value.bytes(&mut value_room));
                fields.put(&Element { name, payload, deadline_ms: None });
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
            Self::Table(fields) => fields.is_empty(),
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
            Self::Table(fields) => fields.heap_bytes() + size_of::<Elements>(),
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
            HashView::Table(fields) => fields.iter().for_each(each),
        }
    }

    fn begin_capture(&mut self) {
        if let Self::Table(fields) = self {
            fields.begin_capture();
        }
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

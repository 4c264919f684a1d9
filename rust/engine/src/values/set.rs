//! Setes: fields with a value each, and with a deadline if they have one.

use rkv_collections::packed::{Digits, Entry, Packed, View};

use super::collection::{Cell, Collection, Element, Large, Packing, Piece};
use super::elements::Elements;
use super::value::{Kind, ValueRef};

/// A set, owned by who changes it.
#[derive(Clone, Debug)]
pub enum Set {
    /// Each field before its value.
    Packed(Packed),
    /// Fields by their hash.
    Table(Box<Elements>),
}

impl Default for Set {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

/// A set, to be read.
#[derive(Clone, Copy, Debug)]
pub enum SetView<'a> {
    /// Each field before its value.
    Packed(View<'a>),
    /// Fields by their hash.
    Table(&'a Elements),
}

impl<'a> SetView<'a> {
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

    /// Whether a member is there.
    pub fn contains(self, member: &[u8]) -> bool {
        self.get(member).is_some()
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

impl Collection for Set {
    const KIND: Kind = Kind::Set;

    type View<'a> = SetView<'a>;

    fn from_packed(_: Packing, bytes: Vec<u8>) -> Self {
        Self::Packed(Packed::from_bytes(bytes))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Self::Packed(packed) => Some((Packing::Set, packed.as_bytes())),
            Self::Table(_) => None,
        }
    }

    fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Packed(packed) => packed.into_bytes(),
            Self::Table(_) => Vec::new(),
        }
    }

    fn view_packed(_: Packing, bytes: &[u8]) -> SetView<'_> {
        SetView::Packed(View::new(bytes))
    }

    #[inline]
    fn view(&self) -> SetView<'_> {
        match self {
            Self::Packed(packed) => SetView::Packed(packed.view()),
            Self::Table(fields) => SetView::Table(fields),
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
            Self::Packed(_) => Packing::Set.encoding(),
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
        Large::Set(Cell::new(self))
    }

    fn cell(large: &Large) -> Option<&Cell<Self>> {
        if let Large::Set(cell) = large { Some(cell) } else { None }
    }

    fn cell_of<'a>(value: &ValueRef<'a>) -> Option<&'a Cell<Self>> {
        if let ValueRef::Set(cell) = value { Some(cell) } else { None }
    }

    fn each(view: SetView<'_>, each: &mut dyn FnMut(Element<'_>)) {
        match view {
            SetView::Packed(view) => {
                let (mut name_room, mut value_room) = (Digits::new(), Digits::new());
                let mut entries = view.iter();
                while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
                    let (name, payload) = (name.bytes(&mut name_room), value.bytes(&mut value_room));
                    each(Element { name, payload, deadline_ms: None });
                }
            }
            SetView::Table(fields) => fields.iter().for_each(each),
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

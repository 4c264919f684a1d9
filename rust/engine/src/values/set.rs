//! Sets: members, every one once.
//!
//! ```text
//!   integers ──── a member that is none ────▶ packed ──── too many, or one too long ────▶ table
//!       └───────────────── too many, or the packed form has no room ─────────────────────▶
//! ```
//!
//! A form is left when a member comes that it does not take, and never returned to: a set that shrinks keeps the form it
//! has. What a STORE command computes is a new set, in the form that its members need.

mod algebra;
mod chance;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use rkv_collections::intset::{self, IntSet};
use rkv_collections::packed::{self, Digits, Entry, Packed, integer};

use super::collection::{Cell, Collection, Element, Large, Packing, Piece, Shape};
use super::elements::{Elements, Named};
use super::rules::Rules;
use super::value::{Kind, ValueRef};

pub use algebra::{difference, difference_of, intersection, intersection_of, union, union_of};

/// Redis keeps no more integers than this in an array, whatever the option says.
const INTEGERS_MAX: usize = 1 << 30;
/// Redis packs no more bytes than this, whatever the options say.
const PACKED_BYTES_MAX: usize = 1 << 30;

/// A set, owned by who changes it.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers in order.
    Integers(IntSet),
    /// Members in the order in which they came.
    Packed(Packed),
    /// Members by their hash.
    Table(Box<Elements>),
}

impl Default for Set {
    fn default() -> Self {
        Self::Integers(IntSet::new())
    }
}

/// A set, to be read.
#[derive(Clone, Copy, Debug)]
pub enum SetView<'a> {
    /// Integers in order.
    Integers(intset::View<'a>),
    /// Members in the order in which they came.
    Packed(packed::View<'a>),
    /// Members by their hash.
    Table(&'a Elements),
}

fn limit(option: i64) -> usize {
    usize::try_from(option).unwrap_or(usize::MAX)
}

fn integers_max(rules: &Rules) -> usize {
    limit(rules.set_integers_max()).min(INTEGERS_MAX)
}

/// Whether a packed set of so many members and bytes takes one more of `len` bytes.
fn packs(members: usize, bytes: usize, len: usize, rules: &Rules) -> bool {
    members < limit(rules.set_entries_max())
        && len <= limit(rules.set_value_bytes_max())
        && bytes.saturating_add(len) <= PACKED_BYTES_MAX
}

impl<'a> SetView<'a> {
    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Integers(integers) => integers.len(),
            Self::Packed(packed) => packed.len(),
            Self::Table(members) => members.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether a member is there.
    #[inline]
    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            Self::Integers(integers) => integer(member).is_some_and(|number| integers.contains(number)),
            Self::Packed(packed) => packed.find(member, 0).is_some(),
            Self::Table(members) => members.contains(member),
        }
    }

    /// Whether a member of another set is there.
    fn has(self, member: Entry<'_>) -> bool {
        match (self, member) {
            (Self::Integers(integers), Entry::Int(number)) => integers.contains(number),
            _ => self.contains(member.bytes(&mut Digits::new())),
        }
    }

    /// Shows all members until `each` breaks.
    pub fn each<B>(self, mut each: impl FnMut(Entry<'a>) -> ControlFlow<B>) -> ControlFlow<B> {
        match self {
            Self::Integers(integers) => integers.iter().try_for_each(|number| each(Entry::Int(number))),
            Self::Packed(packed) => packed.iter().try_for_each(each),
            Self::Table(members) => members.each_until(|member| each(Entry::Str(member.name))),
        }
    }

    /// Shows all members.
    pub fn for_each(self, mut each: impl FnMut(Entry<'a>)) {
        let _: ControlFlow<()> = self.each(|member| {
            each(member);
            ControlFlow::Continue(())
        });
    }

    /// The members of the next range behind a position, and the next position; a small set is one range.
    pub fn scan(self, position: u64, mut each: impl FnMut(Element<'_>)) -> Option<u64> {
        match self {
            Self::Table(members) => members.scan(position, each),
            small => {
                Set::each(small, &mut each);
                None
            }
        }
    }
}

impl Set {
    /// Takes a form for `count` members that are about to come, the first of which is `first`; they may be there already.
    /// Redis decides from the number alone, so that this is seen in OBJECT ENCODING.
    pub fn expect(&mut self, first: &[u8], count: usize, rules: &Rules) {
        let is_new = self.is_empty();
        match self {
            Self::Integers(_) if is_new && (integer(first).is_none() || count > limit(rules.set_integers_max())) => {
                *self = Self::Packed(Packed::new());
                self.expect(first, count, rules);
            }
            Self::Integers(_) if count > limit(rules.set_integers_max()) => _ = self.table(rules),
            Self::Packed(_) if count > limit(rules.set_entries_max()) => _ = self.table(rules),
            _ => {}
        }
    }

    /// Adds a member; false if it is there.
    #[inline]
    pub fn add(&mut self, member: &[u8], rules: &Rules) -> bool {
        self.add_named(member.into(), rules)
    }

    /// Adds a member of whose name something may be known; false if it is there.
    #[inline]
    pub fn add_named(&mut self, named: Named<'_>, rules: &Rules) -> bool {
        if let Self::Table(members) = self { members.add(named) } else { self.add_small(named.bytes(), rules) }
    }

    fn add_small(&mut self, member: &[u8], rules: &Rules) -> bool {
        match self {
            Self::Table(members) => members.add(member.into()),
            Self::Packed(packed) => {
                let is_new = packed.view().find(member, 0).is_none();
                if is_new {
                    self.add_absent(member, rules);
                }
                is_new
            }
            Self::Integers(integers) => {
                let is_new = integer(member).is_none_or(|number| !integers.contains(number));
                if is_new {
                    self.add_absent(member, rules);
                }
                is_new
            }
        }
    }

    /// Adds members and tells how many were not there.
    pub fn add_all(&mut self, members: &[&[u8]], rules: &Rules) -> usize {
        let mut added = 0;
        let mut rest = members;
        while let Some((member, behind)) = rest.split_first() {
            if let Self::Table(table) = self {
                return added + table.add_all(rest);
            }
            added += usize::from(self.add(member, rules));
            rest = behind;
        }
        added
    }

    /// Adds a member that is not there.
    pub fn add_absent(&mut self, member: &[u8], rules: &Rules) {
        match self {
            Self::Table(_) => {}
            Self::Packed(packed) => {
                if packs(packed.len(), packed.as_bytes().len(), member.len(), rules) && packed.push_back(member).is_ok()
                {
                    return;
                }
            }
            Self::Integers(integers) => {
                if let Some(number) = integer(member) {
                    if integers.insert(number).is_ok() {
                        if integers.len() > integers_max(rules) {
                            self.table(rules);
                        }
                        return;
                    }
                } else if let Some(packed) = packed_integers(integers.view(), member, rules) {
                    *self = Self::Packed(packed);
                    return;
                }
            }
        }
        self.table(rules).add_absent(member);
    }

    /// Adds a member of another set that is not there.
    fn append(&mut self, member: Entry<'_>, rules: &Rules) {
        self.add_absent(member.bytes(&mut Digits::new()), rules);
    }

    /// Removes a member; false if it is not there.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Self::Integers(integers) => integer(member).is_some_and(|number| integers.remove(number)),
            Self::Packed(packed) => match packed.view().find(member, 0) {
                Some(at) => packed.remove(at, 1) > 0,
                None => false,
            },
            Self::Table(members) => members.remove(member),
        }
    }

    /// The members as a table, into which another form is converted.
    #[cold]
    fn table(&mut self, rules: &Rules) -> &mut Elements {
        if !matches!(self, Self::Table(_)) {
            let mut members = Elements::new(rules.keyed);
            let mut room = Digits::new();
            self.view().for_each(|member| members.add_absent(member.bytes(&mut room)));
            *self = Self::Table(Box::new(members));
        }
        match self {
            Self::Table(members) => members,
            _ => unreachable!("it was just converted"),
        }
    }
}

/// Integers in packed form with one more member, which is none; `None` if they do not fit.
fn packed_integers(integers: intset::View<'_>, member: &[u8], rules: &Rules) -> Option<Packed> {
    let mut ends = [integers.min(), integers.max()].into_iter().flatten();
    let fits = ends.all(|number| Entry::Int(number).len() <= limit(rules.set_value_bytes_max()));
    // No integer takes more bytes than this in packed form.
    let bytes = integers.len().saturating_mul(10);
    if !fits || !packs(integers.len(), bytes, member.len(), rules) {
        return None;
    }
    let mut packed = Packed::new();
    integers.iter().try_for_each(|number| packed.push_back(number)).ok()?;
    packed.push_back(member).ok()?;
    Some(packed)
}

impl Collection for Set {
    const KIND: Kind = Kind::Set;

    type View<'a> = SetView<'a>;

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Self {
        match packing {
            Packing::Integers => Self::Integers(IntSet::from_bytes(bytes)),
            _ => Self::Packed(Packed::from_bytes(bytes)),
        }
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Self::Integers(integers) => Some((Packing::Integers, integers.as_bytes())),
            Self::Packed(packed) => Some((Packing::Set, packed.as_bytes())),
            Self::Table(_) => None,
        }
    }

    fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Integers(integers) => integers.into_bytes(),
            Self::Packed(packed) => packed.into_bytes(),
            Self::Table(_) => Vec::new(),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> SetView<'_> {
        match packing {
            Packing::Integers => SetView::Integers(intset::View::new(bytes)),
            _ => SetView::Packed(packed::View::new(bytes)),
        }
    }

    #[inline]
    fn view(&self) -> SetView<'_> {
        match self {
            Self::Integers(integers) => SetView::Integers(integers.view()),
            Self::Packed(packed) => SetView::Packed(packed.view()),
            Self::Table(members) => SetView::Table(members),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Integers(integers) => integers.is_empty(),
            Self::Packed(packed) => packed.is_empty(),
            Self::Table(members) => members.is_empty(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Self::Integers(_) => Packing::Integers.encoding(),
            Self::Packed(_) => Packing::Set.encoding(),
            Self::Table(_) => "hashtable",
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Integers(integers) => integers.heap_bytes(),
            Self::Packed(packed) => packed.heap_bytes(),
            Self::Table(members) => members.heap_bytes() + size_of::<Elements>(),
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
        let mut room = Digits::new();
        view.for_each(|member| each(Element { name: member.bytes(&mut room), payload: &[], deadline_ms: None }));
    }

    fn scan(view: SetView<'_>, position: u64, each: &mut dyn FnMut(Element<'_>)) -> Option<u64> {
        view.scan(position, each)
    }

    fn shape(&self) -> Option<Shape> {
        match self {
            Self::Integers(_) | Self::Packed(_) => None,
            Self::Table(members) => Some(Shape { len: members.len(), ..Shape::default() }),
        }
    }

    fn begin_capture(&mut self) {
        if let Self::Table(members) = self {
            members.begin_capture();
        }
    }

    fn captured_bytes(&self, _: usize) -> usize {
        if let Self::Table(members) = self { members.captured_bytes() } else { 0 }
    }

    fn drain(&mut self, into: &mut Piece) -> bool {
        match self {
            Self::Table(members) => members.drain(into),
            _ => false,
        }
    }

    fn abort_capture(&mut self) {
        if let Self::Table(members) = self {
            members.abort_capture();
        }
    }
}

//! Sets.

use rkv_collections::intset;
use rkv_collections::packed::{Digits, View};

use super::{DUPLICATE, Decoder, Found, all_fit, built, element, expected, limit, listpack};
use crate::rdb::error::Fault;
use crate::rdb::input::Input;
use crate::values::{Collection, NewValue, Packing, Set};

impl Decoder<'_> {
    /// Members one by one.
    pub(super) fn set<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let count = input.number()?;
        let mut set = Set::default();
        let mut room = Digits::new();
        for index in 0..count {
            let member = element(input.text()?.bytes(&mut room))?;
            if index == 0 && !self.skims {
                set.expect(member, expected(count), self.rules);
            }
            if self.forgets(set.view().len()) {
                set = Set::default();
            }
            if !set.add(member, self.rules) {
                return Err(DUPLICATE);
            }
        }
        Ok(built(set, &mut self.packed))
    }

    /// Integers in order.
    pub(super) fn intset<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let bytes = input.blob()?;
        let count = intset::validate(bytes).map_err(|_| Fault::Invalid("a set of integers is damaged"))?;
        if count == 0 {
            return Ok(Found::Empty);
        }
        if count <= limit(self.rules.set_integers_max()) {
            return Ok(Found::Value(NewValue::Packed(Packing::Integers, bytes)));
        }
        let mut set = Set::default();
        let mut room = itoa::Buffer::new();
        for (index, number) in intset::View::new(bytes).iter().enumerate() {
            let member = room.format(number).as_bytes();
            if index == 0 {
                set.expect(member, count, self.rules);
            }
            set.add(member, self.rules);
        }
        Ok(built(set, &mut self.packed))
    }

    /// A listpack of members.
    pub(super) fn set_listpack<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let bytes = input.blob()?;
        let (view, count) = listpack(bytes)?;
        if count == 0 {
            return Ok(Found::Empty);
        }
        if count <= limit(self.rules.set_entries_max()) && all_fit(view, self.rules.set_value_bytes_max()) {
            return if self.is_unique(view, 1) {
                Ok(Found::Value(NewValue::Packed(Packing::Set, bytes)))
            } else {
                Err(DUPLICATE)
            };
        }
        let set = self.set_of(view, count)?;
        Ok(built(set, &mut self.packed))
    }

    fn set_of(&self, view: View<'_>, count: usize) -> Result<Set, Fault> {
        let mut set = Set::default();
        let mut room = Digits::new();
        for (index, entry) in view.iter().enumerate() {
            let member = entry.bytes(&mut room);
            if index == 0 {
                set.expect(member, count, self.rules);
            }
            if !set.add(member, self.rules) {
                return Err(DUPLICATE);
            }
        }
        Ok(set)
    }
}

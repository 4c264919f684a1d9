//! Lists.

use rkv_collections::packed::{Digits, Packed};

use super::{Decoder, Found, built, element, listpack};
use crate::rdb::error::Fault;
use crate::rdb::format::node;
use crate::rdb::input::Input;
use crate::values::list::Side;
use crate::values::{List, NewValue, Packing};

impl Decoder<'_> {
    /// Elements one by one.
    pub(super) fn list<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let mut list = List::default();
        let mut room = Digits::new();
        for _ in 0..input.number()? {
            let element = element(input.text()?.bytes(&mut room))?;
            list.push(Side::Right, &[element], self.rules);
        }
        Ok(built(list, &mut self.packed))
    }

    /// A ziplist.
    pub(super) fn list_ziplist<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        self.repacked(input.blob()?)?;
        let mut list = List::default();
        list.push_packed(Packed::from_bytes(std::mem::take(&mut self.packed)), self.rules);
        Ok(built(list, &mut self.packed))
    }

    /// Chunks: ziplists, or elements and listpacks.
    pub(super) fn quicklist<'a>(&'a mut self, input: &'a mut Input<'_>, is_new: bool) -> Result<Found<'a>, Fault> {
        let count = input.number()?;
        let mut list = List::default();
        for index in 0..count {
            if self.skims && index.is_multiple_of(64) {
                list = List::default();
            }
            let is_plain = is_new
                && match input.number()? {
                    node::PLAIN => true,
                    node::PACKED => false,
                    _ => return Err(Fault::Invalid("a chunk of a list is neither an element nor a listpack")),
                };
            if is_plain {
                let mut room = Digits::new();
                let text = input.text()?;
                let bytes = text.bytes(&mut room);
                if bytes.is_empty() {
                    // Only what no listpack has room for lies alone.
                    return Err(Fault::Invalid("a chunk of a list is empty"));
                }
                list.push(Side::Right, &[element(bytes)?], self.rules);
            } else if !is_new {
                self.repacked(input.blob()?)?;
                list.push_packed(Packed::from_bytes(std::mem::take(&mut self.packed)), self.rules);
            } else {
                let bytes = input.blob()?;
                let (_, entries) = listpack(bytes)?;
                if index == 0 && count == 1 && entries > 0 && List::packs(bytes.len(), entries, self.rules) {
                    // Most lists are of one chunk, and that is what is stored. It is the last thing taken from the input.
                    self.packed.clear();
                    self.packed.extend_from_slice(bytes);
                    return Ok(Found::Value(NewValue::Packed(Packing::List, &self.packed)));
                }
                list.push_packed(Packed::from_bytes(bytes.to_vec()), self.rules);
            }
        }
        Ok(built(list, &mut self.packed))
    }
}

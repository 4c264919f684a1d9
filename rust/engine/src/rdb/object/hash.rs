//! Hashes, and the deadlines of their fields.

use rkv_collections::packed::{Digits, Packed, View};

use super::{DUPLICATE, Decoder, Found, ODD, all_fit, built, element, expected, limit, listpack, reset};
use crate::rdb::error::Fault;
use crate::rdb::input::Input;
use crate::rdb::legacy::Zipmap;
use crate::values::hash::{Before, Lifetime};
use crate::values::{Collection, Hash, NewValue, Packing};

const DEADLINE: Fault = Fault::Invalid("the deadline of a field is beyond all time");

impl Decoder<'_> {
    /// Fields one by one.
    pub(super) fn hash<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let count = input.number()?;
        let mut hash = Hash::default();
        hash.expect(if self.skims { 0 } else { expected(count) }, self.rules);
        for _ in 0..count {
            input.text_into(&mut self.name)?;
            let mut room = Digits::new();
            let value = input.text()?.bytes(&mut room);
            if self.forgets(hash.view().len()) {
                hash = Hash::default();
            }
            self.set_field(&mut hash, value, None)?;
        }
        Ok(built(hash, &mut self.packed))
    }

    /// Fields, values and deadlines, as Valkey writes them.
    pub(super) fn hash_2<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let (mut hash, mut value) = (Hash::default(), Vec::new());
        for _ in 0..input.number()? {
            input.text_into(&mut self.name)?;
            input.text_into(&mut value)?;
            let deadline_ms = match input.signed()? {
                -1 => None,
                deadline_ms @ 0.. => Some(deadline_ms),
                _ => return Err(DEADLINE),
            };
            if self.forgets(hash.view().len()) {
                hash = Hash::default();
            }
            self.set_field(&mut hash, &value, deadline_ms)?;
        }
        Ok(built(hash, &mut self.packed))
    }

    /// Deadlines, fields and values, as Redis writes them: relative to the earliest deadline, or absolute.
    pub(super) fn hash_metadata<'a>(
        &'a mut self,
        input: &'a mut Input<'_>,
        is_relative: bool,
    ) -> Result<Found<'a>, Fault> {
        let least_ms = if is_relative { input.signed()? } else { 1 };
        let mut hash = Hash::default();
        for _ in 0..input.number()? {
            let deadline_ms = match input.number()? {
                0 => None,
                told => {
                    let told = i64::try_from(told).map_err(|_| DEADLINE)?;
                    Some(told.checked_add(least_ms).and_then(|sum| sum.checked_sub(1)).ok_or(DEADLINE)?)
                }
            };
            if deadline_ms.is_some_and(|deadline_ms| deadline_ms < 0) {
                return Err(DEADLINE);
            }
            input.text_into(&mut self.name)?;
            let mut room = Digits::new();
            let value = input.text()?.bytes(&mut room);
            self.set_field(&mut hash, value, deadline_ms)?;
        }
        Ok(built(hash, &mut self.packed))
    }

    /// A listpack of fields, values and deadlines.
    pub(super) fn hash_listpack_ex<'a>(
        &'a mut self,
        input: &'a mut Input<'_>,
        has_least: bool,
    ) -> Result<Found<'a>, Fault> {
        if has_least {
            input.signed()?;
        }
        let (view, count) = listpack(input.blob()?)?;
        if !count.is_multiple_of(3) {
            return Err(ODD);
        }
        let mut hash = Hash::default();
        let mut value_room = Digits::new();
        let mut entries = view.iter();
        while let (Some(name), Some(value), Some(deadline)) = (entries.next(), entries.next(), entries.next()) {
            let deadline_ms = match deadline.integer() {
                Some(0) => None,
                Some(deadline_ms @ 1..) => Some(deadline_ms),
                _ => return Err(DEADLINE),
            };
            self.name.clear();
            name.append_to(&mut self.name);
            self.set_field(&mut hash, value.bytes(&mut value_room), deadline_ms)?;
        }
        Ok(built(hash, &mut self.packed))
    }

    /// A listpack of fields and values.
    pub(super) fn hash_listpack<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let bytes = input.blob()?;
        let (view, count) = listpack(bytes)?;
        if count == 0 {
            return Ok(Found::Empty);
        }
        if self.is_own_hash(view, count)? {
            return Ok(Found::Value(NewValue::Packed(Packing::Hash, bytes)));
        }
        let hash = self.hash_of(view, count)?;
        Ok(built(hash, &mut self.packed))
    }

    /// A ziplist of fields and values.
    pub(super) fn hash_ziplist<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        self.repacked(input.blob()?)?;
        self.converted()
    }

    /// A zipmap of fields and values.
    pub(super) fn hash_zipmap<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let mut packed = Packed::from_bytes(reset(std::mem::take(&mut self.packed)));
        let mut fields = Zipmap::new(input.blob()?)?;
        while let Some((name, value)) = fields.next()? {
            packed.push_back(name).and_then(|()| packed.push_back(value)).map_err(|_| super::TOO_LONG)?;
        }
        self.packed = packed.into_bytes();
        self.converted()
    }

    /// What was packed here, as a hash.
    fn converted(&mut self) -> Result<Found<'_>, Fault> {
        let packed = std::mem::take(&mut self.packed);
        let view = View::new(&packed);
        let count = view.len();
        if count == 0 {
            return Ok(Found::Empty);
        }
        if !self.is_own_hash(view, count)? {
            let hash = self.hash_of(view, count)?;
            return Ok(built(hash, &mut self.packed));
        }
        self.packed = packed;
        Ok(Found::Value(NewValue::Packed(Packing::Hash, &self.packed)))
    }

    /// Whether packed fields and values are within the limits. Proves then that no field is there twice.
    fn is_own_hash(&mut self, view: View<'_>, count: usize) -> Result<bool, Fault> {
        if !count.is_multiple_of(2) {
            return Err(ODD);
        }
        let fits =
            count / 2 <= limit(self.rules.hash_entries_max()) && all_fit(view, self.rules.hash_value_bytes_max());
        if fits && !self.is_unique(view, 2) {
            return Err(DUPLICATE);
        }
        Ok(fits)
    }

    fn hash_of(&mut self, view: View<'_>, count: usize) -> Result<Hash, Fault> {
        let mut hash = Hash::default();
        hash.expect(count / 2, self.rules);
        let mut room = Digits::new();
        let mut entries = view.iter();
        while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
            self.name.clear();
            name.append_to(&mut self.name);
            self.set_field(&mut hash, value.bytes(&mut room), None)?;
        }
        Ok(hash)
    }

    /// Adds the field whose name was read, which must not be there.
    fn set_field(&self, hash: &mut Hash, value: &[u8], deadline_ms: Option<i64>) -> Result<(), Fault> {
        let lifetime = deadline_ms.map_or(Lifetime::Clear, Lifetime::At);
        match hash.set(element(&self.name)?, element(value)?, lifetime, self.rules, self.now_ms) {
            Before::Absent => Ok(()),
            Before::Expired | Before::Live => Err(DUPLICATE),
        }
    }
}

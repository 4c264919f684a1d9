//! Sorted sets.

use rkv_collections::packed::{Digits, Entry, View};

use super::{DUPLICATE, Decoder, Found, ODD, built, element, limit, listpack};
use crate::number::parse_f64;
use crate::rdb::error::Fault;
use crate::rdb::input::Input;
use crate::values::elements::Elements;
use crate::values::{NewValue, Packing, Zset};

const NOT_A_NUMBER: Fault = Fault::Invalid("a score is not a number");

/// How the text of a score tells what has no digits.
const SCORE_NAN: u8 = 253;
const SCORE_INFINITY: u8 = 254;
const SCORE_MINUS_INFINITY: u8 = 255;

impl Decoder<'_> {
    /// Members with scores, as floats or as texts.
    pub(super) fn zset<'a>(&'a mut self, input: &'a mut Input<'_>, is_binary: bool) -> Result<Found<'a>, Fault> {
        let mut members = Elements::new(self.rules.keyed);
        for _ in 0..input.number()? {
            input.text_into(&mut self.name)?;
            let score = if is_binary { input.float()? } else { score_text(input)? };
            if self.forgets(members.len()) {
                members = Elements::new(self.rules.keyed);
            }
            add(&mut members, &self.name, score)?;
        }
        Ok(built(Zset::of(members, self.rules), &mut self.packed))
    }

    /// A listpack of members and scores.
    pub(super) fn zset_listpack<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        let bytes = input.blob()?;
        let (view, count) = listpack(bytes)?;
        if count == 0 {
            return Ok(Found::Empty);
        }
        if self.is_own_zset(view, count)? {
            return Ok(Found::Value(NewValue::Packed(Packing::Zset, bytes)));
        }
        let zset = self.zset_of(view)?;
        Ok(built(zset, &mut self.packed))
    }

    /// A ziplist of members and scores.
    pub(super) fn zset_ziplist<'a>(&'a mut self, input: &'a mut Input<'_>) -> Result<Found<'a>, Fault> {
        self.repacked(input.blob()?)?;
        let packed = std::mem::take(&mut self.packed);
        let view = View::new(&packed);
        if view.is_empty() {
            return Ok(Found::Empty);
        }
        let is_own = self.is_own_zset(view, view.len())?;
        if !is_own {
            let zset = self.zset_of(view)?;
            return Ok(built(zset, &mut self.packed));
        }
        self.packed = packed;
        Ok(Found::Value(NewValue::Packed(Packing::Zset, &self.packed)))
    }

    /// Whether packed members and scores are in order and within the limits. Proves that no member is there twice.
    fn is_own_zset(&mut self, view: View<'_>, count: usize) -> Result<bool, Fault> {
        if !count.is_multiple_of(2) {
            return Err(ODD);
        }
        let bytes_max = limit(self.rules.zset_value_bytes_max());
        let mut is_own = count / 2 <= limit(self.rules.zset_entries_max());
        let (mut room, mut entries) = (Digits::new(), view.iter());
        let mut last: Option<f64> = None;
        self.name.clear();
        while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
            let (name, score) = (member.bytes(&mut room), score_of(score)?);
            let ascends = last.is_none_or(|last| last < score || (last <= score && self.name.as_slice() < name));
            is_own = is_own && ascends && name.len() <= bytes_max;
            if !is_own {
                return Ok(false);
            }
            self.name.clear();
            self.name.extend_from_slice(name);
            last = Some(score);
        }
        if self.is_unique(view, 2) { Ok(true) } else { Err(DUPLICATE) }
    }

    fn zset_of(&self, view: View<'_>) -> Result<Zset, Fault> {
        let mut members = Elements::new(self.rules.keyed);
        let (mut room, mut entries) = (Digits::new(), view.iter());
        while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
            add(&mut members, member.bytes(&mut room), score_of(score)?)?;
        }
        Ok(Zset::of(members, self.rules))
    }
}

/// Adds a member that must not be there.
fn add(members: &mut Elements, name: &[u8], score: f64) -> Result<(), Fault> {
    if score.is_nan() {
        return Err(NOT_A_NUMBER);
    }
    let (_, is_new) = members.find_or_add(element(name)?.into(), &score.to_le_bytes());
    if is_new { Ok(()) } else { Err(DUPLICATE) }
}

fn score_of(entry: Entry<'_>) -> Result<f64, Fault> {
    match entry {
        Entry::Int(number) => Ok(number as f64),
        Entry::Str(text) => parse_f64(text).ok_or(NOT_A_NUMBER),
    }
}

/// A score with the length of its text before it.
fn score_text(input: &mut Input<'_>) -> Result<f64, Fault> {
    match input.byte()? {
        SCORE_NAN => Err(NOT_A_NUMBER),
        SCORE_INFINITY => Ok(f64::INFINITY),
        SCORE_MINUS_INFINITY => Ok(f64::NEG_INFINITY),
        len => parse_f64(input.take(usize::from(len))?).ok_or(NOT_A_NUMBER),
    }
}

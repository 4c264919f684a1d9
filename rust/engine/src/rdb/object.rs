//! Values: from the bytes of a type to the form in which it is stored.
//!
//! What a file holds in one piece that is also rkv's own form, a listpack or a set of integers, is proved and taken as it
//! is, if it keeps within the limits of packed forms. Everything else is added element by element, as commands would do it.

mod hash;
mod list;
pub mod module;
mod set;
mod stream;
mod zset;

pub use stream::CONSUMER_TWICE;

use std::borrow::Cow;

use rkv_collections::packed::{self, Digits, ELEMENT_BYTES_MAX, View};

use super::error::Fault;
use super::format::{self, kind};
use super::input::{Input, Text};
use super::legacy::Ziplist;
use crate::values::{Collection, NewValue, Rules, string};

/// What stands under a key.
#[derive(Debug)]
pub enum Found<'a> {
    /// A value.
    Value(NewValue<'a>),
    /// A collection without elements, which is none.
    Empty,
}

/// Reads one value after the other.
pub struct Decoder<'r> {
    rules: &'r Rules,
    now_ms: i64,
    version: u32,
    skims: bool,
    name: Vec<u8>,
    /// What was converted to a packed form.
    packed: Vec<u8>,
    hashes: Vec<u64>,
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Decoder").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What is wrong with a collection that has an element twice.
pub const ELEMENT_TWICE: &str = "an element is there twice";
/// Elements of a collection that is only proved which are kept at once.
const KEPT_MAX: usize = 4096;

const DUPLICATE: Fault = Fault::Invalid(ELEMENT_TWICE);
const ODD: Fault = Fault::Invalid("an element has no companion");

impl<'r> Decoder<'r> {
    /// For values whose packed forms keep to these rules.
    pub const fn new(rules: &'r Rules, now_ms: i64) -> Self {
        Self {
            rules,
            now_ms,
            version: format::VERSION,
            skims: false,
            name: Vec::new(),
            packed: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Whether a large collection is only proved: what was read of it is forgotten again and again, so that proving a file
    /// takes no memory to speak of. An element that is there twice is then found only near the other one.
    #[must_use]
    pub const fn skimming(mut self, skims: bool) -> Self {
        self.skims = skims;
        self
    }

    /// Whether so many elements, or chunks, are enough to forget them.
    #[inline]
    const fn forgets(&self, len: usize) -> bool {
        self.skims && len >= KEPT_MAX
    }

    /// Sets the version of the format, of which some types depend.
    pub const fn set_version(&mut self, version: u32) {
        self.version = version;
    }

    /// The value of a type.
    ///
    /// # Errors
    /// It is not valid, not known, or cannot be kept.
    #[inline]
    pub fn value<'a>(&'a mut self, input: &'a mut Input<'_>, kind: u8) -> Result<Found<'a>, Fault> {
        if kind == kind::STRING {
            return Ok(Found::Value(match input.text()? {
                Text::Integer(number) => NewValue::Integer(number),
                Text::Bytes(bytes) => string::encode(bytes),
            }));
        }
        self.collection(input, kind)
    }

    fn collection<'a>(&'a mut self, input: &'a mut Input<'_>, kind: u8) -> Result<Found<'a>, Fault> {
        match kind {
            kind::LIST => self.list(input),
            kind::LIST_ZIPLIST => self.list_ziplist(input),
            kind::LIST_QUICKLIST => self.quicklist(input, false),
            kind::LIST_QUICKLIST_2 => self.quicklist(input, true),
            kind::SET => self.set(input),
            kind::SET_INTSET => self.intset(input),
            kind::SET_LISTPACK => self.set_listpack(input),
            kind::ZSET => self.zset(input, false),
            kind::ZSET_2 => self.zset(input, true),
            kind::ZSET_LISTPACK => self.zset_listpack(input),
            kind::ZSET_ZIPLIST => self.zset_ziplist(input),
            kind::HASH => self.hash(input),
            kind::HASH_ZIPMAP => self.hash_zipmap(input),
            kind::HASH_ZIPLIST => self.hash_ziplist(input),
            kind::HASH_LISTPACK => self.hash_listpack(input),
            kind::HASH_2 if self.version >= format::VERSION_VALKEY => self.hash_2(input),
            kind::HASH_2 => self.hash_metadata(input, false),
            kind::HASH_METADATA => self.hash_metadata(input, true),
            kind::HASH_LISTPACK_EX_PRE_GA => self.hash_listpack_ex(input, false),
            kind::HASH_LISTPACK_EX => self.hash_listpack_ex(input, true),
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => self.stream(input, kind),
            kind::MODULE => Err(module::refuse_old(input)),
            kind::MODULE_2 => Err(module::refuse(input)),
            other => Err(Fault::Unsupported(Cow::Owned(format!("type {other} of values is not known")))),
        }
    }

    /// Whether no two of every `step`th entry have the same bytes.
    fn is_unique(&mut self, view: View<'_>, step: usize) -> bool {
        let mut room = Digits::new();
        self.hashes.clear();
        for entry in view.iter().step_by(step) {
            self.hashes.push(self.rules.keyed.hash(entry.bytes(&mut room)));
        }
        self.hashes.sort_unstable();
        if self.hashes.is_sorted_by(|one, other| one < other) {
            return true;
        }
        // Two of a billion names have the same hash; so all are compared, which takes time but never happens.
        let mut names: Vec<Vec<u8>> = view.iter().step_by(step).map(|entry| entry.to_vec()).collect();
        names.sort_unstable();
        names.is_sorted_by(|one, other| one < other)
    }

    /// A ziplist as packed bytes.
    fn repacked(&mut self, ziplist: &[u8]) -> Result<(), Fault> {
        let mut packed = packed::Packed::from_bytes(reset(std::mem::take(&mut self.packed)));
        let result = Ziplist::new(ziplist).and_then(|mut entries| {
            while let Some(entry) = entries.next()? {
                packed.push_back(entry).map_err(|_| TOO_LONG)?;
            }
            Ok(())
        });
        self.packed = packed.into_bytes();
        result
    }
}

/// An empty packed collection in the memory of another one.
fn reset(mut buffer: Vec<u8>) -> Vec<u8> {
    const EMPTY: [u8; 7] = [7, 0, 0, 0, 0, 0, 0xff];
    buffer.clear();
    buffer.extend_from_slice(&EMPTY);
    buffer
}

const TOO_LONG: Fault = Fault::Unsupported(Cow::Borrowed("an element of more than 1 GiB cannot be kept"));

/// Proves that bytes are a listpack, and gives a view of it and the number of its entries.
fn listpack(bytes: &[u8]) -> Result<(View<'_>, usize), Fault> {
    let count = packed::validate(bytes).map_err(|_| Fault::Invalid("a listpack is damaged"))?;
    Ok((View::new(bytes), count))
}

/// Whether all entries are short enough to be packed.
fn all_fit(view: View<'_>, bytes_max: i64) -> bool {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    view.iter().all(|entry| entry.len() <= bytes_max)
}

fn limit(option: i64) -> usize {
    usize::try_from(option).unwrap_or(0)
}

/// Checks that an element is not too long.
const fn element(bytes: &[u8]) -> Result<&[u8], Fault> {
    if bytes.len() <= ELEMENT_BYTES_MAX { Ok(bytes) } else { Err(TOO_LONG) }
}

/// Takes so many elements, however many are told.
fn expected(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A collection that was built, as a value.
fn built<T: Collection>(collection: T, buffer: &mut Vec<u8>) -> Found<'_> {
    if collection.is_empty() {
        return Found::Empty;
    }
    let Some((packing, bytes)) = collection.packed() else {
        return Found::Value(NewValue::Large(collection.into_large()));
    };
    buffer.clear();
    buffer.extend_from_slice(bytes);
    Found::Value(NewValue::Packed(packing, buffer))
}

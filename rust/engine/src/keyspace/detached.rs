//! What stands under a key, without the key: for RENAME, MOVE and COPY.

use smallvec::SmallVec;

use super::blob::Form;
use super::blobs::Entry;
use crate::values::{Large, NewValue, Packing};

/// Value, deadline and access clock of an entry outside of any database; the encoding stays what it was.
#[derive(Clone, Debug)]
pub struct Detached {
    kept: Kept,
    /// When it expires, in Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// Its access clock.
    pub clock: u32,
}

#[derive(Clone, Debug)]
enum Kept {
    Integer(i64),
    Bytes { bytes: SmallVec<[u8; 64]>, is_raw: bool },
    Packed(Packing, Box<[u8]>),
    Large(Large),
}

impl Detached {
    /// Copies a small value; `large` gives a large one.
    pub(super) fn new(form: Form<'_>, large: impl FnOnce(u32) -> Large, entry: &Entry<'_>) -> Self {
        let kept = match form {
            Form::Integer(number) => Kept::Integer(number),
            Form::Inline(bytes) => Kept::Bytes { bytes: SmallVec::from_slice(bytes), is_raw: entry.is_raw() },
            Form::Packed(packing, bytes) => Kept::Packed(packing, bytes.into()),
            Form::Large(place) => Kept::Large(large(place)),
        };
        Self { kept, deadline_ms: entry.deadline_ms(), clock: entry.clock() }
    }

    /// The value, to be stored once.
    pub fn value(&self) -> NewValue<'_> {
        match &self.kept {
            Kept::Integer(number) => NewValue::Integer(*number),
            Kept::Bytes { bytes, is_raw: true } => NewValue::Raw(bytes),
            Kept::Bytes { bytes, is_raw: false } => NewValue::Bytes(bytes),
            Kept::Packed(packing, bytes) => NewValue::Packed(*packing, bytes),
            Kept::Large(large) => NewValue::Large(large.clone()),
        }
    }
}

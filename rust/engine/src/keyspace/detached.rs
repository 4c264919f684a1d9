//! What stands under a key, without the key: for RENAME, MOVE and COPY.

use rkv_collections::bytes::Shared;
use smallvec::SmallVec;

use crate::values::{NewValue, ValueRef};

/// Value, deadline and access clock of an entry outside of any database. Large values are shared with whoever else holds
/// them; the encoding stays what it was.
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
    Shared(Shared),
}

impl Detached {
    /// Copies a small value, shares a large one.
    pub(super) fn new(value: ValueRef<'_>, is_raw: bool, deadline_ms: Option<i64>, clock: u32) -> Self {
        let kept = match value {
            ValueRef::Integer(number) => Kept::Integer(number),
            ValueRef::Bytes(bytes) => Kept::Bytes { bytes: SmallVec::from_slice(bytes), is_raw },
            ValueRef::Shared(shared) => Kept::Shared(shared.clone()),
        };
        Self { kept, deadline_ms, clock }
    }

    /// The value, to be stored.
    pub fn value(&self) -> NewValue<'_> {
        match &self.kept {
            Kept::Integer(number) => NewValue::Integer(*number),
            Kept::Bytes { bytes, is_raw: true } => NewValue::Raw(bytes),
            Kept::Bytes { bytes, is_raw: false } => NewValue::Bytes(bytes),
            Kept::Shared(shared) => NewValue::Shared(shared.clone()),
        }
    }
}

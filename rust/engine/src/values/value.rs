//! A value as it is stored, and as it is to be stored.

use rkv_collections::bytes::Shared;

/// A value to be stored.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// An integer.
    Integer(i64),
    /// A string in the encoding that its length suggests.
    Bytes(&'a [u8]),
    /// A string whose encoding is `raw`, because it was changed in place.
    Raw(&'a [u8]),
    /// A string in a buffer of its own.
    Shared(Shared),
}

/// A stored value.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// An integer.
    Integer(i64),
    /// A short string.
    Bytes(&'a [u8]),
    /// A long string.
    Shared(&'a Shared),
}

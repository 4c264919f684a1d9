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

/// Strings up to this many bytes are `embstr`, longer ones `raw`.
const EMBEDDED_BYTES_MAX: usize = 44;

impl ValueRef<'_> {
    /// The type, as TYPE and SCAN's TYPE name it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Integer(_) | Self::Bytes(_) | Self::Shared(_) => "string",
        }
    }

    /// The encoding as OBJECT ENCODING names it; `is_raw` says that a short string was changed in place.
    pub const fn encoding(&self, is_raw: bool) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::Bytes(bytes) if !is_raw && bytes.len() <= EMBEDDED_BYTES_MAX => "embstr",
            Self::Bytes(_) | Self::Shared(_) => "raw",
        }
    }
    /// Redis's number of the type: 0 is a string.
    pub const fn type_number(&self) -> u32 {
        match self {
            Self::Integer(_) | Self::Bytes(_) | Self::Shared(_) => 0,
        }
    }
}

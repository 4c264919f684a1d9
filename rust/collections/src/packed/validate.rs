//! Proof that bytes from outside are a packed collection.

use super::encoding::{back_bytes, size_of};
use super::{COUNT_UNKNOWN, HEADER_SIZE, TERMINATOR};
use std::error;
use std::fmt;

/// Why bytes are no packed collection; offsets count from the first byte of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// There are fewer bytes than a header and a terminator.
    Short {
        /// How many there are.
        size: usize,
    },
    /// The header tells another number of bytes than there are.
    Length {
        /// What the header tells.
        told: u32,
        /// How many there are.
        size: usize,
    },
    /// No encoding begins this way, or the entry reaches beyond the end.
    Entry {
        /// Where the entry begins.
        offset: usize,
    },
    /// The length behind an entry is not its length.
    BackLength {
        /// Where the entry begins.
        offset: usize,
    },
    /// The last byte is no terminator.
    Terminator,
    /// The header tells another number of entries than there are.
    Count {
        /// What the header tells.
        told: u16,
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { size } => write!(f, "{size} bytes hold no header"),
            Self::Length { told, size } => write!(f, "the header tells {told} bytes, there are {size}"),
            Self::Entry { offset } => write!(f, "no entry begins at byte {offset}"),
            Self::BackLength { offset } => write!(f, "the entry at byte {offset} has another length at its end"),
            Self::Terminator => write!(f, "the last byte is no terminator"),
            Self::Count { told, count } => write!(f, "the header tells {told} entries, there are {count}"),
        }
    }
}

impl error::Error for Invalid {}

/// Proves every length, every back-length, the count and the terminator, and gives the number of entries.
///
/// An encoding longer than it need be passes, as it does in Redis: its reader needs no other proof.
///
/// # Errors
/// The first thing found wrong.
pub fn validate(bytes: &[u8]) -> Result<usize, Invalid> {
    let size = bytes.len();
    let Some((&last, body)) = bytes.split_last().filter(|(_, body)| body.len() >= HEADER_SIZE) else {
        return Err(Invalid::Short { size });
    };
    let length = body.first_chunk().ok_or(Invalid::Short { size })?;
    let told = u32::from_le_bytes(*length);
    if told as usize != size {
        return Err(Invalid::Length { told, size });
    }
    if last != TERMINATOR {
        return Err(Invalid::Terminator);
    }
    let (mut offset, mut count) = (HEADER_SIZE, 0_usize);
    while let Some(rest) = body.get(offset..).filter(|rest| !rest.is_empty()) {
        let size = size_of(rest).ok_or(Invalid::Entry { offset })?;
        let behind = rest.get(size..).ok_or(Invalid::Entry { offset })?;
        let back_count = if size <= 127 && behind.first() == Some(&(size as u8)) {
            1
        } else {
            let (back, back_count) = back_bytes(size);
            let is_equal = back.get(..back_count).is_some_and(|back| behind.starts_with(back));
            if is_equal { back_count } else { return Err(Invalid::BackLength { offset }) }
        };
        offset = offset.saturating_add(size).saturating_add(back_count);
        count = count.saturating_add(1);
    }
    let told = body.get(4..).and_then(<[u8]>::first_chunk).ok_or(Invalid::Short { size })?;
    let told = u16::from_le_bytes(*told);
    if told != COUNT_UNKNOWN && usize::from(told) != count {
        return Err(Invalid::Count { told, count });
    }
    Ok(count)
}

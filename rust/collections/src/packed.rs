//! The packed encoding of small collections: all elements in one run of bytes, in the format of Redis's listpack.
//!
//! ```text
//!   RPUSH key ann 31 -5
//!
//!   [11 00 00 00][03 00]  [83 'a' 'n' 'n' 04]  [1f 01]  [df fb 02]  [ff]
//!    bytes in all  count   head  payload back   31       -5          end
//!
//!   head                    what follows                     element
//!   0nnnnnnn                                                 0 ..= 127
//!   10nnnnnn                n bytes                          string of up to 63 bytes
//!   110nnnnn nnnnnnnn                                        -4,096 ..= 4,095
//!   1110nnnn nnnnnnnn       n bytes                          string of up to 4,095 bytes
//!   f0 nnnnnnnn x 4         n bytes, little-endian n         any other string
//!   f1, f2, f3, f4          2, 3, 4, 8 bytes, little-endian  any other integer
//!
//!   back = size of head and payload, seven bits a byte, read from its end: the way backwards
//! ```
//!
//! **Why this format.** RDB files, DUMP payloads and replicas of Redis 7 carry small lists, hashes, sets and sorted sets
//! as exactly these bytes, so that loading one is a proof ([`validate`]) and a copy, and saving one is a copy. A hash is
//! field, value, field, value; a sorted set is member, score, in order.
//!
//! **Numbers.** An element that is the one decimal form of an `i64` is stored as the integer: 20 bytes of text in 10. So
//! equality of texts is equality of stored forms, and a search converts its needle once instead of every entry.
//!
//! **Back-lengths** are 1 byte for entries of up to 127 bytes, then 2, 3, 4 and 5 from 128, 16,383, 2,097,151 and
//! 268,435,455 on: the last three borders are one lower than seven bits a byte would have them. The forward step computes
//! the size of the back-length from that of the entry, so that every reader has to draw the borders where Redis drew them.
//!
//! **Memory.** Seven bytes for header and terminator, and for each element:
//!
//! | element                      | bytes  |   | element                   | bytes |
//! |------------------------------|--------|---|---------------------------|-------|
//! | 0 ..= 127                    | 2      |   | within 32 bits            | 6     |
//! | -4,096 ..= 4,095             | 3      |   | any other integer         | 10    |
//! | within 16 bits               | 4      |   | string of n <= 63         | n + 2 |
//! | within 24 bits               | 5      |   | n <= 125, n <= 4,095      | n + 3, n + 4 |
//!
//! A list of 128 small numbers is 263 bytes, and a hash of ten fields `field0` to `field9` with values `value0` to
//! `value9` is 167. A boxed slice for each element would cost 16 bytes of pointer and length alone, and a miss of the
//! cache for each.
//!
//! **Time**, for n entries of b bytes in all:
//!
//! | operation                                   | reads           | moves                                |
//! |---------------------------------------------|-----------------|--------------------------------------|
//! | `push_back`, `pop_back`                     | one entry       | one entry                            |
//! | `push_front`, `pop_front`, insert, remove   | one entry       | what stands behind it, at most b     |
//! | `replace` with the same size                | one entry       | one entry                            |
//! | `find`                                      | a head each, and what has the needle's length and last byte | nothing |
//! | `seek`, `get`                               | at most n / 2 heads or back-lengths | nothing          |
//! | `len`                                       | the header; from 65,535 entries on n heads | nothing   |
//! | `remove_front`, `remove_back` of k          | k entries       | what is left, nothing                |
//! | `retain`                                    | n entries       | at most b                            |
//!
//! A [`Deque`] is the same bytes with room before them, too: pushing and popping moves one entry at either end.
//!
//! All but the ends cost what the whole is long, so that the engine keeps collections in this form only while they are
//! small. Nothing here is `unsafe`: a view checks every step against the slice, one comparison that never fails in
//! validated bytes.

mod deque;
mod edit;
mod encoding;
#[cfg(test)]
mod tests;
mod validate;
mod view;

pub use deque::Deque;
pub use edit::Packed;
pub use encoding::{Digits, ELEMENT_BYTES_MAX, Entry, integer};
pub use validate::{Invalid, validate};
pub use view::{Iter, View};

use std::error;
use std::fmt;

/// The most bytes that a collection can have: its header tells them in 32 bits.
pub const BYTES_MAX: usize = u32::MAX as usize;

/// Bytes before the first entry: the length of all in 32 bits, the number of entries in 16.
const HEADER_SIZE: usize = 6;
const TERMINATOR: u8 = 0xff;
/// Says that the entries have to be counted.
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Where an entry begins. Valid until the collection is changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position(u32);

impl Position {
    #[inline]
    const fn offset(self) -> usize {
        self.0 as usize
    }
}

/// An element is longer than [`ELEMENT_BYTES_MAX`], or the collection would be longer than [`BYTES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the element or the collection would be too large to be packed")
    }
}

impl error::Error for TooLarge {}

//! The RDB format: files of snapshots, preambles of logs, payloads of DUMP.
//!
//! # Shape
//!
//! ```text
//!   "REDIS0010"  { aux  name value }  { function  source }
//!   { select db  { resize keys deadlines }  { [deadline] [idle | frequency]  type  key  value } }
//!   end  checksum (8)
//!
//!   length    00nnnnnn · 01nnnnnn nnnnnnnn · 80 and 4 bytes · 81 and 8 bytes, the highest byte first
//!   string    length, bytes · c0 1 byte · c1 2 bytes · c2 4 bytes · c3 two lengths, LZF
//! ```
//!
//! A small string costs its bytes, those of its key, and three more: type and two lengths. So five million keys of 16
//! bytes with values of 32 are 255 MB.
//!
//! # Versions
//!
//! What is written is version 10, which Redis 7.0 and everything after it reads. Only deadlines of fields need a newer one:
//! the two families write them differently, Valkey as version 80 and under its own name, Redis as version 12. Which one the
//! data needs is known when it is written, so the header may have to be replaced then; the checksum is linear, so that it
//! can be that of the new header without reading anything again ([`Written::header`]).
//!
//! All versions of Redis up to 12 and Valkey's 80 are read, with every type that any of them wrote. What cannot be kept is
//! refused by name, never left out.
//!
//! # What it is not
//!
//! It knows no file, no keyspace to load into and no command: bytes come from a [`Source`], entries go to a [`Sink`].
//!
//! # Invariants
//!
//! * Everything from outside is proved while it is decoded: lengths against what is there, packed forms entry by entry,
//!   members against each other, scores against NaN.
//! * Memory grows with bytes that were read, not with lengths that were told. Compressed strings grow at most to 88 times
//!   their size, as fast as they are decoded.
//! * A file with a checksum says so at its beginning, so that zeros over its end do not pass for "no checksum".
//! * Nothing recurses.

mod batch;
mod check;
#[allow(clippy::indexing_slicing, reason = "a table of 256 is asked for a byte")]
mod crc64;
mod dump;
mod encode;
mod error;
mod format;
mod input;
mod legacy;
mod lzf;
mod object;
mod read;
mod write;

pub use batch::Batch;
pub use check::{ConvertError, FileKind, Report, check, convert, looks_like};
pub use crc64::crc64;
pub use dump::{RestoreError, Restored, dump, restore};
pub use error::{Fault, RdbError};
pub use format::{VERSION, VERSION_REDIS_MAX, VERSION_VALKEY, encoding_name};
pub use input::Source;
pub use object::{CONSUMER_TWICE, ELEMENT_TWICE};
pub use read::{Loaded, ReadOptions, Sink, Summary, read};
pub use write::{Access, Target, WriteOptions, Writer, Written};

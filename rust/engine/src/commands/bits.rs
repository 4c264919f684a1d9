//! Strings as rows of bits.

mod field;
mod several;
mod single;

use crate::error::{self, Error};
use crate::handler::{Context, Flags, Group, KeyFlags, KeySpec, Keys, Row};
use crate::number::parse_i64;

const READ: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);

pub(super) const ROWS: &[Row] = &[
    Row::new("BITCOUNT", -2, Group::Bitmap, several::bitcount)
        .since("2.6.0")
        .doc("Counts the bits of a string that are set, all or those in a range.", "O(N) for N bytes counted")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key [range:(start:integer [end-unit-block:(end:integer [unit:(BYTE | BIT)@7.0.0])])]"),
    Row::new("BITFIELD", -2, Group::Bitmap, field::bitfield)
        .since("3.2.0")
        .doc("Reads, sets and increments integers of any width at any bit of a string.", "O(1) for each operation")
        .keys(Keys::Specs(&[KeySpec::one(
            1,
            KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS),
        )]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage(
            "key:key [operation:(GET get-block:(encoding:string offset:integer) | write:([OVERFLOW \
             overflow-block:(WRAP | SAT | FAIL)] write-operation:(SET set-block:(encoding:string offset:integer \
             value:integer) | INCRBY incrby-block:(encoding:string offset:integer increment:integer))))...]",
        ),
    Row::new("BITFIELD_RO", -2, Group::Bitmap, field::bitfield_ro)
        .since("6.0.0")
        .doc("Reads integers of any width at any bit of a string.", "O(1) for each operation")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key [GET get-block:(encoding:string offset:integer)]..."),
    Row::new("BITOP", -4, Group::Bitmap, several::bitop)
        .since("2.6.0")
        .doc("Combines strings bit by bit and stores the result.", "O(N) for N bytes of the longest string")
        .keys(Keys::Specs(&[
            KeySpec::one(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
            KeySpec::range(3, -1, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
        ]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .usage("operation:(AND | OR | XOR | NOT) destkey:key key:key..."),
    Row::new("BITPOS", -3, Group::Bitmap, several::bitpos)
        .since("2.8.7")
        .doc("Finds the first bit of a string, or of a range of it, that is set or clear.", "O(N) for N bytes searched")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .usage("key:key bit:integer [range:(start:integer [end-unit-block:(end:integer [unit:(BYTE | BIT)@7.0.0])])]"),
    Row::new("GETBIT", 3, Group::Bitmap, single::getbit)
        .since("2.2.0")
        .doc("Reads one bit of a string.", "O(1)")
        .keys(READ)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key offset:integer"),
    Row::new("SETBIT", 4, Group::Bitmap, single::setbit)
        .since("2.2.0")
        .doc("Sets or clears one bit of a string, which grows as needed, and returns what it was.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM))
        .usage("key:key offset:integer value:integer"),
];

/// Reads the offset of a bit. Its byte must be one that a string may have.
#[inline]
fn bit_offset(context: &Context<'_, '_>, text: &[u8]) -> Result<u64, Error> {
    let offset = parse_i64(text).ok_or(error::BIT_OFFSET)?;
    checked_offset(context, Some(offset))
}

#[inline]
fn checked_offset(context: &Context<'_, '_>, offset: Option<i64>) -> Result<u64, Error> {
    let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or(error::BIT_OFFSET)?;
    let bytes_max = context.store.settings.bulk_bytes_max() as u64;
    if offset >> 3 < bytes_max { Ok(offset) } else { Err(error::BIT_OFFSET) }
}

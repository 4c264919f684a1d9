//! The bytes of one entry: key, value, deadline and access clock in one blob of the arena.
//!
//! ```text
//! byte 0      flags: value form (2 bits), wide deadline, deadline, extended, raw, long key, long value
//! bytes 1-3   access clock, little endian
//! 1 or 4      length of the key
//! 0, 1 or 2   length of the value, of inline values only
//! 0, 6 or 8   deadline in Unix milliseconds
//! key, value
//! ```
//!
//! A key longer than [`NEAR_KEY_BYTES_MAX`] lives elsewhere: its length has the top bit set and the blob holds its place.
//! A key of 16 bytes with a value of 32 costs 6 bytes of header. Integers take 8 bytes; values above
//! [`INLINE_BYTES_MAX`] live in a shared buffer and the blob holds their place in the database's list of those. So do large
//! collections; the bytes of a small one stand in the blob, behind one that tells what they are.

use crate::values::Packing;

/// Values up to this many bytes stand in the blob.
pub const INLINE_BYTES_MAX: usize = 1024;
/// Keys up to this many bytes stand in the blob.
pub const NEAR_KEY_BYTES_MAX: usize = 900;
/// The access clock has this many bits.
pub const CLOCK_BITS: u32 = 24;

const FORM: u8 = 0b11;
const FORM_INTEGER: u8 = 0;
const FORM_INLINE: u8 = 1;
const FORM_LARGE: u8 = 2;
const FORM_PACKED: u8 = 3;
const WIDE_DEADLINE: u8 = 1 << 2;
const DEADLINE: u8 = 1 << 3;
const EXTENDED: u8 = 1 << 4;
const RAW: u8 = 1 << 5;
const LONG_KEY: u8 = 1 << 6;
const LONG_VALUE: u8 = 1 << 7;

const FIXED: usize = 4;
const FAR_KEY: u32 = 1 << 31;
const NARROW_DEADLINE_END: i64 = 1 << 47;

/// Where the parts of a blob stand; all of it follows from the flags, the two lengths and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    flags: u8,
    key_at: u32,
    key_len: u32,
    value_len: u32,
    is_far: bool,
}

/// How a blob holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// An integer.
    Integer(i64),
    /// The bytes themselves.
    Inline(&'a [u8]),
    /// The bytes of a small collection.
    Packed(Packing, &'a [u8]),
    /// A place in the database's list of large values.
    Large(u32),
}

/// What a new blob is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The key, or the four bytes of its place.
    pub key: &'a [u8],
    /// Whether the key is elsewhere.
    pub is_far: bool,
    /// The value.
    pub form: Form<'a>,
    /// Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// Whether OBJECT ENCODING says `raw` whatever the length.
    pub raw: bool,
    /// Whether the wheel holds an earlier entry than the deadline.
    pub extended: bool,
    /// 24 bits.
    pub clock: u32,
}

impl Parts<'_> {
    /// The first byte of the blob. Length and writing need it, so it is computed once for both.
    #[inline]
    pub fn flags(&self) -> u8 {
        let form = match self.form {
            Form::Integer(_) => FORM_INTEGER,
            Form::Inline(bytes) if bytes.len() > 255 => FORM_INLINE | LONG_VALUE,
            Form::Inline(_) => FORM_INLINE,
            Form::Packed(_, bytes) if bytes.len() > 254 => FORM_PACKED | LONG_VALUE,
            Form::Packed(..) => FORM_PACKED,
            Form::Large(_) => FORM_LARGE,
        };
        let deadline = match self.deadline_ms {
            None => 0,
            Some(0..NARROW_DEADLINE_END) => DEADLINE,
            Some(_) => DEADLINE | WIDE_DEADLINE,
        };
        let long_key = if self.is_far || self.key.len() > 255 { LONG_KEY } else { 0 };
        let raw = if self.raw { RAW } else { 0 };
        let extended = if self.extended { EXTENDED } else { 0 };
        form | deadline | long_key | raw | extended
    }

    #[inline]
    fn value_len(&self) -> usize {
        match self.form {
            Form::Integer(_) => 8,
            Form::Inline(bytes) => bytes.len(),
            Form::Packed(_, bytes) => 1 + bytes.len(),
            Form::Large(_) => 4,
        }
    }

    /// Length of the blob; `flags` are [`Parts::flags`].
    #[inline]
    pub fn blob_len(&self, flags: u8) -> usize {
        key_at(flags) + self.key.len() + self.value_len()
    }

    /// Writes the blob to the beginning of `blob`, which has at least [`Parts::blob_len`] bytes; `flags` are
    /// [`Parts::flags`].
    pub fn write(&self, flags: u8, blob: &mut [u8]) {
        let [low, middle, high, _] = self.clock.to_le_bytes();
        let lens = [self.key.len() as u8, self.value_len() as u8];
        // What has no length of its value begins one byte earlier, and is written over it.
        blob[..6].copy_from_slice(&[flags, low, middle, high, lens[0], lens[1]]);
        let (header, rest) = blob.split_at_mut(key_at(flags));
        if flags & (LONG_KEY | LONG_VALUE | DEADLINE) != 0 {
            self.write_lengths(flags, header);
        }
        let (key, value) = rest.split_at_mut(self.key.len());
        key.copy_from_slice(self.key);
        match self.form {
            Form::Integer(number) => value[..8].copy_from_slice(&number.to_le_bytes()),
            Form::Inline(bytes) => value[..bytes.len()].copy_from_slice(bytes),
            Form::Packed(packing, bytes) => {
                value[0] = packing as u8;
                value[1..=bytes.len()].copy_from_slice(bytes);
            }
            Form::Large(place) => value[..4].copy_from_slice(&place.to_le_bytes()),
        }
    }

    /// Writes what follows the access clock, whatever it is.
    #[inline(never)]
    fn write_lengths(&self, flags: u8, header: &mut [u8]) {
        let mut at = FIXED;
        if flags & LONG_KEY == 0 {
            header[at] = self.key.len() as u8;
            at += 1;
        } else {
            let far = if self.is_far { FAR_KEY } else { 0 };
            header[at..at + 4].copy_from_slice(&(self.key.len() as u32 | far).to_le_bytes());
            at += 4;
        }
        if matches!(self.form, Form::Inline(_) | Form::Packed(..)) {
            let len = self.value_len();
            if flags & LONG_VALUE == 0 {
                header[at] = len as u8;
                at += 1;
            } else {
                header[at..at + 2].copy_from_slice(&(len as u16).to_le_bytes());
                at += 2;
            }
        }
        if let Some(deadline_ms) = self.deadline_ms {
            let len = deadline_len(flags);
            header[at..at + len].copy_from_slice(&deadline_ms.to_le_bytes()[..len]);
        }
    }
}

const fn deadline_len(flags: u8) -> usize {
    match flags & (DEADLINE | WIDE_DEADLINE) {
        0 => 0,
        DEADLINE => 6,
        _ => 8,
    }
}

const fn deadline_at(flags: u8) -> usize {
    let key_len = if flags & LONG_KEY == 0 { 1 } else { 4 };
    let value_len = match (flags & FORM, flags & LONG_VALUE) {
        (FORM_INLINE | FORM_PACKED, 0) => 1,
        (FORM_INLINE | FORM_PACKED, _) => 2,
        _ => 0,
    };
    FIXED + key_len + value_len
}

const fn key_at_of(flags: u8) -> u8 {
    (deadline_at(flags) + deadline_len(flags)) as u8
}

const KEY_AT: [u8; 256] = {
    let mut table = [0; 256];
    let mut flags = 0;
    while flags < 256 {
        table[flags] = key_at_of(flags as u8);
        flags += 1;
    }
    table
};

#[inline]
fn key_at(flags: u8) -> usize {
    KEY_AT[flags as usize] as usize
}

fn write_clock(blob: &mut [u8], clock: u32) {
    blob[1..4].copy_from_slice(&clock.to_le_bytes()[..3]);
}

/// Replaces the access clock of a blob in place.
#[inline]
pub fn set_clock(blob: &mut [u8], clock: u32) {
    write_clock(blob, clock);
}

/// Replaces the number of an integer blob in place.
pub fn set_integer(blob: &mut [u8], layout: Layout, number: i64) {
    let at = layout.value_at();
    blob[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// Marks that the wheel holds an earlier entry than the deadline, or that it does not.
pub fn set_extended(blob: &mut [u8], extended: bool) {
    blob[0] = if extended { blob[0] | EXTENDED } else { blob[0] & !EXTENDED };
}

/// Replaces the deadline in place if it has the same width; false if the blob must be written anew.
pub fn set_deadline(blob: &mut [u8], deadline_ms: i64) -> bool {
    let flags = blob[0];
    let narrow = (0..NARROW_DEADLINE_END).contains(&deadline_ms);
    if flags & DEADLINE == 0 || narrow != (flags & WIDE_DEADLINE == 0) {
        return false;
    }
    let (at, len) = (deadline_at(flags), deadline_len(flags));
    blob[at..at + len].copy_from_slice(&deadline_ms.to_le_bytes()[..len]);
    true
}

impl Layout {
    /// Reads the layout of a blob.
    #[inline]
    pub fn of(blob: &[u8]) -> Self {
        // No slot is shorter, so one check is enough for most blobs.
        let head = &blob[..8];
        let flags = head[0];
        let (key_field, after_key_len) = if flags & LONG_KEY == 0 {
            (u32::from(head[FIXED]), FIXED + 1)
        } else {
            (u32::from_le_bytes([head[4], head[5], head[6], head[7]]), FIXED + 4)
        };
        let value_len = match flags & FORM {
            FORM_INLINE | FORM_PACKED if flags & (LONG_KEY | LONG_VALUE) == 0 => u32::from(head[FIXED + 1]),
            FORM_INLINE | FORM_PACKED if flags & LONG_VALUE == 0 => u32::from(blob[after_key_len]),
            FORM_INLINE | FORM_PACKED => u32::from(u16::from_le_bytes([blob[after_key_len], blob[after_key_len + 1]])),
            FORM_INTEGER => 8,
            _ => 4,
        };
        Self {
            flags,
            key_at: key_at(flags) as u32,
            key_len: key_field & !FAR_KEY,
            value_len,
            is_far: key_field & FAR_KEY != 0,
        }
    }

    #[inline]
    const fn value_at(self) -> usize {
        (self.key_at + self.key_len) as usize
    }

    /// Bytes from the beginning to the end of the value.
    pub const fn len(self) -> usize {
        self.value_at() + self.value_len as usize
    }

    /// Whether the key is elsewhere.
    pub const fn is_far(self) -> bool {
        self.is_far
    }

    /// The key, or the four bytes of its place.
    #[inline]
    pub fn key(self, blob: &[u8]) -> &[u8] {
        &blob[self.key_at as usize..self.value_at()]
    }

    /// The value.
    #[inline]
    pub fn form(self, blob: &[u8]) -> Form<'_> {
        let value = &blob[self.value_at()..self.len()];
        match self.flags & FORM {
            FORM_INLINE => Form::Inline(value),
            FORM_INTEGER => Form::Integer(i64::from_le_bytes(value.try_into().unwrap_or_default())),
            FORM_PACKED => Form::Packed(Packing::from_number(value[0]), &value[1..]),
            _ => Form::Large(u32::from_le_bytes(value.try_into().unwrap_or_default())),
        }
    }

    /// The deadline, in Unix milliseconds.
    #[inline]
    pub fn deadline_ms(self, blob: &[u8]) -> Option<i64> {
        if self.flags & DEADLINE == 0 {
            return None;
        }
        let (at, len) = (deadline_at(self.flags), deadline_len(self.flags));
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&blob[at..at + len]);
        Some(i64::from_le_bytes(bytes))
    }

    /// Whether the wheel holds an earlier entry than the deadline.
    pub const fn is_extended(self) -> bool {
        self.flags & EXTENDED != 0
    }

    /// Whether OBJECT ENCODING says `raw` whatever the length.
    pub const fn is_raw(self) -> bool {
        self.flags & RAW != 0
    }
}

/// The access clock of a blob.
pub fn clock(blob: &[u8]) -> u32 {
    u32::from_le_bytes([blob[1], blob[2], blob[3], 0])
}

/// Whether a blob has a deadline.
#[inline]
pub fn has_deadline(blob: &[u8]) -> bool {
    blob[0] & DEADLINE != 0
}

/// Whether a blob certainly holds nothing elsewhere.
#[inline]
pub fn is_all_there(blob: &[u8]) -> bool {
    blob[0] & LONG_KEY == 0 && blob[0] & FORM != FORM_LARGE
}

/// The key of a blob by the shortest way, if it is shorter than 256 bytes.
#[inline]
pub fn short_key(blob: &[u8]) -> Option<&[u8]> {
    let flags = blob[0];
    if flags & LONG_KEY != 0 {
        return None;
    }
    let at = key_at(flags);
    Some(&blob[at..at + blob[FIXED] as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(parts: &Parts<'_>) {
        let len = parts.blob_len(parts.flags());
        let mut blob = vec![0xAA; len + 3];
        parts.write(parts.flags(), &mut blob);
        let layout = Layout::of(&blob);
        assert_eq!(layout.len(), len);
        assert_eq!(layout.key(&blob), parts.key);
        assert_eq!(short_key(&blob), (parts.key.len() < 256 && !parts.is_far).then_some(parts.key));
        assert_eq!(layout.is_far(), parts.is_far);
        assert_eq!(layout.form(&blob), parts.form);
        assert_eq!(layout.deadline_ms(&blob), parts.deadline_ms);
        assert_eq!((layout.is_raw(), layout.is_extended()), (parts.raw, parts.extended));
        assert_eq!(clock(&blob), parts.clock);
        assert_eq!(&blob[len..], [0xAA; 3]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            key in prop::collection::vec(any::<u8>(), 0..600), value in prop::collection::vec(any::<u8>(), 0..INLINE_BYTES_MAX),
            number: i64, deadline in prop::option::of(prop_oneof![0..i64::MAX, 0..2_000_000_000_000i64]), raw: bool, extended: bool, clock in 0u32..1 << 24,
        ) {
            let packed = Form::Packed(Packing::Hash, &value);
            for form in [Form::Inline(&value), Form::Integer(number), Form::Large(number as u32), packed] {
                check(&Parts { key: &key, is_far: false, form, deadline_ms: deadline, raw, extended, clock });
                check(&Parts { key: &[1, 2, 3, 4], is_far: true, form, deadline_ms: deadline, raw, extended, clock });
            }
        }
    }

    #[test]
    fn the_header_of_a_small_entry_is_six_bytes() {
        let parts = Parts {
            key: &[0; 16],
            is_far: false,
            form: Form::Inline(&[0; 32]),
            deadline_ms: None,
            raw: false,
            extended: false,
            clock: 0,
        };
        assert_eq!(parts.blob_len(parts.flags()), 16 + 32 + 6);
        let with_deadline = Parts { deadline_ms: Some(1_700_000_000_000), ..parts };
        assert_eq!(with_deadline.blob_len(with_deadline.flags()), parts.blob_len(parts.flags()) + 6);
    }

    #[test]
    fn in_place_changes_keep_the_rest() {
        let parts = Parts {
            key: b"k",
            is_far: false,
            form: Form::Integer(7),
            deadline_ms: Some(5),
            raw: false,
            extended: false,
            clock: 1,
        };
        let mut blob = vec![0; parts.blob_len(parts.flags())];
        parts.write(parts.flags(), &mut blob);
        assert!(set_deadline(&mut blob, 1 << 40));
        assert!(!set_deadline(&mut blob, i64::MAX));
        let layout = Layout::of(&blob);
        set_integer(&mut blob, layout, -9);
        set_clock(&mut blob, 0xFF_FF_FF);
        set_extended(&mut blob, true);
        let layout = Layout::of(&blob);
        assert_eq!(layout.form(&blob), Form::Integer(-9));
        assert_eq!(layout.deadline_ms(&blob), Some(1 << 40));
        assert!(layout.is_extended());
        assert_eq!(clock(&blob), 0xFF_FF_FF);
    }
}

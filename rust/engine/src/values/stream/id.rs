//! Names of entries: a time and a number within it.

use std::ops::Deref;

/// The name of an entry. Entries of a stream stand in the order of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Milliseconds; of names that the server made, Unix time.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

/// The longest text: two numbers of 20 digits and a dash.
const TEXT_BYTES_MAX: usize = 41;

impl Id {
    /// `0-0`, before every entry.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The last that there can be.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// Of both parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The next one; `None` behind the last.
    pub const fn next(self) -> Option<Self> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(Self { ms: self.ms, seq }),
            (None, Some(ms)) => Some(Self { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The one before; `None` before the first.
    pub const fn before(self) -> Option<Self> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(Self { ms: self.ms, seq }),
            (None, Some(ms)) => Some(Self { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// As clients see it, `ms-seq`.
    #[inline]
    pub fn text(self) -> IdText {
        self.text_with(b'-')
    }

    /// Both numbers around a byte.
    pub(super) fn text_with(self, between: u8) -> IdText {
        let mut text = IdText { bytes: [0; TEXT_BYTES_MAX], len: 0 };
        text.push(itoa::Buffer::new().format(self.ms).as_bytes());
        text.push(&[between]);
        text.push(itoa::Buffer::new().format(self.seq).as_bytes());
        text
    }

    /// The bytes under which RDB files have it: both numbers, the largest digit first.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.ms) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// From the bytes of an RDB file.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { ms: (both >> 64) as u64, seq: both as u64 }
    }
}

/// The text of an [`Id`].
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; TEXT_BYTES_MAX],
    len: u8,
}

impl IdText {
    #[inline]
    fn push(&mut self, text: &[u8]) {
        let start = usize::from(self.len);
        let end = start + text.len();
        self.bytes[start..end].copy_from_slice(text);
        self.len = end as u8;
    }
}

impl Deref for IdText {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

//! Values as bytes of the format.

use rkv_collections::packed::{Entry, Packed, integer};

use super::format::{kind, node, op};
use super::lzf::Compressor;
use crate::values::Packing;

/// Strings of up to this many bytes are not compressed.
const COMPRESSED_ABOVE: usize = 20;
/// Strings of up to this many bytes may be integers of four bytes.
const INTEGER_BYTES_MAX: usize = 11;

/// Appends what the format is made of to bytes.
#[derive(Debug, Default)]
pub struct Encoder {
    /// What was appended and not taken yet.
    pub out: Vec<u8>,
    compress: bool,
    /// Made for the first string that may be compressed.
    compressor: Option<Compressor>,
}

impl Encoder {
    /// Appends to nothing.
    pub fn new(compress: bool) -> Self {
        Self { compress, ..Self::default() }
    }

    /// A byte.
    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// A length, or another number.
    #[inline]
    pub fn number(&mut self, number: u64) {
        match number {
            0..0x40 => self.out.push(number as u8),
            0x40..0x4000 => self.out.extend_from_slice(&[0x40 | (number >> 8) as u8, number as u8]),
            0x4000..=0xffff_ffff => {
                self.out.push(0x80);
                self.out.extend_from_slice(&(number as u32).to_be_bytes());
            }
            _ => {
                self.out.push(0x81);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    /// Something about the file.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.byte(op::AUX);
        self.string(name);
        self.string(value);
    }

    /// A string.
    #[inline]
    pub fn string(&mut self, bytes: &[u8]) {
        if bytes.len() <= INTEGER_BYTES_MAX {
            if let Some(number) = integer(bytes)
                && self.small_integer(number)
            {
                return;
            }
        } else if bytes.len() > COMPRESSED_ABOVE && self.compressed(bytes) {
            return;
        }
        self.number(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A string that is the decimal form of an integer.
    pub fn integer(&mut self, number: i64) {
        if !self.small_integer(number) {
            let mut room = itoa::Buffer::new();
            let digits = room.format(number);
            self.number(digits.len() as u64);
            self.out.extend_from_slice(digits.as_bytes());
        }
    }

    fn small_integer(&mut self, number: i64) -> bool {
        if let Ok(number) = i8::try_from(number) {
            self.out.extend_from_slice(&[0xc0, number as u8]);
        } else if let Ok(number) = i16::try_from(number) {
            let [low, high] = number.to_le_bytes();
            self.out.extend_from_slice(&[0xc1, low, high]);
        } else if let Ok(number) = i32::try_from(number) {
            self.out.push(0xc2);
            self.out.extend_from_slice(&number.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// The compressed form of a string; false, and nothing, if that would not be shorter by a few bytes.
    fn compressed(&mut self, bytes: &[u8]) -> bool {
        if !self.compress {
            return false;
        }
        let compressor = self.compressor.get_or_insert_default();
        let start = self.out.len();
        // Its own length comes before it and is not known yet, but the room for that can be told from above.
        let head = HEAD_BYTES_MAX;
        self.out.extend_from_slice(&[0; HEAD_BYTES_MAX]);
        if !compressor.compress(bytes, bytes.len() - 4, &mut self.out) {
            self.out.truncate(start);
            return false;
        }
        let packed_len = self.out.len() - start - head;
        // Both lengths are written behind the string first, where there is always room.
        self.byte(0xc3);
        self.number(packed_len as u64);
        self.number(bytes.len() as u64);
        let lengths_at = start + head + packed_len;
        let used = self.out.len() - lengths_at;
        self.out.copy_within(lengths_at.., start);
        self.out.copy_within(start + head..lengths_at, start + used);
        self.out.truncate(start + used + packed_len);
        true
    }

    /// The bytes of a small collection.
    pub fn packed(&mut self, packing: Packing, bytes: &[u8]) {
        match packing {
            Packing::List => {
                self.number(1);
                self.chunk(bytes);
            }
            Packing::Set => {
                let view = rkv_collections::packed::View::new(bytes);
                self.number(view.len() as u64);
                view.iter().for_each(|member| self.entry(member));
            }
            Packing::Integers | Packing::Zset | Packing::Hash => self.string(bytes),
        }
    }

    fn entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Int(number) => self.integer(number),
            Entry::Str(bytes) => self.string(bytes),
        }
    }

    /// A chunk of a list.
    pub fn chunk(&mut self, bytes: &[u8]) {
        let view = rkv_collections::packed::View::new(bytes);
        if let Some(Entry::Str(element)) = view.first().and_then(|at| view.entry(at))
            && element.len() > PLAIN_ABOVE
            && view.len() == 1
        {
            self.number(node::PLAIN);
            self.string(element);
            return;
        }
        self.number(node::PACKED);
        self.string(bytes);
    }

    /// A chunk of a list from its elements.
    pub fn chunk_of<'e>(&mut self, elements: impl Iterator<Item = &'e [u8]>) {
        let mut packed = Packed::new();
        for element in elements {
            // Elements of a list are no longer than one of these takes.
            if packed.push_back(element).is_err() {
                debug_assert!(false, "an element of a list is too long for a listpack");
            }
        }
        self.chunk(packed.as_bytes());
    }

    /// Eight bytes of a float.
    pub fn float(&mut self, float: f64) {
        self.out.extend_from_slice(&float.to_le_bytes());
    }
}

/// One byte that says what it is, and two lengths.
const HEAD_BYTES_MAX: usize = 1 + 9 + 9;
/// An element with more bytes that has a chunk of its own is written without that.
const PLAIN_ABOVE: usize = 8 << 10;

/// The type of a small collection.
pub const fn kind_of(packing: Packing) -> u8 {
    match packing {
        Packing::List => kind::LIST_QUICKLIST_2,
        Packing::Set => kind::SET,
        Packing::Integers => kind::SET_INTSET,
        Packing::Zset => kind::ZSET_LISTPACK,
        Packing::Hash => kind::HASH_LISTPACK,
    }
}

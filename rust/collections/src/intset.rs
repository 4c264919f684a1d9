//! A sorted set of integers in one run of bytes, in the format of Redis's intset.
//!
//! ```text
//!   SADD key 5 -3 1
//!
//!   [02 00 00 00]   [03 00 00 00]   [fd ff] [01 00] [05 00]
//!    width of each   how many        -3      1       5          all little-endian
//! ```
//!
//! All have the width of the widest: 2, 4 or 8 bytes. A number that does not fit makes all wider, once, and lies then at
//! one of the ends; nothing makes them narrower again, as in Redis. A set of n is 8 + width x n bytes: 512 small
//! numbers, Redis's limit, are 1,032. Membership is a binary search, ten steps in 512; a change moves what is greater.
//! RDB files and DUMP payloads carry exactly these bytes.

use std::error;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

/// The most numbers in one set: its header counts them in 32 bits.
pub const LEN_MAX: usize = u32::MAX as usize;

const HEADER_SIZE: usize = 8;

/// Bytes of each number. The order is that of the sizes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    #[inline]
    fn of(value: i64) -> Self {
        match value {
            -0x8000..=0x7fff => Self::Two,
            -0x8000_0000..=0x7fff_ffff => Self::Four,
            _ => Self::Eight,
        }
    }

    #[inline]
    const fn size(self) -> usize {
        self as usize
    }
}

/// The numbers, apart from the header, as arrays of their width.
#[derive(Clone, Copy)]
enum Numbers<'a> {
    Two(&'a [[u8; 2]]),
    Four(&'a [[u8; 4]]),
    Eight(&'a [[u8; 8]]),
}

/// Where a number is, or where it would have to be.
#[inline]
fn search<const N: usize>(numbers: &[[u8; N]], value: i64, read: impl Fn([u8; N]) -> i64) -> Result<usize, usize> {
    numbers.binary_search_by(|bytes| read(*bytes).cmp(&value))
}

#[inline]
fn read_two(bytes: [u8; 2]) -> i64 {
    i16::from_le_bytes(bytes).into()
}

#[inline]
fn read_four(bytes: [u8; 4]) -> i64 {
    i32::from_le_bytes(bytes).into()
}

impl Numbers<'_> {
    #[inline]
    fn len(self) -> usize {
        match self {
            Self::Two(numbers) => numbers.len(),
            Self::Four(numbers) => numbers.len(),
            Self::Eight(numbers) => numbers.len(),
        }
    }

    #[inline]
    fn get(self, index: usize) -> Option<i64> {
        match self {
            Self::Two(numbers) => numbers.get(index).map(|bytes| read_two(*bytes)),
            Self::Four(numbers) => numbers.get(index).map(|bytes| read_four(*bytes)),
            Self::Eight(numbers) => numbers.get(index).map(|bytes| i64::from_le_bytes(*bytes)),
        }
    }

    #[inline]
    fn search(self, value: i64) -> Result<usize, usize> {
        match self {
            Self::Two(numbers) => search(numbers, value, read_two),
            Self::Four(numbers) => search(numbers, value, read_four),
            Self::Eight(numbers) => search(numbers, value, i64::from_le_bytes),
        }
    }

    fn is_ascending(self) -> bool {
        match self {
            Self::Two(numbers) => numbers.is_sorted_by(|one, other| read_two(*one) < read_two(*other)),
            Self::Four(numbers) => numbers.is_sorted_by(|one, other| read_four(*one) < read_four(*other)),
            Self::Eight(numbers) => {
                numbers.is_sorted_by(|one, other| i64::from_le_bytes(*one) < i64::from_le_bytes(*other))
            }
        }
    }
}

/// A set to be read. Copies are free.
///
/// On bytes that [`validate`] passed, it shows what is stored; any others may show wrong numbers, without panicking.
#[derive(Clone, Copy)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Reads exactly these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All bytes, header first: what Redis stores in an RDB file.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// A copy to be changed, with room for `spare_bytes` more.
    #[inline]
    pub fn to_int_set(self, spare_bytes: usize) -> IntSet {
        let mut bytes = Vec::with_capacity(self.0.len() + spare_bytes);
        bytes.extend_from_slice(self.0);
        IntSet::from_bytes(bytes)
    }

    #[inline]
    fn width(self) -> Width {
        match self.0 {
            [4, ..] => Width::Four,
            [8, ..] => Width::Eight,
            _ => Width::Two,
        }
    }

    #[inline]
    fn numbers(self) -> Numbers<'a> {
        let body = self.0.get(HEADER_SIZE..).unwrap_or_default();
        match self.width() {
            Width::Two => Numbers::Two(body.as_chunks().0),
            Width::Four => Numbers::Four(body.as_chunks().0),
            Width::Eight => Numbers::Eight(body.as_chunks().0),
        }
    }

    /// Number of numbers.
    #[inline]
    pub fn len(self) -> usize {
        self.numbers().len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether a number is in the set.
    #[inline]
    pub fn contains(self, value: i64) -> bool {
        Width::of(value) <= self.width() && self.numbers().search(value).is_ok()
    }

    /// How many numbers are smaller than one of the set.
    ///
    /// # Errors
    /// The same, for a number that is not in the set.
    #[inline]
    pub fn rank(self, value: i64) -> Result<usize, usize> {
        self.numbers().search(value)
    }

    /// The number with so many smaller ones.
    #[inline]
    pub fn get(self, index: usize) -> Option<i64> {
        self.numbers().get(index)
    }

    /// The smallest.
    #[inline]
    pub fn min(self) -> Option<i64> {
        self.get(0)
    }

    /// The greatest.
    #[inline]
    pub fn max(self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All numbers, ascending, from either end.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        let numbers = self.numbers();
        Iter { numbers, rest: 0..numbers.len() }
    }
}

impl<'a> IntoIterator for View<'a> {
    type Item = i64;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for View<'_> {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({} numbers of {} bytes)", self.len(), self.width().size())
    }
}

/// Numbers of a set, ascending, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    numbers: Numbers<'a>,
    rest: Range<usize>,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        self.numbers.get(self.rest.next()?)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }

    #[inline]
    fn nth(&mut self, count: usize) -> Option<i64> {
        self.numbers.get(self.rest.nth(count)?)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<i64> {
        self.numbers.get(self.rest.next_back()?)
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iter({:?})", self.rest)
    }
}

/// There are [`LEN_MAX`] numbers in the set already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the set cannot count more numbers")
    }
}

impl error::Error for Full {}

/// A set to be changed, over a vector of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct IntSet(Vec<u8>);

impl IntSet {
    /// An empty set of the narrowest numbers.
    #[inline]
    pub fn new() -> Self {
        Self(vec![Width::Two as u8, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The set of numbers that are given in strictly ascending order, as narrow as it can be.
    ///
    /// # Errors
    /// [`Full`] if there are too many.
    ///
    /// # Panics
    /// If they do not ascend.
    pub fn from_sorted(values: &[i64]) -> Result<Self, Full> {
        assert!(values.is_sorted_by(|one, other| one < other), "numbers in strictly ascending order");
        if values.len() > LEN_MAX {
            return Err(Full);
        }
        let ends = [values.first(), values.last()].into_iter().flatten();
        let width = ends.map(|value| Width::of(*value)).max().unwrap_or(Width::Two);
        let mut bytes = Vec::with_capacity(HEADER_SIZE + width.size() * values.len());
        bytes.extend_from_slice(&(width as u32).to_le_bytes());
        bytes.extend_from_slice(&(values.len() as u32).to_le_bytes());
        for value in values {
            bytes.extend_from_slice(&value.to_le_bytes()[..width.size()]);
        }
        Ok(Self(bytes))
    }

    /// Takes bytes that this type made or that [`validate`] passed, without looking at them.
    ///
    /// # Panics
    /// If there are fewer than eight.
    #[inline]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        assert!(bytes.len() >= HEADER_SIZE, "no header");
        Self(bytes)
    }

    /// The vector, without a copy.
    #[inline]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// For reading.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::new(&self.0)
    }

    /// All bytes, header first.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of heap that the set occupies, slack included.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Number of numbers.
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Whether a number is in the set.
    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.view().contains(value)
    }

    /// Puts a number into the set and says whether it is new. Makes all numbers wider if this one needs it.
    ///
    /// # Errors
    /// [`Full`], and nothing is changed.
    pub fn insert(&mut self, value: i64) -> Result<bool, Full> {
        let Err(index) = self.view().rank(value) else { return Ok(false) };
        if self.len() >= LEN_MAX {
            return Err(Full);
        }
        let own = Width::of(value);
        if own > self.view().width() {
            self.widen(own);
        }
        let size = self.view().width().size();
        let (start, end) = (HEADER_SIZE + index * size, self.0.len());
        self.0.resize(end + size, 0);
        self.0.copy_within(start..end, start + size);
        self.0[start..start + size].copy_from_slice(&value.to_le_bytes()[..size]);
        self.write_len();
        Ok(true)
    }

    /// Removes a number and says whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.view().rank(value) else { return false };
        self.remove_at(index);
        true
    }

    /// Removes the number with so many smaller ones and gives it.
    pub fn remove_at(&mut self, index: usize) -> Option<i64> {
        let value = self.view().get(index)?;
        let size = self.view().width().size();
        let start = HEADER_SIZE + index * size;
        self.0.drain(start..start + size);
        self.write_len();
        Some(value)
    }

    /// From the greatest on, so that no number is overwritten before it is read.
    fn widen(&mut self, width: Width) {
        let (len, size) = (self.len(), width.size());
        let narrow = self.view().width().size();
        self.0.resize(HEADER_SIZE + len * size, 0);
        for index in (0..len).rev() {
            let from = HEADER_SIZE + index * narrow;
            let sign = if self.0[from + narrow - 1] >= 0x80 { 0xff } else { 0 };
            let mut bytes = [sign; 8];
            bytes[..narrow].copy_from_slice(&self.0[from..from + narrow]);
            let to = HEADER_SIZE + index * size;
            self.0[to..to + size].copy_from_slice(&bytes[..size]);
        }
        self.0[..4].copy_from_slice(&(width as u32).to_le_bytes());
    }

    #[inline]
    fn write_len(&mut self) {
        let len = self.len() as u32;
        self.0[4..HEADER_SIZE].copy_from_slice(&len.to_le_bytes());
    }
}

impl Default for IntSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for IntSet {
    /// Sizes alone: contents are user data and never belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntSet({} numbers, {} bytes)", self.len(), self.0.len())
    }
}

/// Why bytes are no set of integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// There are fewer bytes than a header.
    Short {
        /// How many there are.
        size: usize,
    },
    /// Numbers are 2, 4 or 8 bytes wide.
    Width {
        /// What the header tells.
        told: u32,
    },
    /// The bytes behind the header are not as many as it tells.
    Length {
        /// How many numbers it tells.
        told: u32,
        /// How many bytes there are, header included.
        size: usize,
    },
    /// A number is not greater than the one before it.
    Order,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { size } => write!(f, "{size} bytes hold no header"),
            Self::Width { told } => write!(f, "numbers of {told} bytes"),
            Self::Length { told, size } => write!(f, "{told} numbers are not {size} bytes"),
            Self::Order => f.write_str("the numbers do not ascend"),
        }
    }
}

impl error::Error for Invalid {}

/// Proves width, length and order of bytes from outside, and gives the number of numbers. An empty set passes.
///
/// # Errors
/// The first thing found wrong.
pub fn validate(bytes: &[u8]) -> Result<usize, Invalid> {
    let size = bytes.len();
    let (width, rest) = bytes.split_first_chunk().ok_or(Invalid::Short { size })?;
    let told = rest.first_chunk().ok_or(Invalid::Short { size })?;
    let width = match u32::from_le_bytes(*width) {
        told @ (2 | 4 | 8) => told as usize,
        told => return Err(Invalid::Width { told }),
    };
    let told = u32::from_le_bytes(*told);
    let needed = (told as usize).checked_mul(width).and_then(|body| body.checked_add(HEADER_SIZE));
    if needed != Some(size) {
        return Err(Invalid::Length { told, size });
    }
    if View::new(bytes).numbers().is_ascending() { Ok(told as usize) } else { Err(Invalid::Order) }
}

//! `HyperLogLog`: how many different elements were seen, within one percent, in at most 12 KiB.
//!
//! A sketch is a string, byte by byte as Redis stores it, so that GET, SET, DUMP and replicas of any kind exchange it:
//!
//! ```text
//! "HYLL"  encoding  0 0 0  cached count, 8 bytes little endian  registers
//! ```
//!
//! The top bit of the cached count says that it is old. An element's hash names one of 16,384 registers and a rank; a
//! register keeps the highest rank it met. The dense encoding (0) has 6 bits for each. The sparse one (1) has runs:
//!
//! | bytes | meaning |
//! |---|---|
//! | `00nnnnnn` | 1 to 64 registers that are 0 |
//! | `01nnnnnn nnnnnnnn` | 1 to 16,384 registers that are 0 |
//! | `1vvvvvnn` | 1 to 4 registers with the rank 1 to 32 |
//!
//! What a client stored may be no sketch, or contradict itself, at any byte: every read is checked.

mod dense;
mod estimate;
mod sparse;
#[cfg(test)]
mod tests;

pub use estimate::{Registers, count};

use sparse::Place;

/// Registers of a sketch.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash that name a register.
const INDEX_BITS: u32 = 14;
/// Bits of a hash that give a rank.
const RANK_BITS: u32 = u64::BITS - INDEX_BITS;
/// Bytes before the registers.
const HEADER_BYTES: usize = 16;
/// Bytes of the dense encoding.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
/// The byte of the cached count whose top bit says that it is old.
const OLD_AT: usize = 15;
const OLD: u8 = 0x80;

/// How the registers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits for each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

impl Encoding {
    /// As PFDEBUG ENCODING names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
        }
    }
}

/// The registers of a sketch do not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

/// How a string's registers are stored; `None` if it is no sketch.
#[inline]
pub fn encoding(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes.get(ENCODING_AT) {
        Some(0) if bytes.len() == DENSE_BYTES => Some(Encoding::Dense),
        Some(1) => Some(Encoding::Sparse),
        _ => None,
    }
}

/// Makes an empty string a sketch of nothing.
pub fn begin(bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(MAGIC);
    bytes.push(1);
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend(sparse::zeros(REGISTERS));
}

/// The count that was stored with a sketch, unless it is old.
#[inline]
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    if bytes.get(OLD_AT)? & OLD != 0 {
        return None;
    }
    bytes.get(COUNT_AT..HEADER_BYTES)?.try_into().ok().map(u64::from_le_bytes)
}

/// Stores the count with a sketch.
pub fn cache_count(bytes: &mut [u8], count: u64) {
    if let Some(place) = bytes.get_mut(COUNT_AT..HEADER_BYTES) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// Says that the stored count is old.
#[inline]
pub fn forget_count(bytes: &mut [u8]) {
    if let Some(byte) = bytes.get_mut(OLD_AT) {
        *byte |= OLD;
    }
}

/// The register and the rank of an element.
#[inline]
fn place_of(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let index = (hash & (REGISTERS as u64 - 1)) as usize;
    // One bit above all others, so that the rank has an end.
    let rest = (hash >> INDEX_BITS) | 1 << RANK_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// Adds an element to a sketch; whether that changed a register. A sparse sketch that would have more bytes than
/// `sparse_bytes_max` becomes dense.
///
/// # Errors
/// The sketch contradicts itself; nothing was changed.
#[inline]
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Corrupted> {
    let (index, rank) = place_of(element);
    raise(bytes, index, rank, sparse_bytes_max, &mut Place::default())
}

/// Raises a register to a rank, if it is lower; whether it was. `place` is where to begin to look for it.
#[inline]
fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_bytes_max: usize,
    place: &mut Place,
) -> Result<bool, Corrupted> {
    if bytes.get(ENCODING_AT) == Some(&0) {
        return Ok(dense::raise(registers(bytes), index, rank));
    }
    match sparse::raise(bytes, index, rank, sparse_bytes_max, place)? {
        sparse::Raised::No => Ok(false),
        sparse::Raised::Yes => {
            forget_count(bytes);
            Ok(true)
        }
        sparse::Raised::NoRoom => {
            make_dense(bytes)?;
            Ok(dense::raise(registers(bytes), index, rank))
        }
    }
}

/// What stands behind the header.
fn registers(bytes: &mut [u8]) -> &mut [u8] {
    bytes.get_mut(HEADER_BYTES..).unwrap_or_default()
}

/// Changes a sketch to the dense encoding; whether it was sparse. The stored count stays.
///
/// # Errors
/// The sketch contradicts itself; nothing was changed.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<bool, Corrupted> {
    if bytes.get(ENCODING_AT) == Some(&0) {
        return Ok(false);
    }
    let mut all = Registers::default();
    all.merge(bytes)?;
    bytes.resize(DENSE_BYTES, 0);
    bytes[ENCODING_AT] = 0;
    dense::write(&all.0[..], registers(bytes));
    Ok(true)
}

/// Raises the registers of a sketch to those of others, in their order.
///
/// # Errors
/// The sketch contradicts itself; some registers may have been raised.
pub fn raise_all(bytes: &mut Vec<u8>, all: &Registers, sparse_bytes_max: usize) -> Result<(), Corrupted> {
    let mut place = Place::default();
    for (index, &rank) in all.0.iter().enumerate().filter(|(_, rank)| **rank > 0) {
        raise(bytes, index, rank, sparse_bytes_max, &mut place)?;
    }
    forget_count(bytes);
    Ok(())
}

/// The runs of a sparse sketch as PFDEBUG DECODE tells them, up to the first byte that is none.
pub fn runs_text(bytes: &[u8]) -> String {
    sparse::text(bytes.get(HEADER_BYTES..).unwrap_or_default())
}

/// `MurmurHash64A`, read as on a little-endian machine.
#[inline]
fn hash(element: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mix = |word: u64| {
        let word = word.wrapping_mul(FACTOR);
        (word ^ (word >> SHIFT)).wrapping_mul(FACTOR)
    };
    let mut hash = SEED ^ (element.len() as u64).wrapping_mul(FACTOR);
    let words = element.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        hash = (hash ^ mix(word.try_into().map_or(0, u64::from_le_bytes))).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> SHIFT)).wrapping_mul(FACTOR);
    hash ^ (hash >> SHIFT)
}

/// Adds numbers to a sketch that may be sparse and to one that is dense, and compares what they tell with what is true.
///
/// # Errors
/// What is wrong, as the text of a reply.
pub fn self_test() -> Result<(), String> {
    /// Redis's limit: the standard error is 1.04 / √16384 = 0.8 %, and a good sketch stays within five of those.
    const ERROR_MAX: f64 = 0.041;
    const ELEMENTS: u64 = 100_000;
    const SPARSE_BYTES_MAX: usize = 3000;
    let failed = |what: &str| format!("TESTFAILED {what}");
    let (mut sparse, mut dense) = (Vec::new(), Vec::new());
    begin(&mut sparse);
    begin(&mut dense);
    make_dense(&mut dense).map_err(|_| failed("a sketch of nothing contradicts itself"))?;
    let mut next_check = 1;
    for number in 1..=ELEMENTS {
        let element = number.to_le_bytes();
        let changes = [&mut sparse, &mut dense].map(|bytes| add(bytes, &element, SPARSE_BYTES_MAX));
        if changes[0] != changes[1] || changes[0].is_err() {
            return Err(failed(&format!("dense and sparse disagree at element {number}")));
        }
        if number == next_check {
            let counts = [&sparse, &dense].map(|bytes| count(bytes));
            let Ok(told) = counts[0] else { return Err(failed("a sketch contradicts itself")) };
            // Small counts may be off by one.
            let error_max = (number as f64 * ERROR_MAX).max(1.0);
            if counts[0] != counts[1] || (told as f64 - number as f64).abs() > error_max {
                return Err(failed(&format!("Too big error. card:{number} counted:{told}")));
            }
            next_check *= 10;
        }
    }
    Ok(())
}

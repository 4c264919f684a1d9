//! Strings as rows of bits. Bit 0 is the highest of the first byte; what lies beyond the end is 0.

mod field;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use super::string::lengthen;
pub use field::{Field, Overflow};

/// Bytes of a word.
const WORD: usize = 8;
/// Words that are counted together.
const BLOCK_WORDS: usize = 16;
/// Bytes of every source that are combined before the next ones are looked at: results stay in the nearest cache.
const PIECE_BYTES: usize = 16 << 10;

/// What the ends of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Byte,
    /// Bits.
    Bit,
}

/// How BITOP makes a string of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bits that all have.
    And,
    /// Bits that any has.
    Or,
    /// Bits that an odd number has.
    Xor,
    /// Bits that the only one lacks.
    Not,
}

/// The bit at an offset.
#[inline]
pub fn get(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset >> 3).ok().and_then(|at| bytes.get(at)).copied();
    byte.is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets the bit at an offset, whose byte the caller has compared with what a string may have. Gives what it was before, and
/// whether anything changed, be it the length alone.
#[inline]
pub fn set(bytes: &mut Vec<u8>, offset: u64, on: bool) -> (bool, bool) {
    let at = (offset >> 3) as usize;
    let is_longer = lengthen(bytes, at + 1);
    let byte = &mut bytes[at];
    let was_on = *byte & mask(offset) != 0;
    if was_on != on {
        *byte ^= mask(offset);
    }
    (was_on, is_longer || was_on != on)
}

#[inline]
const fn mask(offset: u64) -> u8 {
    0x80 >> (offset & 7)
}

/// The bits from `start` to `end`, both included, of a string of `len` bytes. Negative ends count from its end; what lies
/// outside is cut off, except that an end before the beginning still means the first one, as in Redis. `None`: no bit.
pub fn range(len: usize, start: i64, end: i64, unit: Unit) -> Option<RangeInclusive<u64>> {
    let total = len as i64 * if unit == Unit::Bit { 8 } else { 1 };
    let position = |index: i64| if index < 0 { total.saturating_add(index).max(0) } else { index };
    let (start, end) = (position(start), position(end).min(total - 1));
    if start > end {
        return None;
    }
    let (start, end) = (start.unsigned_abs(), end.unsigned_abs());
    Some(if unit == Unit::Bit { start..=end } else { start * 8..=end * 8 + 7 })
}

/// Counts the bits of a range that lies inside of the string.
pub fn count_in(bytes: &[u8], range: RangeInclusive<u64>) -> u64 {
    let (first, last) = range.into_inner();
    let Some(bytes) = bytes.get((first >> 3) as usize..=(last >> 3) as usize) else { return 0 };
    let before = bytes.first().map_or(0, |byte| (byte & before_mask(first)).count_ones());
    let behind = bytes.last().map_or(0, |byte| (byte & behind_mask(last)).count_ones());
    count(bytes) - u64::from(before) - u64::from(behind)
}

/// The bits of a byte before the one at an offset.
const fn before_mask(offset: u64) -> u8 {
    !(0xff >> (offset & 7))
}

/// The bits of a byte behind the one at an offset.
const fn behind_mask(offset: u64) -> u8 {
    mask(offset) - 1
}

/// Counts all bits.
pub fn count(bytes: &[u8]) -> u64 {
    let mut blocks = bytes.chunks_exact(BLOCK_WORDS * WORD);
    let mut sums = Sums::default();
    let mut total = 0;
    for block in &mut blocks {
        total += sums.add(block);
    }
    let words = blocks.remainder().chunks_exact(WORD);
    let rest = words.remainder().iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    total * BLOCK_WORDS as u64
        + sums.count()
        + words.map(|bytes| u64::from(word(bytes).count_ones())).sum::<u64>()
        + rest
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

/// Sums of words, bit by bit: adders of three words to two, so that of sixteen words only one is counted (the method of
/// Harley and Seal).
#[derive(Default)]
struct Sums {
    ones: u64,
    twos: u64,
    fours: u64,
    eights: u64,
}

/// Adds three bits in each place; gives the sum and the carry.
#[inline]
const fn add_three(a: u64, b: u64, c: u64) -> (u64, u64) {
    let half = a ^ b;
    (half ^ c, (a & b) | (half & c))
}

impl Sums {
    /// Adds sixteen words, and gives how many bits were carried out: each stands for sixteen.
    #[inline]
    fn add(&mut self, block: &[u8]) -> u64 {
        let mut words = [0; BLOCK_WORDS];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(WORD)) {
            *word = self::word(bytes);
        }
        let mut eights = [0; 2];
        for (eight, words) in eights.iter_mut().zip(words.chunks_exact(8)) {
            let mut fours = [0; 2];
            for (four, words) in fours.iter_mut().zip(words.chunks_exact(4)) {
                let mut twos = [0; 2];
                for (two, words) in twos.iter_mut().zip(words.chunks_exact(2)) {
                    (self.ones, *two) = add_three(self.ones, words[0], words[1]);
                }
                (self.twos, *four) = add_three(self.twos, twos[0], twos[1]);
            }
            (self.fours, *eight) = add_three(self.fours, fours[0], fours[1]);
        }
        let sixteens;
        (self.eights, sixteens) = add_three(self.eights, eights[0], eights[1]);
        u64::from(sixteens.count_ones())
    }

    /// The bits that were not carried out.
    fn count(&self) -> u64 {
        [self.ones, self.twos, self.fours, self.eights]
            .iter()
            .enumerate()
            .map(|(power, word)| u64::from(word.count_ones()) << power)
            .sum()
    }
}

/// The first bit of a kind in a range that lies inside of the string.
pub fn find(bytes: &[u8], is_on: bool, range: RangeInclusive<u64>) -> Option<u64> {
    let (first, last) = range.into_inner();
    let (begin, end) = ((first >> 3) as usize, (last >> 3) as usize);
    let bytes = bytes.get(begin..=end)?;
    // Looked for are bits that are set in what `turn` gives.
    let turn = |byte: u8| if is_on { byte } else { !byte };
    let place = |at: usize, byte: u8| ((begin + at) as u64) * 8 + u64::from(byte.leading_zeros());
    let inside = |offset: u64| (offset <= last).then_some(offset);
    let (head, rest) = bytes.split_first()?;
    let head = turn(*head) & !before_mask(first);
    if head != 0 {
        return inside(place(0, head));
    }
    let nothing = if is_on { 0 } else { u64::MAX };
    let words = rest.chunks_exact(WORD);
    let full = rest.len() / WORD;
    let skipped = words.clone().position(|bytes| word(bytes) != nothing).unwrap_or(full) * WORD;
    let found = rest.get(skipped..)?.iter().position(|byte| turn(*byte) != 0)?;
    let at = skipped + found;
    inside(place(at + 1, turn(*rest.get(at)?)))
}

/// Makes a string of others: as long as the longest, which a shorter one reaches with zero bytes.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or_default();
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = vec![0; len];
    if operation == Operation::Not {
        for (byte, source) in result.iter_mut().zip(*first) {
            *byte = !source;
        }
        return result;
    }
    for (piece, at) in result.chunks_mut(PIECE_BYTES).zip((0..).step_by(PIECE_BYTES)) {
        let first = beginning(first.get(at..), piece.len());
        piece[..first.len()].copy_from_slice(first);
        for other in others {
            combine_into(operation, piece, beginning(other.get(at..), piece.len()));
        }
    }
    result
}

/// At most so many bytes of a source, none if it ended before.
fn beginning(source: Option<&[u8]>, len: usize) -> &[u8] {
    let source = source.unwrap_or_default();
    source.get(..len).unwrap_or(source)
}

/// Combines a source, which may be shorter, with what others gave.
fn combine_into(operation: Operation, piece: &mut [u8], source: &[u8]) {
    let pairs = piece.iter_mut().zip(source);
    match operation {
        Operation::And => {
            pairs.for_each(|(byte, source)| *byte &= source);
            piece[source.len()..].fill(0);
        }
        Operation::Or => pairs.for_each(|(byte, source)| *byte |= source),
        Operation::Xor => pairs.for_each(|(byte, source)| *byte ^= source),
        Operation::Not => {}
    }
}

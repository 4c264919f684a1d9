//! The longest common subsequence of two strings, by rows of bits.
//!
//! Let `L(i, j)` be the length for the first `i` bytes of `a` and the first `j` of `b`. Along a row it grows by 0 or 1
//! per byte, so a row is a string of bits: bit `j` is 0 where `L(i, j + 1)` is one more than `L(i, j)`. The next row
//! follows from it word by word: `(V + (V & M)) | (V & !M)`, where `M` has a bit for each place of `b` that holds the
//! next byte of `a`, and the sum carries from word to word. That is 64 cells a step, and a table of all rows takes one bit
//! per cell where a table of lengths takes 32.
//!
//! The way back needs no lengths either. Where the bytes differ, `L(i, j)` is the larger of its upper and its left
//! neighbour; the upper one is larger exactly if the row grows at `j`, which is its bit.

use std::collections::TryReserveError;

const WORD_BITS: usize = u64::BITS as usize;

/// A piece that both strings have: `len` bytes at `a` in the one and at `b` in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the first string.
    pub a: usize,
    /// Where it begins in the second string.
    pub b: usize,
    /// How many bytes it has, at least one.
    pub len: usize,
}

/// How long the longest common subsequence is, in bytes.
///
/// # Errors
/// There is not enough memory: a bit for each byte of `b` and each different byte of `a`.
pub fn len(a: &[u8], b: &[u8]) -> Result<usize, TryReserveError> {
    let places = Places::new(a, b)?;
    let mut row = filled(places.words)?;
    for &byte in a {
        advance(&mut row, places.of(byte));
    }
    Ok(zeros(&row, b.len()))
}

/// The pieces of a longest common subsequence, the last one first. Of several it is the one that Redis finds.
///
/// # Errors
/// There is not enough memory: a bit for each pair of bytes.
pub fn pieces(a: &[u8], b: &[u8]) -> Result<Vec<Piece>, TryReserveError> {
    let places = Places::new(a, b)?;
    let mut rows = Vec::new();
    rows.try_reserve_exact(a.len().saturating_mul(places.words))?;
    let mut row = filled(places.words)?;
    for &byte in a {
        advance(&mut row, places.of(byte));
        rows.extend_from_slice(&row);
    }
    let grows = |i: usize, j: usize| rows[i * places.words + j / WORD_BITS] >> (j % WORD_BITS) & 1 == 0;
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut i, mut j, mut is_inside) = (a.len(), b.len(), false);
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            match pieces.last_mut() {
                Some(last) if is_inside => *last = Piece { a: i, b: j, len: last.len + 1 },
                _ => pieces.push(Piece { a: i, b: j, len: 1 }),
            }
            is_inside = true;
        } else {
            is_inside = false;
            if grows(i - 1, j - 1) { i -= 1 } else { j -= 1 }
        }
    }
    Ok(pieces)
}

/// For each different byte of `a`: the places of `b` that hold it, as bits.
struct Places {
    words: usize,
    row_of: [Option<u16>; 256],
    bits: Vec<u64>,
}

impl Places {
    fn new(a: &[u8], b: &[u8]) -> Result<Self, TryReserveError> {
        let words = b.len().div_ceil(WORD_BITS);
        let mut row_of = [None; 256];
        let mut rows = 0u16;
        for &byte in a {
            if row_of[usize::from(byte)].is_none() {
                row_of[usize::from(byte)] = Some(rows);
                rows += 1;
            }
        }
        let len = usize::from(rows).saturating_mul(words);
        let mut bits = Vec::new();
        bits.try_reserve_exact(len)?;
        bits.resize(len, 0);
        for (j, &byte) in b.iter().enumerate() {
            if let Some(row) = row_of[usize::from(byte)] {
                bits[usize::from(row) * words + j / WORD_BITS] |= 1u64 << (j % WORD_BITS);
            }
        }
        Ok(Self { words, row_of, bits })
    }

    /// The places of a byte of `a`.
    fn of(&self, byte: u8) -> &[u64] {
        let row = usize::from(self.row_of[usize::from(byte)].unwrap_or_default());
        &self.bits[row * self.words..(row + 1) * self.words]
    }
}

/// A row that grows nowhere.
fn filled(words: usize) -> Result<Vec<u64>, TryReserveError> {
    let mut row = Vec::new();
    row.try_reserve_exact(words)?;
    row.resize(words, u64::MAX);
    Ok(row)
}

fn advance(row: &mut [u64], places: &[u64]) {
    let mut carry = false;
    for (word, place) in row.iter_mut().zip(places) {
        let (sum, over) = word.overflowing_add(*word & place);
        let (sum, over_again) = sum.overflowing_add(u64::from(carry));
        carry = over || over_again;
        *word = sum | (*word & !place);
    }
}

fn zeros(row: &[u64], bits: usize) -> usize {
    // Bits behind the end of `b` have no place in any mask, but a carry may pass through them.
    let whole = row.iter().take(bits / WORD_BITS).map(|word| word.count_zeros() as usize).sum::<usize>();
    let rest = bits % WORD_BITS;
    let last = row.get(bits / WORD_BITS).map_or(0, |word| (word | u64::MAX << rest).count_zeros() as usize);
    if rest == 0 { whole } else { whole + last }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook: a table of lengths, and the way back that Redis documents by its results.
    fn textbook(a: &[u8], b: &[u8]) -> (usize, Vec<Piece>) {
        let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] =
                    if a[i - 1] == b[j - 1] { table[i - 1][j - 1] + 1 } else { table[i - 1][j].max(table[i][j - 1]) };
            }
        }
        let mut places = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                places.push((i, j));
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for (i, j) in places {
            match pieces.last_mut() {
                Some(last) if (last.a, last.b) == (i + 1, j + 1) => *last = Piece { a: i, b: j, len: last.len + 1 },
                _ => pieces.push(Piece { a: i, b: j, len: 1 }),
            }
        }
        (table[a.len()][b.len()], pieces)
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(b'a'..=b'c', 0..80),
            prop::collection::vec(b'a'..=b'b', 60..70),
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(b'a'..=b'z', 120..200),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_table_of_lengths(a in text(), b in text()) {
            let (expected_len, expected) = textbook(&a, &b);
            prop_assert_eq!(len(&a, &b).unwrap(), expected_len);
            prop_assert_eq!(pieces(&a, &b).unwrap(), expected);
        }
    }

    #[test]
    fn finds_the_pieces_of_redis_example() {
        let expected = [Piece { a: 4, b: 5, len: 4 }, Piece { a: 2, b: 0, len: 2 }];
        assert_eq!(pieces(b"ohmytext", b"mynewtext").unwrap(), expected);
        assert_eq!(len(b"ohmytext", b"mynewtext").unwrap(), 6);
        assert_eq!((len(b"", b"x").unwrap(), len(b"x", b"").unwrap(), pieces(b"", b"").unwrap()), (0, 0, vec![]));
    }

    /// The table of rows is never larger than the table of 32-bit lengths that the limit of LCS is about.
    #[test]
    fn the_rows_are_smaller_than_a_table_of_lengths() {
        for columns in 1..1000usize {
            assert!(columns.div_ceil(WORD_BITS) * 8 <= 4 * (columns + 1));
        }
    }
}

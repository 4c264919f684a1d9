//! LZF, the compression of strings in RDB files.
//!
//! ```text
//!   000nnnnn                     n + 1 bytes follow as they are
//!   nnnooooo          oooooooo   n + 2 bytes are those that stand o + 1 bytes before (n = 1 ..= 6)
//!   111ooooo nnnnnnnn oooooooo   the same for n + 9 bytes
//! ```
//!
//! The compressor remembers where each three bytes were seen last. Positions count on from one string to the next, so that
//! its table never has to be cleared, and a short string uses only so much of the table as fits a processor's first cache:
//! most strings in a database are short and do not compress, and finding that out must cost little.

/// The longest distance back.
const DISTANCE_MAX: usize = 1 << 13;
/// The longest copy.
const COPY_MAX: usize = 255 + 9;
/// The longest run of bytes as they are.
const RUN_MAX: usize = 32;

const TABLE_BITS: u32 = 16;
/// Of the table, for strings of up to [`SHORT_MAX`] bytes.
const SHORT_BITS: u32 = 11;
const SHORT_MAX: usize = 256;

/// Compresses one string after the other.
pub struct Compressor {
    /// Where three bytes were seen last, as the position in their string and `base`.
    table: Box<[u32]>,
    /// Every position of strings before is smaller.
    base: u32,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Compressor")
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self { table: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: 1 }
    }
}

#[inline]
fn three(bytes: &[u8], at: usize) -> Option<u32> {
    let [one, two, three] = *bytes.get(at..)?.first_chunk::<3>()?;
    Some(u32::from_le_bytes([one, two, three, 0]))
}

#[allow(clippy::indexing_slicing, reason = "these are positions of our own, in bytes of our own")]
impl Compressor {
    /// Appends the compressed form of `bytes` if that has no more than `most` bytes; otherwise appends nothing and says
    /// false.
    pub fn compress(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> bool {
        let Some(len) = u32::try_from(bytes.len()).ok().filter(|len| *len < u32::MAX / 2) else { return false };
        if self.base > u32::MAX - len - 1 {
            self.table.fill(0);
            self.base = 1;
        }
        let start = out.len();
        let fits = self.append(bytes, most, out);
        self.base += len;
        if !fits {
            out.truncate(start);
        }
        fits
    }

    fn append(&mut self, bytes: &[u8], most: usize, out: &mut Vec<u8>) -> bool {
        let bits = if bytes.len() <= SHORT_MAX { SHORT_BITS } else { TABLE_BITS };
        let limit = out.len().saturating_add(most);
        let (mut at, mut run) = (0, 0);
        while let Some(word) = three(bytes, at) {
            let slot = &mut self.table[(word.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize];
            let seen = std::mem::replace(slot, self.base + at as u32);
            let before = seen.checked_sub(self.base).map(|before| before as usize);
            let Some(before) =
                before.filter(|before| at - before <= DISTANCE_MAX && three(bytes, *before) == Some(word))
            else {
                at += 1;
                // Long before a string that does not compress ends, it is known that it will not.
                if at - run > RUN_MAX && !literals(bytes, &mut run, at - 1, limit, out) {
                    return false;
                }
                continue;
            };
            if !literals(bytes, &mut run, at, limit, out) {
                return false;
            }
            let longest = COPY_MAX.min(bytes.len() - at);
            let len =
                3 + bytes[before + 3..].iter().zip(&bytes[at + 3..at + longest]).take_while(|(a, b)| a == b).count();
            copy(at - before - 1, len, out);
            if out.len() > limit {
                return false;
            }
            self.remember(bytes, at + 1..at + len, bits);
            at += len;
            run = at;
        }
        literals(bytes, &mut run, bytes.len(), limit, out)
    }

    #[inline]
    fn remember(&mut self, bytes: &[u8], positions: std::ops::Range<usize>, bits: u32) {
        for at in positions {
            let Some(word) = three(bytes, at) else { return };
            self.table[(word.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize] = self.base + at as u32;
        }
    }
}

/// Appends the bytes from `run` to `end` as they are; false if there is no room.
#[allow(clippy::indexing_slicing, reason = "these are positions of our own, in bytes of our own")]
#[inline]
fn literals(bytes: &[u8], run: &mut usize, end: usize, limit: usize, out: &mut Vec<u8>) -> bool {
    for piece in bytes[*run..end].chunks(RUN_MAX) {
        if out.len() + 1 + piece.len() > limit {
            return false;
        }
        out.push((piece.len() - 1) as u8);
        out.extend_from_slice(piece);
    }
    *run = end;
    true
}

#[inline]
fn copy(distance: usize, len: usize, out: &mut Vec<u8>) {
    let (high, low) = ((distance >> 8) as u8, distance as u8);
    match len - 2 {
        short @ ..7 => out.extend_from_slice(&[(short as u8) << 5 | high, low]),
        long => out.extend_from_slice(&[7 << 5 | high, (long - 7) as u8, low]),
    }
}

/// Why bytes are no compressed form of a string of the length that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// Replaces what is in `out` by the `len` bytes of which `bytes` are the compressed form.
///
/// # Errors
/// They are none.
pub fn decompress(bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Invalid> {
    out.clear();
    // Two bytes of input prove up to 264 of output, so that a length that lies is found out by the input's end.
    let longest = bytes.len().saturating_mul(COPY_MAX / 3 + 1);
    if len > longest {
        return Err(Invalid);
    }
    out.reserve(len.min(bytes.len().saturating_mul(8)));
    let mut rest = bytes;
    while let Some((&head, behind)) = rest.split_first() {
        if head < 32 {
            let (run, behind) = behind.split_at_checked(usize::from(head) + 1).ok_or(Invalid)?;
            if run.len() > len - out.len() {
                return Err(Invalid);
            }
            out.extend_from_slice(run);
            rest = behind;
            continue;
        }
        let (more, behind) = if head >= 7 << 5 { behind.split_first().ok_or(Invalid)? } else { (&0, behind) };
        let (low, behind) = behind.split_first().ok_or(Invalid)?;
        let count = usize::from(head >> 5) + usize::from(*more) + 2;
        let distance = (usize::from(head & 31) << 8 | usize::from(*low)) + 1;
        if count > len - out.len() {
            return Err(Invalid);
        }
        let from = out.len().checked_sub(distance).ok_or(Invalid)?;
        if distance >= count {
            out.extend_from_within(from..from + count);
        } else {
            // The copy overlaps what it writes.
            for at in from..from + count {
                out.push(*out.get(at).ok_or(Invalid)?);
            }
        }
        rest = behind;
    }
    if out.len() == len { Ok(()) } else { Err(Invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(compressor: &mut Compressor, bytes: &[u8]) -> Option<usize> {
        let mut packed = b"before".to_vec();
        if !compressor.compress(bytes, bytes.len().saturating_sub(4), &mut packed) {
            assert_eq!(packed, b"before");
            return None;
        }
        let (mut out, packed) = (vec![1, 2, 3], &packed[6..]);
        assert!(packed.len() <= bytes.len().saturating_sub(4));
        assert_eq!(decompress(packed, bytes.len(), &mut out), Ok(()));
        assert_eq!(out, bytes);
        for wrong in [bytes.len().wrapping_sub(1), bytes.len() + 1] {
            assert_eq!(decompress(packed, wrong, &mut out), Err(Invalid));
        }
        Some(packed.len())
    }

    #[test]
    fn what_repeats_is_copied() {
        let mut compressor = Compressor::default();
        // A letter, its copy of 264 bytes, and so on: what a program that compresses greedily makes of it.
        let expected = 2 + 3 * (10_000usize - 1).div_ceil(COPY_MAX);
        assert_eq!(round_trip(&mut compressor, &[b'a'; 10_000]), Some(expected));
        assert_eq!(round_trip(&mut compressor, b"abcdefgh"), None);
        let random: Vec<u8> = (0..9000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
        assert_eq!(round_trip(&mut compressor, &random[..32]), None);
        // Further back than a copy reaches.
        let far = [&random[..9000], &random[..9000]].concat();
        assert_eq!(round_trip(&mut compressor, &far), None);
        let near = [&random[..8000], &random[..8000]].concat();
        assert!(round_trip(&mut compressor, &near).expect("it repeats") < 8500);
    }

    #[test]
    fn the_table_survives_its_positions() {
        let mut compressor = Compressor { base: u32::MAX - 100, ..Compressor::default() };
        for _ in 0..4 {
            assert_eq!(round_trip(&mut compressor, &[7; 60]), Some(5));
        }
        assert!(compressor.base < 1000);
    }

    #[test]
    fn lies_are_found_out() {
        let mut out = Vec::new();
        for wrong in [&[0][..], &[31, 1], &[1 << 5, 0], &[0, b'a', 1 << 5, 1], &[7 << 5, 1], &[7 << 5]] {
            assert_eq!(decompress(wrong, 4, &mut out), Err(Invalid));
        }
        assert_eq!(decompress(&[0, b'a'], usize::MAX, &mut out), Err(Invalid));
        assert!(out.capacity() < 100);
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            words in prop::collection::vec(prop_oneof![Just(&b"abc"[..]), Just(&b"abcdefgh"[..]), Just(&b"\0\0\0\0"[..]), Just(&b"x"[..]), Just(&b"q7"[..])], 0..300),
        ) {
            let mut compressor = Compressor::default();
            for _ in 0..2 {
                round_trip(&mut compressor, &words.concat());
            }
        }

        #[test]
        fn any_bytes_are_decompressed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), len in 0usize..10_000) {
            let mut out = Vec::new();
            if decompress(&bytes, len, &mut out).is_ok() {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}

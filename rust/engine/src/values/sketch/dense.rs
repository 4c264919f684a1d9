//! Six bits for each register, the lowest first: four registers in three bytes.

/// The highest rank that six bits hold.
const RANK_MAX: u32 = 63;

/// The four registers in three bytes.
#[inline]
const fn unpack(bytes: [u8; 3]) -> [u8; 4] {
    let [a, b, c] = bytes;
    let word = u32::from_le_bytes([a, b, c, 0]);
    [
        (word & RANK_MAX) as u8,
        (word >> 6 & RANK_MAX) as u8,
        (word >> 12 & RANK_MAX) as u8,
        (word >> 18 & RANK_MAX) as u8,
    ]
}

/// The registers of the dense encoding, in order, four at a time.
#[inline]
pub fn each(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.as_chunks::<3>().0.iter().map(|three| unpack(*three))
}

/// Raises a register to a rank, if it is lower; whether it was.
#[inline]
pub fn raise(bytes: &mut [u8], index: usize, rank: u8) -> bool {
    let Some(three) = bytes.as_chunks_mut::<3>().0.get_mut(index / 4) else { return false };
    let [a, b, c] = *three;
    let (word, shift) = (u32::from_le_bytes([a, b, c, 0]), index % 4 * 6);
    if word >> shift & RANK_MAX >= u32::from(rank) {
        return false;
    }
    let [a, b, c, _] = (word & !(RANK_MAX << shift) | u32::from(rank) << shift).to_le_bytes();
    *three = [a, b, c];
    true
}

/// Writes all registers.
pub fn write(registers: &[u8], bytes: &mut [u8]) {
    for (four, three) in registers.as_chunks::<4>().0.iter().zip(bytes.as_chunks_mut::<3>().0) {
        let word = four.iter().rev().fold(0, |word, rank| word << 6 | u32::from(*rank) & RANK_MAX);
        let [a, b, c, _] = word.to_le_bytes();
        *three = [a, b, c];
    }
}

//! The checksum of files and payloads: 64 bits, Jones's polynomial, reflected, as Redis has it.
//!
//! Sixteen bytes are taken at once, each through a table of its own (Kounavis and Berry's "slicing"), so that no step waits
//! for a look-up that waits for another. The checksum is linear: what changes when the first bytes change is the checksum of
//! the difference, moved behind as many zero bytes as follow. So a header can be written anew when the rest is there.

/// Jones's polynomial, bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
const SLICES: usize = 16;

static TABLES: [[u64; 256]; SLICES] = tables();

#[expect(clippy::large_stack_arrays, reason = "computed by the compiler")]
const fn tables() -> [[u64; 256]; SLICES] {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = before >> 8 ^ tables[0][(before & 255) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

/// The checksum of what came before and `bytes`, given that of what came before: 0 for nothing.
pub fn crc64(mut crc: u64, bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<SLICES>();
    for chunk in chunks {
        let mut block = u128::from_le_bytes(*chunk) ^ u128::from(crc);
        crc = 0;
        for table in TABLES.iter().rev() {
            crc ^= table[usize::from(block as u8)];
            block >>= 8;
        }
    }
    for byte in rest {
        crc = crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

/// The checksum of the same bytes with so many zero bytes behind, given theirs. Takes time in the logarithm of `zeros`.
pub fn behind_zeros(mut crc: u64, mut zeros: u64) -> u64 {
    // What one zero byte does to each bit; then two bytes, four, and so on.
    let mut step: [u64; 64] = std::array::from_fn(|bit| crc64(1 << bit, &[0]));
    while zeros > 0 {
        if zeros & 1 == 1 {
            crc = times(&step, crc);
        }
        step = std::array::from_fn(|bit| times(&step, step[bit]));
        zeros >>= 1;
    }
    crc
}

fn times(matrix: &[u64; 64], vector: u64) -> u64 {
    matrix.iter().enumerate().fold(0, |sum, (bit, row)| if vector >> bit & 1 == 1 { sum ^ row } else { sum })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit_by_bit(mut crc: u64, bytes: &[u8]) -> u64 {
        for byte in bytes {
            crc ^= u64::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            }
        }
        crc
    }

    #[test]
    fn the_checksum_is_that_of_redis() {
        // The check value that Redis's own test of its function names.
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    proptest! {
        #[test]
        fn slices_are_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200, before: u64) {
            let at = at.min(bytes.len());
            prop_assert_eq!(crc64(before, &bytes), bit_by_bit(before, &bytes));
            prop_assert_eq!(crc64(crc64(before, &bytes[..at]), &bytes[at..]), crc64(before, &bytes));
        }

        #[test]
        fn a_head_can_be_exchanged(
            old in prop::array::uniform9(any::<u8>()), new in prop::array::uniform9(any::<u8>()),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let crc = crc64(crc64(0, &old), &rest);
            let difference: Vec<u8> = old.iter().zip(new).map(|(one, other)| one ^ other).collect();
            let moved = crc ^ behind_zeros(crc64(0, &difference), rest.len() as u64);
            prop_assert_eq!(moved, crc64(crc64(0, &new), &rest));
        }
    }
}

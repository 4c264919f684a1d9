//! The keyed hash of names: nobody outside can choose names that collide.

/// SipHash-1-3 under a secret, of names that are there as a whole: one round for every eight bytes, three at the end.
#[derive(Clone, Copy)]
pub struct Keyed {
    low: u64,
    high: u64,
}

impl Keyed {
    /// Under a secret of 16 bytes.
    pub const fn new(secret: [u8; 16]) -> Self {
        let secret = u128::from_le_bytes(secret);
        Self { low: secret as u64, high: (secret >> 64) as u64 }
    }

    /// The hash of a name.
    #[inline]
    pub fn hash(&self, name: &[u8]) -> u64 {
        let Self { low, high } = *self;
        let mut state = [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        let (words, tail) = name.as_chunks::<8>();
        for word in words {
            absorb(&mut state, u64::from_le_bytes(*word));
        }
        let tail = match name.last_chunk::<8>() {
            // The last eight bytes without those that were absorbed; two shifts, as one by 64 is none.
            Some(last) => u64::from_le_bytes(*last) >> 1 >> (63 - 8 * tail.len()),
            None => short_word(tail),
        };
        absorb(&mut state, (name.len() as u64) << 56 | tail);
        state[2] ^= 0xff;
        round(&mut state);
        round(&mut state);
        round(&mut state);
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

/// Fewer than eight bytes as a number, without a loop.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4))
        }
        (_, _, &[first, .., last]) => {
            u64::from(first) | u64::from(bytes[len / 2]) << (8 * (len / 2)) | u64::from(last) << (8 * (len - 1))
        }
        (_, _, &[only]) => u64::from(only),
        _ => 0,
    }
}

#[inline]
const fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

#[inline]
const fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret does not belong in a log.
        formatter.debug_struct("Keyed").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, Xoshiro256};
    use siphasher::sip::SipHasher13;

    #[test]
    fn it_is_siphash_1_3_of_any_length() {
        let mut random = Xoshiro256::from_seed(7);
        for round in 0..50 {
            let secret: [u8; 16] = std::array::from_fn(|_| random.next_u64() as u8);
            let (ours, other) = (Keyed::new(secret), SipHasher13::new_with_key(&secret));
            for len in (0..100).chain([1000 + round]) {
                let bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
                assert_eq!(ours.hash(&bytes), other.hash(&bytes), "{len} bytes");
            }
        }
    }
}

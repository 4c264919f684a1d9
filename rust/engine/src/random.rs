//! Chance: fast numbers for sampling, and secret bytes for identities and seeds.
//!
//! The fast generator decides which key RANDOMKEY or eviction looks at; it is seeded from the system, or from a test.
//! Whoever can see its output can predict it, so nothing secret is ever drawn from it.

/// A source of uniformly distributed numbers.
pub trait Random: Send {
    /// The next 64 random bits.
    fn next_u64(&mut self) -> u64;

    /// A number below `bound`, every one as likely as the others; 0 if `bound` is 0.
    fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product with a 64-bit fraction is below `bound`. The few low halves that would favour
        // some results are drawn again.
        let rejected_below = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= rejected_below {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in `0.0..1.0`, a multiple of 2^-53.
    fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

/// xoshiro256++ by Blackman and Vigna: 32 bytes of state, period 2^256 - 1. Not for secrets.
#[derive(Clone, Debug)]
pub struct Xoshiro256 {
    state: [u64; 4],
}

impl Xoshiro256 {
    /// A generator that always gives the same numbers for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut counter = seed;
        Self { state: std::array::from_fn(|_| split_mix(&mut counter)) }
    }

    /// A generator seeded by the operating system.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn from_system() -> Result<Self, getrandom::Error> {
        Ok(Self::from_seed(getrandom::u64()?))
    }
}

impl Random for Xoshiro256 {
    #[inline]
    fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }
}

/// `SplitMix64`, which its authors advise for filling the state: it never gives the four zeros that would be stuck.
fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *counter;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Fills `bytes` from the operating system's generator, fit for secrets.
///
/// # Errors
/// When the system has no randomness to give; then `bytes` must not be used.
pub fn secure_bytes(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

/// Length of a run id, replication id or node name.
pub const RUN_ID_BYTES: usize = 40;

/// A new identity: 40 random lowercase hexadecimal digits, 160 bits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn run_id() -> Result<[u8; RUN_ID_BYTES], getrandom::Error> {
    let mut secret = [0; RUN_ID_BYTES / 2];
    secure_bytes(&mut secret)?;
    Ok(hexadecimal(secret))
}

fn hexadecimal(bytes: [u8; RUN_ID_BYTES / 2]) -> [u8; RUN_ID_BYTES] {
    let mut digits = [0; RUN_ID_BYTES];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        let both = [byte >> 4, byte & 15];
        for (digit, value) in pair.iter_mut().zip(both) {
            *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from the published definition in another language: the first four outputs of the state 1, 2, 3, 4.
    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        let mut random = Xoshiro256 { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| random.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
        let mut counter = 0;
        assert_eq!(split_mix(&mut counter), 0xe220_a839_7b1d_cdaf, "the published first output for seed 0");
    }

    #[test]
    fn a_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut random = Xoshiro256::from_seed(seed);
            [random.next_u64(), random.next_u64()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn bounded_numbers_are_even() {
        let mut random = Xoshiro256::from_seed(1);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[random.below(6) as usize] += 1;
        }
        // Five standard deviations of a binomial count around 10,000.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 460), "{counts:?}");
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        assert!(random.below(u64::MAX) < u64::MAX);
        assert!((0..1_000).map(|_| random.fraction()).all(|value| (0.0..1.0).contains(&value)));
    }

    #[test]
    fn identities_are_forty_digits_and_differ() {
        let (first, second) = (run_id().expect("random"), run_id().expect("random"));
        assert_ne!(first, second);
        assert!(first.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
        assert_eq!(&hexadecimal([0xa9; 20])[..4], b"a9a9");
        let mut secret = [0; 32];
        secure_bytes(&mut secret).expect("random");
        assert_ne!(secret, [0; 32]);
    }
}

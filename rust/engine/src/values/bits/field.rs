//! Integers of 1 to 64 bits that begin at any bit: the operations of BITFIELD.

use crate::number::parse_i64;

/// The type of a field: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    is_signed: bool,
    /// 1 to 64.
    bits: u32,
}

/// What becomes of a number that its field cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are stored.
    #[default]
    Wrap,
    /// The nearest number that the field can hold is stored.
    Saturate,
    /// Nothing is stored.
    Fail,
}

impl Field {
    /// Reads a type; `None` if it is none.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (kind, digits) = text.split_first()?;
        let is_signed = match kind {
            b'i' => true,
            b'u' => false,
            _ => return None,
        };
        let bits = u32::try_from(parse_i64(digits)?).ok()?;
        let bits_max = if is_signed { 64 } else { 63 };
        (1..=bits_max).contains(&bits).then_some(Self { is_signed, bits })
    }

    /// How many bits it has.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// The number in the field that begins at a bit; what lies beyond the end of the string is 0.
    #[inline]
    pub fn get(self, bytes: &[u8], offset: u64) -> i64 {
        let raw = (window(bytes, offset) << (offset & 7)) >> (u128::BITS - self.bits);
        let unused = u64::BITS - self.bits;
        let shifted = ((raw as u64) << unused).cast_signed();
        if self.is_signed { shifted >> unused } else { (shifted.cast_unsigned() >> unused).cast_signed() }
    }

    /// Stores the low bits of a number in the field that begins at a bit; the string reaches to its end.
    #[inline]
    pub fn set(self, bytes: &mut [u8], offset: u64, number: i64) {
        let shift = u128::BITS - self.bits - (offset & 7) as u32;
        let ones = u128::from(u64::MAX >> (u64::BITS - self.bits));
        let (place, value) = (ones << shift, (u128::from(number.cast_unsigned()) & ones) << shift);
        let new = ((window(bytes, offset) & !place) | value).to_be_bytes();
        let last = offset + u64::from(self.bits) - 1;
        if let Some(old) = bytes.get_mut((offset >> 3) as usize..=(last >> 3) as usize) {
            old.copy_from_slice(&new[..old.len()]);
        }
    }

    /// The number that is stored for the sum of two: of one that the field holds and an increment, or of a number to be
    /// stored and 0. `None` if it is not to be stored.
    #[inline]
    pub fn add(self, number: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.is_signed {
            let max = i64::MAX >> (i64::BITS - self.bits);
            (i128::from(-max - 1), i128::from(max))
        } else {
            (0, i128::from(i64::MAX >> (63 - self.bits)))
        };
        // To a field without a sign, a number below zero is one beyond all that it can hold.
        let number = if self.is_signed { i128::from(number) } else { i128::from(number.cast_unsigned()) };
        let sum = number + i128::from(increment);
        if (min..=max).contains(&sum) {
            return Some(sum as i64);
        }
        // To a shorter field than 64 bits, Redis takes a number that is more than 2^63 below all that it can hold for one
        // above. What is stored must be the same here, as copies of a store may be kept by either.
        let is_above = sum > max || (self.bits < u64::BITS && max - number > i128::from(i64::MAX));
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(if is_above { max } else { min } as i64),
            Overflow::Wrap => {
                let unused = u64::BITS - self.bits;
                let shifted = (sum as u64) << unused;
                Some(if self.is_signed { shifted.cast_signed() >> unused } else { (shifted >> unused).cast_signed() })
            }
        }
    }
}

/// Sixteen bytes from the one on that holds a bit; zeros beyond the end.
#[inline]
fn window(bytes: &[u8], offset: u64) -> u128 {
    let rest = usize::try_from(offset >> 3).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    if let Some(full) = rest.first_chunk() {
        return u128::from_be_bytes(*full);
    }
    let mut part = [0; 16];
    part[..rest.len()].copy_from_slice(rest);
    u128::from_be_bytes(part)
}

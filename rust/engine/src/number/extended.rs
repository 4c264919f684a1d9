//! The 80-bit floating point of the x87, which `INCRBYFLOAT` and `HINCRBYFLOAT` add in.
//!
//! Redis computes `0.1 + 0.2` as `0.3` because it adds with a significand of 64 bits and prints 17 places. Every other
//! width gives other texts, so the format is built here: reading, one addition and printing, each rounded once, half to
//! even, as the processor and the C library do it.

use super::literal::{Form, Literal, Parts, Scaled, round_to};
use thiserror::Error;

/// Texts of this length and above are refused, as Redis refuses them: it reads them into a buffer of 5 KiB.
const TEXT_BYTES_MAX: usize = 5 * 1024;
const SIGNIFICAND_BITS: u32 = 64;
/// Exponent of the last bit of the smallest subnormal.
const EXPONENT_MIN: i64 = -16_445;
/// Exponent of the last bit of the largest finite number.
const EXPONENT_MAX: i64 = 16_320;
/// Places printed behind the point before zeros are trimmed.
const PLACES: u32 = 17;
/// The most decimal digits that always fit 64 bits.
const U64_DIGITS: usize = 19;
/// The largest power of five below 2^63.
const FIVE_POWER_MAX: u32 = 27;

/// Why an increment was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FloatError {
    /// The stored text is not a number.
    #[error("the stored value is not a valid float")]
    Current,
    /// The increment's text is not a number.
    #[error("the increment is not a valid float")]
    Increment,
    /// The sum is not finite.
    #[error("increment would produce NaN or Infinity")]
    NanOrInfinity,
}

/// Adds two decimal texts in 80-bit floating point and gives the text that Redis stores and replies.
///
/// # Errors
/// [`FloatError`] says which text is no number, or that the sum is not finite.
pub fn increment_by_float(current: &[u8], increment: &[u8]) -> Result<Vec<u8>, FloatError> {
    let current = Extended::parse(current).ok_or(FloatError::Current)?;
    let increment = Extended::parse(increment).ok_or(FloatError::Increment)?;
    let sum = current.checked_add(increment).ok_or(FloatError::NanOrInfinity)?;
    let mut text = Vec::new();
    sum.write(&mut text);
    Ok(text)
}

/// An extended-precision number: finite or infinite, never NaN.
///
/// A finite one is `±significand × 2^exponent`; the top bit of the significand is set unless the number is subnormal
/// or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    infinite: bool,
    exponent: i32,
    significand: u64,
}

impl Extended {
    const fn zero(negative: bool) -> Self {
        Self { negative, infinite: false, exponent: EXPONENT_MIN as i32, significand: 0 }
    }

    /// Reads a text as `strtold` does where Redis calls it: as [`parse_f64`](super::parse_f64), but at most 5,119
    /// bytes, and rounded to 64 bits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let literal = Literal::read(text)?;
        if literal.is_zero() {
            return Some(Self::zero(literal.negative));
        }
        match literal.form {
            Form::Infinity => {
                Some(Self { negative: literal.negative, infinite: true, exponent: 0, significand: 0 })
            }
            Form::Decimal(parts) => Self::nonzero(literal.negative, scaled_decimal(&parts)?),
            Form::Hexadecimal(parts) => Self::nonzero(literal.negative, parts.scaled_hexadecimal()),
        }
    }

    /// Whether this is plus or minus infinity, which only the texts `inf` and `infinity` give.
    pub fn is_infinite(self) -> bool {
        self.infinite
    }

    /// Rounds a value that is not zero; `None` if it overflows or becomes zero.
    fn nonzero(negative: bool, scaled: Scaled) -> Option<Self> {
        let (significand, exponent) = round_to(scaled, SIGNIFICAND_BITS, EXPONENT_MIN);
        if significand == 0 || exponent > EXPONENT_MAX {
            return None;
        }
        Some(Self { negative, infinite: false, exponent: exponent as i32, significand })
    }

    /// The sum, rounded once; `None` if it is not a finite number.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        // 63 spare bits below the larger significand: enough for exact sums of near exponents, and for far ones the
        // bits that fall out only matter as "more than nothing".
        const SPARE: u32 = 63;
        if self.infinite || other.infinite {
            return None;
        }
        let (large, small) = if (self.exponent, self.significand) >= (other.exponent, other.significand) {
            (self, other)
        } else {
            (other, self)
        };
        let gap = large.exponent.abs_diff(small.exponent);
        let top = u128::from(large.significand) << SPARE;
        let wide = u128::from(small.significand) << SPARE;
        let low = wide.checked_shr(gap).unwrap_or(0);
        let sticky = gap > SPARE && low.checked_shl(gap).unwrap_or(0) != wide;
        let mantissa =
            if large.negative == small.negative { top + low } else { top - low - u128::from(sticky) };
        if mantissa == 0 && !sticky {
            return Some(Self::zero(large.negative && small.negative));
        }
        let exponent = i64::from(large.exponent) - i64::from(SPARE);
        Self::nonzero(large.negative, Scaled { mantissa, exponent, sticky })
    }

    /// Appends the number with at most 17 places behind the point, trailing zeros trimmed, never with an exponent.
    pub fn write(self, out: &mut Vec<u8>) {
        if self.infinite {
            out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            return;
        }
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        if self.exponent >= 0 && self.significand != 0 {
            Natural::from_shifted(self.significand, self.exponent.unsigned_abs()).write(out);
        } else {
            self.write_fixed(out);
        }
        if out.get(start..) == Some(b"-0") {
            out.remove(start);
        }
    }

    /// Writes a number below 2^64: as a count of units of the seventeenth place it fits 128 bits.
    fn write_fixed(self, out: &mut Vec<u8>) {
        const UNIT: u128 = 10_u128.pow(PLACES);
        let scaled = u128::from(self.significand) * 5_u128.pow(PLACES);
        let shift = self.exponent + PLACES as i32;
        let units = if shift >= 0 { scaled << shift } else { shift_half_even(scaled, shift.unsigned_abs()) };
        let whole = units / UNIT;
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        let mut fraction = (units % UNIT) as u64;
        if fraction == 0 {
            return;
        }
        let mut places = [b'0'; PLACES as usize];
        for place in places.iter_mut().rev() {
            *place = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        let len = places.iter().rposition(|&place| place != b'0').map_or(0, |last| last + 1);
        out.push(b'.');
        out.extend_from_slice(&places[..len]);
    }
}

/// `value / 2^shift`, rounded half to even.
fn shift_half_even(value: u128, shift: u32) -> u128 {
    if shift > u128::BITS {
        return 0;
    }
    let kept = value.checked_shr(shift).unwrap_or(0);
    let half = 1_u128 << (shift - 1);
    let cut = value & (half | (half - 1));
    kept + u128::from(cut > half || (cut == half && kept & 1 == 1))
}

/// The value of decimal digits that are not all zero; `None` where it certainly overflows or underflows.
fn scaled_decimal(parts: &Parts<'_>) -> Option<Scaled> {
    // 10^4933 is above the largest number, 10^-4951 below half of the smallest: between them no exponent is large.
    const MAGNITUDE_MAX: i64 = 4_933;
    const MAGNITUDE_MIN: i64 = -4_951;
    let mut digits: Vec<u8> = parts.digits().skip_while(|&digit| digit == b'0').collect();
    let mut exponent = parts.exponent - parts.fraction.len() as i64;
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    let magnitude = exponent + digits.len() as i64;
    if !(MAGNITUDE_MIN..=MAGNITUDE_MAX).contains(&magnitude) {
        return None;
    }
    let power = exponent.unsigned_abs() as u32;
    Some(match (exponent >= 0, digits.len() <= U64_DIGITS && power <= FIVE_POWER_MAX) {
        (true, true) => {
            Scaled { mantissa: u128::from(decimal_u64(&digits)) * 5_u128.pow(power), exponent, sticky: false }
        }
        (false, true) => short_quotient(decimal_u64(&digits), power),
        (true, false) => {
            let mut natural = Natural::from_digits(&digits);
            natural.multiply_by_power_of_five(power);
            let mut scaled = natural.scaled();
            scaled.exponent += exponent;
            scaled
        }
        (false, false) => long_quotient(Natural::from_digits(&digits), power),
    })
}

/// `mantissa / 10^power` where five to that power fits 63 bits.
fn short_quotient(mantissa: u64, power: u32) -> Scaled {
    let divisor = 5_u128.pow(power);
    let zeros = u128::from(mantissa).leading_zeros();
    let dividend = u128::from(mantissa) << zeros;
    Scaled {
        mantissa: dividend / divisor,
        exponent: -i64::from(zeros) - i64::from(power),
        sticky: dividend % divisor != 0,
    }
}

/// `dividend / 10^power` to 67 bits, one bit at a time: rare, and bounded by the length of the text.
fn long_quotient(mut dividend: Natural, power: u32) -> Scaled {
    const QUOTIENT_BITS: u32 = 67;
    let mut divisor = Natural::from_digits(b"1");
    divisor.multiply_by_power_of_five(power);
    let mut exponent = i64::from(dividend.bits()) - i64::from(divisor.bits());
    if exponent >= 0 {
        divisor.shift_left(exponent.unsigned_abs() as u32);
    } else {
        dividend.shift_left(exponent.unsigned_abs() as u32);
    }
    let mut quotient = 0_u128;
    for _ in 0..QUOTIENT_BITS {
        quotient <<= 1;
        if dividend.subtract_if_fits(&divisor) {
            quotient |= 1;
        }
        dividend.shift_left(1);
    }
    exponent -= i64::from(QUOTIENT_BITS - 1) + i64::from(power);
    Scaled { mantissa: quotient, exponent, sticky: dividend.bits() > 0 }
}

fn decimal_u64(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, &digit| value * 10 + u64::from(digit - b'0'))
}

/// A natural number of any size: 64-bit limbs, least significant first, the last one not zero.
struct Natural {
    limbs: Vec<u64>,
}

impl Natural {
    fn from_digits(digits: &[u8]) -> Self {
        let mut natural = Self { limbs: Vec::new() };
        for chunk in digits.chunks(U64_DIGITS) {
            natural.multiply_add(10_u64.pow(chunk.len() as u32), decimal_u64(chunk));
        }
        natural
    }

    fn from_shifted(value: u64, shift: u32) -> Self {
        let mut natural = Self { limbs: vec![value] };
        natural.shift_left(shift);
        natural
    }

    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = u128::from(summand);
        for limb in &mut self.limbs {
            carry += u128::from(*limb) * u128::from(factor);
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            self.limbs.push(carry as u64);
        }
    }

    fn multiply_by_power_of_five(&mut self, mut power: u32) {
        while power > 0 {
            let step = power.min(FIVE_POWER_MAX);
            self.multiply_add(5_u64.pow(step), 0);
            power -= step;
        }
    }

    fn bits(&self) -> u32 {
        self.limbs.last().map_or(0, |top| self.limbs.len() as u32 * 64 - top.leading_zeros())
    }

    fn shift_left(&mut self, shift: u32) {
        if self.limbs.is_empty() {
            return;
        }
        let mut carry = 0;
        let bits = shift % 64;
        if bits > 0 {
            for limb in &mut self.limbs {
                let next = *limb >> (64 - bits);
                *limb = (*limb << bits) | carry;
                carry = next;
            }
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
        if shift >= 64 {
            self.limbs.splice(0..0, std::iter::repeat_n(0, (shift / 64) as usize));
        }
    }

    /// Subtracts `other` unless it is larger; says whether it did.
    fn subtract_if_fits(&mut self, other: &Self) -> bool {
        let order = (self.limbs.len().cmp(&other.limbs.len()))
            .then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()));
        if order.is_lt() {
            return false;
        }
        let mut borrow = false;
        for (at, limb) in self.limbs.iter_mut().enumerate() {
            let (value, first) = limb.overflowing_sub(other.limbs.get(at).copied().unwrap_or(0));
            let (value, second) = value.overflowing_sub(u64::from(borrow));
            *limb = value;
            borrow = first || second;
        }
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        true
    }

    /// The top 128 bits, and whether anything stands below them.
    fn scaled(&self) -> Scaled {
        let below = self.limbs.len().saturating_sub(2);
        let mut mantissa = 0_u128;
        for &limb in self.limbs.iter().skip(below).rev() {
            mantissa = (mantissa << 64) | u128::from(limb);
        }
        let sticky = self.limbs.iter().take(below).any(|&limb| limb != 0);
        Scaled { mantissa, exponent: below as i64 * 64, sticky }
    }

    /// Appends the decimal digits.
    fn write(mut self, out: &mut Vec<u8>) {
        const CHUNK: u64 = 10_u64.pow(U64_DIGITS as u32);
        let mut chunks = Vec::new();
        while !self.limbs.is_empty() {
            let mut rest = 0_u64;
            for limb in self.limbs.iter_mut().rev() {
                let value = (u128::from(rest) << 64) | u128::from(*limb);
                *limb = (value / u128::from(CHUNK)) as u64;
                rest = (value % u128::from(CHUNK)) as u64;
            }
            while self.limbs.last() == Some(&0) {
                self.limbs.pop();
            }
            chunks.push(rest);
        }
        let mut buffer = itoa::Buffer::new();
        for (at, &chunk) in chunks.iter().rev().enumerate() {
            let text = buffer.format(chunk).as_bytes();
            if at > 0 {
                out.extend(std::iter::repeat_n(b'0', U64_DIGITS - text.len()));
            }
            out.extend_from_slice(text);
        }
    }
}

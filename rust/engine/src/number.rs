//! Numbers as Redis reads and writes them.
//!
//! A client sees every one of these texts, so each function follows the server bit by bit: which texts are integers,
//! which are doubles, and how a double or the 80-bit sum of `INCRBYFLOAT` is printed. Nothing here knows of commands
//! or replies.

mod extended;
mod fixed;
mod literal;

pub use extended::{Extended, FloatError, increment_by_float};
pub use fixed::{format_f64_4, format_f64_plain};

use literal::{Form, Literal, round_to};
use std::ops::Deref;

/// Digits that can never overflow a 64-bit integer, whatever they are.
const SAFE_DIGITS: usize = 18;

/// Reads a canonical signed integer: an optional `-`, then digits without a leading zero.
///
/// `+1`, `01`, `-0`, spaces and the empty text are refused, so a text that is accepted is exactly the text that
/// [`write_i64`] gives back: that is what lets the store keep it as an integer.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let magnitude = parse_u64(digits)?;
            if magnitude == 0 {
                return None;
            }
            0_i64.checked_sub_unsigned(magnitude)
        }
        digits => i64::try_from(parse_u64(digits)?).ok(),
    }
}

/// Reads a canonical unsigned integer: digits without a sign and without a leading zero.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let (&first, rest) = text.split_first()?;
    let lead = first.wrapping_sub(b'0');
    if lead > 9 || (lead == 0 && !rest.is_empty()) {
        return None;
    }
    let mut value = u64::from(lead);
    if rest.len() < SAFE_DIGITS {
        for &byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            // At most eighteen digits in all: the product cannot wrap, and the check would cost the hot path.
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        return Some(value);
    }
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// The text of one number, held in place: no number that Redis prints as a double or a 64-bit integer is longer.
#[derive(Clone, Copy)]
pub struct Decimal {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
}

impl Decimal {
    /// The longest text is a double below zero with 24 digits before the point.
    const BYTES_MAX: usize = 31;

    const fn empty() -> Self {
        Self { bytes: [0; Self::BYTES_MAX], len: 0 }
    }

    fn push(&mut self, text: &[u8]) {
        let start = usize::from(self.len);
        let end = start + text.len();
        self.bytes[start..end].copy_from_slice(text);
        self.len = end as u8;
    }

    fn push_zeros(&mut self, count: usize) {
        self.push(&[b'0'; Self::BYTES_MAX][..count]);
    }

    /// The text, ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Deref for Decimal {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Decimal {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl std::fmt::Debug for Decimal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Decimal({})", self.as_bytes().escape_ascii())
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        let mut text = Self::empty();
        text.push(itoa::Buffer::new().format(value).as_bytes());
        text
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Self {
        let mut text = Self::empty();
        text.push(itoa::Buffer::new().format(value).as_bytes());
        text
    }
}

/// Appends the decimal text of `value`.
#[inline]
pub fn write_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Reads a double as `strtod` does where Redis calls it.
///
/// Decimal and hexadecimal texts, a sign, `inf` and `infinity` in any case; no spaces, no NaN. A text whose value is
/// too large for a double, or that is not zero but rounds to zero, is refused.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let literal = Literal::read(text)?;
    let magnitude = match literal.form {
        Form::Infinity => f64::INFINITY,
        Form::Decimal(_) => {
            let value: f64 = std::str::from_utf8(literal.unsigned).ok()?.parse().ok()?;
            if value.is_infinite() || (value == 0.0 && !literal.is_zero()) {
                return None;
            }
            value
        }
        Form::Hexadecimal(parts) => f64_from_parts(parts.scaled_hexadecimal())?,
    };
    Some(if literal.negative { -magnitude } else { magnitude })
}

/// Rounds to a double; `None` where it would become infinite, or zero without being zero.
fn f64_from_parts(scaled: literal::Scaled) -> Option<f64> {
    const MANTISSA_BITS: u32 = 53;
    const EXPONENT_MIN: i64 = -1074;
    const EXPONENT_MAX: i64 = 971;
    if scaled.mantissa == 0 {
        return Some(0.0);
    }
    let (significand, exponent) = round_to(scaled, MANTISSA_BITS, EXPONENT_MIN);
    if significand == 0 || exponent > EXPONENT_MAX {
        return None;
    }
    let hidden = 1_u64 << (MANTISSA_BITS - 1);
    if significand < hidden {
        return Some(f64::from_bits(significand));
    }
    let biased = (exponent - EXPONENT_MIN + 1) as u64;
    Some(f64::from_bits((biased << (MANTISSA_BITS - 1)) | (significand & (hidden - 1))))
}

/// Below this magnitude a double that is whole is printed as the integer it is: half of the 64-bit range, the bound
/// that Redis uses so that the conversion back is exact on every machine.
const WHOLE_MAX: f64 = 4_611_686_018_427_387_904.0;

/// The text of a double in a reply: the fewest digits that read back as the same double.
///
/// Whole numbers up to 2^62 have no exponent; otherwise the exponent form is chosen by the count of digits, as Redis 7.2
/// and Valkey do it: `0.000001`, `1.5e-6`, `12345678901234568000000`, `1e+100`, `inf`, `-0`. Those servers
/// search the digits with Grisu2, which misses the shortest text for about 3 of 1,000 random doubles (`99999999999999990000000`
/// for 1e23); here they are always the shortest, so those few texts differ and read back as the same double.
pub fn format_f64(value: f64) -> Decimal {
    let mut text = Decimal::empty();
    if value.is_nan() {
        text.push(b"nan");
    } else if value.is_infinite() {
        text.push(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        text.push(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else if value.abs() <= WHOLE_MAX && value.fract() == 0.0 {
        text.push(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        if value < 0.0 {
            text.push(b"-");
        }
        push_shortest(value.abs(), &mut text);
    }
    text
}

/// A float with 17 significant digits, as C's `%.17g` writes it.
pub fn format_f64_17(value: f64) -> String {
    const DIGITS: i32 = 17;
    if !value.is_finite() {
        return if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let text = format!("{:.16e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    if !(-4..DIGITS).contains(&exponent) {
        let point = if digits.len() > 1 { "." } else { "" };
        let (first, rest) = digits.split_at(1);
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (integer, fraction) = digits.split_at(whole);
    format!("{sign}{integer}.{fraction}")
}

/// Lays out the shortest digits of a finite, positive double.
fn push_shortest(value: f64, text: &mut Decimal) {
    let mut buffer = zmij::Buffer::new();
    let (digits, len, scale) = significant_digits(buffer.format_finite(value).as_bytes());
    let digits = &digits[..len];
    let magnitude = (scale + len as i32 - 1).unsigned_abs() as usize;
    if scale >= 0 && magnitude < len + 7 {
        text.push(digits);
        text.push_zeros(scale as usize);
    } else if scale < 0 && (scale > -7 || magnitude < 4) {
        push_with_point(digits, scale.unsigned_abs() as usize, text);
    } else {
        text.push(&digits[..1]);
        if len > 1 {
            text.push(b".");
            text.push(&digits[1..]);
        }
        text.push(if scale + len as i32 > 0 { b"e+" } else { b"e-" });
        text.push(itoa::Buffer::new().format(magnitude).as_bytes());
    }
}

/// Writes `digits` with the last `fraction` of them behind the point, zeros where there are too few.
fn push_with_point(digits: &[u8], fraction: usize, text: &mut Decimal) {
    if fraction >= digits.len() {
        text.push(b"0.");
        text.push_zeros(fraction - digits.len());
        text.push(digits);
    } else {
        let (whole, rest) = digits.split_at(digits.len() - fraction);
        text.push(whole);
        text.push(b".");
        text.push(rest);
    }
}

/// Takes a printed double apart: its digits without zeros at either end, their count, and the power of ten of the last.
fn significant_digits(printed: &[u8]) -> ([u8; 24], usize, i32) {
    let mut digits = [0; 24];
    let mut len = 0;
    let mut scale = 0;
    let mut behind_point = false;
    for (at, &byte) in printed.iter().enumerate() {
        match byte {
            b'.' => behind_point = true,
            b'e' => {
                let exponent = std::str::from_utf8(&printed[at + 1..]).ok().and_then(|text| text.parse::<i32>().ok());
                scale += exponent.expect("a double is printed with a decimal exponent");
                break;
            }
            _ => {
                scale -= i32::from(behind_point);
                if byte != b'0' || len > 0 {
                    digits[len] = byte;
                    len += 1;
                }
            }
        }
    }
    while len > 1 && digits[len - 1] == b'0' {
        len -= 1;
        scale += 1;
    }
    (digits, len, scale)
}

#[cfg(test)]
mod tests;

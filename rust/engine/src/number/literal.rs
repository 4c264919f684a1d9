//! The grammar of `strtod` and `strtold`, and correct rounding of what it reads.

/// A text that is a number, taken apart.
pub(super) struct Literal<'a> {
    /// Whether a `-` stood in front.
    pub(super) negative: bool,
    /// The text without its sign.
    pub(super) unsigned: &'a [u8],
    pub(super) form: Form<'a>,
}

/// The three kinds of number.
pub(super) enum Form<'a> {
    Infinity,
    Decimal(Parts<'a>),
    Hexadecimal(Parts<'a>),
}

/// `whole . fraction` times ten (decimal) or two (hexadecimal) to `exponent`.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) whole: &'a [u8],
    pub(super) fraction: &'a [u8],
    pub(super) exponent: i64,
}

/// A value `mantissa × 2^exponent`; `sticky` says that something smaller than one unit was cut off. It is only set
/// when the mantissa has more bits than any type that it is rounded to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaled {
    pub(super) mantissa: u128,
    pub(super) exponent: i64,
    pub(super) sticky: bool,
}

/// Beyond this an exponent can only overflow or underflow, however many digits stand before it: texts are shorter.
const EXPONENT_LIMIT: i64 = 1 << 40;

impl<'a> Literal<'a> {
    /// Reads a whole text; anything left over, and NaN, is `None`.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let form = match unsigned {
            [b'0', b'x' | b'X', rest @ ..] => {
                Form::Hexadecimal(Parts::read(rest, u8::is_ascii_hexdigit, b'p')?)
            }
            [b'i' | b'I', ..] => {
                let known =
                    unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity");
                known.then_some(Form::Infinity)?
            }
            _ => Form::Decimal(Parts::read(unsigned, u8::is_ascii_digit, b'e')?),
        };
        Some(Self { negative, unsigned, form })
    }

    /// Whether every digit is zero.
    pub(super) fn is_zero(&self) -> bool {
        match self.form {
            Form::Infinity => false,
            Form::Decimal(parts) | Form::Hexadecimal(parts) => parts.digits().all(|digit| digit == b'0'),
        }
    }
}

impl<'a> Parts<'a> {
    fn read(text: &'a [u8], is_digit: fn(&u8) -> bool, mark: u8) -> Option<Self> {
        let (whole, rest) = split_digits(text, is_digit);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest, is_digit),
            _ => (&rest[..0], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [first, rest @ ..] if first.eq_ignore_ascii_case(&mark) => read_exponent(rest)?,
            _ => return None,
        };
        Some(Self { whole, fraction, exponent })
    }

    /// All digits, most significant first.
    pub(super) fn digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// The value of hexadecimal digits.
    pub(super) fn scaled_hexadecimal(&self) -> Scaled {
        let mut mantissa = 0_u128;
        let mut sticky = false;
        let mut exponent = self.exponent.saturating_sub((self.fraction.len() as i64).saturating_mul(4));
        for digit in self.digits() {
            let value = char::from(digit).to_digit(16).unwrap_or(0);
            if mantissa >> 120 == 0 {
                mantissa = (mantissa << 4) | u128::from(value);
            } else {
                sticky |= value != 0;
                exponent = exponent.saturating_add(4);
            }
        }
        Scaled { mantissa, exponent, sticky }
    }
}

fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let len = text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    text.split_at(len)
}

fn read_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = (value * 10 + i64::from(digit - b'0')).min(EXPONENT_LIMIT);
    }
    Some(if negative { -value } else { value })
}

/// Rounds to `precision` bits (at most 64), half to even, with no exponent below `exponent_min`.
///
/// The result has exactly `precision` bits, or fewer at `exponent_min`.
pub(super) fn round_to(scaled: Scaled, precision: u32, exponent_min: i64) -> (u64, i64) {
    let Scaled { mantissa, exponent, sticky } = scaled;
    let bits = i64::from(u128::BITS - mantissa.leading_zeros());
    let shift = (bits - i64::from(precision)).max(exponent_min.saturating_sub(exponent));
    if shift <= 0 {
        // The mantissa is shorter than `precision`, so nothing was cut off and the shift loses nothing.
        return ((mantissa << -shift) as u64, exponent + shift);
    }
    if shift > 128 {
        return (0, exponent_min);
    }
    let kept = mantissa.checked_shr(shift as u32).unwrap_or(0);
    let half = 1_u128 << (shift - 1);
    let cut = mantissa & (half | (half - 1));
    let up = cut > half || (cut == half && (sticky || kept & 1 == 1));
    let rounded = kept + u128::from(up);
    if rounded >> precision == 0 {
        (rounded as u64, exponent + shift)
    } else {
        ((rounded >> 1) as u64, exponent + shift + 1)
    }
}

//! Doubles with a fixed point: coordinates and distances.

use super::Decimal;

/// Places behind the point that `%.17Lf` has.
const PLACES: u32 = 17;

/// The text of a double as C's `%.17f` writes it, without zeros at the end: as Redis tells coordinates.
///
/// Meant for values below 2^63, beyond which it tells 2^63.
pub fn format_f64_plain(value: f64) -> Decimal {
    const UNIT: u128 = 10_u128.pow(PLACES);
    let units = units_of(value.abs().min(9_223_372_036_854_775_808.0));
    let (whole, mut fraction) = (units / UNIT, (units % UNIT) as u64);
    let mut text = Decimal::empty();
    if value < 0.0 && units > 0 {
        text.push(b"-");
    }
    text.push(itoa::Buffer::new().format(whole as u64).as_bytes());
    if fraction > 0 {
        let mut places = [b'0'; PLACES as usize];
        for place in places.iter_mut().rev() {
            *place = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        let len = places.iter().rposition(|place| *place != b'0').map_or(0, |last| last + 1);
        // What a decimal holds is enough for 9 digits before the point; larger doubles have no 17 places behind it.
        text.push(b".");
        text.push(&places[..len]);
    }
    text
}

/// How many units of the last place a double is, rounded half to even. Not negative, at most 2^63.
fn units_of(value: f64) -> u128 {
    const MANTISSA_BITS: u32 = 52;
    let bits = value.to_bits();
    let field = (bits >> MANTISSA_BITS) as i32;
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    let (significand, exponent) =
        if field == 0 { (mantissa, -1074) } else { (mantissa | 1 << MANTISSA_BITS, field - 1075) };
    let scaled = u128::from(significand) * 5_u128.pow(PLACES);
    let shift = exponent + PLACES as i32;
    if shift >= 0 {
        return scaled << shift;
    }
    let shift = shift.unsigned_abs();
    if shift >= u128::BITS {
        return 0;
    }
    let (kept, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
    let half = 1 << (shift - 1);
    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
}

/// The text of a double with four places behind the point, as Redis 7.2 and Valkey tell distances: the double is
/// multiplied first and rounded then, half to even.
pub fn format_f64_4(value: f64) -> Decimal {
    let units = (value * 10_000.0).round_ties_even() as i64;
    let mut text = Decimal::empty();
    if units < 0 {
        text.push(b"-");
    }
    let units = units.unsigned_abs();
    text.push(itoa::Buffer::new().format(units / 10_000).as_bytes());
    let places = units % 10_000;
    let digit = |unit: u64| b'0' + (places / unit % 10) as u8;
    text.push(&[b'.', digit(1000), digit(100), digit(10), digit(1)]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn plain_texts_are_those_of_the_standard_library(value in -1e6..1e6, places in 0_i32..20) {
            let value: f64 = value / 10_f64.powi(places);
            let expected = format!("{value:.17}");
            let expected = expected.trim_end_matches('0').trim_end_matches('.');
            let expected = if expected == "-0" { "0" } else { expected };
            let told = format_f64_plain(value);
            prop_assert_eq!(std::str::from_utf8(&told).unwrap(), expected);
        }

        #[test]
        fn four_places_are_within_half_of_one(value in 0.0..1e9) {
            let text = format_f64_4(value);
            let told: f64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            prop_assert!((told - value).abs() <= 0.000_050_1);
            prop_assert_eq!(text.iter().rev().position(|byte| *byte == b'.'), Some(4));
        }
    }

    #[test]
    fn edges() {
        let plain = |value: f64| String::from_utf8(format_f64_plain(value).to_vec()).unwrap();
        assert_eq!(plain(0.0), "0");
        assert_eq!(plain(-0.0), "0");
        assert_eq!(plain(-1e-18), "0");
        assert_eq!(plain(1e-17), "0.00000000000000001");
        assert_eq!(plain(13.361_389_338_970_184), "13.36138933897018433");
        assert_eq!(plain(f64::MAX), "9223372036854775808");
        assert_eq!(plain(f64::MIN_POSITIVE), "0");
        let four = |value: f64| String::from_utf8(format_f64_4(value).to_vec()).unwrap();
        assert_eq!(four(0.0), "0.0000");
        assert_eq!(four(166_274.151_56), "166274.1516");
        assert_eq!(four(-0.5), "-0.5000");
        assert_eq!(four(f64::INFINITY), "922337203685477.5807");
    }
}

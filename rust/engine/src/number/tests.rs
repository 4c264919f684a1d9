//! Cases recorded from real servers, and invariants on random numbers.

use super::*;
use proptest::prelude::*;

/// Texts and replies recorded from Redis 7.0.15 (sums, parsed doubles) and Valkey 9.1 (printed doubles).
const RECORDED: &str = include_str!("recorded.txt");

fn recorded(kind: &str) -> Vec<Vec<&'static str>> {
    let rows: Vec<Vec<&str>> = RECORDED
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row.first() == Some(&kind))
        .collect();
    assert!(rows.len() >= 100, "{} rows of kind {kind}", rows.len());
    rows
}

#[test]
fn sums_are_those_of_redis() {
    for row in recorded("A") {
        let expected = match row[3] {
            "-ERR value is not a valid float" => None,
            "-ERR increment would produce NaN or Infinity" => Some(Err(FloatError::NanOrInfinity)),
            text => Some(Ok(text.as_bytes().to_vec())),
        };
        let sum = increment_by_float(row[1].as_bytes(), row[2].as_bytes());
        match expected {
            Some(expected) => assert_eq!(sum, expected, "{row:?}"),
            None => assert!(matches!(sum, Err(FloatError::Current | FloatError::Increment)), "{row:?}"),
        }
    }
}

#[test]
fn doubles_are_read_as_redis_reads_them() {
    for row in recorded("P") {
        let expected: Option<f64> = (row[2] != "-").then(|| row[2].parse().expect("recorded with 17 digits"));
        assert_eq!(parse_f64(row[1].as_bytes()).map(f64::to_bits), expected.map(f64::to_bits), "{row:?}");
    }
}

#[test]
fn doubles_are_printed_as_valkey_prints_them() {
    for row in recorded("F") {
        let value = f64::from_bits(u64::from_str_radix(row[1], 16).expect("recorded as bits"));
        assert_eq!(format_f64(value).escape_ascii().to_string(), row[2], "{row:?}");
    }
}

#[test]
fn the_longest_text_of_a_double_fits() {
    for value in [
        -1.234_567_890_123_456_8e22,
        -1.797_693_134_862_315_7e308,
        -1.234_567_890_123_456_7e-100,
        -f64::MIN_POSITIVE,
    ] {
        assert!(format_f64(value).len() <= Decimal::BYTES_MAX);
    }
    assert_eq!(format_f64(-1.234_567_890_123_456_8e22).as_bytes(), b"-12345678901234568000000");
    assert_eq!(format_f64(f64::NAN).as_bytes(), b"nan");
    assert_eq!(format_f64(f64::NEG_INFINITY).as_bytes(), b"-inf");
}

#[test]
fn integers_have_one_text_each() {
    for refused in [
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "-01",
        "00",
        "1a",
        "a",
        "1\0",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "111111111111111111111",
        "1.0",
        "0x1",
        "--1",
    ] {
        assert_eq!(parse_i64(refused.as_bytes()), None, "{refused:?}");
    }
    for value in [
        0,
        1,
        -1,
        9,
        10,
        i64::MAX,
        i64::MIN,
        i64::MAX - 1,
        999_999_999_999_999_999,
        1_000_000_000_000_000_000,
    ] {
        assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
    }
    for refused in
        ["", "-1", "+1", "01", "18446744073709551616", "99999999999999999999", "100000000000000000000"]
    {
        assert_eq!(parse_u64(refused.as_bytes()), None, "{refused:?}");
    }
    assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
    assert_eq!(Decimal::from(u64::MAX).as_bytes(), b"18446744073709551615");
    assert_eq!(Decimal::from(i64::MIN).as_bytes(), b"-9223372036854775808");
}

#[test]
fn an_increment_says_which_text_is_wrong() {
    assert_eq!(increment_by_float(b"x", b"y"), Err(FloatError::Current));
    assert_eq!(increment_by_float(b"1", b"y"), Err(FloatError::Increment));
    assert_eq!(increment_by_float(b"1", b"inf"), Err(FloatError::NanOrInfinity));
    assert_eq!(increment_by_float(b"inf", b"-inf"), Err(FloatError::NanOrInfinity));
    assert_eq!(increment_by_float(b"0.1", b"0.2").as_deref(), Ok(&b"0.3"[..]));
    assert_eq!(increment_by_float(b"-1", b"1").as_deref(), Ok(&b"0"[..]));
    assert!(Extended::parse(b"-Infinity").is_some_and(Extended::is_infinite));
}

#[test]
fn long_texts_are_bounded() {
    let just_fits = vec![b'1'; 5_119];
    assert!(Extended::parse(&just_fits).is_none(), "overflows");
    let mut fraction = vec![b'3'; 5_119];
    fraction[0] = b'.';
    assert!(Extended::parse(&fraction).is_some());
    fraction.push(b'3');
    assert!(Extended::parse(&fraction).is_none(), "longer than Redis reads");
    assert_eq!(parse_f64(&fraction), Some(1.0 / 3.0));
    assert_eq!(parse_f64(b"1e999999999999999999999999"), None);
    assert_eq!(parse_f64(b"0x1p999999999999999999999999"), None);
    assert_eq!(parse_f64(b"0x1p-999999999999999999999999"), None);
    assert_eq!(parse_f64(b"0e999999999999999999999999"), Some(0.0));
}

proptest! {
    #[test]
    fn integers_round_trip(value: i64, unsigned: u64) {
        let mut text = Vec::new();
        write_i64(value, &mut text);
        prop_assert_eq!(&text, &value.to_string().into_bytes());
        prop_assert_eq!(parse_i64(&text), Some(value));
        prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
    }

    #[test]
    fn an_accepted_integer_is_canonical(text in "[-+ 0-9]{0,22}") {
        let standard = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(parse_i64(text.as_bytes()), standard);
    }

    #[test]
    fn doubles_round_trip(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(parse_f64(&format_f64(value)).map(f64::to_bits), Some(bits));
    }

    #[test]
    fn hexadecimal_doubles_are_exact(mantissa in 1..1_u64 << 53, exponent in -1_074_i32..900) {
        let expected = {
            // Two steps, each exact or the only rounding: powi of the whole exponent would underflow.
            let half = exponent / 2;
            mantissa as f64 * 2_f64.powi(half) * 2_f64.powi(exponent - half)
        };
        prop_assert_eq!(parse_f64(format!("0x{mantissa:x}p{exponent}").as_bytes()), Some(expected));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, text in "[-+]?(0x)?[0-9a-f]{0,40}[.]?[0-9a-f]{0,40}([ep][-+]?[0-9]{0,6})?") {
        for text in [bytes.as_slice(), text.as_bytes()] {
            let _ = (parse_i64(text), parse_u64(text), parse_f64(text));
            if let Some(number) = Extended::parse(text) {
                number.write(&mut Vec::new());
            }
        }
    }
}

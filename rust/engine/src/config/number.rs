//! Numbers as configuration writes them. Three grammars, because Redis has three.

/// A decimal integer in its one canonical form: no sign but `-`, no leading zero, no space. Integer options read this.
pub(super) fn strict_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let negative = digits.len() != text.len();
    let canonical = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An integer as C's `strtoll` reads a whole string: spaces before, either sign, leading zeros, and nothing at all for zero.
/// Values beyond 64 bits are refused instead of clamped.
pub(super) fn loose_integer(text: &[u8], radix: u32) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(text).ok()?;
    // C counts the vertical tab as space, Rust's trim_ascii does not.
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    i64::from_str_radix(text, radix).ok()
}

/// A number of bytes: digits, then nothing or one of `b k kb m mb g gb` in any case. `k` is 1000, `kb` is 1024.
/// No digits mean zero, as in Redis; a product beyond 64 bits is refused, where Redis wraps around.
pub(crate) fn memory_bytes(text: &[u8]) -> Option<u64> {
    let digit_count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digit_count);
    let unit_bytes: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let mut count: u64 = 0;
    for digit in digits {
        count = count.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    count.checked_mul(unit_bytes)
}

/// A finite or infinite decimal number with nothing around it.
pub(super) fn decimal(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

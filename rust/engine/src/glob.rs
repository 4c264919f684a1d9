//! The patterns of `KEYS`, `SCAN MATCH`, `PSUBSCRIBE`, `CONFIG GET` and ACL rules.
//!
//! `*` any run of bytes · `?` one byte · `[abc]`, `[a-z]`, `[^x]` one byte of a class · `\` takes the next byte as it is.
//!
//! Users rely on the server's corners, so they are kept: a class that is not closed ends with the pattern, a range may
//! be written backwards, `-` before the end of a class takes whatever follows as the end of a range, bytes above 127
//! sort below the others, and no pattern but the empty one matches the empty text (commands that accept a lone `*`
//! treat it as "all" before they ask here).

/// Whether `pattern` describes the whole of `text`; `nocase` compares ASCII letters without case.
///
/// Takes at most `pattern.len() × text.len()` steps and no memory: after a mismatch only the latest `*` can help, since
/// an earlier one could only make the rest of the pattern begin later in the text, where it was tried already.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut rest, mut at) = (pattern, 0);
    let mut retry: Option<(&[u8], usize)> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            if after.is_empty() {
                return true;
            }
            (rest, retry) = (after, Some((after, at)));
            continue;
        }
        let step = text.get(at).and_then(|&byte| match_one(rest, byte, nocase));
        if let Some(after) = step {
            (rest, at) = (after, at + 1);
            if at == text.len() && rest.iter().all(|&byte| byte == b'*') {
                return true;
            }
            if at < text.len() {
                continue;
            }
        }
        // Either this byte did not fit, or the text ended before the pattern: let the latest `*` take one byte more.
        let Some((after, start)) = retry else {
            return false;
        };
        if start + 1 >= text.len() {
            return false;
        }
        (rest, at) = (after, start + 1);
        retry = Some((after, at));
    }
}

/// Matches one byte against the first element of `pattern`, which is not a `*`, and gives the pattern behind it.
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => match_class(rest, byte, nocase),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => {
            (fold(*literal, nocase) == fold(byte, nocase)).then_some(rest)
        }
    }
}

/// Matches one byte against the class that begins behind `[`, and gives the pattern behind the class.
fn match_class(class: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        match rest {
            [] => break,
            // An escaped byte is compared as it is, even without case.
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                rest = after;
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [first, b'-', last, after @ ..] => {
                found |= in_range(*first, *last, byte, nocase);
                rest = after;
            }
            [literal, after @ ..] => {
                found |= fold(*literal, nocase) == fold(byte, nocase);
                rest = after;
            }
        }
    }
    (found != negated).then_some(rest)
}

/// Whether `byte` lies between the ends of a range, in the order of signed bytes.
fn in_range(first: u8, last: u8, byte: u8, nocase: bool) -> bool {
    let signed = |byte: u8| byte.cast_signed();
    // The ends are put in order before case is folded: `[Z-a]` without case is then the empty range from z to a.
    let (low, high) = if signed(first) > signed(last) { (last, first) } else { (first, last) };
    (signed(fold(low, nocase))..=signed(fold(high, nocase))).contains(&signed(fold(byte, nocase)))
}

fn fold(byte: u8, nocase: bool) -> u8 {
    if nocase { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    /// The definition, by plain recursion over both texts: exponential, and therefore only for short ones.
    fn reference(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        let Some((&byte, shorter)) = text.split_first() else {
            return pattern.is_empty();
        };
        let lower = |byte: u8| {
            if nocase { byte.to_ascii_lowercase() } else { byte }
        };
        let advance = |rest: &[u8]| {
            if shorter.is_empty() {
                rest.iter().all(|&byte| byte == b'*')
            } else {
                reference(rest, shorter, nocase)
            }
        };
        match pattern.first() {
            None => false,
            Some(b'*') => {
                let rest = &pattern[1..];
                rest.is_empty() || (0..text.len()).any(|skip| reference(rest, &text[skip..], nocase))
            }
            Some(b'?') => advance(&pattern[1..]),
            Some(b'[') => {
                let mut at = 1;
                let negated = pattern.get(1) == Some(&b'^');
                at += usize::from(negated);
                let mut hit = false;
                while at < pattern.len() && pattern[at] != b']' {
                    let left = pattern.len() - at;
                    if pattern[at] == b'\\' && left >= 2 {
                        hit |= pattern[at + 1] == byte;
                        at += 2;
                    } else if left >= 3 && pattern[at + 1] == b'-' {
                        let mut ends = [i32::from(pattern[at] as i8), i32::from(pattern[at + 2] as i8)];
                        ends.sort_unstable();
                        let ends = ends.map(|end| i32::from(lower(end as u8) as i8));
                        let value = i32::from(lower(byte) as i8);
                        hit |= ends[0] <= value && value <= ends[1];
                        at += 3;
                    } else {
                        hit |= lower(pattern[at]) == lower(byte);
                        at += 1;
                    }
                }
                hit != negated && advance(&pattern[(at + 1).min(pattern.len())..])
            }
            Some(&first) => {
                let skip = usize::from(first == b'\\' && pattern.len() >= 2);
                lower(pattern[skip]) == lower(byte) && advance(&pattern[skip + 1..])
            }
        }
    }

    /// Patterns, texts and answers recorded from `KEYS` of Redis 7.0.15 (`nocase` from `CONFIG GET`'s own matcher is
    /// covered by the reference above).
    const RECORDED: &str = include_str!("glob/recorded.txt");

    #[test]
    fn answers_are_those_of_redis() {
        let mut rows = 0;
        for line in RECORDED.lines() {
            let fields: Vec<Vec<u8>> = line.split(' ').map(unhex).collect();
            let [pattern, text, expected] = fields.as_slice() else { panic!("{line}") };
            assert_eq!(
                matches(pattern, text, false),
                expected == &[1],
                "{} on {}",
                pattern.escape_ascii(),
                text.escape_ascii()
            );
            rows += 1;
        }
        assert!(rows > 500);
    }

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn many_stars_stay_bounded() {
        let text = vec![b'a'; 10_000];
        let mut pattern = b"a*".repeat(1_000);
        pattern.push(b'b');
        let start = Instant::now();
        assert!(!matches(&pattern, &text, false));
        assert!(!matches(&[b"*".repeat(100_000), b"b".to_vec()].concat(), &text, false));
        // Ten million steps at most; plain backtracking would not end in the age of the universe.
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn short_patterns_agree_with_the_definition(
            pattern in proptest::collection::vec(
                prop_oneof![
                    Just(b'*'), Just(b'?'), Just(b'['), Just(b']'), Just(b'^'), Just(b'-'), Just(b'\\'),
                    Just(b'a'), Just(b'b'), Just(b'B'), Just(b'z'), Just(0xff_u8), Just(0x80_u8),
                ],
                0..10,
            ),
            text in proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(b'b'), Just(b'A'), Just(b'-'), Just(b'^'), Just(b']'), Just(0xc0_u8)],
                0..8,
            ),
            nocase: bool,
        ) {
            prop_assert_eq!(matches(&pattern, &text, nocase), reference(&pattern, &text, nocase));
        }

        #[test]
        fn a_text_matches_itself_escaped(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let escaped: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
            prop_assert!(matches(&escaped, &text, false));
            prop_assert!(matches(&escaped, &text, true));
        }
    }
}

//! Patterns against a model that tries everything.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;

use chance::{Random, fuzz};
use rkv_engine::glob::matches;

const PATTERN_BYTES: &[u8] = b"aab*?[]^-\\cB\xff\0";
const TEXT_BYTES: &[u8] = b"aabcABC-^]\\\xff\0";

/// One element of a pattern.
#[derive(Debug)]
enum Element {
    Any,
    One,
    Class { not: bool, ranges: Vec<Range> },
    Literal(u8),
}

/// A part of a class: from, to, and whether case matters all the same.
type Range = (i8, i8, bool);

/// Reads a pattern from the front to the back, as the manual of KEYS and its corners say.
fn elements(mut pattern: &[u8], nocase: bool) -> Vec<Element> {
    let mut found = Vec::new();
    while let Some((&first, rest)) = pattern.split_first() {
        pattern = rest;
        found.push(match first {
            b'*' => Element::Any,
            b'?' => Element::One,
            b'[' => class(&mut pattern, nocase),
            b'\\' if !rest.is_empty() => {
                pattern = &rest[1..];
                Element::Literal(rest[0])
            }
            byte => Element::Literal(byte),
        });
    }
    found
}

fn class(pattern: &mut &[u8], nocase: bool) -> Element {
    let mut bytes = *pattern;
    let not = bytes.first() == Some(&b'^');
    bytes = &bytes[usize::from(not)..];
    let mut ranges = Vec::new();
    let fold = |byte: u8| (if nocase { byte.to_ascii_lowercase() } else { byte }) as i8;
    loop {
        match *bytes {
            [] => break,
            [b'\\', byte, ..] => {
                // An escaped byte is compared as it is, even without case.
                ranges.push((byte as i8, byte as i8, true));
                bytes = &bytes[2..];
            }
            [b']', ..] => {
                bytes = &bytes[1..];
                break;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (from as i8, to as i8);
                let (low, high) = (from.min(to), from.max(to));
                ranges.push((fold(low as u8), fold(high as u8), false));
                bytes = &bytes[3..];
            }
            [byte, ..] => {
                ranges.push((fold(byte), fold(byte), false));
                bytes = &bytes[1..];
            }
        }
    }
    *pattern = bytes;
    Element::Class { not, ranges }
}

/// Tries every length of every run: exponential, and plainly right.
fn fits(elements: &[Element], text: &[u8], nocase: bool) -> bool {
    let fold = |byte: u8| if nocase { byte.to_ascii_lowercase() } else { byte };
    let Some((first, rest)) = elements.split_first() else { return text.is_empty() };
    if let Element::Any = first {
        return (0..=text.len()).any(|taken| fits(rest, &text[taken..], nocase));
    }
    let Some((&byte, behind)) = text.split_first() else { return false };
    let plain = byte as i8;
    let is_one = match first {
        Element::Class { not, ranges } => {
            let folded = fold(byte) as i8;
            let is_in = |(low, high, exact): &Range| (*low..=*high).contains(if *exact { &plain } else { &folded });
            ranges.iter().any(is_in) != *not
        }
        Element::Literal(literal) => fold(*literal) == fold(byte),
        _ => true,
    };
    is_one && fits(rest, behind, nocase)
}

fn word(random: &mut Random, bytes: &[u8], len_max: usize) -> Vec<u8> {
    (0..random.below(len_max + 1)).map(|_| random.pick(bytes)).collect()
}

#[test]
fn fuzz_glob() {
    let (mut matched, mut tried) = (0_u64, 0_u64);
    fuzz("glob", |random| {
        for _ in 0..16 {
            let (pattern, text) = (word(random, PATTERN_BYTES, 9), word(random, TEXT_BYTES, 7));
            for nocase in [false, true] {
                // No pattern but the empty one matches the empty text.
                let expected =
                    if text.is_empty() { pattern.is_empty() } else { fits(&elements(&pattern, nocase), &text, nocase) };
                assert_eq!(matches(&pattern, &text, nocase), expected, "{pattern:?} {text:?} {nocase}");
                matched += u64::from(expected);
                tried += 1;
            }
        }
    });
    assert!(matched > 0 || tried < 10_000);
}

/// What an attacker would send: it must not take more than pattern times text.
#[test]
fn many_runs_cost_no_more_than_their_product() {
    let (pattern, text) = (b"a*".repeat(5_000), b"a".repeat(20_000));
    let started = std::time::Instant::now();
    assert!(!matches(&[&pattern[..], b"b"].concat(), &text, false));
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

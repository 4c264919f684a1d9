//! Ranges of scores and of names, as commands spell them.

use std::cmp::Ordering;

use crate::number;

/// Scores between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lowest.
    pub min: f64,
    /// Whether `min` itself is outside.
    pub min_open: bool,
    /// The highest.
    pub max: f64,
    /// Whether `max` itself is outside.
    pub max_open: bool,
}

impl ScoreRange {
    /// Reads two bounds such as `1.5`, `(1.5` and `-inf`; `None` if one is no number.
    pub fn parse(min: &[u8], max: &[u8]) -> Option<Self> {
        let (min, min_open) = score_bound(min)?;
        let (max, max_open) = score_bound(max)?;
        Some(Self { min, min_open, max, max_open })
    }

    /// Whether a score comes before all that are inside.
    #[inline]
    pub fn is_after(&self, score: f64) -> bool {
        score < self.min || (self.min_open && score <= self.min)
    }

    /// Whether a score comes after all that are inside.
    #[inline]
    pub fn is_before(&self, score: f64) -> bool {
        score > self.max || (self.max_open && score >= self.max)
    }
}

/// Reads a score or a weight: a decimal number or an infinity, as Valkey reads doubles. `None` for anything else, for
/// what is too large, and for what is not zero but rounds to zero.
#[inline]
pub fn parse_score(text: &[u8]) -> Option<f64> {
    if let Some(whole) = number::parse_i64(text) {
        return Some(whole as f64);
    }
    if let Some(whole) = padded_whole(text) {
        return Some(whole);
    }
    let is_hexadecimal = matches!(text, [b'0', b'x' | b'X', ..] | [_, b'0', b'x' | b'X', ..]);
    if is_hexadecimal { None } else { number::parse_f64(text) }
}

/// Reads digits with zeros in front, as many as a double has room for whatever they are: a time or a number that was written
/// with a fixed width.
#[inline]
fn padded_whole(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > f64::DIGITS as usize {
        return None;
    }
    let mut whole = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // At most fifteen digits: this cannot wrap.
        whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(whole as f64)
}

/// A bound, which is read up to a zero byte. The empty text is 0, and what is too large is infinite.
fn score_bound(text: &[u8]) -> Option<(f64, bool)> {
    let (text, is_open) = match text {
        [b'(', rest @ ..] => (rest, true),
        _ => (text, false),
    };
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some((0.0, is_open));
    }
    let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!score.is_nan()).then_some((score, is_open))
}

/// One end of a range of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameBound<'a> {
    /// `-`: before all names.
    Lowest,
    /// `+`: after all names.
    Highest,
    /// `[name`, or `(name` if it is itself outside.
    At {
        /// The name.
        name: &'a [u8],
        /// Whether it is outside.
        is_open: bool,
    },
}

impl<'a> NameBound<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(Self::Lowest),
            b"+" => Some(Self::Highest),
            [b'(', name @ ..] => Some(Self::At { name, is_open: true }),
            [b'[', name @ ..] => Some(Self::At { name, is_open: false }),
            _ => None,
        }
    }
}

/// Names between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameRange<'a> {
    min: NameBound<'a>,
    max: NameBound<'a>,
}

impl<'a> NameRange<'a> {
    /// Reads two bounds such as `-`, `+`, `[a` and `(a`; `None` if one is none of these.
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Option<Self> {
        Some(Self { min: NameBound::parse(min)?, max: NameBound::parse(max)? })
    }

    /// Whether a name comes before all that are inside.
    #[inline]
    pub fn is_after(&self, name: &[u8]) -> bool {
        match self.min {
            NameBound::Lowest => false,
            NameBound::Highest => true,
            NameBound::At { name: bound, is_open } => name < bound || (is_open && name == bound),
        }
    }

    /// Whether a name comes after all that are inside.
    #[inline]
    pub fn is_before(&self, name: &[u8]) -> bool {
        match self.max {
            NameBound::Lowest => true,
            NameBound::Highest => false,
            NameBound::At { name: bound, is_open } => name > bound || (is_open && name == bound),
        }
    }

    /// Whether no name can be inside.
    pub fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (NameBound::Highest, _) | (_, NameBound::Lowest) => true,
            (NameBound::At { name: min, is_open: one }, NameBound::At { name: max, is_open: other }) => {
                match min.cmp(max) {
                    Ordering::Less => false,
                    Ordering::Equal => one || other,
                    Ordering::Greater => true,
                }
            }
            _ => false,
        }
    }
}

//! The words of one request, and the cursor that reads options.

use crate::error::{self, Error};
use crate::number;

/// The words of a request, the command's name first; borrowed from wherever it came in.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    words: &'a [&'a [u8]],
}

impl<'a> Args<'a> {
    /// Wraps the words of a request.
    pub const fn new(words: &'a [&'a [u8]]) -> Self {
        Self { words }
    }

    /// How many words there are, the name included.
    #[inline]
    pub const fn len(self) -> usize {
        self.words.len()
    }

    /// Whether there is no word at all.
    pub const fn is_empty(self) -> bool {
        self.words.is_empty()
    }

    /// All words.
    #[inline]
    pub const fn words(self) -> &'a [&'a [u8]] {
        self.words
    }

    /// The words from `index` on; empty beyond the end.
    #[inline]
    pub fn from(self, index: usize) -> &'a [&'a [u8]] {
        self.words.get(index..).unwrap_or_default()
    }

    /// The word at `index`; empty beyond the end, which arity rules out.
    #[inline]
    pub fn word(self, index: usize) -> &'a [u8] {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// The word at `index`, if there is one.
    #[inline]
    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        self.words.get(index).copied()
    }

    /// The word at `index` as a 64-bit integer.
    ///
    /// # Errors
    /// It is none.
    #[inline]
    pub fn integer(self, index: usize) -> Result<i64, Error> {
        number::parse_i64(self.word(index)).ok_or(error::NOT_INTEGER)
    }

    /// The word at `index` as a float.
    ///
    /// # Errors
    /// It is none.
    pub fn float(self, index: usize) -> Result<f64, Error> {
        number::parse_f64(self.word(index)).ok_or(error::NOT_FLOAT)
    }

    /// Reads the words from `index` on, one by one.
    #[inline]
    pub fn cursor(self, index: usize) -> Cursor<'a> {
        Cursor { words: self.from(index) }
    }
}

/// Reads options in order. Every read that finds nothing is a syntax error of the caller's choosing.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    words: &'a [&'a [u8]],
}

impl<'a> Cursor<'a> {
    /// Whether all words were read.
    pub const fn is_done(&self) -> bool {
        self.words.is_empty()
    }

    /// How many words are left.
    pub const fn left(&self) -> usize {
        self.words.len()
    }

    /// The words that are left.
    pub const fn rest(&self) -> &'a [&'a [u8]] {
        self.words
    }

    /// Takes the next word.
    #[inline]
    pub fn next_word(&mut self) -> Option<&'a [u8]> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Takes the next word.
    ///
    /// # Errors
    /// A syntax error without one.
    pub fn expect_word(&mut self) -> Result<&'a [u8], Error> {
        self.next_word().ok_or(error::SYNTAX)
    }

    /// Takes the next word as an integer.
    ///
    /// # Errors
    /// A syntax error without one; or it is no integer.
    pub fn integer(&mut self) -> Result<i64, Error> {
        number::parse_i64(self.expect_word()?).ok_or(error::NOT_INTEGER)
    }

    /// Takes the next word if it is this keyword, whatever its case.
    pub fn keyword(&mut self, keyword: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(keyword.as_bytes()) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

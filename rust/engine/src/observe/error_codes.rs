//! Error replies by their code word, for `INFO errorstats`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most code words that are kept apart: scripts can make up new ones without end.
pub const ERROR_CODES_MAX: usize = 128;
/// Under this word the errors are counted that came when there were already [`ERROR_CODES_MAX`] others.
const OVERFLOW: &str = "ERRORSTATS_OVERFLOW";

/// How often each code word was sent.
#[derive(Debug, Default)]
pub struct ErrorCodes(Mutex<BTreeMap<Box<str>, u64>>);

impl ErrorCodes {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<Box<str>, u64>> {
        // A count is whole after every statement, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one error with this code word.
    pub fn count(&self, code: &str) {
        let mut counts = self.counts();
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
            return;
        }
        let code = if counts.len() < ERROR_CODES_MAX { code } else { OVERFLOW };
        *counts.entry(code.into()).or_default() += 1;
    }

    /// Every code word with its count, in alphabetical order.
    pub fn all(&self) -> Vec<(Box<str>, u64)> {
        self.counts().iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    /// Forgets all counts.
    pub fn reset(&self) {
        self.counts().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_words_do_not_fill_memory() {
        let codes = ErrorCodes::default();
        for number in 0..1000 {
            codes.count(&format!("E{number}"));
            codes.count("E0");
        }
        let all = codes.all();
        assert_eq!(all.len(), ERROR_CODES_MAX + 1);
        let count_of = |code: &str| all.iter().find(|(name, _)| &**name == code).map(|(_, count)| *count);
        assert_eq!(count_of("E0"), Some(1001));
        assert_eq!(count_of("E127"), Some(1));
        assert_eq!(count_of("E128"), None);
        assert_eq!(count_of(OVERFLOW), Some(1000 - 128));
        codes.reset();
        assert!(codes.all().is_empty());
    }
}

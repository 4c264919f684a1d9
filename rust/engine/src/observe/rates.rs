//! What happened per second lately, for `INFO stats`.
//!
//! Nothing wakes an idle server to take samples: sessions take one at the end of a round if the last is old enough, and
//! who asks for the rate compares the totals of now with the oldest sample of the window.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Between two samples, in milliseconds.
const INTERVAL_MS: i64 = 100;
/// A rate is the mean over about this time, in milliseconds: Redis's 16 samples.
const WINDOW_MS: i64 = 1600;

/// Totals at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Commands run.
    pub commands: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
}

/// Per second, the mean over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Commands.
    pub commands: u64,
    /// KiB received.
    pub received_kib: f64,
    /// KiB sent.
    pub sent_kib: f64,
}

/// Samples of the totals.
#[derive(Debug, Default)]
pub struct Rates {
    due_ms: AtomicI64,
    samples: Mutex<VecDeque<(i64, Totals)>>,
}

impl Rates {
    /// Takes a sample if the last one is old enough. Cheap: mostly one load.
    #[inline]
    pub fn sample(&self, now_ms: i64, totals: impl FnOnce() -> Totals) {
        let due_ms = self.due_ms.load(Ordering::Relaxed);
        // A wall clock that was set back would otherwise stop the samples for as long.
        if now_ms >= due_ms || due_ms - now_ms > INTERVAL_MS {
            self.take(now_ms, totals());
        }
    }

    #[cold]
    fn take(&self, now_ms: i64, totals: Totals) {
        self.due_ms.store(now_ms + INTERVAL_MS, Ordering::Relaxed);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.retain(|(at_ms, _)| *at_ms <= now_ms);
        samples.push_back((now_ms, totals));
        // The oldest sample that is kept is the last one before the window, so that the window is always covered.
        while samples.get(1).is_some_and(|(at_ms, _)| *at_ms <= now_ms - WINDOW_MS) {
            samples.pop_front();
        }
    }

    /// The rates now; `started_ms` is when all totals were zero.
    pub fn rate(&self, now_ms: i64, totals: Totals, started_ms: i64) -> Rate {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let before = samples.iter().rev().find(|(at_ms, _)| *at_ms <= now_ms - WINDOW_MS);
        let (at_ms, base) = before.or(samples.front()).copied().unwrap_or((started_ms, Totals::default()));
        let elapsed_ms = (now_ms - at_ms).max(1) as u64;
        let per_second = |now: u64, base: u64| now.saturating_sub(base).saturating_mul(1000) / elapsed_ms;
        let kib = |now: u64, base: u64| now.saturating_sub(base) as f64 * 1000.0 / elapsed_ms as f64 / 1024.0;
        Rate {
            commands: per_second(totals.commands, base.commands),
            received_kib: kib(totals.received_bytes, base.received_bytes),
            sent_kib: kib(totals.sent_bytes, base.sent_bytes),
        }
    }

    /// Forgets all samples: the totals were set to zero.
    pub fn reset(&self) {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.due_ms.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(commands: u64) -> Totals {
        Totals { commands, received_bytes: commands * 1024, sent_bytes: 0 }
    }

    #[test]
    fn a_rate_is_the_mean_of_the_last_moments() {
        let rates = Rates::default();
        // 1000 commands per second for ten seconds, then 5000 for four.
        for ms in (0..14_000).step_by(10) {
            let commands = if ms < 10_000 { ms } else { 10_000 + (ms - 10_000) * 5 };
            rates.sample(ms, || totals(commands as u64));
        }
        assert!(rates.samples.lock().unwrap().len() <= 18);
        let rate = rates.rate(14_000, totals(30_000), 0);
        assert_eq!(rate.commands, 5000);
        assert!((rate.received_kib - 5000.0).abs() < 1e-9);
        // Nothing more happens: the rate falls, as the last sample stays behind.
        assert!(rates.rate(114_000, totals(30_000), 0).commands <= 5);
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let rates = Rates::default();
        rates.sample(1_000_000, || totals(10));
        rates.sample(5_000, || totals(20));
        rates.sample(6_000, || totals(1020));
        assert_eq!(rates.rate(6_000, totals(1020), 0).commands, 1000);
    }

    #[test]
    fn without_samples_it_is_the_mean_since_the_start() {
        assert_eq!(Rates::default().rate(3_000, totals(100), 1_000).commands, 50);
    }
}

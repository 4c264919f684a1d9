//! What took long, by event and second: LATENCY.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Samples of an event that are kept, one a second at most.
pub const SAMPLES_MAX: usize = 160;

/// The longest of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix seconds.
    pub at_s: i64,
    /// Milliseconds.
    pub took_ms: u64,
}

/// The samples of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Oldest first.
    pub samples: VecDeque<Sample>,
    /// The longest of all time, in milliseconds.
    pub longest_ms: u64,
}

/// Samples of what took at least `latency-monitor-threshold`.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    threshold_ms: AtomicU64,
    events: Mutex<BTreeMap<&'static str, Series>>,
}

impl LatencyMonitor {
    fn events(&self) -> MutexGuard<'_, BTreeMap<&'static str, Series>> {
        // A series is whole after every statement.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds from which on an event is kept; 0: none is.
    pub fn set_threshold_ms(&self, threshold_ms: u64) {
        self.threshold_ms.store(threshold_ms, Ordering::Relaxed);
    }

    /// Milliseconds from which on an event is kept; 0: none is.
    #[inline]
    pub fn threshold_ms(&self) -> u64 {
        self.threshold_ms.load(Ordering::Relaxed)
    }

    /// Tells what an event took, in microseconds. `now_ms` is the time, in Unix milliseconds.
    #[inline]
    pub fn add(&self, event: &'static str, took_us: u64, now_ms: i64) {
        let threshold_ms = self.threshold_ms();
        if threshold_ms != 0 && took_us / 1000 >= threshold_ms {
            self.keep(event, took_us / 1000, now_ms.div_euclid(1000));
        }
    }

    #[cold]
    fn keep(&self, event: &'static str, took_ms: u64, at_s: i64) {
        let mut events = self.events();
        let series = events.entry(event).or_default();
        series.longest_ms = series.longest_ms.max(took_ms);
        match series.samples.back_mut() {
            Some(last) if last.at_s == at_s => last.took_ms = last.took_ms.max(took_ms),
            _ => {
                if series.samples.len() == SAMPLES_MAX {
                    series.samples.pop_front();
                }
                series.samples.push_back(Sample { at_s, took_ms });
            }
        }
    }

    /// All events with their samples, by name.
    pub fn all(&self) -> Vec<(&'static str, Series)> {
        self.events().iter().map(|(name, series)| (*name, series.clone())).collect()
    }

    /// The samples of one event.
    pub fn series(&self, event: &[u8]) -> Option<Series> {
        let name = std::str::from_utf8(event).ok()?;
        self.events().get(name).cloned()
    }

    /// Forgets the samples of an event; whether there were any.
    pub fn forget(&self, event: &[u8]) -> bool {
        std::str::from_utf8(event).is_ok_and(|name| self.events().remove(name).is_some())
    }

    /// Forgets all samples; of how many events.
    pub fn reset(&self) -> usize {
        std::mem::take(&mut *self.events()).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeps_its_longest() {
        let monitor = LatencyMonitor::default();
        monitor.add("command", 5_000_000, 1000);
        assert!(monitor.all().is_empty());
        monitor.set_threshold_ms(10);
        for (took_us, now_ms) in [(9_999, 1000), (12_000, 1000), (30_000, 1500), (20_000, 1999), (11_000, 2000)] {
            monitor.add("command", took_us, now_ms);
        }
        let series = monitor.series(b"command").unwrap();
        let samples: Vec<_> = series.samples.iter().map(|sample| (sample.at_s, sample.took_ms)).collect();
        assert_eq!((samples, series.longest_ms), (vec![(1, 30), (2, 11)], 30));
        for second in 10..1000 {
            monitor.add("command", 10_000, second * 1000);
        }
        assert_eq!(monitor.series(b"command").unwrap().samples.len(), SAMPLES_MAX);
        assert!(!monitor.forget(b"fork") && monitor.forget(b"command"));
        assert_eq!(monitor.reset(), 0);
    }
}

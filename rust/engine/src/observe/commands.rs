//! How often each command was called and how long it took, for `INFO commandstats`, `INFO latencystats` and
//! `LATENCY HISTOGRAM`.
//!
//! Time is counted in nanoseconds. Commands of a pipeline that run together are timed together, and each is given an equal
//! share; a caller in this process is timed once in a while, and the mean of what was timed stands for the others. So
//! `calls` is exact, `usec` is exact for commands that run alone and a mean for others.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Steps of the histogram within each power of two: a value is off by less than 1/32.
const STEPS_BITS: u32 = 5;
const STEPS: usize = 1 << STEPS_BITS;
/// What takes longer than 2^35 ns, half a minute, counts as that.
const OCTAVES: usize = 36;

/// How many calls took how long.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; STEPS * OCTAVES],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

const fn bucket(ns: u64) -> usize {
    if ns < STEPS as u64 {
        return ns as usize;
    }
    let octave = ns.ilog2() - STEPS_BITS;
    let at = (octave as usize + 1) * STEPS + ((ns >> octave) as usize & (STEPS - 1));
    if at < STEPS * OCTAVES { at } else { STEPS * OCTAVES - 1 }
}

/// The largest value of a bucket.
const fn bucket_end_ns(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let octave = (bucket / STEPS - 1) as u32;
    (((STEPS + bucket % STEPS + 1) as u64) << octave) - 1
}

impl Histogram {
    fn add(&self, ns: u64, calls: u64) {
        self.counts[bucket(ns)].fetch_add(calls, Ordering::Relaxed);
    }

    fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Calls in all.
    pub fn calls(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// Nanoseconds that so many percent of the calls did not exceed.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        let counts = self.counts();
        let all: u64 = counts.iter().sum();
        let wanted = ((percent / 100.0 * all as f64).ceil() as u64).clamp(1, all.max(1));
        let mut sum = 0;
        for (at, count) in counts.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return bucket_end_ns(at);
            }
        }
        0
    }

    /// For each power of two times 1,024 ns up to which calls took that took longer than the one before: the power in
    /// microseconds, and how many calls took no longer. Redis's steps lie 1/128 above the powers, so that they are 1, 2, 4,
    /// 8, 16, 33, 66, 132.
    pub fn by_powers_us(&self) -> Vec<(u64, u64)> {
        let (mut sums, mut sum, mut power_us) = (Vec::new(), 0, 1);
        for (at, count) in self.counts().into_iter().enumerate() {
            while bucket_end_ns(at) > power_us * 1024 {
                power_us *= 2;
            }
            if count > 0 {
                sum += count;
                let told_us = (power_us * 1024 * 129 / 128 - 1) / 1000;
                match sums.last_mut() {
                    Some((power, total)) if *power == told_us => *total = sum,
                    _ => sums.push((told_us, sum)),
                }
            }
        }
        sums
    }
}

/// The figures of one command.
#[derive(Debug, Default)]
pub struct CommandStat {
    calls: AtomicU64,
    timed_calls: AtomicU64,
    timed_ns: AtomicU64,
    /// Refused before they ran.
    pub rejected: AtomicU64,
    /// Answered with an error.
    pub failed: AtomicU64,
    histogram: OnceLock<Box<Histogram>>,
}

impl CommandStat {
    /// How often it was called.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Microseconds of all calls.
    pub fn usec(&self) -> u64 {
        (self.usec_per_call() * self.calls() as f64).round() as u64
    }

    /// Microseconds of a call, the mean.
    pub fn usec_per_call(&self) -> f64 {
        let timed_calls = self.timed_calls.load(Ordering::Relaxed);
        if timed_calls == 0 { 0.0 } else { self.timed_ns.load(Ordering::Relaxed) as f64 / 1000.0 / timed_calls as f64 }
    }

    /// Whether it was called, refused or failed.
    pub fn is_known(&self) -> bool {
        [&self.calls, &self.rejected, &self.failed].iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// How long its calls took, if that was tracked.
    pub fn histogram(&self) -> Option<&Histogram> {
        self.histogram.get().map(AsRef::as_ref).filter(|histogram| histogram.calls() > 0)
    }
}

/// Calls that one caller counts by itself: callers of many threads would push the one line with the count of GET to and fro,
/// and even one thread pays for a locked addition.
#[derive(Debug)]
pub struct Tally {
    calls: Box<[AtomicU64]>,
}

impl Tally {
    /// Counts a call that nobody timed. For the caller only: others would be lost.
    #[inline]
    pub fn called(&self, command: u16) {
        if let Some(calls) = self.calls.get(usize::from(command)) {
            calls.store(calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }
}

/// A caller's tally, and how much of it was added to the figures.
#[derive(Debug)]
struct Tallied {
    tally: Arc<Tally>,
    added: Box<[u64]>,
}

/// The figures of every command, by its number in the table.
#[derive(Debug, Default)]
pub struct CommandStats {
    stats: Box<[CommandStat]>,
    tallies: Mutex<Vec<Tallied>>,
    tracks_latency: AtomicBool,
}

impl CommandStats {
    /// For so many commands.
    pub fn new(count: usize) -> Self {
        Self {
            stats: (0..count).map(|_| CommandStat::default()).collect(),
            tallies: Mutex::default(),
            tracks_latency: AtomicBool::new(true),
        }
    }

    fn tallies(&self) -> MutexGuard<'_, Vec<Tallied>> {
        // Counts are whole after every statement.
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tally for a new caller.
    pub fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally { calls: self.stats.iter().map(|_| AtomicU64::new(0)).collect() });
        self.tallies().push(Tallied { tally: Arc::clone(&tally), added: vec![0; self.stats.len()].into() });
        tally
    }

    /// Adds what callers counted to the figures: before they are read.
    pub fn gather(&self) {
        self.tallies().iter_mut().for_each(|tallied| self.add(tallied));
    }

    /// The same for a caller who calls no more.
    pub fn leave(&self, tally: &Arc<Tally>) {
        self.tallies().retain_mut(|tallied| {
            let stays = !Arc::ptr_eq(&tallied.tally, tally);
            if !stays {
                self.add(tallied);
            }
            stays
        });
    }

    fn add(&self, tallied: &mut Tallied) {
        for ((stat, calls), added) in self.stats.iter().zip(&tallied.tally.calls).zip(&mut tallied.added) {
            let calls = calls.load(Ordering::Relaxed);
            let more = calls.wrapping_sub(std::mem::replace(added, calls));
            if more > 0 {
                stat.calls.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// Of one command.
    pub fn of(&self, command: u16) -> Option<&CommandStat> {
        self.stats.get(usize::from(command))
    }

    /// `latency-tracking`.
    pub fn set_tracks_latency(&self, tracks: bool) {
        self.tracks_latency.store(tracks, Ordering::Relaxed);
    }

    /// Counts calls of a command that took `ns` together.
    #[inline]
    pub fn timed(&self, command: u16, calls: u64, ns: u64) {
        let Some(stat) = self.of(command) else { return };
        stat.calls.fetch_add(calls, Ordering::Relaxed);
        stat.timed_calls.fetch_add(calls, Ordering::Relaxed);
        stat.timed_ns.fetch_add(ns, Ordering::Relaxed);
        if self.tracks_latency.load(Ordering::Relaxed) {
            stat.histogram.get_or_init(Box::default).add(ns / calls.max(1), calls);
        }
    }

    /// Counts a call that nobody timed.
    #[inline]
    pub fn called(&self, command: u16) {
        if let Some(stat) = self.of(command) {
            stat.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a call that was refused.
    #[cold]
    pub fn rejected(&self, command: u16) {
        if let Some(stat) = self.of(command) {
            stat.rejected.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a call that was answered with an error.
    #[cold]
    pub fn failed(&self, command: u16) {
        if let Some(stat) = self.of(command) {
            stat.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets everything: CONFIG RESETSTAT.
    pub fn reset(&self) {
        self.gather();
        for stat in &self.stats {
            for count in [&stat.calls, &stat.timed_calls, &stat.timed_ns, &stat.rejected, &stat.failed] {
                count.store(0, Ordering::Relaxed);
            }
            for count in stat.histogram.get().iter().flat_map(|histogram| &histogram.counts) {
                count.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_meet_and_are_narrow() {
        let mut next = 0;
        for at in 0..STEPS * OCTAVES - 1 {
            let end = bucket_end_ns(at);
            assert!(bucket(next) == at && bucket(end) == at && bucket(end + 1) == at + 1, "{at}");
            assert!((end - next) as f64 <= next as f64 / STEPS as f64);
            next = end + 1;
        }
        assert!(next > 30_000_000_000, "half a minute has a bucket: {next}");
        assert_eq!(bucket(u64::MAX), STEPS * OCTAVES - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let stats = CommandStats::new(1);
        let mut times: Vec<u64> = (0..10_000_u64).map(|number| number * number % 99_991 + 100).collect();
        for ns in &times {
            stats.timed(0, 1, *ns);
        }
        times.sort_unstable();
        let histogram = stats.of(0).unwrap().histogram().unwrap();
        for percent in [1.0, 50.0, 99.0, 99.9, 100.0] {
            let exact = times[((percent / 100.0 * 10_000.0_f64).ceil() as usize).max(1) - 1];
            let told = histogram.percentile_ns(percent);
            assert!(told >= exact && (told - exact) as f64 <= exact as f64 / 32.0, "{percent}: {told} for {exact}");
        }
        let powers = histogram.by_powers_us();
        for (power_us, calls) in &powers {
            let end_ns = 1024_u64 << power_us.ilog2();
            let exact = times.iter().filter(|ns| **ns < end_ns).count() as u64;
            assert_eq!(*calls, exact, "{power_us}");
        }
        assert_eq!(powers.last().unwrap().1, 10_000);
    }

    #[test]
    fn what_was_not_timed_counts_as_the_mean() {
        let stats = CommandStats::new(2);
        stats.timed(1, 4, 8_000);
        (0..6).for_each(|_| stats.called(1));
        stats.timed(7, 1, 1);
        let stat = stats.of(1).unwrap();
        assert_eq!((stat.calls(), stat.usec()), (10, 20));
        let (tally, other) = (stats.tally(), stats.tally());
        (0..3).for_each(|_| tally.called(1));
        other.called(1);
        tally.called(7);
        assert_eq!(stat.calls(), 10, "nobody asked yet");
        (0..2).for_each(|_| stats.gather());
        assert_eq!(stat.calls(), 14);
        tally.called(1);
        stats.leave(&tally);
        assert_eq!((stat.calls(), stat.usec()), (15, 30));
        other.called(1);
        stats.reset();
        assert!(!stat.is_known() && stat.histogram().is_none() && !stats.of(0).unwrap().is_known());
    }
}

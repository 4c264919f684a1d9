//! Time, as a thing that is given to the engine and never fetched by it.
//!
//! Deadlines of keys are wall-clock time; everything that measures a duration uses the monotonic clock, which no
//! administrator can set.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A source of time. All values are integers, so that a test can name an instant exactly.
pub trait Clock: Send + Sync {
    /// Wall-clock milliseconds since 1970-01-01 UTC, rounded down; negative before.
    fn unix_ms(&self) -> i64 {
        self.unix_us().div_euclid(1_000)
    }

    /// Wall-clock microseconds since 1970-01-01 UTC; negative before.
    fn unix_us(&self) -> i64;

    /// Wall-clock nanoseconds since 1970-01-01 UTC; negative before. For what is timed while the time of day is read anyway:
    /// a difference may be wrong, even negative, when somebody sets the clock.
    fn unix_ns(&self) -> i64 {
        self.unix_us().saturating_mul(1_000)
    }

    /// Microseconds since some fixed instant; never goes back.
    fn monotonic_us(&self) -> u64;

    /// Whether time only moves when a test moves it: then no thread waits for it.
    fn is_manual(&self) -> bool {
        false
    }
}

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> i64 {
        // Every command asks for this: without a detour by microseconds.
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => {
                (since.as_secs() as i64).saturating_mul(1_000).saturating_add(i64::from(since.subsec_millis()))
            }
            Err(_) => self.unix_us().div_euclid(1_000),
        }
    }

    fn unix_us(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
        }
    }

    #[inline]
    fn unix_ns(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => {
                (since.as_secs() as i64).saturating_mul(1_000_000_000).saturating_add(i64::from(since.subsec_nanos()))
            }
            Err(_) => self.unix_us().saturating_mul(1_000),
        }
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved. Share it behind an `Arc`.
#[derive(Debug)]
pub struct ManualClock {
    unix_us: AtomicI64,
    monotonic_us: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this wall-clock time, in milliseconds since 1970, and no monotonic time passed.
    pub const fn new(unix_ms: i64) -> Self {
        Self { unix_us: AtomicI64::new(unix_ms.saturating_mul(1_000)), monotonic_us: AtomicU64::new(0) }
    }

    /// Lets this many milliseconds pass on both clocks.
    pub fn advance_ms(&self, elapsed_ms: u64) {
        self.advance_us(elapsed_ms.saturating_mul(1_000));
    }

    /// Lets this many microseconds pass on both clocks; they stop at the ends of their ranges.
    pub fn advance_us(&self, elapsed_us: u64) {
        // The closures never refuse, so neither update can fail.
        let _ = self
            .unix_us
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |us| Some(us.saturating_add_unsigned(elapsed_us)));
        let _ = self
            .monotonic_us
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |us| Some(us.saturating_add(elapsed_us)));
    }

    /// Sets the wall clock, forward or back, as an administrator might; no monotonic time passes.
    pub fn set_unix_ms(&self, unix_ms: i64) {
        self.unix_us.store(unix_ms.saturating_mul(1_000), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix_us(&self) -> i64 {
        self.unix_us.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.monotonic_us.load(Ordering::SeqCst)
    }

    fn is_manual(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_manual_clock_moves_only_when_moved() {
        let clock = Arc::new(ManualClock::new(1_000));
        let shared: Arc<dyn Clock> = clock.clone();
        assert!(shared.is_manual());
        assert_eq!((shared.unix_ms(), shared.unix_us(), shared.monotonic_us()), (1_000, 1_000_000, 0));
        clock.advance_us(1_999);
        assert_eq!((shared.unix_ms(), shared.unix_us(), shared.monotonic_us()), (1_001, 1_001_999, 1_999));
        clock.advance_ms(3);
        assert_eq!((shared.unix_ms(), shared.monotonic_us()), (1_004, 4_999));
    }

    #[test]
    fn setting_the_wall_clock_leaves_durations_alone() {
        let clock = ManualClock::new(5);
        clock.set_unix_ms(-2);
        clock.advance_us(1);
        assert_eq!((clock.unix_ms(), clock.unix_us(), clock.monotonic_us()), (-2, -1_999, 1));
        clock.set_unix_ms(i64::MAX);
        clock.advance_us(u64::MAX);
        clock.advance_us(u64::MAX);
        assert_eq!((clock.unix_us(), clock.monotonic_us()), (i64::MAX, u64::MAX));
    }

    #[test]
    fn the_system_clock_agrees_with_the_system() {
        let clock = SystemClock::new();
        assert!(!clock.is_manual());
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
        let shown = clock.unix_ms();
        assert!((before..before + 60_000).contains(&shown), "{shown} after {before}");
        let first = clock.monotonic_us();
        assert!(clock.monotonic_us() >= first);
    }
}

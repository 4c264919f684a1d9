//! CLIENT PAUSE: until when commands wait.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Until when commands wait, and which.
#[derive(Debug, Default)]
pub struct Pause {
    /// Monotonic microseconds; 0: nothing waits.
    until_us: AtomicU64,
    /// All commands, not only those that may write.
    is_all: AtomicBool,
    changing: Mutex<()>,
}

impl Pause {
    /// Lets commands wait. A pause that is on grows: it lasts as long and stops as much as either would.
    pub fn begin(&self, now_us: u64, until_us: u64, is_all: bool) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (before_us, was_all) = if self.is_on(now_us) {
            (self.until_us.load(Ordering::Relaxed), self.is_all.load(Ordering::Relaxed))
        } else {
            (0, false)
        };
        self.is_all.store(is_all || was_all, Ordering::Relaxed);
        self.until_us.store(until_us.max(before_us), Ordering::Release);
    }

    /// Lets all commands go on.
    pub fn end(&self) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.until_us.store(0, Ordering::Release);
    }

    /// Whether a pause is on.
    #[inline]
    pub fn is_on(&self, now_us: u64) -> bool {
        let until_us = self.until_us.load(Ordering::Acquire);
        until_us != 0 && now_us < until_us
    }

    /// Until when a command waits, in monotonic microseconds; `None`: it does not.
    pub fn holds(&self, now_us: u64, may_write: bool) -> Option<u64> {
        let holds = self.is_on(now_us) && (may_write || self.is_all.load(Ordering::Relaxed));
        holds.then(|| self.until_us.load(Ordering::Relaxed))
    }

    /// Which commands wait, and for how many microseconds more; `None`: none does.
    pub fn left(&self, now_us: u64) -> Option<(bool, u64)> {
        let until_us = self.until_us.load(Ordering::Acquire);
        (until_us > now_us).then(|| (self.is_all.load(Ordering::Relaxed), until_us - now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_only_grows() {
        let pause = Pause::default();
        assert!(!pause.is_on(0) && pause.holds(5, true).is_none());
        pause.begin(10, 100, false);
        assert_eq!((pause.holds(50, true), pause.holds(50, false)), (Some(100), None));
        pause.begin(50, 80, true);
        assert_eq!(
            (pause.holds(99, true), pause.holds(99, false), pause.left(60)),
            (Some(100), Some(100), Some((true, 40)))
        );
        assert_eq!(pause.holds(100, true), None);
        // What was over does not count.
        pause.begin(200, 300, false);
        assert_eq!(pause.holds(250, false), None);
        pause.end();
        assert!(!pause.is_on(250));
    }
}

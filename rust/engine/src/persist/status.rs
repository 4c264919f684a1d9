//! What is known of snapshots and of loading, for INFO, LASTSAVE and who waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::snapshot::SaveError;

/// What takes the one cut that there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// SAVE, or the snapshot of an embedding program: its caller waits.
    Save,
    /// BGSAVE, a save point, FLUSHALL.
    BackgroundSave,
    /// A new base file of the log.
    Rewrite,
}

/// What is known of snapshots.
#[derive(Clone, Debug)]
pub struct Status {
    /// When the last one succeeded, in Unix milliseconds; the start, if none did.
    pub saved_ms: i64,
    /// How many changes there had been at its cut.
    pub saved_changes: u64,
    /// Whether the last one in the background succeeded.
    pub is_ok: bool,
    /// When the last one in the background ended, in Unix milliseconds.
    pub ended_ms: Option<i64>,
    /// How many seconds the last one in the background took.
    pub took_s: Option<i64>,
    /// How many succeeded.
    pub saves: u64,
    /// Bytes of memory that the last one needed beside the data.
    pub captured_bytes: usize,
    /// What is under way now.
    pub work: Option<Work>,
    /// When it began, in Unix milliseconds.
    pub began_ms: i64,
    /// How many snapshots and rewrites began in the background: where Redis forks.
    pub forks: u64,
    /// Whether a snapshot in the background shall begin as soon as one can.
    pub is_scheduled: bool,
    /// When loading began, in Unix milliseconds.
    pub loading_ms: Option<i64>,
    /// Keys that the last start loaded.
    pub loaded_keys: u64,
    /// Keys that it left out because their time was over.
    pub expired_keys: u64,
}

impl Status {
    pub(super) const fn new(now_ms: i64) -> Self {
        Self {
            saved_ms: now_ms,
            saved_changes: 0,
            is_ok: true,
            ended_ms: None,
            took_s: None,
            saves: 0,
            captured_bytes: 0,
            work: None,
            began_ms: 0,
            forks: 0,
            is_scheduled: false,
            loading_ms: None,
            loaded_keys: 0,
            expired_keys: 0,
        }
    }
}

/// How far something is that takes long. Written by who does it, read by anybody.
#[derive(Debug, Default)]
pub struct Progress {
    /// Keys, or bytes of a file, in all.
    total: AtomicU64,
    /// How many of them are done.
    done: AtomicU64,
    /// Bytes of memory needed beside the data, now and at most.
    captured: AtomicU64,
    captured_peak: AtomicU64,
    is_cancelled: AtomicBool,
    is_killed: AtomicBool,
}

const ORDER: Ordering = Ordering::Relaxed;

impl Progress {
    /// Begins anew.
    pub fn begin(&self, total: u64) {
        self.total.store(total, ORDER);
        for figure in [&self.done, &self.captured, &self.captured_peak] {
            figure.store(0, ORDER);
        }
    }

    /// Sets how much is done.
    pub fn set_done(&self, done: u64) {
        self.done.store(done, ORDER);
    }

    /// Sets the bytes of memory that are needed beside the data now.
    pub fn set_captured(&self, bytes: usize) {
        self.captured.store(bytes as u64, ORDER);
        self.captured_peak.fetch_max(bytes as u64, ORDER);
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.total.load(ORDER)
    }

    /// How many are done.
    pub fn done(&self) -> u64 {
        self.done.load(ORDER)
    }

    /// Bytes of memory needed beside the data now.
    pub fn captured_bytes(&self) -> u64 {
        self.captured.load(ORDER)
    }

    /// The most that they were.
    pub fn captured_peak_bytes(&self) -> u64 {
        self.captured_peak.load(ORDER)
    }

    /// How much is done, in percent.
    pub fn percent(&self) -> f64 {
        match self.total() {
            0 => 0.0,
            total => self.done() as f64 * 100.0 / total as f64,
        }
    }

    /// Asks who does it to give up.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
    }

    /// Lets who does it fail as if its process had been killed, for tests.
    pub fn kill(&self) {
        self.is_killed.store(true, Ordering::Release);
        self.cancel();
    }

    /// Why it ends before its end.
    pub(super) fn end(&self) -> SaveError {
        if self.is_killed.load(Ordering::Acquire) { SaveError::Killed } else { SaveError::Cancelled }
    }

    /// Whether somebody asked to give up.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    pub(super) fn forget_cancel(&self) {
        self.is_killed.store(false, Ordering::Release);
        self.is_cancelled.store(false, Ordering::Release);
    }
}

/// A wait after each key, for tests that need something to take long: microseconds per key or, if negative, keys per
/// microsecond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay(pub i64);

impl Delay {
    /// Waits after the key of this number, unless somebody asks to give up.
    #[inline]
    pub fn after(self, keys: u64, progress: &Progress) {
        if self.0 != 0 {
            self.wait(keys, progress);
        }
    }

    #[cold]
    fn wait(self, keys: u64, progress: &Progress) {
        if self.0 < 0 {
            if keys.is_multiple_of(self.0.unsigned_abs()) {
                std::thread::sleep(Duration::from_micros(1));
            }
            return;
        }
        let end = Instant::now() + Duration::from_micros(self.0.unsigned_abs());
        while let Some(left) = end.checked_duration_since(Instant::now())
            && !progress.is_cancelled()
        {
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
    }
}

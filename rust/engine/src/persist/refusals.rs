//! Why commands are refused or delayed for the sake of what lies on the disk: one word that admission looks at.

use std::sync::atomic::{AtomicU32, Ordering};

/// A reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The data is being loaded: most commands must wait.
    Loading = 1,
    /// The last snapshot failed, and `stop-writes-on-bgsave-error` asks for no writes then.
    SnapshotFailed = 2,
    /// The log cannot be written.
    LogFailed = 4,
    /// A snapshot holds as much memory as it may: writers are slower until it has told more.
    MemoryOfSnapshot = 8,
    /// The store was opened to be read only.
    ReadOnly = 16,
}

/// All reasons at once.
#[derive(Debug, Default)]
pub struct Refusals(AtomicU32);

impl Refusals {
    /// Whether there is any: one relaxed load.
    #[inline]
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether there is this one.
    #[inline]
    pub fn has(&self, refusal: Refusal) -> bool {
        self.0.load(Ordering::Acquire) & refusal as u32 != 0
    }

    /// Begins or ends to refuse for a reason.
    pub fn set(&self, refusal: Refusal, is_set: bool) {
        if is_set {
            self.0.fetch_or(refusal as u32, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!(refusal as u32), Ordering::AcqRel);
        }
    }
}

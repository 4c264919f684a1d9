//! Bugs that tests switch on, to see that the tests of consistency find them. With the feature `seeded-bugs`, which only builds
//! of tests have, one of them can be on in the whole process; without it [`is_on`] is a constant, and nothing of them is built.

/// A bug: what is done wrong while it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// EXEC lets others in between two of its commands.
    ExecNotAtomic = 1,
    /// A lock is dropped between the two halves of LMOVE.
    DroppedLock,
    /// Shards are unlocked before the effect reaches the journal: its order is another one than that of the changes.
    EarlyUnlock,
    /// Somebody who waited is woken before the reply is there.
    WakeBeforeWrite,
    /// Replies leave before the log is written.
    ReplyBeforeLog,
    /// What was written is called durable without asking the disk.
    SkippedFsync,
    /// A change is not told to those who watch its key.
    WatchNotTold,
    /// A watched key whose time is over counts as unchanged.
    WatchedExpiryMissed,
    /// Who was served stays in the queue, and is served again.
    ServedTwice,
    /// The last who came is served first.
    ServedOutOfOrder,
    /// Who waits for a key is not told that it changed.
    LostWake,
    /// Who waits for keys in other shards as well is forgotten.
    StrayForgotten,
    /// A wait whose time is over ends with nothing, although it was just answered.
    TimeoutEatsElement,
    /// A value whose time is over is shown.
    ExpiredShown,
    /// A checksum that does not fit is accepted.
    WrongChecksumAccepted,
    /// The tail of a log behind its last checksum is accepted.
    TornTailAccepted,
    /// What was evicted is not written down.
    EvictionNotLogged,
    /// The commands of a transaction are written down without MULTI and EXEC around them.
    HalfTransactionLogged,
    /// With `appendfsync always`, a read that saw what is not durable yet does not wait for it.
    ReadBeforeSync,
    /// WAITAOF confirms what was written and not synced.
    ConfirmedBeforeSync,
    /// A key that was changed while MIGRATE sent it is deleted all the same.
    MigratedBlindly,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::ExecNotAtomic,
        Self::DroppedLock,
        Self::EarlyUnlock,
        Self::WakeBeforeWrite,
        Self::ReplyBeforeLog,
        Self::SkippedFsync,
        Self::WatchNotTold,
        Self::WatchedExpiryMissed,
        Self::ServedTwice,
        Self::ServedOutOfOrder,
        Self::LostWake,
        Self::StrayForgotten,
        Self::TimeoutEatsElement,
        Self::ExpiredShown,
        Self::WrongChecksumAccepted,
        Self::TornTailAccepted,
        Self::EvictionNotLogged,
        Self::HalfTransactionLogged,
        Self::ReadBeforeSync,
        Self::ConfirmedBeforeSync,
        Self::MigratedBlindly,
    ];
}

#[cfg(feature = "seeded-bugs")]
static ON: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Whether a bug is on.
#[cfg(feature = "seeded-bugs")]
#[inline]
pub fn is_on(bug: Bug) -> bool {
    ON.load(std::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// Whether a bug is on: never in this build.
#[cfg(not(feature = "seeded-bugs"))]
#[inline]
pub const fn is_on(_: Bug) -> bool {
    false
}

/// Switches one bug on in the whole process, or all of them off.
#[cfg(feature = "seeded-bugs")]
pub fn switch(bug: Option<Bug>) {
    ON.store(bug.map_or(0, |bug| bug as u8), std::sync::atomic::Ordering::SeqCst);
}

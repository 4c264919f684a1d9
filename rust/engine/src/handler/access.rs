//! The access clock of a key: when it was last used, or how often.

/// How uses are counted: `lfu-log-factor` and `lfu-decay-time` in one word, so that a command reads one; 0: not at all, the
/// clock tells the time of the last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting(u64);

impl Counting {
    /// Uses are not counted.
    pub const NONE: Self = Self(0);

    /// Uses are counted. `factor`: how much harder every further count is. `decay_min`: minutes without use that cost one
    /// count; 0: none does.
    pub const fn new(factor: u32, decay_min: u32) -> Self {
        Self(1 << 63 | (factor as u64 & 0x7FFF_FFFF) << 32 | decay_min as u64)
    }

    /// From [`Counting::bits`].
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As one word.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether uses are counted.
    #[inline]
    pub const fn is_on(self) -> bool {
        self.0 != 0
    }

    const fn factor(self) -> u32 {
        (self.0 >> 32) as u32 & 0x7FFF_FFFF
    }

    const fn decay_min(self) -> u32 {
        self.0 as u32
    }
}

/// Writes access clocks: 24 bits of seconds, or 16 bits of minutes above 8 bits of a logarithmic count.
#[derive(Clone, Copy, Debug)]
pub struct AccessClock {
    now_ms: i64,
    counting: Counting,
}

/// A new key starts with this count, so that it is not the first to be evicted.
const FREQUENCY_START: u32 = 5;

impl AccessClock {
    /// At this time, in Unix milliseconds.
    #[inline]
    pub const fn new(now_ms: i64, counting: Counting) -> Self {
        Self { now_ms, counting }
    }

    const fn seconds(self) -> u32 {
        (self.now_ms / 1000) as u32 & 0xFF_FFFF
    }

    const fn minutes(self) -> u32 {
        (self.now_ms / 60_000) as u32 & 0xFFFF
    }

    /// Of a key that was just written.
    #[inline]
    pub const fn first(self) -> u32 {
        if self.counting.is_on() { self.minutes() << 8 | FREQUENCY_START } else { self.seconds() }
    }

    /// Of a key that was just read.
    #[inline]
    pub fn next(self, clock: u32) -> u32 {
        if self.counting.is_on() { self.minutes() << 8 | self.counted(clock) } else { self.seconds() }
    }

    /// The count after one more use: it rises with probability 1 / ((count - start) * factor + 1).
    fn counted(self, clock: u32) -> u32 {
        let count = self.frequency(clock);
        let odds = u64::from(count.saturating_sub(FREQUENCY_START)) * u64::from(self.counting.factor()) + 1;
        count + u32::from(count < 255 && chance().is_multiple_of(odds))
    }

    /// The count now: one less for every `lfu-decay-time` without use.
    pub const fn frequency(self, clock: u32) -> u32 {
        let decays = match self.idle_min(clock).checked_div(self.counting.decay_min()) {
            Some(decays) => decays,
            None => 0,
        };
        (clock & 0xFF).saturating_sub(decays)
    }

    /// Minutes since the last use, where uses are counted.
    pub const fn idle_min(self, clock: u32) -> u32 {
        self.minutes().wrapping_sub(clock >> 8) & 0xFFFF
    }

    /// Seconds since the last use.
    pub const fn idle_s(self, clock: u32) -> u32 {
        self.seconds().wrapping_sub(clock) & 0xFF_FFFF
    }

    /// Of a key about whose use somebody else tells; what the policy does not ask for is left aside.
    pub const fn told(self, idle_s: Option<u64>, frequency: Option<u8>) -> u32 {
        match (self.counting.is_on(), idle_s, frequency) {
            (true, _, Some(frequency)) => self.minutes() << 8 | frequency as u32,
            (false, Some(idle_s), _) => {
                // The clock goes round; who was idle for longer than it can tell was idle for as long as it can.
                let idle_s = if idle_s > 0xFF_FFFF { 0xFF_FFFF } else { idle_s as u32 };
                self.seconds().wrapping_sub(idle_s) & 0xFF_FFFF
            }
            _ => self.first(),
        }
    }
}

/// Random bits without a lock. Chance decides whether a use counts, so a pattern in it would favour some keys.
fn chance() -> u64 {
    use std::cell::Cell;
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0x9E37_79B9_7F4A_7C15) });
    // A multiplier and an output permutation of the usual kind; the upper bits are good.
    let state = STATE.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    STATE.set(state);
    (state ^ state >> 29) >> 24
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn a_count_grows_with_the_logarithm_of_uses() {
        // Redis's table for lfu-log-factor 10: about 10 after 100 uses, 18 after 1,000, 142 after 100,000.
        for (uses, low, high) in [(100, 9, 12), (1_000, 16, 20), (100_000, 132, 152)] {
            let clock = AccessClock::new(1_700_000_000_000, Counting::new(10, 1));
            let mean =
                (0..20).map(|_| (0..uses).fold(clock.first(), |old, _| clock.next(old)) & 0xFF).sum::<u32>() / 20;
            assert!((low..=high).contains(&mean), "{uses} uses: {mean}");
        }
    }

    #[test]
    fn a_count_falls_with_time_unless_told_not_to() {
        let used = AccessClock::new(0, Counting::new(10, 1)).told(None, Some(100));
        for (decay_min, minutes, left) in [(1, 10, 90), (1, 200, 0), (10, 10, 99), (0, 10_000, 100)] {
            let clock = AccessClock::new(minutes * MINUTE_MS, Counting::new(10, decay_min));
            assert_eq!(clock.frequency(used), left, "decay {decay_min}, {minutes} minutes");
        }
    }

    #[test]
    fn seconds_go_round() {
        let before = AccessClock::new(((1 << 24) - 1) * 1000, Counting::NONE);
        let behind = AccessClock::new(((1 << 24) + 4) * 1000, Counting::NONE);
        assert_eq!(behind.idle_s(before.first()), 5);
        assert_eq!(behind.idle_s(behind.told(Some(77), None)), 77);
    }
}

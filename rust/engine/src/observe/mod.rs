//! Looking in from outside: who hears of keyspace events, what INFO counts beyond plain totals, what the operating system
//! knows about this process.
//!
//! Lock rule: the mutexes in here are leaves; nothing else is locked while one is held.

mod commands;
mod error_codes;
mod key_sizes;
mod latency;
mod logs;
mod monitors;
mod process;
mod rates;
pub mod secret;

use std::sync::atomic::{AtomicU32, Ordering};

pub use commands::{CommandStat, CommandStats, Histogram, Tally};
pub use error_codes::{ERROR_CODES_MAX, ErrorCodes};
pub use key_sizes::{COUNTED_AT_ONCE_MAX, Count, KeySizes};
pub use latency::{LatencyMonitor, SAMPLES_MAX, Sample, Series};
pub use logs::{CommandLogs, Log, LogEntry, LogKind, shortened};
pub use monitors::Monitors;
pub use process::{CpuTimes, Process, ThisProcess};
pub use rates::{Rate, Rates, Totals};

use crate::config::{Config, KeyspaceEvents, options};

/// Hears of every keyspace event, in order for every key. Called under the key's shard lock, so it must be quick and take
/// no lock but inboxes.
pub trait Observer: Send + Sync {
    /// Something happened to a key.
    fn event(&self, db: usize, class: KeyspaceEvents, name: &'static str, key: &[u8]);
}

/// Reasons for which each command must run by itself and be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Somebody monitors.
    Monitor = 1,
    /// A log keeps what commands that run together would blur.
    Log = 2,
    /// CLIENT PAUSE.
    Pause = 4,
}

/// A log of what takes less than this cannot take commands that run together: their time is known only together.
const BLURRED_US: u64 = 1_000;
/// Commands that run together are not longer than this, so a log of shorter ones must see each alone.
const TOGETHER_BYTES: u64 = 16 * 1024;

/// What is remembered of commands that ran.
#[derive(Debug)]
pub struct Observed {
    /// How often and how long.
    pub commands: CommandStats,
    /// Which took long or were large.
    pub logs: CommandLogs,
    /// What took very long.
    pub latency: LatencyMonitor,
    /// How large keys are.
    pub key_sizes: KeySizes,
    attention: AtomicU32,
}

impl Observed {
    /// Nothing yet, of so many commands.
    pub fn new(commands: usize) -> Self {
        Self {
            commands: CommandStats::new(commands),
            logs: CommandLogs::default(),
            latency: LatencyMonitor::default(),
            key_sizes: KeySizes::default(),
            attention: AtomicU32::new(0),
        }
    }

    /// Takes over a configuration.
    pub fn follow(&self, config: &Config) {
        let len = |handle| usize::try_from(config.get(handle)).unwrap_or(0);
        let slow_us = config.get(options::SLOWLOG_LOG_SLOWER_THAN);
        let request_bytes = config.get(options::COMMANDLOG_REQUEST_LARGER_THAN);
        let reply_bytes = config.get(options::COMMANDLOG_REPLY_LARGER_THAN);
        self.logs.of(LogKind::Slow).configure(slow_us, len(options::SLOWLOG_MAX_LEN));
        self.logs.of(LogKind::LargeRequest).configure(request_bytes, len(options::COMMANDLOG_LARGE_REQUEST_MAX_LEN));
        self.logs.of(LogKind::LargeReply).configure(reply_bytes, len(options::COMMANDLOG_LARGE_REPLY_MAX_LEN));
        self.latency.set_threshold_ms(u64::try_from(config.get(options::LATENCY_MONITOR_THRESHOLD)).unwrap_or(0));
        self.commands.set_tracks_latency(config.get(options::LATENCY_TRACKING));
        let is_blurred = (slow_us as u64) < BLURRED_US || (request_bytes as u64) < TOGETHER_BYTES;
        self.pay(Attention::Log, is_blurred);
    }

    /// Whether each command must run by itself.
    #[inline]
    pub fn needs_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed) != 0
    }

    /// Whether this is a reason for which each command must run by itself.
    #[inline]
    pub fn attends(&self, attention: Attention) -> bool {
        self.attention.load(Ordering::Relaxed) & attention as u32 != 0
    }

    /// Sets or takes back a reason.
    pub fn pay(&self, attention: Attention, is_on: bool) {
        if is_on {
            self.attention.fetch_or(attention as u32, Ordering::Relaxed);
        } else {
            self.attention.fetch_and(!(attention as u32), Ordering::Relaxed);
        }
    }
}

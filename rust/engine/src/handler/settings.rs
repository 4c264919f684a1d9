//! Hot values of the configuration.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};

use super::access::{AccessClock, Counting};
use crate::config::{Config, KeyspaceEvents, options};

/// Values of the configuration that commands read every time, kept as atomics.
#[derive(Debug, Default)]
pub struct Settings {
    databases: AtomicUsize,
    bulk_bytes_max: AtomicUsize,
    query_bytes_max: AtomicUsize,
    output_bytes_least: AtomicUsize,
    maxmemory: AtomicU64,
    events: AtomicU16,
    counting: AtomicU64,
    active_expire: AtomicBool,
    ignores_checksums: AtomicBool,
    debug: AtomicU8,
    migrate: AtomicU8,
}

/// `no`, `local` and `yes` as a number.
fn who_may(value: &str) -> u8 {
    match value {
        "yes" => 2,
        "local" => 1,
        _ => 0,
    }
}

const fn may(who: u8, is_local: bool) -> bool {
    who == 2 || who == 1 && is_local
}

impl Settings {
    /// Takes over a configuration.
    pub fn follow(&self, config: &Config) {
        let order = Ordering::Relaxed;
        self.databases.store(config.get(options::DATABASES) as usize, order);
        self.bulk_bytes_max.store(config.get(options::PROTO_MAX_BULK_LEN) as usize, order);
        self.query_bytes_max.store(config.get(options::CLIENT_QUERY_BUFFER_LIMIT) as usize, order);
        self.maxmemory.store(config.get(options::MAXMEMORY), order);
        self.events.store(config.get(options::NOTIFY_KEYSPACE_EVENTS).bits(), order);
        let limits = config.get(options::CLIENT_OUTPUT_BUFFER_LIMIT);
        let bytes = [limits.normal, limits.pubsub].map(|limit| [limit.hard_bytes, limit.soft_bytes]);
        let least = bytes.iter().flatten().filter(|bytes| **bytes > 0).min();
        self.output_bytes_least.store(least.map_or(usize::MAX, |bytes| *bytes as usize), order);
        let counting = if config.get(options::MAXMEMORY_POLICY).contains("lfu") {
            Counting::new(config.get(options::LFU_LOG_FACTOR) as u32, config.get(options::LFU_DECAY_TIME) as u32)
        } else {
            Counting::NONE
        };
        self.counting.store(counting.bits(), order);
        self.debug.store(who_may(config.get(options::ENABLE_DEBUG_COMMAND)), order);
        self.migrate.store(who_may(config.get(options::ENABLE_MIGRATE_COMMAND)), order);
    }

    /// How many databases there are.
    #[inline]
    pub fn databases(&self) -> usize {
        self.databases.load(Ordering::Relaxed)
    }

    /// Bytes of the longest argument and of the longest string.
    #[inline]
    pub fn bulk_bytes_max(&self) -> usize {
        self.bulk_bytes_max.load(Ordering::Relaxed)
    }

    /// Bytes that a client may send ahead of execution.
    #[inline]
    pub fn query_bytes_max(&self) -> usize {
        self.query_bytes_max.load(Ordering::Relaxed)
    }

    /// Bytes of data; 0 is no limit.
    pub fn maxmemory(&self) -> u64 {
        self.maxmemory.load(Ordering::Relaxed)
    }

    /// Which keyspace events are published.
    #[inline]
    pub fn events(&self) -> KeyspaceEvents {
        KeyspaceEvents::from_bits(self.events.load(Ordering::Relaxed))
    }

    /// Whether any keyspace event is published.
    #[inline]
    pub fn notifies(&self) -> bool {
        self.events.load(Ordering::Relaxed) != 0
    }

    /// More bytes than this waiting for a client may be too many; the limits of its class say so.
    #[inline]
    pub fn output_bytes_least(&self) -> usize {
        self.output_bytes_least.load(Ordering::Relaxed)
    }

    /// Whether the access clock counts uses instead of telling the last one.
    #[inline]
    pub fn counts_frequency(&self) -> bool {
        Counting::from_bits(self.counting.load(Ordering::Relaxed)).is_on()
    }

    /// Whether keys are deleted when their time is over, and not only when a writer meets them.
    pub fn active_expire(&self) -> bool {
        self.active_expire.load(Ordering::Relaxed)
    }

    /// DEBUG SET-ACTIVE-EXPIRE.
    pub fn set_active_expire(&self, active: bool) {
        self.active_expire.store(active, Ordering::Relaxed);
    }

    /// Whether RESTORE takes payloads whose checksum is wrong, for tests of what is damaged.
    pub fn ignores_checksums(&self) -> bool {
        self.ignores_checksums.load(Ordering::Relaxed)
    }

    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    pub fn set_ignores_checksums(&self, ignores: bool) {
        self.ignores_checksums.store(ignores, Ordering::Relaxed);
    }

    /// Whether a client may call DEBUG; `is_local` says that it comes from this machine.
    pub fn allows_debug(&self, is_local: bool) -> bool {
        may(self.debug.load(Ordering::Relaxed), is_local)
    }

    /// Whether a client may let this server connect to others; `is_local` says that it comes from this machine.
    pub fn allows_migrate(&self, is_local: bool) -> bool {
        may(self.migrate.load(Ordering::Relaxed), is_local)
    }

    /// What the access clock of an entry becomes at this time.
    #[inline]
    pub fn access_clock(&self, now_ms: i64) -> AccessClock {
        AccessClock::new(now_ms, Counting::from_bits(self.counting.load(Ordering::Relaxed)))
    }
}

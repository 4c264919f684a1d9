//! Memory, eviction, expiry, freeing in the background.

use super::{BOOL, COUNT, INT_MAX, SIZE_MAX};
use crate::config::option::{ConfigOption, Kind, TEXT, integer, known, memory, supported};

const POLICY: Kind = Kind::Enum(&[
    ("volatile-lru", 0),
    ("volatile-lfu", 1),
    ("volatile-random", 2),
    ("volatile-ttl", 3),
    ("allkeys-lru", 4),
    ("allkeys-lfu", 5),
    ("allkeys-random", 6),
    ("noeviction", 7),
]);

pub(super) const ROWS: &[ConfigOption] = &[
    supported("maxmemory", memory(0, u64::MAX), "0"),
    supported("maxmemory-policy", POLICY, "noeviction"),
    // Valkey stops at 64; a redis.conf that asks for more shall start.
    supported("maxmemory-samples", integer(1, INT_MAX), "5"),
    known("maxmemory-eviction-tenacity", integer(0, 100), "10"),
    supported("maxmemory-clients", Kind::MemoryOrPercent, "0"),
    supported("lfu-log-factor", COUNT, "10"),
    supported("lfu-decay-time", COUNT, "1"),
    known("active-expire-effort", integer(1, 10), "1"),
    supported("lazyfree-lazy-eviction", BOOL, "yes").debug(),
    known("lazyfree-lazy-expire", BOOL, "yes").debug(),
    known("lazyfree-lazy-server-del", BOOL, "yes").debug(),
    known("lazyfree-lazy-user-del", BOOL, "yes").debug(),
    known("lazyfree-lazy-user-flush", BOOL, "yes").debug(),
    known("activerehashing", BOOL, "yes"),
    known("hash-seed", TEXT, "").immutable(),
    known("jemalloc-bg-thread", BOOL, "yes"),
    known("activedefrag", BOOL, "no").debug(),
    known("active-defrag-ignore-bytes", memory(1, SIZE_MAX), "104857600"),
    known("active-defrag-threshold-lower", integer(0, 1000), "10"),
    known("active-defrag-threshold-upper", integer(0, 1000), "100"),
    known("active-defrag-cycle-min", integer(1, 99), "1"),
    known("active-defrag-cycle-max", integer(1, 99), "25"),
    known("active-defrag-cycle-us", integer(0, 100_000), "500"),
    known("active-defrag-max-scan-fields", integer(1, i64::MAX), "1000"),
];

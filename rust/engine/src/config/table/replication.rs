//! Primaries and replicas.

use super::{BOOL, COUNT, INT_MAX, LONG_COUNT, PORT};
use crate::config::option::{ConfigOption, Kind, TEXT, integer, known};

const DISKLESS_LOAD: Kind = Kind::Enum(&[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2), ("flush-before-load", 3)]);

const PROPAGATION_ERROR: Kind = Kind::Enum(&[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)]);

pub(super) const ROWS: &[ConfigOption] = &[
    known("replicaof", Kind::Primary, "").alias("slaveof").immutable(),
    known("primaryauth", TEXT, "").alias("masterauth").sensitive(),
    known("primaryuser", TEXT, "").alias("masteruser").sensitive(),
    known("replica-serve-stale-data", BOOL, "yes").alias("slave-serve-stale-data"),
    known("replica-read-only", BOOL, "yes").alias("slave-read-only").debug(),
    known("replica-priority", COUNT, "100").alias("slave-priority"),
    known("replica-announced", BOOL, "yes"),
    known("replica-announce-ip", TEXT, "").alias("slave-announce-ip"),
    known("replica-announce-port", PORT, "0").alias("slave-announce-port"),
    known("replica-ignore-maxmemory", BOOL, "yes").alias("slave-ignore-maxmemory"),
    known("replica-lazy-flush", BOOL, "yes").alias("slave-lazy-flush"),
    known("replica-ignore-disk-write-errors", BOOL, "no"),
    known("min-replicas-to-write", COUNT, "0").alias("min-slaves-to-write"),
    known("min-replicas-max-lag", COUNT, "10").alias("min-slaves-max-lag"),
    known("repl-ping-replica-period", integer(1, INT_MAX), "10").alias("repl-ping-slave-period"),
    known("repl-timeout", integer(1, INT_MAX), "60"),
    known("repl-backlog-size", Kind::MemoryAtLeast { low: 16 << 10 }, "10485760"),
    known("repl-backlog-ttl", LONG_COUNT, "3600"),
    known("repl-diskless-sync", BOOL, "yes").debug(),
    known("repl-diskless-sync-delay", COUNT, "5"),
    known("repl-diskless-sync-max-replicas", COUNT, "0"),
    known("repl-diskless-load", DISKLESS_LOAD, "disabled").debug().deny_loading(),
    known("repl-disable-tcp-nodelay", BOOL, "no"),
    known("repl-mptcp", BOOL, "no").immutable(),
    known("dual-channel-replication-enabled", BOOL, "no").debug(),
    known("propagation-error-behavior", PROPAGATION_ERROR, "ignore"),
];

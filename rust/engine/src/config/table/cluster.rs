//! The cluster.

use super::{BOOL, COUNT, INT_MAX, LONG_COUNT, PORT};
use crate::config::option::{ConfigOption, Kind, TEXT, integer, known, memory};
use crate::config::text;

const ENDPOINT: Kind = Kind::Enum(&[("ip", 0), ("hostname", 1), ("unknown-endpoint", 2)]);
const SAVE_BEHAVIOR: Kind = Kind::Enum(&[("sync", 0), ("best-effort", 1)]);

pub(super) const ROWS: &[ConfigOption] = &[
    known("cluster-enabled", BOOL, "no").immutable(),
    known("cluster-config-file", TEXT, "nodes.conf").immutable(),
    known("cluster-config-save-behavior", SAVE_BEHAVIOR, "sync"),
    known("cluster-databases", integer(1, INT_MAX), "1").immutable(),
    known("cluster-port", PORT, "0").immutable(),
    known("cluster-node-timeout", LONG_COUNT, "15000"),
    known("cluster-ping-interval", LONG_COUNT, "0").hidden(),
    known("cluster-message-gossip-perc", integer(0, 100), "10").hidden(),
    known("cluster-blacklist-ttl", LONG_COUNT, "60"),
    known("cluster-manual-failover-timeout", integer(1, INT_MAX), "5000"),
    known("cluster-migration-barrier", COUNT, "1"),
    known("cluster-allow-replica-migration", BOOL, "yes"),
    known("cluster-require-full-coverage", BOOL, "yes"),
    known("cluster-allow-reads-when-down", BOOL, "no"),
    known("cluster-allow-pubsubshard-when-down", BOOL, "yes"),
    known("cluster-replica-no-failover", BOOL, "no").alias("cluster-slave-no-failover"),
    known("cluster-replica-validity-factor", COUNT, "10").alias("cluster-slave-validity-factor"),
    known("cluster-link-sendbuf-limit", memory(0, u64::MAX), "0"),
    known("cluster-preferred-endpoint-type", ENDPOINT, "ip"),
    known("cluster-announce-ip", Kind::Text(text::announced_ip), ""),
    known("cluster-announce-client-ipv4", Kind::Text(text::ipv4), ""),
    known("cluster-announce-client-ipv6", Kind::Text(text::ipv6), ""),
    known("cluster-announce-hostname", Kind::Text(text::hostname), ""),
    known("cluster-announce-human-nodename", Kind::Text(text::nodename), ""),
    known("cluster-announce-port", PORT, "0"),
    known("cluster-announce-tls-port", PORT, "0"),
    known("cluster-announce-bus-port", PORT, "0"),
    known("cluster-announce-client-port", PORT, "0"),
    known("cluster-announce-client-tls-port", PORT, "0"),
    known("cluster-slot-stats-enabled", BOOL, "no"),
    known("cluster-slot-migration-log-max-len", LONG_COUNT, "1000"),
    known("slot-migration-max-failover-repl-bytes", Kind::MemoryOrMinusOne, "0"),
];

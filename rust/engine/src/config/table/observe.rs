//! Logs, slow commands, latency, keyspace events.

use super::{BOOL, LONG_COUNT};
use crate::config::option::{ConfigOption, Kind, TEXT, integer, known, supported};

const LOGLEVEL: Kind = Kind::Enum(&[("debug", 0), ("verbose", 1), ("notice", 2), ("warning", 3), ("nothing", 4)]);

const FACILITY: Kind = Kind::Enum(&[
    ("user", 8),
    ("local0", 0),
    ("local1", 1),
    ("local2", 2),
    ("local3", 3),
    ("local4", 4),
    ("local5", 5),
    ("local6", 6),
    ("local7", 7),
]);

const LOG_FORMAT: Kind = Kind::Enum(&[("legacy", 0), ("logfmt", 1), ("json", 2)]);
const LOG_TIME: Kind = Kind::Enum(&[("legacy", 0), ("iso8601", 1), ("milliseconds", 2)]);
/// A threshold; -1 switches the log off.
const THRESHOLD: Kind = integer(-1, i64::MAX);

pub(super) const ROWS: &[ConfigOption] = &[
    supported("loglevel", LOGLEVEL, "notice"),
    supported("logfile", TEXT, "").immutable(),
    known("log-format", LOG_FORMAT, "legacy"),
    known("log-timestamp-format", LOG_TIME, "legacy"),
    known("syslog-enabled", BOOL, "no").immutable(),
    known("syslog-ident", TEXT, "rkv").immutable(),
    known("syslog-facility", FACILITY, "local0").immutable(),
    known("hide-user-data-from-log", BOOL, "yes"),
    supported("notify-keyspace-events", Kind::KeyspaceEvents, ""),
    supported("commandlog-execution-slower-than", THRESHOLD, "10000").alias("slowlog-log-slower-than"),
    supported("commandlog-slow-execution-max-len", LONG_COUNT, "128").alias("slowlog-max-len"),
    supported("commandlog-request-larger-than", THRESHOLD, "1048576"),
    supported("commandlog-large-request-max-len", LONG_COUNT, "128"),
    supported("commandlog-reply-larger-than", THRESHOLD, "1048576"),
    supported("commandlog-large-reply-max-len", LONG_COUNT, "128"),
    supported("latency-monitor-threshold", LONG_COUNT, "0"),
    supported("latency-tracking", BOOL, "yes"),
    supported("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9"),
];

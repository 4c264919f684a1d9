//! The process: threads, files of its own, signals, the kernel's view of it.

use super::{BOOL, COUNT, INT_MAX, NOSAVE, SAVE};
use crate::config::option::{Choice, ConfigOption, Kind, TEXT, integer, known, supported};
use crate::config::text;

const SUPERVISED: Kind = Kind::Enum(&[("upstart", 1), ("systemd", 2), ("auto", 3), ("no", 0)]);

const ON_SIGNAL: &[Choice] =
    &[("default", 0), ("save", SAVE), ("nosave", NOSAVE), ("now", 4), ("force", 8), ("safe", 16), ("failover", 32)];

pub(super) const ROWS: &[ConfigOption] = &[
    // 0 serves every stream from the trio side.
    supported("io-threads", integer(0, 256), "1").immutable().debug(),
    supported("databases", integer(1, INT_MAX), "16").immutable(),
    supported("supervised", SUPERVISED, "no").immutable(),
    supported("pidfile", TEXT, "").immutable(),
    supported("dir", TEXT, ".").protected().deny_loading(),
    supported("hz", Kind::Capped { low: 1, high: 500 }, "10"),
    known("dynamic-hz", BOOL, "yes"),
    known("daemonize", BOOL, "no").immutable(),
    known("io-threads-do-reads", BOOL, "no").immutable().debug(),
    known("io-threads-always-active", BOOL, "no").debug().hidden(),
    known("events-per-io-thread", COUNT, "2").hidden(),
    known("prefetch-batch-max-size", integer(0, 128), "16"),
    known("set-proc-title", BOOL, "yes").immutable(),
    known("proc-title-template", Kind::Text(text::title_template), "{title} {listen-addr} {server-mode}"),
    known("always-show-logo", BOOL, "no").immutable(),
    known("shutdown-timeout", COUNT, "10"),
    known("shutdown-on-sigint", Kind::Flags(ON_SIGNAL), "default"),
    known("shutdown-on-sigterm", Kind::Flags(ON_SIGNAL), "default"),
    known("crash-log-enabled", BOOL, "yes"),
    known("crash-memcheck-enabled", BOOL, "yes"),
    known("use-exit-on-panic", BOOL, "no").hidden(),
    known("watchdog-period", COUNT, "0").hidden(),
    known("disable-thp", BOOL, "yes").immutable(),
    known("ignore-warnings", TEXT, ""),
    known("oom-score-adj", Kind::Enum(&[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)]), "no"),
    known("oom-score-adj-values", Kind::OomScores, "0 200 800"),
    known("server-cpulist", TEXT, "").alias("server_cpulist").immutable(),
    known("bio-cpulist", TEXT, "").alias("bio_cpulist").immutable(),
    known("aof-rewrite-cpulist", TEXT, "").alias("aof_rewrite_cpulist").immutable(),
    known("bgsave-cpulist", TEXT, "").alias("bgsave_cpulist").immutable(),
    known("locale-collate", TEXT, ""),
    supported("availability-zone", TEXT, ""),
    known("extended-redis-compatibility", BOOL, "no"),
    known("debug-context", TEXT, "").debug().hidden(),
    known("enable-debug-assert", BOOL, "no").immutable().hidden(),
    known("busy-reply-threshold", super::LONG_COUNT, "5000").alias("lua-time-limit"),
    known("lua-enable-deprecated-api", BOOL, "no").immutable().hidden(),
    known("lua-enable-insecure-api", BOOL, "no").hidden(),
    known("import-mode", BOOL, "no"),
];

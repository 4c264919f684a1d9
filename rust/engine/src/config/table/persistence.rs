//! Snapshots and the append-only file.

use super::{BOOL, COUNT, INT_MAX, SIZE_MAX};
use crate::config::option::{ConfigOption, Kind, integer, known, memory, supported};
use crate::config::text;

const FSYNC: Kind = Kind::Enum(&[("everysec", 1), ("always", 2), ("no", 0)]);
const SANITIZE: Kind = Kind::Enum(&[("no", 0), ("yes", 1), ("clients", 2)]);
const VERSION_CHECK: Kind = Kind::Enum(&[("strict", 0), ("relaxed", 1)]);
/// Microseconds; negative numbers sleep once per that many keys.
const DELAY: Kind = integer(-INT_MAX - 1, INT_MAX);

pub(super) const ROWS: &[ConfigOption] = &[
    supported("save", Kind::SavePoints, "3600 1 300 100 60 10000"),
    supported("dbfilename", Kind::Text(text::dbfilename), "dump.rdb").protected(),
    supported("rdbcompression", BOOL, "yes"),
    supported("rdbchecksum", BOOL, "yes").immutable(),
    known("rdb-del-sync-files", BOOL, "no"),
    supported("rdb-save-incremental-fsync", BOOL, "yes"),
    known("rdb-version-check", VERSION_CHECK, "strict"),
    supported("rdb-key-save-delay", DELAY, "0").hidden(),
    supported("key-load-delay", DELAY, "0").hidden(),
    known("loading-process-events-interval-bytes", integer(1024, INT_MAX), "2097152").hidden(),
    known("sanitize-dump-payload", SANITIZE, "no").debug(),
    supported("stop-writes-on-bgsave-error", BOOL, "yes"),
    supported("appendonly", BOOL, "no").deny_loading(),
    supported("appendfilename", Kind::Text(text::appendfilename), "appendonly.aof").immutable(),
    supported("appenddirname", Kind::Text(text::appenddirname), "appendonlydir").immutable(),
    supported("appendfsync", FSYNC, "everysec"),
    supported("no-appendfsync-on-rewrite", BOOL, "no"),
    supported("auto-aof-rewrite-percentage", COUNT, "100"),
    supported("auto-aof-rewrite-min-size", memory(0, SIZE_MAX), "67108864"),
    supported("aof-load-truncated", BOOL, "yes"),
    supported("aof-use-rdb-preamble", BOOL, "yes"),
    supported("aof-timestamp-enabled", BOOL, "no"),
    supported("aof-rewrite-incremental-fsync", BOOL, "yes"),
    supported("aof-disable-auto-gc", BOOL, "no").hidden(),
];

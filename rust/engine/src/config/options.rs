//! Handles of the options that code reads: `config.get(options::PORT)`. Further options get one when something reads them.

use super::option::Handle;
use super::value::{KeyspaceEvents, OutputLimits, SavePoint, Share};

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $option:literal;)*) => {
        $($(#[$doc])*
        pub const $name: Handle<$type> = Handle::named($option);)*
    };
}

handles! {
    /// Addresses to listen on; a leading `-` allows the address to be missing, `*` is every IPv4 address, `::*` every IPv6 one.
    BIND: [Box<[u8]>] = "bind";
    /// TCP port; 0 opens none.
    PORT: i64 = "port";
    /// TCP port of TLS connections; 0 opens none.
    TLS_PORT: i64 = "tls-port";
    /// Refuse other addresses while there is no password.
    PROTECTED_MODE: bool = "protected-mode";
    /// Path of the Unix socket; empty opens none.
    UNIXSOCKET: [u8] = "unixsocket";
    /// Permission bits of the Unix socket; 0 leaves them to the umask.
    UNIXSOCKETPERM: i64 = "unixsocketperm";
    /// Length of the queue of connections not yet accepted.
    TCP_BACKLOG: i64 = "tcp-backlog";
    /// Seconds after which an idle client is closed; 0 never.
    TIMEOUT: i64 = "timeout";
    /// Seconds between keep-alive probes; 0 sends none.
    TCP_KEEPALIVE: i64 = "tcp-keepalive";
    /// Clients at a time.
    MAXCLIENTS: i64 = "maxclients";
    /// Password of the default user; empty asks for none.
    REQUIREPASS: [u8] = "requirepass";
    /// Whether new users may use all channels.
    ACL_PUBSUB_DEFAULT: str = "acl-pubsub-default";
    /// Entries of ACL LOG.
    ACLLOG_MAX_LEN: i64 = "acllog-max-len";
    /// The file of users; empty: there is none.
    ACLFILE: [u8] = "aclfile";
    /// Where the server stands, for clients that prefer a near one; empty says nothing.
    AVAILABILITY_ZONE: [u8] = "availability-zone";
    /// Bytes of the longest argument.
    PROTO_MAX_BULK_LEN: u64 = "proto-max-bulk-len";
    /// Bytes that a client may send ahead of execution.
    CLIENT_QUERY_BUFFER_LIMIT: u64 = "client-query-buffer-limit";
    /// Bytes that a client may leave unread.
    CLIENT_OUTPUT_BUFFER_LIMIT: OutputLimits = "client-output-buffer-limit";
    /// Who may call DEBUG: `no`, `yes` or `local`.
    ENABLE_DEBUG_COMMAND: str = "enable-debug-command";
    /// Who may call MIGRATE, with which this server connects to others: `no`, `yes` or `local`.
    ENABLE_MIGRATE_COMMAND: str = "enable-migrate-command";
    /// Who may set protected options: `no`, `yes` or `local`.
    ENABLE_PROTECTED_CONFIGS: str = "enable-protected-configs";
    /// Reactor threads; 0 serves every stream from the trio side.
    IO_THREADS: i64 = "io-threads";
    /// How many databases SELECT knows.
    DATABASES: i64 = "databases";
    /// `upstart`, `systemd`, `auto` or `no`.
    SUPERVISED: str = "supervised";
    /// Path of the file that holds the process id; empty writes none.
    PIDFILE: [u8] = "pidfile";
    /// Working directory.
    DIR: [u8] = "dir";
    /// How often background work runs per second.
    HZ: i64 = "hz";
    /// `debug`, `verbose`, `notice`, `warning` or `nothing`.
    LOGLEVEL: str = "loglevel";
    /// Path of the log; empty is standard output.
    LOGFILE: [u8] = "logfile";
    /// Bytes of data; 0 is no limit.
    MAXMEMORY: u64 = "maxmemory";
    /// What to evict.
    MAXMEMORY_POLICY: str = "maxmemory-policy";
    /// How many keys eviction looks at for each that goes, at least.
    MAXMEMORY_SAMPLES: i64 = "maxmemory-samples";
    /// What all clients' buffers may take; a share is one of `maxmemory`.
    MAXMEMORY_CLIENTS: Share = "maxmemory-clients";
    /// How much harder every further count of a use is.
    LFU_LOG_FACTOR: i64 = "lfu-log-factor";
    /// Minutes without use that cost one count.
    LFU_DECAY_TIME: i64 = "lfu-decay-time";
    /// Whether evicted values of many bytes are dropped in the background.
    LAZYFREE_LAZY_EVICTION: bool = "lazyfree-lazy-eviction";
    /// Keys that are remembered for clients that cache; 0 is no limit.
    TRACKING_TABLE_MAX_KEYS: i64 = "tracking-table-max-keys";
    /// Which keyspace events are published.
    NOTIFY_KEYSPACE_EVENTS: KeyspaceEvents = "notify-keyspace-events";
    /// Seconds to wait for replicas at shutdown.
    SHUTDOWN_TIMEOUT: i64 = "shutdown-timeout";
    /// When to write a snapshot.
    SAVE: [SavePoint] = "save";
    /// Name of the snapshot in `dir`.
    DBFILENAME: [u8] = "dbfilename";
    /// Whether a snapshot's long strings are compressed.
    RDBCOMPRESSION: bool = "rdbcompression";
    /// Whether a snapshot has a checksum, and whether it is compared.
    RDBCHECKSUM: bool = "rdbchecksum";
    /// Whether the disk is asked for a long snapshot while it is written.
    RDB_SAVE_INCREMENTAL_FSYNC: bool = "rdb-save-incremental-fsync";
    /// The same of the base of a log.
    AOF_REWRITE_INCREMENTAL_FSYNC: bool = "aof-rewrite-incremental-fsync";
    /// Microseconds that a snapshot waits after each key; negative: one microsecond after so many keys.
    RDB_KEY_SAVE_DELAY: i64 = "rdb-key-save-delay";
    /// The same while a snapshot is loaded.
    KEY_LOAD_DELAY: i64 = "key-load-delay";
    /// Whether files of the log stay that a rewrite has replaced, until this is `no`.
    AOF_DISABLE_AUTO_GC: bool = "aof-disable-auto-gc";
    /// Whether writes are refused after a snapshot failed.
    STOP_WRITES_ON_BGSAVE_ERROR: bool = "stop-writes-on-bgsave-error";
    /// Whether there is an append-only file.
    APPENDONLY: bool = "appendonly";
    /// `always`, `everysec` or `no`.
    APPENDFSYNC: str = "appendfsync";
    /// The name that all files of the log begin with.
    APPENDFILENAME: [u8] = "appendfilename";
    /// The directory of the log, in `dir`.
    APPENDDIRNAME: [u8] = "appenddirname";
    /// Whether the log is not synced while new files are made for it.
    NO_APPENDFSYNC_ON_REWRITE: bool = "no-appendfsync-on-rewrite";
    /// By how much the log grows before it is rewritten; 0 never.
    AUTO_AOF_REWRITE_PERCENTAGE: i64 = "auto-aof-rewrite-percentage";
    /// Bytes below which it is not.
    AUTO_AOF_REWRITE_MIN_SIZE: u64 = "auto-aof-rewrite-min-size";
    /// Whether a log whose tail is damaged is loaded up to there.
    AOF_LOAD_TRUNCATED: bool = "aof-load-truncated";
    /// Whether the base of the log is a snapshot instead of commands.
    AOF_USE_RDB_PREAMBLE: bool = "aof-use-rdb-preamble";
    /// Whether the log tells the time.
    AOF_TIMESTAMP_ENABLED: bool = "aof-timestamp-enabled";
    /// Microseconds above which a command enters the slow log; -1 none.
    SLOWLOG_LOG_SLOWER_THAN: i64 = "commandlog-execution-slower-than";
    /// Entries of the slow log.
    SLOWLOG_MAX_LEN: i64 = "commandlog-slow-execution-max-len";
    /// Bytes above which a request enters its log; -1 none.
    COMMANDLOG_REQUEST_LARGER_THAN: i64 = "commandlog-request-larger-than";
    /// Entries of the log of large requests.
    COMMANDLOG_LARGE_REQUEST_MAX_LEN: i64 = "commandlog-large-request-max-len";
    /// Bytes above which a reply enters its log; -1 none.
    COMMANDLOG_REPLY_LARGER_THAN: i64 = "commandlog-reply-larger-than";
    /// Entries of the log of large replies.
    COMMANDLOG_LARGE_REPLY_MAX_LEN: i64 = "commandlog-large-reply-max-len";
    /// Milliseconds from which on an event enters the latency monitor; 0: none does.
    LATENCY_MONITOR_THRESHOLD: i64 = "latency-monitor-threshold";
    /// Whether the times of commands are kept as histograms.
    LATENCY_TRACKING: bool = "latency-tracking";
    /// Percentiles of INFO latencystats.
    LATENCY_TRACKING_INFO_PERCENTILES: [f64] = "latency-tracking-info-percentiles";
    /// Fields of a packed hash.
    HASH_MAX_LISTPACK_ENTRIES: i64 = "hash-max-listpack-entries";
    /// Bytes of a field or a value of a packed hash.
    HASH_MAX_LISTPACK_VALUE: u64 = "hash-max-listpack-value";
    /// Elements of a chunk of a list, if positive; -1 to -5 for chunks of 4 to 64 KiB.
    LIST_MAX_LISTPACK_SIZE: i64 = "list-max-listpack-size";
    /// Members of a set that is an array of integers.
    SET_MAX_INTSET_ENTRIES: i64 = "set-max-intset-entries";
    /// Members of a packed set.
    SET_MAX_LISTPACK_ENTRIES: i64 = "set-max-listpack-entries";
    /// Bytes of a member of a packed set.
    SET_MAX_LISTPACK_VALUE: i64 = "set-max-listpack-value";
    /// Bytes of a sparse `HyperLogLog`; a larger one is dense.
    HLL_SPARSE_MAX_BYTES: u64 = "hll-sparse-max-bytes";
    /// Members of a packed sorted set.
    ZSET_MAX_LISTPACK_ENTRIES: i64 = "zset-max-listpack-entries";
    /// Bytes of a member of a packed sorted set.
    ZSET_MAX_LISTPACK_VALUE: u64 = "zset-max-listpack-value";
    /// Bytes of a node of a stream; 0 is no limit.
    STREAM_NODE_MAX_BYTES: u64 = "stream-node-max-bytes";
    /// Entries of a node of a stream; 0 is no limit.
    STREAM_NODE_MAX_ENTRIES: i64 = "stream-node-max-entries";
}

//! Listening, connections and what a client may send.

use super::{BOOL, COUNT, INT_MAX, PORT, SIZE_MAX, UINT_MAX, WHO_MAY};
use crate::config::option::{ConfigOption, Kind, TEXT, integer, known, memory, supported};

const MIB: u64 = 1 << 20;

pub(super) const ROWS: &[ConfigOption] = &[
    supported("bind", Kind::Addresses, "127.0.0.1 -::1"),
    supported("port", PORT, "6379"),
    supported("protected-mode", BOOL, "yes"),
    supported("unixsocket", TEXT, "").immutable(),
    supported("unixsocketperm", Kind::Octal { max: 0o777 }, "0").immutable(),
    supported("http-port", PORT, "0").immutable(),
    supported("http-bind", Kind::Addresses, "127.0.0.1 -::1").immutable(),
    known("unixsocketgroup", TEXT, "").immutable(),
    supported("tcp-backlog", COUNT, "511").immutable(),
    supported("timeout", COUNT, "0"),
    supported("tcp-keepalive", COUNT, "300"),
    supported("maxclients", integer(1, UINT_MAX), "10000"),
    supported("requirepass", TEXT, "").sensitive(),
    supported("proto-max-bulk-len", memory(MIB, SIZE_MAX), "536870912").debug(),
    supported("client-query-buffer-limit", memory(MIB, SIZE_MAX), "1073741824").debug(),
    supported(
        "client-output-buffer-limit",
        Kind::OutputLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    ),
    supported("enable-debug-command", WHO_MAY, "no").immutable(),
    supported("enable-migrate-command", WHO_MAY, "local").immutable(),
    supported("enable-protected-configs", WHO_MAY, "no").immutable(),
    known("enable-module-command", WHO_MAY, "no").immutable(),
    supported("aclfile", TEXT, "").immutable(),
    supported("acl-pubsub-default", Kind::Enum(&[("allchannels", 1), ("resetchannels", 0)]), "resetchannels"),
    supported("acllog-max-len", super::LONG_COUNT, "128"),
    known("bind-source-addr", TEXT, ""),
    known("socket-mark-id", integer(0, UINT_MAX), "0").immutable(),
    known("max-new-connections-per-cycle", integer(1, 1000), "10"),
    known("max-new-tls-connections-per-cycle", integer(1, 1000), "1"),
    known("mptcp", BOOL, "no").immutable(),
    supported("tracking-table-max-keys", super::LONG_COUNT, "1000000"),
    known("rdma-bind", TEXT, ""),
    known("rdma-port", PORT, "0"),
    known("rdma-rx-size", integer(65536, 16_777_216), "1048576").immutable(),
    known("rdma-completion-vector", integer(-1, 1024), "-1").immutable(),
    known("min-io-threads-avoid-copy-reply", integer(0, INT_MAX), "7").hidden(),
    known("min-string-size-avoid-copy-reply", COUNT, "16384").hidden(),
    known("min-string-size-avoid-copy-reply-threaded", COUNT, "65536").hidden(),
];

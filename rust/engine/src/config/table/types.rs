//! When values leave their packed encodings, and how large nodes of streams are.

use super::{COUNT, INT_MAX, LONG_COUNT, SIZE_MAX};
use crate::config::option::{ConfigOption, integer, known, memory, supported};

const LIST_SIZE: crate::config::Kind = integer(-INT_MAX - 1, INT_MAX);

pub(super) const ROWS: &[ConfigOption] = &[
    supported("hash-max-listpack-entries", LONG_COUNT, "512").alias("hash-max-ziplist-entries"),
    supported("hash-max-listpack-value", memory(0, SIZE_MAX), "64").alias("hash-max-ziplist-value"),
    supported("list-max-listpack-size", LIST_SIZE, "-2").alias("list-max-ziplist-size"),
    known("list-compress-depth", COUNT, "0").debug(),
    supported("set-max-intset-entries", LONG_COUNT, "512"),
    supported("set-max-listpack-entries", LONG_COUNT, "128"),
    supported("set-max-listpack-value", LONG_COUNT, "64"),
    supported("zset-max-listpack-entries", LONG_COUNT, "128").alias("zset-max-ziplist-entries"),
    supported("zset-max-listpack-value", memory(0, SIZE_MAX), "64").alias("zset-max-ziplist-value"),
    supported("hll-sparse-max-bytes", memory(0, SIZE_MAX), "3000"),
    supported("stream-node-max-bytes", memory(0, SIZE_MAX), "4096"),
    supported("stream-node-max-entries", LONG_COUNT, "100"),
];

//! When values leave their packed encodings, how large nodes of streams are, and the secret of those that are tables.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::keyed::Keyed;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident, $set:ident: $option:literal = $default:literal;)*) => {
        /// Limits of packed encodings, as CONFIG SET leaves them, and the hash of elements.
        #[derive(Debug)]
        pub struct Rules {
            /// The hash of elements.
            pub keyed: Keyed,
            $($name: AtomicI64,)*
        }

        impl Rules {
            /// The limits of an empty `redis.conf`, and a secret for the hash.
            pub fn new(secret: [u8; 16]) -> Self {
                Self { keyed: Keyed::new(secret), $($name: AtomicI64::new($default),)* }
            }

            $($(#[$doc])*
            #[inline]
            pub fn $name(&self) -> i64 {
                self.$name.load(Ordering::Relaxed)
            }

            #[doc = concat!("Sets what the option `", $option, "` says.")]
            pub fn $set(&self, limit: i64) {
                self.$name.store(limit, Ordering::Relaxed);
            })*
        }
    };
}

rules! {
    /// Fields of a packed hash.
    hash_entries_max, set_hash_entries_max: "hash-max-listpack-entries" = 512;
    /// Bytes of a field or a value of a packed hash.
    hash_value_bytes_max, set_hash_value_bytes_max: "hash-max-listpack-value" = 64;
    /// Elements of a chunk of a list, if positive; -1 to -5 for chunks of 4 to 64 KiB.
    list_size, set_list_size: "list-max-listpack-size" = -2;
    /// Members of a set that is an array of integers.
    set_integers_max, set_set_integers_max: "set-max-intset-entries" = 512;
    /// Members of a packed set.
    set_entries_max, set_set_entries_max: "set-max-listpack-entries" = 128;
    /// Bytes of a member of a packed set.
    set_value_bytes_max, set_set_value_bytes_max: "set-max-listpack-value" = 64;
    /// Bytes of a sparse `HyperLogLog`; a larger one is dense.
    sketch_sparse_bytes_max, set_sketch_sparse_bytes_max: "hll-sparse-max-bytes" = 3000;
    /// Members of a packed sorted set.
    zset_entries_max, set_zset_entries_max: "zset-max-listpack-entries" = 128;
    /// Bytes of a member of a packed sorted set.
    zset_value_bytes_max, set_zset_value_bytes_max: "zset-max-listpack-value" = 64;
    /// Bytes of a node of a stream; 0 is no limit.
    stream_node_bytes_max, set_stream_node_bytes_max: "stream-node-max-bytes" = 4096;
    /// Entries of a node of a stream, deleted ones included; 0 is no limit.
    stream_node_entries_max, set_stream_node_entries_max: "stream-node-max-entries" = 100;
}

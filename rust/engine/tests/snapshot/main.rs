//! Snapshots: what a cut tells is the keyspace of one moment, whatever is written meanwhile.

mod collections;
mod cut;
mod files;
mod support;

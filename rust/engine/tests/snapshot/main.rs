//! Snapshots: what a cut tells is the keyspace of one moment, whatever is written meanwhile.

#[path = "../../../collections/tests/support/chance.rs"]
mod chance;
mod collections;
mod cut;
mod files;
mod memory;
mod support;

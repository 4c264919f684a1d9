//! The append-only file on a disk that crashes and fails.

mod backup;
#[path = "../../../collections/tests/support/chance.rs"]
mod chance;
mod confirm;
mod crash;
mod delay;
mod directory;
mod fault;
mod images;
mod power;
mod support;

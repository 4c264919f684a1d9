//! The append-only file on a disk that crashes and fails.

mod backup;
mod crash;
mod fault;
mod power;
mod support;

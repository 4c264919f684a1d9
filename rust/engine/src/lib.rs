//! The engine of rkv: everything Redis, nothing of sockets, threads of others, or Python.
//!
//! Imports go down only: engine > session > dispatch > commands > handler > persist > journal, rdb, pubsub, config, observe >
//! client, keyspace > values > resp and the leaves (acl, limits, clock, random, files, number, keyed, slab, glob, slot, error).
#![forbid(unsafe_code)]

/// What `redis_version` of INFO and `version` of HELLO say: clients switch features on by it.
pub const REDIS_VERSION: &str = "7.2.4";
/// What `server` of HELLO says: clients ask whether it is Redis.
pub const SERVER_NAME: &str = "redis";

#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
pub mod acl;
#[cfg(test)]
#[path = "../../collections/tests/support/chance.rs"]
mod chance;
pub mod client;
pub mod clock;
pub mod commands;
pub mod config;
pub mod dispatch;
mod engine;
pub mod error;
pub mod files;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
pub mod glob;
pub mod handler;
mod housekeeper;
pub mod journal;
mod keyed;
pub mod keyspace;
pub mod limits;
mod names;
pub mod number;
pub mod observe;
pub mod outbound;
pub mod persist;
pub mod pubsub;
pub mod random;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
pub mod rdb;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
pub mod resp;
pub mod seeded;
#[cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
pub mod session;
mod slab;
pub mod slot;
mod subscriber;
pub mod values;

pub use engine::{BuildError, Caller, Engine, EngineOptions, OpenError};
pub use housekeeper::Housekeeper;
pub use subscriber::{Flooded, Subscriber};

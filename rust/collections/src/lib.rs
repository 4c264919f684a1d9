//! Data structures of rkv: no knowledge of Redis, the home of `unsafe` behind a safe API.

pub mod arena;
pub mod bytes;
pub mod chunks;
pub mod intset;
pub mod ordered;
pub mod packed;
mod prefetch;
pub mod region;
pub mod table;
pub mod wheel;

pub use prefetch::prefetch_read;

//! Data structures of rkv: no knowledge of Redis, the home of `unsafe` behind a safe API.

pub mod arena;
mod prefetch;
pub mod table;

pub use prefetch::prefetch_read;

//! Data structures of rkv: no knowledge of Redis, the home of `unsafe` behind a safe API.

pub mod bytes;

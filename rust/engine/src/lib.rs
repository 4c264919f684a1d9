//! The engine of rkv.
#![forbid(unsafe_code)]

pub mod glob;
pub mod number;

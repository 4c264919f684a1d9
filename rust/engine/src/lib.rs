//! The engine of rkv.
#![forbid(unsafe_code)]

pub mod clock;
pub mod glob;
pub mod limits;
pub mod number;
pub mod random;
pub mod slot;

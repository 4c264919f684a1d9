//! Operations on one value: no keys, no clients, no replies, no clock.

pub mod digest;
pub mod lcs;
pub mod string;
mod value;

pub use value::{NewValue, ValueRef};

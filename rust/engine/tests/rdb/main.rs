//! The RDB format: what is written is read, what real servers wrote is read as they meant it, and what is damaged is
//! refused.

#[path = "../../../collections/tests/support/chance.rs"]
mod chance;
mod damage;
mod golden;
mod old;
mod round_trip;
mod support;

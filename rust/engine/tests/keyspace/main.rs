//! Keys, expiry and walks, run as an embedding program runs them, with a clock that stands still.

mod expiry;
mod fields;
mod generic;
mod scan;
mod support;

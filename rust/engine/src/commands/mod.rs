//! The commands, one file per family: its rows, then their handlers in the order of the rows.
//!
//! Families do not import each other: what two of them need belongs in `values` or `keyspace`.

mod command;
mod config;
mod connection;
mod info;
mod string;

use crate::handler::Row;

/// All families.
pub const FAMILIES: &[&[Row]] = &[string::ROWS, connection::ROWS, command::ROWS, config::ROWS, info::ROWS];

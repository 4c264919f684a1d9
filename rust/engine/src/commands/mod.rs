//! The commands, one file per family: its rows, then their handlers in the order of the rows.
//!
//! Families do not import each other: what two of them need belongs in `values` or `keyspace`.

mod acl;
mod backup;
mod bits;
mod client;
mod command;
mod config;
mod connection;
mod debug;
mod dump;
mod expire;
mod function;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod info;
#[cfg(test)]
mod journal_tests;
mod latency;
mod list;
mod logs;
mod memory;
mod migrate;
mod persistence;
mod pubsub;
mod scan;
mod server;
mod set;
mod sort;
mod stream;
mod string;
mod transaction;
mod wait;
mod zset;

pub(crate) use acl::load_file as load_users;

use crate::error::{self, Error};
use std::sync::Arc;

use crate::client::Link;
use crate::handler::{Row, Store};

/// All families.
pub const FAMILIES: &[&[Row]] = &[
    string::ROWS,
    list::ROWS,
    set::ROWS,
    zset::ROWS,
    hash::ROWS,
    bits::ROWS,
    hyperloglog::ROWS,
    geo::ROWS,
    stream::ROWS,
    generic::ROWS,
    dump::ROWS,
    migrate::ROWS,
    expire::ROWS,
    scan::ROWS,
    sort::ROWS,
    pubsub::ROWS,
    connection::ROWS,
    command::ROWS,
    client::ROWS,
    transaction::ROWS,
    function::ROWS,
    acl::ROWS,
    config::ROWS,
    info::ROWS,
    server::ROWS,
    memory::ROWS,
    latency::ROWS,
    logs::ROWS,
    persistence::ROWS,
    backup::ROWS,
    wait::ROWS,
    debug::ROWS,
];

/// The line of CLIENT LIST about a client, for the log.
pub(crate) fn client_line(store: &Store, link: &Arc<Link>, now_ms: i64) -> String {
    let mut described = String::new();
    client::describe(store, link, now_ms, &mut described);
    described
}

/// A name that a client gives itself: visible characters only, so that CLIENT LIST stays readable.
fn client_name(name: &[u8]) -> Result<&str, Error> {
    visible_text(name).ok_or(error::INVALID_CLIENT_NAME)
}

/// The text of visible ASCII characters; `None` if others are among them.
fn visible_text(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
}

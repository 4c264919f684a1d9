//! The table of options: one row per option of Redis 7.0.15 and Valkey 9.1, in files by subject. Defaults are Valkey's where the two differ,
//! except where rkv promises something else; the tests list each exception with its reason.

mod cluster;
mod memory;
mod network;
mod observe;
mod persistence;
mod process;
mod replication;
mod tls;
mod types;

use super::option::{ConfigOption, Kind, integer};

const SUBJECTS: [&[ConfigOption]; 9] = [
    network::ROWS,
    process::ROWS,
    memory::ROWS,
    types::ROWS,
    observe::ROWS,
    persistence::ROWS,
    replication::ROWS,
    cluster::ROWS,
    tls::ROWS,
];

const LEN: usize = {
    let mut len = 0;
    let mut subject = 0;
    while subject < SUBJECTS.len() {
        len += SUBJECTS[subject].len();
        subject += 1;
    }
    len
};

/// All rows, in the order of the files.
pub(super) static TABLE: [ConfigOption; LEN] = {
    let mut rows = [network::ROWS[0]; LEN];
    let mut at = 0;
    let mut subject = 0;
    while subject < SUBJECTS.len() {
        let mut row = 0;
        while row < SUBJECTS[subject].len() {
            rows[at] = SUBJECTS[subject][row];
            at += 1;
            row += 1;
        }
        subject += 1;
    }
    rows
};

/// A name of an option: its own or its alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    index: u16,
    is_alias: bool,
}

impl Key {
    pub(super) fn index(self) -> usize {
        usize::from(self.index)
    }

    /// The row.
    pub fn option(self) -> &'static ConfigOption {
        &TABLE[self.index()]
    }

    /// The name that was looked up, in lower case.
    pub fn name(self) -> &'static str {
        match self.option().alias {
            Some(alias) if self.is_alias => alias,
            _ => self.option().name,
        }
    }
}

/// Every name of every option.
pub(super) fn keys() -> impl Iterator<Item = Key> {
    TABLE.iter().enumerate().flat_map(|(index, option)| {
        let key = |is_alias| Key { index: index as u16, is_alias };
        let alias = option.alias.map(|_| key(true));
        std::iter::once(key(false)).chain(alias)
    })
}

/// Looks up a name in any case.
pub fn find(name: &[u8]) -> Option<Key> {
    keys().find(|key| key.name().as_bytes().eq_ignore_ascii_case(name))
}

/// All options, in the order of the table.
pub fn all_options() -> impl Iterator<Item = &'static ConfigOption> {
    TABLE.iter()
}

/// The index of an option, for handles made at compile time.
///
/// # Panics
/// At compile time, if no row has this name.
pub(super) const fn index_of(name: &str) -> usize {
    let mut index = 0;
    while index < LEN {
        if same(TABLE[index].name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("no option has this name");
}

pub(super) const fn kind_of(index: usize) -> Kind {
    TABLE[index].kind
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

const BOOL: Kind = Kind::Bool;
const INT_MAX: i64 = i32::MAX as i64;
const UINT_MAX: i64 = u32::MAX as i64;
/// An integer from 0 to the largest C `int`.
const COUNT: Kind = integer(0, INT_MAX);
/// An integer from 0 to the largest C `long`.
const LONG_COUNT: Kind = integer(0, i64::MAX);
const PORT: Kind = integer(0, 65535);
/// The largest size that Redis keeps in a signed type.
const SIZE_MAX: u64 = i64::MAX as u64;
/// Who may do what is dangerous.
const WHO_MAY: Kind = Kind::Enum(&[("no", 0), ("yes", 1), ("local", 2)]);

/// The bit of `save` in `shutdown-on-sigint` and `shutdown-on-sigterm`.
pub(super) const SAVE: u32 = 1;
/// The bit of `nosave` there.
pub(super) const NOSAVE: u32 = 2;

//! Whether a user may send a request: what it needs is read from its row, its keys being those that are locked for it.

use smallvec::SmallVec;

use super::Args;
use super::keys::each_key;
use super::row::{Categories, Flags, KeyFlags, Row};
use super::store::Store;
use super::table::Command;
use crate::acl::{Access, Denied, Reason, Request, Rules, User, WantedChannel, WantedDb, WantedKey};
use crate::client::Client;
use crate::error::{self, Error};
use crate::number;

/// Whether these rules allow a request of a client that chose the database `db`.
///
/// # Errors
/// What of it they do not.
pub fn permit(rules: &Rules, command: &Command, args: Args<'_>, db: usize, dbs: usize) -> Result<(), Denied> {
    with_request(command, args, db, dbs, |request| rules.permit(request))
}

/// Whether these rules allow a request, and every key may be read besides.
pub fn reads_all_keys(rules: &Rules, command: &Command, args: Args<'_>, db: usize, dbs: usize) -> bool {
    with_request(command, args, db, dbs, |request| rules.reads_all_keys(request))
}

fn with_request<T>(
    command: &Command,
    args: Args<'_>,
    db: usize,
    dbs: usize,
    then: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let row = command.row;
    let mut keys: SmallVec<[WantedKey<'_>; 8]> = SmallVec::new();
    let found = each_key(row, args, |key| {
        let reads = key.flags.has(KeyFlags::ACCESS);
        let writes = key.flags.has(KeyFlags::INSERT.with(KeyFlags::DELETE).with(KeyFlags::UPDATE));
        keys.push(WantedKey { word: key.index, key: args.word(key.index), access: Access { reads, writes } });
    });
    if found.is_err() {
        // Its handler refuses it before it touches anything; the plan locks nothing for it either.
        keys.clear();
    }
    let is_subcommand = command.parent.is_some();
    then(&Request {
        command: command.id,
        is_open: row.flags.has(Flags::NO_AUTH),
        first_argument: args.get(if is_subcommand { 2 } else { 1 }),
        dbs: &wanted_dbs(row, args, db, dbs),
        keys: &keys,
        channels: &wanted_channels(row, is_subcommand, args),
    })
}

fn wanted_channels<'a>(row: &Row, is_subcommand: bool, args: Args<'a>) -> SmallVec<[WantedChannel<'a>; 4]> {
    let (count, is_pattern) = match row.name {
        "SUBSCRIBE" | "SSUBSCRIBE" => (usize::MAX, false),
        "PSUBSCRIBE" => (usize::MAX, true),
        "PUBLISH" | "SPUBLISH" => (1, false),
        _ => (0, false),
    };
    let count = if is_subcommand { 0 } else { count };
    let channels = args.from(1).iter().take(count).enumerate();
    channels.map(|(at, name)| WantedChannel { word: at + 1, name, is_pattern }).collect()
}

fn wanted_dbs(row: &Row, args: Args<'_>, db: usize, dbs: usize) -> SmallVec<[WantedDb; 3]> {
    // What names no database touches none.
    let named = |word: usize| {
        let number = args.get(word).and_then(number::parse_i64).and_then(|number| usize::try_from(number).ok());
        number.filter(|number| *number < dbs).map(|number| WantedDb { word: Some(word), db: Some(number) })
    };
    let chosen = WantedDb { word: None, db: Some(db) };
    let mut wanted: SmallVec<[WantedDb; 3]> = SmallVec::new();
    match row.name {
        "SELECT" => wanted.extend(named(1)),
        "SWAPDB" => wanted.extend([1, 2].into_iter().filter_map(named)),
        "MOVE" => wanted.extend(named(2).into_iter().chain([chosen])),
        "COPY" => {
            let word = (3..args.len()).find(|word| args.word(*word).eq_ignore_ascii_case(b"DB"));
            wanted.extend(word.and_then(|word| named(word + 1)).into_iter().chain([chosen]));
        }
        "FLUSHALL" => wanted.push(WantedDb { word: None, db: None }),
        _ if touches_db(row) => wanted.push(chosen),
        _ => {}
    }
    wanted
}

fn touches_db(row: &Row) -> bool {
    const DATA: Categories = Categories::READ.with(Categories::WRITE).with(Categories::KEYSPACE);
    row.flags.has(Flags::READONLY.with(Flags::WRITE))
        || row.keys.specs().iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY))
        || row.all_categories().has(DATA)
}

/// What a client is told who may not send a request.
pub fn denied_error(denied: Denied, user: &User, command: &Command) -> Error {
    match denied {
        Denied::Command => {
            let user = String::from_utf8_lossy(user.name());
            Error::text(format!("NOPERM User {user} has no permissions to run the '{}' command", command.full_name()))
        }
        Denied::Database(_) => error::NO_DATABASE_PERMISSION,
        Denied::Key(_) => error::NO_KEY_PERMISSION,
        Denied::Channel(_) => error::NO_CHANNEL_PERMISSION,
    }
}

/// Counts and logs that a client was refused something; `line` is that of CLIENT LIST about it.
pub fn log_denied(
    store: &Store,
    client: &Client,
    (command, args): (&Command, Args<'_>),
    denied: Denied,
    context: &'static str,
    line: String,
) {
    let Some(user) = &client.user else { return };
    let (reason, object) = match denied {
        Denied::Command => (Reason::Command, command.full_name().as_bytes()),
        Denied::Database(None) => (Reason::Database, command.full_name().as_bytes()),
        Denied::Database(Some(word)) => (Reason::Database, args.word(word)),
        Denied::Key(word) => (Reason::Key, args.word(word)),
        Denied::Channel(word) => (Reason::Channel, args.word(word)),
    };
    store.counters.count_denied(reason);
    store.acl.log.add((reason, context), object, user.name(), line, store.clock.unix_ms());
}

/// Counts and logs that a client gave no right password for a user; `object` is what it sent first.
pub fn log_failed_login(store: &Store, context: &'static str, object: &[u8], user: &[u8], line: String) {
    store.counters.count_denied(Reason::Auth);
    store.acl.log.add((Reason::Auth, context), object, user, line, store.clock.unix_ms());
}

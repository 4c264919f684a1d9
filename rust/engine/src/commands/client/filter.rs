//! Filters of CLIENT LIST and CLIENT KILL: all of them must pass; of two of one kind the last counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::flags;
use crate::acl::User;
use crate::client::Link;
use crate::error::{self, Error};
use crate::handler::{Cursor, Store};
use crate::number;

/// Letters that `flags=` may show on some server.
const FLAG_LETTERS: &[u8] = b"bcdeirtuxABEIMNOPRSTU";

/// Whether a client is what `TYPE` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Primary,
    Replica,
    Pubsub,
}

/// One question about a client.
#[derive(Debug)]
enum Test<'a> {
    Id(Vec<u64>),
    Kind(Kind),
    User(Arc<User>),
    Addr(&'a [u8]),
    Laddr(&'a [u8]),
    Ip(&'a [u8]),
    Name(&'a [u8]),
    LibName(&'a [u8]),
    LibVer(&'a [u8]),
    Flags(&'a [u8]),
    Capa(&'a [u8]),
    Db(usize),
    MaxAge(i64),
    Idle(i64),
}

/// What clients to take.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    /// Each with whether it must fail instead of pass.
    tests: Vec<(Test<'a>, bool)>,
    skips_self: bool,
}

fn positive(word: &[u8], name: &str) -> Result<i64, Error> {
    let number = number::parse_i64(word);
    let number = number.ok_or_else(|| Error::text(format!("ERR {name} is not an integer or out of range")))?;
    if number > 0 { Ok(number) } else { Err(Error::text(format!("ERR {name} should be greater than 0"))) }
}

/// Reads ids; `is_kill` chooses the error for a first one that is no number.
fn ids(first: &[u8], is_kill: bool, cursor: &mut Cursor<'_>) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::new();
    let mut next = number::parse_i64(first).ok_or(if is_kill { error::INVALID_CLIENT_ID } else { error::SYNTAX })?;
    loop {
        ids.push(u64::try_from(next).ok().filter(|id| *id > 0).ok_or(error::INVALID_CLIENT_ID)?);
        match cursor.rest().first().and_then(|word| number::parse_i64(word)) {
            Some(number) => next = number,
            None => return Ok(ids),
        }
        cursor.next_word();
    }
}

fn kind(word: &[u8]) -> Result<Kind, Error> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Kind::Normal),
        b"master" | b"primary" => Ok(Kind::Primary),
        b"slave" | b"replica" => Ok(Kind::Replica),
        b"pubsub" => Ok(Kind::Pubsub),
        _ => Err(Error::text(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(word)))),
    }
}

fn user<'a>(store: &Store, word: &[u8]) -> Result<Test<'a>, Error> {
    if let Some(user) = store.acl.find(word) {
        return Ok(Test::User(user));
    }
    Err(Error::text(format!("ERR No such user '{}'", String::from_utf8_lossy(word))))
}

fn letters<'a>(word: &'a [u8], known: &[u8], name: &str, is_negated: bool) -> Result<&'a [u8], Error> {
    if word.iter().all(|letter| known.contains(letter)) {
        return Ok(word);
    }
    let shown = String::from_utf8_lossy(word);
    let filter = if is_negated { format!("NOT-{}", name.to_uppercase()) } else { "provided".to_owned() };
    Err(Error::text(format!("ERR Unknown {name} found in the {filter} filter: {shown}")))
}

fn database(store: &Store, word: &[u8], name: &str) -> Result<usize, Error> {
    let last = store.settings.databases().saturating_sub(1);
    let number = number::parse_i64(word);
    let number = number.ok_or_else(|| Error::text(format!("ERR {name} is not an integer or out of range")))?;
    let db = usize::try_from(number).ok().filter(|db| *db <= last);
    db.ok_or_else(|| Error::text(format!("ERR {name} number should be between 0 and {last}")))
}

impl<'a> Filter<'a> {
    /// The client from this address.
    pub(super) fn address(address: &'a [u8]) -> Self {
        Self { tests: vec![(Test::Addr(address), false)], skips_self: false }
    }

    /// Reads the filters of CLIENT KILL (which spares its own client unless SKIPME says otherwise) or of CLIENT LIST.
    pub(super) fn parse(store: &Store, mut cursor: Cursor<'a>, is_kill: bool) -> Result<Self, Error> {
        let mut filter = Self { tests: Vec::new(), skips_self: is_kill };
        while let Some(name) = cursor.next_word() {
            let name = name.to_ascii_uppercase();
            let word = cursor.expect_word()?;
            if name == b"SKIPME" {
                filter.skips_self = match word.to_ascii_lowercase().as_slice() {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err(error::SYNTAX),
                };
                continue;
            }
            let (name, is_negated) = name.strip_prefix(b"NOT-").map_or((name.as_slice(), false), |name| (name, true));
            let test = test(store, (name, is_negated), word, is_kill, &mut cursor)?;
            if is_negated && matches!(test, Test::MaxAge(_) | Test::Idle(_)) {
                return Err(error::SYNTAX);
            }
            filter.add(test, is_negated);
        }
        Ok(filter)
    }

    fn add(&mut self, test: Test<'a>, is_negated: bool) {
        let is_same = |(other, negated): &&mut (Test<'a>, bool)| {
            std::mem::discriminant(other) == std::mem::discriminant(&test) && *negated == is_negated
        };
        match (self.tests.iter_mut().find(is_same), test) {
            (Some((Test::Id(all), _)), Test::Id(more)) => all.extend(more),
            (Some((other, _)), test) => *other = test,
            (None, test) => self.tests.push((test, is_negated)),
        }
    }

    /// Whether a client is to be taken.
    pub(super) fn passes(&self, link: &Link, own_id: u64, now_ms: i64) -> bool {
        (!self.skips_self || link.id != own_id)
            && self.tests.iter().all(|(test, is_negated)| test.passes(link, now_ms) != *is_negated)
    }
}

fn test<'a>(
    store: &Store,
    (name, is_negated): (&[u8], bool),
    word: &'a [u8],
    is_kill: bool,
    cursor: &mut Cursor<'a>,
) -> Result<Test<'a>, Error> {
    Ok(match name {
        b"ID" => Test::Id(ids(word, is_kill, cursor)?),
        b"TYPE" => Test::Kind(kind(word)?),
        b"USER" => user(store, word)?,
        b"ADDR" => Test::Addr(word),
        b"LADDR" => Test::Laddr(word),
        b"IP" => Test::Ip(word),
        b"NAME" => Test::Name(word),
        b"LIB-NAME" => Test::LibName(word),
        b"LIB-VER" => Test::LibVer(word),
        b"FLAGS" => Test::Flags(letters(word, FLAG_LETTERS, "flags", is_negated)?),
        b"CAPA" => Test::Capa(letters(word, b"r", "capa", is_negated)?),
        b"DB" => Test::Db(database(store, word, if is_negated { "NOT-DB" } else { "DB" })?),
        b"MAXAGE" => Test::MaxAge(positive(word, "maxage")?),
        b"IDLE" => Test::Idle(positive(word, "idle")?),
        _ => return Err(error::SYNTAX),
    })
}

/// Who has no name is not found by the empty one.
fn is_named(name: &str, wanted: &[u8]) -> bool {
    !name.is_empty() && name.as_bytes() == wanted
}

impl Test<'_> {
    fn passes(&self, link: &Link, now_ms: i64) -> bool {
        let age_s = |since_ms: i64| now_ms.saturating_sub(since_ms) / 1000;
        match self {
            Self::Id(ids) => ids.contains(&link.id),
            // Nobody replicates.
            Self::Kind(kind) => *kind == if link.is_subscribed() { Kind::Pubsub } else { Kind::Normal },
            Self::User(user) => link.is_user(user),
            Self::Addr(address) => link.origin.peer.as_bytes() == *address,
            Self::Laddr(address) => link.origin.local.as_bytes() == *address,
            Self::Ip(ip) => {
                let host = link.origin.peer.rsplit_once(':').map_or("", |(host, _)| host);
                host.trim_matches(['[', ']']).as_bytes() == *ip
            }
            Self::Name(name) => is_named(&link.names().name, name),
            Self::LibName(name) => is_named(&link.names().library, name),
            Self::LibVer(version) => is_named(&link.names().library_version, version),
            Self::Flags(letters) => {
                let flags = flags(link);
                letters.iter().all(|letter| flags.as_bytes().contains(letter))
            }
            // There is one capability, and its letter was checked.
            Self::Capa(letters) => letters.is_empty() || link.flags.capa_redirect.load(Ordering::Relaxed),
            Self::Db(db) => link.db.load(Ordering::Relaxed) == *db,
            Self::MaxAge(seconds) => age_s(link.created_ms) >= *seconds,
            Self::Idle(seconds) => age_s(link.active_ms.load(Ordering::Relaxed)) >= *seconds,
        }
    }
}

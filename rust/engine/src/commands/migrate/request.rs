//! The words of MIGRATE.

use std::ops::Range;
use std::time::Duration;

use crate::error::{self, Error};
use crate::handler::Args;
use crate::number::parse_i64;
use crate::outbound::{Password, Target};

/// The word with the only key, empty where KEYS names them.
const KEY: usize = 3;
const FIRST_OPTION: usize = 6;
/// A timeout that is not positive means this.
const TIMEOUT_MS: i64 = 1000;

/// What was asked for, besides the keys.
#[derive(Debug)]
pub(super) struct Request {
    /// `None`: no such port can be.
    pub target: Option<Target>,
    pub db: i64,
    pub timeout: Duration,
    pub copies: bool,
    pub replaces: bool,
    /// The words before the options.
    head: Vec<Box<[u8]>>,
}

#[derive(Default)]
struct Options<'a> {
    copies: bool,
    replaces: bool,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    /// The first word behind KEYS.
    keys: Option<usize>,
}

impl<'a> Options<'a> {
    fn read(args: Args<'a>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut words = args.cursor(FIRST_OPTION);
        while !words.is_done() {
            if words.keyword("COPY") {
                options.copies = true;
            } else if words.keyword("REPLACE") {
                options.replaces = true;
            } else if words.keyword("AUTH") {
                options.password = Some(words.expect_word()?);
            } else if words.keyword("AUTH2") {
                options.user = Some(words.expect_word()?);
                options.password = Some(words.expect_word()?);
            } else if words.keyword("KEYS") {
                if !args.word(KEY).is_empty() {
                    return Err(error::MIGRATE_KEY_AND_KEYS);
                }
                options.keys = Some(args.len() - words.left());
                break;
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// Which words are keys; one that is not there if both places name some.
pub(super) fn key_words(args: Args<'_>) -> Range<usize> {
    match Options::read(args) {
        Ok(Options { keys: Some(first), .. }) => first..args.len(),
        Err(error) if error == error::MIGRATE_KEY_AND_KEYS => args.len()..args.len() + 1,
        // Words that make no request have the one key that every request has room for.
        _ => KEY..KEY + 1,
    }
}

impl Request {
    /// Reads the words, and complains in Redis's order.
    pub fn read(args: Args<'_>) -> Result<Self, Error> {
        let options = Options::read(args)?;
        let timeout_ms = args.integer(5)?;
        let db = args.integer(4)?;
        let host = std::str::from_utf8(args.word(1)).unwrap_or_default().to_owned();
        // What is no number is port 0, to which nobody can connect, as in Redis.
        let port = u16::try_from(parse_i64(args.word(2)).unwrap_or(0)).ok();
        let user = options.user.map(Box::from);
        let password = options.password.map(|password| Password(password.into()));
        Ok(Self {
            target: port.map(|port| Target { host, port, user, password }),
            db,
            timeout: Duration::from_millis(if timeout_ms > 0 { timeout_ms } else { TIMEOUT_MS }.unsigned_abs()),
            copies: options.copies,
            replaces: options.replaces,
            head: args.words().iter().take(FIRST_OPTION).map(|word| Box::from(*word)).collect(),
        })
    }

    /// The same request for some of its keys.
    pub fn words<'a>(&'a self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
        let head = self.head.iter().enumerate().map(|(index, word)| if index == KEY { b"" } else { &**word });
        head.chain([b"KEYS".as_slice()]).chain(keys).collect()
    }
}

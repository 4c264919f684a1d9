//! A set of permissions that belong together: commands, keys, channels, databases.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
use super::later;
use super::rules::RuleError;
use crate::glob;

/// What a request does to a key, or what a pattern allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Access {
    /// Returns or copies its data.
    pub reads: bool,
    /// Adds, changes or deletes data.
    pub writes: bool,
}

impl Access {
    const ALL: Self = Self { reads: true, writes: true };

    const fn covers(self, wanted: Self) -> bool {
        (self.reads || !wanted.reads) && (self.writes || !wanted.writes)
    }
}

/// A key that a request names.
#[derive(Clone, Copy, Debug)]
pub struct WantedKey<'a> {
    /// Its word.
    pub word: usize,
    /// The key.
    pub key: &'a [u8],
    /// What is done to it.
    pub access: Access,
}

/// A channel that a request names.
#[derive(Clone, Copy, Debug)]
pub struct WantedChannel<'a> {
    /// Its word.
    pub word: usize,
    /// The channel, or the pattern.
    pub name: &'a [u8],
    /// Whether it is a pattern: only the same pattern allows it.
    pub is_pattern: bool,
}

/// A database that a request touches.
#[derive(Clone, Copy, Debug)]
pub struct WantedDb {
    /// Its word; `None`: it is the one that the client chose, or every one.
    pub word: Option<usize>,
    /// Its number; `None`: every one.
    pub db: Option<usize>,
}

/// What a request needs.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The number of its command.
    pub command: u16,
    /// Everybody may send it, even before AUTH.
    pub is_open: bool,
    /// The word behind the name.
    pub first_argument: Option<&'a [u8]>,
    /// The databases, in the order in which they are asked for.
    pub dbs: &'a [WantedDb],
    /// The keys.
    pub keys: &'a [WantedKey<'a>],
    /// The channels.
    pub channels: &'a [WantedChannel<'a>],
}

/// Why a request is refused. Of several selectors the one counts that came furthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The database that this word names; `None`: the chosen one.
    Database(Option<usize>),
    /// The command.
    Command,
    /// The key in this word.
    Key(usize),
    /// The channel in this word.
    Channel(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    access: Access,
    pattern: Box<[u8]>,
}

/// Permissions that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
pub struct Selector {
    /// A bit for each command.
    bits: Vec<u64>,
    /// Every command, also those that there will be.
    all_commands: bool,
    /// What begins the description: commands that there will be are allowed.
    allows_future: bool,
    /// First arguments with which a command may be called that may not be called otherwise.
    first_arguments: BTreeMap<u16, Vec<Box<[u8]>>>,
    /// The rules about commands since all were allowed or forbidden: with their signs, in lower case.
    command_rules: Vec<Box<[u8]>>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
    /// `None`: every one.
    dbs: Option<BTreeSet<usize>>,
}

fn has_space(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0B))
}

impl Selector {
    /// One that allows nothing but, perhaps, channels.
    pub fn new(all_channels: bool) -> Self {
        Self {
            bits: Vec::new(),
            all_commands: false,
            allows_future: false,
            first_arguments: BTreeMap::new(),
            command_rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
            dbs: None,
        }
    }

    /// Whether it allows everything.
    pub const fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.dbs.is_none()
    }

    /// Whether it allows every channel.
    pub const fn has_all_channels(&self) -> bool {
        self.all_channels
    }

    /// The patterns of channels.
    pub fn channel_patterns(&self) -> &[Box<[u8]>] {
        &self.channels
    }

    /// Whether every key may be read.
    pub fn reads_all_keys(&self) -> bool {
        self.all_keys || self.keys.iter().any(|key| key.access.reads && *key.pattern == *b"*")
    }

    /// Applies one rule. What failed may be half done.
    ///
    /// # Errors
    /// It is none, or says something impossible.
    pub fn apply(&mut self, rule: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        let lower = rule.to_ascii_lowercase();
        match lower.as_slice() {
            b"allkeys" | b"~*" => self.set_keys(true),
            b"resetkeys" => self.set_keys(false),
            b"allchannels" | b"&*" => self.set_channels(true),
            b"resetchannels" => self.set_channels(false),
            b"allcommands" | b"+@all" => self.set_commands(true, catalog),
            b"nocommands" | b"-@all" => self.set_commands(false, catalog),
            b"alldbs" => self.dbs = None,
            b"resetdbs" => self.dbs = Some(BTreeSet::new()),
            [b'd', b'b', b'=', list @ ..] => self.dbs = Some(databases(list)?),
            [b'~' | b'%', ..] => self.add_key(rule)?,
            [b'&', ..] => self.add_channel(rule.get(1..).unwrap_or_default())?,
            [sign @ (b'+' | b'-'), b'@', name @ ..] => {
                let category = catalog.category(name).ok_or(RuleError::Unknown)?;
                self.set_category(category, *sign == b'+', catalog);
                self.note(&lower);
            }
            [b'-', name @ ..] => {
                match catalog.find(name) {
                    Some(id) => self.set_command(id, false, catalog),
                    None if later::is_known(name) => {}
                    None => return Err(RuleError::Unknown),
                }
                self.note(&lower);
            }
            [b'+', name @ ..] => {
                self.allow(name, catalog)?;
                self.note(&lower);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_commands(&mut self, all: bool, catalog: &Catalog) {
        self.bits.clear();
        self.bits.resize(catalog.len().div_ceil(64), if all { u64::MAX } else { 0 });
        (self.all_commands, self.allows_future) = (all, all);
        self.first_arguments.clear();
        self.command_rules.clear();
    }

    fn add_key(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAfterAll);
        }
        let (flags, pattern) = match rule.iter().position(|byte| *byte == b'~') {
            Some(at) => (rule.get(..at).unwrap_or_default(), rule.get(at + 1..).unwrap_or_default()),
            None => return Err(RuleError::Syntax),
        };
        let access = match flags.to_ascii_uppercase().as_slice() {
            b"" | b"%RW" | b"%WR" => Access::ALL,
            b"%R" => Access { reads: true, writes: false },
            b"%W" => Access { reads: false, writes: true },
            _ => return Err(RuleError::Syntax),
        };
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        let known = self.keys.iter_mut().find(|key| *key.pattern == *pattern);
        #[expect(clippy::single_match_else, reason = "the two ways are of one weight")]
        let access = match known {
            Some(key) => {
                key.access =
                    Access { reads: key.access.reads || access.reads, writes: key.access.writes || access.writes };
                key.access
            }
            None => {
                self.keys.push(KeyPattern { access, pattern: pattern.into() });
                access
            }
        };
        if access == Access::ALL && pattern == b"*" {
            // It says the same, and a description that goes on behind it could not be read.
            self.set_keys(true);
        }
        Ok(())
    }

    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAfterAll);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn set_bit(&mut self, id: u16, is_allowed: bool) {
        let (word, bit) = (usize::from(id / 64), 1u64 << (id % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(word) = self.bits.get_mut(word) {
            *word = if is_allowed { *word | bit } else { *word & !bit };
        }
        self.all_commands &= is_allowed;
        self.first_arguments.remove(&id);
    }

    /// Allows or forbids a command with all of its subcommands.
    fn set_command(&mut self, id: u16, is_allowed: bool, catalog: &Catalog) {
        self.set_bit(id, is_allowed);
        for id in catalog.get(id).map_or(0..0, |known| known.subcommands.clone()) {
            self.set_bit(id, is_allowed);
        }
    }

    fn set_category(&mut self, category: u32, is_allowed: bool, catalog: &Catalog) {
        for (id, known) in catalog.all().iter().enumerate() {
            if known.categories & category != 0 {
                self.set_command(id as u16, is_allowed, catalog);
            }
        }
    }

    /// `+name`, `+name|subcommand`, `+name|first-argument`.
    fn allow(&mut self, name: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        if let Some(id) = catalog.find(name) {
            self.set_command(id, true, catalog);
            return Ok(());
        }
        if later::is_known(name) {
            return Ok(());
        }
        let at = name.iter().rposition(|byte| *byte == b'|').ok_or(RuleError::Unknown)?;
        let (command, argument) = (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default());
        let id = catalog.find(command).ok_or(RuleError::Unknown)?;
        let known = catalog.get(id).ok_or(RuleError::Unknown)?;
        if known.is_subcommand {
            return Err(RuleError::FirstArgumentOfSubcommand);
        }
        if argument.is_empty() || has_space(argument) {
            return Err(RuleError::Syntax);
        }
        if !known.subcommands.is_empty() {
            return Err(RuleError::Unknown);
        }
        let arguments = self.first_arguments.entry(id).or_default();
        if !arguments.iter().any(|known| **known == *argument) {
            arguments.push(argument.into());
        }
        Ok(())
    }

    /// Keeps a rule for the description, in the place of those that it makes pointless.
    fn note(&mut self, rule: &[u8]) {
        let new = rule.get(1..).unwrap_or_default();
        self.command_rules.retain(|old| {
            let rest = old.get(1..).and_then(|old| old.strip_prefix(new));
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"|"))
        });
        self.command_rules.push(rule.into());
    }

    fn has_command(&self, id: u16) -> bool {
        self.all_commands || self.bits.get(usize::from(id / 64)).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    fn has_first_argument(&self, request: &Request<'_>) -> bool {
        let allowed = self.first_arguments.get(&request.command);
        let given = request.first_argument;
        allowed.into_iter().flatten().any(|allowed| given.is_some_and(|given| given.eq_ignore_ascii_case(allowed)))
    }

    fn has_key(&self, wanted: &WantedKey<'_>) -> bool {
        self.keys.iter().any(|key| key.access.covers(wanted.access) && glob::matches(&key.pattern, wanted.key, false))
    }

    /// Whether a channel, or a pattern of channels, may be listened to and spoken to.
    pub fn has_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let allows = |allowed: &[u8]| if is_pattern { allowed == name } else { glob::matches(allowed, name, false) };
        self.all_channels || self.channels.iter().any(|allowed| allows(allowed))
    }

    /// Whether it allows a request.
    ///
    /// # Errors
    /// What of it is not allowed.
    pub fn permits(&self, request: &Request<'_>) -> Result<(), Denied> {
        if let Some(dbs) = &self.dbs {
            let is_denied = |wanted: &&WantedDb| wanted.db.is_none_or(|db| !dbs.contains(&db));
            if let Some(denied) = request.dbs.iter().find(is_denied) {
                return Err(Denied::Database(denied.word));
            }
        }
        if !request.is_open && !self.has_command(request.command) && !self.has_first_argument(request) {
            return Err(Denied::Command);
        }
        if !self.all_keys
            && let Some(denied) = request.keys.iter().find(|wanted| !self.has_key(wanted))
        {
            return Err(Denied::Key(denied.word));
        }
        let denied = request.channels.iter().find(|wanted| !self.has_channel(wanted.name, wanted.is_pattern));
        denied.map_or(Ok(()), |denied| Err(Denied::Channel(denied.word)))
    }

    /// The rules about commands.
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut text = if self.allows_future { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.command_rules {
            text.push(b' ');
            text.extend_from_slice(rule);
        }
        text
    }

    /// The patterns of keys.
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let describe = |key: &KeyPattern| {
            let flags: &[u8] = match (key.access.reads, key.access.writes) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            };
            [flags, &key.pattern].concat()
        };
        self.keys.iter().map(describe).collect::<Vec<_>>().join(&b' ')
    }

    /// The patterns of channels.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        self.channels.iter().map(|pattern| [b"&", &**pattern].concat()).collect::<Vec<_>>().join(&b' ')
    }

    /// The databases; empty: none.
    pub fn describe_dbs(&self) -> Vec<u8> {
        match &self.dbs {
            None => b"alldbs".to_vec(),
            Some(dbs) if dbs.is_empty() => Vec::new(),
            Some(dbs) => {
                let numbers: Vec<String> = dbs.iter().map(ToString::to_string).collect();
                format!("db={}", numbers.join(",")).into_bytes()
            }
        }
    }

    /// Rules that make the same selector out of a new one.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.describe_keys()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.describe_channels());
        match &self.dbs {
            None => {}
            Some(dbs) if dbs.is_empty() => parts.push(b"resetdbs".to_vec()),
            Some(_) => parts.push(self.describe_dbs()),
        }
        parts.push(self.describe_commands());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

/// Reads `1,2,3`.
fn databases(list: &[u8]) -> Result<BTreeSet<usize>, RuleError> {
    list.split(|byte| *byte == b',').map(database).collect()
}

fn database(word: &[u8]) -> Result<usize, RuleError> {
    let digits = word.strip_prefix(b"+").or_else(|| word.strip_prefix(b"-")).unwrap_or(word);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RuleError::Syntax);
    }
    let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<i32>().ok());
    number.and_then(|number| usize::try_from(number).ok()).ok_or(RuleError::DatabaseRange)
}

//! All commands by name: built once at start from the families' rows, then only read.
//!
//! A lookup folds the name to upper case eight bytes at a time, mixes its first and last eight bytes with its length into a place
//! of an open-addressing table, and compares these same words: a name of up to 16 bytes is never walked byte by byte.

use std::ops::Range;

use super::keys;
use crate::acl::{Catalog, Known};
use crate::error::Error;
use crate::handler::{Args, Categories, Row};

/// A command or subcommand in the table.
#[derive(Debug)]
pub struct Command {
    /// What it is.
    pub row: &'static Row,
    /// The container of a subcommand.
    pub parent: Option<&'static Row>,
    /// Its place in the order of the table, from 0 without holes: an index for counters.
    pub id: u16,
    /// Where its only key stands, if it has one key at a fixed place and locks nothing else; 0 otherwise.
    single_key: u8,
    /// Whether it may share its locks with its neighbours in a pipeline.
    shares_locks: bool,
    /// Its name, if that alone says what it is, and no more than 16 bytes.
    plain_name: Folded,
    full_name: Box<str>,
    /// By which it is called: its own name, or what `rename-command` made of it; empty: it cannot be called.
    called: Box<[u8]>,
    subcommands: Range<u16>,
}

impl Command {
    /// Lower case, a subcommand behind its container: `get`, `client|id`.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// Whether it may share its locks with its neighbours in a pipeline: it is quick, locks no more than its keys, and
    /// changes nothing but data.
    #[inline]
    pub const fn shares_locks(&self) -> bool {
        self.shares_locks
    }

    /// Whether `name` is its name in the case in which nearly everybody writes it, and that alone says what it is.
    #[inline]
    pub fn is_named(&self, name: &[u8]) -> bool {
        self.plain_name == Folded::raw(name) && !name.is_empty()
    }

    /// Where its only key stands, if it always has exactly one, at a fixed place, and touches nothing else.
    #[inline]
    pub const fn single_key(&self) -> Option<usize> {
        if self.single_key == 0 { None } else { Some(self.single_key as usize) }
    }
}

/// Every command of the engine.
#[derive(Debug)]
pub struct CommandTable {
    /// Each command is followed by its subcommands.
    commands: Vec<Command>,
    slots: Box<[Slot]>,
    shift: u32,
    count: usize,
}

/// A place of the open-addressing table; free if its name is empty.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    name: Folded,
    id: u16,
}

impl CommandTable {
    /// Builds the table; commands keep the order of the families and of their rows.
    ///
    /// # Panics
    /// If two rows have one name, or there are more than 2^15: both are mistakes in our own rows.
    pub fn new(families: &[&'static [Row]]) -> Self {
        let mut commands = Vec::new();
        for row in families.iter().copied().flatten() {
            let at = commands.len();
            commands.push(Self::command(row, None, at));
            for subcommand in row.subcommands {
                let id = commands.len();
                commands.push(Self::command(subcommand, Some(row), id));
            }
            let end = commands.len() as u16;
            if let Some(command) = commands.get_mut(at) {
                command.subcommands = at as u16 + 1..end;
            }
        }
        assert!(commands.len() < 1 << 15, "too many commands");
        let count = commands.iter().filter(|command| command.parent.is_none()).count();
        // At most half full, so that most lookups meet their slot at once.
        let bits = (count * 2).max(16).next_power_of_two().trailing_zeros();
        let mut table = Self { commands, slots: vec![Slot::default(); 1 << bits].into(), shift: 64 - bits, count };
        for at in 0..table.commands.len() {
            table.insert(at);
        }
        table
    }

    fn command(row: &'static Row, parent: Option<&'static Row>, id: usize) -> Command {
        let full_name = parent.map_or_else(|| row.name.to_owned(), |parent| format!("{}|{}", parent.name, row.name));
        let single_key = keys::single_key(&row.keys).and_then(|index| u8::try_from(index).ok()).unwrap_or(0);
        let full_name = full_name.to_ascii_lowercase().into();
        let shares_locks = row.shares_locks();
        let is_plain = parent.is_none() && row.subcommands.is_empty() && row.name.len() <= 16;
        let plain_name = if is_plain { Folded::raw(row.name.as_bytes()) } else { Folded::default() };
        let called = row.name.as_bytes().into();
        Command {
            row,
            parent,
            id: id as u16,
            single_key,
            shares_locks,
            plain_name,
            full_name,
            called,
            subcommands: 0..0,
        }
    }

    fn insert(&mut self, at: usize) {
        let command = &self.commands[at];
        let name = command.row.name;
        let twin = self.commands[..at].iter().find(|other| other.full_name == command.full_name);
        assert!(twin.is_none() && !name.is_empty(), "two rows are called '{}'", command.full_name);
        self.file(at);
    }

    /// Makes a command known by the name by which it is called.
    fn file(&mut self, at: usize) {
        let command = &self.commands[at];
        if command.parent.is_some() || command.called.is_empty() {
            return;
        }
        let folded = Folded::new(&command.called);
        let mut place = folded.place(self.shift);
        while self.slots[place].name.length != 0 {
            place = (place + 1) % self.slots.len();
        }
        self.slots[place] = Slot { name: folded, id: at as u16 };
    }

    /// Gives a command another name: `rename-command`. Without a new one it cannot be called any more.
    ///
    /// # Errors
    /// There is no such command, or the new name belongs to another.
    pub fn rename(&mut self, name: &[u8], new: &[u8]) -> Result<(), &'static str> {
        let Some(at) = self.command_named(name).map(|command| usize::from(command.id)) else {
            return Err("No such command in rename-command");
        };
        if !new.is_empty() && self.command_named(new).is_some() {
            return Err("Target command name already exists");
        }
        let command = &mut self.commands[at];
        command.called = new.into();
        if command.plain_name != Folded::default() {
            command.plain_name = Folded::raw(if new.len() <= 16 { new } else { b"" });
        }
        self.slots.fill(Slot::default());
        for at in 0..self.commands.len() {
            self.file(at);
        }
        Ok(())
    }

    /// The command with this name, whatever its case.
    #[inline]
    pub fn command_named(&self, name: &[u8]) -> Option<&Command> {
        let folded = Folded::new(name);
        if folded.length == 0 {
            return None;
        }
        let mut place = folded.place(self.shift);
        loop {
            let slot = self.slots.get(place)?;
            if slot.name == folded {
                let command = self.commands.get(usize::from(slot.id))?;
                if folded.is_whole() || command.called.eq_ignore_ascii_case(name) {
                    return Some(command);
                }
            } else if slot.name.length == 0 {
                return None;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    /// The subcommand of a container with this name, whatever its case.
    pub fn subcommand_named(&self, container: &Command, name: &[u8]) -> Option<&Command> {
        self.subcommands(container).iter().find(|command| command.row.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The command with this full name (`get`, `client|id`), whatever its case.
    pub fn full_named(&self, name: &[u8]) -> Option<&Command> {
        match name.iter().position(|&byte| byte == b'|') {
            None => self.command_named(name),
            Some(at) => {
                let (container, subcommand) = (name.get(..at)?, name.get(at + 1..)?);
                self.subcommand_named(self.command_named(container)?, subcommand)
            }
        }
    }

    /// What a request asks for. A container without further words is itself the answer: its arity refuses it.
    ///
    /// # Errors
    /// There is no such command or subcommand.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Result<&Command, Error> {
        let Some(command) = self.command_named(args.word(0)) else {
            return Err(unknown_command(args));
        };
        match args.get(1) {
            Some(word) if !command.subcommands.is_empty() => {
                self.subcommand_named(command, word).ok_or_else(|| unknown_subcommand(command.row, word))
            }
            _ => Ok(command),
        }
    }

    /// What users' rules know of the commands: by the names that their rows give them, whatever they are called by.
    pub fn catalog(&self) -> Catalog {
        let known = |command: &Command| Known {
            name: command.full_name.clone(),
            categories: command.row.all_categories().bits(),
            is_subcommand: command.parent.is_some(),
            subcommands: command.subcommands.clone(),
        };
        let categories = Categories::NAMES.iter().map(|(bit, name)| (bit.bits(), name.to_ascii_lowercase().into()));
        Catalog::new(self.commands.iter().map(known).collect(), categories.collect())
    }

    /// How many commands there are, subcommands not counted.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// All commands in order, each followed by its subcommands; the place of each is its `id`.
    pub fn all(&self) -> &[Command] {
        &self.commands
    }

    /// The commands in order, without subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(|command| command.parent.is_none())
    }

    /// The subcommands of a container, in order.
    pub fn subcommands(&self, container: &Command) -> &[Command] {
        let Range { start, end } = container.subcommands;
        self.commands.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }
}

/// A name in upper case: its first and last eight bytes (of a shorter name overlapping parts) and its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Folded {
    first: u64,
    last: u64,
    length: usize,
}

impl Folded {
    #[inline]
    fn new(name: &[u8]) -> Self {
        let Self { first, last, length } = Self::raw(name);
        Self { first: upper(first), last: upper(last), length }
    }

    /// The name as it is written.
    #[inline]
    fn raw(name: &[u8]) -> Self {
        let length = name.len();
        // Two overlapping loads hold all bytes of a name that is between one and two loads long.
        let (first, last) = match (name.first_chunk::<8>(), name.first_chunk::<4>(), name.first_chunk::<2>()) {
            (Some(first), ..) => {
                (u64::from_le_bytes(*first), name.last_chunk().map_or(0, |last| u64::from_le_bytes(*last)))
            }
            (_, Some(first), _) => (
                u64::from(u32::from_le_bytes(*first)),
                name.last_chunk().map_or(0, |last| u64::from(u32::from_le_bytes(*last))),
            ),
            (.., Some(first)) => (
                u64::from(u16::from_le_bytes(*first)),
                name.last_chunk().map_or(0, |last| u64::from(u16::from_le_bytes(*last))),
            ),
            _ => (name.first().copied().map_or(0, u64::from), 0),
        };
        Self { first, last, length }
    }

    /// Whether both words hold all bytes, so that equal words mean equal names.
    #[inline]
    const fn is_whole(self) -> bool {
        self.length <= 16
    }

    #[inline]
    const fn place(self, shift: u32) -> usize {
        // An odd constant with bits all over (2^64 divided by the golden ratio) spreads the sum into the upper bits.
        let mixed = self.first ^ self.last.rotate_left(29) ^ self.length as u64;
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> shift) as usize
    }
}

/// Turns the letters a to z among eight bytes into upper case, and nothing else.
#[inline]
const fn upper(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Seven bits plus an offset carry into the eighth exactly from 'a' on, and from the byte behind 'z' on.
    let low = bytes & (ONES * 0x7F);
    let from_a = low + ONES * (0x80 - b'a' as u64);
    let behind_z = low + ONES * (0x7F - b'z' as u64);
    let letters = (from_a ^ behind_z) & !bytes & (ONES * 0x80);
    bytes ^ (letters >> 2)
}

/// Bytes of a request that an error text repeats at most.
const QUOTED_MAX: usize = 128;

/// What an error text repeats of a word: no more than `limit` bytes, and nothing from a zero byte on.
fn quoted(word: &[u8], limit: usize) -> std::borrow::Cow<'_, str> {
    let cut = word.get(..limit).unwrap_or(word);
    let end = memchr::memchr(0, cut).unwrap_or(cut.len());
    String::from_utf8_lossy(cut.get(..end).unwrap_or_default())
}

/// The error for a command that does not exist; repeats the beginning of the request.
#[cold]
pub fn unknown_command(args: Args<'_>) -> Error {
    let mut words = String::new();
    let mut bytes = 0;
    for word in args.from(1) {
        if bytes >= QUOTED_MAX {
            break;
        }
        let word = quoted(word, QUOTED_MAX - bytes);
        bytes += word.len() + 3;
        words.extend(["'", &word, "' "]);
    }
    let name = quoted(args.word(0), QUOTED_MAX);
    Error::text(format!("ERR unknown command '{name}', with args beginning with: {words}"))
}

/// The error for a subcommand that does not exist.
#[cold]
pub fn unknown_subcommand(container: &Row, word: &[u8]) -> Error {
    Error::text(format!("ERR unknown subcommand '{}'. Try {} HELP.", quoted(word, QUOTED_MAX), container.name))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

//! The commands as rules know them: numbers, names, categories.

use std::collections::HashMap;
use std::ops::Range;

/// A command or subcommand.
#[derive(Clone, Debug)]
pub struct Known {
    /// Lower case, a subcommand behind its container: `get`, `client|id`.
    pub name: Box<str>,
    /// The categories to which it belongs, a bit each.
    pub categories: u32,
    /// Whether it is a subcommand.
    pub is_subcommand: bool,
    /// The numbers of its subcommands.
    pub subcommands: Range<u16>,
}

/// All commands; the place of each is its number.
#[derive(Debug, Default)]
pub struct Catalog {
    commands: Vec<Known>,
    by_name: HashMap<Box<str>, u16>,
    categories: Vec<(u32, Box<str>)>,
}

impl Catalog {
    /// The catalog of these commands; categories with their bits and their names in lower case.
    pub fn new(commands: Vec<Known>, categories: Vec<(u32, Box<str>)>) -> Self {
        let by_name = commands.iter().enumerate().map(|(id, known)| (known.name.clone(), id as u16)).collect();
        Self { commands, by_name, categories }
    }

    /// How many commands and subcommands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// All commands and subcommands in the order of their numbers.
    pub fn all(&self) -> &[Known] {
        &self.commands
    }

    /// The number of a command by its full name, whatever its case.
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.by_name.get(name.as_str()).copied()
    }

    /// A command by its number.
    pub fn get(&self, id: u16) -> Option<&Known> {
        self.commands.get(usize::from(id))
    }

    /// The bit of a category, whatever the case of its name.
    pub fn category(&self, name: &[u8]) -> Option<u32> {
        let found = self.categories.iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(bit, _)| *bit)
    }

    /// The names of all categories.
    pub fn categories(&self) -> impl ExactSizeIterator<Item = &str> {
        self.categories.iter().map(|(_, name)| &**name)
    }
}

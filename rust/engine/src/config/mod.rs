//! The configuration: a table of options, the live values, and the reader of `redis.conf`.
//!
//! What it is: pure data. [`Config`] holds one typed [`Value`] for each row of the table; [`Config::changed`] computes the
//! configuration that a `CONFIG SET` asks for; [`load`] turns files and command-line arguments into a configuration.
//! What it is not: it opens no file (files enter through [`Files`]), binds no port and takes no lock. Whoever owns
//! the live configuration wraps it in a lock, applies the listed changes to sockets and logs, and only then swaps.
//!
//! Invariants:
//! - a value always has the variant that the kind of its option prescribes, because one parser per kind makes all of them;
//! - a configuration changes all at once or not at all;
//! - what `CONFIG GET` prints can be given to `CONFIG SET` and means the same value
//!   (one exception, Redis's own: [`KeyspaceEvents::letters`]).
//!
//! Three words for how far an option goes, see [`Support`]: supported; known, but without effect yet (kept, printed, named once in
//! the log if it differs from its default); unknown (refused, with the nearest name).

mod arguments;
mod error;
mod limit;
mod load;
mod number;
mod option;
pub mod options;
mod parse;
mod rewrite;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod words;

pub use arguments::{Arguments, read_arguments};
pub use error::{ConfigError, SetError};
pub use load::{Directive, DirectiveKind, Files, INCLUDE_DEPTH_MAX, Loaded, load};
pub(crate) use number::memory_bytes;
pub use option::{ConfigOption, Flags, Handle, Kind, Shape, Support, Typed};
pub use rewrite::Written;
pub use suggest::nearest_name;
pub use table::{Key, all_options, find};
pub use value::{KeyspaceEvents, OutputLimit, OutputLimits, SavePoint, Share, Value};
pub use words::split_words;

use table::TABLE;

/// One option whose value differs between two configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The row of the option.
    pub option: &'static ConfigOption,
}

/// The value of every option.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// In the order of the table; as long as the table.
    values: Vec<Value>,
}

impl Default for Config {
    fn default() -> Self {
        let values = TABLE.iter().map(ConfigOption::default_value).collect();
        Self { values }
    }
}

impl Config {
    /// The value behind a handle of [`options`]: `config.get(options::MAXCLIENTS)` is an `i64`.
    pub fn get<T: Typed + ?Sized>(&self, handle: Handle<T>) -> T::Out<'_> {
        T::read(&self.values[handle.index()])
    }

    /// The value of the option that `key` names.
    pub fn value(&self, key: Key) -> &Value {
        &self.values[key.index()]
    }

    /// The value of an option as `CONFIG GET` prints it; `None` if no option has this name.
    pub fn text(&self, name: &[u8]) -> Option<Vec<u8>> {
        let key = find(name)?;
        Some(self.print(key))
    }

    fn print(&self, key: Key) -> Vec<u8> {
        key.option().kind.print(self.value(key))
    }

    /// Gives one option a new value from the words that follow its name, whatever its flags say: this is how a file, the command
    /// line and the server itself (which knows the absolute `dir`) set values.
    ///
    /// # Errors
    /// An unknown name, or the reason why the words are no value of this option.
    pub fn set<W: AsRef<[u8]>>(&mut self, name: &[u8], words: &[W]) -> Result<(), SetError> {
        let key = find(name).ok_or_else(|| SetError::Unknown { name: name.to_vec() })?;
        self.assign(key, words, false).map_err(|reason| SetError::failed(key.name(), reason))
    }

    /// `adding` says that this is a further line of a file that already gave the option.
    fn assign<W: AsRef<[u8]>>(&mut self, key: Key, words: &[W], adding: bool) -> Result<(), String> {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let old = &self.values[key.index()];
        self.values[key.index()] = key.option().kind.parse(&words, old, adding)?;
        Ok(())
    }

    /// `CONFIG SET name value [name value …]`: the configuration that results, and the options whose values differ.
    /// `self` stays as it is, so the caller can apply the changes to the world first and give up without a trace.
    /// `protected_allowed` is what `enable-protected-configs` says for the client that asks.
    ///
    /// # Errors
    /// The first refusal in the order in which Redis finds them.
    pub fn changed<W: AsRef<[u8]>>(
        &self,
        words: &[W],
        protected_allowed: bool,
    ) -> Result<(Self, Vec<Change>), SetError> {
        let pairs = pairs_of(words)?;
        let keys = admit(&pairs, protected_allowed)?;
        let mut next = self.clone();
        for (key, (_, value)) in keys.iter().zip(&pairs) {
            let words = if key.option().kind.takes_many() { words::split_spaces(value) } else { vec![*value] };
            next.assign(*key, &words, false).map_err(|reason| SetError::failed(key.name(), reason))?;
        }
        let changes = self.differences(&next);
        Ok((next, changes))
    }

    fn differences(&self, other: &Self) -> Vec<Change> {
        let pairs = self.values.iter().zip(&other.values);
        let rows = TABLE.iter().zip(pairs);
        rows.filter(|(_, (a, b))| a != b).map(|(option, _)| Change { option }).collect()
    }

    /// `CONFIG GET pattern [pattern …]`: names and printed values, each name once, sorted by name. `matches(pattern, name)` is
    /// the glob matcher; it gets both in lower case. A pattern without `*`, `?` or `[` is a name, and answers as it was written.
    pub fn matching<W: AsRef<[u8]>>(
        &self,
        patterns: &[W],
        matches: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Key)> = Vec::new();
        for pattern in patterns.iter().map(AsRef::as_ref) {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some(key) = find(pattern) {
                    push_once(&mut found, pattern.to_vec(), key);
                }
                continue;
            }
            let pattern = pattern.to_ascii_lowercase();
            for key in table::keys() {
                // A hidden option answers only to its own name.
                let hidden = key.option().flags.contains(Flags::HIDDEN);
                if !hidden && matches(&pattern, key.name().as_bytes()) {
                    push_once(&mut found, key.name().into(), key);
                }
            }
        }
        found.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
        found.into_iter().map(|(name, key)| (name, self.print(key))).collect()
    }

    /// The options that have no effect yet and whose value differs from the default: what the server names in its log.
    pub fn ineffective(&self) -> Vec<&'static str> {
        TABLE
            .iter()
            .zip(&self.values)
            .filter(|(option, value)| option.support == Support::NoEffectYet && **value != option.default_value())
            .map(|(option, _)| option.name)
            .collect()
    }
}

fn push_once(found: &mut Vec<(Vec<u8>, Key)>, name: Vec<u8>, key: Key) {
    if !found.iter().any(|(_, other)| *other == key) {
        found.push((name, key));
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

fn pairs_of<W: AsRef<[u8]>>(words: &[W]) -> Result<Vec<Pair<'_>>, SetError> {
    let (pairs, rest) = words.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(SetError::Syntax);
    }
    Ok(pairs.iter().map(|[name, value]| (name.as_ref(), value.as_ref())).collect())
}

/// Looks every name up before any value is read. The first fault wins.
fn admit(pairs: &[Pair<'_>], protected_allowed: bool) -> Result<Vec<Key>, SetError> {
    let mut keys: Vec<Key> = Vec::with_capacity(pairs.len());
    for (name, _) in pairs {
        let key = find(name).ok_or_else(|| SetError::Unknown { name: name.to_vec() })?;
        let flags = key.option().flags;
        // An option and its alias count as two: Redis accepts both in one call, the later one last.
        let fault = if flags.contains(Flags::IMMUTABLE) {
            Some("can't set immutable config")
        } else if flags.contains(Flags::PROTECTED) && !protected_allowed {
            Some("can't set protected config")
        } else if keys.contains(&key) {
            Some("duplicate parameter")
        } else {
            None
        };
        if let Some(reason) = fault {
            return Err(SetError::Failed { name: name.to_vec(), reason: reason.into() });
        }
        keys.push(key);
    }
    Ok(keys)
}

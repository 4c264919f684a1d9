//! The typed syntax of a command's words, one line per row, and the tree it stands for.
//!
//! The line stands next to the handler and is the only place that spells a command's options. COMMAND DOCS and the generators
//! of random commands read the tree. The grammar, by example:
//!
//! | text | meaning |
//! |---|---|
//! | `seconds:integer` | a word with a name and a type |
//! | `addr/ip:port:string` | the same, shown to people as `ip:port` |
//! | `EX seconds:integer` | a word behind a fixed word |
//! | `KEEPTTL` | a fixed word alone; its name is `keepttl` |
//! | `change=CH`, `equal='='` | a fixed word with another name; quotes hold what is no letter; it never binds a word behind it |
//! | `[item]` | may be left out |
//! | `key:key...` | once or more |
//! | `[GET pattern:pattern]...` | may come again, with its fixed word |
//! | `order:(ASC \| DESC)` | one of them |
//! | `limit:(offset:integer count:integer)` | all of them, in this order |
//! | `[NX \| XX]`, `(NX \| XX)` | a choice without a name is called `condition` |
//! | `GET@6.2.0`, `@-7.0.0`, `@1.0.0-7.0.0` | the version that brought it, that deprecated it, both |
//! | `pattern:pattern#1` | belongs to this key specification; a `key` belongs to the next one if it does not say |
//!
//! Behind an argument stand `#`, `...` and `@`, in this order. Lines are parsed when COMMAND DOCS asks, never at start-up.

use std::fmt;

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A floating point number.
    Double,
    /// A key's name.
    Key,
    /// A glob pattern.
    Pattern,
    /// A time since 1970.
    UnixTime,
    /// A fixed word alone.
    PureToken,
    /// One of the nested arguments.
    OneOf,
    /// All nested arguments, in order.
    Block,
}

impl Kind {
    /// As COMMAND DOCS spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }

    /// The kind of a plain word, from its name in the line.
    fn of_word(name: &str) -> Option<Self> {
        [Self::String, Self::Integer, Self::Double, Self::Key, Self::Pattern, Self::UnixTime]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One argument of a command, or a group of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What is shown to people instead of the name, if it differs.
    pub shown: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// The fixed word before it, or which it is; empty for the empty word.
    pub token: Option<String>,
    /// May be left out.
    pub optional: bool,
    /// May come more than once.
    pub multiple: bool,
    /// If it comes more than once, the fixed word comes each time.
    pub multiple_token: bool,
    /// The key specification of the row to which it belongs, from 0.
    pub key_spec: Option<usize>,
    /// Version that brought it, if later than the command.
    pub since: Option<String>,
    /// Version that deprecated it.
    pub deprecated_since: Option<String>,
    /// Of a group.
    pub arguments: Vec<Argument>,
}

impl Argument {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            shown: None,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            key_spec: None,
            since: None,
            deprecated_since: None,
            arguments: Vec::new(),
        }
    }

    /// Words it takes when it is given once, in its shortest form.
    fn words_once(&self) -> usize {
        let values = match self.kind {
            Kind::PureToken => 0,
            // Whoever chooses takes one alternative: that it could be left out is a matter of the choice as a whole.
            Kind::OneOf => self.arguments.iter().map(Self::words_once).min().unwrap_or(0),
            Kind::Block => self.arguments.iter().map(Self::min_words).sum(),
            _ => 1,
        };
        values + usize::from(self.token.is_some())
    }

    fn min_words(&self) -> usize {
        if self.optional { 0 } else { self.words_once() }
    }

    /// Whether every way to write it takes the same number of words.
    fn is_fixed(&self) -> bool {
        let words = self.arguments.first().map_or(0, Self::words_once);
        let same =
            self.kind != Kind::OneOf || self.arguments.iter().all(|alternative| alternative.words_once() == words);
        !self.optional && !self.multiple && same && self.arguments.iter().all(Self::is_fixed)
    }
}

/// The words behind a command's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// In order.
    pub arguments: Vec<Argument>,
}

impl Usage {
    /// Parses a row's line.
    ///
    /// # Errors
    /// The line breaks the grammar.
    pub fn parse(text: &str) -> Result<Self, UsageError> {
        let mut parser = Parser { text, at: 0, next_key_spec: 0, depth: 0 };
        let arguments = parser.sequence()?;
        match parser.peek() {
            None => Ok(Self { arguments }),
            Some(_) => Err(parser.error(Fault::Unexpected)),
        }
    }

    /// The fewest words that are well formed, without the command's name.
    pub fn min_words(&self) -> usize {
        self.arguments.iter().map(Argument::min_words).sum()
    }

    /// Whether there is only one legal number of words.
    pub fn is_fixed(&self) -> bool {
        self.arguments.iter().all(Argument::is_fixed)
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A character that cannot stand here.
    Unexpected,
    /// A bracket or quote that is not closed.
    Unclosed,
    /// A word with a colon and a type that does not exist.
    UnknownType,
    /// A word that is neither `name:type` nor upper case.
    NotAToken,
    /// A group in round brackets, or a choice, with fewer than two members.
    TooFewMembers,
    /// A sequence of several arguments that needs a name.
    NoName,
    /// An alternative of several arguments: they must be a block.
    LongAlternative,
    /// `[...]...` around something without a fixed word.
    RepeatsNoToken,
    /// `@` without a version, or `#` without a number.
    BadNote,
    /// Brackets nested too deep.
    TooDeep,
}

/// An error of a line, with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageError {
    /// What is wrong.
    pub fault: Fault,
    /// Byte of the line.
    pub at: usize,
}

impl fmt::Display for UsageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "usage line, byte {}: {:?}", self.at, self.fault)
    }
}

impl std::error::Error for UsageError {}

/// Name of a choice that has none.
const UNNAMED: &str = "condition";

/// Deepest nesting of brackets; CLIENT KILL, the deepest of all, has 4.
const DEPTH_MAX: usize = 16;

/// Members of a pair of brackets.
struct Members {
    arguments: Vec<Argument>,
    is_choice: bool,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    next_key_spec: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, fault: Fault) -> UsageError {
        UsageError { fault, at: self.at }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn take_while(&mut self, legal: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !legal(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A run of letters, with the colons and slashes of `name/shown:type`.
    fn word(&mut self) -> &'a str {
        self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '/'))
    }

    fn sequence(&mut self) -> Result<Vec<Argument>, UsageError> {
        let mut arguments = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None | Some(')' | ']' | '|') => return Ok(arguments),
                Some('[') => arguments.push(self.optional()?),
                Some(_) => arguments.push(self.argument()?),
            }
        }
    }

    /// What stands between brackets; the opening one was read.
    fn members(&mut self, close: &str) -> Result<Members, UsageError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(Fault::TooDeep));
        }
        let mut arguments = self.sequence()?;
        let is_choice = self.peek() == Some('|');
        if is_choice && arguments.len() != 1 {
            return Err(self.error(Fault::LongAlternative));
        }
        while self.take("|") {
            let mut alternative = self.sequence()?;
            match (alternative.pop(), alternative.is_empty()) {
                (Some(argument), true) => arguments.push(argument),
                _ => return Err(self.error(Fault::LongAlternative)),
            }
        }
        self.depth -= 1;
        if !self.take(close) {
            return Err(self.error(Fault::Unclosed));
        }
        Ok(Members { arguments, is_choice })
    }

    fn optional(&mut self) -> Result<Argument, UsageError> {
        self.take("[");
        let mut members = self.members("]")?;
        let mut argument = if members.is_choice {
            Self::choice(UNNAMED, members.arguments)
        } else {
            let first = members.arguments.pop().filter(|first| members.arguments.is_empty() && !first.optional);
            first.ok_or_else(|| self.error(Fault::NoName))?
        };
        argument.optional = true;
        if self.take("...") {
            if argument.token.is_none() || argument.multiple {
                return Err(self.error(Fault::RepeatsNoToken));
            }
            argument.multiple = true;
            argument.multiple_token = true;
        }
        Ok(argument)
    }

    fn choice(name: &str, arguments: Vec<Argument>) -> Argument {
        Argument { arguments, ..Argument::new(name, Kind::OneOf) }
    }

    /// An argument with or without a fixed word before it.
    fn argument(&mut self) -> Result<Argument, UsageError> {
        if matches!(self.peek(), Some('(')) {
            return self.value("");
        }
        if self.peek() == Some('\'') {
            let token = self.quoted()?;
            return self.behind(token);
        }
        let word = self.word();
        if word.contains(':') {
            return self.value(word);
        }
        if word.is_empty() {
            return Err(self.error(Fault::Unexpected));
        }
        if self.take("=") {
            let token = if self.peek() == Some('\'') { self.quoted()? } else { self.word() };
            let pure = Argument { token: Some(token.to_owned()), ..Argument::new(word, Kind::PureToken) };
            return self.notes(pure);
        }
        self.behind(word)
    }

    fn quoted(&mut self) -> Result<&'a str, UsageError> {
        self.take("'");
        let token = self.take_while(|c| c != '\'');
        if self.take("'") { Ok(token) } else { Err(self.error(Fault::Unclosed)) }
    }

    /// A fixed word was read: with a value behind it, it belongs to that.
    fn behind(&mut self, token: &str) -> Result<Argument, UsageError> {
        if token.contains(|c: char| c.is_ascii_lowercase() || matches!(c, ':' | '/')) {
            return Err(self.error(Fault::NotAToken));
        }
        let end = self.at;
        if self.peek() == Some(' ') {
            self.skip_spaces();
            let word = self.word();
            if word.contains(':') || (word.is_empty() && self.peek() == Some('(')) {
                let value = self.value(word)?;
                return Ok(Argument { token: Some(token.to_owned()), ..value });
            }
            self.at = end;
        }
        let pure =
            Argument { token: Some(token.to_owned()), ..Argument::new(&token.to_ascii_lowercase(), Kind::PureToken) };
        self.notes(pure)
    }

    /// A value from `name:type` or from a name before a group.
    fn value(&mut self, word: &str) -> Result<Argument, UsageError> {
        let name = word.strip_suffix(':').unwrap_or(word);
        if (word.is_empty() || name.len() < word.len()) && self.take("(") {
            let members = self.members(")")?;
            let fault = match (members.arguments.len(), members.is_choice || !name.is_empty()) {
                (0 | 1, _) => Some(Fault::TooFewMembers),
                (_, false) => Some(Fault::NoName),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(self.error(fault));
            }
            let name = if name.is_empty() { UNNAMED } else { name };
            let kind = if members.is_choice { Kind::OneOf } else { Kind::Block };
            return self.notes(Argument { arguments: members.arguments, ..Argument::new(name, kind) });
        }
        let (name, kind) = word.rsplit_once(':').ok_or_else(|| self.error(Fault::Unexpected))?;
        let kind = Kind::of_word(kind).ok_or_else(|| self.error(Fault::UnknownType))?;
        let (name, shown) = name.split_once('/').map_or((name, None), |(name, shown)| (name, Some(shown.to_owned())));
        if name.is_empty() {
            return Err(self.error(Fault::Unexpected));
        }
        self.notes(Argument { shown, ..Argument::new(name, kind) })
    }

    /// What stands directly behind an argument.
    fn notes(&mut self, mut argument: Argument) -> Result<Argument, UsageError> {
        if self.take("#") {
            let digits = self.take_while(|c| c.is_ascii_digit());
            argument.key_spec = Some(digits.parse::<u8>().map_err(|_| self.error(Fault::BadNote))?.into());
        } else if argument.kind == Kind::Key {
            argument.key_spec = Some(self.next_key_spec);
        }
        if let Some(spec) = argument.key_spec {
            self.next_key_spec = self.next_key_spec.max(spec + 1);
        }
        if argument.kind != Kind::PureToken && self.take("...") {
            argument.multiple = true;
        }
        if self.take("@") {
            argument.since = self.version();
            if self.take("-") {
                argument.deprecated_since = self.version();
            }
            if argument.since.is_none() && argument.deprecated_since.is_none() {
                return Err(self.error(Fault::BadNote));
            }
        }
        match self.peek() {
            None | Some(' ' | ')' | ']' | '|') => Ok(argument),
            Some(_) => Err(self.error(Fault::Unexpected)),
        }
    }

    fn version(&mut self) -> Option<String> {
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '.');
        (!digits.is_empty()).then(|| digits.to_owned())
    }
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;

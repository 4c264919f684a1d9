//! From files and arguments to a configuration.

use std::io;

use super::arguments::Arguments;
use super::error::ConfigError;
use super::option::Flags;
use super::suggest::nearest_name;
use super::table::{Key, find, keys};
use super::{Config, split_words};

/// How deep `include` may nest.
pub const INCLUDE_DEPTH_MAX: usize = 16;

/// How configuration files are read. Relative paths are relative to the working directory.
pub trait Files {
    /// The whole content of a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The paths that match a pattern of `*`, `?` and `[…]`, sorted. None is no error.
    ///
    /// # Errors
    /// What the operating system says.
    fn glob(&self, pattern: &str) -> io::Result<Vec<String>>;
}

/// A line that is not an option but an order to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Which order.
    pub kind: DirectiveKind,
    /// The words after its name, at least one (two for `rename-command`).
    pub words: Vec<Vec<u8>>,
    place: Place,
}

/// Orders that a configuration file can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectiveKind {
    /// `loadmodule path [argument …]`
    LoadModule,
    /// `rename-command name new-name`; an empty new name removes the command.
    RenameCommand,
    /// `user name [rule …]`
    User,
}

impl DirectiveKind {
    const ALL: [Self; 3] = [Self::LoadModule, Self::RenameCommand, Self::User];

    /// The word that begins the line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoadModule => "loadmodule",
            Self::RenameCommand => "rename-command",
            Self::User => "user",
        }
    }

    fn fits(self, word_count: usize) -> bool {
        match self {
            Self::LoadModule | Self::User => word_count >= 1,
            Self::RenameCommand => word_count == 2,
        }
    }
}

impl Directive {
    /// The error of a directive that the server cannot follow, with the place where it stands.
    pub fn refuse(&self, reason: impl Into<String>) -> ConfigError {
        self.place.error(reason)
    }
}

/// What files and arguments said.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// In the order in which they stood.
    pub directives: Vec<Directive>,
    /// Names of options without effect yet whose value differs from the default.
    pub ineffective: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    file: String,
    line: usize,
    text: String,
}

impl Place {
    fn error(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.clone(), line: self.line, text: self.text.clone(), reason: reason.into() }
    }
}

/// Reads the file that the arguments name, then `stdin` if they ask for it, then the options among the arguments. Later lines win;
/// `save` lines add up, the first one replacing the default.
///
/// # Errors
/// The first line that cannot be used, or a file that cannot be read.
pub fn load(arguments: &Arguments, stdin: &[u8], files: &dyn Files) -> Result<Loaded, ConfigError> {
    let mut loader = Loader { config: Config::default(), directives: Vec::new(), given: Vec::new(), files };
    if let Some(path) = &arguments.file {
        let whole = Place { file: String::from_utf8_lossy(path).into_owned(), line: 0, text: String::new() };
        loader.read_file(path, &whole, 0)?;
    }
    if arguments.reads_stdin {
        loader.read_lines("standard input", stdin.split(|byte| *byte == b'\n'), 0)?;
    }
    // A value cannot hold a bare line break, its quoting sees to that; behind a name one begins a new line, as in Redis.
    let lines = arguments.lines.iter().flat_map(|line| line.split(|byte| *byte == b'\n'));
    loader.read_lines("command line", lines, 0)?;
    Ok(Loaded { ineffective: loader.config.ineffective(), config: loader.config, directives: loader.directives })
}

struct Loader<'a> {
    config: Config,
    directives: Vec<Directive>,
    /// Options that a line has given.
    given: Vec<usize>,
    files: &'a dyn Files,
}

impl Loader<'_> {
    fn read_file(&mut self, path: &[u8], asked: &Place, depth: usize) -> Result<(), ConfigError> {
        let path =
            std::str::from_utf8(path).map_err(|_| asked.error("the path of a configuration file is not UTF-8"))?;
        let failed = |path: &str, error: io::Error| asked.error(format!("can't open config file '{path}': {error}"));
        let paths = if path.contains(['*', '?', '[']) {
            self.files.glob(path).map_err(|error| failed(path, error))?
        } else {
            vec![path.to_owned()]
        };
        for path in paths {
            let content = self.files.read(&path).map_err(|error| failed(&path, error))?;
            self.read_lines(&path, content.split(|byte| *byte == b'\n'), depth)?;
        }
        Ok(())
    }

    fn read_lines<'a>(
        &mut self,
        file: &str,
        lines: impl Iterator<Item = &'a [u8]>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        for (index, line) in lines.enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let place = Place { file: file.to_owned(), line: index + 1, text: shown(line) };
            let words = split_words(line).ok_or_else(|| place.error("Unbalanced quotes in configuration line"))?;
            if let Some((name, words)) = words.split_first() {
                self.read_line(name, words, place, depth)?;
            }
        }
        Ok(())
    }

    fn read_line(&mut self, name: &[u8], words: &[Vec<u8>], place: Place, depth: usize) -> Result<(), ConfigError> {
        if let Some(key) = find(name) {
            return self.set(key, words).map_err(|reason| place.error(reason));
        }
        let directive = DirectiveKind::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()));
        if let Some(kind) = directive {
            if !kind.fits(words.len()) {
                return Err(place.error("wrong number of arguments"));
            }
            self.directives.push(Directive { kind, words: words.to_vec(), place });
            return Ok(());
        }
        if name.eq_ignore_ascii_case(b"include") {
            return self.include(words, &place, depth);
        }
        // Redis accepts these and does nothing with them.
        if FORGOTTEN.iter().any(|old| name.eq_ignore_ascii_case(old.as_bytes())) && words.len() == 1 {
            return Ok(());
        }
        Err(place.error(unknown(name)))
    }

    fn include(&mut self, words: &[Vec<u8>], place: &Place, depth: usize) -> Result<(), ConfigError> {
        let [path] = words else {
            return Err(place.error("wrong number of arguments"));
        };
        if depth >= INCLUDE_DEPTH_MAX {
            return Err(place.error(format!("include nests deeper than {INCLUDE_DEPTH_MAX} files")));
        }
        self.read_file(path, place, depth + 1)
    }

    fn set(&mut self, key: Key, words: &[Vec<u8>]) -> Result<(), String> {
        let adding = self.given.contains(&key.index());
        match words {
            // All words of an option may stand in one, as in `--save "60 1"`.
            [word] if key.option().kind.takes_many() && !word.is_empty() => {
                let words = split_words(word).ok_or("Unbalanced quotes in configuration line")?;
                self.config.assign(key, &words, adding)?;
            }
            words => self.config.assign(key, words, adding)?,
        }
        if !adding {
            self.given.push(key.index());
        }
        Ok(())
    }
}

/// Options of old releases that Redis still reads over.
const FORGOTTEN: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// The line as an error may show it: without the value of a secret.
fn shown(line: &[u8]) -> String {
    let name_len = line.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
    let (name, _) = line.split_at(name_len);
    let bare = name.trim_ascii().to_ascii_lowercase();
    let bare: Vec<u8> = bare.into_iter().filter(|byte| !b"\"'".contains(byte)).collect();
    let sensitive = find(&bare).is_some_and(|key| key.option().flags.contains(Flags::SENSITIVE));
    if sensitive || bare == b"user" {
        return format!("{} (redacted)", String::from_utf8_lossy(name));
    }
    String::from_utf8_lossy(line).into_owned()
}

fn unknown(name: &[u8]) -> String {
    if name.eq_ignore_ascii_case(b"sentinel") {
        return "sentinel directive while not in sentinel mode".into();
    }
    let others = DirectiveKind::ALL.map(DirectiveKind::name);
    let candidates = keys()
        .filter(|key| !key.option().flags.contains(Flags::HIDDEN))
        .map(Key::name)
        .chain(others)
        .chain(["include"]);
    let shown = String::from_utf8_lossy(name);
    match nearest_name(name, candidates) {
        Some(near) => {
            format!("Bad directive or wrong number of arguments: unknown option '{shown}'; did you mean '{near}'?")
        }
        None => format!("Bad directive or wrong number of arguments: unknown option '{shown}'"),
    }
}

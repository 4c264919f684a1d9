//! The rules of one user: who may log in, and what is allowed then.

use std::hint::black_box;

use sha2::{Digest, Sha256};

use super::catalog::Catalog;
use super::selector::{Denied, Request, Selector};

/// Why a rule cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No such command or category.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// No rule.
    #[error("Syntax error")]
    Syntax,
    /// A pattern of keys behind the one that allows all.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    KeysAfterAll,
    /// A pattern of channels behind the one that allows all.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    ChannelsAfterAll,
    /// No such password.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// No hash of a password.
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    BadHash,
    /// `+command|subcommand|argument`.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgumentOfSubcommand,
    /// No number of a database.
    #[error("The provided database ID is out of range")]
    DatabaseRange,
}

/// A password, as SHA-256 leaves it.
type Hash = [u8; 32];

/// What a user may do. Its passwords are no part of what `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether anybody may log in as this user.
    pub is_on: bool,
    /// Whether any password is right.
    pub no_password: bool,
    passwords: Vec<Hash>,
    root: Selector,
    selectors: Vec<Selector>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rules").field("is_on", &self.is_on).finish_non_exhaustive()
    }
}

fn hash_of(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

fn hash_from_hex(hex: &[u8]) -> Result<Hash, RuleError> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return Err(RuleError::BadHash);
    }
    let mut hash = Hash::default();
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Ok(hash)
}

fn to_hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // A String takes whatever is written.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Compares in a time that does not depend on where the two begin to differ.
fn is_equal(one: &Hash, other: &Hash) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| black_box(difference | (a ^ b))) == 0
}

impl Rules {
    /// Those of a new user, who may do nothing; `all_channels`: what `acl-pubsub-default` says.
    pub fn new(all_channels: bool) -> Self {
        Self {
            is_on: false,
            no_password: false,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// Those of `default`, who may do everything without a password.
    ///
    /// # Panics
    /// Never: these rules are right.
    pub fn everything(catalog: &Catalog) -> Self {
        let mut rules = Self::new(true);
        (rules.is_on, rules.no_password) = (true, true);
        for rule in [b"allkeys".as_slice(), b"allcommands"] {
            assert!(rules.root.apply(rule, catalog).is_ok(), "the rules of the default user");
        }
        rules
    }

    /// The permissions, each set of which is enough.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// The user's own permissions.
    pub const fn root(&self) -> &Selector {
        &self.root
    }

    /// The further sets of permissions.
    pub fn further(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether everything is allowed.
    pub fn is_unrestricted(&self) -> bool {
        self.selectors().any(Selector::is_unrestricted)
    }

    /// Whether a password is right. Takes the same time whether it is nearly right or not at all.
    pub fn is_password(&self, password: &[u8]) -> bool {
        let given = hash_of(password);
        let is_known = self.passwords.iter().fold(false, |found, known| found | is_equal(known, &given));
        self.is_on && (self.no_password || is_known)
    }

    /// Applies one rule. What failed may be half done.
    ///
    /// # Errors
    /// It is none, or says something impossible.
    pub fn apply(&mut self, rule: &[u8], catalog: &Catalog, all_channels: bool) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            // What a client sends is always checked, whatever these say.
            b"" | b"sanitize-payload" | b"skip-sanitize-payload" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"nopass" => {
                self.no_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.no_password = false;
                self.passwords.clear();
            }
            b"clearselectors" => self.selectors.clear(),
            b"reset" => *self = Self::new(all_channels),
            [b'>', ..] => self.add_password(hash_of(rule.get(1..).unwrap_or_default())),
            [b'#', ..] => self.add_password(hash_from_hex(rule.get(1..).unwrap_or_default())?),
            [b'<', ..] => self.remove_password(&hash_of(rule.get(1..).unwrap_or_default()))?,
            [b'!', ..] => self.remove_password(&hash_from_hex(rule.get(1..).unwrap_or_default())?)?,
            [b'(', .., b')'] => {
                let words = rule.get(1..rule.len() - 1).unwrap_or_default();
                self.selectors.push(selector(words, catalog, all_channels)?);
            }
            _ => self.root.apply(rule, catalog)?,
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        self.no_password = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn remove_password(&mut self, hash: &Hash) -> Result<(), RuleError> {
        let before = self.passwords.len();
        self.passwords.retain(|known| known != hash);
        if self.passwords.len() == before { Err(RuleError::NoSuchPassword) } else { Ok(()) }
    }

    /// Whether a request is allowed.
    ///
    /// # Errors
    /// What of it is not, by the selector that allows most of it.
    pub fn permit(&self, request: &Request<'_>) -> Result<(), Denied> {
        let mut most = Denied::Database(None);
        for selector in self.selectors() {
            match selector.permits(request) {
                Ok(()) => return Ok(()),
                Err(denied) => most = most.max(denied),
            }
        }
        Err(most)
    }

    /// Whether a request is allowed, and every key may be read besides.
    pub fn reads_all_keys(&self, request: &Request<'_>) -> bool {
        self.selectors().any(|selector| selector.permits(request).is_ok() && selector.reads_all_keys())
    }

    /// `on` or `off`, and `nopass`.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let no_password = self.no_password.then_some("nopass");
        std::iter::once(if self.is_on { "on" } else { "off" }).chain(no_password)
    }

    /// The hashes of the passwords, in hexadecimal digits.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(to_hex)
    }

    /// Rules that make the same user out of a new one.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.hashes().map(|hash| format!("#{hash}").into_bytes()));
        parts.push(self.root.describe());
        for selector in &self.selectors {
            parts.push([b"(", &*selector.describe(), b")"].concat());
        }
        parts.join(&b' ')
    }
}

/// Reads the words between parentheses.
fn selector(words: &[u8], catalog: &Catalog, all_channels: bool) -> Result<Selector, RuleError> {
    let mut selector = Selector::new(all_channels);
    for word in words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if word.ends_with(b")") {
            // Its description could not be told from the end of the selector.
            return Err(RuleError::Syntax);
        }
        selector.apply(word, catalog)?;
    }
    Ok(selector)
}

/// Puts the words of each selector together, as a request or a line splits them at its spaces.
///
/// # Errors
/// The place of the word with the parenthesis that nobody closes.
pub fn merge(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged: Vec<Vec<u8>> = Vec::with_capacity(words.len());
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, word) in words.iter().enumerate() {
        match &mut open {
            Some((_, text)) => {
                text.push(b' ');
                text.extend_from_slice(word);
                if word.ends_with(b")") {
                    merged.extend(open.take().map(|(_, text)| text));
                }
            }
            None if word.starts_with(b"(") && !word.ends_with(b")") => open = Some((at, word.to_vec())),
            None => merged.push(word.to_vec()),
        }
    }
    open.map_or(Ok(merged), |(at, _)| Err(at))
}

//! Users: who may log in, and what each may do.
//!
//! Rules are data here: words become [`Rules`], rules are asked whether they permit a [`Request`], and describe themselves in
//! words that make the same rules again. Nothing here knows a client, parses a command or replies.
//!
//! # Invariants
//!
//! * The user `default` is always there, and always the same object.
//! * A user's rules change all at once: who asks sees those of before or those of after.
//! * A user who was removed may do nothing, whoever still holds it.
//! * No password is kept, only its SHA-256, and comparing takes the same time whatever was given.
//!
//! # Lock rule
//!
//! One change at a time (`changing`) → users → the rules of one. Rules may be read with shards held; nothing else is locked
//! behind them.

mod catalog;
mod file;
pub(crate) mod later;
mod log;
mod rules;
mod selector;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use catalog::{Catalog, Known};
pub use log::{AclLog, Entry, Reason};
pub use rules::{RuleError, Rules, merge};
pub use selector::{Access, Denied, Request, Selector, WantedChannel, WantedDb, WantedKey};

/// The user that every connection begins as.
pub const DEFAULT_USER: &[u8] = b"default";

/// A user's name and what belongs to it.
pub type Named<T> = (Box<[u8]>, T);

/// A user. Sessions hold it, so that a change of its rules holds for their next command.
#[derive(Debug)]
pub struct User {
    name: Box<[u8]>,
    /// Whether its rules allow everything: all that most commands ask.
    is_unrestricted: AtomicBool,
    is_gone: AtomicBool,
    rules: RwLock<Arc<Rules>>,
}

impl User {
    fn new(name: &[u8], rules: Rules) -> Self {
        Self {
            name: name.into(),
            is_unrestricted: AtomicBool::new(rules.is_unrestricted()),
            is_gone: AtomicBool::new(false),
            rules: RwLock::new(Arc::new(rules)),
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may do everything.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted.load(Ordering::Relaxed)
    }

    /// Whether it was removed.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    /// What it may do now.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, rules: Rules) -> Arc<Rules> {
        let mut now = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        // In this order nobody is taken for unrestricted by rules that are not.
        let is_unrestricted = rules.is_unrestricted();
        self.is_unrestricted.fetch_and(is_unrestricted, Ordering::Relaxed);
        let before = std::mem::replace(&mut *now, Arc::new(rules));
        self.is_unrestricted.store(is_unrestricted, Ordering::Relaxed);
        before
    }

    fn remove(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
        self.set(Rules::new(false));
    }
}

/// Why a user was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetUserError {
    /// A name with a space or a zero byte.
    #[error("Usernames can't contain spaces or null characters")]
    Name,
    /// Nobody closes the parenthesis of this word.
    #[error("Unmatched parenthesis in acl selector starting at '{}'.", String::from_utf8_lossy(.0))]
    Parenthesis(Box<[u8]>),
    /// This rule is wrong.
    #[error("{1}")]
    Rule(Box<[u8]>, RuleError),
}

/// A user that was changed.
#[derive(Debug)]
pub struct Changed {
    /// The user.
    pub user: Arc<User>,
    /// Its rules of before; `None`: it is new.
    pub before: Option<Arc<Rules>>,
}

type Users = BTreeMap<Box<[u8]>, Arc<User>>;

/// All users, and what was refused to them.
#[derive(Debug)]
pub struct Acl {
    catalog: Catalog,
    default: Arc<User>,
    users: RwLock<Users>,
    changing: Mutex<()>,
    requires_password: AtomicBool,
    all_channels: AtomicBool,
    /// What was refused.
    pub log: AclLog,
}

/// Whether a name has what would make a description ambiguous.
fn has_name_fault(name: &[u8]) -> bool {
    name.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0B))
}

impl Acl {
    /// The user `default` alone, who may do everything without a password.
    pub fn new(catalog: Catalog) -> Self {
        let default = Arc::new(User::new(DEFAULT_USER, Rules::everything(&catalog)));
        Self {
            users: RwLock::new(BTreeMap::from([(DEFAULT_USER.into(), Arc::clone(&default))])),
            catalog,
            default,
            changing: Mutex::new(()),
            requires_password: AtomicBool::new(false),
            all_channels: AtomicBool::new(false),
            log: AclLog::default(),
        }
    }

    /// The commands and categories that rules name.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The user that every connection begins as.
    pub const fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// Whether new connections must log in: `default` has a password, or is off.
    #[inline]
    pub fn requires_password(&self) -> bool {
        self.requires_password.load(Ordering::Relaxed)
    }

    /// `acl-pubsub-default`: whether new users may use all channels.
    pub fn set_all_channels(&self, all_channels: bool) {
        self.all_channels.store(all_channels, Ordering::Relaxed);
    }

    fn all_channels(&self) -> bool {
        self.all_channels.load(Ordering::Relaxed)
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_users<T>(&self, change: impl FnOnce(&mut Users) -> T) -> T {
        let changed = change(&mut self.users.write().unwrap_or_else(PoisonError::into_inner));
        let default = self.default.rules();
        self.requires_password.store(!default.no_password || !default.is_on, Ordering::Relaxed);
        changed
    }

    /// The user with this name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All users, ascending by name.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The user with this name, if the password is right and it is on.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let user = self.find(name);
        // Whether there is such a user is not to be told by the time that it takes.
        let rules = user.as_ref().map_or_else(|| Arc::new(Rules::new(false)), |user| user.rules());
        user.filter(|_| rules.is_password(password))
    }

    /// `requirepass`: gives `default` this password and no other; an empty one: it needs none.
    pub fn set_default_password(&self, password: &[u8]) {
        let _one_at_a_time = self.one_at_a_time();
        let mut rules = Rules::clone(&self.default.rules());
        let rule = if password.is_empty() { b"nopass".to_vec() } else { [b">", password].concat() };
        for rule in [b"resetpass".as_slice(), &rule] {
            // Passwords of every kind are right.
            let _ = rules.apply(rule, &self.catalog, self.all_channels());
        }
        self.with_users(|_| self.default.set(rules));
    }

    /// ACL SETUSER: changes a user, or makes a new one. All of the rules count, or none.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn set_user(&self, name: &[u8], words: &[&[u8]]) -> Result<Changed, SetUserError> {
        let _one_at_a_time = self.one_at_a_time();
        if has_name_fault(name) {
            return Err(SetUserError::Name);
        }
        let rules = merge(words).map_err(|at| {
            SetUserError::Parenthesis(words.get(at).map_or_else(Box::default, |word| Box::from(*word)))
        })?;
        let known = self.find(name);
        let mut next =
            known.as_ref().map_or_else(|| Rules::new(self.all_channels()), |user| Rules::clone(&user.rules()));
        for rule in rules {
            let outcome = next.apply(&rule, &self.catalog, self.all_channels());
            outcome.map_err(|error| SetUserError::Rule(rule.into(), error))?;
        }
        Ok(self.with_users(|users| {
            if let Some(user) = known {
                let before = user.set(next);
                return Changed { user, before: Some(before) };
            }
            let user = Arc::new(User::new(name, next));
            users.insert(name.into(), Arc::clone(&user));
            Changed { user, before: None }
        }))
    }

    /// ACL DELUSER: removes a user other than `default`, if it is there.
    pub fn remove(&self, name: &[u8]) -> Option<Arc<User>> {
        let _one_at_a_time = self.one_at_a_time();
        if name == DEFAULT_USER {
            return None;
        }
        let user = self.with_users(|users| users.remove(name))?;
        user.remove();
        Some(user)
    }

    /// Reads a file of users, which messages call `name`, and puts its users in the place of those of before; who was removed.
    ///
    /// # Errors
    /// What is wrong with the file, line by line. Nothing has changed then.
    pub fn load(&self, text: &[u8], name: &str) -> Result<Vec<Arc<User>>, String> {
        let _one_at_a_time = self.one_at_a_time();
        let loaded = file::read(text, name, &self.catalog, self.all_channels())?;
        let removed = self.with_users(|users| {
            let mut next = Users::new();
            for (name, rules) in loaded {
                let user = if *name == *DEFAULT_USER {
                    self.default.set(rules);
                    Arc::clone(&self.default)
                } else {
                    Arc::new(User::new(&name, rules))
                };
                next.insert(name, user);
            }
            std::mem::replace(users, next)
        });
        let removed: Vec<_> = removed.into_values().filter(|user| !Arc::ptr_eq(user, &self.default)).collect();
        for user in &removed {
            user.remove();
        }
        Ok(removed)
    }

    /// A line for each user, as ACL LIST shows it and a file holds it.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let line = |user: Arc<User>| [b"user ", user.name(), b" ", &user.rules().describe()].concat();
        self.all().into_iter().map(line).collect()
    }
}

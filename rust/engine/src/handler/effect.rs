//! What a command did: the handler's answer to the door, which journals, notifies, wakes and counts.

use smallvec::SmallVec;

use crate::config::KeyspaceEvents;
use crate::values::Kind;

/// A keyspace event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its class.
    pub class: KeyspaceEvents,
    /// Its name: `set`, `del`, `expire`.
    pub name: &'static str,
    /// The key, as its number in the plan.
    pub key: u32,
    /// The database, if it is not the client's.
    pub db: Option<u16>,
}

/// A command in the form in which the journal holds it.
pub type Words = Vec<Box<[u8]>>;

/// How a change goes to the journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Nothing changed.
    #[default]
    Nothing,
    /// The words as received have the same effect at any time.
    AsReceived,
    /// These commands have the effect that this one had.
    Instead(Vec<Words>),
}

/// Until when a command waits for one of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The type that a key must have before the command is run again; `None`: any.
    pub kind: Option<Kind>,
    /// Monotonic microseconds; `None`: forever.
    pub deadline_us: Option<u64>,
    /// Whether it is run again when a key is gone, too.
    pub hears_of_loss: bool,
    /// It waits for the log, too: until everything before this journal offset is durable, or there is no log any more.
    pub durable: Option<u64>,
}

impl Wait {
    /// Waits for a key of any type.
    pub const fn until(deadline_us: Option<u64>) -> Self {
        Self { kind: None, deadline_us, hears_of_loss: false, durable: None }
    }
}

/// What a command did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// How it goes to the journal.
    pub log: Log,
    /// Keyspace events in order; most commands have one or none.
    pub events: SmallVec<[Event; 1]>,
    /// It found nothing and wants to be run again when one of its keys changes. Boxed, because an effect is moved often, and
    /// few commands wait.
    pub wait: Option<Box<Wait>>,
}

impl Effect {
    /// Nothing changed.
    #[inline]
    pub fn none() -> Self {
        Self::default()
    }

    /// Something changed, and the words as received say what.
    #[inline]
    pub fn changed() -> Self {
        Self { log: Log::AsReceived, ..Self::default() }
    }

    /// Something changed, and this command says what.
    pub fn instead<const N: usize>(words: [&[u8]; N]) -> Self {
        Self { log: Log::Instead(vec![words.iter().map(|word| Box::from(*word)).collect()]), ..Self::default() }
    }

    /// Something changed, and these commands say what.
    pub fn instead_all(commands: Vec<Words>) -> Self {
        Self { log: Log::Instead(commands), ..Self::default() }
    }

    /// It found nothing and waits.
    pub fn wait(deadline_us: Option<u64>) -> Self {
        Self { wait: Some(Box::new(Wait::until(deadline_us))), ..Self::default() }
    }

    /// It found nothing and waits for a key of one type: others are not looked at.
    pub fn wait_for(kind: Kind, deadline_us: Option<u64>) -> Self {
        Self { wait: Some(Box::new(Wait { kind: Some(kind), ..Wait::until(deadline_us) })), ..Self::default() }
    }

    /// Adds a keyspace event of the key with this number in the plan.
    #[inline]
    #[must_use]
    pub fn event(mut self, class: KeyspaceEvents, name: &'static str, key: usize) -> Self {
        self.events.push(Event { class, name, key: key as u32, db: None });
        self
    }

    /// Adds a keyspace event of a key in another database.
    #[must_use]
    pub fn event_in(mut self, db: usize, class: KeyspaceEvents, name: &'static str, key: usize) -> Self {
        self.events.push(Event { class, name, key: key as u32, db: Some(db as u16) });
        self
    }
}

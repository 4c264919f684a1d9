//! The values of options.

use std::sync::Arc;

/// A value; its variant follows from the kind of its option.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `yes` or `no`.
    Bool(bool),
    /// A plain number, or permission bits.
    Integer(i64),
    /// Bytes.
    Memory(u64),
    /// Bytes or a percentage.
    Share(Share),
    /// The word of an enumeration, as it is printed.
    Choice(&'static str),
    /// The numbers of the chosen words, or-ed.
    Bits(u32),
    /// Uninterpreted bytes.
    Text(Arc<[u8]>),
    /// Addresses.
    Words(Arc<[Box<[u8]>]>),
    /// When to save.
    SavePoints(Arc<[SavePoint]>),
    /// How much output a client may leave unread.
    OutputLimits(OutputLimits),
    /// Scores for the kernel's out-of-memory killer: as primary, as replica, while saving in the background.
    OomScores([i32; 3]),
    /// Which events are published.
    KeyspaceEvents(KeyspaceEvents),
    /// Percent.
    Percentiles(Arc<[f64]>),
    /// Where the primary is: host and port.
    Primary(Option<(Arc<[u8]>, u16)>),
}

/// Bytes, or a part of `maxmemory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Bytes; 0 means no limit.
    Bytes(u64),
    /// From 1 to 100.
    Percent(u8),
}

/// Save if at least `changes` writes happened and `seconds` passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// At least 1.
    pub seconds: i64,
    /// At least 0.
    pub changes: i64,
}

/// The limits of one class of clients. 0 means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Above this the client is closed at once.
    pub hard_bytes: u64,
    /// Above this for `soft_seconds` the client is closed.
    pub soft_bytes: u64,
    /// How long the soft limit may be exceeded.
    pub soft_seconds: i64,
}

/// The limits of every class that has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients, MONITOR included.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients with at least one subscription.
    pub pubsub: OutputLimit,
}

/// A set of event classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyspaceEvents(u16);

/// Letters in the order in which they are printed, the bits ascending. `A` stands for the first ten.
const EVENT_LETTERS: &[u8; 14] = b"g$lshzxetdnKEm";
const ALL_EVENTS: u16 = (1 << 10) - 1;

impl KeyspaceEvents {
    /// No events.
    pub const NONE: Self = Self(0);
    /// `g`: commands that are not of one type.
    pub const GENERIC: Self = Self(1);
    /// `$`: strings.
    pub const STRING: Self = Self(1 << 1);
    /// `l`: lists.
    pub const LIST: Self = Self(1 << 2);
    /// `s`: sets.
    pub const SET: Self = Self(1 << 3);
    /// `h`: hashes.
    pub const HASH: Self = Self(1 << 4);
    /// `z`: sorted sets.
    pub const ZSET: Self = Self(1 << 5);
    /// `x`: a key expired.
    pub const EXPIRED: Self = Self(1 << 6);
    /// `e`: a key was evicted.
    pub const EVICTED: Self = Self(1 << 7);
    /// `t`: streams.
    pub const STREAM: Self = Self(1 << 8);
    /// `d`: types of modules.
    pub const MODULE: Self = Self(1 << 9);
    /// `n`: a key is new; not part of `A`.
    pub const NEW: Self = Self(1 << 10);
    /// `K`: publish on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: Self = Self(1 << 11);
    /// `E`: publish on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: Self = Self(1 << 12);
    /// `m`: a key was looked up and is not there.
    pub const KEY_MISS: Self = Self(1 << 13);

    /// Reads letters in any order; `None` if one is unknown.
    pub fn from_letters(letters: &[u8]) -> Option<Self> {
        let mut bits = 0;
        for letter in letters {
            bits |= match EVENT_LETTERS.iter().position(|known| known == letter) {
                Some(place) => 1 << place,
                None if *letter == b'A' => ALL_EVENTS,
                None => return None,
            };
        }
        Some(Self(bits))
    }

    /// The letters that Redis prints for this set. Beside `A` it leaves out `n`, so `An` reads back as `A`.
    pub fn letters(self) -> Vec<u8> {
        let all = self.0 & ALL_EVENTS == ALL_EVENTS;
        let mut letters: Vec<u8> = if all { vec![b'A'] } else { Vec::new() };
        for (place, letter) in EVENT_LETTERS.iter().enumerate() {
            let bit = 1 << place;
            let hidden = all && bit & (ALL_EVENTS | Self::NEW.0) != 0;
            if self.0 & bit != 0 && !hidden {
                letters.push(*letter);
            }
        }
        letters
    }

    /// The set as bits.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits; unknown ones are dropped.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & ((1 << 14) - 1))
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

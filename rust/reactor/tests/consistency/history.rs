//! What clients did and were told, with the interval in which each transaction happened.

/// What lies under a key. Every value is written once, to one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Grows at its end.
    List,
    /// Grows; what is read has no order.
    Set,
    /// Grows; read in the order of scores, which are not the order of time.
    Zset,
    /// Grows at its end.
    Stream,
    /// Holds one value, and each write tells the one before.
    Register,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::List, Self::Set, Self::Zset, Self::Stream, Self::Register];

    /// Whether what is read tells the order in which it was written.
    pub const fn is_ordered(self) -> bool {
        !matches!(self, Self::Set | Self::Zset)
    }
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub kind: Kind,
    pub number: u32,
}

/// One command of a transaction and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A value was added.
    Add { key: Key, value: u64 },
    /// A register was set, and held this before.
    Set { key: Key, value: u64, before: Option<u64> },
    /// All that is there was read; of a register, at most one value.
    Read { key: Key, values: Vec<u64> },
}

/// One transaction of one client.
#[derive(Clone, Debug)]
pub struct Txn {
    /// A moment before it was asked for, on a clock that all clients share.
    pub start: u64,
    /// A moment after it was answered.
    pub end: u64,
    /// False: a watched key had changed, so that nothing of it may be seen.
    pub is_committed: bool,
    /// What it did, in order.
    pub events: Vec<Event>,
}

/// An element that went into a queue.
#[derive(Clone, Copy, Debug)]
pub struct Push {
    pub queue: u32,
    pub value: u64,
    pub start: u64,
    pub end: u64,
}

/// A pop, blocking or not.
#[derive(Clone, Copy, Debug)]
pub struct Pop {
    pub queue: u32,
    /// `None`: nothing was there, during the whole wait if it was one.
    pub value: Option<u64>,
    pub start: u64,
    pub end: u64,
    /// From when on it is known to stand in the queue of those who wait.
    pub waits_since: Option<u64>,
}

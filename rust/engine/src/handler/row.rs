//! One command, as data: everything the door, introspection, ACL and the test generators compute from.
//!
//! Rows are `const` and stand next to their handlers in `commands/`. Nothing else spells a command's arity, keys or flags.

use super::{Args, Context, Effect, KeysFound};
use crate::error::Error;
use crate::resp::Reply;

/// Runs one command whose row passed admission: reads all its arguments, opens values, then changes them.
/// After the first change nothing may fail.
pub type Handler = fn(&mut Context<'_, '_>, Args<'_>, &mut Reply<'_>) -> Result<Effect, Error>;

/// A command or subcommand.
#[derive(Debug)]
pub struct Row {
    /// Upper case; of a subcommand its own word only (`ID` below `CLIENT`).
    pub name: &'static str,
    /// First version of Redis or Valkey that has it.
    pub since: &'static str,
    /// One sentence, for COMMAND DOCS.
    pub summary: &'static str,
    /// For COMMAND DOCS, in Redis's notation.
    pub complexity: &'static str,
    /// Words including the name; negative: at least that many.
    pub arity: i16,
    /// Which arguments are keys.
    pub keys: Keys,
    /// Behaviour flags of COMMAND INFO.
    pub flags: Flags,
    /// The family: group of COMMAND DOCS and its ACL category.
    pub group: Group,
    /// ACL categories beyond those that follow from flags and group.
    pub categories: Categories,
    /// Hints for clients and proxies of COMMAND INFO.
    pub tips: &'static [&'static str],
    /// Typed syntax of the words behind the name: see `handler::usage`.
    pub usage: &'static str,
    /// The word with the name of the first element that it looks for in a collection; 0 if it looks for none.
    pub element: u8,
    /// What runs it; a container of subcommands has none.
    pub handler: Option<Handler>,
    /// Of a container.
    pub subcommands: &'static [Row],
}

impl Row {
    /// A row with the required parts; the rest by the builder functions below.
    pub const fn new(name: &'static str, arity: i16, group: Group, handler: Handler) -> Self {
        Self {
            name,
            since: "1.0.0",
            summary: "",
            complexity: "O(1)",
            arity,
            keys: Keys::None,
            flags: Flags::NONE,
            group,
            categories: Categories::NONE,
            tips: &[],
            usage: "",
            element: 0,
            handler: Some(handler),
            subcommands: &[],
        }
    }

    /// A container such as CLIENT; alone it answers with the arity error.
    pub const fn container(name: &'static str, group: Group, subcommands: &'static [Row]) -> Self {
        Self {
            name,
            since: "1.0.0",
            summary: "",
            complexity: "Depends on subcommand.",
            arity: -2,
            keys: Keys::None,
            flags: Flags::NONE,
            group,
            categories: Categories::NONE,
            tips: &[],
            usage: "",
            element: 0,
            handler: None,
            subcommands,
        }
    }

    /// Sets the first version that has the command.
    #[must_use]
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }

    /// Sets summary and complexity.
    #[must_use]
    pub const fn doc(mut self, summary: &'static str, complexity: &'static str) -> Self {
        self.summary = summary;
        self.complexity = complexity;
        self
    }

    /// Sets which arguments are keys.
    #[must_use]
    pub const fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the behaviour flags.
    #[must_use]
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Adds ACL categories to those that follow from flags and group.
    #[must_use]
    pub const fn categories(mut self, categories: Categories) -> Self {
        self.categories = categories;
        self
    }

    /// Sets the hints for clients and proxies.
    #[must_use]
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// Sets the typed syntax.
    #[must_use]
    pub const fn usage(mut self, usage: &'static str) -> Self {
        self.usage = usage;
        self
    }

    /// Sets the word with the name of the first element that it looks for in a collection.
    #[must_use]
    pub const fn element(mut self, word: u8) -> Self {
        self.element = word;
        self
    }

    /// Sets the subcommands of a command that can also be called without one.
    #[must_use]
    pub const fn subcommands(mut self, subcommands: &'static [Row]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// All ACL categories: the row's own, and those that follow from flags and group.
    pub fn all_categories(&self) -> Categories {
        let follow = [
            (Flags::WRITE, Categories::WRITE),
            // What a script reads is for the commands that it calls to say.
            (Flags::READONLY, if self.group == Group::Scripting { Categories::NONE } else { Categories::READ }),
            (Flags::ADMIN, Categories::ADMIN | Categories::DANGEROUS),
            (Flags::PUBSUB, Categories::PUBSUB),
            (Flags::BLOCKING, Categories::BLOCKING),
        ];
        let speed = if self.flags.has(Flags::FAST) { Categories::FAST } else { Categories::SLOW };
        // A container does nothing itself, so it belongs to no family. What works on some types only belongs to those, and
        // what waits for the log and for replicas to connections.
        let elsewhere = [Categories::LIST.with(Categories::SET), Categories::CONNECTION];
        let belongs = self.handler.is_some() && !elsewhere.iter().any(|others| self.categories.has(*others));
        let family = if belongs { self.group.category() } else { Categories::NONE };
        let follow = follow.into_iter().filter(|(flag, _)| self.flags.has(*flag)).map(|(_, category)| category);
        follow.fold(self.categories | speed | family, Categories::with)
    }

    /// Whether it may share its locks with its neighbours in a pipeline: it is quick, locks no more than its keys, and
    /// changes nothing but data.
    pub const fn shares_locks(&self) -> bool {
        const ALONE: Flags = Flags::SESSION
            .with(Flags::LINEAR)
            .with(Flags::BLOCKING)
            .with(Flags::PROTECTED)
            .with(Flags::ADMIN)
            .with(Flags::UNQUEUED);
        self.handler.is_some() && !self.flags.has(ALONE) && matches!(self.keys, Keys::None | Keys::Specs(_))
    }

    /// Whether a request of `words` words (the name included) has a legal length.
    pub const fn accepts(&self, words: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity >= 0 { words == least } else { words >= least }
    }
}

/// Which arguments of a command are keys, and so which shards it locks.
#[derive(Debug, Clone, Copy)]
pub enum Keys {
    /// None.
    None,
    /// Found by the specs alone.
    Specs(&'static [KeySpec]),
    /// The handler may touch the whole database: every shard is locked.
    All,
    /// The handler visits shards one after the other by `Context::visit` and needs no two of them at once. Alone such a
    /// command locks nothing ahead, so nobody waits for it longer than one visit takes; inside EXEC it is like `All`.
    Each,
    /// Like `All`, and specs name keys for COMMAND, ACL and cluster.
    AllWith(&'static [KeySpec]),
    /// The specs cannot say where all keys stand; the function can.
    Computed(&'static [KeySpec], fn(Args<'_>) -> KeysFound),
    /// The keys of the queued commands and the watched ones: EXEC.
    Transaction,
}

impl Keys {
    /// The specs, whatever the lock plan.
    pub const fn specs(&self) -> &'static [KeySpec] {
        match self {
            Self::None | Self::All | Self::Each | Self::Transaction => &[],
            Self::Specs(specs) | Self::AllWith(specs) | Self::Computed(specs, _) => specs,
        }
    }
}

/// Where keys stand, and what is done to them; Redis's key specification.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// Where the search begins.
    pub begin: Begin,
    /// How many keys follow.
    pub find: Find,
    /// What the command does to them.
    pub flags: KeyFlags,
}

impl KeySpec {
    /// One key at a fixed position.
    pub const fn one(index: i16, flags: KeyFlags) -> Self {
        Self::range(index, 0, 1, flags)
    }

    /// Keys from `index` to `last` (relative to the first; negative: from the end) in steps.
    pub const fn range(index: i16, last: i16, step: i16, flags: KeyFlags) -> Self {
        Self { begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 }, flags }
    }
}

/// Where a key specification begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At a fixed position; 0 is the command's name.
    Index(i16),
    /// Behind a keyword that is searched from a position (negative: backwards from the end).
    Keyword(&'static str, i16),
    /// Not expressible.
    Unknown,
}

/// How a key specification goes on from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// `last` relative to the beginning (negative: from the end), every `step`-th word; `limit` > 1 takes only the first
    /// 1/limit of the words.
    Range {
        /// Last position.
        last: i16,
        /// Distance between keys.
        step: i16,
        /// Divisor of the number of words.
        limit: i16,
    },
    /// The word at `index` from the beginning says how many keys follow at `first`.
    Count {
        /// Position of the count.
        index: i16,
        /// Position of the first key.
        first: i16,
        /// Distance between keys.
        step: i16,
    },
    /// Not expressible.
    Unknown,
}

macro_rules! bit_set {
    ($(#[$doc:meta])* $name:ident: $repr:ty { $($(#[$bit_doc:meta])* $bit:ident = $value:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct $name($repr);

        impl $name {
            /// No bit.
            pub const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub const $bit: Self = Self(1 << $value);)*
            /// Every bit with its constant's name, in declaration order.
            pub const NAMES: &'static [(Self, &'static str)] = &[$((Self::$bit, stringify!($bit))),*];

            /// The set as a number.
            pub const fn bits(self) -> $repr {
                self.0
            }

            /// Both sets together.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether any bit of `other` is set.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.with(other)
            }
        }
    };
}

bit_set! {
    /// Behaviour of a command, Redis's flags of COMMAND INFO and a few of our own.
    Flags: u32 {
        /// May change data.
        WRITE = 0,
        /// Only reads data.
        READONLY = 1,
        /// Refused when memory is full.
        DENYOOM = 2,
        /// Administration.
        ADMIN = 3,
        /// Pub/sub.
        PUBSUB = 4,
        /// Not from scripts.
        NOSCRIPT = 5,
        /// May block the client.
        BLOCKING = 6,
        /// Allowed while loading.
        LOADING = 7,
        /// Allowed on a replica that lost its primary.
        STALE = 8,
        /// Not shown to MONITOR.
        SKIP_MONITOR = 9,
        /// Not in the slow log.
        SKIP_SLOWLOG = 10,
        /// Follows ASKING.
        ASKING = 11,
        /// Constant or logarithmic time.
        FAST = 12,
        /// Allowed before AUTH.
        NO_AUTH = 13,
        /// Can be sent to replicas although it writes no key.
        MAY_REPLICATE = 14,
        /// Not while a replica loads in the background.
        NO_ASYNC_LOADING = 15,
        /// Not inside MULTI.
        NO_MULTI = 16,
        /// Keys cannot be told from first, last and step alone.
        MOVABLEKEYS = 17,
        /// Allowed while a script runs too long.
        ALLOW_BUSY = 18,
        /// May be called without keys.
        NO_MANDATORY_KEYS = 19,
        /// Ours: gated by an enable-*-command option.
        PROTECTED = 20,
        /// Ours: changes the session (database, transaction, protocol), so it ends a window.
        SESSION = 21,
        /// Ours: time grows with a value or the keyspace, so it ends a window.
        LINEAR = 22,
        /// Ours: runs at once inside MULTI instead of being queued.
        UNQUEUED = 23,
        /// Ours: goes on outside of the store while its client waits, see `handler::errand`.
        ERRAND = 24,
    }
}

bit_set! {
    /// What a command does to the keys of a specification.
    KeyFlags: u16 {
        /// Reads the value.
        RO = 0,
        /// Changes the value.
        RW = 1,
        /// Overwrites the value.
        OW = 2,
        /// Deletes the key.
        RM = 3,
        /// Returns or copies user data.
        ACCESS = 4,
        /// Updates data.
        UPDATE = 5,
        /// Adds data, never changes or deletes.
        INSERT = 6,
        /// Deletes data of the value.
        DELETE = 7,
        /// Not a key, but routed like one.
        NOT_KEY = 8,
        /// The specification may miss keys.
        INCOMPLETE = 9,
        /// Flags depend on the other arguments.
        VARIABLE_FLAGS = 10,
    }
}

bit_set! {
    /// ACL categories.
    Categories: u32 {
        /// Keys whatever their type.
        KEYSPACE = 0,
        /// Reads.
        READ = 1,
        /// Writes.
        WRITE = 2,
        /// Sets.
        SET = 3,
        /// Sorted sets.
        SORTEDSET = 4,
        /// Lists.
        LIST = 5,
        /// Hashes.
        HASH = 6,
        /// Strings.
        STRING = 7,
        /// Bitmaps.
        BITMAP = 8,
        /// `HyperLogLogs`.
        HYPERLOGLOG = 9,
        /// Geo.
        GEO = 10,
        /// Streams.
        STREAM = 11,
        /// Pub/sub.
        PUBSUB = 12,
        /// Administration.
        ADMIN = 13,
        /// Fast.
        FAST = 14,
        /// Not fast.
        SLOW = 15,
        /// May block.
        BLOCKING = 16,
        /// Can harm.
        DANGEROUS = 17,
        /// Connections.
        CONNECTION = 18,
        /// Transactions.
        TRANSACTION = 19,
        /// Scripts.
        SCRIPTING = 20,
    }
}

/// The family of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// Keys whatever their type.
    Generic,
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Hashes.
    Hash,
    /// Pub/sub.
    Pubsub,
    /// Transactions.
    Transactions,
    /// Connections.
    Connection,
    /// The server.
    Server,
    /// Scripts.
    Scripting,
    /// `HyperLogLogs`.
    Hyperloglog,
    /// Cluster.
    Cluster,
    /// Geo.
    Geo,
    /// Streams.
    Stream,
    /// Bitmaps.
    Bitmap,
}

impl Group {
    /// As COMMAND DOCS spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Hash => "hash",
            Self::Pubsub => "pubsub",
            Self::Transactions => "transactions",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Scripting => "scripting",
            Self::Hyperloglog => "hyperloglog",
            Self::Cluster => "cluster",
            Self::Geo => "geo",
            Self::Stream => "stream",
            Self::Bitmap => "bitmap",
        }
    }

    /// The ACL category that follows from the family.
    pub const fn category(self) -> Categories {
        match self {
            Self::Generic => Categories::KEYSPACE,
            Self::String => Categories::STRING,
            Self::List => Categories::LIST,
            Self::Set => Categories::SET,
            Self::SortedSet => Categories::SORTEDSET,
            Self::Hash => Categories::HASH,
            Self::Transactions => Categories::TRANSACTION,
            Self::Connection => Categories::CONNECTION,
            Self::Scripting => Categories::SCRIPTING,
            Self::Hyperloglog => Categories::HYPERLOGLOG,
            Self::Geo => Categories::GEO,
            Self::Stream => Categories::STREAM,
            Self::Bitmap => Categories::BITMAP,
            // Commands about channels say so by their flag; those that only help do not.
            Self::Server | Self::Cluster | Self::Pubsub => Categories::NONE,
        }
    }
}

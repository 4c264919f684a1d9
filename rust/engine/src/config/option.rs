//! One row of the table of options, and the typed handles through which code reads values.

use std::marker::PhantomData;

use super::value::{KeyspaceEvents, OutputLimits, SavePoint, Share, Value};

/// How far an option goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Supported,
    /// It is accepted, kept and printed. The server names it once in its log if its value differs from the default.
    NoEffectYet,
}

/// Properties of an option, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// Fixed at start: `CONFIG SET` refuses it.
    pub const IMMUTABLE: Self = Self(1);
    /// `CONFIG SET` refuses it unless `enable-protected-configs` allows it.
    pub const PROTECTED: Self = Self(2);
    /// Its value is a secret: never in a log, MONITOR, SLOWLOG or an error.
    pub const SENSITIVE: Self = Self(4);
    /// A pattern of `CONFIG GET` does not show it, only its exact name.
    pub const HIDDEN: Self = Self(8);
    /// Meant for tests and for finding faults.
    pub const DEBUG: Self = Self(16);
    /// `CONFIG SET` answers `-LOADING` while the data set is being loaded.
    pub const DENY_LOADING: Self = Self(32);

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A word of an enumeration and its number. Two words with one number mean the same; the first one is printed.
pub(super) type Choice = (&'static str, u32);

/// What values an option takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A decimal integer from `min` to `max`.
    Integer {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
    },
    /// A decimal integer from 0 that is moved into `low..=high` instead of refused.
    Capped {
        /// What smaller values become.
        low: i64,
        /// What larger values become.
        high: i64,
    },
    /// An octal number from 0 to `max`: permission bits.
    Octal {
        /// The largest value.
        max: i64,
    },
    /// Bytes, with an optional unit.
    Memory {
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
    /// Bytes with an optional unit, at least 1; smaller values become `low`.
    MemoryAtLeast {
        /// What smaller values become.
        low: u64,
    },
    /// Bytes with an optional unit, or -1.
    MemoryOrMinusOne,
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// One word of a list.
    Enum(&'static [Choice]),
    /// Any number of words of a list; their numbers are bits.
    Flags(&'static [Choice]),
    /// Bytes that pass a check, which returns the reason if they do not.
    Text(fn(&[u8]) -> Result<(), &'static str>),
    /// Up to 16 addresses.
    Addresses,
    /// Pairs of seconds and changes.
    SavePoints,
    /// Hard and soft limits for classes of clients.
    OutputLimits,
    /// Three scores from -2000 to 2000.
    OomScores,
    /// Classes of keyspace events, a letter each.
    KeyspaceEvents,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Host and port of a primary, or `no one`.
    Primary,
}

/// The variants of [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the variant of the same name")]
pub enum Shape {
    Bool,
    Integer,
    Memory,
    Share,
    Choice,
    Bits,
    Text,
    Words,
    SavePoints,
    OutputLimits,
    OomScores,
    KeyspaceEvents,
    Percentiles,
    Primary,
}

impl Kind {
    /// The variant of the values of this kind.
    pub const fn shape(&self) -> Shape {
        match self {
            Self::Bool => Shape::Bool,
            Self::Integer { .. } | Self::Capped { .. } | Self::Octal { .. } | Self::MemoryOrMinusOne => Shape::Integer,
            Self::Memory { .. } | Self::MemoryAtLeast { .. } => Shape::Memory,
            Self::MemoryOrPercent => Shape::Share,
            Self::Enum(_) => Shape::Choice,
            Self::Flags(_) => Shape::Bits,
            Self::Text(_) => Shape::Text,
            Self::Addresses => Shape::Words,
            Self::SavePoints => Shape::SavePoints,
            Self::OutputLimits => Shape::OutputLimits,
            Self::OomScores => Shape::OomScores,
            Self::KeyspaceEvents => Shape::KeyspaceEvents,
            Self::Percentiles => Shape::Percentiles,
            Self::Primary => Shape::Primary,
        }
    }
}

/// One option: a row of the table.
#[derive(Debug, Clone, Copy)]
pub struct ConfigOption {
    /// Its name, in lower case.
    pub name: &'static str,
    /// An older or newer name. `CONFIG GET` answers to both.
    pub alias: Option<&'static str>,
    /// What values it takes.
    pub kind: Kind,
    /// Its default as `CONFIG GET` prints it.
    pub default: &'static str,
    /// Its properties.
    pub flags: Flags,
    /// How far it goes.
    pub support: Support,
}

impl PartialEq for ConfigOption {
    /// Rows are equal if they are the same row; a name stands once in the table.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ConfigOption {}

impl ConfigOption {
    /// The default as a value.
    ///
    /// # Panics
    /// If the row's own default is no value of its kind; a test reads every row.
    pub fn default_value(&self) -> Value {
        // No primary has no words to write it with: `no one` is an order, not a value.
        if let Kind::Primary = self.kind {
            return Value::Primary(None);
        }
        let words = if self.kind.takes_many() {
            super::words::split_spaces(self.default.as_bytes())
        } else {
            vec![self.default.as_bytes()]
        };
        match self.kind.parse(&words, &self.kind.empty(), false) {
            Ok(value) => value,
            Err(reason) => unreachable!("the default of {}: {reason}", self.name),
        }
    }

    pub(super) const fn alias(mut self, name: &'static str) -> Self {
        self.alias = Some(name);
        self
    }

    const fn flag(mut self, flag: Flags) -> Self {
        self.flags = self.flags.with(flag);
        self
    }

    pub(super) const fn immutable(self) -> Self {
        self.flag(Flags::IMMUTABLE)
    }

    pub(super) const fn protected(self) -> Self {
        self.flag(Flags::PROTECTED)
    }

    pub(super) const fn sensitive(self) -> Self {
        self.flag(Flags::SENSITIVE)
    }

    pub(super) const fn hidden(self) -> Self {
        self.flag(Flags::HIDDEN)
    }

    pub(super) const fn debug(self) -> Self {
        self.flag(Flags::DEBUG)
    }

    pub(super) const fn deny_loading(self) -> Self {
        self.flag(Flags::DENY_LOADING)
    }
}

const fn row(name: &'static str, kind: Kind, default: &'static str, support: Support) -> ConfigOption {
    ConfigOption { name, alias: None, kind, default, flags: Flags::NONE, support }
}

/// A row of an option that does what it says.
pub(super) const fn supported(name: &'static str, kind: Kind, default: &'static str) -> ConfigOption {
    row(name, kind, default, Support::Supported)
}

/// A row of an option that is known and has no effect yet.
pub(super) const fn known(name: &'static str, kind: Kind, default: &'static str) -> ConfigOption {
    row(name, kind, default, Support::NoEffectYet)
}

pub(super) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

pub(super) const fn memory(min: u64, max: u64) -> Kind {
    Kind::Memory { min, max }
}

/// Any bytes at all.
pub(super) const TEXT: Kind = Kind::Text(super::text::any);

/// The place of an option in the table, together with the type that its value is read as. Made at compile time, where a wrong name or
/// a wrong type does not compile.
#[derive(Debug)]
pub struct Handle<T: ?Sized> {
    index: usize,
    read_as: PhantomData<fn(&T)>,
}

impl<T: ?Sized> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Handle<T> {}

impl<T: Typed + ?Sized> Handle<T> {
    /// The handle of the option with this name, at compile time.
    ///
    /// # Panics
    /// If there is none, or its values have another shape than `T` reads.
    pub(super) const fn named(name: &str) -> Self {
        let index = super::table::index_of(name);
        let shape = super::table::kind_of(index).shape();
        assert!(shape as u8 == T::SHAPE as u8, "values of this option have another shape");
        Self { index, read_as: PhantomData }
    }

    pub(super) const fn index(self) -> usize {
        self.index
    }

    /// The row of this option.
    pub fn option(self) -> &'static ConfigOption {
        &super::table::TABLE[self.index]
    }
}

/// A type that values of some kinds are read as.
pub trait Typed {
    /// What a read gives.
    type Out<'a>;
    /// The variant that it reads.
    const SHAPE: Shape;

    /// Reads a value of a kind that this type fits.
    fn read(value: &Value) -> Self::Out<'_>;
}

macro_rules! typed {
    ($($type:ty => $out:ty: $shape:ident($value:ident) => $read:expr;)*) => {
        $(impl Typed for $type {
            type Out<'a> = $out;
            const SHAPE: Shape = Shape::$shape;

            fn read(value: &Value) -> Self::Out<'_> {
                match value {
                    Value::$shape($value) => $read,
                    other => unreachable!("the shape was checked when the handle was made: {other:?}"),
                }
            }
        })*
    };
}

typed! {
    bool => bool: Bool(yes) => *yes;
    i64 => i64: Integer(number) => *number;
    u64 => u64: Memory(bytes) => *bytes;
    str => &'a str: Choice(word) => word;
    u32 => u32: Bits(bits) => *bits;
    [u8] => &'a [u8]: Text(text) => text;
    [Box<[u8]>] => &'a [Box<[u8]>]: Words(words) => words;
    [SavePoint] => &'a [SavePoint]: SavePoints(points) => points;
    OutputLimits => &'a OutputLimits: OutputLimits(limits) => limits;
    KeyspaceEvents => KeyspaceEvents: KeyspaceEvents(events) => *events;
    Share => Share: Share(share) => *share;
    [f64] => &'a [f64]: Percentiles(percents) => percents;
}

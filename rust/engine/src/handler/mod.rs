//! The contract between the door (`dispatch`) and the commands: what a row says ([`Row`]), what a handler gets ([`Args`],
//! [`Context`], `Reply`), what it gives back ([`Effect`]), and what every command may reach ([`Store`]).
//!
//! A handler reads all its arguments first, opens values, then changes them; after the first change nothing may fail. It
//! never locks, journals, notifies or wakes: it returns an [`Effect`], and the door does it. The one upward need, commands
//! that run commands (EXEC), goes through the trait [`Door`].

mod access;
mod account;
mod args;
mod context;
mod dataset;
pub mod deadline;
mod door;
mod effect;
mod errand;
mod eviction;
pub mod keys;
mod memory;
pub mod permission;
mod rewrite;
mod row;
mod settings;
pub mod several;
mod store;
pub mod subcommand;
mod table;
pub mod usage;
pub mod waiting;

pub use access::{AccessClock, Counting};
pub use account::{Account, Stray};
pub(crate) use account::{Notice, Trace};
pub use args::{Args, Cursor};
pub(crate) use context::World;
pub use context::{Context, Deadline, Dropped, Outcome};
pub use door::Door;
pub(crate) use door::Waiting;
pub use effect::{Effect, Event, Log, Wait, Words};
pub use errand::{ERRANDS_MAX, Errand, Errands, Leave, Step, StepOf, Way};
pub use eviction::{Eviction, Policy, Rank};
pub use keys::{KeyAt, KeyPositions, KeysError, KeysFound, each_key, key_positions};
pub use memory::{MemoryUsage, ratio};
pub use row::{Begin, Categories, Find, Flags, Group, Handler, KeyFlags, KeySpec, Keys, Row};
pub use settings::Settings;
pub use store::{ApplyConfig, Counters, Shutdown, Store};
pub use table::{Command, CommandTable, unknown_command, unknown_subcommand};

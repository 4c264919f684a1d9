//! Data of connected clients: what a session owns ([`Client`]), what others may see and touch ([`Link`]), who is there
//! ([`Registry`]).
//!
//! No bytes are parsed and no command is run here. Lock rule: a client's inbox and names are the last locks taken; nothing
//! else is locked while they are held.

mod frame;
mod link;
mod pause;
mod registry;
mod state;
mod subscription;
mod wake;

pub use frame::{Frame, INVALIDATION_CHANNEL, Invalidation};
pub use link::{Blocking, Ending, Link, LinkFlags, Message, Names, Origin, Transport, Unblock, WaitNumber};
pub use pause::Pause;
pub use registry::Registry;
pub use state::{Client, Queued, ReplyMode, Transaction, Watched, Watching};
pub use subscription::{Caching, Kind, Subscriptions, Tracking};
pub use wake::{NoWake, Wake};

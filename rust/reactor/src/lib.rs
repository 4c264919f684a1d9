//! Readiness and sockets: threads which serve accepted connections without Python and its GIL; and [`Tcp`], by which an engine
//! reaches other servers.
//!
//! What it is: N threads, one poller each. A thread reads every ready socket, hands the bytes to the connection's
//! [`Machine`] and writes what the machine replies. What it is not: it accepts nothing (the front end does, and hands
//! over descriptors), it knows no command and no data, and it never touches a machine from two threads.
//!
//! # Invariants
//!
//! - A machine is made, run and dropped on one thread, its connection's; a connection never changes its thread.
//! - A request costs one `recv` and one `send`, plus its share of the wait that reported it. Registrations are
//!   edge-triggered, and a read that does not fill the buffer has emptied the socket, so no second read asks; write
//!   interest exists only between a short write and the write that empties the output.
//! - A turn is bounded: one read of at most [`READ_BYTES_MAX`], about [`TURN_SEND_BYTES_MAX`] written. What has more to
//!   do queues behind everyone else who is ready.
//! - An idle connection owns no buffer: the thread has one for all.
//! - A wake is never lost: see `queue`.
//! - A machine that panics loses its connection and is reported; its thread lives on.
//!
//! # Locks
//!
//! Two short mutexes per thread, the queue of wakes and the list of arrivals. Nothing else is locked or called while
//! one of them is held, so they may be taken under any other lock.
#![forbid(unsafe_code)]

mod connection;
mod counters;
mod deadlines;
mod machine;
mod outbound;
mod queue;
mod reactor;
mod session;
mod slots;
mod socket;
mod worker;

pub use connection::{READ_BYTES_MAX, TURN_SEND_BYTES_MAX};
pub use counters::Counters;
pub use machine::Machine;
pub use outbound::Tcp;
pub use reactor::{Clock, Hooks, Reactor};
pub use rkv_engine::client::Wake;

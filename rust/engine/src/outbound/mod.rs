//! Connections that the engine asks for, to other servers: traits, as the engine has no sockets.
//!
//! [`Network`] makes a connection and [`Wire`] carries bytes; whoever embeds the engine implements both. [`Line`] speaks RESP over
//! a wire, and [`Pool`] keeps lines that are likely to be wanted again.
//!
//! Lock rule: nothing here is called with a shard held, as all of it may take as long as a peer likes.

mod line;
mod pool;

use std::io;
use std::time::Duration;

pub use line::{ANSWER_BYTES_MAX, Answer, Line, begin_command, begin_word, write_command, write_word};
pub use pool::{IDLE_MS_MAX, KEPT_MAX, Password, Pool, Target};

/// Makes connections.
pub trait Network: Send + Sync + std::fmt::Debug {
    /// Connects to a host, by name or address.
    ///
    /// # Errors
    /// What the system says; `TimedOut` if that was all. It ends early if nobody wants it any more.
    fn connect(&self, host: &str, port: u16, patience: Patience<'_>) -> io::Result<Box<dyn Wire>>;
}

/// One connection. Dropping it closes it.
pub trait Wire: Send {
    /// Sends all bytes.
    ///
    /// # Errors
    /// What the system says; `TimedOut` if that was all. It ends early if nobody wants it any more.
    fn send(&mut self, bytes: &[u8], patience: Patience<'_>) -> io::Result<()>;

    /// Receives what has come, waiting for the first byte; 0: the peer has closed.
    ///
    /// # Errors
    /// As [`Wire::send`].
    fn receive(&mut self, room: &mut [u8], patience: Patience<'_>) -> io::Result<usize>;
}

/// How long somebody waits for a peer.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// In all.
    pub timeout: Duration,
    /// Whether it is still worth it, asked again and again while nothing happens.
    pub is_wanted: &'a dyn Fn() -> bool,
}

impl Patience<'_> {
    /// For how long to sleep before asking again; `waited` is how long it has taken so far.
    ///
    /// # Errors
    /// `TimedOut`, or `ConnectionAborted` if nobody wants it any more.
    pub fn nap(&self, waited: Duration) -> io::Result<Duration> {
        const NAP_MAX: Duration = Duration::from_millis(50);
        let left = self.timeout.checked_sub(waited).filter(|left| !left.is_zero());
        let left = left.ok_or(io::ErrorKind::TimedOut)?;
        if (self.is_wanted)() { Ok(left.min(NAP_MAX)) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
    }
}

impl std::fmt::Debug for Patience<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Patience").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

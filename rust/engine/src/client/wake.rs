//! How a client's driver is told that there is work for one of its sessions.

/// Wakes the driver of one session. Called from any thread, never under a shard lock, often more than once; the driver
/// answers with `Session::poll` some time later.
pub trait Wake: Send + Sync {
    /// Asks the driver to poll the session.
    fn wake(&self);
}

/// Wakes nobody: for callers that look after themselves.
#[derive(Debug)]
pub struct NoWake;

impl Wake for NoWake {
    fn wake(&self) {}
}

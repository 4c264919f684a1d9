//! How a machine's driver is told that there is work for it.

/// Wakes the driver of one session. Called from any thread, often more than once; the driver answers with
/// [`Machine::poll`](crate::Machine::poll) some time later.
pub trait Wake: Send + Sync {
    /// Asks the driver to poll the session.
    fn wake(&self);
}

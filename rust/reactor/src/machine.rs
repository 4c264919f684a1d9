//! What a reactor drives: the sans-IO machine of one connection.

use std::io::IoSlice;

/// The machine behind one connection: bytes in, bytes out. It is made, run and dropped on the connection's thread.
pub trait Machine: 'static {
    /// Takes bytes from the peer and runs every whole request in them; a partial one is kept.
    fn receive(&mut self, bytes: &[u8]);

    /// Goes on after a wake, or once [`deadline`](Self::deadline) has passed.
    fn poll(&mut self);

    /// The first contiguous run of bytes that may be sent now; empty when nothing may.
    fn output(&self) -> &[u8];

    /// Fills `into` with the runs that may be sent now, in order, and returns how many it filled.
    fn output_slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize;

    /// `sent` bytes of the output were sent. Input that was parked for want of room may be run.
    fn advance(&mut self, sent: usize);

    /// False while the peer's bytes are better left in the socket.
    fn wants_input(&self) -> bool;

    /// Whether the connection ends as soon as the output is sent.
    fn closing(&self) -> bool;

    /// When [`poll`](Self::poll) is due, in µs of the clock the reactor was started with; `None`: never.
    fn deadline(&self) -> Option<u64>;

    /// Whether replies exist that may not be sent yet, because a log is not written as far as they need. Such a
    /// connection is not closed, even though its output is empty: the machine wakes its driver when they may go.
    fn withheld(&self) -> bool {
        false
    }
}

//! One connection: a socket, its machine, and what is known of the socket's readiness.
//!
//! Registrations are edge-triggered, so readiness is remembered here until a call on the socket shows that it is used
//! up: a read that does not fill the buffer, a write that is short.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;

use crate::counters::Tally;
use crate::deadlines::NEVER_US;
use crate::machine::Machine;
use crate::queue::ConnectionWake;
use crate::socket;

/// The most bytes that one turn reads: the length of a thread's buffer.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// A turn that has written this many bytes lets others go first.
pub const TURN_SEND_BYTES_MAX: usize = 256 * 1024;

/// The most slices given to one write.
const SLICES_MAX: usize = 16;

/// What a turn borrows from its thread.
pub(crate) struct Bench<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) buffer: &'a mut [u8],
    pub(crate) tally: &'a Tally,
    /// Whether the reactor is stopping: nothing more is read.
    pub(crate) draining: bool,
}

/// Why a connection gets a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// The poller reported it.
    Ready(Readiness),
    /// Somebody woke its machine.
    Woken,
    /// Its machine's time has come.
    Due,
    /// It has just come, or had more to do than one turn allows, or the reactor stops.
    Continue,
}

/// What the poller reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// There are bytes to read, or the end of them.
    pub(crate) readable: bool,
    /// There is room to write.
    pub(crate) writable: bool,
    pub(crate) peer: Peer,
}

/// What the peer may still do, as far as the poller has said; it only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// It sends and receives.
    Present,
    /// It sends no more, but what it sent may not be read yet.
    HungUp,
    /// It neither sends nor receives any more, but what it sent may not be read yet.
    Gone,
}

/// What is known of the bytes in the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// None; the poller will report the next.
    Empty,
    /// There may be some, or their end.
    Unread,
    /// Their end was read.
    Ended,
}

/// What is to become of a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits for an event, a wake or its deadline.
    Wait,
    /// It has more to do.
    Again,
    /// It is over.
    Close,
}

/// A failed call on the socket: there is nobody to serve any more.
struct Lost;

/// A connection with its machine.
pub(crate) struct Connection<M> {
    socket: OwnedFd,
    machine: M,
    wake: Arc<ConnectionWake>,
    /// The time it is filed under in the thread's deadlines.
    pub(crate) filed_us: u64,
    /// Whether it is in the thread's list of those with more to do.
    pub(crate) queued: bool,
    input: Input,
    peer: Peer,
    /// False from a short write until the poller reports room.
    writable: bool,
    /// Whether the poller is asked to report room.
    write_interest: bool,
}

impl<M: Machine> Connection<M> {
    pub(crate) fn new(socket: OwnedFd, machine: M, wake: Arc<ConnectionWake>) -> Self {
        Connection {
            socket,
            machine,
            wake,
            filed_us: NEVER_US,
            queued: false,
            input: Input::Empty,
            peer: Peer::Present,
            writable: true,
            write_interest: false,
        }
    }

    /// When the machine wants to be polled, in µs.
    pub(crate) fn deadline_us(&self) -> u64 {
        self.machine.deadline().unwrap_or(NEVER_US)
    }

    /// Reads once, runs the machine, and writes what may be sent.
    pub(crate) fn turn(&mut self, token: Token, cause: Cause, bench: &mut Bench<'_>) -> Next {
        match cause {
            Cause::Ready(readiness) => self.note(readiness),
            Cause::Woken => {
                self.wake.taken();
                self.machine.poll();
            }
            Cause::Due => self.machine.poll(),
            Cause::Continue => {}
        }
        let served = self.read(bench).and_then(|()| self.write(token, bench));
        if served.is_ok() { self.next(bench.draining) } else { Next::Close }
    }

    fn note(&mut self, readiness: Readiness) {
        self.writable |= readiness.writable;
        self.peer = self.peer.max(readiness.peer);
        if self.input == Input::Empty && (readiness.readable || readiness.peer > Peer::Present) {
            self.input = Input::Unread;
        }
    }

    fn takes_input(&self) -> bool {
        self.input != Input::Ended && !self.machine.closing() && self.machine.wants_input()
    }

    fn read(&mut self, bench: &mut Bench<'_>) -> Result<(), Lost> {
        if self.input != Input::Unread || bench.draining || !self.takes_input() {
            return Ok(());
        }
        bench.tally.reads.add(1);
        match socket::receive(&self.socket, bench.buffer) {
            Ok(0) => self.input = Input::Ended,
            Ok(received) => {
                // Bytes that come after a short read are a new edge, and so is the end of the stream, unless it was
                // reported together with these bytes: then only a further read meets it.
                if received < bench.buffer.len() && self.peer == Peer::Present {
                    self.input = Input::Empty;
                }
                bench.tally.bytes_in.add(received);
                self.machine.receive(bench.buffer.get(..received).unwrap_or_default());
            }
            Err(Errno::AGAIN) => self.input = Input::Empty,
            Err(_) => return Err(Lost),
        }
        Ok(())
    }

    fn write(&mut self, token: Token, bench: &mut Bench<'_>) -> Result<(), Lost> {
        let mut budget = TURN_SEND_BYTES_MAX;
        while self.writable && budget > 0 && self.is_sending() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = self.machine.output_slices(&mut slices);
            let slices = slices.get(..filled).unwrap_or_default();
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            bench.tally.writes.add(1);
            let sent = match socket::send(&self.socket, slices) {
                Ok(sent) => sent,
                Err(Errno::AGAIN) => 0,
                Err(_) => return Err(Lost),
            };
            self.writable = sent == offered;
            if sent > 0 {
                bench.tally.bytes_out.add(sent);
                self.machine.advance(sent);
            }
            budget = budget.saturating_sub(sent);
        }
        let wanted = !self.writable || (self.write_interest && self.is_sending());
        if wanted == self.write_interest { Ok(()) } else { self.ask_for_room(wanted, token, bench.registry) }
    }

    /// Begins or ends write interest. The poller looks at the socket anew when it is asked, so room that came since the
    /// short write is reported.
    fn ask_for_room(&mut self, wanted: bool, token: Token, registry: &Registry) -> Result<(), Lost> {
        self.write_interest = wanted;
        let interest = if wanted { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        registry.reregister(&mut SourceFd(&self.socket.as_raw_fd()), token, interest).map_err(|error| {
            log::error!("cannot watch a connection: {error}");
            Lost
        })
    }

    fn is_sending(&self) -> bool {
        !self.machine.output().is_empty()
    }

    fn next(&self, draining: bool) -> Next {
        let takes_input = self.takes_input() && !draining;
        if takes_input && self.input == Input::Unread {
            return Next::Again;
        }
        if self.peer == Peer::Gone && !takes_input {
            return Next::Close;
        }
        if self.is_sending() {
            return if self.writable { Next::Again } else { Next::Wait };
        }
        // A machine which wants no input although it has nothing to send is blocked. Nobody waits for what it blocks
        // on once the peer has hung up.
        let blocked = !takes_input && self.peer == Peer::HungUp;
        let over = self.input == Input::Ended || draining || self.machine.closing() || blocked;
        if over && !self.machine.withheld() { Next::Close } else { Next::Wait }
    }

    /// Ends the connection in order.
    pub(crate) fn finish(&self, registry: &Registry, buffer: &mut [u8]) {
        // Closing the last descriptor would do, but a forked child may hold another.
        if let Err(error) = registry.deregister(&mut SourceFd(&self.socket.as_raw_fd())) {
            log::warn!("cannot forget a connection: {error}");
        }
        if self.peer != Peer::Gone {
            socket::finish(&self.socket, self.input == Input::Unread, buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slot, a box and its wake handle with its counts; the machine comes on top.
    #[test]
    fn an_idle_connection_is_small() {
        let slot = 16;
        let wake = size_of::<ConnectionWake>() + 2 * size_of::<usize>();
        assert!(slot + size_of::<Connection<()>>() + wake <= 128);
    }
}

//! The sans-IO machine of one connection: bytes in, bytes and wishes out.
//!
//! # Shape
//!
//! ```text
//! receive(bytes) ─▶ parse ─▶ window of requests ─▶ door ─▶ output ─▶ output(), advance(n)
//!        ▲                                          │
//!        └── input that is not whole yet            ├─▶ wants_input(), closing(), deadline()   wishes
//! poll() ─▶ inbox ─▶ output, blocked command ends ──┘
//! ```
//!
//! A session knows no socket, no thread and no Python. Its driver (a reactor thread, a trio task, a test) hands it what
//! the peer sent, sends what it yields, and calls [`Session::poll`] when it is woken or a deadline has passed. It never
//! changes its driver.
//!
//! # Invariants
//!
//! * Replies leave in the order of requests; messages of others come between replies, never inside one.
//! * However the bytes are cut, the replies are the same.
//! * Input behind a blocked, closing or too slow client is kept, not run, and not read ([`Session::wants_input`]).
//! * An idle session owns no buffer.
//! * A handler's panic is caught here: it poisons the store, and the session closes.

mod core;
mod flood;
mod intake;

use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::core::Core;
use self::intake::Intake;
use crate::client::{Origin, Wake};
use crate::handler::Store;

/// Bytes of replies that a peer may leave unread before its requests wait.
pub const OUTPUT_PAUSE_BYTES: usize = 32 << 20;
/// Input kept by an idle session.
const INPUT_KEPT: usize = 16 * 1024;
/// With which everything begins that a client of TLS sends first.
const TLS_HANDSHAKE: u8 = 0x16;

/// One connection's machine.
#[derive(Debug)]
pub struct Session {
    core: Core,
    intake: Intake,
    input: Vec<u8>,
}

impl Session {
    /// The machine of a connection that was just accepted; registers the client.
    pub fn new(store: &Arc<Store>, origin: Origin, wake: Arc<dyn Wake>) -> Self {
        let intake = Intake::new(Arc::clone(store));
        Self { core: Core::new(Arc::clone(store), origin, wake), intake, input: Vec::new() }
    }

    /// The client's number.
    pub fn id(&self) -> u64 {
        self.core.client.link.id
    }

    /// Makes the client this user without a password: who drives it knows by other means who the peer is. False if there is no
    /// such user, or it is off.
    pub fn log_in_as(&mut self, name: &[u8]) -> bool {
        let user = self.core.store.acl.find(name).filter(|user| user.rules().is_on);
        user.is_some_and(|user| self.core.client.log_in(Some(user), true))
    }

    /// Takes bytes from the peer and runs every whole request in them.
    pub fn receive(&mut self, bytes: &[u8]) {
        let is_first = self.core.client.link.received_bytes.load(Ordering::Relaxed) == 0;
        core::add(&self.core.client.link.received_bytes, bytes.len() as u64);
        core::add(&self.core.client.link.reads, 1);
        self.core.store.counters.received_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.guarded(|session| {
            if is_first && bytes.first() == Some(&TLS_HANDSHAKE) {
                session.refuse_tls();
            } else if !session.core.is_cut_off() {
                session.take_in(bytes);
            }
        });
    }

    /// Drains the inbox, ends waits whose time is over, goes on with input that had to wait.
    pub fn poll(&mut self) {
        self.guarded(|session| {
            session.core.drain_inbox();
            session.take_in(&[]);
        });
    }

    /// No command begins like this, and an answer in the clear would only puzzle the peer.
    fn refuse_tls(&mut self) {
        let peer = &self.core.client.link.origin.peer;
        log::info!("Client {peer} speaks TLS where plain text is expected: closed. TLS is served at tls-port.");
        self.core.abandon();
    }

    fn take_in(&mut self, bytes: &[u8]) {
        if self.input.is_empty() {
            let used = self.run(bytes);
            self.input.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            self.input.extend_from_slice(bytes);
            let input = std::mem::take(&mut self.input);
            let used = self.run(&input);
            self.input = input;
            self.input.drain(..used);
        }
        self.settle();
    }

    fn run(&mut self, input: &[u8]) -> usize {
        if input.is_empty() || self.core.is_parked() {
            return 0;
        }
        self.core.output.warm();
        self.intake.run(&mut self.core, input)
    }

    fn settle(&mut self) {
        let is_spare = self.input.is_empty() && self.input.capacity() > INPUT_KEPT;
        if self.core.client.is_closing || is_spare {
            self.input = Vec::new();
        }
        if self.input.len() > self.core.query_bytes_max() {
            log::warn!("client {} closed: it sent more than client-query-buffer-limit ahead of execution", self.id());
            self.core.store.counters.query_limit_closed.fetch_add(1, Ordering::Relaxed);
            self.core.client.is_closing = true;
            self.input = Vec::new();
        }
        self.core.publish(self.input.len());
    }

    /// Runs a step; a panic inside poisons the store and closes the session.
    fn guarded(&mut self, step: impl FnOnce(&mut Self)) {
        let result = catch_unwind(AssertUnwindSafe(|| step(&mut *self)));
        if result.is_err() {
            self.core.store.poison();
            self.core.abandon();
            self.input = Vec::new();
        }
    }

    /// The end of a round of one session: writes the log, and lets go what waited for that. Drivers of many sessions call
    /// [`Store::end_round`] instead, once for all.
    pub fn end_round(&mut self) {
        self.core.store.end_round();
        if self.is_withheld() {
            self.guarded(|session| session.core.publish(session.input.len()));
        }
    }

    /// The first bytes that may be sent now; empty if nothing may.
    pub fn output(&self) -> &[u8] {
        self.core.output.sendable()
    }

    /// All bytes that may be sent now, as far as `slices` reaches; returns how many of them were filled.
    pub fn output_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.core.output.slices(slices)
    }

    /// That many bytes of the output were sent.
    pub fn advance(&mut self, sent: usize) {
        self.core.output.advance(sent);
        core::add(&self.core.client.link.sent_bytes, sent as u64);
        core::add(&self.core.client.link.writes, 1);
        self.core.store.counters.sent_bytes.fetch_add(sent as u64, Ordering::Relaxed);
        if !self.input.is_empty() && !self.core.is_parked() {
            self.guarded(|session| session.take_in(&[]));
        } else if self.core.output.is_empty() {
            // What waits in the inbox because the peer was slow.
            if self.core.client.link.has_mail() {
                self.guarded(|session| session.take_in(&[]));
            } else {
                self.core.publish_output();
            }
        }
    }

    /// Whether more input would be run: not while a command waits, the peer does not read, or the session closes.
    pub fn wants_input(&self) -> bool {
        !self.core.client.is_closing && (!self.core.is_parked() || self.input.len() < INPUT_KEPT)
    }

    /// Whether the connection is to be closed when the output is sent.
    pub fn closing(&self) -> bool {
        self.core.client.is_closing
    }

    /// Whether replies wait for the journal: the connection is not to be closed although nothing may be sent.
    pub fn is_withheld(&self) -> bool {
        self.core.output.waits_for().is_some()
    }

    /// When [`Session::poll`] is due, in monotonic microseconds of the store's clock.
    pub fn deadline(&self) -> Option<u64> {
        self.core.deadline_us()
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

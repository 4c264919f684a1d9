//! One thread: waits for readiness, gives every connection that has something to do its turn, and again.

use std::any::Any;
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::connection::{Bench, Cause, Connection, Next, Peer, READ_BYTES_MAX, Readiness};
use crate::counters::Tally;
use crate::deadlines::{Deadlines, NEVER_US};
use crate::machine::Machine;
use crate::queue::{ConnectionWake, Key, WakeQueue};
use crate::reactor::{Clock, Hooks};
use crate::slots::Slots;
use rkv_engine::client::Wake;

/// The token of the bell; connections have the index of their slot.
pub(crate) const BELL: Token = Token(usize::MAX);

/// Events taken from the poller at once.
const EVENTS_MAX: usize = 1024;

/// How often the end of a round is repeated because what it woke ran again, before the poller is asked.
const ROUND_ENDS_MAX: usize = 4;

/// Makes the machine of a connection, on the connection's thread.
pub(crate) type Make<M> = Box<dyn FnOnce(Arc<dyn Wake>) -> M + Send>;

/// What other threads have put down for a thread.
pub(crate) struct Arrivals<M> {
    pub(crate) adopted: Vec<(OwnedFd, Make<M>)>,
    /// When the last output must be sent; set once the reactor stops.
    pub(crate) stop_at: Option<Instant>,
}

/// What a thread shares with the handles of its reactor.
pub(crate) struct Shared<M> {
    pub(crate) queue: Arc<WakeQueue>,
    pub(crate) arrivals: Mutex<Arrivals<M>>,
    pub(crate) connections: AtomicUsize,
    pub(crate) tally: Tally,
}

impl<M> Shared<M> {
    pub(crate) fn arrivals(&self) -> MutexGuard<'_, Arrivals<M>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the thread is on its way to its end.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// Nobody asked for it.
    Unasked,
    /// Asked for: whatever the poller reports next is run, with nothing to wait for.
    LastLook(Instant),
    /// Nothing more is read; the last output must be sent at this time.
    Draining(Instant),
}

/// The state of one thread.
pub(crate) struct Worker<M> {
    poll: Poll,
    shared: Arc<Shared<M>>,
    clock: Clock,
    hooks: Hooks,
    slots: Slots<M>,
    deadlines: Deadlines,
    /// Connections with more to do than one turn allowed.
    again: Vec<u32>,
    buffer: Vec<u8>,
    /// Whether a machine ran since the end of the last round.
    ran: bool,
    stop: Stop,
    woken: Vec<Key>,
    indices: Vec<u32>,
}

impl<M: Machine> Worker<M> {
    pub(crate) fn new(poll: Poll, shared: Arc<Shared<M>>, clock: Clock, hooks: Hooks) -> Self {
        Worker {
            poll,
            shared,
            clock,
            hooks,
            slots: Slots::new(),
            deadlines: Deadlines::default(),
            again: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
            ran: false,
            stop: Stop::Unasked,
            woken: Vec::new(),
            indices: Vec::new(),
        }
    }

    /// Serves until the reactor stops.
    pub(crate) fn run(mut self) {
        // A defect here, or in a hook, must not leave peers with a silent server.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.serve_all())) {
            self.report(&*payload);
        }
        let ended = catch_unwind(AssertUnwindSafe(|| self.close_all()));
        if let Err(payload) = ended {
            self.report(&*payload);
        }
    }

    fn serve_all(&mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let last_look = matches!(self.stop, Stop::LastLook(_));
            self.wait(&mut events);
            for event in &events {
                self.on_event(event);
            }
            self.go_on();
            self.expire();
            self.end_round();
            if last_look {
                self.begin_draining();
            }
            if let Stop::Draining(end) = self.stop
                && (self.is_drained() || Instant::now() >= end)
            {
                return;
            }
        }
    }

    fn begin_draining(&mut self) {
        if let Stop::LastLook(end) = self.stop {
            self.stop = Stop::Draining(end);
            for index in self.slots.occupied() {
                self.serve(index, Cause::Continue);
            }
        }
    }

    fn wait(&mut self, events: &mut Events) {
        let busy = self.ran || !self.again.is_empty() || matches!(self.stop, Stop::LastLook(_));
        let timeout = if !busy && self.shared.queue.may_sleep() { self.timeout() } else { Some(Duration::ZERO) };
        self.shared.tally.rounds.add(1);
        if let Err(error) = self.poll.poll(events, timeout)
            && error.kind() != ErrorKind::Interrupted
        {
            log::error!("cannot wait for connections: {error}");
        }
        self.shared.queue.awake();
    }

    /// How long the thread may sleep: until the first deadline, and no longer than a stop allows.
    fn timeout(&self) -> Option<Duration> {
        let stop = match self.stop {
            Stop::Draining(end) => Some(end.saturating_duration_since(Instant::now())),
            _ => None,
        };
        let deadline = if self.deadlines.is_empty() { None } else { self.deadlines.wait((self.clock)()) };
        match (stop, deadline) {
            (Some(stop), Some(deadline)) => Some(stop.min(deadline)),
            (stop, deadline) => stop.or(deadline),
        }
    }

    fn on_event(&mut self, event: &Event) {
        if event.token() == BELL {
            return;
        }
        let peer = if event.is_error() || event.is_write_closed() {
            Peer::Gone
        } else if event.is_read_closed() {
            Peer::HungUp
        } else {
            Peer::Present
        };
        let readiness = Readiness { readable: event.is_readable(), writable: event.is_writable(), peer };
        self.serve(event.token().0 as u32, Cause::Ready(readiness));
    }

    /// Gives a connection its turn, if there is one at `index`.
    fn serve(&mut self, index: u32, cause: Cause) {
        let Some(connection) = self.slots.get(index) else {
            return;
        };
        self.ran = true;
        let mut bench = Bench {
            registry: self.poll.registry(),
            buffer: &mut self.buffer,
            tally: &self.shared.tally,
            draining: matches!(self.stop, Stop::Draining(_)),
        };
        let turn = AssertUnwindSafe(|| {
            let next = connection.turn(Token(index as usize), cause, &mut bench);
            (next, connection.deadline_us())
        });
        let (next, deadline_us) = match catch_unwind(turn) {
            Ok(turned) => turned,
            Err(payload) => {
                self.report(&*payload);
                return self.close(index);
            }
        };
        if next == Next::Close {
            return self.close(index);
        }
        if deadline_us < connection.filed_us {
            self.deadlines.refile(index, connection.filed_us, deadline_us);
            connection.filed_us = deadline_us;
        }
        if next == Next::Again && !connection.queued {
            connection.queued = true;
            self.again.push(index);
        }
    }

    /// Serves those who had more to do than one turn allowed, one turn each.
    fn go_on(&mut self) {
        let mut indices = mem::take(&mut self.indices);
        mem::swap(&mut indices, &mut self.again);
        for index in indices.drain(..) {
            if let Some(connection) = self.slots.get(index) {
                connection.queued = false;
            }
            self.serve(index, Cause::Continue);
        }
        self.indices = indices;
    }

    /// Serves those whose time has come.
    fn expire(&mut self) {
        if self.deadlines.is_empty() {
            return;
        }
        let now_us = (self.clock)();
        let mut indices = mem::take(&mut self.indices);
        self.deadlines.take_due(now_us, &mut indices);
        for index in indices.drain(..) {
            let Some(connection) = self.slots.get(index) else {
                continue;
            };
            let is_due = connection.deadline_us() <= now_us;
            connection.filed_us = NEVER_US;
            self.serve(index, if is_due { Cause::Due } else { Cause::Continue });
        }
        self.indices = indices;
    }

    /// Serves those who were woken, and says so whenever machines have run: what the end of a round wakes belongs to it.
    fn end_round(&mut self) {
        self.deliver();
        for _ in 0..ROUND_ENDS_MAX {
            if !mem::take(&mut self.ran) {
                return;
            }
            (self.hooks.round)();
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        if !self.shared.queue.is_pending() {
            return;
        }
        let mut woken = mem::take(&mut self.woken);
        self.shared.queue.take(&mut woken);
        self.take_arrivals();
        for key in woken.drain(..) {
            if self.slots.generation(key.index) == Some(key.generation) {
                self.shared.tally.wakes.add(1);
                self.serve(key.index, Cause::Woken);
            }
        }
        self.woken = woken;
    }

    /// Takes in the connections that were handed over, and notices a stop. Only after the queue was taken: whoever puts
    /// something down later signals anew.
    fn take_arrivals(&mut self) {
        let (adopted, stop_at) = {
            let mut arrivals = self.shared.arrivals();
            (mem::take(&mut arrivals.adopted), arrivals.stop_at)
        };
        for (socket, make) in adopted {
            self.adopt(socket, make);
        }
        if let (Stop::Unasked, Some(end)) = (self.stop, stop_at) {
            self.stop = Stop::LastLook(end);
        }
    }

    fn adopt(&mut self, socket: OwnedFd, make: Make<M>) {
        let (index, generation) = self.slots.reserve();
        let wake = Arc::new(ConnectionWake::new(Arc::clone(&self.shared.queue), Key { index, generation }));
        let handle: Arc<dyn Wake> = Arc::clone(&wake) as _;
        let machine = match catch_unwind(AssertUnwindSafe(|| make(handle))) {
            Ok(machine) => machine,
            Err(payload) => {
                self.report(&*payload);
                return self.close(index);
            }
        };
        let watched = self.watch(&socket, index);
        self.slots.put(index, Box::new(Connection::new(socket, machine, wake)));
        match watched {
            Ok(()) => self.serve(index, Cause::Continue),
            Err(error) => {
                log::error!("cannot watch a connection: {error}");
                self.close(index);
            }
        }
    }

    fn watch(&self, socket: &OwnedFd, index: u32) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(index as usize), Interest::READABLE)
    }

    /// Empties a place: ends the connection in it, if one is, and tells the front end.
    fn close(&mut self, index: u32) {
        if let Some(connection) = self.slots.release(index) {
            self.deadlines.remove(index, connection.filed_us);
            connection.finish(self.poll.registry(), &mut self.buffer);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(connection))) {
                self.report(&*payload);
            }
        }
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        (self.hooks.closed)();
    }

    fn is_drained(&self) -> bool {
        self.shared.connections.load(Ordering::Relaxed) == 0
    }

    /// Closes what is left, those who have come too late included.
    fn close_all(&mut self) {
        for index in self.slots.occupied() {
            self.close(index);
        }
        let late = {
            let mut arrivals = self.shared.arrivals();
            arrivals.stop_at.get_or_insert_with(Instant::now);
            mem::take(&mut arrivals.adopted)
        };
        for _ in late {
            self.shared.connections.fetch_sub(1, Ordering::Relaxed);
            (self.hooks.closed)();
        }
    }

    /// Reports a panic that was caught.
    fn report(&self, payload: &(dyn Any + Send)) {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic without a message");
        log::error!("a connection's machine panicked: {text}");
        if catch_unwind(AssertUnwindSafe(|| (self.hooks.panicked)(text))).is_err() {
            log::error!("the report of a panic panicked");
        }
    }
}

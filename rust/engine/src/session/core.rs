//! What a session runs requests with: the client, its output, and the command that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::OUTPUT_PAUSE_BYTES;
use super::flood::{Flood, MAIL_PAUSE_BYTES};
use crate::client::{Client, Message, Origin, ReplyMode, Unblock, Wake};
use crate::dispatch::{self, Admission, Blocked, Call, Cost, Mode, WINDOW_BYTES_MAX, elapsed_ns};
use crate::error::{self, Error};
use crate::handler::Store;
use crate::limits::{UNAUTHENTICATED_OUTPUT_BYTES_MAX, UNAUTHENTICATED_QUERY_BYTES_MAX};
use crate::observe::Attention;
use crate::resp::{Output, Protocol, ProtocolError, Reply};

/// The client, its output, and the command that waits.
#[derive(Debug)]
pub(super) struct Core {
    pub store: Arc<Store>,
    pub client: Client,
    pub output: Output,
    blocked: Option<Arc<Blocked>>,
    /// CLIENT REPLY was off or skipped when the command began to wait.
    is_mute: bool,
    commands: u64,
    pub(super) flood: Flood,
    /// Unix milliseconds of the last command.
    now_ms: i64,
    /// The journal offset whose release will wake it.
    awaited: Option<u64>,
    /// Unix nanoseconds, when it began.
    now_ns: i64,
    /// CLIENT PAUSE, or the memory of a snapshot, holds the next command back, until then in monotonic microseconds.
    paused_us: Option<u64>,
    /// Since when a snapshot does.
    held_since_us: Option<u64>,
}

impl Core {
    pub(super) fn new(store: Arc<Store>, origin: Origin, wake: Arc<dyn Wake>) -> Self {
        let link = store.clients.add(origin, store.clock.unix_ms(), wake);
        let user = Arc::clone(store.acl.default_user());
        let client = Client::new(link, Some(user), !store.acl.requires_password());
        Self {
            store,
            client,
            output: Output::default(),
            blocked: None,
            is_mute: false,
            commands: 0,
            flood: Flood::default(),
            now_ms: 0,
            awaited: None,
            now_ns: 0,
            paused_us: None,
            held_since_us: None,
        }
    }

    #[inline]
    fn read_clock(&mut self) -> i64 {
        self.now_ns = self.store.clock.unix_ns();
        self.now_ms = self.now_ns.div_euclid(1_000_000);
        self.now_ms
    }

    /// Whether requests must wait: a command waits for a key, the peer does not read, the journal is crowded by records of this
    /// client among others, or the session closes.
    #[inline]
    pub(super) fn is_parked(&self) -> bool {
        self.blocked.is_some()
            || self.client.is_closing
            || self.paused_us.is_some()
            // Most outputs are below the limits of everybody.
            || (self.output.len() > UNAUTHENTICATED_OUTPUT_BYTES_MAX && self.output.len() > self.output_bytes_max())
            || (self.store.journal.is_crowded() && self.client.offset > self.store.journal.gate.released())
    }

    /// Whether it may do more than say who it is.
    #[inline]
    pub(super) fn is_authenticated(&self) -> bool {
        dispatch::is_authenticated(&self.store, &self.client)
    }

    fn output_bytes_max(&self) -> usize {
        if self.is_authenticated() { OUTPUT_PAUSE_BYTES } else { UNAUTHENTICATED_OUTPUT_BYTES_MAX }
    }

    /// Bytes of input that may be kept.
    pub(super) fn query_bytes_max(&self) -> usize {
        let limit = self.store.settings.query_bytes_max();
        if self.is_authenticated() { limit } else { limit.min(UNAUTHENTICATED_QUERY_BYTES_MAX) }
    }

    /// Runs one request alone.
    pub(super) fn run_one(&mut self, call: Result<&Call<'_>, &Error>) {
        self.commands += 1;
        // What was sent before this command is read before its reply.
        self.take_mail();
        if self.store.is_poisoned() {
            Reply::wire(&mut self.output, self.client.protocol).error(&error::POISONED);
            return;
        }
        let before = self.output.position();
        let now_ms = self.read_clock();
        match call {
            Ok(call) => self.admit_and_run(call, now_ms),
            Err(error) => self.refuse(None, error),
        }
        self.after_reply(before, call.ok());
        self.check_flood();
    }

    fn admit_and_run(&mut self, call: &Call<'_>, now_ms: i64) {
        self.client.link.last_command.store(u32::from(call.command.id) + 1, Ordering::Relaxed);
        match dispatch::admit(&self.store, &self.client, call) {
            Err(error) => self.refuse(Some(call), &error),
            Ok(Admission::Queue) => self.queue(call),
            Ok(Admission::Run) => {
                let mode = Mode::MayWait(Unblock::Wire(self.client.protocol));
                if matches!(call.command.row.name, "UNSUBSCRIBE" | "PUNSUBSCRIBE" | "SUNSUBSCRIBE") {
                    return self.unsubscribe(call, mode, now_ms);
                }
                let mut reply = Reply::wire(&mut self.output, self.client.protocol);
                let position = reply.position();
                self.blocked = dispatch::execute(&self.store, &mut self.client, call, mode, now_ms, &mut reply);
                // What waits is counted when it has its reply.
                if self.blocked.is_none() {
                    let ns = elapsed_ns(self.now_ns, self.store.clock.unix_ns());
                    let cost = Cost { ns, reply_bytes: self.output.position() - position, now_ms };
                    dispatch::record(&self.store, &self.client, call, cost);
                } else {
                    dispatch::show_waiting(&self.store, &self.client, call);
                }
            }
        }
    }

    /// Messages that came before the end of a subscription are sent before the reply that confirms it: none comes later.
    fn unsubscribe(&mut self, call: &Call<'_>, mode: Mode, now_ms: i64) {
        let mut confirmed = Output::default();
        let mut reply = Reply::wire(&mut confirmed, self.client.protocol);
        self.blocked = dispatch::execute(&self.store, &mut self.client, call, mode, now_ms, &mut reply);
        self.take_mail();
        self.output.extend(&confirmed.into_bytes());
    }

    fn refuse(&mut self, call: Option<&Call<'_>>, error: &Error) {
        let error = dispatch::refuse(&self.store, &mut self.client, call, error);
        Reply::wire(&mut self.output, self.client.protocol).error(&error);
    }

    fn queue(&mut self, call: &Call<'_>) {
        self.client.queue(u32::from(call.command.id), call.args.words());
        Reply::wire(&mut self.output, self.client.protocol).queued();
    }

    /// CLIENT REPLY: takes back what is not wanted.
    fn after_reply(&mut self, before: u64, call: Option<&Call<'_>>) {
        // What confirms a subscription is no reply: it is sent all the same.
        let before = if call.is_some_and(|call| call.command.row.name.ends_with("SUBSCRIBE")) {
            self.output.position()
        } else {
            before
        };
        self.is_mute = self.blocked.is_some() && self.client.reply_mode != ReplyMode::On;
        match self.client.reply_mode {
            ReplyMode::On => {}
            ReplyMode::Off => self.output.truncate_to(before),
            ReplyMode::Skip => {
                self.output.truncate_to(before);
                self.client.reply_mode = ReplyMode::On;
            }
            ReplyMode::SkipNext => {
                self.output.truncate_to(before);
                self.client.reply_mode = ReplyMode::Skip;
            }
        }
    }

    /// Runs requests that fit a window, together if possible.
    pub(super) fn run_window(&mut self, calls: &[Call<'_>]) {
        match calls {
            [] => return,
            [call] => return self.run_one(Ok(call)),
            _ => {}
        }
        self.take_mail();
        let now_ms = self.read_clock();
        let mut reply = Reply::wire(&mut self.output, self.client.protocol);
        let done = if self.store.is_poisoned() || !dispatch::make_room(&self.store) {
            0
        } else {
            dispatch::execute_window(&self.store, &mut self.client, calls, now_ms, &mut reply)
        };
        let (together, alone) = calls.split_at(done);
        self.commands += done as u64;
        if done > 0 {
            let ns = elapsed_ns(self.now_ns, self.store.clock.unix_ns());
            dispatch::record_window(&self.store, &self.client, together, Cost { ns, reply_bytes: 0, now_ms });
        }
        if let Some(last) = together.last() {
            self.client.link.last_command.store(u32::from(last.command.id) + 1, Ordering::Relaxed);
        }
        self.check_flood();
        for call in alone {
            self.run_one(Ok(call));
        }
    }

    /// Whether requests that fit a window need no further check now.
    #[inline]
    pub(super) fn may_share(&self) -> bool {
        // Where memory ends, what one command took must be known before the next is admitted.
        self.client.is_plain()
            && !self.hears_itself()
            && !self.store.is_memory_short(WINDOW_BYTES_MAX)
            && !self.store.persist.refusals.any()
            && !self.store.observed.needs_attention()
    }

    /// Whether what a command does may be told to the client that sent it: that comes before the next reply.
    #[inline]
    const fn hears_itself(&self) -> bool {
        self.client.subscriptions.is_some() || self.client.tracking.is_some()
    }

    /// Answers malformed input and closes.
    pub(super) fn protocol_error(&mut self, error: ProtocolError) {
        let error = Error::text(format!("ERR {error}"));
        self.store.counters.count_error(&error);
        Reply::wire(&mut self.output, self.client.protocol).error(&error);
        self.client.is_closing = true;
    }

    /// Closes without sending what is left: after a panic.
    pub(super) fn abandon(&mut self) {
        self.output = Output::default();
        self.client.is_closing = true;
    }

    /// Takes messages into the output, and ends the wait of a command whose reply came or whose time is over.
    pub(super) fn drain_inbox(&mut self) {
        if self.is_cut_off() {
            return;
        }
        self.take_mail();
        let now_us = self.store.clock.monotonic_us();
        self.end_pause(now_us);
        let is_over = self.client.link.blocking.is_unblocked()
            || self.blocked_until_us().is_some_and(|deadline_us| deadline_us <= now_us);
        if is_over && !self.stop_waiting(true) {
            self.take_mail();
        }
    }

    /// Whether somebody closed the connection: nothing is run or sent any more.
    pub(super) fn is_cut_off(&mut self) -> bool {
        let is_killed = self.client.link.is_killed();
        if is_killed {
            // Who kills a client does not want to wait until it has read what it was sent.
            self.stop_waiting(false);
            self.abandon();
        }
        is_killed
    }

    fn take_mail(&mut self) {
        if self.client.link.has_mail() && self.output.len() <= MAIL_PAUSE_BYTES {
            self.take_messages();
        }
    }

    #[inline(never)]
    fn take_messages(&mut self) {
        if self.store.journal.gate.is_closed() {
            // What it tells was journalled before it was left here.
            self.client.offset = self.client.offset.max(self.store.journal.end());
        }
        self.output.warm();
        let protocol = self.client.protocol;
        for message in self.client.link.take_mail() {
            match message {
                Message::Push(bytes) => self.output.extend(&bytes),
                Message::Frame(frame) => frame.write(protocol, &mut self.output),
                // By RESP2 it can only be told from replies by who listens.
                Message::Invalidate(_) if protocol == Protocol::Resp2 && self.client.subscriptions.is_none() => {}
                Message::Invalidate(keys) => keys.write(protocol, &mut self.output),
                Message::Reply(bytes) => {
                    if !self.is_mute {
                        self.output.extend(&bytes);
                    }
                    self.blocked = None;
                }
                Message::Tape(_) => self.blocked = None,
            }
        }
    }

    /// False if somebody was faster, and the reply is in the inbox.
    fn stop_waiting(&mut self, with_reply: bool) -> bool {
        let Some(blocked) = self.blocked.take() else { return true };
        let before = self.output.position();
        let mut reply = Reply::wire(&mut self.output, self.client.protocol);
        let reply = with_reply.then_some(&mut reply);
        if !dispatch::time_out(&self.store, &blocked, &mut self.client, reply) {
            self.blocked = Some(blocked);
            return false;
        }
        if self.is_mute {
            self.output.truncate_to(before);
        }
        true
    }

    pub(super) fn deadline_us(&self) -> Option<u64> {
        let blocked_us = self.blocked_until_us();
        blocked_us.into_iter().chain(self.flood.deadline_us()).min()
    }

    fn blocked_until_us(&self) -> Option<u64> {
        self.blocked.as_ref().and_then(|blocked| blocked.deadline_us).or(self.paused_us)
    }

    /// Whether a command must wait because of CLIENT PAUSE, or for a snapshot that holds as much memory as it may. It is not run
    /// then, and comes again when that is over.
    #[inline]
    pub(super) fn is_held_back(&mut self, call: Result<&Call<'_>, &Error>) -> bool {
        self.store.observed.attends(Attention::Pause) && self.hold_back(call.ok())
            || self.store.persist.refusals.any() && self.hold_for_snapshot(call.ok())
    }

    #[cold]
    fn hold_back(&mut self, call: Option<&Call<'_>>) -> bool {
        let now_us = self.store.clock.monotonic_us();
        let may_write = call.is_some_and(|call| dispatch::may_write(&self.store, &self.client, call));
        let until_us = self.store.pause.holds(now_us, may_write);
        if until_us.is_none() && !self.store.pause.is_on(now_us) {
            self.store.observed.pay(Attention::Pause, false);
        }
        self.hold_until(until_us)
    }

    fn hold_until(&mut self, until_us: Option<u64>) -> bool {
        self.paused_us = until_us;
        self.client.link.flags.paused.store(until_us.is_some(), Ordering::Relaxed);
        until_us.is_some()
    }

    #[cold]
    fn hold_for_snapshot(&mut self, call: Option<&Call<'_>>) -> bool {
        if !call.is_some_and(|call| dispatch::waits_for_snapshot(&self.store, &self.client, call)) {
            self.held_since_us = None;
            return false;
        }
        let now_us = self.store.clock.monotonic_us();
        let since_us = *self.held_since_us.get_or_insert(now_us);
        let again_us = self.store.persist.hold_writer(&self.client.link, since_us, now_us);
        if again_us.is_none() {
            self.held_since_us = None;
        }
        self.hold_until(again_us.map(|again_us| now_us.saturating_add(again_us)))
    }

    /// Lets the command that was held back come again if the pause is over, or is another one now, and whenever it waits for a
    /// snapshot: it will be looked at whether it must go on waiting.
    fn end_pause(&mut self, now_us: u64) {
        let is_over = self.paused_us.is_some_and(|until_us| until_us <= now_us) || !self.store.pause.is_on(now_us);
        if self.paused_us.is_some() && is_over {
            self.hold_until(None);
        }
    }

    /// Lets others see how much the peer has not read yet.
    #[inline]
    pub(super) fn publish_output(&self) {
        self.client.link.output_bytes.store(self.output.len(), Ordering::Relaxed);
    }

    /// Lets go what the journal is released for, and asks to be woken when there will be more.
    fn pass_gate(&mut self) {
        if self.store.is_poisoned() && self.output.waits_for().is_some() {
            // What it waits for will not come.
            return self.abandon();
        }
        let journal = &self.store.journal;
        let mut released = journal.gate.released();
        if self.client.offset > released {
            self.output.mark(self.client.offset);
        }
        loop {
            self.output.release(released);
            let behind = journal.is_crowded().then_some(self.client.offset).filter(|offset| *offset > released);
            let Some(wanted) = self.output.waits_for().or(behind) else { return };
            if self.awaited.is_some_and(|awaited| awaited > released) {
                return;
            }
            if journal.gate.wait(wanted, &self.client.link) {
                self.awaited = Some(wanted);
                return;
            }
            released = journal.gate.released();
        }
    }

    /// The end of a round: marks what the replies depend on and brings the figures up to date that others see.
    pub(super) fn publish(&mut self, input_bytes: usize) {
        if !self.is_cut_off() {
            self.take_mail();
            self.check_flood();
        }
        if self.store.journal.gate.is_closed() || self.output.waits_for().is_some() {
            self.pass_gate();
        }
        self.output.let_go();
        self.publish_output();
        let link = &self.client.link;
        link.flags.closing.store(self.client.is_closing, Ordering::Relaxed);
        link.input_bytes.store(input_bytes, Ordering::Relaxed);
        if self.store.clients.has_limit() && self.store.clients.count_bytes(link) {
            self.store.evict_clients();
            self.is_cut_off();
        }
        let link = &self.client.link;
        if self.commands > 0 {
            let now_ms = self.now_ms;
            link.active_ms.store(now_ms, Ordering::Relaxed);
            add(&link.commands, self.commands);
            self.store.counters.commands.fetch_add(self.commands, Ordering::Relaxed);
            self.store.counters.sample(now_ms);
            self.commands = 0;
        }
    }
}

/// Adds to a figure that only the session of its client changes: with one writer this needs no locked addition.
#[inline]
pub(super) fn add(figure: &AtomicU64, more: u64) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(blocked) = self.blocked.take() {
            dispatch::time_out(&self.store, &blocked, &mut self.client, None);
        }
        self.client.unwatch(&self.store.keyspace);
        self.store.end_monitor(&self.client.link);
        self.store.leave_pubsub(&mut self.client);
        self.store.clients.remove(self.client.link.id);
    }
}

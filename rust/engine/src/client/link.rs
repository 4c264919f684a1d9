//! The part of a client that others may see and touch.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use super::frame::{Frame, Invalidation};
use super::wake::Wake;
use crate::acl::User;
use crate::keyspace::WatchFlag;
use crate::resp::{Protocol, Tape};
use crate::seeded::{self, Bug};

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// A Unix socket.
    Unix,
    /// Some other stream: TLS, memory.
    Stream,
    /// A caller in this process.
    Embedded,
}

/// Where a client comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// `127.0.0.1:4242`, or `/path:0` of a Unix socket.
    pub peer: String,
    /// The server's own end.
    pub local: String,
    /// How it is connected.
    pub transport: Transport,
    /// Number of the descriptor, -1 without one.
    pub fd: i64,
}

impl Origin {
    /// Whether it comes from this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.transport, Transport::Unix | Transport::Embedded)
            || self.peer.starts_with("127.")
            || self.peer.starts_with("[::1]")
    }

    /// A caller in this process.
    pub fn embedded() -> Self {
        Self { peer: "embedded:0".into(), local: "embedded:0".into(), transport: Transport::Embedded, fd: -1 }
    }
}

/// A finished reply for a client that waited.
#[derive(Debug)]
pub enum Message {
    /// Encoded bytes between commands.
    Push(Arc<[u8]>),
    /// A message of a channel.
    Frame(Arc<Frame>),
    /// Keys that it may have cached have changed.
    Invalidate(Arc<Invalidation>),
    /// The reply of the blocked command, in the client's protocol.
    Reply(Vec<u8>),
    /// The reply of the blocked command of a caller in this process.
    Tape(Box<Tape>),
}

impl Message {
    /// Bytes that its reader will be sent.
    fn len(&self) -> usize {
        match self {
            Self::Push(bytes) => bytes.len(),
            Self::Frame(frame) => frame.len(),
            Self::Invalidate(keys) => keys.len(),
            Self::Reply(bytes) => bytes.len(),
            Self::Tape(_) => 0,
        }
    }
}

/// Messages on their way to a client. Most wait alone, and then need no memory of their own.
pub type Mail = SmallVec<[Message; 1]>;

/// How the reply of a command that was served later is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// Encoded.
    Wire(Protocol),
    /// Typed values.
    Tape(Protocol),
}

/// Who ended a wait that nobody served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client: its time was over, or it went.
    ByItself,
    /// CLIENT UNBLOCK, as if its time were over.
    ByTimeout,
    /// CLIENT UNBLOCK, with an error.
    ByError,
}

/// Whether a client waits for a key, and who may answer it. Exactly one of server, timeout, disconnect and CLIENT UNBLOCK
/// wins. Each wait has a number: whoever still knows an earlier one cannot answer it in its place.
#[derive(Debug, Default)]
pub struct Blocking(AtomicU64);

/// The number of a wait of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitNumber(u64);

/// The bits of the state; the number stands above them.
const STATE_BITS: u32 = 3;
const STATE: u64 = (1 << STATE_BITS) - 1;
const IDLE: u64 = 0;
const WAITING: u64 = 1;
const SERVING: u64 = 2;
const UNBLOCKED: u64 = 3;
const UNBLOCKED_BY_ERROR: u64 = 4;

impl WaitNumber {
    const fn with(self, state: u64) -> u64 {
        self.0 << STATE_BITS | state
    }
}

impl Blocking {
    fn change(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn state(&self) -> u64 {
        self.0.load(Ordering::Acquire) & STATE
    }

    /// The client begins to wait; its thread alone does that.
    pub fn begin(&self) -> WaitNumber {
        let number = WaitNumber((self.0.load(Ordering::Acquire) >> STATE_BITS).wrapping_add(1));
        self.0.store(number.with(WAITING), Ordering::Release);
        number
    }

    /// Whether this wait goes on and nobody serves it.
    pub fn is_waiting(&self, number: WaitNumber) -> bool {
        self.0.load(Ordering::Acquire) == number.with(WAITING)
    }

    /// Whether it neither waits nor is being served.
    pub fn is_idle(&self) -> bool {
        self.state() == IDLE
    }

    /// Takes the right to answer a wait; false if somebody else has it, or it is over.
    pub fn claim(&self, number: WaitNumber) -> bool {
        self.change(number.with(WAITING), number.with(SERVING))
    }

    /// Ends the wait on behalf of another client; its driver does the rest. False if it does not wait.
    pub fn unblock(&self, with_error: bool) -> bool {
        let state = if with_error { UNBLOCKED_BY_ERROR } else { UNBLOCKED };
        let now = self.0.load(Ordering::Acquire);
        now & STATE == WAITING && self.change(now, now & !STATE | state)
    }

    /// Ends this wait as if its time were over, and no other; its driver does the rest. False if it does not wait any more.
    pub fn end_early(&self, number: WaitNumber) -> bool {
        self.change(number.with(WAITING), number.with(UNBLOCKED))
    }

    /// Whether another client ended the wait.
    pub fn is_unblocked(&self) -> bool {
        matches!(self.state(), UNBLOCKED | UNBLOCKED_BY_ERROR)
    }

    /// Takes the right to end a wait, for the driver of the client; `None` if somebody answers it.
    pub fn end(&self, number: WaitNumber) -> Option<Ending> {
        if self.claim(number) {
            return Some(Ending::ByItself);
        }
        match self.0.load(Ordering::Acquire) {
            now if now == number.with(UNBLOCKED) => Some(Ending::ByTimeout),
            now if now == number.with(UNBLOCKED_BY_ERROR) => Some(Ending::ByError),
            _ if seeded::is_on(Bug::TimeoutEatsElement) => Some(Ending::ByItself),
            _ => None,
        }
    }

    /// Gives the right back: there was nothing to answer with.
    pub fn release(&self, number: WaitNumber) {
        self.0.store(number.with(WAITING), Ordering::Release);
    }

    /// The answer is given. Called by who has the right, before the client can take the answer and begin another wait.
    pub fn finish(&self, number: WaitNumber) {
        self.0.store(number.with(IDLE), Ordering::Release);
    }
}

/// What CLIENT LIST shows in `flags=` and what others may ask of a client.
#[derive(Debug, Default)]
pub struct LinkFlags {
    /// Somebody wants it closed.
    pub kill: AtomicBool,
    /// How many keys it watches.
    pub watching: AtomicUsize,
    /// CLIENT NO-EVICT.
    pub no_evict: AtomicBool,
    /// CLIENT NO-TOUCH.
    pub no_touch: AtomicBool,
    /// CLIENT PAUSE, or the memory of a snapshot, holds its next command back.
    pub paused: AtomicBool,
    /// It is among those who are woken when a snapshot needs less memory.
    pub awaits_snapshot: AtomicBool,
    /// It sees every command.
    pub monitor: AtomicBool,
    /// CLIENT CAPA REDIRECT.
    pub capa_redirect: AtomicBool,
    /// CLIENT IMPORT-SOURCE.
    pub import_source: AtomicBool,
    /// It will be closed when its output is sent.
    pub closing: AtomicBool,
    /// It did not read what it was sent, and too much of it waits.
    pub is_flooded: AtomicBool,
    /// CLIENT TRACKING.
    pub tracking: AtomicBool,
    /// CLIENT TRACKING with BCAST.
    pub broadcast: AtomicBool,
    /// The client to which its invalidations went is gone.
    pub broken_redirect: AtomicBool,
}

/// Names a client gave itself.
#[derive(Debug, Default, Clone)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO LIB-NAME.
    pub library: String,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: String,
}

/// The shared part of one client. A session updates its figures once per round, not per command.
pub struct Link {
    /// Its number; never used again.
    pub id: u64,
    /// Where it comes from.
    pub origin: Origin,
    /// Unix milliseconds of its arrival.
    pub created_ms: i64,
    /// What others may see and ask.
    pub flags: LinkFlags,
    /// Whether it waits for a key.
    pub blocking: Blocking,
    /// The chosen database.
    pub db: AtomicUsize,
    /// 2 or 3.
    pub protocol: AtomicU8,
    /// Unix milliseconds of its last command.
    pub active_ms: AtomicI64,
    /// Number of its last command's row in the table, plus one; 0 before the first.
    pub last_command: AtomicU32,
    /// Commands queued by MULTI; -1 outside.
    pub queued: AtomicI64,
    /// Bytes of memory of those commands.
    pub queued_bytes: AtomicUsize,
    /// Bytes of memory of the keys that it watches and of what it listens to.
    pub listed_bytes: AtomicUsize,
    /// Bytes received and not yet run.
    pub input_bytes: AtomicUsize,
    /// Bytes of replies not yet sent.
    pub output_bytes: AtomicUsize,
    /// What was counted of its buffers for `maxmemory-clients`.
    pub counted_bytes: AtomicUsize,
    /// Bytes received in all.
    pub received_bytes: AtomicU64,
    /// Bytes sent in all.
    pub sent_bytes: AtomicU64,
    /// How often bytes were received.
    pub reads: AtomicU64,
    /// How often bytes were sent.
    pub writes: AtomicU64,
    /// Commands run in all.
    pub commands: AtomicU64,
    /// How many channels, patterns and shard channels it listens to.
    pub subscribed: [AtomicUsize; 3],
    /// Number of the client to which its invalidations go; 0: to itself, -1: it tracks nothing.
    pub redirect: AtomicI64,
    names: Mutex<Names>,
    user: Mutex<Option<Arc<User>>>,
    watch: Mutex<Option<Arc<WatchFlag>>>,
    inbox: Mutex<Mail>,
    /// Bytes of the messages in the inbox.
    inbox_bytes: AtomicUsize,
    mail: AtomicBool,
    wake: Arc<dyn Wake>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("id", &self.id).field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these mutexes protect is whole after every statement, so another thread's panic does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// A new client.
    pub fn new(id: u64, origin: Origin, created_ms: i64, wake: Arc<dyn Wake>) -> Self {
        Self {
            id,
            origin,
            created_ms,
            flags: LinkFlags::default(),
            blocking: Blocking::default(),
            db: AtomicUsize::new(0),
            protocol: AtomicU8::new(2),
            active_ms: AtomicI64::new(created_ms),
            last_command: AtomicU32::new(0),
            queued: AtomicI64::new(-1),
            queued_bytes: AtomicUsize::new(0),
            listed_bytes: AtomicUsize::new(0),
            input_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            counted_bytes: AtomicUsize::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            subscribed: Default::default(),
            redirect: AtomicI64::new(-1),
            names: Mutex::default(),
            user: Mutex::default(),
            watch: Mutex::default(),
            inbox: Mutex::default(),
            inbox_bytes: AtomicUsize::new(0),
            mail: AtomicBool::new(false),
            wake,
        }
    }

    /// The names it gave itself.
    pub fn names(&self) -> MutexGuard<'_, Names> {
        locked(&self.names)
    }

    /// Who it is; `None`: a caller in this process.
    pub fn user(&self) -> Option<Arc<User>> {
        locked(&self.user).clone()
    }

    /// Whether it is this user.
    pub fn is_user(&self, user: &Arc<User>) -> bool {
        locked(&self.user).as_ref().is_some_and(|own| Arc::ptr_eq(own, user))
    }

    /// Lets others see who it is.
    pub(super) fn set_user(&self, user: Option<Arc<User>>) {
        *locked(&self.user) = user;
    }

    /// Lets others see what it watches.
    pub(super) fn watches(&self, flag: Option<&Arc<WatchFlag>>, keys: usize) {
        *locked(&self.watch) = flag.cloned();
        self.flags.watching.store(keys, Ordering::Relaxed);
    }

    /// Whether a watched key has changed, so that its EXEC will do nothing.
    pub fn is_dirty(&self) -> bool {
        locked(&self.watch).as_ref().is_some_and(|flag| flag.is_raised())
    }

    /// Leaves a message and wakes the driver. Not under a shard lock unless by [`Link::leave`].
    pub fn push(&self, message: Message) {
        self.leave(message);
        self.wake();
    }

    /// Leaves a message; the caller wakes the driver when it holds no lock any more. False if another message waits, whose
    /// sender does that.
    pub fn leave(&self, message: Message) -> bool {
        let bytes = message.len();
        let mut inbox = locked(&self.inbox);
        let is_first = inbox.is_empty();
        inbox.push(message);
        self.inbox_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.mail.store(true, Ordering::Release);
        is_first
    }

    /// Leaves a message like [`Link::leave`], unless more than `hard_bytes` wait for the client to read them: then it is
    /// forsaken, and its driver closes it. From `soft_bytes` on its driver measures the time.
    pub fn leave_within(&self, message: Message, (soft_bytes, hard_bytes): (usize, usize)) -> bool {
        if self.flags.is_flooded.load(Ordering::Relaxed) {
            return false;
        }
        let before = self.unread_bytes();
        let after = before.saturating_add(message.len());
        if after <= hard_bytes {
            return self.leave(message) || (before <= soft_bytes && after > soft_bytes);
        }
        if self.flags.is_flooded.swap(true, Ordering::AcqRel) {
            return false;
        }
        let _ = self.take_mail();
        true
    }

    /// Bytes that the client was sent and has not read, whether they are in its output or still in the inbox.
    pub fn unread_bytes(&self) -> usize {
        self.output_bytes.load(Ordering::Relaxed) + self.inbox_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the messages in the inbox.
    #[inline]
    pub fn inbox_bytes(&self) -> usize {
        self.inbox_bytes.load(Ordering::Relaxed)
    }

    /// Whether it listens to anything.
    #[inline]
    pub fn is_subscribed(&self) -> bool {
        self.subscribed.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// Whether it calls from this process and needs no password.
    pub fn is_embedded(&self) -> bool {
        self.origin.transport == Transport::Embedded
    }

    /// Asks the driver to poll the session.
    pub fn wake(&self) {
        self.wake.wake();
    }

    /// Whether there are messages.
    #[inline]
    pub fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Acquire)
    }

    /// Takes all messages, in order.
    pub fn take_mail(&self) -> Mail {
        let mut inbox = locked(&self.inbox);
        self.mail.store(false, Ordering::Release);
        self.inbox_bytes.store(0, Ordering::Relaxed);
        std::mem::take(&mut *inbox)
    }

    /// Asks the driver to close the connection.
    pub fn kill(&self) {
        self.flags.kill.store(true, Ordering::Release);
        self.wake();
    }

    /// Bytes of memory of its buffers, of what it queued, watches and listens to, and of itself.
    pub fn memory_bytes(&self) -> usize {
        let parts = [&self.input_bytes, &self.output_bytes, &self.queued_bytes, &self.listed_bytes];
        parts.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum::<usize>() + size_of::<Self>()
    }

    /// Whether its command waits: for a key, because of CLIENT PAUSE, or for a snapshot.
    pub fn is_blocked(&self) -> bool {
        !self.blocking.is_idle() || self.flags.paused.load(Ordering::Relaxed)
    }

    /// Whether somebody wants it closed.
    #[inline]
    pub fn is_killed(&self) -> bool {
        self.flags.kill.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_wait_is_not_answered_in_the_place_of_the_next() {
        let blocking = Blocking::default();
        let first = blocking.begin();
        assert!(blocking.claim(first) && !blocking.claim(first) && blocking.end(first).is_none());
        blocking.finish(first);
        assert!(blocking.is_idle());
        let second = blocking.begin();
        assert!(!blocking.is_waiting(first) && !blocking.claim(first) && blocking.end(first).is_none());
        assert!(blocking.unblock(false) && !blocking.claim(second));
        assert!(blocking.end(first).is_none() && matches!(blocking.end(second), Some(Ending::ByTimeout)));
    }
}

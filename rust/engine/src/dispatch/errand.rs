//! Errands: a thread that works outside of the store for a client that waits, and its way back through the door.
//!
//! The client waits for nobody's key, so only its driver (time, CLIENT UNBLOCK, CLIENT KILL, the end of the connection) and the
//! errand race for the right to answer. Who ends the wait first makes the errand stop at its next look; what it has done so far stays.
//!
//! Lock rule: the thread holds shards only within a step, and keeps the store alive only there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::admission;
use super::record::{Cost, elapsed_ns, note};
use super::run::{self, Call};
use super::waiting::Blocked;
use crate::client::{Message, Unblock};
use crate::error::{self, Error};
use crate::handler::{Args, Errand, Step, StepOf, Store, Way};
use crate::keyspace::WatchFlag;
use crate::outbound::{Line, Target};
use crate::resp::{Output, Reply, Tape};

/// Who is out, and for whom.
struct Messenger {
    store: Weak<Store>,
    blocked: Arc<Blocked>,
    begun_ns: i64,
}

/// Lets an errand go. No shard is held. If the system refuses a thread, the client's wait is ended.
pub(super) fn begin(store: &Store, blocked: &Arc<Blocked>, mut errand: Box<dyn Errand>) {
    let messenger =
        Messenger { store: store.errands.store(), blocked: Arc::clone(blocked), begun_ns: store.clock.unix_ns() };
    let work = move || {
        // If nothing else answers, because of a panic for example, this does.
        let messenger = EndOfWait(messenger);
        let Messenger { store, .. } = &messenger.0;
        match catch_unwind(AssertUnwindSafe(|| errand.run(&messenger.0))) {
            Ok(outcome) => messenger.0.answer(&outcome),
            Err(_) => _ = store.upgrade().map(|store| store.poison()),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("rkv-errand".into()).spawn(work) {
        log::warn!("the system refuses a thread: {error}");
    }
}

struct EndOfWait(Messenger);

impl Drop for EndOfWait {
    fn drop(&mut self) {
        let Messenger { blocked, .. } = &self.0;
        if blocked.link.blocking.end_early(blocked.number) {
            blocked.link.wake();
        }
    }
}

impl Messenger {
    /// Replies, unless the wait was ended meanwhile.
    fn answer(&self, outcome: &Result<&'static str, Error>) {
        let (blocked, Some(store)) = (&self.blocked, self.store.upgrade()) else { return };
        if !blocked.link.blocking.claim(blocked.number) {
            return;
        }
        let (mut output, mut tape) = (Output::default(), Tape::new());
        let mut reply = match blocked.form {
            Unblock::Wire(protocol) => Reply::wire(&mut output, protocol),
            Unblock::Tape(protocol) => Reply::tape(&mut tape, protocol),
        };
        match outcome {
            Ok(status) => reply.simple(status),
            Err(error) => {
                store.counters.count_error(error);
                reply.error(error);
            }
        }
        let end_ns = store.clock.unix_ns();
        let cost = Cost {
            ns: elapsed_ns(self.begun_ns, end_ns),
            reply_bytes: output.position(),
            now_ms: end_ns.div_euclid(1_000_000),
        };
        let client = blocked.deputy();
        blocked.with_call(&store, |call| {
            if outcome.is_err() {
                store.observed.commands.failed(call.command.id);
            }
            note(&store, &client, call, cost);
        });
        let message = match blocked.form {
            Unblock::Wire(_) => Message::Reply(output.into_bytes()),
            Unblock::Tape(_) => Message::Tape(Box::new(tape)),
        };
        // First: who has taken the answer may begin to wait anew.
        blocked.link.blocking.finish(blocked.number);
        blocked.link.push(message);
    }

    /// CLIENT PAUSE holds writes back, those of errands as well.
    fn wait_for_pause(&self, store: &Store) {
        const NAP: Duration = Duration::from_millis(5);
        while store.pause.holds(store.clock.monotonic_us(), true).is_some() && self.is_wanted() {
            std::thread::sleep(NAP);
        }
    }
}

impl Way for Messenger {
    fn is_wanted(&self) -> bool {
        self.blocked.link.blocking.is_waiting(self.blocked.number)
            && !self.blocked.link.is_killed()
            && self.store.upgrade().is_some_and(|store| !store.errands.is_closed())
    }

    fn step(&self, what: Step, words: &[&[u8]], step: &mut StepOf<'_>) -> Result<(), Error> {
        let store = self.store.upgrade().ok_or(error::ERRAND_ENDED)?;
        if what == Step::Writes {
            self.wait_for_pause(&store);
        }
        let _open = store.errands.enter().ok_or(error::ERRAND_ENDED)?;
        let mut client = self.blocked.deputy();
        let command = store.table.all().get(usize::from(self.blocked.command)).ok_or(error::ERRAND_ENDED)?;
        let call = Call { command, args: Args::new(words) };
        admission::readmit(&store, &client, &call, what)?;
        if !self.blocked.link.blocking.is_waiting(self.blocked.number) {
            return Err(error::ERRAND_ENDED);
        }
        let done = run::step(&store, &mut client, &call, step);
        if what == Step::Writes {
            store.end_round();
        }
        done
    }

    fn unfollow(&self, key: &[u8], flag: &Arc<WatchFlag>) {
        let Some(store) = self.store.upgrade() else { return };
        let place = store.keyspace.key(key);
        if let Ok(mut locks) = store.keyspace.lock(place.mask()) {
            locks.shard(place.shard()).watches.remove(self.blocked.db, key, flag);
        }
    }

    fn take_line(&self, target: &Target) -> Option<Line> {
        self.store.upgrade()?.errands.pool.take(target)
    }

    fn keep_line(&self, target: Target, line: Line) {
        let Some(store) = self.store.upgrade() else { return };
        let Some(_open) = store.errands.enter() else { return };
        store.errands.pool.put(target, line, store.clock.unix_ms());
        // The housekeeper will close it.
        store.expiry.wake();
    }
}

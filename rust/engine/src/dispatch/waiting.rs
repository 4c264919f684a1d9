//! Commands that wait for a key, or for the log.
//!
//! A waiting command stands in the queue of each of its keys. Who changes such a key runs it again before the shards are
//! released, so that nobody can come between; the reply goes to the client's inbox. If the waiter's other keys lie in
//! shards that are not held, that happens at once after these were released, with all of them held: it then depends on
//! nobody but the one who changed the key, and those behind the waiter wait for it.
//!
//! Server, timeout and disconnect race for the right to answer ([`Blocking`](crate::client::Blocking)): exactly one gets it,
//! under the locks of all of the waiter's shards.
//!
//! Who waits for the log waits for nobody's key: the log ends its wait as CLIENT UNBLOCK would, and the client's driver runs it
//! once more.

use std::sync::Arc;

use smallvec::SmallVec;

use super::admission;
use super::record::{Cost, elapsed_ns, note};
use super::run::{Call, depend, finish, run, settle, write};
use super::transaction::Queue;
use crate::acl::User;
use crate::client::{Client, Ending, Link, Message, Unblock, WaitNumber};
use crate::error;
use crate::handler::{Account, Args, Context, Store, Stray, Wait, Waiting, Words, World};
use crate::keyspace::{Key, Locks, Waiter};
use crate::resp::{Output, Protocol, Reply, Tape};
use crate::seeded::{self, Bug};
use crate::values::Kind;

/// A command that waits.
#[derive(Debug)]
pub struct Blocked {
    pub(super) number: WaitNumber,
    pub(super) link: Arc<Link>,
    user: Option<Arc<User>>,
    pub(super) db: usize,
    pub(super) command: u16,
    words: Vec<Box<[u8]>>,
    keys: Vec<Box<[u8]>>,
    pub(super) form: Unblock,
    no_touch: bool,
    kind: Option<Kind>,
    hears_of_loss: bool,
    /// Monotonic microseconds; `None`: forever.
    pub deadline_us: Option<u64>,
}

impl Waiter for Blocked {
    fn is_waiting(&self) -> bool {
        self.link.blocking.is_waiting(self.number)
    }
}

impl Blocked {
    const fn protocol(&self) -> Protocol {
        match self.form {
            Unblock::Wire(protocol) | Unblock::Tape(protocol) => protocol,
        }
    }

    /// A stand-in for the client, which belongs to another thread.
    pub(super) fn deputy(&self) -> Client {
        let mut client = Client::new(Arc::clone(&self.link), self.user.clone(), true);
        client.db = self.db;
        client.protocol = self.protocol();
        client.no_touch = self.no_touch;
        client
    }

    pub(super) fn with_call<T>(&self, store: &Store, then: impl FnOnce(&Call<'_>) -> T) -> Option<T> {
        let words: SmallVec<[&[u8]; 8]> = self.words.iter().map(AsRef::as_ref).collect();
        let command = store.table.all().get(usize::from(self.command))?;
        Some(then(&Call { command, args: Args::new(&words) }))
    }

    fn mask(&self, store: &Store) -> u64 {
        self.keys.iter().fold(0, |mask, key| mask | store.keyspace.key(key).mask())
    }
}

/// Lets a command wait in the queues of its keys, whose shards are held.
#[expect(clippy::too_many_arguments, reason = "it is the second half of a function")]
pub(super) fn park(
    store: &Store,
    client: &Client,
    call: &Call<'_>,
    keys: &[Key<'_>],
    locks: &mut Locks<'_>,
    wait: Wait,
    again: Option<Words>,
    form: Unblock,
) -> Arc<Blocked> {
    let blocked = Arc::new(Blocked {
        number: client.link.blocking.begin(),
        link: Arc::clone(&client.link),
        user: client.user.clone(),
        db: client.db,
        command: call.command.id,
        words: again.unwrap_or_else(|| call.args.words().iter().map(|word| Box::from(*word)).collect()),
        keys: keys.iter().map(|key| Box::from(key.bytes())).collect(),
        form,
        no_touch: client.no_touch,
        kind: wait.kind,
        hears_of_loss: wait.hears_of_loss,
        deadline_us: wait.deadline_us,
    });
    for key in keys {
        let waiter: Arc<dyn Waiter> = blocked.clone();
        locks.shard(key.shard()).waiters.push(client.db, key.bytes(), waiter);
    }
    if let Some(offset) = wait.durable {
        store.persist.log.wait_confirmed(offset, &blocked.link, blocked.number);
    }
    blocked
}

/// What became of a waiter whose turn it was.
enum Turn {
    Answered,
    Waits,
    /// Its keys lie in these shards, and not all of them are held.
    Elsewhere(u64),
}

/// Runs the commands that waited for the account's keys, first come first served, until nothing is left for them. What they
/// change may let others run, in turn.
pub(super) fn serve<'e>(store: &'e Store, locks: &mut Locks<'e>, account: &mut Account, now_ms: i64) {
    let mut next = 0;
    while let Some((db, key)) = account.ready.get(next).cloned() {
        next += 1;
        serve_key(store, locks, account, now_ms, (db, key));
    }
    account.ready.clear();
}

fn serve_key<'e>(
    store: &'e Store,
    locks: &mut Locks<'e>,
    account: &mut Account,
    now_ms: i64,
    (db, key): (usize, Box<[u8]>),
) {
    let place = store.keyspace.key(&key);
    for waiter in locks.shard(place.shard()).waiters.queue(db, &key) {
        let part = locks.peek(place.shard()).db(db);
        let entry = part.and_then(|part| part.get(&place)).filter(|entry| !entry.is_expired(now_ms));
        let kind = entry.map(|entry| entry.value().kind());
        let waiter: Arc<dyn std::any::Any + Send + Sync> = waiter;
        let Ok(blocked) = waiter.downcast::<Blocked>() else { continue };
        let is_meant = kind.map_or(blocked.hears_of_loss, |kind| blocked.kind.is_none_or(|wanted| wanted == kind));
        if !is_meant {
            continue;
        }
        match serve_one(store, locks, account, now_ms, &blocked) {
            Turn::Answered if seeded::is_on(Bug::ServedTwice) => blocked.link.blocking.release(blocked.number),
            Turn::Answered => leave_queues(store, locks, &blocked),
            Turn::Waits => {}
            Turn::Elsewhere(mask) => {
                // Those behind it must not overtake it, so all of them are served when its shards are held, too.
                if !seeded::is_on(Bug::StrayForgotten) {
                    account.add().strays.push(Stray { mask: locks.mask() | mask, db, key });
                }
                return;
            }
        }
    }
}

/// Serves the keys whose waiters could not be run because they wait for keys in other shards as well. No lock is held.
pub(super) fn serve_strays(store: &Store, account: &mut Account, now_ms: i64) {
    // A key comes back with more shards than before, and there are at most 64, so this ends.
    while let Some(Stray { mask, db, key }) = account.rare().and_then(|rare| rare.strays.pop()) {
        let Ok(mut locks) = store.keyspace.lock(mask) else { return };
        account.ready.push((db, key));
        serve(store, &mut locks, account, now_ms);
        store.publish_memory(&mut locks);
    }
}

fn serve_one<'e>(
    store: &'e Store,
    locks: &mut Locks<'e>,
    account: &mut Account,
    now_ms: i64,
    blocked: &Arc<Blocked>,
) -> Turn {
    let mask = blocked.mask(store);
    if mask & !locks.mask() != 0 {
        return if blocked.is_waiting() { Turn::Elsewhere(mask) } else { Turn::Waits };
    }
    if !blocked.link.blocking.claim(blocked.number) {
        return Turn::Waits;
    }
    let (mut output, mut tape) = (Output::default(), Tape::new());
    let mut reply = match blocked.form {
        Unblock::Wire(protocol) => Reply::wire(&mut output, protocol),
        Unblock::Tape(protocol) => Reply::tape(&mut tape, protocol),
    };
    let mut client = blocked.deputy();
    let keys: SmallVec<[Key<'_>; 8]> = blocked.keys.iter().map(|key| store.keyspace.key(key)).collect();
    let begin_ns = store.clock.unix_ns();
    let mut is_refused = false;
    let wait = blocked.with_call(store, |call| {
        is_refused = admission::refuses_again(store, &client, call, &mut reply);
        if is_refused {
            return None;
        }
        let world =
            World { store, client: &mut client, door: &Queue, locks, account, now_ms, waiting: Waiting::MayBegin };
        run(&mut Context::new(world, &keys), call, &mut reply)
    });
    write(store, locks, account);
    if wait.flatten().is_some() {
        blocked.link.blocking.release(blocked.number);
        return Turn::Waits;
    }
    let cost = Cost { ns: elapsed_ns(begin_ns, store.clock.unix_ns()), reply_bytes: output.position(), now_ms };
    if !is_refused {
        blocked.with_call(store, |call| note(store, &client, call, cost));
    }
    let message = match blocked.form {
        Unblock::Wire(_) => Message::Reply(output.into_bytes()),
        Unblock::Tape(_) => Message::Tape(Box::new(tape)),
    };
    // First: who has taken the answer may begin to wait anew, for keys in shards that are not held here.
    blocked.link.blocking.finish(blocked.number);
    if seeded::is_on(Bug::WakeBeforeWrite) {
        blocked.link.wake();
        blocked.link.leave(message);
        return Turn::Answered;
    }
    blocked.link.leave(message);
    account.add().wakes.push(Arc::clone(&blocked.link));
    Turn::Answered
}

/// All shards of the waiter's keys are held.
fn leave_queues(store: &Store, locks: &mut Locks<'_>, blocked: &Arc<Blocked>) {
    let waiter: Arc<dyn Waiter> = blocked.clone();
    for key in &blocked.keys {
        let shard = store.keyspace.key(key).shard();
        locks.shard(shard).waiters.remove(blocked.db, key, &waiter);
    }
}

/// Ends a wait whose time is over or whose client is gone. With a reply, the command runs once more and must answer at
/// once. False if somebody was faster: the reply is in the inbox.
pub fn time_out(store: &Store, blocked: &Arc<Blocked>, client: &mut Client, mut reply: Option<&mut Reply<'_>>) -> bool {
    let Ok(mut locks) = store.keyspace.lock(blocked.mask(store)) else {
        blocked.link.blocking.finish(blocked.number);
        if let Some(reply) = reply {
            reply.error(&error::POISONED);
        }
        return true;
    };
    // Who serves it holds these shards, too, so it is either answered or waiting, or CLIENT UNBLOCK left the rest to us.
    let Some(ending) = blocked.link.blocking.end(blocked.number) else { return false };
    leave_queues(store, &mut locks, blocked);
    let mut account = Account::default();
    let now_ms = store.clock.unix_ms();
    if let (Ending::ByError, Some(reply)) = (ending, reply.as_deref_mut()) {
        store.counters.count_error(&error::UNBLOCKED);
        blocked.with_call(store, |call| {
            store.observed.commands.called(call.command.id);
            store.observed.commands.failed(call.command.id);
        });
        reply.error(&error::UNBLOCKED);
    } else if let Some(reply) = reply {
        let keys: SmallVec<[Key<'_>; 8]> = blocked.keys.iter().map(|key| store.keyspace.key(key)).collect();
        blocked.with_call(store, |call| {
            if admission::refuses_again(store, client, call, reply) {
                return;
            }
            let begin_ns = store.clock.unix_ns();
            let (locks, account) = (&mut locks, &mut account);
            let world =
                World { store, client: &mut *client, door: &Queue, locks, account, now_ms, waiting: Waiting::IsOver };
            run(&mut Context::new(world, &keys), call, reply);
            let cost = Cost { ns: elapsed_ns(begin_ns, store.clock.unix_ns()), reply_bytes: 0, now_ms };
            note(store, client, call, cost);
        });
    }
    blocked.link.blocking.finish(blocked.number);
    settle(store, &mut locks, &mut account, now_ms);
    if store.journal.gate.is_closed() {
        depend(store, client, &locks, &account, false);
    }
    store.publish_memory(&mut locks);
    drop(locks);
    finish(store, &mut account, now_ms);
    true
}

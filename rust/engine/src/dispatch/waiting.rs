//! Commands that wait for a key.
//!
//! A waiting command stands in the queue of each of its keys. Who changes such a key runs it again before the shards are
//! released, so that nobody can come between; the reply goes to the client's inbox. Server, timeout and disconnect race for
//! the right to answer ([`Blocking`](crate::client::Blocking)): exactly one gets it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::run::{Call, Mode, execute, run, write};
use super::transaction::Queue;
use crate::client::{Client, Link, Message, Unblock};
use crate::handler::{Account, Args, Store, Wait, World};
use crate::keyspace::{Key, Locks, Waiter};
use crate::resp::{Output, Protocol, Reply, Tape};

/// A command that waits.
#[derive(Debug)]
pub struct Blocked {
    link: Arc<Link>,
    db: usize,
    command: u16,
    words: Vec<Box<[u8]>>,
    keys: Vec<Box<[u8]>>,
    form: Unblock,
    no_touch: bool,
    /// Monotonic microseconds; `None`: forever.
    pub deadline_us: Option<u64>,
}

impl Waiter for Blocked {
    fn is_waiting(&self) -> bool {
        self.link.blocking.is_waiting()
    }
}

impl Blocked {
    const fn protocol(&self) -> Protocol {
        match self.form {
            Unblock::Wire(protocol) | Unblock::Tape(protocol) => protocol,
        }
    }

    /// A stand-in for the client, which belongs to another thread.
    fn deputy(&self) -> Client {
        let mut client = Client::new(Arc::clone(&self.link), true);
        client.db = self.db;
        client.protocol = self.protocol();
        client.no_touch = self.no_touch;
        client
    }

    fn with_call<T>(&self, store: &Store, then: impl FnOnce(&Call<'_>) -> T) -> Option<T> {
        let words: SmallVec<[&[u8]; 8]> = self.words.iter().map(AsRef::as_ref).collect();
        let command = store.table.all().get(usize::from(self.command))?;
        Some(then(&Call { command, args: Args::new(&words) }))
    }

    fn mask(&self, store: &Store) -> u64 {
        self.keys.iter().fold(0, |mask, key| mask | store.keyspace.key(key).mask())
    }
}

/// Lets a command wait in the queues of its keys, whose shards are held.
pub(super) fn park(
    client: &Client,
    call: &Call<'_>,
    keys: &[Key<'_>],
    locks: &mut Locks<'_>,
    wait: Wait,
    form: Unblock,
) -> Arc<Blocked> {
    let blocked = Arc::new(Blocked {
        link: Arc::clone(&client.link),
        db: client.db,
        command: call.command.id,
        words: call.args.words().iter().map(|word| Box::from(*word)).collect(),
        keys: keys.iter().map(|key| Box::from(key.bytes())).collect(),
        form,
        no_touch: client.no_touch,
        deadline_us: wait.deadline_us,
    });
    client.link.blocking.begin();
    for key in keys {
        let waiter: Arc<dyn Waiter> = blocked.clone();
        locks.shard(key.shard()).waiters.push(client.db, key.bytes(), waiter);
    }
    blocked
}

/// Runs the commands that waited for the account's keys, first come first served, until nothing is left for them. What they
/// change may let others run, in turn.
pub(super) fn serve<'e>(store: &'e Store, locks: &mut Locks<'e>, account: &mut Account, now_ms: i64) {
    while let Some((db, key)) = account.ready.pop() {
        let place = store.keyspace.key(&key);
        for waiter in locks.shard(place.shard()).waiters.queue(db, &key) {
            let waiter: Arc<dyn std::any::Any + Send + Sync> = waiter;
            let Ok(blocked) = waiter.downcast::<Blocked>() else { continue };
            if serve_one(store, locks, account, now_ms, &blocked) {
                leave_queues(store, locks, &blocked);
            }
        }
    }
}

/// True if the waiter was answered.
fn serve_one<'e>(
    store: &'e Store,
    locks: &mut Locks<'e>,
    account: &mut Account,
    now_ms: i64,
    blocked: &Arc<Blocked>,
) -> bool {
    // Its other keys may lie in shards that are not held: such a command is run by its own driver.
    if blocked.mask(store) & !locks.mask() != 0 {
        account.wakes.push(Arc::clone(&blocked.link));
        return false;
    }
    if !blocked.link.blocking.claim() {
        return false;
    }
    let (mut output, mut tape) = (Output::default(), Tape::new());
    let mut reply = match blocked.form {
        Unblock::Wire(protocol) => Reply::wire(&mut output, protocol),
        Unblock::Tape(protocol) => Reply::tape(&mut tape, protocol),
    };
    let mut client = blocked.deputy();
    let keys: SmallVec<[Key<'_>; 8]> = blocked.keys.iter().map(|key| store.keyspace.key(key)).collect();
    let wait = blocked.with_call(store, |call| {
        let world = World { store, client: &mut client, door: &Queue, locks, account, now_ms, can_wait: true };
        run(world, call, &keys, &mut reply)
    });
    if wait.flatten().is_some() {
        blocked.link.blocking.release();
        // The deadline may have passed meanwhile; the driver found the right to answer taken and must look again.
        account.wakes.push(Arc::clone(&blocked.link));
        return false;
    }
    write(store, account);
    let message = match blocked.form {
        Unblock::Wire(_) => Message::Reply(output.into_bytes()),
        Unblock::Tape(_) => Message::Tape(tape),
    };
    blocked.link.leave(message);
    blocked.link.blocking.finish();
    account.wakes.push(Arc::clone(&blocked.link));
    true
}

fn leave_queues(store: &Store, locks: &mut Locks<'_>, blocked: &Arc<Blocked>) {
    let waiter: Arc<dyn Waiter> = blocked.clone();
    for key in &blocked.keys {
        let shard = store.keyspace.key(key).shard();
        if locks.holds(shard) {
            locks.shard(shard).waiters.remove(blocked.db, key, &waiter);
        }
    }
}

/// Ends a wait whose time is over or whose client is gone. With a reply, the command runs once more and must answer at
/// once. False if somebody else answers it just now: the reply is in the inbox, or will be.
pub fn time_out(store: &Store, blocked: &Arc<Blocked>, client: &mut Client, reply: Option<&mut Reply<'_>>) -> bool {
    if !blocked.link.blocking.claim() {
        return false;
    }
    if let Ok(mut locks) = store.keyspace.lock(blocked.mask(store)) {
        leave_queues(store, &mut locks, blocked);
    }
    blocked.link.blocking.finish();
    if let Some(reply) = reply {
        let now_ms = store.clock.unix_ms();
        blocked.with_call(store, |call| execute(store, client, call, Mode::Now, now_ms, reply));
    }
    true
}

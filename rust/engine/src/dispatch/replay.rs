//! Runs the commands of a log at the one door: when the store starts, or, for DEBUG LOADAOF, under shards that are all held.

use std::sync::Arc;

use super::plan::{self, Plan};
use super::run::{Call, Mode, execute, run};
use super::transaction::Queue;
use crate::client::{Client, NoWake, Origin};
use crate::handler::{Account, Args, Context, Flags, Store, Waiting, World};
use crate::keyspace::Locks;
use crate::persist::aof::{Apply, LogError, Manifest};
use crate::persist::{self, Dataset, Loaded, aof};
use crate::rdb::{RdbError, Source};
use crate::resp::{Protocol, Reply, Tape, Value};

/// Both forms of the access clock, 2^24 seconds and 2^16 minutes, are the same so many milliseconds later.
const CLOCKS_REPEAT_MS: i64 = (1 << 24) * 15 * 1000;
const _: () = assert!(CLOCKS_REPEAT_MS / 60_000 % (1 << 16) == 0);

/// Commands whose times are relative: rkv and Redis log none of them, programs of others and of old may.
const RELATIVE: [&str; 4] = ["EXPIRE", "PEXPIRE", "SETEX", "PSETEX"];

/// A client whose requests come from a log.
pub struct Replay<'a, 'e> {
    store: &'e Store,
    /// All shards, if they are held all the time.
    held: Option<&'a mut Locks<'e>>,
    client: Client,
    tape: Tape,
    now_ms: i64,
    errors: u64,
}

impl<'a, 'e> Replay<'a, 'e> {
    /// Of a store into which nobody else is let in.
    pub fn new(store: &'e Store) -> Self {
        Self::with(store, None)
    }

    fn with(store: &'e Store, held: Option<&'a mut Locks<'e>>) -> Self {
        let now_ms = store.clock.unix_ms();
        let link = store.clients.add(Origin::embedded(), now_ms, Arc::new(NoWake));
        Self { store, held, client: Client::new(link, None, true), tape: Tape::new(), now_ms, errors: 0 }
    }

    /// The time for a command. Only who wrote the log decided what was over: at a time before 1970 nothing is, and
    /// the access clock of a key is yet the one of today.
    fn time_for(&self, name: &str) -> i64 {
        if RELATIVE.contains(&name) {
            return self.now_ms;
        }
        let repeats = self.now_ms.div_euclid(CLOCKS_REPEAT_MS) + 1;
        self.now_ms - repeats * CLOCKS_REPEAT_MS
    }

    /// Says in the log what was odd about the commands, when all of them were run.
    pub fn end(self) {
        if self.errors > 0 || self.client.transaction.is_some() {
            log::warn!("{} commands of the append only file were answered with an error", self.errors);
        }
    }
}

impl Apply for Replay<'_, '_> {
    fn apply(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let args = Args::new(words);
        let store = self.store;
        let command = store.table.resolve(args).map_err(|_| {
            let name = String::from_utf8_lossy(args.word(0)).chars().take(64).collect::<String>();
            format!("Unknown command '{}' reading the append only file", name.escape_debug())
        })?;
        let row = command.row;
        if !row.accepts(args.len()) || row.handler.is_none() {
            return Err(format!("'{}' with {} words is no command", row.name, args.len()));
        }
        if self.client.transaction.is_some() && !matches!(row.name, "EXEC" | "MULTI" | "DISCARD") {
            self.client.queue(u32::from(command.id), words);
            return Ok(());
        }
        self.tape.clear();
        let now_ms = self.time_for(row.name);
        let mut reply = Reply::tape(&mut self.tape, Protocol::Resp2);
        let call = Call { command, args };
        match &mut self.held {
            None => _ = execute(store, &mut self.client, &call, Mode::Now, now_ms, &mut reply),
            // These wait for shards themselves, or would begin all this anew.
            Some(_) if row.flags.has(Flags::PROTECTED) || row.flags.has(Flags::NO_MULTI) && row.name != "MULTI" => {
                return Err(format!("'{}' is no command of a log", row.name));
            }
            Some(locks) => execute_held(store, &mut self.client, &call, locks, now_ms, &mut reply),
        }
        if matches!(self.tape.iter().next(), Some(Value::Error(_))) {
            self.errors += 1;
        }
        if store.is_poisoned() { Err("a bug left the data half changed".into()) } else { Ok(()) }
    }

    fn load_base(&mut self, data: &dyn Dataset, source: &mut dyn Source, bytes: u64) -> Result<Loaded, RdbError> {
        match &mut self.held {
            None => persist::read_into(data, source, bytes, true),
            Some(locks) => persist::read_held(data, source, bytes, locks),
        }
    }
}

/// Runs a command while all shards are held. It is in the log already, so it is not written down again; nobody can be served
/// who waits for its keys before the log is told to its end.
fn execute_held<'e>(
    store: &'e Store,
    client: &mut Client,
    call: &Call<'_>,
    locks: &mut Locks<'e>,
    now_ms: i64,
    reply: &mut Reply<'_>,
) {
    let mut plan = Plan::default();
    plan::plan(store, client, call, &mut plan);
    let mut account = Account::default();
    let world = World { store, client, door: &Queue, locks, account: &mut account, now_ms, waiting: Waiting::Never };
    run(&mut Context::new(world, &plan.keys), call, reply);
}

/// Loads the log of a manifest into shards that are all held and empty.
pub(super) fn reload<'e>(store: &'e Store, manifest: &Manifest, locks: &mut Locks<'e>) -> Result<(), LogError> {
    let mut replay = Replay::with(store, Some(&mut *locks));
    let loaded = aof::reload(store, manifest, &mut replay)?;
    replay.end();
    persist::loaded_again(store, locks);
    log::info!("Append Only File loaded by DEBUG LOADAOF: {} commands", loaded.commands);
    Ok(())
}

impl Drop for Replay<'_, '_> {
    fn drop(&mut self) {
        self.store.clients.remove(self.client.link.id);
    }
}

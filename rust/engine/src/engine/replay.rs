//! Runs the commands of a log at the one door.

use crate::client::{Client, NoWake, Origin};
use crate::dispatch::{self, Call, Mode};
use crate::handler::{Args, Store};
use crate::persist::aof::Apply;
use crate::resp::{Protocol, Reply, Tape, Value};
use std::sync::Arc;

/// Both forms of the access clock, 2^24 seconds and 2^16 minutes, are the same so many milliseconds later.
const CLOCKS_REPEAT_MS: i64 = (1 << 24) * 15 * 1000;
const _: () = assert!(CLOCKS_REPEAT_MS / 60_000 % (1 << 16) == 0);

/// Commands whose times are relative: rkv and Redis log none of them, programs of others and of old may.
const RELATIVE: [&str; 4] = ["EXPIRE", "PEXPIRE", "SETEX", "PSETEX"];

/// A client whose requests come from a log.
pub(super) struct Replay<'a> {
    store: &'a Store,
    client: Client,
    tape: Tape,
    now_ms: i64,
    /// Commands that answered with an error.
    pub(super) errors: u64,
}

impl<'a> Replay<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        let now_ms = store.clock.unix_ms();
        let link = store.clients.add(Origin::embedded(), now_ms, Arc::new(NoWake));
        Self { store, client: Client::new(link, None, true), tape: Tape::new(), now_ms, errors: 0 }
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

    /// Whether it ends outside of a transaction.
    pub(super) const fn is_over(&self) -> bool {
        self.client.transaction.is_none()
    }
}

impl Apply for Replay<'_> {
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
        dispatch::execute(store, &mut self.client, &call, Mode::Now, now_ms, &mut reply);
        if matches!(self.tape.iter().next(), Some(Value::Error(_))) {
            self.errors += 1;
        }
        if store.is_poisoned() { Err("a bug left the data half changed".into()) } else { Ok(()) }
    }
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        self.store.clients.remove(self.client.link.id);
    }
}

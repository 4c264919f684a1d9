//! Whether a command may run now: small named checks, in the order in which Redis complains.

use super::run::Call;
use crate::client::Client;
use crate::error::{self, Error};
use crate::handler::{Flags, Store};

/// What becomes of a command that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It runs now.
    Run,
    /// MULTI keeps it for EXEC.
    Queue,
}

/// Whether a client may do more than say who it is: it has said so, or nobody must any more.
#[inline]
pub fn is_authenticated(store: &Store, client: &Client) -> bool {
    client.is_authenticated || !store.settings.requires_password()
}

/// What a client is told whose command was refused (`None`: there is no such command); what it does to MULTI is done.
/// A stranger does not learn which commands there are.
pub fn refuse(store: &Store, client: &mut Client, call: Option<&Call<'_>>, error: &Error) -> Error {
    store.counters.count_error(error);
    let Some(call) = call else {
        client.break_transaction();
        return if is_authenticated(store, client) { error.clone() } else { error::NO_AUTH };
    };
    if call.command.row.name != "EXEC" {
        client.break_transaction();
        return error.clone();
    }
    client.end_transaction();
    client.unwatch(&store.keyspace);
    Error::exec_refused(error)
}

type Check = fn(&Store, &Client, &Call<'_>) -> Result<(), Error>;

const CHECKS: &[Check] = &[authenticated, arity, protected, outside_multi, memory];

/// Lets a command in, or says why not.
///
/// # Errors
/// The first check that fails.
#[inline]
pub fn admit(store: &Store, client: &Client, call: &Call<'_>) -> Result<Admission, Error> {
    let row = call.command.row;
    let is_quiet = client.is_plain() && store.settings.maxmemory() == 0 && !row.flags.has(Flags::PROTECTED);
    if is_quiet && row.accepts(call.args.len()) && row.handler.is_some() {
        return Ok(Admission::Run);
    }
    for check in CHECKS {
        check(store, client, call)?;
    }
    let queues = client.transaction.is_some() && !row.flags.has(Flags::UNQUEUED);
    Ok(if queues { Admission::Queue } else { Admission::Run })
}

fn arity(_: &Store, _: &Client, call: &Call<'_>) -> Result<(), Error> {
    let row = call.command.row;
    if row.accepts(call.args.len()) && row.handler.is_some() {
        return Ok(());
    }
    Err(Error::arity(call.command.full_name()))
}

fn protected(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    if !call.command.row.flags.has(Flags::PROTECTED) {
        return Ok(());
    }
    if store.settings.allows_debug(client.link.origin.is_local()) {
        return Ok(());
    }
    Err(error::DEBUG_NOT_ALLOWED)
}

fn authenticated(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    if is_authenticated(store, client) || call.command.row.flags.has(Flags::NO_AUTH) {
        return Ok(());
    }
    Err(error::NO_AUTH)
}

fn outside_multi(_: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    let flags = call.command.row.flags;
    // MULTI and WATCH answer for themselves: they are refused, and the transaction goes on.
    if client.transaction.is_none() || !flags.has(Flags::NO_MULTI) || flags.has(Flags::UNQUEUED) {
        return Ok(());
    }
    Err(error::NOT_IN_TRANSACTION)
}

fn memory(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    let limit = store.settings.maxmemory();
    let is_exec_of_writes = || {
        call.command.row.name == "EXEC"
            && client.transaction.as_ref().is_some_and(|transaction| {
                transaction.queue.iter().any(|queued| {
                    store
                        .table
                        .all()
                        .get(queued.command as usize)
                        .is_some_and(|command| command.row.flags.has(Flags::DENYOOM))
                })
            })
    };
    if limit == 0 || !(call.command.row.flags.has(Flags::DENYOOM) || is_exec_of_writes()) {
        return Ok(());
    }
    if store.is_memory_full() { Err(error::OUT_OF_MEMORY) } else { Ok(()) }
}

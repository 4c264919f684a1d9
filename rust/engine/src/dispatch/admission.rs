//! Whether a command may run now: small named checks, in the order in which Redis complains.

use std::time::Duration;

use super::run::Call;
use crate::acl::Denied;
use crate::client::Client;
use crate::commands;
use crate::error::{self, Error};
use crate::handler::{Flags, Step, Store, permission};
use crate::persist::Refusal;
use crate::resp::Reply;

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
    client.is_authenticated || !store.acl.requires_password()
}

/// What a client is told whose command was refused (`None`: there is no such command); what it does to MULTI is done.
/// A stranger does not learn which commands there are.
pub fn refuse(store: &Store, client: &mut Client, call: Option<&Call<'_>>, error: &Error) -> Error {
    store.counters.count_error(error);
    if let Some(call) = call {
        store.observed.commands.rejected(call.command.id);
    }
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

const CHECKS: &[Check] =
    &[authenticated, arity, protected, outside_multi, permitted, memory, files, listening, loading];

/// Lets a command in, or says why not.
///
/// # Errors
/// The first check that fails.
#[inline]
pub fn admit(store: &Store, client: &Client, call: &Call<'_>) -> Result<Admission, Error> {
    let row = call.command.row;
    let is_quiet = client.is_plain() && store.settings.maxmemory() == 0 && !store.persist.refusals.any();
    if is_quiet && !row.flags.has(Flags::PROTECTED) && row.accepts(call.args.len()) && row.handler.is_some() {
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
    let (flags, is_local) = (call.command.row.flags, client.link.origin.is_local());
    match (flags.has(Flags::PROTECTED), flags.has(Flags::ERRAND)) {
        (true, false) if !store.settings.allows_debug(is_local) => Err(error::DEBUG_NOT_ALLOWED),
        (true, true) if !store.settings.allows_migrate(is_local) => Err(error::MIGRATE_NOT_ALLOWED),
        _ => Ok(()),
    }
}

fn authenticated(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    if is_authenticated(store, client) || call.command.row.flags.has(Flags::NO_AUTH) {
        return Ok(());
    }
    Err(error::NO_AUTH)
}

fn outside_multi(_: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    let flags = call.command.row.flags;
    // MULTI and WATCH answer for themselves: they are refused, and the transaction goes on. What goes on outside cannot be
    // waited for with the shards of a transaction held.
    if client.transaction.is_none() || !flags.has(Flags::NO_MULTI.with(Flags::ERRAND)) || flags.has(Flags::UNQUEUED) {
        return Ok(());
    }
    Err(error::NOT_IN_TRANSACTION)
}

/// What the user's rules allow: asked over the very keys that the plan locks, before a command runs or is queued, again when
/// EXEC runs it, and again when it has waited.
pub(super) fn permitted(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    if client.is_unrestricted() {
        return Ok(());
    }
    let context = if client.transaction.is_some() { "multi" } else { "toplevel" };
    denied(store, client, call, context).map_or(Ok(()), |(error, _)| Err(error))
}

/// Refuses a command that waited if its client has lost the right to it meanwhile.
pub(super) fn refuses_again(store: &Store, client: &Client, call: &Call<'_>, reply: &mut Reply<'_>) -> bool {
    let Err(error) = permitted(store, client, call) else { return false };
    store.counters.count_error(&error);
    store.observed.commands.rejected(call.command.id);
    reply.error(&error);
    true
}

/// Lets a step of a command that waits come back, or says why not.
///
/// # Errors
/// The client has lost the right to it, or what it would change could not be kept.
pub(super) fn readmit(store: &Store, client: &Client, call: &Call<'_>, what: Step) -> Result<(), Error> {
    permitted(store, client, call)?;
    if what == Step::Writes {
        files(store, client, call)?;
        if store.persist.refusals.has(Refusal::MemoryOfSnapshot) {
            wait_for_snapshot(store, client, call);
        }
    }
    Ok(())
}

/// What the user's rules do not allow; it is counted and logged.
#[cold]
pub(super) fn denied(
    store: &Store,
    client: &Client,
    call: &Call<'_>,
    context: &'static str,
) -> Option<(Error, Denied)> {
    let user = client.user.as_ref()?;
    let dbs = store.settings.databases();
    let denied = permission::permit(&user.rules(), call.command, call.args, client.db, dbs).err()?;
    let line = commands::client_line(store, &client.link, store.clock.unix_ms());
    permission::log_denied(store, client, (call.command, call.args), denied, context, line);
    Some((permission::denied_error(denied, user, call.command), denied))
}

/// By RESP2 a client that listens cannot tell replies from messages, so it may do little else.
fn listening(_: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    const ALLOWED: [&str; 9] = [
        "PING",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "PSUBSCRIBE",
        "PUNSUBSCRIBE",
        "SSUBSCRIBE",
        "SUNSUBSCRIBE",
        "QUIT",
        "RESET",
    ];
    if client.only_listens && !ALLOWED.contains(&call.command.row.name) {
        return Err(Error::only_listens(call.command.full_name()));
    }
    Ok(())
}

fn memory(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    if store.settings.maxmemory() == 0
        || super::evict::make_room(store)
        || !is_any(store, client, call, |flags| flags.has(Flags::DENYOOM))
    {
        return Ok(());
    }
    Err(error::OUT_OF_MEMORY)
}

/// Whether a command, or one that EXEC is going to run, has such flags.
fn is_any(store: &Store, client: &Client, call: &Call<'_>, has: impl Fn(Flags) -> bool) -> bool {
    let row = call.command.row;
    let queued = client.transaction.iter().filter(|_| row.name == "EXEC").flat_map(|transaction| &transaction.queue);
    let mut queued = queued.filter_map(|queued| store.table.all().get(queued.command as usize));
    has(row.flags) || queued.any(|command| has(command.row.flags))
}

/// Whether CLIENT PAUSE WRITE holds a command back: it may change data, or reach others by the journal.
pub fn may_write(store: &Store, client: &Client, call: &Call<'_>) -> bool {
    is_any(store, client, call, |flags| flags.has(Flags::WRITE.with(Flags::MAY_REPLICATE)))
}

/// What may change data is refused while it could not be kept. PING, too, so that who watches a server sees it.
fn files(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    let refusals = &store.persist.refusals;
    if !refusals.any() {
        return Ok(());
    }
    let writes = is_any(store, client, call, |flags| flags.has(Flags::WRITE));
    if refusals.has(Refusal::SnapshotFailed) && (writes || call.command.row.name == "PING") {
        return Err(error::SNAPSHOT_FAILED);
    }
    if refusals.has(Refusal::LogFailed) && (writes || call.command.row.name == "PING") {
        return Err(Error::log_failed(&store.persist.log.status().error));
    }
    if refusals.has(Refusal::ReadOnly) && writes {
        return Err(error::READ_ONLY);
    }
    Ok(())
}

fn loading(store: &Store, client: &Client, call: &Call<'_>) -> Result<(), Error> {
    if !store.persist.refusals.has(Refusal::Loading) || !is_any(store, client, call, |flags| !flags.has(Flags::LOADING))
    {
        return Ok(());
    }
    Err(error::LOADING)
}

/// Whether a command must wait, as it may write and a snapshot holds as much memory as it may. Asked where no shard is held,
/// so that reads of others go on. A session comes again; a caller waits in place ([`wait_for_snapshot`]).
#[inline]
pub fn waits_for_snapshot(store: &Store, client: &Client, call: &Call<'_>) -> bool {
    store.persist.refusals.has(Refusal::MemoryOfSnapshot) && has_to_wait(store, client, call)
}

#[cold]
fn has_to_wait(store: &Store, client: &Client, call: &Call<'_>) -> bool {
    if client.transaction.is_some() && !call.command.row.flags.has(Flags::UNQUEUED)
        || !is_any(store, client, call, |flags| flags.has(Flags::WRITE))
    {
        return false;
    }
    if !store.keyspace.is_cut() || store.keyspace.published_captured() <= store.persist.captured_bytes_max() {
        // Who exceeded the limit may have said so after the end; and a collection that takes long to be told gives back
        // with every piece.
        store.persist.let_writers_go(false);
        return false;
    }
    true
}

/// Waits in place for as long as a command has to, but not for ever.
pub fn wait_for_snapshot(store: &Store, client: &Client, call: &Call<'_>) {
    const NAP: Duration = Duration::from_micros(500);
    /// However slow the disk is, a caller gets on: one write a second cannot fill the memory.
    const NAPS_MAX: usize = 2_000;
    for _ in 0..NAPS_MAX {
        if !waits_for_snapshot(store, client, call) {
            return;
        }
        std::thread::sleep(NAP);
    }
}

//! Commands that commands run: EXEC's queue, and a log.

use smallvec::SmallVec;

use super::admission;
use super::plan::{self, Plan};
use super::record::{Cost, elapsed_ns, record_locked};
use super::replay;
use super::run::{Call, run};
use crate::acl::Denied;
use crate::client::Queued;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Door, Store};
use crate::keyspace::Locks;
use crate::persist::aof::{LogError, Manifest};
use crate::resp::Reply;
use crate::seeded::{self, Bug};

/// Runs queued commands under the locks of EXEC.
#[derive(Debug)]
pub(super) struct Queue;

impl Door for Queue {
    fn run_queued(&self, context: &mut Context<'_, '_>, queued: &Queued, reply: &mut Reply<'_>) {
        let store = context.store;
        context.locks().let_others_in(Bug::ExecNotAtomic);
        let Some(command) = store.table.all().get(queued.command as usize) else {
            reply.error(&error::SYNTAX);
            return;
        };
        let words: SmallVec<[&[u8]; 8]> = queued.words.iter().map(AsRef::as_ref).collect();
        let call = Call { command, args: Args::new(&words) };
        if !context.client.is_unrestricted()
            && let Some((_, denied)) = admission::denied(store, context.client, &call, "multi")
        {
            let error = Error::rules_changed(match denied {
                Denied::Command => "no permission to execute the command or subcommand",
                Denied::Key(_) => "no permission to touch the specified keys",
                Denied::Channel(_) => "no permission to access one of the channels used as arguments to the command",
                Denied::Database(_) => "no permission to access the database",
            });
            store.counters.count_error(&error);
            store.observed.commands.rejected(command.id);
            reply.error(&error);
            return;
        }
        let mut plan = Plan::default();
        plan::plan(store, context.client, &call, &mut plan);
        if !seeded::is_on(Bug::HalfTransactionLogged) {
            context.account.batch.set_transaction();
        }
        let begin_ns = match context.account.clock_ns {
            0 => store.clock.unix_ns(),
            end_ns => end_ns,
        };
        let position = reply.position();
        run(&mut Context::new(context.world(), &plan.keys), &call, reply);
        // The end of one is the beginning of the next.
        let end_ns = store.clock.unix_ns();
        context.account.clock_ns = end_ns;
        let reply_bytes = reply.position() - position;
        let cost = Cost { ns: elapsed_ns(begin_ns, end_ns), reply_bytes, now_ms: context.now_ms() };
        record_locked(store, context.client, &call, cost, context.account);
        reply.set_protocol(context.client.protocol);
    }

    fn reload_log<'e>(&self, store: &'e Store, manifest: &Manifest, locks: &mut Locks<'e>) -> Result<(), LogError> {
        replay::reload(store, manifest, locks)
    }
}

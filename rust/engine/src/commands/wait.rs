//! WAIT and WAITAOF: they wait until what the client wrote is safe.
//!
//! Nobody copies this store yet, so no replica ever confirms anything. The local log confirms what it has fsynced.

use crate::error::{self, Error};
use crate::handler::waiting::read_timeout_ms;
use crate::handler::{Args, Categories, Context, Effect, Flags, Group, Outcome, Row, Wait};
use crate::number;
use crate::resp::Reply;

const TIPS: &[&str] = &["request_policy:all_shards", "response_policy:agg_min"];

pub(super) const ROWS: &[Row] = &[
    Row::new("WAIT", 3, Group::Generic, wait)
        .since("3.0.0")
        .doc("Waits until so many replicas have what this connection wrote.", "O(1)")
        .flags(Flags::BLOCKING)
        .categories(Categories::CONNECTION)
        .tips(TIPS)
        .usage("numreplicas:integer timeout:integer"),
    Row::new("WAITAOF", 4, Group::Generic, waitaof)
        .since("7.2.0")
        .doc("Waits until what this connection wrote is on the disk, here and on so many replicas.", "O(1)")
        .flags(Flags::BLOCKING)
        .categories(Categories::CONNECTION)
        .tips(TIPS)
        .usage("numlocal:integer numreplicas:integer timeout:integer"),
];

/// Reads until when to wait, in monotonic microseconds; `None`: for ever.
fn read_deadline(context: &Context<'_, '_>, word: &[u8]) -> Result<Option<u64>, Error> {
    let timeout = read_timeout_ms(word, context.store.clock.unix_ms())?;
    Ok(timeout.map(|us| context.store.clock.monotonic_us().saturating_add(us)))
}

fn wait(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let replicas = args.integer(1)?;
    let deadline_us = read_deadline(context, args.word(2))?;
    if replicas > 0 && context.can_wait() {
        return Ok(Effect::wait(deadline_us));
    }
    reply.integer(0);
    Ok(Effect::none())
}

fn waitaof(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wants_local = match args.integer(1)? {
        0 => false,
        1 => true,
        _ => return Err(error::NUMLOCAL_RANGE),
    };
    let replicas = number::parse_i64(args.word(2)).filter(|replicas| *replicas >= 0).ok_or(error::NOT_POSITIVE)?;
    let deadline_us = read_deadline(context, args.word(3))?;
    let (store, log) = (context.store, &context.store.persist.log);
    if wants_local && !log.is_wanted() {
        return Err(error::WAITAOF_WITHOUT_LOG);
    }
    // What was written before the gate closed is not known client by client.
    let gate_is_closed = store.journal.gate.is_closed();
    let offset = if gate_is_closed { context.client.offset } else { store.journal.end() };
    // What the transaction around it has changed is not journalled yet.
    let is_safe = context.account.batch.is_empty() && log.has_confirmed(offset);
    if context.can_wait() && (replicas > 0 || wants_local && !is_safe) {
        // If there is more to wait for, it still has to hear that the log was turned off.
        let offset = if replicas > 0 { u64::MAX } else { offset };
        let wait = Wait { durable: wants_local.then_some(offset), ..Wait::until(deadline_us) };
        return Ok(Effect { wait: Some(Box::new(wait)), ..Effect::none() });
    }
    reply.array(2);
    reply.integer(i64::from(is_safe));
    reply.integer(0);
    Ok(Effect::none())
}

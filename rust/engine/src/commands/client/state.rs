//! What a connection says of itself, and CLIENT PAUSE.

use std::sync::atomic::Ordering;

use super::switch;
use crate::error::Error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number;
use crate::observe::Attention;
use crate::resp::Reply;

pub(super) fn capa(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // What nobody knows is no error, so that newer clients may claim more.
    if args.from(2).iter().any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        context.client.link.flags.capa_redirect.store(true, Ordering::Relaxed);
    }
    reply.ok();
    Ok(Effect::none())
}

pub(super) fn import_source(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // Who only switches it off is not refused.
    let is_off = args.word(2).eq_ignore_ascii_case(b"off");
    if !is_off && context.store.config().text(b"import-mode").as_deref() != Some(b"yes") {
        return Err(Error::fixed("ERR Server is not in import mode"));
    }
    context.client.link.flags.import_source.store(switch(args.word(2))?, Ordering::Relaxed);
    reply.ok();
    Ok(Effect::none())
}

pub(super) fn pause(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_all = match args.from(3) {
        [] => true,
        // Further words are not looked at, as in Redis.
        [mode, ..] if mode.eq_ignore_ascii_case(b"all") => true,
        [mode, ..] if mode.eq_ignore_ascii_case(b"write") => false,
        _ => return Err(Error::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let timeout_ms = number::parse_i64(args.word(2));
    let timeout_ms = timeout_ms.ok_or(Error::fixed("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| Error::fixed("ERR timeout is negative"))?;
    if context.now_ms().checked_add_unsigned(timeout_ms).is_none() {
        return Err(Error::fixed("ERR timeout is out of range"));
    }
    let now_us = context.store.clock.monotonic_us();
    context.store.pause.begin(now_us, now_us.saturating_add(timeout_ms.saturating_mul(1000)), is_all);
    context.store.observed.pay(Attention::Pause, true);
    // Who has more to send already must not run it together.
    reply.ok();
    Ok(Effect::none())
}

pub(super) fn unpause(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.store.pause.end();
    context.store.observed.pay(Attention::Pause, false);
    for link in context.store.clients.all() {
        if link.flags.paused.load(Ordering::Relaxed) {
            context.wake_later(link);
        }
    }
    // Keys may be due that were left alone.
    context.store.expiry.wake();
    reply.ok();
    Ok(Effect::none())
}

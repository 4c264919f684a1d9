//! Snapshots: taken now, in the background, and when the last one was.

use crate::error::{self, Error};
use crate::handler::{Args, Categories, Context, Effect, Flags, Group, Outcome, Row};
use crate::persist::aof::start_rewrite;
use crate::persist::{SaveError, StartError, Work};
use crate::resp::Reply;

const BASE: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING);

pub(super) const ROWS: &[Row] = &[
    Row::new("BGSAVE", -1, Group::Server, bgsave)
        .doc("Begins to save all databases in the background.", "O(1)")
        .flags(BASE)
        .usage("[operation:(SCHEDULE@3.2.2 | CANCEL@8.1.0)]"),
    Row::new("BGREWRITEAOF", 1, Group::Server, bgrewriteaof)
        .doc("Begins to rewrite the append-only file in the background.", "O(1)")
        .flags(BASE),
    Row::new("LASTSAVE", 1, Group::Server, lastsave)
        .doc("Tells when the databases were last saved, in Unix seconds.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE).with(Flags::FAST))
        .categories(Categories::ADMIN.with(Categories::DANGEROUS))
        .tips(&["nondeterministic_output"]),
    Row::new("SAVE", 1, Group::Server, save)
        .doc("Saves all databases, and replies when that is done.", "O(N) for N keys in all databases")
        .flags(BASE.with(Flags::NO_MULTI).with(Flags::LINEAR)),
];

fn save(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match context.store.persist.save() {
        Ok(_) => reply.ok(),
        Err(SaveError::Start(error)) => return Err(refused(error)),
        Err(_) => return Err(error::SAVE_FAILED),
    }
    Ok(Effect::none())
}

fn refused(error: StartError) -> Error {
    match error {
        StartError::Busy(Work::Rewrite) => error::SAVE_DURING_REWRITE,
        StartError::Busy(_) => error::SAVE_IN_PROGRESS,
        StartError::NoFiles => error::NO_DIRECTORY,
        error => {
            log::warn!("Can't save: {error}");
            Error::text(format!("ERR {error}"))
        }
    }
}

fn bgsave(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let persist = &context.store.persist;
    let schedules = match args.from(1) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"SCHEDULE") => true,
        [word] if word.eq_ignore_ascii_case(b"CANCEL") => return cancel(context, reply),
        _ => return Err(error::SYNTAX),
    };
    if persist.files().is_none() {
        return Err(error::NO_DIRECTORY);
    }
    // A cut needs all shards, so it cannot be made by who holds some.
    let is_locked = context.locks().mask() != 0;
    if !is_locked {
        match persist.start() {
            Err(StartError::Busy(Work::Rewrite)) if schedules => {}
            result => {
                result.map_err(refused)?;
                reply.simple("Background saving started");
                return Ok(Effect::none());
            }
        }
    } else if persist.status().work == Some(Work::BackgroundSave) {
        return Err(error::SAVE_IN_PROGRESS);
    }
    persist.schedule();
    reply.simple("Background saving scheduled");
    Ok(Effect::none())
}

fn bgrewriteaof(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let persist = &context.store.persist;
    let busy = persist.status().work;
    if persist.files().is_none() {
        return Err(error::NO_DIRECTORY);
    }
    if busy == Some(Work::Rewrite) {
        return Err(error::REWRITE_IN_PROGRESS);
    }
    // A cut needs all shards, so it cannot be made by who holds some.
    if busy.is_some() || context.locks().mask() != 0 {
        persist.log.schedule();
        reply.simple("Background append only file rewriting scheduled");
        return Ok(Effect::none());
    }
    if let Err(error) = start_rewrite(persist) {
        log::warn!("Can't rewrite append only file in background: {error}");
        return Err(error::REWRITE_FAILED);
    }
    reply.simple("Background append only file rewriting started");
    Ok(Effect::none())
}

fn cancel(context: &Context<'_, '_>, reply: &mut Reply<'_>) -> Outcome {
    let persist = &context.store.persist;
    let was_running = persist.status().work == Some(Work::BackgroundSave);
    if !persist.cancel() {
        return Err(error::NO_SAVE_IN_PROGRESS);
    }
    if was_running {
        log::info!("Background saving will be aborted due to user request");
        reply.simple("Background saving cancelled");
    } else {
        log::info!("Scheduled background saving will be cancelled due to user request");
        reply.simple("Scheduled background saving cancelled");
    }
    Ok(Effect::none())
}

fn lastsave(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(context.store.persist.status().saved_ms.div_euclid(1_000));
    Ok(Effect::none())
}

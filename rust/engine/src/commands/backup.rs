//! BACKUP: directories from which a store can be started, made while it serves.

use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Flags, Group, Outcome, Row, subcommand};
use crate::persist::backup::{self, BackupError};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[Row::container("BACKUP", Group::Server, SUBCOMMANDS)
    .since("8.10.0")
    .doc("Container of commands about backups.", "Depends on subcommand.")];

const BASE: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING);

const SUBCOMMANDS: &[Row] = &[
    Row::new("ABORT", 2, Group::Server, abort)
        .since("8.10.0")
        .doc("Gives up the backup that is under way.", "O(1)")
        .flags(BASE),
    Row::new("CLEANUP", -2, Group::Server, clean_up)
        .since("8.10.0")
        .doc("Removes all backups, or all but the last ones.", "O(N) for N backups")
        .flags(BASE.with(Flags::LINEAR))
        .usage("[KEEP count:integer]"),
    Row::new("HELP", 2, Group::Server, help)
        .since("8.10.0")
        .doc("Lists the subcommands of BACKUP.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("LIST", 2, Group::Server, list)
        .since("8.10.0")
        .doc("Lists the backups that were sealed.", "O(N) for N backups")
        .flags(BASE.with(Flags::LINEAR)),
    Row::new("SEAL", 2, Group::Server, seal)
        .since("8.10.0")
        .doc("Ends the backup that is under way, in the background.", "O(1)")
        .flags(BASE),
    Row::new("START", -2, Group::Server, start)
        .since("8.10.0")
        .doc("Begins a backup.", "O(1)")
        .flags(BASE)
        .usage("[INCREMENTAL]"),
    Row::new("STATUS", 2, Group::Server, status)
        .since("8.10.0")
        .doc("Tells how far the backup is that is under way.", "O(1)")
        .flags(BASE.with(Flags::LOADING).with(Flags::STALE)),
];

fn refused(error: &BackupError) -> Error {
    Error::text(format!("ERR {error}"))
}

fn start(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_incremental = match args.from(2) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"INCREMENTAL") => true,
        _ => return Err(error::SYNTAX),
    };
    let persist = &context.store.persist;
    let id = persist.backups.start(persist, context.now_ms(), is_incremental).map_err(|error| refused(&error))?;
    reply.bulk(id.as_bytes());
    Ok(Effect::none())
}

fn seal(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let id = context.store.persist.seal_backup().map_err(|error| refused(&error))?;
    reply.bulk(id.as_bytes());
    Ok(Effect::none())
}

fn abort(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.store.persist.backups.abort().map_err(|error| refused(&error))?;
    reply.ok();
    Ok(Effect::none())
}

fn clean_up(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let keep = match args.from(2) {
        [] => 0,
        [word, _] if word.eq_ignore_ascii_case(b"KEEP") => {
            usize::try_from(args.integer(3)?).map_err(|_| error::NOT_POSITIVE)?
        }
        _ => return Err(error::SYNTAX),
    };
    let removed = backup::clean_up(&context.store.persist, keep).map_err(|error| refused(&error))?;
    reply.integer(removed as i64);
    Ok(Effect::none())
}

/// Writes a map of which the values are numbers and texts.
fn write_fields(fields: &[(&str, Field)], reply: &mut Reply<'_>) {
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        match value {
            Field::Text(text) => reply.bulk(text.as_bytes()),
            Field::Number(number) => reply.integer(*number),
        }
    }
}

enum Field {
    Text(String),
    Number(i64),
}

fn status(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let persist = &context.store.persist;
    let status = persist.backups.status(persist);
    let path = |id: &str| match persist.files() {
        Some(files) if !id.is_empty() => files.path(&format!("{}/{id}", backup::DIR)).to_string_lossy().into_owned(),
        _ => String::new(),
    };
    let fields = [
        ("state", Field::Text(status.phase.name().into())),
        ("id", Field::Text(status.id.clone())),
        ("started-ms", Field::Number(status.started_ms)),
        ("incremental", Field::Number(i64::from(status.is_incremental))),
        ("keys-done", Field::Number(persist.saving.done().cast_signed())),
        ("keys-total", Field::Number(persist.saving.total().cast_signed())),
        ("last-id", Field::Text(status.last_id.clone())),
        ("last-path", Field::Text(path(&status.last_id))),
        ("last-error", Field::Text(status.error)),
    ];
    write_fields(&fields, reply);
    Ok(Effect::none())
}

fn list(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let files = context.store.persist.files().ok_or(error::NO_DIRECTORY)?;
    let found = backup::list(&**files).map_err(|error| refused(&error))?;
    reply.array(found.len());
    for manifest in &found {
        let fields = [
            ("id", Field::Text(manifest.id.clone())),
            ("started-ms", Field::Number(manifest.started_ms)),
            ("sealed-ms", Field::Number(manifest.sealed_ms)),
            ("incremental", Field::Number(i64::from(manifest.is_incremental))),
            ("first-offset", Field::Number(manifest.first_offset.cast_signed())),
            ("last-offset", Field::Number(manifest.last_offset.cast_signed())),
            ("files", Field::Number(manifest.members.len() as i64)),
            ("bytes", Field::Number(manifest.bytes().cast_signed())),
        ];
        write_fields(&fields, reply);
    }
    Ok(Effect::none())
}

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "ABORT",
        "    Give up the backup that is under way.",
        "CLEANUP [KEEP <count>]",
        "    Remove all backups but the last <count>, which is 0 if it is not given.",
        "LIST",
        "    List the backups that were sealed, the oldest first.",
        "SEAL",
        "    End the backup that is under way, in the background: it can be restored then.",
        "START [INCREMENTAL]",
        "    Begin a backup. An incremental one shares its base with the log, and so with earlier backups.",
        "STATUS",
        "    Tell how far the backup is that is under way, and which one was the last.",
    ];
    subcommand::help("BACKUP", &lines, reply);
    Ok(Effect::none())
}

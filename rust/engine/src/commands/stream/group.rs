//! Making, changing and removing groups and consumers.

use super::{ids, no_such_group};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome, subcommand};
use crate::number;
use crate::resp::Reply;
use crate::values::Collection;
use crate::values::stream::{Group, Id, Stream};

/// Options of XGROUP CREATE and SETID.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn read(args: Args<'_>, may_make: bool) -> Result<Self, Error> {
        let (mut options, mut rest) = (Self::default(), args.cursor(5));
        while !rest.is_done() {
            if may_make && rest.keyword("MKSTREAM") {
                options.makes_stream = true;
            } else if rest.left() > 1 && rest.keyword("ENTRIESREAD") {
                let read = number::parse_i64(rest.expect_word()?).ok_or(error::NOT_INTEGER)?;
                if read < -1 {
                    return Err(error::ENTRIES_READ_NEGATIVE);
                }
                options.entries_read = Some(read).filter(|read| *read >= 0);
            } else {
                return Err(unknown(args, "XGROUP"));
            }
        }
        Ok(options)
    }
}

/// What a subcommand says to words that it does not know.
pub fn unknown(args: Args<'_>, container: &str) -> Error {
    let word = String::from_utf8_lossy(args.word(1));
    Error::text(format!("ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."))
}

/// The id of a group: `$` is the last one of the stream.
fn group_id(word: &[u8], stream: &Stream) -> Result<Id, Error> {
    if word == b"$" { Ok(stream.entries().last_id()) } else { ids::id(word, 0) }
}

/// Refuses a key that is not there, or a group.
fn check(context: &Context<'_, '_>, args: Args<'_>, wants_group: bool) -> Result<(), Error> {
    match context.peek_as::<Stream>(context.key(0))? {
        None => Err(error::XGROUP_NO_KEY),
        Some(stream) if wants_group && stream.view().group(args.word(3)).is_none() => {
            Err(no_such_group(args.word(2), args.word(3)))
        }
        Some(_) => Ok(()),
    }
}

pub fn xgroup_create(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(args, true)?;
    if !options.makes_stream {
        check(context, args, false)?;
    }
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let is_new = stream.is_empty();
        let added = group_id(args.word(4), stream).and_then(|id| {
            let group = Group::new(id, options.entries_read);
            if stream.add_group(args.word(3), group) { Ok(()) } else { Err(error::BUSY_GROUP) }
        });
        let is_ok = added.is_ok();
        (added, is_ok && is_new)
    })?;
    edited.result?;
    reply.ok();
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xgroup-create", 0))
}

pub fn xgroup_createconsumer(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check(context, args, true)?;
    let now_ms = context.now_ms();
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let made = stream.edit_group(args.word(3), |group, _| {
            let is_new = group.find(args.word(4)).is_none();
            if is_new {
                group.add(args.word(4), now_ms);
            }
            is_new
        });
        (made == Some(true), false)
    })?;
    reply.integer(i64::from(edited.result));
    if !edited.result {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xgroup-createconsumer", 0))
}

pub fn xgroup_delconsumer(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check(context, args, true)?;
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        (stream.edit_group(args.word(3), |group, _| group.remove(args.word(4))).flatten(), false)
    })?;
    reply.integer(edited.result.unwrap_or(0) as i64);
    if edited.result.is_none() {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xgroup-delconsumer", 0))
}

pub fn xgroup_destroy(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check(context, args, false)?;
    // Who waits for the group has to hear of it.
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let removed = stream.remove_group(args.word(3));
        let is_removed = removed.is_some();
        (removed, is_removed)
    })?;
    reply.integer(i64::from(edited.changed));
    let Some(removed) = edited.result else { return Ok(Effect::none()) };
    context.drop_later(removed);
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xgroup-destroy", 0))
}

pub fn xgroup_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a consumer group. Options are:",
        "    * MKSTREAM",
        "      Make an empty stream if the key is absent.",
        "    * ENTRIESREAD entries_read",
        "      Say how many entries the group has read (for internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Add a consumer to a group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove a consumer, with all that is pending for it.",
        "DESTROY <key> <groupname>",
        "    Remove a group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set how far a group has read.",
    ];
    subcommand::help("XGROUP", &lines, reply);
    Ok(Effect::none())
}

pub fn xgroup_setid(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(args, false)?;
    check(context, args, true)?;
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let id = if args.word(4) == b"$" { Ok(stream.entries().last_id()) } else { ids::id_or_end(args.word(4), 0) };
        let set = id.map(|id| {
            stream.edit_group(args.word(3), |group, _| {
                group.last_id = id;
                group.entries_read = options.entries_read;
            })
        });
        (set.map(|_| ()), false)
    })?;
    edited.result?;
    reply.ok();
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xgroup-setid", 0))
}

//! FUNCTION: the library of functions. Nothing can be loaded into it, so it is always empty: to list it or to empty it is
//! all that there is to do. Programs empty it together with the data.

use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Flags, Group, Outcome, Row, subcommand};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[Row::container("FUNCTION", Group::Scripting, SUBCOMMANDS)
    .since("7.0.0")
    .doc("Container of commands about functions, of which there are none.", "Depends on subcommand.")];

const SUBCOMMANDS: &[Row] = &[
    Row::new("FLUSH", -2, Group::Scripting, function_flush)
        .since("7.0.0")
        .doc("Removes all functions.", "O(N) for N functions")
        .flags(Flags::WRITE.with(Flags::NOSCRIPT))
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .usage("[flush-type:(ASYNC | SYNC)]"),
    Row::new("HELP", 2, Group::Scripting, function_help)
        .since("7.0.0")
        .doc("Lists the subcommands of FUNCTION.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("LIST", -2, Group::Scripting, function_list)
        .since("7.0.0")
        .doc("Lists the libraries of functions, of which there are none.", "O(N) for N functions")
        .flags(Flags::NOSCRIPT)
        .tips(&["nondeterministic_output_order"])
        .usage("[LIBRARYNAME library-name-pattern:string] [WITHCODE]"),
];

fn function_flush(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.from(2) {
        [] => {}
        [word] if word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC") => {}
        [_] => return Err(error::FUNCTION_FLUSH_OPTION),
        _ => return Err(subcommand::unknown_or_arity(args)),
    }
    // A snapshot may have brought some, which are kept for the next one although nothing calls them.
    context.store.persist.set_functions(Vec::new());
    reply.ok();
    Ok(Effect::none())
}

fn function_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "FLUSH [ASYNC|SYNC]",
        "    Remove all functions.",
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        "    List the libraries of functions.",
    ];
    subcommand::help("FUNCTION", &lines, reply);
    Ok(Effect::none())
}

fn function_list(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut words = args.from(2).iter();
    let (mut has_pattern, mut has_code) = (false, false);
    while let Some(word) = words.next() {
        if !has_code && word.eq_ignore_ascii_case(b"WITHCODE") {
            has_code = true;
        } else if !has_pattern && word.eq_ignore_ascii_case(b"LIBRARYNAME") {
            if words.next().is_none() {
                return Err(error::LIBRARY_NAME_MISSING);
            }
            has_pattern = true;
        } else {
            return Err(Error::text(format!("ERR Unknown argument {}", String::from_utf8_lossy(word))));
        }
    }
    reply.array(0);
    Ok(Effect::none())
}

//! What containers of subcommands share.

use super::Args;
use crate::error::Error;
use crate::resp::Reply;

/// Answers a HELP subcommand: a heading, the given lines, and HELP itself. By custom a subcommand stands alone in its line, and
/// what it does in indented lines below.
pub fn help(container: &str, lines: &[&str], reply: &mut Reply<'_>) {
    reply.array(lines.len() + 3);
    reply.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in lines.iter().copied().chain(["HELP", "    Print this help."]) {
        reply.simple(line);
    }
}

/// What a command that reads its subcommands by itself says to one that it does not know, or not with these words.
pub fn unknown_or_arity(args: Args<'_>) -> Error {
    const QUOTED_MAX: usize = 128;
    let (name, word) = (args.word(0).to_ascii_uppercase(), args.word(1));
    let word = String::from_utf8_lossy(word.get(..QUOTED_MAX).unwrap_or(word));
    let container = String::from_utf8_lossy(&name);
    Error::text(format!("ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."))
}

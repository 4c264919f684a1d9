//! What containers of subcommands share.

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

//! Connections.

use crate::error::Error;
use crate::handler::{Args, Context, Effect, Flags, Group, Row};
use crate::resp::Reply;

pub(super) const ROWS: &[Row] = &[Row::new("PING", -1, Group::Connection, ping)
    .doc("Answers PONG or the given message: the connection is alive.", "O(1)")
    .flags(Flags::FAST)
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .usage("[message:string]")];

fn ping(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    match args.get(1) {
        None => reply.simple("PONG"),
        Some(word) => reply.bulk(word),
    }
    Ok(Effect::none())
}

//! Channels: who listens, and what is said.

use crate::client::Kind;
use crate::error;
use crate::handler::{Args, Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row, subcommand};
use crate::resp::Reply;

/// What changes to what a client listens.
const LISTEN: Flags = Flags::PUBSUB.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE).with(Flags::SESSION);
/// What is said takes as long as there are many who listen.
const SAY: Flags = Flags::PUBSUB.with(Flags::LOADING).with(Flags::STALE).with(Flags::FAST).with(Flags::LINEAR);
const ASK: Flags = Flags::PUBSUB.with(Flags::LOADING).with(Flags::STALE).with(Flags::LINEAR);

pub(super) const ROWS: &[Row] = &[
    Row::new("SUBSCRIBE", -2, Group::Pubsub, subscribe)
        .since("2.0.0")
        .doc("Listens to channels.", "O(N) for N channels")
        .flags(LISTEN)
        .usage("channel:string..."),
    Row::new("UNSUBSCRIBE", -1, Group::Pubsub, unsubscribe)
        .since("2.0.0")
        .doc("Listens to channels no more, or to none at all.", "O(N) for N channels")
        .flags(LISTEN)
        .usage("[channel:string...]"),
    Row::new("PSUBSCRIBE", -2, Group::Pubsub, psubscribe)
        .since("2.0.0")
        .doc("Listens to all channels whose names match patterns.", "O(N) for N patterns")
        .flags(LISTEN)
        .usage("pattern:pattern..."),
    Row::new("PUNSUBSCRIBE", -1, Group::Pubsub, punsubscribe)
        .since("2.0.0")
        .doc("Listens by patterns no more, or by none at all.", "O(N) for N patterns")
        .flags(LISTEN)
        .usage("[pattern:pattern...]"),
    Row::new("SSUBSCRIBE", -2, Group::Pubsub, ssubscribe)
        .since("7.0.0")
        .doc("Listens to shard channels.", "O(N) for N channels")
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)]))
        .flags(LISTEN)
        .usage("shardchannel:string..."),
    Row::new("SUNSUBSCRIBE", -1, Group::Pubsub, sunsubscribe)
        .since("7.0.0")
        .doc("Listens to shard channels no more, or to none at all.", "O(N) for N channels")
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)]))
        .flags(LISTEN)
        .usage("[shardchannel:string...]"),
    Row::new("PUBLISH", 3, Group::Pubsub, publish)
        .since("2.0.0")
        .doc("Sends a message to all who listen to a channel.", "O(N+M) for N listeners and M patterns")
        .flags(SAY.with(Flags::MAY_REPLICATE))
        .usage("channel:string message:string"),
    Row::new("SPUBLISH", 3, Group::Pubsub, spublish)
        .since("7.0.0")
        .doc("Sends a message to all who listen to a shard channel.", "O(N) for N listeners")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::NOT_KEY)]))
        .flags(SAY.with(Flags::MAY_REPLICATE))
        .usage("shardchannel:string message:string"),
    Row::container("PUBSUB", Group::Pubsub, SUBCOMMANDS)
        .since("2.8.0")
        .doc("Container of commands about channels.", "Depends on subcommand."),
];

/// Subcommands of PUBSUB.
const SUBCOMMANDS: &[Row] = &[
    Row::new("CHANNELS", -2, Group::Pubsub, channels)
        .since("2.8.0")
        .doc("Lists the channels that somebody listens to.", "O(N) for N channels")
        .flags(ASK)
        .usage("[pattern:pattern]"),
    Row::new("HELP", 2, Group::Pubsub, help)
        .since("6.2.0")
        .doc("Lists the subcommands of PUBSUB.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("NUMPAT", 2, Group::Pubsub, numpat)
        .since("2.8.0")
        .doc("Counts the patterns by which somebody listens.", "O(1)")
        .flags(ASK),
    Row::new("NUMSUB", -2, Group::Pubsub, numsub)
        .since("2.8.0")
        .doc("Counts who listens to channels.", "O(N) for N channels")
        .flags(ASK)
        .usage("[channel:string...]"),
    Row::new("SHARDCHANNELS", -2, Group::Pubsub, shardchannels)
        .since("7.0.0")
        .doc("Lists the shard channels that somebody listens to.", "O(N) for N channels")
        .flags(ASK)
        .usage("[pattern:pattern]"),
    Row::new("SHARDNUMSUB", -2, Group::Pubsub, shardnumsub)
        .since("7.0.0")
        .doc("Counts who listens to shard channels.", "O(N) for N channels")
        .flags(ASK)
        .usage("[shardchannel:string...]"),
];

fn subscribe(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    listen(context, Kind::Channel, args, reply)
}

fn unsubscribe(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    listen_no_more(context, Kind::Channel, args, reply)
}

fn psubscribe(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    listen(context, Kind::Pattern, args, reply)
}

fn punsubscribe(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    listen_no_more(context, Kind::Pattern, args, reply)
}

fn ssubscribe(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    listen(context, Kind::Shard, args, reply)
}

fn sunsubscribe(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    listen_no_more(context, Kind::Shard, args, reply)
}

fn listen(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (store, client) = (context.store, &mut *context.client);
    if client.link.is_embedded() {
        // A call has one reply, and nobody would read the messages.
        return Err(error::CANNOT_LISTEN);
    }
    let name = match kind {
        Kind::Channel => "subscribe",
        Kind::Pattern => "psubscribe",
        Kind::Shard => "ssubscribe",
    };
    for channel in args.from(1) {
        let subscriptions = client.subscriptions.get_or_insert_default();
        if subscriptions.add(&client.link, kind, channel) {
            store.pubsub.subscribe(&client.link, kind, channel);
        }
        confirm(name, Some(channel), subscriptions.count(kind), reply);
    }
    client.settle_subscriptions();
    Ok(Effect::none())
}

fn listen_no_more(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (store, client) = (context.store, &mut *context.client);
    let name = match kind {
        Kind::Channel => "unsubscribe",
        Kind::Pattern => "punsubscribe",
        Kind::Shard => "sunsubscribe",
    };
    let subscriptions = client.subscriptions.get_or_insert_default();
    let all: Vec<Box<[u8]>>;
    let mut channels: Vec<&[u8]> = args.from(1).to_vec();
    if channels.is_empty() {
        all = subscriptions.names(kind).map(Box::from).collect();
        channels.extend(all.iter().map(AsRef::as_ref));
    }
    for channel in &channels {
        if subscriptions.remove(&client.link, kind, channel) {
            store.pubsub.unsubscribe(&client.link, kind, channel);
        }
        confirm(name, Some(channel), subscriptions.count(kind), reply);
    }
    if channels.is_empty() {
        confirm(name, None, subscriptions.count(kind), reply);
    }
    client.settle_subscriptions();
    Ok(Effect::none())
}

/// Tells a client what it listens to now: of which name this is, and how many there are.
fn confirm(name: &str, channel: Option<&[u8]>, count: usize, reply: &mut Reply<'_>) {
    reply.push(3);
    reply.bulk(name.as_bytes());
    match channel {
        Some(channel) => reply.bulk(channel),
        None => reply.null(),
    }
    reply.integer(count as i64);
}

fn publish(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    Ok(say(context, Kind::Channel, args, reply))
}

fn spublish(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    Ok(say(context, Kind::Shard, args, reply))
}

fn say(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Effect {
    let mut woken = Vec::new();
    let receivers = context.store.pubsub.publish(kind, args.word(1), args.word(2), &mut woken);
    if !woken.is_empty() {
        context.store.clients.wake_later(woken);
    }
    reply.integer(receivers as i64);
    Effect::none()
}

fn channels(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    list(context, Kind::Channel, args, reply)
}

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let lines = [
        "CHANNELS [<pattern>]",
        "    List the channels that somebody listens to, those that match a pattern.",
        "NUMPAT",
        "    Count the patterns by which somebody listens.",
        "NUMSUB [<channel> ...]",
        "    Count who listens to channels, patterns aside.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels that somebody listens to, those that match a pattern.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Count who listens to shard channels.",
    ];
    subcommand::help("PUBSUB", &lines, reply);
    Ok(Effect::none())
}

fn numpat(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(context.store.pubsub.count(Kind::Pattern) as i64);
    Ok(Effect::none())
}

fn numsub(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    Ok(count(context, Kind::Channel, args, reply))
}

fn shardchannels(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    list(context, Kind::Shard, args, reply)
}

fn shardnumsub(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    Ok(count(context, Kind::Shard, args, reply))
}

fn list(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(subcommand::unknown_or_arity(args));
    }
    let channels = context.store.pubsub.channels(kind, args.get(2));
    reply.array(channels.len());
    for channel in &channels {
        reply.bulk(channel);
    }
    Ok(Effect::none())
}

fn count(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Effect {
    // Pairs, but an array in both protocols.
    reply.array(args.from(2).len() * 2);
    for channel in args.from(2) {
        reply.bulk(channel);
        reply.integer(context.store.pubsub.listeners(kind, channel) as i64);
    }
    Effect::none()
}

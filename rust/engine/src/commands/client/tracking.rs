//! CLIENT TRACKING and what belongs to it: a client that caches hears which keys change.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::client::{Caching, Tracking};
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number;
use crate::resp::Reply;

/// The options of CLIENT TRACKING.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command")]
struct Wish<'a> {
    redirect: u64,
    prefixes: Vec<&'a [u8]>,
    broadcast: bool,
    optin: bool,
    optout: bool,
    noloop: bool,
}

fn wish<'a>(context: &Context<'_, '_>, args: Args<'a>) -> Result<Wish<'a>, Error> {
    let mut wish = Wish::default();
    let mut cursor = args.cursor(3);
    while let Some(option) = cursor.next_word() {
        match (option.to_ascii_uppercase().as_slice(), cursor.rest().first()) {
            (b"BCAST", _) => wish.broadcast = true,
            (b"OPTIN", _) => wish.optin = true,
            (b"OPTOUT", _) => wish.optout = true,
            (b"NOLOOP", _) => wish.noloop = true,
            (b"REDIRECT", Some(id)) => {
                if wish.redirect != 0 {
                    return Err(error::TWO_REDIRECTS);
                }
                let id = number::parse_i64(id).ok_or(error::NOT_INTEGER)?;
                let id = u64::try_from(id).ok().filter(|id| context.store.clients.get(*id).is_some());
                wish.redirect = id.ok_or(error::NO_REDIRECT_CLIENT)?;
                cursor.next_word();
            }
            (b"PREFIX", Some(prefix)) => {
                wish.prefixes.push(prefix);
                cursor.next_word();
            }
            _ => return Err(error::SYNTAX),
        }
    }
    Ok(wish)
}

/// Whether the options fit each other and what the client tracks already.
fn check(wish: &Wish<'_>, now: Option<&Tracking>) -> Result<(), Error> {
    if !wish.broadcast && !wish.prefixes.is_empty() {
        return Err(error::PREFIX_WITHOUT_BCAST);
    }
    if now.is_some_and(|now| now.is_broadcast() != wish.broadcast) {
        return Err(error::BCAST_SWITCH);
    }
    if wish.broadcast && (wish.optin || wish.optout) {
        return Err(error::OPT_WITH_BCAST);
    }
    if wish.optin && wish.optout {
        return Err(error::OPTIN_AND_OPTOUT);
    }
    let caching = now.map_or(Caching::Always, |now| now.caching);
    if (wish.optin && caching == Caching::OptOut) || (wish.optout && caching == Caching::OptIn) {
        return Err(error::OPT_SWITCH);
    }
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let known = now.and_then(|now| now.prefixes.as_deref()).unwrap_or_default();
    for (number, prefix) in wish.prefixes.iter().enumerate() {
        let refused = |other: &[u8], whose: &str| {
            let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
            Err(Error::text(format!(
                "ERR Prefix '{prefix}' overlaps with {whose} prefix '{other}'. Prefixes for a single client must not \
                 overlap."
            )))
        };
        if let Some(other) = known.iter().find(|other| overlap(prefix, other)) {
            return refused(other, "an existing");
        }
        let mut later = wish.prefixes.iter().skip(number + 1);
        if let Some(other) = later.find(|other| overlap(prefix, other)) {
            return refused(other, "another provided");
        }
    }
    Ok(())
}

pub(super) fn tracking(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wish = wish(context, args)?;
    if super::switch(args.word(2))? {
        check(&wish, context.client.tracking.as_deref())?;
        if context.client.link.is_embedded() {
            // Nobody would read the invalidations.
            return Err(error::CANNOT_TRACK);
        }
        switch_on(context, &wish);
    } else {
        switch_off(context);
    }
    reply.ok();
    Ok(Effect::none())
}

fn switch_on(context: &mut Context<'_, '_>, wish: &Wish<'_>) {
    let (store, client) = (context.store, &mut *context.client);
    let mut prefixes = wish.broadcast.then(Vec::new);
    if let Some(prefixes) = &mut prefixes {
        prefixes.extend(client.tracking.iter().filter_map(|now| now.prefixes.clone()).flatten());
        let wanted: &[&[u8]] = if wish.prefixes.is_empty() { &[b""] } else { &wish.prefixes };
        prefixes.extend(wanted.iter().map(|prefix| Box::from(*prefix)));
        prefixes.sort_unstable();
        prefixes.dedup();
    }
    let caching = match (wish.optin, wish.optout) {
        (true, _) => Caching::OptIn,
        (_, true) => Caching::OptOut,
        _ => Caching::Always,
    };
    let link = Arc::clone(&client.link);
    let tracking = Arc::new(Tracking { link, redirect: wish.redirect, caching, prefixes, noloop: wish.noloop });
    store.pubsub.trackers.add(&tracking);
    client.tracking = Some(tracking);
    settle(context, wish.broadcast);
}

fn switch_off(context: &mut Context<'_, '_>) {
    let Some(tracking) = context.client.tracking.take() else { return };
    context.client.caches_next = false;
    context.store.pubsub.trackers.remove(&context.client.link);
    settle(context, tracking.is_broadcast());
}

fn settle(context: &mut Context<'_, '_>, broadcast: bool) {
    let store = context.store;
    store.settle_trackers(broadcast, |_, settle| context.visit_shards(settle));
}

pub(super) fn caching(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(tracking) = &context.client.tracking else { return Err(error::CACHING_WITHOUT_TRACKING) };
    match (args.word(2).to_ascii_uppercase().as_slice(), tracking.caching) {
        (b"YES", Caching::OptIn) | (b"NO", Caching::OptOut) => context.client.caches_next = true,
        (b"YES", _) => return Err(error::CACHING_YES_WITHOUT_OPTIN),
        (b"NO", _) => return Err(error::CACHING_NO_WITHOUT_OPTOUT),
        _ => return Err(error::SYNTAX),
    }
    reply.ok();
    Ok(Effect::none())
}

pub(super) fn getredir(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(context.client.link.redirect.load(Ordering::Relaxed));
    Ok(Effect::none())
}

pub(super) fn trackinginfo(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (link, tracking) = (&context.client.link, context.client.tracking.as_deref());
    let caching = tracking.map(|tracking| tracking.caching);
    let (optin, optout) = (caching == Some(Caching::OptIn), caching == Some(Caching::OptOut));
    let caches_next = context.client.caches_next;
    let flags = [
        (tracking.is_none(), "off"),
        (tracking.is_some(), "on"),
        (tracking.is_some_and(Tracking::is_broadcast), "bcast"),
        (optin, "optin"),
        (optin && caches_next, "caching-yes"),
        (optout, "optout"),
        (optout && caches_next, "caching-no"),
        (tracking.is_some_and(|tracking| tracking.noloop), "noloop"),
        (link.flags.broken_redirect.load(Ordering::Relaxed), "broken_redirect"),
    ];
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.iter().filter(|(is_set, _)| *is_set).count());
    flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| reply.bulk(name.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(link.redirect.load(Ordering::Relaxed));
    reply.bulk(b"prefixes");
    let prefixes = tracking.and_then(|tracking| tracking.prefixes.as_deref()).unwrap_or_default();
    reply.array(prefixes.len());
    for prefix in prefixes {
        reply.bulk(prefix);
    }
    Ok(Effect::none())
}

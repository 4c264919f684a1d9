//! Giving pending entries to another consumer.

use smallvec::SmallVec;

use super::pending::idle_min_ms;
use super::{ids, no_group, write_entry};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome, Words};
use crate::number::{self, Decimal};
use crate::resp::Reply;
use crate::values::stream::{ConsumerAt, Entries, Group, Id, Pending, Stream};

/// What is common to claims.
pub struct Claim<'a> {
    pub key: &'a [u8],
    pub group: &'a [u8],
    pub consumer: &'a [u8],
    idle_min_ms: i64,
    is_ids_only: bool,
}

/// The journal's words for what became of one pending entry.
pub fn log_pending(key: &[u8], group: &[u8], consumer: &[u8], pending: &Pending, last_id: Id) -> Words {
    let (time, count) = (Decimal::from(pending.delivered_ms), Decimal::from(pending.deliveries.cast_signed()));
    let (id, last_id) = (pending.id.text(), last_id.text());
    let words: [&[u8]; 14] = [
        b"XCLAIM",
        key,
        group,
        consumer,
        b"0",
        &id,
        b"TIME",
        &time,
        b"RETRYCOUNT",
        &count,
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        &last_id,
    ];
    words.into_iter().map(Box::from).collect()
}

/// The journal's words for how far a group has read.
pub fn log_last_id(key: &[u8], name: &[u8], group: &Group) -> Words {
    let (id, read) = (group.last_id.text(), Decimal::from(group.entries_read.unwrap_or(-1)));
    let words: [&[u8]; 7] = [b"XGROUP", b"SETID", key, name, &id, b"ENTRIESREAD", &read];
    words.into_iter().map(Box::from).collect()
}

/// The journal's words for a consumer that was made.
pub fn log_consumer(key: &[u8], group: &[u8], consumer: &[u8]) -> Words {
    [b"XGROUP".as_slice(), b"CREATECONSUMER", key, group, consumer].into_iter().map(Box::from).collect()
}

/// What a command about a group did to it.
#[derive(Debug, Default)]
pub struct Done {
    pub log: Vec<Words>,
    pub has_changed: bool,
    pub has_consumer: bool,
}

impl Done {
    /// As the effect on the key with this number. Without a journal nobody asks for words.
    pub fn effect(self, is_logged: bool, key: usize) -> Effect {
        let effect = match (self.has_changed, is_logged) {
            (false, _) => Effect::none(),
            (true, false) => Effect::changed(),
            (true, true) => Effect::instead_all(self.log),
        };
        if self.has_consumer { effect.event(KeyspaceEvents::STREAM, "xgroup-createconsumer", key) } else { effect }
    }
}

/// How XCLAIM changes what is pending.
#[derive(Default)]
struct Options {
    delivered_ms: Option<i64>,
    deliveries: Option<u64>,
    is_forced: bool,
    last_id: Id,
}

/// The world in which a claim runs.
struct Claiming<'a, 'r, 'o> {
    claim: &'a Claim<'a>,
    now_ms: i64,
    is_logged: bool,
    reply: &'r mut Reply<'o>,
    done: Done,
}

impl Claiming<'_, '_, '_> {
    /// Who claims; is made if not there.
    fn consumer(&mut self, group: &mut Group) -> ConsumerAt {
        let found = group.find(self.claim.consumer);
        let at = found.unwrap_or_else(|| {
            self.done.has_consumer = true;
            self.done.has_changed = true;
            if self.is_logged {
                self.done.log.push(log_consumer(self.claim.key, self.claim.group, self.claim.consumer));
            }
            group.add(self.claim.consumer, self.now_ms)
        });
        group.set_seen(at, self.now_ms);
        at
    }

    fn log(&mut self, pending: &Pending, consumer: &[u8], last_id: Id) {
        self.done.has_changed = true;
        if self.is_logged {
            self.done.log.push(log_pending(self.claim.key, self.claim.group, consumer, pending, last_id));
        }
    }

    /// Forgets a pending entry that was deleted.
    fn forget(&mut self, group: &mut Group, pending: &Pending) {
        let consumer = group.name(pending.consumer).to_vec();
        self.log(pending, &consumer, group.last_id);
        group.acknowledge(pending.id);
    }

    /// Gives an entry to the consumer, and replies with it.
    fn take(&mut self, group: &mut Group, entries: &Entries, pending: Pending) {
        group.assign(pending);
        group.set_active(pending.consumer, self.now_ms);
        match entries.get(pending.id) {
            Some(entry) if !self.claim.is_ids_only => write_entry(&entry, self.reply),
            _ => self.reply.bulk(&pending.id.text()),
        }
        self.log(&pending, self.claim.consumer, group.last_id);
    }

    /// Whether a pending entry was left alone for long enough.
    const fn is_idle(&self, pending: &Pending) -> bool {
        self.now_ms.saturating_sub(pending.delivered_ms) >= self.claim.idle_min_ms
    }
}

/// Refuses a group that is not there.
fn check_group(context: &Context<'_, '_>, group: &[u8]) -> Result<(), Error> {
    let key = context.key(0);
    match context.peek_as::<Stream>(key)? {
        Some(stream) if stream.view().group(group).is_some() => Ok(()),
        _ => Err(no_group(key.bytes(), group)),
    }
}

pub fn xclaim(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_group(context, args.word(2))?;
    let idle_min_ms = idle_min_ms(args.word(4), error::XCLAIM_IDLE_MIN)?;
    let (now_ms, is_logged) = (context.now_ms(), context.is_logged());
    // What does not look like an id is the first option; what looks like one further behind is refused.
    let ids: SmallVec<[Id; 16]> = args.from(5).iter().map_while(|word| ids::id(word, 0).ok()).collect();
    let (options, is_ids_only) = Options::read(args, 5 + ids.len(), now_ms)?;
    let claim = Claim { key: args.word(1), group: args.word(2), consumer: args.word(3), idle_min_ms, is_ids_only };
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let mut claiming = Claiming { claim: &claim, now_ms, is_logged, reply, done: Done::default() };
        stream.edit_group(claim.group, |group, entries| claiming.claim(group, entries, &ids, &options));
        (claiming.done, false)
    })?;
    Ok(edited.result.effect(is_logged, 0))
}

impl Options {
    fn read(args: Args<'_>, from: usize, now_ms: i64) -> Result<(Self, bool), Error> {
        let (mut options, mut is_ids_only, mut rest) = (Self::default(), false, args.cursor(from));
        while let Some(word) = rest.rest().first() {
            let has_more = rest.left() > 1;
            if rest.keyword("FORCE") {
                options.is_forced = true;
            } else if rest.keyword("JUSTID") {
                is_ids_only = true;
            } else if has_more && rest.keyword("IDLE") {
                let idle_ms = number::parse_i64(rest.expect_word()?).ok_or(error::XCLAIM_IDLE)?;
                options.delivered_ms = Some(now_ms.wrapping_sub(idle_ms));
            } else if has_more && rest.keyword("TIME") {
                options.delivered_ms = Some(number::parse_i64(rest.expect_word()?).ok_or(error::XCLAIM_TIME)?);
            } else if has_more && rest.keyword("RETRYCOUNT") {
                let count = number::parse_i64(rest.expect_word()?).ok_or(error::XCLAIM_RETRYCOUNT)?;
                options.deliveries = u64::try_from(count).ok();
            } else if has_more && rest.keyword("LASTID") {
                options.last_id = ids::id(rest.expect_word()?, 0)?;
            } else {
                let word = String::from_utf8_lossy(word);
                return Err(Error::text(format!("ERR Unrecognized XCLAIM option '{word}'")));
            }
        }
        Ok((options, is_ids_only))
    }
}

impl Claiming<'_, '_, '_> {
    fn claim(&mut self, group: &mut Group, entries: &Entries, ids: &[Id], options: &Options) {
        let is_further = options.last_id > group.last_id;
        if is_further {
            group.last_id = options.last_id;
        }
        let consumer = self.consumer(group);
        let now_ms = self.now_ms;
        let delivered_ms = options.delivered_ms.filter(|ms| (0..=now_ms).contains(ms)).unwrap_or(now_ms);
        let (at, mut count) = (self.reply.array_deferred(), 0);
        let logged = self.done.log.len();
        for id in ids {
            let before = group.pending(*id);
            if entries.get(*id).is_none() {
                if let Some(pending) = before {
                    self.forget(group, &pending);
                }
                continue;
            }
            if before.is_none() && !options.is_forced
                || before.is_some_and(|pending| self.claim.idle_min_ms > 0 && !self.is_idle(&pending))
            {
                continue;
            }
            // Who is forced upon a group counts as delivered once before.
            let before = before.map_or(1, |pending| pending.deliveries);
            let more = u64::from(!self.claim.is_ids_only);
            let deliveries = options.deliveries.unwrap_or_else(|| before.wrapping_add(more));
            self.take(group, entries, Pending { id: *id, delivered_ms, deliveries, consumer });
            count += 1;
        }
        self.reply.fill_array(at, count);
        if is_further {
            self.done.has_changed = true;
            if self.is_logged && self.done.log.len() == logged {
                self.done.log.push(log_last_id(self.claim.key, self.claim.group, group));
            }
        }
    }
}

/// Entries looked at for each that may be claimed.
const ATTEMPTS: usize = 10;
/// The count if none is given.
const COUNT_DEFAULT: usize = 100;
/// Room for so many ids is what a count may ask for.
const COUNT_MAX: i64 = i64::MAX / 16;

pub fn xautoclaim(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let idle_min_ms = idle_min_ms(args.word(4), error::XAUTOCLAIM_IDLE_MIN)?;
    let start = ids::start(args.word(5))?;
    let (mut most, mut is_ids_only, mut rest) = (COUNT_DEFAULT, false, args.cursor(6));
    while !rest.is_done() {
        if rest.left() > 1 && rest.keyword("COUNT") {
            let count = number::parse_i64(rest.expect_word()?).filter(|count| (1..=COUNT_MAX).contains(count));
            most = count.ok_or(error::CLAIM_COUNT)? as usize;
        } else if rest.keyword("JUSTID") {
            is_ids_only = true;
        } else {
            return Err(error::SYNTAX);
        }
    }
    check_group(context, args.word(2))?;
    let (now_ms, is_logged) = (context.now_ms(), context.is_logged());
    let claim = Claim { key: args.word(1), group: args.word(2), consumer: args.word(3), idle_min_ms, is_ids_only };
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let mut claiming = Claiming { claim: &claim, now_ms, is_logged, reply, done: Done::default() };
        stream.edit_group(claim.group, |group, entries| claiming.claim_from(group, entries, start, most));
        (claiming.done, false)
    })?;
    Ok(edited.result.effect(is_logged, 0))
}

/// What XAUTOCLAIM found.
#[derive(Default)]
struct Found {
    idle: Vec<Pending>,
    deleted: Vec<Pending>,
    /// Where the next call goes on; `None` at the end.
    next: Option<Id>,
}

impl Claiming<'_, '_, '_> {
    /// Looks at pending entries from an id on; claims and deleted ones count for `most`.
    fn find(&self, group: &Group, entries: &Entries, start: Id, most: usize) -> Found {
        let (mut found, mut attempts) = (Found::default(), most.saturating_mul(ATTEMPTS));
        for pending in group.pending_from(start) {
            if attempts == 0 || found.idle.len() + found.deleted.len() == most {
                found.next = Some(pending.id);
                break;
            }
            attempts -= 1;
            if entries.get(pending.id).is_none() {
                found.deleted.push(pending);
            } else if self.claim.idle_min_ms == 0 || self.is_idle(&pending) {
                found.idle.push(pending);
            }
        }
        found
    }

    fn claim_from(&mut self, group: &mut Group, entries: &Entries, start: Id, most: usize) {
        let consumer = self.consumer(group);
        let found = self.find(group, entries, start, most);
        self.reply.array(3);
        self.reply.bulk(&found.next.unwrap_or(Id::MIN).text());
        self.reply.array(found.idle.len());
        for pending in &found.idle {
            let deliveries = pending.deliveries.wrapping_add(u64::from(!self.claim.is_ids_only));
            self.take(group, entries, Pending { delivered_ms: self.now_ms, deliveries, consumer, ..*pending });
        }
        self.reply.array(found.deleted.len());
        for pending in &found.deleted {
            self.forget(group, pending);
            self.reply.bulk(&pending.id.text());
        }
    }
}

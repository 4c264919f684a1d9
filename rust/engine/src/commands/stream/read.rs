//! Reading several streams from given ids on, for oneself or for a group, and waiting for more.

use smallvec::SmallVec;

use super::claim::{Done, log_consumer, log_last_id, log_pending};
use super::pending::pending_of;
use super::range::write_entries;
use super::{count, ids, write_entry};
use crate::error::{self, Error};
use crate::handler::waiting::{Timeout, read_timeout_ms};
use crate::handler::{Args, Context, Effect, Outcome, Wait};
use crate::keyspace::Key;
use crate::resp::{Deferred, Reply};
use crate::values::Kind;
use crate::values::stream::{ConsumerAt, Entries, Group, Id, Pending, Stream};

/// What the words ask for.
struct Request<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    /// 0 is no limit.
    most: usize,
    /// How long to wait; `None` not at all.
    wait: Option<Timeout>,
    is_acknowledged: bool,
    ids: &'a [&'a [u8]],
    ids_at: usize,
}

impl<'a> Request<'a> {
    #[inline]
    fn read(args: Args<'a>, for_group: bool, now_ms: i64) -> Result<Self, Error> {
        let mut request = Self { group: None, most: 0, wait: None, is_acknowledged: false, ids: &[], ids_at: 0 };
        let mut rest = args.cursor(1);
        while !rest.is_done() {
            let left = rest.left();
            if left > 1 && rest.keyword("STREAMS") {
                let words = rest.rest();
                if !words.len().is_multiple_of(2) {
                    return Err(if for_group { error::UNBALANCED_XREADGROUP } else { error::UNBALANCED_XREAD });
                }
                request.ids = words.get(words.len() / 2..).unwrap_or_default();
                request.ids_at = args.len() - request.ids.len();
                break;
            }
            if left > 1 && rest.keyword("BLOCK") {
                request.wait = Some(read_timeout_ms(rest.expect_word()?, now_ms)?);
            } else if left > 1 && rest.keyword("COUNT") {
                request.most = count(rest.expect_word()?)?;
            } else if left > 2 && rest.keyword("GROUP") {
                if !for_group {
                    return Err(error::XREAD_GROUP);
                }
                request.group = Some((rest.expect_word()?, rest.expect_word()?));
            } else if rest.keyword("NOACK") {
                if !for_group {
                    return Err(error::XREAD_NOACK);
                }
                request.is_acknowledged = true;
            } else {
                return Err(error::SYNTAX);
            }
        }
        if request.ids.is_empty() {
            return Err(error::SYNTAX);
        }
        if for_group && request.group.is_none() {
            return Err(error::XREADGROUP_WITHOUT_GROUP);
        }
        Ok(request)
    }

    const fn most(&self) -> usize {
        if self.most == 0 { usize::MAX } else { self.most }
    }
}

/// The ids behind which streams are read.
type Starts = SmallVec<[Id; 4]>;

/// Waits if asked to and possible, or replies that there is nothing. `words` are those with which the command is run again.
fn wait(context: &mut Context<'_, '_>, request: &Request<'_>, kind: Option<Kind>, reply: &mut Reply<'_>) -> Effect {
    let Some(timeout) = request.wait.filter(|_| context.can_wait()) else {
        reply.null_array();
        return Effect::none();
    };
    let deadline_us = timeout.map(|us| context.store.clock.monotonic_us().saturating_add(us));
    Effect {
        wait: Some(Box::new(Wait { kind, hears_of_loss: kind.is_none(), ..Wait::until(deadline_us) })),
        ..Effect::default()
    }
}

pub fn xread(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let request = Request::read(args, false, context.now_ms())?;
    let mut starts = Starts::new();
    for (key, word) in context.keys().iter().zip(request.ids) {
        starts.push(start_of(context, *key, word)?);
    }
    let (mut at, mut answered) = (None, 0);
    for (key, start) in context.keys().iter().zip(&starts) {
        let Some(stream) = context.read_as::<Stream>(*key)? else { continue };
        let entries = stream.view().entries();
        let Some(next) = start.next().filter(|_| entries.last().is_some_and(|last| last.id > *start)) else { continue };
        begin(&mut at, key.bytes(), reply);
        write_entries(entries.range(next, Id::MAX).take(request.most()), reply);
        answered += 1;
    }
    if let Some(at) = at {
        finish(at, answered, reply);
        return Ok(Effect::none());
    }
    let effect = wait(context, &request, Some(Kind::Stream), reply);
    if effect.wait.is_some() {
        wait_behind(context, args, &request, &starts);
    }
    Ok(effect)
}

/// Begins the reply of one stream, and of the first one that of all. Redis answers in RESP2 with pairs, not with a map.
fn begin(at: &mut Option<Deferred>, key: &[u8], reply: &mut Reply<'_>) {
    if at.is_none() {
        *at = Some(reply.array_deferred());
    }
    if !reply.resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

fn finish(at: Deferred, answered: usize, reply: &mut Reply<'_>) {
    if reply.resp3() {
        reply.fill_map(at, answered);
    } else {
        reply.fill_array(at, answered);
    }
}

/// Ids that depend on what there is now are told as they are, for when the command is run again.
fn wait_behind(context: &mut Context<'_, '_>, args: Args<'_>, request: &Request<'_>, starts: &Starts) {
    if request.ids.iter().all(|word| !matches!(*word, b"$" | b"+")) {
        return;
    }
    let mut words: Vec<Box<[u8]>> = args.words().iter().map(|word| Box::from(*word)).collect();
    for (word, start) in words.iter_mut().skip(request.ids_at).zip(starts) {
        *word = Box::from(&*start.text());
    }
    context.run_again_as(words);
}

/// Behind which id a stream is read.
fn start_of(context: &Context<'_, '_>, key: Key<'_>, word: &[u8]) -> Result<Id, Error> {
    let stream = context.peek_as::<Stream>(key)?;
    match word {
        b"$" | b"+" => {
            let Some(entries) = stream.as_ref().map(|stream| stream.view().entries()) else { return Ok(Id::MIN) };
            let last = entries.last_id();
            Ok(if word == b"+" { last.before().unwrap_or(Id::MIN) } else { last })
        }
        b">" => Err(error::XREAD_NEW),
        _ => ids::id(word, 0),
    }
}

pub fn xreadgroup(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let request = Request::read(args, true, context.now_ms())?;
    let Some((group, consumer)) = request.group else { return Err(error::XREADGROUP_WITHOUT_GROUP) };
    let mut starts = Starts::new();
    for (key, word) in context.keys().iter().zip(request.ids) {
        match context.peek_as::<Stream>(*key)? {
            Some(stream) if stream.view().group(group).is_some() => {}
            _ => return Err(no_group(key.bytes(), group)),
        }
        starts.push(match *word {
            b"$" => return Err(error::XREADGROUP_LAST),
            b"+" => return Err(error::XREADGROUP_END),
            b">" => Id::MAX,
            word => ids::id(word, 0)?,
        });
    }
    let mut reading = Reading {
        key: &[],
        group,
        consumer,
        most: request.most(),
        is_acknowledged: request.is_acknowledged,
        now_ms: context.now_ms(),
        is_logged: context.is_logged(),
        at: None,
        answered: 0,
        reply,
        done: Done::default(),
    };
    let mut events = SmallVec::<[usize; 1]>::new();
    for (number, start) in starts.iter().enumerate() {
        let key = context.key(number);
        reading.key = key.bytes();
        context.edit(key, |stream: &mut Stream| {
            stream.edit_group(group, |group, entries| reading.read(group, entries, *start));
            ((), false)
        })?;
        if std::mem::take(&mut reading.done.has_consumer) {
            events.push(number);
        }
    }
    let Reading { at, answered, reply, done, is_logged, .. } = reading;
    let mut effect = done.effect(is_logged, 0);
    if let Some(at) = at {
        finish(at, answered, reply);
    } else {
        effect.wait = wait(context, &request, None, reply).wait;
    }
    for number in events {
        effect = effect.event(crate::config::KeyspaceEvents::STREAM, "xgroup-createconsumer", number);
    }
    Ok(effect)
}

/// A group that is not there.
fn no_group(key: &[u8], group: &[u8]) -> Error {
    let error = super::no_group(key, group);
    Error::text(format!("{} in XREADGROUP with GROUP option", error.as_str()))
}

/// A group while it reads.
struct Reading<'a, 'r, 'o> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    most: usize,
    is_acknowledged: bool,
    now_ms: i64,
    is_logged: bool,
    at: Option<Deferred>,
    answered: usize,
    reply: &'r mut Reply<'o>,
    done: Done,
}

impl Reading<'_, '_, '_> {
    fn read(&mut self, group: &mut Group, entries: &Entries, start: Id) {
        let logged = self.done.log.len();
        let found = group.find(self.consumer);
        let at = found.unwrap_or_else(|| group.add(self.consumer, self.now_ms));
        group.set_seen(at, self.now_ms);
        if found.is_none() {
            self.done.has_consumer = true;
            self.done.has_changed = true;
            if self.is_logged {
                self.done.log.push(log_consumer(self.key, self.group, self.consumer));
            }
        }
        if start != Id::MAX {
            self.read_again(group, entries, at, start);
        } else if entries.last().is_some_and(|last| last.id > group.last_id) {
            self.read_new(group, entries, at);
            self.done.has_changed = true;
            if self.is_logged {
                // What was delivered says how far the group is, but not how many entries it read.
                self.done.log.push(log_last_id(self.key, self.group, group));
            }
        }
        debug_assert!(self.done.log.len() >= logged, "words are only added");
    }

    /// Replies with entries that nobody of the group was given.
    fn read_new(&mut self, group: &mut Group, entries: &Entries, consumer: ConsumerAt) {
        begin(&mut self.at, self.key, self.reply);
        self.answered += 1;
        let (at, mut count) = (self.reply.array_deferred(), 0);
        let start = group.last_id.next().unwrap_or(Id::MAX);
        for entry in entries.range(start, Id::MAX).take(self.most) {
            group.entries_read = match group.entries_read {
                Some(read) if group.last_id >= entries.first_id() && !entries.may_miss_from(group.last_id) => {
                    Some(read.wrapping_add(1))
                }
                before if entries.added() == 0 => before,
                _ => entries.added_until(entry.id).map(u64::cast_signed),
            };
            group.last_id = entry.id;
            write_entry(&entry, self.reply);
            count += 1;
            if !self.is_acknowledged {
                let pending = Pending { id: entry.id, delivered_ms: self.now_ms, deliveries: 1, consumer };
                group.assign(pending);
                if self.is_logged {
                    self.done.log.push(log_pending(self.key, self.group, self.consumer, &pending, entry.id));
                }
            }
        }
        self.reply.fill_array(at, count);
        if !self.is_acknowledged {
            group.set_active(consumer, self.now_ms);
        }
    }

    /// Replies with entries that the consumer was given and did not acknowledge.
    fn read_again(&mut self, group: &mut Group, entries: &Entries, consumer: ConsumerAt, start: Id) {
        begin(&mut self.at, self.key, self.reply);
        self.answered += 1;
        let from = start.next().unwrap_or(Id::MAX);
        let again: SmallVec<[Pending; 16]> = pending_of(group, consumer, from).take(self.most).collect();
        self.reply.array(again.len());
        for pending in again {
            let Some(entry) = entries.get(pending.id) else {
                self.reply.array(2);
                self.reply.bulk(&pending.id.text());
                self.reply.null_array();
                continue;
            };
            write_entry(&entry, self.reply);
            let deliveries = pending.deliveries.wrapping_add(1);
            let pending = Pending { delivered_ms: self.now_ms, deliveries, ..pending };
            group.assign(pending);
            self.done.has_changed = true;
            if self.is_logged {
                self.done.log.push(log_pending(self.key, self.group, self.consumer, &pending, group.last_id));
            }
        }
    }
}

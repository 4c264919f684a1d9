//! Commands that do several things with fields at once.

use super::expire::{counted, deferred, gone, options};
use super::instead;
use super::read::write_or_null;
use super::write::{expired, removed};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::deadline::Unit;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::Decimal;
use crate::resp::Reply;
use crate::values::hash::{Before, HashView, Lifetime};
use crate::values::{Collection, Hash, Reading};

/// What is said of the deadlines of fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry<'a> {
    Unsaid,
    Keep,
    Persist,
    At(Unit, &'a [u8]),
}

/// The options before FIELDS.
struct Options<'a> {
    /// NX: false, XX: true.
    key: Option<bool>,
    /// FNX: false, FXX: true.
    fields: Option<bool>,
    expiry: Expiry<'a>,
}

impl<'a> Options<'a> {
    /// Reads those of HSETEX if `stores`, else those of HGETEX.
    fn read(words: &[&'a [u8]], stores: bool) -> Result<Self, Error> {
        let mut options = Self { key: None, fields: None, expiry: Expiry::Unsaid };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(unit) = Unit::of(word) {
                options.expire(Expiry::At(unit, words.next().ok_or(error::SYNTAX)?))?;
                continue;
            }
            match (word.to_ascii_lowercase().as_slice(), stores) {
                (b"persist", false) => options.expire(Expiry::Persist)?,
                (b"keepttl", true) => options.expire(Expiry::Keep)?,
                (b"nx", true) => choose(&mut options.key, false)?,
                (b"xx", true) => choose(&mut options.key, true)?,
                (b"fnx", true) => choose(&mut options.fields, false)?,
                (b"fxx", true) => choose(&mut options.fields, true)?,
                _ => return Err(error::SYNTAX),
            }
        }
        Ok(options)
    }

    /// The same option may be repeated; then the last one counts.
    fn expire(&mut self, expiry: Expiry<'a>) -> Result<(), Error> {
        let is_same = match (self.expiry, expiry) {
            (Expiry::At(before, _), Expiry::At(unit, _)) => before == unit,
            (before, expiry) => before == Expiry::Unsaid || before == expiry,
        };
        self.expiry = expiry;
        if is_same { Ok(()) } else { Err(error::SYNTAX) }
    }

    fn deadline_ms(&self, now_ms: i64, name: &str) -> Result<Option<i64>, Error> {
        match self.expiry {
            Expiry::At(unit, time) => unit.deadline_from_ms(0, time, now_ms, name).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the key is as NX or XX wants it.
    fn allow_key(&self, exists: bool) -> bool {
        self.key.is_none_or(|present| present == exists)
    }

    /// Whether the fields are as FNX or FXX wants them. `pairs` are fields with their values.
    fn allow_fields(&self, hash: HashView<'_>, pairs: &[&[u8]], now_ms: i64) -> bool {
        let mut names = pairs.iter().step_by(2);
        self.fields.is_none_or(|present| names.all(|name| hash.deadline_ms(name, now_ms).is_some() == present))
    }
}

fn choose(condition: &mut Option<bool>, present: bool) -> Result<(), Error> {
    match condition.replace(present) {
        Some(before) if before != present => Err(error::SYNTAX),
        _ => Ok(()),
    }
}

pub fn hgetdel(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let fields = counted(args, 2)?;
    let (key, now_ms) = (context.key(0), context.now_ms());
    let mut found = Vec::new();
    let edited = context.edit(key, |hash: &mut Hash| {
        reply.array(fields.len());
        for field in fields {
            if write_or_null(hash.view(), field, now_ms, reply) {
                hash.remove(field, now_ms);
                found.push(*field);
            }
        }
        ((), !found.is_empty())
    })?;
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(removed(instead(context, &[b"HDEL", key.bytes()], found), edited.emptied))
}

pub fn hgetex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (words, fields_at) = options(args, 2)?;
    let options = Options::read(words, false)?;
    let fields = counted(args, fields_at)?;
    let (rules, now_ms, key) = (context.rules(), context.now_ms(), context.key(0));
    context.peek_as::<Hash>(key)?;
    context.tell_miss(key);
    let deadline_ms = options.deadline_ms(now_ms, "hgetex")?;
    let persists = options.expiry == Expiry::Persist;
    let mut changed = Vec::new();
    let edited = context.edit(key, |hash: &mut Hash| {
        reply.array(fields.len());
        for field in fields {
            if !write_or_null(hash.view(), field, now_ms, reply) {
                continue;
            }
            match deadline_ms {
                Some(deadline_ms) if deadline_ms <= now_ms => {
                    hash.remove(field, now_ms);
                }
                Some(_) => hash.set_deadline(field, deadline_ms, rules, now_ms),
                None if persists && hash.view().deadline_ms(field, now_ms).flatten().is_some() => {
                    hash.set_deadline(field, None, rules, now_ms);
                }
                None => continue,
            }
            changed.push(*field);
        }
        ((), !changed.is_empty())
    })?;
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(match deadline_ms {
        Some(deadline_ms) if deadline_ms <= now_ms => gone(context, changed, edited.emptied),
        Some(deadline_ms) => deferred(context, changed, deadline_ms),
        None => {
            let count = Decimal::from(changed.len() as i64);
            let effect = instead(context, &[b"HPERSIST", key.bytes(), b"FIELDS", count.as_bytes()], changed);
            effect.event(KeyspaceEvents::HASH, "hpersist", 0)
        }
    })
}

pub fn hsetex(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (words, fields_at) = options(args, 2)?;
    let options = Options::read(words, true)?;
    let mut words = args.cursor(fields_at + 1);
    let count = words.integer()?;
    let pairs = words.rest();
    if count <= 0 || usize::try_from(count).ok().and_then(|count| count.checked_mul(2)) != Some(pairs.len()) {
        return Err(error::NUMFIELDS);
    }
    let now_ms = context.now_ms();
    let hash = context.peek_as::<Hash>(context.key(0))?;
    if !options.allow_key(hash.is_some()) {
        reply.integer(0);
        return Ok(Effect::none());
    }
    // Between the two conditions, as in Valkey.
    let deadline_ms = options.deadline_ms(now_ms, "hsetex")?;
    let absent = Hash::default();
    if !options.allow_fields(hash.as_ref().map_or(absent.view(), Reading::view), pairs, now_ms) {
        reply.integer(0);
        return Ok(Effect::none());
    }
    drop(hash);
    let effect = match deadline_ms {
        Some(deadline_ms) if deadline_ms <= now_ms => set_gone(context, pairs)?,
        deadline_ms => set(context, options.expiry, pairs, deadline_ms)?,
    };
    reply.integer(1);
    Ok(effect)
}

/// HSETEX with a deadline that has passed: the fields are gone afterwards.
fn set_gone(context: &mut Context<'_, '_>, pairs: &[&[u8]]) -> Outcome {
    let key = context.key(0);
    let mut discarded = Vec::new();
    let edited = context.edit(key, |hash: &mut Hash| {
        discarded.extend(pairs.iter().step_by(2).copied().filter(|field| hash.discard(field)));
        (hash.is_empty(), !discarded.is_empty())
    })?;
    let effect = if edited.changed { instead(context, &[b"HDEL", key.bytes()], discarded) } else { Effect::none() };
    let effect = ["hset", "hexpire", "hexpired"]
        .into_iter()
        .fold(effect, |effect, name| effect.event(KeyspaceEvents::HASH, name, 0));
    Ok(if edited.result { effect.event(KeyspaceEvents::GENERIC, "del", 0) } else { effect })
}

fn set(context: &mut Context<'_, '_>, expiry: Expiry<'_>, pairs: &[&[u8]], deadline_ms: Option<i64>) -> Outcome {
    let (rules, now_ms, key) = (context.rules(), context.now_ms(), context.key(0));
    let lifetime = match expiry {
        Expiry::Keep => Lifetime::Keep,
        _ => deadline_ms.map_or(Lifetime::Clear, Lifetime::At),
    };
    let mut lapsed = Vec::new();
    context.edit(key, |hash: &mut Hash| {
        hash.expect(pairs.len() / 2, rules);
        for pair in pairs.chunks_exact(2) {
            if let [field, value] = *pair
                && hash.set(field, value, lifetime, rules, now_ms) == Before::Expired
            {
                lapsed.push(field);
            }
        }
        ((), true)
    })?;
    let effect = expired(log_set(context, pairs, lifetime, &lapsed), !lapsed.is_empty());
    let effect = effect.event(KeyspaceEvents::HASH, "hset", 0);
    Ok(if deadline_ms.is_some() { effect.event(KeyspaceEvents::HASH, "hexpire", 0) } else { effect })
}

/// HSETEX as the journal hears of it: without conditions, and with a point in time.
fn log_set(context: &Context<'_, '_>, pairs: &[&[u8]], lifetime: Lifetime, lapsed: &[&[u8]]) -> Effect {
    let key = context.key(0);
    let count = Decimal::from((pairs.len() / 2) as i64);
    let fields = pairs.iter().copied();
    match lifetime {
        Lifetime::Clear => instead(context, &[b"HSET", key.bytes()], fields),
        Lifetime::At(deadline_ms) => {
            let deadline = Decimal::from(deadline_ms);
            let head: [&[u8]; 6] = [b"HSETEX", key.bytes(), b"PXAT", deadline.as_bytes(), b"FIELDS", count.as_bytes()];
            instead(context, &head, fields)
        }
        Lifetime::Keep if context.is_logged() => {
            let head: [&[u8]; 5] = [b"HSETEX", key.bytes(), b"KEEPTTL", b"FIELDS", count.as_bytes()];
            let set = head.into_iter().chain(fields).map(Box::from).collect();
            // A replica still has the fields whose time is over, with deadlines that must not be kept.
            let gone: [&[u8]; 2] = [b"HDEL", key.bytes()];
            let gone = gone.into_iter().chain(lapsed.iter().copied()).map(Box::from).collect();
            Effect::instead_all(if lapsed.is_empty() { vec![set] } else { vec![gone, set] })
        }
        Lifetime::Keep => Effect::changed(),
    }
}

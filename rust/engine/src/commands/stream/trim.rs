//! Removing entries, and setting what a stream remembers of them.

use super::ids;
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome, Words};
use crate::number::{self, Decimal};
use crate::resp::Reply;
use crate::values::stream::{Id, Keep, Stream, Trim};
use crate::values::{Collection, Rules};

/// What the words of XADD or XTRIM say of a trim.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrimWords {
    keep: Option<Keep>,
    is_approximate: bool,
    limit: Option<u64>,
    /// The limit if none is given.
    limit_default: u64,
}

/// How many nodes an approximate trim looks at.
const NODES_AT_ONCE: i64 = 100;
/// The limit of an approximate trim if nodes have none.
const LIMIT_WITHOUT_NODES: i64 = 10_000;
const LIMIT_MAX: i64 = 1_000_000;

impl TrimWords {
    /// Whether anything was said of what stays.
    pub const fn is_given(&self) -> bool {
        self.keep.is_some()
    }

    /// Whether a limit was given that limits anything.
    pub const fn is_limited(&self) -> bool {
        matches!(self.limit, Some(1..))
    }

    /// Refuses what does not fit together.
    pub const fn check(&self) -> Result<(), Error> {
        match self.limit {
            Some(1..) if self.keep.is_none() => Err(error::TRIM_LIMIT_ALONE),
            Some(_) if !self.is_approximate => Err(error::TRIM_LIMIT_EXACT),
            _ => Ok(()),
        }
    }

    /// What is to be done.
    pub fn trim(&self) -> Option<Trim> {
        let limit = self.limit.unwrap_or(self.limit_default);
        Some(Trim { keep: self.keep?, approximate: self.is_approximate.then_some(limit) })
    }

    /// The words that have the same effect on a stream which had so many entries afterwards.
    pub fn log(&self, len: usize, words: &mut Words) {
        let Some(keep) = self.keep else { return };
        if self.is_approximate || matches!(keep, Keep::Newest(_)) {
            let kept = match keep {
                Keep::Newest(kept) if !self.is_approximate => kept,
                _ => len as u64,
            };
            words.extend([Box::from(b"MAXLEN".as_slice()), Box::from(b"=".as_slice())]);
            words.push(Box::from(&*Decimal::from(kept)));
        } else if let Keep::From(id) = keep {
            words.extend([Box::from(b"MINID".as_slice()), Box::from(b"=".as_slice()), Box::from(&*id.text())]);
        }
    }
}

/// Reads the options of a trim from a word on; gives the place of the first word that is none. `must_be` is raised by
/// NOMKSTREAM, where that is allowed.
pub fn read(
    args: Args<'_>,
    from: usize,
    mut must_be: Option<&mut bool>,
    trim: &mut Option<TrimWords>,
    rules: &Rules,
) -> Result<usize, Error> {
    let mut rest = args.cursor(from);
    loop {
        let mut ahead = rest;
        let has_more = ahead.left() > 1;
        if has_more && (ahead.keyword("MAXLEN") || ahead.keyword("MINID")) {
            let is_length = rest.keyword("MAXLEN");
            let trim = trim.get_or_insert_with(|| TrimWords::new(rules));
            trim.read_keep(&mut ahead, is_length)?;
        } else if has_more && ahead.keyword("LIMIT") {
            let limit = number::parse_i64(ahead.expect_word()?).ok_or(error::NOT_INTEGER)?;
            let limit = u64::try_from(limit).map_err(|_| error::TRIM_LIMIT_NEGATIVE)?;
            trim.get_or_insert_with(|| TrimWords::new(rules)).limit = Some(limit);
        } else if let Some(must_be) = must_be.as_deref_mut().filter(|_| ahead.keyword("NOMKSTREAM")) {
            *must_be = true;
        } else {
            return Ok(args.len() - rest.left());
        }
        rest = ahead;
    }
}

impl TrimWords {
    fn new(rules: &Rules) -> Self {
        let limit = rules.stream_node_entries_max().saturating_mul(NODES_AT_ONCE);
        let limit = if limit <= 0 { LIMIT_WITHOUT_NODES } else { limit.min(LIMIT_MAX) };
        Self { limit_default: limit.unsigned_abs(), ..Self::default() }
    }

    fn read_keep(&mut self, rest: &mut crate::handler::Cursor<'_>, is_length: bool) -> Result<(), Error> {
        if self.keep.is_some() {
            return Err(error::TRIM_TWICE);
        }
        if rest.left() >= 2 {
            self.is_approximate = rest.keyword("~");
            if !self.is_approximate {
                rest.keyword("=");
            }
        }
        let threshold = rest.expect_word()?;
        self.keep = Some(if is_length {
            let kept = number::parse_i64(threshold).ok_or(error::NOT_INTEGER)?;
            Keep::Newest(u64::try_from(kept).map_err(|_| error::TRIM_LENGTH_NEGATIVE)?)
        } else {
            Keep::From(ids::id(threshold, 0)?)
        });
        Ok(())
    }
}

pub fn xdel(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if context.peek_as::<Stream>(context.key(0))?.is_none() {
        reply.integer(0);
        return Ok(Effect::none());
    }
    let doomed = args.from(2).iter().map(|word| ids::id(word, 0)).collect::<Result<Vec<Id>, Error>>()?;
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let count = doomed.iter().filter(|id| stream.delete(**id)).count();
        (count, count > 0)
    })?;
    reply.integer(edited.result as i64);
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xdel", 0))
}

/// What XSETID was asked for.
struct SetId {
    last: Id,
    added: Option<u64>,
    max_deleted: Id,
}

impl SetId {
    fn read(args: Args<'_>) -> Result<Self, Error> {
        let mut set = Self { last: ids::id(args.word(2), 0)?, added: None, max_deleted: Id::MIN };
        let mut rest = args.cursor(3);
        while !rest.is_done() {
            let has_more = rest.left() > 1;
            if has_more && rest.keyword("ENTRIESADDED") {
                let added = number::parse_i64(rest.expect_word()?).ok_or(error::NOT_INTEGER)?;
                set.added = Some(u64::try_from(added).map_err(|_| error::ENTRIES_ADDED_NEGATIVE)?);
            } else if has_more && rest.keyword("MAXDELETEDID") {
                set.max_deleted = ids::id(rest.expect_word()?, 0)?;
                if set.last < set.max_deleted {
                    return Err(error::SETID_BELOW_GIVEN_DELETED);
                }
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(set)
    }

    fn check(&self, stream: &Stream) -> Result<(), Error> {
        let entries = stream.entries();
        if self.last < entries.max_deleted_id() {
            return Err(error::SETID_BELOW_DELETED);
        }
        if let Some(top) = entries.last() {
            if self.last < top.id {
                return Err(error::SETID_BELOW_TOP);
            }
            if self.added.is_some_and(|added| added < entries.len() as u64) {
                return Err(error::SETID_ADDED_BELOW_LENGTH);
            }
        }
        Ok(())
    }
}

pub fn xsetid(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let set = SetId::read(args)?;
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        if stream.is_empty() {
            return (Err(error::NO_SUCH_KEY), false);
        }
        let checked = set.check(stream);
        let is_ok = checked.is_ok();
        if is_ok {
            stream.set_id(set.last, set.added, set.max_deleted);
        }
        (checked, is_ok)
    })?;
    edited.result?;
    reply.ok();
    Ok(Effect::changed().event(KeyspaceEvents::STREAM, "xsetid", 0))
}

pub fn xtrim(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut words = None;
    if read(args, 2, None, &mut words, context.rules())? != args.len() {
        return Err(error::SYNTAX);
    }
    let words = words.unwrap_or_default();
    if !words.is_given() && !words.is_limited() {
        return Err(error::TRIM_WITHOUT_STRATEGY);
    }
    words.check()?;
    let trim = words.trim().ok_or(error::TRIM_WITHOUT_STRATEGY)?;
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let trimmed = stream.trim(&trim);
        let changed = trimmed.count > 0;
        ((trimmed, stream.entries().len()), changed)
    })?;
    let (trimmed, len) = edited.result;
    if let Some(dropped) = trimmed.dropped {
        context.drop_later(dropped);
    }
    reply.integer(trimmed.count as i64);
    if trimmed.count == 0 {
        return Ok(Effect::none());
    }
    let mut effect = Effect::changed();
    if context.is_logged() && trim.approximate.is_some() {
        let mut log: Words = vec![Box::from(b"XTRIM".as_slice()), args.word(1).into()];
        words.log(len, &mut log);
        effect = Effect::instead_all(vec![log]);
    }
    Ok(effect.event(KeyspaceEvents::STREAM, "xtrim", 0))
}

//! Adding entries.

use super::ids;
use super::trim::{self, TrimWords};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome, Words};
use crate::resp::Reply;
use crate::values::Rules;
use crate::values::stream::{Id, Stream, Trimmed};

/// What the words of XADD say of the id.
#[derive(Clone, Copy)]
enum Name {
    /// Time and number are the server's.
    Any,
    /// The number is the server's.
    At(u64),
    /// It is given.
    Given(Id),
}

impl Name {
    fn read(word: &[u8]) -> Result<Self, Error> {
        if word == b"*" {
            return Ok(Self::Any);
        }
        Ok(match ids::id_or_time(word)? {
            (ms, None) => Self::At(ms),
            (ms, Some(seq)) => Self::Given(Id::new(ms, seq)),
        })
    }

    /// The id of the next entry of a stream.
    #[inline]
    fn choose(self, stream: &Stream, now_ms: u64) -> Result<Id, Error> {
        let last = stream.entries().last_id();
        if last == Id::MAX {
            return Err(error::STREAM_EXHAUSTED);
        }
        let id = match self {
            Self::Any => stream.next_id(now_ms).ok_or(error::STREAM_EXHAUSTED)?,
            Self::At(ms) if ms == last.ms => Id::new(ms, last.seq.checked_add(1).ok_or(error::STREAM_ID_TOO_SMALL)?),
            Self::At(ms) => Id::new(ms, 0),
            Self::Given(id) => id,
        };
        if id > last { Ok(id) } else { Err(error::STREAM_ID_TOO_SMALL) }
    }
}

/// What XADD was asked for.
struct Add<'a> {
    name: Name,
    name_at: usize,
    trim: Option<TrimWords>,
    must_be: bool,
    pairs: &'a [&'a [u8]],
}

impl<'a> Add<'a> {
    #[inline]
    fn read(args: Args<'a>, rules: &Rules) -> Result<Self, Error> {
        let (mut trim, mut must_be) = (None, false);
        let name_at = if args.word(2) == b"*" { 2 } else { trim::read(args, 2, Some(&mut must_be), &mut trim, rules)? };
        let name = Name::read(args.word(name_at))?;
        if let Some(trim) = &trim {
            trim.check()?;
        }
        let pairs = args.from(name_at + 1);
        if pairs.len() < 2 || !pairs.len().is_multiple_of(2) {
            return Err(Error::arity("xadd"));
        }
        if matches!(name, Name::Given(Id::MIN)) {
            return Err(error::STREAM_ID_ZERO);
        }
        let trim = trim.filter(TrimWords::is_given);
        Ok(Self { name, name_at, trim, must_be, pairs })
    }
}

pub fn xadd(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let rules = context.rules();
    let add = Add::read(args, rules)?;
    let now_ms = u64::try_from(context.now_ms()).unwrap_or(0);
    let trim = add.trim.as_ref().and_then(TrimWords::trim);
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        use crate::values::Collection;
        if add.must_be && stream.is_empty() {
            return (Ok(None), false);
        }
        let id = match add.name.choose(stream, now_ms) {
            Ok(id) => id,
            Err(error) => return (Err(error), false),
        };
        if !stream.add(id, add.pairs, rules) {
            return (Err(error::STREAM_ENTRY_TOO_LARGE), false);
        }
        let trimmed = trim.map_or_else(Trimmed::default, |trim| stream.trim(&trim));
        (Ok(Some((id, trimmed, stream.entries().len()))), true)
    })?;
    let Some((id, trimmed, len)) = edited.result? else {
        reply.null();
        return Ok(Effect::none());
    };
    if let Some(dropped) = trimmed.dropped {
        context.drop_later(dropped);
    }
    reply.bulk(&id.text());
    let is_exact = matches!(add.name, Name::Given(_)) && trim.is_none_or(|trim| trim.approximate.is_none());
    let effect = if is_exact || !context.is_logged() {
        Effect::changed()
    } else {
        Effect::instead_all(vec![log_words(args, &add, id, len)])
    };
    let effect = effect.event(KeyspaceEvents::STREAM, "xadd", 0);
    Ok(if trimmed.count > 0 { effect.event(KeyspaceEvents::STREAM, "xtrim", 0) } else { effect })
}

/// The same with the id that was chosen, and with a trim to the length that there is now.
fn log_words(args: Args<'_>, add: &Add<'_>, id: Id, len: usize) -> Words {
    let mut words: Words = vec![Box::from(b"XADD".as_slice()), args.word(1).into()];
    if let Some(trim) = &add.trim {
        trim.log(len, &mut words);
    }
    words.push(Box::from(&*id.text()));
    words.extend(args.from(add.name_at + 1).iter().map(|word| Box::from(*word)));
    words
}

//! What was delivered and not acknowledged.

use super::{count, ids, no_group};
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::{self, Decimal};
use crate::resp::Reply;
use crate::values::stream::{ConsumerAt, Group, Id, Pending, Stream};

pub fn xack(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut ids = smallvec::SmallVec::<[Id; 16]>::new();
    if let Some(stream) = context.peek_as::<Stream>(context.key(0))?
        && stream.view().group(args.word(2)).is_some()
    {
        for word in args.from(3) {
            ids.push(ids::id(word, 0)?);
        }
    }
    if ids.is_empty() {
        reply.integer(0);
        return Ok(Effect::none());
    }
    let edited = context.edit(context.key(0), |stream: &mut Stream| {
        let acknowledge = |group: &mut Group| ids.iter().filter(|id| group.acknowledge(**id)).count();
        (stream.edit_group(args.word(2), |group, _| acknowledge(group)), false)
    })?;
    let count = edited.result.unwrap_or(0);
    reply.integer(count as i64);
    Ok(if count > 0 { Effect::changed() } else { Effect::none() })
}

/// Which pending entries are asked for.
struct Filter<'a> {
    start: Id,
    end: Id,
    most: usize,
    idle_min_ms: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn read(args: Args<'a>) -> Result<Option<Self>, Error> {
        if args.len() == 3 {
            return Ok(None);
        }
        // What stands behind the consumer is not looked at, but there must not be too much of it.
        if !(6..=9).contains(&args.len()) {
            return Err(error::SYNTAX);
        }
        let (mut from, mut idle_min_ms) = (3, 0);
        if args.word(3).eq_ignore_ascii_case(b"IDLE") {
            idle_min_ms = args.integer(4)?;
            if args.len() < 8 {
                return Err(error::SYNTAX);
            }
            from = 5;
        }
        let most = count(args.word(from + 2))?;
        let (start, end) = (ids::start(args.word(from))?, ids::end(args.word(from + 1))?);
        Ok(Some(Self { start, end, most, idle_min_ms, consumer: args.get(from + 3) }))
    }
}

pub fn xpending(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let filter = Filter::read(args)?;
    let (now_ms, key) = (context.now_ms(), context.key(0));
    let stream = context.read_as::<Stream>(key)?;
    let Some(group) = stream.as_ref().and_then(|stream| stream.view().group(args.word(2))) else {
        return Err(no_group(key.bytes(), args.word(2)));
    };
    match filter {
        None => write_summary(group, reply),
        Some(filter) => write_filtered(group, &filter, now_ms, reply),
    }
    Ok(Effect::none())
}

fn write_summary(group: &Group, reply: &mut Reply<'_>) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let Some((first, last)) = group.pending_ends() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply.bulk(&first.text());
    reply.bulk(&last.text());
    let (at, mut count) = (reply.array_deferred(), 0);
    for consumer in group.consumers().filter(|consumer| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(&consumer.name);
        reply.bulk(&Decimal::from(consumer.pending_len() as u64));
        count += 1;
    }
    reply.fill_array(at, count);
}

fn write_filtered(group: &Group, filter: &Filter<'_>, now_ms: i64, reply: &mut Reply<'_>) {
    let is_meant = |pending: &Pending| {
        filter.idle_min_ms <= 0 || now_ms.saturating_sub(pending.delivered_ms) >= filter.idle_min_ms
    };
    let (at, mut count) = (reply.array_deferred(), 0);
    let mut write = |pending: Pending| {
        reply.array(4);
        reply.bulk(&pending.id.text());
        reply.bulk(group.name(pending.consumer));
        reply.integer(now_ms.saturating_sub(pending.delivered_ms).max(0));
        reply.integer(pending.deliveries.cast_signed());
        count += 1;
    };
    match filter.consumer.map(|name| group.find(name)) {
        None => {
            let pending = group.pending_from(filter.start).take_while(|pending| pending.id <= filter.end);
            pending.filter(is_meant).take(filter.most).for_each(&mut write);
        }
        Some(consumer) => {
            let pending = consumer.into_iter().flat_map(|at| pending_of(group, at, filter.start));
            let pending = pending.take_while(|pending| pending.id <= filter.end);
            pending.filter(is_meant).take(filter.most).for_each(&mut write);
        }
    }
    reply.fill_array(at, count);
}

/// What is pending for a consumer, from an id on.
pub fn pending_of(group: &Group, at: ConsumerAt, from: Id) -> impl Iterator<Item = Pending> {
    let ids = group.consumer(at).into_iter().flat_map(move |consumer| consumer.pending_from(from));
    ids.filter_map(|id| group.pending(id))
}

/// A time that has to pass, in milliseconds; below 0 it is 0.
pub fn idle_min_ms(word: &[u8], error: Error) -> Result<i64, Error> {
    number::parse_i64(word).map(|ms| ms.max(0)).ok_or(error)
}

//! Fields by chance.

use super::read::with_hash;
use super::write;
use crate::error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::hash::Choice;

/// Bytes of reply that a repeated field takes at least.
const REPEATED_BYTES_MIN: usize = 8;

pub fn hrandfield(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let store = context.store;
    if args.len() == 2 {
        with_hash(context, |hash, now_ms| {
            let mut found = false;
            hash.choose(Choice::Distinct(1), &mut *store.random(), now_ms, |field, _| {
                found = true;
                write(field, reply);
            });
            if !found {
                reply.null();
            }
        })?;
        return Ok(Effect::none());
    }
    let count = args.integer(2)?;
    if count == i64::MIN {
        return Err(error::LONG_RANGE);
    }
    let with_values = match args.from(3) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(error::SYNTAX),
    };
    if with_values && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(error::OUT_OF_RANGE);
    }
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    // A short request must not ask for more than the longest string: a reply is built in memory.
    if count < 0 && wanted > store.settings.bulk_bytes_max() / REPEATED_BYTES_MIN {
        return Err(error::OUT_OF_RANGE);
    }
    with_hash(context, |hash, now_ms| {
        let (choice, shown) = if count < 0 {
            let some = hash.live_len(now_ms) > 0;
            (Choice::Repeated(wanted), if some { wanted } else { 0 })
        } else {
            (Choice::Distinct(wanted), hash.live_len(now_ms).min(wanted))
        };
        let nests = with_values && reply.resp3();
        reply.array(if with_values && !nests { shown * 2 } else { shown });
        if shown == 0 {
            return;
        }
        hash.choose(choice, &mut *store.random(), now_ms, |field, value| {
            if nests {
                reply.array(2);
            }
            write(field, reply);
            if with_values {
                write(value, reply);
            }
        });
    })?;
    Ok(Effect::none())
}

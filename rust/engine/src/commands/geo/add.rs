//! GEOADD.

use smallvec::SmallVec;

use super::options::place;
use crate::config::KeyspaceEvents;
use crate::error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::Zset;
use crate::values::zset::{Change, Condition};

/// Scores of one GEOADD that need no memory of their own.
const SCORES_INLINE: usize = 8;

pub fn geoadd(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (mut condition, mut counts_updates) = (Condition::default(), false);
    let mut words = args.cursor(2);
    loop {
        if words.keyword("NX") {
            condition.if_absent = true;
        } else if words.keyword("XX") {
            condition.if_there = true;
        } else if words.keyword("CH") {
            counts_updates = true;
        } else {
            break;
        }
    }
    let data = words.rest();
    if data.is_empty() || !data.len().is_multiple_of(3) || (condition.if_absent && condition.if_there) {
        return Err(error::SYNTAX);
    }
    let mut scores: SmallVec<[f64; SCORES_INLINE]> = SmallVec::new();
    while !words.is_done() {
        scores.push(place(&mut words)?.to_score());
        words.next_word();
    }
    let members = || data.iter().skip(2).step_by(3);
    let longest_bytes = members().map(|member| member.len()).max().unwrap_or_default();
    let rules = context.rules();
    let edited = context.edit(context.key(0), |zset: &mut Zset| {
        zset.expect(scores.len(), longest_bytes, rules);
        let (mut added, mut updated) = (0, 0);
        for (member, score) in members().zip(&scores) {
            // Only sums can fail, and this is none.
            if let Ok((change, _)) = zset.add(member, *score, condition, rules) {
                added += i64::from(change == Change::Added);
                updated += i64::from(change == Change::Updated);
            }
        }
        ((added, updated), added + updated > 0)
    })?;
    let (added, updated) = edited.result;
    reply.integer(if counts_updates { added + updated } else { added });
    if !edited.changed {
        return Ok(Effect::none());
    }
    Ok(Effect::changed().event(KeyspaceEvents::ZSET, "zadd", 0))
}

//! Members by chance: ZRANDMEMBER.

use std::collections::HashSet;
use std::ops::Range;

use super::{array_of_scored, write_scored};
use crate::error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::limits::REPEATED_ELEMENTS_MAX;
use crate::number;
use crate::random::{Random, Xoshiro256};
use crate::resp::Reply;
use crate::values::Zset;

/// Without a count one member, or null; with one an array of up to so many, or of exactly so many, if it is negative,
/// where members may come again.
pub fn zrandmember(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut random = Xoshiro256::from_seed(context.store.random().next_u64());
    let Some(word) = args.get(2) else {
        match context.read_as::<Zset>(context.key(0))? {
            Some(zset) => {
                let rank = random.below(zset.view().len());
                zset.view().each_of(rank..rank + 1, false, |member, _| reply.bulk(member));
            }
            None => reply.null(),
        }
        return Ok(Effect::none());
    };
    let count = number::parse_i64(word).ok_or(error::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(error::LONG_RANGE);
    }
    let with_scores = match args.from(3) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(error::SYNTAX),
    };
    if with_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(error::OUT_OF_RANGE);
    }
    let Some(zset) = context.read_as::<Zset>(context.key(0))? else {
        reply.array(0);
        return Ok(Effect::none());
    };
    let view = zset.view();
    let drawing = Drawing::new(count, view.len());
    if matches!(drawing, Drawing::Again(count, _) if count > REPEATED_ELEMENTS_MAX as u64) {
        return Err(error::OUT_OF_RANGE);
    }
    array_of_scored(drawing.count() as usize, with_scores, reply);
    drawing.draw(&mut random, |ranks| {
        view.each_of(ranks, true, |member, score| write_scored(member, score, with_scores, reply));
    });
    Ok(Effect::none())
}

/// Ranks of a sorted set, drawn by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drawing {
    /// All of them.
    All(u64),
    /// So many of all, each at most once, every choice of them as likely as any other.
    Some(u64, u64),
    /// So many times one of all.
    Again(u64, u64),
}

impl Drawing {
    /// `count` of `len` ranks; as often as that, if it is negative.
    fn new(count: i64, len: u64) -> Self {
        match u64::try_from(count) {
            Ok(count) if count >= len => Self::All(len),
            Ok(count) => Self::Some(count, len),
            Err(_) => Self::Again(count.unsigned_abs(), len),
        }
    }

    const fn count(self) -> u64 {
        match self {
            Self::All(count) | Self::Some(count, _) | Self::Again(count, _) => count,
        }
    }

    /// Tells the ranks drawn.
    fn draw(self, random: &mut impl Random, mut each: impl FnMut(Range<u64>)) {
        match self {
            Self::All(len) => each(0..len),
            Self::Again(count, len) => {
                for _ in 0..count {
                    let rank = random.below(len);
                    each(rank..rank + 1);
                }
            }
            // Most ranks are passed by once: it costs less than to remember what was drawn.
            Self::Some(count, len) if count > len / 3 => {
                let mut left = count;
                for rank in 0..len {
                    if random.below(len - rank) < left {
                        left -= 1;
                        each(rank..rank + 1);
                    }
                }
            }
            Self::Some(count, len) => {
                let mut drawn = HashSet::new();
                while (drawn.len() as u64) < count {
                    let rank = random.below(len);
                    if drawn.insert(rank) {
                        each(rank..rank + 1);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_is_as_likely_as_any_other() {
        let mut random = Xoshiro256::from_seed(7);
        for count in [1, 3, 4, 9, -1, -20] {
            let drawing = Drawing::new(count, 10);
            let mut times = [0_u32; 10];
            let rounds = 20_000;
            for _ in 0..rounds {
                let mut drawn = Vec::new();
                drawing.draw(&mut random, |ranks| drawn.extend(ranks));
                assert_eq!(drawn.len() as u64, drawing.count());
                assert!(count < 0 || drawn.iter().collect::<HashSet<_>>().len() == drawn.len());
                for rank in drawn {
                    times[rank as usize] += 1;
                }
            }
            let expected = f64::from(rounds) * drawing.count() as f64 / 10.0;
            // Six standard deviations of a count of independent draws.
            let slack = 6.0 * expected.sqrt();
            assert!(times.iter().all(|count| (f64::from(*count) - expected).abs() < slack), "{count}: {times:?}");
        }
        assert_eq!(Drawing::new(10, 10), Drawing::All(10));
        assert_eq!(Drawing::new(i64::MAX, 3).count(), 3);
        assert_eq!(Drawing::new(-i64::MAX, 3).count(), i64::MAX.unsigned_abs());
    }
}

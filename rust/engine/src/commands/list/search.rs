//! LPOS.

use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::resp::Reply;
use crate::values::list::{List, Search, Side};

/// The options of LPOS.
struct Options {
    rank: i64,
    count: Option<usize>,
    len_max: usize,
}

impl Options {
    fn read(args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self { rank: 1, count: None, len_max: usize::MAX };
        let mut rest = args.cursor(3);
        while !rest.is_done() {
            if rest.left() < 2 {
                return Err(error::SYNTAX);
            } else if rest.keyword("RANK") {
                options.rank = match rest.integer()? {
                    0 => return Err(error::RANK_ZERO),
                    i64::MIN => return Err(error::LONG_RANGE),
                    rank => rank,
                };
            } else if rest.keyword("COUNT") {
                let count = natural(rest.integer()).ok_or(error::COUNT_NEGATIVE)?;
                options.count = Some(if count == 0 { usize::MAX } else { count });
            } else if rest.keyword("MAXLEN") {
                let len = natural(rest.integer()).ok_or(error::MAXLEN_NEGATIVE)?;
                options.len_max = if len == 0 { usize::MAX } else { len };
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// A count: Redis has one complaint for what is no number and what is negative.
fn natural(number: Result<i64, Error>) -> Option<usize> {
    number.ok().and_then(|number| usize::try_from(number).ok())
}

pub fn lpos(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Options { rank, count, len_max } = Options::read(args)?;
    let list = context.read_as::<List>(context.key(0))?;
    let search = Search {
        side: if rank < 0 { Side::Right } else { Side::Left },
        skip: rank.unsigned_abs() - 1,
        most: count.unwrap_or(1),
        len_max,
    };
    let array = count.map(|_| reply.array_deferred());
    let mut found = 0;
    if let Some(list) = list {
        list.view().search(args.word(2), &search, |index| {
            reply.integer(index as i64);
            found += 1;
        });
    }
    match array {
        Some(array) => reply.fill_array(array, found),
        None if found == 0 => reply.null(),
        None => {}
    }
    Ok(Effect::none())
}

//! Several sorted sets or sets together: ZUNION, ZINTER, ZDIFF, with and without STORE, and ZINTERCARD.

use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Outcome};
use crate::keyspace::Key;
use crate::number;
use crate::resp::Reply;
use crate::values::elements::Elements;
use crate::values::zset::{Tree, ZsetView, parse_score};
use crate::values::{Collection, Kind, Reading, Rules, Set, Zset};

/// What becomes of the scores of a member that several have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// Infinities that cancel each other are 0, as in Redis.
    fn apply(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Sum => number_or_zero(one + other),
            Self::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Self::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

/// An infinite score with the weight 0 counts as 0.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What the words behind the keys say.
#[derive(Default)]
struct Options<'a> {
    /// As many as there are keys, or none.
    weights: &'a [&'a [u8]],
    aggregate: Aggregate,
    with_scores: bool,
    /// 0: no limit.
    limit: u64,
}

/// Which words a command knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
    /// ZINTERCARD.
    Count,
}

impl<'a> Options<'a> {
    fn read(args: Args<'a>, first: usize, keys: usize, operation: Operation, is_stored: bool) -> Result<Self, Error> {
        let mut options = Self::default();
        let is_weighted = matches!(operation, Operation::Union | Operation::Inter);
        let mut words = args.cursor(first);
        while !words.is_done() {
            if is_weighted && words.left() > keys && words.keyword("WEIGHTS") {
                options.weights = words.rest().get(..keys).unwrap_or_default();
                for _ in 0..keys {
                    parse_score(words.expect_word()?).ok_or(error::WEIGHT_NOT_FLOAT)?;
                }
            } else if is_weighted && words.left() > 1 && words.keyword("AGGREGATE") {
                options.aggregate = if words.keyword("SUM") {
                    Aggregate::Sum
                } else if words.keyword("MIN") {
                    Aggregate::Min
                } else if words.keyword("MAX") {
                    Aggregate::Max
                } else {
                    return Err(error::SYNTAX);
                };
            } else if operation != Operation::Count && !is_stored && words.keyword("WITHSCORES") {
                options.with_scores = true;
            } else if operation == Operation::Count && words.left() > 1 && words.keyword("LIMIT") {
                let limit = number::parse_i64(words.expect_word()?).and_then(|limit| u64::try_from(limit).ok());
                options.limit = limit.ok_or(error::NEGATIVE_LIMIT)?;
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(options)
    }

    fn weight(&self, source: usize) -> f64 {
        self.weights.get(source).and_then(|weight| parse_score(weight)).unwrap_or(1.0)
    }
}

/// One of the keys.
enum Input<'c> {
    Nothing,
    /// Each member has the score 1.
    Set(Reading<'c, Set>),
    Zset(Reading<'c, Zset>),
}

impl<'c> Input<'c> {
    fn open(context: &'c Context<'_, '_>, key: Key<'_>) -> Result<Self, Error> {
        let Some(entry) = context.peek(key) else { return Ok(Self::Nothing) };
        let value = entry.value();
        if value.kind() == Kind::Set { Reading::of(value).map(Self::Set) } else { Reading::of(value).map(Self::Zset) }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Set(set) => set.view().len() as u64,
            Self::Zset(zset) => zset.view().len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Set(set) => set.view().contains(member).then_some(1.0),
            Self::Zset(zset) => zset.view().score(member),
        }
    }

    fn each(&self, mut each: impl FnMut(&[u8], f64)) {
        match self {
            Self::Nothing => {}
            Self::Set(set) => Set::each(set.view(), &mut |element| each(element.name, 1.0)),
            Self::Zset(zset) => zset.view().each_of(0..zset.view().len(), false, each),
        }
    }
}

/// An input with its weight.
struct Source<'c> {
    input: Input<'c>,
    weight: f64,
}

/// Members found so far, their scores as payload.
struct Gathered(Elements);

impl Gathered {
    fn new(rules: &Rules) -> Self {
        Self(Elements::new(rules.keyed))
    }

    /// Adds a member, or lets its score and this one become one.
    fn add(&mut self, member: &[u8], score: f64, aggregate: Aggregate) {
        let (handle, is_new) = self.0.find_or_add(member.into(), &score.to_le_bytes());
        if !is_new {
            let score = aggregate.apply(self.0.at(handle).score(), score);
            self.0.set_payload(handle, &score.to_le_bytes());
        }
    }
}

/// The keys of a command, opened, in order, and its options.
struct Request<'a, 'c> {
    sources: Vec<Source<'c>>,
    options: Options<'a>,
}

impl<'a, 'c> Request<'a, 'c> {
    /// Reads the words from the number of keys, at `first`, on. `key` is the first source's number in the plan.
    fn read(
        context: &'c mut Context<'_, '_>,
        args: Args<'a>,
        first: usize,
        operation: Operation,
        name: &str,
    ) -> Result<Self, Error> {
        let count = args.integer(first)?;
        if count < 1 {
            return Err(Error::text(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        let count = usize::try_from(count).ok().filter(|count| *count < args.len() - first).ok_or(error::SYNTAX)?;
        let keys = context.keys().get(first - 1..).unwrap_or_default();
        for key in keys {
            context.read(*key);
        }
        let context = &*context;
        let inputs = keys.iter().map(|key| Input::open(context, *key)).collect::<Result<Vec<_>, _>>()?;
        let options = Options::read(args, first + 1 + count, count, operation, first > 1)?;
        let weighted = inputs.into_iter().enumerate();
        let sources = weighted.map(|(number, input)| Source { input, weight: options.weight(number) }).collect();
        Ok(Self { sources, options })
    }

    fn combine(mut self, operation: Operation, rules: &Rules) -> (Elements, Options<'a>) {
        let mut gathered = Gathered::new(rules);
        // The order of additions may matter to a sum of floats; it is that of Redis.
        if operation != Operation::Diff {
            self.sources.sort_by_key(|source| source.input.len());
        }
        let aggregate = self.options.aggregate;
        match (operation, self.sources.as_slice()) {
            (Operation::Union, sources) => {
                for Source { input, weight } in sources {
                    input.each(|member, score| gathered.add(member, number_or_zero(score * weight), aggregate));
                }
            }
            (Operation::Inter | Operation::Count, [first, others @ ..]) => first.input.each(|member, score| {
                let mut sum = number_or_zero(score * first.weight);
                for Source { input, weight } in others {
                    let Some(score) = input.score(member) else { return };
                    sum = aggregate.apply(sum, score * weight);
                }
                gathered.add(member, sum, aggregate);
            }),
            (Operation::Diff, [first, others @ ..]) => first.input.each(|member, score| {
                if others.iter().all(|other| other.input.score(member).is_none()) {
                    gathered.add(member, score, aggregate);
                }
            }),
            (_, []) => {}
        }
        (gathered.0, self.options)
    }

    /// How many members all have, up to the limit.
    fn count(mut self) -> u64 {
        self.sources.sort_by_key(|source| source.input.len());
        let limit = if self.options.limit == 0 { u64::MAX } else { self.options.limit };
        let [first, others @ ..] = self.sources.as_slice() else { return 0 };
        let mut count = 0;
        first.input.each(|member, _| {
            count += u64::from(count < limit && others.iter().all(|other| other.input.score(member).is_some()));
        });
        count
    }
}

fn show(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    operation: Operation,
    name: &str,
) -> Outcome {
    let rules = context.rules();
    let (members, options) = Request::read(context, args, 1, operation, name)?.combine(operation, rules);
    let tree = Tree::of(members);
    let view = ZsetView::Tree(&tree);
    super::write_members(view, 0..view.len(), false, options.with_scores, reply);
    Ok(Effect::none())
}

fn store(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    operation: Operation,
    name: &'static str,
) -> Outcome {
    let rules = context.rules();
    let (members, _) = Request::read(context, args, 2, operation, name)?.combine(operation, rules);
    super::store(context, Zset::of(members, rules), name, reply)
}

pub fn zdiff(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, Operation::Diff, "zdiff")
}

pub fn zdiffstore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(context, args, reply, Operation::Diff, "zdiffstore")
}

pub fn zinter(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, Operation::Inter, "zinter")
}

pub fn zintercard(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = Request::read(context, args, 1, Operation::Count, "zintercard")?.count();
    reply.integer(count as i64);
    Ok(Effect::none())
}

pub fn zinterstore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(context, args, reply, Operation::Inter, "zinterstore")
}

pub fn zunion(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    show(context, args, reply, Operation::Union, "zunion")
}

pub fn zunionstore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(context, args, reply, Operation::Union, "zunionstore")
}

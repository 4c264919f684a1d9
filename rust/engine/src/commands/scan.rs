//! Commands that walk through a database, or in steps through a collection: none of them stops the world.
//!
//! They visit shard after shard, and of a large shard a piece at a time ([`Keys::Each`]). What they tell is therefore no
//! picture of one moment: a key that is there from the first visit to the last is told exactly once, others once or not
//! at all. Inside EXEC every shard is held, and it is a picture.

mod elements;

use smallvec::SmallVec;

use crate::error::{self, Error};
use crate::glob;
use crate::handler::{Args, Categories, Context, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row};
use crate::keyspace::{Cursor, Db, Entry};
use crate::random::{Random, Xoshiro256};
use crate::resp::Reply;

const ONE_KEY: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]);
const STEP: Flags = Flags::READONLY.with(Flags::LINEAR);
const STEP_TIPS: &[&str] = &["nondeterministic_output"];
const STEP_COMPLEXITY: &str = "O(1) for a call, O(N) for a whole walk over N elements";

pub(super) const ROWS: &[Row] = &[
    Row::new("DBSIZE", 1, Group::Server, dbsize)
        .doc("Counts the keys of the database.", "O(1)")
        .keys(Keys::Each)
        .flags(Flags::READONLY.with(Flags::FAST))
        .categories(Categories::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    Row::new("HSCAN", -3, Group::Hash, elements::hscan)
        .since("2.8.0")
        .doc("Walks through the fields of a hash in steps.", STEP_COMPLEXITY)
        .keys(ONE_KEY)
        .flags(STEP)
        .tips(STEP_TIPS)
        .usage("key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES]"),
    Row::new("KEYS", 2, Group::Generic, keys)
        .doc("Lists all keys that match a pattern.", "O(N) for N keys in the database")
        .keys(Keys::Each)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .categories(Categories::DANGEROUS)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .usage("pattern:pattern"),
    Row::new("RANDOMKEY", 1, Group::Generic, randomkey)
        .doc("Picks some key of the database by chance.", "O(1)")
        .keys(Keys::Each)
        .flags(Flags::READONLY)
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"]),
    Row::new("SCAN", -2, Group::Generic, scan)
        .since("2.8.0")
        .doc("Walks through the keys of the database in steps.", "O(1) for a call, O(N) for a whole walk over N keys")
        .keys(Keys::Each)
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .usage("cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type:string@6.0.0]"),
    Row::new("SSCAN", -3, Group::Set, elements::sscan)
        .since("2.8.0")
        .doc("Walks through the members of a set in steps.", STEP_COMPLEXITY)
        .keys(ONE_KEY)
        .flags(STEP)
        .tips(STEP_TIPS)
        .usage("key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]"),
    Row::new("ZSCAN", -3, Group::SortedSet, elements::zscan)
        .since("2.8.0")
        .doc("Walks through the members of a sorted set in steps.", STEP_COMPLEXITY)
        .keys(ONE_KEY)
        .flags(STEP)
        .tips(STEP_TIPS)
        .usage("key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOSCORES]"),
];

/// Entries looked at under one lock. Matching a name takes about 50 ns, so a shard is held for some 50 µs.
const PIECE_ENTRIES: usize = 1024;
/// Ranges of the table, which may be empty, that are looked at under one lock.
const PIECE_RANGES: usize = 1024;
/// What SCAN's TYPE may name.
const TYPES: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];
/// COUNT if there is none.
const COUNT_DEFAULT: usize = 10;
/// Ranges of a table that a call looks at, for each element that it is asked for: many may be empty.
const RANGES_PER_ELEMENT: usize = 10;
/// How often RANDOMKEY draws before it takes the first key it finds: all may be expired.
const DRAWS_MAX: usize = 100;
/// Up to this size a shard's part of a database is counted through, so that every key is exactly as likely.
const COUNTED_MAX: usize = 32;
/// A bucket with fewer entries than this is drawn again in proportion, so that its entries are no likelier than others.
const BUCKET_FAIR: u64 = 16;

fn dbsize(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count: usize = lengths(context)?.iter().sum();
    reply.integer(count as i64);
    Ok(Effect::none())
}

fn keys(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let filter = Filter { pattern: Pattern::new(args.word(1)), type_name: None, now_ms: context.now_ms() };
    let mut names = Names::default();
    let mut next = Some(Cursor::START);
    while let Some(cursor) = next {
        let whole = Budget { entries: usize::MAX, ranges: usize::MAX };
        next = walk(context, cursor, whole, |entry| names.add(&filter, entry))?.next;
    }
    names.reply(reply);
    Ok(Effect::none())
}

fn randomkey(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match random_key(context)? {
        Some(key) => reply.bulk(&key),
        None => reply.null(),
    }
    Ok(Effect::none())
}

fn scan(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let number = cursor_number(args.word(1)).ok_or(error::INVALID_CURSOR)?;
    let Options { pattern, count, type_name, .. } = scan_options(args, 2, Walked::Keys)?;
    let filter = Filter { pattern, type_name, now_ms: context.now_ms() };
    let mut left = Budget { entries: count, ranges: count.saturating_mul(RANGES_PER_ELEMENT) };
    let mut names = Names::default();
    let mut next = Some(Cursor::from_number(number, context.store.keyspace.len()));
    while let Some(cursor) = next
        && !left.is_spent()
    {
        let step = walk(context, cursor, left, |entry| names.add(&filter, entry))?;
        left = left.without(step.used);
        next = step.next;
    }
    reply.array(2);
    let cursor = next.map_or(0, Cursor::number);
    reply.bulk_integer(cursor.cast_signed());
    names.reply(reply);
    Ok(Effect::none())
}

/// What a command walks through, which decides what options it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walked {
    Keys,
    Fields,
    Members,
    Scored,
}

/// Options behind the cursor.
struct Options<'a> {
    pattern: Pattern<'a>,
    count: usize,
    type_name: Option<&'a [u8]>,
    names_only: bool,
}

fn scan_options(args: Args<'_>, first: usize, walked: Walked) -> Result<Options<'_>, Error> {
    let mut options = Options { pattern: Pattern::All, count: COUNT_DEFAULT, type_name: None, names_only: false };
    let mut words = args.cursor(first);
    while !words.is_done() {
        if words.keyword("COUNT") {
            let number = words.integer()?;
            options.count = usize::try_from(number).ok().filter(|count| *count > 0).ok_or(error::SYNTAX)?;
        } else if words.keyword("MATCH") {
            options.pattern = Pattern::new(words.expect_word()?);
        } else if words.keyword("NOVALUES") {
            options.names_only = (walked == Walked::Fields).then_some(true).ok_or(error::NOVALUES_OUTSIDE_HSCAN)?;
        } else if words.keyword("NOSCORES") {
            options.names_only = (walked == Walked::Scored).then_some(true).ok_or(error::NOSCORES_OUTSIDE_ZSCAN)?;
        } else if walked == Walked::Keys && words.keyword("TYPE") {
            let name = words.expect_word()?;
            if !TYPES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
                return Err(Error::text(format!("ERR unknown type name '{}'", String::from_utf8_lossy(name))));
            }
            options.type_name = Some(name);
        } else {
            return Err(error::SYNTAX);
        }
    }
    Ok(options)
}

/// The number of a cursor as the C library reads one: a sign, digits, the end or a zero byte. No digits at all are zero, and
/// a negative number counts from the end of 64 bits.
fn cursor_number(word: &[u8]) -> Option<u64> {
    let text = word.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0);
    }
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text.strip_prefix(b"+").unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}

/// Which names a client wants to see.
#[derive(Clone, Copy)]
enum Pattern<'a> {
    /// All, the empty one included, which no pattern matches.
    All,
    Glob(&'a [u8]),
}

impl<'a> Pattern<'a> {
    const fn new(word: &'a [u8]) -> Self {
        if let [b'*'] = word { Self::All } else { Self::Glob(word) }
    }

    fn takes(self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Glob(pattern) => glob::matches(pattern, name, false),
        }
    }
}

/// Which entries a client wants to see.
#[derive(Clone, Copy)]
struct Filter<'a> {
    pattern: Pattern<'a>,
    type_name: Option<&'a [u8]>,
    now_ms: i64,
}

impl Filter<'_> {
    fn takes(&self, entry: &Entry<'_>) -> bool {
        !entry.is_expired(self.now_ms)
            && self.pattern.takes(entry.key())
            && self.type_name.is_none_or(|name| name.eq_ignore_ascii_case(entry.value().kind().name().as_bytes()))
    }
}

/// Names that were found, kept until all locks are released: only then is it certain that there will be a reply.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Names {
    fn add(&mut self, filter: &Filter<'_>, entry: &Entry<'_>) {
        if filter.takes(entry) {
            self.push(entry.key());
        }
    }

    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.lengths.push(name.len());
    }

    fn reply(&self, reply: &mut Reply<'_>) {
        reply.array(self.lengths.len());
        let mut rest = self.bytes.as_slice();
        for &length in &self.lengths {
            let (name, after) = rest.split_at(length);
            reply.bulk(name);
            rest = after;
        }
    }
}

/// How much a walk may look at, or has.
#[derive(Clone, Copy, Default)]
struct Budget {
    entries: usize,
    /// Ranges of the table's hashes; many may be empty.
    ranges: usize,
}

impl Budget {
    const fn is_spent(self) -> bool {
        self.entries == 0 || self.ranges == 0
    }

    const fn without(self, used: Self) -> Self {
        Self { entries: self.entries.saturating_sub(used.entries), ranges: self.ranges.saturating_sub(used.ranges) }
    }
}

/// One piece of a walk.
struct Step {
    next: Option<Cursor>,
    used: Budget,
}

/// Tells the entries behind a cursor, expired ones included, as many as one lock allows and `left` asks for.
fn walk(
    context: &mut Context<'_, '_>,
    cursor: Cursor,
    left: Budget,
    mut each: impl FnMut(&Entry<'_>),
) -> Result<Step, Error> {
    let (db, shards) = (context.db(), context.store.keyspace.len());
    let piece = Budget { entries: left.entries.min(PIECE_ENTRIES), ranges: left.ranges.min(PIECE_RANGES) };
    context.visit(cursor.shard, |shard, hasher| {
        let mut used = Budget::default();
        let mut next = Some(cursor.position);
        let part = shard.db(db);
        while let Some(position) = next
            && !piece.without(used).is_spent()
        {
            next = part.and_then(|part| {
                part.scan(hasher, position, |entry| {
                    used.entries += 1;
                    each(&entry);
                })
            });
            used.ranges += 1;
        }
        Step { next: cursor.after(next, shards), used }
    })
}

/// How many keys each shard has of the client's database.
fn lengths(context: &mut Context<'_, '_>) -> Result<SmallVec<[usize; 64]>, Error> {
    let db = context.db();
    (0..context.store.keyspace.len())
        .map(|shard| context.visit(shard, |shard, _| shard.db(db).map_or(0, Db::len)))
        .collect()
}

type Name = SmallVec<[u8; 64]>;

fn random_key(context: &mut Context<'_, '_>) -> Result<Option<Name>, Error> {
    let (db, now_ms) = (context.db(), context.now_ms());
    let lengths = lengths(context)?;
    let count: usize = lengths.iter().sum();
    if count == 0 {
        return Ok(None);
    }
    // A generator of its own, so that no lock is taken under a shard's.
    let mut random = Xoshiro256::from_seed(context.store.random().next_u64());
    for _ in 0..DRAWS_MAX {
        let shard = shard_at(&lengths, random.below(count as u64) as usize);
        let drawn = context.visit(shard, |shard, _| {
            let part = shard.db(db)?;
            draw(part, &mut random, |entry| (!entry.is_expired(now_ms)).then(|| Name::from(entry.key())))
        })?;
        if drawn.is_some() {
            return Ok(drawn);
        }
    }
    first_live_key(context)
}

/// The shard that holds the key with this number, counted through all shards.
fn shard_at(lengths: &[usize], mut number: usize) -> usize {
    for (shard, &length) in lengths.iter().enumerate() {
        if number < length {
            return shard;
        }
        number -= length;
    }
    lengths.len().saturating_sub(1)
}

/// Shows one entry, each as likely as the others, to `take`; `None` if there is none or `take` wants it not.
fn draw<T>(part: &Db, random: &mut impl Random, mut take: impl FnMut(&Entry<'_>) -> Option<T>) -> Option<T> {
    if part.len() <= COUNTED_MAX {
        let number = random.below(part.len() as u64) as usize;
        return part.iter().nth(number).and_then(|entry| take(&entry));
    }
    for _ in 0..DRAWS_MAX {
        let (position, wanted) = (random.next_u64(), random.below(BUCKET_FAIR));
        let (mut number, mut taken) = (0, None);
        part.sample(position, |entry| {
            if number == wanted {
                taken = take(&entry);
            }
            number += 1;
        });
        if number > wanted {
            return taken;
        }
    }
    None
}

/// For a database in which hardly any key is alive.
fn first_live_key(context: &mut Context<'_, '_>) -> Result<Option<Name>, Error> {
    let now_ms = context.now_ms();
    let mut next = Some(Cursor::START);
    while let Some(cursor) = next {
        let mut found = None;
        let whole = Budget { entries: usize::MAX, ranges: usize::MAX };
        let step = walk(context, cursor, whole, |entry| {
            if found.is_none() && !entry.is_expired(now_ms) {
                found = Some(Name::from(entry.key()));
            }
        })?;
        if found.is_some() {
            return Ok(found);
        }
        next = step.next;
    }
    Ok(None)
}

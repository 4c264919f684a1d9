//! Keys whatever their type, and whole databases.

use crate::config::{KeyspaceEvents, options};
use crate::error::{self, Error};
use crate::handler::subcommand::help;
use crate::handler::{
    Args, Categories, Context, Deadline, Dropped, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row,
};
use crate::keyspace::Key;
use crate::resp::Reply;
use crate::values::ValueRef;

const DELETE: Keys = Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::RM.with(KeyFlags::DELETE))]);
const LOOK: Keys = Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::RO)]);
const LOOK_AT_ONE: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RO)]);
const LOOK_AT_SECOND: Keys = Keys::Specs(&[KeySpec::one(2, KeyFlags::RO)]);
const SOURCE: KeySpec = KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE));
const SUMMED: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const ALL_SUCCEED: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const VARIES: &[&str] = &["nondeterministic_output"];
const WHOLE: Categories = Categories::KEYSPACE.with(Categories::DANGEROUS);
const FLUSH_USAGE: &str = "[flush-type:(ASYNC@4.0.0 | SYNC@6.2.0)]";

pub(super) const ROWS: &[Row] = &[
    Row::new("COPY", -3, Group::Generic, copy)
        .since("6.2.0")
        .doc("Copies a value to another key.", "O(N) for a collection of N items, O(1) for a string")
        .keys(Keys::Specs(&[
            KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS)),
            KeySpec::one(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
        ]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .usage("source:key destination:key [DB destination-db:integer] [REPLACE]"),
    Row::new("DEL", -2, Group::Generic, del)
        .doc("Deletes keys.", "O(N) for N keys")
        .keys(DELETE)
        .flags(Flags::WRITE)
        .tips(SUMMED)
        .usage("key:key..."),
    Row::new("EXISTS", -2, Group::Generic, exists)
        .doc("Counts how many of the given keys exist.", "O(N) for N keys")
        .keys(LOOK)
        .flags(Flags::READONLY.with(Flags::FAST))
        .tips(SUMMED)
        .usage("key:key..."),
    Row::new("FLUSHALL", -1, Group::Server, flushall)
        .doc("Deletes all keys of all databases.", "O(N) for N keys in all databases")
        .keys(Keys::All)
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .categories(WHOLE)
        .tips(ALL_SUCCEED)
        .usage(FLUSH_USAGE),
    Row::new("FLUSHDB", -1, Group::Server, flushdb)
        .doc("Deletes all keys of the database.", "O(N) for N keys in the database")
        .keys(Keys::All)
        .flags(Flags::WRITE.with(Flags::LINEAR))
        .categories(WHOLE)
        .tips(ALL_SUCCEED)
        .usage(FLUSH_USAGE),
    Row::new("MOVE", 3, Group::Generic, move_to)
        .doc("Moves a key to another database.", "O(1)")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key db:integer"),
    Row::container("OBJECT", Group::Generic, OBJECT)
        .since("2.2.3")
        .doc("Container of commands that look into values.", "Depends on subcommand."),
    Row::new("RENAME", 3, Group::Generic, rename)
        .doc("Renames a key; the target is overwritten.", "O(1)")
        .keys(Keys::Specs(&[SOURCE, KeySpec::one(2, KeyFlags::OW.with(KeyFlags::UPDATE))]))
        .flags(Flags::WRITE)
        .usage("key:key newkey:key"),
    Row::new("RENAMENX", 3, Group::Generic, renamenx)
        .doc("Renames a key if the target does not exist.", "O(1)")
        .keys(Keys::Specs(&[SOURCE, KeySpec::one(2, KeyFlags::OW.with(KeyFlags::INSERT))]))
        .flags(Flags::WRITE.with(Flags::FAST))
        .usage("key:key newkey:key"),
    Row::new("SWAPDB", 3, Group::Server, swapdb)
        .since("4.0.0")
        .doc("Exchanges two databases.", "O(N) for N clients that watch or wait for keys of the two databases")
        .keys(Keys::All)
        .flags(Flags::WRITE.with(Flags::FAST).with(Flags::LINEAR))
        .categories(WHOLE)
        .usage("index1:integer index2:integer"),
    Row::new("TOUCH", -2, Group::Generic, touch)
        .since("3.2.1")
        .doc("Marks keys as used and counts those that exist.", "O(N) for N keys")
        .keys(LOOK)
        .flags(Flags::READONLY.with(Flags::FAST))
        .tips(SUMMED)
        .usage("key:key..."),
    Row::new("TYPE", 2, Group::Generic, type_of)
        .doc("Tells the type of the value of a key.", "O(1)")
        .keys(LOOK_AT_ONE)
        .flags(Flags::READONLY.with(Flags::FAST))
        .usage("key:key"),
    Row::new("UNLINK", -2, Group::Generic, del)
        .since("4.0.0")
        .doc("Deletes keys and frees their memory in the background.", "O(N) for N keys; memory is freed later")
        .keys(DELETE)
        .flags(Flags::WRITE.with(Flags::FAST))
        .tips(SUMMED)
        .usage("key:key..."),
];

/// Subcommands of OBJECT.
const OBJECT: &[Row] = &[
    Row::new("ENCODING", 3, Group::Generic, object_encoding)
        .since("2.2.3")
        .doc("Tells in which internal form a value is stored.", "O(1)")
        .keys(LOOK_AT_SECOND)
        .flags(Flags::READONLY)
        .tips(VARIES)
        .usage("key:key"),
    Row::new("FREQ", 3, Group::Generic, object_freq)
        .since("4.0.0")
        .doc("Tells how often a key is used, as a logarithmic counter.", "O(1)")
        .keys(LOOK_AT_SECOND)
        .flags(Flags::READONLY)
        .tips(VARIES)
        .usage("key:key"),
    Row::new("HELP", 2, Group::Generic, object_help)
        .since("6.2.0")
        .doc("Lists the subcommands of OBJECT.", "O(1)")
        .flags(Flags::LOADING.with(Flags::STALE)),
    Row::new("IDLETIME", 3, Group::Generic, object_idletime)
        .since("2.2.3")
        .doc("Tells for how many seconds a key has not been used.", "O(1)")
        .keys(LOOK_AT_SECOND)
        .flags(Flags::READONLY)
        .tips(VARIES)
        .usage("key:key"),
    Row::new("REFCOUNT", 3, Group::Generic, object_refcount)
        .since("2.2.3")
        .doc("Tells how many references a value has.", "O(1)")
        .keys(LOOK_AT_SECOND)
        .flags(Flags::READONLY)
        .tips(VARIES)
        .usage("key:key"),
];

/// What OBJECT REFCOUNT says of the integers that Redis keeps one copy of.
const REFCOUNT_SHARED: i64 = i32::MAX as i64;
/// Redis shares the integers below this one.
const SHARED_INTEGERS: i64 = 10_000;

fn copy(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (mut db, mut replaces) = (context.db(), false);
    let mut words = args.cursor(3);
    while !words.is_done() {
        if words.keyword("REPLACE") {
            replaces = true;
        } else if words.keyword("DB") {
            db = context.db_index(words.expect_word()?)?;
        } else {
            return Err(error::SYNTAX);
        }
    }
    let (from, to) = (context.key(0), context.key(1));
    if db == context.db() && from.bytes() == to.bytes() {
        return Err(error::SAME_OBJECT);
    }
    let source = context.read(from).map(|entry| entry.copied());
    let source = source.filter(|_| context.open_in(db, to).is_none() || replaces);
    reply.integer(i64::from(source.is_some()));
    let Some(source) = source else { return Ok(Effect::none()) };
    let deadline = source.deadline_ms.map_or(Deadline::Clear, Deadline::At);
    context.put_in(db, to, source.value(), deadline);
    context.tell_new(db, to);
    Ok(Effect::changed().event_in(db, KeyspaceEvents::GENERIC, "copy_to", 1))
}

fn del(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut effect = Effect::none();
    for (number, key) in context.keys().iter().enumerate() {
        if context.remove(*key) {
            effect = effect.event(KeyspaceEvents::GENERIC, "del", number);
        }
    }
    let count = effect.events.len();
    reply.integer(count as i64);
    if count > 0 {
        effect.log = Effect::changed().log;
    }
    Ok(effect)
}

fn exists(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = context.keys().iter().filter(|key| context.inspect(**key).is_some()).count();
    reply.integer(count as i64);
    Ok(Effect::none())
}

fn flushall(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let dropped = flush_type(args)?;
    for db in 0..context.store.settings.databases() {
        context.clear(db, dropped);
    }
    context.save_after();
    reply.ok();
    Ok(Effect::changed())
}

fn flushdb(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let dropped = flush_type(args)?;
    context.clear(context.db(), dropped);
    reply.ok();
    Ok(Effect::changed())
}

/// Without a word memory is freed in the background, as `lazyfree-lazy-user-flush` asks by default.
fn flush_type(args: Args<'_>) -> Result<Dropped, Error> {
    match args.from(1) {
        [] => Ok(Dropped::InBackground),
        [word] if word.eq_ignore_ascii_case(b"ASYNC") => Ok(Dropped::InBackground),
        [word] if word.eq_ignore_ascii_case(b"SYNC") => Ok(Dropped::ByCaller),
        _ => Err(error::SYNTAX),
    }
}

fn move_to(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = (context.db(), context.db_index(args.word(2))?);
    if from == to {
        return Err(error::SAME_OBJECT);
    }
    let key = context.key(0);
    let moves = context.open_in(from, key).is_some() && context.open_in(to, key).is_none();
    let value = if moves { context.detach_in(from, key) } else { None };
    reply.integer(i64::from(value.is_some()));
    let Some(value) = value else { return Ok(Effect::none()) };
    context.attach_in(to, key, &value);
    let effect = Effect::changed().event(KeyspaceEvents::GENERIC, "move_from", 0);
    Ok(effect.event_in(to, KeyspaceEvents::GENERIC, "move_to", 0))
}

fn rename(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let effect = rename_key(context, true)?;
    reply.ok();
    Ok(effect.unwrap_or_default())
}

fn renamenx(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let effect = rename_key(context, false)?;
    reply.integer(i64::from(effect.is_some()));
    Ok(effect.unwrap_or_default())
}

/// `None` if both keys are the same, or the new one exists and must not be overwritten.
fn rename_key(context: &mut Context<'_, '_>, overwrites: bool) -> Result<Option<Effect>, Error> {
    let (from, to) = (context.key(0), context.key(1));
    if context.open(from).is_none() {
        return Err(error::NO_SUCH_KEY);
    }
    let is_taken = context.open(to).is_some();
    if from.bytes() == to.bytes() || (is_taken && !overwrites) {
        return Ok(None);
    }
    let db = context.db();
    let value = context.detach_in(db, from).ok_or(error::NO_SUCH_KEY)?;
    context.attach_in(db, to, &value);
    let effect = Effect::changed().event(KeyspaceEvents::GENERIC, "rename_from", 0);
    Ok(Some(effect.event(KeyspaceEvents::GENERIC, "rename_to", 1)))
}

fn swapdb(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // Both words are read before either is looked up.
    let first = context.db_index(args.word(1));
    let second = context.db_index(args.word(2));
    let one = swapped(first, error::FIRST_DB_INDEX)?;
    let other = swapped(second, error::SECOND_DB_INDEX)?;
    let (Some(one), Some(other)) = (one, other) else { return Err(error::DB_INDEX_RANGE) };
    if one != other {
        context.swap_databases(one, other);
    }
    reply.ok();
    Ok(Effect::changed())
}

/// `None` for a number that names no database; an error for what is no number.
fn swapped(index: Result<usize, Error>, no_number: Error) -> Result<Option<usize>, Error> {
    match index {
        Ok(index) => Ok(Some(index)),
        Err(error) if error == error::DB_INDEX_RANGE => Ok(None),
        Err(_) => Err(no_number),
    }
}

fn touch(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = context.keys().iter().filter(|key| context.touch(**key)).count();
    reply.integer(count as i64);
    Ok(Effect::none())
}

fn type_of(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let name = context.inspect(context.key(0)).map(|entry| entry.value().kind().name());
    reply.simple(name.unwrap_or("none"));
    Ok(Effect::none())
}

fn object_encoding(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match context.examine(context.key(0)).map(|entry| entry.encoding()) {
        Some(name) => reply.bulk(name.as_bytes()),
        None => reply.null(),
    }
    Ok(Effect::none())
}

/// Answers what `time` makes of a key's access clock, if that is what the policy keeps there.
fn tell_clock(context: &mut Context<'_, '_>, reply: &mut Reply<'_>, wants_frequency: bool, refused: Error) -> Outcome {
    let now = context.store.settings.access_clock(context.now_ms());
    let key: Key<'_> = context.key(0);
    let Some(clock) = context.examine(key).map(|entry| entry.clock()) else {
        reply.null();
        return Ok(Effect::none());
    };
    if context.store.settings.counts_frequency() != wants_frequency {
        return Err(refused);
    }
    reply.integer(if wants_frequency { now.frequency(clock) } else { now.idle_s(clock) }.into());
    Ok(Effect::none())
}

fn object_freq(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell_clock(context, reply, true, error::LFU_NOT_SELECTED)
}

fn object_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    const LINES: &[&str] = &[
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
    ];
    help("OBJECT", LINES, reply);
    Ok(Effect::none())
}

fn object_idletime(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell_clock(context, reply, false, error::LFU_SELECTED)
}

fn object_refcount(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_small = |value: ValueRef<'_>| matches!(value, ValueRef::Integer(0..SHARED_INTEGERS));
    match context.examine(context.key(0)).map(|entry| is_small(entry.value())) {
        Some(is_small) if is_small && shares_integers(context) => reply.integer(REFCOUNT_SHARED),
        Some(_) => reply.integer(1),
        None => reply.null(),
    }
    Ok(Effect::none())
}

/// Eviction by use needs an access clock of its own for every value, so that none can be shared.
fn shares_integers(context: &Context<'_, '_>) -> bool {
    let config = context.store.config();
    let policy = config.get(options::MAXMEMORY_POLICY);
    context.store.settings.maxmemory() == 0 || !(policy.contains("lru") || policy.contains("lfu"))
}

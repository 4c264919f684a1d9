//! Values outside of the store: DUMP and RESTORE.

use crate::config::{KeyspaceEvents, options};
use crate::error;
use crate::handler::{
    Args, Categories, Context, Cursor, Deadline, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row,
};
use crate::number::{Decimal, parse_i64};
use crate::rdb::{self, Fault, RdbError, RestoreError};
use crate::resp::Reply;

const TARGET: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))]);
const RESTORE_USAGE: &str = "key:key ttl:integer serialized-value:string [REPLACE@3.0.0] [ABSTTL@5.0.0] \
                             [IDLETIME seconds:integer@5.0.0] [FREQ frequency:integer@5.0.0]";

pub(super) const ROWS: &[Row] = &[
    Row::new("DUMP", 2, Group::Generic, dump)
        .since("2.6.0")
        .doc("Gives a value in a form that RESTORE takes, here or on another server.", "O(N) for a value of N bytes")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::LINEAR))
        .tips(&["nondeterministic_output"])
        .usage("key:key"),
    Row::new("RESTORE", -4, Group::Generic, restore)
        .since("2.6.0")
        .doc("Stores a value that DUMP gave.", "O(N) for a value of N bytes, O(N*log(N)) for a sorted set of N members")
        .keys(TARGET)
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .categories(Categories::KEYSPACE.with(Categories::DANGEROUS))
        .usage(RESTORE_USAGE),
];

fn dump(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let compress = context.store.config().get(options::RDBCOMPRESSION);
    match context.read(context.key(0)) {
        Some(entry) => reply.bulk(&rdb::dump(entry.value(), compress)),
        None => reply.null(),
    }
    Ok(Effect::none())
}

/// What RESTORE was told besides key, time and value.
#[derive(Default)]
struct Options {
    replace: bool,
    is_absolute: bool,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn read(mut words: Cursor<'_>) -> Result<Self, error::Error> {
        let mut options = Self::default();
        while !words.is_done() {
            let word = words.expect_word()?;
            if word.eq_ignore_ascii_case(b"REPLACE") {
                options.replace = true;
            } else if word.eq_ignore_ascii_case(b"ABSTTL") {
                options.is_absolute = true;
            } else if word.eq_ignore_ascii_case(b"IDLETIME") && options.frequency.is_none() {
                let seconds = parse_i64(words.expect_word()?).ok_or(error::NOT_INTEGER)?;
                options.idle_s = Some(u64::try_from(seconds).map_err(|_| error::IDLETIME_NEGATIVE)?);
            } else if word.eq_ignore_ascii_case(b"FREQ") && options.idle_s.is_none() {
                let frequency = parse_i64(words.expect_word()?).ok_or(error::NOT_INTEGER)?;
                options.frequency = Some(u8::try_from(frequency).map_err(|_| error::FREQ_RANGE)?);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// What is wrong with a payload, in the words in which Redis logs it.
fn complaint(payload: &[u8], error: &RdbError) -> String {
    let part = payload.first().map_or("Value", |kind| rdb::encoding_name(*kind));
    match error.what {
        Fault::Invalid(rdb::ELEMENT_TWICE) => format!("{part} integrity check failed: {part} with dup elements"),
        Fault::Invalid(rdb::CONSUMER_TWICE) => "Duplicate stream consumer detected".to_owned(),
        _ => format!("{part} integrity check failed: {error}"),
    }
}

fn restore(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::read(args.cursor(4))?;
    let key = context.key(0);
    let is_there = context.open(key).is_some();
    if is_there && !options.replace {
        return Err(error::BUSY_KEY);
    }
    let time_ms = args.integer(2)?;
    if time_ms < 0 {
        return Err(error::TTL_NEGATIVE);
    }
    let restored =
        rdb::restore(args.word(3), context.rules(), context.now_ms(), context.store.settings.ignores_checksums())
            .map_err(|refused| match refused {
                RestoreError::Frame => error::DUMP_PAYLOAD,
                RestoreError::Value(error) => {
                    log::warn!("RESTORE: {}", complaint(args.word(3), &error));
                    error::BAD_DATA_FORMAT
                }
            })?;
    let deadline_ms = match time_ms {
        0 => None,
        _ if options.is_absolute => Some(time_ms),
        _ => Some(time_ms.saturating_add(context.now_ms())),
    };
    reply.ok();
    if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= context.now_ms()) {
        if !is_there {
            return Ok(Effect::none());
        }
        context.remove(key);
        return Ok(Effect::instead([b"DEL", key.bytes()]).event(KeyspaceEvents::GENERIC, "del", 0));
    }
    let deadline = deadline_ms.map_or(Deadline::Clear, Deadline::At);
    context.put_told(key, restored.value(), deadline, options.idle_s, options.frequency);
    let effect = match deadline_ms {
        Some(deadline_ms) if !options.is_absolute && context.is_logged() => {
            let deadline = Decimal::from(deadline_ms);
            let words = args.words().iter().enumerate();
            let words = words.map(|(index, word)| if index == 2 { deadline.as_bytes() } else { word });
            Effect::instead_all(vec![words.chain([b"ABSTTL".as_slice()]).map(Box::from).collect()])
        }
        _ => Effect::changed(),
    };
    Ok(effect.event(KeyspaceEvents::GENERIC, "restore", 0))
}

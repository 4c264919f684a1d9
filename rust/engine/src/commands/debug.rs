//! DEBUG: for tests of servers and clients. Only where `enable-debug-command` allows it.

mod populate;

use std::time::Duration;

use crate::config::{self, Written};
use crate::error::{self, Error};
use crate::handler::{AccessClock, Args, Context, Dropped, Effect, Flags, Group, Keys, Row, subcommand};
use crate::keyspace::{Db, Entry};
use crate::number;
use crate::persist::{self, Dataset, aof};
use crate::resp::Reply;
use crate::values::ValueRef;
use crate::values::digest::Digest;
use crate::values::string::StringRef;

/// What a server ends with whose data cannot be loaded.
const DATA_DAMAGED: u8 = 65;

pub(super) const ROWS: &[Row] = &[Row::new("DEBUG", -2, Group::Server, debug)
    .doc("Container of commands for tests of the server.", "Depends on subcommand.")
    .keys(Keys::Each)
    .flags(
        Flags::ADMIN
            .with(Flags::NOSCRIPT)
            .with(Flags::LOADING)
            .with(Flags::STALE)
            .with(Flags::PROTECTED)
            .with(Flags::LINEAR),
    )];

fn debug(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Effect, Error> {
    let words = args.from(2);
    let name = args.word(1).to_ascii_uppercase();
    if (name.as_slice(), words) == (b"LOADAOF", &[]) {
        load_log(context, reply)?;
        return Ok(Effect::none());
    }
    context.lock_all()?;
    match (name.as_slice(), words) {
        (b"AOF-FLUSH-SLEEP", [us]) => {
            context.store.persist.log.delay_writes(u64::try_from(leading_integer(us)).unwrap_or(0));
            reply.ok();
        }
        (b"ASSERT", []) => panic!("ASSERTION FAILED: DEBUG ASSERT"),
        (b"CONFIG-REWRITE-FORCE-ALL", []) => {
            context.store.rewrite_config(Written::All)?;
            reply.ok();
        }
        (b"HELP", []) => help(reply),
        (b"DIGEST", []) => reply.simple(&digest(context).hex()),
        (b"DIGEST-VALUE", keys) => digest_values(context, keys, reply)?,
        (b"ERROR", [text]) => reply.error(&Error::text(String::from_utf8_lossy(text))),
        (b"LOG", [text]) => {
            log::warn!("DEBUG LOG: {}", String::from_utf8_lossy(text).escape_debug());
            reply.ok();
        }
        (b"KILL-CHILD", []) => {
            context.store.persist.kill().then_some(()).ok_or(error::NOTHING_TO_KILL)?;
            reply.ok();
        }
        (b"OBJECT", [key]) => object(context, key, false, reply)?,
        (b"OBJECT", [key, how]) => object(context, key, how.eq_ignore_ascii_case(b"fast"), reply)?,
        (b"PANIC", []) => panic!("DEBUG PANIC"),
        (b"POPULATE", [_] | [_, _] | [_, _, _]) => {
            populate::populate(context, words)?;
            reply.ok();
        }
        (b"PROTOCOL", [kind]) => protocol(kind, reply)?,
        (b"QUICKLIST-PACKED-THRESHOLD", [size]) => packed_threshold(size, reply)?,
        (b"RELOAD", words) => {
            reload(context, words)?;
            reply.ok();
        }
        (b"SET-ACTIVE-EXPIRE", [switch]) => {
            context.store.settings.set_active_expire(leading_integer(switch) != 0);
            context.store.expiry.wake();
            reply.ok();
        }
        (b"SET-SKIP-CHECKSUM-VALIDATION", [switch]) => {
            context.store.settings.set_ignores_checksums(leading_integer(switch) != 0);
            reply.ok();
        }
        (b"REPLYBUFFER", [what, how]) => reply_buffer(args, what, how, reply)?,
        // There are no scripts that could be denied anything, and no work is done at regular times.
        (b"SET-DISABLE-DENY-SCRIPTS" | b"PAUSE-CRON", [_]) => reply.ok(),
        (b"SLEEP", [seconds]) => {
            let seconds = number::parse_f64(seconds).unwrap_or(0.0).max(0.0);
            std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
            reply.ok();
        }
        _ => return Err(subcommand::unknown_or_arity(args)),
    }
    Ok(Effect::none())
}

fn help(reply: &mut Reply<'_>) {
    let lines = [
        "AOF-FLUSH-SLEEP <microsec>",
        "    Wait so long before each write to the append only file.",
        "ASSERT",
        "    Let a command fail by a bug, which stops the server.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    Like CONFIG REWRITE, but all options are written, those with their defaults, too.",
        "DIGEST",
        "    Tell a digest of all keys of all databases, equal to that of Redis 7.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Tell a digest of the value of each key.",
        "ERROR <string>",
        "    Reply with an error of this text.",
        "KILL-CHILD",
        "    Let the snapshot or rewrite in the background fail, as if its process had been killed.",
        "LOADAOF",
        "    Write all to the append only file, remove all keys, and load it, while nobody else does anything.",
        "LOG <message>",
        "    Write a message to the log of the server.",
        "OBJECT <key> [fast]",
        "    Tell how a value is stored; 'fast' leaves out its serialized length.",
        "PANIC",
        "    Let a command fail by a bug, which stops the server.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make <count> strings named <prefix>:<number>, or key:<number>, that are not there, of <size> bytes.",
        "    They are not logged.",
        "PROTOCOL <type>",
        "    Reply with a value of this type: string, integer, double, bignum, null,",
        "    array, set, map, attrib, push, verbatim, true, false.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Without effect, as list-max-listpack-size alone says how elements lie.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save a snapshot, remove all keys, and load it, while nobody else does anything.",
        "    With MERGE, keys that are there already are replaced.",
        "PAUSE-CRON <0|1>",
        "    Without effect, as no work is done at regular times.",
        "REPLYBUFFER <subcommand> <value>",
        "    Without effect, as buffers are as large as what they hold.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    With 0, keys whose time is over are deleted only when they are written to.",
        "SET-DISABLE-DENY-SCRIPTS <0|1>",
        "    Without effect, as there are no scripts.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    With 1, RESTORE takes payloads whose checksum is wrong.",
        "SLEEP <seconds>",
        "    Stop the store for so long. Decimals allowed.",
    ];
    subcommand::help("DEBUG", &lines, reply);
}

/// Loads the append only file anew. What it holds is the business of `persist`; here everybody else is kept away meanwhile.
fn load_log(context: &mut Context<'_, '_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if context.locks().mask() != 0 {
        // Nobody may wait for the log who holds shards: its writer waits for those.
        return Err(error::LOADAOF_IN_TRANSACTION);
    }
    let store = context.store;
    if store.persist.files().is_none() {
        return Err(error::NO_DIRECTORY);
    }
    let mut paused = store.persist.log.pause();
    context.lock_all()?;
    paused.write(store);
    let found = aof::find(store).map_err(|error| {
        log::warn!("DEBUG LOADAOF: {error}");
        error::LOADAOF_FAILED
    })?;
    let manifest = found.ok_or(error::NO_LOG)?;
    (0..store.settings.databases()).for_each(|db| context.clear(db, Dropped::InBackground));
    let door = context.door;
    if let Err(error) = door.reload_log(store, &manifest, context.locks()) {
        // What is stored now is what no file holds.
        log::error!("DEBUG LOADAOF: {error}");
        store.give_up(DATA_DAMAGED);
        return Err(error::LOADAOF_FAILED);
    }
    reply.ok();
    Ok(())
}

/// Reads what it could not change: buffers are as large as what they hold.
fn reply_buffer(args: Args<'_>, what: &[u8], how: &[u8], reply: &mut Reply<'_>) -> Result<(), Error> {
    match what.to_ascii_uppercase().as_slice() {
        b"PEAK-RESET-TIME" if [&b"never"[..], b"reset"].iter().any(|word| how.eq_ignore_ascii_case(word)) => {}
        b"PEAK-RESET-TIME" => _ = number::parse_i64(how).ok_or(error::NOT_INTEGER)?,
        b"RESIZING" => {}
        _ => return Err(subcommand::unknown_or_arity(args)),
    }
    reply.ok();
    Ok(())
}

fn reload(context: &mut Context<'_, '_>, words: &[&[u8]]) -> Result<(), Error> {
    let (mut merges, mut flushes, mut saves) = (false, true, true);
    for word in words {
        match word.to_ascii_uppercase().as_slice() {
            b"MERGE" => merges = true,
            b"NOFLUSH" => flushes = false,
            b"NOSAVE" => saves = false,
            _ => return Err(error::RELOAD_OPTIONS),
        }
    }
    let store = context.store;
    if store.persist.files().is_none() {
        return Err(error::NO_DIRECTORY);
    }
    if saves && let Err(error) = persist::save_locked(store, context.locks()) {
        log::warn!("Error saving DB on disk: {error}");
        return Err(error::SAVE_FAILED);
    }
    if flushes {
        (0..store.settings.databases()).for_each(|db| context.clear(db, Dropped::InBackground));
    }
    if let Err(error) = persist::reload(store, context.locks(), merges) {
        log::warn!("Error loading DB from disk: {error}");
        return Err(error::RELOAD_FAILED);
    }
    Ok(())
}

/// The number with which a word begins, as C's `atoi` reads it: 0 without one.
fn leading_integer(word: &[u8]) -> i64 {
    let digits = word.iter().skip(usize::from(word.starts_with(b"-"))).take_while(|byte| byte.is_ascii_digit());
    let length = digits.count() + usize::from(word.starts_with(b"-"));
    let text = word.get(..length).and_then(|text| std::str::from_utf8(text).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn digest(context: &Context<'_, '_>) -> Digest {
    let now_ms = context.now_ms();
    let mut all = Digest::default();
    for db in 0..context.store.settings.databases() {
        let entries = || context.parts(db).flat_map(Db::iter).filter(|entry| !entry.is_expired(now_ms));
        if entries().next().is_none() {
            continue;
        }
        all.mix(&(db as u32).to_be_bytes());
        for entry in entries() {
            let mut one = Digest::default();
            one.mix(entry.key());
            one.mix_value(&entry.value(), entry.deadline_ms().is_some());
            all.add_digest(&one);
        }
    }
    all
}

fn digest_values(context: &Context<'_, '_>, keys: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), Error> {
    let keys = keys.iter().map(|key| context.undeclared(key)).collect::<Result<Vec<_>, _>>()?;
    reply.array(keys.len());
    for key in keys {
        let mut digest = Digest::default();
        if let Some(entry) = context.peek(key) {
            digest.mix_value(&entry.value(), entry.deadline_ms().is_some());
        }
        reply.simple(&digest.hex());
    }
    Ok(())
}

fn object(context: &Context<'_, '_>, key: &[u8], is_fast: bool, reply: &mut Reply<'_>) -> Result<(), Error> {
    let entry = context.peek(context.undeclared(key)?).ok_or(error::NO_SUCH_KEY)?;
    let AccessTime { lru, idle_s } = AccessTime::of(&entry, context.store.settings.access_clock(context.now_ms()));
    // Where a value lies is nobody's business; the field is there for those who read the others by their place.
    let encoding = entry.value().encoding(entry.is_raw());
    let length = if is_fast { String::new() } else { format!(" serializedlength:{}", serialized_len(&entry.value())) };
    reply.simple(&format!("Value at:0x0 refcount:1 encoding:{encoding}{length} lru:{lru} lru_seconds_idle:{idle_s}"));
    Ok(())
}

/// Reads the size from which on Redis gives an element of a list a node of its own. Here nothing depends on it.
fn packed_threshold(size: &[u8], reply: &mut Reply<'_>) -> Result<(), Error> {
    // Redis keeps a mebibyte for what surrounds an element, as a packed list is shorter than 4 GiB.
    const BYTES_MAX: u64 = (1 << 32) - (1 << 20);
    match config::memory_bytes(size) {
        Some(0..=BYTES_MAX) => reply.ok(),
        _ => return Err(error::PACKED_THRESHOLD),
    }
    Ok(())
}

struct AccessTime {
    lru: u32,
    idle_s: u32,
}

impl AccessTime {
    fn of(entry: &Entry<'_>, clock: AccessClock) -> Self {
        Self { lru: entry.clock(), idle_s: clock.idle_s(entry.clock()) }
    }
}

/// Bytes of a value in a dump, uncompressed.
fn serialized_len(value: &ValueRef<'_>) -> usize {
    match StringRef::of(*value) {
        Ok(StringRef::Integer(-0x80..=0x7F)) => 2,
        Ok(StringRef::Integer(-0x8000..=0x7FFF)) => 3,
        Ok(StringRef::Integer(-0x8000_0000..=0x7FFF_FFFF)) => 5,
        Ok(string) => prefixed_len(string.len()),
        Err(_) => {
            let mut len = 0;
            value.each(&mut |element| {
                let payload = if element.payload.is_empty() { 0 } else { prefixed_len(element.payload.len()) };
                len += prefixed_len(element.name.len()) + payload;
            });
            len
        }
    }
}

/// Bytes of so many bytes in a dump, with their length.
const fn prefixed_len(len: usize) -> usize {
    let prefix = match len {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        _ => 5,
    };
    prefix + len
}

fn protocol(kind: &[u8], reply: &mut Reply<'_>) -> Result<(), Error> {
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        // Not meant as a value of π.
        #[expect(clippy::approx_constant)]
        b"double" => reply.double(3.141),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.resp3() {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !reply.resp3() => return Err(Error::fixed("ERR RESP2 is not supported by this command")),
        b"push" => {
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(Error::fixed(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_as_c_reads_them() {
        for (word, number) in [("1", 1), ("0", 0), ("abc", 0), ("2x", 2), ("-1", -1), ("", 0), ("-", 0), ("1e3", 1)] {
            assert_eq!(leading_integer(word.as_bytes()), number, "{word}");
        }
    }
}

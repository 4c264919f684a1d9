//! `HyperLogLog`: counts of different elements.

use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::handler::{Args, Context, Effect, Flags, Group, KeyAt, KeyFlags, KeySpec, Keys, KeysFound, Outcome, Row};
use crate::keyspace::{Key, Rewrite};
use crate::resp::Reply;
use crate::values::sketch::{self, Corrupted, Encoding, Registers};
use crate::values::string::StringRef;

pub(super) const ROWS: &[Row] = &[
    Row::new("PFADD", -2, Group::Hyperloglog, pfadd)
        .since("2.8.9")
        .doc("Adds elements to a HyperLogLog and tells whether its count may have changed.", "O(1) for each element")
        .keys(Keys::Specs(&[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST))
        .usage("key:key [element:string...]"),
    Row::new("PFCOUNT", -2, Group::Hyperloglog, pfcount)
        .since("2.8.9")
        .doc(
            "Estimates how many different elements were added to HyperLogLogs.",
            "O(1) for one key, which keeps its count; O(N) for N keys",
        )
        .keys(Keys::Specs(&[KeySpec::range(1, -1, 1, KeyFlags::RW.with(KeyFlags::ACCESS))]))
        .flags(Flags::READONLY.with(Flags::MAY_REPLICATE).with(Flags::LINEAR))
        .usage("key:key..."),
    Row::new("PFDEBUG", 3, Group::Hyperloglog, pfdebug)
        .since("2.8.9")
        .doc("Shows the inside of a HyperLogLog.", "N/A")
        .keys(Keys::Specs(&[KeySpec::one(2, KeyFlags::RW.with(KeyFlags::ACCESS))]))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::ADMIN))
        .usage("subcommand:string key:key"),
    Row::new("PFMERGE", -2, Group::Hyperloglog, pfmerge)
        .since("2.8.9")
        .doc("Adds to a HyperLogLog all that others have seen.", "O(N) for N keys")
        .keys(Keys::Computed(
            &[KeySpec::one(1, MERGED), KeySpec::range(2, -1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))],
            pfmerge_keys,
        ))
        .flags(Flags::WRITE.with(Flags::DENYOOM).with(Flags::LINEAR))
        .usage("destkey:key [sourcekey:key...]"),
    Row::new("PFSELFTEST", 1, Group::Hyperloglog, pfselftest)
        .since("2.8.9")
        .doc("Tests that HyperLogLogs count well.", "N/A")
        .flags(Flags::ADMIN),
];

/// What PFMERGE does to its first key.
const MERGED: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::INSERT);

/// All words are keys. The specifications do not say so, as the second begins where there may be no word.
fn pfmerge_keys(args: Args<'_>) -> KeysFound {
    let sources = (2..args.len()).map(|index| KeyAt { index, flags: KeyFlags::RO.with(KeyFlags::ACCESS) });
    let positions = std::iter::once(KeyAt { index: 1, flags: MERGED }).chain(sources).collect();
    KeysFound { positions, is_all: false }
}

/// A sketch contradicts itself.
fn corrupted(_: Corrupted) -> Error {
    error::SKETCH_CORRUPTED
}

/// How many bytes a sparse sketch may have.
fn sparse_bytes_max(context: &Context<'_, '_>) -> usize {
    usize::try_from(context.rules().sketch_sparse_bytes_max()).unwrap_or_default()
}

fn pfadd(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let bytes_max = sparse_bytes_max(context);
    let edited = context.edit_string(context.key(0), |bytes, is_there| {
        if !is_there {
            sketch::begin(bytes);
        } else if sketch::encoding(bytes).is_none() {
            return (Err(error::NO_SKETCH), Rewrite::Refused);
        }
        let (mut has_changed, mut result) = (!is_there, Ok(()));
        for element in args.from(2) {
            let Ok(changed) = sketch::add(bytes, element, bytes_max) else {
                result = Err(error::SKETCH_CORRUPTED);
                break;
            };
            has_changed |= changed;
        }
        if has_changed {
            sketch::forget_count(bytes);
        }
        (result, Rewrite::of(has_changed))
    })?;
    let effect =
        if edited.changed { Effect::changed().event(KeyspaceEvents::STRING, "pfadd", 0) } else { Effect::none() };
    match edited.result {
        Ok(()) => reply.integer(i64::from(edited.changed)),
        // Elements before the one that met the contradiction are in, here and wherever the words are run again.
        Err(error) if edited.changed => reply.error(&error),
        Err(error) => return Err(error),
    }
    Ok(effect)
}

fn pfcount(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if context.keys().len() > 1 {
        let (registers, _) = merged(context)?;
        reply.integer(registers.count() as i64);
        return Ok(Effect::none());
    }
    let key = context.key(0);
    let Some(entry) = context.read(key) else {
        reply.integer(0);
        return Ok(Effect::none());
    };
    let text = StringRef::of(entry.value())?.text();
    sketch::encoding(&text).ok_or(error::NO_SKETCH)?;
    if let Some(count) = sketch::cached_count(&text) {
        reply.integer(count as i64);
        return Ok(Effect::none());
    }
    let count = sketch::count(&text).map_err(corrupted)?;
    context.edit_string(key, |bytes, _| (sketch::cache_count(bytes, count), Rewrite::Changed))?;
    reply.integer(count as i64);
    // The count is kept inside of the string, which copies of it should have, too.
    Ok(Effect::changed())
}

/// The registers of the sketches under all keys of the plan, and whether one of them is dense.
fn merged(context: &mut Context<'_, '_>) -> Result<(Registers, bool), Error> {
    let (mut registers, mut is_dense) = (Registers::default(), false);
    for key in context.keys() {
        let Some(entry) = context.read(*key) else { continue };
        let text = StringRef::of(entry.value())?.text();
        is_dense |= sketch::encoding(&text).ok_or(error::NO_SKETCH)? == Encoding::Dense;
        registers.merge(&text).map_err(corrupted)?;
    }
    Ok((registers, is_dense))
}

fn pfdebug(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, mut words) = (context.key(0), args.cursor(1));
    let is_sparse = is_sparse(context, key)?;
    if words.keyword("GETREG") {
        let effect = make_dense(context, key, is_sparse)?;
        let (registers, _) = merged(context)?;
        reply.array(sketch::REGISTERS);
        registers.iter().for_each(|rank| reply.integer(i64::from(rank)));
        return Ok(effect);
    }
    if words.keyword("TODENSE") {
        let effect = make_dense(context, key, is_sparse)?;
        reply.integer(i64::from(is_sparse));
        return Ok(effect);
    }
    if words.keyword("ENCODING") {
        reply.simple(if is_sparse { Encoding::Sparse } else { Encoding::Dense }.name());
    } else if !words.keyword("DECODE") {
        let name = String::from_utf8_lossy(args.word(1));
        return Err(Error::text(format!("ERR Unknown PFDEBUG subcommand '{name}'")));
    } else if !is_sparse {
        return Err(error::SKETCH_NOT_SPARSE);
    } else {
        let text = context.peek(key).and_then(|entry| StringRef::of(entry.value()).ok());
        reply.bulk(text.map(|text| sketch::runs_text(&text.text())).unwrap_or_default().as_bytes());
    }
    Ok(Effect::none())
}

/// Whether the sketch under a key is sparse.
fn is_sparse<'a>(context: &mut Context<'a, '_>, key: Key<'a>) -> Result<bool, Error> {
    let entry = context.open(key).ok_or(error::SKETCH_ABSENT)?;
    let encoding = sketch::encoding(&StringRef::of(entry.value())?.text()).ok_or(error::NO_SKETCH)?;
    Ok(encoding == Encoding::Sparse)
}

fn make_dense<'a>(context: &mut Context<'a, '_>, key: Key<'a>, is_sparse: bool) -> Outcome {
    if !is_sparse {
        return Ok(Effect::none());
    }
    let edited = context.edit_string(key, |bytes, _| match sketch::make_dense(bytes) {
        Ok(changed) => (Ok(()), Rewrite::of(changed)),
        Err(Corrupted) => (Err(error::SKETCH_CORRUPTED), Rewrite::Same),
    })?;
    edited.result?;
    Ok(Effect::changed())
}

fn pfmerge(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (registers, is_dense) = merged(context)?;
    let bytes_max = sparse_bytes_max(context);
    let edited = context.edit_string(context.key(0), |bytes, is_there| {
        if !is_there {
            sketch::begin(bytes);
        }
        // Neither can fail: what is there was merged a moment ago.
        let dense = if is_dense { sketch::make_dense(bytes) } else { Ok(false) };
        (dense.and_then(|_| sketch::raise_all(bytes, &registers, bytes_max)), Rewrite::Changed)
    })?;
    edited.result.map_err(corrupted)?;
    reply.ok();
    // As in Redis: many elements were added.
    Ok(Effect::changed().event(KeyspaceEvents::STRING, "pfadd", 0))
}

fn pfselftest(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    sketch::self_test().map_err(Error::text)?;
    reply.ok();
    Ok(Effect::none())
}

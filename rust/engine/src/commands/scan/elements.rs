//! HSCAN, SSCAN and ZSCAN: a small collection at once, a large one in steps through its table.

use super::{Names, Options, RANGES_PER_ELEMENT, Walked, cursor_number, scan_options};
use crate::error;
use crate::handler::{Args, Context, Effect, Outcome};
use crate::number::{format_f64, format_f64_17};
use crate::resp::Reply;
use crate::values::{Collection, Element, Hash, Reading, Set, Zset};
use rkv_collections::table::SCAN_BITS;

pub fn hscan(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    scan::<Hash>(context, args, reply, Walked::Fields, |field, _, names| names.push(field.payload))
}

pub fn sscan(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    scan::<Set>(context, args, reply, Walked::Members, |_, _, _| ())
}

pub fn zscan(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // Redis prints the score of a large sorted set from the number, that of a small one as it is packed.
    scan::<Zset>(context, args, reply, Walked::Scored, |member, is_packed, names| {
        if is_packed {
            names.push(format_f64(member.score()).as_bytes());
        } else {
            names.push(format_f64_17(member.score()).as_bytes());
        }
    })
}

/// One step. `payload` tells what stands behind a name, for a collection that is packed or is not.
fn scan<T: Collection>(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    walked: Walked,
    payload: fn(&Element<'_>, bool, &mut Names),
) -> Outcome {
    let number = cursor_number(args.word(2)).ok_or(error::INVALID_CURSOR)?;
    let now_ms = context.now_ms();
    let mut names = Names::default();
    let mut next = None;
    if let Some(entry) = context.read(context.key(0)) {
        let is_packed = entry.encoding() == "listpack";
        let collection = Reading::<T>::of(entry.value())?;
        let Options { pattern, count, names_only, .. } = scan_options(args, 3, walked)?;
        next = Some(number << (u64::BITS - SCAN_BITS));
        let (mut elements, mut ranges) = (0, 0);
        while let Some(position) = next
            && elements < count
            && ranges < count.saturating_mul(RANGES_PER_ELEMENT)
        {
            next = T::scan(collection.view(), position, &mut |element| {
                elements += 1;
                let is_live = element.deadline_ms.is_none_or(|deadline_ms| deadline_ms > now_ms);
                if is_live && pattern.takes(element.name) {
                    names.push(element.name);
                    if !names_only {
                        payload(&element, is_packed, &mut names);
                    }
                }
            });
            ranges += 1;
        }
    }
    reply.array(2);
    reply.bulk_integer(next.map_or(0, |position| position >> (u64::BITS - SCAN_BITS)).cast_signed());
    names.reply(reply);
    Ok(Effect::none())
}

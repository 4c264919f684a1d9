//! `client-output-buffer-limit`: groups of class, hard limit, soft limit, seconds.

use super::number::{loose_integer, memory_bytes};
use super::value::{OutputLimit, OutputLimits, Value};

/// The limits of `old` with those of the named classes replaced; a class named twice gets the last ones.
pub(super) fn parse(words: &[&[u8]], old: &Value) -> Result<OutputLimits, String> {
    let (groups, rest) = words.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = match old {
        Value::OutputLimits(limits) => *limits,
        _ => OutputLimits::default(),
    };
    for [class, hard, soft, seconds] in groups {
        let limit =
            class_of(&mut limits, class).ok_or("Invalid client class specified in buffer limit configuration.")?;
        *limit = parse_limit(hard, soft, seconds)
            .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
    }
    Ok(limits)
}

/// Links to a primary have no limit, so that class cannot be named.
fn class_of<'a>(limits: &'a mut OutputLimits, class: &[u8]) -> Option<&'a mut OutputLimit> {
    match class.to_ascii_lowercase().as_slice() {
        b"normal" => Some(&mut limits.normal),
        b"slave" | b"replica" => Some(&mut limits.replica),
        b"pubsub" => Some(&mut limits.pubsub),
        _ => None,
    }
}

fn parse_limit(hard: &[u8], soft: &[u8], seconds: &[u8]) -> Option<OutputLimit> {
    Some(OutputLimit {
        hard_bytes: memory_bytes(hard)?,
        soft_bytes: memory_bytes(soft)?,
        soft_seconds: loose_integer(seconds, 10).filter(|seconds| *seconds >= 0)?,
    })
}

pub(super) fn print(limits: &OutputLimits) -> String {
    let classes = [("normal", limits.normal), ("slave", limits.replica), ("pubsub", limits.pubsub)];
    let groups = classes
        .map(|(class, limit)| format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds));
    groups.join(" ")
}

//! Which words of a request are keys, from the specifications of its row.

use smallvec::SmallVec;

use crate::handler::{Args, Begin, Find, KeyFlags, KeySpec, Keys, Row};
use crate::number;

/// A key of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyAt {
    /// Its word; 0 would be the command's name.
    pub index: usize,
    /// What the command does to it.
    pub flags: KeyFlags,
}

/// The keys of a request, in the order of the specifications.
pub type KeyPositions = SmallVec<[KeyAt; 8]>;

/// The keys of a request that specifications alone cannot find.
#[derive(Clone, Debug, Default)]
pub struct KeysFound {
    /// Those that stand in the request.
    pub positions: KeyPositions,
    /// Whether the command may touch others, which only its run finds out: every shard is locked.
    pub is_all: bool,
}

/// The request does not have the words that a specification needs. Its handler refuses such a request before it touches
/// anything, so a lock plan may take it as one without keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the words do not fit the key specifications")]
pub struct KeysError;

/// Where the only key stands, if every request has exactly one, at a fixed place, and needs no more than its lock.
pub const fn single_key(keys: &Keys) -> Option<usize> {
    match keys {
        Keys::Specs([KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, .. }, flags }])
            if *index > 0 && !flags.has(KeyFlags::NOT_KEY.with(KeyFlags::INCOMPLETE)) =>
        {
            Some(*index as usize)
        }
        _ => None,
    }
}

/// Finds the keys of a request of this row. Never reads beyond its words.
///
/// # Errors
/// The words do not fit; see [`KeysError`].
pub fn key_positions(row: &Row, args: Args<'_>) -> Result<KeyPositions, KeysError> {
    let mut keys = KeyPositions::new();
    each_key(row, args, |key| keys.push(key))?;
    Ok(keys)
}

/// Gives each key of a request of this row. Never reads beyond its words.
///
/// # Errors
/// The words do not fit, and what was given before counts for nothing; see [`KeysError`].
#[inline]
pub fn each_key(row: &Row, args: Args<'_>, mut each: impl FnMut(KeyAt)) -> Result<(), KeysError> {
    if let Keys::Computed(_, find) = row.keys {
        let found = find(args).positions;
        if found.iter().any(|key| key.index >= args.len()) {
            return Err(KeysError);
        }
        found.into_iter().for_each(each);
        return Ok(());
    }
    let (mut has_specs, mut has_keys) = (false, false);
    for spec in row.keys.specs().iter().filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
        has_specs = true;
        has_keys |= find(spec, row, args, &mut each)?;
    }
    if has_specs && !has_keys { Err(KeysError) } else { Ok(()) }
}

/// Gives the keys of one specification, and says whether there are any: none if it begins with a keyword that is not there,
/// or cannot be expressed.
#[inline]
fn find(spec: &KeySpec, row: &Row, args: Args<'_>, each: &mut impl FnMut(KeyAt)) -> Result<bool, KeysError> {
    let Some(begin) = begin(spec.begin, args) else {
        return Ok(false);
    };
    if spec.find == Find::Unknown {
        return Ok(false);
    }
    let (first, last, step) = extent(spec.find, begin, args)?;
    // `last` lies within the words, so the loop is bounded by them whatever a count claimed.
    if step == 0 || first > last || last >= args.len() {
        return Err(KeysError);
    }
    let flags = actual_flags(row, args, spec.flags);
    let mut index = first;
    while index <= last {
        each(KeyAt { index, flags });
        index = index.saturating_add(step);
    }
    Ok(true)
}

/// Where a specification begins, if its keyword is there.
fn begin(begin: Begin, args: Args<'_>) -> Option<usize> {
    match begin {
        Begin::Index(index) => usize::try_from(index).ok(),
        Begin::Keyword(keyword, from) => {
            let is_keyword = |&index: &usize| args.word(index).eq_ignore_ascii_case(keyword.as_bytes());
            // A key stands behind the keyword, so the last word cannot be one; the name and the first word never are, backwards.
            let found = if from >= 0 {
                (from.unsigned_abs() as usize..args.len().saturating_sub(1)).find(is_keyword)
            } else {
                let end = (args.len() + 1).saturating_sub(from.unsigned_abs() as usize);
                (2..end).rev().find(is_keyword)
            };
            found.map(|index| index + 1)
        }
        Begin::Unknown => None,
    }
}

/// First and last key (as words) and their distance.
fn extent(find: Find, begin: usize, args: Args<'_>) -> Result<(usize, usize, usize), KeysError> {
    match find {
        Find::Range { last, step, limit } => {
            let base = match (last >= 0, limit) {
                (true, _) => begin,
                (false, 0 | 1) => args.len(),
                (false, limit) => {
                    let behind = args.len().checked_sub(begin).ok_or(KeysError)?;
                    begin + behind / limit.unsigned_abs() as usize
                }
            };
            let last = base.checked_add_signed(last.into()).ok_or(KeysError)?;
            Ok((begin, last, step.unsigned_abs().into()))
        }
        Find::Count { index, first, step } => {
            let at = begin.checked_add_signed(index.into()).ok_or(KeysError)?;
            let count = args.get(at).and_then(number::parse_i64).ok_or(KeysError)?;
            let more = usize::try_from(count).ok().and_then(|count| count.checked_sub(1)).ok_or(KeysError)?;
            let first = begin.checked_add_signed(first.into()).ok_or(KeysError)?;
            let step = step.unsigned_abs().into();
            let last = more.checked_mul(step).and_then(|more| first.checked_add(more)).ok_or(KeysError)?;
            Ok((first, last, step))
        }
        Find::Unknown => Err(KeysError),
    }
}

/// What a request does to its keys where that depends on its options.
fn actual_flags(row: &Row, args: Args<'_>, flags: KeyFlags) -> KeyFlags {
    const CHANGES: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE);
    if !flags.has(KeyFlags::VARIABLE_FLAGS) {
        return flags;
    }
    match row.name {
        "SET" if args.from(3).iter().any(|word| word.eq_ignore_ascii_case(b"GET")) => CHANGES,
        "SET" => KeyFlags::OW.with(KeyFlags::UPDATE),
        "BITFIELD" if bitfield_only_reads(args) => KeyFlags::RO.with(KeyFlags::ACCESS),
        "BITFIELD" => CHANGES,
        _ => flags,
    }
}

fn bitfield_only_reads(args: Args<'_>) -> bool {
    let mut words = args.cursor(2);
    loop {
        let behind = if words.is_done() {
            return true;
        } else if words.keyword("GET") {
            2
        } else if words.keyword("OVERFLOW") {
            1
        } else {
            return false;
        };
        if (0..behind).any(|_| words.next_word().is_none()) {
            return false;
        }
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;

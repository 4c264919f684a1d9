//! Runs of equal registers. A register is raised exactly as Redis does it, so that the bytes are the same.

use std::fmt::Write;

use super::{Corrupted, HEADER_BYTES, REGISTERS};

/// The longest run of zeros in one byte.
const SHORT_ZEROS_MAX: usize = 64;
/// The highest rank that a run can have.
const RANK_MAX: u8 = 32;
/// The longest run with a rank.
const RANKED_MAX: usize = 4;
/// How many runs are looked at for neighbours to be joined, after one was changed.
const JOINED_MAX: usize = 5;
/// Bytes of one change at most: two long runs of zeros and a rank between them.
const CHANGE_BYTES_MAX: usize = 5;

/// Registers that follow each other and are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// 0 for zeros.
    pub rank: u8,
    /// How many.
    pub len: usize,
    /// How many bytes say so.
    bytes: usize,
}

/// Where a search begins: at a run and its first register.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Bytes behind the header.
    at: usize,
    register: usize,
}

/// What became of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It was not lower.
    No,
    /// It has the new rank.
    Yes,
    /// The encoding cannot hold the rank, or would have too many bytes.
    NoRoom,
}

/// The run that begins at a byte behind the header; `None` at the end, and where the last one is cut off.
#[inline]
fn run_at(runs: &[u8], at: usize) -> Option<Run> {
    let first = *runs.get(at)?;
    Some(match first >> 6 {
        0 => Run { rank: 0, len: usize::from(first) + 1, bytes: 1 },
        1 => {
            let low = *runs.get(at + 1)?;
            Run { rank: 0, len: (usize::from(first & 0x3f) << 8 | usize::from(low)) + 1, bytes: 2 }
        }
        _ => Run { rank: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, bytes: 1 },
    })
}

/// All runs.
///
/// # Errors
/// They are not those of all registers.
pub fn each(runs: &[u8], mut each: impl FnMut(Run, usize)) -> Result<(), Corrupted> {
    let (mut at, mut register) = (0, 0);
    while let Some(run) = run_at(runs, at) {
        if run.len > REGISTERS - register {
            return Err(Corrupted);
        }
        each(run, register);
        at += run.bytes;
        register += run.len;
    }
    if at == runs.len() && register == REGISTERS { Ok(()) } else { Err(Corrupted) }
}

/// The bytes of a run of zeros.
pub fn zeros(len: usize) -> impl Iterator<Item = u8> {
    let [high, low] = (len.saturating_sub(1) as u16).to_be_bytes();
    let long = [high | 0x40, low];
    // The short form is the low byte alone.
    long.into_iter().skip(usize::from(len <= SHORT_ZEROS_MAX))
}

/// The byte of a run with a rank.
const fn ranked(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

/// The bytes of a change, as they are put together.
#[derive(Default)]
struct Change {
    bytes: [u8; CHANGE_BYTES_MAX],
    len: usize,
}

impl Change {
    fn push(&mut self, rank: u8, len: usize) {
        if len == 0 {
            return;
        }
        let mut put = |byte| {
            self.bytes[self.len] = byte;
            self.len += 1;
        };
        if rank == 0 { zeros(len).for_each(put) } else { put(ranked(rank, len)) }
    }
}

/// Raises a register to a rank, if it is lower. Whoever raises several in their order gives the same `place` again.
///
/// # Errors
/// There is no run with that register; nothing was changed.
pub fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    bytes_max: usize,
    place: &mut Place,
) -> Result<Raised, Corrupted> {
    if rank > RANK_MAX {
        return Ok(Raised::NoRoom);
    }
    let runs = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let Place { mut at, mut register } = *place;
    let (mut before, mut before_that) = (None, Place::default());
    let run = loop {
        let run = run_at(runs, at).ok_or(Corrupted)?;
        if index < register + run.len {
            break run;
        }
        before_that = before.unwrap_or_default();
        before = Some(Place { at, register });
        at += run.bytes;
        register += run.len;
    };
    // The run before may grow when neighbours are joined, so the next search begins at the one before that.
    *place = before_that;
    if run.rank >= rank {
        return Ok(Raised::No);
    }
    let mut change = Change::default();
    change.push(run.rank, index - register);
    change.push(rank, 1);
    change.push(run.rank, register + run.len - 1 - index);
    if change.len > run.bytes && bytes.len() + change.len - run.bytes > bytes_max {
        return Ok(Raised::NoRoom);
    }
    let begin = HEADER_BYTES + at;
    bytes.splice(begin..begin + run.bytes, change.bytes.into_iter().take(change.len));
    join(bytes, before.map_or(0, |before| before.at));
    Ok(Raised::Yes)
}

/// Joins neighbours of the same rank, from a run on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_MAX {
        let runs = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let Some(run) = run_at(runs, at) else { return };
        if run.rank > 0
            && let Some(next) = run_at(runs, at + run.bytes)
            && next.rank == run.rank
            && run.len + next.len <= RANKED_MAX
        {
            // It is looked at once more: the run behind may have that rank, too.
            bytes[HEADER_BYTES + at] = ranked(run.rank, run.len + next.len);
            bytes.remove(HEADER_BYTES + at + 1);
        } else {
            at += run.bytes;
        }
    }
}

/// The runs as PFDEBUG DECODE tells them.
pub fn text(runs: &[u8]) -> String {
    let (mut text, mut at) = (String::new(), 0);
    while let Some(Run { rank, len, bytes }) = run_at(runs, at) {
        let written = match (rank, bytes) {
            (0, 1) => write!(text, "z:{len} "),
            (0, _) => write!(text, "Z:{len} "),
            _ => write!(text, "v:{rank},{len} "),
        };
        debug_assert!(written.is_ok(), "a string takes all text");
        at += bytes;
    }
    text.truncate(text.trim_end().len());
    text
}

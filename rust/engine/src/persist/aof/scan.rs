//! How much of a file of commands is whole.
//!
//! A file of rkv is whole as far as its checksums fit. A file of another program is whole up to the last command that is
//! complete and not inside a transaction without its end.
//!
//! Another program may go on with a file of rkv, as Redis does with the last one. It begins with a SELECT then, before which
//! rkv always writes a line of its own, so that the two are told apart; from there on the file is one of another program.
//!
//! # What lies behind
//!
//! A crash leaves a file whose tail was not durable: cut, full of zeros, or with some of its pages missing. That tail may
//! be dropped; nobody was promised what it held. Damage to bytes that were durable is another thing, and nothing may be
//! dropped then. The two are told apart by what lies behind the damage: a whole batch that says that the file was durable
//! beyond it, or, in a file without checksums, commands that are whole up to the end.

use std::io;

use super::annotation::{Annotation, PREFIX, TIME, parse_synced};
use super::read::{Item, LogReader};
use crate::files::File;
use crate::seeded::{self, Bug};

/// Places behind the damage at which commands are looked for.
const ATTEMPTS_MAX: usize = 256;
/// Bytes behind the damage in which a command may begin anywhere.
const NEAR_BYTES: usize = 256;
/// Bytes read at once while looking for what lies behind the damage.
const SEARCH_BYTES: usize = 64 * 1024;

/// What lines begin with that no other program writes.
const OWN: [&[u8]; 2] = [b"#RKV", b"#SYNCED"];

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The position of the item that is not as it should be.
    pub at: u64,
    /// What is wrong there.
    pub what: &'static str,
    /// Whether bytes behind it were durable: they must not be dropped.
    pub is_within: bool,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Whether it has checksums.
    pub is_sealed: bool,
    /// Whether another program went on with it.
    pub is_continued: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the longest prefix that is whole.
    pub whole_bytes: u64,
    /// Commands in it.
    pub commands: u64,
    /// The journal offset with which it begins, if it has checksums.
    pub first: Option<u64>,
    /// The last checksum line of it.
    pub last: Option<Annotation>,
    /// What is wrong with the rest, if there is one.
    pub damage: Option<Damage>,
}

/// Looks through a file from a position on.
///
/// # Errors
/// What the system says.
pub fn scan(file: &dyn File, from: u64) -> io::Result<Scan> {
    let bytes = file.len()?;
    let mut scanner = Scanner::new(file, from, bytes);
    let mut found = scanner.run()?;
    if let Some(damage) = &mut found.damage {
        damage.is_within = if scanner.is_stray {
            true
        } else if found.is_sealed && !found.is_continued {
            durable_behind(file, damage.at, bytes, found.last.map_or(0, |last| last.last))?
        } else {
            commands_behind(file, damage.at, bytes)?
        };
    }
    Ok(found)
}

struct Scanner<'a> {
    reader: LogReader<'a>,
    /// Where it began.
    from: u64,
    found: Scan,
    /// Commands since the last place up to which the file is whole.
    pending: u64,
    is_in_transaction: bool,
    /// Whether there is a line of rkv where only another program can have written.
    is_stray: bool,
    /// Whether there was nothing but times since the last checksum.
    is_fresh: bool,
    /// The greatest offset that a whole batch called durable.
    synced: u64,
    pending_synced: u64,
}

impl<'a> Scanner<'a> {
    fn new(file: &'a dyn File, from: u64, bytes: u64) -> Self {
        let found = Scan {
            is_sealed: false,
            is_continued: false,
            bytes,
            whole_bytes: from,
            commands: 0,
            first: None,
            last: None,
            damage: None,
        };
        Self {
            reader: LogReader::new(file, from, bytes, false),
            from,
            found,
            pending: 0,
            is_in_transaction: false,
            is_stray: false,
            is_fresh: true,
            synced: 0,
            pending_synced: 0,
        }
    }

    fn run(&mut self) -> io::Result<Scan> {
        loop {
            let at = self.reader.position();
            let crc = self.reader.crc();
            let problem = match self.reader.next()? {
                Item::Comment => self.comment(at, crc),
                Item::Command => self.command(),
                Item::End => {
                    let is_whole = self.found.whole_bytes == at;
                    return Ok(self.end(at, if is_whole { None } else { Some(self.unfinished()) }));
                }
                Item::Torn => Some("the file ends within a command"),
                Item::Bad(what) => Some(what),
            };
            if problem.is_some() {
                return Ok(self.end(at, problem));
            }
        }
    }

    const fn unfinished(&self) -> &'static str {
        if self.found.is_sealed && !self.found.is_continued {
            "the last batch has no checksum"
        } else if self.is_in_transaction {
            "the file ends within a transaction"
        } else {
            "the file ends within a command"
        }
    }

    fn end(&self, at: u64, problem: Option<&'static str>) -> Scan {
        let mut found = self.found;
        // In a sealed file what follows the last checksum is all of one kind.
        let at = if found.is_sealed && !found.is_continued { found.whole_bytes } else { at };
        found.damage = problem.map(|what| Damage { at, what, is_within: false });
        found
    }

    fn comment(&mut self, at: u64, crc: u32) -> Option<&'static str> {
        let line = self.reader.line();
        let is_sealed = self.found.is_sealed && !self.found.is_continued;
        if !is_sealed
            && OWN.iter().any(|own| line.starts_with(own))
            && Annotation::parse(line).is_none_or(|_| at != self.from)
        {
            // The line with which the file began is not what it was, so that nothing proves what stands here.
            self.is_stray = true;
            return Some("a checksum line in a file that does not begin with one");
        }
        if let Some(offset) = parse_synced(line) {
            self.pending_synced = self.pending_synced.max(offset);
        }
        if !line.starts_with(PREFIX) {
            self.is_fresh &= line.starts_with(TIME);
            self.whole_unless_sealed();
            return None;
        }
        let Some(annotation) = Annotation::parse(line) else { return Some("a checksum line is not as it was written") };
        let is_first = at == self.from && self.found.last.is_none();
        let before = self.found.last.unwrap_or(Annotation { last: annotation.first, ..annotation });
        // A file begins with a line for nothing at all.
        let crc = if self.found.last.is_none() { 0 } else { crc };
        let bytes = at - self.found.whole_bytes;
        if annotation.first != before.last || annotation.last < annotation.first || !annotation.fits(bytes, crc) {
            self.found.is_sealed |= is_first;
            return Some("a checksum does not fit");
        }
        self.found.is_sealed = true;
        self.found.first.get_or_insert(annotation.first);
        self.is_fresh = true;
        self.found.last = Some(annotation);
        self.found.whole_bytes = self.reader.position();
        self.found.commands += std::mem::take(&mut self.pending);
        self.synced = self.synced.max(self.pending_synced);
        self.reader.restart_crc(annotation.crc);
        None
    }

    fn command(&mut self) -> Option<&'static str> {
        let name = self.reader.name();
        if self.found.is_sealed && self.is_fresh && self.pending == 0 && name.eq_ignore_ascii_case(b"SELECT") {
            self.found.is_continued = true;
        }
        self.pending += 1;
        if name.eq_ignore_ascii_case(b"MULTI") {
            if self.is_in_transaction {
                return Some("a transaction within a transaction");
            }
            self.is_in_transaction = true;
        } else if name.eq_ignore_ascii_case(b"EXEC") {
            if !self.is_in_transaction {
                return Some("the end of a transaction that did not begin");
            }
            self.is_in_transaction = false;
        }
        self.whole_unless_sealed();
        None
    }

    fn whole_unless_sealed(&mut self) {
        let is_sealed = self.found.is_sealed && !self.found.is_continued && !seeded::is_on(Bug::TornTailAccepted);
        if !is_sealed && !self.is_in_transaction {
            self.found.whole_bytes = self.reader.position();
            self.found.commands += std::mem::take(&mut self.pending);
        }
    }
}

/// The positions behind `from` of lines that begin with `start`.
fn lines_behind(
    file: &dyn File,
    from: u64,
    end: u64,
    start: &[u8],
    mut visit: impl FnMut(u64) -> io::Result<bool>,
) -> io::Result<bool> {
    let mut wanted = vec![b'\n'];
    wanted.extend_from_slice(start);
    let finder = memchr::memmem::Finder::new(&wanted);
    let mut buffer = vec![0; (SEARCH_BYTES as u64).min(end.saturating_sub(from)) as usize];
    let mut at = from;
    while at < end {
        let mut filled = 0;
        while let Some(place) = buffer.get_mut(filled..).filter(|place| !place.is_empty()) {
            let count = file.read_at(at + filled as u64, place)?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        let part = buffer.get(..filled).unwrap_or_default();
        for found in finder.find_iter(part) {
            if visit(at + found as u64 + 1)? {
                return Ok(true);
            }
        }
        if filled < buffer.len() || filled < wanted.len() {
            break;
        }
        // What begins in the last bytes is found in the next part.
        at += (filled - wanted.len() + 1) as u64;
    }
    Ok(false)
}

/// Whether a whole batch behind the damage says that the file was durable beyond `offset`.
fn durable_behind(file: &dyn File, from: u64, end: u64, offset: u64) -> io::Result<bool> {
    let mut seen_to = 0;
    lines_behind(file, from, end, PREFIX, |at| {
        if at < seen_to {
            return Ok(false);
        }
        let mut scanner = Scanner::new(file, at, end);
        if scanner.reader.next()? != Item::Comment {
            return Ok(false);
        }
        let Some(annotation) = Annotation::parse(scanner.reader.line()) else { return Ok(false) };
        scanner.found.is_sealed = true;
        scanner.found.last = Some(annotation);
        scanner.found.whole_bytes = scanner.reader.position();
        scanner.reader.restart_crc(annotation.crc);
        let found = scanner.run()?;
        seen_to = found.whole_bytes;
        Ok(scanner.synced > offset)
    })
}

/// Whether commands behind the damage are whole up to the end of the file.
fn commands_behind(file: &dyn File, from: u64, end: u64) -> io::Result<bool> {
    let mut attempts = 0;
    let is_behind = lines_behind(file, from, end, b"*", |at| {
        attempts += 1;
        Ok(are_commands(file, at, end)? || attempts >= ATTEMPTS_MAX)
    })?;
    if is_behind {
        return Ok(attempts < ATTEMPTS_MAX);
    }
    // What was put between two commands need not end as a line does.
    let mut near = [0; NEAR_BYTES];
    let count = file.read_at(from, &mut near)?;
    for place in memchr::memchr_iter(b'*', near.get(..count).unwrap_or_default()) {
        if are_commands(file, from + place as u64, end)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there are only commands from a position up to the end, and at least one.
fn are_commands(file: &dyn File, at: u64, end: u64) -> io::Result<bool> {
    let mut reader = LogReader::new(file, at, end, false);
    let mut commands = 0;
    loop {
        match reader.next()? {
            Item::End => return Ok(commands > 0),
            Item::Command => commands += 1,
            Item::Comment => {}
            Item::Torn | Item::Bad(_) => return Ok(false),
        }
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

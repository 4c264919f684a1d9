//! Reads a file of commands piece by piece: lines that are no commands, commands, and where they end.

use std::io;

use super::annotation::LINE_BYTES_MAX;
use crate::files::File;
use crate::limits;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Bytes of the longest line in a command: a mark, a number, the end.
const NUMBER_LINE_BYTES_MAX: usize = 32;

/// What stands at a position of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A line that begins with `#`; [`LogReader::line`] has it.
    Comment,
    /// A command; [`LogReader::words`] has it if words are kept, [`LogReader::name`] its name.
    Command,
    /// The end of the file, between two items.
    End,
    /// The end of the file, within an item.
    Torn,
    /// Bytes that are no item.
    Bad(&'static str),
}

/// Reads items from a file.
pub(super) struct LogReader<'a> {
    file: &'a dyn File,
    /// Nothing behind this position is read.
    end: u64,
    buffer: Vec<u8>,
    /// The position of the buffer's first byte in the file.
    start: u64,
    /// The part of the buffer that is not used up.
    next: usize,
    filled: usize,
    /// Up to here in the buffer bytes went into the checksum.
    summed: usize,
    crc: u32,
    keeps_words: bool,
    line: Vec<u8>,
    words: Vec<u8>,
    /// Where each word ends.
    ends: Vec<usize>,
    bulk_bytes_max: u64,
}

impl<'a> LogReader<'a> {
    /// Reads from a position to another. Without `keeps_words` only the names of commands are kept.
    pub(super) fn new(file: &'a dyn File, from: u64, end: u64, keeps_words: bool) -> Self {
        Self {
            file,
            end,
            buffer: vec![0; (READ_BYTES as u64).min(end.saturating_sub(from)) as usize],
            start: from,
            next: 0,
            filled: 0,
            summed: 0,
            crc: 0,
            keeps_words,
            line: Vec::new(),
            words: Vec::new(),
            ends: Vec::new(),
            // What a command held may be longer than what a client may send today, but not than what Redis ever took.
            bulk_bytes_max: limits::LOG_BULK_BYTES_MAX,
        }
    }

    /// The position of the next item.
    pub(super) const fn position(&self) -> u64 {
        self.start + self.next as u64
    }

    /// The checksum of all bytes since the last [`LogReader::restart_crc`].
    pub(super) fn crc(&mut self) -> u32 {
        let bytes = self.buffer.get(self.summed..self.next).unwrap_or_default();
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.summed = self.next;
        self.crc
    }

    /// Continues another checksum from here on.
    pub(super) fn restart_crc(&mut self, crc: u32) {
        self.summed = self.next;
        self.crc = crc;
    }

    /// The last comment, without its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The words of the last command.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let word = self.words.get(begin..*end).unwrap_or_default();
            begin = *end;
            word
        })
    }

    /// The name of the last command; empty if it has no word.
    pub(super) fn name(&self) -> &[u8] {
        self.words.get(..self.ends.first().copied().unwrap_or(0)).unwrap_or_default()
    }

    /// How many words the last command has, as far as they are kept.
    pub(super) fn word_count(&self) -> usize {
        self.ends.len()
    }

    /// Makes at least one byte readable, if there is one.
    fn fill(&mut self) -> io::Result<bool> {
        if self.next < self.filled {
            return Ok(true);
        }
        self.crc();
        self.start += self.next as u64;
        (self.next, self.summed, self.filled) = (0, 0, 0);
        let left = self.end.saturating_sub(self.start).min(self.buffer.len() as u64) as usize;
        let place = self.buffer.get_mut(..left).unwrap_or_default();
        if !place.is_empty() {
            self.filled = self.file.read_at(self.start, place)?;
        }
        Ok(self.filled > 0)
    }

    fn ready(&self) -> &[u8] {
        self.buffer.get(self.next..self.filled).unwrap_or_default()
    }

    /// Reads a line of at most `bytes_max` bytes, its end included, into `line`, without its end.
    fn read_line(&mut self, bytes_max: usize) -> io::Result<Result<(), Item>> {
        self.line.clear();
        loop {
            if !self.fill()? {
                return Ok(Err(Item::Torn));
            }
            let room = bytes_max - self.line.len();
            let ready = self.buffer.get(self.next..self.filled).unwrap_or_default();
            let ready = ready.get(..room).unwrap_or(ready);
            let found = memchr::memchr(b'\n', ready);
            let used = found.map_or(ready.len(), |at| at + 1);
            self.line.extend_from_slice(ready.get(..used).unwrap_or_default());
            self.next += used;
            if found.is_some() {
                self.line.pop();
                if self.line.pop() != Some(b'\r') {
                    return Ok(Err(Item::Bad("a line does not end with CR LF")));
                }
                return Ok(Ok(()));
            }
            if self.line.len() >= bytes_max {
                return Ok(Err(Item::Bad("a line is too long")));
            }
        }
    }

    /// Uses up `count` bytes and appends them to the words if that is wanted. False at the end of the file.
    fn read_bytes(&mut self, count: u64, is_kept: bool) -> io::Result<bool> {
        let mut left = count;
        while left > 0 {
            if !self.fill()? {
                return Ok(false);
            }
            let used = self.ready().len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if is_kept {
                let ready = self.buffer.get(self.next..self.filled).unwrap_or_default();
                self.words.extend_from_slice(ready.get(..used).unwrap_or_default());
            }
            self.next += used;
            left -= used as u64;
        }
        Ok(true)
    }

    /// Reads what follows.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn next(&mut self) -> io::Result<Item> {
        if !self.fill()? {
            return Ok(Item::End);
        }
        match self.ready().first() {
            Some(b'#') => Ok(self.read_line(LINE_BYTES_MAX)?.map_or_else(|item| item, |()| Item::Comment)),
            Some(b'*') => Ok(self.read_command()?.map_or_else(|item| item, |()| Item::Command)),
            _ => Ok(Item::Bad("neither a command nor an annotation")),
        }
    }

    fn read_number(&mut self, mark: u8, max: u64) -> io::Result<Result<u64, Item>> {
        if let Err(item) = self.read_line(NUMBER_LINE_BYTES_MAX)? {
            return Ok(Err(item));
        }
        let digits = self.line.strip_prefix(&[mark]).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|digits| digits.parse().ok()).filter(|number| *number <= max);
        Ok(number.ok_or(Item::Bad("not the length of a command or of an argument")))
    }

    fn read_command(&mut self) -> io::Result<Result<(), Item>> {
        self.words.clear();
        self.ends.clear();
        if self.words.capacity() > 16 * READ_BYTES {
            self.words = Vec::new();
        }
        let count = match self.read_number(b'*', limits::LOG_WORDS_MAX)? {
            Ok(0) => return Ok(Err(Item::Bad("a command without a name"))),
            Ok(count) => count,
            Err(item) => return Ok(Err(item)),
        };
        for number in 0..count {
            let length = match self.read_number(b'$', self.bulk_bytes_max)? {
                Ok(length) => length,
                Err(item) => return Ok(Err(item)),
            };
            let is_kept = self.keeps_words || (number == 0 && length <= 16);
            if !self.read_bytes(length, is_kept)? {
                return Ok(Err(Item::Torn));
            }
            if is_kept {
                self.ends.push(self.words.len());
            }
            match self.read_line(2)? {
                Ok(()) if self.line.is_empty() => {}
                Ok(()) | Err(Item::Bad(_)) => return Ok(Err(Item::Bad("an argument is longer than its length says"))),
                Err(item) => return Ok(Err(item)),
            }
        }
        Ok(Ok(()))
    }
}

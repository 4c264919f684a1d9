//! A connection to a server that answers each command with one line.

use std::io;
use std::time::Instant;

use super::{Patience, Wire};

/// Bytes of the longest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are sent before the time begins anew: a slow peer may take its time, one that stands still may not.
const PIECE_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 4 * 1024;

/// What a peer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It did as it was told.
    Done,
    /// It refused, in these words.
    Refused(String),
}

/// A connection that speaks RESP.
pub struct Line {
    wire: Box<dyn Wire>,
    /// What was received and not read yet.
    input: Vec<u8>,
    /// The database that was chosen there.
    pub db: Option<i64>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Line").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Line {
    /// Over a connection that was just made.
    pub const fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, input: Vec::new(), db: None }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// Those of the wire.
    pub fn send(&mut self, bytes: &[u8], patience: Patience<'_>) -> io::Result<()> {
        bytes.chunks(PIECE_BYTES).try_for_each(|piece| self.wire.send(piece, patience))
    }

    /// Reads the answer to the oldest command that has none yet.
    ///
    /// # Errors
    /// Those of the wire; `UnexpectedEof` if the peer has closed, `InvalidData` if it speaks no RESP or says too much.
    pub fn answer(&mut self, patience: Patience<'_>) -> io::Result<Answer> {
        let line = self.read_line(patience)?;
        match line.split_first() {
            Some((b'+' | b':', _)) => Ok(Answer::Done),
            Some((b'-', text)) => Ok(Answer::Refused(String::from_utf8_lossy(text).into_owned())),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn read_line(&mut self, patience: Patience<'_>) -> io::Result<Vec<u8>> {
        let (begun, mut searched) = (Instant::now(), 0);
        loop {
            if let Some(end) = memchr::memchr(b'\n', self.input.get(searched..).unwrap_or_default()) {
                let mut line: Vec<u8> = self.input.drain(..=searched + end).collect();
                line.truncate(line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::InvalidData)?.len());
                return Ok(line);
            }
            searched = self.input.len();
            if searched > ANSWER_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let left = patience.timeout.saturating_sub(begun.elapsed());
            let mut room = [0; READ_BYTES];
            let received = self.wire.receive(&mut room, Patience { timeout: left, ..patience })?;
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.input.extend_from_slice(room.get(..received).unwrap_or_default());
        }
    }

    /// Whether the peer said more than it was asked for.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }
}

/// Appends a command as an array of bulk strings.
pub fn write_command(words: &[&[u8]], into: &mut Vec<u8>) {
    begin_command(words.len(), into);
    for word in words {
        write_word(word, into);
    }
}

/// Appends the beginning of a command of so many words.
pub fn begin_command(words: usize, into: &mut Vec<u8>) {
    into.push(b'*');
    into.extend_from_slice(itoa::Buffer::new().format(words).as_bytes());
    into.extend_from_slice(b"\r\n");
}

/// Appends a word.
pub fn write_word(word: &[u8], into: &mut Vec<u8>) {
    begin_word(word.len(), into);
    into.extend_from_slice(word);
    into.extend_from_slice(b"\r\n");
}

/// Appends what stands before a word of so many bytes; behind it stands a line end.
pub fn begin_word(bytes: usize, into: &mut Vec<u8>) {
    into.push(b'$');
    into.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;

    /// Gives what it was given, piece by piece, then the end.
    struct Canned(VecDeque<Vec<u8>>);

    impl Wire for Canned {
        fn send(&mut self, _: &[u8], _: Patience<'_>) -> io::Result<()> {
            Ok(())
        }

        fn receive(&mut self, room: &mut [u8], _: Patience<'_>) -> io::Result<usize> {
            let Some(piece) = self.0.pop_front() else { return Ok(0) };
            room[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn answers(input: &[u8], cut: usize) -> Vec<Result<Answer, io::ErrorKind>> {
        let mut line = Line::new(Box::new(Canned(input.chunks(cut).map(<[u8]>::to_vec).collect())));
        let patience = Patience { timeout: Duration::from_secs(1), is_wanted: &|| true };
        let mut found = Vec::new();
        loop {
            let answer = line.answer(patience).map_err(|error| error.kind());
            let is_last = answer.is_err();
            found.push(answer);
            if is_last {
                return found;
            }
        }
    }

    #[test]
    fn answers_are_read_however_they_were_cut() {
        let refused = |text: &str| Ok(Answer::Refused(text.into()));
        for cut in 1..40 {
            let expected =
                [Ok(Answer::Done), refused("ERR no"), Ok(Answer::Done), refused(""), Err(io::ErrorKind::UnexpectedEof)];
            assert_eq!(answers(b"+OK\r\n-ERR no\r\n:1\r\n-\r\n+half", cut), expected, "{cut}");
            for bad in [&b"$1\r\nx\r\n"[..], b"\r\n", b"+OK\n", b"\n", b"hello\r\n"] {
                assert_eq!(answers(bad, cut), [Err(io::ErrorKind::InvalidData)], "{bad:?} {cut}");
            }
        }
        assert_eq!(answers(&vec![b'+'; 2 * ANSWER_BYTES_MAX], READ_BYTES), [Err(io::ErrorKind::InvalidData)]);
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut written = Vec::new();
        write_command(&[b"RESTORE", b"", b"a\r\nb"], &mut written);
        assert_eq!(written, b"*3\r\n$7\r\nRESTORE\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
    }
}

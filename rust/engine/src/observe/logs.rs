//! Commands that took long, had much to say or got much to read: SLOWLOG and COMMANDLOG.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Words of a command that are kept.
const WORDS_MAX: usize = 32;
/// Bytes of a word that are kept.
const WORD_BYTES_MAX: usize = 128;

/// What a log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// Commands that took long.
    Slow,
    /// Commands with long arguments.
    LargeRequest,
    /// Commands with a long reply.
    LargeReply,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Counts up; never used again.
    pub id: u64,
    /// Unix seconds.
    pub at_s: i64,
    /// Microseconds or bytes.
    pub amount: u64,
    /// The words, shortened, without secrets.
    pub words: Vec<Box<[u8]>>,
    /// From where it came.
    pub peer: Box<str>,
    /// The client's name.
    pub name: Box<str>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Newest first.
    entries: VecDeque<LogEntry>,
    next_id: u64,
}

/// One log.
#[derive(Debug, Default)]
pub struct Log {
    threshold: AtomicI64,
    len_max: AtomicUsize,
    entries: Mutex<Entries>,
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Entries are whole after every statement.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is kept: from `threshold` on (negative: nothing), and so many at most.
    pub fn configure(&self, threshold: i64, len_max: usize) {
        self.threshold.store(threshold, Ordering::Relaxed);
        self.len_max.store(len_max, Ordering::Relaxed);
    }

    /// From which amount on a command is kept; `u64::MAX`: none is.
    #[inline]
    pub fn threshold(&self) -> u64 {
        // A negative one is as large as none that is measured.
        self.threshold.load(Ordering::Relaxed) as u64
    }

    /// Adds a command.
    pub fn add(&self, mut entry: LogEntry) {
        let mut log = self.entries();
        entry.id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(entry);
        log.entries.truncate(self.len_max.load(Ordering::Relaxed));
    }

    /// The newest, so many at most.
    pub fn newest(&self, count: usize) -> Vec<LogEntry> {
        self.entries().entries.iter().take(count).cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries().entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all; numbers go on.
    pub fn reset(&self) {
        self.entries().entries.clear();
    }
}

/// The three logs.
#[derive(Debug, Default)]
pub struct CommandLogs {
    slow: Log,
    large_request: Log,
    large_reply: Log,
}

impl CommandLogs {
    /// One of them.
    #[inline]
    pub const fn of(&self, kind: LogKind) -> &Log {
        match kind {
            LogKind::Slow => &self.slow,
            LogKind::LargeRequest => &self.large_request,
            LogKind::LargeReply => &self.large_reply,
        }
    }
}

/// Words as a log keeps them: 32 of 128 bytes, and how many more there were.
pub fn shortened<'a>(words: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Box<[u8]>> {
    let count = words.len();
    let kept = if count > WORDS_MAX { WORDS_MAX - 1 } else { count };
    let mut shortened: Vec<Box<[u8]>> = words
        .take(kept)
        .map(|word| match word.get(..WORD_BYTES_MAX) {
            Some(head) if word.len() > WORD_BYTES_MAX => {
                let rest = format!("... ({} more bytes)", word.len() - WORD_BYTES_MAX);
                [head, rest.as_bytes()].concat().into()
            }
            _ => word.into(),
        })
        .collect();
    if kept < count {
        shortened.push(format!("... ({} more arguments)", count - kept).into_bytes().into());
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_shortened() {
        let words: Vec<Vec<u8>> = (0..40).map(|number| vec![b'x'; number * 10]).collect();
        let kept = shortened(words.iter().map(Vec::as_slice));
        assert_eq!(kept.len(), 32);
        assert_eq!(&*kept[31], b"... (9 more arguments)");
        assert_eq!(kept[12].len(), 120);
        assert_eq!(&kept[13][..], [&[b'x'; 128][..], b"... (2 more bytes)"].concat());
        assert_eq!(shortened(words[..32].iter().map(Vec::as_slice)).len(), 32);
    }

    #[test]
    fn a_log_keeps_the_newest() {
        let log = Log::default();
        log.configure(-1, 3);
        assert_eq!(log.threshold(), u64::MAX);
        log.configure(10, 3);
        for amount in 0..5 {
            let (words, peer, name) = (Vec::new(), "".into(), "".into());
            log.add(LogEntry { id: 0, at_s: 1, amount, words, peer, name });
        }
        let told: Vec<_> = log.newest(2).iter().map(|entry| (entry.id, entry.amount)).collect();
        assert_eq!((told, log.len()), (vec![(4, 4), (3, 3)], 3));
        log.reset();
        assert!(log.is_empty());
    }
}

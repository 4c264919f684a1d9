//! Lines that were used lately, kept for the next who wants one to the same target.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Line;

/// How long a line is kept that nobody uses, in milliseconds.
pub const IDLE_MS_MAX: i64 = 10_000;
/// How many lines are kept; the one that is idle for the longest goes first.
pub const KEPT_MAX: usize = 64;

/// A password, which nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Box<[u8]>);

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(redacted)")
    }
}

/// Where a line leads, and as whom: who names other credentials gets another line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user, if it was named.
    pub user: Option<Box<[u8]>>,
    /// The password, if it was named.
    pub password: Option<Password>,
}

#[derive(Debug)]
struct Kept {
    target: Target,
    line: Line,
    idle_since_ms: i64,
}

/// Lines that nobody uses, the one that was used last at the end.
#[derive(Debug, Default)]
pub struct Pool {
    kept: Mutex<Vec<Kept>>,
}

impl Pool {
    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        // The list is whole after every statement.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the line that was used last; whoever got it has it alone.
    pub fn take(&self, target: &Target) -> Option<Line> {
        let mut kept = self.kept();
        let index = kept.iter().rposition(|kept| kept.target == *target)?;
        Some(kept.remove(index).line)
    }

    /// Keeps a line.
    pub fn put(&self, target: Target, line: Line, now_ms: i64) {
        let mut kept = self.kept();
        let oldest = if kept.len() >= KEPT_MAX { Some(kept.remove(0)) } else { None };
        kept.push(Kept { target, line, idle_since_ms: now_ms });
        drop(kept);
        // A connection is closed without the lock.
        drop(oldest);
    }

    /// Closes lines that were idle for too long; returns when the next one will be, in Unix milliseconds, `i64::MAX` if none is
    /// kept.
    pub fn tick(&self, now_ms: i64) -> i64 {
        let mut kept = self.kept();
        let is_old = |kept: &mut Kept| now_ms.saturating_sub(kept.idle_since_ms) >= IDLE_MS_MAX;
        let old: Vec<Kept> = kept.extract_if(.., is_old).collect();
        let due_ms = kept.iter().map(|kept| kept.idle_since_ms.saturating_add(IDLE_MS_MAX)).min();
        drop(kept);
        drop(old);
        due_ms.unwrap_or(i64::MAX)
    }

    /// How many lines are kept.
    pub fn len(&self) -> usize {
        self.kept().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes all lines.
    pub fn clear(&self) {
        drop(std::mem::take(&mut *self.kept()));
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::outbound::{Patience, Wire};

    struct Silent;

    impl Wire for Silent {
        fn send(&mut self, _: &[u8], _: Patience<'_>) -> io::Result<()> {
            Ok(())
        }

        fn receive(&mut self, _: &mut [u8], _: Patience<'_>) -> io::Result<usize> {
            Ok(0)
        }
    }

    fn line(db: i64) -> Line {
        let mut line = Line::new(Box::new(Silent));
        line.db = Some(db);
        line
    }

    fn target(port: u16, password: Option<&[u8]>) -> Target {
        let password = password.map(|password| Password(password.into()));
        Target { host: "h".into(), port, user: None, password }
    }

    #[test]
    fn only_the_same_credentials_get_a_line_again() {
        let pool = Pool::default();
        pool.put(target(1, Some(b"one")), line(1), 0);
        assert!(pool.take(&target(1, None)).is_none() && pool.take(&target(1, Some(b"two"))).is_none());
        assert!(pool.take(&target(2, Some(b"one"))).is_none());
        let user = Target { user: Some(Box::from(*b"u")), ..target(1, Some(b"one")) };
        assert!(pool.take(&user).is_none());
        assert_eq!(pool.take(&target(1, Some(b"one"))).and_then(|line| line.db), Some(1));
        assert!(pool.is_empty());
        assert!(!format!("{user:?}").contains("one"));
    }

    #[test]
    fn lines_go_when_they_were_idle_and_when_there_are_too_many() {
        let pool = Pool::default();
        assert_eq!(pool.tick(0), i64::MAX);
        for number in 0..=KEPT_MAX as i64 {
            pool.put(target(1, None), line(number), number);
        }
        assert_eq!((pool.len(), pool.tick(0)), (KEPT_MAX, 1 + IDLE_MS_MAX));
        assert_eq!(pool.tick(IDLE_MS_MAX + 10), 11 + IDLE_MS_MAX);
        assert_eq!(pool.len(), KEPT_MAX - 10);
        assert_eq!(pool.take(&target(1, None)).and_then(|line| line.db), Some(KEPT_MAX as i64));
        pool.clear();
        assert!(pool.is_empty());
    }
}

//! When each connection's machine asked to be polled.
//!
//! A connection is filed under at most one time. A deadline that moves later is not filed anew: the old time fires,
//! the connection's true deadline is looked at, and it is filed under that. So a request which extends an idle timeout
//! costs one comparison.

use std::collections::BTreeSet;
use std::time::Duration;

/// The time of a connection that is not filed.
pub(crate) const NEVER_US: u64 = u64::MAX;

/// The connections of one thread by the time to look at them.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    filed: BTreeSet<(u64, u32)>,
}

impl Deadlines {
    pub(crate) fn is_empty(&self) -> bool {
        self.filed.is_empty()
    }

    /// Files a connection that was filed under `old_us` under `new_us`.
    pub(crate) fn refile(&mut self, index: u32, old_us: u64, new_us: u64) {
        self.remove(index, old_us);
        if new_us != NEVER_US {
            self.filed.insert((new_us, index));
        }
    }

    pub(crate) fn remove(&mut self, index: u32, filed_us: u64) {
        if filed_us != NEVER_US {
            self.filed.remove(&(filed_us, index));
        }
    }

    /// Takes out everything due at `now_us`, into `due`.
    pub(crate) fn take_due(&mut self, now_us: u64, due: &mut Vec<u32>) {
        while let Some(&(at_us, index)) = self.filed.first()
            && at_us <= now_us
        {
            self.filed.pop_first();
            due.push(index);
        }
    }

    /// How long until the first is due; `None` when none is filed.
    pub(crate) fn wait(&self, now_us: u64) -> Option<Duration> {
        let (at_us, _) = self.filed.first()?;
        Some(Duration::from_micros(at_us.saturating_sub(now_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_due_come_out_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        deadlines.refile(1, NEVER_US, 300);
        deadlines.refile(2, NEVER_US, 100);
        deadlines.refile(3, NEVER_US, 200);
        deadlines.refile(1, 300, 150);
        assert_eq!(deadlines.wait(40), Some(Duration::from_micros(60)));
        let mut due = Vec::new();
        deadlines.take_due(150, &mut due);
        assert_eq!(due, [2, 1]);
        assert_eq!(deadlines.wait(500), Some(Duration::ZERO));
        deadlines.remove(3, 200);
        assert!(deadlines.is_empty());
        assert_eq!(deadlines.wait(0), None);
    }
}

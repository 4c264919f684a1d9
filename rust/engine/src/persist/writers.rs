//! Clients whose next command waits until a snapshot needs less memory.
//!
//! A client belongs to a thread that serves others, too, so it is not the thread that waits: the session keeps the request,
//! and comes again when it is woken, or after a while by itself. A collection gives memory back while it is told, which
//! nobody announces.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::client::Link;

/// Woken together. Some of them will exceed the limit again, and all the others would have come in vain.
const WOKEN: usize = 64;
/// Who is not woken asks again after so long, and longer the more of them there are: all of them together ask at most
/// 50,000 times a second.
const ASK_AGAIN_US: u64 = 2_000;
const ASK_AGAIN_EACH_US: u64 = 20;
/// However slow the disk is, somebody gets on: one write a second cannot fill the memory.
const HELD_MAX_US: u64 = 1_000_000;

/// Clients that wait, first come first.
#[derive(Debug, Default)]
pub(super) struct Writers {
    links: Mutex<Vec<Arc<Link>>>,
    /// Monotonic microseconds: when somebody went on all the same.
    passed_us: AtomicU64,
}

impl Writers {
    /// See [`super::Persist::hold_writer`].
    pub fn hold(&self, link: &Arc<Link>, since_us: u64, now_us: u64) -> Option<u64> {
        if now_us.saturating_sub(since_us) >= HELD_MAX_US && self.may_pass(now_us) {
            return None;
        }
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if !link.flags.awaits_snapshot.swap(true, Ordering::AcqRel) {
            links.push(Arc::clone(link));
        }
        Some(ASK_AGAIN_US.max(links.len() as u64 * ASK_AGAIN_EACH_US))
    }

    fn may_pass(&self, now_us: u64) -> bool {
        let next = |passed_us: u64| (now_us >= passed_us.saturating_add(HELD_MAX_US)).then_some(now_us);
        self.passed_us.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next).is_ok()
    }

    /// See [`super::Persist::let_writers_go`].
    pub fn wake(&self, all: bool) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let count = if all { links.len() } else { links.len().min(WOKEN) };
        let woken: Vec<_> = links.drain(..count).collect();
        drop(links);
        for link in woken {
            link.flags.awaits_snapshot.store(false, Ordering::Release);
            link.wake();
        }
    }
}

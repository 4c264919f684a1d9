//! What becomes of a client that does not read what it is sent: `client-output-buffer-limit`.

use std::sync::atomic::Ordering;

use super::core::Core;
use crate::commands;
use crate::config::{OutputLimit, options};
use crate::resp::Output;

/// Messages stay in the inbox, where all readers share them, while this much output waits.
pub(super) const MAIL_PAUSE_BYTES: usize = 256 * 1024;

/// Since when a client has more unread than its class's soft limit, in monotonic microseconds.
#[derive(Debug, Default)]
pub(super) struct Flood {
    since_us: Option<u64>,
    soft_us: u64,
}

impl Flood {
    /// When the client must have read something.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.since_us.map(|since_us| since_us.saturating_add(self.soft_us))
    }
}

impl Core {
    /// Bytes that the client has not read.
    #[inline]
    fn unread_bytes(&self) -> usize {
        self.output.len() + self.client.link.inbox_bytes()
    }

    /// Closes the client if it left too much unread, or left much unread for too long.
    #[inline]
    pub(super) fn check_flood(&mut self) {
        let is_flooded = self.client.link.flags.is_flooded.load(Ordering::Relaxed);
        if is_flooded || self.flood.since_us.is_some() || self.unread_bytes() > self.store.settings.output_bytes_least()
        {
            self.judge_flood(is_flooded);
        }
    }

    #[cold]
    fn judge_flood(&mut self, is_flooded: bool) {
        if self.client.is_closing && !is_flooded {
            return;
        }
        let limits = *self.store.config().get(options::CLIENT_OUTPUT_BUFFER_LIMIT);
        let limit = if self.client.subscriptions.is_some() { limits.pubsub } else { limits.normal };
        let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = limit;
        let unread = self.unread_bytes() as u64;
        let now_us = self.store.clock.monotonic_us();
        if soft_bytes == 0 || unread <= soft_bytes {
            self.flood.since_us = None;
        } else {
            self.flood.soft_us = soft_seconds.unsigned_abs().saturating_mul(1_000_000);
            self.flood.since_us.get_or_insert(now_us);
        }
        let is_over = self.flood.deadline_us().is_some_and(|deadline_us| deadline_us < now_us);
        if is_flooded || is_over || (hard_bytes > 0 && unread > hard_bytes) {
            self.close_flooded();
        }
    }

    fn close_flooded(&mut self) {
        let line = commands::client_line(&self.store, &self.client.link, self.store.clock.unix_ms());
        log::warn!("Client {} scheduled to be closed ASAP for overcoming of output buffer limits.", line.trim_end());
        self.store.counters.floods.fetch_add(1, Ordering::Relaxed);
        self.client.link.flags.is_flooded.store(false, Ordering::Relaxed);
        self.flood = Flood::default();
        let _ = self.client.link.take_mail();
        self.output = Output::default();
        self.client.is_closing = true;
    }
}

//! Who is connected.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::link::{Link, Origin, Transport};
use super::wake::Wake;

/// All clients by number, which is their order of arrival.
#[derive(Debug, Default)]
pub struct Registry {
    links: Mutex<BTreeMap<u64, Arc<Link>>>,
    last_id: AtomicU64,
    connected: AtomicUsize,
    received: AtomicU64,
    /// How often clients that are gone received and sent, less what was counted before the last reset. Wraps around.
    transfers: [AtomicU64; 2],
    /// Bytes that clients' buffers may take together; 0: no limit.
    bytes_max: AtomicU64,
    /// Bytes that they take, counted while there is a limit.
    bytes: AtomicUsize,
    /// Who got messages from somebody who holds locks.
    to_wake: Mutex<Vec<Arc<Link>>>,
    has_to_wake: AtomicBool,
}

impl Registry {
    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a new client. Callers in this process get a number but do not count as connections.
    pub fn add(&self, origin: Origin, now_ms: i64, wake: Arc<dyn Wake>) -> Arc<Link> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let embedded = origin.transport == Transport::Embedded;
        let link = Arc::new(Link::new(id, origin, now_ms, wake));
        if !embedded {
            self.connected.fetch_add(1, Ordering::Relaxed);
            self.received.fetch_add(1, Ordering::Relaxed);
            self.links().insert(id, Arc::clone(&link));
        }
        link
    }

    /// Sets how many bytes clients' buffers may take together; 0: no limit.
    pub fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Whether clients' buffers have a limit.
    #[inline]
    pub fn has_limit(&self) -> bool {
        self.bytes_max.load(Ordering::Relaxed) != 0
    }

    /// Counts what a client's buffers take now; whether all take too much.
    pub fn count_bytes(&self, link: &Link) -> bool {
        let bytes = link.memory_bytes();
        let before = link.counted_bytes.swap(bytes, Ordering::Relaxed);
        let all = self.bytes.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        let all = all.wrapping_add(bytes).wrapping_sub(before);
        all as u64 > self.bytes_max.load(Ordering::Relaxed)
    }

    /// Chooses the clients with the largest buffers, so many that the others take no more than they may. Those that are being
    /// closed count no more; those with CLIENT NO-EVICT stay.
    pub fn largest(&self) -> Vec<Arc<Link>> {
        let limit = self.bytes_max.load(Ordering::Relaxed);
        let mut links: Vec<_> = self.all().into_iter().filter(|link| !link.is_killed()).collect();
        let mut all: u64 = links.iter().map(|link| link.memory_bytes() as u64).sum();
        links.retain(|link| !link.flags.no_evict.load(Ordering::Relaxed));
        links.sort_by_key(|link| std::cmp::Reverse(link.memory_bytes()));
        let is_needed = |link: &Arc<Link>| {
            let is_needed = limit != 0 && all > limit;
            all -= if is_needed { link.memory_bytes() as u64 } else { 0 };
            is_needed
        };
        links.into_iter().take_while(is_needed).collect()
    }

    /// Forgets a client.
    pub fn remove(&self, id: u64) {
        if let Some(link) = self.links().remove(&id) {
            self.bytes.fetch_sub(link.counted_bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
            self.connected.fetch_sub(1, Ordering::Relaxed);
            for (gone, figure) in self.transfers.iter().zip([&link.reads, &link.writes]) {
                gone.fetch_add(figure.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// How often bytes were received and sent, by all clients together. Each counts for itself, so that no line of memory is
    /// shared for it.
    pub fn transfers(&self) -> (u64, u64) {
        // First: a client is among those who are gone or among those who are there.
        let links = self.links();
        let [reads, writes] = &self.transfers;
        let start = (reads.load(Ordering::Relaxed), writes.load(Ordering::Relaxed));
        links.values().fold(start, |(reads, writes), link| {
            let (read, written) = (link.reads.load(Ordering::Relaxed), link.writes.load(Ordering::Relaxed));
            (reads.wrapping_add(read), writes.wrapping_add(written))
        })
    }

    /// A client by its number.
    pub fn get(&self, id: u64) -> Option<Arc<Link>> {
        self.links().get(&id).cloned()
    }

    /// All clients in order of arrival.
    pub fn all(&self) -> Vec<Arc<Link>> {
        self.links().values().cloned().collect()
    }

    /// Remembers clients who were left messages, until somebody who holds no shard calls [`Registry::wake_all`].
    pub fn wake_later(&self, links: impl IntoIterator<Item = Arc<Link>>) {
        let mut to_wake = self.to_wake.lock().unwrap_or_else(PoisonError::into_inner);
        to_wake.extend(links);
        if !to_wake.is_empty() {
            self.has_to_wake.store(true, Ordering::Release);
        }
    }

    /// Wakes the drivers of all who were left messages. Not under a shard lock.
    #[inline]
    pub fn wake_all(&self) {
        if self.has_to_wake.load(Ordering::Relaxed) {
            self.wake_them();
        }
    }

    #[cold]
    fn wake_them(&self) {
        let links = {
            let mut to_wake = self.to_wake.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_to_wake.store(false, Ordering::Relaxed);
            std::mem::take(&mut *to_wake)
        };
        for link in links {
            link.wake();
        }
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// How many ever connected.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Sets the counts of connections ever and of transfers back to zero.
    pub fn reset_counts(&self) {
        self.received.store(0, Ordering::Relaxed);
        let (reads, writes) = self.transfers();
        for (gone, counted) in self.transfers.iter().zip([reads, writes]) {
            gone.fetch_sub(counted, Ordering::Relaxed);
        }
    }
}

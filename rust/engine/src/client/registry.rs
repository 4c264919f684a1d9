//! Who is connected.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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

    /// Forgets a client.
    pub fn remove(&self, id: u64) {
        if self.links().remove(&id).is_some() {
            self.connected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A client by its number.
    pub fn get(&self, id: u64) -> Option<Arc<Link>> {
        self.links().get(&id).cloned()
    }

    /// All clients in order of arrival.
    pub fn all(&self) -> Vec<Arc<Link>> {
        self.links().values().cloned().collect()
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// How many ever connected.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Sets the count of connections ever back to zero.
    pub fn reset_received(&self) {
        self.received.store(0, Ordering::Relaxed);
    }
}

//! Clients that wait for a key, first come first served.
//!
//! A waiter may wait for several keys, and so stand in several shards; its ticket makes sure that it is served once. Who
//! writes to a key serves its waiters before it releases the shard.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::seeded::{self, Bug};

/// A blocked command: enough to run it again, which the door knows how to do. The keyspace only keeps the order.
pub trait Waiter: Any + std::fmt::Debug + Send + Sync {
    /// Whether it still waits: it was neither served nor timed out nor disconnected.
    fn is_waiting(&self) -> bool;
}

type Queues = HashMap<(usize, Box<[u8]>), VecDeque<Arc<dyn Waiter>>>;

/// The waiters of one shard.
#[derive(Debug, Default)]
pub struct Waiters {
    queues: Queues,
}

impl Waiters {
    /// Whether nobody waits here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many keys somebody waits for.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// The keys of a database that somebody waits for.
    pub fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.queues.keys().filter(move |(other, _)| *other == db).map(|(_, key)| &**key)
    }

    /// Puts a waiter at the end of a key's queue.
    pub fn push(&mut self, db: usize, key: &[u8], waiter: Arc<dyn Waiter>) {
        self.queues.entry((db, key.into())).or_default().push_back(waiter);
    }

    /// Who still waits for a key, in the order of arrival.
    pub fn queue(&mut self, db: usize, key: &[u8]) -> Vec<Arc<dyn Waiter>> {
        let place = (db, Box::from(key));
        let Some(queue) = self.queues.get_mut(&place) else { return Vec::new() };
        queue.retain(|waiter| waiter.is_waiting());
        let mut waiting: Vec<_> = queue.iter().cloned().collect();
        if seeded::is_on(Bug::ServedOutOfOrder) {
            waiting.reverse();
        }
        if waiting.is_empty() {
            self.queues.remove(&place);
        }
        waiting
    }

    /// Removes a waiter from a key's queue, wherever it stands.
    pub fn remove(&mut self, db: usize, key: &[u8], waiter: &Arc<dyn Waiter>) {
        let place = (db, Box::from(key));
        let Some(queue) = self.queues.get_mut(&place) else { return };
        queue.retain(|other| !Arc::ptr_eq(other, waiter));
        if queue.is_empty() {
            self.queues.remove(&place);
        }
    }
}

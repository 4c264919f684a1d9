//! Who caches keys, and what is told to them.
//!
//! Keys that were read stand in their shards ([`Tracked`]), by the numbers of their readers; here is what each of these
//! numbers wants. A client that goes away is forgotten here at once, its numbers in the shards with the next change of each
//! key, or when nobody caches any more. So a key costs eight bytes per reader, and `tracking-table-max-keys` bounds them.
//!
//! [`Tracked`]: crate::keyspace::Tracked

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::client::{Invalidation, Link, Message, Registry, Tracking};
use crate::keyspace::{Readers, Shard};
use crate::resp::{Output, Protocol, Reply};

/// Keys that a command or transaction changed, for those who hear of all keys with some prefix.
pub type Changed = std::collections::BTreeSet<Box<[u8]>>;

/// Who caches.
#[derive(Debug)]
pub struct Trackers {
    all: RwLock<BTreeMap<u64, Arc<Tracking>>>,
    count: AtomicUsize,
    prefixes: AtomicUsize,
    keys: AtomicUsize,
    items: AtomicUsize,
    keys_max: AtomicU64,
}

impl Default for Trackers {
    fn default() -> Self {
        Self {
            all: RwLock::default(),
            count: AtomicUsize::new(0),
            prefixes: AtomicUsize::new(0),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            keys_max: AtomicU64::new(u64::MAX),
        }
    }
}

impl Trackers {
    fn all(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Arc<Tracking>>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, client: u64, tracking: Option<&Arc<Tracking>>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let before = match tracking {
            Some(tracking) => all.insert(client, Arc::clone(tracking)),
            None => all.remove(&client),
        };
        self.count.store(all.len(), Ordering::Relaxed);
        if !before.iter().chain(tracking).any(|tracking| tracking.is_broadcast()) {
            return;
        }
        let mut prefixes: Vec<&[u8]> =
            all.values().flat_map(|tracking| tracking.prefixes.iter().flatten()).map(AsRef::as_ref).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        self.prefixes.store(prefixes.len(), Ordering::Relaxed);
    }

    /// A client caches, or caches in another way.
    pub fn add(&self, tracking: &Arc<Tracking>) {
        let flags = &tracking.link.flags;
        flags.tracking.store(true, Ordering::Relaxed);
        flags.broadcast.store(tracking.is_broadcast(), Ordering::Relaxed);
        flags.broken_redirect.store(false, Ordering::Relaxed);
        tracking.link.redirect.store(tracking.redirect.cast_signed(), Ordering::Relaxed);
        self.replace(tracking.link.id, Some(tracking));
    }

    /// A client caches no more.
    pub fn remove(&self, link: &Link) {
        let flags = &link.flags;
        for flag in [&flags.tracking, &flags.broadcast, &flags.broken_redirect] {
            flag.store(false, Ordering::Relaxed);
        }
        link.redirect.store(-1, Ordering::Relaxed);
        self.replace(link.id, None);
    }

    /// How many clients cache.
    #[inline]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many different prefixes somebody hears of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.load(Ordering::Relaxed)
    }

    /// How many keys were read by clients that cache.
    pub fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// How many readers those keys have together.
    pub fn items(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }

    /// Sets how many keys are remembered at most; 0 is no limit.
    pub fn set_keys_max(&self, keys_max: u64) {
        self.keys_max.store(if keys_max == 0 { u64::MAX } else { keys_max }, Ordering::Relaxed);
    }

    /// Whether keys must be forgotten.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.keys() as u64 > self.keys_max.load(Ordering::Relaxed)
    }

    /// How many keys too many are remembered.
    pub fn excess(&self) -> usize {
        self.keys().saturating_sub(usize::try_from(self.keys_max.load(Ordering::Relaxed)).unwrap_or(usize::MAX))
    }

    /// Remembers that a client read a key of a held shard.
    pub fn remember(&self, shard: &mut Shard, key: &[u8], client: u64) {
        let (new_key, new_reader) = shard.tracked.remember(key, client);
        self.keys.fetch_add(usize::from(new_key), Ordering::Relaxed);
        self.items.fetch_add(usize::from(new_reader), Ordering::Relaxed);
    }

    /// A key of a held shard changed: tells who read it. `author` is the client that changed it, 0 if none did.
    pub fn invalidate(&self, shard: &mut Shard, key: &[u8], author: u64, clients: &Registry) {
        if let Some(readers) = shard.tracked.take(key) {
            self.tell(key, &readers, author, clients);
        }
    }

    /// Forgets a key of a held shard to make room; its readers hear of it. False if there is none.
    pub fn evict(&self, shard: &mut Shard, clients: &Registry) -> bool {
        let taken = shard.tracked.take_any();
        if let Some((key, readers)) = &taken {
            self.tell(key, readers, 0, clients);
        }
        taken.is_some()
    }

    fn tell(&self, key: &[u8], readers: &Readers, author: u64, clients: &Registry) {
        self.keys.fetch_sub(1, Ordering::Relaxed);
        self.items.fetch_sub(readers.len(), Ordering::Relaxed);
        let all = self.all();
        let invalidation = Arc::new(Invalidation(Some(vec![key.into()])));
        for tracking in readers.iter().filter_map(|reader| all.get(reader)) {
            let is_own = tracking.noloop && tracking.link.id == author;
            if !is_own && !tracking.is_broadcast() {
                send(tracking, &invalidation, clients);
            }
        }
    }

    /// Keys changed: tells who hears of their prefixes.
    pub fn broadcast(&self, changed: &Changed, author: u64, clients: &Registry) {
        for tracking in self.all().values().filter(|tracking| tracking.is_broadcast()) {
            if tracking.noloop && tracking.link.id == author {
                continue;
            }
            for prefix in tracking.prefixes.iter().flatten() {
                let keys: Vec<_> = changed.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
                if !keys.is_empty() {
                    send(tracking, &Arc::new(Invalidation(Some(keys))), clients);
                }
            }
        }
    }

    /// A database was emptied: everybody forgets everything.
    pub fn flush(&self, clients: &Registry) {
        let invalidation = Arc::new(Invalidation(None));
        self.all().values().for_each(|tracking| send(tracking, &invalidation, clients));
    }

    /// Forgets the keys of a held shard without telling anybody.
    pub fn forget(&self, shard: &mut Shard) {
        let (keys, items) = shard.tracked.clear();
        self.keys.fetch_sub(keys, Ordering::Relaxed);
        self.items.fetch_sub(items, Ordering::Relaxed);
    }

    /// Whether anybody hears of keys that nobody need have read.
    pub fn has_broadcasts(&self) -> bool {
        self.all().values().any(|tracking| tracking.is_broadcast())
    }
}

/// Leaves an invalidation where a client wants it; its driver is woken later.
fn send(tracking: &Tracking, invalidation: &Arc<Invalidation>, clients: &Registry) {
    let message = Message::Invalidate(Arc::clone(invalidation));
    if tracking.redirect == 0 {
        return leave(&tracking.link, message, clients);
    }
    if let Some(link) = clients.get(tracking.redirect) {
        return leave(&link, message, clients);
    }
    tracking.link.flags.broken_redirect.store(true, Ordering::Relaxed);
    if tracking.link.protocol.load(Ordering::Relaxed) == 3 {
        leave(&tracking.link, Message::Push(redirect_broken(tracking.redirect)), clients);
    }
}

fn redirect_broken(redirect: u64) -> Arc<[u8]> {
    let mut output = Output::default();
    let mut reply = Reply::wire(&mut output, Protocol::Resp3);
    reply.push(2);
    reply.bulk(b"tracking-redir-broken");
    reply.integer(redirect.cast_signed());
    output.into_bytes().into()
}

fn leave(link: &Arc<Link>, message: Message, clients: &Registry) {
    if link.leave(message) {
        clients.wake_later([Arc::clone(link)]);
    }
}

//! Who listens to which channel, and who caches which keys.
//!
//! Nothing here parses, replies or changes a key: a message is put into the inboxes of those who listen, and their drivers
//! are woken by who holds no shard any more ([`Registry::wake_all`]).
//!
//! # Invariants
//!
//! * Every client that listens to a channel gets its messages in the same order: who publishes holds the channel's stripe
//!   until all inboxes have the message.
//! * A client is found here exactly as long as its own list says so; who goes away leaves nothing behind.
//! * Without subscriptions, publishing is two loads.
//!
//! # Lock rule
//!
//! stripe → patterns → inboxes. All of them may be taken while shards are held, so nothing else is locked behind them.
//!
//! [`Registry::wake_all`]: crate::client::Registry::wake_all

mod tracking;

pub use tracking::{Changed, Trackers};

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::{Frame, Kind, Link, Message};
use crate::config::{KeyspaceEvents, OutputLimit};
use crate::glob;

/// Channels with different stripes are published to at the same time.
const STRIPES: usize = 16;

/// Who listens to one name, ascending by number.
#[derive(Debug, Default)]
struct Listeners(Vec<Arc<Link>>);

impl Listeners {
    fn place(&self, link: &Link) -> Result<usize, usize> {
        self.0.binary_search_by_key(&link.id, |other| other.id)
    }

    fn add(&mut self, link: &Arc<Link>) {
        if let Err(place) = self.place(link) {
            self.0.insert(place, Arc::clone(link));
        }
    }

    fn remove(&mut self, link: &Link) {
        if let Ok(place) = self.place(link) {
            self.0.remove(place);
        }
    }
}

/// Channels of one stripe: those of all, and those of shards.
#[derive(Debug, Default)]
struct Stripe {
    names: [HashMap<Box<[u8]>, Listeners>; 2],
}

/// Who listens to what.
#[derive(Debug)]
pub struct PubSub {
    stripes: [Mutex<Stripe>; STRIPES],
    hasher: RandomState,
    patterns: Mutex<BTreeMap<Box<[u8]>, Listeners>>,
    /// How many different channels, patterns and shard channels there are.
    counts: [AtomicUsize; 3],
    /// What a listener may leave unread for a while, and at all.
    unread_bytes_max: [AtomicUsize; 2],
    /// Who caches.
    pub trackers: Trackers,
}

impl Default for PubSub {
    fn default() -> Self {
        Self {
            stripes: Default::default(),
            hasher: RandomState::new(),
            patterns: Mutex::default(),
            counts: Default::default(),
            unread_bytes_max: [usize::MAX, usize::MAX].map(AtomicUsize::new),
            trackers: Trackers::default(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these mutexes protect is whole after every statement, so another thread's panic does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PubSub {
    /// Takes over how much a listener may leave unread.
    pub fn follow(&self, limit: OutputLimit) {
        for (bytes_max, bytes) in self.unread_bytes_max.iter().zip([limit.soft_bytes, limit.hard_bytes]) {
            let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0);
            bytes_max.store(bytes.unwrap_or(usize::MAX), Ordering::Relaxed);
        }
    }

    fn stripe(&self, name: &[u8]) -> MutexGuard<'_, Stripe> {
        let number = self.hasher.hash_one(name) as usize % STRIPES;
        locked(&self.stripes[number])
    }

    /// How many different names of a kind are listened to.
    #[inline]
    pub fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// Lets a client listen. Its own list says that it did not yet.
    pub fn subscribe(&self, link: &Arc<Link>, kind: Kind, name: &[u8]) {
        self.with_listeners(kind, name, |listeners| listeners.add(link));
    }

    /// Lets a client listen no more.
    pub fn unsubscribe(&self, link: &Link, kind: Kind, name: &[u8]) {
        self.with_listeners(kind, name, |listeners| listeners.remove(link));
    }

    fn with_listeners(&self, kind: Kind, name: &[u8], change: impl FnOnce(&mut Listeners)) {
        let count = &self.counts[kind as usize];
        let Some(table) = table(kind) else {
            let mut patterns = locked(&self.patterns);
            let listeners = patterns.entry(name.into()).or_default();
            change(listeners);
            if listeners.0.is_empty() {
                patterns.remove(name);
            }
            count.store(patterns.len(), Ordering::Relaxed);
            return;
        };
        let mut stripe = self.stripe(name);
        let names = &mut stripe.names[table];
        let before = names.len();
        let listeners = names.entry(name.into()).or_default();
        change(listeners);
        if listeners.0.is_empty() {
            names.remove(name);
        }
        let after = names.len();
        if after > before {
            count.fetch_add(1, Ordering::Relaxed);
        } else if after < before {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Puts a message into the inboxes of all who listen to a channel; how many those are. `woken` gets those whose drivers do
    /// not know yet that they have mail.
    pub fn publish(&self, kind: Kind, channel: &[u8], payload: &[u8], woken: &mut Vec<Arc<Link>>) -> usize {
        let has_patterns = kind == Kind::Channel && self.count(Kind::Pattern) > 0;
        if self.count(kind) == 0 && !has_patterns {
            return 0;
        }
        let stripe = self.stripe(channel);
        let mut receivers = 0;
        if let Some(listeners) = table(kind).and_then(|table| stripe.names[table].get(channel)) {
            let name: &[u8] = if kind == Kind::Shard { b"smessage" } else { b"message" };
            let frame = Frame::new(&[name, channel, payload]);
            receivers += self.send(listeners, frame, woken);
        }
        if has_patterns {
            // Those who listen by pattern see the order of the channel, too, as its stripe is still held.
            receivers += self.publish_by_pattern(channel, payload, woken);
        }
        receivers
    }

    fn publish_by_pattern(&self, channel: &[u8], payload: &[u8], woken: &mut Vec<Arc<Link>>) -> usize {
        let patterns = locked(&self.patterns);
        let matching = patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel, false));
        matching
            .map(|(pattern, listeners)| {
                let frame = Frame::new(&[b"pmessage", pattern, channel, payload]);
                self.send(listeners, frame, woken)
            })
            .sum()
    }

    fn send(&self, listeners: &Listeners, frame: Frame, woken: &mut Vec<Arc<Link>>) -> usize {
        let frame = Arc::new(frame);
        let [soft_bytes, hard_bytes] = &self.unread_bytes_max;
        let limits = (soft_bytes.load(Ordering::Relaxed), hard_bytes.load(Ordering::Relaxed));
        for link in &listeners.0 {
            if link.leave_within(Message::Frame(Arc::clone(&frame)), limits) {
                woken.push(Arc::clone(link));
            }
        }
        listeners.0.len()
    }

    /// Whether anybody could hear of keyspace events.
    #[inline]
    pub fn has_listeners(&self) -> bool {
        self.count(Kind::Channel) > 0 || self.count(Kind::Pattern) > 0
    }

    /// Publishes a keyspace event on the channels that `events` ask for.
    pub fn notify(&self, events: KeyspaceEvents, db: usize, (name, key): (&str, &[u8]), woken: &mut Vec<Arc<Link>>) {
        if events.contains(KeyspaceEvents::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(Kind::Channel, &channel, name.as_bytes(), woken);
        }
        if events.contains(KeyspaceEvents::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{name}");
            self.publish(Kind::Channel, channel.as_bytes(), key, woken);
        }
    }

    /// The channels that are listened to and match a pattern, in no order.
    pub fn channels(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let Some(table) = table(kind) else { return Vec::new() };
        let wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        let mut all = Vec::new();
        for stripe in &self.stripes {
            all.extend(locked(stripe).names[table].keys().filter(|name| wanted(name)).cloned());
        }
        all
    }

    /// The names of one kind to which a client listens, in no order. Walks through all names.
    pub fn heard_by(&self, link: &Link, kind: Kind) -> Vec<Box<[u8]>> {
        let is_heard = |listeners: &Listeners| listeners.place(link).is_ok();
        let Some(table) = table(kind) else {
            let patterns = locked(&self.patterns);
            return patterns.iter().filter(|(_, all)| is_heard(all)).map(|(name, _)| name.clone()).collect();
        };
        let mut heard = Vec::new();
        for stripe in &self.stripes {
            let stripe = locked(stripe);
            let own = stripe.names[table].iter().filter(|(_, all)| is_heard(all));
            heard.extend(own.map(|(name, _)| name.clone()));
        }
        heard
    }

    /// How many listen to a channel, patterns aside.
    pub fn listeners(&self, kind: Kind, channel: &[u8]) -> usize {
        let stripe = self.stripe(channel);
        table(kind).and_then(|table| stripe.names[table].get(channel)).map_or(0, |listeners| listeners.0.len())
    }
}

/// Which of a stripe's tables has the names of a kind; patterns are not in stripes.
const fn table(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Channel => Some(0),
        Kind::Shard => Some(1),
        Kind::Pattern => None,
    }
}

#[cfg(test)]
mod tests;

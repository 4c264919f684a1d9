//! Consumer groups: how far a group has read, and what was delivered and not acknowledged yet.
//!
//! What is pending stands twice, each in the order of ids: in the group, with what is known of it, and, as ids alone, with
//! the consumer that has it. A snapshot shares groups as wholes; the first change of one afterwards copies its consumers'
//! names and takes copies of the paths that it changes in what is pending.

use std::collections::BTreeMap;
use std::sync::Arc;

use rkv_collections::chunks::leave_bytes;

use super::Id;
use super::sorted::{Identified, Sorted};

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The entry, which may have been deleted since.
    pub id: Id,
    /// When it was delivered last, in Unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// To whom.
    pub consumer: ConsumerAt,
}

impl Identified for Pending {
    #[inline]
    fn id(&self) -> Id {
        self.id
    }
}

/// Where a consumer stands in its group, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerAt(u32);

/// Who reads for a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Arc<[u8]>,
    /// When it last asked for anything, in Unix milliseconds.
    pub seen_ms: i64,
    /// When it last got anything.
    pub active_ms: Option<i64>,
    pending: Sorted<Id>,
}

impl Consumer {
    /// How many entries it has.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The entries that it has, from an id on.
    pub fn pending_from(&self, id: Id) -> impl Iterator<Item = Id> {
        self.pending.from(id)
    }
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered to anyone.
    pub last_id: Id,
    /// How many entries were read, if that is known.
    pub entries_read: Option<i64>,
    pending: Sorted<Pending>,
    consumers: Vec<Option<Consumer>>,
    names: BTreeMap<Arc<[u8]>, ConsumerAt>,
    /// Heap bytes of what hangs on consumers.
    consumer_bytes: usize,
}

impl Group {
    /// A group without consumers.
    pub fn new(last_id: Id, entries_read: Option<i64>) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    /// Heap bytes.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.pending.heap_bytes() + self.consumers.capacity() * size_of::<Option<Consumer>>() + self.consumer_bytes
    }

    /// Bytes of what a copy does not share.
    fn own_bytes(&self) -> usize {
        let consumer = size_of::<Option<Consumer>>() + size_of::<(Arc<[u8]>, ConsumerAt)>();
        size_of::<Self>() + self.consumers.capacity() * consumer
    }

    /// A consumer by its name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerAt> {
        self.names.get(name).copied()
    }

    /// A consumer.
    pub fn consumer(&self, at: ConsumerAt) -> Option<&Consumer> {
        self.consumers.get(at.0 as usize)?.as_ref()
    }

    /// The name of a consumer.
    pub fn name(&self, at: ConsumerAt) -> &[u8] {
        self.consumer(at).map_or(&[], |consumer| &consumer.name)
    }

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.names.len()
    }

    /// All consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.names.values().filter_map(|at| self.consumer(*at))
    }

    fn change_consumer<R>(&mut self, at: ConsumerAt, change: impl FnOnce(&mut Consumer) -> R) -> Option<R> {
        let consumer = self.consumers.get_mut(at.0 as usize)?.as_mut()?;
        let before = consumer.pending.heap_bytes();
        let result = change(consumer);
        self.consumer_bytes = (self.consumer_bytes + consumer.pending.heap_bytes()).saturating_sub(before);
        Some(result)
    }

    /// What a name costs, where it stands and where it is looked for.
    fn name_bytes(name: &[u8]) -> usize {
        name.len() + 2 * size_of::<usize>() + size_of::<(Arc<[u8]>, ConsumerAt)>()
    }

    /// Adds a consumer that is not there.
    pub fn add(&mut self, name: &[u8], seen_ms: i64) -> ConsumerAt {
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer { name: Arc::clone(&name), seen_ms, active_ms: None, pending: Sorted::default() };
        let free = if self.names.len() == self.consumers.len() {
            None
        } else {
            self.consumers.iter().position(Option::is_none)
        };
        let place = free.unwrap_or_else(|| {
            self.consumers.push(None);
            self.consumers.len() - 1
        });
        self.consumers[place] = Some(consumer);
        self.consumer_bytes += Self::name_bytes(&name);
        let at = ConsumerAt(place as u32);
        self.names.insert(name, at);
        at
    }

    /// Removes a consumer with all that it has; how many entries that was.
    pub fn remove(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.names.remove(name)?;
        let consumer = self.consumers.get_mut(at.0 as usize)?.take()?;
        let bytes = consumer.pending.heap_bytes() + Self::name_bytes(name);
        self.consumer_bytes = self.consumer_bytes.saturating_sub(bytes);
        for id in consumer.pending.iter() {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Notes that a consumer asked.
    #[inline]
    pub fn set_seen(&mut self, at: ConsumerAt, now_ms: i64) {
        if let Some(Some(consumer)) = self.consumers.get_mut(at.0 as usize) {
            consumer.seen_ms = now_ms;
        }
    }

    /// Notes that a consumer got something.
    #[inline]
    pub fn set_active(&mut self, at: ConsumerAt, now_ms: i64) {
        if let Some(Some(consumer)) = self.consumers.get_mut(at.0 as usize) {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Sets when a consumer got something last, as a dump tells it.
    pub fn restore_active(&mut self, at: ConsumerAt, active_ms: Option<i64>) {
        if let Some(Some(consumer)) = self.consumers.get_mut(at.0 as usize) {
            consumer.active_ms = active_ms;
        }
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is pending first and last.
    pub fn pending_ends(&self) -> Option<(Id, Id)> {
        Some((self.pending.first()?.id, self.pending.last()?.id))
    }

    /// What is known of a pending entry.
    pub fn pending(&self, id: Id) -> Option<Pending> {
        self.pending.get(id)
    }

    /// What is pending, from an id on.
    pub fn pending_from(&self, id: Id) -> impl Iterator<Item = Pending> {
        self.pending.from(id)
    }

    /// Makes an entry pending, whoever had it before.
    #[inline]
    pub fn assign(&mut self, pending: Pending) {
        let before = self.pending.insert(pending);
        if let Some(before) = before {
            if before.consumer == pending.consumer {
                return;
            }
            self.change_consumer(before.consumer, |consumer| consumer.pending.remove(pending.id));
        }
        self.change_consumer(pending.consumer, |consumer| consumer.pending.insert(pending.id));
    }

    /// Makes an entry not pending; false if it was not.
    #[inline]
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        self.change_consumer(pending.consumer, |consumer| consumer.pending.remove(id));
        true
    }
}

/// The groups of a stream, by name.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    by_name: BTreeMap<Arc<[u8]>, Arc<Group>>,
    bytes: usize,
}

impl Groups {
    fn own_bytes(name: &[u8]) -> usize {
        name.len() + 4 * size_of::<usize>() + size_of::<(Arc<[u8]>, Arc<Group>)>() + size_of::<Group>()
    }

    /// Heap bytes.
    #[inline]
    pub const fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A group by its name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Group> {
        self.by_name.get(name).map(Arc::as_ref)
    }

    /// All groups, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.by_name.iter().map(|(name, group)| (name.as_ref(), group.as_ref()))
    }

    /// Adds a group; false if there is one of this name.
    pub fn add(&mut self, name: &[u8], group: Arc<Group>) -> bool {
        if self.by_name.contains_key(name) {
            return false;
        }
        self.bytes += Self::own_bytes(name) + group.heap_bytes();
        self.by_name.insert(name.into(), group);
        true
    }

    /// Takes a group out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<Group>> {
        let group = self.by_name.remove(name)?;
        self.bytes = self.bytes.saturating_sub(Self::own_bytes(name) + group.heap_bytes());
        Some(group)
    }

    /// A group, to be changed by `change`.
    #[inline]
    pub fn edit<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group = self.by_name.get_mut(name)?;
        if Arc::strong_count(group) > 1 {
            leave_bytes(group.own_bytes());
        }
        let group = Arc::make_mut(group);
        let before = group.heap_bytes();
        let result = change(group);
        self.bytes = (self.bytes + group.heap_bytes()).saturating_sub(before);
        Some(result)
    }
}

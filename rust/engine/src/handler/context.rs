//! What a handler may do: open the keys of its plan, read and change them, ask the clock, reach the [`Store`].
//!
//! Every change of a key passes [`Context::mutate`], the mutation point: it is where a key is recorded as changed, for
//! watchers, waiters and tracking, and behind it the table takes what a snapshot under way needs.

mod expired;
mod followed;

use std::sync::Arc;

use super::account::{Account, Notice, Trace};
use super::door::{Door, Waiting};
use super::effect::{Effect, Words};
use super::errand::Errand;
use super::store::Store;
use crate::client::{Client, Link};
use crate::config::KeyspaceEvents;
use crate::error::{self, Error};
use crate::keyspace::{
    Before, Db, Detached, Edited, Entry, Key, KeyHasher, Locks, Now, Presence, Refused, Rewrite, Shard, Totals, Updated,
};
use crate::number;
use crate::random::Random;
use crate::values::{Collection, Named, NewValue, Reading, Rules, to_store};

/// What a change does to the deadline of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// There is none afterwards.
    Clear,
    /// It stays as it is.
    Keep,
    /// Unix milliseconds.
    At(i64),
}

/// Who drops what a database held that was emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The housekeeper; the caller does not wait for it.
    InBackground,
    /// The caller, when it holds no lock any more and before it goes on.
    ByCaller,
}

/// What a [`Context`] is made of, besides the keys.
pub(crate) struct World<'a, 'e> {
    pub store: &'e Store,
    pub client: &'a mut Client,
    pub door: &'a dyn Door,
    pub locks: &'a mut Locks<'e>,
    pub account: &'a mut Account,
    pub now_ms: i64,
    pub waiting: Waiting,
}

/// The world of one command while it runs.
pub struct Context<'a, 'e> {
    /// What every command may reach.
    pub store: &'e Store,
    /// Who asked.
    pub client: &'a mut Client,
    /// Runs commands for commands.
    pub door: &'a dyn Door,
    pub(crate) locks: &'a mut Locks<'e>,
    pub(crate) keys: &'a [Key<'a>],
    pub(crate) account: &'a mut Account,
    pub(crate) trace: Trace<'a>,
    /// What was seen of the element that the command looks for.
    pub(crate) named: Option<&'a Named<'a>>,
    is_all: bool,
    waiting: Waiting,
    now_ms: i64,
}

impl<'a, 'e> Context<'a, 'e> {
    /// The world of a command whose keys are locked. `now_ms` is frozen while it runs; `waiting` says whether it
    /// may ask to be run again later.
    #[inline]
    pub(crate) fn new(world: World<'a, 'e>, keys: &'a [Key<'a>]) -> Self {
        let World { store, client, door, locks, account, now_ms, waiting } = world;
        let is_all = locks.mask() == store.keyspace.all();
        Self {
            store,
            client,
            door,
            locks,
            keys,
            account,
            trace: Trace::default(),
            named: None,
            is_all,
            waiting,
            now_ms,
        }
    }

    /// The same world for a command that this one runs: it shares locks, client, time and account, and cannot wait.
    pub(crate) fn world(&mut self) -> World<'_, 'e> {
        World {
            store: self.store,
            client: self.client,
            door: self.door,
            locks: self.locks,
            account: self.account,
            now_ms: self.now_ms,
            waiting: Waiting::Never,
        }
    }

    /// Whether the command may answer with [`Effect::wait`](super::Effect::wait); if not, it must reply at once.
    pub const fn can_wait(&self) -> bool {
        matches!(self.waiting, Waiting::MayBegin)
    }

    /// Whether the command waited, and now its time is over: what was not there then is not there now.
    pub const fn has_timed_out(&self) -> bool {
        matches!(self.waiting, Waiting::IsOver)
    }

    /// Says with which words the command is run again if it waits: what depended on the state of its keys must not do so
    /// then.
    pub fn run_again_as(&mut self, words: Words) {
        self.account.add().again = Some(words);
    }

    /// Says what is done outside of the store while the command waits; it waits for nothing else then.
    pub fn go_out(&mut self, errand: Box<dyn Errand>) {
        self.account.add().errand = Some(errand);
    }

    /// Unix milliseconds, the same during the whole command, transaction or script.
    #[inline]
    pub const fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The client's database.
    #[inline]
    pub const fn db(&self) -> usize {
        self.client.db
    }

    /// The number of a database that a client named.
    ///
    /// # Errors
    /// It is no integer of 32 bits, or there is no such database.
    pub fn db_index(&self, word: &[u8]) -> Result<usize, Error> {
        let number = number::parse_i64(word).ok_or(error::NOT_INTEGER)?;
        let index = i32::try_from(number).map_err(|_| error::INT_RANGE)?;
        let index = usize::try_from(index).map_err(|_| error::DB_INDEX_RANGE)?;
        if index < self.store.settings.databases() { Ok(index) } else { Err(error::DB_INDEX_RANGE) }
    }

    /// The keys of the plan in order.
    #[inline]
    pub const fn keys(&self) -> &'a [Key<'a>] {
        self.keys
    }

    /// A key of the plan.
    ///
    /// # Panics
    /// If the plan has fewer keys: the row's key specification and its handler disagree.
    #[inline]
    pub const fn key(&self, number: usize) -> Key<'a> {
        self.keys[number]
    }

    /// A key that the plan does not name. Only under a plan of all shards.
    ///
    /// # Errors
    /// The plan names its keys, so no other may be touched.
    pub fn undeclared<'k>(&self, bytes: &'k [u8]) -> Result<Key<'k>, Error> {
        debug_assert!(self.is_all, "a key was touched that the plan does not name");
        if self.is_all { Ok(self.store.keyspace.key(bytes)) } else { Err(error::UNDECLARED_KEY) }
    }

    /// The part of a database in which a key lies.
    #[inline]
    fn part(&mut self, db: usize, key: &Key<'_>) -> &mut Db {
        self.locks.shard(key.shard()).db_mut(db)
    }

    /// The live entry of a key for a read: counts a hit or miss and sets the access clock.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let clock = self.store.settings.access_clock(self.now_ms);
        let touches = !self.client.no_touch;
        let next = |old| if touches { clock.next(old) } else { old };
        self.tell_miss(key);
        self.locks.shard(key.shard()).read(self.client.db, &key, self.now_ms, next)
    }

    /// Events ask for keys that are looked up and are not there.
    #[cold]
    fn notice_miss(&mut self, key: Key<'_>) {
        // A key of the plan lives as long as the trace; no other is looked up by name.
        let known = self.keys.iter().find(|known| known.bytes() == key.bytes());
        let is_wanted = self.store.settings.events().contains(KeyspaceEvents::KEY_MISS);
        if let (true, Some(known)) = (is_wanted && self.peek(key).is_none(), known) {
            self.trace.noticed.push((self.client.db, *known, Notice::Miss));
        }
    }

    /// Events ask for keys that are new.
    #[inline]
    fn notice_new(&mut self, db: usize, key: Key<'a>) {
        if self.store.settings.notifies() && self.store.settings.events().contains(KeyspaceEvents::NEW) {
            self.trace.noticed.push((db, key, Notice::New));
        }
    }

    /// The live entry of a key for a question about it: counts a hit or miss and leaves the access clock alone.
    pub fn inspect(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        self.tell_miss(key);
        self.examine(key)
    }

    /// Lets those who listen hear that a key was looked up, if it is not there.
    #[inline]
    pub fn tell_miss(&mut self, key: Key<'_>) {
        if self.store.settings.notifies() {
            self.notice_miss(key);
        }
    }

    /// Like [`Context::inspect`], but nobody hears of a key that is not there.
    pub fn examine(&mut self, key: Key<'_>) -> Option<Entry<'_>> {
        let (now_ms, db) = (self.now_ms, self.client.db);
        let shard = self.locks.shard(key.shard());
        let place = shard.db(db).and_then(|part| part.find_live(&key, now_ms));
        let Some(place) = place else {
            shard.misses += 1;
            return None;
        };
        shard.hits += 1;
        shard.db(db).map(|part| part.at(place))
    }

    /// Like [`Context::read`], and sets the access clock even for a client that asked for CLIENT NO-TOUCH.
    pub fn touch(&mut self, key: Key<'_>) -> bool {
        let no_touch = std::mem::take(&mut self.client.no_touch);
        let found = self.read(key).is_some();
        self.client.no_touch = no_touch;
        found
    }

    /// The live entry of a key for a change: an expired one is deleted first, which the journal hears.
    #[inline]
    pub fn open(&mut self, key: Key<'a>) -> Option<Entry<'_>> {
        self.open_in(self.client.db, key)
    }

    /// The live entry of a key of another database, for a change.
    #[inline]
    pub fn open_in(&mut self, db: usize, key: Key<'a>) -> Option<Entry<'_>> {
        let now_ms = self.now_ms;
        let part = self.part(db, &key);
        let place = part.find_place(&key)?;
        if part.at(place).is_expired(now_ms) {
            self.drop_expired(db, key);
            return None;
        }
        Some(self.part(db, &key).at(place))
    }

    #[cold]
    fn drop_expired(&mut self, db: usize, key: Key<'a>) {
        // No change for who began to watch it when its time was over, so it is not recorded as one.
        let hasher = self.locks.hasher();
        let shard = self.locks.shard(key.shard());
        shard.expired += 1;
        shard.db_mut(db).remove(hasher, &key);
        free_dropped(self.store, self.locks.shard(key.shard()).db_mut(db));
        self.trace.expired.push((db, key));
    }

    /// The mutation point: every change of a key passes here.
    #[inline]
    fn mutate(&mut self, db: usize, key: Key<'a>) {
        if self.locks.peek(key.shard()).is_observed() {
            self.record_change(db, key);
        }
    }

    #[cold]
    fn record_change(&mut self, db: usize, key: Key<'a>) {
        if self.trace.changed.last().is_none_or(|(last_db, last)| (*last_db, last.bytes()) != (db, key.bytes())) {
            self.trace.changed.push((db, key));
        }
    }

    /// Stores a value under a key that is not there, of the client's database. Of who listens only watchers hear of it. Needs
    /// a plan of all shards.
    ///
    /// # Errors
    /// The plan names its keys.
    pub fn put_if_absent(&mut self, key: &[u8], value: NewValue<'_>) -> Result<(), Error> {
        let (key, db) = (self.undeclared(key)?, self.client.db);
        let now = Now { unix_ms: self.now_ms, clock: self.written_clock(db, &key) };
        let hasher = self.locks.hasher();
        let shard = self.locks.shard(key.shard());
        let part = shard.db_mut(db);
        if presence(Some(part), &key, now.unix_ms) != Presence::Live {
            part.put(hasher, &key, value, None, now);
            shard.watches.touch(db, key.bytes());
        }
        Ok(())
    }

    /// Stores a value under a key.
    #[inline]
    pub fn put(&mut self, key: Key<'a>, value: NewValue<'_>, deadline: Deadline) {
        self.put_in(self.client.db, key, value, deadline);
    }

    /// Stores a value under a key of another database.
    #[inline]
    pub fn put_in(&mut self, db: usize, key: Key<'a>, value: NewValue<'_>, deadline: Deadline) {
        let clock = self.written_clock(db, &key);
        self.store_in(db, key, value, deadline, clock);
    }

    /// Stores a value under a key whose access clock was last set elsewhere; see `AccessClock::told`.
    pub fn put_told(
        &mut self,
        key: Key<'a>,
        value: NewValue<'_>,
        deadline: Deadline,
        idle_s: Option<u64>,
        frequency: Option<u8>,
    ) {
        let clock = self.store.settings.access_clock(self.now_ms).told(idle_s, frequency);
        self.store_in(self.client.db, key, value, deadline, clock);
    }

    /// The access clock of a key that is written now: a count of uses goes on, a time of last use begins anew.
    #[inline]
    fn written_clock(&self, db: usize, key: &Key<'_>) -> u32 {
        let clock = self.store.settings.access_clock(self.now_ms);
        if !self.store.settings.counts_frequency() {
            return clock.first();
        }
        let old = self.locks.peek(key.shard()).db(db).and_then(|part| part.get(key));
        old.map_or(clock.first(), |entry| clock.next(entry.clock()))
    }

    fn store_in(&mut self, db: usize, key: Key<'a>, value: NewValue<'_>, deadline: Deadline, clock: u32) {
        let now_ms = self.now_ms;
        let hasher = self.locks.hasher();
        let shard = self.locks.shard(key.shard());
        let is_observed = shard.is_observed();
        let part = shard.db_mut(db);
        let deadline_ms = match deadline {
            Deadline::Clear => None,
            Deadline::At(deadline_ms) => Some(deadline_ms),
            Deadline::Keep => {
                part.get(&key).filter(|entry| !entry.is_expired(now_ms)).and_then(|entry| entry.deadline_ms())
            }
        };
        let before = part.put(hasher, &key, value, deadline_ms, Now { unix_ms: now_ms, clock });
        free_dropped(self.store, part);
        let filed_ms = part.take_filed();
        if before.is_expired(now_ms) {
            shard.expired += 1;
            self.trace.expired.push((db, key));
        }
        if is_observed {
            self.record_change(db, key);
        }
        if before == Before::Absent || before.is_expired(now_ms) {
            self.notice_new(db, key);
        }
        self.watch_clock(deadline_ms);
        self.watch_clock(filed_ms);
    }

    #[inline]
    fn watch_clock(&self, deadline_ms: Option<i64>) {
        if let Some(deadline_ms) = deadline_ms {
            self.store.expiry.due_at(deadline_ms);
        }
    }

    /// Computes a new number for a key that holds an integer, in place, or for one that is not there, of 0.
    /// `Updated::Other`: nothing was changed, as the key holds something else or its time is over.
    ///
    /// # Errors
    /// What `update` refuses with; nothing is changed then.
    #[inline]
    pub fn update_integer<E>(&mut self, key: Key<'a>, update: impl Fn(i64) -> Result<i64, E>) -> Result<Updated, E> {
        let db = self.client.db;
        let now = Now { unix_ms: self.now_ms, clock: self.written_clock(db, &key) };
        let hasher = self.locks.hasher();
        let shard = self.locks.shard(key.shard());
        let is_observed = shard.is_observed();
        let part = shard.db_mut(db);
        let mut updated = part.update_integer(&key, now, &update)?;
        if updated == Updated::Absent {
            let number = update(0)?;
            part.put_absent_integer(hasher, &key, number, now);
            updated = Updated::To(number);
            self.notice_new(db, key);
        }
        if is_observed && updated != Updated::Other {
            self.record_change(db, key);
        }
        Ok(updated)
    }

    /// Changes a large string in place; false if the key holds none or its buffer is shared: then it must be put anew.
    pub fn change_large(&mut self, key: Key<'a>, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.mutate(self.client.db, key);
        let db = self.client.db;
        self.part(db, &key).change_large(&key, change)
    }

    /// The name of an element with what was seen of it, if it is the one that was looked for ahead.
    #[inline]
    pub fn named<'w>(&self, word: &'w [u8]) -> Named<'w>
    where
        'a: 'w,
    {
        match self.named {
            Some(named) if std::ptr::eq(named.bytes(), word) => *named,
            _ => Named::from(word),
        }
    }

    /// The limits of packed encodings. Their lifetime is not that of the context, so that a change may use them.
    pub const fn rules(&self) -> &'e Rules {
        &self.store.rules
    }

    /// The collection under a key, for a read: counts a hit or miss and sets the access clock.
    ///
    /// # Errors
    /// `WRONGTYPE` if the key holds something else.
    #[inline]
    pub fn read_as<T: Collection>(&mut self, key: Key<'_>) -> Result<Option<Reading<'_, T>>, Error> {
        self.read(key).map(|entry| Reading::of(entry.value())).transpose()
    }

    /// The collection under a key, without counting and without touching its access clock: for commands that read several
    /// keys at once.
    ///
    /// # Errors
    /// `WRONGTYPE` if the key holds something else.
    pub fn peek_as<T: Collection>(&self, key: Key<'_>) -> Result<Option<Reading<'_, T>>, Error> {
        self.peek(key).map(|entry| Reading::of(entry.value())).transpose()
    }

    /// Changes the collection under a key. An absent key is an empty one, and one that is empty afterwards is no key.
    /// `change` tells what it did and whether it changed anything; it may fail as part of the former.
    ///
    /// # Errors
    /// `WRONGTYPE` if the key holds something else; `change` was not called then.
    ///
    /// # Panics
    /// Never: a key that is tried again was found expired, and then `change` was not called.
    #[inline]
    pub fn edit<T: Collection, R>(
        &mut self,
        key: Key<'a>,
        change: impl FnOnce(&mut T) -> (R, bool),
    ) -> Result<Edited<R>, Error> {
        let db = self.client.db;
        let now = Now { unix_ms: self.now_ms, clock: self.written_clock(db, &key) };
        let hasher = self.locks.hasher();
        // Called at most once, by the try that finds no expired key.
        let mut change = Some(change);
        let mut once = |collection: &mut T| change.take().expect("a change is made once")(collection);
        let mut edited = self.part(db, &key).edit(hasher, &key, now, &mut once);
        if matches!(edited, Err(Refused::Expired)) {
            self.drop_expired(db, key);
            edited = self.part(db, &key).edit(hasher, &key, now, &mut once);
        }
        let edited = edited.map_err(|_| error::WRONG_TYPE)?;
        let shard = self.locks.shard(key.shard());
        let is_observed = edited.changed && shard.is_observed();
        let part = shard.db_mut(db);
        free_dropped(self.store, part);
        let filed_ms = part.take_filed();
        if is_observed {
            self.record_change(db, key);
        }
        if edited.created {
            self.notice_new(db, key);
        }
        self.watch_clock(filed_ms);
        Ok(edited)
    }

    /// Changes the bytes of the string under a key. An absent key is an empty string, and stays absent if nothing is
    /// changed; `change` hears whether it is there. It tells what it did, or why it refused, and what became of the bytes.
    ///
    /// # Errors
    /// `WRONGTYPE` if the key holds something else; `change` was not called then.
    ///
    /// # Panics
    /// Never: a key that is tried again was found expired, and then `change` was not called.
    #[inline]
    pub fn edit_string<R>(
        &mut self,
        key: Key<'a>,
        change: impl FnOnce(&mut Vec<u8>, bool) -> (R, Rewrite),
    ) -> Result<Edited<R>, Error> {
        let db = self.client.db;
        let now = Now { unix_ms: self.now_ms, clock: self.written_clock(db, &key) };
        let hasher = self.locks.hasher();
        // Called at most once, by the try that finds no expired key.
        let mut change = Some(change);
        let mut once =
            |bytes: &mut Vec<u8>, is_there: bool| change.take().expect("a change is made once")(bytes, is_there);
        let mut edited = self.part(db, &key).edit_string(hasher, &key, now, &mut once);
        if matches!(edited, Err(Refused::Expired)) {
            self.drop_expired(db, key);
            edited = self.part(db, &key).edit_string(hasher, &key, now, &mut once);
        }
        let edited = edited.map_err(|_| error::WRONG_TYPE)?;
        if edited.changed {
            self.mutate(db, key);
        }
        if edited.created {
            self.notice_new(db, key);
        }
        free_dropped(self.store, self.locks.shard(key.shard()).db_mut(db));
        Ok(edited)
    }

    /// Stores a collection under a key, in place of what is there; an empty one removes the key. Whether the key is there
    /// now.
    pub fn put_collection<T: Collection>(&mut self, key: Key<'a>, collection: T) -> bool {
        if collection.is_empty() {
            self.remove(key);
            return false;
        }
        to_store(collection, |value| self.put(key, value, Deadline::Clear));
        true
    }

    /// Hands a collection that nobody needs any more to the housekeeper.
    pub fn drop_later<T: Collection>(&self, collection: T) {
        self.store.lazyfree.push_values(vec![collection.into_large()]);
        self.store.expiry.wake();
    }

    /// Sets or removes the deadline of a key; false if there is no such key.
    pub fn set_deadline(&mut self, key: Key<'a>, deadline_ms: Option<i64>) -> bool {
        self.mutate(self.client.db, key);
        let (db, now_ms) = (self.client.db, self.now_ms);
        let found = self.part(db, &key).set_deadline(&key, deadline_ms, now_ms);
        self.watch_clock(deadline_ms);
        found
    }

    /// Removes a live key; false if there is none. An expired one is deleted as such.
    pub fn remove(&mut self, key: Key<'a>) -> bool {
        self.remove_in(self.client.db, key)
    }

    /// Removes a live key that was given a deadline in the past: it counts as expired.
    pub fn remove_expired(&mut self, key: Key<'a>) -> bool {
        let removed = self.remove(key);
        self.locks.shard(key.shard()).expired += u64::from(removed);
        removed
    }

    /// Removes a live key of another database.
    pub fn remove_in(&mut self, db: usize, key: Key<'a>) -> bool {
        if self.open_in(db, key).is_none() {
            return false;
        }
        self.mutate(db, key);
        let hasher = self.locks.hasher();
        let removed = self.part(db, &key).remove(hasher, &key);
        free_dropped(self.store, self.locks.shard(key.shard()).db_mut(db));
        removed
    }

    /// Whether the journal takes what commands did. If not, a handler need not write its effect in words of its own.
    #[inline]
    pub fn is_logged(&self) -> bool {
        self.store.journal.is_on()
    }

    /// Takes a live key out of a database with all that belongs to it, so that it can be put elsewhere.
    pub fn detach_in(&mut self, db: usize, key: Key<'a>) -> Option<Detached> {
        self.open_in(db, key)?;
        self.mutate(db, key);
        let hasher = self.locks.hasher();
        self.part(db, &key).detach(hasher, &key)
    }

    /// Puts under a key what was taken from another place: value, deadline and access clock.
    pub fn attach_in(&mut self, db: usize, key: Key<'a>, detached: &Detached) {
        let deadline = detached.deadline_ms.map_or(Deadline::Clear, Deadline::At);
        self.store_in(db, key, detached.value(), deadline, detached.clock);
        self.tell_new(db, key);
    }

    /// Lets those who listen hear that a key is new although it was there: it was deleted, in between.
    pub fn tell_new(&mut self, db: usize, key: Key<'a>) {
        let is_known =
            |(noticed_db, noticed, _): &(usize, Key<'a>, Notice)| *noticed_db == db && noticed.bytes() == key.bytes();
        if !self.trace.noticed.iter().any(is_known) {
            self.notice_new(db, key);
        }
    }

    /// Shows one shard under its lock, taken for the visit unless it is held already. For plans of [`Keys::Each`] or all
    /// shards. What `visit` gives back is old as soon as it is seen.
    ///
    /// # Errors
    /// The plan names keys, so no other shard may be locked; or the store is poisoned.
    ///
    /// [`Keys::Each`]: super::Keys::Each
    pub fn visit<T>(&mut self, shard: usize, visit: impl FnOnce(&mut Shard, &KeyHasher) -> T) -> Result<T, Error> {
        let hasher = self.locks.hasher();
        if self.locks.holds(shard) {
            return Ok(visit(self.locks.shard(shard), hasher));
        }
        debug_assert!(self.locks.mask() == 0, "a shard would be locked while others are held");
        if self.locks.mask() != 0 {
            return Err(error::UNDECLARED_KEY);
        }
        let Ok(mut locks) = self.store.keyspace.lock(1 << shard) else {
            self.store.poison();
            return Err(error::POISONED);
        };
        Ok(visit(locks.shard(shard), hasher))
    }

    /// All locked shards' parts of a database. Under a plan of all shards this is the whole database.
    pub fn parts(&self, db: usize) -> impl Iterator<Item = &Db> {
        self.locks.iter().filter_map(move |shard| shard.db(db))
    }

    /// Empties a database. Needs a plan of all shards.
    pub fn clear(&mut self, db: usize, dropped: Dropped) {
        self.touch_database(db);
        self.account.add().is_flush = true;
        let store = self.store;
        let parts = self.locks.iter_mut().filter_map(|(_, shard)| shard.take(db));
        match dropped {
            Dropped::ByCaller => self.account.add().emptied.extend(parts),
            Dropped::InBackground => {
                parts.for_each(|part| store.lazyfree.push(part));
                store.expiry.wake();
            }
        }
    }

    /// After everything was removed: gives up the snapshot under way, and lets another one follow when no lock is held any
    /// more, if there are save points.
    pub fn save_after(&mut self) {
        if self.store.persist.has_save_points() {
            self.account.add().saves = true;
        } else {
            self.store.persist.abort();
        }
    }

    /// Exchanges two databases. Needs a plan of all shards.
    pub fn swap_databases(&mut self, one: usize, other: usize) {
        self.touch_database(one);
        self.touch_database(other);
        for (_, shard) in self.locks.iter_mut() {
            shard.swap(one, other);
        }
        self.touch_database(one);
        self.touch_database(other);
    }

    /// Raises the watch flags of the keys that a database has now.
    fn touch_database(&mut self, db: usize) {
        let (keyspace, now_ms) = (&self.store.keyspace, self.now_ms);
        for (_, shard) in self.locks.iter_mut() {
            let part = shard.db(db);
            shard.watches.touch_db(db, |bytes| presence(part, &keyspace.key(bytes), now_ms));
        }
        self.account.add().databases.push(db);
    }

    /// Whether a key is there, in whatever database.
    pub fn presence(&self, db: usize, key: Key<'_>) -> Presence {
        presence(self.locks.peek(key.shard()).db(db), &key, self.now_ms)
    }

    /// Lets the client hear of changes of a key of the plan.
    pub fn watch(&mut self, key: Key<'_>) {
        let was_gone = self.presence(self.client.db, key) != Presence::Live;
        self.client.watch(self.locks, key, was_gone);
    }

    /// Ends the wait of a client, as if its time were over or with an error; false if it does not wait. Its driver hears of
    /// it when no lock is held any more.
    pub fn unblock(&mut self, link: Arc<Link>, with_error: bool) -> bool {
        let unblocked = link.blocking.unblock(with_error);
        if unblocked {
            self.account.add().wakes.push(link);
        }
        unblocked
    }

    /// Wakes the driver of a client when no lock is held any more.
    pub fn wake_later(&mut self, link: Arc<Link>) {
        self.account.add().wakes.push(link);
    }

    /// Asks the driver of a client to close its connection; the driver hears of it when no lock is held any more.
    pub fn kill(&mut self, link: Arc<Link>) {
        link.flags.kill.store(true, std::sync::atomic::Ordering::Release);
        self.account.add().wakes.push(link);
    }

    /// Whether something was changed that others must hear of.
    #[inline]
    pub(crate) fn has_trace(&self) -> bool {
        !self.trace.changed.is_empty() || !self.trace.expired.is_empty() || !self.trace.noticed.is_empty()
    }

    /// Counts a change for `rdb_changes_since_last_save`: in the first shard held, so that no line is shared.
    #[inline]
    pub(crate) fn count_change(&mut self) {
        if let Some(first) = self.locks.first_mut() {
            first.changes += 1;
        }
    }

    /// Shows every shard, one after the other: under the locks that are held, or each under a lock of its own, so that
    /// nobody has to wait for all of them. For rows with `Keys::Each` or all shards.
    pub fn visit_shards(&mut self, mut each: impl FnMut(&mut Shard)) {
        for index in 0..self.store.keyspace.len() {
            if self.visit(index, |shard, _| each(shard)).is_err() {
                return;
            }
        }
    }

    /// The figures of the whole keyspace; see [`Context::visit_shards`].
    pub fn totals(&mut self) -> Totals {
        let (now_ms, random) = (self.now_ms, self.store.random().next_u64());
        let mut totals = Totals::default();
        self.visit_shards(|shard| totals.add(shard, now_ms, random));
        totals
    }

    /// Locks all shards, unless they are held. For plans of [`Keys::Each`], before anything is visited.
    ///
    /// # Errors
    /// The store is poisoned.
    ///
    /// [`Keys::Each`]: super::Keys::Each
    pub fn lock_all(&mut self) -> Result<(), Error> {
        if self.locks.mask() != 0 {
            return if self.is_all { Ok(()) } else { Err(error::UNDECLARED_KEY) };
        }
        if self.locks.lock(self.store.keyspace.all()).is_err() {
            self.store.poison();
            return Err(error::POISONED);
        }
        self.is_all = true;
        Ok(())
    }

    /// The held locks, for commands about the store itself.
    pub fn locks(&mut self) -> &mut Locks<'e> {
        self.locks
    }
}

/// Hands removed values of many bytes to the housekeeper.
#[inline]
fn free_dropped(store: &Store, part: &mut Db) {
    if part.has_dropped() {
        store.lazyfree.push_values(part.take_dropped());
        store.expiry.wake();
    }
}

fn presence(part: Option<&Db>, key: &Key<'_>, now_ms: i64) -> Presence {
    match part.and_then(|part| part.get(key)) {
        None => Presence::Absent,
        Some(entry) if entry.is_expired(now_ms) => Presence::Expired,
        Some(_) => Presence::Live,
    }
}

impl std::fmt::Debug for Context<'_, '_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Context").field("client", &self.client.link.id).finish_non_exhaustive()
    }
}

/// Shorthand for handlers.
pub type Outcome = Result<Effect, Error>;

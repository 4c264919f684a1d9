//! What every command may reach: the keyspace, the journal, who is connected, the configuration, counters and the clock.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use std::path::{Path, PathBuf};

use rkv_collections::region;

use super::errand::Errands;
use super::eviction::Eviction;
use super::settings::Settings;
use super::table::CommandTable;
use crate::acl::{Acl, Reason};
use crate::client::{Client, Kind, Link, Pause, Registry};
use crate::clock::Clock;
use crate::config::{Change, Config, KeyspaceEvents, SetError, Share, options};
use crate::error::Error;
use crate::files::Files;
use crate::journal::Journal;
use crate::keyspace::{Cut, CutError, Db, Keyspace, Locks, Shard};
use crate::observe::{Attention, ErrorCodes, Monitors, Observed, Observer, Process, Rates, ThisProcess, Totals};
use crate::persist::{Persist, Refusal, aof};
use crate::pubsub::PubSub;
use crate::random::{Random, Xoshiro256};
use crate::values::{Large, Rules};

/// Everything that commands of all clients share.
pub struct Store {
    /// All keys.
    pub keyspace: Keyspace,
    /// What commands did.
    pub journal: Journal,
    /// Who is connected.
    pub clients: Registry,
    /// Who listens to channels, and who caches keys.
    pub pubsub: PubSub,
    /// Who may log in, and what each user may do.
    pub acl: Acl,
    /// Every command.
    pub table: CommandTable,
    /// Hot values of the configuration.
    pub settings: Settings,
    /// When collections leave their packed encodings.
    pub rules: Rules,
    /// What INFO counts.
    pub counters: Counters,
    /// The next deadline of any key.
    pub expiry: Expiry,
    /// What waits to be dropped.
    pub lazyfree: Lazyfree,
    /// Snapshots, and why commands are refused for the sake of files.
    pub persist: Persist,
    /// What is remembered of commands that ran.
    pub observed: Observed,
    /// Who sees every command.
    pub monitors: Monitors,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// What commands do outside.
    pub errands: Errands,
    /// How room is made when memory ends.
    pub eviction: Eviction,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// 40 hexadecimal digits, new at every start.
    pub run_id: String,
    /// Unix milliseconds of the start.
    pub started_ms: i64,
    config: RwLock<Config>,
    /// Held while a change of the configuration is computed, applied and made: one at a time.
    changing: Mutex<()>,
    on_config: Mutex<Option<Arc<ApplyConfig>>>,
    /// Monotonic microseconds of the last time that all shards were asked what they use.
    measured_us: AtomicI64,
    process: OnceLock<Box<dyn Process>>,
    config_file: OnceLock<PathBuf>,
    acl_file: OnceLock<PathBuf>,
    observer: OnceLock<Box<dyn Observer>>,
    random: Mutex<Xoshiro256>,
    poisoned: AtomicBool,
    /// With what a server ends that was poisoned: 70 for a bug.
    pub exit_code: AtomicU8,
    shutdown: Mutex<Option<Shutdown>>,
    on_shutdown: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

/// A client asked the server to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Shutdown {
    /// Stop at once, without waiting for anybody.
    pub now: bool,
    /// Stop even if something cannot be saved.
    pub force: bool,
    /// `Some(false)`: do not save; `Some(true)`: save even without save points.
    pub save: Option<bool>,
}

/// Applies a change of the configuration to the world outside of the engine (listeners, logs), or refuses it: it gets the
/// configuration that will be, and the options that differ. Called before the change is made, on the thread of the client
/// that asked, inside a transaction even under shard locks: it must not wait for another thread.
pub type ApplyConfig = dyn Fn(&Config, &[Change]) -> Result<(), SetError> + Send + Sync;

fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    // These values are whole after every statement, so a panic elsewhere does not spoil them.
    result.unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// An empty store, which keeps its files in `files`, if anywhere.
    #[expect(clippy::too_many_arguments, reason = "one for each part")]
    pub fn new(
        keyspace: Keyspace,
        table: CommandTable,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Xoshiro256,
        run_id: String,
        rules: Rules,
        files: Option<Arc<dyn Files>>,
    ) -> Self {
        let started_ms = clock.unix_ms();
        let persist = Persist::new(files, started_ms);
        persist.follow(&config);
        let mut random = random;
        let eviction = Eviction::new(random.next_u64());
        let settings = Settings::default();
        settings.follow(&config);
        follow_limits(&rules, &config);
        eviction.follow(&config);
        let observed = Observed::new(table.all().len());
        observed.follow(&config);
        let clients = Registry::default();
        clients.set_bytes_max(client_bytes_max(&config));
        settings.set_active_expire(true);
        let pubsub = PubSub::default();
        follow_clients(&pubsub, &config);
        let acl = Acl::new(table.catalog());
        follow_users(&acl, &config);
        if !config.get(options::REQUIREPASS).is_empty() {
            acl.set_default_password(config.get(options::REQUIREPASS));
        }
        Self {
            acl,
            keyspace,
            journal: Journal::default(),
            clients,
            pubsub,
            table,
            settings,
            rules,
            counters: Counters::default(),
            expiry: Expiry::default(),
            lazyfree: Lazyfree::default(),
            persist,
            observed,
            monitors: Monitors::default(),
            pause: Pause::default(),
            errands: Errands::default(),
            eviction,
            clock,
            run_id,
            started_ms,
            config: RwLock::new(config),
            changing: Mutex::new(()),
            on_config: Mutex::new(None),
            measured_us: AtomicI64::new(i64::MIN),
            process: OnceLock::new(),
            config_file: OnceLock::new(),
            acl_file: OnceLock::new(),
            observer: OnceLock::new(),
            random: Mutex::new(random),
            poisoned: AtomicBool::new(false),
            exit_code: AtomicU8::new(70),
            shutdown: Mutex::new(None),
            on_shutdown: Mutex::new(None),
        }
    }

    /// The configuration, to be read.
    pub fn config(&self) -> RwLockReadGuard<'_, Config> {
        unpoisoned(self.config.read())
    }

    /// The configuration, to be replaced; whoever does it calls [`Settings::follow`] with the result.
    pub fn config_mut(&self) -> RwLockWriteGuard<'_, Config> {
        unpoisoned(self.config.write())
    }

    /// Changes the configuration: `change` computes the one that shall be, whoever was set by [`Store::on_config`]
    /// applies what concerns the world outside, and then it is made. All of it, or nothing. The options that differ.
    ///
    /// # Errors
    /// What `change` or the hook refuse.
    pub fn change_config(
        &self,
        change: impl FnOnce(&Config) -> Result<(Config, Vec<Change>), SetError>,
    ) -> Result<Vec<Change>, SetError> {
        let _one_at_a_time = unpoisoned(self.changing.lock());
        let (next, changes) = change(&self.config())?;
        if changes.is_empty() {
            return Ok(changes);
        }
        let apply = unpoisoned(self.on_config.lock()).clone();
        if let Some(apply) = apply {
            apply(&next, &changes)?;
        }
        if changes.iter().any(|change| change.option == options::APPENDONLY.option())
            && next.get(options::APPENDONLY)
            && let Err(error) = aof::probe(&self.persist, &next)
        {
            log::warn!("Can't open or create append-only dir or file: {error}");
            return Err(SetError::failed("appendonly", "Unable to turn on AOF. Check server logs."));
        }
        self.settings.follow(&next);
        follow_limits(&self.rules, &next);
        self.persist.follow(&next);
        self.eviction.follow(&next);
        self.observed.follow(&next);
        self.clients.set_bytes_max(client_bytes_max(&next));
        follow_clients(&self.pubsub, &next);
        follow_users(&self.acl, &next);
        if changes.iter().any(|change| change.option == options::REQUIREPASS.option()) {
            self.acl.set_default_password(next.get(options::REQUIREPASS));
        }
        *self.config_mut() = next;
        // Save points may be nearer now.
        self.expiry.wake();
        Ok(changes)
    }

    /// Sets who applies changes of the configuration to the world outside; without anybody they are only stored.
    pub fn on_config(&self, apply: Option<Arc<ApplyConfig>>) {
        *unpoisoned(self.on_config.lock()) = apply;
    }

    /// The file that CONFIG REWRITE writes; `None`: the configuration came from none.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.get().map(AsRef::as_ref)
    }

    /// Sets the absolute path of the file that CONFIG REWRITE writes; once.
    pub fn set_config_file(&self, path: PathBuf) {
        let _ = self.config_file.set(path);
    }

    /// The file of users; `None`: there is none.
    pub fn acl_file(&self) -> Option<&Path> {
        self.acl_file.get().map(AsRef::as_ref)
    }

    /// Sets the absolute path of the file of users; once.
    pub fn set_acl_file(&self, path: PathBuf) {
        let _ = self.acl_file.set(path);
    }

    /// What is known about this process.
    pub fn process(&self) -> &dyn Process {
        self.process.get().map_or(&ThisProcess, AsRef::as_ref)
    }

    /// Sets who knows more about this process than `/proc`; once.
    pub fn set_process(&self, process: Box<dyn Process>) {
        let _ = self.process.set(process);
    }

    /// Bytes of memory of all data, what waits to be freed included. Locks one shard after the other, so not to be called
    /// with a shard held.
    pub fn used_bytes(&self) -> usize {
        let shards = (0..self.keyspace.len()).filter_map(|shard| self.keyspace.lock(1 << shard).ok());
        let used: usize = shards.map(|locks| locks.iter().map(Shard::used_bytes).sum::<usize>()).sum();
        used + self.lazyfree.bytes()
    }

    /// Tells the keyspace's total how much the held shards use, and the housekeeper if memory should be made ready for more.
    /// Called before they are released by everyone who may have changed them; without `maxmemory` it costs two loads.
    #[inline]
    pub fn publish_memory(&self, locks: &mut Locks<'_>) {
        if region::is_wanted() {
            self.expiry.wake();
        }
        let limit = self.settings.maxmemory();
        if limit != 0 {
            self.keyspace.publish(locks, published_step(limit));
        }
        if self.keyspace.is_cut() {
            self.limit_captured(locks);
        }
    }

    /// Lets writers wait from now on if a snapshot holds as much memory as it may.
    #[cold]
    fn limit_captured(&self, locks: &mut Locks<'_>) {
        let bytes = self.keyspace.publish_captured(locks);
        self.persist.saving.set_captured(bytes);
        if bytes > self.persist.captured_bytes_max() {
            self.persist.refusals.set(Refusal::MemoryOfSnapshot, true);
        }
    }

    /// Whether the data takes more than `maxmemory`. Mostly one load; only where the published total is above the limit are
    /// the shards asked, one after the other, so not to be called with a shard held.
    #[inline]
    pub fn is_memory_full(&self) -> bool {
        let limit = self.settings.maxmemory();
        limit != 0 && self.published_bytes() > limit && self.is_measured_full(limit)
    }

    /// Far above the limit, where every write is refused, the shards are not asked each time.
    #[cold]
    fn is_measured_full(&self, limit: u64) -> bool {
        const INTERVAL_US: i64 = 10_000;
        let doubt = published_step(limit).saturating_mul(self.keyspace.len()) as u64;
        let now_us = self.clock.monotonic_us() as i64;
        let is_old = now_us.saturating_sub(self.measured_us.load(Ordering::Relaxed)) >= INTERVAL_US;
        if self.published_bytes().saturating_sub(limit) > doubt && !is_old {
            return true;
        }
        self.measured_us.store(now_us, Ordering::Relaxed);
        for shard in 0..self.keyspace.len() {
            if let Ok(mut locks) = self.keyspace.lock(1 << shard) {
                self.keyspace.publish(&mut locks, 0);
            }
        }
        self.published_bytes() > limit
    }

    /// Bytes by which the data is above `maxmemory`, as published.
    #[inline]
    pub fn excess_bytes(&self) -> u64 {
        let limit = self.settings.maxmemory();
        if limit == 0 { 0 } else { (self.keyspace.published_bytes() as u64).saturating_sub(limit) }
    }

    fn published_bytes(&self) -> u64 {
        (self.keyspace.published_bytes() + self.lazyfree.bytes()) as u64
    }

    /// Whether so little memory is left that commands must be admitted one at a time. Where eviction makes room before
    /// commands run, some of them together may take a quarter of a percent more.
    #[inline]
    pub fn is_memory_short(&self, reserve_bytes: usize) -> bool {
        let limit = self.settings.maxmemory();
        limit != 0
            && self.published_bytes() + reserve_bytes as u64 > limit
            && !(self.eviction.is_on() && reserve_bytes as u64 <= limit >> 8)
    }

    /// Cuts for a snapshot: what is stored now is told by the [`Cut`], and the journal from this offset on says what was done
    /// since; the first record behind it begins with a SELECT.
    ///
    /// # Errors
    /// [`CutError::Busy`] while another cut lives.
    pub fn begin_cut(&self) -> Result<(Cut<'_>, u64), CutError> {
        self.keyspace.begin_cut(|_| self.journal.cut())
    }

    /// Closes the clients with the largest buffers while all take more than `maxmemory-clients`. Not with a shard held.
    #[cold]
    pub fn evict_clients(&self) {
        for link in self.clients.largest() {
            log::info!("client {} closed: clients take more than maxmemory-clients", link.id);
            self.eviction.clients.fetch_add(1, Ordering::Relaxed);
            link.kill();
        }
    }

    /// MONITOR: whether the client is new among those who see every command.
    pub fn begin_monitor(&self, link: &Arc<Link>) -> bool {
        let is_new = self.monitors.add(link);
        link.flags.monitor.store(true, Ordering::Relaxed);
        self.observed.pay(Attention::Monitor, true);
        is_new
    }

    /// The client sees commands no more, if it did.
    pub fn end_monitor(&self, link: &Link) {
        if link.flags.monitor.swap(false, Ordering::Relaxed) && self.monitors.remove(link.id) {
            self.observed.pay(Attention::Monitor, false);
        }
    }

    /// Sets who hears of keyspace events; once, before the first command.
    pub fn set_observer(&self, observer: Box<dyn Observer>) {
        let _ = self.observer.set(observer);
    }

    /// Whether the journal or an observer takes what commands do.
    #[inline]
    pub fn is_heard(&self) -> bool {
        self.journal.is_on() || self.observer.get().is_some() || self.settings.notifies()
    }

    /// Whether anybody hears of keyspace events.
    pub fn has_observer(&self) -> bool {
        self.observer.get().is_some() || self.settings.notifies()
    }

    /// Tells a keyspace event to who wants to hear of it. Called under the key's shard lock; the drivers of those who
    /// listen are woken by [`Registry::wake_all`], later.
    #[inline]
    pub fn observe(&self, db: usize, class: KeyspaceEvents, name: &'static str, key: &[u8]) {
        if let Some(observer) = self.observer.get() {
            observer.event(db, class, name, key);
        }
        if self.settings.notifies() {
            self.notify(db, class, name, key);
        }
    }

    #[cold]
    fn notify(&self, db: usize, class: KeyspaceEvents, name: &'static str, key: &[u8]) {
        let events = self.settings.events();
        if events.contains(class) && self.pubsub.has_listeners() {
            let mut woken = Vec::new();
            self.pubsub.notify(events, db, (name, key), &mut woken);
            self.clients.wake_later(woken);
        }
    }

    /// A client listens to nothing any more and caches nothing. Locks one shard after the other if it was the last that
    /// heard of all changes.
    pub fn leave_pubsub(&self, client: &mut Client) {
        if let Some(subscriptions) = client.subscriptions.take() {
            subscriptions.give_up(&client.link);
            for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
                for name in subscriptions.names(kind) {
                    self.pubsub.unsubscribe(&client.link, kind, name);
                }
                client.link.subscribed[kind as usize].store(0, Ordering::Relaxed);
            }
        }
        client.only_listens = false;
        if let Some(tracking) = client.tracking.take() {
            client.caches_next = false;
            self.pubsub.trackers.remove(&client.link);
            self.settle_trackers(tracking.is_broadcast(), |store, settle| {
                for shard in 0..store.keyspace.len() {
                    if let Ok(mut locks) = store.keyspace.lock(1 << shard) {
                        settle(locks.shard(shard));
                    }
                }
            });
        }
    }

    /// Makes the shards know whether somebody hears of all changes, and forget all keys if nobody caches any more.
    /// `visit` shows every shard under its lock. `broadcast` says whether a client that hears of all changes came or went.
    pub fn settle_trackers(&self, broadcast: bool, visit: impl FnOnce(&Self, &mut dyn FnMut(&mut Shard))) {
        let trackers = &self.pubsub.trackers;
        if !broadcast && (trackers.count() > 0 || trackers.keys() == 0) {
            return;
        }
        visit(self, &mut |shard| {
            shard.tracked.is_broadcast = trackers.has_broadcasts();
            if trackers.count() == 0 {
                trackers.forget(shard);
            }
        });
    }

    /// Random numbers for sampling.
    pub fn random(&self) -> MutexGuard<'_, Xoshiro256> {
        unpoisoned(self.random.lock())
    }

    /// The end of a round of commands: writes the log, or lets its thread do it. Called with no lock held.
    #[inline]
    pub fn end_round(&self) {
        self.persist.log.round(self);
    }

    /// Whether a bug left a shard half changed; nothing is run any more.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Relaxed)
    }

    /// Stops the store for good: a handler panicked.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
        self.ask_shutdown(Shutdown { now: true, force: true, save: Some(false) });
    }

    /// Asks whoever runs the server to stop it.
    pub fn ask_shutdown(&self, shutdown: Shutdown) {
        *unpoisoned(self.shutdown.lock()) = Some(shutdown);
        let callback = unpoisoned(self.on_shutdown.lock()).clone();
        if let Some(callback) = callback {
            callback();
        }
    }

    /// Takes back what was asked.
    pub fn cancel_shutdown(&self) -> bool {
        unpoisoned(self.shutdown.lock()).take().is_some()
    }

    /// What was asked, if anything.
    pub fn shutdown(&self) -> Option<Shutdown> {
        *unpoisoned(self.shutdown.lock())
    }

    /// Sets who is told of [`Store::ask_shutdown`]; without anybody SHUTDOWN is refused.
    pub fn on_shutdown(&self, callback: Option<Arc<dyn Fn() + Send + Sync>>) {
        *unpoisoned(self.on_shutdown.lock()) = callback;
    }

    /// Whether somebody listens to [`Store::ask_shutdown`].
    pub fn can_shutdown(&self) -> bool {
        unpoisoned(self.on_shutdown.lock()).is_some()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

/// How far a shard's use may move, in bytes, before it is published. With 64 shards the total is then off by less than
/// 64/16384 of the limit, 0.4 %, and a shared line is written once for many commands.
pub(super) const fn published_step(limit: u64) -> usize {
    (limit >> 14) as usize
}

/// What `maxmemory-clients` allows, in bytes.
fn client_bytes_max(config: &Config) -> u64 {
    match config.get(options::MAXMEMORY_CLIENTS) {
        Share::Bytes(bytes) => bytes,
        Share::Percent(percent) => (config.get(options::MAXMEMORY) / 100).saturating_mul(u64::from(percent)),
    }
}

/// Takes over what clients may leave unread, and how many keys they may cache.
fn follow_clients(pubsub: &PubSub, config: &Config) {
    pubsub.follow(config.get(options::CLIENT_OUTPUT_BUFFER_LIMIT).pubsub);
    pubsub.trackers.set_keys_max(config.get(options::TRACKING_TABLE_MAX_KEYS).unsigned_abs());
}

/// Takes over what concerns users.
fn follow_users(acl: &Acl, config: &Config) {
    acl.set_all_channels(config.get(options::ACL_PUBSUB_DEFAULT) == "allchannels");
    acl.log.set_max(usize::try_from(config.get(options::ACLLOG_MAX_LEN)).unwrap_or(0));
}

/// Takes over the limits of packed encodings.
fn follow_limits(rules: &Rules, config: &Config) {
    rules.set_hash_entries_max(config.get(options::HASH_MAX_LISTPACK_ENTRIES));
    rules.set_hash_value_bytes_max(config.get(options::HASH_MAX_LISTPACK_VALUE).cast_signed());
    rules.set_list_size(config.get(options::LIST_MAX_LISTPACK_SIZE));
    rules.set_set_integers_max(config.get(options::SET_MAX_INTSET_ENTRIES));
    rules.set_set_entries_max(config.get(options::SET_MAX_LISTPACK_ENTRIES));
    rules.set_set_value_bytes_max(config.get(options::SET_MAX_LISTPACK_VALUE));
    rules.set_sketch_sparse_bytes_max(config.get(options::HLL_SPARSE_MAX_BYTES).cast_signed());
    rules.set_zset_entries_max(config.get(options::ZSET_MAX_LISTPACK_ENTRIES));
    rules.set_zset_value_bytes_max(config.get(options::ZSET_MAX_LISTPACK_VALUE).cast_signed());
    rules.set_stream_node_bytes_max(config.get(options::STREAM_NODE_MAX_BYTES).cast_signed());
    rules.set_stream_node_entries_max(config.get(options::STREAM_NODE_MAX_ENTRIES));
}

/// What INFO counts. Sessions add to these once per round.
#[derive(Debug, Default)]
pub struct Counters {
    /// Commands run.
    pub commands: AtomicU64,
    /// Bytes received.
    pub received_bytes: AtomicU64,
    /// Bytes sent.
    pub sent_bytes: AtomicU64,
    /// Error replies.
    pub errors: AtomicU64,
    /// Connections refused because of `maxclients` or protected mode.
    pub rejected: AtomicU64,
    /// Changes since the last snapshot.
    pub dirty: AtomicU64,
    /// Clients closed because they did not read what they were sent.
    pub floods: AtomicU64,
    /// AUTH with a wrong password.
    pub auth_failures: AtomicU64,
    /// What was refused because of rules: commands, keys, channels, databases.
    pub denied: [AtomicU64; 4],
    /// Clients closed because they sent more than `client-query-buffer-limit` ahead of execution.
    pub query_limit_closed: AtomicU64,
    /// Highest memory use that anybody measured.
    pub peak_bytes: AtomicU64,
    /// Error replies by their code word.
    pub error_codes: ErrorCodes,
    /// What happened per second lately.
    pub rates: Rates,
}

impl Counters {
    /// Counts an error reply.
    pub fn count_error(&self, error: &Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        self.error_codes.count(error.code());
    }

    /// Counts a refusal because of rules.
    pub fn count_denied(&self, reason: Reason) {
        let [commands, keys, channels, databases] = &self.denied;
        let counter = match reason {
            Reason::Auth => &self.auth_failures,
            Reason::Command => commands,
            Reason::Key => keys,
            Reason::Channel => channels,
            Reason::Database => databases,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The totals now.
    pub fn totals(&self) -> Totals {
        Totals {
            commands: self.commands.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
        }
    }

    /// Remembers the totals if that was not done lately: sessions call this at the end of a round.
    #[inline]
    pub fn sample(&self, now_ms: i64) {
        self.rates.sample(now_ms, || self.totals());
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for counter in
            [&self.commands, &self.received_bytes, &self.sent_bytes, &self.errors, &self.rejected, &self.auth_failures]
        {
            counter.store(0, Ordering::Relaxed);
        }
        for counter in [&self.floods, &self.query_limit_closed] {
            counter.store(0, Ordering::Relaxed);
        }
        self.denied.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        self.error_codes.reset();
        self.rates.reset();
    }
}

/// The next deadline of any key, and a bell for who waits for it.
pub struct Expiry {
    next_ms: AtomicI64,
    bell: Mutex<()>,
    ring: Condvar,
    start: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl std::fmt::Debug for Expiry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Expiry").field("next_ms", &self.next_ms).finish_non_exhaustive()
    }
}

impl Default for Expiry {
    fn default() -> Self {
        Self { next_ms: AtomicI64::new(i64::MAX), bell: Mutex::new(()), ring: Condvar::new(), start: OnceLock::new() }
    }
}

impl Expiry {
    /// A key will expire at this time.
    #[inline]
    pub fn due_at(&self, deadline_ms: i64) {
        if deadline_ms < self.next_ms.load(Ordering::Relaxed) {
            self.lower(deadline_ms);
        }
    }

    #[cold]
    fn lower(&self, deadline_ms: i64) {
        self.next_ms.fetch_min(deadline_ms, Ordering::AcqRel);
        self.wake();
    }

    /// Sets who is told, before every ring of the bell, that there is work: it starts the thread that waits for the bell.
    /// Once.
    pub fn on_work(&self, start: impl Fn() + Send + Sync + 'static) {
        let _ = self.start.set(Box::new(start));
    }

    /// When the next key expires, `i64::MAX` if none does.
    pub fn next_ms(&self) -> i64 {
        self.next_ms.load(Ordering::Acquire)
    }

    /// Forgets the next deadline before all wheels are asked for theirs; what is set meanwhile is not lost.
    pub fn forget(&self) {
        self.next_ms.store(i64::MAX, Ordering::Release);
    }

    /// Wakes who waits, whatever the deadline.
    pub fn wake(&self) {
        if let Some(start) = self.start.get() {
            start();
        }
        drop(unpoisoned(self.bell.lock()));
        self.ring.notify_all();
    }

    /// Waits until the bell rings, `proceed` is true, or the time is over.
    pub fn wait(&self, timeout: std::time::Duration, proceed: impl Fn() -> bool) {
        let guard = unpoisoned(self.bell.lock());
        if !proceed() {
            drop(unpoisoned(self.ring.wait_timeout(guard, timeout)));
        }
    }
}

/// What waits for a thread to drop it.
#[derive(Debug)]
enum Garbage {
    /// A database that was emptied.
    Db(Box<Db>),
    /// Values that were removed.
    Values(Vec<Large>),
}

impl Garbage {
    /// Keys, and the bytes of their values.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Db(db) => (db.len(), db.used_bytes()),
            Self::Values(values) => (values.len(), values.iter().map(Large::heap_bytes).sum()),
        }
    }
}

/// Databases that were emptied and large values that were removed, until a thread drops them.
#[derive(Debug, Default)]
pub struct Lazyfree {
    waiting: Mutex<Vec<Garbage>>,
    freed: AtomicU64,
    sizes: AtomicUsize,
    bytes: AtomicUsize,
}

impl Lazyfree {
    /// Takes over what a FLUSH unlinked.
    pub fn push(&self, db: Db) {
        self.wait(Garbage::Db(Box::new(db)));
    }

    /// Takes over large values that were removed.
    pub fn push_values(&self, values: Vec<Large>) {
        self.wait(Garbage::Values(values));
    }

    fn wait(&self, garbage: Garbage) {
        let (keys, bytes) = garbage.size();
        self.sizes.fetch_add(keys, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        unpoisoned(self.waiting.lock()).push(garbage);
    }

    /// Keys that wait to be freed.
    pub fn pending(&self) -> usize {
        self.sizes.load(Ordering::Acquire)
    }

    /// Bytes that wait to be freed.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keys freed so far.
    pub fn freed(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT: keys are counted from here on.
    pub fn reset(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending() == 0
    }

    /// Drops everything that waits.
    pub fn run(&self) {
        loop {
            let Some(garbage) = unpoisoned(self.waiting.lock()).pop() else { return };
            let (len, bytes) = garbage.size();
            drop(garbage);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.freed.fetch_add(len as u64, Ordering::Relaxed);
            // Last: without anything pending all of it is counted.
            self.sizes.fetch_sub(len, Ordering::Release);
        }
    }
}

//! The log as it is written: who writes, when it becomes durable, and what happens when that fails.
//!
//! # Who writes
//!
//! ```text
//! no, everysec   who ends a round ──try──▶ slot ──write──▶ gate: own records are released
//!                                   └held, or a sync runs──▶ rkv-log writes and wakes
//!                rkv-sync, each second ──fdatasync, slot free──▶ durable
//! always         who ends a round ──bell──▶ rkv-log: write, one fdatasync for all that wait ──▶ gate
//! ```
//!
//! # What fails is final
//!
//! Nobody knows what a file holds whose write or sync has failed, so it is never written or synced again. With `always` the
//! store stops, and no reply leaves that waits. Otherwise writes are refused until a new base and a new file, both
//! synced and the base read back, hold everything; replies that waited leave then.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::confirm::Confirmations;
use super::manifest::Manifest;
use super::scan::Scan;
use super::writer::Writer;
use crate::config::{Config, options};
use crate::files::File;
use crate::journal::{Hold, Reader};
use crate::persist::{Dataset, Refusal};

/// When what was written is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// When the system likes.
    No,
    /// Each second.
    EverySecond,
    /// Before any reply.
    Always,
}

/// What the log is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Off,
    /// Its first base is being written; nothing waits for it yet.
    Starting,
    /// It is written.
    On,
    /// Its file failed, and there is no other yet.
    Failed,
}

/// Nothing waits to become durable.
const NOTHING: u64 = u64::MAX;
/// Data that is not durable for so long makes writers wait, in microseconds.
const UNSYNCED_US_MAX: u64 = 2_000_000;
/// How often `everysec` syncs.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// How often the thread looks whether there is room again, or new files can be made.
const RETRY: Duration = Duration::from_millis(500);
/// Room on the disk below which writes are refused: four times what is on its way, and at least this.
const ROOM_BYTES_MIN: u64 = 1 << 20;

/// The file that is being written, with what belongs to it.
#[derive(Debug)]
pub(super) struct Slot {
    pub writer: Writer,
    pub reader: Reader,
}

/// What others ask of the thread.
#[derive(Debug, Default)]
struct Orders {
    write: bool,
    follow: bool,
    stop: bool,
}

/// Figures for INFO.
#[derive(Clone, Debug, Default)]
pub struct LogStatus {
    /// Bytes of all files of the log.
    pub bytes: u64,
    /// Bytes of them when the last base was made, or at the start.
    pub base_bytes: u64,
    /// How many rewrites succeeded.
    pub rewrites: u64,
    /// How many failed since the last that did not.
    pub failures: u64,
    /// Whether the last rewrite succeeded.
    pub is_rewrite_ok: bool,
    /// Seconds that the last rewrite took.
    pub took_s: Option<i64>,
    /// Whether the last write to the log succeeded.
    pub is_write_ok: bool,
    /// Whether a rewrite shall begin as soon as one can.
    pub is_scheduled: bool,
    /// What the last failure was.
    pub error: String,
    /// When the last rewrite ended, in monotonic microseconds.
    pub ended_us: Option<u64>,
    /// How many had failed when it was last told that the next one waits for long.
    pub told_failures: u64,
}

/// The log.
#[derive(Debug)]
pub struct Log {
    state: AtomicU8,
    fsync: AtomicU8,
    /// Whether it shall be there: `appendonly`.
    wanted: AtomicBool,
    has_threads: AtomicBool,
    timestamps: AtomicBool,
    spares_sync: AtomicBool,
    pub(super) slot: Mutex<Option<Slot>>,
    /// The files as the manifest on the disk names them.
    pub(super) manifest: Mutex<Manifest>,
    /// The same file as the slot's, to be synced while others write.
    pub(super) sync_file: Mutex<Option<Box<dyn File>>>,
    /// What loading found in the last incremental file.
    pub(super) last_scan: Mutex<Option<Scan>>,
    is_syncing: AtomicBool,
    written: AtomicU64,
    pub(super) synced: AtomicU64,
    /// When the oldest bytes were written that are not durable, in monotonic microseconds.
    oldest_us: AtomicU64,
    delayed: AtomicU64,
    orders: Mutex<Orders>,
    bell: Condvar,
    sync_bell: Condvar,
    status: Mutex<LogStatus>,
    is_rewriting: AtomicBool,
    /// Before each write, for tests, in microseconds.
    write_delay_us: AtomicU64,
    /// Clients that wait until something is durable.
    pub(super) confirmations: Confirmations,
}

/// The log while nobody else can write it.
#[derive(Debug)]
pub struct Paused<'a> {
    log: &'a Log,
    slot: MutexGuard<'a, Option<Slot>>,
}

impl Paused<'_> {
    /// Writes all that was journalled, so that the files hold all that was done. May be called under shard locks.
    pub fn write(&mut self, data: &dyn Dataset) {
        self.log.write(data, &mut self.slot);
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these hold is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Log {
    fn default() -> Self {
        let status = LogStatus { is_rewrite_ok: true, is_write_ok: true, ..LogStatus::default() };
        Self {
            state: AtomicU8::new(State::Off as u8),
            fsync: AtomicU8::new(Fsync::EverySecond as u8),
            wanted: AtomicBool::new(false),
            has_threads: AtomicBool::new(false),
            timestamps: AtomicBool::new(false),
            spares_sync: AtomicBool::new(false),
            slot: Mutex::default(),
            manifest: Mutex::default(),
            sync_file: Mutex::default(),
            last_scan: Mutex::default(),
            is_syncing: AtomicBool::new(false),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            oldest_us: AtomicU64::new(NOTHING),
            delayed: AtomicU64::new(0),
            orders: Mutex::default(),
            bell: Condvar::new(),
            sync_bell: Condvar::new(),
            status: Mutex::new(status),
            is_rewriting: AtomicBool::new(false),
            write_delay_us: AtomicU64::new(0),
            confirmations: Confirmations::default(),
        }
    }
}

impl Log {
    /// What it is doing.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Off,
            1 => State::Starting,
            2 => State::On,
            _ => State::Failed,
        }
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// When what was written is made durable.
    pub fn fsync(&self) -> Fsync {
        match self.fsync.load(Ordering::Acquire) {
            0 => Fsync::No,
            1 => Fsync::EverySecond,
            _ => Fsync::Always,
        }
    }

    /// Whether `appendonly` asks for it.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Figures for INFO.
    pub fn status(&self) -> LogStatus {
        locked(&self.status).clone()
    }

    pub(super) fn status_mut(&self) -> MutexGuard<'_, LogStatus> {
        locked(&self.status)
    }

    /// Bytes of the journal that are not written yet.
    pub fn buffered_bytes(&self, data: &dyn Dataset) -> u64 {
        data.journal().end().saturating_sub(self.written.load(Ordering::Acquire))
    }

    /// Whether a sync is under way in the background.
    pub fn is_syncing(&self) -> bool {
        self.is_syncing.load(Ordering::Acquire)
    }

    /// How often writers had to wait for a sync that took too long.
    pub fn delayed(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        self.is_rewriting.load(Ordering::Acquire)
    }

    pub(super) fn set_rewriting(&self, is_rewriting: bool) {
        self.is_rewriting.store(is_rewriting, Ordering::Release);
    }

    /// Up to which journal offset everything is durable.
    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Takes over a configuration. May be called under shard locks: what takes time is left to the thread.
    pub fn follow(&self, config: &Config) {
        let fsync = match config.get(options::APPENDFSYNC) {
            "no" => Fsync::No,
            "always" => Fsync::Always,
            _ => Fsync::EverySecond,
        };
        self.fsync.store(fsync as u8, Ordering::Release);
        self.wanted.store(config.get(options::APPENDONLY), Ordering::Release);
        self.timestamps.store(config.get(options::AOF_TIMESTAMP_ENABLED), Ordering::Release);
        self.spares_sync.store(config.get(options::NO_APPENDFSYNC_ON_REWRITE), Ordering::Release);
        self.order(|orders| orders.follow = true);
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut locked(&self.orders));
        self.bell.notify_one();
    }

    /// The end of a round: writes what was journalled meanwhile, or lets the thread do it. Without a log, one load.
    #[inline]
    pub fn round(&self, data: &dyn Dataset) {
        if self.state.load(Ordering::Relaxed) == State::Off as u8 {
            return;
        }
        self.end_round(data);
    }

    fn end_round(&self, data: &dyn Dataset) {
        if data.journal().end() == self.written.load(Ordering::Acquire) {
            return;
        }
        let is_left = self.has_threads.load(Ordering::Acquire)
            && (self.fsync() == Fsync::Always || self.is_syncing.load(Ordering::Acquire));
        if is_left {
            return self.order(|orders| orders.write = true);
        }
        match self.slot.try_lock() {
            Ok(mut slot) => self.write(data, &mut slot),
            Err(TryLockError::Poisoned(slot)) => self.write(data, &mut slot.into_inner()),
            Err(TryLockError::WouldBlock) => self.order(|orders| orders.write = true),
        }
    }

    /// Writes everything that was journalled and releases it as far as the setting allows.
    fn write(&self, data: &dyn Dataset, slot: &mut Option<Slot>) {
        if let Err(error) = self.write_up_to(data, slot, u64::MAX) {
            self.fail(data, slot, &error);
        }
    }

    pub(super) fn write_up_to(&self, data: &dyn Dataset, slot: &mut Option<Slot>, limit: u64) -> io::Result<()> {
        let Some(Slot { writer, reader }) = slot else { return Ok(()) };
        let journal = data.journal();
        let unix_s = self.timestamps.load(Ordering::Relaxed).then(|| data.clock().unix_ms().div_euclid(1000));
        let (before, fsync) = (writer.bytes(), self.fsync());
        let delay_us = self.write_delay_us.load(Ordering::Relaxed);
        if delay_us > 0 && journal.end() > writer.offset() {
            std::thread::sleep(Duration::from_micros(delay_us));
        }
        if !writer.write(journal, limit, self.synced(), unix_s)? {
            return Ok(());
        }
        locked(&self.status).bytes += writer.bytes() - before;
        let offset = writer.offset();
        reader.advance(offset);
        journal.note_progress();
        self.written.store(offset, Ordering::Release);
        let now_us = data.clock().monotonic_us();
        let oldest_us = self.oldest_us.fetch_min(now_us, Ordering::AcqRel).min(now_us);
        match fsync {
            Fsync::Always => {
                self.oldest_us.store(NOTHING, Ordering::Release);
                writer.sync()?;
                self.confirm(offset);
                self.release(data, offset);
            }
            Fsync::EverySecond if now_us - oldest_us > UNSYNCED_US_MAX => {
                self.delayed.fetch_add(1, Ordering::Relaxed);
            }
            Fsync::EverySecond | Fsync::No => self.release(data, offset),
        }
        if writer.room() < super::AHEAD_BYTES / 4 {
            self.order(|_| {});
        }
        Ok(())
    }

    pub(super) fn release(&self, data: &dyn Dataset, offset: u64) {
        if self.state() == State::On {
            data.journal().gate.release(offset);
        }
    }

    /// The file must not be touched any more.
    pub(super) fn fail(&self, data: &dyn Dataset, slot: &mut Option<Slot>, error: &io::Error) {
        let name = slot.take().map(|slot| slot.writer.name().to_owned()).unwrap_or_default();
        *locked(&self.sync_file) = None;
        if self.state() == State::Failed {
            return;
        }
        self.set_state(State::Failed);
        {
            let mut status = self.status_mut();
            status.is_write_ok = false;
            status.error = error.to_string();
        }
        if self.fsync() == Fsync::Always {
            log::error!(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. {name}: {error}. Exiting..."
            );
            data.give_up(74);
            data.journal().gate.wake_all();
            self.confirmations.end_all();
        } else {
            log::error!(
                "Error writing to the AOF file {name}: {error}. Writes are refused until a new file holds everything."
            );
            data.persist().refusals.set(Refusal::LogFailed, true);
        }
        self.order(|orders| orders.follow = true);
    }

    /// Makes what is written durable while others write on.
    fn sync(&self, data: &dyn Dataset) {
        // In this order: what is written in between asks for the next sync, though this one may do for it.
        self.oldest_us.store(NOTHING, Ordering::Release);
        let offset = self.written.load(Ordering::Acquire);
        let mut file = locked(&self.sync_file);
        let Some(open) = file.as_mut() else { return };
        self.is_syncing.store(true, Ordering::Release);
        let result = open.sync();
        drop(file);
        self.is_syncing.store(false, Ordering::Release);
        match result {
            Ok(()) => {
                self.confirm(offset);
                self.release(data, offset);
            }
            Err(error) => {
                let mut slot = locked(&self.slot);
                self.fail(data, &mut slot, &error);
            }
        }
    }

    /// What the thread `rkv-sync` does: `everysec`.
    pub(super) fn run_sync(&self, data: &dyn Dataset) {
        let mut orders = locked(&self.orders);
        while !orders.stop {
            let waited = self.sync_bell.wait_timeout(orders, SYNC_INTERVAL);
            orders = waited.unwrap_or_else(PoisonError::into_inner).0;
            let is_due = self.oldest_us.load(Ordering::Acquire) != NOTHING && self.fsync() == Fsync::EverySecond;
            let is_spared = self.spares_sync.load(Ordering::Acquire) && self.is_rewriting();
            if is_due && !orders.stop && (!is_spared || self.is_overdue(data)) {
                drop(orders);
                self.sync(data);
                orders = locked(&self.orders);
            }
        }
    }

    /// `no-appendfsync-on-rewrite` must not make writers wait for ever.
    fn is_overdue(&self, data: &dyn Dataset) -> bool {
        let now_us = data.clock().monotonic_us();
        now_us.saturating_sub(self.oldest_us.load(Ordering::Acquire)) > UNSYNCED_US_MAX
    }

    /// What the thread `rkv-log` does until it is stopped.
    pub(super) fn run(&self, data: &dyn Dataset) {
        loop {
            let stop = {
                let mut orders = locked(&self.orders);
                let is_idle = |orders: &Orders| !orders.write && !orders.follow && !orders.stop;
                if is_idle(&orders) {
                    let waited = self.bell.wait_timeout(orders, RETRY);
                    orders = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                let Orders { stop, .. } = std::mem::take(&mut *orders);
                orders.stop = stop;
                stop
            };
            if self.fsync() == Fsync::Always {
                // Whose replies have just left sends again, which this sync can take with it: fewer syncs for all.
                std::thread::yield_now();
            }
            self.turn(data);
            if stop {
                return;
            }
        }
    }

    /// One turn of the thread; without threads, what [`Log::tick`] does.
    fn turn(&self, data: &dyn Dataset) {
        let mut slot = locked(&self.slot);
        self.write(data, &mut slot);
        self.watch_room(data, &mut slot);
        drop(slot);
        super::rewrite::follow(self, data);
    }

    /// Does what is due, for a store without threads.
    pub fn tick(&self, data: &dyn Dataset) {
        if self.state() == State::Off && !self.is_wanted() {
            self.confirmations.end_all();
            return;
        }
        self.turn(data);
        let oldest_us = self.oldest_us.load(Ordering::Acquire);
        let now_us = data.clock().monotonic_us();
        if self.fsync() == Fsync::EverySecond && now_us.saturating_sub(oldest_us) >= 1_000_000 {
            self.sync(data);
        }
    }

    /// Keeps room ahead, and refuses writes while there is none.
    fn watch_room(&self, data: &dyn Dataset, slot: &mut Option<Slot>) {
        let Some(Slot { writer, .. }) = slot else { return };
        let refusals = &data.persist().refusals;
        match writer.take_room() {
            Ok(()) if self.state() != State::Failed && refusals.has(Refusal::LogFailed) => {
                log::info!("AOF write error looks solved, the server can write again.");
                refusals.set(Refusal::LogFailed, false);
                self.status_mut().is_write_ok = true;
            }
            Ok(()) => {}
            Err(error) => {
                let needed = ROOM_BYTES_MIN.max(4 * self.buffered_bytes(data));
                if writer.room() < needed && !refusals.has(Refusal::LogFailed) {
                    log::error!(
                        "No room for the AOF file {}: {error}. Writes are refused until there is.",
                        writer.name()
                    );
                    refusals.set(Refusal::LogFailed, true);
                    let mut status = self.status_mut();
                    status.is_write_ok = false;
                    status.error = error.to_string();
                }
            }
        }
    }

    /// Starts to write: the files are there, and the journal is on. Everything up to the writer's offset is durable.
    pub(super) fn begin(&self, place: &mut Option<Slot>, slot: Slot, sync_file: Box<dyn File>) {
        let offset = slot.writer.offset();
        self.written.store(offset, Ordering::Release);
        self.confirm(offset);
        self.oldest_us.store(NOTHING, Ordering::Release);
        *locked(&self.sync_file) = Some(sync_file);
        *place = Some(slot);
    }

    /// From here on replies wait for the log.
    pub(super) fn close_gate(&self, data: &dyn Dataset) {
        let hold = if self.fsync() == Fsync::Always { Hold::Seen } else { Hold::Own };
        let mut slot = locked(&self.slot);
        // No command is between its record and the gate meanwhile. A poisoned store has no commands any more.
        let locks = data.keyspace().sweep();
        self.confirmations.begin_at(data.journal().end());
        self.set_state(State::On);
        data.journal().gate.set_hold(hold);
        drop(locks);
        self.write(data, &mut slot);
        let Some(open) = &mut *slot else { return };
        match open.writer.sync() {
            Ok(()) => {
                self.confirm(open.writer.offset());
                self.release(data, open.writer.offset());
            }
            Err(error) => self.fail(data, &mut slot, &error),
        }
    }

    /// Follows `appendfsync`: what was written before reads wait must be durable before they do.
    pub(super) fn follow_fsync(&self, data: &dyn Dataset) {
        let wants_reads = self.fsync() == Fsync::Always;
        let gate = &data.journal().gate;
        if self.state() != State::On || gate.holds_reads() == wants_reads {
            return;
        }
        gate.set_hold(if wants_reads { Hold::Seen } else { Hold::Own });
        let mut slot = locked(&self.slot);
        let synced = match &mut *slot {
            Some(open) => open.writer.sync().map(|()| open.writer.offset()),
            None => return,
        };
        match synced {
            Ok(offset) => {
                self.confirm(offset);
                self.release(data, offset);
            }
            Err(error) => self.fail(data, &mut slot, &error),
        }
    }

    /// Everything is written and made durable, and no file is open any more.
    pub fn finish(&self, data: &dyn Dataset) {
        let mut slot = locked(&self.slot);
        self.write(data, &mut slot);
        let Some(mut open) = slot.take() else { return };
        *locked(&self.sync_file) = None;
        let writer = &mut open.writer;
        let ended = writer.sync().and_then(|()| writer.write_end()).and_then(|()| writer.give_room_back());
        match ended.and_then(|()| writer.sync()) {
            Ok(()) => {
                self.confirm(writer.offset());
                self.release(data, writer.offset());
            }
            Err(error) => self.fail(data, &mut None, &error),
        }
    }

    /// Starts the threads, unless the store's clock is moved by hand.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start_threads(&self, data: &Arc<dyn Dataset>) -> io::Result<()> {
        if data.clock().is_manual() || self.has_threads.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let log_data = Arc::downgrade(data);
        data.persist().spawn("rkv-log", move || {
            if let Some(data) = log_data.upgrade() {
                data.persist().log.run(&*data);
            }
        })?;
        let sync_data = Arc::downgrade(data);
        data.persist().spawn("rkv-sync", move || {
            if let Some(data) = sync_data.upgrade() {
                data.persist().log.run_sync(&*data);
            }
        })
    }

    /// Waits so long before each write, in microseconds: for tests that want to see who waits for it.
    pub fn delay_writes(&self, us: u64) {
        self.write_delay_us.store(us, Ordering::Relaxed);
    }

    /// Lets nobody else write until this is dropped. Called with no shard held; those may be locked then.
    pub fn pause(&self) -> Paused<'_> {
        Paused { log: self, slot: locked(&self.slot) }
    }

    /// Rewrites as soon as that can be.
    pub fn schedule(&self) {
        self.status_mut().is_scheduled = true;
        self.order(|orders| orders.follow = true);
    }

    /// Tells the threads to end.
    pub fn stop(&self) {
        self.order(|orders| orders.stop = true);
        self.sync_bell.notify_all();
    }
}

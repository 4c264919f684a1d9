//! The engine as its users see it: built once, shared by sessions, callers in this process, and the housekeeper.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::client::{Client, NoWake, Origin, Wake};
use crate::clock::{Clock, SystemClock};
use crate::commands;
use crate::config::{Config, options};
use crate::dispatch::{self, Admission, Blocked, Call, Cost, Mode};
use crate::error::{self, Error};
use crate::files::Files;
use crate::handler::{Args, Command, CommandTable, Row, Store};
use crate::housekeeper::{self, Housekeeper};
use crate::keyspace::Keyspace;
use crate::observe::Tally;
use crate::outbound::Network;
use crate::persist::{self, LoadError, Loaded, Refusal, SaveError, Saved, aof};
use crate::random::{self, Xoshiro256};
use crate::resp::{Reply, Tape};
use crate::session::Session;
use crate::values::Rules;

/// How an engine is made.
pub struct EngineOptions {
    /// The configuration.
    pub config: Config,
    /// 2^bits shards, at most 6: 64 in a server, 16 in an embedding program.
    pub shard_bits: u32,
    /// Where time comes from. With a manual clock no thread is started: the caller ticks.
    pub clock: Arc<dyn Clock>,
    /// Rows beyond the engine's own, for tests.
    pub rows: &'static [Row],
    /// Commands that get another name, and that name; an empty one: they cannot be called.
    pub renames: Vec<(Vec<u8>, Vec<u8>)>,
    /// The absolute path of the file that the configuration came from.
    pub config_file: Option<PathBuf>,
    /// The absolute path of the file of users, if there is one.
    pub acl_file: Option<PathBuf>,
    /// Users, each with its name and its rules.
    pub users: Vec<Vec<Vec<u8>>>,
    /// The directory of its files; `None`: what is stored ends with it.
    pub files: Option<Arc<dyn Files>>,
    /// How it connects to other servers; `None`: it does not.
    pub network: Option<Arc<dyn Network>>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
    /// A command cannot be renamed.
    #[error("rename-command {name}: {reason}")]
    Rename {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The users are not right.
    #[error("{0}")]
    Users(String),
    /// The directory is in use, or cannot be locked.
    #[error("{0}")]
    Directory(io::Error),
}

impl BuildError {
    /// Whether somebody else works in the directory.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Directory(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was not built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Its data was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            config: Config::default(),
            shard_bits: 6,
            clock: Arc::new(SystemClock::new()),
            rows: &[],
            renames: Vec::new(),
            config_file: None,
            acl_file: None,
            users: Vec::new(),
            files: None,
            network: None,
        }
    }
}

/// A store with everything that runs on it.
#[derive(Debug)]
pub struct Engine {
    store: Arc<Store>,
    work: Arc<Mutex<Work>>,
}

/// The thread for background work: most embedded stores never need one.
#[derive(Debug)]
enum Work {
    Idle,
    Running(Housekeeper),
    /// The engine is closed, or its clock is moved by hand.
    Closed,
}

impl Engine {
    /// Builds an engine and loads what its directory holds.
    ///
    /// # Errors
    /// The directory is in use, or what lies there is damaged.
    pub fn open(options: EngineOptions) -> Result<Arc<Self>, OpenError> {
        let engine = Self::new(options)?;
        engine.load()?;
        Ok(engine)
    }

    /// Builds an empty engine. One with a directory keeps others out of it, and refuses most commands until
    /// [`Engine::load`] was called.
    ///
    /// # Errors
    /// The system gives no random bytes, or the directory is in use. A store that is not configured to save anything by itself
    /// may share its directory until it does.
    pub fn new(options: EngineOptions) -> Result<Arc<Self>, BuildError> {
        let mut secret = [0; 16];
        random::secure_bytes(&mut secret)?;
        let mut elements_secret = [0; 16];
        random::secure_bytes(&mut elements_secret)?;
        let run_id = String::from_utf8_lossy(&random::run_id()?).into_owned();
        let families: Vec<_> = commands::FAMILIES.iter().copied().chain([options.rows]).collect();
        let is_manual = options.clock.is_manual();
        let mut table = CommandTable::new(&families);
        for (name, new) in &options.renames {
            let refused = |reason| BuildError::Rename { name: String::from_utf8_lossy(name).into_owned(), reason };
            table.rename(name, new).map_err(refused)?;
        }
        let store = Arc::new(Store::new(
            Keyspace::new(options.shard_bits, secret),
            table,
            options.config,
            options.clock,
            Xoshiro256::from_system()?,
            run_id,
            Rules::new(elements_secret),
            options.files,
        ));
        let weak: Weak<Store> = Arc::downgrade(&store);
        store.persist.attach(weak);
        store.errands.attach(Arc::downgrade(&store), options.network);
        if let Some(path) = options.config_file {
            store.set_config_file(path);
        }
        set_users(&store, &options.users, options.acl_file)?;
        Self::begin_files(&store)?;
        let work = Arc::new(Mutex::new(if is_manual { Work::Closed } else { Work::Idle }));
        let (weak, slot) = (Arc::downgrade(&store), Arc::clone(&work));
        store.expiry.on_work(move || {
            let mut work = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Work::Idle, Some(store)) = (&*work, weak.upgrade()) {
                *work = Work::Running(Housekeeper::start(&store));
            }
        });
        Ok(Arc::new(Self { store, work }))
    }

    fn begin_files(store: &Store) -> Result<(), BuildError> {
        if store.persist.files().is_none() {
            return Ok(());
        }
        let config = store.config();
        let saves = !config.get(options::SAVE).is_empty() || config.get(options::APPENDONLY);
        match store.persist.lock_directory() {
            Err(error) if saves => return Err(BuildError::Directory(error)),
            Err(error) => log::warn!("{error}: what is stored here is not saved there"),
            Ok(()) => {}
        }
        store.persist.begin_loading(store.clock.unix_ms());
        Ok(())
    }

    /// Loads what the directory holds into an engine that was just built, and lets commands in; `None`: there is nothing.
    /// Commands are answered meanwhile.
    ///
    /// # Errors
    /// What is wrong with the files. Then no command is let in.
    pub fn load(&self) -> Result<Option<Loaded>, LoadError> {
        let store = &*self.store;
        let Some(files) = store.persist.files() else { return Ok(None) };
        persist::remove_leftovers(store, &**files);
        let was_active = store.settings.active_expire();
        // What is over was decided by who wrote the log, and is written down there; nothing goes before it can be again.
        store.settings.set_active_expire(false);
        let has_log = store.persist.log.is_wanted();
        let loaded = if has_log { Self::load_log(store, &**files) } else { Self::load_snapshot(store, &**files) };
        let loaded = loaded.and_then(|loaded| aof::begin(store).map(|()| loaded).map_err(LoadError::from));
        store.settings.set_active_expire(was_active);
        let loaded = loaded?;
        store.persist.refusals.set(Refusal::Loading, false);
        store.expiry.wake();
        if has_log {
            store.persist.start_log();
        }
        Ok(loaded)
    }

    fn load_snapshot(store: &Store, files: &dyn Files) -> Result<Option<Loaded>, LoadError> {
        persist::load(store, files, &persist::file_name(store))
    }

    /// The log, if there is one; it knows more than a snapshot.
    fn load_log(store: &Store, files: &dyn Files) -> Result<Option<Loaded>, LoadError> {
        let mut replay = crate::dispatch::Replay::new(store);
        let Some(log) = aof::load(store, &mut replay)? else {
            log::info!("There is no append only file: a snapshot, if there is one, is loaded instead");
            return Self::load_snapshot(store, files);
        };
        replay.end();
        let keys = (0..store.keyspace.len()).filter_map(|shard| store.keyspace.lock(1 << shard).ok());
        let keys = keys
            .map(|locks| locks.iter().flat_map(|shard| shard.dbs().map(|(_, db)| db.len() as u64)).sum::<u64>())
            .sum();
        log::info!("{} commands of the append only file were run, {keys} keys are there", log.commands);
        Ok(Some(Loaded { keys, ..Loaded::default() }))
    }

    /// Loads a file from elsewhere into an engine that was just built; `None`: there is no such file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load_file(&self, files: &dyn Files, name: &str) -> Result<Option<Loaded>, LoadError> {
        persist::load(&*self.store, files, name)
    }

    /// Saves what was changed since the last snapshot, if it was anything, whatever the save points; `None`: nothing was.
    ///
    /// # Errors
    /// Why it was not saved.
    pub fn save_changes(&self) -> Result<Option<Saved>, SaveError> {
        let persist = &self.store.persist;
        persist.cancel();
        persist.wait();
        if persist.files().is_none()
            || persist.refusals.has(Refusal::Loading)
            || persist.unsaved_changes(&*self.store) == 0
        {
            return Ok(None);
        }
        persist.save().map(Some)
    }

    /// What all share.
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// A machine for a new connection.
    pub fn session(&self, origin: Origin, wake: Arc<dyn Wake>) -> Session {
        Session::new(&self.store, origin, wake)
    }

    /// A caller in this process.
    pub fn caller(&self) -> Caller {
        Caller::new(Arc::clone(&self.store), Arc::new(NoWake))
    }

    /// Does the background work that is due, for an engine with a manual clock; returns when the next key expires, in Unix
    /// milliseconds, `i64::MAX` if none does.
    pub fn tick(&self) -> i64 {
        housekeeper::tick(&self.store)
    }

    /// Stops background work, a snapshot under way included, and lets others into the directory. What is stored stays
    /// readable, and what was changed is not saved: see [`Engine::save_changes`].
    pub fn close(&self) {
        self.store.errands.close();
        self.store.persist.close();
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *work, Work::Closed);
        // The thread is told and waited for without the lock, as it may ask for it.
        drop(work);
        if let Work::Running(housekeeper) = before {
            drop(housekeeper);
        }
        self.store.persist.unlock_directory();
    }
}

/// Makes the users that a configuration names, or those of their file.
fn set_users(store: &Store, users: &[Vec<Vec<u8>>], file: Option<PathBuf>) -> Result<(), BuildError> {
    if file.is_some() && !users.is_empty() {
        return Err(BuildError::Users(
            "users are declared in the configuration, and it names an ACL file, too: please define either".into(),
        ));
    }
    let mut names = Vec::new();
    for user in users {
        let Some((name, rules)) = user.split_first() else { continue };
        let shown = String::from_utf8_lossy(name).into_owned();
        if names.contains(&name) {
            return Err(BuildError::Users(format!(
                "Error in user declaration '{shown}': Duplicate user found. A user can only be defined once in config files"
            )));
        }
        names.push(name);
        let rules: Vec<&[u8]> = std::iter::once(b"reset".as_slice()).chain(rules.iter().map(AsRef::as_ref)).collect();
        let fault = store.acl.set_user(name, &rules).err();
        if let Some(fault) = fault {
            return Err(BuildError::Users(format!("Error in user declaration '{shown}': {fault}")));
        }
        if store.acl.find(name).is_some_and(|user| !user.rules().is_on) {
            log::info!(
                "The user '{shown}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error."
            );
        }
    }
    if let Some(path) = file {
        commands::load_users(store, &path).map_err(BuildError::Users)?;
        store.set_acl_file(path);
    }
    Ok(())
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// A client without a connection: it calls, and reads typed replies from a tape.
#[derive(Debug)]
pub struct Caller {
    store: Arc<Store>,
    client: Client,
    blocked: Option<Arc<Blocked>>,
    /// Calls so far: one in [`TIMED`] is timed.
    calls: u32,
    tally: Arc<Tally>,
}

/// Reading the clock twice takes a fifth of the time of a GET, so that only one call of so many is timed, and every one
/// that may take long.
const TIMED: u32 = 16;

impl Caller {
    /// A caller who is told through `wake` that a reply is there.
    pub fn new(store: Arc<Store>, wake: Arc<dyn Wake>) -> Self {
        let link = store.clients.add(Origin::embedded(), store.clock.unix_ms(), wake);
        let tally = store.observed.commands.tally();
        Self { store, client: Client::new(link, None, true), blocked: None, calls: 0, tally }
    }

    /// What all share.
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Its state.
    pub const fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Runs a command whose row is known; the reply goes to the end of the tape. Returns when the log is written as far as the
    /// reply depends on it.
    #[inline]
    pub fn call(&mut self, command: &Command, words: &[&[u8]], mode: Mode, tape: &mut Tape) {
        let call = Call { command, args: Args::new(words) };
        self.guarded(tape, |caller, reply| match dispatch::admit(&caller.store, &caller.client, &call) {
            Ok(Admission::Run) => {
                dispatch::wait_for_snapshot(&caller.store, &caller.client, &call);
                let begin_ns = caller.store.clock.unix_ns();
                let now_ms = begin_ns.div_euclid(1_000_000);
                caller.blocked = dispatch::execute(&caller.store, &mut caller.client, &call, mode, now_ms, reply);
                if caller.blocked.is_none() {
                    caller.record(&call, begin_ns);
                } else {
                    dispatch::show_waiting(&caller.store, &caller.client, &call);
                }
            }
            other => caller.turn_away(other, &call, reply),
        });
        if self.is_held() {
            self.wait_for_log(tape);
        }
    }

    /// Whether what was replied depends on more of the journal than is released: nobody may see it before
    /// [`Caller::wait_for_log`] returned.
    #[inline]
    pub fn is_held(&self) -> bool {
        let gate = &self.store.journal.gate;
        gate.is_closed() && self.client.offset > gate.released()
    }

    /// Writes the log, or waits for who does, until nothing on the tape depends on more than that. If the log fails for good,
    /// an error is the only reply on the tape.
    #[cold]
    pub fn wait_for_log(&mut self, tape: &mut Tape) {
        self.store.end_round();
        let store = &self.store;
        if store.clock.is_manual() && self.is_held() {
            // There is no thread that would help: this one does.
            store.persist.log.tick(&**store);
            if self.is_held() && !store.is_poisoned() {
                tape.clear();
                let error = Error::log_failed(&store.persist.log.status().error);
                Reply::tape(tape, self.client.protocol).error(&error);
                return;
            }
        }
        if !store.journal.gate.wait_here(self.client.offset, || store.is_poisoned()) {
            tape.clear();
            Reply::tape(tape, self.client.protocol).error(&error::POISONED);
        }
    }

    /// Like [`Caller::call`] with [`Mode::Now`], but never waits for another thread: [`Caller::is_held`] must be asked next.
    /// False: somebody else holds one of the shards, and nothing was done.
    #[inline]
    pub fn try_call(&mut self, command: &Command, words: &[&[u8]], tape: &mut Tape) -> bool {
        let call = Call { command, args: Args::new(words) };
        if self.store.persist.refusals.has(Refusal::MemoryOfSnapshot) {
            // It may have to wait, and who tries does not want to.
            return false;
        }
        let mut done = true;
        self.guarded(tape, |caller, reply| match dispatch::admit(&caller.store, &caller.client, &call) {
            Ok(Admission::Run) => {
                let is_timed = caller.is_timed(&call);
                let begin_ns = if is_timed { caller.store.clock.unix_ns() } else { 0 };
                done = dispatch::try_execute(&caller.store, &mut caller.client, &call, reply);
                match (done, is_timed) {
                    (false, _) => {}
                    (true, true) => caller.record(&call, begin_ns),
                    (true, false) => caller.tally.called(command.id),
                }
            }
            other => caller.turn_away(other, &call, reply),
        });
        done
    }

    /// Whether the next call is one of those that are timed.
    #[inline]
    fn is_timed(&mut self, call: &Call<'_>) -> bool {
        self.calls = self.calls.wrapping_add(1);
        self.calls % TIMED == 1 || !call.command.shares_locks() || self.store.observed.needs_attention()
    }

    fn record(&self, call: &Call<'_>, begin_ns: i64) {
        let end_ns = self.store.clock.unix_ns();
        let (ns, now_ms) = (dispatch::elapsed_ns(begin_ns, end_ns), end_ns.div_euclid(1_000_000));
        dispatch::record(&self.store, &self.client, call, Cost { ns, reply_bytes: 0, now_ms });
    }

    /// Runs up to [`dispatch::WINDOW_CALLS_MAX`] commands in order under one set of locks, if all of them fit a window and
    /// nobody else holds one of their shards. False: nothing was done, and each must be called alone. [`Caller::is_held`] must
    /// be asked next.
    pub fn try_window(&mut self, calls: &[Call<'_>], tape: &mut Tape) -> bool {
        // Of a plain client, without a limit of memory and with files in order, what fits a window passes every check.
        let is_open = self.store.settings.maxmemory() == 0 && !self.store.persist.refusals.any();
        let fits = |caller: &Self, call: &Call<'_>| {
            let bytes = call.args.words().iter().map(|word| word.len()).sum();
            dispatch::fits_window(call, bytes)
                && (is_open || matches!(dispatch::admit(&caller.store, &caller.client, call), Ok(Admission::Run)))
        };
        if self.store.is_poisoned()
            || self.store.observed.needs_attention()
            || self.store.persist.refusals.has(Refusal::MemoryOfSnapshot)
            || !self.client.is_plain()
            || !calls.iter().all(|call| fits(self, call))
        {
            return false;
        }
        let mut done = calls.len();
        self.guarded(tape, |caller, reply| {
            let begin_ns = caller.store.clock.unix_ns();
            let now_ms = begin_ns.div_euclid(1_000_000);
            let (store, client) = (&caller.store, &mut caller.client);
            done = dispatch::execute_window(store, client, calls, now_ms, reply);
            if done > 0 {
                // The window ended early to let somebody who waited come first; the replies are all wanted together.
                for call in calls.iter().skip(done) {
                    dispatch::execute(store, client, call, Mode::Now, now_ms, reply);
                }
                let ns = dispatch::elapsed_ns(begin_ns, store.clock.unix_ns());
                dispatch::record_window(store, client, calls, Cost { ns, reply_bytes: 0, now_ms });
            }
        });
        done > 0
    }

    /// Runs a step of the door; a panic inside poisons the store, and that is then the only reply on the tape.
    #[inline]
    fn guarded(&mut self, tape: &mut Tape, step: impl FnOnce(&mut Self, &mut Reply<'_>)) {
        let mut reply = Reply::tape(tape, self.client.protocol);
        if self.store.is_poisoned() {
            reply.error(&error::POISONED);
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| step(self, &mut reply))).is_err() {
            self.store.poison();
            tape.clear();
            Reply::tape(tape, self.client.protocol).error(&error::POISONED);
        }
    }

    #[cold]
    fn turn_away(&mut self, admission: Result<Admission, Error>, call: &Call<'_>, reply: &mut Reply<'_>) {
        match admission {
            Ok(_) => {
                self.client.queue(u32::from(call.command.id), call.args.words());
                reply.queued();
            }
            Err(error) => reply.error(&dispatch::refuse(&self.store, &mut self.client, Some(call), &error)),
        }
    }

    /// Runs a command by the name in its words.
    pub fn execute(&mut self, words: &[&[u8]], mode: Mode, tape: &mut Tape) {
        let store = Arc::clone(&self.store);
        match store.table.resolve(Args::new(words)) {
            Ok(command) => self.call(command, words, mode, tape),
            Err(error) => {
                let error = dispatch::refuse(&store, &mut self.client, None, &error);
                Reply::tape(tape, self.client.protocol).error(&error);
            }
        }
    }

    /// The command that waits, if the last one does.
    pub const fn blocked(&self) -> Option<&Arc<Blocked>> {
        self.blocked.as_ref()
    }

    /// Whether another client ended the wait: then [`Caller::time_out`] is due.
    pub fn is_unblocked(&self) -> bool {
        self.client.link.blocking.is_unblocked()
    }

    /// Takes the reply of the command that waited, if it has come; its wait is then over.
    pub fn take_reply(&mut self) -> Option<Tape> {
        let messages = self.client.link.take_mail();
        let tape = messages.into_iter().find_map(|message| match message {
            crate::client::Message::Tape(tape) => Some(*tape),
            _ => None,
        })?;
        self.blocked = None;
        if self.store.journal.gate.is_closed() {
            // Who answered has journalled before.
            self.client.offset = self.client.offset.max(self.store.journal.end());
        }
        Some(tape)
    }

    /// Ends the wait because its time is over: the command answers at once, on the tape. False: somebody answers it just
    /// now, and [`Caller::take_reply`] will have it.
    pub fn time_out(&mut self, tape: &mut Tape) -> bool {
        let Some(blocked) = self.blocked.take() else { return true };
        let mut reply = Reply::tape(tape, self.client.protocol);
        let ended = dispatch::time_out(&self.store, &blocked, &mut self.client, Some(&mut reply));
        if !ended {
            self.blocked = Some(blocked);
        }
        ended
    }

    /// Ends the wait because nobody wants the reply any more. False: somebody answers it just now; the reply must be taken.
    pub fn cancel(&mut self) -> bool {
        let Some(blocked) = self.blocked.take() else { return true };
        let ended = dispatch::time_out(&self.store, &blocked, &mut self.client, None);
        if !ended {
            self.blocked = Some(blocked);
        }
        ended
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.cancel();
        let store = Arc::clone(&self.store);
        self.client.unwatch(&store.keyspace);
        store.leave_pubsub(&mut self.client);
        store.clients.remove(self.client.link.id);
        store.observed.commands.leave(&self.tally);
    }
}

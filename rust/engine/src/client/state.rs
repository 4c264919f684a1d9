//! The part of a client that only its session touches.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::link::Link;
use super::subscription::{Subscriptions, Tracking, listed_bytes};
use crate::acl::User;
use crate::keyspace::{Key, Keyspace, Locks, WatchFlag};
use crate::resp::Protocol;

/// A command that MULTI queued.
#[derive(Debug)]
pub struct Queued {
    /// Number of its row in the table.
    pub command: u32,
    /// Its words.
    pub words: Vec<Box<[u8]>>,
}

/// What MULTI collects.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The commands in order.
    pub queue: Vec<Queued>,
    /// A command was refused, so EXEC must be, too.
    pub is_broken: bool,
}

/// A watched key.
#[derive(Debug)]
pub struct Watched {
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// Whether it was absent or expired when it was watched: neither is it then a change that an expired one lies there.
    pub was_gone: bool,
}

/// What WATCH collects.
#[derive(Debug, Default)]
pub struct Watching {
    /// Raised by who changes one of the keys.
    pub flag: Arc<WatchFlag>,
    /// The keys.
    pub keys: Vec<Watched>,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    /// Replies are sent.
    On,
    /// No replies until CLIENT REPLY ON.
    Off,
    /// The next command's reply is not sent.
    SkipNext,
    /// This command's reply is not sent.
    Skip,
}

/// A client as its session sees it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub struct Client {
    /// The part others may see.
    pub link: Arc<Link>,
    /// The chosen database.
    pub db: usize,
    /// The chosen protocol.
    pub protocol: Protocol,
    /// Who it is; `None`: a caller in this process, who may do everything.
    pub user: Option<Arc<User>>,
    /// Whether it may run commands.
    pub is_authenticated: bool,
    /// CLIENT NO-TOUCH: reads leave the access clock alone.
    pub no_touch: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// Inside MULTI.
    pub transaction: Option<Box<Transaction>>,
    /// Keys that EXEC depends on.
    pub watching: Option<Box<Watching>>,
    /// How far the journal must be released before the client may see what it was replied so far.
    pub offset: u64,
    /// What it listens to.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// Listening by RESP2, it may not do anything else.
    pub only_listens: bool,
    /// CLIENT TRACKING.
    pub tracking: Option<Arc<Tracking>>,
    /// CLIENT CACHING, for the next command or transaction.
    pub caches_next: bool,
    /// QUIT, CLIENT KILL or a protocol error: close when the output is sent.
    pub is_closing: bool,
}

impl Client {
    /// A client that was just accepted; without a user it may do everything.
    pub fn new(link: Arc<Link>, user: Option<Arc<User>>, is_authenticated: bool) -> Self {
        link.set_user(user.clone());
        Self {
            link,
            db: 0,
            protocol: Protocol::Resp2,
            user,
            is_authenticated,
            no_touch: false,
            reply_mode: ReplyMode::On,
            transaction: None,
            watching: None,
            offset: 0,
            subscriptions: None,
            only_listens: false,
            tracking: None,
            caches_next: false,
            is_closing: false,
        }
    }

    /// Becomes another user, unless that was removed meanwhile.
    pub fn log_in(&mut self, user: Option<Arc<User>>, is_authenticated: bool) -> bool {
        self.link.set_user(user.clone());
        // Who removes a user looks for its clients afterwards: either it found this one, or it is seen here.
        let is_gone = user.as_ref().is_some_and(|user| user.is_gone());
        self.user = user;
        self.is_authenticated = is_authenticated && !is_gone;
        !is_gone
    }

    /// Whether no rules need be asked.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.user.as_ref().is_none_or(|user| user.is_unrestricted())
    }

    /// Chooses a database.
    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.link.db.store(db, Ordering::Relaxed);
    }

    /// Chooses a protocol.
    pub fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.link.protocol.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Ordering::Relaxed);
        self.settle_subscriptions();
    }

    /// Forgets empty subscriptions, and what follows of them for what it may do.
    pub fn settle_subscriptions(&mut self) {
        self.subscriptions.take_if(|subscriptions| subscriptions.is_empty());
        self.only_listens = self.subscriptions.is_some() && self.protocol == Protocol::Resp2;
    }

    /// CLIENT NO-TOUCH.
    pub fn set_no_touch(&mut self, no_touch: bool) {
        self.no_touch = no_touch;
        self.link.flags.no_touch.store(no_touch, Ordering::Relaxed);
    }

    /// MULTI.
    pub fn begin_transaction(&mut self) {
        self.transaction = Some(Box::default());
        self.link.queued.store(0, Ordering::Relaxed);
    }

    /// EXEC, DISCARD and RESET: takes what was queued out.
    pub fn end_transaction(&mut self) -> Option<Box<Transaction>> {
        let transaction = self.transaction.take()?;
        self.link.queued.store(-1, Ordering::Relaxed);
        self.link.queued_bytes.store(0, Ordering::Relaxed);
        Some(transaction)
    }

    /// MULTI keeps a command for EXEC.
    pub fn queue(&mut self, command: u32, words: &[&[u8]]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.queue.push(Queued { command, words: words.iter().map(|word| Box::from(*word)).collect() });
            let bytes = words.iter().map(|word| word.len() + size_of::<Box<[u8]>>()).sum::<usize>();
            self.link.queued_bytes.fetch_add(bytes + size_of::<Queued>(), Ordering::Relaxed);
            self.link.queued.store(transaction.queue.len() as i64, Ordering::Relaxed);
        }
    }

    /// A command was refused, so that EXEC must be, too.
    pub fn break_transaction(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.is_broken = true;
        }
    }

    /// Whether nothing stands between a parsed command and its execution: no transaction, no muted replies.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.is_authenticated
            && self.is_unrestricted()
            && self.transaction.is_none()
            && matches!(self.reply_mode, ReplyMode::On)
            && !self.is_closing
            && !self.only_listens
    }

    /// Watches a key of the chosen database, whose shard is held.
    pub fn watch(&mut self, locks: &mut Locks<'_>, key: Key<'_>, was_gone: bool) {
        let watching = self.watching.get_or_insert_with(|| Box::new(Watching::default()));
        let is_known = |watched: &Watched| watched.db == self.db && *watched.key == *key.bytes();
        if watching.keys.iter().any(is_known) {
            return;
        }
        let flag = Arc::clone(&watching.flag);
        locks.shard(key.shard()).watches.add(self.db, key.bytes(), flag, was_gone);
        watching.keys.push(Watched { db: self.db, key: key.bytes().into(), was_gone });
        self.link.listed_bytes.fetch_add(listed_bytes(key.bytes()), Ordering::Relaxed);
        self.link.watches(Some(&watching.flag), watching.keys.len());
    }

    /// Watches nothing any more. Locks one shard after the other.
    pub fn unwatch(&mut self, keyspace: &Keyspace) {
        for (watched, flag) in self.take_watched() {
            let key = keyspace.key(&watched.key);
            if let Ok(mut locks) = keyspace.lock(key.mask()) {
                locks.shard(key.shard()).watches.remove(watched.db, &watched.key, &flag);
            }
        }
    }

    /// Watches nothing any more. All shards of the watched keys are held.
    pub fn unwatch_held(&mut self, locks: &mut Locks<'_>) {
        for (watched, flag) in self.take_watched() {
            let shard = locks.hasher().key(&watched.key).shard();
            locks.shard(shard).watches.remove(watched.db, &watched.key, &flag);
        }
    }

    fn take_watched(&mut self) -> impl Iterator<Item = (Watched, Arc<WatchFlag>)> + use<> {
        let watching = self.watching.take();
        if let Some(watching) = &watching {
            let bytes = watching.keys.iter().map(|watched| listed_bytes(&watched.key)).sum();
            self.link.listed_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.link.watches(None, 0);
        }
        let (keys, flag) = watching.map(|watching| (watching.keys, watching.flag)).unwrap_or_default();
        keys.into_iter().map(move |watched| (watched, Arc::clone(&flag)))
    }
}

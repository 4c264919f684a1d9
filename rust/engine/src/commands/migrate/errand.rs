//! What a MIGRATE does while its client waits.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::request::Request;
use crate::config::{KeyspaceEvents, options};
use crate::error::{self, Error};
use crate::handler::{Context, Effect, Errand, Leave, Outcome, Step, Way, Words};
use crate::keyspace::WatchFlag;
use crate::number::Decimal;
use crate::outbound::{Answer, Line, Network, Patience, Target, begin_command, begin_word, write_command, write_word};
use crate::rdb;
use crate::seeded::{self, Bug};

/// Values are sent in parts of so many bytes, or of one value if that is longer.
pub(super) const PART_BYTES: usize = 256 * 1024;
const PART_KEYS: usize = 64;

/// The value of a key at some moment.
#[derive(Debug)]
struct Taken {
    payload: Vec<u8>,
    /// 0: it does not expire.
    ttl_ms: i64,
    /// Raised by whoever changes the key from that moment on.
    changed: Option<Arc<WatchFlag>>,
}

/// A key on its way.
#[derive(Debug)]
struct Parcel {
    key: Box<[u8]>,
    taken: Taken,
    /// When the target first acknowledged a value of it, which is to be replaced since then.
    arrived: Option<Instant>,
    is_acknowledged: bool,
}

/// Keys on their way to a target.
#[derive(Debug)]
pub(super) struct Migration {
    request: Request,
    network: Arc<dyn Network>,
    line: Option<Line>,
    /// The line was used before, so that its peer may have left since, and nothing has come from it yet.
    may_be_stale: bool,
    /// The target knows who comes, and for which database.
    is_greeted: bool,
    /// Keys that are not on their way yet, and since when the target has an older value of them.
    left: VecDeque<(Box<[u8]>, Option<Instant>)>,
    part: Vec<Parcel>,
    has_sent: bool,
    /// What the target said when it first refused a key.
    refusal: Option<Error>,
    _leave: Leave,
}

/// Keys that were changed on their way, and since when the target has an older value of them.
type Changed = Vec<(Box<[u8]>, Option<Instant>)>;

/// What went wrong with a peer.
enum Fault {
    /// With the connection, while this was done.
    Broken(Error, io::Error),
    Refused(Error),
}

fn refused(text: &str) -> Error {
    Error::text(format!("ERR Target instance replied with error: {text}"))
}

impl Migration {
    pub fn new(request: Request, keys: Vec<Box<[u8]>>, network: Arc<dyn Network>, leave: Leave) -> Self {
        Self {
            request,
            network,
            line: None,
            may_be_stale: false,
            is_greeted: false,
            left: keys.into_iter().map(|key| (key, None)).collect(),
            part: Vec::new(),
            has_sent: false,
            refusal: None,
            _leave: leave,
        }
    }

    /// Takes the values of the next keys.
    fn pack(&mut self, way: &dyn Way) -> Result<(), Error> {
        let mut bytes = 0;
        while self.part.len() < PART_KEYS && bytes < PART_BYTES {
            let Some((key, arrived)) = self.left.pop_front() else { break };
            let (copies, mut taken) = (self.request.copies, None);
            let words = self.request.words(std::iter::once(&*key));
            way.step(Step::Reads, &words, &mut |context| {
                taken = take(context, copies);
                Ok(Effect::none())
            })?;
            // Without a value, its time is over or somebody deleted it: then there is nothing to move.
            if let Some(taken) = taken {
                bytes += taken.payload.len();
                self.part.push(Parcel { key, arrived, is_acknowledged: false, taken });
            }
        }
        Ok(())
    }

    /// Sends the part and reads what the target says of each of its keys.
    fn deliver(&mut self, way: &dyn Way) -> Result<(), Fault> {
        let is_wanted = || way.is_wanted();
        let patience = Patience { timeout: self.request.timeout, is_wanted: &is_wanted };
        loop {
            let Err(fault) = self.try_deliver(way, patience) else { return Ok(()) };
            self.line = None;
            match &fault {
                // The peer of a kept line may have left at any time, and then has done nothing of this.
                Fault::Broken(_, error) if self.may_be_stale && error.kind() != io::ErrorKind::TimedOut => {}
                _ => return Err(fault),
            }
        }
    }

    fn try_deliver(&mut self, way: &dyn Way, patience: Patience<'_>) -> Result<(), Fault> {
        if self.line.is_none() {
            self.connect(way, patience)?;
        }
        let Some(line) = &mut self.line else { return Ok(()) };
        if !self.is_greeted {
            let has_answered = greet(line, &self.request, patience)?;
            self.may_be_stale &= !has_answered;
            self.is_greeted = true;
        }
        self.has_sent = true;
        let mut written = Vec::new();
        for parcel in &self.part {
            parcel.write_head(self.request.replaces, &mut written);
            if parcel.taken.payload.len() > PART_BYTES {
                line.send(&written, patience).map_err(writing)?;
                line.send(&parcel.taken.payload, patience).map_err(writing)?;
                written.clear();
            } else {
                written.extend_from_slice(&parcel.taken.payload);
            }
            parcel.write_tail(self.request.replaces, &mut written);
        }
        line.send(&written, patience).map_err(writing)?;
        for parcel in &mut self.part {
            let answer = line.answer(patience).map_err(reading)?;
            self.may_be_stale = false;
            match answer {
                Answer::Done => {
                    parcel.arrived.get_or_insert_with(Instant::now);
                    parcel.is_acknowledged = true;
                }
                Answer::Refused(text) => _ = self.refusal.get_or_insert_with(|| refused(&text)),
            }
        }
        Ok(())
    }

    /// Takes a line that was kept, or makes one.
    fn connect(&mut self, way: &dyn Way, patience: Patience<'_>) -> Result<(), Fault> {
        let unreachable = || writing(io::ErrorKind::AddrNotAvailable.into());
        let target = self.request.target.as_ref().ok_or_else(unreachable)?;
        self.is_greeted = false;
        // Whoever found one kept line stale is not given the next.
        let was_stale = std::mem::take(&mut self.may_be_stale);
        if !was_stale && let Some(line) = way.take_line(target) {
            self.line = Some(line);
            self.may_be_stale = true;
            return Ok(());
        }
        self.line = Some(open(&*self.network, target, patience)?);
        Ok(())
    }

    /// Deletes what the target has, or takes it up again if it was changed meanwhile.
    fn settle(&mut self, way: &dyn Way) -> Result<(), Error> {
        let part = std::mem::take(&mut self.part);
        let (mut acknowledged, rest): (Vec<Parcel>, Vec<Parcel>) =
            part.into_iter().partition(|parcel| parcel.is_acknowledged);
        if !self.request.copies && !acknowledged.is_empty() {
            let keys: Vec<Box<[u8]>> = acknowledged.iter().map(|parcel| parcel.key.clone()).collect();
            let words = self.request.words(keys.iter().map(AsRef::as_ref));
            let mut changed = Vec::new();
            let done = way.step(Step::Writes, &words, &mut |context| delete(context, &mut acknowledged, &mut changed));
            if done.is_err() {
                release(way, &mut acknowledged);
            }
            done?;
            // The one that was changed first is sent first.
            for parcel in changed.into_iter().rev() {
                if parcel.1.is_some_and(|begun| begun.elapsed() < self.request.timeout) {
                    self.left.push_front(parcel);
                } else {
                    self.refusal.get_or_insert(error::MIGRATE_WRITING);
                }
            }
        }
        self.part = rest;
        release(way, &mut self.part);
        self.part.clear();
        Ok(())
    }

    fn go(&mut self, way: &dyn Way) -> Result<&'static str, Error> {
        loop {
            self.pack(way)?;
            if self.part.is_empty() {
                break;
            }
            let delivered = self.deliver(way);
            // What was acknowledged before a connection broke has arrived.
            self.settle(way)?;
            match delivered {
                Ok(()) => {}
                Err(Fault::Refused(error)) => return Err(error),
                Err(Fault::Broken(..)) if !way.is_wanted() => return Err(error::ERRAND_ENDED),
                Err(Fault::Broken(error, _)) => return Err(self.refusal.take().unwrap_or(error)),
            }
        }
        match self.refusal.take() {
            Some(error) => Err(error),
            None if self.has_sent => Ok("OK"),
            None => Ok("NOKEY"),
        }
    }
}

impl Errand for Migration {
    fn run(&mut self, way: &dyn Way) -> Result<&'static str, Error> {
        let outcome = self.go(way);
        release(way, &mut self.part);
        if let (Some(line), Some(target)) = (self.line.take(), self.request.target.clone())
            && !line.has_input()
        {
            way.keep_line(target, line);
        }
        outcome
    }
}

/// Why a connection broke.
fn writing(error: io::Error) -> Fault {
    Fault::Broken(error::MIGRATE_WRITING, error)
}

fn reading(error: io::Error) -> Fault {
    Fault::Broken(error::MIGRATE_READING, error)
}

fn open(network: &dyn Network, target: &Target, patience: Patience<'_>) -> Result<Line, Fault> {
    let wire = network.connect(&target.host, target.port, patience).map_err(|error| match error.kind() {
        // Redis hears of it when it writes.
        io::ErrorKind::ConnectionRefused => writing(error),
        _ => Fault::Broken(error::MIGRATE_CONNECTING, error),
    })?;
    Ok(Line::new(wire))
}

/// Says who comes, each time, as a password may have become another, and for which database. Nothing is sent to a target that
/// refuses one of them. Whether it was asked for any answer.
fn greet(line: &mut Line, request: &Request, patience: Patience<'_>) -> Result<bool, Fault> {
    let (mut greeting, mut commands) = (Vec::new(), 0);
    if let Some((target, password)) = request.target.as_ref().and_then(|to| Some((to, to.password.as_ref()?))) {
        let auth = [b"AUTH".as_slice()].into_iter().chain(target.user.as_deref()).chain([&*password.0]);
        write_command(&auth.collect::<Vec<_>>(), &mut greeting);
        commands += 1;
    }
    if line.db != Some(request.db) {
        write_command(&[b"SELECT", Decimal::from(request.db).as_bytes()], &mut greeting);
        commands += 1;
    }
    line.send(&greeting, patience).map_err(writing)?;
    let mut refusal = None;
    for _ in 0..commands {
        if let Answer::Refused(text) = line.answer(patience).map_err(reading)? {
            refusal.get_or_insert(text);
        }
    }
    line.db = Some(request.db);
    refusal.map_or(Ok(commands > 0), |text| Err(Fault::Refused(refused(&text))))
}

impl Parcel {
    /// RESTORE up to the payload.
    fn write_head(&self, replaces: bool, into: &mut Vec<u8>) {
        let replaces = replaces || self.arrived.is_some();
        begin_command(4 + usize::from(replaces), into);
        for word in [b"RESTORE", &*self.key, Decimal::from(self.taken.ttl_ms).as_bytes()] {
            write_word(word, into);
        }
        begin_word(self.taken.payload.len(), into);
    }

    /// What stands behind the payload.
    fn write_tail(&self, replaces: bool, into: &mut Vec<u8>) {
        into.extend_from_slice(b"\r\n");
        if replaces || self.arrived.is_some() {
            write_word(b"REPLACE", into);
        }
    }
}

/// Lets go the flags of what is not on its way any more.
fn release(way: &dyn Way, parcels: &mut [Parcel]) {
    for parcel in parcels {
        if let Some(flag) = parcel.taken.changed.take() {
            way.unfollow(&parcel.key, &flag);
        }
    }
}

/// Takes the value of a key, if there is one, and marks it so that a change is seen.
fn take(context: &mut Context<'_, '_>, copies: bool) -> Option<Taken> {
    let compress = context.store.config().get(options::RDBCOMPRESSION);
    let (key, now_ms) = (context.key(0), context.now_ms());
    let entry = context.peek(key)?;
    let payload = rdb::dump(entry.value(), compress);
    let ttl_ms = entry.deadline_ms().map_or(0, |deadline_ms| deadline_ms.saturating_sub(now_ms).max(1));
    Some(Taken { payload, ttl_ms, changed: (!copies).then(|| context.follow(key)) })
}

/// Deletes the keys that nobody has changed since they were taken; the others that are still there have to be taken again.
fn delete(context: &mut Context<'_, '_>, parcels: &mut [Parcel], changed: &mut Changed) -> Outcome {
    let mut words: Words = vec![Box::from(*b"DEL")];
    let mut gone = Vec::new();
    for (index, parcel) in parcels.iter_mut().enumerate() {
        let key = context.key(index);
        let Some(flag) = parcel.taken.changed.take() else { continue };
        context.unfollow(key, &flag);
        if flag.is_raised() && !seeded::is_on(Bug::MigratedBlindly) {
            if context.peek(key).is_some() {
                changed.push((key.bytes().into(), parcel.arrived));
            }
        } else if context.remove(key) {
            words.push(key.bytes().into());
            gone.push(index);
        }
    }
    if gone.is_empty() {
        return Ok(Effect::none());
    }
    let effect = Effect::instead_all(vec![words]);
    Ok(gone.into_iter().fold(effect, |effect, index| effect.event(KeyspaceEvents::GENERIC, "del", index)))
}

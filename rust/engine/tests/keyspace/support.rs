//! An engine with a manual clock, whose replies, events and journal are text.

use std::sync::{Arc, Mutex};

use rkv_engine::clock::ManualClock;
use rkv_engine::config::{Config, KeyspaceEvents};
use rkv_engine::dispatch::Mode;
use rkv_engine::handler::{
    Args, Context, Deadline, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row, Store,
};
use rkv_engine::keyspace::{Db, WatchFlag};
use rkv_engine::observe::Observer;
use rkv_engine::resp::{Reply, Tape, Value};
use rkv_engine::values::NewValue;
use rkv_engine::{Caller, Engine, EngineOptions};

/// When every test begins, in Unix milliseconds: even, as the wheel's ticks are two milliseconds.
pub const START_MS: i64 = 1_700_000_000_000;

const ONE: Keys = Keys::Specs(&[KeySpec::one(1, KeyFlags::RW)]);

/// Commands that other families bring, as far as these tests need them.
const ROWS: &[Row] = &[
    Row::new("TEST.RAW", 3, Group::String, raw).keys(ONE).flags(Flags::WRITE),
    Row::new("TEST.VISIT", 1, Group::Server, visit).keys(Keys::Each),
    Row::new("TEST.VISIT-ALL", 1, Group::Server, visit).keys(Keys::All),
];

/// Stores a string whose encoding is `raw` whatever its length.
fn raw(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    context.put(context.key(0), NewValue::Raw(args.word(2)), Deadline::Keep);
    reply.ok();
    Ok(Effect::changed())
}

/// Counts keys as DBSIZE does, under whatever the plan holds.
fn visit(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut count = 0;
    for shard in 0..context.store.keyspace.len() {
        count += context.visit(shard, |shard, _| shard.db(0).map_or(0, Db::len))?;
    }
    reply.integer(count as i64);
    Ok(Effect::none())
}

/// What keyspace events were told: `name db key`.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Mutex<Vec<String>>>);

impl Observer for Events {
    fn event(&self, db: usize, _: KeyspaceEvents, name: &'static str, key: &[u8]) {
        self.0.lock().expect("events").push(format!("{name} {db} {}", String::from_utf8_lossy(key)));
    }
}

/// An engine under test.
pub struct Lab {
    pub engine: Arc<Engine>,
    pub clock: Arc<ManualClock>,
    events: Events,
}

impl Lab {
    /// With 2^`shard_bits` shards.
    pub fn new(shard_bits: u32) -> Self {
        Self::with(shard_bits, Config::default())
    }

    pub fn with(shard_bits: u32, config: Config) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let options =
            EngineOptions { config, shard_bits, clock: clock.clone(), rows: ROWS, ..EngineOptions::default() };
        let engine = Engine::new(options).expect("an engine");
        let events = Events::default();
        engine.store().set_observer(Box::new(events.clone()));
        Self { engine, clock, events }
    }

    pub fn user(&self) -> User {
        User { caller: self.engine.caller(), tape: Tape::new() }
    }

    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    /// The events since the last call.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.0.lock().expect("events"))
    }

    /// Keeps a journal from now on.
    pub fn record(&self) {
        let _all = self.store().keyspace.lock(self.store().keyspace.all()).expect("locks");
        self.store().journal.turn_on(1 << 24);
    }

    /// All commands of the journal.
    pub fn journal(&self) -> Vec<Vec<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.store().journal.read(0, usize::MAX, &mut bytes).expect("a journal");
        commands(&bytes)
    }

    /// The journal as lines.
    pub fn lines(&self) -> Vec<String> {
        let line = |words: &Vec<Vec<u8>>| words.iter().map(|word| text(word)).collect::<Vec<_>>().join(" ");
        self.journal().iter().map(line).collect()
    }

    /// Lets time pass, and does what is due then.
    pub fn pass_ms(&self, ms: u64) {
        self.clock.advance_ms(ms);
        self.engine.tick();
    }

    /// A flag that is raised when a key changes.
    pub fn watch(&self, db: usize, key: &str) -> Arc<WatchFlag> {
        let flag = Arc::new(WatchFlag::default());
        let key = self.store().keyspace.key(key.as_bytes());
        let mut locks = self.store().keyspace.lock(key.mask()).expect("a lock");
        locks.shard(key.shard()).watches.add(db, key.bytes(), Arc::clone(&flag), false);
        flag
    }

    /// Sums a counter over all shards.
    pub fn expired(&self) -> u64 {
        let locks = self.store().keyspace.lock(self.store().keyspace.all()).expect("locks");
        locks.iter().map(|shard| shard.expired).sum()
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// Splits arrays of bulk strings.
fn commands(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let words = header(&mut rest, b'*');
        let word = |_| {
            let length = header(&mut rest, b'$');
            let (word, after) = rest.split_at(length);
            rest = after.strip_prefix(b"\r\n").expect("a line end");
            word.to_vec()
        };
        found.push((0..words).map(word).collect());
    }
    found
}

fn header(rest: &mut &[u8], mark: u8) -> usize {
    assert_eq!(rest.first(), Some(&mark));
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line end");
    let number = text(&rest[1..end]).parse().expect("a length");
    *rest = &rest[end + 2..];
    number
}

/// Someone who calls.
pub struct User {
    pub caller: Caller,
    tape: Tape,
}

impl User {
    /// Calls, and leaves the reply on the tape.
    pub fn run<W: AsRef<[u8]>>(&mut self, words: &[W]) -> &Tape {
        self.tape.clear();
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        self.caller.execute(&words, Mode::Now, &mut self.tape);
        &self.tape
    }

    /// Calls, and shows the reply: `OK`, `:1`, `$text`, `nil`, `-ERR text`, arrays as their elements.
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> String {
        let shown = |value: Value<'_>| match value {
            Value::Simple(text) => Some(text.to_owned()),
            Value::Integer(number) => Some(format!(":{number}")),
            Value::Bulk(bytes) => Some(format!("${}", text(bytes))),
            Value::Shared(shared) => Some(format!("${}", text(shared))),
            Value::Null => Some("nil".to_owned()),
            Value::Error(error) => Some(format!("-{}", error.as_str())),
            Value::Array(_) => None,
            other => panic!("{other:?}"),
        };
        self.run(words).iter().filter_map(shown).collect::<Vec<_>>().join(" ")
    }

    /// Calls with words between spaces.
    pub fn say(&mut self, line: &str) -> String {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// Calls, and gives the integer.
    pub fn count(&mut self, line: &str) -> i64 {
        let reply = self.say(line);
        reply.strip_prefix(':').and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{line}: {reply}"))
    }

    /// Calls, and gives the strings.
    pub fn names<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<Vec<u8>> {
        let bulk = |value| match value {
            Value::Bulk(bytes) => Some(bytes.to_vec()),
            Value::Error(error) => panic!("{}", error.as_str()),
            _ => None,
        };
        self.run(words).iter().filter_map(bulk).collect()
    }

    /// A whole walk with these options behind the cursor; `between` is called before each call but the first.
    pub fn walk(&mut self, options: &[&str], mut between: impl FnMut()) -> Vec<Vec<u8>> {
        let (mut cursor, mut all) = (b"0".to_vec(), Vec::new());
        loop {
            let words = [b"SCAN".as_slice(), &cursor].into_iter().chain(options.iter().map(|word| word.as_bytes()));
            let mut found = self.names(&words.collect::<Vec<_>>());
            cursor = found.remove(0);
            all.append(&mut found);
            if cursor == b"0" {
                return all;
            }
            between();
        }
    }
}

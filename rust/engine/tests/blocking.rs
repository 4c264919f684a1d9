//! One private blocking pop, served across sessions, callers and threads: first come first served, in time, never twice,
//! never forgotten.
//!
//! A key holds a number of units. `PUSHN key` adds one; `BPOPN key [key ...] milliseconds` takes one from the first key
//! that has any, waits for one otherwise, and answers with the key. Time comes from the system, as threads really wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rkv_engine::client::{Origin, Transport, Unblock, Wake};
use rkv_engine::dispatch::Mode;
use rkv_engine::handler::{Args, Context, Deadline, Effect, Flags, Group, KeyFlags, KeySpec, Keys, Outcome, Row};
use rkv_engine::keyspace::Key;
use rkv_engine::resp::{Protocol, Reply, Tape, Value};
use rkv_engine::session::Session;
use rkv_engine::values::{NewValue, ValueRef};
use rkv_engine::{Caller, Engine, EngineOptions};

const KEY: KeyFlags = KeyFlags::RW.with(KeyFlags::UPDATE);

const ROWS: &[Row] = &[
    Row::new("PUSHN", 2, Group::String, pushn).keys(Keys::Specs(&[KeySpec::one(1, KEY)])).flags(Flags::WRITE),
    Row::new("BPOPN", -3, Group::String, bpopn)
        .keys(Keys::Specs(&[KeySpec::range(1, -2, 1, KEY)]))
        .flags(Flags::WRITE.with(Flags::BLOCKING)),
];

fn units<'a>(context: &mut Context<'a, '_>, key: Key<'a>) -> i64 {
    match context.open(key).map(|entry| entry.value()) {
        Some(ValueRef::Integer(number)) => number,
        _ => 0,
    }
}

fn pushn(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = context.key(0);
    let number = units(context, key) + 1;
    context.put(key, NewValue::Integer(number), Deadline::Clear);
    reply.integer(number);
    Ok(Effect::changed())
}

fn bpopn(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wait_us = args.integer(args.len() - 1)? as u64 * 1000;
    for key in context.keys() {
        match units(context, *key) {
            0 => continue,
            1 => assert!(context.remove(*key)),
            number => context.put(*key, NewValue::Integer(number - 1), Deadline::Clear),
        }
        reply.bulk(key.bytes());
        return Ok(Effect::changed());
    }
    if context.can_wait() {
        return Ok(Effect::wait((wait_us > 0).then(|| context.store.clock.monotonic_us() + wait_us)));
    }
    reply.null_array();
    Ok(Effect::none())
}

/// How long anything may take before a wake counts as lost.
const LOST: Duration = Duration::from_secs(30);

/// A driver that is a thread: it sleeps until it is woken.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Wake for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap() = true;
        self.ring.notify_all();
    }
}

impl Bell {
    /// Until it rings or the time is over.
    fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap();
        let (mut rung, _) = self.ring.wait_timeout_while(rung, timeout, |rung| !*rung).unwrap();
        *rung = false;
    }
}

/// How a thread drives its blocking pop.
enum Popper {
    Session(Box<Session>),
    Caller(Box<Caller>),
}

struct Driver {
    engine: Arc<Engine>,
    bell: Arc<Bell>,
    popper: Popper,
}

impl Driver {
    fn new(engine: &Arc<Engine>, is_session: bool) -> Self {
        let bell = Arc::new(Bell::default());
        let popper = if is_session {
            let origin = Origin { peer: "test:1".into(), local: "test:2".into(), transport: Transport::Stream, fd: -1 };
            Popper::Session(Box::new(engine.session(origin, bell.clone())))
        } else {
            Popper::Caller(Box::new(Caller::new(Arc::clone(engine.store()), bell.clone())))
        };
        Self { engine: Arc::clone(engine), bell, popper }
    }

    /// How long to sleep before the deadline.
    fn left(&self, deadline_us: Option<u64>) -> Duration {
        let now_us = self.engine.store().clock.monotonic_us();
        deadline_us.map_or(LOST, |deadline_us| Duration::from_micros(deadline_us.saturating_sub(now_us)))
    }

    /// Begins a pop; true if it waits.
    fn begin(&mut self, keys: &[&str], timeout_ms: u64, tape: &mut Tape) -> bool {
        let timeout = timeout_ms.to_string();
        let words: Vec<&str> = ["BPOPN"].iter().chain(keys).copied().chain([timeout.as_str()]).collect();
        match &mut self.popper {
            Popper::Session(session) => {
                session.receive(format!("{}\r\n", words.join(" ")).as_bytes());
                session.output().is_empty()
            }
            Popper::Caller(caller) => {
                let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                caller.execute(&words, Mode::MayWait(Unblock::Tape(Protocol::Resp2)), tape);
                caller.blocked().is_some()
            }
        }
    }

    /// Waits for the answer: the key, or `None` when the time is over.
    fn pop(&mut self, keys: &[&str], timeout_ms: u64) -> Option<String> {
        let begun = Instant::now();
        let mut tape = Tape::new();
        let mut waits = self.begin(keys, timeout_ms, &mut tape);
        while waits {
            assert!(begun.elapsed() < LOST, "a wake was lost: {keys:?} {timeout_ms}");
            let deadline_us = match &self.popper {
                Popper::Session(session) => session.deadline(),
                Popper::Caller(caller) => caller.blocked().and_then(|blocked| blocked.deadline_us),
            };
            self.bell.wait(self.left(deadline_us));
            let is_over = deadline_us.is_some() && self.left(deadline_us).is_zero();
            waits = match &mut self.popper {
                Popper::Session(session) => {
                    session.poll();
                    session.output().is_empty()
                }
                Popper::Caller(caller) => match caller.take_reply() {
                    Some(reply) => {
                        tape = reply;
                        false
                    }
                    None if is_over => {
                        if !caller.time_out(&mut tape) {
                            tape = caller.take_reply().expect("who was faster has answered");
                        }
                        false
                    }
                    None => true,
                },
            };
        }
        self.answer(&tape)
    }

    /// Begins a pop and goes; the key if it was served before it could go. Nobody else asks for `own`.
    fn leave(&mut self, keys: &[&str], own: &str) -> Option<String> {
        let mut tape = Tape::new();
        if self.begin(keys, 0, &mut tape) {
            match &mut self.popper {
                Popper::Caller(caller) => {
                    if caller.cancel() {
                        return None;
                    }
                    tape = caller.take_reply().expect("who was faster has answered");
                }
                Popper::Session(session) => {
                    // Whether it was served shows only when it is asked; it is then at the latest by this.
                    push(&mut self.engine.caller(), own);
                    while session.output().is_empty() {
                        session.poll();
                    }
                }
            }
        }
        self.answer(&tape)
    }

    fn answer(&mut self, tape: &Tape) -> Option<String> {
        match &mut self.popper {
            Popper::Session(session) => {
                let reply = String::from_utf8(session.output().to_vec()).unwrap();
                session.advance(reply.len());
                (reply != "*-1\r\n").then(|| reply.split("\r\n").nth(1).unwrap().to_owned())
            }
            Popper::Caller(_) => match tape.iter().next() {
                Some(Value::Bulk(key)) => Some(String::from_utf8(key.to_vec()).unwrap()),
                Some(Value::NullArray) => None,
                other => panic!("{other:?}"),
            },
        }
    }
}

fn engine(shard_bits: u32) -> Arc<Engine> {
    Engine::new(EngineOptions { shard_bits, rows: ROWS, ..EngineOptions::default() }).unwrap()
}

fn push(caller: &mut Caller, key: &str) {
    let mut tape = Tape::new();
    caller.execute(&[b"PUSHN", key.as_bytes()], Mode::Now, &mut tape);
    assert!(matches!(tape.iter().next(), Some(Value::Integer(_))));
}

fn left(engine: &Engine, key: &str) -> Option<i64> {
    let mut tape = Tape::new();
    engine.caller().execute(&[b"GET", key.as_bytes()], Mode::Now, &mut tape);
    match tape.iter().next() {
        Some(Value::Bulk(text)) => Some(std::str::from_utf8(text).unwrap().parse().unwrap()),
        _ => None,
    }
}

fn nobody_waits(engine: &Engine) -> bool {
    let keyspace = &engine.store().keyspace;
    keyspace.lock(keyspace.all()).unwrap().iter().all(|shard| shard.waiters.is_empty())
}

#[test]
fn every_driver_is_served_by_every_other() {
    let engine = engine(4);
    for (is_session, key) in [(true, "a"), (false, "b"), (true, "b"), (false, "a")] {
        let mut driver = Driver::new(&engine, is_session);
        let waiter = thread::spawn(move || driver.pop(&["a", "b", "c"], 0));
        while nobody_waits(&engine) {
            thread::yield_now();
        }
        push(&mut engine.caller(), key);
        assert_eq!(waiter.join().unwrap().as_deref(), Some(key));
        assert_eq!(left(&engine, key), None);
        assert!(nobody_waits(&engine));
    }
}

#[test]
fn waits_end_in_time_and_leave_nothing_behind() {
    let engine = engine(4);
    for is_session in [true, false] {
        let mut driver = Driver::new(&engine, is_session);
        let begun = Instant::now();
        assert_eq!(driver.pop(&["a", "b", "c"], 20), None);
        assert!(begun.elapsed() >= Duration::from_millis(20));
        assert!(nobody_waits(&engine));
        push(&mut engine.caller(), "c");
        assert_eq!(driver.pop(&["a", "b", "c"], 20).as_deref(), Some("c"));
        // A client that goes while it waits takes nothing with it.
        assert!(driver.begin(&["a", "b"], 0, &mut Tape::new()));
        drop(driver);
        assert!(nobody_waits(&engine));
        push(&mut engine.caller(), "a");
        assert_eq!(left(&engine, "a"), Some(1));
        assert_eq!(Driver::new(&engine, is_session).pop(&["a"], 0).as_deref(), Some("a"));
    }
}

#[test]
fn one_transaction_serves_several_waiters_in_their_order() {
    let engine = engine(6);
    let mut drivers: Vec<Driver> = (0..6_usize).map(|number| Driver::new(&engine, number.is_multiple_of(2))).collect();
    // Every other one waits for keys in shards that the transaction does not lock.
    for (number, driver) in drivers.iter_mut().enumerate() {
        let keys: &[&str] = if number.is_multiple_of(3) { &["a"] } else { &["x", "y", "z", "a"] };
        assert!(driver.begin(keys, 0, &mut Tape::new()));
    }
    let mut caller = engine.caller();
    let served = |drivers: &mut [Driver]| -> Vec<bool> {
        let has_reply = |driver: &mut Driver| match &mut driver.popper {
            Popper::Session(session) => {
                session.poll();
                let len = session.output().len();
                session.advance(len);
                len > 0
            }
            Popper::Caller(caller) => caller.take_reply().is_some(),
        };
        drivers.iter_mut().map(has_reply).collect()
    };
    for words in [&["MULTI"][..], &["PUSHN", "a"], &["PUSHN", "a"], &["PUSHN", "a"], &["GET", "a"]] {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        caller.execute(&words, Mode::Now, &mut Tape::new());
    }
    assert_eq!(served(&mut drivers), [false; 6], "nothing is pushed before EXEC");
    let mut tape = Tape::new();
    caller.execute(&[b"EXEC"], Mode::Now, &mut tape);
    assert_eq!(tape.iter().last(), Some(Value::Bulk(b"3")), "inside the transaction nobody comes between");
    assert_eq!(served(&mut drivers), [true, true, true, false, false, false]);
    for _ in 0..3 {
        push(&mut caller, "a");
    }
    assert_eq!(served(&mut drivers), [false, false, false, true, true, true]);
    assert_eq!(left(&engine, "a"), None);
    assert!(nobody_waits(&engine));
}

const PUSHERS: usize = 3;
const POPPERS: usize = 6;
const EACH: usize = 3_000;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn push_many(engine: &Engine, pusher: usize) {
    let mut caller = engine.caller();
    for number in 0..EACH {
        push(&mut caller, NAMES[(number * (pusher + 1) + pusher) % NAMES.len()]);
        if number.is_multiple_of(7) {
            // Lets the poppers run dry, so that they wait.
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Pops until it gets `stop`; what it popped.
fn pop_many(engine: &Arc<Engine>, popper: usize) -> BTreeMap<String, usize> {
    let mut driver = Driver::new(engine, popper.is_multiple_of(2));
    let mut taken = BTreeMap::<String, usize>::new();
    for turn in 0_usize.. {
        let (one, other) = (NAMES[(turn + popper) % 5], NAMES[(turn / 5 + 2) % 5]);
        let keys: &[&str] = match turn % 3 {
            0 => &[one, other, "stop"],
            1 => &[one, "stop"],
            _ => &["a", "b", "c", "d", "e", "stop"],
        };
        // A third waits so shortly that time and server race. Only who waits for every name may wait for ever: units of a name
        // for which nobody waits would lie there.
        let timeout_ms = [20, 1, 0][turn % 3];
        match driver.pop(keys, timeout_ms) {
            Some(key) if key == "stop" => break,
            Some(key) => *taken.entry(key).or_default() += 1,
            None => assert!(timeout_ms > 0),
        }
        if turn % 64 == 63 {
            // Somebody leaves while it waits, and another comes.
            let own = format!("own:{popper}:{turn}");
            if let Some(key) = driver.leave(&[&own, one], &own) {
                *taken.entry(key).or_default() += 1;
            }
            driver = Driver::new(engine, popper.is_multiple_of(2));
        }
    }
    taken
}

#[test]
fn no_wake_is_lost_and_no_unit_is_taken_twice() {
    let engine = engine(4);
    let popped = thread::scope(|scope| {
        let engine = &engine;
        let pushers: Vec<_> = (0..PUSHERS).map(|pusher| scope.spawn(move || push_many(engine, pusher))).collect();
        let poppers: Vec<_> = (0..POPPERS).map(|popper| scope.spawn(move || pop_many(engine, popper))).collect();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let begun = Instant::now();
        while NAMES.iter().any(|name| left(engine, name).is_some()) {
            assert!(begun.elapsed() < LOST, "units lie there and nobody takes them");
            thread::yield_now();
        }
        for _ in 0..POPPERS {
            push(&mut engine.caller(), "stop");
        }
        let mut all = BTreeMap::<String, usize>::new();
        for (key, count) in poppers.into_iter().flat_map(|popper| popper.join().unwrap()) {
            *all.entry(key).or_default() += count;
        }
        all
    });
    let units: usize = NAMES.iter().map(|name| popped.get(*name).copied().unwrap_or_default()).sum();
    assert_eq!(units, PUSHERS * EACH, "{popped:?}");
    assert!(nobody_waits(&engine));
}

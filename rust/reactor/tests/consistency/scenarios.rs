//! Small histories in one thread, where the order of all steps is known: who waits, who is served, what is over, what is
//! written down.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rkv_engine::client::{Link, NoWake, Origin, Unblock, Wake};
use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::dispatch::Mode;
use rkv_engine::files::{Damage, SimulatedFiles};
use rkv_engine::handler::Args;
use rkv_engine::resp::{Protocol, Tape};
use rkv_engine::{Caller, Engine, EngineOptions};

use crate::chance::Random;
use crate::check::{Anomaly, Problem};
use crate::client::{Answer, of_tape};
use crate::history::{Pop, Push};
use crate::support::{change, digest, open, run};
use crate::target::{Client, Target};
use crate::{queues, unless};

const START_MS: i64 = 1_700_000_000_000;

/// Everything that is wrong with any of them but the one of eviction, which takes longest.
pub fn all() -> Vec<Anomaly> {
    let mut found = waiters_are_served_in_order();
    found.extend(a_wake_comes_when_the_reply_is_there());
    found.extend(a_wait_that_is_over_keeps_its_element());
    found.extend(who_waits_elsewhere_is_served());
    found.extend(nobody_sees_what_is_over());
    found.extend(a_watched_key_that_is_over_has_changed());
    found.extend(no_transaction_is_halved_by_its_records());
    found.extend(what_is_moved_is_not_lost());
    found.extend(damaged_log());
    found.extend(a_read_waits_for_what_it_saw());
    found.extend(nothing_is_confirmed_before_its_sync());
    found
}

fn engine(directives: &[(&str, &str)]) -> (Arc<Engine>, Arc<ManualClock>) {
    let mut config = Config::default();
    for (name, value) in [("enable-debug-command", "yes")].iter().chain(directives) {
        config.set(name.as_bytes(), &[value]).unwrap();
    }
    let clock = Arc::new(ManualClock::new(START_MS));
    let options = EngineOptions { config, shard_bits: 4, clock: clock.clone(), ..EngineOptions::default() };
    (Engine::new(options).unwrap(), clock)
}

/// Begins to wait for keys.
fn wait(caller: &mut Caller, keys: &[&str]) {
    let words: Vec<&[u8]> = ["BLPOP"].iter().chain(keys).chain(&["0"]).map(|word| word.as_bytes()).collect();
    caller.execute(&words, Mode::MayWait(Unblock::Tape(Protocol::Resp2)), &mut Tape::new());
    assert!(caller.blocked().is_some(), "there is nothing yet");
}

/// The element that somebody who waited has been given.
fn given(caller: &mut Caller) -> Option<u64> {
    of_tape(&caller.take_reply()?).items().get(1).and_then(Answer::number)
}

/// Four wait one after the other, and one element after the other comes: a history, for the checker of queues.
fn waiters_are_served_in_order() -> Vec<Anomaly> {
    let (engine, _) = engine(&[]);
    let (mut pushes, mut served, mut moment) = (Vec::new(), Vec::new(), 0);
    let mut next = || {
        moment += 1;
        moment
    };
    let mut callers: Vec<Caller> = (0..4).map(|_| engine.caller()).collect();
    let mut began = Vec::new();
    for caller in &mut callers {
        let start = next();
        wait(caller, &["queue"]);
        began.push((start, next()));
    }
    let mut writer = engine.caller();
    for value in 1..=4_u64 {
        let start = next();
        run(&mut writer, &["RPUSH", "queue", &value.to_string()]);
        pushes.push(Push { queue: 0, value, start, end: next() });
    }
    for (caller, (start, since)) in callers.iter_mut().zip(began) {
        let value = given(caller);
        served.push(Pop { queue: 0, value, start, end: next(), waits_since: Some(since) });
    }
    queues::check(&pushes, &served, true)
}

/// Counts the rings at which there was a message.
#[derive(Default)]
struct Ears {
    link: OnceLock<Arc<Link>>,
    heard: AtomicUsize,
}

impl Wake for Ears {
    fn wake(&self) {
        if self.link.get().is_some_and(|link| link.has_mail()) {
            self.heard.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn a_wake_comes_when_the_reply_is_there() -> Option<Anomaly> {
    let (engine, _) = engine(&[]);
    let ears = Arc::new(Ears::default());
    let mut caller = Caller::new(Arc::clone(engine.store()), ears.clone());
    assert!(ears.link.set(Arc::clone(&caller.client().link)).is_ok());
    wait(&mut caller, &["queue"]);
    run(&mut engine.caller(), &["RPUSH", "queue", "1"]);
    let is_right = given(&mut caller) == Some(1) && ears.heard.load(Ordering::SeqCst) > 0;
    unless(is_right, Problem::LostWake, "who waited is not woken when the reply is there")
}

fn a_wait_that_is_over_keeps_its_element() -> Option<Anomaly> {
    let (engine, _) = engine(&[]);
    let mut caller = engine.caller();
    wait(&mut caller, &["queue"]);
    run(&mut engine.caller(), &["RPUSH", "queue", "1"]);
    let mut tape = Tape::new();
    let value = if caller.time_out(&mut tape) {
        of_tape(&tape).items().get(1).and_then(Answer::number)
    } else {
        given(&mut caller)
    };
    unless(value == Some(1), Problem::LostElement, "the element went to a wait that was over")
}

/// Sixteen keys lie in some shards of their own.
fn who_waits_elsewhere_is_served() -> Option<Anomaly> {
    let (engine, _) = engine(&[]);
    let names: Vec<String> = (0..16).map(|number| format!("queue:{number}")).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut caller = engine.caller();
    wait(&mut caller, &keys);
    run(&mut engine.caller(), &["RPUSH", "queue:7", "1"]);
    unless(given(&mut caller) == Some(1), Problem::LostWake, "who waits for keys in several shards is not served")
}

fn nobody_sees_what_is_over() -> Option<Anomaly> {
    let (engine, clock) = engine(&[]);
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "key", "1", "PX", "10"]);
    clock.advance_ms(10);
    let reply = run(&mut caller, &["GET", "key"]);
    unless(reply == "Some(Null)", Problem::StaleRead, &format!("a value whose time is over is shown: {reply}"))
}

fn a_watched_key_that_is_over_has_changed() -> Option<Anomaly> {
    let (engine, clock) = engine(&[]);
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "key", "1", "PX", "10"]);
    run(&mut caller, &["WATCH", "key"]);
    clock.advance_ms(10);
    run(&mut caller, &["MULTI"]);
    run(&mut caller, &["SET", "other", "1"]);
    let reply = run(&mut caller, &["EXEC"]);
    unless(reply == "Some(NullArray)", Problem::StaleRead, &format!("a watched key is over, and EXEC replies {reply}"))
}

/// What an eviction deletes is deleted where the journal is replayed.
pub fn what_is_evicted_is_written_down() -> Option<Anomaly> {
    let limits = [("maxmemory", "3mb"), ("maxmemory-policy", "allkeys-random")];
    let (engine, _) = engine(&limits);
    let store = engine.store();
    {
        let _all = store.keyspace.lock(store.keyspace.all()).unwrap();
        store.journal.turn_on(1 << 30);
    }
    let mut caller = engine.caller();
    let value = "v".repeat(2_000);
    for number in 0..3_000 {
        run(&mut caller, &["SET", &format!("key:{number}"), &value]);
    }
    assert!(store.eviction.evicted.load(Ordering::Relaxed) > 0, "there was room for all");
    // Any command may evict, this one too, so it comes before the journal is read.
    let expected = digest(&engine);
    let mut journal = Vec::new();
    store.journal.read(0, usize::MAX, &mut journal).unwrap();
    let (other, _) = self::engine(&[]);
    let mut session = other.session(Origin::embedded(), Arc::new(NoWake));
    for piece in journal.chunks(1 << 16) {
        session.receive(piece);
        while !session.output().is_empty() {
            let bytes = session.output().len();
            session.advance(bytes);
        }
    }
    unless(expected == digest(&other), Problem::Wrong, "what was evicted is there when the journal is replayed")
}

/// The journal is replayed one record after the other, and after none of them half a transaction is done.
fn no_transaction_is_halved_by_its_records() -> Option<Anomaly> {
    let (engine, _) = engine(&[]);
    let store = engine.store();
    {
        let _all = store.keyspace.lock(store.keyspace.all()).unwrap();
        store.journal.turn_on(1 << 30);
    }
    let mut caller = engine.caller();
    for number in 0..10 {
        let number = number.to_string();
        for words in [&["MULTI"][..], &["SET", "left", &number], &["SET", "right", &number], &["EXEC"]] {
            run(&mut caller, words);
        }
    }
    let mut journal = Vec::new();
    store.journal.read(0, usize::MAX, &mut journal).unwrap();
    let (other, _) = self::engine(&[]);
    let mut session = other.session(Origin::embedded(), Arc::new(NoWake));
    let mut reader = other.caller();
    let text = String::from_utf8(journal).unwrap();
    for record in text.split_inclusive("\r\n").collect::<Vec<_>>().chunk_by(|_, line| !line.starts_with('*')) {
        session.receive(record.concat().as_bytes());
        let [left, right] = ["left", "right"].map(|key| run(&mut reader, &["GET", key]));
        if left != right {
            return Some(Anomaly::new(Problem::IntermediateRead, "half a transaction is replayed"));
        }
    }
    unless(run(&mut reader, &["GET", "left"]) == "Some(Bulk([57]))", Problem::LostElement, "the journal ends too early")
}

/// One bit of a log is turned that was durable: the store must not open, or with nothing else than what was.
pub fn damaged_log() -> Option<Anomaly> {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "always")]).unwrap();
    let mut caller = engine.caller();
    let mut random = Random(7);
    for _ in 0..20 {
        assert!(change(&mut caller, &mut random));
    }
    run(&mut caller, &["SET", "key", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"]);
    run(&mut caller, &["SET", "other", "1"]);
    drop(caller);
    engine.close();
    let name = "appendonlydir/appendonly.aof.1.incr.aof";
    let mut bytes = disk.contents(name).unwrap();
    let place = bytes.windows(8).rposition(|window| window == b"vvvvvvvv").unwrap();
    bytes[place] ^= 1;
    let other = disk.crash_as(Damage::Kept, true, 0);
    other.put(name, &bytes);
    let is_refused = open(Arc::new(other), &clock, &[]).is_err();
    unless(is_refused, Problem::Wrong, "a log is accepted of which one bit is another")
}

fn logged(policy: &str) -> Arc<Engine> {
    let clock = Arc::new(ManualClock::new(START_MS));
    open(Arc::new(SimulatedFiles::new()), &clock, &[("appendfsync", policy)]).unwrap()
}

/// With `always`, nobody learns of a change that a power cut could still take back.
fn a_read_waits_for_what_it_saw() -> Option<Anomaly> {
    let engine = logged("always");
    let (mut writer, mut reader, mut other) = (engine.caller(), engine.caller(), engine.caller());
    let mut tape = Tape::new();
    let mut call = |caller: &mut Caller, words: &[&[u8]]| {
        let command = engine.store().table.resolve(Args::new(words)).unwrap();
        tape.clear();
        assert!(caller.try_call(command, words, &mut tape), "nobody holds a shard");
        caller.is_held()
    };
    assert!(call(&mut writer, &[b"SET", b"key", b"1"]), "a change waits for its sync");
    let waits = call(&mut reader, &[b"GET", b"key"]);
    let waits_at_all = call(&mut other, &[b"PING"]);
    writer.wait_for_log(&mut Tape::new());
    let is_right = waits && !waits_at_all && !reader.is_held();
    unless(is_right, Problem::StaleRead, "a value is shown that a power cut takes back")
}

fn nothing_is_confirmed_before_its_sync() -> Option<Anomaly> {
    let engine = logged("everysec");
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "key", "1"]);
    let mut tape = Tape::new();
    caller.execute(&[b"WAITAOF", b"0", b"0", b"0"], Mode::Now, &mut tape);
    let confirmed = of_tape(&tape).items().first().and_then(Answer::number);
    unless(confirmed == Some(0), Problem::Wrong, &format!("WAITAOF confirms {confirmed:?} before any sync"))
}

/// A counter is moved while it counts: what it has counted here and there together is all that was counted.
fn what_is_moved_is_not_lost() -> Option<Anomaly> {
    const COUNTED: usize = 3;
    let (there, _) = engine(&[]);
    let target = Target::new(&there);
    let source = target.source(EngineOptions { shard_bits: 2, ..EngineOptions::default() });
    let (mut here, mut other) = (Client::new(&source), Client::new(&there));
    let mut writer = Client::new(&source);
    target.on_restore(move |number| {
        if number <= COUNTED {
            writer.call("INCR k");
        }
    });
    here.call("SET k 0");
    let reply = here.call("MIGRATE h 1 k 0 10000");
    let is_whole = (here.call("EXISTS k"), other.call("GET k")) == (":0".into(), format!("$1\r\n{COUNTED}"));
    unless(reply == "+OK" && is_whole, Problem::LostUpdate, "a change is gone that came while its key was moved")
}

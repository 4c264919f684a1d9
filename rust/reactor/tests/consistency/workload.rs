//! Many clients at once, each of which writes down what it did.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::chance::Random;
use crate::check::{self, Anomaly, Problem};
use crate::client::{Answer, Client, Lab};
use crate::history::{Event, Key, Kind, Pop, Push, Txn};
use crate::queues;

/// Transactions after which other keys are used: what is read stays short.
const GENERATION: usize = 400;
/// Keys of each kind in use at a time.
const KEYS: u32 = 2;
/// Clients that run transactions: this many in this process, and as many by socket.
const CLIENTS: usize = 3;
/// Queues, and elements for each of those who push.
const QUEUES: u32 = 3;

/// What all share.
#[derive(Default)]
struct Shared {
    /// Moments.
    clock: AtomicU64,
    values: AtomicU64,
    /// Transactions begun.
    begun: AtomicUsize,
    history: Mutex<Vec<Txn>>,
    pushes: Mutex<Vec<Push>>,
    pops: Mutex<Vec<Pop>>,
    is_over: AtomicBool,
}

impl Shared {
    fn moment(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn name_of(key: Key) -> String {
    format!("{:?}:{}", key.kind, key.number)
}

/// The command of an event, and the reply it gets.
fn words_of(event: &Event) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match event {
        Event::Add { key, value } | Event::Set { key, value, .. } => {
            let (name, value) = (name_of(*key), value.to_string());
            match key.kind {
                Kind::List => words(&["RPUSH", &name, &value]),
                Kind::Set => words(&["SADD", &name, &value]),
                Kind::Zset => words(&["ZADD", &name, &(value.len() * 7).to_string(), &value]),
                Kind::Stream => words(&["XADD", &name, "*", "v", &value]),
                Kind::Register => words(&["SET", &name, &value, "GET"]),
            }
        }
        Event::Read { key, .. } => {
            let name = name_of(*key);
            match key.kind {
                Kind::List => words(&["LRANGE", &name, "0", "-1"]),
                Kind::Set => words(&["SMEMBERS", &name]),
                Kind::Zset => words(&["ZRANGE", &name, "0", "-1"]),
                Kind::Stream => words(&["XRANGE", &name, "-", "+"]),
                Kind::Register => words(&["GET", &name]),
            }
        }
    }
}

/// The event with what its reply told; an error is no event of any history.
fn told(event: &Event, answer: &Answer) -> Event {
    assert!(!matches!(answer, Answer::Error(_)), "{event:?}: {answer:?}");
    match event {
        Event::Add { .. } => event.clone(),
        Event::Set { key, value, .. } => Event::Set { key: *key, value: *value, before: answer.number() },
        Event::Read { key, .. } => {
            let values = match key.kind {
                Kind::Register => answer.number().into_iter().collect(),
                Kind::Stream => {
                    let pair = |entry: &Answer| entry.items()[1].items()[1].number().unwrap();
                    answer.items().iter().map(pair).collect()
                }
                _ => answer.items().iter().map(|item| item.number().unwrap()).collect(),
            };
            Event::Read { key: *key, values }
        }
    }
}

fn random_key(random: &mut Random, generation: u32) -> Key {
    let kind = Kind::ALL[random.below(Kind::ALL.len() as u64) as usize];
    Key { kind, number: generation * KEYS + random.below(KEYS) }
}

fn random_event(shared: &Shared, random: &mut Random, key: Key) -> Event {
    match (random.below(2), key.kind) {
        (0, _) => Event::Read { key, values: Vec::new() },
        (_, Kind::Register) => Event::Set { key, value: shared.value(), before: None },
        _ => Event::Add { key, value: shared.value() },
    }
}

fn one_word(word: &str) -> Vec<String> {
    vec![word.to_owned()]
}

/// One random transaction: a command, a MULTI, or reads under WATCH with writes that depend on them.
fn transact(client: &mut Client, shared: &Shared, random: &mut Random, generation: u32) -> Txn {
    let start = shared.moment();
    let form = random.below(4);
    let mut events = Vec::new();
    if form == 0 {
        let key = random_key(random, generation);
        let event = random_event(shared, random, key);
        let answers = client.ask(&[words_of(&event)]);
        events.push(told(&event, &answers[0]));
        return Txn { start, end: shared.moment(), is_committed: true, events };
    }
    if form == 1 {
        let keys: BTreeSet<Key> = (0..2).map(|_| random_key(random, generation)).collect();
        let watch = ["WATCH".to_owned()].into_iter().chain(keys.iter().map(|key| name_of(*key))).collect();
        let reads: Vec<Event> = keys.iter().map(|key| Event::Read { key: *key, values: Vec::new() }).collect();
        let commands: Vec<_> = std::iter::once(watch).chain(reads.iter().map(words_of)).collect();
        let answers = client.ask(&commands);
        events.extend(reads.iter().zip(&answers[1..]).map(|(event, answer)| told(event, answer)));
    }
    let count = 1 + random.below(4);
    let wanted: Vec<Event> = (0..count)
        .map(|_| {
            let key = random_key(random, generation);
            random_event(shared, random, key)
        })
        .collect();
    let commands: Vec<_> =
        std::iter::once(one_word("MULTI")).chain(wanted.iter().map(words_of)).chain([one_word("EXEC")]).collect();
    let answers = client.ask(&commands);
    let end = shared.moment();
    let is_committed = match answers.last() {
        Some(Answer::List(answers)) => {
            events.extend(wanted.iter().zip(answers).map(|(event, answer)| told(event, answer)));
            true
        }
        Some(Answer::Nil) if form == 1 => {
            events.extend(wanted);
            false
        }
        other => panic!("EXEC replied {other:?}"),
    };
    Txn { start, end, is_committed, events }
}

fn run_transactions(mut client: Client, shared: &Shared, seed: u64, count: usize) {
    let mut random = Random(seed);
    let mut done = Vec::new();
    loop {
        let number = shared.begun.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            break;
        }
        done.push(transact(&mut client, shared, &mut random, (number / GENERATION) as u32));
    }
    shared.history.lock().unwrap().append(&mut done);
}

/// Reads every key once more.
fn read_all(mut client: Client, shared: &Shared, count: usize) {
    let generations = count.div_ceil(GENERATION) as u32;
    for number in 0..generations * KEYS {
        for kind in Kind::ALL {
            let event = Event::Read { key: Key { kind, number }, values: Vec::new() };
            let start = shared.moment();
            let answers = client.ask(&[words_of(&event)]);
            let events = vec![told(&event, &answers[0])];
            let txn = Txn { start, end: shared.moment(), is_committed: true, events };
            shared.history.lock().unwrap().push(txn);
        }
    }
}

fn queue_name(queue: u32) -> String {
    format!("queue:{queue}")
}

/// Pushes elements, alone and as parts of transactions, and through a list that nobody waits for.
fn push_all(mut client: Client, shared: &Shared, seed: u64, count: usize) {
    let mut random = Random(seed);
    let mut done = Vec::new();
    for _ in 0..count {
        let (queue, value) = (random.below(QUEUES), shared.value());
        let (name, text) = (queue_name(queue), value.to_string());
        let start = shared.moment();
        let words = ["RPUSH", &name, &text].map(str::to_owned).to_vec();
        match random.below(3) {
            0 => client.ask(&[words]),
            1 => client.ask(&[one_word("MULTI"), words, one_word("EXEC")]),
            _ => {
                let side = format!("side:{seed}");
                let first = ["RPUSH", &side, &text].map(str::to_owned).to_vec();
                client.ask(&[first, ["LMOVE", &side, &name, "LEFT", "RIGHT"].map(str::to_owned).to_vec()])
            }
        };
        done.push(Push { queue, value, start, end: shared.moment() });
    }
    shared.pushes.lock().unwrap().append(&mut done);
}

/// Pops until all is over, sometimes waiting, sometimes for several queues at once.
fn pop_all(mut client: Client, shared: &Shared, seed: u64) {
    let mut random = Random(seed);
    let mut done = Vec::new();
    loop {
        let is_last = shared.is_over.load(Ordering::SeqCst);
        let queue = random.below(QUEUES);
        let other = (queue + 1) % QUEUES;
        let (name, next) = (queue_name(queue), queue_name(other));
        let start = shared.moment();
        let answer = match random.below(4) {
            0 => client.say(&["LPOP", &name]),
            1 => client.say(&["BLPOP", &name, "0.002"]),
            2 => client.say(&["BLPOP", &name, "0.05"]),
            _ => client.say(&["BLPOP", &name, &next, "0.01"]),
        };
        let end = shared.moment();
        let is_found = answer != Answer::Nil;
        let from = match answer.items().first() {
            Some(Answer::Text(from)) if *from == next => other,
            _ => queue,
        };
        let value = answer.items().get(1).unwrap_or(&answer).number();
        done.push(Pop { queue: from, value, start, end, waits_since: None });
        if is_last && !is_found {
            break;
        }
    }
    // Whatever is left: the last round of another may have missed it.
    for queue in 0..QUEUES {
        loop {
            let start = shared.moment();
            let value = client.say(&["LPOP", &queue_name(queue)]).number();
            done.push(Pop { queue, value, start, end: shared.moment(), waits_since: None });
            if value.is_none() {
                break;
            }
        }
    }
    shared.pops.lock().unwrap().append(&mut done);
}

/// Elements that go round between two lists.
const RING: u64 = 4;

/// Moves elements from one list of the ring to the other; who watches sees all of them in each moment.
fn go_round(mut client: Client, number: usize, rounds: usize) -> Option<Anomaly> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let reads = [
        one_word("MULTI"),
        words(&["LRANGE", "ring:0", "0", "-1"]),
        words(&["LRANGE", "ring:1", "0", "-1"]),
        one_word("EXEC"),
    ];
    for _ in 0..rounds {
        if number > 0 {
            let (from, to) = if number == 1 { ("ring:0", "ring:1") } else { ("ring:1", "ring:0") };
            client.say(&["LMOVE", from, to, "LEFT", "RIGHT"]);
            continue;
        }
        let answers = client.ask(&reads);
        let lists = answers.last().map(Answer::items).unwrap_or_default();
        let mut seen: Vec<_> = lists.iter().flat_map(Answer::items).filter_map(Answer::number).collect();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..RING) {
            return Some(Anomaly::new(Problem::LostElement, format!("{seen:?} are in the ring")));
        }
    }
    None
}

/// Runs this many transactions and some queues beside them, replays the journal of all of it elsewhere, and checks everything.
pub fn run(seed: u64, transactions: usize) -> Vec<Anomaly> {
    let lab = Lab::new();
    {
        let keyspace = &lab.engine.store().keyspace;
        let _all = keyspace.lock(keyspace.all()).unwrap();
        lab.engine.store().journal.turn_on(1 << 30);
    }
    let shared = Shared::default();
    let client = |number: usize| if number.is_multiple_of(2) { lab.caller() } else { lab.socket() };
    let mut first = lab.caller();
    for value in 0..RING {
        first.say(&["RPUSH", "ring:0", &value.to_string()]);
    }
    let ring = thread::scope(|scope| {
        let shared = &shared;
        let seeds = seed.wrapping_mul(1000)..;
        for (number, seed) in (0..2 * CLIENTS).zip(seeds) {
            let client = client(number);
            scope.spawn(move || run_transactions(client, shared, seed, transactions));
        }
        let poppers: Vec<_> = (0..4_u64)
            .map(|number| {
                let client = client(number as usize);
                scope.spawn(move || pop_all(client, shared, seed ^ number))
            })
            .collect();
        let pushers: Vec<_> = (0..2_u64)
            .map(|number| {
                let client = client(number as usize);
                scope.spawn(move || push_all(client, shared, seed ^ (number + 77), transactions / 20))
            })
            .collect();
        let movers: Vec<_> = (0..3)
            .map(|number| {
                let client = client(number);
                scope.spawn(move || go_round(client, number, transactions / 20))
            })
            .collect();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        shared.is_over.store(true, Ordering::SeqCst);
        for popper in poppers {
            popper.join().unwrap();
        }
        movers.into_iter().filter_map(|mover| mover.join().unwrap()).collect::<Vec<_>>()
    });
    read_all(lab.caller(), &shared, transactions);
    let history = shared.history.into_inner().unwrap();
    let mut found = check::check(&history);
    found.extend(queues::check(&shared.pushes.into_inner().unwrap(), &shared.pops.into_inner().unwrap(), true));
    found.extend(ring);
    found.extend(replay(&lab));
    found
}

/// Replays the journal elsewhere; the same must be stored then.
fn replay(lab: &Lab) -> Option<Anomaly> {
    let mut journal = Vec::new();
    let read = lab.engine.store().journal.read(0, usize::MAX, &mut journal);
    assert_eq!(read, Ok(lab.engine.store().journal.end()));
    let other = Lab::new();
    let mut session =
        other.engine.session(rkv_engine::client::Origin::embedded(), std::sync::Arc::new(rkv_engine::client::NoWake));
    for piece in journal.chunks(4096) {
        session.receive(piece);
        while !session.output().is_empty() {
            let bytes = session.output().len();
            session.advance(bytes);
        }
    }
    let [expected, found] = [lab, &other].map(|lab| digest(&lab.engine));
    (expected != found)
        .then(|| Anomaly::new(Problem::Wrong, format!("the journal gives {found:?} instead of {expected:?}")))
}

fn digest(engine: &rkv_engine::Engine) -> String {
    crate::support::digest(engine)
}

//! What a request costs between the bytes received and the bytes to be sent, without a socket: GET, SET, INCR and MSET (of
//! ten) of random keys; HSET, SADD and ZADD of random elements of one collection, which has half of them before; LPUSH and RPOP at
//! one list; alone and in pipelines. Prints nanoseconds of processor time per request. Arguments: keys or elements (default 1,000,000), requests of
//! each kind (default 400,000), and words such as `GET` or `P64` that leave out what has none of them.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::random::{Random, Xoshiro256};
use rkv_engine::session::Session;
use rkv_engine::{Engine, EngineOptions};

const VALUE: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// Processor time of this thread: other work of the machine is not in it. Elsewhere than on Linux, time that passes.
fn thread_time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = schedule.split(' ').next().and_then(|word| word.parse().ok()).map(Duration::from_nanos);
    spent.unwrap_or_else(|| start.elapsed())
}

fn request(words: &[&str], into: &mut String) {
    let _ = write!(into, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(into, "${}\r\n{word}\r\n", word.len());
    }
}

fn drain(session: &mut Session) {
    loop {
        let sent = session.output().len();
        if sent == 0 {
            return;
        }
        assert!(!session.output().starts_with(b"-"), "{}", String::from_utf8_lossy(session.output()));
        session.advance(sent);
    }
}

/// Requests of one kind, `pipeline` at a time; the texts are made before the clock runs.
fn measure(session: &mut Session, name: &str, pipeline: usize, rounds: usize, make: &mut dyn FnMut(&mut String)) {
    let texts: Vec<String> = (0..rounds)
        .map(|_| {
            let mut text = String::new();
            (0..pipeline).for_each(|_| make(&mut text));
            text
        })
        .collect();
    let start = thread_time();
    for text in &texts {
        session.receive(text.as_bytes());
        drain(session);
    }
    let requests = (rounds * pipeline) as f64;
    println!(
        "{name:5} P{pipeline:<3} {:7.1} ns per request",
        thread_time().saturating_sub(start).as_nanos() as f64 / requests
    );
}

/// Fills what the wanted kinds need: keys, or one collection of each type.
fn fill(session: &mut Session, is_wanted: &dyn Fn(&str) -> bool, keys: u64) {
    for number in 0..keys {
        let element = format!("element:{number:012}");
        let mut text = String::new();
        if ["GET", "SET", "MSET"].iter().any(|kind| is_wanted(kind)) {
            request(&["SET", &format!("key:{number:012}"), VALUE], &mut text);
        }
        if number % 2 == 0 {
            let score = format!("{:012}", number * 7919 % keys);
            let words: [&[&str]; 3] =
                [&["HSET", "hash", &element, VALUE], &["SADD", "set", &element], &["ZADD", "zset", &score, &element]];
            words.into_iter().filter(|words| is_wanted(words[0])).for_each(|words| request(words, &mut text));
        }
        session.receive(text.as_bytes());
        drain(session);
    }
}

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let keys = numbers.next().unwrap_or(1_000_000);
    let requests = numbers.next().unwrap_or(400_000) as usize;
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())).collect();
    let is_pipeline = |word: &str| word.strip_prefix('P').is_some_and(|rest| rest.parse::<usize>().is_ok());
    let is_kind_wanted = |kind: &str| filters.iter().all(|filter| is_pipeline(filter) || filter == kind);
    let engine = Engine::new(EngineOptions::default()).expect("the system gives random bytes");
    let mut session = engine.session(Origin::embedded(), Arc::new(NoWake));
    fill(&mut session, &is_kind_wanted, keys);
    let mut random = Xoshiro256::from_seed(1);
    let mut name = |kind: &str| format!("{kind}:{:012}", random.below(keys));
    for pipeline in [1, 16, 64] {
        let rounds = requests / pipeline;
        if !filters.iter().all(|filter| !is_pipeline(filter) || *filter == format!("P{pipeline}")) {
            continue;
        }
        for kind in ["GET", "SET", "INCR", "MSET", "HSET", "SADD", "ZADD", "LPUSH", "RPOP"] {
            if !is_kind_wanted(kind) {
                continue;
            }
            measure(&mut session, kind, pipeline, rounds, &mut |text| match kind {
                "GET" => request(&["GET", &name("key")], text),
                "SET" => request(&["SET", &name("key"), VALUE], text),
                "INCR" => request(&["INCR", &name("int")], text),
                "HSET" => request(&["HSET", "hash", &name("element"), VALUE], text),
                "SADD" => request(&["SADD", "set", &name("element")], text),
                "ZADD" => request(&["ZADD", "zset", &name("")[1..], &name("element")], text),
                "LPUSH" => request(&["LPUSH", "list", VALUE], text),
                "RPOP" => request(&["RPOP", "list"], text),
                _ => {
                    let keys: Vec<String> = (0..10).map(|_| name("key")).collect();
                    let pairs = keys.iter().flat_map(|key| [key.as_str(), VALUE]);
                    request(&std::iter::once("MSET").chain(pairs).collect::<Vec<_>>(), text);
                }
            });
        }
    }
}

//! What a request costs between the bytes received and the bytes to be sent, without a socket: GET, SET, INCR and MSET (of
//! ten) of random keys, alone and in pipelines. Prints nanoseconds per request. Arguments: keys (default 1,000,000), requests of each
//! kind (default 400,000), and words such as `GET` or `P64` that leave out what has none of them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::random::{Random, Xoshiro256};
use rkv_engine::session::Session;
use rkv_engine::{Engine, EngineOptions};

const VALUE: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

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
    let start = Instant::now();
    for text in &texts {
        session.receive(text.as_bytes());
        drain(session);
    }
    let requests = (rounds * pipeline) as f64;
    println!("{name:5} P{pipeline:<3} {:7.1} ns per request", start.elapsed().as_nanos() as f64 / requests);
}

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let keys = numbers.next().unwrap_or(1_000_000);
    let requests = numbers.next().unwrap_or(400_000) as usize;
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())).collect();
    let is_wanted = |word: &str, pipeline: usize| {
        let pipeline = format!("P{pipeline}");
        filters.iter().all(|filter| if filter.starts_with('P') { *filter == pipeline } else { filter == word })
    };
    let engine = Engine::new(EngineOptions::default()).expect("the system gives random bytes");
    let mut session = engine.session(Origin::embedded(), Arc::new(NoWake));
    let mut random = Xoshiro256::from_seed(1);
    for number in 0..keys {
        let mut text = String::new();
        request(&["SET", &format!("key:{number:012}"), VALUE], &mut text);
        session.receive(text.as_bytes());
        drain(&mut session);
    }
    let mut random_key = |kind: &str| format!("{kind}:{:012}", random.below(keys));
    for pipeline in [1, 16, 64] {
        let rounds = requests / pipeline;
        if is_wanted("GET", pipeline) {
            measure(&mut session, "GET", pipeline, rounds, &mut |text| {
                request(&["GET", &random_key("key")], text);
            });
        }
        if is_wanted("SET", pipeline) {
            measure(&mut session, "SET", pipeline, rounds, &mut |text| {
                request(&["SET", &random_key("key"), VALUE], text);
            });
        }
        if is_wanted("INCR", pipeline) {
            measure(&mut session, "INCR", pipeline, rounds, &mut |text| {
                request(&["INCR", &random_key("int")], text);
            });
        }
        if is_wanted("MSET", pipeline) {
            measure(&mut session, "MSET", pipeline, rounds, &mut |text| {
                let keys: Vec<String> = (0..10).map(|_| random_key("key")).collect();
                let pairs = keys.iter().flat_map(|key| [key.as_str(), VALUE]);
                request(&std::iter::once("MSET").chain(pairs).collect::<Vec<_>>(), text);
            });
        }
    }
}

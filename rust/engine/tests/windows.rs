//! Pipelines that look for elements of large collections: together they do what they do one by one. What a window sees of an
//! element before its commands run is used by them, and some of them remove, replace or move it first.

use std::sync::Arc;

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::random::{Random, Xoshiro256, run_id};
use rkv_engine::session::Session;
use rkv_engine::{Engine, EngineOptions};

/// More than a packed form has, whatever the type.
const ELEMENTS: u64 = 700;

fn ask(session: &mut Session, requests: &str) -> String {
    session.receive(requests.as_bytes());
    let mut replies = String::new();
    loop {
        let sent = session.output().len();
        if sent == 0 {
            return replies;
        }
        replies += std::str::from_utf8(session.output()).expect("replies are text here");
        session.advance(sent);
    }
}

/// Words as clients send them: what is typed inline does not share a window.
fn request(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    words.iter().fold(format!("*{}\r\n", words.len()), |text, word| text + &format!("${}\r\n{word}\r\n", word.len()))
}

fn command(random: &mut Xoshiro256, kind: u64) -> String {
    let (name, number) = (format!("element:{:04}", random.below(ELEMENTS / 10)), random.below(50));
    let rare = random.below(60) == 0;
    request(&match (kind, random.below(6)) {
        (0, _) if rare => "DEL hash".into(),
        (0, 0) => format!("HDEL hash {name}"),
        (0, 1) => format!("HGET hash {name}"),
        (0, 2) => format!("HSET hash {name} {}", "long".repeat(number as usize)),
        (0, 3) => format!("HSET hash {name} {number} other {number} {name} again"),
        (0, _) => format!("HSET hash {name} {number}"),
        (1, _) if rare => "DEL set".into(),
        (1, 0 | 1) => format!("SREM set {name}"),
        (1, 2) => format!("SISMEMBER set {name}"),
        (1, _) => format!("SADD set {name}"),
        (_, _) if rare => "DEL zset".into(),
        (_, 0) => format!("ZREM zset {name}"),
        (_, 1) => format!("ZADD zset CH {number} {name}"),
        (_, 2) => format!("ZINCRBY zset {number} {name}"),
        (_, 3) => format!("ZADD zset XX {number} {name} 7 element:none"),
        _ => format!("ZADD zset {number:012} {name}"),
    })
}

#[test]
fn windows_on_one_collection_do_what_commands_one_by_one_do() {
    let seed = std::env::var("RKV_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| {
        let bytes = run_id().expect("the system gives random bytes");
        bytes.iter().fold(0, |seed: u64, byte| seed.rotate_left(7) ^ u64::from(*byte))
    });
    println!("RKV_TEST_SEED={seed}");
    let mut random = Xoshiro256::from_seed(seed);
    let engines = [(); 2].map(|()| Engine::new(EngineOptions::default()).expect("an engine"));
    let [mut together, mut alone] =
        engines.each_ref().map(|engine| engine.session(Origin::embedded(), Arc::new(NoWake)));
    for round in 0..300 {
        if round % 50 == 0 {
            for number in 0..ELEMENTS {
                let name = format!("element:{number:04}");
                for words in
                    [format!("HSET hash {name} x"), format!("SADD set {name}"), format!("ZADD zset {number} {name}")]
                {
                    let words = request(&words);
                    assert_eq!(ask(&mut together, &words), ask(&mut alone, &words));
                }
            }
        }
        let mut kind = 0;
        let commands: Vec<String> = (0..100)
            .map(|_| {
                if random.below(12) == 0 {
                    kind = random.below(3);
                }
                command(&mut random, kind)
            })
            .collect();
        let expected: String = commands.iter().map(|command| ask(&mut alone, command)).collect();
        assert_eq!(ask(&mut together, &commands.concat()), expected, "round {round}");
    }
    for words in ["HGETALL hash", "SMEMBERS set", "ZRANGE zset 0 -1 WITHSCORES", "HLEN hash", "ZCARD zset"] {
        let sorted = |replies: String| {
            let mut lines: Vec<String> = replies.lines().map(ToOwned::to_owned).collect();
            if !words.starts_with('Z') {
                lines.sort_unstable();
            }
            lines
        };
        let words = request(words);
        assert_eq!(sorted(ask(&mut together, &words)), sorted(ask(&mut alone, &words)));
    }
}

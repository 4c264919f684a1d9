//! Clients of one store, in this process and by socket, with one face.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rkv_engine::client::{Origin, Transport, Unblock, Wake};
use rkv_engine::config::Config;
use rkv_engine::dispatch::Mode;
use rkv_engine::resp::{Protocol, Tape, Value};
use rkv_engine::session::Session;
use rkv_engine::{Caller, Engine, EngineOptions};
use rkv_reactor::{Clock, Hooks, Reactor};

/// How long anything may take before it counts as lost.
pub const LOST: Duration = Duration::from_secs(5);

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Status(String),
    Error(String),
    Integer(i64),
    Text(String),
    Nil,
    List(Vec<Answer>),
}

impl Answer {
    /// The elements of a list.
    pub fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The number that a text or an integer tells.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// A store with a reactor before it.
pub struct Lab {
    pub engine: Arc<Engine>,
    reactor: Reactor<Session>,
}

impl Lab {
    pub fn new() -> Self {
        let mut config = Config::default();
        config.set(b"enable-debug-command", &["yes"]).unwrap();
        let engine = Engine::new(EngineOptions { config, shard_bits: 3, ..EngineOptions::default() }).unwrap();
        let clock = Arc::clone(&engine.store().clock);
        let clock: Clock = Arc::new(move || clock.monotonic_us());
        let store = Arc::clone(engine.store());
        let hooks = Hooks { round: Arc::new(move || store.end_round()), ..Hooks::default() };
        let reactor = Reactor::start(1, "consistency", &clock, &hooks).unwrap();
        Self { engine, reactor }
    }

    /// A client by socket.
    pub fn socket(&self) -> Client {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_read_timeout(Some(LOST)).unwrap();
        let origin = Origin { peer: "test:1".into(), local: "test:2".into(), transport: Transport::Unix, fd: -1 };
        let engine = Arc::clone(&self.engine);
        self.reactor.adopt(far, move |wake| engine.session(origin, wake)).unwrap();
        Client::Socket(BufReader::new(near))
    }

    /// A client in this process.
    pub fn caller(&self) -> Client {
        let bell = Arc::new(Bell::default());
        Client::Caller(Box::new(Caller::new(Arc::clone(self.engine.store()), bell.clone())), bell)
    }
}

/// A driver that is a thread: it sleeps until it is woken.
#[derive(Default)]
pub struct Bell {
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
    /// Whether it rings before the time is over; it is silent then.
    pub fn wait(&self, timeout: Duration) -> bool {
        let rung = self.rung.lock().unwrap();
        let (mut rung, _) = self.ring.wait_timeout_while(rung, timeout, |rung| !*rung).unwrap();
        std::mem::take(&mut *rung)
    }
}

/// A client.
pub enum Client {
    Caller(Box<Caller>, Arc<Bell>),
    Socket(BufReader<UnixStream>),
}

impl Client {
    /// Sends commands, by socket all at once; their replies.
    pub fn ask(&mut self, commands: &[Vec<String>]) -> Vec<Answer> {
        match self {
            Self::Caller(caller, bell) => commands.iter().map(|words| call(caller, bell, words)).collect(),
            Self::Socket(stream) => {
                let mut bytes = Vec::new();
                for words in commands {
                    write!(bytes, "*{}\r\n", words.len()).unwrap();
                    for word in words {
                        write!(bytes, "${}\r\n{word}\r\n", word.len()).unwrap();
                    }
                }
                stream.get_mut().write_all(&bytes).unwrap();
                commands.iter().map(|_| receive(stream)).collect()
            }
        }
    }

    /// Sends one command.
    pub fn say(&mut self, words: &[&str]) -> Answer {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.ask(&[words]).pop().unwrap()
    }
}

/// Runs a command; if it waits, so does this thread. Its last word is its timeout in seconds then.
fn call(caller: &mut Caller, bell: &Bell, words: &[String]) -> Answer {
    let timeout: f64 = words.last().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
    let mut tape = Tape::new();
    caller.execute(&words, Mode::MayWait(Unblock::Tape(Protocol::Resp2)), &mut tape);
    if caller.blocked().is_none() {
        return of_tape(&tape);
    }
    let wait = if timeout > 0.0 { Duration::from_secs_f64(timeout) } else { LOST };
    let end = Instant::now() + wait;
    loop {
        if bell.wait(end.saturating_duration_since(Instant::now()))
            && let Some(tape) = caller.take_reply()
        {
            return of_tape(&tape);
        }
        if Instant::now() >= end {
            assert!(timeout > 0.0, "a wake was lost");
            let mut tape = Tape::new();
            return if caller.time_out(&mut tape) {
                of_tape(&tape)
            } else {
                of_tape(&caller.take_reply().expect("who answers has left the reply"))
            };
        }
    }
}

/// The reply on a tape.
pub fn of_tape(tape: &Tape) -> Answer {
    next_of(&mut tape.iter())
}

fn next_of<'a>(values: &mut impl Iterator<Item = Value<'a>>) -> Answer {
    match values.next().expect("a reply is whole") {
        Value::Simple(text) => Answer::Status(text.to_owned()),
        Value::Error(error) => Answer::Error(error.as_str().to_owned()),
        Value::Integer(number) => Answer::Integer(number),
        Value::Bulk(text) => Answer::Text(String::from_utf8_lossy(text).into_owned()),
        Value::Null | Value::NullArray => Answer::Nil,
        Value::Array(count) | Value::Set(count) => Answer::List((0..count).map(|_| next_of(values)).collect()),
        other => panic!("{other:?} is not expected"),
    }
}

fn receive(stream: &mut BufReader<UnixStream>) -> Answer {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a reply comes in time");
    let line = line.trim_end();
    let (kind, rest) = line.split_at(1);
    match kind {
        "+" => Answer::Status(rest.to_owned()),
        "-" => Answer::Error(rest.to_owned()),
        ":" => Answer::Integer(rest.parse().unwrap()),
        "$" | "*" if rest == "-1" => Answer::Nil,
        "$" => {
            let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
            stream.read_exact(&mut text).expect("a reply comes in time");
            text.truncate(text.len() - 2);
            Answer::Text(String::from_utf8(text).unwrap())
        }
        "*" => Answer::List((0..rest.parse().unwrap()).map(|_| receive(stream)).collect()),
        other => panic!("{other} begins no reply"),
    }
}

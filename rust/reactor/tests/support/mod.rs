//! A machine that does what lines of text tell it, and a reactor that reports what it does.
#![allow(dead_code, unreachable_pub, clippy::struct_excessive_bools)]

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rkv_reactor::{Clock, Hooks, Machine, Reactor, Wake};

/// Longer than anything here takes: a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a machine shares with its test.
#[derive(Default)]
pub struct Station {
    pub wake: Mutex<Option<Arc<dyn Wake>>>,
    /// Sent to the peer by the next poll.
    pub inbox: Mutex<Vec<u8>>,
    /// While set, output is withheld.
    pub gated: AtomicBool,
    pub polls: AtomicUsize,
    /// The most output that waited at any time.
    pub output_bytes_max: AtomicUsize,
}

impl Station {
    pub fn wake(&self) {
        let wake = self.wake.lock().unwrap().clone();
        wake.expect("the machine is made").wake();
    }
}

/// A machine that obeys lines: `echo TEXT`, `whoami`, `flood BYTES`, `sleep MICROSECONDS`, `block`, `hold`, `quit`,
/// `panic`, `panic later`. In raw mode it echoes all that it receives.
pub struct Obedient {
    station: Arc<Station>,
    clock: Clock,
    raw: bool,
    line: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    output_limit: usize,
    due_us: Option<u64>,
    blocked: bool,
    closing: bool,
    panic_on_drop: bool,
}

impl Obedient {
    fn obey(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "echo" => self.say(rest),
            "whoami" => self.say(std::thread::current().name().unwrap_or("nobody")),
            "flood" => self.output.resize(self.output.len() + rest.parse::<usize>().unwrap(), b'x'),
            "sleep" => self.due_us = Some((self.clock)() + rest.parse::<u64>().unwrap()),
            "block" => self.blocked = true,
            "hold" => {
                self.station.gated.store(true, Ordering::SeqCst);
                self.say("held");
            }
            "quit" => {
                self.say("bye");
                self.closing = true;
            }
            "panic" if rest == "later" => self.panic_on_drop = true,
            _ => panic!("told to: {line}"),
        }
    }

    fn say(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
        self.output.push(b'\n');
    }

    fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    fn is_gated(&self) -> bool {
        self.station.gated.load(Ordering::SeqCst)
    }
}

impl Machine for Obedient {
    fn receive(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty() && !self.closing);
        if self.raw {
            self.output.extend_from_slice(bytes);
        } else {
            for &byte in bytes {
                if byte == b'\n' {
                    let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    if !self.closing {
                        self.obey(&line);
                    }
                } else {
                    self.line.push(byte);
                }
            }
        }
        self.station.output_bytes_max.fetch_max(self.waiting(), Ordering::SeqCst);
    }

    fn poll(&mut self) {
        self.station.polls.fetch_add(1, Ordering::SeqCst);
        let pushed = std::mem::take(&mut *self.station.inbox.lock().unwrap());
        self.output.extend_from_slice(&pushed);
        if self.due_us.is_some_and(|due_us| due_us <= (self.clock)()) {
            self.due_us = None;
            self.say("late");
        }
    }

    fn output(&self) -> &[u8] {
        if self.is_gated() { &[] } else { &self.output[self.sent..] }
    }

    /// Two slices whenever there are two bytes, so that both kinds of write are used.
    fn output_slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let (head, tail) = self.output().split_at(self.output().len() / 2);
        into[0] = IoSlice::new(head);
        into[1] = IoSlice::new(tail);
        2
    }

    fn advance(&mut self, sent: usize) {
        assert!(sent <= self.waiting());
        self.sent += sent;
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
    }

    fn wants_input(&self) -> bool {
        !self.blocked && self.waiting() < self.output_limit
    }

    fn closing(&self) -> bool {
        self.closing
    }

    fn deadline(&self) -> Option<u64> {
        self.due_us
    }

    fn withheld(&self) -> bool {
        self.is_gated() && self.waiting() > 0
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        assert!(!self.panic_on_drop, "told to drop so");
    }
}

/// A reactor of obedient machines.
pub struct Lab {
    pub reactor: Reactor<Obedient>,
    pub closed: Receiver<()>,
    pub panics: Receiver<String>,
    clock: Clock,
    pub output_limit: usize,
}

impl Lab {
    pub fn new(threads: usize) -> Lab {
        Lab::with_round(threads, Arc::new(|| {}))
    }

    pub fn with_round(threads: usize, round: Arc<dyn Fn() + Send + Sync>) -> Lab {
        let (report_closed, closed) = channel();
        let (report_panic, panics) = channel();
        let start = Instant::now();
        let clock: Clock = Arc::new(move || start.elapsed().as_micros() as u64);
        let hooks = Hooks {
            closed: Arc::new(move || report_closed.send(()).unwrap_or_default()),
            panicked: Arc::new(move |text: &str| {
                report_panic.send(text.to_owned()).unwrap_or_default();
            }),
            round,
        };
        let reactor = Reactor::start(threads, "test-io", &clock, &hooks).unwrap();
        Lab { reactor, closed, panics, clock, output_limit: 1 << 20 }
    }

    pub fn adopt(&self, socket: impl Into<OwnedFd>, raw: bool) -> io::Result<Arc<Station>> {
        let station = Arc::new(Station::default());
        let (shared, clock, output_limit) = (Arc::clone(&station), Arc::clone(&self.clock), self.output_limit);
        self.reactor.adopt(socket, move |wake| {
            *shared.wake.lock().unwrap() = Some(wake);
            Obedient {
                station: shared,
                clock,
                raw,
                line: Vec::new(),
                output: Vec::new(),
                sent: 0,
                output_limit,
                due_us: None,
                blocked: false,
                closing: false,
                panic_on_drop: false,
            }
        })?;
        Ok(station)
    }

    /// A client over TCP and the station of its machine.
    pub fn tcp(&self, raw: bool) -> (TcpStream, Arc<Station>) {
        let (client, server) = tcp_pair();
        (client, self.adopt(server, raw).unwrap())
    }

    /// A client over a Unix socket and the station of its machine.
    pub fn unix(&self, raw: bool) -> (UnixStream, Arc<Station>) {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        (client, self.adopt(server, raw).unwrap())
    }

    /// Waits until `count` more connections are closed.
    pub fn await_closed(&self, count: usize) {
        for _ in 0..count {
            self.closed.recv_timeout(PATIENCE).expect("a connection is closed");
        }
    }
}

pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nodelay(true).unwrap();
    (client, server)
}

/// Sends a line and reads one back.
pub fn ask(client: &mut (impl Read + Write), line: &str) -> String {
    client.write_all(format!("{line}\n").as_bytes()).unwrap();
    read_line(client)
}

pub fn read_line(client: &mut impl Read) -> String {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        if byte[0] == b'\n' {
            return String::from_utf8(line).unwrap();
        }
        line.push(byte[0]);
    }
}

/// Reads to the end of the stream; a reset fails the test.
pub fn read_all(client: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    all
}

/// Bytes that differ from place to place, by a small generator of our own (xorshift).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

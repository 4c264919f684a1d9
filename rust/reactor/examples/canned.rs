//! A server of canned replies on a reactor: what its threads cost by themselves, next to a bare poll loop that does the
//! same. Usage: `canned PORT [THREADS]`.
//!
//! It counts commands (a `*` starts each one), looks at the first letter of the first command in what it received, and
//! answers that many replies: 64 bytes to GET, PONG to PING, OK to all else. It stores nothing.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice};
use std::net::TcpListener;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use rkv_reactor::{Clock, Hooks, Machine, Reactor};

/// Where the command name begins in `*2\r\n$3\r\nGET\r\n`.
const NAME_AT: usize = 8;
const REPLIES_PREPARED: usize = 2048;

/// One reply, repeated so that a pipeline is answered with one write.
struct Canned {
    length: usize,
    repeated: Vec<u8>,
}

impl Canned {
    fn new(reply: &str) -> Canned {
        Canned { length: reply.len(), repeated: reply.repeat(REPLIES_PREPARED).into_bytes() }
    }
}

static VALUE: LazyLock<Canned> = LazyLock::new(|| Canned::new(&format!("$64\r\n{}\r\n", "x".repeat(64))));
static PONG: LazyLock<Canned> = LazyLock::new(|| Canned::new("+PONG\r\n"));
static OK: LazyLock<Canned> = LazyLock::new(|| Canned::new("+OK\r\n"));

struct Answers {
    canned: &'static Canned,
    owed: usize,
}

impl Machine for Answers {
    fn receive(&mut self, bytes: &[u8]) {
        let canned = match bytes.get(NAME_AT) {
            Some(b'G') => &*VALUE,
            Some(b'P') => &*PONG,
            _ => &*OK,
        };
        if self.owed == 0 && bytes.starts_with(b"*") {
            self.canned = canned;
        }
        // The compiler makes vector code of this; a search would stop at every command.
        #[expect(clippy::naive_bytecount)]
        let commands = bytes.iter().filter(|&&byte| byte == b'*').count();
        self.owed += commands * self.canned.length;
    }

    fn poll(&mut self) {}

    fn output(&self) -> &[u8] {
        let length = self.canned.length;
        let start = (length - self.owed % length) % length;
        let end = self.canned.repeated.len().min(start + self.owed);
        &self.canned.repeated[start..end]
    }

    fn output_slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        if self.owed == 0 {
            return 0;
        }
        into[0] = IoSlice::new(self.output());
        1
    }

    fn advance(&mut self, sent: usize) {
        self.owed -= sent;
    }

    fn wants_input(&self) -> bool {
        self.owed < 1 << 20
    }

    fn closing(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<u64> {
        None
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u16>().ok());
    let port = arguments.next().expect("usage: canned PORT [THREADS]");
    let threads = arguments.next().unwrap_or(1);
    let start = Instant::now();
    let clock: Clock = Arc::new(move || start.elapsed().as_micros() as u64);
    let reactor = Reactor::start(usize::from(threads), "rkv-io", &clock, &Hooks::default())?;
    for accepted in TcpListener::bind(("127.0.0.1", port))?.incoming() {
        let socket = accepted?;
        socket.set_nodelay(true)?;
        reactor.adopt(socket, |_| Answers { canned: &OK, owed: 0 })?;
    }
    Ok(())
}

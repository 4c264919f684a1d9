//! What Redis says about malformed requests, and that we say the same: a table, and the same table asked of a `redis-server`
//! if there is one on the path.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rkv_engine::error::Error;
use rkv_engine::resp::{RequestLimits, RequestParser};

/// Input and the error it ends in, and whether the client has authenticated.
fn table() -> Vec<(Vec<u8>, bool, &'static str)> {
    const KIB_64: usize = 64 * 1024;
    let multibulk = "Protocol error: invalid multibulk length";
    let bulk = "Protocol error: invalid bulk length";
    let quotes = "Protocol error: unbalanced quotes in request";
    let known = |text: &[u8], error| (text.to_vec(), true, error);
    let stranger = |text: &[u8], error| (text.to_vec(), false, error);
    let long = |text: &[u8], len, error| ([text, &vec![b'1'; len]].concat(), true, error);
    vec![
        known(b"*x\r\n", multibulk),
        known(b"*\r\n", multibulk),
        known(b"*03\r\n", multibulk),
        known(b"*-0\r\n", multibulk),
        known(b"*+1\r\n", multibulk),
        known(b"*1 \r\n", multibulk),
        known(b"* 1\r\n", multibulk),
        known(b"*2147483648\r\n", multibulk),
        known(b"*9223372036854775808\r\n", multibulk),
        known(b"*1\r\n$-1\r\n", bulk),
        known(b"*1\r\n$x\r\n", bulk),
        known(b"*1\r\n$\r\n", bulk),
        known(b"*1\r\n$04\r\n", bulk),
        known(b"*1\r\n$536870913\r\n", bulk),
        known(b"*1\r\nx4\r\n", "Protocol error: expected '$', got 'x'"),
        known(b"*1\r\n\r\n", "Protocol error: expected '$', got ' '"),
        known(b"PING \"a\r\n", quotes),
        known(b"PING \"a\"b\r\n", quotes),
        known(b"PING 'a\r\n", quotes),
        known(b"PING \"a\\\"\r\n", quotes),
        known(b"ECHO \"a\"'b'\r\n", quotes),
        long(b"*", KIB_64, "Protocol error: too big mbulk count string"),
        long(b"*1\r\n$", KIB_64, "Protocol error: too big bulk count string"),
        long(b"a", KIB_64, "Protocol error: too big inline request"),
        stranger(b"*11\r\n", "Protocol error: unauthenticated multibulk length"),
        stranger(b"*1\r\n$16385\r\n", "Protocol error: unauthenticated bulk length"),
    ]
}

#[test]
fn malformed_requests_get_the_errors_of_redis() {
    for (input, authenticated, expected) in table() {
        let limits = RequestLimits { authenticated, ..RequestLimits::default() };
        let error = RequestParser::default().next(&input, 0, &limits, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{}", input[..input.len().min(40)].escape_ascii());
        assert_eq!(Error::from(error).as_str(), format!("ERR {expected}"));
    }
}

#[test]
fn one_byte_less_is_only_incomplete() {
    for (mut input, authenticated, _) in table() {
        input.pop();
        let limits = RequestLimits { authenticated, ..RequestLimits::default() };
        let mut spans = Vec::new();
        let outcome = RequestParser::default().next(&input, 0, &limits, &mut spans);
        assert_eq!(outcome, Ok(None), "{}", input[..input.len().min(40)].escape_ascii());
    }
}

/// A server of our own, stopped when the test ends.
struct Server(Child, u16);

impl Server {
    fn start(arguments: &[&str]) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"]).args(arguments);
        command.current_dir(std::env::temp_dir()).stdout(Stdio::null());
        let server = Self(command.spawn().ok()?, port);
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            sleep(Duration::from_millis(50));
        }
        panic!("redis-server does not answer");
    }

    fn ask(&self, input: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.1)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(input).unwrap();
        let mut reply = Vec::new();
        let closed = stream.read_to_end(&mut reply);
        assert!(closed.is_ok(), "not closed after {}", input[..input.len().min(40)].escape_ascii());
        String::from_utf8_lossy(&reply).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn redis_itself_agrees_with_the_table() {
    let (Some(open), Some(closed)) = (Server::start(&[]), Server::start(&["--requirepass", "x"])) else {
        eprintln!("no redis-server on the path: the table was not compared with it");
        return;
    };
    for (input, authenticated, expected) in table() {
        let server = if authenticated { &open } else { &closed };
        assert_eq!(server.ask(&input), format!("-ERR {expected}\r\n"));
    }
}

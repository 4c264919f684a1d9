//! Connections to other servers, for the threads of an engine that wait for them: ordinary sockets that block, in naps.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Instant;

use mio::{Events, Interest, Poll, Token};
use rkv_engine::outbound::{Network, Patience, Wire};

/// TCP by the system's own rules: its names, its routes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Network for Tcp {
    fn connect(&self, host: &str, port: u16, patience: Patience<'_>) -> io::Result<Box<dyn Wire>> {
        let begun = Instant::now();
        let mut outcome = Err(ErrorKind::NotFound.into());
        for address in (host, port).to_socket_addrs()? {
            outcome = connect(address, begun, patience);
            // The next address has no more time than this one had.
            if outcome.is_ok() || patience.nap(begun.elapsed()).is_err() {
                break;
            }
        }
        let stream = outcome?;
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        Ok(Box::new(Socket(stream)))
    }
}

fn connect(address: SocketAddr, begun: Instant, patience: Patience<'_>) -> io::Result<TcpStream> {
    let mut poll = Poll::new()?;
    let mut stream = mio::net::TcpStream::connect(address)?;
    poll.registry().register(&mut stream, Token(0), Interest::WRITABLE)?;
    let mut events = Events::with_capacity(1);
    loop {
        let nap = patience.nap(begun.elapsed())?;
        match poll.poll(&mut events, Some(nap)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if events.is_empty() {
            continue;
        }
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => break,
            // It was woken too early.
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => return Err(error),
        }
    }
    poll.registry().deregister(&mut stream)?;
    Ok(stream.into())
}

struct Socket(TcpStream);

/// Whether an operation of a socket has only waited for as long as it was told to.
fn has_napped(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Wire for Socket {
    fn send(&mut self, mut bytes: &[u8], patience: Patience<'_>) -> io::Result<()> {
        let begun = Instant::now();
        while !bytes.is_empty() {
            self.0.set_write_timeout(Some(patience.nap(begun.elapsed())?))?;
            match self.0.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if has_napped(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, room: &mut [u8], patience: Patience<'_>) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            self.0.set_read_timeout(Some(patience.nap(begun.elapsed())?))?;
            match self.0.read(room) {
                Err(error) if has_napped(&error) => {}
                outcome => return outcome,
            }
        }
    }
}

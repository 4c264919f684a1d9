//! The calls a connection makes on its socket, TCP or Unix alike.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, Result};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

/// Writing to a peer that is gone must fail, not kill an embedding program that left SIGPIPE alone.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// How much unread input of a closing connection is thrown away.
const DISCARDED_READS_MAX: usize = 16;

/// Receives into `buffer`: the bytes received, 0 at the end of the peer's stream.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((received, _)) => return Ok(received),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends as much of `slices` as there is room for.
pub(crate) fn send(socket: &OwnedFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    loop {
        let sent = match slices {
            [only] => rustix::net::send(socket, only, SEND_FLAGS),
            _ => rustix::net::sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SEND_FLAGS),
        };
        match sent {
            Err(Errno::INTR) => {}
            sent => return sent,
        }
    }
}

/// Ends the stream to the peer in order. Unread input makes the kernel send a reset on close, which may destroy
/// replies on their way to the peer, so what has already come is read first; `unread` says that there may be some.
pub(crate) fn finish(socket: &OwnedFd, unread: bool, buffer: &mut [u8]) {
    let ended = rustix::net::shutdown(socket, Shutdown::Write);
    if unread && ended.is_ok() {
        for _ in 0..DISCARDED_READS_MAX {
            if !receive(socket, buffer).is_ok_and(|received| received == buffer.len()) {
                return;
            }
        }
    }
}

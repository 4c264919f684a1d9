"""Sockets that listen, and the loop that accepts.

Sockets are opened without trio, so that a program can say that a port is taken before it loads anything else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BACKLOG = 511
# Connections accepted before other tasks have their turn.
ACCEPT_MAX = 256
# How long accepting rests while descriptors or memory are short, and how often that is told.
REST_S = 0.1
TELL_EVERY_S = 60.0

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# This machine lacks the protocol: an address of it is left out, as long as there is another one.
UNSUPPORTED = frozenset({errno.ENOPROTOOPT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EAFNOSUPPORT})


class ListenError(Exception):
    """An address cannot be listened on; the message says which and why."""


class Listener(NamedTuple):
    """A socket that listens. `transport` is `tcp`, `tls` or `unix`; `name` is `host:port` or the path."""

    socket: socket.socket
    transport: str
    name: str


def open_tcp(addresses: Sequence[str], port: int, backlog: int = BACKLOG) -> list[Listener]:
    """Listen on addresses as `bind` names them: a leading `-` allows one to be missing, `*` and `::*` mean any.

    With port 0 the system chooses one for all. Raises ListenError.
    """
    found: list[Listener] = []
    try:
        for word in addresses:
            host = word.removeprefix("-")
            is_optional = host != word
            try:
                listener = listen_tcp(host, port, backlog)
            except OSError as error:
                if error.errno in UNSUPPORTED or (is_optional and error.errno == errno.EADDRNOTAVAIL):
                    continue
                raise refusal(host, port, error) from error
            found.append(listener)
            port = port or listener.socket.getsockname()[1]
        if not found:
            raise ListenError(f"none of the addresses {' '.join(addresses)} can be listened on")
    except BaseException:
        close_all(found)
        raise
    return found


def refusal(host: str, port: int, error: OSError) -> ListenError:
    """What Redis says of an address that it cannot listen on."""
    what = "" if isinstance(error, socket.gaierror) else "bind: "
    return ListenError(f"Could not create server TCP listening socket {host}:{port}: {what}{error.strerror}")


def listen_tcp(host: str, port: int, backlog: int) -> Listener:
    """Listen on one address."""
    wild = {"*": (b"0.0.0.0", socket.AF_INET), "::*": (b"::", socket.AF_INET6)}
    # Bytes, because for a string Python would load its codec of international names.
    name, family = wild.get(host, (host.encode(), socket.AF_UNSPEC))
    found = socket.getaddrinfo(name, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(backlog)
        listening.setblocking(False)
        return Listener(listening, "tcp", shown(listening.getsockname()))
    except BaseException:
        listening.close()
        raise


def open_unix(path: str, permissions: int = 0, backlog: int = BACKLOG) -> Listener:
    """Listen on a Unix socket; what is left of an earlier one is replaced. Raises ListenError."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        remove_socket(path)
        listening.bind(path)
        if permissions:
            os.chmod(path, permissions)
        listening.listen(backlog)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ListenError(f"Could not create server Unix listening socket {path}: {error.strerror or error}") from error
    return Listener(listening, "unix", path)


def remove_socket(path: str) -> None:
    """Remove a Unix socket, and nothing that is not one."""
    with contextlib.suppress(FileNotFoundError):
        import stat

        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)


def close_all(listeners: Sequence[Listener]) -> None:
    """Close listeners, and remove what they left in the file system."""
    for listener in listeners:
        listener.socket.close()
        if listener.transport == "unix":
            with contextlib.suppress(OSError):
                remove_socket(listener.name)


def shown(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """`127.0.0.1:6379` or `[::1]:6379`."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def accept(
    listener: Listener, admit: Callable[[socket.socket, str], None], complain: Callable[[str], None]
) -> None:
    """Accept until cancelled. `admit` owns each socket with its peer's address (empty for a Unix socket).

    Whatever goes wrong with one connection, the next one is accepted.
    """
    import trio

    told_at = -TELL_EVERY_S
    while True:
        await trio.lowlevel.wait_readable(listener.socket)
        for _ in range(ACCEPT_MAX):
            try:
                connection, address = listener.socket.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno not in SHORTAGES:
                    # The peer is gone already, or its network.
                    continue
                if trio.current_time() - told_at >= TELL_EVERY_S:
                    told_at = trio.current_time()
                    complain(f"Accepting client connection: accept: {error.strerror}")
                await trio.sleep(REST_S)
                break
            admit(connection, shown(address) if listener.transport != "unix" else "")

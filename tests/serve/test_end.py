"""Ends that come from inside: SHUTDOWN, a bug, CLIENT KILL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.program import connect, unread
from support.resp import Bulk, Error, Integer, Simple, encode

if TYPE_CHECKING:
    from support.program import Program, Starter
    from support.resp import Connection

EX_SOFTWARE = 70
OK, PONG = Simple(b"OK"), Simple(b"PONG")


@pytest.mark.parametrize("words", [(), ("NOSAVE",), ("NOW",), ("FORCE",), ("NOSAVE", "NOW", "FORCE")])
def test_shutdown(serving: tuple[Program, int], words: tuple[str, ...]) -> None:
    program, port = serving
    with connect(port) as connection, connect(port) as other:
        assert other.call("PING") == PONG
        connection.send(encode("SHUTDOWN", *words))
        assert connection.read_to_end() == b""
        assert other.read_to_end() == b""
        assert program.wait() == 0
    assert "User requested shutdown" in program.log()


def test_shutdown_now_waits_for_nobody(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("SET", "large", "x" * 1_000_000) == OK
        with unread(port, encode("GET", "large") * 40):
            started = time.monotonic()
            connection.send(encode("SHUTDOWN", "NOW"))
            assert program.wait() == 0
            assert time.monotonic() - started < 5


def test_a_malformed_shutdown_is_refused(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("SHUTDOWN", "PERHAPS") == Error(b"ERR syntax error")
        assert connection.call("PING") == PONG
    assert program.stop() == 0


def test_a_bug_stops_the_server(start: Starter, io_threads: str) -> None:
    program, port = start.serving("--io-threads", io_threads, "--enable-debug-command", "yes")
    with connect(port) as connection, connect(port) as other:
        assert other.call("SET", "k", "v") == OK
        connection.send(encode("DEBUG", "PANIC"))
        assert connection.read_to_end() == b""
        assert program.wait() == EX_SOFTWARE
    assert "# BUG: panicked at" in program.log()
    assert "the store is stopped" in program.log()


def test_a_killed_client_that_reads_nothing_is_closed(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("SET", "large", "x" * 1_000_000) == OK
        with unread(port, encode("CLIENT", "SETNAME", "silent") + encode("GET", "large") * 40):
            await_client(connection, b"name=silent", True)
            address = next(line for line in listed(connection).splitlines() if b"name=silent" in line)
            peer = next(word for word in address.split() if word.startswith(b"addr=")).removeprefix(b"addr=")
            assert connection.call("CLIENT", "KILL", peer) == OK
            await_client(connection, b"name=silent", False)
    assert program.stop() == 0


def await_client(connection: Connection, words: bytes, is_there: bool) -> None:
    """Until CLIENT LIST shows a client with these words, or shows none any more."""
    deadline = time.monotonic() + 10
    while (words in listed(connection)) != is_there:
        assert time.monotonic() < deadline, f"{words!r} in CLIENT LIST is still {not is_there}"
        time.sleep(0.01)


def listed(connection: Connection) -> bytes:
    reply = connection.call("CLIENT", "LIST")
    assert isinstance(reply, Bulk)
    return reply.data


def test_a_client_that_kills_itself_gets_its_reply(serving: tuple[Program, int]) -> None:
    _, port = serving
    with connect(port) as connection:
        number = connection.call("CLIENT", "ID")
        assert isinstance(number, Integer)
        assert connection.call("CLIENT", "KILL", "ID", number.value, "SKIPME", "no") == Integer(1)
        assert connection.read_to_end() == b""


def test_what_clients_see_of_themselves(serving: tuple[Program, int]) -> None:
    _, port = serving
    with connect(port) as connection:
        host, own = connection.socket.getsockname()
        line = listed(connection)
        assert f"addr={host}:{own}".encode() in line
        assert f"laddr=127.0.0.1:{port}".encode() in line

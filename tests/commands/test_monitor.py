"""MONITOR, CLIENT PAUSE and what CLIENT tells of them, beside Valkey 9.1."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Bulk, Error, Integer, Simple, Verbatim, encode
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server


@pytest.fixture
def both(rkv_server: Server, valkey_server: Server) -> Iterator[tuple[Server, Server]]:
    """The servers, neither of them paused afterwards."""
    yield rkv_server, valkey_server
    for server in (rkv_server, valkey_server):
        with server.connect() as connection:
            connection.call("CLIENT", "UNPAUSE")


def seen_by_monitor(server: Server) -> list[str]:
    """The lines of a monitor while another client works, without times and ports."""
    with server.connect() as monitor, server.connect() as client:
        assert monitor.call("MONITOR") == Simple(b"OK")
        client.call("FLUSHALL")
        client.call("SET", "k", 'a "b" \\ \r\n\t\x01')
        client.call("GET", b"\xff\x00")
        client.call("NOSUCH")
        client.call("SET", "k")
        client.call("AUTH", "hush")
        client.call("CONFIG", "GET", "maxmemory")
        client.call("SELECT", "3")
        client.call("MULTI")
        client.call("INCR", "n")
        client.call("EXEC")
        client.call("SELECT", "0")
        client.call("PING", "end")
        lines: list[str] = []
        while not lines or "end" not in lines[-1]:
            line = monitor.read()
            assert isinstance(line, Simple), line
            lines.append(line.text.decode())
    pattern = r"^\d{10}\.\d{6} \[(\d+) 127\.0\.0\.1:\d+\] "
    assert all(re.match(pattern, line) for line in lines), lines
    return [re.sub(pattern, r"[\1] ", line) for line in lines]


def seen_of_a_wait(server: Server) -> list[bytes]:
    """The names of the commands that a monitor sees while a client waits for a key and is served."""
    with server.connect() as monitor, server.connect() as waiter, server.connect() as client:
        client.call("DEL", "list")
        assert monitor.call("MONITOR") == Simple(b"OK")
        waiter.send(encode("BLPOP", "list", "0"))
        first = monitor.read()
        client.call("RPUSH", "list", "a", "b")
        waiter.read()
        waiter.call("BLPOP", "list", "0")
        waiter.call("BLPOP", "list", "0.01")
        client.call("PING", "end")
        lines = [first]
        while b"end" not in lines[-1].text:
            lines.append(monitor.read())
        return [line.text.split(b'"')[1].lower() for line in lines]


def test_a_monitor_sees_a_command_that_waits_once_and_when_it_begins(both: tuple[Server, Server]) -> None:
    mine, theirs = (seen_of_a_wait(server) for server in both)
    assert mine == theirs == [b"blpop", b"rpush", b"blpop", b"blpop", b"ping"]


def test_a_monitor_sees_what_real_ones_see(both: tuple[Server, Server]) -> None:
    mine, theirs = (seen_by_monitor(server) for server in both)
    assert mine == theirs
    assert not any("hush" in line for line in mine)


def test_reset_ends_it(rkv_server: Server) -> None:
    with rkv_server.connect() as monitor, rkv_server.connect() as client:
        monitor.call("MONITOR")
        listed = client.call("CLIENT", "LIST")
        assert isinstance(listed, Bulk | Verbatim)
        assert b" flags=O " in listed.data
        assert monitor.call("RESET") == Simple(b"RESET")
        client.call("PING")
        assert monitor.call("ECHO", "quiet") == Bulk(b"quiet")


SAME = """
CLIENT PAUSE | CLIENT PAUSE x | CLIENT PAUSE -1 | CLIENT PAUSE 1 foo | CLIENT PAUSE 99999999999999999999
CLIENT PAUSE 9223372036854775807 | CLIENT PAUSE 1 ALL x | CLIENT PAUSE 0 | CLIENT PAUSE 1 WRITE | CLIENT UNPAUSE
CLIENT UNPAUSE x | CLIENT CAPA | CLIENT CAPA foo | CLIENT CAPA redirect | CLIENT IMPORT-SOURCE
CLIENT IMPORT-SOURCE foo | CLIENT IMPORT-SOURCE on | CLIENT IMPORT-SOURCE off
MODULE LOAD x | MODULE LOADEX x | MODULE LOADEX x CONFIG a b ARGS c | MODULE UNLOAD x | MONITOR x
CLIENT LIST CAPA r ID 0 | CONFIG REWRITE
"""


def test_same_replies(both: tuple[Server, Server]) -> None:
    for protocol in (2, 3):
        with both[0].connect(protocol) as rkv, both[1].connect(protocol) as valkey:
            for line in SAME.strip().splitlines():
                for call in line.split(" | "):
                    Pair(rkv, valkey).same(*call.split())


def set_key(writer: Connection, replies: list[object]) -> None:
    replies.append(writer.call("SET", "k", "after"))


@pytest.mark.parametrize("mode", ["WRITE", "ALL"])
def test_commands_wait_while_paused(both: tuple[Server, Server], mode: str) -> None:
    for server in both:
        with server.connect() as boss, server.connect() as writer, server.connect() as reader:
            boss.call("SET", "k", "before")
            boss.call("CLIENT", "PAUSE", "1500", mode)
            begin = time.monotonic()
            replies: list[object] = []
            waiting = threading.Thread(target=set_key, args=(writer, replies))
            waiting.start()
            read = reader.call("GET", "k")
            if mode == "WRITE":
                assert time.monotonic() - begin < 1.2
                assert read == Bulk(b"before")
                info = reader.call("INFO", "clients")
                assert isinstance(info, Bulk | Verbatim)
                assert b"paused_reason:client_pause\r\npaused_actions:write\r\n" in info.data
            waiting.join()
            assert replies == [Simple(b"OK")]
            assert 1.2 < time.monotonic() - begin < 10


@pytest.mark.parametrize("words", ["PFCOUNT h", "PUBLISH c m", "SPUBLISH c m"])
def test_what_others_would_hear_of_waits_with_writes(both: tuple[Server, Server], words: str) -> None:
    for server in both:
        with server.connect() as boss, server.connect() as other:
            boss.call("CLIENT", "PAUSE", "300", "WRITE")
            begin = time.monotonic()
            assert other.call(*words.split()) == Integer(0)
            assert time.monotonic() - begin > 0.2


def test_unpause_lets_commands_go_on_in_order(both: tuple[Server, Server]) -> None:
    for server in both:
        with server.connect() as boss, server.connect() as writer:
            boss.call("DEL", "l")
            boss.call("CLIENT", "PAUSE", "60000", "WRITE")
            for number in range(20):
                writer.send(encode("RPUSH", "l", str(number)))
            deadline = time.monotonic() + 10
            while b"blocked_clients:1\r\n" not in boss.call("INFO", "clients").data and time.monotonic() < deadline:
                time.sleep(0.01)
            assert boss.call("LLEN", "l") == Integer(0)
            assert boss.call("CLIENT", "UNPAUSE") == Simple(b"OK")
            assert [writer.read() for _ in range(20)] == [Integer(number + 1) for number in range(20)]


def test_a_transaction_waits_when_it_would_write(both: tuple[Server, Server]) -> None:
    for server in both:
        with server.connect() as boss, server.connect() as writer, server.connect() as reader:
            for client, words in ((writer, ("SET", "k", "v")), (reader, ("GET", "nosuch"))):
                client.call("MULTI")
                client.call(*words)
            boss.call("CLIENT", "PAUSE", "1500", "WRITE")
            begin = time.monotonic()
            assert not isinstance(reader.call("EXEC"), Error)
            assert time.monotonic() - begin < 1.2
            assert not isinstance(writer.call("EXEC"), Error)
            assert time.monotonic() - begin > 1.2

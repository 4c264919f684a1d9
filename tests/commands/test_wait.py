"""WAIT and WAITAOF beside Valkey 9.1: without replicas, with and without an append-only file."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Array, Error, Integer, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection, Reply
    from support.servers import Server

SAME = """
WAIT 0 0 | WAIT 1 20 | WAIT -1 0 | WAIT x 0 | WAIT 0 x | WAIT 0 -1 | WAIT 0 1.5 | WAIT 0 9223372036854775807
WAIT 1 9223372036854775806 | WAIT 1 | WAIT 1 2 3 | WAIT 5 10 | WAITAOF 0 0 0 | WAITAOF 0 1 20 | WAITAOF 2 0 0
WAITAOF -1 0 0 | WAITAOF x 0 0 | WAITAOF 0 -1 0 | WAITAOF 0 x 0 | WAITAOF 0 9999999999999999999 1 | WAITAOF 0 0 -1
WAITAOF 0 0 x | WAITAOF 0 0 1.5 | WAITAOF 0 0 9223372036854775807 | WAITAOF 1 0 -1 | WAITAOF 2 0 -1 | WAITAOF 0 0
WAITAOF 0 0 0 0 | WAITAOF 1 0 0 | WAITAOF 1 1 20 | WAITAOF 1 0 20
"""
UNBLOCKED = Error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
OFF = Error(b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")


@pytest.fixture(scope="module", params=[1, 0], ids=["reactor", "trio"])
def two(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    """rkv and Valkey in folders of their own."""
    with servers.start_rkv(io_threads=request.param) as rkv, servers.start_valkey() as valkey:
        yield rkv, valkey


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(request: pytest.FixtureRequest, two: tuple[Server, Server]) -> Iterator[Pair]:
    """Both, with an append-only file each."""
    with two[0].connect(request.param) as rkv, two[1].connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("CONFIG", "SET", "appendonly", "yes")
        # The first base is durable then.
        pair.same("WAITAOF", 1, 0, 0)
        yield pair
        pair.same("CONFIG", "SET", "appendonly", "no", "appendfsync", "everysec")


def same_lines(pair: Pair) -> None:
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            pair.same(*call.split())


def test_replies(pair: Pair) -> None:
    for server in (pair.rkv, pair.peer):
        assert server.call("WAITAOF", 1, 0, 0) == Array((Integer(1), Integer(0)))
    same_lines(pair)
    pair.same("CONFIG", "SET", "appendonly", "no")
    same_lines(pair)


@pytest.mark.parametrize("policy", ["everysec", "always"])
def test_a_write_is_confirmed_when_it_is_synced(policy: str, pair: Pair) -> None:
    pair.same("CONFIG", "SET", "appendfsync", policy)
    for server in (pair.rkv, pair.peer):
        server.call("SET", "k", "v")
        began = time.monotonic()
        assert server.call("WAITAOF", 1, 0, 0) == Array((Integer(1), Integer(0)))
        assert time.monotonic() - began < 10
        server.send(b"SET k v\r\nWAITAOF 1 0 0\r\nPING\r\n")
        assert [server.read() for _ in range(3)] == [Simple(b"OK"), Array((Integer(1), Integer(0))), Simple(b"PONG")]


def test_a_log_that_is_wanted_again_at_once_confirms(pair: Pair) -> None:
    for _ in range(40):
        pair.rkv.send(b"CONFIG SET appendonly no\r\nCONFIG SET appendonly yes\r\nSET k v\r\nWAITAOF 1 0 20000\r\n")
        replies = [pair.rkv.read() for _ in range(4)]
        assert replies == [Simple(b"OK")] * 3 + [Array((Integer(1), Integer(0)))]


def waiting(server: Server, *call: object) -> tuple[threading.Thread, list[Reply], Connection]:
    """A connection that waits; its reply comes into the list."""
    replies: list[Reply] = []
    connection = server.connect()
    connection.call("CLIENT", "SETNAME", "waits")
    connection.call("SET", "k", "v")
    thread = threading.Thread(target=lambda: replies.append(connection.call(*call)))
    thread.start()
    return thread, replies, connection


def blocked_id(connection: Connection) -> bytes:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = connection.call("CLIENT", "LIST").data.split(b"\n")
        for line in lines:
            if b" name=waits " in line and b" flags=b " in line:
                return line.split(b" ", 1)[0].partition(b"=")[2]
        time.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("call", [("WAIT", 1, 0), ("WAITAOF", 0, 1, 0), ("WAITAOF", 1, 0, 0)])
@pytest.mark.parametrize("how", ["TIMEOUT", "ERROR"])
def test_client_unblock(call: tuple[object, ...], how: str, two: tuple[Server, Server], pair: Pair) -> None:
    pair.same("CONFIG", "SET", "appendfsync", "no")
    seen = []
    for server, other in zip(two, (pair.rkv, pair.peer), strict=True):
        thread, replies, connection = waiting(server, *call)
        assert other.call("CLIENT", "UNBLOCK", blocked_id(other), how) == Integer(1)
        thread.join(20)
        connection.close()
        seen.append(replies)
    if how == "ERROR":
        assert seen == [[UNBLOCKED], [UNBLOCKED]]
    else:
        assert seen[0] == seen[1] == [Integer(0) if call[0] == "WAIT" else Array((Integer(0), Integer(0)))]


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_log_that_is_turned_off_ends_the_wait(replicas: int, two: tuple[Server, Server], pair: Pair) -> None:
    pair.same("CONFIG", "SET", "appendfsync", "no")
    for server, other in zip(two, (pair.rkv, pair.peer), strict=True):
        thread, replies, connection = waiting(server, "WAITAOF", 1, replicas, 0)
        blocked_id(other)
        other.call("CONFIG", "SET", "appendonly", "no")
        thread.join(20)
        connection.close()
        assert replies == [OFF]

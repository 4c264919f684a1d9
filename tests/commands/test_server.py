"""TIME, ROLE, MEMORY, LATENCY, MODULE, LOLWUT, SHUTDOWN beside Valkey 9.1."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Array, Bulk, Error, Integer
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Server

SAME = """
TIME x | ROLE x | MODULE | MODULE foo | MODULE LIST x | LATENCY | LATENCY foo | LATENCY LATEST | LATENCY HISTORY
LATENCY HISTORY x | LATENCY RESET x y | LATENCY RESET | MEMORY | MEMORY foo | MEMORY USAGE | MEMORY USAGE nokey
MEMORY USAGE k SAMPLES | MEMORY USAGE k SAMPLES -1 | MEMORY USAGE k SAMPLES x | MEMORY USAGE k foo 1
MEMORY USAGE nokey samples -1 | MEMORY USAGE nokey samples 0 samples 1 | MEMORY PURGE | MEMORY PURGE x
MEMORY MALLOC-STATS x | MEMORY STATS x | MEMORY DOCTOR x | SHUTDOWN ABORT | SHUTDOWN foo | SHUTDOWN ABORT NOW
SHUTDOWN NOSAVE SAVE | SHUTDOWN SAVE NOSAVE | SHUTDOWN ABORT NOSAVE | SHUTDOWN FAILOVER | SHUTDOWN NOW x
LOLWUT VERSION x
"""


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair


def test_same_replies(with_valkey: Pair) -> None:
    with_valkey.same("SET", "k", "v")
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            with_valkey.same(*call.split())


def test_time(with_valkey: Pair) -> None:
    mine, theirs = with_valkey.both("TIME")
    assert isinstance(mine, Array)
    seconds, micros = (int(item.data) for item in mine.items)
    assert abs(seconds - int(theirs.items[0].data)) <= 1
    assert abs(seconds + micros / 1e6 - time.time()) < 5
    assert 0 <= micros < 1_000_000


def test_role(with_valkey: Pair) -> None:
    assert with_valkey.rkv.call("ROLE") == Array((Bulk(b"master"), Integer(0), Array(())))


def test_memory_usage(with_valkey: Pair) -> None:
    last = 0
    for size in (1, 10, 100, 1000, 10_000, 1_000_000):
        with_valkey.same("SET", "k", "x" * size)
        mine, theirs = with_valkey.both("MEMORY", "USAGE", "k")
        assert isinstance(mine, Integer)
        assert last < mine.value
        assert size < mine.value <= theirs.value + 100
        last = mine.value


def test_memory_stats(with_valkey: Pair) -> None:
    with_valkey.same("SET", "k", "v")
    mine, theirs = (
        [item.data for item, _ in reply.pairs] if hasattr(reply, "pairs") else [item.data for item in reply.items[::2]]
        for reply in with_valkey.both("MEMORY", "STATS")
    )
    shared = [name for name in mine if name in theirs]
    assert {b"peak.allocated", b"total.allocated", b"keys.count", b"dataset.percentage", b"db.0"} <= set(shared)
    assert shared == [name for name in theirs if name in mine]
    assert set(mine) <= set(theirs)


def test_texts_for_people(with_valkey: Pair) -> None:
    for call in ("LOLWUT", "LOLWUT VERSION 5 1 2", "MEMORY DOCTOR", "MEMORY MALLOC-STATS"):
        mine, theirs = with_valkey.both(*call.split())
        assert type(mine) is type(theirs), call
        assert len(mine.data) > 20
    assert b"\nRedis ver. 7.2.4, rkv ver. " in with_valkey.rkv.call("LOLWUT").data


@pytest.mark.parametrize("io_threads", [1, 0], ids=["reactor", "trio"])
@pytest.mark.parametrize("how", ["", "NOSAVE", "NOW FORCE NOSAVE", "SAVE FORCE", "SAFE"])
def test_shutdown(io_threads: int, how: str) -> None:
    with servers.start_rkv(io_threads=io_threads) as server, server.connect() as connection:
        for refused in ("SHUTDOWN foo", "SHUTDOWN ABORT"):
            assert isinstance(connection.call(*refused.split()), Error)
        connection.call("MULTI")
        assert isinstance(connection.call("SHUTDOWN"), Error), "not in a transaction"
        connection.call("DISCARD")
        connection.send(b" ".join([b"SHUTDOWN", how.encode()]) + b"\r\nPING\r\n")
        assert connection.read_to_end() == b"", "no reply but the end"
        assert server.process.wait(20) == 0

"""LATENCY beside Valkey 9.1, and the times of commands that INFO tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Integer, Map, Verbatim
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

SAME = """
LATENCY | LATENCY foo | LATENCY DOCTOR x | LATENCY GRAPH | LATENCY GRAPH nosuch | LATENCY HISTORY nosuch
LATENCY LATEST | LATENCY LATEST x | LATENCY RESET nosuch | LATENCY HISTOGRAM nosuch | LATENCY RESET
"""


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        pair.same("LATENCY", "RESET")
        yield pair
        pair.same("CONFIG", "SET", "latency-monitor-threshold", "0")
        pair.both("LATENCY", "RESET")


def text(connection: Connection, *words: str) -> str:
    reply = connection.call(*words)
    assert isinstance(reply, Bulk | Verbatim), reply
    return reply.data.decode()


def test_same_replies(with_valkey: Pair) -> None:
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            with_valkey.same(*call.split())


def test_slow_commands_are_remembered(with_valkey: Pair) -> None:
    assert "disabled" in text(with_valkey.rkv, "LATENCY", "DOCTOR")
    with_valkey.same("CONFIG", "SET", "latency-monitor-threshold", "50")
    assert "No latency spike" in text(with_valkey.rkv, "LATENCY", "DOCTOR")
    with_valkey.same("DEBUG", "SLEEP", "0.1")
    for reply in with_valkey.both("LATENCY", "LATEST"):
        assert isinstance(reply, Array)
        (event,) = reply.items
        assert event.items[0] == Bulk(b"command")
        assert 100 <= event.items[2].value < 1000
        assert event.items[2] == event.items[3] == event.items[4]
        assert event.items[5] == Integer(1)
    mine, _ = with_valkey.both("LATENCY", "HISTORY", "command")
    assert isinstance(mine, Array)
    assert len(mine.items) == 1
    for server in (with_valkey.rkv, with_valkey.peer):
        assert re.match(
            r"command - high 1\d\d ms, low 1\d\d ms \(all time high 1\d\d ms\)\n-{80}\n",
            text(server, "LATENCY", "GRAPH", "command"),
        )
        assert re.search(
            r"1\. command: 1 latency spikes \(average \d+ms, mean deviation 0ms", text(server, "LATENCY", "DOCTOR")
        )
    with_valkey.same("LATENCY", "RESET", "nosuch", "command")
    with_valkey.same("LATENCY", "LATEST")


def test_histogram(with_valkey: Pair) -> None:
    with_valkey.same("CONFIG", "RESETSTAT")
    for _ in range(5):
        with_valkey.same("SET", "k", "v")
    with_valkey.same("CONFIG", "GET", "maxmemory")
    for server in (with_valkey.rkv, with_valkey.peer):
        reply = server.call("LATENCY", "HISTOGRAM", "set", "config", "nosuch", "get")
        pairs = (
            list(reply.pairs) if isinstance(reply, Map) else list(zip(reply.items[::2], reply.items[1::2], strict=True))
        )
        names = {name.data for name, _ in pairs}
        assert names >= {b"set", b"config|get"}
        assert b"get" not in names
        value = dict(pairs)[Bulk(b"set")]
        inner = (
            dict(value.pairs) if isinstance(value, Map) else dict(zip(value.items[::2], value.items[1::2], strict=True))
        )
        assert inner[Bulk(b"calls")] == Integer(5)
        spread = inner[Bulk(b"histogram_usec")]
        spread = (
            list(spread.pairs)
            if isinstance(spread, Map)
            else list(zip(spread.items[::2], spread.items[1::2], strict=True))
        )
        assert spread[-1][1] == Integer(5)
        powers = [power.value for power, _ in spread]
        assert powers == sorted(powers)
        assert set(powers) <= {1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16909, 33818, 67637}


def test_commandstats(with_valkey: Pair) -> None:
    with_valkey.same("CONFIG", "RESETSTAT")
    with_valkey.same("SET", "k", "v")
    with_valkey.same("SET", "k")
    with_valkey.same("INCR", "k")
    with_valkey.same("CLIENT", "NO-TOUCH", "off")
    with_valkey.same("MULTI")
    with_valkey.same("SET", "k", "w")
    with_valkey.same("NOSUCH")
    with_valkey.same("EXEC")
    for name, calls, rejected, failed in (
        ("set", 1, 1, 0), ("incr", 1, 0, 1), ("client|no-touch", 1, 0, 0), ("multi", 1, 0, 0), ("exec", 1, 0, 1)
    ):  # fmt: skip
        for server in (with_valkey.rkv, with_valkey.peer):
            figures = rf"calls={calls},usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls={rejected},failed_calls={failed}"
            pattern = rf"^cmdstat_{re.escape(name)}:{figures}\r$"
            report = text(server, "INFO", "commandstats")
            assert re.search(pattern, report, re.MULTILINE), (name, report)


def test_percentiles(with_valkey: Pair) -> None:
    with_valkey.same("CONFIG", "RESETSTAT")
    with_valkey.same("CONFIG", "SET", "latency-tracking-info-percentiles", "10 50.5 100")
    with_valkey.same("PING")
    for server in (with_valkey.rkv, with_valkey.peer):
        report = text(server, "INFO", "latencystats")
        assert re.search(
            r"^latency_percentiles_usec_ping:p10=\d+\.\d{3},p50\.5=\d+\.\d{3},p100=\d+\.\d{3}\r$", report, re.MULTILINE
        ), report
    with_valkey.same("CONFIG", "SET", "latency-tracking", "no")
    for server in (with_valkey.rkv, with_valkey.peer):
        assert "latency_percentiles" not in text(server, "INFO", "latencystats")
    with_valkey.same("CONFIG", "SET", "latency-tracking", "yes")
    with_valkey.same("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 99.9")

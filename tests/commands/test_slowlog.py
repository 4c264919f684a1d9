"""SLOWLOG and COMMANDLOG beside Valkey 9.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Integer
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

OPTIONS = {
    "slowlog-log-slower-than": "10000",
    "slowlog-max-len": "128",
    "commandlog-request-larger-than": "1048576",
    "commandlog-reply-larger-than": "1048576",
}

SAME = """
SLOWLOG | SLOWLOG foo | SLOWLOG GET -2 | SLOWLOG GET x | SLOWLOG LEN x | SLOWLOG RESET x | SLOWLOG RESET
SLOWLOG GET 99999999999999999999 | COMMANDLOG | COMMANDLOG GET | COMMANDLOG GET 1 | COMMANDLOG GET 1 foo
COMMANDLOG GET -2 slow | COMMANDLOG GET x slow | COMMANDLOG GET 1 slow x | COMMANDLOG LEN | COMMANDLOG LEN foo
COMMANDLOG RESET foo | COMMANDLOG RESET SLOW | COMMANDLOG RESET large-Request | COMMANDLOG RESET LARGE-reply
COMMANDLOG LEN large-request | COMMANDLOG LEN LARGE-REPLY | COMMANDLOG GET 1 large-reply
"""


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair
        for name, value in OPTIONS.items():
            pair.same("CONFIG", "SET", name, value)


def entries(connection: Connection, kind: str) -> list[tuple[object, ...]]:
    """Words, address and name of all entries of a log, without number, time and amount."""
    reply = connection.call("COMMANDLOG", "GET", "-1", kind)
    assert isinstance(reply, Array)
    return [tuple(entry.items) for entry in reply.items]


def test_same_replies(with_valkey: Pair) -> None:
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            with_valkey.same(*call.split())


def test_every_command_is_logged_from_zero_on(with_valkey: Pair) -> None:
    with_valkey.same("CONFIG", "SET", "slowlog-log-slower-than", "0")
    with_valkey.same("SLOWLOG", "RESET")
    with_valkey.same("CLIENT", "SETNAME", "somebody")
    with_valkey.same("SET", "k", "x" * 200)
    with_valkey.same("SADD", "s", *map(str, range(60)))
    with_valkey.same("CONFIG", "SET", "requirepass", "")
    with_valkey.same("MULTI")
    with_valkey.same("PING")
    with_valkey.same("EXEC")
    with_valkey.same("NOSUCH")
    with_valkey.same("GET", "s")
    with_valkey.same("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    mine, theirs = ([entry[3] for entry in entries(server, "slow")] for server in (with_valkey.rkv, with_valkey.peer))
    assert mine == theirs
    for entry in entries(with_valkey.rkv, "slow"):
        number, unix_s, took_us, _, peer, name = entry
        assert isinstance(number, Integer)
        assert isinstance(unix_s, Integer)
        assert isinstance(took_us, Integer)
        assert 0 <= took_us.value < 5_000_000
        assert isinstance(peer, Bulk)
        assert peer.data.startswith(b"127.0.0.1:")
        assert name in (Bulk(b"somebody"), Bulk(b""))
    with_valkey.same("SLOWLOG", "LEN")
    with_valkey.same("CONFIG", "SET", "slowlog-max-len", "3")
    with_valkey.same("SLOWLOG", "RESET")
    with_valkey.same("SLOWLOG", "LEN")


def test_numbers_go_on(with_valkey: Pair) -> None:
    rkv = with_valkey.rkv
    rkv.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
    rkv.call("PING")
    before = entries(rkv, "slow")[0][0]
    rkv.call("SLOWLOG", "RESET")
    rkv.call("PING")
    rkv.call("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    after = entries(rkv, "slow")[-1][0]
    assert isinstance(before, Integer)
    assert isinstance(after, Integer)
    assert after.value > before.value


@pytest.mark.parametrize("pipelined", [False, True])
def test_large_requests_and_replies(with_valkey: Pair, pipelined: bool) -> None:
    for kind in ("large-request", "large-reply"):
        with_valkey.same("COMMANDLOG", "RESET", kind)
    with_valkey.same("CONFIG", "SET", "commandlog-request-larger-than", "20000")
    with_valkey.same("CONFIG", "SET", "commandlog-reply-larger-than", "40000")
    calls = [("SET", "k", "x" * 30_000), ("GET", "k"), ("SET", "l", "y" * 50_000), ("GET", "l"), ("GET", "k")]
    for server in (with_valkey.rkv, with_valkey.peer):
        if pipelined:
            server.pipeline(calls)
        else:
            for call in calls:
                server.call(*call)
    for kind in ("large-request", "large-reply"):
        mine, theirs = (
            [entry[2:4] for entry in entries(server, kind)] for server in (with_valkey.rkv, with_valkey.peer)
        )
        assert mine == theirs, kind
        assert len(mine) == (2 if kind == "large-request" else 1)


def test_no_secret_is_logged(with_valkey: Pair) -> None:
    with_valkey.same("CONFIG", "SET", "slowlog-log-slower-than", "0")
    with_valkey.same("SLOWLOG", "RESET")
    for words in (("AUTH", "hush"), ("AUTH", "default", "hush"), ("HELLO", "2", "AUTH", "default", "hush")):
        with_valkey.rkv.call(*words)
    with_valkey.rkv.call("CONFIG", "SET", "masterauth", "hush")
    with_valkey.rkv.call("CONFIG", "SET", "masterauth", "")
    assert b"hush" not in repr(with_valkey.rkv.call("SLOWLOG", "GET", "-1")).encode()

"""CONFIG beside Valkey 9.1 and redis-server 7.0: what is refused, with which words, and what takes effect at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Array, Bulk, Error, Map, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

OK = Simple(b"OK")
# Redis 7.0 lacks one word of this list.
ONLY_VALKEY = {"CONFIG SET loglevel foo"}
# Each line is one session: what it sets, it sets back.
SESSIONS = """
CONFIG | CONFIG foo | CONFIG GET | CONFIG SET | CONFIG SET a | CONFIG SET a b | CONFIG SET a b c | CONFIG HELP x
CONFIG SET maxmemory | CONFIG SET maxmemory 1mb maxmemory 2mb | CONFIG SET maxmemory 1mb port abc | CONFIG GET maxmemory
CONFIG SET maxmemory 1gbx | CONFIG SET maxmemory 3gb | CONFIG GET maxmemory | CONFIG SET maxmemory 0
CONFIG SET databases 3 | CONFIG SET DATABASES 3 | CONFIG SET enable-debug-command no | CONFIG SET maxmemory-policy foo
CONFIG SET notify-keyspace-events KEA | CONFIG GET notify-keyspace-events | CONFIG SET notify-keyspace-events Kx
CONFIG GET notify-keyspace-events | CONFIG SET notify-keyspace-events Y | CONFIG SET notify-keyspace-events ''
CONFIG SET hz 9999 | CONFIG GET hz | CONFIG SET hz 0 | CONFIG GET hz | CONFIG SET hz -1 | CONFIG SET hz 10
CONFIG GET nosuch | CONFIG GET nosuch hz | CONFIG GET MAXMEMORY maxmemory | CONFIG GET m[ae]xmemory
CONFIG GET Requirepass
CONFIG SET timeout -1 | CONFIG SET timeout 99999999999 | CONFIG SET timeout 1.5 | CONFIG SET timeout ''
CONFIG SET proto-max-bulk-len 1 | CONFIG SET proto-max-bulk-len 2mb | CONFIG GET proto-max-bulk-len
CONFIG SET proto-max-bulk-len 512mb | CONFIG SET dir /tmp | CONFIG SET dbfilename x/y | CONFIG SET appendonly maybe
CONFIG SET client-output-buffer-limit foo | CONFIG SET requirepass x nosuch y | CONFIG GET requirepass
CONFIG SET slowlog-max-len 5 slowlog-log-slower-than 9 | CONFIG GET slow* | CONFIG SET loglevel foo
CONFIG SET slowlog-max-len 128 slowlog-log-slower-than 10000 | CONFIG RESETSTAT x | CONFIG RESETSTAT
"""


@pytest.fixture
def with_valkey(rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1."""
    with rkv_server.connect() as rkv, valkey_server.connect() as valkey:
        yield Pair(rkv, valkey)


def calls() -> Iterator[str]:
    """Every call of the sessions."""
    for line in SESSIONS.strip().splitlines():
        yield from line.split(" | ")


def words(call: str) -> list[str]:
    """The words of a call; '' is an empty one."""
    return [word.strip("'") if word == "''" else word for word in call.split()]


def options(reply: object) -> dict[bytes, bytes]:
    """The reply of CONFIG GET."""
    if isinstance(reply, Map):
        return {name.data: value.data for name, value in reply.pairs}
    assert isinstance(reply, Array), reply
    items = [item.data for item in reply.items]
    return dict(zip(items[::2], items[1::2], strict=True))


def compare(pair: Pair, call: str) -> None:
    mine, theirs = pair.both(*words(call))
    if isinstance(theirs, Array | Map):
        mine, theirs = options(mine), options(theirs)
    assert mine == theirs, call


def test_calls_beside_valkey(with_valkey: Pair) -> None:
    for call in calls():
        compare(with_valkey, call)


def test_calls_beside_redis(with_redis: Pair) -> None:
    for call in calls():
        if call not in ONLY_VALKEY:
            compare(with_redis, call)


def test_all_options_of_redis_are_known(with_redis: Pair) -> None:
    mine, theirs = (options(reply) for reply in with_redis.both("CONFIG", "GET", "*"))
    # An option for tests of Redis itself: rkv answers to its name alone.
    assert theirs.keys() - mine.keys() == {b"aof-disable-auto-gc"}


def test_in_a_transaction(with_redis: Pair) -> None:
    for call in (
        "MULTI", "SET k v", "CONFIG SET maxmemory 100mb", "CONFIG SET maxmemory x", "CONFIG GET maxmemory",
        "CONFIG RESETSTAT", "CONFIG SET maxmemory 0", "GET k", "EXEC",
    ):  # fmt: skip
        with_redis.same(*call.split())


def test_half_a_change_is_none(with_redis: Pair) -> None:
    with_redis.same("CONFIG", "SET", "hz", "20", "timeout", "7", "maxmemory-policy", "nosuch")
    assert options(with_redis.rkv.call("CONFIG", "GET", "hz", "timeout")) == {b"hz": b"10", b"timeout": b"0"}


def test_passwords(rkv_server: Server) -> None:
    with servers.start_rkv() as server, server.connect() as admin:
        assert admin.call("CONFIG", "SET", "requirepass", "first secret") == OK
        assert admin.call("PING") == Simple(b"PONG"), "who is there stays"
        with server.connect() as other:
            assert other.call("PING") == Error(b"NOAUTH Authentication required.")
            assert isinstance(other.call("AUTH", "wrong"), Error)
            assert other.call("AUTH", "first secret") == OK
        assert admin.call("CONFIG", "SET", "requirepass", "") == OK
        with server.connect() as other:
            assert other.call("PING") == Simple(b"PONG")
        for call in (["CONFIG", "SET", "requirepass"], ["CONFIG", "SET", "requirepass", "second secret", "port", "x"]):
            admin.call(*call)
        assert "secret" not in server.log()
    assert rkv_server.process.poll() is None


def test_the_longest_argument(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        assert connection.call("CONFIG", "SET", "proto-max-bulk-len", "1mb") == OK
        try:
            with rkv_server.connect() as other:
                assert other.call("ECHO", b"x" * (1 << 20)) == Bulk(b"x" * (1 << 20))
                other.send(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
                assert other.read() == Error(b"ERR Protocol error: invalid bulk length")
        finally:
            assert connection.call("CONFIG", "SET", "proto-max-bulk-len", "512mb") == OK


def memory_is_full(connection: Connection) -> bool:
    reply = connection.call("SET", "another", "value")
    if reply == OK:
        return False
    assert reply == Error(b"OOM command not allowed when used memory > 'maxmemory'.")
    return True


def test_maxmemory(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        try:
            for number in range(200):
                assert connection.call("SET", f"key:{number}", "x" * 10_000) == OK
            assert connection.call("CONFIG", "SET", "maxmemory", "1mb") == OK
            assert memory_is_full(connection)
            assert connection.call("GET", "key:0") == Bulk(b"x" * 10_000)
            connection.call("MULTI")
            assert memory_is_full(connection)
            assert isinstance(connection.call("EXEC"), Error)
            for number in range(150):
                connection.call("DEL", f"key:{number}")
            assert not memory_is_full(connection)
        finally:
            assert connection.call("CONFIG", "SET", "maxmemory", "0") == OK
            connection.call("FLUSHALL")


def test_resetstat(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("GET", "nosuch")
        connection.call("NOSUCH")
        assert connection.call("CONFIG", "RESETSTAT") == OK
        text = connection.call("INFO", "stats", "errorstats").data.decode()
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        for name in ("keyspace_misses", "keyspace_hits", "total_error_replies", "total_connections_received"):
            assert fields[name] == "0", name
        assert not any(name.startswith("errorstat_") for name in fields)

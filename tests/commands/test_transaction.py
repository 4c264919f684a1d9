"""MULTI, EXEC, DISCARD, WATCH and UNWATCH beside redis-server 7.0 and Valkey 9.1."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Null, NullArray, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Server

# Each line is a conversation; both servers are empty before it. What 7.0 answers differently stands in VALKEY.
REDIS = """
MULTI | SET a 1 | INCR a | GET a | MGET a b | EXEC | GET a
MULTI | EXEC | EXEC | DISCARD
MULTI | SET a 1 | DISCARD | GET a | EXEC
MULTI | DISCARD x | EXEC x | EXEC
MULTI | NOSUCH | SET a 1 | EXEC | GET a
MULTI | GET | EXEC | EXEC
MULTI | SET a 1 b | EXEC | GET a
MULTI | SET a x | INCR a | SET b 1 | EXEC | GET b
SET a x | MULTI | INCR a | GETRANGE a x 1 | APPEND a y | EXEC | GET a
MULTI | SELECT 1 | SET a 1 | SELECT 99 | SELECT x | GET a | SELECT 0 | GET a | SET b 2 | EXEC | GET b | SELECT 1 | GET a
MULTI | SELECT 3 | SET a 1 | EXEC | GET a | SELECT 0 | GET a
MULTI | PING | ECHO x | CLIENT GETNAME | UNWATCH | CLIENT SETNAME a | CLIENT GETNAME | EXEC | CLIENT GETNAME
MULTI | AUTH a b c | AUTH x | EXEC
MULTI | SET a 1 | RESET | EXEC | GET a
WATCH | WATCH a b a | UNWATCH | UNWATCH x | MULTI x
WATCH a | SET a 1 | MULTI | SET b 1 | EXEC | GET b | MULTI | SET b 1 | EXEC
WATCH a | SET a 1 | UNWATCH | MULTI | SET b 1 | EXEC
WATCH a | SET a 1 | MULTI | DISCARD | MULTI | SET b 1 | EXEC
WATCH a | SET a 1 | MULTI | NOSUCH | EXEC
WATCH a | GET a | DEL a | MULTI | PING | EXEC
SET a 1 | WATCH a | DEL a | MULTI | PING | EXEC
SET a 1 | WATCH a | SET a 1 | MULTI | PING | EXEC
SET a 1 | WATCH a | SETNX a 1 | APPEND b x | MULTI | PING | EXEC
SET a 1 | WATCH a | EXPIRE a 100 | MULTI | PING | EXEC
SET a 1 | WATCH a | PERSIST a | MULTI | PING | EXEC
SET a 1 | WATCH a b | RENAME a b | MULTI | PING | EXEC
SET a 1 | WATCH b | COPY a b | MULTI | PING | EXEC
SET a 1 | WATCH a | MOVE a 1 | MULTI | PING | EXEC
SET a 1 | WATCH a | FLUSHDB | MULTI | PING | EXEC
SET a 1 | WATCH b | FLUSHDB | MULTI | PING | EXEC
SET a 1 | WATCH a | FLUSHALL | MULTI | PING | EXEC
SET a 1 | SELECT 1 | WATCH a | FLUSHALL | MULTI | PING | EXEC
SET a 1 | WATCH a | SWAPDB 0 1 | MULTI | PING | EXEC
SET a 1 | WATCH b | SWAPDB 0 1 | MULTI | PING | EXEC
SET a 1 | SELECT 1 | WATCH a | SWAPDB 0 1 | MULTI | PING | EXEC
SET a 1 | WATCH a | SWAPDB 1 2 | MULTI | PING | EXEC
SET a 1 | WATCH a | SELECT 1 | SET a 2 | MULTI | PING | EXEC
SELECT 1 | WATCH a | SELECT 0 | SET a 1 | MULTI | PING | EXEC
SELECT 1 | WATCH a | SELECT 0 | MULTI | PING | EXEC
MULTI | FLUSHALL | SET a 1 | DBSIZE | KEYS * | SWAPDB 0 1 | DBSIZE | EXEC | DBSIZE
MULTI | SET a 1 | EXPIREAT a 1 | GET a | EXEC | EXISTS a
MULTI | COMMAND COUNT x | CLIENT NOSUCH | EXEC
"""
# Valkey 9.1 answers otherwise, and breaks the transaction.
REDIS_ALONE = """
MULTI | MULTI | SET a 1 | EXEC | GET a
MULTI | WATCH a | SET a 1 | EXEC | GET a
"""
VALKEY = """
MULTI | multi x | DISCARD | EXEC
EXEC x | EXEC
MULTI | CLIENT NO-TOUCH on | CLIENT SETINFO lib-name x | EXEC | RESET
"""


def conversations(table: str) -> list[list[list[str]]]:
    """Lines of requests of words."""
    return [[request.split(" ") for request in line.split(" | ")] for line in table.strip().splitlines()]


def converse(pair: Pair, table: str) -> None:
    for conversation in conversations(table):
        pair.same("RESET")
        pair.same("FLUSHALL")
        for words in conversation:
            mine, theirs = pair.both(*words)
            assert mine == theirs, (conversation, words)


@pytest.fixture
def with_valkey(rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey."""
    with rkv_server.connect() as rkv, valkey_server.connect() as valkey:
        yield Pair(rkv, valkey)


def test_conversations(with_redis: Pair) -> None:
    converse(with_redis, REDIS)
    converse(with_redis, REDIS_ALONE)


def test_conversations_that_changed_since(with_valkey: Pair) -> None:
    converse(with_valkey, REDIS)
    converse(with_valkey, VALKEY)


def test_replies_cannot_be_muted_inside(rkv_server: Server) -> None:
    # Redis 7.0 queues it, and its reply to EXEC is then cut; Valkey refuses it in words of its own.
    with rkv_server.connect() as client:
        client.call("MULTI")
        assert client.call("CLIENT", "REPLY", "OFF") == Error(b"ERR Command not allowed inside a transaction")
        assert client.call("EXEC").code == "EXECABORT"
        assert client.call("PING") == Simple(b"PONG")


def test_the_null_of_exec(with_redis: Pair) -> None:
    for words in (["WATCH", "a"], ["SET", "a", 1], ["MULTI"], ["PING"]):
        with_redis.same(*words)
    assert with_redis.same("EXEC") in (NullArray(), Null())


def test_another_client_changes_a_watched_key(rkv_server: Server) -> None:
    with rkv_server.connect() as client, rkv_server.connect() as other:
        client.call("DEL", "a", "b")
        for change, expected in (
            (["SET", "a", 1], NullArray()),
            (["GET", "a"], Array((Integer(1),))),
            (["INCR", "a"], NullArray()),
            (["SET", "c", 1], Array((Integer(2),))),
        ):
            client.call("WATCH", "a")
            other.call(*change)
            client.call("MULTI")
            client.call("INCR", "b")
            assert client.call("EXEC") == expected, change


def test_a_watched_key_that_expires_has_changed(with_redis: Pair) -> None:
    with_redis.same("SET", "a", 1, "PX", 500)
    with_redis.same("WATCH", "a")
    time.sleep(0.7)
    with_redis.same("MULTI")
    with_redis.same("PING")
    assert with_redis.same("EXEC") in (NullArray(), Null())
    # Expired before it was watched, it does not change any more.
    with_redis.same("SET", "a", 1, "PX", 10)
    time.sleep(0.05)
    with_redis.same("WATCH", "a")
    with_redis.same("MULTI")
    with_redis.same("PING")
    assert with_redis.same("EXEC") == Array((Simple(b"PONG"),))


def test_who_leaves_watches_no_more(rkv_server: Server) -> None:
    with rkv_server.connect() as client:
        client.call("WATCH", "a")
        client.call("MULTI")
        client.call("SET", "leaving", 1)
    with rkv_server.connect() as other:
        assert other.call("SET", "a", 1) == Simple(b"OK")
        assert other.call("EXEC") == Error(b"ERR EXEC without MULTI")
        assert other.call("EXISTS", "leaving") == Integer(0)


def test_exec_is_refused_as_a_whole(rkv_server: Server) -> None:
    with rkv_server.connect() as client:
        client.call("DEL", "a")
        client.call("MULTI")
        client.call("SET", "a", "x")
        assert client.call("CONFIG", "SET", "maxmemory", "1") == Simple(b"QUEUED")
        client.call("EXEC")
        try:
            client.call("MULTI")
            error = b"OOM command not allowed when used memory > 'maxmemory'."
            assert client.call("SET", "a", "y") == Error(error)
            assert client.call("EXEC") == Error(b"EXECABORT Transaction discarded because of previous errors.")
        finally:
            client.call("CONFIG", "SET", "maxmemory", "0")
        assert client.call("GET", "a") == Bulk(b"x")

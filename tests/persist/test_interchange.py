"""Snapshots of rkv, Redis 7.0 and Valkey 9.1 in each of the three: the same keys, values and deadlines."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Array, Bulk, Simple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.resp import Connection, Reply
    from support.servers import Server

START: dict[str, Callable[..., Server]] = {
    "rkv": servers.start_rkv,
    "redis": servers.start_redis,
    "valkey": servers.start_valkey,
}
# More than any packed encoding takes.
MANY = 700
FAR_MS = 3_600_000


def fill(connection: Connection, has_field_deadlines: bool) -> None:
    """Every type in every encoding, in several databases, with and without deadlines."""

    def call(*words: object) -> None:
        reply = connection.call(*(str(word) if isinstance(word, int) else word for word in words))
        assert type(reply).__name__ != "Error", (words, reply)

    for number in (0, 1, -1, 127, -129, 40_000, 2**31, -(2**63), 2**63 - 1):
        call("SET", f"integer:{number}", number)
    for length in (0, 1, 20, 44, 45, 63, 64, 16_383, 16_384, 100_000):
        call("SET", f"same:{length}", "x" * length)
        call("SET", f"mixed:{length}", bytes(index * index % 251 for index in range(length)))
    call("APPEND", "appended", "123")
    for name, count, size in (("few", 5, 3), ("many", MANY, 3), ("long", 5, 5000), ("both", 40, 90)):
        items = [f"{index}:{'e' * size}" for index in range(count)]
        call("RPUSH", f"list:{name}", *items)
        call("SADD", f"set:{name}", *items)
        call("HSET", f"hash:{name}", *(word for item in items for word in (item, item[::-1])))
        scores = (f"{index * 1.5 - 100}" for index in range(count))
        call("ZADD", f"zset:{name}", *(word for pair in zip(scores, items, strict=True) for word in pair))
    call("RPUSH", "list:integers", *range(-200, 200))
    call("SADD", "set:small", 1, 2, 3)
    call("SADD", "set:middle", 1, -40_000, 3)
    call("SADD", "set:large", 1, 2**40, -(2**62))
    call("SADD", "set:integers", *range(MANY))
    call("ZADD", "zset:edge", "-inf", "least", "inf", "most", "0", "zero", "1e-300", "tiny", "0.1", "tenth")
    for number in range(1, 300):
        call("XADD", "stream:many", f"{number}-1", "f", number, "g" * (number % 9), "v")
    call("XGROUP", "CREATE", "stream:many", "first", "0")
    call("XGROUP", "CREATE", "stream:many", "second", "$", "ENTRIESREAD", 299)
    call("XREADGROUP", "GROUP", "first", "one", "COUNT", 20, "STREAMS", "stream:many", ">")
    call("XREADGROUP", "GROUP", "first", "two", "COUNT", 20, "STREAMS", "stream:many", ">")
    call("XACK", "stream:many", "first", "3-1", "25-1")
    call("XCLAIM", "stream:many", "first", "two", 0, "4-1", "RETRYCOUNT", 7)
    call("XDEL", "stream:many", "5-1", "299-1")
    call("XADD", "stream:empty", "9-9", "f", "v")
    call("XDEL", "stream:empty", "9-9")
    for database in (3, 15):
        call("SELECT", database)
        call("SET", f"in:{database}", "v")
    call("SELECT", 0)
    for key in ("integer:1", "same:45", "list:few", "list:many", "set:many", "hash:few", "zset:long", "set:small"):
        call("PEXPIRE", key, FAR_MS)
    call("PEXPIREAT", "mixed:64", int(time.time() * 1000) + FAR_MS * 24 * 365 * 20)
    if has_field_deadlines:
        call("HSET", "hash:deadlines", "a", 1, "b", 2, "c", 3)
        call("HPEXPIRE", "hash:deadlines", FAR_MS, "FIELDS", 2, "a", "b")
        call("HPEXPIRE", "hash:many", FAR_MS, "FIELDS", 1, f"0:{'e' * 3}")


READ = {b"string": ("GET",), b"list": ("LRANGE", "0", "-1"), b"set": ("SMEMBERS",), b"hash": ("HGETALL",)}
READ[b"zset"] = ("ZRANGE", "0", "-1", "WITHSCORES")


# What XINFO STREAM FULL tells of a stream, a group and a consumer; the rest is how it is stored, or not in every file.
TOLD = {"length", "last-generated-id", "max-deleted-entry-id", "entries-added", "recorded-first-entry-id", "entries"}
TOLD |= {"groups", "name", "last-delivered-id", "entries-read", "lag", "pel-count", "pending", "consumers"}
UNTOLD = {"radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time"}


def whole_stream(reply: Reply) -> object:
    """What XINFO STREAM FULL replies, its pairs as a dictionary."""
    if not isinstance(reply, Array):
        return reply
    names = [item.data.decode(errors="replace") for item in reply.items[::2] if isinstance(item, Bulk)]
    if names and len(reply.items) == 2 * len(names) and set(names) <= TOLD | UNTOLD:
        pairs = zip(names, reply.items[1::2], strict=True)
        return {name: whole_stream(told) for name, told in pairs if name in TOLD}
    return [whole_stream(item) for item in reply.items]


def value(connection: Connection, key: bytes, kind: bytes) -> object:
    """A value, without the order that means nothing."""
    if kind == b"stream":
        return whole_stream(connection.call("XINFO", "STREAM", key, "FULL", "COUNT", "0"))
    name, *words = READ[kind]
    reply = connection.call(name, key, *words)
    if kind == b"set":
        return sorted(item.data for item in reply.items)
    if kind == b"zset":
        # Redis 7.0 writes more digits than a score needs.
        return [(name.data, float(score.data)) for name, score in zip(reply.items[::2], reply.items[1::2], strict=True)]
    if kind == b"hash":
        return sorted(zip(reply.items[::2], reply.items[1::2], strict=True), key=repr)
    return reply


def state(connection: Connection, has_field_deadlines: bool) -> dict[object, object]:
    """Every key with its value and deadlines."""
    found: dict[object, object] = {}
    for database in (0, 3, 15):
        connection.call("SELECT", str(database))
        for key in connection.call("KEYS", "*").items:
            kind = connection.call("TYPE", key.data).text
            content = value(connection, key.data, kind)
            found[database, key.data] = (kind, content, connection.call("PEXPIRETIME", key.data))
    connection.call("SELECT", "0")
    if has_field_deadlines:
        found["fields"] = connection.call("HPEXPIRETIME", "hash:deadlines", "FIELDS", "3", "a", "b", "c")
    return found


# Valkey 9 writes nothing that Redis loads.
PAIRS = [(writer, reader) for writer in START for reader in START if (writer, reader) != ("valkey", "redis")]


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_snapshots_are_everybodys(writer: str, reader: str, tmp_path: Path) -> None:
    has_field_deadlines = "redis" not in (writer, reader)
    (tmp_path / "written").mkdir()
    (tmp_path / "read").mkdir()
    with START[writer]("--dir", str(tmp_path / "written")) as server, server.connect() as connection:
        fill(connection, has_field_deadlines)
        before = state(connection, has_field_deadlines)
        digest = connection.call("DEBUG", "DIGEST")
        assert connection.call("SAVE") == Simple(b"OK")
    shutil.copy(tmp_path / "written" / "dump.rdb", tmp_path / "read" / "dump.rdb")
    with START[reader]("--dir", str(tmp_path / "read")) as server, server.connect() as connection:
        after = state(connection, has_field_deadlines)
        same_digest = connection.call("DEBUG", "DIGEST") == digest
    assert len(before) > 40
    assert "'pending'" in repr(before[0, b"stream:many"])
    assert "'consumers'" in repr(before[0, b"stream:many"])
    assert after == before
    # Valkey computes it in a way of its own.
    assert same_digest == ((writer == "valkey") == (reader == "valkey"))


def test_redis_check_rdb_accepts_it(tmp_path: Path) -> None:
    check = shutil.which("redis-check-rdb") or servers.missing("redis-check-rdb", "apt-get install redis-server")
    with servers.start_rkv("--dir", str(tmp_path)) as server, server.connect() as connection:
        fill(connection, has_field_deadlines=False)
        keys = len(state(connection, has_field_deadlines=False))
        connection.call("SAVE")
    result = subprocess.run([check, str(tmp_path / "dump.rdb")], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "RDB looks OK" in result.stdout
    assert f"{keys} keys read" in result.stdout

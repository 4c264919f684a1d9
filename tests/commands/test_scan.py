"""Walks through a database, beside redis-server 7.0 and beside writers."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.resp import Argument, Connection
    from support.servers import Server
    from support.side_by_side import Pair

PATTERNS = ["*", "", "k*", "*1", "k?", "k[0-4]", "k[^0-4]*", "\\k1", "**", "?", "[", "k1", "none", "*[*", "k\\"]
CURSORS = ["0", "-0", "+0", "", "0\0x", "x", "1x", " 0", "0 ", "+", "-", "18446744073709551616", "1.0", "\0"]


def walk(connection: Connection, *options: Argument) -> Iterator[bytes]:
    """Every name that SCAN tells."""
    cursor = b"0"
    while True:
        reply = connection.call("SCAN", cursor, *options)
        assert isinstance(reply, Array), reply
        next_cursor, names = reply.items
        yield from (name.data for name in names.items)
        cursor = next_cursor.data
        assert int(cursor) < 1 << 53, "a cursor fits a float of every client"
        if cursor == b"0":
            return


def fill(connection: Connection, count: int, prefix: str = "k") -> None:
    """Sets so many keys."""
    for start in range(0, count, 1000):
        connection.pipeline([("SET", f"{prefix}{n}", "v") for n in range(start, min(start + 1000, count))])


def test_small_databases(with_redis: Pair) -> None:
    for count in range(25):
        for server in (with_redis.rkv, with_redis.peer):
            fill(server, count)
        with_redis.same("DBSIZE")
        for pattern in PATTERNS:
            with_redis.same_elements("KEYS", pattern)
            for options in (["COUNT", 1], ["COUNT", 1000], []):
                mine = walk(with_redis.rkv, "MATCH", pattern, *options)
                theirs = walk(with_redis.peer, "MATCH", pattern, *options)
                assert sorted(mine) == sorted(theirs), pattern


def test_an_empty_name(with_redis: Pair) -> None:
    with_redis.same("SET", "", "v")
    for pattern in ("*", "**", ""):
        with_redis.same("KEYS", pattern)
        with_redis.same("SCAN", 0, "MATCH", pattern, "COUNT", 1000)


def test_cursors(with_redis: Pair) -> None:
    with_redis.same("SET", "k", "v")
    for cursor in CURSORS:
        with_redis.same("SCAN", cursor, "COUNT", 1000)
    for cursor in ("1", "-1", "+7", "18446744073709551615", "4503599627370496"):
        # What a foreign cursor shows is chance; that it is one is not.
        assert isinstance(with_redis.rkv.call("SCAN", cursor, "COUNT", 1000), Array)


def test_options(with_redis: Pair) -> None:
    with_redis.same("SET", "k", "v")
    for options in (
        ["COUNT"], ["COUNT", "0"], ["COUNT", "-1"], ["COUNT", "x"], ["COUNT", ""], ["COUNT", "9223372036854775808"],
        ["MATCH"], ["TYPE"], ["x"], ["x", "y"], ["COUNT", "1000", "COUNT", "0"], ["COUNT", "0", "x"],
        ["COUNT", "x", "x"], ["MATCH", "n", "MATCH", "k", "COUNT", "1000"], ["count", "1000", "match", "K"],
        ["COUNT", "1000", "TYPE", "string"],
        ["COUNT", "1000", "TYPE", "STRING"], ["COUNT", "1000", "TYPE", "list"],
        ["COUNT", "9223372036854775807"],
    ):  # fmt: skip
        with_redis.same("SCAN", "0", *options)
    for name in ("nosuch", ""):
        # Redis 7.0 finds nothing; Valkey says why.
        reply = with_redis.rkv.call("SCAN", "0", "TYPE", name)
        assert reply == Error(f"ERR unknown type name '{name}'".encode())
    with_redis.same("SCAN")
    with_redis.same("SCAN", "x", "COUNT", "0")
    with_redis.same("KEYS")
    with_redis.same("KEYS", "a", "b")
    with_redis.same("DBSIZE", "x")
    with_redis.same("RANDOMKEY", "x")


@pytest.mark.parametrize("count", [1, 10, 100, 10_000])
def test_each_key_once(rkv_server: Server, count: int) -> None:
    with rkv_server.connect() as rkv:
        rkv.call("FLUSHALL")
        fill(rkv, 20_000)
        found = Counter(walk(rkv, "COUNT", count))
        assert len(found) == 20_000
        assert set(found.values()) == {1}


def test_what_stays_is_told_once_while_others_come_and_go(rkv_server: Server) -> None:
    stop = threading.Event()

    def churn(name: str) -> None:
        with rkv_server.connect() as writer:
            while not stop.is_set():
                # Growth and shrinking, over and over.
                fill(writer, 5000, name)
                for start in range(0, 5000, 1000):
                    writer.pipeline([("DEL", f"{name}{n}") for n in range(start, start + 1000)])

    with rkv_server.connect() as rkv:
        rkv.call("FLUSHALL")
        fill(rkv, 3000, "stable")
        writers = [threading.Thread(target=churn, args=(name,)) for name in ("x", "y")]
        for writer in writers:
            writer.start()
        try:
            for count in (3, 10, 50, 1000) * 2:
                found = Counter(name for name in walk(rkv, "COUNT", count) if name.startswith(b"stable"))
                assert len(found) == 3000
                assert set(found.values()) == {1}
                names = rkv.call("KEYS", "stable*").items
                assert len(names) == len(set(names)) == 3000
                assert rkv.call("DBSIZE").value >= 3000
        finally:
            stop.set()
            for writer in writers:
                writer.join()


def test_random_keys_are_all_keys(rkv_server: Server) -> None:
    with rkv_server.connect() as rkv:
        rkv.call("FLUSHALL")
        fill(rkv, 20)
        drawn = Counter(rkv.call("RANDOMKEY") for _ in range(4000))
        assert set(drawn) == {Bulk(b"k%d" % number) for number in range(20)}
        # Six standard deviations of a binomial count around 200.
        assert all(abs(times - 200) < 84 for times in drawn.values()), drawn
        assert rkv.call("DBSIZE") == Integer(20)


@pytest.mark.parametrize(
    ("step", "add", "width"),
    [("SSCAN", lambda n: ["SADD", "x", f"m{n}"], 1), ("HSCAN", lambda n: ["HSET", "x", f"m{n}", f"v{n}"], 2),
     ("ZSCAN", lambda n: ["ZADD", "x", n, f"m{n}"], 2)],
)  # fmt: skip
def test_collections_are_walked_through(
    with_redis: Pair, step: str, add: Callable[[int], list[Argument]], width: int
) -> None:
    for count in (0, 1, 7, 100, 1500):
        with_redis.same("DEL", "x")
        for connection in (with_redis.rkv, with_redis.peer):
            connection.pipeline([add(n) for n in range(count)])
        for options in ([], ["COUNT", 1], ["COUNT", 100], ["MATCH", "m*1"], ["COUNT", 9, "MATCH", "m1?"]):
            mine, theirs = (
                walk_collection(connection, step, width, *options) for connection in (with_redis.rkv, with_redis.peer)
            )
            assert sorted(mine) == sorted(theirs), (step, count, options)
            assert len(set(mine)) == len(mine), "one told twice"
    # A table is told in steps, not at once.
    reply = with_redis.rkv.call(step, "x", 0, "COUNT", 10)
    assert isinstance(reply, Array)
    cursor, elements = reply.items
    assert cursor != Bulk(b"0")
    assert isinstance(elements, Array)
    assert 10 <= len(elements.items) // width < 50


def walk_collection(connection: Connection, step: str, width: int, *options: Argument) -> list[tuple[bytes, ...]]:
    """Every element that a command of steps tells, each with what stands behind it."""
    cursor, told = b"0", []
    while True:
        reply = connection.call(step, "x", cursor, *options)
        assert isinstance(reply, Array), reply
        at, elements = reply.items
        parts = [part.data for part in elements.items]
        told += [tuple(parts[n : n + width]) for n in range(0, len(parts), width)]
        cursor = at.data
        assert int(cursor) < 1 << 53, "a cursor fits a float of every client"
        if cursor == b"0":
            return told

"""Keys whatever their type, and whole databases, beside redis-server 7.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Null, NullBulk, Simple

if TYPE_CHECKING:
    import random

    from support.servers import Server
    from support.side_by_side import Pair

NUMBERS = [
    "", "x", "1.0", " 1", "+1", "01", "-0", "0", "1", "15", "16", "-1", "2147483647", "2147483648", "-2147483648",
    "-2147483649", "9223372036854775807", "9223372036854775808",
]  # fmt: skip
COPY_OPTIONS: list[list[str | int]] = [
    [], ["REPLACE"], ["DB", 0], ["DB", 2], ["db", "2", "replace", "REPLACE"], ["DB", 1, "DB", 2],
]  # fmt: skip
EMBEDDED_BYTES_MAX = 44


def set_up(pair: Pair) -> None:
    """A few keys: an integer, a short and a long string, one with a deadline, one with no name."""
    pair.same("FLUSHALL")
    for key, value in (("int", "12"), ("short", "abc"), ("long", "x" * 5000), ("ttl", "v"), ("", "unnamed")):
        pair.same("SET", key, value)
    pair.same("EXPIREAT", "ttl", 9_000_000_000)


def test_counting_keys(with_redis: Pair) -> None:
    set_up(with_redis)
    for command in ("EXISTS", "TOUCH", "DEL", "UNLINK"):
        with_redis.same(command)
        with_redis.same(command, "int")
        with_redis.same(command, "int", "int", "none", "", "")
        set_up(with_redis)
    with_redis.same("DEL", "a", "short", "short", "ttl")
    with_redis.same_elements("KEYS", "*")


def test_type(with_redis: Pair) -> None:
    set_up(with_redis)
    assert with_redis.same("TYPE", "int") == Simple(b"string")
    assert with_redis.same("TYPE", "none") == Simple(b"none")
    with_redis.same("TYPE")
    with_redis.same("TYPE", "a", "b")


@pytest.mark.parametrize("command", ["RENAME", "RENAMENX"])
def test_rename(with_redis: Pair, command: str) -> None:
    for old in ("int", "short", "long", "ttl", "", "none"):
        for new in ("int", "short", "long", "ttl", "", "none", "other"):
            set_up(with_redis)
            with_redis.same(command, old, new)
            for key in {old, new}:
                with_redis.same("GET", key)
                with_redis.same("PEXPIRETIME", key)
                with_redis.same("OBJECT", "ENCODING", key)
            with_redis.same("DBSIZE")
    with_redis.same(command, "a")
    with_redis.same(command, "a", "b", "c")


def test_copy(with_redis: Pair) -> None:
    for source in ("int", "short", "long", "ttl", "none"):
        for target in ("int", "ttl", "new", "none"):
            for options in COPY_OPTIONS:
                set_up(with_redis)
                with_redis.same("COPY", source, target, *options)
                with_redis.same("COPY", source, target, *options)
                with_redis.same("SELECT", 2 if 2 in options or "2" in options else 0)
                for look in (["GET"], ["PEXPIRETIME"], ["OBJECT", "ENCODING"]):
                    with_redis.same(*look, target)
                with_redis.same("DBSIZE")
                with_redis.same("SELECT", 0)


def test_copy_refuses(with_redis: Pair) -> None:
    set_up(with_redis)
    for number in NUMBERS:
        with_redis.same("COPY", "int", f"to{number}", "DB", number)
        with_redis.same("COPY", "none", "x", "DB", number)
        with_redis.same("COPY", "int", "int", "DB", number)
    for options in (["DB"], ["REPLACE", "DB"], ["NX"], ["DB", "x", "DB", "1"], ["DB", "1", "x"], ["x", "DB", "99"]):
        with_redis.same("COPY", "int", "new", *options)
    with_redis.same("COPY", "int")
    with_redis.same("COPY", "int", "int")
    with_redis.same("COPY", "none", "none", "REPLACE")


def test_move(with_redis: Pair) -> None:
    for number in NUMBERS:
        set_up(with_redis)
        for key in ("int", "ttl", "none", "int"):
            with_redis.same("MOVE", key, number)
    set_up(with_redis)
    with_redis.same("COPY", "short", "int", "DB", 3)
    for key in ("int", "ttl", "long"):
        with_redis.same("MOVE", key, 3)
        with_redis.same("EXISTS", key)
        with_redis.same("SELECT", 3)
        with_redis.same("GET", key)
        with_redis.same("PEXPIRETIME", key)
        with_redis.same("SELECT", 0)
    with_redis.same("MOVE", "int")


def test_swapdb(with_redis: Pair) -> None:
    set_up(with_redis)
    for one in NUMBERS:
        for other in NUMBERS:
            with_redis.same("SWAPDB", one, other)
            with_redis.same("DBSIZE")
    set_up(with_redis)
    with_redis.same("SWAPDB", 0, 7)
    with_redis.same("DBSIZE")
    with_redis.same("SELECT", 7)
    with_redis.same_elements("KEYS", "*")
    with_redis.same("PEXPIRETIME", "ttl")
    with_redis.same("SWAPDB", 7, 7)
    with_redis.same("DBSIZE")
    with_redis.same("SELECT", 0)


@pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
def test_flush(with_redis: Pair, command: str) -> None:
    for words in ([], ["ASYNC"], ["SYNC"], ["async"], ["x"], [""], ["SYNC", "ASYNC"], ["SYNC", "SYNC"]):
        set_up(with_redis)
        with_redis.same("COPY", "int", "int", "DB", 5)
        with_redis.same(command, *words)
        with_redis.same("DBSIZE")
        with_redis.same("SELECT", 5)
        with_redis.same("DBSIZE")
        with_redis.same("SELECT", 0)


def test_encodings(with_redis: Pair) -> None:
    values = ["", "0", "-0", "00", "+1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5"]
    values += ["y" * length for length in (1, 20, EMBEDDED_BYTES_MAX, EMBEDDED_BYTES_MAX + 1, 255, 1024, 1025, 100_000)]
    for value in values:
        with_redis.same("SET", "k", value)
        with_redis.same("OBJECT", "ENCODING", "k")
        with_redis.same("RENAME", "k", "l")
        with_redis.same("OBJECT", "ENCODING", "l")
        with_redis.same("COPY", "l", "k", "REPLACE")
        with_redis.same("OBJECT", "ENCODING", "k")
    for value in ("a", "1", "y" * 40):
        with_redis.same("SET", "k", value)
        with_redis.same("APPEND", "k", "b")
        with_redis.same("RENAME", "k", "l")
        assert with_redis.same("OBJECT", "ENCODING", "l") == Bulk(b"raw")
        with_redis.same("COPY", "l", "k")
        assert with_redis.same("OBJECT", "ENCODING", "k") == Bulk(b"raw")
        with_redis.same("MOVE", "k", 4)
        with_redis.same("SELECT", 4)
        assert with_redis.same("OBJECT", "ENCODING", "k") == Bulk(b"raw")
        with_redis.same("FLUSHDB")
        with_redis.same("SELECT", 0)


def test_object(with_redis: Pair) -> None:
    set_up(with_redis)
    for subcommand in ("ENCODING", "FREQ", "IDLETIME", "REFCOUNT"):
        with_redis.same("OBJECT", subcommand)
        with_redis.same("OBJECT", subcommand, "a", "b")
        with_redis.same("OBJECT", subcommand, "none")
    for key in ("int", "short", "long", "ttl"):
        for subcommand in ("ENCODING", "FREQ", "REFCOUNT"):
            with_redis.same("OBJECT", subcommand, key)
        mine, theirs = with_redis.both("OBJECT", "IDLETIME", key)
        assert isinstance(mine, Integer)
        assert isinstance(theirs, Integer)
        # Both count whole seconds, and a second may have begun between the two questions.
        assert abs(mine.value - theirs.value) <= 1
    for value in ("-1", "0", "9999", "10000", "x"):
        with_redis.same("SET", "k", value)
        with_redis.same("OBJECT", "REFCOUNT", "k")
    with_redis.same("OBJECT")
    with_redis.same("OBJECT", "nosuch", "k")
    mine, theirs = with_redis.both("OBJECT", "HELP")
    # The last line is in the words of Valkey, as for every command with subcommands.
    assert mine.items[:-1] == theirs.items[:-1]
    with_redis.same("OBJECT", "HELP", "x")


def test_access_clocks_follow_the_policy(with_redis: Pair) -> None:
    try:
        with_redis.same("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        with_redis.same("SET", "k", "text")
        assert with_redis.same("OBJECT", "FREQ", "k") == Integer(5)
        with_redis.same("GET", "k")
        assert with_redis.same("OBJECT", "FREQ", "k") == Integer(6)
        with_redis.same("SET", "k", "other")
        for server in (with_redis.rkv, with_redis.peer):
            assert server.call("OBJECT", "FREQ", "k").value in (6, 7), "a write is a use, counted by chance"
        with_redis.same("OBJECT", "IDLETIME", "k")
        with_redis.same("OBJECT", "IDLETIME", "none")
        with_redis.same("OBJECT", "FREQ", "none")
        with_redis.same("OBJECT", "REFCOUNT", "k")
        with_redis.same("CONFIG", "SET", "maxmemory", "100mb")
        with_redis.same("SET", "k", "1")
        assert with_redis.same("OBJECT", "REFCOUNT", "k") == Integer(1)
    finally:
        with_redis.same("CONFIG", "SET", "maxmemory", "0")
        with_redis.same("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_nothing_is_null(with_redis: Pair) -> None:
    expected = (NullBulk(), Null())
    assert with_redis.same("OBJECT", "ENCODING", "none") in expected
    assert with_redis.same("RANDOMKEY") in expected


def test_a_transaction_holds_what_it_walks(with_redis: Pair) -> None:
    set_up(with_redis)
    with_redis.same("MULTI")
    for words in (["DBSIZE"], ["SET", "more", "1"], ["KEYS", "mo*"], ["FLUSHDB"], ["DBSIZE"], ["SCAN", "0"]):
        with_redis.same(*words)
    with_redis.same("EXEC")


def random_command(rng: random.Random) -> list[str | int]:
    """Any command of these families that answers the same at any moment."""
    key, other = rng.choice("abcd"), rng.choice("abcd")
    value = rng.choice(["1", "77", "text", "x" * 45, "y" * 2000])
    at_ms = rng.choice([1, 9_000_000_000_000, 9_000_000_000_001, 9_223_372_036_854_775_807])
    db = rng.randrange(3)
    condition = rng.choice([[], ["NX"], ["XX"], ["GT"], ["LT"], ["XX", "GT"], ["LT", "XX"]])
    options = rng.choice([[], ["REPLACE"], ["DB", db], ["DB", db, "REPLACE"]])
    commands: list[list[str | int]] = [
        ["SET", key, value], ["SET", key, value], ["GET", key], ["DEL", key, other], ["UNLINK", key],
        ["EXISTS", key, other], ["TOUCH", key],
        ["TYPE", key], ["RENAME", key, other], ["RENAMENX", key, other], ["COPY", key, other, *options],
        ["COPY", key, other, *options], ["MOVE", key, db], ["MOVE", key, db], ["SELECT", db],
        ["SWAPDB", db, rng.randrange(3)], ["PEXPIREAT", key, at_ms, *condition], ["PEXPIREAT", key, at_ms, *condition],
        ["EXPIREAT", key, at_ms // 1000, *condition], ["PERSIST", key], ["PEXPIRETIME", key], ["EXPIRETIME", key],
        ["OBJECT", "ENCODING", key], ["DBSIZE"],
    ]  # fmt: skip
    return rng.choice(commands) if rng.random() > 0.01 else [rng.choice(["FLUSHDB", "FLUSHALL"])]


def test_random_sequences(with_redis: Pair, rng: random.Random) -> None:
    for _ in range(3000):
        with_redis.same(*random_command(rng))
    for db in range(3):
        with_redis.same("SELECT", db)
        names = with_redis.same_elements("KEYS", "*")
        assert isinstance(names, Array)
        for name in names.items:
            with_redis.same("GET", name.data)
            with_redis.same("PEXPIRETIME", name.data)
    with_redis.same("SELECT", 0)


def test_freed_in_the_background_or_at_once(rkv_server: Server) -> None:
    with rkv_server.connect() as rkv:
        for word in ("SYNC", "ASYNC"):
            rkv.call("FLUSHALL")
            for start in range(0, 20_000, 1000):
                rkv.pipeline([("SET", f"key:{number}", "x" * 100) for number in range(start, start + 1000)])
            assert rkv.call("DBSIZE") == Integer(20_000)
            assert rkv.call("FLUSHALL", word) == Simple(b"OK")
            assert rkv.call("DBSIZE") == Integer(0)
            assert not isinstance(rkv.call("SET", "key:1", "again"), Error)
            assert rkv.call("DBSIZE") == Integer(1)

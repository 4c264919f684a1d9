"""Hashes beside redis-server 7.0, and fields that expire beside Valkey 9.1."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Map, Null, NullBulk, Reply
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

KEYS = ["h", "g", "k" * 300]
FIELDS = ["a", "b", "c", "1", "-7", "", "f" * 64, "g" * 65, "x" * 2_000, b"\0\r\n\xff", *map(str, range(20))]
NUMBERS = [
    "0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5", "-2.25", "1e3",
    "5.0e3", "x", "01", "+1", " 1", "-0", "", "inf", "-inf", "nan", "1e4931", "0.1", "0x10",
]  # fmt: skip
VALUES = [*NUMBERS, "v", "text", "x" * 64, "y" * 65, "z" * 300, "w" * 20_000]
COMMANDS = [
    "HDEL", "HEXISTS", "HEXPIRE", "HEXPIREAT", "HEXPIRETIME", "HGET", "HGETALL", "HGETDEL", "HGETEX", "HINCRBY",
    "HINCRBYFLOAT", "HKEYS", "HLEN", "HMGET", "HMSET", "HPERSIST", "HPEXPIRE", "HPEXPIREAT", "HPEXPIRETIME", "HPTTL",
    "HRANDFIELD", "HSET", "HSETEX", "HSETNX", "HSTRLEN", "HTTL", "HVALS",
]  # fmt: skip
FAR_S = 99_999_999_999
CONDITIONS = [(), (), ("NX",), ("xx",), ("GT",), ("LT",), ("NX", "XX"), ("GT", "LT"), ("foo",)]
EXPIRIES: list[tuple[str, ...]] = [
    (), ("EX", "1000"), ("px", "1000000"), ("EXAT", str(FAR_S)), ("PXAT", f"{FAR_S}123"), ("PXAT", "1"), ("EX", "0"),
    ("EX", "-1"), ("EX", "x"), ("EX",), ("EX", "10", "PX", "10"), ("PERSIST",), ("KEEPTTL",), ("KEEPTTL", "EX", "10"),
]  # fmt: skip


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair


@pytest.fixture
def rkv(rkv_server: Server) -> Iterator[Connection]:
    """A connection to an empty rkv that speaks RESP3."""
    with rkv_server.connect(protocol=3) as connection:
        connection.call("FLUSHALL")
        yield connection


def limits(pair: Pair, entries: int, value: int) -> None:
    """When hashes leave their packed encoding."""
    pair.same("CONFIG", "SET", "hash-max-listpack-entries", entries, "hash-max-listpack-value", value)


def fields_of(reply: Reply) -> list[tuple[str, ...]]:
    """The fields with their values, in an order that means something."""
    match reply:
        case Map(pairs):
            return sorted((repr(field), repr(value)) for field, value in pairs)
        case Array(items):
            return sorted((repr(field), repr(value)) for field, value in zip(items[::2], items[1::2], strict=True))
        case _:
            raise AssertionError(reply)


def same_state(pair: Pair, key: str) -> None:
    """Contents, number of fields and encoding of a key."""
    mine, theirs = pair.both("HGETALL", key)
    assert fields_of(mine) == fields_of(theirs)
    assert type(mine) is type(theirs)
    pair.same_elements("HKEYS", key)
    pair.same_elements("HVALS", key)
    pair.same("HLEN", key)
    pair.same("OBJECT", "ENCODING", key)


def some_fields(rng: random.Random) -> list[str | bytes]:
    return rng.choices(FIELDS, k=rng.randint(1, 3))


def some_pairs(rng: random.Random) -> list[str | bytes]:
    return [word for field in some_fields(rng) for word in (field, rng.choice(VALUES))]


def plain_command(rng: random.Random) -> list[str | bytes]:
    """A command that Redis 7.0 has as well."""
    key, field, value, number = rng.choice(KEYS), rng.choice(FIELDS), rng.choice(VALUES), rng.choice(NUMBERS)
    choices: list[list[str | bytes]] = [
        ["HSET", key, *some_pairs(rng)],
        ["HSET", key, field, value],
        ["HMSET", key, *some_pairs(rng)],
        ["HSET", key, field, value, field],
        ["HSETNX", key, field, value],
        ["HGET", key, field],
        ["HMGET", key, *some_fields(rng)],
        ["HSTRLEN", key, field],
        ["HEXISTS", key, field],
        ["HDEL", key, *some_fields(rng)],
        ["HINCRBY", key, field, number],
        ["HINCRBYFLOAT", key, field, number],
        ["HRANDFIELD", key, rng.choice(["0", "x", "-9223372036854775808", "5000000000000000000"]), "WITHVALUES"],
        ["COPY", key, rng.choice(KEYS), "REPLACE"],
    ]
    return rng.choice(choices)


def counted(rng: random.Random, words: list[str | bytes], per: int = 1) -> list[str | bytes]:
    count = len(words) // per
    return ["FIELDS", rng.choice([str(count)] * 8 + ["0", "-1", "x", str(count + 1)]), *words]


def timed_command(rng: random.Random) -> list[str | bytes]:
    """A command about fields that expire."""
    key, fields = rng.choice(KEYS), some_fields(rng)
    condition = rng.choice(CONDITIONS)
    choices: list[list[str | bytes]] = [
        ["HEXPIRE", key, rng.choice(["1000", "2000", "0", "-1", "x"]), *condition, *counted(rng, fields)],
        ["HPEXPIRE", key, rng.choice(["1000000", "0", "9223372036854775807"]), *condition, *counted(rng, fields)],
        ["HEXPIREAT", key, rng.choice([str(FAR_S), "1", "-1"]), *condition, *counted(rng, fields)],
        ["HPEXPIREAT", key, rng.choice([f"{FAR_S}123", "1", ""]), *condition, *counted(rng, fields)],
        ["HPERSIST", key, *counted(rng, fields)],
        ["HGETDEL", key, *counted(rng, fields)],
        ["HGETEX", key, *rng.choice(EXPIRIES), *counted(rng, fields)],
        [
            "HSETEX",
            key,
            *rng.choice([(), (), ("NX",), ("XX",), ("NX", "XX")]),
            *rng.choice([(), (), ("FNX",), ("FXX",)]),
            *rng.choice(EXPIRIES),
            *counted(rng, some_pairs(rng), 2),
        ],
    ]
    return rng.choice(choices)


@pytest.mark.parametrize(("entries", "value"), [(512, 64), (8, 20), (0, 64)])
def test_random_commands_beside_redis(with_redis: Pair, rng: random.Random, entries: int, value: int) -> None:
    limits(with_redis, entries, value)
    for number in range(800):
        with_redis.same(*plain_command(rng))
        if number % 5 == 4:
            same_state(with_redis, rng.choice(KEYS))
    limits(with_redis, 512, 64)


def test_random_commands_beside_valkey(with_valkey: Pair, rng: random.Random) -> None:
    limits(with_valkey, 8, 64)
    for number in range(1_500):
        command = plain_command(rng) if rng.random() < 0.4 else timed_command(rng)
        with_valkey.same(*command)
        if number % 5 == 4:
            key = rng.choice(KEYS)
            same_state(with_valkey, key)
            mine, theirs = with_valkey.both("HPTTL", key, "FIELDS", 3, "a", "b", "1")
            assert isinstance(mine, Array)
            assert isinstance(theirs, Array)
            for one, other in zip(mine.items, theirs.items, strict=True):
                assert isinstance(one, Integer)
                assert isinstance(other, Integer)
                assert one == other or (min(one.value, other.value) > 0 and abs(one.value - other.value) < 30_000)
    limits(with_valkey, 512, 64)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_words(with_valkey: Pair, command: str) -> None:
    for count in range(8):
        if (command, count) not in (("HRANDFIELD", 2), ("HRANDFIELD", 3)):
            with_valkey.same(command, *["7"] * count)
        with_valkey.same("FLUSHALL")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_of_another_type(with_valkey: Pair, command: str) -> None:
    with_valkey.same("SET", "s", "v")
    for words in ([], ["1"], ["1", "2"], ["FIELDS", "1", "f"], ["10", "FIELDS", "1", "f"], ["FIELDS", "1", "f", "v"]):
        with_valkey.same(command, "s", *words)


def test_conditions_on_deadlines(with_valkey: Pair) -> None:
    states = [(), ("HEXPIREAT", "h", str(FAR_S), "FIELDS", "1", "a")]
    for condition, time_s, state in itertools.product(
        ["NX", "XX", "GT", "LT"], [FAR_S - 1, FAR_S, FAR_S + 1, 1], states
    ):
        with_valkey.same("DEL", "h")
        with_valkey.same("HSET", "h", "a", "1", "b", "2")
        if state:
            with_valkey.same(*state)
        with_valkey.same("HEXPIREAT", "h", time_s, condition, "FIELDS", "3", "a", "b", "nosuch")
        with_valkey.same("HPEXPIRETIME", "h", "FIELDS", "3", "a", "b", "nosuch")
        with_valkey.same("HEXPIRETIME", "h", "FIELDS", "3", "a", "b", "nosuch")
        same_state(with_valkey, "h")


def test_limits_hold_at_once_and_in_one_direction(rkv: Connection) -> None:
    try:
        rkv.call("CONFIG", "SET", "hash-max-listpack-entries", 3)
        rkv.call("HSET", "h", "a", 1, "b", 2, "c", 3)
        assert rkv.call("OBJECT", "ENCODING", "h") == Bulk(b"listpack")
        rkv.call("HSET", "h", "c", 4)
        assert rkv.call("OBJECT", "ENCODING", "h") == Bulk(b"listpack")
        rkv.call("HSET", "h", "d", 4)
        assert rkv.call("OBJECT", "ENCODING", "h") == Bulk(b"hashtable")
        rkv.call("HDEL", "h", "a", "b", "c")
        assert rkv.call("OBJECT", "ENCODING", "h") == Bulk(b"hashtable")
        rkv.call("CONFIG", "SET", "hash-max-listpack-value", 5)
        rkv.call("HSET", "g", "a", "12345")
        assert rkv.call("OBJECT", "ENCODING", "g") == Bulk(b"listpack")
        rkv.call("HSET", "g", "a", "123456")
        assert rkv.call("OBJECT", "ENCODING", "g") == Bulk(b"hashtable")
        rkv.call("HSET", "i", "a", "1")
        rkv.call("HEXPIRE", "i", 100, "FIELDS", 1, "a")
        assert rkv.call("OBJECT", "ENCODING", "i") == Bulk(b"hashtable")
    finally:
        rkv.call("CONFIG", "SET", "hash-max-listpack-entries", 512, "hash-max-listpack-value", 64)


def test_fields_by_chance(rkv: Connection) -> None:
    for count in (5, 1_000):
        rkv.call("DEL", "h")
        rkv.call("HSET", "h", *(word for number in range(count) for word in (f"f{number}", number)))
        names = {b"f%d" % number for number in range(count)}
        one = rkv.call("HRANDFIELD", "h")
        assert isinstance(one, Bulk)
        assert one.data in names
        for asked, expected in ((3, 3), (count + 9, count), (count, count), (0, 0)):
            reply = rkv.call("HRANDFIELD", "h", asked)
            assert isinstance(reply, Array)
            assert len(set(reply.items)) == len(reply.items) == expected
        many = rkv.call("HRANDFIELD", "h", -3 * count, "WITHVALUES")
        assert isinstance(many, Array)
        assert len(many.items) == 3 * count
        assert all(
            isinstance(pair, Array) and pair.items[0].data == b"f" + pair.items[1].data  # type: ignore[union-attr]
            for pair in many.items
        )
    assert rkv.call("HRANDFIELD", "none") == Null()
    assert rkv.call("HRANDFIELD", "none", 3) == Array(())
    # Less than twenty bytes must not ask for a reply that no memory holds.
    assert rkv.call("HRANDFIELD", "h", -(2**62)) == Error(b"ERR value is out of range")


def test_a_field_goes_and_then_its_key(rkv: Connection) -> None:
    rkv.call("HSETEX", "h", "PX", 30, "FIELDS", 1, "a", "v")
    rkv.call("HSETEX", "h", "PX", 60, "FIELDS", 1, "b", "w")
    deadline = time.monotonic() + 5
    while rkv.call("HLEN", "h") == Integer(2):
        assert time.monotonic() < deadline
    assert rkv.call("HMGET", "h", "a", "a") == Array((Null(), Null()))
    while rkv.call("EXISTS", "h") == Integer(1):
        assert time.monotonic() < deadline
    assert rkv.call("HGETALL", "h") == Map(())


def test_a_hash_of_many_fields(with_redis: Pair, rng: random.Random) -> None:
    """Large values, long fields, and all of them at once."""
    data = [
        (rng.randbytes(rng.choice([1, 8, 300, 2_000])), rng.randbytes(rng.choice([0, 5, 5_000]))) for _ in range(2_000)
    ]
    for start in range(0, len(data), 100):
        with_redis.same("HSET", "h", *(word for pair in data[start : start + 100] for word in pair))
    same_state(with_redis, "h")
    for field, _ in rng.sample(data, 1_500):
        with_redis.same("HGET", "h", field)
        with_redis.same("HSTRLEN", "h", field)
        with_redis.same("HDEL", "h", field)
    same_state(with_redis, "h")
    for field, _ in data:
        with_redis.same("HDEL", "h", field)
    with_redis.same("EXISTS", "h")


def test_null_and_empty_replies(with_redis: Pair) -> None:
    assert with_redis.same("HGET", "none", "a") in (Null(), NullBulk())
    for command in ("HGETALL", "HKEYS", "HVALS", "HLEN", "HRANDFIELD"):
        with_redis.same(command, "none")
    with_redis.same("HRANDFIELD", "none", 5)
    with_redis.same("HMGET", "none", "a", "b")

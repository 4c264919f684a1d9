"""Strings beside redis-server 7.0, and beside Valkey 9.1 for what is newer."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.servers import Server

KEYS = ["a", "b", "c", "d", "k" * 300, ""]
COMMANDS = [
    "GET", "SET", "SETNX", "SETEX", "PSETEX", "GETSET", "GETDEL", "GETEX", "MGET", "MSET", "MSETNX", "MSETEX",
    "DELIFEQ", "APPEND", "STRLEN", "GETRANGE", "SUBSTR", "SETRANGE", "INCR", "DECR", "INCRBY", "DECRBY", "INCRBYFLOAT",
    "LCS",
]  # fmt: skip
NUMBERS = [
    "0", "1", "-1", "2", "3", "-3", "10", "-100", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "9223372036854776", "1.5", "x", "01", "+1", " 1", "-0", "",
]  # fmt: skip
VALUES = [
    "", "v", "12", "-7", "007", "3.25", "9223372036854775807", "-9223372036854775808", "12345678901234567890",
    "x" * 44, "y" * 45, "q" * 600, "Q" * 1024, "R" * 1025, "S" * 20_000, "abcabc", "ohmytext", "mynewtext",
    b"\0\r\n\xff",
]  # fmt: skip
FLOATS = [
    "1.5",
    "-2.25",
    "3",
    "0",
    "1e5",
    "5.0e3",
    "abc",
    "inf",
    "-inf",
    "nan",
    "1e4931",
    "1e4932",
    "0x10",
    "0.1",
    "-0",
]
CONDITIONS = [[], ["NX"], ["xx"], ["GET"], ["NX", "GET"], ["NX", "XX"], ["FOO"]]
# No deadline may pass while two servers are compared.
LATER = [("EX", "1000"), ("px", "1000000"), ("EXAT", "99999999999"), ("PXAT", "99999999999999")]
EXPIRIES: list[tuple[str, ...]] = [(), ("KEEPTTL",), *LATER, ("EX", "0"), ("PX", "x"), ("EXAT", "1"), ("EX",)]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair


def same_state(pair: Pair, key: str, *, newest: bool) -> None:
    """Value, deadline and encoding of a key. Valkey's `embstr` depends on the length of the key, so it is left out."""
    pair.same("GET", key)
    if not newest:
        pair.same("OBJECT", "ENCODING", key)
    pair.near(20_000, "PTTL", key)


def random_command(rng: random.Random, *, newest: bool) -> list[str | bytes]:
    """A command of this family with arguments that are mostly legal; with those that only Valkey has, if `newest`."""
    key, value, number = rng.choice(KEYS), rng.choice(VALUES), rng.choice(NUMBERS)
    expiry = list(rng.choice(EXPIRIES))
    condition = list(rng.choice([*CONDITIONS, ["IFEQ", value], ["IFEQ"]] if newest else CONDITIONS))
    pairs = [word for _ in range(rng.randint(1, 3)) for word in (rng.choice(KEYS), rng.choice(VALUES))]
    choices: list[list[str | bytes]] = [
        ["SET", key, rng.choice(VALUES), *condition, *expiry],
        ["SET", key, value],
        ["SETNX", key, value],
        ["SETEX", key, rng.choice(["1000", "0", "-1", "x", "9223372036854775807"]), value],
        ["PSETEX", key, rng.choice(["1000000", "0", "-1", "x", "9223372036854775807"]), value],
        ["GETSET", key, value],
        ["GETDEL", key],
        ["GETEX", key, *rng.choice([(), ("PERSIST",), ("EXAT", "1"), ("PERSIST", "EX", "9"), *LATER])],
        ["MGET", *rng.choices(KEYS, k=3)],
        ["MSET", *pairs],
        ["MSETNX", *pairs],
        ["APPEND", key, value],
        ["STRLEN", key],
        [rng.choice(["GETRANGE", "SUBSTR"]), key, number, rng.choice(NUMBERS)],
        ["SETRANGE", key, rng.choice(["0", "1", "5", "50", "1100", "-1", "x", "536870912"]), value],
        [rng.choice(["INCR", "decr"]), key],
        [rng.choice(["INCRBY", "DECRBY"]), key, number],
        ["INCRBYFLOAT", key, rng.choice(FLOATS)],
        [
            "LCS",
            "a",
            key,
            *rng.choice([(), ("LEN",), ("IDX",), ("idx", "WITHMATCHLEN", "MINMATCHLEN", "2"), ("LEN", "IDX")]),
        ],
    ]
    if newest:
        choices += [["DELIFEQ", key, value], ["MSETEX", str(len(pairs) // 2), *pairs, *condition, *expiry]]
    return rng.choice(choices)


def compare_random(pair: Pair, rng: random.Random, *, newest: bool) -> None:
    for number in range(1_500):
        command = random_command(rng, newest=newest)
        pair.same(*command)
        if number % 10 == 9:
            same_state(pair, rng.choice(KEYS), newest=newest)


def test_random_commands_beside_redis(with_redis: Pair, rng: random.Random) -> None:
    compare_random(with_redis, rng, newest=False)


def test_random_commands_beside_valkey(with_valkey: Pair, rng: random.Random) -> None:
    compare_random(with_valkey, rng, newest=True)


def test_set_with_every_pair_of_options(with_valkey: Pair) -> None:
    options = [["NX"], ["XX"], ["GET"], ["IFEQ", "v"], ["IFEQ", "w"], ["KEEPTTL"], ["PERSIST"], ["EXAT", "1"], ["EX"]]
    options += [list(later) for later in LATER]
    states = [["DEL", "k"], ["SET", "k", "v"], ["SET", "k", "v", "EX", "500"]]
    for first, second, state in itertools.product([[], *options], options, states):
        with_valkey.same(*state)
        with_valkey.same("SET", "k", "new", *first, *second)
        same_state(with_valkey, "k", newest=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_words(with_valkey: Pair, command: str) -> None:
    for count in range(7):
        with_valkey.same(command, *["7"] * count)
        with_valkey.same("FLUSHALL")


def test_many_keys_at_once(with_redis: Pair, rng: random.Random) -> None:
    """Keys of every shard, some of them twice: the last value stays, and MSETNX sets all or none."""
    data = [(f"key:{rng.randrange(700)}", f"value:{number}") for number in range(1_000)]
    words = [word for pair in data for word in pair]
    with_redis.same("MSET", *words)
    with_redis.same("MGET", *(key for key, _ in data), "none")
    with_redis.same("DBSIZE")
    with_redis.same("MSETNX", *(f"new:{number}" for number in range(999)), data[0][0])
    with_redis.same("DBSIZE")
    with_redis.same("MSETNX", *(f"new:{number}" for number in range(1_000)))
    with_redis.same("DBSIZE")


def test_large_strings(with_redis: Pair, rng: random.Random) -> None:
    """Parts of a string of some megabytes, while a reply that shares its buffer is still on its way."""
    large = rng.randbytes(3 << 20)
    with_redis.same("SET", "k", large)
    for _ in range(30):
        offset = rng.randrange(5 << 20)
        part = rng.randbytes(rng.choice([1, 100, 70_000]))
        write = rng.choice([("SETRANGE", "k", offset, part), ("APPEND", "k", part)])
        replies = [
            connection.pipeline([("GET", "k"), write, ("GETRANGE", "k", offset, offset + 100), ("STRLEN", "k")])
            for connection in (with_redis.rkv, with_redis.peer)
        ]
        assert replies[0] == replies[1]
    with_redis.same("GET", "k")


def test_the_longest_string(with_redis: Pair) -> None:
    too_long = Error(b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    assert with_redis.same("SETRANGE", "k", 512 * 1024 * 1024, "v") == too_long
    assert with_redis.same("EXISTS", "k") == Integer(0)
    with_redis.same("MSET", "a", "x" * 12_000, "b", "y" * 12_000)
    too_large = Error(b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    assert with_redis.same("LCS", "a", "b") == too_large


def test_lcs_of_long_texts(with_redis: Pair, rng: random.Random) -> None:
    for alphabet in ("ab", "abcdefghijklmnopqrstuvwxyz"):
        for _ in range(4):
            with_redis.same("MSET", *(word for key in "ab" for word in (key, "".join(rng.choices(alphabet, k=1_000)))))
            for options in ((), ("LEN",), ("IDX",), ("IDX", "MINMATCHLEN", "4", "WITHMATCHLEN")):
                with_redis.same("LCS", "a", "b", *options)


def test_a_deadline_passes(rkv_server: Server) -> None:
    with rkv_server.connect() as rkv:
        rkv.call("FLUSHALL")
        for command in (("SET", "k", "v", "PX", 500), ("PSETEX", "k", 500, "v"), ("MSETEX", 1, "k", "v", "PX", 500)):
            rkv.call(*command)
            assert rkv.call("GET", "k") == Bulk(b"v"), command
            deadline = time.monotonic() + 5
            while rkv.call("EXISTS", "k") == Integer(1):
                assert time.monotonic() < deadline, command
            assert rkv.call("MGET", "k", "k") != Array((Bulk(b"v"), Bulk(b"v")))
        assert rkv.call("SET", "k", "v", "PXAT", 1) == Simple(b"OK")
        assert rkv.call("EXISTS", "k") == Integer(0)

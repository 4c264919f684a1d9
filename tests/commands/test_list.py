"""Lists beside Valkey 9.1, whose forms and errors they have, and beside redis-server 7.0 where it has the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Null, NullArray, NullBulk, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.servers import Server

KEYS = ["a", "b", "c", "s", ""]
COMMANDS = [
    "LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LPOP", "RPOP", "LLEN", "LINDEX", "LSET", "LRANGE", "LINSERT", "LREM",
    "LTRIM", "LPOS", "LMOVE", "RPOPLPUSH", "LMPOP", "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP",
]  # fmt: skip
ELEMENTS = [
    "", "x", "abc", "12", "-5", "007", "9223372036854775807", "x" * 40, "y" * 64, "z" * 300, "w" * 4_500, "v" * 9_000,
    b"\0\xff", "1", "2", "3",
]  # fmt: skip
INDICES = ["0", "1", "-1", "2", "3", "-3", "5", "10", "-100", "100"]
NUMBERS = [*INDICES, "9223372036854775807", "-9223372036854775807", "9223372036854775808", "x", "1.5", "", " 1"]
SIDES = ["LEFT", "RIGHT", "left", "rIGHT", "foo"]
SIZES = ["-2", "-1", "-5", "4", "20", "1", "0", "-2"]
WRONG_TYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty and with the default limit, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair
        pair.same("CONFIG", "SET", "list-max-listpack-size", "-2")


def element(rng: random.Random) -> str | bytes:
    return rng.choice([rng.choice(ELEMENTS), str(rng.randrange(20)), f"e{rng.randrange(8)}"])


def push(rng: random.Random, key: str) -> list[str | bytes]:
    command = rng.choice(["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"])
    if rng.random() < 0.7:
        return [command, key, *(element(rng) for _ in range(rng.randint(1, 4)))]
    size = rng.choice([1, 1, 20, 100])
    return [command, key, *(f"v{number}" * size for number in range(rng.randint(1, 200)))]


def random_command(rng: random.Random, numbers: list[str]) -> list[str | bytes]:
    """A command of this family with arguments that are mostly legal."""
    key, other, number = rng.choice(KEYS), rng.choice(KEYS), rng.choice(numbers)
    several = [str(count := rng.randint(1, 3)), *rng.choices(KEYS, k=count), rng.choice(SIDES)]
    choices: list[list[str | bytes]] = [
        *(push(rng, key) for _ in range(5)),
        [rng.choice(["LPOP", "RPOP"]), key],
        [rng.choice(["LPOP", "RPOP"]), key, number],
        ["LLEN", key],
        ["LINDEX", key, number],
        ["LSET", key, rng.choice(INDICES), element(rng)],
        ["LRANGE", key, number, rng.choice(numbers)],
        ["LINSERT", key, rng.choice(["BEFORE", "AFTER", "after"]), element(rng), element(rng)],
        ["LREM", key, number, element(rng)],
        ["LTRIM", key, *rng.choice([("0", "-1"), ("1", "-2"), ("0", "40"), ("-50", "-1"), (number, "-1")])],
        ["LPOS", key, element(rng), *rng.choice([(), ("RANK", number), ("COUNT", number, "MAXLEN", "9")])],
        ["LPOS", key, element(rng), "RANK", rng.choice(["1", "-1", "2", "-2"]), "COUNT", "0", "MAXLEN", number],
        ["LMOVE", key, other, rng.choice(SIDES), rng.choice(SIDES)],
        ["RPOPLPUSH", key, other],
        ["LMPOP", *several],
        ["LMPOP", *several, "COUNT", number],
        ["BLPOP", "a", key, "0.001"],
        ["BLMPOP", "0.001", *several],
        [*rng.choice([("DEL", key), ("SET", "s", "v"), ("COPY", key, other, "REPLACE"), ("RENAME", key, other)])],
    ]
    return rng.choice(choices)


def same_state(pair: Pair, key: str) -> None:
    pair.same("DEBUG", "DIGEST-VALUE", key)
    if pair.same("TYPE", key) == Simple(b"list"):
        pair.same("LRANGE", key, 0, -1)


def compare_random(pair: Pair, rng: random.Random, numbers: list[str]) -> None:
    for number in range(1_200):
        if number % 300 == 0:
            pair.same("CONFIG", "SET", "list-max-listpack-size", rng.choice(SIZES))
        pair.same(*random_command(rng, numbers))
        if number % 20 == 19:
            same_state(pair, rng.choice(KEYS))


def test_random_commands_beside_valkey(with_valkey: Pair, rng: random.Random) -> None:
    compare_random(with_valkey, rng, NUMBERS)


def test_random_commands_beside_redis(with_redis: Pair, rng: random.Random) -> None:
    compare_random(with_redis, rng, INDICES)
    with_redis.same("CONFIG", "SET", "list-max-listpack-size", "-2")


@pytest.mark.parametrize("size", SIZES[:-1])
def test_forms_of_a_list_that_grows_and_shrinks(with_valkey: Pair, size: str) -> None:
    """Pushed to and popped from, a list changes its form at the same element."""
    with_valkey.same("CONFIG", "SET", "list-max-listpack-size", size)
    for side, other in (("L", "R"), ("R", "R"), ("R", "L")):
        for number in range(350):
            with_valkey.same(f"{side}PUSH", "a", f"{number}:" + "x" * (number % 90))
            with_valkey.same("OBJECT", "ENCODING", "a")
        while with_valkey.same(f"{other}POP", "a", 3) not in (Null(), NullArray(), NullBulk()):
            with_valkey.rkv.call("PING")
            if with_valkey.same("EXISTS", "a") == Integer(1):
                with_valkey.same("OBJECT", "ENCODING", "a")


@pytest.mark.parametrize(
    "commands",
    [
        ["RPUSH a 1 2 3 4", "LSET a 0 x", "RPUSH a 5", "LTRIM a 0 1", "LTRIM a 0 0", "RPUSH a 1 2 3 4 5"],
        ["RPUSH a 1 2 3 4", "LINSERT a BEFORE 2 x", "LREM a 0 3", "LREM a 0 1", "LREM a 0 x", "LREM a 0 4"],
        ["RPUSH a 1 2 3 4 5 6", "LMOVE a b LEFT RIGHT", "LMPOP 1 a LEFT COUNT 4", "LMOVE a a LEFT RIGHT"],
    ],
)
def test_forms_after_each_change(with_valkey: Pair, commands: list[str]) -> None:
    with_valkey.same("CONFIG", "SET", "list-max-listpack-size", "4")
    for command in commands:
        with_valkey.same(*command.split())
        with_valkey.same("OBJECT", "ENCODING", "a")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_words(with_valkey: Pair, command: str) -> None:
    for word in ("7", "LEFT", "BEFORE"):
        for count in range(8):
            # A timeout of 7 seconds would be waited for.
            words = ["0.001" if command.startswith("B") and word == "7" else word] * count
            with_valkey.same(command, *words)
            with_valkey.same("FLUSHALL")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_of_another_type(with_valkey: Pair, command: str) -> None:
    with_valkey.same("SET", "s", "v")
    with_valkey.same("RPUSH", "l", "1")
    words = {
        "LINDEX": "s 0", "LSET": "s 0 x", "LRANGE": "s 0 1", "LINSERT": "s BEFORE a b", "LREM": "s 0 a",
        "LTRIM": "s 0 1", "LMOVE": "s l LEFT LEFT", "LMPOP": "1 s LEFT", "RPOPLPUSH": "s l", "BLPOP": "s 1",
        "BRPOP": "s 1", "BLMOVE": "s l LEFT LEFT 1", "BRPOPLPUSH": "s l 1", "BLMPOP": "1 1 s LEFT", "LLEN": "s",
        "LPOP": "s", "RPOP": "s",
    }.get(command, "s x")  # fmt: skip
    assert with_valkey.same(command, *words.split()) == WRONG_TYPE
    with_valkey.same("LMOVE", "l", "s", "LEFT", "LEFT")
    with_valkey.same("BRPOPLPUSH", "l", "s", "1")
    with_valkey.same("LMOVE", "none", "s", "LEFT", "LEFT")
    assert with_valkey.same("LLEN", "l") == Integer(1)


@pytest.mark.parametrize("timeout", ["x", "-1", "", "nan", "inf", "9223372036854775808", "1e18", " 1", "1 "])
def test_timeouts(with_valkey: Pair, timeout: str) -> None:
    with_valkey.same("BLPOP", "none", timeout)
    with_valkey.same("BLMOVE", "none", "none", "LEFT", "LEFT", timeout)
    with_valkey.same("BRPOPLPUSH", "none", "none", timeout)
    with_valkey.same("BLMPOP", timeout, "1", "none", "LEFT")


def test_what_waits_and_finds_nothing(with_valkey: Pair) -> None:
    commands = [
        ("BLPOP", "none", "0.02"), ("BRPOP", "none", "none2", "0.0001"),
        ("BLMOVE", "none", "d", "LEFT", "LEFT", "0.02"), ("BRPOPLPUSH", "none", "d", "0.02"),
        ("BLMPOP", "0.02", "1", "none", "LEFT"),
    ]  # fmt: skip
    for command in commands:
        with_valkey.same(*command)
    with_valkey.same("MULTI")
    for command in commands:
        with_valkey.same(*command)
    with_valkey.same("EXEC")


def test_elements_of_a_large_list(with_valkey: Pair, rng: random.Random) -> None:
    """Places, searches and cuts in the middle of many chunks."""
    for number in range(0, 30_000, 1_000):
        with_valkey.same("RPUSH", "a", *range(number, number + 1_000))
    for _ in range(60):
        index = str(rng.randrange(-31_000, 31_000))
        with_valkey.same("LINDEX", "a", index)
        with_valkey.same("LSET", "a", index, "x" * rng.choice([3, 200, 9_000]))
        with_valkey.same("LINSERT", "a", "BEFORE", str(rng.randrange(30_000)), "y" * rng.choice([1, 100, 9_000]))
        with_valkey.same("LPOS", "a", "xxx", "RANK", rng.choice([1, -1, 3]), "COUNT", "0")
        with_valkey.same("LRANGE", "a", index, str(int(index) + 300))
    with_valkey.same("LREM", "a", -20, "xxx")
    with_valkey.same("LTRIM", "a", 9_000, -9_000)
    with_valkey.same("LPOP", "a", 5_000)
    with_valkey.same("LRANGE", "a", 0, -1)
    with_valkey.same("DEBUG", "DIGEST-VALUE", "a")


def test_a_queue_and_a_stack(rkv_server: Server) -> None:
    with rkv_server.connect() as rkv:
        rkv.call("FLUSHALL")
        for number in range(5_000):
            assert rkv.call("LPUSH", "queue", number) == Integer(number + 1)
        for number in range(5_000):
            assert rkv.call("RPOP", "queue") == Bulk(b"%d" % number)
        assert rkv.call("EXISTS", "queue") == Integer(0)
        assert rkv.call("RPUSH", "stack", *range(10)) == Integer(10)
        assert rkv.call("RPOP", "stack", 3) == Array((Bulk(b"9"), Bulk(b"8"), Bulk(b"7")))

"""execute_many: order, errors in their places, words of every kind, sizes around a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import rkv

if TYPE_CHECKING:
    import random


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100, 1000])
def test_replies_in_order(kv: rkv.Keyspace[bytes], count: int) -> None:
    assert kv.execute_many([("SET", f"k{n}", n) for n in range(count)]) == [b"OK"] * count
    assert kv.execute_many([("GET", f"k{n}") for n in range(count)]) == [str(n).encode() for n in range(count)]


def test_later_commands_see_earlier_ones(kv: rkv.Keyspace[bytes]) -> None:
    assert kv.execute_many([("INCR", "n")] * 50) == list(range(1, 51))
    assert kv.execute_many([("SET", "a", 1), ("GET", "a"), ("DEL", "a"), ("GET", "a")]) == [b"OK", b"1", 1, None]


def test_errors_in_place(kv: rkv.Keyspace[bytes]) -> None:
    replies = kv.execute_many([("SET", "s", "text"), ("INCR", "s"), ("NOPE",), ("GET",), ("SELECT", 1), ("GET", "s")])
    assert replies[0] == b"OK"
    assert replies[-1] == b"text"
    for reply in replies[1:-1]:
        assert isinstance(reply, rkv.ResponseError)
    assert str(replies[1]) == "value is not an integer or out of range"
    assert replies[1].code == "ERR"


def test_commands_of_any_shape(kv: rkv.Keyspace[bytes]) -> None:
    commands: list[Any] = [
        ["SET", "a", 1],
        ("SET", b"b", 2.5),
        ("SET", bytearray(b"c"), memoryview(b"mv")),
        (word for word in ("GET", "a")),
    ]
    assert kv.execute_many(iter(commands)) == [b"OK", b"OK", b"OK", b"1"]
    assert kv.mget("b", "c") == [b"2.5", b"mv"]


def test_refused_batches_do_nothing_further(kv: rkv.Keyspace[bytes]) -> None:
    with pytest.raises(rkv.DataError):
        kv.execute_many([("SET", "a", None)])
    with pytest.raises(ValueError, match="name"):
        kv.execute_many([("SET", "a", 1), ()])
    with pytest.raises(TypeError):
        kv.execute_many([1])  # type: ignore[list-item]
    assert len(kv) == 0


def test_against_single_calls(db: rkv.DB, rng: random.Random) -> None:
    """A batch does what its commands do one by one, whatever the mixture."""
    alone, batch = db.db(1), db.db(2)
    keys = [f"key:{number}" for number in range(20)]
    choices: list[Any] = [
        lambda: ("SET", rng.choice(keys), rng.randrange(100)),
        lambda: ("GET", rng.choice(keys)),
        lambda: ("INCRBY", rng.choice(keys), rng.randrange(9)),
        lambda: ("APPEND", rng.choice(keys), "x"),
        lambda: ("MGET", *rng.sample(keys, 3)),
        lambda: ("DEL", *rng.sample(keys, 2)),
        lambda: ("DBSIZE",),
        lambda: ("NOPE", "x"),
    ]
    for _ in range(30):
        commands = [rng.choice(choices)() for _ in range(rng.randrange(60))]
        expected = []
        for command in commands:
            try:
                expected.append(alone.execute(*command))
            except rkv.ResponseError as error:
                expected.append(str(error))
        actual = [str(reply) if isinstance(reply, Exception) else reply for reply in batch.execute_many(commands)]
        assert actual == expected

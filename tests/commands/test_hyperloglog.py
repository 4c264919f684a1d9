"""HyperLogLogs beside Valkey 9.1: replies, and the strings byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Argument
    from support.servers import Server

KEYS = ["a", "b", "c"]
SPARSE_BYTES_MAX = 3000


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair
        pair.same("CONFIG", "SET", "hll-sparse-max-bytes", SPARSE_BYTES_MAX)


def test_examples(with_valkey: Pair) -> None:
    for words in (
        "PFADD h a b c", "PFADD h a b c", "PFADD h", "PFADD new", "PFADD new", "GET new", "PFCOUNT h", "PFCOUNT h",
        "GET h", "PFCOUNT none", "PFCOUNT none none", "PFADD i c d e", "PFCOUNT h i", "PFCOUNT h none i",
        "PFMERGE m h i", "PFCOUNT m", "PFMERGE m", "PFMERGE empty", "PFCOUNT empty", "PFMERGE h none", "GET m",
        "OBJECT ENCODING h", "PFDEBUG ENCODING h", "PFDEBUG DECODE h", "PFDEBUG GETREG new", "PFDEBUG ENCODING new",
        "PFDEBUG TODENSE h", "PFDEBUG TODENSE h", "PFCOUNT h", "PFADD h a z", "PFCOUNT h", "PFMERGE m h", "GET m",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_wrong_words(with_valkey: Pair) -> None:
    with_valkey.same("RPUSH", "list", "a")
    with_valkey.same("PFADD", "h", "a")
    with_valkey.same("PFADD", "dense", "a")
    with_valkey.same("PFDEBUG", "TODENSE", "dense")
    strings = [b"", b"x", b"HYLL", b"HYLL\1" + bytes(10), b"HYLL\2" + bytes(20), b"HYLL\0" + bytes(20), b"x" * 12304]
    # Runs that are cut off, too few, or too many.
    broken = [b"", b"\x7f\xff\x7f\xff", b"\x80", b"\x7f\xff\x80", b"\x3f\x40\x00"]
    strings += [b"HYLL\1\0\0\0" + bytes(7) + b"\x80" + runs for runs in broken]
    for string in strings:
        with_valkey.same("SET", "s", string)
        for words in (
            "PFCOUNT s", "PFCOUNT s h", "PFCOUNT h s", "PFMERGE d s", "PFMERGE s h", "PFDEBUG ENCODING s",
            "PFDEBUG TODENSE s", "PFDEBUG GETREG s", "EXISTS d", "DEL d",
        ):  # fmt: skip
            with_valkey.same(*words.split())
        with_valkey.same("SET", "s", string)
        with_valkey.same("PFADD", "s", "a")
    for words in (
        "PFADD list a", "PFCOUNT list", "PFCOUNT h list", "PFMERGE list h", "PFMERGE d h list", "PFDEBUG GETREG list",
        "PFDEBUG GETREG none", "PFDEBUG FOO h", "PFDEBUG FOO none", "PFDEBUG DECODE dense", "PFDEBUG GETREG", "PFADD",
        "PFCOUNT", "PFMERGE", "PFSELFTEST a", "TYPE list",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_a_test_of_itself(with_valkey: Pair) -> None:
    assert with_valkey.rkv.call("PFSELFTEST") == Simple(b"OK")


def test_every_command_by_chance(with_valkey: Pair, rng: random.Random) -> None:
    for step in range(1500):
        with_valkey.same(*some_command(rng, step))
        if step % 5 == 0:
            with_valkey.same("GET", rng.choice(KEYS))
        if step % 100 == 0:
            with_valkey.same("CONFIG", "SET", "hll-sparse-max-bytes", rng.choice(["0", "60", "500", SPARSE_BYTES_MAX]))
            with_valkey.same("DEL", rng.choice(KEYS))


def some_command(rng: random.Random, step: int) -> list[Argument]:
    """A command on few keys; elements are old and new."""
    keys = [rng.choice([*KEYS * 5, "none"]) for _ in range(rng.choice([1, 1, 2, 3]))]
    match rng.randrange(6):
        case 0:
            return ["PFCOUNT", *keys]
        case 1:
            return ["PFMERGE", rng.choice(KEYS), *keys]
        case 2:
            return ["PFDEBUG", rng.choice(["ENCODING", "DECODE"]), keys[0]]
        case _:
            count = rng.choice([0, 1, 1, 3, 30, 200])
            return ["PFADD", rng.choice(KEYS), *(f"{rng.randint(0, step)}-{rng.randrange(20)}" for _ in range(count))]

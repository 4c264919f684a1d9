"""Rows of bits beside Valkey 9.1: every command, every option, every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Argument
    from support.servers import Server

KEYS = ["a", "b", "c"]
INDEXES = ["0", "1", "2", "7", "8", "9", "31", "100", "-1", "-3", "-100", "9223372036854775807", "-9223372036854775808"]
NO_INDEXES = ["", "x", "01", "1.5", " 1", "9223372036854775808"]
TYPES = ["u1", "u4", "u8", "u9", "u31", "u63", "i1", "i5", "i8", "i16", "i33", "i64"]
NO_TYPES = ["u64", "i65", "u0", "i0", "x8", "8", "", "i", "I8", "u08", "u-1"]
NUMBERS = ["0", "1", "-1", "100", "-100", "127", "-128", "255", "256", "9223372036854775807", "-9223372036854775808"]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair


def test_examples(with_valkey: Pair) -> None:
    for words in (
        "SETBIT b 7 1", "SETBIT b 7 0", "SETBIT b 100 1", "STRLEN b", "GETBIT b 100", "GETBIT b 101", "GETBIT b 9999",
        "GETBIT none 0", "OBJECT ENCODING b", "SET n 12", "SETBIT n 7 1", "GET n", "SET n 12", "SETBIT n 0 0",
        "OBJECT ENCODING n", "SET s foobar", "BITCOUNT s", "BITCOUNT s 0 0", "BITCOUNT s 1 1", "BITCOUNT s 1",
        "BITCOUNT s 1 -1 BYTE", "BITCOUNT s 5 30 bit", "BITCOUNT s -2 -5", "BITCOUNT s 5 3", "BITCOUNT none",
        "BITPOS s 1", "BITPOS s 0", "BITPOS s 1 2", "BITPOS s 1 7 15 BIT", "BITPOS s 0 -1 -1 BYTE", "BITPOS none 0",
        "BITPOS none 1 0 5", "SETBIT ones 7 1", "SET ones a", "BITFIELD ones SET u8 0 255", "BITPOS ones 0",
        "BITPOS ones 0 0", "BITPOS ones 0 0 -1", "BITPOS ones 1 1", "SET t abcdef", "BITOP AND d s t", "GET d",
        "BITOP OR d s t none", "GET d", "BITOP XOR d s t", "BITOP not d s", "OBJECT ENCODING d", "BITOP AND d none",
        "EXISTS d", "BITOP NOT d none", "BITOP OR s s t", "GET s", "BITFIELD f SET u8 0 200 GET i8 0 INCRBY u8 0 100",
        "BITFIELD f OVERFLOW SAT INCRBY u8 #0 100 INCRBY i4 #3 -9", "BITFIELD f OVERFLOW FAIL INCRBY u8 0 1",
        "BITFIELD f OVERFLOW WRAP SET i64 3 -1 GET u63 3", "BITFIELD f", "BITFIELD none", "EXISTS none",
        "BITFIELD new OVERFLOW FAIL SET u2 0 4", "STRLEN new", "BITFIELD_RO f GET u8 0 GET i8 #1", "BITFIELD_RO f",
        "BITFIELD_RO none GET u8 1000",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_wrong_words(with_valkey: Pair) -> None:
    with_valkey.same("RPUSH", "list", "a")
    with_valkey.same("SET", "s", "abc")
    for words in (
        "SETBIT s x 1", "SETBIT s -1 1", "SETBIT s 4294967296 1", "SETBIT s 0 2", "SETBIT s 0 -1", "SETBIT s 0 x",
        "SETBIT list 0 1", "SETBIT list x 1", "GETBIT s x", "GETBIT s 4294967296", "GETBIT list 0", "BITCOUNT list",
        "BITCOUNT s x", "BITCOUNT s 0 x", "BITCOUNT s 0 x FOO", "BITCOUNT s 0 1 FOO", "BITCOUNT s 0 1 BIT BIT",
        "BITCOUNT list x", "BITPOS s 2", "BITPOS s x", "BITPOS s 1 x", "BITPOS s 1 0 x", "BITPOS s 1 0 x FOO",
        "BITPOS s 1 0 1 FOO", "BITPOS s 1 0 1 BIT 1", "BITPOS list 1", "BITPOS list 2", "BITOP FOO d s",
        "BITOP NOT d s s",
        "BITOP AND d s list", "BITOP NOT d list", "BITOP NOT list s", "TYPE list", "RPUSH l2 a", "BITOP DIFF d s s",
        "BITFIELD s GET u64 0", "BITFIELD s GET i65 0", "BITFIELD s GET u8 -1", "BITFIELD s GET u8 x",
        "BITFIELD s GET u8",
        "BITFIELD s SET u8 0", "BITFIELD s SET u8 0 x", "BITFIELD s INCRBY u8 0 1.5", "BITFIELD s OVERFLOW",
        "BITFIELD s OVERFLOW FOO", "BITFIELD s FOO", "BITFIELD s GET u8 #x", "BITFIELD s GET u8 #-1",
        "BITFIELD s GET u8 #9223372036854775807", "BITFIELD l2 GET u8 0", "BITFIELD l2 SET u8 0 1", "BITFIELD l2",
        "BITFIELD_RO s SET u8 0 1", "BITFIELD_RO s SET u8 0 x", "BITFIELD_RO s OVERFLOW WRAP",
        "BITFIELD_RO l2 GET u8 0",
        "GET s",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_every_command_by_chance(with_valkey: Pair, rng: random.Random) -> None:
    with_valkey.same("RPUSH", "list", "a")
    for step in range(3000):
        with_valkey.same(*some_command(rng))
        if step % 10 == 0:
            for key in KEYS:
                with_valkey.same("GET", key)
                with_valkey.same("OBJECT", "ENCODING", key)


def some_command(rng: random.Random) -> list[Argument]:
    """A command on few keys."""
    key = rng.choice([*KEYS * 5, "list", "none"])
    index = lambda: rng.choice([*INDEXES * 6, *NO_INDEXES])  # noqa: E731
    unit = rng.choice([[], ["BIT"], ["byte"]])
    bit = rng.choice(["0", "1"])
    match rng.randrange(7):
        case 0:
            return ["SETBIT", rng.choice(KEYS), rng.choice(INDEXES[:8]), bit]
        case 1:
            return ["GETBIT", key, index()]
        case 2:
            return ["BITCOUNT", key, *rng.choice([[], [index()], [index(), index(), *unit]])]
        case 3:
            return ["BITPOS", key, bit, *rng.choice([[], [index()], [index(), index(), *unit]])]
        case 4:
            sources = [rng.choice([*KEYS * 5, "none"]) for _ in range(rng.randint(1, 4))]
            return ["BITOP", rng.choice(["AND", "OR", "xor", "NOT"]), rng.choice(KEYS), *sources]
        case 5:
            # Strings of about 100 bytes are embstr in Valkey 9.1 only.
            length = rng.choice([0, 1, 8, 9, 44, 300, 1100])
            return ["SET", rng.choice(KEYS), bytes(rng.choice([0, 255, rng.randrange(256)]) for _ in range(length))]
        case _:
            return ["BITFIELD", key, *(word for _ in range(rng.randint(0, 4)) for word in operation(rng))]


def operation(rng: random.Random) -> list[Argument]:
    """One of BITFIELD."""
    field = [rng.choice([*TYPES * 4, *NO_TYPES]), rng.choice(["", "#"]) + rng.choice(INDEXES[:8])]
    match rng.randrange(4):
        case 0:
            return ["GET", *field]
        case 1:
            return ["OVERFLOW", rng.choice(["WRAP", "sat", "FAIL"])]
        case _:
            return [rng.choice(["SET", "INCRBY"]), *field, rng.choice(NUMBERS)]

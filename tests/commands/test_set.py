"""Sets beside Valkey 9.1, whose encodings are those of Redis 7.2."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Reply, Set
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Argument, Connection
    from support.servers import Server

LIMITS = {"set-max-intset-entries": (8, 512), "set-max-listpack-entries": (5, 128), "set-max-listpack-value": (6, 64)}
KEYS = ["a", "b", "c", "d", "e"]
NUMBERS: list[Argument] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "5",
    "100",
    "x",
    "",
    "01",
    "1.5",
    "9223372036854775807",
    "-9223372036854775808",
]
MEMBERS: list[Argument] = [
    *map(str, range(-3, 14)), "32767", "32768", "-40000", "2147483648", "9223372036854775807", "9223372036854775808",
    "a", "b", "c", "d", "e", "f", "", "01", "+1", "-0", " 1", "sixsix", "seven77", b"\0\r\n\xff", "x" * 70,
]  # fmt: skip
LIMITED: list[list[str]] = [[], ["LIMIT", "2"], ["limit", "0"], ["LIMIT"]]
SCAN_OPTIONS: list[list[str]] = [
    [], ["COUNT", "10000"], ["count", "0"], ["COUNT", "x"], ["COUNT"], ["MATCH", "*1*"], ["match", "[a-c]"],
    ["MATCH", ""], ["MATCH"], ["NOVALUES"], ["NOSCORES"], ["TYPE", "set"], ["FOO"],
]  # fmt: skip


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, with small limits, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        for option, (small, _) in LIMITS.items():
            pair.same("CONFIG", "SET", option, small)
        yield pair
        for option, (_, usual) in LIMITS.items():
            pair.same("CONFIG", "SET", option, usual)


def unordered(reply: Reply) -> object:
    """A reply in which the order of elements means nothing."""
    if isinstance(reply, Array | Set):
        return type(reply), sorted(map(repr, map(unordered, reply.items)))
    return reply


def same(pair: Pair, *words: Argument) -> Reply:
    """The reply of both, up to the order of elements."""
    mine, theirs = pair.both(*words)
    assert unordered(mine) == unordered(theirs), words
    return mine


def test_examples(with_valkey: Pair) -> None:
    for words in (
        "SADD s one two three", "SADD s two four", "SCARD s", "SMEMBERS s", "SISMEMBER s one", "SISMEMBER s none",
        "SMISMEMBER s one none two", "SMISMEMBER none a b", "SREM s one none", "SREM s", "SADD s", "SADD t two five",
        "SINTER s t", "SUNION s t", "SDIFF s t", "SDIFF t s none", "SINTER s none", "SINTERCARD 2 s t",
        "SINTERCARD 2 s s LIMIT 2", "SINTERCARD 2 s s LIMIT 0", "SINTERSTORE d s t", "SMEMBERS d", "SUNIONSTORE d s t",
        "SMEMBERS d", "SDIFFSTORE d s t", "SMEMBERS d", "SINTERSTORE d s none", "EXISTS d", "SMOVE s t three",
        "SMOVE s t none", "SMOVE s s two", "SMEMBERS s", "SMEMBERS t", "SPOP s 10", "EXISTS s", "SPOP s", "SPOP s 1",
        "SRANDMEMBER s", "SRANDMEMBER s 3", "SRANDMEMBER t 10", "SRANDMEMBER t 0", "SSCAN t 0", "SSCAN none 0",
        "SSCAN none x", "SSCAN none 0 FOO",
    ):  # fmt: skip
        same(with_valkey, *words.split())


def test_wrong_types(with_valkey: Pair) -> None:
    with_valkey.same("SET", "string", "v")
    with_valkey.same("SADD", "s", "m")
    for words in (
        "SADD string m", "SCARD string", "SMEMBERS string", "SISMEMBER string m", "SMISMEMBER string m",
        "SREM string m", "SPOP string", "SPOP string 0", "SPOP string x", "SRANDMEMBER string", "SRANDMEMBER string x",
        "SMOVE string s m", "SMOVE s string m", "SMOVE s string x", "SMOVE none string m", "SMOVE string none m",
        "SINTER s string", "SINTER none string", "SUNION s string", "SDIFF s string", "SDIFF none string",
        "SINTERSTORE s s string", "SINTERSTORE string s s", "SET string v", "SINTERCARD 2 none string",
        "SSCAN string 0", "SSCAN string 0 FOO", "SSCAN string x", "GET s", "SDIFFSTORE string none", "EXISTS string",
    ):  # fmt: skip
        same(with_valkey, *words.split())


def test_counts(with_valkey: Pair) -> None:
    with_valkey.same("SADD", "s", "m")
    for number in NUMBERS:
        for words in (
            ("SRANDMEMBER", "none", number),
            ("SINTERCARD", number, "s", "s"),
            ("SINTERCARD", 1, "s", "LIMIT", number),
            ("SSCAN", "s", 0, "COUNT", number),
            ("SPOP", "none", number),
            ("SPOP", "s", number, "1"),
            ("SRANDMEMBER", "s", number, "1"),
        ):
            same(with_valkey, *words)
    for cursor in ("0", "1", "01", "x", "1x", "18446744073709551616"):
        same(with_valkey, "SSCAN", "s", cursor)
    assert isinstance(with_valkey.rkv.call("SRANDMEMBER", "s", -9223372036854775807), Error), "a reply without end"


def test_every_command_by_chance(with_valkey: Pair, rng: random.Random) -> None:
    with_valkey.same("SET", "string", "v")
    for step in range(4000):
        words = command(rng)
        mine, theirs = with_valkey.both(*words)
        if words[0] != "SSCAN" or (words[2] == "0" and "10000" in words):
            # How far one call of SSCAN comes in a table is each server's own.
            assert unordered(mine) == unordered(theirs), words
        for key in KEYS:
            with_valkey.same("OBJECT", "ENCODING", key)
        if step % 50 == 0:
            with_valkey.same("DEBUG", "DIGEST")
            with_valkey.same("DEL", *KEYS)


def command(rng: random.Random) -> list[Argument]:
    """A command on few keys whose result is no chance."""
    key: Argument = rng.choice([*KEYS * 4, "string", "none"])
    members: list[Argument] = [rng.choice(MEMBERS) for _ in range(rng.choice([1, 1, 2, 3, 9, 14]))]
    keys: list[Argument] = [rng.choice([*KEYS * 4, "string", "none"]) for _ in range(rng.choice([1, 2, 2, 3, 7]))]
    match rng.randrange(14):
        case 0 | 1 | 2 | 3:
            return ["SADD", key, *members]
        case 4:
            return ["SREM", key, *members]
        case 5:
            return ["SMISMEMBER", key, *members]
        case 6:
            return ["SMOVE", key, rng.choice(KEYS), members[0]]
        case 7:
            return [rng.choice(["SINTER", "SUNION", "SDIFF"]), *keys]
        case 8 | 9 | 10:
            return [rng.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), rng.choice(KEYS), *keys]
        case 11:
            return ["SINTERCARD", len(keys), *keys, *rng.choice(LIMITED)]
        case 12:
            return rng.choice([["SPOP", key, 100], ["SPOP", key, 0], ["SRANDMEMBER", key, 100], ["SMEMBERS", key]])
        case _:
            return ["SSCAN", key, rng.choice(["0", "0", "x", "7"]), *rng.choice(SCAN_OPTIONS)]


def members_of(connection: Connection, *words: Argument) -> list[bytes]:
    """The members in a reply."""
    reply = connection.call(*words)
    assert isinstance(reply, Array | Set), reply
    return [member.data for member in reply.items if isinstance(member, Bulk)]


@pytest.mark.parametrize("size", [6, 100, 5000])
def test_members_by_chance(with_valkey: Pair, size: int) -> None:
    rkv = with_valkey.rkv
    rkv.call("SADD", "s", *(f"m{n}" for n in range(size)))
    everything = set(members_of(rkv, "SMEMBERS", "s"))
    assert len(everything) == size
    for count in (1, size // 7, size // 2, size - 1, size, size + 9):
        chosen = members_of(rkv, "SRANDMEMBER", "s", count)
        assert len(chosen) == len(set(chosen)) == min(count, size)
        assert everything.issuperset(chosen)
        assert len(members_of(rkv, "SRANDMEMBER", "s", -count)) == count
    assert isinstance(rkv.call("SRANDMEMBER", "s"), Bulk)
    left = everything
    for count in (0, 1, size // 7, size // 2):
        popped = members_of(rkv, "SPOP", "s", count)
        assert len(popped) == count
        assert left.issuperset(popped)
        left -= set(popped)
        assert set(members_of(rkv, "SMEMBERS", "s")) == left
    popped_one = rkv.call("SPOP", "s")
    assert isinstance(popped_one, Bulk)
    assert popped_one.data in left
    assert set(members_of(rkv, "SPOP", "s", size)) == left - {popped_one.data}
    assert rkv.call("EXISTS", "s") == Integer(0)


def test_no_member_is_favoured(with_valkey: Pair) -> None:
    """The chi-square test of Redis's own tests, for a table."""
    rkv = with_valkey.rkv
    rkv.call("SADD", "s", *range(100))
    rkv.call("SREM", "s", *range(64, 100))
    counts = Counter(members_of(rkv, "SRANDMEMBER", "s", -6400))
    chi_square = sum((counts[b"%d" % n] - 100) ** 2 / 100 for n in range(64))
    # 63 degrees of freedom: beyond 155 is one chance in 10^9.
    assert chi_square < 155


def test_a_walk_tells_what_stays_once(with_valkey: Pair) -> None:
    rkv = with_valkey.rkv
    rkv.call("SADD", "s", *(f"stays{n}" for n in range(2000)))
    cursor, told = b"0", Counter[bytes]()
    for step in range(10_000):
        reply = rkv.call("SSCAN", "s", cursor, "COUNT", 20)
        assert isinstance(reply, Array)
        at, names = reply.items
        assert isinstance(at, Bulk)
        assert isinstance(names, Array)
        cursor = at.data
        assert int(cursor) < 1 << 53, "a cursor fits a float of every client"
        told.update(name.data for name in names.items if isinstance(name, Bulk))
        if cursor == b"0":
            break
        rkv.call("SADD", "s", *(f"other{step}-{n}" for n in range(50)))
        if step > 20:
            rkv.call("SREM", "s", *(f"other{step - 20}-{n}" for n in range(50)))
    assert cursor == b"0"
    assert all(told[b"stays%d" % n] == 1 for n in range(2000))

"""Sorted sets beside Valkey 9.1: every command, every option, every error, in both forms."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Double, Error, Reply
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Argument, Connection
    from support.servers import Server

LIMITS = {"zset-max-listpack-entries": (6, 128), "zset-max-listpack-value": (6, 64)}
KEYS = ["a", "b", "c"]
# All members of these have one score, so that their names are in order.
NAMES = ["n", "o"]
MEMBERS: list[Argument] = [
    *map(str, range(-3, 9)),
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "",
    "01",
    "sixsix",
    "seven77",
    b"\0\r\n\xff",
    "x" * 70,
]
SCORES: list[Argument] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "1.5",
    "-2.25",
    "1e5",
    "inf",
    "-inf",
    "+inf",
    "-0",
    "9007199254740993",
    "0.1",
]
NO_SCORES: list[Argument] = ["", "x", "nan", " 1", "1 ", "0x10", "1e400", "1e-400", "1e", "+", "-", b"1\0"]
RANKS = ["0", "1", "-1", "2", "-3", "5", "100", "-100", "9223372036854775807", "-9223372036854775808", "x", ""]
SCORE_BOUNDS = ["-inf", "+inf", "0", "(0", "1", "(1", "(1.5", "3", "-2.25", "", "(", "1e400", "x", "nan", " 1", "((1"]
NAME_BOUNDS = ["-", "+", "[a", "(a", "[d", "(d", "[", "(", "[5", "(5", "[-1", "a", "", "++"]
OFFSETS = ["0", "1", "3", "100", "9223372036854775807", "x"]
COUNTS = ["0", "1", "2", "-1", "-5", "100", "x"]


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


def test_examples(with_valkey: Pair) -> None:
    for words in (
        "ZADD z 1 one 2 two 3 three", "ZADD z 2 two 4 four", "ZADD z XX CH 5 one 6 five", "ZADD z NX 9 one 7 seven",
        "ZADD z GT CH 1 one 8 seven", "ZADD z LT CH 1 one 9 seven", "ZADD z INCR 2 one", "ZADD z XX INCR 1 none",
        "ZADD z NX INCR 1 one", "ZADD none XX 1 a", "ZINCRBY z 2.5 one", "ZINCRBY z -inf one", "ZINCRBY z inf one",
        "ZSCORE z one", "ZSCORE z none", "ZSCORE none a", "ZMSCORE z two none three", "ZMSCORE none a b", "ZCARD z",
        "ZCARD none", "ZRANK z two", "ZRANK z two WITHSCORE", "ZREVRANK z two withscore", "ZRANK z none",
        "ZRANK z none WITHSCORE", "ZRANK none a", "ZRANK z two FOO", "ZREVRANK z two WITHSCORE FOO", "ZRANGE z 0 -1",
        "ZRANGE z 0 -1 WITHSCORES", "ZRANGE z 0 1 REV", "ZRANGE z (1 3 BYSCORE WITHSCORES",
        "ZRANGE z +inf 0 BYSCORE REV LIMIT 1 2", "ZRANGE z - + BYLEX", "ZRANGE none 0 -1",
        "ZREVRANGE z 0 1 WITHSCORES", "ZRANGEBYSCORE z -inf +inf WITHSCORES LIMIT 1 2", "ZREVRANGEBYSCORE z +inf (2",
        "ZCOUNT z (1 3", "ZCOUNT z 5 1", "ZRANGESTORE d z 0 1", "ZRANGE d 0 -1 WITHSCORES", "ZRANGESTORE d z 5 9",
        "EXISTS d", "ZRANGESTORE d none 0 -1", "ZREM z one none", "ZREM z none", "ZPOPMIN z", "ZPOPMAX z",
        "ZPOPMIN z 2", "ZPOPMAX z 0", "ZPOPMIN none", "ZPOPMAX none 3", "ZPOPMAX z 100", "EXISTS z",
        "ZADD n 0 a 0 b 0 c 0 d", "ZLEXCOUNT n - +", "ZLEXCOUNT n (a [c", "ZRANGEBYLEX n [b +",
        "ZREVRANGEBYLEX n + (b LIMIT 0 1", "ZREMRANGEBYLEX n [b (d", "ZRANGE n 0 -1", "ZADD r 1 a 2 b 3 c 4 d 5 e",
        "ZREMRANGEBYRANK r 0 1", "ZREMRANGEBYSCORE r (3 4", "ZRANGE r 0 -1 WITHSCORES", "ZREMRANGEBYRANK r 0 -1",
        "EXISTS r", "ZMPOP 2 none n MIN", "ZMPOP 1 n MAX COUNT 5", "ZMPOP 1 n MAX", "EXISTS n", "ZRANDMEMBER none",
        "ZRANDMEMBER none 3", "ZRANDMEMBER none 3 FOO",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_several_keys(with_valkey: Pair) -> None:
    for words in (
        "ZADD z 1 a 2 b 3 c", "ZADD y 10 b 20 c 30 d", "SADD s b d 5", "ZADD i inf a -inf b", "SET string v",
        "ZUNION 2 z y", "ZUNION 2 z y WITHSCORES", "ZUNION 2 z s WITHSCORES",
        "ZUNION 3 z y none WEIGHTS 2 -1 5 WITHSCORES", "ZUNION 2 z y AGGREGATE MIN WITHSCORES",
        "ZUNION 2 z y AGGREGATE max WITHSCORES", "ZUNION 1 i WEIGHTS 0 WITHSCORES",
        "ZUNION 2 i i WEIGHTS 1 -1 WITHSCORES", "ZINTER 2 z y", "ZINTER 2 z y WITHSCORES WEIGHTS 1 2",
        "ZINTER 2 s y WITHSCORES", "ZINTER 2 z none", "ZINTER 2 z z WITHSCORES", "ZDIFF 2 z y WITHSCORES",
        "ZDIFF 2 z s", "ZDIFF 2 s z WITHSCORES", "ZDIFF 2 none z", "ZDIFF 2 z z", "ZINTERCARD 2 z y",
        "ZINTERCARD 2 z z LIMIT 2", "ZINTERCARD 1 z LIMIT 0", "ZUNIONSTORE d 3 z y s", "ZRANGE d 0 -1 WITHSCORES",
        "OBJECT ENCODING d", "ZINTERSTORE d 2 z y", "ZRANGE d 0 -1 WITHSCORES", "ZDIFFSTORE d 2 z y",
        "ZRANGE d 0 -1 WITHSCORES", "ZINTERSTORE d 2 z none", "EXISTS d", "ZUNIONSTORE z 2 z z",
        "ZRANGE z 0 -1 WITHSCORES", "ZUNIONSTORE string 1 z", "TYPE string", "SET string v", "ZUNION 0 z",
        "ZUNION x z", "ZUNION -1 z", "ZUNION 2 z", "ZUNION 9223372036854775807 z", "ZUNION 1 string",
        "ZUNION 1 string FOO", "ZUNION 1 z FOO", "ZUNION 1 z WEIGHTS", "ZUNION 1 z WEIGHTS x",
        "ZUNION 1 z WEIGHTS 0x10", "ZUNION 1 z WEIGHTS 1 2", "ZUNION 1 z AGGREGATE", "ZUNION 1 z AGGREGATE FOO",
        "ZUNIONSTORE d 0 z", "ZUNIONSTORE d 1 z WITHSCORES", "ZINTERSTORE d x z", "ZDIFF 1 z WEIGHTS 1", "ZDIFF 0 z",
        "ZDIFFSTORE d 0 z", "ZINTERCARD 0 z", "ZINTERCARD 1 z LIMIT", "ZINTERCARD 1 z LIMIT -1",
        "ZINTERCARD 1 z LIMIT x", "ZINTERCARD 1 z WITHSCORES", "ZINTERCARD 2 z string",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_wrong_words(with_valkey: Pair) -> None:
    with_valkey.same("SET", "string", "v")
    with_valkey.same("ZADD", "z", 1, "a", 2, "b")
    for words in (
        "ZADD z 1", "ZADD z 1 a 2", "ZADD z NX XX 1 a", "ZADD z GT LT 1 a", "ZADD z NX GT 1 a", "ZADD z INCR 1 a 2 b",
        "ZADD z NX", "ZADD z CH INCR", "ZADD string x a", "ZADD string 1 a", "ZINCRBY z nx a", "ZINCRBY string 1 a",
        "ZREM string a", "ZCARD string", "ZSCORE string a", "ZMSCORE string a", "ZRANK string a", "ZREVRANK string a",
        "ZCOUNT string 0 1", "ZLEXCOUNT string - +", "ZRANGE string 0 1", "ZRANGESTORE d string 0 1",
        "ZPOPMIN string", "ZPOPMIN string 0", "ZPOPMIN string x", "ZPOPMAX z -1", "ZPOPMAX z x", "ZPOPMAX z 1 2",
        "ZMPOP 1 string MIN", "ZMPOP 2 none string MAX", "ZMPOP 0 z MIN", "ZMPOP x z MIN", "ZMPOP 1 z",
        "ZMPOP 1 z FOO", "ZMPOP 2 z MIN", "ZMPOP 1 z MIN COUNT", "ZMPOP 1 z MIN COUNT 0", "ZMPOP 1 z MIN COUNT x",
        "ZMPOP 1 z MIN COUNT 1 COUNT 1", "ZMPOP 1 z MIN FOO", "ZRANDMEMBER string", "ZRANDMEMBER string 0",
        "ZRANDMEMBER z x", "ZRANDMEMBER z 1 FOO", "ZRANDMEMBER z 1 WITHSCORES FOO",
        "ZRANDMEMBER z -9223372036854775808", "ZRANDMEMBER z 4611686018427387904 WITHSCORES",
        "ZRANGE z 0 -1 LIMIT 0 1", "ZRANGE z 0 -1 LIMIT 0 -1", "ZRANGE z - + BYLEX WITHSCORES",
        "ZRANGE z 0 1 BYSCORE BYLEX", "ZRANGE z 0 1 REV REV", "ZRANGE z 0 1 BYSCORE LIMIT 1", "ZRANGE z 0 1 FOO",
        "ZRANGE none x 1", "ZREVRANGE z 0 1 REV", "ZREVRANGE z 0 1 BYSCORE", "ZRANGEBYSCORE z 0 1 LIMIT x 1",
        "ZRANGEBYLEX z - + WITHSCORES", "ZRANGESTORE d z 0 1 WITHSCORES", "ZREMRANGEBYRANK z x 1",
        "ZREMRANGEBYSCORE z x 1", "ZREMRANGEBYLEX z x 1", "ZREMRANGEBYLEX none x 1", "ZREMRANGEBYRANK string 0 1",
        "GET z", "ZRANGE z 0 -1 WITHSCORES",
    ):  # fmt: skip
        with_valkey.same(*words.split())


def test_pops_that_wait(with_valkey: Pair) -> None:
    for words in (
        "SET string v", "ZADD z 1 a 2 b 3 c 4 d 5 e", "BZPOPMIN none z 0", "BZPOPMAX z none 1", "BZPOPMAX string z 0",
        "BZPOPMIN none string z 0", "BZMPOP 0 1 string MIN", "BZMPOP 0 2 none z MAX", "BZMPOP 0 1 z min count 9",
        "EXISTS z", "BZPOPMIN string", "BZMPOP 0 0 z MIN", "BZMPOP 0 x z MIN", "BZMPOP 0 1 z", "BZMPOP 0 2 z MIN",
        "BZMPOP 0 1 z LEFT", "BZMPOP 0 1 z MIN COUNT 0", "BZMPOP 0 1 z MIN COUNT 1 COUNT 1", "BZMPOP -1 0 z MIN",
        "BZMPOP -1 1 z LEFT", "BZMPOP 0.02 1 z MIN", "BZPOPMIN z 0.02", "BZPOPMAX z none 0.0001", "MULTI",
        "BZMPOP 0 1 z MIN", "BZPOPMIN z 0", "ZADD z 1 a 2 b", "BZPOPMAX z 0", "BZMPOP 0 1 z MIN", "EXEC",
    ):  # fmt: skip
        with_valkey.same(*words.split())
    for timeout in ("x", "-1", "", "nan", "inf", "9223372036854775808", "1e18", " 1", "1 "):
        with_valkey.same("BZPOPMIN", "none", timeout)
        with_valkey.same("BZPOPMAX", "string", timeout)
        with_valkey.same("BZMPOP", timeout, "1", "none", "MIN")


def test_numbers(with_valkey: Pair) -> None:
    with_valkey.same("ZADD", "z", 1, "a", 2, "b", 3, "c", "inf", "d", "-inf", "e")
    for score in [*SCORES, *NO_SCORES, "01", "+1", ".5", "5.", "1E5", "Infinity", "1.7976931348623157e308", "4.9e-324"]:
        with_valkey.same("ZADD", "s", score, "m")
        with_valkey.same("ZSCORE", "s", "m")
        with_valkey.same("ZINCRBY", "t", score, "m")
        with_valkey.same("ZUNION", 1, "z", "WEIGHTS", score, "WITHSCORES")
        with_valkey.same("ZCOUNT", "z", score, "+inf")
    for bound in SCORE_BOUNDS:
        with_valkey.same("ZRANGEBYSCORE", "z", bound, "+inf")
        with_valkey.same("ZRANGEBYSCORE", "z", "-inf", bound)
    for rank in RANKS:
        with_valkey.same("ZRANGE", "z", rank, "-1")
        with_valkey.same("ZREVRANGE", "z", "0", rank)


def test_forms(with_valkey: Pair) -> None:
    """A command that may bring too many or too long members leaves the packed form, whatever it adds in the end."""
    for several in (
        ["ZADD z 1 a 2 b 3 c 4 d 5 e 6 f"], ["ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", "ZADD z 7 g", "ZREM z a b c d e f"],
        ["ZADD z 1 sixsix"], ["ZADD z 1 seven77"], ["ZADD z 1 a", "ZADD z XX 1 seven77"],
        ["ZADD z 1 a 1 a 1 a 1 a 1 a 1 a 1 a"], ["ZADD z 1 a", "ZADD z NX 1 a 1 a 1 a 1 a 1 a 1 a 1 a"],
        ["ZADD z 1 a", "ZADD z XX 1 b 1 c 1 d 1 e 1 f 1 g 1 h"],
        ["ZADD y 1 a 2 b 3 c 4 d 5 e 6 f 7 g", "ZRANGESTORE z y 0 5"],
        ["ZADD y 1 a 2 b 3 c 4 d", "ZUNIONSTORE z 2 y y"], ["ZADD y 1 seven77 2 a", "ZRANGESTORE z y 1 1"],
        ["ZADD y 1 seven77 2 a", "ZDIFFSTORE z 1 y"],
        ["ZADD y 1 a 2 b 3 c 4 d 5 e 6 f 7 g", "COPY y z", "ZINCRBY z 1 a", "ZRANGE y 0 -1 WITHSCORES"],
    ):  # fmt: skip
        with_valkey.same("DEL", "z", "y")
        for words in several:
            with_valkey.same(*words.split())
        with_valkey.same("OBJECT", "ENCODING", "z")
        with_valkey.same("ZRANGE", "z", "0", "-1", "WITHSCORES")


def unsigned(reply: Reply) -> object:
    """A reply whose zeros have no sign: one that is packed on its way from a large sorted set to another loses it."""
    match reply:
        case Array(items):
            return list(map(unsigned, items))
        case Bulk(b"-0"):
            return Bulk(b"0")
        case Double(b"-0"):
            return Double(b"0")
        case _:
            return reply


def same(pair: Pair, *words: Argument) -> None:
    """Both reply the same, up to the signs of zeros."""
    mine, theirs = pair.both(*words)
    assert unsigned(mine) == unsigned(theirs), words


def test_every_command_by_chance(with_valkey: Pair, rng: random.Random) -> None:
    with_valkey.same("SET", "string", "v")
    for step in range(4000):
        same(with_valkey, *command(rng))
        for key in (*KEYS, *NAMES):
            with_valkey.same("OBJECT", "ENCODING", key)
        if step % 10 == 0:
            for key in (*KEYS, *NAMES):
                same(with_valkey, "ZRANGE", key, "0", "-1", "WITHSCORES")
        if step % 100 == 0:
            with_valkey.same("DEL", *KEYS, *NAMES)
            with_valkey.same("SADD", "set", *rng.sample(["a", "b", "c", "5", "6"], 3))


def command(rng: random.Random) -> list[Argument]:
    """A command on few keys whose result is no chance. Ranges of names are asked for only where they mean something."""
    return rng.choice([addition, addition, addition, removal, question, showing, combination, storing])(rng)


def some_key(rng: random.Random) -> str:
    """Mostly one of a sorted set."""
    return rng.choice([*KEYS * 6, *NAMES, "string", "none"])


def some_members(rng: random.Random) -> list[Argument]:
    """One or several."""
    return [rng.choice(MEMBERS) for _ in range(rng.choice([1, 1, 2, 3, 8]))]


def addition(rng: random.Random) -> list[Argument]:
    """ZADD and ZINCRBY."""
    members = some_members(rng)
    if rng.randrange(3) == 0:
        return ["ZADD", rng.choice(NAMES), *(word for member in members for word in ("1", member))]
    if rng.randrange(6) == 0:
        return ["ZINCRBY", rng.choice(KEYS), score(rng), members[0]]
    options = rng.sample(["NX", "XX", "GT", "LT", "CH", "INCR"], rng.choice([0, 0, 0, 1, 2]))
    return ["ZADD", rng.choice(KEYS), *options, *(word for member in members for word in (score(rng), member))]


def removal(rng: random.Random) -> list[Argument]:
    """Whatever takes members away."""
    match rng.randrange(5):
        case 0:
            return ["ZREM", some_key(rng), *some_members(rng)]
        case 1:
            by, bounds, among = rng.choice(
                [("RANK", RANKS, KEYS), ("SCORE", SCORE_BOUNDS, KEYS), ("LEX", NAME_BOUNDS, NAMES)]
            )
            return [f"ZREMRANGEBY{by}", rng.choice(among), rng.choice(bounds), rng.choice(bounds)]
        case 2:
            count = rng.choice([[], [rng.choice(["0", "1", "3", "x"])]])
            return [rng.choice(["ZPOPMIN", "ZPOPMAX"]), some_key(rng), *count]
        case 3:
            return [rng.choice(["BZPOPMIN", "BZPOPMAX"]), some_key(rng), some_key(rng), "0.001"]
        case _:
            keys = some_keys(rng)
            return ["ZMPOP", len(keys), *keys, rng.choice(["MIN", "max"]), *rng.choice([[], ["COUNT", "2"]])]


def question(rng: random.Random) -> list[Argument]:
    """Whatever tells of members or counts them."""
    key, keys = some_key(rng), some_keys(rng)
    return rng.choice(
        [
            ["ZMSCORE", key, *some_members(rng)],
            ["ZRANK", key, rng.choice(MEMBERS), *rng.choice([[], ["WITHSCORE"]])],
            ["ZREVRANK", key, rng.choice(MEMBERS), *rng.choice([[], ["WITHSCORE"]])],
            ["ZCOUNT", key, rng.choice(SCORE_BOUNDS), rng.choice(SCORE_BOUNDS)],
            ["ZLEXCOUNT", rng.choice(NAMES), rng.choice(NAME_BOUNDS), rng.choice(NAME_BOUNDS)],
            ["ZINTERCARD", len(keys), *keys, *rng.choice([[], ["LIMIT", "2"]])],
            ["ZCARD", key],
        ]
    )


def showing(rng: random.Random) -> list[Argument]:
    """Ranges."""
    key = some_key(rng)
    match rng.randrange(3):
        case 0:
            name = rng.choice(["ZRANGE", "ZREVRANGE"])
            return [name, key, rng.choice(RANKS), rng.choice(RANKS), *with_scores(rng)]
        case 1:
            name = rng.choice(["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"])
            return [name, key, rng.choice(SCORE_BOUNDS), rng.choice(SCORE_BOUNDS), *with_scores(rng), *limit(rng)]
        case _:
            name = rng.choice(["ZRANGEBYLEX", "ZREVRANGEBYLEX"])
            return [name, rng.choice(NAMES), rng.choice(NAME_BOUNDS), rng.choice(NAME_BOUNDS), *limit(rng)]


def some_keys(rng: random.Random) -> list[str]:
    """Keys to be combined, a set among them at times."""
    return [rng.choice([*KEYS * 4, "string", "none", "set"]) for _ in range(rng.choice([1, 2, 2, 3]))]


def combination(rng: random.Random) -> list[Argument]:
    """Several together."""
    name, keys = rng.choice(["ZUNION", "ZINTER", "ZDIFF"]), some_keys(rng)
    return [name, len(keys), *keys, *([] if name == "ZDIFF" else weights(rng, len(keys))), *with_scores(rng)]


def storing(rng: random.Random) -> list[Argument]:
    """Results under a key."""
    if rng.randrange(2) == 0:
        name, keys = rng.choice(["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]), some_keys(rng)
        tail = [] if name == "ZDIFFSTORE" else weights(rng, len(keys))
        return [name, rng.choice(KEYS), len(keys), *keys, *tail]
    by, bounds, among = rng.choice([("", RANKS, KEYS), ("BYSCORE", SCORE_BOUNDS, KEYS), ("BYLEX", NAME_BOUNDS, NAMES)])
    options = [*([by] if by else []), *rng.choice([[], ["REV"]]), *limit(rng)]
    return ["ZRANGESTORE", rng.choice(KEYS), rng.choice(among), rng.choice(bounds), rng.choice(bounds), *options]


def score(rng: random.Random) -> Argument:
    """Mostly a small whole one, so that many are equal."""
    return rng.choice([*map(str, range(5)), *map(str, range(5)), *SCORES, rng.choice(NO_SCORES)])


def with_scores(rng: random.Random) -> list[Argument]:
    """Scores as well, or not."""
    return rng.choice([[], ["WITHSCORES"]])


def limit(rng: random.Random) -> list[Argument]:
    """Some, or all."""
    return rng.choice([[], [], ["LIMIT", rng.choice(OFFSETS), rng.choice(COUNTS)]])


def weights(rng: random.Random, count: int) -> list[Argument]:
    """What becomes of scores in a union."""
    weighted = ["WEIGHTS", *(rng.choice(["1", "2", "-1", "0", "0.5", "inf"]) for _ in range(count))]
    return [*rng.choice([[], weighted]), *rng.choice([[], ["AGGREGATE", rng.choice(["SUM", "MIN", "max"])]])]


def members_of(connection: Connection, *words: Argument) -> list[bytes]:
    """The members in a reply without scores."""
    reply = connection.call(*words)
    assert isinstance(reply, Array), reply
    return [member.data for member in reply.items if isinstance(member, Bulk)]


@pytest.mark.parametrize("size", [6, 100, 5000])
def test_members_by_chance(with_valkey: Pair, size: int) -> None:
    rkv = with_valkey.rkv
    rkv.call("ZADD", "z", *(word for number in range(size) for word in (str(number % 7), f"m{number}")))
    everything = set(members_of(rkv, "ZRANGE", "z", "0", "-1"))
    for count in (0, 1, size // 7, size // 2, size - 1, size, size + 9):
        chosen = members_of(rkv, "ZRANDMEMBER", "z", count)
        assert len(chosen) == len(set(chosen)) == min(count, size)
        assert everything.issuperset(chosen)
        assert len(members_of(rkv, "ZRANDMEMBER", "z", -count)) == count
    assert isinstance(rkv.call("ZRANDMEMBER", "z"), Bulk)
    assert isinstance(rkv.call("ZRANDMEMBER", "z", -9223372036854775807), Error), "a reply without end"
    scored = rkv.call("ZRANDMEMBER", "z", "3", "WITHSCORES")
    for member, own in pairs(scored):
        assert own == int(member[1:]) % 7


def pairs(reply: Reply) -> list[tuple[bytes, float]]:
    """Members and scores, of either protocol."""
    assert isinstance(reply, Array), reply
    flat = [word for item in reply.items for word in (item.items if isinstance(item, Array) else [item])]
    values = [float(word.value) if isinstance(word, Double) else word.data for word in flat]
    return [(member, float(own)) for member, own in zip(values[::2], values[1::2], strict=True)]  # type: ignore[misc]


def test_no_member_is_favoured(with_valkey: Pair) -> None:
    rkv = with_valkey.rkv
    rkv.call("ZADD", "z", *(word for number in range(64) for word in ("1", str(number))))
    counts = Counter(members_of(rkv, "ZRANDMEMBER", "z", -6400))
    chi_square = sum((counts[b"%d" % number] - 100) ** 2 / 100 for number in range(64))
    # 63 degrees of freedom: beyond 155 is one chance in 10^9.
    assert chi_square < 155

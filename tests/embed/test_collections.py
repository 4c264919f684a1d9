"""The same calls on lists, hashes, sets and sorted sets, on rkv and on redis-py with a real server, give equal results.

They do so as bytes and as text, at once and in a pipeline; and no method of redis-py is forgotten.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.commands import core

import rkv
from support.calls import Call, outcome
from support.collection_calls import NEWER, OLDER, SCENARIOS

if TYPE_CHECKING:
    import random

    from support.servers import Server

# Methods of redis-py's classes that are no methods here, and why.
ABSENT = {
    **dict.fromkeys(
        (
            "himport_set",
            "himport_prepare_internal",
            "himport_discard_internal",
            "himport_discard_all_internal",
        ),
        "HIMPORT keeps state in a connection, which a keyspace does not have",
    ),
}
FAMILIES = (core.ListCommands, core.HashCommands, core.SetCommands, core.SortedSetCommands, core.ScanCommands)
THEIRS = {
    name: method
    for family in FAMILIES
    for name, method in inspect.getmembers(family, inspect.isfunction)
    if not name.startswith("_") and name in vars(family)
} | {name: getattr(core.BasicKeyCommands, name) for name in ("hrandfield", "lmove")}
# Options of cluster clients.
NO_PARAMETER = {"kwargs"}
# Neither redis-server 7.0 nor Valkey has them, so there is nothing to compare with.
NOWHERE = {"sdiffcard", "sunioncard"}
ELSEWHERE = {"scan", "scan_iter"}

REFUSED = (rkv.DataError, ValueError, TypeError, AttributeError)
UNORDERED = {"hkeys", "hvals", "hrandfield", "spop", "srandmember", "zrandmember"}
# What they reply differs from call to call, or with the order of a table.
BY_CHANCE = {"hrandfield", "spop", "srandmember", "zrandmember", "sort", "sort_ro"}
# redis-py leaves the digits of scores as bytes.
DIGITS = {"zdiff", "zrandmember", "zmpop", "bzmpop"}
SCANS = {"hscan", "sscan", "zscan"}
# Time passes between the two calls.
NEAR_MS = {"hpttl": 5000}


def ordered(items: list[Any]) -> list[Any]:
    return sorted(items, key=repr)


def settled(called: Call, said: tuple[str, Any]) -> tuple[str, Any]:
    """An outcome without what chance, the order of a table, or time may change."""
    kind, value = said
    if kind == "WrongTypeError":
        # A class of ours for what redis-py calls by its base.
        return "ResponseError", value
    if (called.name in UNORDERED or called.name.endswith("_iter")) and isinstance(value, list):
        return kind, ordered(value)
    if called.name in SCANS and isinstance(value, tuple) and isinstance(value[1], list):
        return kind, (value[0], ordered(value[1]))
    if called.name in NEAR_MS and isinstance(value, list):
        near = NEAR_MS[called.name]
        return kind, [round(number / near) if number > 0 else number for number in value]
    return said


def decoded(value: Any) -> Any:
    """As text."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return type(value)(map(decoded, value))
    return value


@pytest.fixture
def peer_port(request: pytest.FixtureRequest, scenario: str) -> int:
    server: Server = request.getfixturevalue("redis_server" if scenario in OLDER else "valkey_server")
    return server.port


@pytest.mark.filterwarnings("ignore:Call to deprecated hmset:DeprecationWarning")
@pytest.mark.parametrize("text", [False, True], ids=["bytes", "text"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_equal_results(db: rkv.DB, peer_port: int, scenario: str, text: bool) -> None:
    ours = db.db(0, text=True) if text else db.db(0)
    with redis.Redis(port=peer_port, decode_responses=text) as theirs:
        theirs.flushall()
        for called in SCENARIOS[scenario]:
            kind, value = outcome(theirs, called)
            expected = kind, decoded(value) if text and called.name in DIGITS else value
            assert settled(called, outcome(ours, called)) == settled(called, expected), str(called)


@pytest.mark.filterwarnings("ignore:Call to deprecated hmset:DeprecationWarning")
@pytest.mark.parametrize("text", [False, True], ids=["bytes", "text"])
def test_calls_in_any_order(db: rkv.DB, redis_server: Server, rng: random.Random, text: bool) -> None:
    """The calls of all scenarios mixed, so that each meets values that others left, of all types."""
    pool = [
        called
        for calls in OLDER.values()
        for called in calls
        # ZSCAN writes scores with the fewest digits, as Valkey does and redis-server 7.0 does not.
        if called.name not in BY_CHANCE and not (called.name == "zscan" and called.kwargs.get("score_cast_func"))
    ]
    ours = db.db(0, text=True) if text else db.db(0)
    with redis.Redis(port=redis_server.port, decode_responses=text) as theirs:
        theirs.flushall()
        done = []
        for called in rng.choices(pool, k=2000):
            kind, value = outcome(theirs, called)
            expected = kind, decoded(value) if text and called.name in DIGITS else value
            done.append(str(called))
            assert settled(called, outcome(ours, called)) == settled(called, expected), "\n".join(done[-30:])


@pytest.mark.parametrize("transaction", [False, True], ids=["batch", "transaction"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_pipeline_gives_what_single_calls_give(db: rkv.DB, scenario: str, transaction: bool) -> None:
    single, pipe = db.db(0), db.db(1).pipeline(transaction)
    expected, calls = [], []
    for called in SCENARIOS[scenario]:
        if called.name.endswith("_iter"):
            continue
        said = settled(called, outcome(single, called))
        if said[0] in {error.__name__ for error in REFUSED}:
            # It is refused when it is collected, or when it would be sent.
            with pytest.raises(REFUSED):
                getattr(single.pipeline(), called.name)(*called.args, **called.kwargs).execute()
            continue
        if transaction and "wrong number of arguments" in str(said[1]):
            # It is refused when it is queued, and the whole transaction with it.
            continue
        assert outcome(pipe, called)[0] == "Pipeline"
        calls.append(called)
        expected.append(said)
    replies = pipe.execute(raise_on_error=False)
    for called, reply, said in zip(calls, replies, expected, strict=True):
        value = str(reply) if isinstance(reply, Exception) else reply
        assert settled(called, (type(reply).__name__, value)) == said, str(called)


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_no_method_is_forgotten(name: str) -> None:
    if name in ABSENT:
        assert not hasattr(rkv.Keyspace, name)
        return
    _, *all_theirs = inspect.signature(THEIRS[name]).parameters.values()
    theirs = [p for p in all_theirs if p.name not in NO_PARAMETER]
    for form in (rkv.Keyspace, rkv.Pipeline):
        if form is rkv.Pipeline and name.endswith("_iter"):
            continue
        ours = list(inspect.signature(getattr(form, name)).parameters.values())[1:]
        assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs]
        assert [p.default for p in ours] == [p.default for p in theirs]
    called = {call.name for calls in SCENARIOS.values() for call in calls}
    assert name in called | NOWHERE | ELSEWHERE


def test_what_redis_py_cannot_do(kv: rkv.Keyspace[bytes]) -> None:
    """Options that redis-py 8 takes but does not send, or as an enumeration only."""
    assert kv.hsetex("h", "f", 1, data_persist_option="FNX") == 1
    assert kv.hsetex("h", "f", 2, data_persist_option="FNX") == 0
    assert kv.hscan("h", no_values=False) == (0, {b"f": b"1"})
    assert kv.hmget("h", (name for name in ("f", "g"))) == [b"1", None]
    kv.zadd("z", {"a": 0.1})
    assert kv.zmscore("z", ("a", "b")) == [0.1, None]


def test_text_that_is_none(db: rkv.DB) -> None:
    raw, text = db.db(0), db.db(0, text=True)
    raw.hset("h", b"\xff", b"\xff")
    raw.rpush("l", b"\xff")
    raw.sadd("s", b"\xff")
    raw.zadd("z", {b"\xff": 1})
    for read in (text.hgetall, text.smembers, text.zscan, text.lpop, text.zpopmin):
        with pytest.raises(UnicodeDecodeError):
            read(read.__name__[0])


def test_scans_of_many(kv: rkv.Keyspace[bytes]) -> None:
    """Large values, page by page: each element exactly once."""
    names = [b"%d" % number for number in range(5000)]
    kv.hset("h", mapping=dict.fromkeys(names, b"v"))
    kv.sadd("s", *names)
    kv.zadd("z", dict(zip(names, range(5000), strict=True)))
    assert sorted(kv.hscan_iter("h")) == sorted((name, b"v") for name in names)
    assert sorted(kv.hscan_iter("h", count=7, no_values=True)) == sorted(names)
    assert sorted(kv.sscan_iter("s", count=100)) == sorted(names)
    assert sorted(kv.zscan_iter("z")) == sorted((name, float(name)) for name in names)
    assert sorted(kv.sscan_iter("s", match="*99")) == sorted(name for name in names if name.endswith(b"99"))


def test_scenarios_have_names_of_their_own() -> None:
    assert not set(OLDER) & set(NEWER)

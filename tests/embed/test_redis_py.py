"""The same calls on rkv and on redis-py with a real redis-server give equal results."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
import redis

from support.calls import call, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rkv
    from support.servers import Server

FAR = 4_000_000_000
DAY = datetime(2096, 10, 2, 7, 6, 40, tzinfo=timezone.utc)


C = call
SCENARIOS = {
    "set and get": [
        C("get", "k"),
        C("set", "k", "v"),
        C("get", "k"),
        C("get", b"k"),
        C("set", b"\xff\x00", b"\x00\r\n"),
        C("get", b"\xff\x00"),
        C("set", "é", "ü"),
        C("get", "é"),
        C("set", "", ""),
        C("get", ""),
    ],
    "kinds of words": [
        C("set", 1, 2),
        C("get", 1),
        C("get", "1"),
        C("set", 1.5, 1e300),
        C("get", 1.5),
        C("set", "big", 2**70),
        C("get", "big"),
        C("set", memoryview(b"mv"), bytearray(b"ba")),
        C("get", "mv"),
        C("set", "f", float("inf")),
        C("get", "f"),
        C("set", "neg", -7),
        C("incr", "neg"),
    ],
    "refused words": [
        C("set", "k", None),
        C("set", None, "v"),
        C("set", "k", True),
        C("set", "k", [1]),
        C("get", object()),
        C("execute_command", "SET", "k", {}),
        C("mset", {"a": None}),
        C("delete", ("a",)),
        C("exists", None),
        C("get", "k"),
    ],
    "options of set": [
        C("set", "k", "1", nx=True),
        C("set", "k", "2", nx=True),
        C("set", "k", "3", xx=True),
        C("set", "other", "3", xx=True),
        C("get", "k"),
        C("set", "k", "4", get=True),
        C("set", "new", "5", get=True),
        C("set", "k", "6", nx=True, get=True),
        C("set", "k", "7", ex=100),
        C("ttl", "k"),
        C("set", "k", "8", keepttl=True),
        C("ttl", "k"),
        C("set", "k", "9"),
        C("ttl", "k"),
        C("set", "k", "9", px=100_000),
        C("ttl", "k"),
        C("set", "k", "9", ex=timedelta(seconds=50)),
        C("ttl", "k"),
        C("set", "k", "9", exat=FAR),
        C("expiretime", "k"),
        C("set", "k", "9", exat=DAY),
        C("expiretime", "k"),
        C("set", "k", "9", pxat=FAR * 1000),
        C("expiretime", "k"),
        C("set", "k", "9", ex="60"),
        C("ttl", "k"),
        C("set", "k", "v", ex=1, px=1),
        C("set", "k", "v", nx=True, xx=True),
        C("set", "k", "v", ex=1.5),
        C("set", "k", "v", ex=0),
        C("set", "k", "v", ex=-1),
        C("set", "k", "v", None, None, False, True),
        C("get", "k"),
    ],
    "strings": [
        C("append", "k", "ab"),
        C("append", "k", "cd"),
        C("strlen", "k"),
        C("strlen", "none"),
        C("getrange", "k", 1, 2),
        C("getrange", "k", -2, -1),
        C("substr", "k", 1),
        C("setrange", "k", 2, "XY"),
        C("setrange", "gap", 3, "x"),
        C("get", "gap"),
        C("getset", "k", "new"),
        C("getset", "none", "new"),
        C("getdel", "none"),
        C("getdel", "none"),
        C("getex", "k", ex=10),
        C("ttl", "k"),
        C("getex", "k", persist=True),
        C("ttl", "k"),
        C("getex", "k", ex=1, persist=True),
        C("getex", "missing"),
        C("setnx", "k", "v"),
        C("setnx", "nx", "v"),
        C("setex", "k", 10, "v"),
        C("setex", "k", timedelta(seconds=20), "v"),
        C("ttl", "k"),
        C("psetex", "k", 10_000, "v"),
        C("ttl", "k"),
        C("setex", "k", 0, "v"),
        C("psetex", "k", -1, "v"),
    ],
    "numbers": [
        C("incr", "n"),
        C("incr", "n", 5),
        C("incrby", "n", 10),
        C("incr", "n", amount=-3),
        C("decr", "n"),
        C("decr", "n", 5),
        C("decrby", "n", 2),
        C("get", "n"),
        C("incrbyfloat", "n", 0.5),
        C("incrbyfloat", "n", "3.0e3"),
        C("get", "n"),
        C("incr", "n"),
        C("set", "max", 2**63 - 1),
        C("incr", "max"),
        C("decr", "max", -1),
        C("incrby", "n", "x"),
        C("incrbyfloat", "max", "nan"),
    ],
    "many": [
        C("mset", {"a": 1, "b": b"2", b"c": 3.5}),
        C("mget", "a", "b", "none", "c"),
        C("mget", ["a", "b"]),
        C("mget", ("a",), "b"),
        C("mget", ["a", "none"]),
        C("mget", []),
        C("mget", b"a"),
        C("mset", {}),
        C("msetnx", {"a": 9, "d": 9}),
        C("msetnx", {"d": 9, "e": 9}),
        C("exists", "a", "b", "a", "none"),
        C("exists"),
        C("delete", "a", "b", "none"),
        C("delete"),
        C("unlink", "c", "d"),
        C("touch", "e", "none"),
        C("dbsize"),
    ],
    "lcs": [
        C("mset", {"k1": "ohmytext", "k2": "mynewtext"}),
        C("lcs", "k1", "k2"),
        C("lcs", "k1", "k2", len=True),
        C("lcs", "k1", "k2", idx=True),
        C("lcs", "k1", "k2", idx=True, minmatchlen=4, withmatchlen=True),
        C("lcs", "k1", "k2", len=True, idx=True),
    ],
    "expiry": [
        C("set", "k", "v"),
        C("ttl", "k"),
        C("ttl", "none"),
        C("pttl", "none"),
        C("expire", "none", 10),
        C("expire", "k", 100),
        C("ttl", "k"),
        C("expire", "k", timedelta(seconds=50)),
        C("ttl", "k"),
        C("expire", "k", 60, nx=True),
        C("expire", "k", 60, gt=True),
        C("expire", "k", 60, lt=True),
        C("expire", "k", 55, xx=True, lt=True),
        C("expire", "k", 55, nx=True, xx=True),
        C("expire", "k", 55, gt=True, lt=True),
        C("expire", "k", 1.5),
        C("pexpire", "k", 90_000),
        C("pexpire", "k", timedelta(milliseconds=90_500)),
        C("expireat", "k", FAR),
        C("expireat", "k", DAY),
        C("expiretime", "k"),
        C("pexpiretime", "k"),
        C("pexpireat", "k", FAR * 1000),
        C("pexpireat", "k", DAY),
        C("pexpiretime", "k"),
        C("persist", "k"),
        C("persist", "k"),
        C("expiretime", "k"),
        C("expiretime", "none"),
        C("expire", "k", -1),
        C("get", "k"),
    ],
    "keys": [
        C("set", "k", "v"),
        C("type", "k"),
        C("type", "none"),
        C("rename", "k", "l"),
        C("rename", "none", "l"),
        C("set", "m", "w"),
        C("renamenx", "l", "m"),
        C("renamenx", "l", "k"),
        C("copy", "k", "m"),
        C("copy", "k", "m", replace=True),
        C("copy", "k", "other", destination_db=3),
        C("copy", "k", "k"),
        C("get", "m"),
        C("move", "m", 1),
        C("move", "m", 1),
        C("move", "m", 0),
        C("randomkey"),
        C("keys"),
        C("keys", "z*"),
        C("scan"),
        C("scan", match="z*"),
        C("scan", 0, "k*", 100, "string"),
        C("scan", "x"),
        C("flushdb"),
        C("randomkey"),
        C("scan", count=0),
    ],
    "errors": [
        C("execute_command", "NOPE", "a", "b"),
        C("execute_command", "GET"),
        C("execute_command", "get", "a"),
        C("execute_command", "SET", "a", "b", "c"),
        C("set", "s", "text"),
        C("incr", "s"),
        C("setrange", "s", -1, "x"),
        C("swapdb", 0, 99),
        C("flushall"),
        C("ping"),
        C("echo", "x"),
    ],
}


@pytest.fixture
def peer(redis_server: Server) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port) as client:
        client.flushall()
        yield client


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_equal_results(kv: rkv.Keyspace[bytes], peer: redis.Redis, scenario: str) -> None:
    for called in SCENARIOS[scenario]:
        expected = outcome(peer, called)
        ours = called._replace(name="execute") if called.name == "execute_command" else called
        assert outcome(kv, ours) == expected, str(called)


def test_text(db: rkv.DB, redis_server: Server) -> None:
    kv = db.db(0, text=True)
    with redis.Redis(port=redis_server.port, decode_responses=True) as peer:
        peer.flushall()
        for client in (kv, peer):
            client.set("é", "ü")
            client.mset({"n": 1})
        for called in (C("get", "é"), C("mget", "é", "n"), C("type", "n"), C("getset", "n", 2)):
            assert outcome(kv, called) == outcome(peer, called)
        assert sorted(kv) == sorted(peer.scan_iter())
        for client in (kv, peer):
            client.set("bad", b"\xff")
            with pytest.raises(UnicodeDecodeError):
                client.get("bad")

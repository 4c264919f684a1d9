"""Keyspace events of every family beside real servers: random commands, and the same events in the same order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support import talk
from support.resp import Array, Bulk, Simple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.servers import Server

# {s} {l} {h} {t} {z} are keys of strings, lists, hashes, sets and sorted sets, {k} any of them, {n} a small number, {m}
# a member, {f} a score.
COMMON = """
SET {s} {n} | SET {k} {m} EX 100 | SET {s} {n} NX | SET {s} {n} XX KEEPTTL | SET {s} {n} GET | SETNX {s} {n}
SETEX {s} 100 {m} | PSETEX {s} 100000 {m} | GETSET {s} {n}
GETDEL {s} | GETEX {s} EX 100 | GETEX {s} PERSIST | GETEX {s}
MSET {s} 1 {s} 2 | MSETNX {s} 1 {s} 2 | APPEND {s} {m} | SETRANGE {s} 3 {m} | SETRANGE {s} 0 '' | INCR {s}
DECRBY {s} {n} | INCRBYFLOAT {s} 1.5 | GET {k} | MGET {k} {k} {k} | STRLEN {s} | GETRANGE {s} 0 -1
DEL {k} {k} | UNLINK {k} | EXISTS {k} | TYPE {k}
RENAME {k} {k} | RENAMENX {k} {k} | COPY {k} {k} | COPY {k} {k} REPLACE
EXPIRE {k} 100 | PEXPIRE {k} 100000 NX | EXPIREAT {k} 9999999999 | PERSIST {k}
EXPIRE {k} 50 GT | MOVE {k} 1 | TOUCH {k} | TTL {k} | EXPIRETIME {k} | OBJECT ENCODING {k}
LPUSH {l} {m} {m} | RPUSH {l} {m} | LPUSHX {l} {m} | RPUSHX {l} {m}
LPOP {l} | RPOP {l} 2 | LPOP {l} 0 | LREM {l} 0 {m}
LTRIM {l} 0 1 | LTRIM {l} 5 1 | LSET {l} 0 {m}
LINSERT {l} BEFORE {m} x | RPOPLPUSH {l} {l} | LMOVE {l} {l} LEFT RIGHT
LMPOP 2 {l} {l} LEFT | BLPOP {l} {l} 0.01 | BRPOP {l} 0.01 | BLMOVE {l} {l} LEFT LEFT 0.01 | BLMPOP 0.01 1 {l} RIGHT
LRANGE {l} 0 -1 | LLEN {l} | LINDEX {l} 0 | LPOS {l} {m}
SORT {l} ALPHA STORE {l} | SORT {t} ALPHA STORE {l}
SORT {z} BY nosort STORE {k} | SORT {l} ALPHA LIMIT 5 1 STORE {l}
SADD {t} {m} {m} | SREM {t} {m} {m} | SMOVE {t} {t} {m} | SINTERSTORE {t} {t} {t} | SUNIONSTORE {t} {t} {t}
SDIFFSTORE {t} {t} {t} | SMEMBERS {t} | SISMEMBER {t} {m} | SCARD {t} | SINTER {t} {t} | SINTERCARD 2 {t} {t}
SPOP {t} 9 | SRANDMEMBER {t} 0 | SMISMEMBER {t} {m}
HSET {h} {m} {n} {m} {n} | HSETNX {h} {m} {n} | HINCRBY {h} {n} 1 | HINCRBYFLOAT {h} {n} 0.5 | HDEL {h} {m} {m} {m}
HGET {h} {m} | HGETALL {h} | HLEN {h} | HEXISTS {h} {m}
HMSET {h} {m} 1 | HSTRLEN {h} {m} | HMGET {h} {m} | HKEYS {h}
ZADD {z} {f} {m} {f} {m} | ZADD {z} XX {f} {m}
ZADD {z} NX GT {f} {m} | ZADD {z} GT CH {f} {m} | ZADD {z} INCR {f} {m}
ZINCRBY {z} {f} {m} | ZREM {z} {m} {m}
ZREMRANGEBYSCORE {z} 0 {f} | ZREMRANGEBYRANK {z} 0 0 | ZREMRANGEBYLEX {z} - [b
ZPOPMIN {z} | ZPOPMAX {z} 2 | ZMPOP 2 {z} {z} MIN | BZPOPMIN {z} {z} 0.01 | BZMPOP 0.01 1 {z} MAX
ZRANGESTORE {z} {z} 0 1 | ZUNIONSTORE {z} 2 {z} {t} | ZINTERSTORE {z} 2 {z} {z} | ZDIFFSTORE {z} 2 {z} {z}
ZRANGE {z} 0 -1 | ZSCORE {z} {m} | ZRANK {z} {m} | ZCARD {z} | ZCOUNT {z} 0 9 | ZMSCORE {z} {m} | ZINTER 2 {z} {z}
FLUSHDB | MULTI ~ SET {s} 1 ~ DEL {k} ~ LPUSH {l} a ~ EXEC
"""
# What only Valkey 9.1 has, or says otherwise.
NEWER = """
EXPIRE {k} -1 | EXPIREAT {k} 1 | GETEX {s} PXAT 1 | SET {s} 1 PXAT 1
HEXPIRE {h} 100 FIELDS 1 {m} | HEXPIRE {h} 0 FIELDS 2 {m} {m}
HPEXPIREAT {h} 1 FIELDS 1 {m} | HPERSIST {h} FIELDS 1 {m}
HSETEX {h} EX 100 FIELDS 1 {m} 1 | HGETEX {h} PERSIST FIELDS 1 {m} | HGETEX {h} EX 100 FIELDS 1 {m}
HGETEX {h} PX 0 FIELDS 1 {m} | HSETEX {h} FNX FIELDS 1 {m} 1 | HSETEX {h} FXX KEEPTTL FIELDS 1 {m} 1
SET {s} {n} IFEQ {n} | DELIFEQ {s} {n}
MSETEX 2 {s} 1 {s} 2 EX 100 | MSETEX 1 {s} 1 NX | HGETDEL {h} FIELDS 2 {m} {m}
"""
KEYS = {"s": "strings", "l": "lists", "h": "hashes", "t": "sets", "z": "zsets"}


def templates(text: str) -> list[str]:
    """Each entry of a table."""
    return [entry.strip() for line in text.strip().splitlines() for entry in line.split(" | ")]


def fill(template: str, rng: random.Random) -> str:
    """A step with random words in the places."""
    words = []
    for word in template.split(" "):
        if word == "{k}" or (word[1:-1] in KEYS and word[0] == "{"):
            # Now and then the type is wrong.
            kind = rng.choice("slhtz") if word == "{k}" or rng.random() < 0.05 else word[1]
            words.append(f"{KEYS[kind]}{rng.randrange(3)}")
        elif word == "{n}":
            words.append(str(rng.randrange(5)))
        elif word == "{m}":
            words.append(rng.choice("abc1"))
        elif word == "{f}":
            words.append(str(rng.randrange(-2, 5)))
        else:
            words.append(word)
    return " ".join(words).replace(" ~ ", " | ")


@pytest.fixture
def no_events(rkv_server: Server, valkey_server: Server, redis_server: Server) -> Iterator[None]:
    """Switches events off again."""
    yield
    for server in (rkv_server, valkey_server, redis_server):
        with server.connect() as connection:
            connection.call("CONFIG", "SET", "notify-keyspace-events", "")


def compare(mine: Server, theirs: Server, letters: str, table: str, rng: random.Random, steps: int) -> None:
    """Random steps with both servers; a listener must hear the same of each."""
    talks = [talk.Talk(server, {"A": 2, "B": 2}) for server in (mine, theirs)]
    entries = templates(table)
    try:
        for line in (f"B: CONFIG SET notify-keyspace-events {letters}", "B: FLUSHALL", "A: PSUBSCRIBE __key*__:*"):
            for one in talks:
                one.step(line)
        said = []
        for _ in range(steps):
            line = "B: " + fill(rng.choice(entries), rng)
            said.append(line)
            ours, peers = (one.step(line) for one in talks)
            events = [[reply for _, name, reply in heard if name == "A"] for heard in (ours, peers)]
            assert events[0] == events[1], said[-8:]
    finally:
        for one in talks:
            one.close()


@pytest.mark.usefixtures("no_events")
@pytest.mark.parametrize("letters", ["KEA", "EAn", "Kg$x", "El", "KEhz"])
def test_events_are_those_of_redis(rkv_server: Server, redis_server: Server, rng: random.Random, letters: str) -> None:
    compare(rkv_server, redis_server, letters, COMMON, rng, 400)


@pytest.mark.usefixtures("no_events")
@pytest.mark.parametrize("letters", ["KEA", "KEAn"])
def test_events_are_those_of_valkey(
    rkv_server: Server, valkey_server: Server, rng: random.Random, letters: str
) -> None:
    compare(rkv_server, valkey_server, letters, COMMON + NEWER, rng, 500)


@pytest.mark.usefixtures("no_events")
def test_expired_keys_and_fields_are_told(rkv_server: Server) -> None:
    with rkv_server.connect() as listening, rkv_server.connect() as other:
        other.call("FLUSHALL")
        other.call("CONFIG", "SET", "notify-keyspace-events", "EA")
        listening.call("PSUBSCRIBE", "__keyevent@0__:*exp*", "__keyevent@0__:del")
        listening.read()
        other.call("SET", "short", 1, "PX", 30)
        other.call("HSET", "hash", "a", 1, "b", 2)
        other.call("HPEXPIRE", "hash", 30, "FIELDS", 1, "a")
        heard = []
        while len(heard) < 4:
            message = listening.read()
            assert isinstance(message, Array)
            event, key = message.items[-2:]
            assert isinstance(event, Bulk)
            assert isinstance(key, Bulk)
            heard.append((event.data.rpartition(b":")[2].decode(), key.data.decode()))
        assert sorted(heard) == [("expire", "short"), ("expired", "short"), ("hexpire", "hash"), ("hexpired", "hash")]
        assert other.call("CONFIG", "SET", "notify-keyspace-events", "") == Simple(b"OK")
        other.call("SET", "short", 1, "PX", 1)
        time.sleep(0.05)
        other.call("PUBLISH", "__keyevent@0__:expected", "the end")
        end = listening.read()
        assert isinstance(end, Array)
        assert end.items[-1] == Bulk(b"the end")

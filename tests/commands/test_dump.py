"""DUMP and RESTORE: values go to redis-server 7.0 and Valkey 9.1 and come back, and what is no value is refused."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Null, NullBulk, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection, Reply
    from support.servers import Server

VALUES: list[tuple[str | int | bytes, ...]] = [
    ("SET", "k", ""), ("SET", "k", "text"), ("SET", "k", -129), ("SET", "k", 2**63 - 1), ("SET", "k", "01"),
    ("SET", "k", "ab" * 500), ("SET", "k", random.Random(1).randbytes(3000)),
    ("RPUSH", "k", "a", "", 1, -70_000, "x" * 70), ("RPUSH", "k", *("y" * 40 for _ in range(700))),
    ("RPUSH", "k", "a", "b" * 20_000, "c"), ("SADD", "k", 1, 2, 300_000), ("SADD", "k", "a", 1, "b"),
    ("SADD", "k", *range(1000)), ("SADD", "k", *(f"m{index}" for index in range(200))),
    ("ZADD", "k", 1, "a", "-inf", "b", "1e300", "c", 0.1, "d"), ("HSET", "k", "f", "v", "g", 7),
    ("ZADD", "k", *(item for index in range(200) for item in (index / 3, f"m{index}"))),
    ("HSET", "k", *(f"{index}" for index in range(1200))), ("HSET", "k", "f", "v" * 65),
]  # fmt: skip


@pytest.fixture(params=["redis", "valkey"])
def peer(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """Each of the two real servers, empty."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    with server.connect() as connection:
        connection.call("FLUSHALL")
        yield connection


@pytest.fixture
def rkv(rkv_server: Server) -> Iterator[Connection]:
    """A connection to an empty rkv."""
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        yield connection


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty, in each protocol."""
    with rkv_server.connect(request.param) as mine, valkey_server.connect(request.param) as valkey:
        both = Pair(mine, valkey)
        both.same("FLUSHALL")
        yield both


def payload_of(connection: Connection, key: str) -> bytes:
    """What DUMP gives."""
    reply = connection.call("DUMP", key)
    assert isinstance(reply, Bulk), reply
    return reply.data


def digest_of(connection: Connection, key: str) -> Reply:
    """The digest of a value, as text."""
    reply = connection.call("DEBUG", "DIGEST-VALUE", key)
    assert isinstance(reply, Array)
    first = reply.items[0]
    assert isinstance(first, Simple | Bulk)
    return Simple(first.text if isinstance(first, Simple) else first.data)


@pytest.mark.parametrize("words", VALUES, ids=lambda words: f"{words[0]}-{len(words)}")
def test_values_go_to_real_servers_and_come_back(
    rkv: Connection, peer: Connection, words: tuple[str | int | bytes, ...]
) -> None:
    assert not isinstance(rkv.call(*words), Error)
    assert peer.call("RESTORE", "theirs", 0, payload_of(rkv, "k")) == Simple(b"OK")
    assert rkv.call("RESTORE", "mine", 0, payload_of(peer, "theirs")) == Simple(b"OK")
    assert digest_of(rkv, "mine") == digest_of(rkv, "k")
    # Compared on the real server, too, which has another text of scores in its digests if it is Valkey.
    assert not isinstance(peer.call(*words), Error)
    assert digest_of(peer, "theirs") == digest_of(peer, "k")
    assert rkv.call("OBJECT", "ENCODING", "mine") == rkv.call("OBJECT", "ENCODING", "k")


def test_deadlines_of_fields_go_along(rkv: Connection, valkey_server: Server) -> None:
    far = 4_000_000_000_000
    with valkey_server.connect() as valkey:
        valkey.call("FLUSHALL")
        rkv.call("HSET", "k", "a", 1, "b", 2, "c", 3)
        rkv.call("HPEXPIREAT", "k", far, "FIELDS", 2, "a", "c")
        assert valkey.call("RESTORE", "k", 0, payload_of(rkv, "k")) == Simple(b"OK")
        asked = ("HPEXPIRETIME", "k", "FIELDS", 3, "a", "b", "c")
        assert valkey.call(*asked) == rkv.call(*asked) == Array((Integer(far), Integer(-1), Integer(far)))
        assert rkv.call("RESTORE", "k", 0, payload_of(valkey, "k"), "REPLACE") == Simple(b"OK")
        assert rkv.call(*asked) == valkey.call(*asked)


def test_what_is_no_payload_is_refused(pair: Pair) -> None:
    pair.same("SET", "k", "value")
    whole = payload_of(pair.peer, "k")
    for payload in (b"", b"x", whole[:-1], whole[1:], b"\xff" * 30, whole[:-9] + b"\xff" + whole[-8:]):
        pair.same("RESTORE", "new", 0, payload)
    pair.same("EXISTS", "new")
    mine = payload_of(pair.rkv, "k")
    for bit in range(len(mine) * 8):
        damaged = bytearray(mine)
        damaged[bit // 8] ^= 1 << bit % 8
        assert isinstance(pair.rkv.call("RESTORE", "new", 0, bytes(damaged)), Error), bit


def test_options(pair: Pair) -> None:
    pair.same("SET", "k", "value")
    payload = payload_of(pair.peer, "k")
    pair.same("RESTORE", "new", 0, payload)
    pair.same("RESTORE", "new", 0, payload)
    pair.same("RESTORE", "new", 0, payload, "replace")
    pair.same("PTTL", "new")
    pair.same("RESTORE", "new", 100_000, payload, "REPLACE")
    pair.near(20_000, "PTTL", "new")
    pair.same("RESTORE", "new", 4_000_000_000_000, payload, "REPLACE", "ABSTTL")
    pair.same("PEXPIRETIME", "new")
    pair.same("RESTORE", "gone", 1, payload, "ABSTTL")
    pair.same("EXISTS", "gone")
    pair.same("RESTORE", "new", 1, payload, "ABSTTL", "REPLACE")
    pair.same("EXISTS", "new")
    pair.same("RESTORE", "idle", 0, payload, "IDLETIME", 1000)
    pair.near(20, "OBJECT", "IDLETIME", "idle")
    for words in (
        ("-1",), ("x",), ("0", "IDLETIME"), ("0", "IDLETIME", "-1"), ("0", "IDLETIME", "x"), ("0", "FREQ", "256"),
        ("0", "FREQ", "-1"), ("0", "FREQ", "x"), ("0", "IDLETIME", "1", "FREQ", "1"), ("0", "foo"),
        ("0", "FREQ", "255"), ("0", "REPLACE", "REPLACE", "ABSTTL"),
    ):  # fmt: skip
        pair.same("RESTORE", "other", words[0], payload, *words[1:])
        pair.same("DEL", "other")
    pair.same("RESTORE", "k", "x", payload)
    pair.same("RESTORE", "k", "0", b"")


def test_keys_that_are_not_there(pair: Pair) -> None:
    assert pair.same("DUMP", "none") in {Null(), NullBulk()}
    pair.same("DUMP")
    pair.same("RESTORE", "k", 0)


def test_an_expired_key_is_no_obstacle(rkv: Connection) -> None:
    rkv.call("SET", "k", "value")
    payload = payload_of(rkv, "k")
    rkv.call("PEXPIRE", "k", 20)
    time.sleep(0.03)
    assert rkv.call("RESTORE", "k", 0, payload) == Simple(b"OK")

"""When keys expire, beside redis-server 7.0."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Integer

if TYPE_CHECKING:
    from support.servers import Server
    from support.side_by_side import Pair

SETTERS = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]
TELLERS = ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]
MAX, MIN = 2**63 - 1, -(2**63)
EXTREMES = [
    MAX, MAX - 1, MIN, MIN + 1, MAX // 1000, MAX // 1000 + 1, -(MAX // 1000), -(MAX // 1000) - 1, 0, -1, 1,
    2**47 - 1, 2**47, 2**47 + 1, 2**53, MAX + 1, MIN - 1,
]  # fmt: skip
NOT_NUMBERS = ["", "x", "1.5", " 1", "+1", "01", "1e3", "-0", "1\0"]
# The two servers take a call at slightly different moments.
TOLERANCE_MS = 20_000


@pytest.mark.parametrize("command", SETTERS)
def test_extremes(with_redis: Pair, command: str) -> None:
    for number in EXTREMES:
        if number == 1 and not command.endswith("AT"):
            # It would expire at an unknown moment of this test.
            continue
        with_redis.same("SET", "k", "v")
        with_redis.same(command, "k", number)
        with_redis.same(command, "none", number)
        for teller in TELLERS:
            with_redis.near(TOLERANCE_MS, teller, "k")
        if command.endswith("AT"):
            with_redis.same("EXPIRETIME", "k")
            with_redis.same("PEXPIRETIME", "k")
        with_redis.same("EXISTS", "k")


@pytest.mark.parametrize("command", SETTERS)
def test_refusals(with_redis: Pair, command: str) -> None:
    with_redis.same("SET", "k", "v")
    with_redis.same(command)
    with_redis.same(command, "k")
    for word in NOT_NUMBERS:
        with_redis.same(command, "k", word)
        with_redis.same(command, "none", word)
        with_redis.same(command, "k", word, "NX", "bad")
    for options in (["bad"], ["NX", "bad"], ["b\r\nd"], ["b\0d"], [""], ["NX", "XX", "bad"], ["x" * 300]):
        with_redis.same(command, "k", 4_000_000_000, *options)
    assert with_redis.same("TTL", "k") == Integer(-1)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_conditions(with_redis: Pair, length: int) -> None:
    early, later = 9_000_000_000_000, 9_100_000_000_000
    for words in itertools.product(["NX", "xx", "Gt", "LT"], repeat=length):
        for before in (None, early, later):
            for after in (1, early, later):
                with_redis.same("SET", "k", "v")
                if before is not None:
                    with_redis.same("PEXPIREAT", "k", before)
                with_redis.same("PEXPIREAT", "k", after, *words)
                with_redis.same("PEXPIRETIME", "k")
        with_redis.same("PEXPIREAT", "none", early, *words)


def test_persist(with_redis: Pair) -> None:
    with_redis.same("SET", "k", "v")
    with_redis.same("PERSIST", "k")
    with_redis.same("EXPIRE", "k", 1000)
    with_redis.same("PERSIST", "k")
    with_redis.same("TTL", "k")
    with_redis.same("PERSIST", "k")
    with_redis.same("PERSIST", "none")
    with_redis.same("PERSIST")
    with_redis.same("PERSIST", "k", "x")


def test_tellers(with_redis: Pair) -> None:
    with_redis.same("SET", "k", "v")
    for teller in TELLERS:
        assert with_redis.same(teller, "k") == Integer(-1)
        assert with_redis.same(teller, "none") == Integer(-2)
        with_redis.same(teller)
        with_redis.same(teller, "k", "x")
    for at_ms in (9_000_000_000_499, 9_000_000_000_500, 9_000_000_000_999, 9_000_000_001_000):
        with_redis.same("PEXPIREAT", "k", at_ms)
        with_redis.same("EXPIRETIME", "k")
        with_redis.same("PEXPIRETIME", "k")


def test_writing_over_a_key_forgets_its_deadline(with_redis: Pair) -> None:
    with_redis.same("SET", "k", "v")
    with_redis.same("EXPIRE", "k", 1000)
    with_redis.same("SET", "k", "w")
    assert with_redis.same("TTL", "k") == Integer(-1)


def test_an_expired_key_is_gone_for_every_command(with_redis: Pair) -> None:
    commands = [
        ["EXISTS", "k"], ["TYPE", "k"], ["TTL", "k"], ["GET", "k"], ["TOUCH", "k"], ["PERSIST", "k"],
        ["EXPIRE", "k", 10], ["DEL", "k"], ["RENAME", "k", "l"], ["COPY", "k", "l"], ["MOVE", "k", 1],
        ["OBJECT", "ENCODING", "k"], ["KEYS", "*"], ["RANDOMKEY"], ["SCAN", "0", "COUNT", "1000"],
        ["RENAMENX", "stays", "k"], ["COPY", "stays", "k"],
    ]  # fmt: skip
    with_redis.same("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        for words in commands:
            with_redis.same("FLUSHALL")
            with_redis.same("SET", "k", "v")
            with_redis.same("PEXPIRE", "k", 15)
            with_redis.same("DBSIZE")
            time.sleep(0.03)
            assert with_redis.same("DBSIZE") == Integer(1), "it is still stored"
            if "stays" in words:
                with_redis.same("SET", "stays", "v")
            with_redis.same(*words)
    finally:
        with_redis.same("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_keys_go_when_their_time_comes(rkv_server: Server) -> None:
    keys, ttl_ms = 5000, 300
    with rkv_server.connect() as rkv:
        rkv.call("FLUSHALL")
        for start in range(0, keys, 1000):
            rkv.pipeline([("SET", f"k{number}", "v") for number in range(start, start + 1000)])
        rkv.call("SET", "stays", "v")
        for start in range(0, keys, 1000):
            rkv.pipeline([("PEXPIRE", f"k{number}", ttl_ms) for number in range(start, start + 1000)])
        deadline = time.monotonic() + 10
        while rkv.call("DBSIZE") != Integer(1):
            assert time.monotonic() < deadline, "nobody reads them, and they are still stored"
            time.sleep(0.01)
        assert rkv.call("EXISTS", "stays") == Integer(1)

"""DEBUG: the digest of redis-server 7.0, a value of every type of RESP, and what keeps strangers away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Array, Bulk, Error, Integer, Null, NullBulk, Simple

if TYPE_CHECKING:
    import random

    from support.servers import Server
    from support.side_by_side import Pair

KINDS = "string integer double bignum null array set map verbatim true false STRING"
REFUSED = """
DEBUG | DEBUG HELP x | DEBUG nosuch | DEBUG nosuch x | DEBUG SLEEP | DEBUG SLEEP 0 x | DEBUG DIGEST x | DEBUG OBJECT
DEBUG OBJECT a b c | DEBUG OBJECT nokey | DEBUG SET-ACTIVE-EXPIRE | DEBUG PROTOCOL | DEBUG PROTOCOL nosuch | DEBUG ERROR
DEBUG QUICKLIST-PACKED-THRESHOLD | DEBUG QUICKLIST-PACKED-THRESHOLD 1b | DEBUG QUICKLIST-PACKED-THRESHOLD 4293918720
DEBUG QUICKLIST-PACKED-THRESHOLD 4293918721 | DEBUG QUICKLIST-PACKED-THRESHOLD -1 | DEBUG QUICKLIST-PACKED-THRESHOLD 4gb
DEBUG QUICKLIST-PACKED-THRESHOLD x | DEBUG QUICKLIST-PACKED-THRESHOLD 0
DEBUG REPLYBUFFER PEAK-RESET-TIME x | DEBUG REPLYBUFFER PEAK-RESET-TIME 100 | DEBUG REPLYBUFFER peak-reset-time NEVER
DEBUG REPLYBUFFER PEAK-RESET-TIME reset | DEBUG REPLYBUFFER RESIZING 1 | DEBUG REPLYBUFFER nosuch 1 | DEBUG REPLYBUFFER
DEBUG LOG | DEBUG LOG x | DEBUG SLEEP abc | DEBUG SET-DISABLE-DENY-SCRIPTS 1 | DEBUG SET-ACTIVE-EXPIRE 1
"""


def test_same_replies(with_redis: Pair) -> None:
    for line in REFUSED.strip().splitlines():
        for call in line.split(" | "):
            with_redis.same(*call.split())
    for text in ("plain", "CODE and text", "ERR", "x" * 200):
        with_redis.same("DEBUG", "ERROR", text)


def test_every_type(with_redis: Pair) -> None:
    for kind in KINDS.split():
        with_redis.same("DEBUG", "PROTOCOL", kind)


def value(rng: random.Random) -> str | bytes:
    return rng.choice(
        [
            lambda: str(rng.randrange(-(2**63), 2**63)),
            lambda: str(rng.randrange(-200, 200)),
            lambda: rng.randbytes(rng.randrange(30)),
            lambda: rng.randbytes(rng.randrange(5000)),
            lambda: "0" * rng.randrange(1, 30),
            lambda: "x" * rng.randrange(40, 70),
        ]
    )()


def test_digest(with_redis: Pair, rng: random.Random) -> None:
    with_redis.same("DEBUG", "DIGEST")
    for _ in range(300):
        with_redis.same("SELECT", rng.choice("00035"))
        key = rng.randbytes(rng.randrange(12) if rng.random() < 0.9 else rng.randrange(100, 4000))
        deadline = ["EX", rng.randrange(1000, 10**6)] if rng.random() < 0.3 else []
        with_redis.same("SET", key, value(rng), *deadline)
        with_redis.same("DEBUG", "DIGEST-VALUE", key, "nokey", key)
        if rng.random() < 0.2:
            with_redis.same("PERSIST", key)
            with_redis.same("DEBUG", "DIGEST")
    digest = with_redis.same("DEBUG", "DIGEST")
    with_redis.rkv.call("APPEND", key, "more")
    assert with_redis.rkv.call("DEBUG", "DIGEST") != digest
    with_redis.same("FLUSHALL")
    assert with_redis.same("DEBUG", "DIGEST") == Simple(b"0" * 40)
    with_redis.same("SELECT", "0")


def test_object(with_redis: Pair) -> None:
    for text in ("12", "200", "70000", "12345678901", "abc", "", "x y z" * 3, "9" * 20):
        with_redis.same("SET", "k", text)
        mine, theirs = (reply.text.split() for reply in with_redis.both("DEBUG", "OBJECT", "k"))
        names = [word.split(b":")[0] for word in theirs]
        assert [word.split(b":")[0] for word in mine] == names, text
        # Address and time differ from run to run, and small integers are shared there.
        same = [names.index(name) for name in (b"encoding", b"serializedlength")]
        assert [mine[at] for at in same] == [theirs[at] for at in same], text
    assert b"serializedlength" not in with_redis.rkv.call("DEBUG", "OBJECT", "k", "fast").text


def test_checksums_can_be_ignored(with_redis: Pair) -> None:
    with_redis.same("SET", "k", "some text")
    payload = with_redis.rkv.call("DUMP", "k").data
    damaged = payload[:-1] + bytes([payload[-1] ^ 1])
    assert isinstance(with_redis.same("RESTORE", "r", "0", damaged), Error)
    try:
        with_redis.same("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1")
        assert with_redis.same("RESTORE", "r", "0", damaged) == Simple(b"OK")
        with_redis.same("GET", "r")
        # What is no value is refused all the same.
        with_redis.same("RESTORE", "t", "0", b"\xff" + damaged[1:])
        with_redis.same("RESTORE", "t", "0", damaged[-9:])
    finally:
        with_redis.same("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0")
    assert isinstance(with_redis.same("RESTORE", "s", "0", damaged), Error)


def test_sleep(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        begin = time.monotonic()
        assert connection.call("DEBUG", "SLEEP", "0.2") == Simple(b"OK")
        assert time.monotonic() - begin >= 0.2


def test_expiry_can_be_stopped(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        try:
            connection.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            # A change of the configuration does not start it again.
            connection.call("CONFIG", "SET", "hz", "10")
            connection.call("SET", "k", "v", "PX", "5")
            cpu_before = cpu_s(rkv_server.pid)
            time.sleep(0.5)
            assert connection.call("DBSIZE") == Integer(1)
            assert connection.call("GET", "k") in (NullBulk(), Null())
            assert cpu_s(rkv_server.pid) - cpu_before < 0.3, "the housekeeper spins"
        finally:
            connection.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        deadline = time.monotonic() + 10
        while connection.call("DBSIZE") != Integer(0) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert connection.call("DBSIZE") == Integer(0)


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("io_threads", [1, 0], ids=["reactor", "trio"])
def test_a_bug_stops_the_server(io_threads: int) -> None:
    with servers.start_rkv(io_threads=io_threads) as server, server.connect() as connection:
        connection.send(b"DEBUG PANIC\r\n")
        assert connection.read_to_end() == b""
        assert server.process.wait(20) != 0


def test_not_for_everybody() -> None:
    with servers.start_rkv(debug=False) as server, server.connect() as connection:
        reply = connection.call("DEBUG", "DIGEST")
        assert isinstance(reply, Error)
        assert reply.text.startswith(b"ERR DEBUG command not allowed. If the enable-debug-command option is set to")
        assert connection.call("ECHO", "still here") == Bulk(b"still here")
        assert isinstance(connection.call("COMMAND", "INFO", "debug"), Array)

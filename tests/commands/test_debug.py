"""DEBUG: the digest of redis-server 7.0, a value of every type of RESP, and what keeps strangers away."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Array, Bulk, Error, Integer, Null, NullBulk, Simple

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from support.resp import Connection
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
DEBUG POPULATE | DEBUG POPULATE a | DEBUG POPULATE -1 | DEBUG POPULATE 1 p -1 | DEBUG POPULATE 1 p x
DEBUG POPULATE 1 2 3 4
DEBUG AOF-FLUSH-SLEEP | DEBUG AOF-FLUSH-SLEEP 1 2 | DEBUG AOF-FLUSH-SLEEP x | DEBUG AOF-FLUSH-SLEEP 0
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


@pytest.mark.parametrize("words", ["30", "20 own", "25 own 3", "40 key 12", "5 key 0", "0 none", "3 a:b 100000"])
def test_populate(words: str, with_redis: Pair) -> None:
    with_redis.same("SELECT", "7")
    with_redis.same("SET", "key:3", "stays")
    with_redis.same("SET", "own:2", "gone", "PX", "1")
    time.sleep(0.01)
    changes_before = changes(with_redis.rkv)
    with_redis.same("DEBUG", "POPULATE", *words.split())
    assert changes(with_redis.rkv) == changes_before
    # Whose time is over may be gone already, or not.
    with_redis.same("GET", "own:2")
    with_redis.same("DBSIZE")
    with_redis.same("MGET", "key:3", "key:0", "own:0", "own:2", "own:19", "key:4", "a:b:2")
    with_redis.same("DEBUG", "DIGEST")
    with_redis.same("FLUSHDB")
    with_redis.same("SELECT", "0")


def changes(connection: Connection) -> bytes:
    info = connection.call("INFO", "persistence").data
    return next(line for line in info.splitlines() if line.startswith(b"rdb_changes_since_last_save:"))


def test_populate_is_seen_by_who_watches(with_redis: Pair) -> None:
    for key in ("w:1", "w:9"):
        with_redis.same("WATCH", key)
        with_redis.same("DEBUG", "POPULATE", "5", "w")
        with_redis.same("MULTI")
        with_redis.same("PING")
        with_redis.same("EXEC")
        with_redis.same("FLUSHALL")


def started_with(file: Path) -> Server:
    command = [sys.executable, "-m", "rkv", "serve", str(file), "--port", "{port}", *servers.QUIET]
    return servers.Server("rkv", [*command, "--enable-debug-command", "yes", "--dir", str(file.parent)])


def test_all_options_are_written(tmp_path: Path) -> None:
    file = tmp_path / "rkv.conf"
    file.write_text("# mine\ntimeout 7\n")
    with started_with(file) as server, server.connect() as connection:
        connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert connection.call("CONFIG", "REWRITE") == Simple(b"OK")
        few = file.read_text().splitlines()
        assert connection.call("DEBUG", "CONFIG-REWRITE-FORCE-ALL") == Simple(b"OK")
        lines = file.read_text().splitlines()
        before = connection.call("CONFIG", "GET", "*")
    assert set(few) < set(lines)
    assert lines[:2] == ["# mine", "timeout 7"]
    given = {line.split()[0] for line in lines if not line.startswith("#")}
    assert {"hz", "list-max-listpack-size", "appendfsync", "repl-timeout"} <= given
    with started_with(file) as server, server.connect() as connection:
        assert connection.call("CONFIG", "GET", "maxmemory-policy").items[1] == Bulk(b"allkeys-lru")
        after = connection.call("CONFIG", "GET", "*")
        assert len(after.items) == len(before.items)
    with servers.start_rkv() as server, server.connect() as connection:
        assert isinstance(connection.call("DEBUG", "CONFIG-REWRITE-FORCE-ALL"), Error)


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

"""SAVE, BGSAVE, LASTSAVE, DEBUG RELOAD and INFO persistence beside Valkey 9.1."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Error, Integer, Simple
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

SAME = """
SAVE | SAVE x | BGSAVE foo | BGSAVE SCHEDULE x | BGSAVE CANCEL | LASTSAVE x | DEBUG RELOAD foo | DEBUG RELOAD
DEBUG RELOAD NOSAVE | DEBUG RELOAD nosave noflush merge | DEBUG DIGEST | DBSIZE | GET k | LRANGE l 0 -1 | PTTL k
CONFIG GET save | CONFIG GET dbfilename | CONFIG GET rdbcompression | CONFIG GET rdbchecksum
CONFIG GET stop-writes-on-bgsave-error | CONFIG SET dbfilename other.rdb | BGSAVE CANCEL
"""


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Server, Server]]:
    """rkv and Valkey in folders of their own."""
    with servers.start_rkv() as rkv, servers.start_valkey() as valkey:
        yield rkv, valkey


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(request: pytest.FixtureRequest, two: tuple[Server, Server]) -> Iterator[Pair]:
    """Both, empty, in each protocol."""
    with two[0].connect(request.param) as rkv, two[1].connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        wait_for_save(rkv)
        wait_for_save(valkey)
        yield pair


def persistence(connection: Connection) -> dict[str, str]:
    """INFO persistence."""
    lines = connection.call("INFO", "persistence").data.decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def wait_for_save(connection: Connection) -> None:
    deadline = time.monotonic() + 20
    while persistence(connection)["rdb_bgsave_in_progress"] == "1":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_same_replies(pair: Pair) -> None:
    pair.same("SET", "k", "v")
    pair.same("RPUSH", "l", "1", "2", "x" * 100)
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            pair.same(*call.split())


def test_bgsave(pair: Pair) -> None:
    pair.same("SET", "k", "v")
    pair.same("BGSAVE")
    wait_for_save(pair.rkv)
    wait_for_save(pair.peer)
    saved = pair.rkv.call("LASTSAVE")
    assert isinstance(saved, Integer)
    assert abs(saved.value - time.time()) < 5
    wait_for_save(pair.rkv)
    for call in ("MULTI", "BGSAVE", "EXEC"):
        reply = pair.rkv.call(call)
    # Without a key in the transaction nothing is held, and it need not be put off.
    assert reply.items == (Simple(b"Background saving started"),)
    for call in ("MULTI", "SET k v", "BGSAVE", "EXEC"):
        reply = pair.rkv.call(*call.split())
    assert reply.items[1] in (
        Simple(b"Background saving scheduled"),
        Error(b"ERR Background save already in progress"),
    )
    pair.rkv.call("MULTI")
    assert isinstance(pair.rkv.call("SAVE"), Error)
    pair.rkv.call("DISCARD")
    wait_for_save(pair.rkv)
    wait_for_save(pair.peer)


def test_bgsave_under_way(pair: Pair) -> None:
    for key in range(200):
        pair.same("SET", str(key), "v")
    pair.same("CONFIG", "SET", "rdb-key-save-delay", "50000")
    pair.same("BGSAVE")
    for call in ("BGSAVE", "BGSAVE SCHEDULE", "SAVE", "BGSAVE CANCEL"):
        pair.same(*call.split())
    pair.same("CONFIG", "SET", "rdb-key-save-delay", "0")
    wait_for_save(pair.rkv)
    wait_for_save(pair.peer)
    assert persistence(pair.rkv)["rdb_last_bgsave_status"] == "ok"


def test_info_has_what_valkey_has(pair: Pair) -> None:
    mine, theirs = persistence(pair.rkv), persistence(pair.peer)
    missing = {name for name in theirs if name not in mine and not name.startswith(("module_", "slot_", "aof_"))}
    assert missing == set()
    pair.rkv.call("SET", "k", "v")
    assert int(persistence(pair.rkv)["rdb_changes_since_last_save"]) > 0
    assert pair.rkv.call("SAVE") == Simple(b"OK")
    after = persistence(pair.rkv)
    assert after["rdb_changes_since_last_save"] == "0"
    assert int(after["rdb_saves"]) == int(mine["rdb_saves"]) + 1


def test_a_snapshot_that_cannot_be_written() -> None:
    with servers.start_rkv("--save", "3600 1000000") as server, server.connect() as connection:
        # Not even root replaces a directory by a file.
        os.makedirs(server.folder / "dump.rdb" / "x")
        assert connection.call("SAVE") == Error(b"ERR")
        assert connection.call("PING") == Simple(b"PONG"), "SAVE alone stops no writes"
        connection.call("BGSAVE")
        wait_for_save(connection)
        assert persistence(connection)["rdb_last_bgsave_status"] == "err"
        for call in ("SET k v", "PING", "FLUSHALL"):
            reply = connection.call(*call.split())
            assert isinstance(reply, Error), call
            assert reply.text.startswith(
                b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable"
            )
        assert connection.call("DBSIZE") == Integer(0)
        assert connection.call("SHUTDOWN", "SAVE") == Error(b"ERR Errors trying to SHUTDOWN. Check logs.")
        (server.folder / "dump.rdb" / "x").rmdir()
        (server.folder / "dump.rdb").rmdir()
        connection.call("BGSAVE")
        wait_for_save(connection)
        assert connection.call("SET", "k", "v") == Simple(b"OK")
        assert sorted(path.name for path in server.folder.iterdir()) == ["dump.rdb", "log"]

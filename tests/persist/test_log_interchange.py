"""The log goes from rkv to Redis and Valkey and back: equal digests and deadlines, and redis-check-aof accepts it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Reply
from support.servers import Server, start_redis, start_rkv, start_valkey

if TYPE_CHECKING:
    from pathlib import Path

STARTS = {"rkv": start_rkv, "redis": start_redis, "valkey": start_valkey}
STAGES = ("one", "two", "three", "four")
LOG = ("--appendonly", "yes", "--appendfsync", "everysec")


def write(server: Server, stage: str) -> None:
    """Keys of every type and encoding, deadlines, several databases, transactions, deletions."""
    commands: list[tuple[str, ...]] = [
        ("SELECT", "0"),
        ("SET", f"text:{stage}", "x" * 5000),
        ("SET", f"number:{stage}", "12"),
    ]
    commands += [("INCRBYFLOAT", f"float:{stage}", "1.25"), ("SET", f"dead:{stage}", "1", "PX", "1")]
    commands += [("SET", f"living:{stage}", "1", "PXAT", "4102444800000")]
    for size in (5, 700):
        name = f"{stage}:{size}"
        numbers = [str(number) for number in range(size)]
        commands.append(("RPUSH", f"list:{name}", *[f"element {number}" for number in numbers]))
        commands.append(("SADD", f"intset:{name}", *numbers))
        commands.append(("SADD", f"set:{name}", *[f"member {number}" for number in numbers]))
        commands.append(("HSET", f"hash:{name}", *[word for number in numbers for word in (f"field {number}", number)]))
        scored = [word for number in numbers for word in (f"{int(number) / 8}", f"member {number}")]
        commands.append(("ZADD", f"zset:{name}", *scored))
        commands += [("SPOP", f"set:{name}", "2"), ("LPOP", f"list:{name}"), ("ZPOPMIN", f"zset:{name}")]
    commands += [
        ("SELECT", "3"),
        ("MULTI",),
        ("SET", f"a:{stage}", "1"),
        ("RENAME", f"a:{stage}", f"b:{stage}"),
        ("EXEC",),
    ]
    with server.connect() as connection:
        for command in commands:
            reply = connection.call(*command)
            assert not isinstance(reply, Error), (command[:2], reply)


def contents(server: Server) -> tuple[Reply, dict[bytes, Reply]]:
    """The digest, and when each key expires."""
    with server.connect() as connection:
        for stage in STAGES:
            # Whoever reads a key whose time is over deletes it; until then it is in the digest.
            connection.call("GET", f"dead:{stage}")
        names = connection.call("KEYS", "*")
        assert isinstance(names, Array)
        keys = sorted(name.data for name in names.items if isinstance(name, Bulk))
        deadlines = {key: connection.call("PEXPIRETIME", key) for key in keys}
        return connection.call("DEBUG", "DIGEST"), deadlines


def check_aof(folder: Path) -> None:
    tool = shutil.which("redis-check-aof")
    if tool is not None:
        manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
        done = subprocess.run([tool, str(manifest)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("peer", ["redis", "valkey"])
def test_a_log_goes_there_and_back(peer: str, preamble: str, tmp_path: Path) -> None:
    words = ("--dir", str(tmp_path), *LOG, "--aof-use-rdb-preamble", preamble)
    with start_rkv(*words) as server:
        write(server, "one")
        with server.connect() as connection:
            connection.call("BGREWRITEAOF")
        write(server, "two")
        expected = contents(server)
        assert server.terminate() == 0
    check_aof(tmp_path)
    with STARTS[peer](*words) as server:
        assert contents(server) == expected
        write(server, "three")
        expected = contents(server)
        server.terminate()
    with start_rkv(*words) as server:
        assert contents(server) == expected
        write(server, "four")
        expected = contents(server)
        server.kill()
    check_aof(tmp_path)
    with STARTS[peer](*words) as server:
        assert contents(server) == expected


@pytest.mark.parametrize("peer", ["redis", "valkey"])
def test_a_log_that_another_server_began_is_read(peer: str, tmp_path: Path) -> None:
    words = ("--dir", str(tmp_path), *LOG)
    with STARTS[peer](*words) as server:
        write(server, "one")
        expected = contents(server)
        server.terminate()
    with start_rkv(*words) as server:
        assert contents(server) == expected


def test_a_log_of_redis_6_becomes_the_base(tmp_path: Path) -> None:
    commands = [("SELECT", "0"), ("SET", "key", "value"), ("RPUSH", "list", "a", "b")]
    text = "".join(
        f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words) for words in commands
    )
    (tmp_path / "appendonly.aof").write_bytes(text.encode())
    with start_rkv("--dir", str(tmp_path), *LOG) as server, server.connect() as connection:
        assert connection.call("GET", "key") == Bulk(b"value")
        assert connection.call("LRANGE", "list", "0", "-1") == Array((Bulk(b"a"), Bulk(b"b")))
    assert not (tmp_path / "appendonly.aof").exists()
    assert (tmp_path / "appendonlydir" / "appendonly.aof").exists()
    check_aof(tmp_path)


def test_the_log_is_switched_while_the_server_runs(tmp_path: Path) -> None:
    with start_rkv("--dir", str(tmp_path)) as server, server.connect() as connection:
        write(server, "one")
        assert not (tmp_path / "appendonlydir").exists()
        connection.call("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")
        write(server, "two")
        assert connection.call("WAITAOF", 1, 0, 0) == Array((Integer(1), Integer(0)))
        write(server, "three")
        expected = contents(server)
        server.kill()
    with start_rkv("--dir", str(tmp_path), *LOG) as server:
        assert contents(server) == expected
        with server.connect() as connection:
            connection.call("CONFIG", "SET", "appendonly", "no")
            connection.call("SET", "unlogged", "1")

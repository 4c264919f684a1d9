"""rkv serve with a directory: start, loading, the end, SIGKILL during a snapshot, exit statuses."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Bulk, Connection, Error, Integer, NullBulk, Simple

if TYPE_CHECKING:
    import random
    from pathlib import Path

SAVES = ("--save", "3600 1000000")


def start(folder: Path, *directives: str) -> servers.Server:
    """rkv with save points that never come, in a folder that stays."""
    return servers.start_rkv("--dir", str(folder), *SAVES, *directives)


def spawn(folder: Path, port: int, *directives: str) -> subprocess.Popen[str]:
    """The same without waiting until it is ready."""
    command = [sys.executable, "-m", "rkv", "serve", "--bind", servers.HOST, "--port", str(port)]
    return subprocess.Popen(
        [*command, "--dir", str(folder), *SAVES, *directives],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sigterm_saves_and_the_next_start_loads(tmp_path: Path) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.call("SET", "gone", "v", "PX", "1")
        assert server.terminate() == 0
        assert "DB saved on disk" in server.log()
    with start(tmp_path) as server, server.connect() as connection:
        assert connection.call("GET", "k") == Bulk(b"v")
        assert connection.call("DBSIZE") == Integer(1)
        assert "Done loading RDB, keys loaded: 1, keys expired: " in server.log()
        assert "DB loaded from disk: " in server.log()
    assert names(tmp_path) == ["dump.rdb"]


@pytest.mark.parametrize(("how", "expected"), [("NOSAVE", NullBulk()), ("SAVE", Bulk(b"v")), ("", Bulk(b"v"))])
def test_shutdown_saves_as_it_is_told(how: str, expected: object, tmp_path: Path) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.send(f"SHUTDOWN {how}\r\n".encode())
        assert connection.read_to_end() == b""
        assert server.process.wait(20) == 0
    with start(tmp_path) as server, server.connect() as connection:
        reply = connection.call("GET", "k")
        assert type(reply) is type(expected)
        assert getattr(reply, "data", None) == getattr(expected, "data", None)


def test_sigkill_during_a_snapshot_leaves_the_one_before(tmp_path: Path, rng: random.Random) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        for key in range(500):
            connection.call("SET", str(key), "old")
        assert connection.call("SAVE") == Simple(b"OK")
    for attempt in range(4):
        with start(tmp_path) as server, server.connect() as connection:
            assert connection.call("DBSIZE") == Integer(500), attempt
            assert connection.call("GET", "1") == Bulk(b"old")
            assert names(tmp_path) == ["dump.rdb"], "what an ended snapshot left is removed at the start"
            connection.call("SET", "1", "new")
            connection.call("SET", "more", "v")
            connection.call("CONFIG", "SET", "rdb-key-save-delay", "1000")
            assert connection.call("BGSAVE") == Simple(b"Background saving started")
            time.sleep(rng.random() * 0.3)
            server.kill()
        assert any(name.startswith("temp-") for name in names(tmp_path))


def test_clients_are_told_to_wait_while_it_loads(tmp_path: Path) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        for key in range(100):
            connection.call("SET", str(key), "v")
        assert server.terminate() == 0
    port = servers.free_port()
    process = spawn(tmp_path, port, "--key-load-delay", "20000")
    try:
        deadline = time.monotonic() + 20
        seen = set()
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, EOFError), Connection((servers.HOST, port), 5.0, 2) as connection:
                reply = connection.call("GET", "1")
                seen.add(type(reply).__name__)
                if isinstance(reply, Error):
                    assert reply.text == b"LOADING Redis is loading the dataset in memory"
                    assert isinstance(connection.call("SET", "x", "y"), Error)
                    info = connection.call("INFO", "persistence").data
                    assert b"loading:1\r\n" in info or b"loading:0\r\n" in info
                    assert (b"loading_total_bytes:" in info) == (b"loading:1\r\n" in info)
                    time.sleep(0.05)
                    continue
                break
        assert seen == {"Error", "Bulk"}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_exit_statuses(tmp_path: Path) -> None:
    port = servers.free_port()
    with start(tmp_path) as server, server.connect() as connection:
        connection.call("SET", "k", "v" * 100)
        connection.call("SAVE")
        second = spawn(tmp_path, port)
        text, _ = second.communicate(timeout=20)
        assert second.returncode == 75, text
        assert f"in use by process {server.pid}" in text
    good = (tmp_path / "dump.rdb").read_bytes()
    for damaged in (good[:-20], good[:50] + b"?" + good[51:], b"", b"*3\r\n$3\r\nSET\r\n"):
        (tmp_path / "dump.rdb").write_bytes(damaged)
        process = spawn(tmp_path, port)
        text, _ = process.communicate(timeout=20)
        assert process.returncode == 65, text
        assert f"{tmp_path}/dump.rdb, byte " in text
        assert "rkv check" in text
        assert (tmp_path / "dump.rdb").read_bytes() == damaged, "it is left as it is"


def test_a_server_without_save_points_shares_its_directory(tmp_path: Path) -> None:
    with start(tmp_path), servers.start_rkv("--dir", str(tmp_path)) as second, second.connect() as connection:
        assert connection.call("SET", "k", "v") == Simple(b"OK")
        reply = connection.call("SAVE")
        assert isinstance(reply, Error)
        assert b"in use by process" in reply.text

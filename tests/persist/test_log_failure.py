"""A log that can no longer be written, although there is room: that file is never touched again."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Bulk, Error, Simple

if TYPE_CHECKING:
    from pathlib import Path

OK = Simple(b"OK")
EX_IOERR = 74
VALUE = "v" * 10_000


def incr(folder: Path) -> Path:
    """The file that is being written."""
    return max((folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))


def start(folder: Path, policy: str) -> servers.Server:
    words = ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", policy]
    return servers.start_rkv(*words, "--auto-aof-rewrite-percentage", "0")


def forbid_more(server: servers.Server, folder: Path) -> int:
    """Lets every write fail that would make a file larger than the log is now; its size."""
    size = incr(folder).stat().st_size
    assert size > 40 * len(VALUE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return size


def test_with_always_the_server_ends_without_a_reply(tmp_path: Path) -> None:
    with start(tmp_path, "always") as server, server.connect() as connection:
        for number in range(50):
            assert connection.call("SET", "key", f"{number}{VALUE}") == OK
        size, name = forbid_more(server, tmp_path), incr(tmp_path)
        with server.connect() as other, pytest.raises((EOFError, ConnectionError)):
            other.call("SET", "lost", VALUE)
        assert server.process.wait(20) == EX_IOERR
        assert "Can't recover from AOF write error" in server.log()
        assert name.stat().st_size == size
    with start(tmp_path, "always") as server, server.connect() as connection:
        assert connection.call("GET", "key") == Bulk(f"49{VALUE}".encode())


def test_otherwise_writes_are_refused_until_new_files_hold_everything(tmp_path: Path) -> None:
    with start(tmp_path, "everysec") as server, server.connect() as connection:
        for number in range(50):
            assert connection.call("SET", "key", f"{number}{VALUE}") == OK
        size, name = forbid_more(server, tmp_path), incr(tmp_path)
        refused = 0
        deadline = time.monotonic() + 20
        acknowledged = 0
        while incr(tmp_path) == name or not acknowledged:
            assert time.monotonic() < deadline
            reply = connection.call("SET", "after", f"{acknowledged}")
            if isinstance(reply, Error):
                assert reply.text.startswith(b"MISCONF Errors writing to the AOF file: ")
                refused += 1
            else:
                # The first of them waited for the new files, as its own record was on its way to the old one.
                assert incr(tmp_path) != name
                acknowledged += 1
        assert name.exists() is False or name.stat().st_size == size
        assert "Writes are refused until a new file holds everything" in server.log()
        assert connection.call("GET", "after") == Bulk(f"{acknowledged - 1}".encode())
        server.kill()
    with start(tmp_path, "everysec") as server, server.connect() as connection:
        assert connection.call("GET", "key") == Bulk(f"49{VALUE}".encode())
        assert connection.call("GET", "after") == Bulk(f"{acknowledged - 1}".encode())

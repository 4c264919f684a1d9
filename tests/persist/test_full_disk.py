"""A disk that is full or may not be written: a small file system of the server's own, where the system allows one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import servers
from support.resp import Array, Bulk, Error, Integer, Reply, Simple

MIB = 1 << 20
# 64 MiB are taken ahead; after the ballast is gone there is room for as much again.
DISK_BYTES = 160 * MIB
VALUE_BYTES = 100_000


def mounted(folder: Path, options: str, *words: str) -> list[str]:
    """A command that sees a file system of its own at the folder. Nobody else does, and it ends with the command."""
    script = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    probe = ["unshare", "-rm", "sh", "-c", script, str(folder), "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("this system lets nobody mount a file system of one's own")
    return [*probe[:-1], *words]


def serve(folder: Path, *directives: str) -> list[str]:
    """rkv with its files in a folder."""
    command = [sys.executable, "-m", "rkv", "serve", "--bind", servers.HOST, "--port", "{port}", "--save", ""]
    return [*command, "--dir", str(folder), *directives]


def fill(place: Path) -> Path:
    """A file that leaves no room."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\xff" * 65_536)
        except OSError:
            pass
    return ballast


def is_refused(reply: Reply) -> bool:
    """MISCONF, which must be all that a full disk is answered with."""
    if isinstance(reply, Error):
        assert reply.text.startswith(b"MISCONF Errors writing to the AOF file: "), reply
        return True
    assert reply == Simple(b"OK")
    return False


@pytest.mark.parametrize("policy", ["everysec", "always"])
def test_writes_are_refused_until_there_is_room(policy: str, tmp_path: Path) -> None:
    folder, copy = tmp_path / "disk", tmp_path / "copy"
    folder.mkdir()
    words = serve(folder, "--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0")
    with servers.Server("rkv", mounted(folder, f"size={DISK_BYTES}", *words)) as server, server.connect() as connection:
        place = Path(f"/proc/{server.pid}/root{folder}")
        ballast = fill(place)
        acknowledged = 0
        while not is_refused(connection.call("SET", str(acknowledged), "v" * VALUE_BYTES)):
            acknowledged += 1
            assert acknowledged * VALUE_BYTES < DISK_BYTES, "the disk is full"
        assert acknowledged * VALUE_BYTES > 32 * MIB, "what was taken ahead is used"
        assert is_refused(connection.call("DEL", "0"))
        assert connection.call("STRLEN", "0") == Integer(VALUE_BYTES)
        assert b"aof_last_write_status:err" in connection.call("INFO", "persistence").data
        assert is_refused(connection.call("SET", "small", "v"))
        ballast.unlink()
        freed = time.monotonic()
        while is_refused(connection.call("SET", "after", "v")):
            assert time.monotonic() - freed < 2.0
            time.sleep(0.05)
        assert b"aof_last_write_status:ok" in connection.call("INFO", "persistence").data
        # What SIGKILL would leave.
        server.process.send_signal(signal.SIGSTOP)
        shutil.copytree(place, copy)
        server.kill()
    with servers.start_rkv("--dir", str(copy), "--appendonly", "yes") as server, server.connect() as connection:
        assert connection.call("DBSIZE") == Integer(acknowledged + 1)
        for key in range(acknowledged):
            assert connection.call("STRLEN", str(key)) == Integer(VALUE_BYTES)
        assert connection.call("GET", "after") == Bulk(b"v")


def test_a_snapshot_that_finds_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    with servers.Server("rkv", mounted(tmp_path, "size=8m", *serve(tmp_path))) as server:
        place = Path(f"/proc/{server.pid}/root{tmp_path}")
        with server.connect() as connection:
            connection.call("SET", "k", "v")
            assert connection.call("SAVE") == Simple(b"OK")
            before = (place / "dump.rdb").read_bytes()
            for key in range(100):
                connection.call("SETRANGE", str(key), str(100_000), "v")
            connection.call("CONFIG", "SET", "rdbcompression", "no")
            assert isinstance(connection.call("SAVE"), Error)
            assert sorted(path.name for path in place.iterdir()) == ["dump.rdb"]
            assert (place / "dump.rdb").read_bytes() == before
            connection.call("FLUSHALL")
            assert connection.call("SAVE") == Simple(b"OK")


def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    with servers.Server("rkv", mounted(tmp_path, "ro", *serve(tmp_path))) as server, server.connect() as connection:
        assert connection.call("SET", "k", "v") == Simple(b"OK")
        reply = connection.call("SAVE")
        assert isinstance(reply, Error)
        # The first base cannot be made, so that nothing changes.
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == Error(
            b"ERR CONFIG SET failed (possibly related to argument 'appendonly') - "
            b"Unable to turn on AOF. Check server logs."
        )
        assert connection.call("CONFIG", "GET", "appendonly") == Array((Bulk(b"appendonly"), Bulk(b"no")))
        assert connection.call("GET", "k") == Bulk(b"v")
    words = [word.replace("{port}", str(servers.free_port())) for word in serve(tmp_path, "--appendonly", "yes")]
    ended = subprocess.run(mounted(tmp_path, "ro", *words), capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 74, ended
    assert str(tmp_path) in ended.stdout + ended.stderr

"""A log whose files are not as they were written: it is refused, by name and with what helps, and left as it is."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import rkv
from support import servers
from support.resp import Simple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIR = "appendonlydir"
MANIFEST = f"{DIR}/appendonly.aof.manifest"
BASE = f"{DIR}/appendonly.aof.2.base.rdb"
INCR = f"{DIR}/appendonly.aof.2.incr.aof"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log with a base that has a key, and a file with another one."""
    with servers.start_rkv("--dir", str(tmp_path), "--appendonly", "yes") as server, server.connect() as connection:
        connection.call("SET", "old", "v" * 200)
        connection.call("BGREWRITEAOF")
        deadline = time.monotonic() + 20
        while b"aof_rewrite_in_progress:1" in connection.call("INFO", "persistence").data:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert connection.call("SET", "new", "v") == Simple(b"OK")
        assert server.terminate() == 0
    return tmp_path


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Changes a file."""

    def apply(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return apply


FAULTS = {
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), MANIFEST, "is not there"),
    "edited manifest": (edit(MANIFEST, lambda text: text.replace(b"seq 2", b"seq 3")), MANIFEST, "checksum"),
    "empty manifest": (edit(MANIFEST, lambda _: b""), MANIFEST, "empty"),
    "another manifest": (edit(MANIFEST, lambda _: b"\x89PNG\r\n\x1a\n" * 9), MANIFEST, "line 1"),
    "no base": (
        lambda folder: (folder / BASE).unlink(),
        MANIFEST,
        "appendonly.aof.2.base.rdb is named there, and is not: No such file",
    ),
    "no file": (
        lambda folder: (folder / INCR).unlink(),
        MANIFEST,
        "appendonly.aof.2.incr.aof is named there, and is not: No such file",
    ),
    "base from the future": (
        edit(BASE, lambda data: data[:5] + b"0099" + data[9:]),
        BASE,
        "RDB version 99 is from the future, written by ",
    ),
    "base cut short": (edit(BASE, lambda data: data[:-30]), BASE, "byte "),
    "base flipped": (edit(BASE, lambda data: data[:-60] + bytes([data[-60] ^ 1]) + data[-59:]), BASE, "byte "),
    "base of another kind": (edit(BASE, lambda _: b"\x1f\x8b\x08\x00" + b"x" * 500), BASE, ""),
    "file flipped": (edit(INCR, lambda data: data.replace(b"$3\r\nnew", b"$3\r\nnex")), INCR, "offset "),
    "file of another kind": (edit(INCR, lambda _: b"\x1f\x8b\x08\x00" + b"x" * 500), INCR, "offset "),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_is_not_as_it_was_written_is_refused(fault: str, folder: Path) -> None:
    apply, name, what = FAULTS[fault]
    apply(folder)
    before = {path.name: path.read_bytes() for path in (folder / DIR).iterdir()}
    command = [sys.executable, "-m", "rkv", "serve", "--bind", servers.HOST, "--port", str(servers.free_port())]
    command += ["--dir", str(folder), "--save", "", "--appendonly", "yes"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    text = ended.stdout + ended.stderr
    assert ended.returncode == 65, text
    assert f"{folder}/{name}" in text
    assert what in text
    assert "rkv check" in text
    assert {path.name: path.read_bytes() for path in (folder / DIR).iterdir()} == before, "it is left as it is"


def test_a_second_opener_is_told_at_once(tmp_path: Path) -> None:
    with rkv.open(tmp_path):
        times = []
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(rkv.DirectoryInUseError):
                rkv.open(tmp_path)
            times.append(time.monotonic() - began)
        # The machine may stop one of them.
        assert min(times) < 0.1

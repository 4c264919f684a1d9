"""rkv.open with a path: what is stored outlives the program, and snapshots are everybody's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import rkv

if TYPE_CHECKING:
    from pathlib import Path


def test_a_closed_store_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "app.rkv"
    with rkv.open(path, appendonly=False) as db:
        db.db(0).set("k", "v")
        db.db(3).rpush("l", 1, 2, 3)
    assert os.listdir(path) == ["dump.rdb"]
    with rkv.open(path, appendonly=False) as db:
        assert db.db(0).get("k") == b"v"
        assert db.db(3).lrange("l", 0, -1) == [b"1", b"2", b"3"]
        assert str(path) in repr(db)


def test_the_end_of_the_program_saves(tmp_path: Path) -> None:
    program = f"import rkv; rkv.open({str(tmp_path)!r}, appendonly=False).db(0).set('k', 'v')"
    subprocess.run([sys.executable, "-c", program], check=True)
    with rkv.open(tmp_path, appendonly=False) as db:
        assert db.db(0).get("k") == b"v"
        db.db(0).set("k", "other")
        db.close(save=False)
    with rkv.open(tmp_path, appendonly=False) as db:
        assert db.db(0).get("k") == b"v"


def test_a_directory_has_one_store(tmp_path: Path) -> None:
    with rkv.open(tmp_path), pytest.raises(rkv.DirectoryInUseError, match=f"in use by process {os.getpid()}"):
        rkv.open(tmp_path)
    rkv.open(tmp_path).close()


def test_snapshots_and_readonly(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with rkv.open() as db:
        kv = db.db(0)
        for key in range(1000):
            kv.set(key, "v" * 100)
        plain = db.snapshot(tmp_path / "plain.rdb")
        snapshot = db.snapshot(tmp_path / "copy.rdb", on_progress=lambda done, total: seen.append((done, total)))
        kv.set("later", "v")
    assert (snapshot.keys, snapshot.bytes) == (1000, (tmp_path / "copy.rdb").stat().st_size)
    assert plain.keys == 1000
    assert seen[-1] == (1000, 1000)
    with rkv.open(tmp_path / "copy.rdb", readonly=True) as db:
        assert db.db(0).dbsize() == 1000
        with pytest.raises(rkv.ReadOnlyError):
            db.db(0).set("k", "v")
    assert sorted(os.listdir(tmp_path)) == ["copy.rdb", "plain.rdb"]


def test_what_the_callback_raises_ends_the_snapshot(tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with rkv.open(tmp_path / "app", appendonly=False) as db:
        for key in range(300):
            db.db(0).set(key, "v")
        db.db(0).execute("CONFIG", "SET", "rdb-key-save-delay", 10_000)
        with pytest.raises(KeyboardInterrupt):
            db.snapshot(tmp_path / "copy.rdb", on_progress=stop)
        db.db(0).execute("CONFIG", "SET", "rdb-key-save-delay", 0)
    assert os.listdir(tmp_path) == ["app"]


def test_damage_and_wrong_paths_are_named(tmp_path: Path) -> None:
    with rkv.open(tmp_path, appendonly=False) as db:
        db.db(0).set("k", "v" * 100)
    file = tmp_path / "dump.rdb"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(rkv.DamagedFileError, match=r"dump.rdb, byte \d+: .*rkv check"):
        rkv.open(tmp_path, appendonly=False)
    with pytest.raises(rkv.DamagedFileError):
        rkv.open(tmp_path, readonly=True)
    with pytest.raises(NotADirectoryError, match="readonly=True"):
        rkv.open(file)
    with pytest.raises(FileNotFoundError):
        rkv.open(tmp_path / "none.rdb", readonly=True)
    (tmp_path / "folder.rdb" / "x").mkdir(parents=True)
    with pytest.raises(rkv.SnapshotError), rkv.open() as db:
        db.snapshot(tmp_path / "folder.rdb")
    with pytest.raises(rkv.ResponseError, match="no directory"), rkv.open() as db:
        db.db(0).execute("SAVE")


def test_a_caller_waits_until_what_it_wrote_is_on_the_disk(tmp_path: Path) -> None:
    with rkv.open(tmp_path) as db:
        kv = db.db(0)
        assert kv.waitaof(1, 0, 0) == [1, 0]
        kv.set("k", "v")
        assert kv.waitaof(0, 0, 0) == [0, 0]
        assert kv.waitaof(1, 0, 0) == [1, 0]
        assert (kv.wait(0, 0), kv.wait(1, 20)) == (0, 0)
        assert kv.waitaof(0, 1, 20)[1] == 0
        kv.execute("CONFIG", "SET", "appendfsync", "always")
        kv.set("k", "other")
        assert kv.waitaof(1, 0, 0) == [1, 0]
    with rkv.open() as db, pytest.raises(rkv.ResponseError, match="appendonly is disabled"):
        db.db(0).waitaof(1, 0, 0)

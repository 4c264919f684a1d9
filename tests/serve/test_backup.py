"""`rkv backup` and `rkv restore`: of a server under writes, to any point of its log, and what they refuse."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.resp import Array, Bulk, Connection, Error, Integer, Reply, Simple
from support.servers import Server, start_redis, start_rkv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USAGE, DAMAGED, IO = 2, 65, 74
LOG = ("--appendonly", "yes", "--appendfsync", "no")
# Times in the log are whole seconds: a point is alone in its second.
ALONE_S = 1.1
# Stages of what follows a backup: ids of a stream only grow.
LATE = 1_000_000


class Recorded(NamedTuple):
    """What a store held at a point of its log."""

    offset: int
    unix_s: float
    digest: Reply


class Backups(NamedTuple):
    """A full backup made under writes, an incremental one that followed it, and what was recorded between the two."""

    full: Path
    incremental: Path
    points: list[Recorded]
    server_folder: Path
    output: str


def rkv(*words: str | os.PathLike[str]) -> tuple[int, str, str]:
    """Exit status, output and errors of a command."""
    command = [sys.executable, "-m", "rkv", *map(os.fspath, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def digest(server: Server) -> Reply:
    with server.connect() as connection:
        return connection.call("DEBUG", "DIGEST")


def offset(connection: Connection) -> int:
    info = connection.call("INFO", "replication")
    assert isinstance(info, Bulk)
    return int(info.data.split(b"master_repl_offset:")[1].split(b"\r\n")[0])


def write(connection: Connection, stage: int) -> None:
    """Keys of every type, a transaction, and a deletion."""
    for words in (
        ("SET", f"text:{stage}", "x" * 500), ("INCR", "counter"), ("RPUSH", "list", stage, "b"),
        ("HSET", f"hash:{stage % 5}", f"field {stage}", stage), ("SADD", "set", stage, "m"), ("PFADD", "hll", stage),
        ("ZADD", "zset", stage, "m"), ("XADD", "stream", f"{stage + 1}-1", "field", stage),
        ("SETBIT", "bits", stage, 1), ("MULTI",), ("SET", "a", stage), ("RENAME", "a", "b"), ("EXEC",),
        ("DEL", f"text:{stage - 3}"),
    ):  # fmt: skip
        reply = connection.call(*words)
        assert not isinstance(reply, Error), (words, reply)


def record(connection: Connection) -> Recorded:
    """Where the log is, alone in its second."""
    time.sleep(ALONE_S)
    point = Recorded(offset(connection), time.time(), connection.call("DEBUG", "DIGEST"))
    time.sleep(ALONE_S)
    return point


def write_on(server: Server, done: threading.Event) -> None:
    with server.connect() as connection:
        stage = 1000
        while not done.is_set():
            write(connection, stage)
            stage += 1


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backups]:
    folder = tmp_path_factory.mktemp("backups")
    full, incremental, points = folder / "monday", folder / "tuesday", []
    with start_rkv("--dir", str(folder), *LOG, "--aof-timestamp-enabled", "yes") as server:
        port = str(server.port)
        with server.connect() as connection:
            for stage in range(50):
                write(connection, stage)
            done = threading.Event()
            writer = threading.Thread(target=write_on, args=(server, done))
            writer.start()
            try:
                made = rkv("backup", full, "-p", port)
            finally:
                done.set()
                writer.join()
            assert (made[0], made[2]) == (0, "")
            for stage in range(LATE, LATE + 4):
                write(connection, stage)
                points.append(record(connection))
            made = rkv("backup", incremental, "--from", full, "-p", port)
            assert (made[0], made[2]) == (0, "")
        yield Backups(full, incremental, points, folder, made[1])


def restored(source: Path, destination: Path, *to: str) -> Reply:
    """The digest of a server that was started on what was restored."""
    status, out, errors = rkv("restore", source, destination, *to)
    assert (status, errors) == (0, "")
    assert f"rkv serve --dir {destination} --appendonly yes" in out
    with start_rkv("--dir", str(destination), *LOG) as server:
        return digest(server)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_the_store_of_an_offset_is_back(backups: Backups, number: int, tmp_path: Path) -> None:
    point = backups.points[number]
    assert restored(backups.incremental, tmp_path / "new", "--to", str(point.offset)) == point.digest


@pytest.mark.parametrize("is_local", [True, False])
@pytest.mark.parametrize("number", [0, 2])
def test_the_store_of_a_time_is_back(backups: Backups, number: int, is_local: bool, tmp_path: Path) -> None:
    point = backups.points[number]
    zone = None if is_local else datetime.timezone.utc
    text = datetime.datetime.fromtimestamp(point.unix_s, zone).isoformat(timespec="milliseconds")
    assert restored(backups.incremental, tmp_path / "new", "--to", text) == point.digest


def test_without_a_point_the_end_is_back(backups: Backups, tmp_path: Path) -> None:
    assert restored(backups.incremental, tmp_path / "new") == backups.points[-1].digest


def test_a_backup_under_writes_is_a_store_of_one_moment(backups: Backups, tmp_path: Path) -> None:
    destination = tmp_path / "new"
    status, _, errors = rkv("restore", backups.full, destination)
    assert (status, errors) == (0, "")
    with start_rkv("--dir", str(destination), *LOG) as server, server.connect() as connection:
        # A writer's last stage may be half done, but never its transaction, and nothing before it is missing.
        counter = connection.call("GET", "counter")
        assert isinstance(counter, Bulk)
        stages = int(counter.data)
        assert stages >= 50
        entries = connection.call("LRANGE", "list", 0, -1)
        assert len(entries.items) // 2 in (stages, stages - 1)  # type: ignore[union-attr]
        assert connection.call("EXISTS", "a") != connection.call("EXISTS", "b")


def test_a_backup_serves_as_it_is(backups: Backups, tmp_path: Path) -> None:
    shutil.copytree(backups.incremental, tmp_path / "copy")
    with start_rkv("--dir", str(tmp_path / "copy"), *LOG) as server:
        assert digest(server) == backups.points[-1].digest


@pytest.mark.parametrize("number", [1, 3])
def test_redis_loads_what_is_restored(backups: Backups, number: int, tmp_path: Path) -> None:
    point, destination = backups.points[number], tmp_path / "new"
    status, _, errors = rkv("restore", backups.incremental, destination, "--to", str(point.offset))
    assert (status, errors) == (0, "")
    with start_redis("--dir", str(destination), *LOG) as server:
        assert digest(server) == point.digest


def test_an_incremental_backup_shares_its_base(backups: Backups) -> None:
    base = next(backups.full.glob("appendonlydir/*.base.rdb"))
    same = backups.incremental / base.relative_to(backups.full)
    assert same.samefile(base)
    assert f" of them shared with {backups.full}" in backups.output
    assert int(backups.output.split("bytes, ")[1].split()[0]) >= base.stat().st_size


def test_a_directory_that_is_not_empty_is_refused(backups: Backups, tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"mine")
    with start_rkv("--dir", "{folder}", *LOG) as server:
        status, out, errors = rkv("backup", tmp_path, "-p", str(server.port))
    assert (status, out) == (IO, "")
    assert f"{tmp_path}: is there already, and not empty" in errors
    status, out, errors = rkv("restore", backups.full, tmp_path)
    assert (status, out) == (IO, "")
    assert "restore into an empty directory" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    assert (tmp_path / "dump.rdb").read_bytes() == b"mine"


@pytest.mark.parametrize("point", ["1", "99999999999", "2101-01-01T00:00:00"])
def test_a_point_that_is_not_covered_is_refused(backups: Backups, point: str, tmp_path: Path) -> None:
    status, out, errors = rkv("restore", backups.incremental, tmp_path / "new", "--to", point)
    assert (status, out) == (USAGE, "")
    assert errors.startswith("rkv restore: ")
    assert not list((tmp_path / "new").rglob("*.rdb"))


def test_a_time_before_a_full_backup_began_is_refused(backups: Backups, tmp_path: Path) -> None:
    status, out, errors = rkv("restore", backups.full, tmp_path / "new", "--to", "2001-01-01T00:00:00")
    assert (status, out) == (USAGE, "")
    assert "began after that time" in errors
    assert not list((tmp_path / "new").rglob("*.rdb"))


@pytest.mark.parametrize("kind", ["flipped", "shortened", "missing"])
@pytest.mark.parametrize("pattern", ["appendonlydir/*.base.rdb", "appendonlydir/*.incr.aof"])
def test_a_damaged_file_is_named(backups: Backups, pattern: str, kind: str, tmp_path: Path) -> None:
    source = tmp_path / "backup"
    shutil.copytree(backups.incremental, source)
    path = max(source.glob(pattern), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(data if kind == "flipped" else data[:-1])
    status, out, errors = rkv("restore", source, tmp_path / "new")
    assert (status, out) == (DAMAGED, "")
    assert path.name in errors


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, _, errors = rkv("restore", tmp_path / "empty", tmp_path / "new")
    assert status == DAMAGED
    assert str(tmp_path / "empty") in errors
    status, _, errors = rkv("restore", tmp_path / "nowhere", tmp_path / "new")
    assert status == IO
    assert "nowhere" in errors


def test_a_server_without_a_log_gives_a_snapshot(tmp_path: Path) -> None:
    place, destination = tmp_path / "backup", tmp_path / "new"
    with start_rkv("--dir", str(tmp_path)) as server, server.connect() as connection:
        write(connection, 1)
        expected = digest(server)
        status, _, errors = rkv("backup", place, "--from", place, "-p", str(server.port))
        assert status in (DAMAGED, IO), errors
        status, _, errors = rkv("backup", place, "-p", str(server.port))
        assert (status, errors) == (0, "")
    status, out, errors = rkv("restore", place, destination)
    assert (status, errors) == (0, "")
    assert "--appendonly" not in out
    for start in (start_rkv, start_redis):
        with start("--dir", str(destination)) as server:
            assert digest(server) == expected


def test_nobody_there_is_told(tmp_path: Path) -> None:
    status, out, errors = rkv("backup", tmp_path / "new", "-s", str(tmp_path / "no.sock"))
    assert (status, out) == (IO, "")
    assert "no.sock" in errors
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "words",
    [("backup",), ("backup", "a", "b"), ("backup", "a", "--from"), ("backup", "a", "-p", "x"), ("restore", "a")],
)
def test_words_that_mean_nothing_are_refused(words: tuple[str, ...]) -> None:
    status, out, errors = rkv(*words)
    assert (status, out) == (USAGE, "")
    assert f"usage: rkv {words[0]} " in errors


def state(connection: Connection) -> dict[str, Reply]:
    reply = connection.call("BACKUP", "STATUS")
    assert isinstance(reply, Array), reply
    return {name.data.decode(): value for name, value in zip(reply.items[::2], reply.items[1::2], strict=True)}


def test_a_backup_by_commands(tmp_path: Path) -> None:
    with start_rkv("--dir", str(tmp_path), *LOG) as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        assert state(connection)["state"] == Bulk(b"idle")
        assert connection.call("BACKUP", "LIST") == Array(())
        assert connection.call("BACKUP", "ABORT").text.startswith(b"ERR no backup is under way")
        assert connection.call("BACKUP", "SEAL").text.startswith(b"ERR ")
        name = connection.call("BACKUP", "START")
        assert state(connection)["id"] == name
        while state(connection)["state"] == Bulk(b"writing-base"):
            time.sleep(0.01)
        assert connection.call("BACKUP", "SEAL") == name
        while state(connection)["state"] == Bulk(b"sealing"):
            time.sleep(0.01)
        assert state(connection)["last-id"] == name
        assert repr(name.data) in repr(connection.call("BACKUP", "LIST")).replace("Bulk(data=", "")
        assert isinstance(connection.call("BACKUP", "START"), Bulk)
        assert connection.call("BACKUP", "ABORT") == Simple(b"OK")
        while state(connection)["state"] != Bulk(b"idle"):
            time.sleep(0.01)
        assert connection.call("BACKUP", "CLEANUP") == Integer(1)
        assert connection.call("BACKUP", "LIST") == Array(())

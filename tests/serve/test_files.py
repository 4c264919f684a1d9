"""`rkv check` and `rkv convert`: whole, damaged and foreign files, and real servers that load what is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.resp import Array, Connection, Error, Integer
from support.servers import Server, start_redis, start_valkey

DATA = Path(__file__).parents[1] / "data" / "rdb"
WHOLE = sorted(path.name for path in DATA.glob("*.rdb"))
DAMAGED, IO, USAGE = 65, 74, 2


def rkv(*words: str | os.PathLike[str]) -> tuple[int, str, str]:
    """Exit status, output and errors of a command."""
    command = [sys.executable, "-m", "rkv", *map(os.fspath, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def load(path: Path, server: Server) -> Connection:
    """A connection to a server that has loaded a file instead of what it had."""
    connection = server.connect()
    (server.folder / "dump.rdb").write_bytes(path.read_bytes())
    reply = connection.call("DEBUG", "RELOAD", "NOSAVE")
    assert not isinstance(reply, Error), reply
    return connection


def contents(connection: Connection) -> str:
    """The digest of everything."""
    return repr(connection.call("DEBUG", "DIGEST"))


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_told(name: str) -> None:
    status, out, errors = rkv("check", DATA / name)
    assert (status, errors) == (0, "")
    assert f"{name}: RDB version {80 if name.startswith('valkey') else 10}, " in out
    keys = len((DATA / name).with_suffix(".tsv").read_text().splitlines())
    assert f"  keys: {keys}, " in out
    assert ", right\n" in out


def test_damage_is_told_with_its_place(tmp_path: Path) -> None:
    whole = (DATA / "redis-7.0.rdb").read_bytes()
    path = tmp_path / "dump.rdb"
    path.write_bytes(whole[:-100])
    status, out, errors = rkv("check", path)
    assert (status, out) == (DAMAGED, "")
    assert str(path) in errors
    assert "ends here, in the middle" in errors
    damaged = bytearray(whole)
    damaged[500] ^= 1
    path.write_bytes(damaged)
    status, _, errors = rkv("check", path)
    assert status == DAMAGED
    assert "byte " in errors
    path.write_bytes(b"REDIS0099\xfa\x09redis-ver\x0699.9.9" + whole[9:])
    status, _, errors = rkv("check", path)
    assert status == DAMAGED
    assert "RDB version 99 is from the future, written by Redis 99.9.9" in errors


@pytest.mark.parametrize(
    ("content", "seems"),
    [
        (b"", "an empty file"),
        (b"\x1f\x8b" + bytes(20), "gzip"),
        (bytes(64), "zeros"),
        (b"hello, world\n" * 3, "a text"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes, seems: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for words in (("check", path), ("convert", path, tmp_path / "out", "--for", "redis7")):
        status, _, errors = rkv(*words)
        assert status == DAMAGED
        assert seems in errors
    assert not (tmp_path / "out").exists()


def test_words_that_mean_nothing(tmp_path: Path) -> None:
    path = DATA / "redis-7.0.rdb"
    for words in (
        ("check",),
        ("check", "a", "b"),
        ("convert", path, tmp_path / "out"),
        ("convert", path, "--for=redis7"),
    ):
        status, out, errors = rkv(*words)
        assert (status, out) == (USAGE, "")
        assert "usage: rkv " in errors
    assert rkv("check", tmp_path / "none")[0] == IO
    assert rkv("convert", path, tmp_path / "none" / "out", "--for", "redis7")[0] == IO
    assert rkv("check", "--help")[0] == rkv("convert", "--help")[0] == 0


def test_real_servers_load_what_is_written(tmp_path: Path) -> None:
    source, out = DATA / "redis-7.0.rdb", tmp_path / "converted.rdb"
    assert rkv("convert", source, out, "--for", "redis7")[0] == 0
    assert out.stat().st_size <= source.stat().st_size
    with start_redis() as redis, load(source, redis) as before:
        expected = contents(before)
        with load(out, redis) as after:
            assert contents(after) == expected
    source = DATA / "valkey-9.1.rdb"
    assert rkv("convert", source, out, "--for", "valkey")[0] == 0
    with start_valkey() as valkey, load(source, valkey) as before:
        expected = contents(before)
        before.call("SELECT", 15)
        fields = ("HPEXPIRETIME", "expiring:5", "FIELDS", 3, "f0", "f1", "f2")
        times = before.call(*fields)
        assert times == Array((Integer(4_000_000_000_000), Integer(-1), Integer(4_000_000_000_002)))
        with load(out, valkey) as after:
            assert contents(after) == expected
            after.call("SELECT", 15)
            assert after.call(*fields) == times
    status, _, errors = rkv("convert", source, out, "--for", "redis7")
    assert status == DAMAGED
    assert "deadlines, which Redis 7.0 does not know" in errors

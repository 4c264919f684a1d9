"""What the built package promises to linkers and type checkers."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

import rkv
from rkv import _rkv

PT_DYNAMIC = 2
DT_FLAGS = 30
DF_STATIC_TLS = 0x10

PROGRAM = """
from datetime import timedelta
from typing_extensions import assert_type
import rkv

with rkv.open(clock=rkv.ManualClock()) as db:
    kv = db.db(0)
    assert_type(kv, rkv.Keyspace[bytes])
    assert_type(kv.get("k"), bytes | None)
    assert_type(kv["k"], bytes)
    assert_type(kv.set("k", b"v", ex=timedelta(seconds=1)), bool | None)
    assert_type(kv.set("k", 1.5, get=True), bytes | None)
    assert_type(kv.mget(["a", b"b"], "c"), list[bytes | None])
    assert_type(kv.incr("n"), int)
    assert_type([key for key in kv], list[bytes])
    text = db.db(1, text=True)
    assert_type(text, rkv.Keyspace[str])
    assert_type(text.getex("k", persist=True), str | None)
    assert_type(text.scan(), tuple[int, list[str]])
    assert_type(db.db(2, True), rkv.Keyspace[str])
    with text.pipeline(transaction=False) as pipe:
        assert_type(pipe, rkv.Pipeline[str])
        pipe.set("a", 1).get("a").execute()
    kv.set("k", None)  # type: ignore[call-overload]
    kv.get([])  # type: ignore[arg-type]
"""


def dynamic_flags(path: str) -> int:
    """DT_FLAGS of a 64-bit ELF file, 0 without it."""
    data = Path(path).read_bytes()
    order = "<" if data[5] == 1 else ">"
    table, entry_size, count = (
        struct.unpack_from(f"{order}Q", data, 0x20)[0],
        *struct.unpack_from(f"{order}HH", data, 0x36),
    )
    for number in range(count):
        kind, _, offset, _, _, size = struct.unpack_from(f"{order}IIQQQQ", data, table + number * entry_size)
        if kind == PT_DYNAMIC:
            for tag, value in struct.iter_unpack(f"{order}QQ", data[offset : offset + size]):
                if tag == DT_FLAGS:
                    return int(value)
    return 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no ELF files")
def test_no_static_thread_local_storage() -> None:
    """With it, dlopen fails in programs whose reserve for such storage is used up."""
    flags = dynamic_flags(_rkv.__file__)
    assert flags != 0
    assert not flags & DF_STATIC_TLS


def test_types(tmp_path: Path) -> None:
    """A typed program is clean under mypy --strict: every assert_type holds, every wrong call is one."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    package = Path(rkv.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", program],
        capture_output=True,
        text=True,
        check=False,
        env={"MYPYPATH": str(package), "PATH": ""},
    )
    assert done.stdout.startswith("Success"), done.stdout + done.stderr

"""Writes that must wait until a snapshot needs less memory: nobody else waits with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Integer, Simple, encode

if TYPE_CHECKING:
    from pathlib import Path

KEYS = 1_000
VALUE_BYTES = 100_000
# A snapshot may need a tenth of the data and 64 MiB.
EXTRA_BYTES_MAX = KEYS * VALUE_BYTES // 10 + (64 << 20)
# At a millisecond for each key that is still to be written, there is time for many more.
READS_MIN = 50
READ_S_MAX = 0.05


def figure(info: bytes, name: str) -> int:
    return int(info.split(f"{name}:".encode())[1].split(b"\r\n")[0])


@pytest.mark.parametrize("io_threads", [1, 0])
def test_readers_go_on_while_a_writer_waits_for_memory(io_threads: int, tmp_path: Path) -> None:
    words = ["--dir", str(tmp_path), "--rdb-key-save-delay", "1000", "--dbfilename", "dump.rdb"]
    server = servers.start_rkv(*words, io_threads=io_threads)
    with server, server.connect() as writer, server.connect() as reader:
        assert reader.call("DEBUG", "POPULATE", str(KEYS), "key", str(VALUE_BYTES)) == Simple(b"OK")
        assert reader.call("BGSAVE") == Simple(b"Background saving started")
        for key in range(KEYS):
            writer.send(encode("SETRANGE", f"key:{key}", "0", "changed"))
        times = []
        while figure(reader.call("INFO", "persistence").data, "rdb_bgsave_in_progress"):
            began = time.perf_counter()
            assert reader.call("STRLEN", "key:1") == Integer(VALUE_BYTES)
            took_s = time.perf_counter() - began
            if figure(reader.call("INFO", "clients").data, "blocked_clients"):
                times.append(took_s)
        assert len(times) >= READS_MIN, "the writer did not wait, or the reader did"
        assert sorted(times)[len(times) // 2] < READ_S_MAX
        for _ in range(KEYS):
            assert writer.read() == Integer(VALUE_BYTES)
        info = reader.call("INFO", "persistence").data
        assert 0 < figure(info, "rdb_last_cow_size") <= EXTRA_BYTES_MAX
        assert b"rdb_last_bgsave_status:ok" in info
        assert figure(reader.call("INFO", "clients").data, "blocked_clients") == 0

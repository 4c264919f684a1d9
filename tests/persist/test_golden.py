"""What any release wrote is loaded by this one; `data/log/make.py` keeps the files of a release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support import servers
from support.resp import Array, Integer, Simple

RELEASES = sorted((Path(__file__).parents[1] / "data" / "log").glob("rkv-*"))


@pytest.mark.parametrize("has_log", [True, False], ids=["log", "snapshot"])
@pytest.mark.parametrize("release", RELEASES, ids=[path.name for path in RELEASES])
def test_files_of_every_release_are_loaded(release: Path, has_log: bool, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(release, folder)
    stored = json.loads((release / "stored.json").read_text())
    words = ["--dir", str(folder), "--appendonly", "yes" if has_log else "no"]
    (folder / ("dump.rdb" if has_log else "appendonlydir/appendonly.aof.manifest")).unlink()
    for _ in range(2):
        # What this one wrote in their place is loaded as well.
        with servers.start_rkv(*words) as server, server.connect() as connection:
            assert connection.call("DEBUG", "DIGEST") == Simple(stored["digest"].encode())
            assert connection.call("DBSIZE") == Integer(stored["keys"])
            assert connection.call("PEXPIRETIME", "text") == Integer(stored["text_expires_ms"])
            deadline = connection.call("HPEXPIRETIME", "hash", "FIELDS", "1", "f")
            assert deadline == Array((Integer(stored["field_expires_ms"]),))
            assert connection.call("SAVE") == Simple(b"OK")
            if has_log:
                assert isinstance(connection.call("BGREWRITEAOF"), Simple)


def test_there_is_a_release() -> None:
    assert RELEASES

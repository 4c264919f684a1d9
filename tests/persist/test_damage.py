"""Every bit of a snapshot matters: with any one of them flipped it is refused, never read as something else."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

import rkv
from rkv import _rkv

if TYPE_CHECKING:
    import random
    from pathlib import Path

BYTES = 8 << 10
THREADS = 2


def snapshot(path: Path, rng: random.Random) -> None:
    """A snapshot of at least `BYTES` with values of every type, small and large."""
    with rkv.open() as db:
        kv = db.db(0)
        for number, count in enumerate((3, 40)):
            words = [rng.randbytes(rng.randrange(1, 40)) for _ in range(count)]
            kv.rpush(f"list:{number}", *words)
            kv.sadd(f"set:{number}", *words)
            kv.sadd(f"integers:{number}", *range(count))
            kv.zadd(f"zset:{number}", {word: rng.random() for word in words})
            kv.hset(f"hash:{number}", mapping=dict.fromkeys(words, "value"))
            kv.hexpire(f"hash:{number}", 10**6, words[0])
            kv.xadd(f"stream:{number}", {word: word for word in words})
            kv.xgroup_create(f"stream:{number}", "group", "0")
        kv.set("text", "compressed " * 20, ex=10**6)
        db.db(3).set("random", rng.randbytes(3000))
        assert db.snapshot(path).bytes >= BYTES


def refused(path: Path) -> bool:
    try:
        _rkv.check_file(path)
    except rkv.DamagedFileError:
        return True
    return False


@pytest.mark.timeout(600)
def test_no_flipped_bit_passes(tmp_path: Path, rng: random.Random) -> None:
    whole = tmp_path / "whole.rdb"
    snapshot(whole, rng)
    contents = whole.read_bytes()
    assert _rkv.check_file(whole)["bytes"] == len(contents)
    passed: list[tuple[int, int]] = []

    def flip(first: int) -> None:
        path = shutil.copy(whole, tmp_path / f"{first}.rdb")
        file = os.open(path, os.O_RDWR)
        for at in range(first, len(contents), THREADS):
            for bit in range(8):
                os.pwrite(file, bytes([contents[at] ^ 1 << bit]), at)
                if not refused(path):
                    passed.append((at, bit))
            os.pwrite(file, contents[at : at + 1], at)
        os.close(file)
        assert path.read_bytes() == contents

    threads = [threading.Thread(target=flip, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not passed


@pytest.mark.parametrize("kept", [0, 1, 9, 100, 5000, -1])
def test_a_snapshot_that_ends_early_is_refused(kept: int, tmp_path: Path, rng: random.Random) -> None:
    path = tmp_path / "cut.rdb"
    snapshot(path, rng)
    os.truncate(path, kept if kept >= 0 else path.stat().st_size + kept)
    assert refused(path)

"""`rkv restore`: from a backup to a directory from which a store can be started, as of any point that it covers."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING

from rkv._rkv import restore_backup

from .work import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .progress import Progress

USAGE = """\
usage: rkv restore BACKUP DIR [--to OFFSET|TIME]
  OFFSET is one of the replication log, TIME such as 2026-05-01T12:30:00 (local) or 2026-05-01T12:30:00+00:00"""


def main(words: Sequence[str]) -> int:
    """Restore; 0, 2 if the point is not covered, 65 if the backup is damaged, 74 if a file fails."""
    return run("restore", USAGE, words, read, restore, "restoring")


def restore(request: tuple[str, str, int | None, int | None], progress: Progress) -> str:
    """Make the directory, and say how to start from it."""
    source, destination, offset, unix_ms = request
    os.makedirs(destination, exist_ok=True)
    reached, files, size = restore_backup(source, destination, offset, unix_ms, progress)
    has_log = os.path.isdir(os.path.join(destination, "appendonlydir"))
    start = f"rkv serve --dir {destination}" + (" --appendonly yes" if has_log else "")
    return f"{destination}: {files} files, {size} bytes, up to offset {reached}. To start it: {start}"


def read(words: Sequence[str]) -> tuple[str, str, int | None, int | None]:
    """The two directories, the offset or the time in Unix milliseconds; ValueError if the words name none."""
    rest, offset, unix_ms = list(words), None, None
    if "--to" in rest:
        at = rest.index("--to")
        if at + 1 == len(rest):
            raise ValueError("--to needs an offset or a time")
        point = rest[at + 1]
        del rest[at : at + 2]
        if point.isdecimal():
            offset = int(point)
        else:
            unix_ms = round(datetime.datetime.fromisoformat(point).timestamp() * 1000)
    if len(rest) != 2 or any(word.startswith("-") for word in rest):
        raise ValueError("two directories are expected, that of the backup and the one to restore into")
    return rest[0], rest[1], offset, unix_ms

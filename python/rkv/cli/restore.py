"""`rkv restore`: from a backup to a directory from which a store can be started, as of any point that it covers."""

from __future__ import annotations

import datetime
import os
import sys
from typing import TYPE_CHECKING

from rkv._rkv import restore_backup
from rkv.errors import RkvError

from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: rkv restore BACKUP DIR [--to OFFSET|TIME]
  OFFSET is one of the replication log, TIME such as 2026-05-01T12:30:00 (local) or 2026-05-01T12:30:00+00:00"""
USAGE_STATUS = 2
DAMAGED_STATUS = 65
IO_STATUS = 74


def main(words: Sequence[str]) -> int:
    """Restore; 0, 2 if the point is not covered, 65 if the backup is damaged, 74 if a file fails."""
    if list(words) in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    try:
        source, destination, offset, unix_ms = read(words)
    except ValueError as error:
        print(f"rkv restore: {error}\n{USAGE}", file=sys.stderr)
        return USAGE_STATUS
    progress = Progress("restoring")
    try:
        os.makedirs(destination, exist_ok=True)
        reached, files, size = restore_backup(source, destination, offset, unix_ms, progress)
    except ValueError as error:
        progress.end()
        print(f"rkv restore: {error}", file=sys.stderr)
        return USAGE_STATUS
    except RkvError as error:
        progress.end()
        print(f"rkv restore: {error}", file=sys.stderr)
        return DAMAGED_STATUS
    except OSError as error:
        progress.end()
        print(f"rkv restore: {error}", file=sys.stderr)
        return IO_STATUS
    progress.end()
    has_log = os.path.isdir(os.path.join(destination, "appendonlydir"))
    start = f"rkv serve --dir {destination}" + (" --appendonly yes" if has_log else "")
    print(f"{destination}: {files} files, {size} bytes, up to offset {reached}. To start it: {start}")
    return 0


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

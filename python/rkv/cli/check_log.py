"""`rkv check` for the append-only log: its manifest, and files of commands."""

from __future__ import annotations

import sys
from pathlib import Path

from rkv._rkv import check_file, check_log, log_files
from rkv.errors import DamagedFileError

DAMAGED_STATUS = 65
IO_STATUS = 74


def is_log(path: str) -> bool:
    """Whether this is a directory, a manifest or a file of commands, and not a snapshot."""
    place = Path(path)
    if place.is_dir() or place.suffix == ".manifest":
        return True
    try:
        with place.open("rb") as file:
            return file.read(1) in {b"*", b"#"}
    except OSError:
        return False


def main(path: str, fix: bool) -> int:
    """Print how much of the log is whole; 0 if all of it is, 65 if it is damaged, 74 if it cannot be read."""
    try:
        return max([_check(file, is_base, fix) for file, is_base in _files(Path(path))], default=0)
    except DamagedFileError as error:
        print(f"rkv check: {error}", file=sys.stderr)
        return DAMAGED_STATUS
    except OSError as error:
        print(f"rkv check: {error}", file=sys.stderr)
        return IO_STATUS


def _files(place: Path) -> list[tuple[Path, bool]]:
    if place.is_dir():
        folders = (place, place / "appendonlydir")
        found = [file for folder in folders for file in sorted(folder.glob("*.manifest"))]
        if not found:
            raise FileNotFoundError(f"{place}: there is no manifest of a log")
        place = found[0]
    if place.suffix != ".manifest":
        return [(place, False)]
    return [(place.parent / name, is_base) for name, is_base in log_files(place)]


def _check(path: Path, is_base: bool, fix: bool) -> int:
    start = 0
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"REDIS") or head == b"VALKEY":
        report = check_file(path)
        start = report["bytes"] - report["trailing_bytes"]
        print(f"{path.name}: a snapshot of {report['keys']} keys, no damage found")
        if not report["trailing_bytes"]:
            return 0
    found = check_log(path, start, fix and not is_base)
    kind = "sealed with checksums" if found["sealed"] else "without checksums"
    print(f"{path.name}: {found['commands']} commands in {found['whole_bytes']} bytes, {kind}")
    if found["damage"] is None:
        return 0
    offset, what, is_within = found["damage"]
    where = "durable data follows" if is_within else "nothing behind it was durable"
    print(f"  damaged at offset {offset}: {what}; {where}")
    if found["aside"] is not None:
        print(f"  cut at offset {found['whole_bytes']}; what was there is in {found['aside']}")
        return 0
    return DAMAGED_STATUS

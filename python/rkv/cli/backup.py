"""`rkv backup`: a directory from which a store can be started, made while a server on this machine serves."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

from rkv._rkv import read_backup
from rkv.errors import RkvError

from .client import OPTIONS, Connection, ReplyError, Target, read_target
from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = f"usage: rkv backup DIR [--from EARLIER] {OPTIONS}"
USAGE_STATUS = 2
DAMAGED_STATUS = 65
IO_STATUS = 74
POLL_S = 0.05
MANIFEST = "backup.manifest"


def main(words: Sequence[str]) -> int:
    """Make the backup; 0, or 1 if the server refuses, 65 if what it made is damaged, 74 if a file or socket fails."""
    if list(words) == ["--help"]:
        print(USAGE)
        return 0
    try:
        target, directory, earlier = read(words)
    except ValueError as error:
        print(f"rkv backup: {error}\n{USAGE}", file=sys.stderr)
        return USAGE_STATUS
    progress = Progress("backing up")
    try:
        size, shared = back_up(target, directory, earlier, progress)
    except ReplyError as error:
        progress.end()
        print(f"rkv backup: {target} says: {error}", file=sys.stderr)
        return 1
    except RkvError as error:
        progress.end()
        print(f"rkv backup: {error}", file=sys.stderr)
        return DAMAGED_STATUS
    except OSError as error:
        progress.end()
        where = f"{error.filename}: " if error.filename else f"{target}: "
        print(f"rkv backup: {where}{error.strerror or error}", file=sys.stderr)
        return IO_STATUS
    progress.end()
    print(
        f"{directory}: {size} bytes, {shared} of them shared with {earlier}"
        if earlier
        else f"{directory}: {size} bytes"
    )
    return 0


def read(words: Sequence[str]) -> tuple[Target, str, str]:
    """The server, the directory to make and that of an earlier backup; ValueError if the words name none."""
    target, rest = read_target(words)
    earlier = ""
    if "--from" in rest:
        at = rest.index("--from")
        if at + 1 == len(rest):
            raise ValueError("--from needs a directory")
        earlier = rest[at + 1]
        del rest[at : at + 2]
    if len(rest) != 1 or rest[0].startswith("-"):
        raise ValueError("one directory is expected, which is made")
    return target, rest[0], earlier


def back_up(target: Target, directory: str, earlier: str, progress: Progress) -> tuple[int, int]:
    """Have the server make a backup and copy it; its bytes, and how many of them an earlier one has, too."""
    if os.path.isdir(directory) and os.listdir(directory):
        raise FileExistsError(17, "is there already, and not empty", directory)
    known = dict.fromkeys(read_backup(earlier), earlier) if earlier else {}
    connection = Connection(target)
    try:
        source = seal(connection, is_incremental=bool(earlier), progress=progress)
    finally:
        connection.close()
    if not os.path.isdir(source):
        raise FileNotFoundError(
            2, "the server made the backup, but it is not on this machine: copy it from there", source
        )
    return copy(source, directory, known, progress)


def seal(connection: Connection, *, is_incremental: bool, progress: Progress) -> str:
    """Have the server make a backup; where it lies."""
    name = connection.call("BACKUP", "START", *(["INCREMENTAL"] if is_incremental else []))
    wanted = name.decode() if isinstance(name, bytes) else ""
    status = wait(connection, "writing-base", progress)
    if status["id"] != wanted:
        raise ReplyError(str(status["last-error"] or "the backup was aborted"))
    connection.call("BACKUP", "SEAL")
    status = wait(connection, "sealing", progress)
    if status["last-id"] != wanted:
        raise ReplyError(str(status["last-error"] or "the backup was aborted"))
    return str(status["last-path"])


def wait(connection: Connection, state: str, progress: Progress) -> dict[str, str | int]:
    """The status, as soon as the state is another one."""
    while True:
        status = connection.call_map("BACKUP", "STATUS")
        if status["state"] != state:
            return status
        progress(int(status["keys-done"]), int(status["keys-total"]))
        time.sleep(POLL_S)


def copy(source: str, directory: str, known: dict[tuple[str, int, int], str], progress: Progress) -> tuple[int, int]:
    """Copy a backup, the manifest last; its bytes, and how many of them were linked to an earlier one."""
    members = read_backup(source)
    total, done, shared = sum(size for _, size, _ in members), 0, 0
    for member in members:
        name, size, _ = member
        destination = os.path.join(directory, name)
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        earlier = known.get(member)
        if earlier and link(os.path.join(earlier, name), destination):
            shared += size
        else:
            copy_file(os.path.join(source, name), destination)
        done += size
        progress(done, total)
    copy_file(os.path.join(source, MANIFEST), os.path.join(directory, MANIFEST))
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return total, shared


def link(source: str, destination: str) -> bool:
    """Give a file a second name; False where that cannot be."""
    try:
        os.link(source, destination)
    except OSError:
        return False
    return True


def copy_file(source: str, destination: str) -> None:
    """Copy a file and wait until it is on disk."""
    with open(source, "rb") as reading, open(destination, "wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())

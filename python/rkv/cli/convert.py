"""`rkv convert`: writes an RDB file anew in a version that another server reads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rkv._rkv import convert_file

from .work import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .progress import Progress

TARGETS = ("redis7", "redis8", "valkey")
USAGE = f"usage: rkv convert IN OUT --for {'|'.join(TARGETS)}"


def main(words: Sequence[str]) -> int:
    """Write the file; 0, or 65 if the input is damaged or the target cannot have it, 74 if a file fails."""
    return run("convert", USAGE, words, read, convert, "converting")


def convert(request: tuple[str, str, str], progress: Progress) -> str:
    """Write the file, and say what it is."""
    source, destination, target = request
    version, size, modules = convert_file(source, destination, target, progress)
    for module in sorted(modules):
        print(f"rkv convert: data of the module {module} is left out", file=sys.stderr)
    return f"{destination}: RDB version {version}, {size} bytes"


def read(words: Sequence[str]) -> tuple[str, str, str]:
    """The two files and the target."""
    rest, target = list(words), ""
    for index, word in enumerate(rest):
        name, _, value = word.partition("=")
        if name == "--for":
            if not value and index + 1 == len(rest):
                raise ValueError("--for needs a name")
            target = value or rest[index + 1]
            del rest[index : index + (1 if value else 2)]
            break
    if target not in TARGETS:
        raise ValueError(f"'{target}' is none of {', '.join(TARGETS)}" if target else "--for is missing")
    if len(rest) != 2 or any(word.startswith("-") for word in rest):
        raise ValueError("two files are expected, the one to read and the one to write")
    return rest[0], rest[1], target

"""What commands share that read files, tell their progress, and write others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from rkv.errors import RkvError

from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Request = TypeVar("Request")

USAGE_STATUS = 2
DAMAGED_STATUS = 65
IO_STATUS = 74


def run(
    name: str,
    usage: str,
    words: Sequence[str],
    read: Callable[[Sequence[str]], Request],
    work: Callable[[Request, Progress], str],
    doing: str,
) -> int:
    """Read the words, do the work, print what it tells.

    0; 2 if the words (or what they ask for) mean nothing, 65 if the input is damaged or refused, 74 if a file fails.
    """
    if list(words) in (["-h"], ["--help"]):
        print(usage)
        return 0
    try:
        request = read(words)
    except ValueError as error:
        print(f"rkv {name}: {error}\n{usage}", file=sys.stderr)
        return USAGE_STATUS
    progress = Progress(doing)
    try:
        told = work(request, progress)
    except ValueError as error:
        status, text = USAGE_STATUS, str(error)
    except RkvError as error:
        status, text = DAMAGED_STATUS, str(error)
    except OSError as error:
        status, text = IO_STATUS, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        progress.end()
        print(told)
        return 0
    progress.end()
    print(f"rkv {name}: {text}", file=sys.stderr)
    return status

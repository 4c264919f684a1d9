"""`rkv check`: reads a file as a server would and tells what is in it, or what is wrong with it and where."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rkv._rkv import check_file
from rkv.errors import DamagedFileError

from . import check_log
from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

USAGE = "usage: rkv check [--fix] FILE|DIR"
USAGE_STATUS = 2
DAMAGED_STATUS = 65
IO_STATUS = 74


def main(words: Sequence[str]) -> int:
    """Print what is in the file; 0 if it is whole, 65 if it is damaged, 74 if it cannot be read."""
    fix = "--fix" in words
    words = [word for word in words if word != "--fix"]
    if len(words) == 1 and (fix or check_log.is_log(words[0])):
        return check_log.main(words[0], fix)
    if len(words) != 1 or words[0] in {"-h", "--help"}:
        is_help = len(words) == 1
        print(USAGE, file=sys.stdout if is_help else sys.stderr)
        return 0 if is_help else USAGE_STATUS
    progress = Progress("checking")
    try:
        report = check_file(words[0], progress)
    except DamagedFileError as error:
        progress.end()
        print(f"rkv check: {error}", file=sys.stderr)
        return DAMAGED_STATUS
    except OSError as error:
        progress.end()
        print(f"rkv check: {words[0]}: {error.strerror or error}", file=sys.stderr)
        return IO_STATUS
    progress.end()
    print("\n".join(lines(words[0], report)))
    return 0


def lines(path: str, report: dict[str, Any]) -> list[str]:
    """The report, a line for each thing that is worth one."""
    out = [f"{os.path.basename(path)}: RDB version {report['version']}, {report['bytes']} bytes, no damage found"]
    out += [f"  {name}: {value}" for name, value in report["aux"]]
    checksum = report["checksum"]
    out.append("  checksum: none was written" if checksum is None else f"  checksum: {checksum:016x}, right")
    out.append(f"  keys: {report['keys']}, {report['with_deadline']} of them expire, {report['expired']} have expired")
    out += [f"  database {db}: {keys} keys" for db, keys in sorted(report["databases"].items())]
    out += [f"  {name}: {keys}" for name, keys in sorted(report["types"].items())]
    counts = {
        "libraries of functions": report["functions"],
        "collections without elements, which servers leave out": report["empty_keys"],
        "values of modules, which cannot be kept": report["module_values"],
        "bytes behind the end, which servers ignore or take for a log": report["trailing_bytes"],
    }
    out += [f"  {count} {what}" for what, count in counts.items() if count]
    out += [f"  data of the module {name}, which is not kept" for name in sorted(report["module_data"])]
    return out

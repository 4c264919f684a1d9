"""The command line: `rkv serve`, and what looks after servers and their files.

What it is: words in, exit status out. What it is not: it serves nothing itself. Each command is imported when it is
asked for, so that `rkv ping` and `rkv --version` do without trio.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Protocol

from rkv._rkv import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


class Command(Protocol):
    """What a command's module has."""

    def main(self, words: Sequence[str]) -> int:
        """Do it; the exit status."""


USAGE = """\
rkv: a Redis-compatible store

  rkv serve [redis.conf] [--directive value ...]   start the server; `rkv-server` is the same
  rkv ping [-h host] [-p port] [-s socket] [--tls] ask a server whether it answers
  rkv check FILE                                   read a file as a server would, and tell what is in it
  rkv convert IN OUT --for redis7|redis8|valkey    write an RDB file anew for another server
  rkv backup DIR [--from EARLIER] [-h -p -s]       back up a server of this machine while it serves
  rkv restore BACKUP DIR [--to OFFSET|TIME]        restore a backup, as of any point that it covers
  rkv --version
  rkv --help
"""
SERVE_USAGE = """\
rkv serve [redis.conf] [-] [--directive value ...]

Directives are those of redis.conf: rkv serve --port 7000 --maxmemory 100mb
A dash reads further lines from standard input. Later words win.
"""
USAGE_STATUS = 2
# Each is a module of this package with a function `main`.
COMMANDS = ("ping", "check", "convert", "backup", "restore")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(USAGE, end="")
        return 0 if words else USAGE_STATUS
    command, rest = words[0], words[1:]
    if command in {"-v", "--version", "version"}:
        return _version()
    if command == "serve":
        return server_main(rest)
    if command in COMMANDS:
        module: Command = importlib.import_module(f"rkv.cli.{command}")
        return module.main(rest)
    return _unknown(command)


def server_main(argv: Sequence[str] | None = None) -> int:
    """Run the server; `argv` is what redis-server takes. Does not return while it serves."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["-v"], ["--version"]):
        return _version()
    if words in (["-h"], ["--help"]):
        print(SERVE_USAGE, end="")
        return 0
    from rkv.server.program import main as serve

    status = serve([os.fsencode(word) for word in words])
    # The system takes the memory back faster than it can be freed piece by piece.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _version() -> int:
    print(f"rkv {__version__}")
    return 0


def _unknown(command: str) -> int:
    import difflib

    near = difflib.get_close_matches(command, ["serve", *COMMANDS, "version", "help"], n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    print(f"rkv: unknown command '{command}'{hint}\n\n{USAGE}", end="", file=sys.stderr)
    return USAGE_STATUS

"""Writes the lower part of docs/compatibility.md: `make docs`, or `python -m support.compatibility` within tests/.

What stands there is computed: commands and their options from COMMAND DOCS, options of the configuration from CONFIG
GET, tests from what the sources of tests say to a server, differences from the list of the differential test. The upper
part, deviations in words, is written by hand and left alone.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from model import usage
from model.differences import DIFFERENCES
from model.sequences import LEFT_OUT, is_left_out
from support import servers
from support.resp import Array, Bulk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.usage import Argument, Command
    from support.resp import Connection

TESTS = Path(__file__).resolve().parents[1]
RUST_TESTS = TESTS.parent / "rust" / "engine" / "tests"
PAGE = TESTS.parent / "docs" / "compatibility.md"
CONFIG = TESTS.parent / "rust" / "engine" / "src" / "config" / "table"
MARK = "<!-- What follows is written by `make docs`. -->\n"
SERVER = {"redis": "Redis 7.0", "valkey": "Valkey 9.1", "both": "both"}

# The differential test, which makes words of every option of every command that it does not leave out.
MODEL = "model"
# Files that are shown for each command: where it is named in passing, nobody looks for its tests.
SHOWN = 2
# Where commands stand in texts: `A: SET k v | GET k`, each on a line or between bars.
RUST_STRING = re.compile(r'b?"((?:[^"\\]|\\.)*)"')
RUST_SLICE = re.compile(r'\[((?:\s*b?"(?:[^"\\]|\\.)*"(?:\[\.\.\])?,?)+)')
PIECES = re.compile(r"\||\n|(?:^|\s)\w?>|(?:^|\s)[A-Z]:")


def said(source: str) -> Iterator[list[str]]:
    """Word lists that a test may send: strings, their parts between bars, and the strings within a call or a list."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (piece.split() for piece in PIECES.split(node.value))
        elif isinstance(node, ast.Call):
            yield strings([*node.args])
        elif isinstance(node, ast.Tuple | ast.List):
            yield strings(node.elts)


def said_in_rust(source: str) -> Iterator[list[str]]:
    """The same of a test in Rust: the strings of a slice."""
    for words in RUST_SLICE.findall(source):
        yield " ".join(RUST_STRING.findall(words)).split()


def strings(nodes: list[ast.expr]) -> list[str]:
    """All words in expressions, in their order."""
    words: list[str] = []
    for node in nodes:
        constants = (inner for inner in ast.walk(node) if isinstance(inner, ast.Constant))
        for constant in constants:
            text = constant.value
            words += (text.decode("latin-1") if isinstance(text, bytes) else str(text)).split()
    return words


class Tests:
    """Which files of tests name which commands, and with which words."""

    def __init__(self) -> None:
        self.words: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        for path in sorted(TESTS.glob("*/test_*.py")):
            name = f"{path.parent.name}/{path.stem.removeprefix('test_')}"
            self._take(name, list(said(path.read_text())))
        for path in sorted(RUST_TESTS.rglob("*.rs")):
            name = str(path.relative_to(RUST_TESTS.parents[1]).with_suffix(""))
            self._take(name, list(said_in_rust(path.read_text())))

    def _take(self, name: str, said: list[list[str]]) -> None:
        # Options come from tables and by chance, too, so they are looked for wherever a command is named.
        everything = {word.upper() for words in said for word in words}
        for words in said:
            for length in (1, 2):
                title = " ".join(words[:length]).upper()
                self.words[title][name] = everything
                self.counts[title][name] += 1

    def of(self, command: Command) -> list[str]:
        """The files that name a command most often."""
        counts = self.counts.get(command.title, Counter())
        named = sorted(counts, key=lambda name: (-counts[name], name))[:SHOWN]
        return named if is_left_out(command) else [MODEL, *named]

    def has(self, command: Command, option: str) -> bool:
        """Whether an option of a command is tried."""
        files = self.words.get(command.title, {})
        return not is_left_out(command) or any(option in words for words in files.values())


def tokens(arguments: tuple[Argument, ...]) -> list[str]:
    """The options of a command in their order, each once."""
    found: list[str] = []
    for argument in arguments:
        if argument.token:
            found.append(argument.token.decode())
        found += tokens(argument.arguments)
    return list(dict.fromkeys(found))


def commands(connection: Connection) -> list[Command]:
    """Every command that rkv has."""
    return usage.commands(connection.call("COMMAND", "DOCS"))


def options(connection: Connection) -> list[str]:
    """Every option of the configuration, by its names."""
    reply = connection.call("CONFIG", "GET", "*")
    assert isinstance(reply, Array), reply
    return sorted(item.data.decode() for item in reply.items[::2] if isinstance(item, Bulk))


def without_effect() -> set[str]:
    """Names of options that have no effect yet, from the table that says so."""
    sources = "".join(path.read_text() for path in sorted(CONFIG.glob("*.rs")))
    rows = re.findall(r"(?s)\bknown\((.*?)(?=\n    \w+\(|\n\];)", sources)
    names = [re.match(r'\s*"([\w-]+)"', row) for row in rows]
    aliases = [re.search(r'\.alias\("([\w-]+)"\)', row) for row in rows]
    return {found[1] for found in (*names, *aliases) if found}


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def written(connection: Connection) -> str:
    """What stands below the mark."""
    tests, known, idle = Tests(), commands(connection), without_effect()
    lines = [MARK]
    lines += ["## What the differential test knows", ""]
    lines += ["| server | example | why rkv differs |", "|---|---|---|"]
    lines += sorted(f"| {SERVER[one.server]} | `{cell(one.example)}` | {cell(one.reason)} |" for one in DIFFERENCES)
    lines += ["", "## Commands", ""]
    lines += [
        "Every command with its options, and what tests it: `model` is the differential test, which tries every option",
        "of a command against real servers; the others are the files that name it most often, `commands/set` for",
        "`tests/commands/test_set.py`, `engine/tests/log/backup` for `rust/engine/tests/log/backup.rs`. Where `model`",
        "leaves a command out, the reason stands there.",
    ]
    for group in sorted({command.group for command in known}):
        lines += ["", f"### {group}", "", "| command | options | tested by |", "|---|---|---|"]
        lines += (row(tests, command) for command in known if command.group == group)
    lines += ["", "## Options of the configuration", ""]
    lines += [
        "Names, defaults, replies to CONFIG SET and refusals at the start are compared with recordings of both servers",
        "(`rust/engine/src/config/tests/golden.rs`, where those that differ are listed with their reasons). What",
        "stands in brackets is read, checked and told, and has no effect yet.",
        "",
        ", ".join(f"(`{name}`)" if name in idle else f"`{name}`" for name in options(connection)) + ".",
    ]
    return "\n".join(lines) + "\n"


def row(tests: Tests, command: Command) -> str:
    """The line of a command."""
    shown = " ".join(f"`{token}`" for token in tokens(command.arguments) if token)
    why = LEFT_OUT.get(command.title) or LEFT_OUT.get(command.name[0].decode())
    files = ", ".join(tests.of(command))
    if why and command.name[-1] != b"HELP":
        files += f" (not `model`: {cell(why)})"
    return f"| {command.title} | {cell(shown)} | {files.strip()} |"


def page(old: str, connection: Connection) -> str:
    """The whole page, given how it was."""
    return old.partition(MARK)[0].rstrip("\n") + "\n\n" + written(connection)


def main() -> None:
    """Write the page."""
    with servers.start_rkv() as server, server.connect() as connection:
        PAGE.write_text(page(PAGE.read_text(), connection))


if __name__ == "__main__":
    main()

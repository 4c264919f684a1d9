"""docs/compatibility.md says what there is: every command, its options and tests; and nothing is without a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support import compatibility
from support.resp import Array, Simple

if TYPE_CHECKING:
    from support.servers import Server

# Options that no test sends, each with its reason.
UNTRIED: dict[str, str] = {}


def test_the_page_is_up_to_date(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        text = compatibility.PAGE.read_text()
        assert compatibility.page(text, connection) == text, "run `make docs`"


def test_every_command_and_every_option_is_tried(rkv_server: Server) -> None:
    tests = compatibility.Tests()
    with rkv_server.connect() as connection:
        known = compatibility.commands(connection)
    assert len(known) > 300
    named = {command.title for command in known if command.name[-1] == b"HELP" or tests.of(command)}
    assert named == {command.title for command in known}
    untried = {
        f"{command.title} {option}"
        for command in known
        for option in compatibility.tokens(command.arguments)
        if option and not tests.has(command, option)
    }
    assert untried == set(UNTRIED)


def test_every_container_helps(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        helps = [command for command in compatibility.commands(connection) if command.name[-1] == b"HELP"]
        assert len(helps) > 12
        for command in helps:
            container = command.name[0]
            reply = connection.call(*command.name)
            assert isinstance(reply, Array), command
            lines = [line.text for line in reply.items if isinstance(line, Simple)]
            assert len(lines) == len(reply.items) > 3, command
            assert lines[0] == container + b" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
            assert lines[-2:] == [b"HELP", b"    Print this help."], command


def test_words_are_found_in_sources() -> None:
    source = """
CALLS = "A: SET k v NX | client kill\\nGET k"
connection.call("ZADD", "k", *flags, b"GT")
for words in (["LPOS", "k"], ("XADD k *", "x")): pass
"""
    found = list(compatibility.said(source))
    for words in (
        ["SET", "k", "v", "NX"],
        ["client", "kill"],
        ["GET", "k"],
        ["ZADD", "k", "GT"],
        ["LPOS", "k"],
        ["XADD", "k", "*", "x"],
    ):
        assert words in found, words
    rust = 'run(&mut caller, &[b"SET", b"k"]); say(&["BACKUP", "START", "INCREMENTAL"], 1); let x = ["a"];'
    assert list(compatibility.said_in_rust(rust)) == [["SET", "k"], ["BACKUP", "START", "INCREMENTAL"], ["a"]]

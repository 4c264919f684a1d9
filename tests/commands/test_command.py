"""COMMAND: what rkv says about its commands is what Valkey says about the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.resp import Array, Bulk, Error, Integer, Map, Null, NullBulk, Reply, Set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

# Texts that every server writes in its own words.
OWN_WORDS = {b"summary", b"complexity", b"history", b"notes", b"replaced_by", b"doc_flags"}

KEYS = """
get k | GET k | mget a b c | mset a 1 b 2 | mset a 1 b | set k v | set k v GET | set k v xx get | getex k
rename a b | lcs a b | msetex 2 a 1 b 2 NX | msetex 3 a 1 b 2 | msetex 0 a 1 | msetex x a 1 | msetex -1 a 1
copy a b | copy a b DB 1 | object encoding k | memory usage k | watch a b | exists a a | touch a | unlink a b
get | get a b | mset a | nosuch | nosuch a | ping | ping a | client id | client nosuch | client
object nosuch k | command getkeys get k | scan 0 | keys * | randomkey
"""
LISTS = """
| x | filterby | filterby x y | filterby aclcat | filterby aclcat nosuch | filterby aclcat STRING
filterby ACLCAT keyspace | filterby aclcat fast | filterby aclcat slow | filterby aclcat dangerous
filterby aclcat read x | filterby module bf | filterby pattern * | filterby PATTERN GE?
filterby pattern client|i* | filterby pattern x | x aclcat read
"""


def words(table: str) -> list[list[str]]:
    """The words of each entry; only a bar between spaces, or the end of a line, ends one."""
    entries = [entry for line in table.strip().splitlines() for entry in f" {line} ".split(" | ")]
    return [entry.split() for entry in entries]


@pytest.fixture
def rkv(rkv_server: Server) -> Iterator[Connection]:
    """A connection to rkv that speaks RESP3."""
    with rkv_server.connect(protocol=3) as connection:
        yield connection


@pytest.fixture
def valkey(valkey_server: Server) -> Iterator[Connection]:
    """A connection to Valkey that speaks RESP3."""
    with valkey_server.connect(protocol=3) as connection:
        yield connection


def plain(reply: Reply) -> Any:
    """A reply with sets in order, without texts of the server's own; kinds stay apart."""
    match reply:
        case Array(items):
            return [plain(item) for item in items]
        case Set(items):
            return ("set", sorted((plain(item) for item in items), key=repr))
        case Map(pairs):
            return {name.data: plain(value) for name, value in pairs if name.data not in OWN_WORDS}
        case _:
            return reply


def name_of(info: Array) -> bytes:
    """The name in a description."""
    return info.items[0].data


def without_strangers(info: Any, known: set[bytes]) -> Any:
    """A description, with those of its subcommands that both servers have, in order."""
    *rest, subcommands = info
    shared = [without_strangers(subcommand, known) for subcommand in subcommands if subcommand[0].data in known]
    return [*rest, sorted(shared, key=lambda subcommand: subcommand[0].data)]


def names(connection: Connection) -> set[bytes]:
    """The full names of all commands and subcommands."""
    return {item.data for item in connection.call("COMMAND", "LIST").items}


def older(reply: Reply) -> Reply:
    """What RESP2 makes of a reply of RESP3."""
    match reply:
        case Array(items) | Set(items):
            return Array(tuple(older(item) for item in items))
        case Map(pairs):
            return Array(tuple(older(item) for pair in pairs for item in pair))
        case Null():
            return NullBulk()
        case _:
            return reply


def test_info(rkv: Connection, valkey: Connection) -> None:
    both = names(rkv) & names(valkey)
    assert b"command|docs" in both
    for name in sorted(both):
        mine, theirs = (plain(server.call("COMMAND", "INFO", name))[0] for server in (rkv, valkey))
        assert without_strangers(mine, both) == without_strangers(theirs, both), name


def test_docs(rkv: Connection, valkey: Connection) -> None:
    both = names(rkv) & names(valkey)
    for name in sorted(both):
        mine, theirs = (plain(server.call("COMMAND", "DOCS", name)) for server in (rkv, valkey))
        for docs in (mine[name], theirs[name]):
            # Only an argument's deprecation is data; that of a command is one of the texts.
            docs.pop(b"deprecated_since", None)
            # Subcommands are compared under their own names.
            docs.pop(b"subcommands", None)
        assert mine == theirs, name


def test_every_command_is_documented(rkv: Connection) -> None:
    for name, docs in rkv.call("COMMAND", "DOCS").pairs:
        texts = dict(docs.pairs)
        for text in (b"summary", b"since", b"group", b"complexity"):
            assert texts[Bulk(text)].data, (name, text)


def test_all_commands_agree_with_each_other(rkv: Connection) -> None:
    commands = rkv.call("COMMAND")
    assert rkv.call("COMMAND", "COUNT") == Integer(len(commands.items))
    assert rkv.call("COMMAND", "INFO") == commands
    assert [name.data for name, _ in rkv.call("COMMAND", "DOCS").pairs] == [name_of(info) for info in commands.items]
    nested = {name_of(subcommand) for info in commands.items for subcommand in info.items[9].items}
    assert names(rkv) == {name_of(info) for info in commands.items} | nested


@pytest.mark.parametrize("call", ["GETKEYS", "GETKEYSANDFLAGS"])
def test_keys(rkv: Connection, valkey: Connection, call: str) -> None:
    known = names(rkv)
    for request in words(KEYS):
        if request[0].lower().encode() not in known and request[0] != "nosuch":
            continue
        mine, theirs = (plain(server.call("COMMAND", call, *request)) for server in (rkv, valkey))
        assert mine == theirs, request


def test_list(rkv: Connection, valkey: Connection) -> None:
    both = names(rkv) & names(valkey)

    def shown(reply: Reply) -> Any:
        return {item.data for item in reply.items} & both if isinstance(reply, Array) else reply

    for request in words(LISTS):
        mine, theirs = (shown(server.call("COMMAND", "LIST", *request)) for server in (rkv, valkey))
        assert mine == theirs, request


def test_names_that_do_not_exist(rkv: Connection, valkey: Connection) -> None:
    for request in (
        ["INFO", "nosuch", "command|", "|", "command|count|x", "Command|COUNT"],
        ["DOCS", "nosuch", "command|", "|", "command|nosuch"],
        ["nosuch"],
        ["count", "x"],
        ["getkeys"],
        ["help", "x"],
    ):
        mine, theirs = (plain(server.call("COMMAND", *request)) for server in (rkv, valkey))
        assert mine == theirs, request


def test_help_is_a_list_of_lines(rkv: Connection) -> None:
    first, *_, last = rkv.call("COMMAND", "HELP").items
    assert first.text == b"COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert last.text == b"    Print this help."


def test_resp2_has_the_same_in_arrays(rkv: Connection, rkv_server: Server) -> None:
    with rkv_server.connect(protocol=2) as older_rkv:
        for request in (
            [],
            ["INFO", "nosuch", "set"],
            ["DOCS"],
            ["LIST"],
            ["GETKEYSANDFLAGS", "get", "k"],
            ["HELP"],
        ):
            reply = older_rkv.call("COMMAND", *request)
            assert not isinstance(reply, Error), request
            assert reply == older(rkv.call("COMMAND", *request)), request

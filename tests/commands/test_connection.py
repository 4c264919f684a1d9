"""PING, ECHO, HELLO, AUTH, SELECT, QUIT and RESET beside Valkey 9.1, whose texts rkv follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Map, Null, NullBulk, Simple, encode, fields
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Argument, Connection
    from support.servers import Server

NOT_AUTHENTICATED = """
PING | NOSUCH | GET | GET a | CLIENT ID | CLIENT | MULTI | EXEC | DISCARD | COMMAND | SELECT 1
HELLO | HELLO 3 | HELLO 9 | HELLO x | HELLO 3 FOO | HELLO 3 SETNAME a | HELLO 3 AUTH default
HELLO 3 AUTH default wrong
HELLO 3 AUTH other secret | AUTH | AUTH wrong | AUTH secre | AUTH secretsecret | AUTH default wrong | AUTH other secret
AUTH a b c | RESET
"""
WORDS = """
PING | PING a | PING a b | ECHO | ECHO a | ECHO a b | SELECT | SELECT 1 | SELECT 15 | SELECT 16 | SELECT -1 | SELECT x
SELECT 2147483648 | SELECT 99999999999999999999 | SELECT 0 1 | SELECT 0 | RESET x
AUTH | AUTH x | AUTH default x | AUTH other x | AUTH a b c
HELLO x | HELLO 1 | HELLO 4 | HELLO -1 | HELLO 99999999999999999999 | HELLO 3 AUTH | HELLO 3 AUTH a | HELLO 3 SETNAME
HELLO 3 FOO | HELLO 3 AUTH other x | HELLO 2 SETNAME a\tb | HELLO 3 SETNAME a SETNAME
"""


def requests(table: str) -> Iterator[list[str]]:
    """The words of each entry."""
    for line in table.strip().splitlines():
        for entry in line.split(" | "):
            yield entry.split(" ")


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        yield Pair(rkv, valkey)


def test_replies(pair: Pair) -> None:
    for words in requests(WORDS):
        pair.same(*words)


def test_hello_describes_the_server(pair: Pair) -> None:
    for words in (["HELLO", 2], ["HELLO", 3], ["HELLO", 3, "SETNAME", "me"], ["HELLO", 2, "AUTH", "default", "any"]):
        mine, theirs = pair.both(*words)
        assert type(mine) is type(theirs)
        mine, theirs = fields(mine), fields(theirs)
        assert list(mine) == list(theirs)
        for name in (b"proto", b"mode", b"role"):
            assert mine[name] == theirs[name]
        assert mine[b"server"] == Bulk(b"redis")
        assert mine[b"version"] == Bulk(b"7.2.4")
        assert mine[b"id"] == pair.rkv.call("CLIENT", "ID")
        assert mine[b"modules"] == Array(())
        assert mine[b"proto"] == Integer(words[1])
    # Without a version nothing changes.
    assert isinstance(pair.rkv.call("HELLO"), Array)
    assert pair.rkv.call("CLIENT", "GETNAME") == Bulk(b"me")


def test_the_protocol_changes_what_follows(pair: Pair) -> None:
    null = {2: NullBulk(), 3: Null()}
    pair.same("FLUSHALL")
    for version in (3, 2, 3):
        pair.both("HELLO", version)
        assert pair.same("GET", "none") == null[version]
    for words in (["MULTI"], ["GET", "none"]):
        pair.same(*words)
    pair.both("HELLO", 2)
    replies = pair.both("EXEC")
    assert [reply.items[0] for reply in replies] == [Null(), Null()]
    assert pair.same("GET", "none") == NullBulk()


def test_databases_are_apart(pair: Pair) -> None:
    pair.same("FLUSHALL")
    for db in (0, 1, 15):
        pair.same("SELECT", db)
        pair.same("SET", "k", db)
    for db in (0, 1, 15, 2):
        pair.same("SELECT", db)
        pair.same("GET", "k")


def test_quit_answers_and_closes(rkv_server: Server, valkey_server: Server) -> None:
    for request in (b"QUIT\r\nPING\r\n", b"QUIT a b\r\n", b"MULTI\r\nQUIT\r\nEXEC\r\n", b"PING\r\nquit\r\n"):
        ends = []
        for server in (rkv_server, valkey_server):
            with server.connect() as connection:
                connection.send(request)
                ends.append(connection.read_to_end())
        assert ends[0] == ends[1], request


def test_reset_brings_the_first_state_back(pair: Pair) -> None:
    for words in (
        ["SELECT", 3], ["CLIENT", "SETNAME", "me"], ["CLIENT", "NO-TOUCH", "on"], ["CLIENT", "NO-EVICT", "on"],
        ["WATCH", "k"], ["MULTI"], ["SET", "k", 1],
    ):  # fmt: skip
        pair.same(*words)
    pair.both("HELLO", 3)
    assert pair.same("RESET") == Simple(b"RESET")
    assert pair.same("EXEC") == Error(b"ERR EXEC without MULTI")
    assert pair.same("CLIENT", "GETNAME") == NullBulk()
    line = pair.rkv.call("CLIENT", "INFO")
    assert isinstance(line, Bulk)
    for field in (b" db=0 ", b" flags=N ", b" name= ", b" watch=0 ", b" multi=-1 ", b" resp=2 "):
        assert field in line.data


def authenticate(connection: Connection, *words: Argument) -> Connection:
    """The same connection, logged in."""
    assert connection.call("AUTH", *words) == Simple(b"OK")
    return connection


@pytest.fixture
def with_password(rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """Two connections that may do nothing yet, as both servers have a password for the time of the test."""
    with rkv_server.connect() as mine, valkey_server.connect() as theirs:
        owners = Pair(mine, theirs)
        owners.same("CONFIG", "SET", "requirepass", "secret")
        try:
            with rkv_server.connect() as rkv, valkey_server.connect() as valkey:
                # Who was there before stays what it was.
                owners.same("PING")
                yield Pair(rkv, valkey)
        finally:
            owners.same("CONFIG", "SET", "requirepass", "")


def test_strangers_are_told_little(with_password: Pair) -> None:
    for words in requests(NOT_AUTHENTICATED):
        with_password.same(*words)


def test_a_password_opens(with_password: Pair) -> None:
    for words in (["AUTH", "secret"], ["AUTH", "default", "secret"]):
        with_password.same(*words)
        with_password.same("PING")
        with_password.same("AUTH", "wrong")
        with_password.same("PING")
        with_password.same("RESET")
        with_password.same("PING")
    mine, theirs = with_password.both("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "me")
    assert isinstance(mine, Map)
    assert isinstance(theirs, Map)
    assert with_password.same("CLIENT", "GETNAME") == Bulk(b"me")


def test_without_a_password_again(with_password: Pair) -> None:
    authenticate(with_password.rkv, "secret")
    authenticate(with_password.peer, "secret")
    with_password.same("RESET")
    with_password.same("PING")
    with_password.same("AUTH", "default", "secret")
    with_password.same("CONFIG", "SET", "requirepass", "")
    with_password.same("RESET")
    with_password.same("PING")


def test_strangers_have_limits(with_password: Pair) -> None:
    word = "x" * (16 * 1024)
    assert with_password.rkv.call("AUTH", word) == Error(
        b"WRONGPASS invalid username-password pair or user is disabled."
    )
    with_password.same("AUTH", *["x"] * 9)
    with_password.rkv.send(encode("AUTH", word + "x"))
    assert with_password.rkv.read() == Error(b"ERR Protocol error: unauthenticated bulk length")
    assert with_password.rkv.socket.recv(1) == b""
    with_password.peer.send(encode("AUTH", word + "x"))
    assert with_password.peer.read() == Error(b"ERR Protocol error: unauthenticated bulk length")

"""Users and their rules through sockets: what each may do, what is told, and when a connection ends."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from support import program
from support.resp import Array, Bulk, Error, Integer, Simple, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.program import Program, Starter
    from support.resp import Connection, Reply

OK = Simple(b"OK")
OPENED: list[Connection] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a test opened."""
    yield
    while OPENED:
        OPENED.pop().close()


def connect(port: int) -> Connection:
    """A connection that is closed after the test."""
    OPENED.append(program.connect(port))
    return OPENED[-1]


def log_in(port: int, user: str, password: str = "p") -> Connection:
    """A connection of a user."""
    connection = connect(port)
    assert connection.call("AUTH", user, password) == OK
    return connection


def is_refused(reply: Reply, code: bytes) -> bool:
    """Whether a reply is an error with this code word."""
    return (isinstance(reply, Error) and code in reply.text) or (
        isinstance(reply, Array) and any(is_refused(item, code) for item in reply.items)
    )


def test_rules_hold_at_once(serving: tuple[Program, int]) -> None:
    _, port = serving
    admin = connect(port)
    assert admin.call("ACL", "SETUSER", "u", "on", ">p", "~a*", "+get", "+set", "+multi", "+exec", "+acl|whoami") == OK
    user = log_in(port, "u")
    assert user.call("ACL", "WHOAMI") == Bulk(b"u")
    assert user.call("SET", "a", "1") == OK
    assert is_refused(user.call("SET", "b", "1"), b"No permissions to access a key")
    assert is_refused(user.call("DEL", "a"), b"User u has no permissions to run the 'del' command")
    assert user.call("MULTI") == OK
    assert user.call("GET", "a") == Simple(b"QUEUED")
    assert admin.call("ACL", "SETUSER", "u", "-get") == OK
    assert is_refused(user.call("EXEC"), b"no permission to execute the command or subcommand")
    assert is_refused(user.call("GET", "a"), b"NOPERM")


def test_who_waits_loses_the_right(serving: tuple[Program, int]) -> None:
    _, port = serving
    admin = connect(port)
    assert admin.call("ACL", "SETUSER", "u", "on", ">p", "~*", "+blpop") == OK
    user = log_in(port, "u")
    user.send(encode("BLPOP", "list", "0"))
    while b"blocked_clients:1" not in repr(admin.call("INFO", "clients")).encode():
        pass
    assert admin.call("ACL", "SETUSER", "u", "resetkeys") == OK
    assert admin.call("RPUSH", "list", "x") == Integer(1)
    assert is_refused(user.read(), b"No permissions to access a key")
    assert admin.call("LLEN", "list") == Integer(1)


def test_a_removed_user_is_closed(serving: tuple[Program, int]) -> None:
    _, port = serving
    admin = connect(port)
    assert admin.call("ACL", "SETUSER", "u", "on", ">p", "+@all", "~*") == OK
    user = log_in(port, "u")
    assert admin.call("ACL", "DELUSER", "u", "nobody") == Integer(1)
    with pytest.raises((EOFError, ConnectionError, OSError)):
        user.call("PING")


def test_passwords_are_not_told(serving: tuple[Program, int]) -> None:
    program, port = serving
    admin = connect(port)
    assert admin.call("CONFIG", "SET", "slowlog-log-slower-than", "0") == OK
    assert admin.call("ACL", "SETUSER", "u", "on", ">s3cret") == OK
    stranger = connect(port)
    assert is_refused(stranger.call("AUTH", "u", "s3cret-no"), b"WRONGPASS")
    assert stranger.call("AUTH", "u", "s3cret") == OK
    told = [
        admin.call(*words) for words in (("ACL", "LOG"), ("ACL", "LIST"), ("SLOWLOG", "GET", "-1"), ("CLIENT", "LIST"))
    ]
    assert b"s3cret" not in repr(told).encode()
    assert hashlib.sha256(b"s3cret").hexdigest() in repr(told)
    assert "s3cret" not in program.log()


def test_a_file_of_users(start: Starter, tmp_path: Path, io_threads: str) -> None:
    users = tmp_path / "users.acl"
    users.write_text(
        "user default on nopass ~* &* +@all\nuser u on >p ~a +get\n"
        "user worker on >p ~* +@all -@dangerous -cluster -replicaof -eval -script -function|load +failover\n"
    )
    _, port = start.serving("--io-threads", io_threads, "--aclfile", str(users))
    admin = connect(port)
    assert log_in(port, "u").call("ACL", "WHOAMI") is not None
    before = admin.call("ACL", "LIST")
    users.write_text("user u on\nuser u off\nuser v nosuch\n")
    assert is_refused(admin.call("ACL", "LOAD"), b"Duplicate user 'u' found on line 2")
    assert admin.call("ACL", "LIST") == before
    assert admin.call("ACL", "SAVE") == OK
    assert users.read_text().startswith("user default on nopass ~* &* +@all\nuser u on #")
    user = log_in(port, "u")
    assert admin.call("ACL", "LOAD") == OK
    assert admin.call("ACL", "LIST") == before
    with pytest.raises((EOFError, ConnectionError, OSError)):
        user.call("PING")
    assert isinstance(before, Array)

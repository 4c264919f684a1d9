"""The tests' own tools: replies are read right however they are cut, and servers start, answer and end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import (
    Array,
    Attribute,
    BigNumber,
    Boolean,
    Bulk,
    Connection,
    Double,
    Error,
    Integer,
    Map,
    Null,
    NullArray,
    NullBulk,
    ProtocolError,
    Push,
    Reader,
    Set,
    Simple,
    Verbatim,
    encode,
)

if TYPE_CHECKING:
    from random import Random

REPLIES = [
    (b"+OK\r\n", Simple(b"OK")),
    (b"+\r\n", Simple(b"")),
    (b"-WRONGTYPE no\r\n", Error(b"WRONGTYPE no")),
    (b"!7\r\nERR a\r\n\r\n", Error(b"ERR a\r\n", blob=True)),
    (b":-7\r\n", Integer(-7)),
    (b"$0\r\n\r\n", Bulk(b"")),
    (b"$6\r\n\r\n*1\r\n\r\n", Bulk(b"\r\n*1\r\n")),
    (b"$-1\r\n", NullBulk()),
    (b"*-1\r\n", NullArray()),
    (b"_\r\n", Null()),
    (b"#t\r\n", Boolean(True)),
    (b",inf\r\n", Double(b"inf")),
    (b",1.5\r\n", Double(b"1.5")),
    (b"(1234567890123456789012\r\n", BigNumber(1234567890123456789012)),
    (b"=7\r\ntxt:abc\r\n", Verbatim(b"txt", b"abc")),
    (b"*0\r\n", Array(())),
    (b"*2\r\n:1\r\n*1\r\n$-1\r\n", Array((Integer(1), Array((NullBulk(),))))),
    (b"~1\r\n+a\r\n", Set((Simple(b"a"),))),
    (b">1\r\n+a\r\n", Push((Simple(b"a"),))),
    (b"%1\r\n+a\r\n:1\r\n", Map(((Simple(b"a"), Integer(1)),))),
    (b"|1\r\n+a\r\n:1\r\n+OK\r\n", Attribute(((Simple(b"a"), Integer(1)),), Simple(b"OK"))),
]
WIRE = b"".join(data for data, _ in REPLIES)
EXPECTED = [reply for _, reply in REPLIES]


@pytest.mark.parametrize(("data", "reply"), REPLIES)
def test_each_kind_whole_and_with_trailing_bytes(data: bytes, reply: object) -> None:
    reader = Reader()
    reader.feed(data + b"+tra")
    assert reader.next() == reply
    assert reader.next() is None
    assert reader.pending == b"+tra"


def test_byte_by_byte() -> None:
    reader, found = Reader(), []
    for byte in WIRE:
        reader.feed(bytes([byte]))
        found += reader.replies()
    assert found == EXPECTED
    assert reader.pending == b""


def test_in_random_pieces(rng: Random) -> None:
    for _ in range(50):
        reader, found, rest = Reader(), [], WIRE
        while rest:
            cut = rng.randint(1, 12)
            reader.feed(rest[:cut])
            found += reader.replies()
            rest = rest[cut:]
        assert found == EXPECTED


def test_kinds_of_null_differ() -> None:
    assert len({NullBulk(), NullArray(), Null(), Bulk(b""), Simple(b""), Array(())}) == 6


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n", b"$x\r\n", b"*-2\r\n", b":1x\r\n", b"+a\n", b"$1\r\nabc", b"#x\r\n", b"=3\r\nabc\r\n", b"\r\n"],
)
def test_what_is_not_resp_is_refused(data: bytes) -> None:
    reader = Reader()
    reader.feed(data)
    with pytest.raises(ProtocolError):
        reader.next()


def test_commands_are_encoded() -> None:
    assert encode("SET", b"k\x00", 1, 0.5) == b"*4\r\n$3\r\nSET\r\n$2\r\nk\x00\r\n$1\r\n1\r\n$3\r\n0.5\r\n"


@pytest.mark.parametrize("peer", ["redis_server", "valkey_server"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_peer_answers(peer: str, protocol: int, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(peer)
    with server.connect(protocol) as connection:
        assert connection.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "none")]) == [
            Simple(b"OK"),
            Bulk(b"v"),
            NullBulk() if protocol == 2 else Null(),
        ]
        assert connection.call("NOSUCH").code == "ERR"


def test_a_server_is_ended_by_its_pid() -> None:
    with servers.start_redis() as server:
        os.kill(server.pid, 0)
        folder = server.folder
        assert "Ready to accept" in server.log()
    assert not folder.exists()
    assert server.process.returncode == 0
    with pytest.raises(OSError, match="refused"):
        Connection(server.address)


def test_a_server_that_refuses_says_why() -> None:
    with pytest.raises(servers.StartError, match="no-such-directive"):
        servers.start_redis("--no-such-directive", "1")


def test_a_missing_peer_is_a_skip_here_and_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        servers.missing("something", "somehow")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not installed"):
        servers.missing("something", "somehow")

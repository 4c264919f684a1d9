"""Channels: everybody hears what a real server lets him hear, in its order; who does not read is closed."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support import talk
from support.resp import Array, Bulk, Error, Integer, Null, Simple, encode

if TYPE_CHECKING:
    from support.resp import Connection
    from support.servers import Server

MESSAGES = """
A: SUBSCRIBE a
B: PUBLISH a one
A: SUBSCRIBE a b a
B: PUBLISH b two | PUBLISH a three | PUBLISH nobody x
A: PSUBSCRIBE *
B: PUBLISH a four | PUBLISH c five
A: PUNSUBSCRIBE * | PUNSUBSCRIBE * | UNSUBSCRIBE nosuch
B: PUBLISH c six
A: UNSUBSCRIBE b
B: PUBLISH a ''
A: UNSUBSCRIBE
A: UNSUBSCRIBE | PUNSUBSCRIBE | SUNSUBSCRIBE
A: GET nosuch
A: SSUBSCRIBE a b
B: PUBLISH a no | SPUBLISH a shard
A: SUBSCRIBE a | SUNSUBSCRIBE a
B: PUBLISH a yes | SPUBLISH a no
A: SUNSUBSCRIBE | UNSUBSCRIBE
B: PUBSUB CHANNELS | PUBSUB NUMPAT
"""
# Only the second sort of client may go on with other commands.
LIMITS = """
A: SUBSCRIBE a
A: GET x
A: MULTI | DISCARD
A: CLIENT ID x
A: NOSUCH
A: GET
A: CLIENT NOSUCH
A: PING
A: PING hi
A: PING a b
A: ECHO hi
A: UNSUBSCRIBE
A: PING
A: PING hi
A: SSUBSCRIBE s
A: GET x
A: SUNSUBSCRIBE
A: PSUBSCRIBE p*
A: DEL x
B: PUBLISH pp x
A: RESET
A: GET x
B: PUBLISH pp x
A: SUBSCRIBE q
A: QUIT
B: PUBLISH q x | PUBSUB NUMSUB q
"""
TRANSACTIONS = """
A: MULTI | SUBSCRIBE a b | PING | EXEC
B: PUBLISH a x
A: UNSUBSCRIBE
A: MULTI | SUBSCRIBE a | UNSUBSCRIBE | GET nosuch | EXEC
A: MULTI | PUBLISH a 1 | PUBSUB NUMSUB a | EXEC
B: SUBSCRIBE a
A: MULTI | PUBLISH a 1 | SET k v | PUBLISH a 2 | EXEC
"""
SELF = """
A: SUBSCRIBE a
A: PUBLISH a one | PING | PUBLISH a two
A: PSUBSCRIBE a*
A: PUBLISH a three | UNSUBSCRIBE a | PUBLISH a four
A: CLIENT REPLY OFF | PUBLISH a five | CLIENT REPLY ON
A: CLIENT REPLY SKIP | SUBSCRIBE b | PING
A: PUNSUBSCRIBE
A: MULTI | SUBSCRIBE c | PUBLISH c x | UNSUBSCRIBE c | EXEC
"""
ASKING = """
A: SUBSCRIBE one two
B: SUBSCRIBE one | SSUBSCRIBE one three
C: PUBSUB NUMSUB | PUBSUB NUMSUB one two nosuch one
C: PUBSUB SHARDNUMSUB | PUBSUB SHARDNUMSUB one three two
C: PUBSUB NUMPAT | PUBSUB NUMPAT x
A: PSUBSCRIBE o* t* | PSUBSCRIBE o*
B: PSUBSCRIBE o*
C: PUBSUB NUMPAT | PUBSUB CHANNELS o* | PUBSUB CHANNELS [ot]ne | PUBSUB CHANNELS nosuch | PUBSUB SHARDCHANNELS t*
C: PUBSUB | PUBSUB NOSUCH | PUBSUB CHANNELS a b | PUBSUB SHARDCHANNELS a b | PUBSUB HELP x
C: PUBLISH | PUBLISH a | PUBLISH a b c | SPUBLISH a | SUBSCRIBE | PSUBSCRIBE | SSUBSCRIBE
C: PUBLISH one x | SPUBLISH one x | PUBLISH three x
close B
C: PUBSUB NUMSUB one | PUBSUB SHARDCHANNELS | PUBSUB NUMPAT
"""


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
@pytest.mark.parametrize(
    "text", [MESSAGES, LIMITS, TRANSACTIONS, ASKING], ids=["messages", "limits", "multi", "asking"]
)
def test_everybody_hears_what_valkey_lets_him_hear(
    rkv_server: Server, valkey_server: Server, protocol: int, text: str
) -> None:
    talk.same(rkv_server, valkey_server, {"A": protocol, "B": protocol, "C": 2}, text)


def test_who_publishes_hears_himself_behind_the_reply(rkv_server: Server, valkey_server: Server) -> None:
    talk.same(rkv_server, valkey_server, {"A": 3}, SELF)


def test_who_goes_back_to_resp2_may_only_listen(rkv_server: Server) -> None:
    with rkv_server.connect(3) as connection:
        connection.send(encode("SUBSCRIBE", "a"))
        connection.read_push()
        assert connection.call("GET", "x") == Null()
        connection.call("HELLO", 2)
        assert isinstance(connection.call("GET", "x"), Error)
        assert connection.call("PING") == Array((Bulk(b"pong"), Bulk(b"")))


def test_a_listener_is_found_by_what_it_is(rkv_server: Server) -> None:
    with rkv_server.connect() as asking, rkv_server.connect() as listening, rkv_server.connect(3) as other:
        number = other.call("CLIENT", "ID")
        assert isinstance(number, Integer)
        listening.call("SUBSCRIBE", "a")
        other.send(encode("PSUBSCRIBE", "b", "c"))
        other.send(encode("SSUBSCRIBE", "d"))
        for _ in range(3):
            other.read_push()
        found = asking.call("CLIENT", "LIST", "TYPE", "pubsub")
        assert isinstance(found, Bulk)
        # A trio task may greet the later one first: the order is that of the numbers.
        lines = sorted(found.data.decode().splitlines(), key=lambda line: " resp=3 " in line)
        assert len(lines) == 2
        assert " flags=P " in lines[0]
        assert " sub=1 psub=0 ssub=0 " in lines[0]
        assert " sub=0 psub=2 ssub=1 " in lines[1]
        info = asking.call("INFO", "everything")
        assert isinstance(info, Bulk)
        for line in ("pubsub_channels:1", "pubsub_patterns:2", "pubsubshard_channels:1", "pubsub_clients:2"):
            assert line in info.data.decode().splitlines()
        assert asking.call("CLIENT", "KILL", "TYPE", "pubsub") == Integer(2)
        assert listening.read_to_end() == b""
        assert asking.call("PUBSUB", "NUMPAT") == Integer(0)
        assert asking.call("PUBSUB", "CHANNELS") == Array(())


def test_messages_of_several_authors_have_one_order(rkv_server: Server) -> None:
    count, readers = 300, 5

    def write(name: int) -> None:
        with rkv_server.connect() as author:
            author.pipeline([("PUBLISH", "news", f"{name} {number}") for number in range(count)])

    heard: list[list[bytes]] = [[] for _ in range(readers)]

    def read(connection: Connection, into: list[bytes]) -> None:
        for _ in range(3 * count):
            message = connection.read()
            assert isinstance(message, Array)
            last = message.items[-1]
            assert isinstance(last, Bulk)
            into.append(last.data)

    connections = [rkv_server.connect() for _ in range(readers)]
    for number, connection in enumerate(connections):
        connection.call(*(("SUBSCRIBE", "news") if number % 2 else ("PSUBSCRIBE", "n*s")))
    threads = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    threads += [threading.Thread(target=read, args=pair) for pair in zip(connections, heard, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    assert sorted(heard[0]) == sorted(f"{name} {number}".encode() for name in range(3) for number in range(count))
    assert all(one == heard[0] for one in heard)


def counter(connection: Connection, name: str) -> int:
    """A number of INFO."""
    info = connection.call("INFO", "stats")
    assert isinstance(info, Bulk)
    return int(dict(line.split(":", 1) for line in info.data.decode().splitlines() if ":" in line)[name])


@pytest.fixture
def limits(rkv_server: Server) -> object:
    """Puts the limits of output back."""
    with rkv_server.connect() as connection:
        yield
        connection.call(
            "CONFIG", "SET", "client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        )  # fmt: skip


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("limit", ["2mb 0 0", "0 1mb 1"], ids=["hard", "soft"])
def test_who_never_reads_is_closed_and_others_are_not(rkv_server: Server, limit: str) -> None:
    if "[trio" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        pytest.skip("a trio task that sends is not interrupted; what waits for its client is bounded all the same")
    with rkv_server.connect() as author, rkv_server.connect() as deaf, rkv_server.connect() as reader:
        author.call("CONFIG", "SET", "client-output-buffer-limit", f"pubsub {limit}")
        closed = counter(author, "client_output_buffer_limit_disconnections")
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.call("SUBSCRIBE", "flood")
        reader.call("SUBSCRIBE", "flood")
        end = time.monotonic() + 20
        message = b"x" * 100_000
        while author.call("PUBSUB", "NUMSUB", "flood") == Array((Bulk(b"flood"), Integer(2))):
            author.call("PUBLISH", "flood", message)
            reader.read()
            assert time.monotonic() < end, "a client that never reads is still there"
        assert counter(author, "client_output_buffer_limit_disconnections") == closed + 1
        assert "scheduled to be closed ASAP for overcoming of output buffer limits." in rkv_server.log()
        author.call("PUBLISH", "flood", "still there")
        assert reader.read() == Array((Bulk(b"message"), Bulk(b"flood"), Bulk(b"still there")))


@pytest.mark.usefixtures("limits")
def test_who_asks_for_more_than_it_may_leave_unread_is_closed(rkv_server: Server) -> None:
    with rkv_server.connect() as other, rkv_server.connect() as greedy:
        other.call("SET", "big", b"x" * 200_000)
        other.call("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
        assert other.call("STRLEN", "big") == Integer(200_000)
        greedy.send(encode("GET", "big"))
        assert greedy.read_to_end() == b""
        other.call("DEL", "big")


def test_a_listener_that_goes_leaves_nothing(rkv_server: Server) -> None:
    with rkv_server.connect() as asking:
        for number in range(50):
            with rkv_server.connect(3) as gone:
                gone.send(
                    encode("SUBSCRIBE", "a", f"c{number}") + encode("PSUBSCRIBE", "p*") + encode("SSUBSCRIBE", "s")
                )
                for _ in range(4):
                    gone.read_push()
        end = time.monotonic() + 10
        while asking.call("PUBSUB", "CHANNELS") != Array(()) or asking.call("PUBSUB", "NUMPAT") != Integer(0):
            assert time.monotonic() < end
        assert asking.call("PUBLISH", "a", "x") == Integer(0)
        assert asking.call("PUBSUB", "SHARDCHANNELS") == Array(())


def test_a_call_in_this_process_may_say_but_not_listen() -> None:
    rkv = pytest.importorskip("rkv")
    with rkv.open() as db:
        kv = db.db(0)
        assert kv.execute("PUBLISH", "a", "x") == 0
        with pytest.raises(rkv.ResponseError, match="changes the state of a connection"):
            kv.execute("SUBSCRIBE", "a")


def test_errors_are_those_of_redis(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("SUBSCRIBE", "a")
        assert connection.call("CONFIG", "GET", "x") == Error(
            b"ERR Can't execute 'config|get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
            b"in this context"
        )
        assert connection.call("RESET") == Simple(b"RESET")

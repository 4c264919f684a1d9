"""MIGRATE: keys go from rkv to rkv and to a real server and come from there, and none is lost on the way."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import trio

import rkv
from support import servers
from support.resp import Array, Bulk, Error, Integer, Reply, Simple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

HOST = "127.0.0.1"
OK = Simple(b"OK")
REFUSED = b"ERR Target instance replied with error: "
CONNECTING, READING, WRITING = (
    Error(b"IOERR error or timeout " + what)
    for what in (b"connecting to the client", b"reading to target instance", b"writing to target instance")
)
# What stands in each key: one of each type and encoding.
VALUES: dict[str, tuple[str | int | float, ...]] = {
    "text": ("SET", "text"), "integer": ("SET", -7), "long": ("SET", "x" * 100_000),
    "list": ("RPUSH", "a", 1, "b"), "lists": ("RPUSH", *range(3000)), "set": ("SADD", "a", "b"),
    "integers": ("SADD", 1, 2), "sets": ("SADD", *(f"m{index}" for index in range(700))), "zset": ("ZADD", 1.5, "a"),
    "zsets": ("ZADD", *(item for index in range(300) for item in (index / 3, f"m{index}"))), "hash": ("HSET", "f", "v"),
    "hashes": ("HSET", *(str(index) for index in range(1400))), "stream": ("XADD", "1-1", "f", "v"),
}  # fmt: skip


@pytest.fixture(scope="module")
def locked_server() -> Iterator[Server]:
    """A redis-server with a password, and the user ann."""
    with servers.start_redis("--requirepass", "pw") as server, server.connect() as connection:
        connection.call("AUTH", "pw")
        connection.call("ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all")
        yield server


@pytest.fixture(scope="module")
def other_rkv() -> Iterator[Server]:
    """Another rkv."""
    with servers.start_rkv() as server:
        yield server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def here(request: pytest.FixtureRequest, rkv_server: Server) -> Iterator[Connection]:
    """An empty rkv."""
    with rkv_server.connect(request.param) as connection:
        connection.call("FLUSHALL")
        yield connection


@pytest.fixture
def there(redis_server: Server) -> Iterator[Connection]:
    """An empty redis-server."""
    with redis_server.connect() as connection:
        connection.call("FLUSHALL")
        yield connection


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that lets everybody in and says nothing."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def fill(connection: Connection) -> dict[str, bytes]:
    """Stores one value of each kind, every second with a deadline; their digests."""
    for index, (key, (name, *words)) in enumerate(VALUES.items()):
        assert not isinstance(connection.call(name, key, *words), Error), key
        if index % 2:
            connection.call("PEXPIRE", key, 500_000)
    connection.call("XGROUP", "CREATE", "stream", "g", "0")
    connection.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">")
    return digests(connection)


def digests(connection: Connection) -> dict[str, bytes]:
    """The digest of each value, without keys that are not there."""
    found = {}
    for key in VALUES:
        if connection.call("EXISTS", key) == Integer(1):
            reply = connection.call("DEBUG", "DIGEST-VALUE", key)
            assert isinstance(reply, Array)
            first = reply.items[0]
            found[key] = first.text if isinstance(first, Simple) else first.data
    return found


def check_deadlines(connection: Connection) -> None:
    for index, key in enumerate(VALUES):
        ttl = connection.call("PTTL", key)
        assert isinstance(ttl, Integer)
        assert 400_000 < ttl.value <= 500_000 if index % 2 else ttl.value == -1, key


def moved(source: Connection, target: Server, *options: str) -> Reply:
    return source.call("MIGRATE", HOST, target.port, "", 0, 5000, *options, "KEYS", *VALUES)


@pytest.mark.parametrize("way", ["to redis", "to rkv", "from redis"])
def test_every_type_goes_with_its_deadline(
    way: str, rkv_server: Server, redis_server: Server, other_rkv: Server
) -> None:
    ends = {
        "to redis": (rkv_server, redis_server),
        "to rkv": (rkv_server, other_rkv),
        "from redis": (redis_server, rkv_server),
    }
    source, target = ends[way]
    with source.connect() as mine, target.connect() as theirs:
        mine.call("FLUSHALL")
        theirs.call("FLUSHALL")
        before = fill(mine)
        assert moved(mine, target, "COPY") == OK
        assert digests(mine) == digests(theirs) == before
        busy = moved(mine, target)
        assert busy == Error(REFUSED + b"BUSYKEY Target key name already exists.")
        assert digests(mine) == before
        theirs.call("SET", "list", "other")
        assert moved(mine, target, "REPLACE") == OK
        assert (digests(mine), digests(theirs)) == ({}, before)
        check_deadlines(theirs)
        assert moved(mine, target) == Simple(b"NOKEY")


def test_what_is_there_goes_and_what_is_refused_stays(
    here: Connection, there: Connection, redis_server: Server
) -> None:
    here.call("MSET", "a", 1, "b", 2, "c", 3)
    there.call("SET", "b", "theirs")
    busy = here.call("MIGRATE", HOST, redis_server.port, "", 0, 1000, "KEYS", "a", "none", "b", "c")
    assert busy == Error(REFUSED + b"BUSYKEY Target key name already exists.")
    assert here.call("MGET", "a", "b", "c").items[1] == Bulk(b"2")
    assert here.call("DBSIZE") == Integer(1)
    assert there.call("MGET", "a", "b", "c") == Array((Bulk(b"1"), Bulk(b"theirs"), Bulk(b"3")))
    assert here.call("MIGRATE", HOST, redis_server.port, "b", 5, 1000) == OK
    there.call("SELECT", 5)
    assert there.call("GET", "b") == Bulk(b"2")
    there.call("SELECT", 0)


def test_replies_are_those_of_redis(here: Connection, redis_server: Server, locked_server: Server, silent: int) -> None:
    with servers.start_redis() as target, redis_server.connect() as theirs, target.connect() as emptied:
        theirs.call("FLUSHALL")

        def same(*words: str | int) -> Reply:
            replies = []
            for server in (here, theirs):
                server.call("MSET", "k", "v", "l", "w")
                emptied.call("FLUSHALL")
                replies.append(server.call("MIGRATE", *words))
            assert replies[0] == replies[1], words
            return replies[0]

        to = (HOST, target.port)
        for words in (
            (*to, "k", 0), (*to, "none", 0, 100), (*to, "k", "x", 100), (*to, "k", 0, "x"), (*to, "k", "x", "x", "FOO"),
            (*to, "k", 0, -5), (*to, "k", 0, 0), (*to, "k", 0, 2**40), (*to, "k", 2**40, 100), (*to, "k", 99, 100),
            (*to, "k", 0, "1.5"), (*to, "k", 0, 100, "KEYS", "k"), (*to, "", 0, 100, "KEYS"), (*to, "", 0, 100, "FOO"),
            (*to, "k", 0, 100, "AUTH"), (*to, "k", 0, 100, "AUTH2", "a"), (*to, "k", 0, 100, "copy", "COPY", "replace"),
            (*to, "k", 0, 100, "AUTH", "x"), (*to, "k", 0, 100, "AUTH2", "default", "x"),
            (*to, "k", 0, 100, "AUTH2", "nobody", "x"), (*to, "", 0, 100, "KEYS", "l", "k", "l"),
            (*to, "", 0, 100, "AUTH", "KEYS", "KEYS", "l", "k"), (*to, "", 0, "x", "KEYS", "none"),
            (HOST, "x", "k", 0, 100), (HOST, 0, "k", 0, 100), (HOST, 99_999, "k", 0, 100),
            ("no.such.host.invalid", 1, "k", 0, 100), ("", 1, "k", 0, 100), (HOST, servers.free_port(), "k", 0, 100),
            (HOST, silent, "k", 0, 100), (HOST, locked_server.port, "k", 0, 100),
            (HOST, locked_server.port, "k", 0, 100, "AUTH", "wrong"),
            (HOST, locked_server.port, "k", 0, 100, "AUTH2", "ann", "pw"),
        ):  # fmt: skip
            same(*words)
        for words in ((), ("h",), ("h", 1, "k", 0)):
            same(*words)
        same(*to, "k", 0, 100)
        emptied.call("CONFIG", "SET", "requirepass", "pw")
        emptied.call("AUTH", "pw")
        same(*to, "k", 0, 100, "AUTH", "pw")
        emptied.call("CONFIG", "SET", "requirepass", "other")
        emptied.call("AUTH", "other")
        wrong = same(*to, "k", 0, 100, "AUTH", "pw")
        assert isinstance(wrong, Error)
        assert wrong.text.startswith(REFUSED + b"WRONGPASS")


def test_keys_are_those_that_valkey_finds(here: Connection, valkey_server: Server) -> None:
    with valkey_server.connect() as valkey:
        here.call("HELLO", 2)
        for options in (
            "",
            "KEYS a b",
            "COPY KEYS a",
            "AUTH KEYS KEYS a",
            "AUTH2 KEYS x KEYS a b",
            "AUTH2 u KEYS KEYS a",
        ):
            for key in ("", "k"):
                words = ("MIGRATE", "h", "1", key, "0", "5", *options.split())
                for name in ("GETKEYS", "GETKEYSANDFLAGS"):
                    mine, theirs = (server.call("COMMAND", name, *words) for server in (here, valkey))
                    assert mine == theirs, words


def test_credentials_are_not_lent_to_others(here: Connection, locked_server: Server) -> None:
    here.call("SET", "k", "v")
    call = ("MIGRATE", HOST, locked_server.port, "k", 0, 1000, "COPY", "REPLACE")
    refused = Error(REFUSED + b"NOAUTH Authentication required.")
    assert here.call(*call) == refused
    assert here.call(*call, "AUTH", "pw") == OK
    assert here.call(*call, "AUTH2", "ann", "secret") == OK
    assert here.call(*call) == refused, "Redis sends it over the connection of the one before"
    wrong = here.call(*call, "AUTH2", "ann", "pw")
    assert isinstance(wrong, Error)
    assert wrong.text.startswith(REFUSED + b"WRONGPASS")


def cached(connection: Connection) -> bytes:
    reply = connection.call("INFO", "stats")
    text = getattr(reply, "data", b"")
    return text.partition(b"migrate_cached_sockets:")[2].split(b"\r\n")[0]


def test_a_connection_is_kept_and_a_stale_one_replaced(redis_server: Server) -> None:
    with servers.start_rkv() as source, source.connect() as here, redis_server.connect() as there:
        there.call("FLUSHALL")
        assert cached(here) == b"0"

        def move(key: str) -> Reply:
            here.call("SET", key, "v")
            return here.call("MIGRATE", HOST, redis_server.port, key, 0, 1000)

        received = there.call("INFO", "stats").data.partition(b"total_connections_received:")[2].split(b"\r\n")[0]
        assert (move("a"), move("b"), cached(here)) == (OK, OK, b"1")
        there.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert (move("c"), cached(here)) == (OK, b"1")
        stats = there.call("INFO", "stats").data
        assert b"total_connections_received:%d\r" % (int(received) + 2) in stats
        deadline = time.monotonic() + 20
        while cached(here) != b"0":
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_who_may(rkv_server: Server) -> None:
    with servers.start_rkv("--enable-migrate-command", "no") as source, source.connect() as here:
        here.call("SET", "k", "v")
        reply = here.call("MIGRATE", HOST, rkv_server.port, "k", 0, 1000)
        assert isinstance(reply, Error)
        assert reply.text.startswith(b"ERR MIGRATE command not allowed. If the enable-migrate-command option is set to")
        assert isinstance(here.call("CONFIG", "SET", "enable-migrate-command", "yes"), Error)
        assert here.call("CONFIG", "GET", "enable-migrate-command").items[1] == Bulk(b"no")


def test_it_is_refused_within_a_transaction(here: Connection, redis_server: Server) -> None:
    here.call("SET", "k", "v")
    here.call("MULTI")
    assert here.call("MIGRATE", HOST, redis_server.port, "k", 0, 1000) == Error(
        b"ERR Command not allowed inside a transaction"
    )
    assert here.call("EXEC").code == "EXECABORT"
    assert here.call("EXISTS", "k") == Integer(1)


def test_others_go_on_while_one_waits(here: Connection, rkv_server: Server, silent: int) -> None:
    here.call("SET", "k", 1)
    with rkv_server.connect() as waiting:
        number = waiting.call("CLIENT", "ID").value
        waiting.send(b"MIGRATE 127.0.0.1 %d k 0 60000\r\nPING\r\n" % silent)
        deadline = time.monotonic() + 20
        while b"flags=b " not in here.call("CLIENT", "LIST", "ID", number).data:
            assert time.monotonic() < deadline
        assert here.call("INCR", "k") == Integer(2)
        assert here.call("CLIENT", "UNBLOCK", number, "ERROR") == Integer(1)
        assert waiting.read().code == "UNBLOCKED"
        assert waiting.read() == Simple(b"PONG")
        waiting.send(b"MIGRATE 127.0.0.1 %d k 0 60000\r\n" % silent)
        while b"flags=b " not in here.call("CLIENT", "LIST", "ID", number).data:
            assert time.monotonic() < deadline
        assert here.call("CLIENT", "KILL", "ID", number) == Integer(1)
        assert waiting.read_to_end() == b""
    assert here.call("GET", "k") == Bulk(b"2")


@pytest.mark.parametrize("io_threads", [1, 0])
def test_a_server_stops_although_somebody_waits(io_threads: int, silent: int) -> None:
    with servers.start_rkv(io_threads=io_threads) as source, source.connect() as here:
        here.call("SET", "k", "v")
        here.send(b"MIGRATE 127.0.0.1 %d k 0 600000\r\n" % silent)
        with source.connect() as other:
            deadline = time.monotonic() + 20
            while b"blocked_clients:1" not in other.call("INFO", "clients").data:
                assert time.monotonic() < deadline
        begun = time.monotonic()
        assert source.terminate() == 0
        assert time.monotonic() - begun < 8


@pytest.mark.parametrize("target", ["redis", "rkv"])
def test_no_increment_is_lost(target: str, rkv_server: Server, redis_server: Server, other_rkv: Server) -> None:
    """Writers count while their counters are moved again and again: here and there make up all they counted."""
    to = redis_server if target == "redis" else other_rkv
    keys = [f"counter{index}" for index in range(4)]
    counted = [0] * 3
    done = threading.Event()

    def count(index: int) -> None:
        with rkv_server.connect() as writer:
            while not done.is_set():
                replies = writer.pipeline([("INCR", key) for key in keys])
                assert all(isinstance(reply, Integer) for reply in replies)
                counted[index] += 1

    with rkv_server.connect() as here, to.connect() as there:
        here.call("FLUSHALL")
        there.call("FLUSHALL")
        writers = [threading.Thread(target=count, args=(index,)) for index in range(len(counted))]
        for writer in writers:
            writer.start()
        total, moves = 0, 0
        end = time.monotonic() + 3
        try:
            while time.monotonic() < end:
                assert here.call("MIGRATE", HOST, to.port, "", 0, 10_000, "KEYS", *keys) in {OK, Simple(b"NOKEY")}
                arrived = there.call("MGET", *keys).items
                there.call("DEL", *keys)
                total += sum(int(value.data) for value in arrived if isinstance(value, Bulk))
                moves += 1
        finally:
            done.set()
            for writer in writers:
                writer.join()
        left = here.call("MGET", *keys).items
        total += sum(int(value.data) for value in left if isinstance(value, Bulk))
        assert total == sum(counted) * len(keys)
        assert moves > 3


def test_the_log_and_listeners_hear_of_a_deletion(redis_server: Server) -> None:
    with (
        servers.start_rkv("--appendonly", "yes", "--notify-keyspace-events", "KEA") as source,
        source.connect() as here,
        source.connect() as listener,
        redis_server.connect() as there,
    ):
        there.call("FLUSHALL")
        here.call("MSET", "a", 1, "b", 2, "c", 3)
        listener.call("PSUBSCRIBE", "__keyevent@0__:del")
        assert here.call("MIGRATE", HOST, redis_server.port, "", 0, 1000, "KEYS", "a", "b") == OK
        heard = [listener.read().items[3] for _ in range(2)]
        assert heard == [Bulk(b"a"), Bulk(b"b")]
        assert here.call("DEBUG", "LOADAOF") == OK
        assert here.call("KEYS", "*") == Array((Bulk(b"c"),))


def test_embedded(redis_server: Server, silent: int) -> None:
    with redis_server.connect() as there, rkv.open() as store:
        db = store.db(0)
        there.call("FLUSHALL")
        db.mset({"a": 1, "b": 2, "c": 3})
        assert db.migrate(HOST, redis_server.port, "a", 0, 1000) == b"OK"
        assert db.migrate(HOST, redis_server.port, ["a", "b"], 0, 1000, copy=True) == b"OK"
        assert db.migrate(HOST, redis_server.port, ["b"], 0, 1000, replace=True) == b"OK"
        assert db.migrate(HOST, redis_server.port, ["b"], 0, 1000) == b"NOKEY"
        with pytest.raises(rkv.ResponseError, match="AUTH <password> called without"):
            db.migrate(HOST, redis_server.port, ["c"], 0, 1000, auth="x")
        with pytest.raises(rkv.DataError):
            db.migrate(HOST, redis_server.port, [], 0, 1000)
        with pytest.raises(rkv.ResponseError, match="not allowed inside a transaction"):
            db.pipeline().migrate(HOST, redis_server.port, ["c"], 0, 1000).execute()
        assert there.call("MGET", "a", "b", "c").items[:2] == (Bulk(b"1"), Bulk(b"2"))
        assert list(db.keys()) == [b"c"]
        others = []
        thread = threading.Thread(target=lambda: others.extend(db.incr("c") for _ in range(1000)))
        thread.start()
        with pytest.raises(rkv.ResponseError, match="timeout reading"):
            db.execute("MIGRATE", HOST, silent, "c", 0, 300)
        thread.join()
        assert others[-1] == 1003
        assert db.get("c") == b"1003"


def test_awaited(redis_server: Server, silent: int) -> None:
    async def main() -> None:
        with redis_server.connect() as there, rkv.open() as store:
            db = store.db(0)
            there.call("FLUSHALL")
            db.set("a", 1)
            with trio.move_on_after(0.2) as scope:
                await db.aio.migrate(HOST, silent, "a", 0, 60_000)
            assert scope.cancelled_caught
            assert await db.aio.migrate(HOST, redis_server.port, "a", 0, 1000) == b"OK"
            assert there.call("GET", "a") == Bulk(b"1")
            assert db.get("a") is None

    trio.run(main)


def test_a_store_that_is_closed_lets_nobody_wait(silent: int) -> None:
    store = rkv.open()
    db = store.db(0)
    db.set("k", "v")
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            db.migrate(HOST, silent, "k", 0, 600_000)
        except rkv.ResponseError as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    store.close()
    thread.join(20)
    assert not thread.is_alive()
    assert "given up" in str(caught[0])

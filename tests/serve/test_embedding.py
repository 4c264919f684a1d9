"""A server inside a program: under trio, in a thread, over streams; the same live store in process and over RESP."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from support import servers
from support.certificates import Authority
from support.resp import Bulk, Connection, Error, Integer, NullBulk, Reader, Simple, encode

if not servers.rkv_is_built():
    pytest.skip("rkv is not built (make develop)", allow_module_level=True)

import trio
import trio.testing

import rkv
from rkv.server.listener import ListenError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from random import Random

    from rkv.server import Server

OK, PONG = Simple(b"OK"), Simple(b"PONG")


@pytest.fixture(params=[1, 0], ids=["reactor", "trio"])
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def run(main: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    async def limited() -> Any:
        with trio.fail_after(60):
            return await main(*arguments)

    return trio.run(limited)


class Peer:
    """A client over a trio stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.reader = Reader()

    async def read(self) -> Any:
        while (reply := self.reader.next()) is None:
            data = await self.stream.receive_some(65536)
            if not data:
                raise EOFError
            self.reader.feed(bytes(data))
        return reply

    async def call(self, *words: Any) -> Any:
        await self.stream.send_all(encode(*words))
        return await self.read()


@asynccontextmanager
async def peer_of(server: Server) -> AsyncIterator[Peer]:
    assert server.address is not None
    async with await trio.open_tcp_stream(*server.address) as stream:
        yield Peer(stream)


def test_a_block_serves_the_same_store(threads: int) -> None:
    async def main() -> None:
        db = rkv.open()
        kv = db.db(0)
        async with rkv.serve(db, io_threads=threads) as server, peer_of(server) as peer:
            assert server.url.startswith("redis://127.0.0.1:")
            kv.set("k", b"from here")
            assert await peer.call("GET", "k") == Bulk(b"from here")
            assert await peer.call("SET", "k", "from there") == OK
            assert kv.get("k") == b"from there"
            assert server.connections == 1
            address = server.address
            server.stop()
            with pytest.raises(EOFError):
                await peer.read()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream(*address)

    run(main)


def test_a_nursery_starts_it(threads: int) -> None:
    async def main() -> None:
        db = rkv.open()
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(rkv.serve, io_threads=threads), db)
            async with peer_of(server) as peer:
                assert await peer.call("PING") == PONG
                server.stop()
                with pytest.raises(EOFError):
                    await peer.read()
        async with trio.open_nursery() as nursery:
            server = await nursery.start(rkv.serve, db)
            async with peer_of(server) as peer:
                assert await peer.call("PING") == PONG
            nursery.cancel_scope.cancel()

    run(main)


def test_an_error_inside_the_block_comes_out_as_it_is() -> None:
    async def main() -> None:
        async with rkv.serve(rkv.open()):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(main)


def test_a_port_in_use_is_an_error() -> None:
    async def main() -> None:
        db = rkv.open()
        async with rkv.serve(db) as server:
            assert server.address is not None
            async with rkv.serve(db, port=server.address[1]):
                raise AssertionError("unreachable")

    with pytest.raises(ListenError, match="Address already in use"):
        run(main)


def test_cancelling_ends_it(threads: int) -> None:
    async def main() -> None:
        db = rkv.open()
        with trio.CancelScope() as scope:
            async with rkv.serve(db, io_threads=threads) as server, peer_of(server) as peer:
                assert await peer.call("PING") == PONG
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert db.db(0).set("k", b"v")

    run(main)


def test_a_unix_socket(threads: int, tmp_path: Path) -> None:
    path = str(tmp_path / "rkv.sock")

    async def main() -> None:
        async with rkv.serve(rkv.open(), port=None, path=path, io_threads=threads) as server:
            assert server.url == f"unix://{path}"
            assert server.address is None
            async with await trio.open_unix_socket(path) as stream:
                assert await Peer(stream).call("PING") == PONG

    run(main)
    assert not Path(path).exists()


def test_redis_py_over_the_url(threads: int) -> None:
    with rkv.serve_in_thread(rkv.open(), io_threads=threads) as server, redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
        assert client.get("k") == b"v"
        assert client.incr("n") == 1


def test_tls_by_a_context_of_the_program(threads: int, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    db = rkv.open()
    with rkv.serve_in_thread(db, io_threads=threads, ssl_context=context) as server:
        assert server.address is not None
        assert server.url == f"rediss://127.0.0.1:{server.address[1]}/0"
        with redis.Redis.from_url(server.url, ssl_ca_certs=authority.path) as client:
            assert client.set("k", "v")
        assert db.db(0).get("k") == b"v"
        with (
            redis.Redis.from_url(server.url.replace("rediss", "redis"), retry=None) as plain,
            pytest.raises(redis.ConnectionError),
        ):
            plain.ping()
        # Who does not know the authority is not talked into it.
        with (
            redis.Redis.from_url(server.url, retry=None) as stranger,
            pytest.raises(redis.ConnectionError, match="certificate verify failed"),
        ):
            stranger.ping()
        # Options of the store are for the server that reads them, not for this one.
        db.db(0).execute("CONFIG", "SET", "tls-prefer-server-ciphers", "yes")
        with redis.Redis.from_url(server.url, ssl_ca_certs=authority.path) as client:
            assert client.get("k") == b"v"


def test_a_context_asks_for_certificates_of_clients(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files, client_files = authority.server(), authority.client("ann")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path)
    context.load_cert_chain(files.certificate, files.key)
    context.verify_mode = ssl.CERT_REQUIRED

    async def main() -> None:
        async with rkv.serve(rkv.open(), ssl_context=context) as server:
            known = {"ssl_certfile": client_files.certificate, "ssl_keyfile": client_files.key}
            assert await trio.to_thread.run_sync(partial(ping, server.url, **known))
            with pytest.raises(redis.ConnectionError):
                await trio.to_thread.run_sync(ping, server.url)

    def ping(url: str, **options: str) -> bool:
        with redis.Redis.from_url(url, ssl_ca_certs=authority.path, retry=None, **options) as client:
            return bool(client.ping())

    run(main)


def test_a_thread_serves_while_this_one_computes(threads: int) -> None:
    db = rkv.open()
    kv = db.db(0)
    with rkv.serve_in_thread(db, io_threads=threads) as server:
        assert server.address is not None
        with Connection(server.address) as connection:
            for number in range(200):
                kv.set("n", str(number))
                assert connection.call("GET", "n") == Bulk(str(number).encode())
    with pytest.raises(OSError, match="refused"):
        Connection(server.address)


def test_a_thread_that_cannot_listen_raises() -> None:
    with (
        rkv.serve_in_thread(rkv.open()) as server,
        pytest.raises(ListenError, match="in use"),
        rkv.serve_in_thread(rkv.open(), port=server.address[1] if server.address else 0),
    ):
        raise AssertionError("unreachable")


def test_what_is_no_database() -> None:
    with pytest.raises(TypeError, match="dict"):
        rkv.serve({})


def test_a_closed_database() -> None:
    db = rkv.open()
    db.close()

    async def main() -> None:
        async with rkv.serve(db):
            raise AssertionError("unreachable")

    with pytest.raises(rkv.ClosedError):
        run(main)


def test_a_memory_stream() -> None:
    async def main() -> None:
        db = rkv.open()
        client, server = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rkv.serve_stream, db, server)
            peer = Peer(client)
            assert await peer.call("SET", "k", "v") == OK
            assert db.db(0).get("k") == b"v"
            assert await peer.call("GET", "none") == NullBulk()
            await client.send_eof()
            with pytest.raises(EOFError):
                await peer.read()

    run(main)


def test_a_memory_stream_in_random_pieces(rng: Random) -> None:
    async def main() -> None:
        db = rkv.open()
        client, server = trio.testing.lockstep_stream_pair()
        commands = [("SET", f"k{i}", "v" * rng.randint(0, 50)) for i in range(100)] + [("GET", "k7")]
        data = b"".join(encode(*command) for command in commands)

        async def send() -> None:
            left = data
            while left:
                cut = rng.randint(1, 60)
                await client.send_all(left[:cut])
                left = left[cut:]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(rkv.serve_stream, db, server)
            # A piece counts as sent only after it was taken, perhaps after its reply: the stream outlives the sender.
            async with trio.open_nursery() as sending:
                sending.start_soon(send)
                peer = Peer(client)
                replies = [await peer.read() for _ in commands]
            assert replies == [OK] * 100 + [Bulk(commands[7][2].encode())]
            await client.aclose()

    run(main)


def test_a_broken_request_ends_its_stream() -> None:
    async def main() -> None:
        client, server = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rkv.serve_stream, rkv.open(), server)
            peer = Peer(client)
            await client.send_all(b"*1\r\n$-7\r\n")
            assert isinstance(await peer.read(), Error)
            with pytest.raises(EOFError):
                await peer.read()

    run(main)


def test_cancelling_closes_the_stream() -> None:
    async def main() -> None:
        client, server = trio.testing.memory_stream_pair()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rkv.serve_stream, rkv.open(), server)
                assert await Peer(client).call("PING") == PONG
                scope.cancel()
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await Peer(client).read()

    run(main)


def test_acknowledged_writes_are_there_when_a_server_stops_under_load(threads: int) -> None:
    db = rkv.open()
    acknowledged = [0] * 6
    failures: list[str] = []

    def write(address: tuple[str, int], writer: int) -> None:
        with Connection(address) as connection:
            try:
                while True:
                    for _ in range(5):
                        connection.send(encode("INCR", f"writer:{writer}"))
                    for _ in range(5):
                        reply = connection.read()
                        if reply != Integer(acknowledged[writer] + 1):
                            failures.append(f"{writer}: {reply} after {acknowledged[writer]}")
                            return
                        acknowledged[writer] += 1
            except (EOFError, ConnectionError):
                if connection.reader.pending:
                    failures.append(f"{writer}: half a reply")

    with rkv.serve_in_thread(db, io_threads=threads) as server:
        assert server.address is not None
        writers = [threading.Thread(target=write, args=(server.address, i)) for i in range(6)]
        for each in writers:
            each.start()
        deadline = time.monotonic() + 20
        while min(acknowledged) < 100:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    for each in writers:
        each.join(20)
        assert not each.is_alive()
    assert failures == []
    for writer in range(6):
        applied = int(db.db(0).get(f"writer:{writer}") or 0)
        assert acknowledged[writer] <= applied <= acknowledged[writer] + 5


def test_servers_side_by_side_share_a_store() -> None:
    async def main() -> None:
        db = rkv.open()
        async with (
            rkv.serve(db) as one,
            rkv.serve(db, io_threads=0) as two,
            peer_of(one) as first,
            peer_of(two) as second,
        ):
            assert await first.call("SET", "k", "v") == OK
            assert await second.call("GET", "k") == Bulk(b"v")

    run(main)


def test_event_loops_one_after_the_other() -> None:
    db = rkv.open()

    async def main(number: int) -> None:
        async with rkv.serve(db, io_threads=0) as server, peer_of(server) as peer:
            assert await peer.call("INCR", "n") == Integer(number)

    for number in range(1, 4):
        run(main, number)

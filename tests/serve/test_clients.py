"""Clients as a server meets them: too many, from outside, idle, silent, hasty, malformed, and at work when it stops."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.program import connect, unread
from support.resp import Bulk, Connection, Error, NullBulk, Simple, encode

if TYPE_CHECKING:
    from random import Random

    from support.program import Program, Starter

PONG = Simple(b"PONG")
FULL = b"-ERR max number of clients reached\r\n"


def own_address() -> str:
    """An address of this machine that is not loopback; a skip without one."""
    listed = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    addresses = [address for address in listed if "." in address and not address.startswith("127.")]
    if not addresses:
        pytest.skip("this machine has no address besides loopback")
    return addresses[0]


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def is_closed_within(connection: Connection, seconds: float) -> bool:
    started = time.monotonic()
    assert connection.read_to_end() == b""
    return time.monotonic() - started < seconds


def test_maxclients(start: Starter, io_threads: str) -> None:
    _, port = start.serving("--maxclients", "3", "--io-threads", io_threads)
    held = [connect(port) for _ in range(3)]
    assert [each.call("PING") for each in held] == [PONG] * 3
    with connect(port) as refused:
        assert refused.read_to_end() == FULL
    held.pop().close()
    deadline = time.monotonic() + 20
    while True:
        with connect(port) as another:
            if another.call("PING") == PONG:
                break
        assert time.monotonic() < deadline
    for each in held:
        each.close()


def test_maxclients_follows_the_descriptors(start: Starter) -> None:
    program = start("--port", str(servers.free_port()), descriptors=64)
    program.ready()
    assert "maxclients is 32 now" in program.log()


@pytest.mark.parametrize("protected", ["yes", "no"])
def test_protected_mode_is_redis_s(start: Starter, io_threads: str, protected: str) -> None:
    address = own_address()
    words = ["--bind", "0.0.0.0", "--protected-mode", protected]
    port = servers.free_port()
    start("--port", str(port), *words, "--io-threads", io_threads).ready()
    with servers.start_redis(*words) as redis:
        assert ask_from(address, port) == ask_from(address, redis.port)
        assert ask_from("127.0.0.1", port) == ask_from("127.0.0.1", redis.port) == b"+PONG\r\n"


def ask_from(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), 20) as peer:
        if address.startswith("127."):
            peer.sendall(b"PING\r\n")
            peer.shutdown(socket.SHUT_WR)
        else:
            # A refusal comes unasked; without one there is silence until PING.
            peer.settimeout(0.5)
            try:
                first = peer.recv(4096)
            except TimeoutError:
                first = b""
            peer.settimeout(20)
            if first:
                return first + peer.recv(4096)
            peer.sendall(b"PING\r\n")
            peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(4096), b""))


def test_a_password_opens_other_addresses(start: Starter) -> None:
    address, port = own_address(), servers.free_port()
    start("--port", str(port), "--bind", "0.0.0.0", "--requirepass", "sesame").ready()
    with Connection((address, port)) as connection:
        assert connection.call("GET", "k").code == "NOAUTH"


def test_idle_clients_are_closed(start: Starter, io_threads: str) -> None:
    _, port = start.serving("--timeout", "1", "--io-threads", io_threads)
    with connect(port) as idle, connect(port) as busy:
        started = time.monotonic()
        while time.monotonic() - started < 2.5:
            assert busy.call("PING") == PONG
            time.sleep(0.05)
        assert is_closed_within(idle, 3)
        assert busy.call("PING") == PONG


def test_a_silent_peer_is_closed_when_idle(start: Starter, io_threads: str) -> None:
    _, port = start.serving("--timeout", "1", "--io-threads", io_threads)
    with connect(port) as connection:
        assert connection.call("SET", "large", "x" * 1_000_000) == Simple(b"OK")
    with unread(port, encode("GET", "large") * 20) as peer, connect(port) as busy:
        peer.settimeout(20)
        deadline = time.monotonic() + 20
        while clients_on(port) > 1:
            assert time.monotonic() < deadline, "the peer that reads nothing keeps its connection"
            assert busy.call("PING") == PONG
            time.sleep(0.05)


def clients_on(port: int) -> int:
    """Established connections at this end of a port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    wanted = f":{port:04X}"
    return sum(1 for line in lines if line.split()[1].endswith(wanted) and line.split()[3] == "01")


def test_a_peer_that_reads_nothing_is_bounded(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("SET", "large", "x" * 1_000_000) == Simple(b"OK")
        before = rss_bytes(program.pid)
        # Two gigabytes of replies, if they were made.
        with unread(port, encode("GET", "large") * 2000):
            started = time.monotonic()
            for _ in range(200):
                assert connection.call("PING") == PONG
            assert time.monotonic() - started < 5
            assert rss_bytes(program.pid) - before < 100 << 20
        assert connection.call("PING") == PONG


def test_one_byte_at_a_time(serving: tuple[Program, int]) -> None:
    _, port = serving
    with connect(port) as connection:
        for byte in encode("SET", "k", "value") + b"GET k\r\n" + encode("GET", "none"):
            connection.send(bytes([byte]))
            time.sleep(0.0005)
        assert [connection.read() for _ in range(3)] == [Simple(b"OK"), Bulk(b"value"), NullBulk()]


def test_half_open(serving: tuple[Program, int]) -> None:
    _, port = serving
    with socket.create_connection((servers.HOST, port), 20) as peer:
        peer.sendall(encode("SET", "k", "v") + encode("GET", "k"))
        peer.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: peer.recv(4096), b"")) == b"+OK\r\n$1\r\nv\r\n"


def test_half_a_request_and_gone(serving: tuple[Program, int]) -> None:
    _, port = serving
    for _ in range(50):
        with socket.create_connection((servers.HOST, port), 20) as peer:
            peer.sendall(b"*3\r\n$3\r\nSET\r\n$1000000\r\nabc")
    with connect(port) as connection:
        assert connection.call("PING") == PONG


@pytest.mark.parametrize(
    "data",
    [
        b"*1\r\n$-5\r\n",
        b"*99999999999\r\n",
        b"*2\r\n$4\r\nPING\r\n:1\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*x\r\n",
        b"SET k 'unbalanced\r\n",
        b"x" * 70_000,
    ],
)
def test_malformed_requests_end_their_connection_alone(serving: tuple[Program, int], data: bytes) -> None:
    _, port = serving
    with connect(port) as other, connect(port) as connection:
        assert other.call("PING") == PONG
        connection.send(encode("PING") + data)
        assert connection.read() == PONG
        reply = connection.read()
        assert isinstance(reply, Error)
        assert reply.text.startswith(b"ERR Protocol error: ")
        assert connection.read_to_end() == b""
        assert other.call("PING") == PONG


def test_garbage(serving: tuple[Program, int], rng: Random) -> None:
    _, port = serving
    with connect(port) as other:
        for _ in range(30):
            with socket.create_connection((servers.HOST, port), 20) as peer:
                peer.sendall(rng.randbytes(rng.randint(1, 20_000)))
        assert other.call("PING") == PONG


def test_a_browser_is_cut_off(serving: tuple[Program, int]) -> None:
    program, port = serving
    with socket.create_connection((servers.HOST, port), 20) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k v\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"OK" not in b"".join(iter(lambda: peer.recv(4096), b""))
    program.await_log("Possible SECURITY ATTACK detected")


def test_large_arguments_and_deep_pipelines(serving: tuple[Program, int]) -> None:
    _, port = serving
    large = os.urandom(3_000_000)
    with connect(port) as connection:
        assert connection.pipeline([("SET", "large", large), ("GET", "large")]) == [Simple(b"OK"), Bulk(large)]
        assert connection.pipeline([("PING",)] * 20_000) == [PONG] * 20_000


def test_short_of_descriptors(start: Starter, io_threads: str) -> None:
    program, port = start.serving("--io-threads", io_threads)
    with connect(port) as first:
        assert first.call("PING") == PONG
        used = len(list(Path(f"/proc/{program.pid}/fd").iterdir()))
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (used + 5, used + 5))
        others = [socket.create_connection((servers.HOST, port), 20) for _ in range(20)]
        program.await_log("accept: Too many open files")
        assert first.call("PING") == PONG
        for each in others:
            each.close()
        time.sleep(0.3)
        with connect(port) as late:
            assert late.call("PING") == PONG
        assert program.log().count("Too many open files") == 1
    assert program.stop() == 0


def test_many_connections_come_and_go(serving: tuple[Program, int]) -> None:
    program, port = serving
    for _ in range(10):
        held = [connect(port) for _ in range(60)]
        assert [each.call("PING") for each in held] == [PONG] * len(held)
        for each in held:
            each.close()
    deadline = time.monotonic() + 20
    while len(list(Path(f"/proc/{program.pid}/fd").iterdir())) > 40:
        assert time.monotonic() < deadline, "descriptors of closed connections stay open"
        time.sleep(0.02)


def test_sigterm_under_load_sends_whole_replies(serving: tuple[Program, int]) -> None:
    program, port = serving
    failures: list[str] = []
    counts = [0] * 8
    threads = [threading.Thread(target=write_until_the_end, args=(port, i, counts, failures)) for i in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while min(counts) < 50:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert program.stop(signal.SIGTERM) == 0
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert failures == []


def write_until_the_end(port: int, writer: int, counts: list[int], failures: list[str]) -> None:
    """SETs in pipelines of ten until the connection ends; a reply is whole and right, or absent."""
    with connect(port) as connection:
        try:
            while True:
                batch = [("SET", f"{writer}:{counts[writer] + i}", "v") for i in range(10)]
                replies = connection.pipeline(batch)
                counts[writer] += len(replies)
                if replies != [Simple(b"OK")] * 10:
                    failures.append(f"writer {writer}: {replies}")
                    return
        except (EOFError, ConnectionError) as end:
            if connection.reader.pending:
                failures.append(f"writer {writer}: half a reply {connection.reader.pending!r} before {end!r}")

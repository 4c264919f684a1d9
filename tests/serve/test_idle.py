"""Ten thousand connections that say nothing: what they cost, and that others do not notice them."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.program import connect
from support.resp import Connection, Simple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.program import Starter

IDLE = 10_000
# Descriptors of a process that are no idle connections.
OWN = 200
# Bytes of memory that a connection may cost: in a reactor its socket's record, its machine and what the registry knows
# of it; in trio two tasks besides.
BYTES_MAX = {"1": 2_048, "0": 24 * 1024}
# Far beyond noise, far below what work for each connection would be. Whenever it waits, trio asks the system with room
# for an event of every connection, which costs some 100 µs with so many.
SLOWER_MAX = {"1": 4.0, "0": 12.0}


@pytest.fixture
def descriptors() -> Iterator[int]:
    """As many as this process may open, until the test is over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = IDLE + OWN if hard == resource.RLIM_INFINITY else min(IDLE + OWN, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))
    yield max(limit, soft)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def seconds_each(connection: Connection) -> float:
    """Of a PING, in the best of many batches: what others do on the machine at the same time only adds."""
    batches = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(50):
            assert connection.call("PING") == Simple(b"PONG")
        batches.append((time.perf_counter() - started) / 50)
    return min(batches)


def await_connected(connection: Connection, count: int) -> None:
    deadline = time.monotonic() + 60
    while f"connected_clients:{count}\r\n".encode() not in connection.call("INFO", "clients").data:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_idle_connections_cost_little(start: Starter, io_threads: str, descriptors: int) -> None:
    program, port = start.serving("--maxclients", "20000", "--io-threads", io_threads, "--save", "")
    count = min(IDLE, descriptors - OWN)
    with connect(port) as active, ExitStack() as held:
        alone_s, before = seconds_each(active), rss_bytes(program.pid)
        count = min(count, int(active.call("CONFIG", "GET", "maxclients").items[1].data) - 1)
        for number in range(count):
            held.enter_context(socket.create_connection((servers.HOST, port), 20))
            if number % 256 == 255:
                # The queue of those not yet accepted is short.
                await_connected(active, number + 2)
        await_connected(active, count + 1)
        bytes_each = (rss_bytes(program.pid) - before) / count
        beside_s = seconds_each(active)
        print(f"{count} idle: {bytes_each:.0f} B each; PING {alone_s * 1e6:.0f} µs alone, {beside_s * 1e6:.0f} beside")
        assert bytes_each <= BYTES_MAX[io_threads]
        assert beside_s <= alone_s * SLOWER_MAX[io_threads]
    with Connection((servers.HOST, port), 60.0) as active:
        await_connected(active, 1)
    if count < IDLE:
        pytest.skip(f"only {count} connections, as many as descriptors allow here")

"""Ten thousand connections that say nothing: what they cost, and that others do not notice them."""

from __future__ import annotations

import resource
import select
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
OWN = 400
# Bytes of memory that a connection may cost: in a reactor its socket's record, its machine and what the registry knows
# of it; in trio two tasks besides.
BYTES_MAX = {"1": 2_048, "0": 24 * 1024}
# Far beyond noise, far below what work for each connection would be. Whenever it waits, trio asks the system with room
# for an event of every connection, which costs some 100 µs with so many.
SLOWER_MAX = {"1": 4.0, "0": 12.0}
# Clients that work beside them, how often each asks in a round, and by how much their 99th percentile may grow.
ACTIVE = 100
ASKED = 30
ROUNDS = 12
P99_MAX = 1.5


@pytest.fixture
def descriptors() -> Iterator[int]:
    """As many as this process may open, until the test is over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = IDLE + OWN if hard == resource.RLIM_INFINITY else min(IDLE + OWN, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))
    yield max(limit, soft)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def expect_all(count: int, descriptors: int) -> None:
    """Fewer are only right where the system allows no more."""
    if count < IDLE:
        assert descriptors < IDLE + OWN, f"only {count} connections, although {descriptors} descriptors are allowed"
        pytest.skip(f"only {count} connections, as many as descriptors allow here")


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


def p99_s(active: list[socket.socket]) -> float:
    """Of requests by many clients at once, each of which asks again as soon as it is answered; of the best round."""
    by_number = {peer.fileno(): peer for peer in active}
    best = float("inf")
    with select.epoll() as poll:
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        for _ in range(ROUNDS):
            times, left = [], dict.fromkeys(by_number, ASKED)
            began = {}
            for number, peer in by_number.items():
                began[number] = time.perf_counter()
                peer.send(b"GET key\r\n")
            while left:
                for number, _ in poll.poll(20):
                    assert by_number[number].recv(64) == b"$-1\r\n"
                    now = time.perf_counter()
                    times.append(now - began[number])
                    left[number] -= 1
                    if left[number]:
                        began[number] = now
                        by_number[number].send(b"GET key\r\n")
                    else:
                        del left[number]
            assert len(times) == ACTIVE * ASKED
            best = min(best, sorted(times)[-len(times) // 100])
    return best


def await_connected(connection: Connection, count: int) -> None:
    deadline = time.monotonic() + 60
    while f"connected_clients:{count}\r\n".encode() not in connection.call("INFO", "clients").data:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fill(held: ExitStack, port: int, active: Connection, count: int, others: int) -> None:
    """So many connections that say nothing, beside so many others."""
    for number in range(count):
        held.enter_context(socket.create_connection((servers.HOST, port), 20))
        if number % 256 == 255:
            # The queue of those not yet accepted is short.
            await_connected(active, number + 1 + others)
    await_connected(active, count + others)


def test_idle_connections_cost_little(start: Starter, io_threads: str, descriptors: int) -> None:
    program, port = start.serving("--maxclients", "20000", "--io-threads", io_threads, "--save", "")
    count = min(IDLE, descriptors - OWN)
    with connect(port) as active, ExitStack() as held:
        alone_s, before = seconds_each(active), rss_bytes(program.pid)
        count = min(count, int(active.call("CONFIG", "GET", "maxclients").items[1].data) - 1)
        fill(held, port, active, count, 1)
        bytes_each = (rss_bytes(program.pid) - before) / count
        beside_s = seconds_each(active)
        print(f"{count} idle: {bytes_each:.0f} B each; PING {alone_s * 1e6:.0f} µs alone, {beside_s * 1e6:.0f} beside")
        assert bytes_each <= BYTES_MAX[io_threads]
        assert beside_s <= alone_s * SLOWER_MAX[io_threads]
    with Connection((servers.HOST, port), 60.0) as active:
        await_connected(active, 1)
    expect_all(count, descriptors)


def test_clients_that_work_do_not_notice_them(start: Starter, descriptors: int) -> None:
    _, port = start.serving("--maxclients", "20000", "--save", "")
    count = min(IDLE, descriptors - OWN)
    with connect(port) as asking, ExitStack() as held:
        count = min(count, int(asking.call("CONFIG", "GET", "maxclients").items[1].data) - ACTIVE - 1)
        active = [held.enter_context(socket.create_connection((servers.HOST, port), 20)) for _ in range(ACTIVE)]
        alone_s = p99_s(active)
        fill(held, port, asking, count, ACTIVE + 1)
        beside_s = p99_s(active)
        for _ in range(4):
            if beside_s <= alone_s * P99_MAX:
                break
            # Somebody else may have been busy on this machine all the while.
            beside_s = min(beside_s, p99_s(active))
        print(f"{count} idle: p99 of {ACTIVE} clients {alone_s * 1e6:.0f} µs alone, {beside_s * 1e6:.0f} beside")
        assert beside_s <= alone_s * P99_MAX
    expect_all(count, descriptors)

"""The server is killed while clients write: each acknowledged change is there, and no transaction is halved."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.resp import Bulk, Connection, Error, Integer, Reply, encode
from support.servers import HOST, Server, start_rkv

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS = 16
EX_SOFTWARE = 70
# 60 in a run of continuous integration.
CYCLES = int(os.environ.get("RKV_KILL_CYCLES", "60"))


def number_of(reply: Reply) -> int:
    """The number in a reply; 0 for a key that is not there."""
    return int(reply.data) if isinstance(reply, Bulk) else 0


class Client:
    """One writer with keys of its own, and what it was told."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.random = random.Random(seed)
        # What was acknowledged, and what was asked for last.
        self.counter = self.asked = 0
        self.pair = self.asked_pair = 0
        self.length = self.asked_length = 0
        self.faults: list[str] = []

    def run(self, port: int) -> None:
        """Write until the server is gone."""
        try:
            with Connection((HOST, port)) as connection:
                while True:
                    self._write(connection)
        except (OSError, EOFError):
            return

    def _write(self, connection: Connection) -> None:
        name = f"{self.number}"
        kind = self.random.randrange(3)
        if kind == 0:
            self.asked = self.counter + 1
            reply = connection.call("INCR", f"counter:{name}")
            self._expect(reply, self.asked)
            self.counter = self.asked
        elif kind == 1:
            self.asked_pair = self.pair + 1
            value = str(self.asked_pair)
            connection.call("MULTI")
            connection.call("SET", f"left:{name}", value)
            connection.call("SET", f"right:{name}", value)
            self._expect(connection.call("EXEC"), None)
            self.pair = self.asked_pair
        else:
            self.asked_length = self.length + 1
            self._expect(connection.call("RPUSH", f"list:{name}", str(self.length)), self.asked_length)
            self.length = self.asked_length

    def _expect(self, reply: Reply, expected: int | None) -> None:
        if isinstance(reply, Error) and reply.text.startswith(b"ERR the store stopped"):
            raise EOFError
        if isinstance(reply, Error) or (expected is not None and reply != Integer(expected)):
            self.faults.append(f"client {self.number}: {reply!r} instead of {expected!r}")

    def check(self, connection: Connection) -> None:
        """Take over what the server has, which must be what was acknowledged or what was under way."""
        name = f"{self.number}"
        counter = number_of(connection.call("GET", f"counter:{name}"))
        left = number_of(connection.call("GET", f"left:{name}"))
        right = number_of(connection.call("GET", f"right:{name}"))
        elements = [number_of(element) for element in connection.call("LRANGE", f"list:{name}", "0", "-1").items]
        assert not self.faults, self.faults
        assert counter in {self.counter, self.asked}
        assert left == right, "half a transaction"
        assert left in {self.pair, self.asked_pair}
        assert len(elements) in {self.length, self.asked_length}
        assert elements == list(range(len(elements)))
        self.counter, self.pair, self.length = counter, left, len(elements)


def work(server: Server, clients: list[Client], seconds: float, end: Callable[[Server], None]) -> None:
    """Lets all clients write, checks first what they left, and ends the server after so many seconds."""
    with server.connect() as connection:
        for client in clients:
            client.check(connection)
    threads = [threading.Thread(target=client.run, args=(server.port,)) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    end(server)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def by_sigkill(server: Server) -> None:
    os.kill(server.pid, signal.SIGKILL)


def by_sigterm(server: Server) -> None:
    assert server.terminate() == 0


def by_a_bug(server: Server) -> None:
    with server.connect() as connection:
        connection.send(encode("DEBUG", "PANIC"))
        assert server.process.wait(20) == EX_SOFTWARE


def outlive(policy: str, cycles: int, end: Callable[[Server], None]) -> None:
    seed = int(os.environ.get("RKV_TEST_SEED", time.time_ns()))
    print(f"RKV_TEST_SEED={seed}")
    chance = random.Random(seed)
    clients = [Client(number, seed + number) for number in range(CLIENTS)]
    folder = Path(tempfile.mkdtemp(prefix="rkv-test-kill-"))
    words = ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", policy, "--save", ""]
    words += ["--auto-aof-rewrite-min-size", "32kb"]
    try:
        for _ in range(cycles):
            with start_rkv(*words) as server:
                work(server, clients, chance.uniform(0.05, 0.4), end)
        with start_rkv(*words) as server, server.connect() as connection:
            for client in clients:
                client.check(connection)
            assert sum(client.counter for client in clients) > 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("policy", ["everysec", "always", "no"])
def test_what_was_acknowledged_outlives_the_process(policy: str) -> None:
    outlive(policy, max(1, CYCLES // 3), by_sigkill)


@pytest.mark.parametrize("policy", ["everysec", "always", "no"])
@pytest.mark.parametrize("end", [by_sigterm, by_a_bug])
def test_what_was_acknowledged_outlives_every_end(policy: str, end: Callable[[Server], None]) -> None:
    outlive(policy, 2, end)

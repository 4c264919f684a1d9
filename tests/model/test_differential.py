"""Random and chosen sequences of commands: rkv answers as a real server does, over every way to reach it.

`RKV_DIFFERENTIAL_SECONDS` says for how long each random test runs (default 20); the same examples come every time, unless
`RKV_TEST_SEED` asks for others.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from model import differences, sequences, usage
from model.replies import Queue
from model.sequences import CLIENTS, Step
from support import servers
from support.resp import Connection, Reply, Simple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Server

SECONDS = float(os.environ.get("RKV_DIFFERENTIAL_SECONDS", "20"))
SEED = int(os.environ.get("RKV_TEST_SEED", "0"))
NEWEST: usage.Version = (99,)

# What every sequence ends in: a difference of state shows even if no reply told it.
DATABASES = (0, 1, 2)
PROBES: list[Step] = [
    Step(1, words)
    for db in DATABASES
    for words in [
        (b"SELECT", b"%d" % db),
        (b"DBSIZE",),
        *((name, key) for key in usage.KEYS for name in (b"GET", b"PTTL", b"TYPE")),
        *((b"OBJECT", b"ENCODING", key) for key in usage.KEYS),
    ]
]


class Target:
    """A server and the connections of a sequence's clients, in one protocol."""

    def __init__(self, name: str, server: Server, protocol: int) -> None:
        self.name = name
        self.clients = [server.connect(protocol) for _ in range(CLIENTS)]
        self.protocol = protocol

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.close()

    def run(self, steps: list[Step]) -> list[Reply]:
        """The replies to a sequence on an empty server."""
        for client in self.clients:
            self._renew(client)
        self.clients[0].call("FLUSHALL")
        return [reply for client, words in _runs(steps) for reply in self.clients[client].pipeline(words)]

    def _renew(self, client: Connection) -> None:
        commands: list[tuple[bytes | str, ...]] = [("RESET",)]
        if self.protocol == 3:
            commands.append(("HELLO", "3"))
        client.pipeline(commands)


def _runs(steps: list[Step]) -> Iterator[tuple[int, list[tuple[bytes, ...]]]]:
    """Neighbouring steps of one client, to be sent at once."""
    run: list[tuple[bytes, ...]] = []
    for index, step in enumerate(steps):
        run.append(step.words)
        if index + 1 == len(steps) or steps[index + 1].client != step.client:
            yield step.client, run
            run = []


@pytest.fixture(scope="module")
def rkvs() -> Iterator[dict[str, Server]]:
    """rkv served by a reactor thread, and by trio tasks."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(servers.start_rkv(io_threads=threads))
            for name, threads in (("reactor", 1), ("trio", 0))
        }


@pytest.fixture(scope="module")
def commands(rkvs: dict[str, Server]) -> list[usage.Command]:
    """The typed usage of every command that rkv has."""
    with rkvs["reactor"].connect(protocol=3) as connection:
        return usage.commands(connection.call("COMMAND", "DOCS"))


class Bench:
    """A real server and every way to reach rkv, in both protocols."""

    def __init__(self, oracle_name: str, oracle: Server, rkvs: dict[str, Server]) -> None:
        self.oracle_name = oracle_name
        self.oracles = {protocol: Target(oracle_name, oracle, protocol) for protocol in (2, 3)}
        self.targets = [
            Target(f"{name}, RESP{protocol}", server, protocol) for name, server in rkvs.items() for protocol in (2, 3)
        ]

    def close(self) -> None:
        """Close all connections."""
        for target in (*self.oracles.values(), *self.targets):
            target.close()

    def compare(self, steps: list[Step], protocol: int) -> None:
        """Run a sequence everywhere in one protocol; fail at the first difference that is not meant."""
        steps = steps + PROBES
        theirs = self.oracles[protocol].run(steps)
        for target in self.targets:
            if target.protocol == protocol:
                self._compare(steps, theirs, target.name, target.run(steps))

    def _compare(self, steps: list[Step], theirs: list[Reply], name: str, ours: list[Reply]) -> None:
        queues = [Queue() for _ in range(CLIENTS)]
        for index, step in enumerate(steps):
            pair = (theirs[index], ours[index])
            if queues[step.client].same(step.words, *pair):
                continue
            if differences.reason(self.oracle_name, step.words, *pair):
                continue
            shown = sequences.show(steps[: min(index + 1, len(steps) - len(PROBES))])
            pytest.fail(
                f"rkv ({name}) and {self.oracle_name} differ at step {index}: {sequences.show([step]).strip()}\n"
                f"{shown}\n  {self.oracle_name}: {pair[0]!r}\n  rkv: {pair[1]!r}",
                pytrace=False,
            )


@pytest.fixture(scope="module")
def redis_bench(redis_server: Server, rkvs: dict[str, Server]) -> Iterator[Bench]:
    """redis-server 7.0 beside rkv."""
    bench = Bench("redis", redis_server, rkvs)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def valkey_bench(valkey_server: Server, rkvs: dict[str, Server]) -> Iterator[Bench]:
    """Valkey 9.1 beside rkv."""
    bench = Bench("valkey", valkey_server, rkvs)
    yield bench
    bench.close()


def _explore(bench: Bench, commands: list[usage.Command], newest: usage.Version) -> None:
    until = time.monotonic() + SECONDS
    ran = 0

    # Sequences come until the time is up; then the rest of the examples is nothing to do.
    @with_seed(SEED)
    @settings(
        max_examples=max(settings().max_examples, int(SECONDS * 300)),
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=sequences.steps(commands, newest), protocol=st.sampled_from([2, 3]))
    def explore(steps: list[Step], protocol: int) -> None:
        nonlocal ran
        if time.monotonic() < until:
            ran += 1
            bench.compare(steps, protocol)

    print(f"RKV_TEST_SEED={SEED}")
    explore()
    print(f"{ran} sequences")


def test_sequences_as_redis(redis_bench: Bench, commands: list[usage.Command]) -> None:
    _explore(redis_bench, commands, usage.REDIS)


def test_sequences_as_valkey(valkey_bench: Bench, commands: list[usage.Command]) -> None:
    _explore(valkey_bench, commands, NEWEST)

"""Random and chosen sequences of commands: rkv answers as a real server does, over every way to reach it.

`RKV_DIFFERENTIAL_SECONDS` says for how long each random test runs (default 20); the same examples come every time,
unless `RKV_TEST_SEED` asks for others.
"""

from __future__ import annotations

import os
import shlex
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from model import differences, sequences, usage
from model.replies import Queue, as_reply
from model.sequences import CLIENTS, Step
from support import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection, Reply
    from support.servers import Server

SECONDS = float(os.environ.get("RKV_DIFFERENTIAL_SECONDS", "20"))
SEED = int(os.environ.get("RKV_TEST_SEED", "0"))
# Sequences of one seed; between them the time is looked at.
ROUND = 100
NEWEST: usage.Version = (99,)

# What every sequence ends in: a difference of state shows even if no reply told it.
DATABASES = (0, 1, 2)
CONTENTS: list[tuple[usage.Words, usage.Words]] = [
    ((b"LRANGE",), (b"0", b"-1")),
    ((b"SMEMBERS",), ()),
    ((b"ZRANGE",), (b"0", b"-1", b"WITHSCORES")),
    ((b"HGETALL",), ()),
]
# Valkey's digest of a score has other digits than Redis's.
DIGESTS: list[Step] = [
    Step(1, words) for db in DATABASES for words in [(b"SELECT", b"%d" % db), (b"DEBUG", b"DIGEST-VALUE", *usage.KEYS)]
]
PROBES: list[Step] = [
    Step(1, words)
    for db in DATABASES
    for words in [
        (b"SELECT", b"%d" % db),
        *((name, key) for key in usage.KEYS for name in (b"GET", b"PTTL", b"TYPE")),
        *((b"OBJECT", b"ENCODING", key) for key in usage.KEYS),
        *((*words, key, *more) for key in usage.KEYS for words, more in CONTENTS),
        (b"KEYS", b"*"),
    ]
]


# Packed encodings end early, so that short sequences cross their borders in both directions.
LIMITS = {
    "list-max-listpack-size": "4",
    "hash-max-listpack-entries": "3",
    "hash-max-listpack-value": "16",
    "set-max-intset-entries": "3",
    "zset-max-listpack-entries": "3",
    "zset-max-listpack-value": "16",
}
# Since Redis 7.2.
SET_LIMITS = {"set-max-listpack-entries": "5", "set-max-listpack-value": "16"}


class Target:
    """A server and the connections of a sequence's clients, in one protocol."""

    def __init__(self, name: str, server: Server, protocol: int) -> None:
        self.name = name
        self.clients = [server.connect(protocol) for _ in range(CLIENTS)]
        self.protocol = protocol
        for option, value in LIMITS.items():
            self.clients[0].call("CONFIG", "SET", option, value)
        for option, value in SET_LIMITS.items():
            # An older server refuses what it does not know.
            self.clients[0].call("CONFIG", "SET", option, value)

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


class Embedded:
    """A store in this process. Its Python replies are given back the kinds that the other side's replies have."""

    name = "in process"
    protocol = 3

    def __init__(self) -> None:
        from rkv import DB, _rkv

        # The engine itself, because a store of this process has no DEBUG.
        directives = {"enable-debug-command": "yes"} | LIMITS | SET_LIMITS
        self.db = DB(_rkv.Engine(list(directives.items()), None))

    def close(self) -> None:
        """Close the store."""
        self.db.close()

    def run(self, steps: list[Step], theirs: list[Reply]) -> list[Reply]:
        """The replies to a sequence on an empty store."""
        first = self.db.db(0)
        first.execute("FLUSHALL")
        clients = [first.connection() for _ in range(CLIENTS)]
        ours = [reply for client, words in _runs(steps) for reply in clients[client].execute_many(words)]
        return [as_reply(value, like) for value, like in zip(ours, theirs, strict=True)]


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
        self.embedded = Embedded()
        self.targets = [
            Target(f"{name}, RESP{protocol}", server, protocol) for name, server in rkvs.items() for protocol in (2, 3)
        ]

    def close(self) -> None:
        """Close all connections."""
        for target in (*self.oracles.values(), *self.targets, self.embedded):
            target.close()

    def compare(self, steps: list[Step], protocol: int) -> None:
        """Run a sequence everywhere in one protocol; fail at the first difference that is not meant."""
        count = len(steps)
        steps = steps + PROBES + (DIGESTS if self.oracle_name == "redis" else [])
        theirs = self.oracles[protocol].run(steps)
        for target in self.targets:
            if target.protocol == protocol:
                self._compare(steps, count, theirs, target.name, target.run(steps))
        if protocol == self.embedded.protocol:
            self._compare(steps, count, theirs, self.embedded.name, self.embedded.run(steps, theirs))

    def _compare(self, steps: list[Step], count: int, theirs: list[Reply], name: str, ours: list[Reply]) -> None:
        queues = [Queue() for _ in range(CLIENTS)]
        for index, step in enumerate(steps):
            pair = (theirs[index], ours[index])
            if queues[step.client].same(step.words, *pair):
                continue
            if meant := differences.find(self.oracle_name, step.words, *pair):
                if meant.diverges:
                    return
                continue
            shown = sequences.show(steps[: min(index + 1, count)])
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
    steps = sequences.steps(commands, newest)
    ran = 0

    @settings(
        max_examples=ROUND,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=steps, protocol=st.sampled_from([2, 3]))
    def explore(steps: list[Step], protocol: int) -> None:
        nonlocal ran
        ran += 1
        bench.compare(steps, protocol)

    seed = SEED
    while ran == 0 or time.monotonic() < until:
        print(f"RKV_TEST_SEED={seed}")
        with_seed(seed)(explore)()
        seed += 1
    print(f"{ran} sequences")


def test_sequences_as_redis(redis_bench: Bench, commands: list[usage.Command]) -> None:
    _explore(redis_bench, commands, usage.REDIS)


def test_sequences_as_valkey(valkey_bench: Bench, commands: list[usage.Command]) -> None:
    _explore(valkey_bench, commands, NEWEST)


# Sequences that random ones seldom make: each line is `client> words`, a quoted word may hold escapes.
EXAMPLES = {
    "watch is broken by another client": """
        0> SET a 1 | 0> WATCH a | 1> SET a 2 | 0> MULTI | 0> INCR a | 0> EXEC | 0> GET a""",
    "watch is not broken by the same value read": """
        0> SET a 1 | 0> WATCH a | 1> GET a | 1> TTL a | 0> MULTI | 0> INCR a | 0> EXEC""",
    "watch sees a key made and removed": """
        0> WATCH a | 1> SET a 1 | 1> DEL a | 0> MULTI | 0> PING | 0> EXEC""",
    "watch sees FLUSHDB only where the key was": """
        0> WATCH a | 1> FLUSHDB | 0> MULTI | 0> PING | 0> EXEC
        0> SET a 1 | 0> WATCH a | 1> FLUSHALL | 0> MULTI | 0> PING | 0> EXEC""",
    "watch sees SWAPDB": """
        0> SET a 1 | 0> WATCH a | 1> SWAPDB 0 1 | 0> MULTI | 0> PING | 0> EXEC | 0> GET a | 0> SELECT 1 | 0> GET a""",
    "watch belongs to its database": """
        0> SELECT 1 | 0> WATCH a | 1> SET a 1 | 0> MULTI | 0> PING | 0> EXEC""",
    "unwatch and discard forget": """
        0> WATCH a | 0> UNWATCH | 1> SET a 1 | 0> MULTI | 0> PING | 0> EXEC
        0> WATCH a | 0> MULTI | 0> DISCARD | 1> SET a 2 | 0> MULTI | 0> PING | 0> EXEC""",
    "an error while queueing aborts": """
        0> MULTI | 0> SET a 1 | 0> NOSUCH | 0> SET a | 0> EXEC | 0> GET a | 0> EXEC""",
    "an error while running does not": """
        0> SET a x | 0> MULTI | 0> INCR a | 0> SET b 1 | 0> EXEC | 0> GET b""",
    "SELECT inside MULTI": """
        0> MULTI | 0> SELECT 1 | 0> SET a 1 | 0> EXEC | 0> GET a | 1> GET a | 0> SELECT 0 | 0> GET a""",
    "EXEC, DISCARD without MULTI": "0> EXEC | 0> DISCARD | 0> UNWATCH",
    "RESET in MULTI": "0> MULTI | 0> SET a 1 | 0> RESET | 0> EXEC | 0> GET a",
    "encodings": r"""
        0> SET a 44444444444444444444444444444444444444444444 | 0> OBJECT ENCODING a
        0> SET a 12345678901234567890 | 0> OBJECT ENCODING a | 0> SET a 9223372036854775807 | 0> OBJECT ENCODING a
        0> SET a "" | 0> OBJECT ENCODING a | 0> APPEND a 1 | 0> OBJECT ENCODING a | 0> SETRANGE b 0 1
        0> OBJECT ENCODING b | 0> INCRBYFLOAT c 1 | 0> OBJECT ENCODING c | 0> SET a -0 | 0> OBJECT ENCODING a""",
    "integers at their ends": """
        0> SET a 9223372036854775807 | 0> INCR a | 0> DECR a | 0> INCRBY a -9223372036854775808 | 0> DECRBY a 1
        0> SET a -9223372036854775808 | 0> DECR a | 0> DECRBY a -9223372036854775808 | 0> INCRBY a 9223372036854775807
        0> SET a 9223372036854775808 | 0> INCR a | 0> SET a " 1" | 0> INCR a | 0> SET a 01 | 0> INCR a""",
    "floats": """
        0> SET a 10.50 | 0> INCRBYFLOAT a 0.1 | 0> INCRBYFLOAT a -5 | 0> SET a 5.0e3 | 0> INCRBYFLOAT a 2.0e2
        0> INCRBYFLOAT a 1e400 | 0> INCRBYFLOAT a nan | 0> INCRBYFLOAT a inf | 0> SET a 1e17 | 0> INCRBYFLOAT a 1
        0> SET a 3.0000000000000000000000001 | 0> INCRBYFLOAT a 0 | 0> SET a " 1" | 0> INCRBYFLOAT a 1""",
    "ranges": """
        0> SETRANGE a 0 "" | 0> EXISTS a | 0> SETRANGE a 5 x | 0> GET a | 0> GETRANGE a -3 -1 | 0> GETRANGE a 2 1
        0> GETRANGE a -9223372036854775808 9223372036854775807 | 0> SETRANGE a -1 x | 0> SETRANGE a 536870912 x
        0> SETRANGE a 536870911 "" | 0> STRLEN a | 0> SUBSTR a 0 0""",
    "expiry conditions": """
        0> SET a 1 | 0> EXPIRE a 100 XX | 0> EXPIRE a 100 NX | 0> EXPIRE a 200 NX | 0> EXPIRE a 50 GT
        0> EXPIRE a 300 GT | 0> EXPIRE a 400 LT | 0> EXPIRE a 100 LT | 0> PERSIST a | 0> EXPIRE a 100 GT
        0> EXPIRE a 100 LT
        0> EXPIRE a 100 NX XX | 0> EXPIRE a 100 GT LT | 0> EXPIRE a 9223372036854775807
        0> EXPIRE a -1 | 0> EXISTS a""",
    "SET's options": """
        0> SET a 1 NX GET | 0> SET a 2 NX GET | 0> SET a 3 XX GET | 0> SET b 1 XX GET | 0> SET a 1 NX XX
        0> SET a 1 EX 100 PX 100 | 0> SET a 1 EX 0 | 0> SET a 1 PX -1 | 0> SET a 1 EX 9223372036854775807
        0> SET a 1 EX x | 0> SET a 1 KEEPTTL EX 100 | 0> SET a 1 EX 100 | 0> SET a 2 KEEPTTL | 0> TTL a | 0> SET a 3
        0> TTL a | 0> SET a 1 GET GET | 0> SET a 1 EX""",
    "copies and moves": """
        0> SET a 1 EX 1000 | 0> COPY a b | 0> TTL b | 0> COPY a b | 0> COPY a b REPLACE | 0> COPY a a | 0> COPY a c DB 1
        0> COPY a c DB 16 | 0> MOVE a 1 | 0> MOVE b 0 | 0> SELECT 1 | 0> TTL c | 0> RENAME c c | 0> RENAME nosuch c
        0> RENAMENX c d | 0> RENAMENX d d | 0> MOVE d x""",
    "HELLO": """
        0> HELLO 4 | 0> HELLO x | 0> HELLO 2 SETNAME | 0> HELLO 2 AUTH a
        0> HELLO 2 NOSUCH | 0> HELLO 2 SETNAME "a b" """,
    "names": """
        0> CLIENT GETNAME | 0> CLIENT SETNAME name | 0> CLIENT GETNAME | 0> CLIENT SETNAME "" | 0> CLIENT GETNAME
        0> CLIENT SETNAME "a b" | 0> CLIENT NOSUCH | 0> CLIENT | 0> CLIENT ID x""",
}


def _word(text: str) -> bytes:
    return text.encode("latin-1").replace(b"x00", b"\x00")


def _example(text: str) -> list[Step]:
    steps = []
    for line in " | ".join(text.strip().splitlines()).split(" | "):
        client, words = line.strip().split("> ", 1)
        steps.append(Step(int(client), tuple(map(_word, shlex.split(words, posix=True)))))
    return steps


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_as_redis(redis_bench: Bench, name: str, protocol: int) -> None:
    redis_bench.compare(_example(EXAMPLES[name]), protocol)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_as_valkey(valkey_bench: Bench, name: str, protocol: int) -> None:
    valkey_bench.compare(_example(EXAMPLES[name]), protocol)


@pytest.mark.parametrize("difference", differences.DIFFERENCES, ids=lambda difference: difference.reason[:50])
def test_every_meant_difference_is_there(
    difference: differences.Difference, redis_bench: Bench, valkey_bench: Bench
) -> None:
    bench = redis_bench if difference.server == "redis" else valkey_bench
    steps = _example(difference.example)
    theirs = bench.oracles[2].run(steps)[-1]
    ours = bench.targets[0].run(steps)[-1]
    assert theirs != ours, "the servers agree: the entry has no meaning any more"
    assert difference.applies(bench.oracle_name, steps[-1].words, theirs, ours), (theirs, ours)

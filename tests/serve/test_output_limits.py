"""`client-output-buffer-limit` for peers that never read, by a reactor and by trio, in the clear and over TLS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.program import connect, unread
from support.resp import Bulk, Integer, Simple, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.program import Program
    from support.resp import Connection

MESSAGE = "y" * 100_000
TIMEOUT_S = 20.0


def await_true(condition: Callable[[], bool], what: str) -> float:
    """Seconds until it held."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < TIMEOUT_S, what
        time.sleep(0.005)
    return time.monotonic() - started


def floods(connection: Connection) -> int:
    info = getattr(connection.call("INFO", "stats"), "data", b"").decode()
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    return int(fields["client_output_buffer_limit_disconnections"])


@pytest.mark.parametrize(
    ("limit", "least_s"), [("pubsub 1000000 0 0", 0.0), ("pubsub 0 500000 1", 1.0)], ids=["hard", "soft"]
)
def test_a_subscriber_that_reads_nothing_is_closed(serving: tuple[Program, int], limit: str, least_s: float) -> None:
    program, port = serving
    with connect(port) as author, connect(port) as reader:
        assert author.call("CONFIG", "SET", "client-output-buffer-limit", limit) == Simple(b"OK")
        before = floods(author)
        reader.call("SUBSCRIBE", "news")
        with unread(port, encode("SUBSCRIBE", "news")):

            def both_listen() -> bool:
                return author.call("PUBLISH", "news", "") == Integer(2)

            def one_is_left() -> bool:
                return author.call("PUBLISH", "news", MESSAGE) == Integer(1)

            await_true(both_listen, "the silent peer did not subscribe")

            # The reader reads what it is sent, so that it is never over the limit.
            def drained() -> bool:
                left = one_is_left()
                while reader.read().items[2] != Bulk(MESSAGE.encode()):
                    pass
                return left

            took_s = await_true(drained, "the peer that reads nothing keeps its connection")
        assert took_s >= least_s
        assert floods(author) == before + 1
        assert author.call("PUBLISH", "news", "on") == Integer(1)
        assert reader.read().items[2] == Bulk(b"on")
    assert "overcoming of output buffer limits" in program.log()


def test_a_client_that_reads_no_replies_is_closed(serving: tuple[Program, int]) -> None:
    _, port = serving
    with connect(port) as other:
        other.call("SET", "large", "x" * 400_000)
        other.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 300000 1")
        before = floods(other)
        with unread(port, encode("GET", "large") * 40):
            await_true(lambda: floods(other) == before + 1, "the peer that reads nothing keeps its connection")


def test_a_killed_client_that_reads_nothing_is_closed(serving: tuple[Program, int]) -> None:
    _, port = serving
    with connect(port) as other:
        other.call("SET", "large", "x" * 1_000_000)
        own = getattr(other.call("CLIENT", "ID"), "value", 0)
        with unread(port, encode("GET", "large") * 20):
            await_true(lambda: len(clients(other)) == 2, "it did not come")
            other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await_true(lambda: clients(other) == [own], "it keeps its connection")


def clients(connection: Connection) -> list[int]:
    listed = getattr(connection.call("CLIENT", "LIST"), "data", b"").decode()
    return [int(line.split()[0].removeprefix("id=")) for line in listed.splitlines()]

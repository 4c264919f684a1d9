"""Streams beside Valkey 9.1, whose forms and errors they have; what Redis 7.0 says otherwise the model names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, Map, Null, NullArray, encode
from support.side_by_side import Pair

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from support.resp import Connection, Reply
    from support.servers import Server

KEYS = ["s", "t", "u"]
COMMANDS = [
    "XACK", "XADD", "XAUTOCLAIM", "XCLAIM", "XDEL", "XLEN", "XPENDING", "XRANGE", "XREAD", "XREADGROUP", "XREVRANGE",
    "XSETID", "XTRIM", "XGROUP", "XINFO",
]  # fmt: skip
SUBCOMMANDS = [
    *(("XGROUP", name) for name in ("CREATE", "SETID", "DESTROY", "CREATECONSUMER", "DELCONSUMER", "NOPE")),
    *(("XINFO", name) for name in ("STREAM", "GROUPS", "CONSUMERS", "NOPE")),
]
ODD_IDS = [
    "-", "+", "$", ">", "*", "0", "0-0", "18446744073709551615", "18446744073709551615-18446744073709551615",
    "18446744073709551616", "1-18446744073709551615", "x", "1-x", "1--1", "-1-1", "007-007", " 5-1", "+5-1", "5-*",
    "1-2-3", "", "5-", "-5", "1" * 130,
]  # fmt: skip
WRONG_TYPE = Error(b"WRONGTYPE Operation against a key holding the wrong kind of value")
TIMES = {b"idle", b"inactive", b"seen-time", b"active-time"}
"""What depends on when a server did something."""


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1, both empty and with the default sizes of nodes, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.same("FLUSHALL")
        yield pair
        nodes(pair, "100", "4096")


def nodes(pair: Pair, entries: str, size: str) -> None:
    pair.same("CONFIG", "SET", "stream-node-max-entries", entries)
    pair.same("CONFIG", "SET", "stream-node-max-bytes", size)


def timeless(reply: Reply) -> object:
    """A reply of XINFO without its times; whether there is one stays."""
    match reply:
        case Map(pairs):
            return tuple((timeless(name), _timeless_after(name, value)) for name, value in pairs)
        case Array(items):
            before = [None, *items]
            return tuple(_timeless_after(name, value) for name, value in zip(before, items, strict=False))
        case Integer(value) if value > 10**11:
            return "time"
    return reply


def _timeless_after(name: object, value: Reply) -> object:
    if isinstance(name, Bulk) and name.data in TIMES:
        return value == Integer(-1)
    return timeless(value)


def same_but_times(pair: Pair, *words: str) -> None:
    mine, theirs = pair.both(*words)
    assert timeless(mine) == timeless(theirs), (words, mine, theirs)


def same_state(pair: Pair, key: str) -> None:
    pair.same("DEBUG", "DIGEST-VALUE", key)
    same_but_times(pair, "XINFO", "STREAM", key, "FULL", "COUNT", "0")
    same_but_times(pair, "XINFO", "STREAM", key)


class Words:
    """Random commands of this family, mostly legal."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ms = 1

    def maybe(self, chance: float, *words: str) -> list[str]:
        return list(words) if self.rng.random() < chance else []

    def number(self) -> str:
        return (
            self.rng.choice(["0", "1", "-1", "x", "1000"]) if self.rng.random() < 0.1 else str(self.rng.randrange(12))
        )

    def id(self) -> str:
        if self.rng.random() < 0.15:
            return self.rng.choice(ODD_IDS)
        ms = self.rng.randrange(self.ms + 3)
        return self.rng.choice([f"{ms}-{self.rng.randrange(4)}", f"{ms}-0", str(ms)])

    def bound(self) -> str:
        return self.rng.choice(["", "", "", "("]) + self.rng.choice(["-", "+", self.id(), self.id(), self.id()])

    def fields(self) -> list[str]:
        names = ["a", "b", "c"] if self.rng.random() < 0.8 else [str(self.rng.randrange(5)), "x" * 70, "b"]
        values = ["1", "hello", "-5", "007", "99999999999", "v" * self.rng.randrange(200), ""]
        pairs = [word for name in names[: self.rng.randint(1, 3)] for word in (name, self.rng.choice(values))]
        return pairs + self.maybe(0.02, "odd")

    def trim(self, chance: float) -> list[str]:
        if self.rng.random() > chance:
            return []
        strategy = self.rng.choice(["MAXLEN", "minid"])
        threshold = self.number() if strategy == "MAXLEN" else self.id()
        return [strategy, *self.rng.choice([[], ["~"], ["="]]), threshold, *self.maybe(0.2, "LIMIT", self.number())]

    def add(self, key: str) -> list[str]:
        self.ms += 1
        name = self.rng.choice([f"{self.ms}-{self.rng.randrange(3)}", f"{self.ms}-*", str(self.ms), self.id()])
        name = "5" if name == "*" else name
        return ["XADD", key, *self.maybe(0.1, "NOMKSTREAM"), *self.trim(0.3), name, *self.fields()]

    def read(self, group: str, consumer: str) -> list[str]:
        keys = self.rng.choices(KEYS, k=self.rng.choice([1, 1, 2]))
        if self.rng.random() < 0.4:
            ids = [self.id() for _ in keys]
            return ["XREAD", *self.maybe(0.5, "COUNT", self.number()), "STREAMS", *keys, *ids]
        ids = [self.rng.choice([">", ">", ">", "0", self.id()]) for _ in keys]
        options = [*self.maybe(0.8, "COUNT", self.number()), *self.maybe(0.1, "NOACK")]
        return ["XREADGROUP", "GROUP", group, consumer, *options, "STREAMS", *keys, *ids]

    def claim(self, key: str, group: str, consumer: str) -> list[str]:
        idle = self.rng.choice(["0", "0", "0", "100000", "x", "-5"])
        head = [key, group, consumer, idle]
        if self.rng.random() < 0.4:
            return [
                "XAUTOCLAIM",
                *head,
                self.bound(),
                *self.maybe(0.5, "COUNT", self.number()),
                *self.maybe(0.3, "JUSTID"),
            ]
        ids = [self.id() for _ in range(self.rng.choice([1, 2, 5]))]
        options = [*self.maybe(0.3, "FORCE"), *self.maybe(0.3, "JUSTID"), *self.maybe(0.2, "RETRYCOUNT", self.number())]
        options += [*self.maybe(0.1, "IDLE", self.number()), *self.maybe(0.1, "LASTID", self.id())]
        return ["XCLAIM", *head, *ids, *options]

    def group(self, key: str, group: str, consumer: str) -> list[str]:
        read, start = self.maybe(0.3, "ENTRIESREAD", self.number()), self.rng.choice(["0", "$", self.id()])
        return self.rng.choice(
            [
                ["XGROUP", "CREATE", key, group, start, *self.maybe(0.4, "MKSTREAM"), *read],
                ["XGROUP", "CREATE", key, group, "0", "MKSTREAM"],
                ["XGROUP", "SETID", key, group, start, *read],
                ["XGROUP", "CREATECONSUMER", key, group, consumer],
                ["XGROUP", self.rng.choice(["DELCONSUMER", "CREATECONSUMER"]), key, group, consumer],
                ["XGROUP", self.rng.choice(["DESTROY", "CREATE"]), key, group, *self.maybe(0.8, "0")],
            ]
        )

    def command(self) -> list[str]:
        key, group, consumer = self.rng.choice(KEYS), self.rng.choice(["g", "h"]), self.rng.choice(["c", "d", "e"])
        ids = [self.id() for _ in range(self.rng.choice([1, 1, 2, 5]))]
        bounds = [self.bound(), self.bound()]
        pending = [*self.maybe(0.2, "IDLE", "100000"), *bounds, self.number(), *self.maybe(0.4, consumer)]
        setid = [f"{self.ms + self.rng.randrange(-1, 3)}-1", *self.maybe(0.3, "ENTRIESADDED", self.number())]
        kinds = [
            *(self.add(key) for _ in range(5)),
            *(self.read(group, consumer) for _ in range(4)),
            self.claim(key, group, consumer),
            self.claim(key, group, consumer),
            self.group(key, group, consumer),
            ["XLEN", key],
            [self.rng.choice(["XRANGE", "XREVRANGE"]), key, *bounds, *self.maybe(0.3, "COUNT", self.number())],
            ["XDEL", key, *ids],
            ["XACK", key, group, *ids],
            ["XTRIM", key, *self.trim(1)],
            ["XPENDING", key, group, *(pending if self.rng.random() < 0.7 else [])],
            ["XSETID", key, *setid, *self.maybe(0.2, "MAXDELETEDID", self.id())],
            self.rng.choice([["DEL", key], ["COPY", key, self.rng.choice(KEYS), "REPLACE"], ["RENAME", key, "t"]]),
        ]
        return self.rng.choice(kinds)


@pytest.mark.parametrize(("entries", "size"), [("100", "4096"), ("3", "0"), ("0", "200"), ("1", "4096")])
def test_random_commands_beside_valkey(with_valkey: Pair, rng: random.Random, entries: str, size: str) -> None:
    nodes(with_valkey, entries, size)
    words = Words(rng)
    for number in range(800):
        command = words.command()
        if command[0] == "XPENDING" and len(command) > 3:
            _same_pending(with_valkey, command)
        else:
            with_valkey.same(*command)
        if number % 25 == 24:
            same_state(with_valkey, rng.choice(KEYS))


def _same_pending(pair: Pair, command: list[str]) -> None:
    """The rows without how long ago each was delivered."""
    mine, theirs = (
        [[*row.items[:2], row.items[3]] for row in reply.items] if isinstance(reply, Array) else reply
        for reply in pair.both(*command)
    )
    assert mine == theirs, command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_words(with_valkey: Pair, command: str) -> None:
    for word in ("7", "STREAMS", "MAXLEN", "*"):
        for count in range(10):
            words = [command, *[word] * count]
            if words[:3] != ["XADD", "*", "*"]:
                with_valkey.same(*words)
            with_valkey.same("FLUSHALL")


@pytest.mark.parametrize(("command", "subcommand"), SUBCOMMANDS)
def test_every_number_of_words_of_a_subcommand(with_valkey: Pair, command: str, subcommand: str) -> None:
    for count in range(8):
        with_valkey.same(command, subcommand, *["7"] * count)
        with_valkey.same("FLUSHALL")


@pytest.mark.parametrize("id", ODD_IDS)
def test_odd_ids(with_valkey: Pair, id: str) -> None:  # noqa: A002 - what it is
    with_valkey.same("XADD", "s", "5-1", "f", "v")
    with_valkey.same("XGROUP", "CREATE", "s", "g", "0")
    if id != "*":
        with_valkey.same("XADD", "s", id, "f", "v")
    for words in (
        ["XRANGE", "s", id, "+"], ["XRANGE", "s", "(" + id, "+"], ["XREVRANGE", "s", id, "-"],
        ["XREVRANGE", "s", "(" + id, "-"],
        ["XREAD", "STREAMS", "s", id], ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", id], ["XDEL", "s", id],
        ["XACK", "s", "g", id], ["XCLAIM", "s", "g", "c", "0", id], ["XAUTOCLAIM", "s", "g", "c", "0", id],
        ["XGROUP", "SETID", "s", "g", id], ["XGROUP", "CREATE", "s", "h", id], ["XSETID", "s", id],
        ["XTRIM", "s", "MINID", id], ["XPENDING", "s", "g", id, "+", "5"],
    ):  # fmt: skip
        with_valkey.same(*words)


@pytest.mark.parametrize("command", COMMANDS[:-2])
def test_a_key_of_another_type(with_valkey: Pair, command: str) -> None:
    with_valkey.same("SET", "s", "v")
    words = {
        "XACK": "s g 1", "XADD": "s 1-1 f v", "XAUTOCLAIM": "s g c 0 0", "XCLAIM": "s g c 0 1", "XDEL": "s 1",
        "XLEN": "s",
        "XPENDING": "s g", "XRANGE": "s - +", "XREVRANGE": "s + -", "XREAD": "STREAMS s 0", "XSETID": "s 1",
        "XREADGROUP": "GROUP g c STREAMS s >", "XTRIM": "s MAXLEN 1",
    }[command]  # fmt: skip
    assert with_valkey.same(command, *words.split()) == WRONG_TYPE


def test_ids_of_the_servers_making(with_valkey: Pair) -> None:
    before_ms = int(time.time() * 1000) - 60_000
    reply = with_valkey.rkv.call("XADD", "s", "*", "f", "v")
    assert isinstance(reply, Bulk)
    assert int(reply.data.split(b"-")[0]) > before_ms
    with_valkey.same("XADD", "t", "99999999999999-5", "f", "v")
    assert with_valkey.same("XADD", "t", "*", "f", "v") == Bulk(b"99999999999999-6")
    with_valkey.same("XADD", "u", "18446744073709551615-18446744073709551615", "f", "v")
    with_valkey.same("XADD", "u", "*", "f", "v")


def test_trims_by_whole_nodes(with_valkey: Pair) -> None:
    nodes(with_valkey, "10", "0")
    for number in range(1, 96):
        with_valkey.same("XADD", "s", f"{number}-0", "f", "v")
    for words in (
        ["MAXLEN", "~", "94"], ["MAXLEN", "~", "80"], ["MAXLEN", "~", "0", "LIMIT", "15"], ["MINID", "~", "45"],
        ["MINID", "~", "47", "LIMIT", "0"], ["MAXLEN", "=", "33"], ["MINID", "70"], ["MAXLEN", "0"],
    ):  # fmt: skip
        with_valkey.same("XTRIM", "s", *words)
        same_state(with_valkey, "s")


class Waiting:
    """A reader on each server that waits for its reply."""

    def __init__(self, servers: tuple[Server, Server], protocol: int, *words: str) -> None:
        self.servers = servers
        self.connections: list[Connection] = [server.connect(protocol) for server in servers]
        self.before = [_blocked(server) for server in servers]
        for connection in self.connections:
            connection.send(encode(*words))
        for server, before in zip(servers, self.before, strict=True):
            _until(lambda server=server, before=before: _blocked(server) == before + 1)  # type: ignore[misc]

    def same(self) -> Reply:
        mine, theirs = (connection.read() for connection in self.connections)
        assert mine == theirs, (mine, theirs)
        for connection in self.connections:
            connection.close()
        return mine


def _blocked(server: Server) -> int:
    with server.connect(2) as connection:
        reply = connection.call("INFO", "clients")
    assert isinstance(reply, Bulk)
    return int(reply.data.split(b"blocked_clients:")[1].split(b"\r\n")[0])


def _until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def both(rkv_server: Server, valkey_server: Server) -> tuple[Server, Server]:
    return rkv_server, valkey_server


@pytest.mark.parametrize("protocol", [2, 3])
def test_one_entry_serves_all_who_wait(with_valkey: Pair, both: tuple[Server, Server], protocol: int) -> None:
    with_valkey.same("XADD", "s", "1-1", "f", "v")
    readers = [Waiting(both, protocol, "XREAD", "BLOCK", "0", "STREAMS", "s", "$") for _ in range(3)]
    readers += [Waiting(both, protocol, "XREAD", "COUNT", "1", "BLOCK", "20000", "STREAMS", "t", "s", "0", "1-1")]
    with_valkey.same("XADD", "s", "1-2", "f", "w")
    replies = [reader.same() for reader in readers]
    assert replies[0] == replies[3] != NullArray()


def test_what_did_not_exist_when_it_was_waited_for(with_valkey: Pair, both: tuple[Server, Server]) -> None:
    reader = Waiting(both, 2, "XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    with_valkey.same("SET", "s", "no stream")
    with_valkey.same("DEL", "s")
    with_valkey.same("MULTI")
    with_valkey.same("XADD", "s", "5-1", "f", "v")
    with_valkey.same("XADD", "s", "5-2", "f", "v")
    with_valkey.same("EXEC")
    reader.same()


def test_consumers_of_a_group(with_valkey: Pair) -> None:
    for words in ("XADD s 1-1 f v", "XADD s 1-2 f v", "XGROUP CREATE s g 0", "XGROUP CREATECONSUMER s g idle"):
        with_valkey.same(*words.split())
    same_but_times(with_valkey, "XINFO", "CONSUMERS", "s", "g")
    with_valkey.same("XREADGROUP", "GROUP", "g", "busy", "COUNT", "1", "STREAMS", "s", ">")
    with_valkey.same("XREADGROUP", "GROUP", "g", "late", "NOACK", "STREAMS", "s", ">")
    same_but_times(with_valkey, "XINFO", "CONSUMERS", "s", "g")
    _same_pending(with_valkey, ["XPENDING", "s", "g", "IDLE", "0", "-", "+", "10", "busy"])
    with_valkey.same("XPENDING", "s", "g", "IDLE", "1000000", "-", "+", "10")
    with_valkey.same("XINFO", "CONSUMERS", "s", "nosuch")
    with_valkey.same("XINFO", "CONSUMERS", "nosuch", "g")


def test_a_group_gives_each_entry_to_one(with_valkey: Pair, both: tuple[Server, Server]) -> None:
    with_valkey.same("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    first = Waiting(both, 2, "XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">")
    second = Waiting(both, 2, "XREADGROUP", "GROUP", "g", "d", "BLOCK", "0", "STREAMS", "s", ">")
    with_valkey.same("XADD", "s", "1-1", "f", "v")
    first.same()
    with_valkey.same("XADD", "s", "1-2", "f", "v")
    second.same()
    same_state(with_valkey, "s")


@pytest.mark.parametrize(
    "words",
    ["DEL s", "SET s v", "XGROUP DESTROY s g", "FLUSHALL", "RENAME s t", "SPOP x", "PEXPIRE s 0", "SWAPDB 0 1"],
)
def test_a_group_that_goes_while_it_is_waited_for(with_valkey: Pair, both: tuple[Server, Server], words: str) -> None:
    with_valkey.same("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    reader = Waiting(both, 2, "XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">")
    with_valkey.same(*words.split())
    if words == "SPOP x":
        # Nothing happened to the stream, so the reader goes on.
        with_valkey.same("XADD", "s", "1-1", "f", "v")
    reply = reader.same()
    assert isinstance(reply, Array if words == "SPOP x" else Error), reply


def test_what_waits_and_finds_nothing(with_valkey: Pair) -> None:
    with_valkey.same("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    commands = [
        ("XREAD", "BLOCK", "5", "STREAMS", "s", "$"),
        ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "5", "STREAMS", "s", ">"),
    ]
    for command in commands:
        assert with_valkey.same(*command) in (NullArray(), Null())
    with_valkey.same("MULTI")
    for command in commands:
        with_valkey.same(*command)
    with_valkey.same("EXEC")
    same_state(with_valkey, "s")


def test_a_dump_of_a_stream_is_read_by_the_other_server(with_valkey: Pair, rng: random.Random) -> None:
    words = Words(rng)
    for _ in range(300):
        with_valkey.both(*words.command())
    with_valkey.same("XADD", "s", "999999-1", "f", "v")
    for key in ("s", "t"):
        mine, theirs = with_valkey.both("DUMP", key)
        if not isinstance(mine, Bulk) or not isinstance(theirs, Bulk):
            continue
        with_valkey.rkv.call("RESTORE", "restored", "0", theirs.data, "REPLACE")
        with_valkey.peer.call("RESTORE", "restored", "0", mine.data, "REPLACE")
        with_valkey.same("DEBUG", "DIGEST-VALUE", "restored")
        with_valkey.same("XRANGE", "restored", "-", "+")
        with_valkey.same("XINFO", "GROUPS", "restored")

"""A pop that waits, woken across every way to reach one store: sockets served by a reactor thread and by trio tasks, a
stream in memory, and a thread of the program that embeds it.
"""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support import servers
from support.resp import Array, Bulk, Error, Integer, Null, NullArray, NullBulk, Reader, Simple, encode

if not servers.rkv_is_built():
    pytest.skip("rkv is not built (make develop)", allow_module_level=True)

import trio
import trio.testing

import rkv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from random import Random

    from rkv.keyspace import Keyspace

DRIVERS = ["reactor", "trio", "stream", "thread"]
STREAMS = ["reactor", "trio", "stream"]
UNBLOCKED = "UNBLOCKED client unblocked via CLIENT UNBLOCK"


def run(main: Callable[..., Awaitable[Any]], *arguments: object) -> None:
    async def limited() -> None:
        with trio.fail_after(20):
            await main(*arguments)

    trio.run(limited)


def plain(reply: Any) -> Any:
    """A reply as embedded calls give it; an error as its text."""
    match reply:
        case Bulk(data) | Simple(data):
            return data
        case Integer(value):
            return value
        case Array(items):
            return [plain(item) for item in items]
        case Null() | NullBulk() | NullArray():
            return None
        case Error(text):
            return text.decode()
    raise AssertionError(reply)


class Client:
    """A client over a stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.reader = Reader()

    async def call(self, *words: Any) -> Any:
        await self.stream.send_all(encode(*words))
        while (reply := self.reader.next()) is None:
            data = await self.stream.receive_some(65536)
            if not data:
                raise EOFError
            self.reader.feed(bytes(data))
        return plain(reply)


class Thread:
    """A thread of this program that calls the store; the loop goes on because it gives up the GIL while it waits."""

    def __init__(self, kv: Keyspace[bytes]) -> None:
        self.kv = kv

    async def call(self, *words: Any) -> Any:
        try:
            return await trio.to_thread.run_sync(partial(self.kv.execute, *words), abandon_on_cancel=True)
        except rkv.ResponseError as error:
            return str(error)


class Store:
    """A store that is served in every way at once."""

    def __init__(self, nursery: trio.Nursery, addresses: dict[str, tuple[str, int]], db: Any) -> None:
        self.nursery = nursery
        self.addresses = addresses
        self.db = db
        self.kv = db.db(0)
        self.streams: list[trio.abc.Stream] = []

    async def client(self, driver: str) -> Any:
        """A new client of this driver."""
        if driver == "thread":
            return Thread(self.kv)
        if driver == "stream":
            stream, far = trio.testing.memory_stream_pair()
            self.nursery.start_soon(rkv.serve_stream, self.db, far)
        else:
            stream = await trio.open_tcp_stream(*self.addresses[driver])
        self.streams.append(stream)
        return Client(stream)

    async def until_waiting(self, driver: str, count: int) -> None:
        """Returns when so many clients of this driver wait for a key."""
        if driver == "thread":
            # Nothing tells of a caller in this process that it waits. If it does not yet, it finds what is pushed.
            await trio.sleep(0.05)
            return
        await until(lambda: self.waiting() == count)

    def waiting(self) -> int:
        """How many clients wait for a key, as INFO tells."""
        return int(self.kv.execute("INFO", "clients").split(b"blocked_clients:")[1].split(b"\r\n")[0])

    def call_later(self, results: list[Any], client: Any, *words: Any) -> None:
        """Calls in a task; the reply is added to the results when it comes."""

        async def call() -> None:
            results.append(await client.call(*words))

        self.nursery.start_soon(call)


@asynccontextmanager
async def store() -> AsyncIterator[Store]:
    db = rkv.open()
    async with rkv.serve(db, io_threads=1) as reactor, rkv.serve(db, io_threads=0) as tasks:
        assert reactor.address is not None
        assert tasks.address is not None
        async with trio.open_nursery() as nursery:
            served = Store(nursery, {"reactor": reactor.address, "trio": tasks.address}, db)
            try:
                yield served
            finally:
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    for stream in served.streams:
                        await trio.aclose_forcefully(stream)


async def until(condition: Callable[[], bool]) -> None:
    # What other threads do sets no event of this loop.
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.001)


@pytest.mark.parametrize(("popper", "pusher"), list(itertools.product(DRIVERS, DRIVERS)))
def test_each_wakes_each(popper: str, pusher: str) -> None:
    async def main() -> None:
        async with store() as served:
            pops, pushes = await served.client(popper), await served.client(pusher)
            commands = [
                (("BLPOP", "none", "list", 0), [b"list", b"one"]),
                (("BRPOP", "list", 30), [b"list", b"two"]),
                (("BLMOVE", "list", "moved", "LEFT", "RIGHT", 0), b"one"),
                (("BRPOPLPUSH", "list", "moved", 0), b"two"),
                (("BLMPOP", 0, 2, "none", "list", "RIGHT", "COUNT", 5), [b"list", [b"two", b"one"]]),
            ]
            for command, expected in commands:
                results: list[Any] = []
                served.call_later(results, pops, *command)
                await served.until_waiting(popper, 1)
                assert await pushes.call("RPUSH", "list", "one", "two") == 2
                await until(lambda results=results: bool(results))
                assert results == [expected]
                await pushes.call("DEL", "list")
            assert served.kv.execute("LRANGE", "moved", 0, -1) == [b"two", b"one"]

    run(main)


@pytest.mark.parametrize(("popper", "pusher"), list(itertools.product(DRIVERS, DRIVERS)))
def test_each_wakes_each_with_members(popper: str, pusher: str) -> None:
    # In process a score is a number.
    one, two = (1.0, 2.0) if popper == "thread" else (b"1", b"2")

    async def main() -> None:
        async with store() as served:
            pops, pushes = await served.client(popper), await served.client(pusher)
            commands: list[tuple[tuple[Any, ...], list[Any]]] = [
                (("BZPOPMIN", "none", "zset", 0), [b"zset", b"low", one]),
                (("BZPOPMAX", "zset", 30), [b"zset", b"high", two]),
                (("BZMPOP", 0, 2, "none", "zset", "MAX", "COUNT", 5), [b"zset", [[b"high", two], [b"low", one]]]),
            ]
            for command, expected in commands:
                results: list[Any] = []
                served.call_later(results, pops, *command)
                await served.until_waiting(popper, 1)
                assert await pushes.call("ZADD", "zset", 1, "low", 2, "high") == 2
                await until(lambda results=results: bool(results))
                assert results == [expected]
                assert served.kv.execute("ZCARD", "zset") == (0 if command[0] == "BZMPOP" else 1)
                await pushes.call("DEL", "zset")

    run(main)


def test_a_list_wakes_nobody_who_waits_for_members() -> None:
    async def main() -> None:
        async with store() as served:
            results: list[Any] = []
            client = await served.client("reactor")
            served.call_later(results, client, "BZPOPMIN", "key", 0)
            await served.until_waiting("reactor", 1)
            served.kv.execute("RPUSH", "key", "element")
            assert served.waiting() == 1
            served.kv.execute("DEL", "key")
            served.kv.execute("ZADD", "other", "-inf", "member")
            served.kv.execute("ZUNIONSTORE", "key", 1, "other")
            await until(lambda: bool(results))
            assert results == [[b"key", b"member", b"-inf"]]
            assert served.kv.execute("EXISTS", "key") == 0

    run(main)


@pytest.mark.parametrize("popper", DRIVERS)
def test_time_runs_out(popper: str) -> None:
    async def main() -> None:
        async with store() as served:
            client = await served.client(popper)
            for command in [
                ("BLPOP", "list", "0.03"),
                ("BLMOVE", "list", "other", "LEFT", "LEFT", "0.03"),
                ("BLMPOP", "0.03", "1", "list", "LEFT"),
                ("BZPOPMIN", "zset", "0.03"),
                ("BZPOPMAX", "zset", "other", "0.03"),
                ("BZMPOP", "0.03", "1", "zset", "MIN"),
            ]:
                begun = trio.current_time()
                assert await client.call(*command) is None
                assert trio.current_time() - begun >= 0.03
            served.kv.execute("RPUSH", "list", "left")
            assert await client.call("BLPOP", "list", "0.01") == [b"list", b"left"]

    run(main)


def test_first_come_first_served_whatever_the_driver() -> None:
    async def main() -> None:
        async with store() as served:
            results: list[list[Any]] = []
            for number, driver in enumerate(STREAMS * 3):
                result: list[Any] = []
                results.append(result)
                served.call_later(result, await served.client(driver), "BLPOP", "list", 0)
                await served.until_waiting(driver, number + 1)
            served.kv.execute("RPUSH", "list", *range(3))
            await served.until_waiting("stream", 6)
            for number, driver in enumerate(DRIVERS, 3):
                await (await served.client(driver)).call("RPUSH", "list", number)
            served.kv.execute("RPUSH", "list", 7, 8, 9)
            await until(lambda: all(results))
            assert results == [[[b"list", b"%d" % number]] for number in range(9)]
            assert served.kv.execute("LRANGE", "list", 0, -1) == [b"9"]

    run(main)


@pytest.mark.parametrize("popper", STREAMS)
def test_who_went_loses_no_element(popper: str) -> None:
    async def main() -> None:
        async with store() as served:
            client, other = await served.client(popper), await served.client(popper)
            results: list[Any] = []
            await client.stream.send_all(encode("BLPOP", "list", 0))
            await served.until_waiting(popper, 1)
            served.call_later(results, other, "BLPOP", "list", 0)
            await served.until_waiting(popper, 2)
            await client.stream.aclose()
            await served.until_waiting(popper, 1)
            served.kv.execute("RPUSH", "list", "one", "two")
            await until(lambda: bool(results))
            assert results == [[b"list", b"one"]]
            assert served.kv.execute("LRANGE", "list", 0, -1) == [b"two"]

    run(main)


@pytest.mark.parametrize("popper", STREAMS)
def test_another_client_ends_the_wait(popper: str) -> None:
    async def main() -> None:
        async with store() as served:
            client = await served.client(popper)
            for words, expected in [((), None), (("TIMEOUT",), None), (("ERROR",), UNBLOCKED)]:
                results: list[Any] = []
                served.call_later(results, client, "BLPOP", "list", 0)
                await served.until_waiting(popper, 1)
                [line] = [line for line in served.kv.execute("CLIENT", "LIST").splitlines() if b" flags=b" in line]
                number = int(line.split()[0].removeprefix(b"id="))
                assert served.kv.execute("CLIENT", "UNBLOCK", number, *words) == 1
                await until(lambda results=results: bool(results))
                assert results == [expected]
                assert served.kv.execute("CLIENT", "UNBLOCK", number) == 0
            counted = dict(line.split(b":", 1) for line in served.kv.execute("INFO", "commandstats").splitlines()[1:])
            assert b"calls=3," in counted[b"cmdstat_blpop"]
            assert counted[b"cmdstat_blpop"].endswith(b"rejected_calls=0,failed_calls=1")
            served.kv.execute("RPUSH", "list", "left")
            assert await client.call("LPOP", "list") == b"left"

    run(main)


def test_nothing_is_lost_or_had_twice_in_a_race_with_the_clock(rng: Random) -> None:
    async def main() -> None:
        count, popped = 400, []

        async def pop(served: Store, driver: str) -> None:
            client = await served.client(driver)
            while len(popped) < count:
                timeout = rng.choice(["0.001", "0.002", "0.01"])
                command = rng.choice([("BLPOP", "a", "b", timeout), ("BRPOP", "b", timeout), ("BLPOP", "a", timeout)])
                if (answer := await client.call(*command)) is not None:
                    popped.append(int(answer[1]))

        async with store() as served:
            pushers = [await served.client(driver) for driver in DRIVERS]
            async with trio.open_nursery() as nursery:
                for driver in DRIVERS * 2:
                    nursery.start_soon(pop, served, driver)
                for number in range(count):
                    await rng.choice(pushers).call(rng.choice(["LPUSH", "RPUSH"]), rng.choice("ab"), number)
                    if rng.random() < 0.3:
                        await trio.sleep(rng.random() * 0.004)
            assert sorted(popped) == list(range(count))

    run(main)


@pytest.mark.parametrize("popper", DRIVERS)
def test_in_a_transaction_nobody_waits(popper: str) -> None:
    async def main() -> None:
        async with store() as served:
            client = await served.client(popper)
            if popper == "thread":
                with served.kv.pipeline() as pipeline:
                    pipeline.execute_command("BLPOP", "list", 0)
                    assert pipeline.execute() == [None]
                return
            await client.call("MULTI")
            await client.call("BLPOP", "list", 0)
            await client.call("BLMOVE", "list", "other", "LEFT", "LEFT", 0)
            assert await client.call("EXEC") == [None, None]

    run(main)


@pytest.mark.parametrize("popper", STREAMS)
def test_a_value_of_another_type_wakes_nobody(popper: str) -> None:
    async def main() -> None:
        async with store() as served:
            results: list[Any] = []
            served.call_later(results, await served.client(popper), "BLPOP", "list", 0)
            await served.until_waiting(popper, 1)
            served.kv.execute("SET", "list", "text")
            served.kv.execute("SADD", "set", "member")
            served.kv.execute("RENAME", "set", "list")
            assert served.waiting() == 1
            served.kv.execute("RPUSH", "other", "one")
            served.kv.execute("RENAME", "other", "list")
            await until(lambda: bool(results))
            assert results == [[b"list", b"one"]]

    run(main)


@pytest.mark.parametrize("popper", STREAMS)
def test_an_element_stays_if_it_cannot_be_moved(popper: str) -> None:
    async def main() -> None:
        async with store() as served:
            results: list[Any] = []
            served.call_later(results, await served.client(popper), "BLMOVE", "list", "text", "LEFT", "LEFT", 0)
            await served.until_waiting(popper, 1)
            served.kv.execute("SET", "text", "v")
            served.kv.execute("RPUSH", "list", "one")
            await until(lambda: bool(results))
            assert results == ["WRONGTYPE Operation against a key holding the wrong kind of value"]
            assert served.kv.execute("LRANGE", "list", 0, -1) == [b"one"]

    run(main)


def test_one_push_passes_through_those_who_wait_for_each_other() -> None:
    async def main() -> None:
        async with store() as served:
            results: list[list[Any]] = [[] for _ in STREAMS]
            for number, driver in enumerate(STREAMS):
                client = await served.client(driver)
                served.call_later(results[number], client, "BLMOVE", f"l{number}", f"l{number + 1}", "LEFT", "LEFT", 0)
                await served.until_waiting(driver, number + 1)
            served.kv.execute("RPUSH", "l0", "one")
            await until(lambda: all(results))
            assert results == [[b"one"]] * 3
            assert served.kv.execute("LRANGE", "l3", 0, -1) == [b"one"]

    run(main)

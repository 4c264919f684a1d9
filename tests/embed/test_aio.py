"""Waiting inside a program of tasks: trio and asyncio, elements that nobody loses, and fair order."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

import rkv

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Main = Callable[[], Awaitable[Any]]


def in_trio(main: Main) -> Any:
    async def limited() -> Any:
        with trio.fail_after(20):
            return await main()

    return trio.run(limited)


def in_asyncio(main: Main) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 20))  # type: ignore[arg-type]


async def nap(seconds: float) -> None:
    if "trio" in sys.modules and trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


@pytest.fixture(params=[in_trio, in_asyncio], ids=["trio", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], Any]:
    return request.param  # type: ignore[no-any-return]


def after(seconds: float, act: Callable[[], Any]) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_what_is_there_comes_at_once(db: rkv.DB, run: Callable[[Main], Any]) -> None:
    kv = db.db(0, text=True)
    kv.rpush("list", "a", "b", "c", "d", "e")
    kv.zadd("scores", {"m": 1.5, "n": 2, "o": 3, "p": 4})
    kv.xadd("stream", {"f": "v"}, id="1-1")
    kv.xgroup_create("stream", "group", 0)

    async def main() -> list[Any]:
        return [
            await kv.aio.blpop("list"),
            await kv.aio.brpop(["none", "list"], timeout=1),
            await kv.aio.blmove("list", "other", 1, "LEFT", "RIGHT"),
            await kv.aio.brpoplpush("list", "other"),
            await kv.aio.blmpop(1, 2, "none", "other", direction="LEFT", count=5),
            await kv.aio.bzpopmin("scores"),
            await kv.aio.bzpopmax(["none", "scores"]),
            await kv.aio.bzmpop(1, 1, ["scores"], min=True, count=2),
            await kv.aio.xread({"stream": 0}, block=10),
            await kv.aio.xreadgroup("group", "me", {"stream": ">"}, block=10),
            await kv.aio.execute("GET", "nothing"),
        ]

    assert run(main) == [
        ("list", "a"),
        ("list", "e"),
        "b",
        "d",
        ["other", ["d", "b"]],
        ("scores", "m", 1.5),
        ("scores", "p", 4.0),
        ["scores", [["n", "2"], ["o", "3"]]],
        [["stream", [("1-1", {"f": "v"})]]],
        [["stream", [("1-1", {"f": "v"})]]],
        None,
    ]


def test_time_is_over(db: rkv.DB, run: Callable[[Main], Any]) -> None:
    kv = db.db(0)

    async def main() -> float:
        begun = time.monotonic()
        assert await kv.aio.blpop(["a", "b"], timeout=0.05) is None
        assert await kv.aio.bzpopmin("a", timeout=0.05) is None
        assert await kv.aio.xread({"s": "$"}, block=50) == []
        return time.monotonic() - begun

    assert 0.15 <= run(main) < 5


def test_errors_are_raised(db: rkv.DB, run: Callable[[Main], Any]) -> None:
    kv = db.db(0)
    kv.set("string", "v")

    async def main() -> None:
        with pytest.raises(rkv.WrongTypeError):
            await kv.aio.blpop("string")
        with pytest.raises(rkv.ResponseError, match="timeout is negative"):
            await kv.aio.blpop("list", timeout=-1)
        with pytest.raises(rkv.ResponseError):
            await kv.aio.execute("NOSUCH")
        with pytest.raises(rkv.DataError):
            await kv.aio.blpop("list", timeout=object())  # type: ignore[arg-type]
        with pytest.raises(rkv.RkvError):
            await kv.aio.execute("SUBSCRIBE", "channel")

    run(main)


def test_a_thread_answers_a_task(db: rkv.DB, run: Callable[[Main], Any]) -> None:
    kv = db.db(3)
    after(0.05, lambda: kv.lpush("list", "v"))

    async def main() -> Any:
        return await kv.aio.blpop("list")

    assert run(main) == (b"list", b"v")


def test_first_come_first_served(db: rkv.DB, run: Callable[[Main], Any]) -> None:
    kv = db.db(0)
    got: list[tuple[int, bytes]] = []

    async def one(number: int) -> None:
        answer = await kv.aio.blpop("list")
        assert answer is not None
        got.append((number, answer[1]))

    async def main() -> None:
        if trio.lowlevel.in_trio_run():
            async with trio.open_nursery() as nursery:
                for number in range(50):
                    nursery.start_soon(one, number)
                    # Each waits before the next one comes.
                    await nap(0.001)
                for number in range(50):
                    kv.rpush("list", number)
        else:
            tasks = []
            for number in range(50):
                tasks.append(asyncio.create_task(one(number)))
                await nap(0.001)
            for number in range(50):
                kv.rpush("list", number)
            await asyncio.gather(*tasks)

    run(main)
    assert sorted(got) == [(number, b"%d" % number) for number in range(50)]


async def cancelled(kv: rkv.Keyspace[bytes], got: list[bytes], patience_s: float) -> None:
    """Wait, but not for long; what came just then must be in ``got``."""
    if trio.lowlevel.in_trio_run():
        with trio.move_on_after(patience_s):
            answer = await kv.aio.blpop("list")
            assert answer is not None
            got.append(answer[1])
        return
    try:
        async with asyncio.timeout(patience_s):
            answer = await kv.aio.blpop("list")
            assert answer is not None
            got.append(answer[1])
    except TimeoutError:
        pass
    # A timeout that came too late interrupts nothing else.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout")
def test_a_cancelled_wait_eats_nothing(db: rkv.DB, run: Callable[[Main], Any]) -> None:
    kv, total = db.db(0), 300

    def push() -> None:
        for number in range(total):
            kv.rpush("list", number)
            time.sleep(0.0004)

    pusher = threading.Thread(target=push)
    got: list[bytes] = []

    async def main() -> None:
        pusher.start()
        waits = 0
        while len(got) < total:
            waits += 1
            await cancelled(kv, got, 0.0003 * (waits % 4))

    run(main)
    pusher.join()
    assert got == [b"%d" % number for number in range(total)]
    assert kv.llen("list") == 0


def test_a_task_that_is_cancelled_ends(db: rkv.DB) -> None:
    """A task that gets its element when it is cancelled has it, and is cancelled at its next wait."""
    kv = db.db(0)
    got: list[bytes] = []

    async def forever() -> None:
        while True:
            answer = await kv.aio.blpop("list")
            assert answer is not None
            got.append(answer[1])

    async def main() -> None:
        for number in range(200):
            task = asyncio.create_task(forever())
            await asyncio.sleep(0.0005)
            kv.rpush("list", number)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            left = kv.lpop("list")
            got.extend([left] if left is not None else [])

    in_asyncio(main)
    assert got == [b"%d" % number for number in range(200)]


def test_a_closed_store_ends_waits(tmp_path_factory: pytest.TempPathFactory, run: Callable[[Main], Any]) -> None:
    del tmp_path_factory
    db = rkv.open()
    kv = db.db(0)

    async def main() -> None:
        with pytest.raises(rkv.RkvError):
            await kv.aio.blpop("list", timeout=0.2)

    after(0.02, db.close)
    run(main)

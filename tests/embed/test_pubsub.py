"""Listening inside a program: threads, trio and asyncio; no message is lost by a cancelled wait."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

import rkv

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def db() -> Iterator[rkv.DB]:
    """A store in memory."""
    with rkv.open() as store:
        yield store


def message(channel: bytes, data: Any, kind: str = "message", pattern: bytes | None = None) -> dict[str, Any]:
    """What a listener gets."""
    return {"type": kind, "pattern": pattern, "channel": channel, "data": data}


def test_a_thread_listens(db: rkv.DB) -> None:
    kv = db.db()
    with kv.pubsub() as listener:
        assert not listener.subscribed
        listener.subscribe("a", b"b")
        listener.psubscribe("a*")
        listener.ssubscribe("s")
        assert listener.get_message() == message(b"a", 1, "subscribe")
        assert listener.get_message() == message(b"b", 2, "subscribe")
        assert listener.get_message() == message(b"a*", 3, "psubscribe")
        assert listener.get_message() == message(b"s", 1, "ssubscribe")
        assert listener.get_message() is None
        assert kv.publish("a", "hi") == 2
        assert kv.spublish("s", 7) == 1
        assert listener.get_message() == message(b"a", b"hi")
        assert listener.get_message() == message(b"a", b"hi", "pmessage", b"a*")
        assert listener.get_message() == message(b"s", b"7", "smessage")
        assert sorted(kv.pubsub_channels()) == [b"a", b"b"]
        assert (kv.pubsub_numpat(), kv.pubsub_numsub("a", "x")) == (1, [(b"a", 1), (b"x", 0)])
        assert (kv.pubsub_shardchannels(), kv.pubsub_shardnumsub("s")) == ([b"s"], [(b"s", 1)])
        listener.unsubscribe()
        assert listener.get_message(ignore_subscribe_messages=True) is None
        assert (listener.channels, listener.patterns) == ([], [b"a*"])
    assert (kv.publish("a", "hi"), kv.pubsub_numpat(), kv.pubsub_shardchannels()) == (0, 0, [])


def test_a_handler_gets_what_is_for_it(db: rkv.DB) -> None:
    kv = db.db(0, text=True)
    heard: list[Any] = []
    with kv.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("other", news=heard.append)
        kv.publish("news", "one")
        kv.publish("other", "two")
        assert listener.get_message() is None
        got = listener.get_message()
        assert got is not None
        assert (got["channel"], got["data"]) == ("other", "two")
    assert [entry["data"] for entry in heard] == ["one"]


def test_listen_ends_when_nothing_is_listened_to(db: rkv.DB) -> None:
    kv = db.db()
    listener = kv.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("a")
    kv.publish("a", 1)
    heard = []
    for got in listener:
        heard.append(got["data"])
        listener.unsubscribe()
    assert heard == [b"1"]


def test_a_thread_waits_until_somebody_speaks(db: rkv.DB) -> None:
    kv = db.db()
    with kv.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("a")
        begin = time.monotonic()
        assert listener.get_message(timeout=0.05) is None
        assert time.monotonic() - begin >= 0.05
        speaker = threading.Timer(0.05, kv.publish, ("a", "late"))
        speaker.start()
        assert listener.get_message(timeout=None) == message(b"a", b"late")
        speaker.join()


def test_keyspace_events_are_heard(db: rkv.DB) -> None:
    kv = db.db(3)
    kv.execute("CONFIG", "SET", "notify-keyspace-events", "KEA")
    with kv.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("__keyevent@3__:set", "__keyspace@3__:k")
        kv.set("k", 1)
        assert listener.get_message() == message(b"__keyspace@3__:k", b"set")
        assert listener.get_message() == message(b"__keyevent@3__:set", b"k")


def test_who_leaves_too_many_unread_is_told(db: rkv.DB) -> None:
    kv = db.db()
    kv.execute("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100000 0 0")
    with kv.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("a")
        for _ in range(100):
            kv.publish("a", b"x" * 10_000)
        with pytest.raises(rkv.SlowSubscriberError):
            listener.get_message()
        assert not listener.subscribed
        assert kv.publish("a", "x") == 0


def test_messages_of_many_threads_all_come(db: rkv.DB) -> None:
    kv = db.db()
    count = 2000
    with kv.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("a")
        threads = [
            threading.Thread(target=lambda: [kv.publish("a", number) for number in range(count)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        heard = []
        while len(heard) < 4 * count:
            got = listener.get_message(timeout=10)
            assert got is not None
            heard.append(got["data"])
        for thread in threads:
            thread.join()
    assert sorted(heard) == sorted(str(number).encode() for number in range(count) for _ in range(4))


async def hear(kv: rkv.Keyspace[bytes], count: int, heard: list[object]) -> None:
    """So many messages of a channel."""
    async with contextlib.aclosing(kv.aio.subscribe("a", patterns=("p*",))) as messages:
        async for got in messages:
            heard.append(got["data"])
            if len(heard) == count:
                return


def say(kv: rkv.Keyspace[bytes], count: int) -> None:
    """So many messages, when somebody listens."""
    while not kv.pubsub_channels():
        time.sleep(0.001)
    for number in range(count):
        kv.publish("a" if number % 2 else "pattern", number)


def test_a_task_of_trio_listens(db: rkv.DB) -> None:
    kv = db.db()
    heard: list[object] = []

    async def main() -> None:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hear, kv, 100, heard)
                await trio.to_thread.run_sync(say, kv, 100)

    trio.run(main)
    assert heard == [str(number).encode() for number in range(100)]


def test_a_task_of_asyncio_listens(db: rkv.DB) -> None:
    kv = db.db()
    heard: list[object] = []

    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(hear(kv, 100, heard), asyncio.to_thread(say, kv, 100))

    asyncio.run(main())
    assert heard == [str(number).encode() for number in range(100)]


def test_a_cancelled_wait_loses_nothing(db: rkv.DB) -> None:
    kv = db.db()

    async def main() -> list[object]:
        heard: list[object] = []
        async with kv.aio.pubsub(ignore_subscribe_messages=True) as listener:
            listener.subscribe("a")
            await trio.to_thread.run_sync(kv.publish, "a", "first")
            for number in range(200):
                kv.publish("a", number)
                with trio.move_on_after(0 if number % 2 else 0.0005):
                    while True:
                        got = await listener.get_message()
                        heard.append(got["data"])
            while len(heard) < 201:
                got = await listener.get_message()
                heard.append(got["data"])
        return heard

    assert trio.run(main) == [b"first", *(str(number).encode() for number in range(200))]
    assert kv.pubsub_channels() == []


def test_listeners_outside_and_inside_hear_each_other(db: rkv.DB) -> None:
    redis = pytest.importorskip("redis")
    kv = db.db()
    with rkv.serve_in_thread(db, port=0) as server:
        client = redis.Redis.from_url(server.url)
        outside = client.pubsub(ignore_subscribe_messages=True)
        outside.subscribe("a")
        assert outside.get_message(timeout=5) is None
        while kv.pubsub_channels() != [b"a"]:
            time.sleep(0.001)
        with kv.pubsub(ignore_subscribe_messages=True) as inside:
            inside.subscribe("a")
            assert kv.publish("a", "one") == 2
            assert client.publish("a", "two") == 2
            for data in (b"one", b"two"):
                for listener in (inside, outside):
                    got = listener.get_message(timeout=5)
                    assert got is not None
                    assert got["data"] == data
        outside.close()
        client.close()

"""A trio program that keeps its state in a store, and serves that store to others while it works.

One task counts events by calls in this process. Another one is a client of this program over TCP, as a dashboard in
another process would be; it uses redis-py, in a worker thread. It needs `pip install redis`.
"""

from __future__ import annotations

from itertools import count

import redis
import trio

import rkv

EVENTS = 1000
COUNTERS = ["events:even", "events:odd"]


async def produce(kv: rkv.Keyspace[bytes]) -> None:
    """Count events: each is a call in this process, without a socket."""
    for number in range(EVENTS):
        kv.execute("INCR", COUNTERS[number % 2])
        if number % 100 == 99:
            await trio.sleep(0.001)


async def watch(url: str) -> None:
    """Ask over TCP until all events are counted."""
    with redis.Redis.from_url(url) as client:
        for asked in count(1):
            even, odd = (int(value or 0) for value in await trio.to_thread.run_sync(client.mget, COUNTERS))
            if even + odd == EVENTS:
                print(f"The client over TCP asked {asked} times and saw {even} even and {odd} odd events.")
                return
            await trio.sleep(0.001)


async def main() -> None:
    """Serve while both tasks run; the server ends with the block."""
    with rkv.open() as db:
        async with rkv.serve(db) as server:
            print(f"Serving at {server.url}")
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(produce, db.db(0))
                    nursery.start_soon(watch, server.url)


if __name__ == "__main__":
    trio.run(main)

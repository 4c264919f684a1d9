"""Many threads on one store."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rkv

THREADS = 8
ROUNDS = 3000


def test_increments_add_up(db: rkv.DB) -> None:
    """Threads share a keyspace, or have one each; no increment is lost and none is seen twice."""
    shared = db.db(0)
    start = threading.Barrier(THREADS)

    def work(number: int) -> list[int]:
        kv = shared if number % 2 else db.db(0)
        start.wait()
        seen = [kv.incr("counter") for _ in range(ROUNDS)]
        kv.execute_many([("INCR", "batched")] * ROUNDS)
        return seen

    with ThreadPoolExecutor(THREADS) as pool:
        seen = [value for values in pool.map(work, range(THREADS)) for value in values]
    assert sorted(seen) == list(range(1, THREADS * ROUNDS + 1))
    assert shared["batched"] == str(THREADS * ROUNDS).encode()


def test_transactions_are_one_step(db: rkv.DB) -> None:
    """Money moves between two keys; whoever looks sees the same sum."""
    kv = db.db(0)
    kv.mset({"one": 1000, "two": 0})
    done = threading.Event()

    def move() -> None:
        for _ in range(ROUNDS):
            with kv.pipeline() as pipe:
                pipe.decr("one").incr("two").execute()

    def look() -> set[int]:
        sums = set()
        while not done.is_set():
            one, two = kv.mget("one", "two")
            assert one is not None
            assert two is not None
            sums.add(int(one) + int(two))
        return sums

    with ThreadPoolExecutor(3) as pool:
        looking = pool.submit(look)
        for moving in [pool.submit(move), pool.submit(move)]:
            moving.result()
        done.set()
        assert looking.result() == {1000}


def test_others_run_while_one_works(db: rkv.DB) -> None:
    """A command that takes its time leaves the GIL to other threads."""
    kv = db.db(0)
    kv.execute_many([("SET", f"key:{number}", "x") for number in range(200_000)])
    beats = 0
    done = threading.Event()

    def beat() -> None:
        nonlocal beats
        while not done.is_set():
            beats += 1
            time.sleep(0)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        before = beats
        assert len(kv.keys("nothing*")) == 0
        assert beats > before
    finally:
        done.set()
        thread.join()


def test_one_connection_for_many_threads(db: rkv.DB) -> None:
    """A connection serves one call after the other."""
    connection = db.db(0).connection()

    def work(_: int) -> None:
        for _ in range(ROUNDS):
            connection.incr("n")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert connection.get("n") == str(4 * ROUNDS).encode()

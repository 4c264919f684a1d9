"""Fixtures for all tests: real servers, and a seed for whatever is random.

`RKV_TEST_SEED=<number>` repeats a random test; the seed of a failed one is in its captured output. Hypothesis has two
profiles: `default`, and `soak` for `make soak`.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from support import servers
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("soak", deadline=None, print_blob=True, max_examples=20_000)
settings.load_profile("default")


def pytest_report_header() -> list[str]:
    """Which peers this run compares with."""
    return [
        f"redis-server: {servers.redis_binary() or 'missing'}",
        f"valkey-server: {servers.valkey_binary() or 'missing'}",
        f"rkv: {'built' if servers.rkv_is_built() else 'not built'}",
    ]


@pytest.fixture
def seed() -> int:
    """The seed of this test, printed so that a failure can be repeated."""
    given = os.environ.get("RKV_TEST_SEED")
    value = int(given) if given else random.SystemRandom().getrandbits(32)
    print(f"RKV_TEST_SEED={value}")
    return value


@pytest.fixture
def rng(seed: int) -> random.Random:
    """A generator seeded with `seed`."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.Server]:
    """One redis-server 7.0 for the whole run; a test that needs it clean sends FLUSHALL first."""
    with servers.start_redis() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[servers.Server]:
    """One Valkey 9.1 for the whole run."""
    with servers.start_valkey() as server:
        yield server


@pytest.fixture(scope="session", params=[1, 0], ids=["reactor", "trio"])
def rkv_server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """One rkv for the whole run and each way of serving: a reactor thread, and trio tasks."""
    with servers.start_rkv(io_threads=request.param) as server:
        yield server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_redis(
    request: pytest.FixtureRequest, rkv_server: servers.Server, redis_server: servers.Server
) -> Iterator[Pair]:
    """rkv and redis-server 7.0, both empty, in each protocol."""
    with rkv_server.connect(request.param) as rkv, redis_server.connect(request.param) as redis:
        pair = Pair(rkv, redis)
        pair.same("FLUSHALL")
        yield pair

"""Fixtures: `rkv serve` in a folder of its own, and both ways of serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import servers
from support.program import Program, Starter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def start() -> Iterator[Starter]:
    """Starts `rkv serve` with the given words."""
    if not servers.rkv_is_built():
        servers.missing("rkv", "make develop")
    starter = Starter()
    yield starter
    starter.close()


@pytest.fixture(params=[1, 0], ids=["reactor", "trio"])
def io_threads(request: pytest.FixtureRequest) -> str:
    """Both ways of serving a socket."""
    return str(request.param)


@pytest.fixture
def serving(start: Starter, io_threads: str) -> tuple[Program, int]:
    """A server for each way of serving, and its port."""
    return start.serving("--io-threads", io_threads)

"""Fixtures for the embedded API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rkv

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def db() -> Iterator[rkv.DB]:
    """An empty store."""
    with rkv.open() as db:
        yield db


@pytest.fixture
def kv(db: rkv.DB) -> rkv.Keyspace[bytes]:
    """Its first database."""
    return db.db(0)

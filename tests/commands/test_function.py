"""FUNCTION over a library that is always empty, beside Valkey 9.1, whose library nobody fills here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Server

SAME = """
FUNCTION | FUNCTION foo | FUNCTION FLUSH | FUNCTION FLUSH ASYNC | FUNCTION FLUSH sync | FUNCTION FLUSH foo
FUNCTION FLUSH SYNC SYNC | FUNCTION LIST | FUNCTION LIST WITHCODE | FUNCTION LIST withcode LIBRARYNAME a*
FUNCTION LIST LIBRARYNAME | FUNCTION LIST LIBRARYNAME a LIBRARYNAME b | FUNCTION LIST WITHCODE WITHCODE
FUNCTION LIST foo | FUNCTION HELP x
"""


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1 in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        yield Pair(rkv, valkey)


def test_same_replies(with_valkey: Pair) -> None:
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            with_valkey.same(*call.split())


def test_nothing_is_there(with_valkey: Pair) -> None:
    assert with_valkey.rkv.call("FUNCTION", "LIST") == Array(())
    assert with_valkey.rkv.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "function|[fl]*") == Array(
        (Bulk(b"function|flush"), Bulk(b"function|list"))
    )

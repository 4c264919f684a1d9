"""Scans from beginning to end, for forms that run at once. What is there all the time is seen exactly once."""

from __future__ import annotations

from rkv.commands import Commands
from rkv.commands.form import Runs, T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal, TypeVar, overload

    from rkv.commands.form import Word
    from rkv.commands.sorted_sets import Cast, S

    V = TypeVar("V")


def _pages(page: Callable[[int], tuple[int, V]]) -> Iterator[V]:
    """What a scan finds, page by page."""
    cursor, found = page(0)
    yield found
    while cursor:
        cursor, found = page(cursor)
        yield found


class Scans(Commands[T], Runs):
    """Iterators over keys, fields and members."""

    __slots__ = ()

    def scan_iter(self, match: Word | None = None, count: int | None = None, _type: str | None = None) -> Iterator[T]:
        """All keys that match."""
        for keys in _pages(lambda cursor: self.scan(cursor, match, count, _type)):
            yield from keys

    if TYPE_CHECKING:

        @overload
        def hscan_iter(
            self, name: Word, match: Word | None = ..., count: int | None = ..., no_values: Literal[False] | None = ...
        ) -> Iterator[tuple[T, T]]: ...
        @overload
        def hscan_iter(
            self, name: Word, match: Word | None = ..., count: int | None = ..., no_values: Literal[True] = ...
        ) -> Iterator[T]: ...

    def hscan_iter(
        self, name: Word, match: Word | None = None, count: int | None = None, no_values: bool | None = None
    ) -> Iterator[Any]:
        """All fields that match, with their values unless ``no_values``."""
        if no_values:
            for names in _pages(lambda cursor: self.hscan(name, cursor, match, count, no_values=True)):
                yield from names
        else:
            for fields in _pages(lambda cursor: self.hscan(name, cursor, match, count)):
                yield from fields.items()

    def sscan_iter(self, name: Word, match: Word | None = None, count: int | None = None) -> Iterator[T]:
        """All members of a set that match."""
        for members in _pages(lambda cursor: self.sscan(name, cursor, match, count)):
            yield from members

    if TYPE_CHECKING:

        @overload
        def zscan_iter(
            self, name: Word, match: Word | None = ..., count: int | None = ...
        ) -> Iterator[tuple[T, float]]: ...
        @overload
        def zscan_iter(
            self, name: Word, match: Word | None = ..., count: int | None = ..., score_cast_func: Cast[S] = ...
        ) -> Iterator[tuple[T, S]]: ...

    def zscan_iter(
        self,
        name: Word,
        match: Word | None = None,
        count: int | None = None,
        score_cast_func: Cast[Any] = float,
    ) -> Iterator[tuple[T, Any]]:
        """All members of a sorted set that match, with their scores."""
        for members in _pages(lambda cursor: self.zscan(name, cursor, match, count, score_cast_func)):
            yield from members

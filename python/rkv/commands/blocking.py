"""Commands that wait: until another client gives them an element, or for another server.

A keyspace waits with the thread that calls; :attr:`rkv.Keyspace.aio` has the same methods for tasks. A timeout is in
seconds and 0 waits for ever, except where a method says otherwise.
"""

from __future__ import annotations

from rkv.commands.form import Form, T, command, listed
from rkv.commands.sorted_sets import end_word, first_popped
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rkv.commands.form import Shape, Word


def _popped(reply: list[Any] | None) -> Any:
    return None if reply is None else tuple(reply)


_pair: Shape[tuple[Any, Any] | None] = _popped
_scored: Shape[tuple[Any, Any, float] | None] = _popped


class BlockingCommands(Form[T]):
    """Commands that wait."""

    __slots__ = ()

    @command
    def blpop(self, keys: Word | Iterable[Word], timeout: float | None = 0) -> tuple[T, T] | None:
        """Pop from the left of the first list that has elements: ``(key, element)``, or None in time."""
        return self._call(_pair, "BLPOP", *listed(keys), timeout or 0)

    @command
    def brpop(self, keys: Word | Iterable[Word], timeout: float | None = 0) -> tuple[T, T] | None:
        """Pop from the right of the first list that has elements: ``(key, element)``, or None in time."""
        return self._call(_pair, "BRPOP", *listed(keys), timeout or 0)

    @command
    def blmove(
        self, first_list: Word, second_list: Word, timeout: float, src: str = "LEFT", dest: str = "RIGHT"
    ) -> T | None:
        """Move an element from an end of a list to an end of another; the element, None without any in time."""
        return self._value("BLMOVE", first_list, second_list, src, dest, timeout)

    @command
    def brpoplpush(self, src: Word, dst: Word, timeout: float | None = 0) -> T | None:
        """Move the last element of a list to the front of another: the old name of one :meth:`blmove`."""
        return self._value("BRPOPLPUSH", src, dst, timeout or 0)

    @command
    def blmpop(
        self, timeout: float, numkeys: int, *args: Word, direction: str, count: int | None = 1
    ) -> list[Any] | None:
        """Pop from the ``LEFT`` or ``RIGHT`` of the first list that has elements: ``[key, elements]``, or None."""
        return self._call(None, "BLMPOP", timeout, numkeys, *args, direction, "COUNT", 1 if count is None else count)

    @command
    def migrate(
        self,
        host: str,
        port: int,
        keys: Word | Iterable[Word],
        destination_db: int,
        timeout: int,
        copy: bool = False,
        replace: bool = False,
        auth: Word | None = None,
    ) -> T:
        """Move keys to another server, or with ``copy`` leave them here, too: ``OK``, or ``NOKEY`` if none is there.

        ``timeout`` is in milliseconds, for each time that the other server lets this one wait. A key that is there is
        refused unless ``replace`` is true. Those that were not moved when this raises are where they were. A task that
        is cancelled moves no more keys.
        """
        words = listed(keys)
        if not words:
            raise DataError("MIGRATE requires at least one key")
        options: list[Word] = ["COPY"] if copy else []
        options += ["REPLACE"] if replace else []
        options += ["AUTH", auth] if auth is not None else []
        return self._string("MIGRATE", host, port, "", destination_db, timeout, *options, "KEYS", *words)

    @command
    def bzpopmin(self, keys: Word | Iterable[Word], timeout: float = 0) -> tuple[T, T, float] | None:
        """Pop the member of the least score of the first set that has any: ``(key, member, score)``, or None."""
        return self._call(_scored, "BZPOPMIN", *listed(keys), timeout or 0)

    @command
    def bzpopmax(self, keys: Word | Iterable[Word], timeout: float = 0) -> tuple[T, T, float] | None:
        """Pop the member of the greatest score of the first set that has any: ``(key, member, score)``, or None."""
        return self._call(_scored, "BZPOPMAX", *listed(keys), timeout or 0)

    @command
    def bzmpop(
        self,
        timeout: float,
        numkeys: int,
        keys: Iterable[Word],
        min: bool | None = False,
        max: bool | None = False,
        count: int | None = 1,
    ) -> list[Any] | None:
        """Pop members from the first sorted set that has any: ``[key, [[member, score], ...]]``, or None.

        Exactly one of ``min`` and ``max`` must be chosen.
        """
        words: list[Any] = [timeout, numkeys, *keys, end_word(min, max), "COUNT", 1 if count is None else count]
        return self._call(first_popped, "BZMPOP", *words)  # type: ignore[no-any-return]

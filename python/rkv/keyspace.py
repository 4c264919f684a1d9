"""One database of a store, as a program calls it.

The most frequent commands are methods of the extension (:class:`rkv._rkv.Keyspace`); those of :mod:`rkv.commands` build
the words of a request and end in the same door.
"""

from __future__ import annotations

from rkv import _rkv
from rkv.commands import Commands
from rkv.commands.form import Runs, T
from rkv.commands.hot import set_words
from rkv.errors import WatchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rkv.commands.form import R, Shape, Word
    from rkv.pipeline import Pipeline


class Keyspace(_rkv.Keyspace[T], Commands[T], Runs):
    """One database of a store, for any number of threads. Made by :meth:`rkv.DB.db`.

    ``kv["k"]`` raises KeyError without the key, ``del kv["k"]`` too; iteration is SCAN; ``len(kv)`` counts keys.
    """

    __slots__ = ()

    def _call(self, shape: Shape[R], *words: Word) -> R:
        reply = self.execute(*words)
        return reply if shape is None else shape(reply)

    def _set(self, *arguments: Any) -> bool | T | None:
        """SET with options, called by :meth:`set`."""
        name, value, ex, px, nx, xx, keepttl, get, *rest = arguments
        flags = bool(nx), bool(xx), bool(keepttl), bool(get)
        reply = self.execute(*set_words(name, value, ex, px, *flags, *rest))
        return reply if get or reply is None else True

    def scan_iter(self, match: Word | None = None, count: int | None = None, _type: str | None = None) -> Iterator[T]:
        """All keys that match. One that is there all the time is seen exactly once."""
        cursor = -1
        while cursor != 0:
            cursor, keys = self.scan(max(cursor, 0), match, count, _type)
            yield from keys

    def __iter__(self) -> Iterator[T]:
        return self.scan_iter()

    def pipeline(self, transaction: bool = True, shard_hint: object = None) -> Pipeline[T]:  # noqa: ARG002
        """Collect commands and run them together; as a transaction in one step, of which nobody sees a part."""
        from rkv.pipeline import Pipeline

        return Pipeline(self, transaction)

    def transaction(
        self,
        func: Callable[[Pipeline[T]], Any],
        *watches: Word,
        shard_hint: object = None,  # noqa: ARG002
        value_from_callable: bool = False,
        watch_delay: float | None = None,
    ) -> Any:
        """Call ``func`` with a pipeline that watches ``watches``, and execute it; again while one of them changes."""
        with self.pipeline() as pipe:
            while True:
                try:
                    if watches:
                        pipe.watch(*watches)
                    value = func(pipe)
                    replies = pipe.execute()
                    return value if value_from_callable else replies
                except WatchError:
                    if watch_delay is not None and watch_delay > 0:
                        import time

                        time.sleep(watch_delay)

    def __repr__(self) -> str:
        return f"<rkv.Keyspace {self.number}{' text' if self.text else ''}>"

"""One database of a store, as a program calls it.

The most frequent commands are methods of the extension (:class:`rkv._rkv.Keyspace`); those of :mod:`rkv.commands` build
the words of a request and end in the same door.
"""

from __future__ import annotations

from rkv import _rkv
from rkv.commands.form import T
from rkv.commands.hashes import field_words
from rkv.commands.hot import set_words
from rkv.commands.scans import Scans
from rkv.commands.sorted_sets import add_words
from rkv.errors import WatchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rkv.aio import AsyncKeyspace
    from rkv.commands.form import R, Shape, Word
    from rkv.pipeline import Pipeline
    from rkv.pubsub import PubSub


class Keyspace(_rkv.Keyspace[T], Scans[T]):
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

    def _hset(self, *arguments: Any) -> int:
        """HSET of more than one field, called by :meth:`hset`."""
        name, *fields = arguments
        return self.execute("HSET", name, *field_words("hset", *fields))  # type: ignore[no-any-return]

    def _zadd(self, name: Word, mapping: Any, *flags: Any) -> int | float | None:
        """ZADD with options, called by :meth:`zadd`."""
        return self.execute(*add_words(name, mapping, *map(bool, flags)))  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[T]:
        return self.scan_iter()

    def pipeline(self, transaction: bool = True, shard_hint: object = None) -> Pipeline[T]:  # noqa: ARG002
        """Collect commands and run them together; as a transaction in one step, of which nobody sees a part."""
        from rkv.pipeline import Pipeline

        return Pipeline(self, transaction)

    def pubsub(self, ignore_subscribe_messages: bool = False) -> PubSub[T]:
        """Listen to channels; use it with ``with``."""
        from rkv.pubsub import PubSub

        return PubSub(_rkv.Subscriber(self), self.text, ignore_subscribe_messages)

    @property
    def aio(self) -> AsyncKeyspace[T]:
        """What a task of trio or asyncio awaits."""
        from rkv.aio import AsyncKeyspace

        return AsyncKeyspace(self)

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


_rkv.own_methods(Keyspace)

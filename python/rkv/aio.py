"""What a program awaits, under trio and asyncio alike: only what waits is here, everything else is a plain call.

Nothing is bound to an event loop. Cancelling a wait changes nothing in the store.
"""

from __future__ import annotations

import sys

from rkv.commands.form import Generic, T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rkv.commands.form import Word
    from rkv.keyspace import Keyspace
    from rkv.pubsub import AsyncPubSub, Message


async def readable(descriptor: int) -> None:
    """Wait until a descriptor is readable, in whatever event loop this task runs."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        await trio.lowlevel.wait_readable(descriptor)
        return
    import asyncio

    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def end() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, end)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


class AsyncKeyspace(Generic[T]):
    """What a task awaits of a keyspace. Made by :attr:`rkv.Keyspace.aio`."""

    __slots__ = ("_keyspace",)

    def __init__(self, keyspace: Keyspace[T]) -> None:
        self._keyspace: Keyspace[T] = keyspace

    def pubsub(self, ignore_subscribe_messages: bool = False) -> AsyncPubSub[T]:
        """Listen to channels; use it with ``async with``."""
        from rkv.pubsub import AsyncPubSub

        return AsyncPubSub(self._keyspace, ignore_subscribe_messages)

    async def subscribe(self, *channels: Word, patterns: tuple[Word, ...] = ()) -> AsyncIterator[Message[T]]:
        """Get the messages of channels, and of all whose names match patterns, until the loop over them ends."""
        async with self.pubsub(ignore_subscribe_messages=True) as listener:
            listener.subscribe(*channels)
            listener.psubscribe(*patterns)
            while True:
                yield await listener.get_message()

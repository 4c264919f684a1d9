"""What a program awaits, under trio and asyncio alike: only what waits is here, everything else is a plain call.

Nothing is bound to an event loop. Cancelling a wait changes nothing in the store, but what MIGRATE has moved by then.
"""

from __future__ import annotations

import os
import sys

from rkv import _rkv
from rkv.commands.blocking import BlockingCommands
from rkv.commands.form import Generic, Runs, T
from rkv.commands.streams import StreamCommands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from typing import Any

    from rkv.commands.form import R, Shape, Word
    from rkv.keyspace import Keyspace
    from rkv.pubsub import AsyncPubSub, Message


async def readable(descriptor: int, timeout: float | None = None) -> None:
    """Wait until a descriptor is readable, for so many seconds at most, in whatever event loop this task runs."""
    trio = _trio()
    if trio is not None:
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            await trio.lowlevel.wait_readable(descriptor)
        return
    import asyncio

    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def end() -> None:
        if not ready.done():
            ready.set_result(None)

    timer = None if timeout is None else loop.call_later(timeout, end)
    loop.add_reader(descriptor, end)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
        if timer is not None:
            timer.cancel()


def _trio() -> Any:
    """Trio, if this is a task of it."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


async def _let_others() -> None:
    """Let other tasks run; a task that was cancelled ends here, before it takes anything."""
    trio = _trio()
    if trio is not None:
        await trio.lowlevel.checkpoint()
        return
    import asyncio

    await asyncio.sleep(0)


def _interrupt_later(raised: BaseException) -> None:
    """See to it that what interrupted a wait that ended just then does so at the next one.

    Trio does so by itself.
    """
    if isinstance(raised, KeyboardInterrupt):
        import _thread

        _thread.interrupt_main()
    elif _trio() is None:
        import asyncio

        if isinstance(raised, asyncio.CancelledError):
            asyncio.get_running_loop().call_soon(_cancel_again, asyncio.current_task())


def _cancel_again(task: Any) -> None:
    """Cancel a task that got its reply instead, unless that was a timeout which is over by now."""
    if task.done():
        return
    # Before Python 3.11 a timeout cancels a task of its own, which is done then.
    if hasattr(task, "cancelling"):
        if not task.cancelling():
            return
        task.uncancel()
    task.cancel()


# Queues that nobody waits for. A task has one for itself, as an event loop watches a descriptor for one task only.
_idle: list[_rkv.WakeQueue] = []
_IDLE_MAX = 64
if hasattr(os, "register_at_fork"):
    # A child must not read what wakes a task of its parent.
    os.register_at_fork(after_in_child=_idle.clear)


async def _wait(keyspace: Keyspace[Any], words: tuple[Word, ...]) -> Any:
    """Run a command that may wait. When the task is cancelled, nothing was popped, or it gets the reply."""
    await _let_others()
    queue = _idle.pop() if _idle else _rkv.WakeQueue()
    pending = _rkv.Pending(keyspace, queue, 0, *words)
    try:
        while (answer := pending.take()) is None:
            await readable(queue.fileno(), pending.left())
            queue.take()
    except BaseException as raised:
        answer = pending.cancel()
        if answer is None:
            raise
        _interrupt_later(raised)
    finally:
        queue.take()
        if len(_idle) < _IDLE_MAX:
            _idle.append(queue)
    return answer[0]


class _Waiting(BlockingCommands[T], StreamCommands[T], Runs):
    """A form whose methods return what must be awaited."""

    __slots__ = ("_keyspace",)

    def __init__(self, keyspace: Keyspace[T]) -> None:
        self._keyspace: Keyspace[T] = keyspace

    def _call(self, shape: Shape[Any], *words: Word) -> Any:
        return self._answer(shape, words)

    async def _answer(self, shape: Shape[Any], words: tuple[Word, ...]) -> Any:
        reply = await _wait(self._keyspace, words)
        return reply if shape is None else shape(reply)


class AsyncKeyspace(Generic[T]):
    """What a task awaits of a keyspace. Made by :attr:`rkv.Keyspace.aio`."""

    __slots__ = ("_keyspace", "_waiting")

    def __init__(self, keyspace: Keyspace[T]) -> None:
        self._keyspace: Keyspace[T] = keyspace
        self._waiting: _Waiting[T] = _Waiting(keyspace)

    async def execute(self, *words: Word) -> Any:
        """Run any command, and wait for its reply."""
        return await _wait(self._keyspace, words)

    async def blpop(self, keys: Word | Iterable[Word], timeout: float | None = 0) -> tuple[T, T] | None:
        """Pop from the left of the first list that has elements: ``(key, element)``, or None in time."""
        return await self._await(self._waiting.blpop(keys, timeout))

    async def brpop(self, keys: Word | Iterable[Word], timeout: float | None = 0) -> tuple[T, T] | None:
        """Pop from the right of the first list that has elements: ``(key, element)``, or None in time."""
        return await self._await(self._waiting.brpop(keys, timeout))

    async def blmove(
        self, first_list: Word, second_list: Word, timeout: float, src: str = "LEFT", dest: str = "RIGHT"
    ) -> T | None:
        """Move an element from an end of a list to an end of another; the element, None without any in time."""
        return await self._await(self._waiting.blmove(first_list, second_list, timeout, src, dest))

    async def brpoplpush(self, src: Word, dst: Word, timeout: float | None = 0) -> T | None:
        """Move the last element of a list to the front of another: the old name of one :meth:`blmove`."""
        return await self._await(self._waiting.brpoplpush(src, dst, timeout))

    async def blmpop(
        self, timeout: float, numkeys: int, *args: Word, direction: str, count: int | None = 1
    ) -> list[Any] | None:
        """Pop from the ``LEFT`` or ``RIGHT`` of the first list that has elements: ``[key, elements]``, or None."""
        return await self._await(self._waiting.blmpop(timeout, numkeys, *args, direction=direction, count=count))

    async def migrate(
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

        ``timeout`` is in milliseconds. A task that is cancelled moves no more keys.
        """
        return await self._await(self._waiting.migrate(host, port, keys, destination_db, timeout, copy, replace, auth))

    async def bzpopmin(self, keys: Word | Iterable[Word], timeout: float = 0) -> tuple[T, T, float] | None:
        """Pop the member of the least score of the first set that has any: ``(key, member, score)``, or None."""
        return await self._await(self._waiting.bzpopmin(keys, timeout))

    async def bzpopmax(self, keys: Word | Iterable[Word], timeout: float = 0) -> tuple[T, T, float] | None:
        """Pop the member of the greatest score of the first set that has any: ``(key, member, score)``, or None."""
        return await self._await(self._waiting.bzpopmax(keys, timeout))

    async def bzmpop(
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
        return await self._await(self._waiting.bzmpop(timeout, numkeys, keys, min, max, count))

    async def xread(
        self, streams: Mapping[Any, Word], count: int | None = None, block: int | None = None
    ) -> list[list[Any]]:
        """Read entries behind the given ids, waiting for ``block`` milliseconds if there are none."""
        return await self._await(self._waiting.xread(streams, count, block))

    async def xreadgroup(
        self,
        groupname: Word,
        consumername: Word,
        streams: Mapping[Any, Word],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
    ) -> list[list[Any]]:
        """Read entries as a consumer of a group, waiting for ``block`` milliseconds if there are none."""
        return await self._await(self._waiting.xreadgroup(groupname, consumername, streams, count, block, noack))

    async def _await(self, waiting: R) -> R:
        # Type checkers take a method of the form for what it gives when it is awaited.
        return await waiting  # type: ignore[misc,no-any-return]

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

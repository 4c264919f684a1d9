"""Channels, as a program listens to them: under redis-py's names, for threads, trio and asyncio.

A :class:`PubSub` is a listener of its own. Messages come to it from everybody who publishes in the store, by a call in
this process or over a connection; keyspace events too. Who leaves too many unread (``client-output-buffer-limit`` of
class ``pubsub``) loses all of them, and is told so by :class:`rkv.SlowSubscriberError`.
"""

from __future__ import annotations

from rkv import _rkv
from rkv.commands.form import Generic, T
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Any, TypeAlias, TypedDict

    from typing_extensions import Self

    from rkv.commands.form import Word
    from rkv.keyspace import Keyspace

    class Message(TypedDict, Generic[T]):
        """What happened on a channel."""

        type: str
        """``message``, ``pmessage``, ``smessage``, or ``subscribe`` and its like."""
        pattern: T | None
        """The pattern by which a ``pmessage`` was heard."""
        channel: T
        """The channel."""
        data: T | int
        """What was said; of ``subscribe`` and its like, how many names there are."""

    Handler: TypeAlias = Callable[[Message[T]], Any]

KINDS = ("", "p", "s")


class _Listener(Generic[T]):
    """To what a listener listens, and what its messages look like."""

    __slots__ = ("_confirmed", "_handlers", "_ignores", "_subscriber", "_text")

    def __init__(self, subscriber: _rkv.Subscriber, text: bool, ignore_subscribe_messages: bool) -> None:
        self._subscriber = subscriber
        self._text = text
        self._ignores = ignore_subscribe_messages
        self._handlers: dict[tuple[int, bytes], Handler[T]] = {}
        self._confirmed: list[Message[T]] = []

    def subscribe(self, *channels: Word, **handlers: Handler[T]) -> None:
        """Listen to channels; a handler by the name of a channel gets its messages instead of the caller."""
        self._subscribe(0, channels, handlers)

    def psubscribe(self, *patterns: Word, **handlers: Handler[T]) -> None:
        """Listen to all channels whose names match."""
        self._subscribe(1, patterns, handlers)

    def ssubscribe(self, *channels: Word, **handlers: Handler[T]) -> None:
        """Listen to shard channels."""
        self._subscribe(2, channels, handlers)

    def unsubscribe(self, *channels: Word) -> None:
        """Listen to these channels no more, or to none."""
        self._unsubscribe(0, channels)

    def punsubscribe(self, *patterns: Word) -> None:
        """Listen by these patterns no more, or by none."""
        self._unsubscribe(1, patterns)

    def sunsubscribe(self, *channels: Word) -> None:
        """Listen to these shard channels no more, or to none."""
        self._unsubscribe(2, channels)

    def _subscribe(self, kind: int, names: tuple[Word, ...], handlers: dict[str, Handler[T]]) -> None:
        for name in (*names, *handlers):
            word = _bytes(name)
            if name in handlers:
                self._handlers[kind, word] = handlers[name]
            else:
                self._handlers.pop((kind, word), None)
            self._confirm("subscribe", kind, word, self._subscriber.subscribe(kind, word))

    def _unsubscribe(self, kind: int, names: tuple[Word, ...]) -> None:
        for word in [_bytes(name) for name in names] or self._subscriber.names(kind):
            count = self._subscriber.unsubscribe(kind, word)
            self._handlers.pop((kind, word), None)
            self._confirm("unsubscribe", kind, word, count)

    def _confirm(self, name: str, kind: int, word: bytes, count: int) -> None:
        message = {"type": KINDS[kind] + name, "pattern": None, "channel": self._string(word), "data": count}
        self._confirmed.append(message)  # type: ignore[arg-type]

    def _string(self, word: bytes) -> Any:
        return word.decode() if self._text else word

    def _take(self, ignore: bool) -> Message[T] | None:
        """A confirmation that was not read yet."""
        while self._confirmed:
            message = self._confirmed.pop(0)
            if not (ignore or self._ignores):
                return message
        return None

    def _message(self, words: tuple[bytes, ...]) -> Message[T] | None:
        """A message for the caller; None if a handler got it."""
        kind, *names, channel, data = words
        by = (1, names[0]) if names else (2 if kind == b"smessage" else 0, channel)
        message: Any = {
            "type": kind.decode(),
            "pattern": self._string(names[0]) if names else None,
            "channel": self._string(channel),
            "data": self._string(data),
        }
        handler = self._handlers.get(by)
        if handler is None:
            return message  # type: ignore[no-any-return]
        handler(message)
        return None

    @property
    def subscribed(self) -> bool:
        """Whether it listens to anything."""
        return any(self._subscriber.names(kind) for kind in range(3))

    @property
    def channels(self) -> list[bytes]:
        """The channels that it listens to."""
        return self._subscriber.names(0)

    @property
    def patterns(self) -> list[bytes]:
        """The patterns by which it listens."""
        return self._subscriber.names(1)

    def close(self) -> None:
        """Listen to nothing any more. Closing twice does nothing."""
        self._subscriber.close()


class PubSub(_Listener[T]):
    """A listener for one thread, or several that share its messages. Made by :meth:`rkv.Keyspace.pubsub`.

    It is a context manager that closes itself at its end, and iterating over it is :meth:`listen`.
    """

    __slots__ = ()

    def get_message(self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0) -> Message[T] | None:
        """Get the next message, waiting for ``timeout`` seconds at most; None waits as long as it takes.

        None if there was none in time, or a handler got it. Raises :class:`rkv.SlowSubscriberError` if too many were
        left unread.
        """
        confirmed = self._take(ignore_subscribe_messages)
        if confirmed is not None:
            return confirmed
        words = self._subscriber.get(timeout)
        return None if words is None else self._message(words)

    def listen(self) -> Iterator[Message[T]]:
        """Get messages one after the other, as long as it listens to anything."""
        while True:
            message = self._take(ignore=False)
            if message is None:
                if not self.subscribed:
                    return
                message = self.get_message(timeout=None)
            if message is not None:
                yield message

    def __iter__(self) -> Iterator[Message[T]]:
        return self.listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncPubSub(_Listener[T]):
    """A listener for one task of trio or asyncio. Made by :meth:`rkv.aio.AsyncKeyspace.pubsub`.

    Cancelling a wait loses no message: the next wait has it.
    """

    __slots__ = ("_queue",)

    def __init__(self, keyspace: Keyspace[T], ignore_subscribe_messages: bool) -> None:
        self._queue = _rkv.WakeQueue()
        super().__init__(_rkv.Subscriber(keyspace, self._queue, 1), keyspace.text, ignore_subscribe_messages)

    async def get_message(self, ignore_subscribe_messages: bool = False) -> Message[T]:
        """Wait for the next message that no handler gets; for a timeout, cancel it.

        Raises :class:`rkv.SlowSubscriberError` if too many were left unread.
        """
        from rkv.aio import readable

        while True:
            message = self._take(ignore_subscribe_messages)
            if message is None:
                words = self._subscriber.get(0.0)
                if words is None:
                    await readable(self._queue.fileno())
                    self._queue.take()
                    continue
                message = self._message(words)
            if message is not None:
                return message

    async def listen(self) -> AsyncIterator[Message[T]]:
        """Get messages one after the other, as long as it listens to anything."""
        while True:
            message = self._take(ignore=False)
            if message is not None:
                yield message
            elif self.subscribed:
                yield await self.get_message()
            else:
                return

    def __aiter__(self) -> AsyncIterator[Message[T]]:
        return self.listen()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _bytes(word: object) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, (bytearray, memoryview)):
        return bytes(word)
    if isinstance(word, (int, float)) and not isinstance(word, bool):
        return repr(word).encode()
    raise DataError(f"a channel must be bytes, str, int or float, not {type(word).__name__}")

"""Commands that are collected and run together, under redis-py's names.

Its methods are those of a keyspace, but return the pipeline.
"""

from __future__ import annotations

from rkv.commands import Commands
from rkv.commands.form import Keeps, T
from rkv.commands.hot import HotCommands
from rkv.errors import ExecAbortError, ResponseError, RkvError, WatchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from rkv.commands.form import Shape, Word
    from rkv.keyspace import Keyspace

# Characters of a command that an error repeats.
_QUOTED_MAX = 100


class Pipeline(HotCommands[T], Commands[T], Keeps):
    """Commands for :meth:`execute`. Not for several threads at once. Made by :meth:`rkv.Keyspace.pipeline`.

    A method of a keyspace's name keeps its command and returns the pipeline. After :meth:`watch` commands run at once
    and return their replies, until :meth:`multi`; so to type checkers these methods return Any.
    """

    __slots__ = ("_connection", "_is_explicit", "_is_transaction", "_keyspace", "_requests", "_shapes", "_watching")

    def __init__(self, keyspace: Keyspace[T], transaction: bool = True) -> None:
        self._keyspace: Keyspace[T] = keyspace
        self._is_transaction = transaction
        self._connection: Keyspace[T] | None = None
        self._requests: list[tuple[Word, ...]] = []
        self._shapes: list[Shape[Any]] = []
        self._watching = False
        self._is_explicit = False

    def _link(self) -> Keyspace[T]:
        """A connection of its own, which WATCH and MULTI need."""
        if self._connection is None:
            self._connection = self._keyspace.connection()
        return self._connection

    def _call(self, shape: Shape[Any], *words: Word) -> Any:
        if self._watching and not self._is_explicit:
            reply = self._link().execute(*words)
            return reply if shape is None else shape(reply)
        self._requests.append(words)
        self._shapes.append(shape)
        return self

    # ---------------------------------------------------------------- transactions

    def watch(self, *names: Word) -> bool:
        """Let :meth:`execute` fail with :class:`rkv.WatchError` if one of these keys changes before."""
        if self._is_explicit:
            raise RkvError("Cannot issue a WATCH after a MULTI")
        self._link().execute("WATCH", *names)
        self._watching = True
        return True

    def unwatch(self) -> bool:
        """Watch nothing any more, and collect commands again."""
        if self._watching:
            self._link().execute("UNWATCH")
            self._watching = False
        return True

    def multi(self) -> None:
        """Begin to collect commands after :meth:`watch`."""
        if self._is_explicit:
            raise RkvError("Cannot issue nested calls to MULTI")
        if self._requests:
            raise RkvError("Commands without an initial WATCH have already been issued")
        self._is_explicit = True

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run what was collected; the replies in order.

        The first error is raised when all has been run; with ``raise_on_error=False`` errors stand among the replies.
        Raises :class:`rkv.WatchError` if a watched key changed: then nothing was done.
        """
        requests, shapes = self._requests, self._shapes
        try:
            if not requests and not self._watching:
                return []
            if self._is_transaction or self._is_explicit:
                replies = self._run_transaction(requests)
            else:
                replies = self._keyspace.execute_many(requests)
            if raise_on_error:
                self._raise_first(requests, replies)
            return [
                reply if shape is None or isinstance(reply, RkvError) else shape(reply)
                for shape, reply in zip(shapes, replies, strict=True)
            ]
        finally:
            self.reset()

    def _run_transaction(self, requests: list[tuple[Word, ...]]) -> list[Any]:
        _, *queued, outcome = self._link().execute_many([("MULTI",), *requests, ("EXEC",)])
        if isinstance(outcome, ExecAbortError):
            # What was refused says more than that EXEC was, too.
            self._raise_first(requests, queued)
        if isinstance(outcome, ResponseError):
            raise outcome
        if outcome is None:
            raise WatchError("Watched variable changed.")
        return outcome  # type: ignore[no-any-return]

    @staticmethod
    def _raise_first(requests: list[tuple[Word, ...]], replies: list[Any]) -> None:
        for number, (request, reply) in enumerate(zip(requests, replies, strict=True), 1):
            if isinstance(reply, ResponseError):
                command = " ".join(word if isinstance(word, str) else repr(word) for word in request)
                cut = command if len(command) <= _QUOTED_MAX else command[: _QUOTED_MAX - 3] + "..."
                reply.args = (f"Command # {number} ({cut}) of pipeline caused error: {reply.args[0]}",)
                raise reply

    def discard(self) -> None:
        """Forget what was collected and watched."""
        self.reset()

    def reset(self) -> None:
        """Forget what was collected and watched."""
        self._requests, self._shapes = [], []
        if self._watching and self._connection is not None:
            self._connection.execute("UNWATCH")
        self._watching = self._is_explicit = False

    close = reset

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.reset()

    def __len__(self) -> int:
        return len(self._requests)

    def __bool__(self) -> bool:
        """Whether there is a pipeline, not whether it holds commands: as in redis-py."""
        return True

    def execute_command(self, *args: Word) -> Any:
        """Any command."""
        return self._call(None, *args)

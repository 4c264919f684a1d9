"""A store and the ways to it."""

from __future__ import annotations

from rkv import _rkv
from rkv.errors import NotAvailableError
from rkv.keyspace import Keyspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from types import TracebackType
    from typing import Literal, overload

    from typing_extensions import Self


def open(  # noqa: A001 - rkv.open() is what it is called
    path: str | os.PathLike[str] | None = None,
    *,
    clock: _rkv.ManualClock | None = None,
    databases: int = 16,
    maxmemory: int = 0,
) -> DB:
    """Open a store.

    Without a path it lives in memory, until the last reference to it is gone. ``databases`` is how many numbered
    databases it has, ``maxmemory`` the limit of its data in bytes (0: none). With a :class:`rkv.ManualClock` time
    stands still until that clock is moved.

    Raises :class:`rkv.NotAvailableError` for a path: persistence is not available yet. Raises ``ValueError`` for a
    number of databases or bytes that redis.conf would refuse.
    """
    if path is not None:
        raise NotAvailableError("persistence is not available yet: rkv.open() without a path opens a store in memory")
    directives = [("databases", str(databases)), ("maxmemory", str(maxmemory))]
    return DB(_rkv.Engine(directives, clock))


class DB:
    """A store: all its databases, shared by every thread of this process. Made by :func:`rkv.open`.

    It is a context manager that closes the store at its end.
    """

    __slots__ = ("__weakref__", "_engine")

    def __init__(self, engine: _rkv.Engine) -> None:
        self._engine = engine

    if TYPE_CHECKING:

        @overload
        def db(self, number: int = 0, text: Literal[False] = False) -> Keyspace[bytes]: ...
        @overload
        def db(self, number: int = 0, *, text: Literal[True]) -> Keyspace[str]: ...
        @overload
        def db(self, number: int, text: Literal[True]) -> Keyspace[str]: ...

    def db(self, number: int = 0, text: bool = False) -> Keyspace[bytes] | Keyspace[str]:
        """Get the database with this number; strings come back as ``bytes``, or with ``text`` as UTF-8 ``str``.

        Raises ``ValueError`` if there is no such database, :class:`rkv.ClosedError` after :meth:`close`.
        """
        return Keyspace(self._engine, number, text)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._engine.closed

    def close(self) -> None:
        """Close the store: every later call on it raises :class:`rkv.ClosedError`. Closing twice does nothing."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return "<rkv.DB memory closed>"
        return f"<rkv.DB memory keys={self._engine.keys():,} mem={_human(self._engine.used_bytes())}>"


def _human(size_bytes: int) -> str:
    """A size with one decimal and a unit of 1,024: ``18.3M``, as INFO writes it."""
    size = float(size_bytes)
    for unit in ("B", "K", "M", "G"):
        if size < 1024:
            return f"{size_bytes}B" if unit == "B" else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}T"

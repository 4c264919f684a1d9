"""A store and the ways to it."""

from __future__ import annotations

import atexit
import os
import time

from rkv import _rkv
from rkv.errors import ClosedError, ForkedError
from rkv.keyspace import Keyspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Literal, overload

    from typing_extensions import Self


# Stores with a directory that were not closed: what they hold is saved when the program ends.
_unclosed: dict[int, _rkv.Engine] = {}

# What a snapshot is called in a store's directory.
_SNAPSHOT_NAME = "dump.rdb"
# How often the callback of a snapshot hears of it.
_PROGRESS_S = 0.1


def open(  # noqa: A001 - rkv.open() is what it is called
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    clock: _rkv.ManualClock | None = None,
    databases: int = 16,
    maxmemory: int = 0,
    save: str = "3600 1 300 100 60 10000",
    appendonly: bool = True,
    appendfsync: str = "everysec",
) -> DB:
    """Open a store.

    Without a path it lives in memory, until the last reference to it is gone. With the path of a directory it is
    loaded from there, and every change is in a log there before the call that made it returns, so that nothing is lost
    if the program is killed. If the power goes, what was done in the last one or two seconds is; with ``appendfsync``
    as ``"always"`` nothing is, and every call waits for the disk. Snapshots are saved as ``dump.rdb``: when it is
    closed, when the program ends, and whenever a pair of ``save`` says so (seconds, and changes in that time; ``""``
    for none). Without ``appendonly`` there is no log, and what came after the last snapshot is lost if the program is
    killed. The directory is made if it is missing, and no other store can work in it meanwhile. With ``readonly`` the
    path is a snapshot of rkv, Redis or Valkey, or a directory with one: it is loaded, nothing is locked, and every
    write is refused.

    ``databases`` is how many numbered databases there are, ``maxmemory`` the limit of the data in bytes (0: none).
    With a :class:`rkv.ManualClock` time stands still until that clock is moved.

    Raises :class:`rkv.DirectoryInUseError` if another store works there, :class:`rkv.DamagedFileError` if the file is
    not as it was written, ``OSError`` if it cannot be read. Raises ``ValueError`` for a number of databases or bytes
    that redis.conf would refuse.
    """
    directives = [("databases", str(databases)), ("maxmemory", str(maxmemory))]
    if path is None:
        if readonly:
            raise ValueError("readonly needs the path of a snapshot")
        return DB(_rkv.Engine(directives, clock))
    name = os.path.abspath(os.fspath(path))
    if readonly:
        engine = _rkv.Engine(directives, clock)
        engine.load_file(os.path.join(name, _SNAPSHOT_NAME) if os.path.isdir(name) else name)
        return DB(engine, None, os.fspath(path))
    if os.path.isfile(name):
        raise NotADirectoryError(f"{path} is a file: name a directory, or open the file with readonly=True")
    os.makedirs(name, exist_ok=True)
    log = "yes" if appendonly else "no"
    kept = [("dir", name), ("save", save), ("appendonly", log), ("appendfsync", appendfsync)]
    engine = _rkv.Engine([*directives, *kept], clock, name)
    try:
        engine.load()
    except BaseException:
        engine.close()
        raise
    return DB(engine, name, os.fspath(path))


@atexit.register
def _save_unclosed() -> None:
    import contextlib

    for engine in list(_unclosed.values()):
        with contextlib.suppress(ClosedError, ForkedError):
            engine.save_changes()
            engine.close()


class Snapshot:
    """A snapshot that was taken: where it lies, how many keys and bytes it has, and how long that took."""

    __slots__ = ("bytes", "keys", "path", "seconds")

    def __init__(self, path: str, keys: int, size_bytes: int, seconds: float) -> None:
        self.path = path
        self.keys = keys
        self.bytes = size_bytes
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"<rkv.Snapshot {self.path} keys={self.keys:,} size={_human(self.bytes)} in {self.seconds:.2f} s>"


class DB:
    """A store: all its databases, shared by every thread of this process. Made by :func:`rkv.open`.

    It is a context manager that closes the store at its end.
    """

    __slots__ = ("__weakref__", "_directory", "_engine", "_path")

    def __init__(self, engine: _rkv.Engine, directory: str | None = None, path: str = "memory") -> None:
        self._engine = engine
        self._directory = directory
        self._path = path
        if directory is not None:
            _unclosed[id(engine)] = engine

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

    def snapshot(
        self, path: str | os.PathLike[str], on_progress: Callable[[int, int], object] | None = None
    ) -> Snapshot:
        """Write all databases, as they are at this moment, to a file that rkv, Redis 7 and Valkey load.

        Other threads go on meanwhile. The file is synced and read back before it gets its name, so what had that name
        is there until the new one is whole. ``on_progress`` is called with the number of keys written and of all keys,
        about ten times a second and at the end; what it raises ends the snapshot.

        Raises :class:`rkv.SnapshotError` if there is no snapshot.
        """
        began = time.monotonic()
        name = os.fspath(path)
        if on_progress is None:
            keys, size_bytes, _ = self._engine.snapshot(name)
        else:
            keys, size_bytes = self._watched_snapshot(name, on_progress)
        return Snapshot(name, keys, size_bytes, time.monotonic() - began)

    def _watched_snapshot(self, name: str, on_progress: Callable[[int, int], object]) -> tuple[int, int]:
        import threading

        outcome: list[tuple[int, int, int] | BaseException] = []

        def run() -> None:
            try:
                outcome.append(self._engine.snapshot(name))
            except BaseException as error:  # noqa: BLE001 - it is raised by the caller's thread
                outcome.append(error)

        thread = threading.Thread(target=run, name="rkv-snapshot")
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_PROGRESS_S)
                if thread.is_alive():
                    on_progress(*self._engine.saving())
        except BaseException:
            self._engine.cancel_save()
            thread.join()
            raise
        result = outcome[0]
        if isinstance(result, BaseException):
            raise result
        on_progress(result[0], result[0])
        return result[0], result[1]

    def close(self, *, save: bool = True) -> None:
        """Close the store: every later call on it raises :class:`rkv.ClosedError`. Closing twice does nothing.

        A store with a directory is saved first if anything changed, unless ``save`` is false. If that fails,
        :class:`rkv.SnapshotError` is raised and the store stays open.
        """
        if self._directory is not None and not self.closed:
            if save:
                import contextlib

                with contextlib.suppress(ForkedError):
                    self._engine.save_changes()
            _unclosed.pop(id(self._engine), None)
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<rkv.DB {self._path} closed>"
        return f"<rkv.DB {self._path} keys={self._engine.keys():,} mem={_human(self._engine.used_bytes())}>"


def _human(size_bytes: int) -> str:
    """A size with one decimal and a unit of 1,024: ``18.3M``, as INFO writes it."""
    size = float(size_bytes)
    for unit in ("B", "K", "M", "G"):
        if size < 1024:
            return f"{size_bytes}B" if unit == "B" else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}T"

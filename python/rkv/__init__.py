"""rkv: a Redis-compatible store inside your program.

>>> import rkv
>>> db = rkv.open()
>>> kv = db.db(0)
>>> kv.set("k", b"v", ex=30), kv.get("k")
(True, b'v')

Importing this module imports neither trio nor redis.
"""

from __future__ import annotations

import os as _os

from rkv import _rkv
from rkv._rkv import ManualClock, __version__
from rkv.db import DB, Snapshot, open  # noqa: A004 - rkv.open() is what it is called
from rkv.errors import (
    BusyLoadingError,
    ClosedError,
    DamagedFileError,
    DataError,
    DirectoryInUseError,
    ExecAbortError,
    ForkedError,
    NoAuthError,
    NoPermissionError,
    NoScriptError,
    NotAvailableError,
    OutOfMemoryError,
    PoisonedError,
    ReadOnlyError,
    ResponseError,
    RkvError,
    SlowSubscriberError,
    SnapshotError,
    WatchError,
    WrongPassError,
    WrongTypeError,
)
from rkv.keyspace import Keyspace
from rkv.pipeline import Pipeline

# What mypy takes for typing.TYPE_CHECKING, without importing typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from rkv.server import serve, serve_in_thread, serve_stream

__all__ = [
    "DB",
    "BusyLoadingError",
    "ClosedError",
    "DamagedFileError",
    "DataError",
    "DirectoryInUseError",
    "ExecAbortError",
    "ForkedError",
    "Keyspace",
    "ManualClock",
    "NoAuthError",
    "NoPermissionError",
    "NoScriptError",
    "NotAvailableError",
    "OutOfMemoryError",
    "Pipeline",
    "PoisonedError",
    "ReadOnlyError",
    "ResponseError",
    "RkvError",
    "SlowSubscriberError",
    "Snapshot",
    "SnapshotError",
    "WatchError",
    "WrongPassError",
    "WrongTypeError",
    "__version__",
    "open",
    "serve",
    "serve_in_thread",
    "serve_stream",
]

# What needs trio is imported when it is first asked for.
_LAZY = {"serve": "rkv.server", "serve_in_thread": "rkv.server", "serve_stream": "rkv.server"}


def __getattr__(name: str) -> object:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'rkv' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_rkv.note_fork)

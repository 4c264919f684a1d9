"""The front end: trio owns listeners, admission, signals and the graceful stop.

What it is: a trio program around an engine. A connection is served in one of two ways over the same session: its socket
is handed to a reactor thread in Rust, or a trio task serves it as a `trio.abc.Stream`. What it is not: it knows no
command, and no byte of a connection that a reactor serves passes through Python.

Invariants: a failed accept never stops a server; what runs in another thread wakes an event loop through one socket
pair and never takes the GIL for it.

Names are loaded when they are asked for, because the program reads its configuration and listens before it loads trio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import serve_stream
    from .serving import Server, serve
    from .thread import serve_in_thread

__all__ = ["Server", "serve", "serve_in_thread", "serve_stream"]


def __getattr__(name: str) -> object:
    if name == "serve_stream":
        from .connection import serve_stream

        return serve_stream
    if name == "serve_in_thread":
        from .thread import serve_in_thread

        return serve_in_thread
    if name in {"Server", "serve"}:
        from . import serving

        return getattr(serving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Serving from a program without trio: an event loop in a thread of its own."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import trio

from .serving import Server, serve

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


class _Thread:
    """The thread, the server in it, or the error that ended it."""

    def __init__(
        self,
        db: object,
        host: str,
        port: int | None,
        path: str | None,
        io_threads: int,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._arguments = (db, host, port, path, io_threads, ssl_context)
        self._is_decided = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self.server: Server | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rkv-serve", daemon=True)

    def start(self) -> Server:
        self._thread.start()
        self._is_decided.wait()
        if self.server is None:
            self._thread.join()
            raise self.error or RuntimeError("the server ended before it began")
        return self.server

    def stop(self) -> None:
        if self._token is not None and self.server is not None and self._thread.is_alive():
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self.server.stop)
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 it is raised in the thread that waits for this one
            self.error = error
        finally:
            self._is_decided.set()

    async def _main(self) -> None:
        db, host, port, path, io_threads, context = self._arguments
        self._token = trio.lowlevel.current_trio_token()
        await serve(
            db, host=host, port=port, path=path, io_threads=io_threads, ssl_context=context, task_status=_Started(self)
        )

    def decide(self, server: Server) -> None:
        self.server = server
        self._is_decided.set()


class _Started(trio.TaskStatus[Server]):
    def __init__(self, thread: _Thread) -> None:
        self._thread = thread

    def started(self, value: Server | None = None) -> None:
        assert value is not None
        self._thread.decide(value)


@contextmanager
def serve_in_thread(
    db: object,
    *,
    host: str = "127.0.0.1",
    port: int | None = 0,
    path: str | None = None,
    io_threads: int = 1,
    ssl_context: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """`rkv.serve` for programs without trio: serves inside the `with` block, from a thread of its own."""
    thread = _Thread(db, host, port, path, io_threads, ssl_context)
    server = thread.start()
    try:
        yield server
    finally:
        thread.stop()

"""A server: listeners, the connections that came through them, and their end."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from rkv._rkv import Front, Reactor, log_line

from . import admission, listener
from .connection import Connection
from .engine import engine_of

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
    from types import TracebackType

    from rkv._rkv import Engine

    from .listener import Listener
    from .tls import Tls

# How long peers that do not read their replies may hold up the end of a server that an application runs.
GRACE_S = 1.0
IDLE_CHECK_S = 1.0


class Server:
    """A running server, as `rkv.serve` gives it."""

    def __init__(
        self,
        engine: Engine,
        listeners: Sequence[Listener],
        io_threads: int,
        grace_s: float,
        tls: Tls | None = None,
    ) -> None:
        """`tls` is for listeners whose transport is `tls`."""
        self._engine = engine
        self._tls = tls
        self._handshakes: set[trio.CancelScope] = set()
        self._front = Front(engine)
        self._listeners = listeners
        # Known as long as the server is, also when it has stopped.
        first = next((each for each in listeners if each.transport == "tcp"), None)
        first = first or next((each for each in listeners if each.transport == "tls"), None)
        self._address = first.socket.getsockname()[:2] if first else None
        self._scheme = "rediss" if first and first.transport == "tls" else "redis"
        self._reactor = Reactor(engine, io_threads) if io_threads else None
        self._streams: set[Connection] = set()
        self._stopping = trio.Event()
        self.stopped = trio.Event()
        self._grace_s = grace_s

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of the first TCP listener."""
        return self._address

    @property
    def path(self) -> str | None:
        """Path of the Unix socket."""
        return next((each.name for each in self._listeners if each.transport == "unix"), None)

    @property
    def url(self) -> str:
        """For redis-py's `from_url` and its like: `redis://127.0.0.1:6379/0`, `rediss://...` or `unix:///path`."""
        if self.address is None:
            return f"unix://{self.path}"
        host, port = self.address
        return f"{self._scheme}://[{host}]:{port}/0" if ":" in host else f"{self._scheme}://{host}:{port}/0"

    @property
    def is_stopping(self) -> bool:
        """Whether it has begun to stop."""
        return self._stopping.is_set()

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._handshakes) + len(self._streams) + (self._reactor.connections if self._reactor else 0)

    def stop(self, grace_s: float | None = None) -> None:
        """Begin to stop: nothing new is accepted, what was received is answered, then every connection is closed.

        Peers that do not read their replies are waited for no longer than `grace_s` seconds.
        """
        if grace_s is not None:
            self._grace_s = grace_s
        self._stopping.set()

    async def run(self, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop` or a cancellation."""
        self._front.follow_config(self._tls.apply if self._tls else None)
        try:
            async with trio.open_nursery() as streams:
                async with trio.open_nursery() as doors:
                    for each in self._listeners:
                        doors.start_soon(listener.accept, each, self._doorman(each, streams), _complain)
                    doors.start_soon(self._close_idle)
                    if self._tls is not None:
                        doors.start_soon(self._tls.watch)
                    task_status.started(self)
                    await self._stopping.wait()
                    doors.cancel_scope.cancel()
                listener.close_all(self._listeners)
                await self._finish(streams)
        finally:
            listener.close_all(self._listeners)
            if self._reactor is not None:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(self._reactor.stop, 0.0)
            self._front.follow_config()
            self.stopped.set()

    async def _finish(self, streams: trio.Nursery) -> None:
        # Who still shakes hands has asked for nothing yet.
        for scope in self._handshakes:
            scope.cancel()
        for connection in self._streams:
            connection.finish()
        streams.cancel_scope.deadline = trio.current_time() + self._grace_s
        if self._reactor is not None:
            await trio.to_thread.run_sync(self._reactor.stop, self._grace_s)

    async def _close_idle(self) -> None:
        while True:
            await trio.sleep(IDLE_CHECK_S)
            self._front.close_idle()

    def _doorman(self, at: Listener, streams: trio.Nursery) -> Callable[[socket.socket, str], None]:
        def admit(connection: socket.socket, peer: str) -> None:
            try:
                self._admit(connection, peer, at, streams)
            except OSError as error:
                connection.close()
                log_line("verbose", f"Accepting client connection: {error}")

        return admit

    def _admit(self, connection: socket.socket, peer: str, at: Listener, streams: trio.Nursery) -> None:
        clients_max, is_protected, keepalive_s = self._front.admission()
        is_tcp, is_tls = at.transport != "unix", at.transport == "tls"
        refusal = None
        if self.connections >= clients_max:
            refusal = admission.FULL
        elif is_tcp and is_protected and not admission.is_local(peer):
            refusal = admission.DENIED
        if refusal is not None:
            self._front.count_rejected()
            # A peer that waits for a handshake could not read it.
            admission.refuse(connection, b"" if is_tls else refusal)
            return
        if is_tcp:
            admission.tune(connection, keepalive_s)
            local = listener.shown(connection.getsockname())
        else:
            peer = local = f"{at.name}:0"
        if self._tls is not None and is_tls:
            scope = trio.CancelScope()
            self._handshakes.add(scope)
            streams.start_soon(self._serve_tls, self._tls, connection, peer, local, scope)
            return
        if self._reactor is not None:
            self._reactor.adopt(connection.detach(), peer, local, at.transport)
            return
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        streams.start_soon(self._serve, stream, peer, local, at.transport)

    async def _serve_tls(
        self, tls: Tls, connection: socket.socket, peer: str, local: str, scope: trio.CancelScope
    ) -> None:
        from .tls import HandshakeError

        stream = None
        try:
            with scope:
                stream = await tls.shake_hands(connection)
        except HandshakeError as error:
            tls.complain(peer, str(error))
            return
        finally:
            self._handshakes.discard(scope)
        if stream is not None:
            await self._serve(stream, peer, local, "tcp", tls.names(stream))

    async def _serve(
        self, stream: trio.abc.Stream, peer: str, local: str, transport: str, names: Sequence[str] = ()
    ) -> None:
        connection = Connection(self._engine, stream, peer, local, transport, names)
        self._streams.add(connection)
        if self._stopping.is_set():
            connection.finish()
        try:
            await connection.run()
        finally:
            self._streams.discard(connection)


def _complain(text: str) -> None:
    log_line("warning", text)


class Serving:
    """What `serve` returns: an asynchronous context manager, and a coroutine for `nursery.start`."""

    def __init__(self, run: Callable[[trio.TaskStatus[Server]], Coroutine[Any, Any, None]], started: Any) -> None:
        self._run = run
        self._started = started
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._context = self._serving()

    def _begin(self) -> Coroutine[Any, Any, None]:
        if self._coroutine is None:
            self._coroutine = self._run(self._started)
        return self._coroutine

    def __await__(self) -> Generator[Any, None, None]:
        return self._begin().__await__()

    def send(self, value: Any) -> Any:
        """As of any coroutine."""
        return self._begin().send(value)

    def throw(self, *error: Any) -> Any:
        """As of any coroutine."""
        return self._begin().throw(*error)

    def close(self) -> None:
        """As of any coroutine."""
        if self._coroutine is not None:
            self._coroutine.close()

    async def __aenter__(self) -> Server:
        return await self._context.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Server]:
        caught: BaseException | None = None
        async with trio.open_nursery() as nursery:
            try:
                server: Server = await nursery.start(_with_status, self._run)
                try:
                    yield server
                finally:
                    server.stop()
            except BaseException as error:  # noqa: BLE001 it is raised below, outside of the nursery's group
                caught = error
        if caught is not None:
            raise caught


async def _with_status(
    run: Callable[[trio.TaskStatus[Server]], Coroutine[Any, Any, None]],
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    await run(task_status)


def serve(
    db: object,
    *,
    host: str = "127.0.0.1",
    port: int | None = 0,
    path: str | None = None,
    io_threads: int = 1,
    ssl_context: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> Serving:
    """Serve a database over RESP: the same live store for this program and for its clients.

    `async with rkv.serve(db) as server` serves inside the block; `server = await nursery.start(rkv.serve, db)` serves
    until the nursery is cancelled or `server.stop()`. Both know `server.url`. Port 0 lets the system choose, None opens
    no TCP port; `path` opens a Unix socket. `io_threads` threads in Rust serve the sockets; with 0, trio tasks do. With
    `ssl_context`, as `trio.serve_ssl_over_tcp` takes one, the TCP port speaks TLS and nothing else, served by trio
    tasks; the context decides whom it trusts, and a certificate it loads anew serves the connections to come. An
    address other than this machine's is answered only if the database has a password. Raises `ListenError` if an
    address cannot be listened on.
    """
    engine = engine_of(db)

    async def run(task_status: trio.TaskStatus[Server]) -> None:
        listeners = [] if port is None else listener.open_tcp([host], port)
        tls = None
        if ssl_context is not None:
            from .tls import Tls

            tls = Tls(ssl_context)
            listeners = [each._replace(transport="tls") for each in listeners]
        try:
            if path is not None:
                listeners.append(listener.open_unix(path))
            if not listeners:
                raise ValueError("neither a port nor a path to serve at")
            server = Server(engine, listeners, io_threads, GRACE_S, tls)
        except BaseException:
            listener.close_all(listeners)
            raise
        await server.run(task_status)

    return Serving(run, task_status)
